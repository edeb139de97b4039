"""A tree that is as it was read isn't encoded; any change to it is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.ir.bodies import defined, random_module
from tests.modules import SCALE, module
from tests.support import encoded
from wasmir import (
    Body,
    BrOn,
    BrTable,
    Catch,
    Clause,
    Function,
    If,
    Instr,
    Item,
    Module,
    NumType,
    On,
    Resume,
    Structured,
    Try,
    TryTable,
    WasmError,
)
from wasmir.isa.table import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

# An object, one of its attributes, and another value for that.
Change = tuple[object, str, object]

KINDS = {
    *("Block type", "Block items", "Loop type", "Loop items", "Br label", "BrIf label"),
    *("If type", "If items", "If else_items", "Rethrow label", "BrTable labels"),
    *("Try type", "Try items", "Try catches", "Try delegate", "Catch tag", "Catch items"),
    *("TryTable type", "TryTable items", "TryTable clauses"),
    *("Clause tag", "Clause label", "Clause ref"),
    *("BrOn label", "BrOn row", "BrOn immediates", "On tag", "On label"),
    *("Resume row", "Resume immediates", "Resume handlers"),
    *("Body items", "Body locals_wire", "Body added_locals"),
}


def changes(body: Body) -> Iterator[Change]:
    """Every attribute in the tree with another value, lists too."""
    made = body.function.module
    yield body, "items", [*body.items, b"\x01"]
    yield body, "locals_wire", b"\x01\x07\x7f"
    yield body, "added_locals", [(1, NumType.I64)]
    types = [made.block_type(), made.block_type((), [NumType.F32])]
    for item in list(body):
        if isinstance(item, Structured):
            yield item, "type", types[item.type is types[0]]
            yield item, "items", [made.instr("nop")]
        if isinstance(item, If):
            yield item, "else_items", [b"\x01"] if item.else_items is None else None
        if isinstance(item, Try):
            yield item, "delegate", None if item.delegate is body else body
            yield item, "catches", [*item.catches[:-1], Catch(None)]
        if isinstance(item, TryTable):
            yield item, "clauses", [*item.clauses, Clause(None, body)]
        if isinstance(item, BrTable):
            yield item, "labels", (*item.labels, body)
        if hasattr(item, "label"):
            yield item, "label", body
        if isinstance(item, Resume):
            yield item, "handlers", [*item.handlers, On(made.tags[1], None)]
        if isinstance(item, (BrOn, Resume)):
            yield from rows(made, item)
        for part in parts(item):
            if isinstance(part, Catch):
                yield part, "items", [*part.items, b"\x01"]
            else:
                yield part, "label", body
            yield part, "tag", made.tags[part.tag is made.tags[0]]
            if isinstance(part, Clause):
                yield part, "ref", not part.ref


def rows(made: Module, item: BrOn | Resume) -> Iterator[Change]:
    """The same instruction with others of its immediates, and another that has as many."""
    others = {
        "br_on_null": "br_on_non_null",
        "br_on_cast": "br_on_cast_fail",
        "resume_throw": "suspend",
        "resume": "resume_throw_ref",
    }
    other = others.get(item.row.name)
    if other is not None and len(BY_NAME[other].immediates) == len(item.row.immediates):
        yield item, "row", BY_NAME[other]
    if item.row.name == "resume":
        place = item.immediates.index(None)
        type_ = made.types[item.immediates[1 - place] is made.types[0]]
        yield item, "immediates", (None, type_) if place == 0 else (type_, None)
    if item.row.name == "br_on_cast":
        yield item, "immediates", (*item.immediates[:2], *reversed(item.immediates[2:]))


def parts(item: Item) -> list[Any]:
    if isinstance(item, Try):
        return list(item.catches)
    if isinstance(item, TryTable):
        return list(item.clauses)
    return list(item.handlers) if isinstance(item, Resume) else []


def outcome(function: Function, *, from_tree: bool) -> bytes | str:
    try:
        return encoded(function) if from_tree else function.code
    except WasmError as error:
        return str(error)


@pytest.mark.parametrize("decoded", ["body", "expand", "body.expand"])
@pytest.mark.parametrize("pad", [0, 0.6])
def test_every_change_is_seen(pad: float, decoded: str) -> None:
    seen: set[str] = set()
    for seed in range(12 * SCALE):
        for function in defined(random_module(f"fresh {pad} {seed}", pad)):
            code = function.code
            body = function.expand() if decoded == "expand" else function.body
            if decoded == "body.expand":
                body.expand()
            for thing, name, value in changes(body):
                before = getattr(thing, name)
                setattr(thing, name, value)
                quick = outcome(function, from_tree=False)
                items = body.items
                assert outcome(function, from_tree=True) == quick
                body.items = items
                if quick != code:
                    seen.add(f"{type(thing).__name__} {name}")
                setattr(thing, name, before)
                assert function.code == code
            # And inside of the lists that are there.
            lists = [body.items]
            for item in body:
                if isinstance(item, Structured):
                    lists += item.sequences()
            for items in lists:
                kept = items.copy()
                for at in (0, len(items)):
                    items.insert(at, b"\x01")
                    assert function.code != code
                    items[:] = kept
                    assert function.code == code
            for parts_of in filter(None, map(own_lists, body)):
                last = parts_of.pop()
                assert function.code != code
                parts_of.append(last)
            assert function.code == code
    assert seen >= KINDS, KINDS - seen


def own_lists(item: Item) -> list[Any] | None:
    """A node's list of clauses."""
    if isinstance(item, Try):
        return item.catches
    return item.clauses if isinstance(item, TryTable) else None


def test_expanding_in_one_go_is_the_same() -> None:
    for seed in range(6 * SCALE):
        data = random_module(f"expand {seed}", 0.3)
        for one, other in zip(defined(data), defined(data), strict=True):
            body = one.expand()
            assert body is one.body
            other.body.expand()
            assert shape(body) == shape(other.body)
            # What is open stays what it is.
            assert one.expand() is body


def shape(body: Body) -> list[str]:
    return [str(item) if isinstance(item, Instr) else type(item).__name__ for item in body]


def test_expanding_refuses_what_is_no_code() -> None:
    """Whatever of it is wrong: like asking for the tree and expanding that."""
    # A constant of 33 bits behind one that is well; no end; no such function.
    for text in ("00 41 00 41 80 80 80 80 70 0b", "00 41 00", "00 02 40 10 07 0b 0b"):
        data = module(bytes.fromhex(text))
        one, other = Module.from_bytes(data).functions[0], Module.from_bytes(data).functions[0]
        with pytest.raises(WasmError) as expected:
            other.body.expand()
        with pytest.raises(WasmError) as found:
            one.expand()
        assert str(found.value) == str(expected.value)
        assert type(found.value) is type(expected.value)
        assert one.is_open == other.is_open


def test_settling_takes_an_unchanged_tree_apart() -> None:
    """Without the cyclic collector's help."""
    data = module(bytes.fromhex("00 02 40 03 40 0c 01 0b 0b 06 40 19 01 0b 0b"))
    function = Module.from_bytes(data).functions[0]
    body = function.expand()
    nodes = [item for item in body if isinstance(item, Structured)]
    assert nodes
    function.settle()
    assert not body.items
    assert all(not items for node in nodes for items in node.sequences())
    assert function.module.to_bytes() == data
    assert not function.is_raw
