"""Nesting a hundred thousand deep, of whatever nests: no recursion, and nothing quadratic."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.examine import kind_of, refused, watched
from tests.modules import PREAMBLE, SCALE, module, section, unsigned
from tests.support import encoded, force, force_function, peak_of
from wasmir import Br, MalformedError, Module, WasmError
from wasmir.isa.table import ROWS, Trait

if TYPE_CHECKING:
    from collections.abc import Callable

DEEP = 100_000
SECONDS = 20.0
"""Enough for a slow machine; what is quadratic would take hours."""

Shape = tuple[bytes, bytes]

# What opens a nest, and what closes it. Where an arm or a handler follows the opening, the nest
# goes on in there.
FORMS: dict[str, list[Shape]] = {
    "block": [(b"\x02\x40", b"\x0b")],
    "loop": [(b"\x03\x40", b"\x0b")],
    "if": [
        (b"\x41\x00\x04\x40", b"\x0b"),
        (b"\x41\x00\x04\x40\x05", b"\x0b"),
    ],
    "try": [
        (b"\x06\x40", b"\x0b"),
        (b"\x06\x40", b"\x19\x09\x00\x0b"),
        (b"\x06\x40\x07\x00", b"\x0b"),
        (b"\x06\x40\x07\x00\x07\x00\x19", b"\x0b"),
        (b"\x06\x40\x19", b"\x09\x00\x0b"),
        (b"\x06\x40", b"\x18\x00"),
        (b"\x06\x40\x06\x40\x18\x00\x19", b"\x0b"),
    ],
    "try_table": [
        (b"\x1f\x40\x00", b"\x0b"),
        (b"\x1f\x40\x02\x00\x00\x00\x03\x00", b"\x0b"),
    ],
}

SHAPES = {
    f"{name} {opening.hex(' ')} .. {closing.hex(' ')}": [(opening, closing)]
    for name, forms in FORMS.items()
    for opening, closing in forms
}
EVERY = [form for forms in FORMS.values() for form in forms]
SHAPES["legacy, mixed"] = [form for name in ("block", "loop", "if", "try") for form in FORMS[name]]
SHAPES["everything, mixed"] = EVERY


def nest(shapes: list[Shape], depth: int, inside: bytes = b"\x01") -> tuple[bytes, bytes]:
    """Openings with what stands innermost, and closings."""
    random = Random(depth)
    chosen = [random.choice(shapes) for _ in range(depth)]
    openings = b"".join(opening for opening, _ in chosen)
    return openings + inside, b"".join(closing for _, closing in reversed(chosen))


def test_everything_that_opens_is_here() -> None:
    assert set(FORMS) == {row.name for row in ROWS if Trait.OPENS in row.traits}


SOME = SHAPES if SCALE > 1 else ["everything, mixed"]
"""What is tried in more ways than one; all shapes in a longer search."""


@pytest.mark.parametrize("name", SHAPES)
def test_closed(name: str) -> None:
    """A tree that gives the same bytes. Single shapes nest less deep than the mixtures of them."""
    opening, closing = nest(SHAPES[name], DEEP if "mixed" in name or SCALE > 1 else DEEP // 4)
    data = module(b"\0" + opening + closing + b"\x0b", tags=1)
    opened = Module.from_bytes(data)
    [function] = opened.functions
    with watched(SECONDS):
        force_function(function)
        assert function.code == data[function.offset :]
        assert encoded(function) == data[function.offset :]
        # Nobody takes this tree apart; the interpreter has to free it without recursion.
        del function, opened


@pytest.mark.parametrize("name", SOME)
def test_outlines(name: str) -> None:
    opening, closing = nest(SHAPES[name], DEEP)
    data = module(b"\0" + opening + closing + b"\x0b", tags=1)
    opened = Module.from_bytes(data)
    [function] = opened.functions
    with watched(SECONDS):
        for mnemonic in ("try", "try_table"):
            function.survey_with(mnemonic)
            assert function.code == data[function.offset :]
            function.close()
        assert function.body.items
        assert encoded(function) == data[function.offset :]
        function.settle()
        assert opened.to_bytes() == data


@pytest.mark.parametrize("name", SOME)
def test_unclosed(name: str) -> None:
    opening, closing = nest(SHAPES[name], DEEP)
    for code in (opening, opening + closing):
        data = module(b"\0" + code, tags=1)
        with watched(SECONDS):
            error = refused(lambda data=data: force(Module.from_bytes(data)))  # type: ignore[misc]
        assert isinstance(error, MalformedError)
        assert "unexpected end" in error.reason
        assert error.offset == len(data)


@pytest.mark.parametrize("name", SOME)
def test_closed_once_too_often(name: str) -> None:
    opening, closing = nest(SHAPES[name], DEEP)
    data = module(b"\0" + opening + closing + b"\x0b\x0b", tags=1)
    with watched(SECONDS):
        error = refused(lambda: force(Module.from_bytes(data)))
    assert isinstance(error, MalformedError)
    assert error.offset == len(data) - 1


def test_branches_across_all_of_it() -> None:
    opening, closing = nest(EVERY, DEEP, inside=b"\x0c" + unsigned(DEEP))
    data = module(b"\0" + opening + closing + b"\x0b", tags=1)
    opened = Module.from_bytes(data)
    [function] = opened.functions
    with watched(SECONDS):
        [branch] = [item for item in function.body if isinstance(item, Br)]
        assert branch.label is function.body
        assert function.code == data[function.offset :]


def test_const_expressions() -> None:
    """Blocks aren't constant, but that is for validation to say."""
    for code, expected in (
        (b"\x02\x40" * DEEP + b"\x0b" * DEEP, "module"),
        (b"\x41\x00" * DEEP, "module"),
        (b"\x02\x40" * DEEP, "malformed"),
    ):
        data = PREAMBLE + section(6, b"\x01\x7f\x00" + code + b"\x0b")
        with watched(SECONDS):
            opened = Module.from_bytes(data)
            assert outcome(opened) == expected
            assert opened.to_bytes() == data


def outcome(opened: Module) -> str:
    try:
        force(opened)
    except WasmError as error:
        return kind_of(error, opened.source)
    return "module"


LINEAR: dict[str, Callable[[int], bytes]] = {
    "nested": lambda size: b"".join(nest(EVERY, size)),
    "flat": lambda size: b"\x06\x40\x10\x00\x19\x0b" * size,
    "one br_table": lambda size: b"\x41\x00\x0e" + unsigned(4 * size) + b"\0" * (4 * size + 1),
    "many br_tables": lambda size: (b"\x41\x00\x0e\x1e" + b"\0" * 31) * (size // 4),
    "one try_table": lambda size: (
        b"\x1f\x40" + unsigned(2 * size) + b"\x02\x00" * 2 * size + b"\x0b"
    ),
    "padded": lambda size: b"\x0c\x80\x80\x80\x80\x00" * size,
    "catches": lambda size: b"\x06\x40" + b"\x07\x00" * 3 * size + b"\x0b",
}


@pytest.mark.parametrize("name", LINEAR)
def test_memory_follows_the_input(name: str) -> None:
    """Twice the code takes twice the memory, and not above some hundred bytes for each of its."""

    def peak(size: int) -> tuple[int, int]:
        data = module(b"\0" + LINEAR[name](size) + b"\x0b", tags=1)
        return len(data), peak_of(lambda: force(Module.from_bytes(data)))

    peak(10)  # loads what is loaded once
    (small, before), (large, after) = peak(2000 * SCALE), peak(8000 * SCALE)
    assert after < 250 * large + 100_000
    assert after / large < 1.5 * before / small + 10
