"""Walking goes through all instructions in wire order, and says rightly where they stand."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from corpus.manifest import Module as Entry
from corpus.manifest import modules
from tests.ir.bodies import random_module
from tests.isa.test_tokens import assert_linear
from tests.modules import SCALE, module
from tests.spelling import FUNCTIONS
from wasmir import Block, Function, MalformedError, Module, UnsupportedError, bulk_work
from wasmir.ir.place import row_of
from wasmir.ir.walk import instructions, walk
from wasmir.isa.strict import decode_one
from wasmir.isa.table import Trait
from wasmir.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir.isa.table import Row

IMPLIED = {Trait.CLOSES, Trait.SEPARATES}


def check(data: bytes) -> int:
    opened = Module.from_bytes(data)
    total = 0
    for function in opened.functions:
        if function.imported is not None:
            continue
        scanned = list(instructions(function))
        assert function.is_raw
        end = check_offsets(data, function)
        assert scanned[-1].row.name == "end"
        assert scanned[-1].offset == end - 1
        walked = check_places(function)
        assert walked == [each.row for each in scanned if each.row.traits.isdisjoint(IMPLIED)]
        assert data[function.offset : end] == function.code
        total += len(scanned)
    assert opened.to_bytes() == data
    return total


def check_offsets(data: bytes, function: Function) -> int:
    """Each instruction is what is read, strictly, at its offset; where the last one ends."""
    end = function.offset
    first = True
    for each in instructions(function):
        assert first or each.offset == end
        first = False
        reader = Reader(data, each.offset)
        assert decode_one(reader) == (each.row, each.immediates)
        end = reader.pos
    return end


def check_places(function: Function) -> list[Row]:
    body = function.body
    seen = []
    for place in walk(body):
        assert place.items[place.index] is place.item
        path = place.path
        assert path[0] is body
        assert path[-1] is place.label
        assert len(path) == place.depth + 1
        assert list(place.enclosing()) == list(reversed(path))
        inside = (body.items,) if place.label is body else place.label.sequences()  # type: ignore[attr-defined]
        assert any(items is place.items for items in inside)
        for outer, inner in pairwise(path):
            within = [body.items] if outer is body else outer.sequences()  # type: ignore[attr-defined]
            assert sum(item is inner for items in within for item in items) == 1
        seen.append(place.row)
    return seen


@pytest.mark.parametrize("entry", modules(), ids=lambda entry: entry.name)
def test_corpus(entry: Entry) -> None:
    assert check(entry.path.read_bytes()) > 0


@pytest.mark.parametrize("pad", [0, 0.6])
def test_random_bodies(pad: float) -> None:
    for seed in range(40 * SCALE):
        assert check(random_module(f"walk {pad} {seed}", pad)) >= FUNCTIONS


def nested(depth: int) -> bytes:
    """A loop in a block in a loop, and so on; around each one a nop in front and behind."""
    kinds = b"\x02\x03"
    opening = b"".join(b"\x01%c\x40" % kinds[at % 2] for at in range(depth))
    return module(b"\0" + opening + b"\x01" + b"\x0b\x01" * depth + b"\x0b")


def test_deep_nesting() -> None:
    depth = 100_000
    function = Module.from_bytes(nested(depth)).functions[0]
    assert sum(1 for _ in instructions(function)) == 3 * depth + 1 + depth + 1
    deepest = max(walk(function.body), key=lambda place: place.depth)
    assert deepest.depth == depth
    assert len(deepest.path) == depth + 1
    assert sum(1 for _ in function.body) == 3 * depth + 1
    function.body.expand()
    function.close()
    function.body.expand()
    assert not any(isinstance(item, bytes) for item in function.body)


READERS: dict[str, Callable[[Function], object]] = {
    "walk": lambda function: sum(place.depth for place in walk(function.body)),
    "instructions": lambda function: sum(1 for _ in instructions(function)),
    "expand": lambda function: function.body.expand(),
}


@pytest.mark.parametrize("name", READERS)
def test_nesting_takes_linear_time(name: str) -> None:
    def make(size: int) -> Callable[[], object]:
        data = nested(size)

        def read() -> None:
            function = Module.from_bytes(data).functions[0]
            # The collector looks through what is nested again and again.
            with bulk_work():
                READERS[name](function)
            function.close()

        return read

    assert_linear(make, 15_000)


def test_what_the_scanner_cannot_count() -> None:
    """Each br_table has more labels than it has an alternative for."""
    table = b"\x0e\xc8\x01" + b"\x00" * 201

    def make(size: int) -> Callable[[], object]:
        data = module(b"\0" + table * size + b"\x01\x0b")
        function = Module.from_bytes(data).functions[0]

        def read() -> None:
            found = list(instructions(function))
            assert len(found) == size + 2
            assert found[-1].offset == len(data) - 1
            assert len(found[0].immediates[0]) == 201

        return read

    assert_linear(make, 1000)


# What is wrong, and what isn't there


@pytest.mark.parametrize(
    ("code", "message", "place"),
    [
        ("00 01", "END opcode expected", 2),
        ("00 02 40 0b", "END opcode expected", 4),
        ("00 0b 01 0b", "goes on behind its end", 2),
        ("00 01 27 0b", "illegal opcode", 2),
        ("00 41 80 80 80 80 70 0b", "integer too large", 2),
        ("00 0e 05 00 00", "unexpected end|out of bounds", None),
        ("01 01", "unexpected end", None),
    ],
)
def test_malformed(code: str, message: str, place: int | None) -> None:
    data = module(bytes.fromhex(code))
    function = Module.from_bytes(data).functions[0]
    with pytest.raises(MalformedError, match=message) as caught:
        list(instructions(function))
    if place is not None:
        assert caught.value.offset == function.offset + place


def test_only_raw_functions_have_offsets() -> None:
    function = Module.from_bytes(module(b"\0\1\x0b")).functions[0]
    assert [str(each) for each in instructions(function)] == ["nop", "end"]
    function.body.items.append(b"\x01")
    with pytest.raises(ValueError, match="no longer raw"):
        instructions(function)
    function.settle()
    with pytest.raises(ValueError, match="no longer raw"):
        instructions(function)


def test_imported_functions_have_none() -> None:
    imports = b"\x02\x07\x01\x01m\x01f\x00\x00"
    data = module()
    at = data.index(b"\x03", 8 + 6)
    opened = Module.from_bytes(data[:at] + imports + data[at:])
    with pytest.raises(UnsupportedError, match="imported function has no body"):
        instructions(opened.functions[0])


def test_replacing_while_walking() -> None:
    opened = Module.from_bytes(module(bytes.fromhex("00 01 02 40 01 0b 01 0b")))
    body = opened.functions[0].body
    seen = []
    for place in walk(body):
        seen.append(place.row.name)
        if place.row.name == "nop":
            place.items[place.index] = Block(opened.block_type())
    assert seen == ["nop", "block", "nop", "nop"]
    assert opened.functions[0].code.hex(" ") == "00 02 40 0b 02 40 02 40 0b 0b 02 40 0b 0b"


def test_rows() -> None:
    body = Module.from_bytes(module(b"\0\x0b")).functions[0].body
    with pytest.raises(TypeError, match="no instruction"):
        row_of(body)
