"""Any bytes give a module or a typed error, in time and memory that the input accounts for."""

from __future__ import annotations

import gzip
import pickle
import time
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.manifest import find
from tests.modules import (
    EMPTY_TYPE,
    PREAMBLE,
    SCALE,
    assembled,
    custom,
    module,
    program,
    section,
    sized,
    unsigned,
    vector,
)
from tests.support import CONVERTED, peak_of, validate
from wasmir import InvalidError, MalformedError, Module, Pipeline, UnsupportedError, WasmError

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_COUNT = unsigned(2**32 - 1)


def first_error(data: bytes) -> WasmError | None:
    """All that the library does with a module; the first error of ours. Others come through."""
    try:
        opened = Module.from_bytes(data)
        assert opened.to_bytes() == data
        assert len(opened.types) + len(opened.imports) + len(opened.tags) >= 0
        for function in opened.functions:
            if function.imported is None:
                assert function.body.local_count >= 0
        assert opened.to_bytes() == data
        converted = Module.from_bytes(data)
        Pipeline.parse("legacy-to-exnref").run(converted)
        converted.to_bytes()
    except WasmError as error:
        return error
    return None


def everything(data: bytes) -> WasmError | None:
    """The same; and the error has what an error needs."""
    error = first_error(data)
    if error is not None:
        assert error.reason
        assert str(error).startswith(error.reason)
        offset = getattr(error, "offset", None)
        assert offset is None or 0 <= offset <= len(data), f"{error} in {len(data)} bytes"
        assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - our own
    return error


# Damaged modules

SMALL = [
    "plain",
    "exnref",
    "mixed",
    "legacy-no-tags",
    "legacy-memory64",
    "legacy-shapes-rethrow",
]


def small_parts(data: bytes, random: Random, count: int) -> list[int]:
    """Every offset where that is affordable, else the first hundred and a sample of the rest."""
    if len(data) <= count:
        return list(range(len(data)))
    return [*range(100), *sorted(random.sample(range(100, len(data)), count - 100))]


@pytest.mark.parametrize("name", SMALL)
def test_truncations(name: str) -> None:
    data = find(name).path.read_bytes()
    ends = {8, *(each.end for each in Module.from_bytes(data).sections)}
    for length in small_parts(data, Random(name), 500 * SCALE):
        error = everything(data[:length])
        # Only at the end of a section can the rest be missed; what is needed may be missing then.
        if length not in ends:
            assert isinstance(error, MalformedError), length
            assert "unexpected end" in error.reason or "length out of bounds" in error.reason


@pytest.mark.parametrize("name", SMALL)
def test_mutations_of_one_byte(name: str) -> None:
    data = find(name).path.read_bytes()
    random = Random(name)
    outcomes = set()
    for at in small_parts(data, random, 250 * SCALE):
        value = random.choice([data[at] ^ 1 << random.randrange(8), random.randrange(256), 0xFF])
        error = everything(data[:at] + bytes([value]) + data[at + 1 :])
        outcomes.add(type(error))
    assert outcomes >= {type(None), MalformedError}


@pytest.mark.parametrize("name", SMALL)
def test_mutations_of_pieces(name: str) -> None:
    data = find(name).path.read_bytes()
    random = Random(name)
    for _ in range(60 * SCALE):
        start = random.randrange(8, len(data))
        end = min(len(data), start + random.randrange(20))
        elsewhere = random.randrange(8, len(data))
        piece = random.choice([b"", random.randbytes(4), data[elsewhere : elsewhere + 20]])
        everything(data[:start] + piece + data[end:])


@settings(max_examples=200 * SCALE, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    everything(data)
    everything(PREAMBLE + data)


CONTROL = b"\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x18\x19\x1f\xd5\xfb\xe3"


@settings(max_examples=400 * SCALE, deadline=None)
@given(st.lists(st.sampled_from([*CONTROL, 0, 0, 0, 1, 2, 0x40, 0x40, 0x7F]), max_size=40))
def test_random_bodies(code: list[int]) -> None:
    everything(module(b"\0" + bytes(code) + b"\x0b", tags=1))


@settings(max_examples=100 * SCALE, deadline=None)
@given(number=st.integers(0, 14), content=st.binary(max_size=40))
def test_random_sections(number: int, content: bytes) -> None:
    everything(PREAMBLE + section(number, content))
    everything(PREAMBLE + section(1, vector([EMPTY_TYPE])) + section(number, content))


def test_invalid_bodies_of_smith() -> None:
    """Random bytes as function bodies, in modules that are valid otherwise."""
    import subprocess

    command = [program(), "smith", "--allow-invalid-funcs=true", "--min-funcs=3"]
    outcomes = set()
    for seed in range(60 * SCALE):
        data = Random(seed).randbytes(3000)
        done = subprocess.run(command, input=data, capture_output=True, check=False)
        if done.returncode == 0:
            outcomes.add(type(everything(done.stdout)))
    assert outcomes >= {type(None), MalformedError}


# What isn't a module

COMPONENT = b"\0asm\x0d\0\1\0"
NO_MODULES: dict[str, tuple[bytes, type[WasmError], str, int]] = {
    "empty": (b"", MalformedError, "unexpected end: the input is empty", 0),
    "half a magic number": (b"\0as", MalformedError, "unexpected end", 3),
    "half a version": (b"\0asm\1\0", MalformedError, "unexpected end", 6),
    "another version": (b"\0asm\2\0\0\0", MalformedError, "unknown binary version", 4),
    "component": (COMPONENT, UnsupportedError, "this is a component.*unbundle", 4),
    "text": (b"(module (func))", MalformedError, "magic header.*text.*wasm-tools parse", 0),
    "text after a comment": (b"\n ;; hello\n(module)", MalformedError, "text format", 0),
    "LLVM bitcode": (b"BC\xc0\xde\x35\x14", MalformedError, "LLVM bitcode", 0),
    "archive": (b"!<arch>\nfoo.o/", MalformedError, "archive of object files", 0),
    "gzip": (gzip.compress(PREAMBLE), MalformedError, "compressed", 0),
    "zip": (b"PK\x03\x04rest", MalformedError, "compressed", 0),
    "zstd": (b"\x28\xb5\x2f\xfdrest", MalformedError, "compressed", 0),
    "JavaScript": (b"function f() {}", MalformedError, "magic header not detected", 0),
    "HTML": (b"<!DOCTYPE html>", MalformedError, "magic header not detected", 0),
}


@pytest.mark.parametrize("name", NO_MODULES)
def test_no_module(name: str) -> None:
    data, kind, reason, offset = NO_MODULES[name]
    with pytest.raises(kind, match=reason) as caught:
        Module.from_bytes(data)
    assert getattr(caught.value, "offset", None) == offset
    assert f"{offset:#x}" in str(caught.value)


# Lying counts and sizes

TYPES = section(1, vector([EMPTY_TYPE]))
ONE_FUNCTION = TYPES + section(3, b"\x01\0")
LIES: dict[str, bytes] = {
    "types": section(1, MOST_COUNT),
    "a recursive group": section(1, b"\x01\x4e" + MOST_COUNT),
    "parameters": section(1, b"\x01\x60" + MOST_COUNT),
    "results": section(1, b"\x01\x60\0" + MOST_COUNT),
    "fields": section(1, b"\x01\x5f" + MOST_COUNT),
    "supertypes": section(1, b"\x01\x50" + MOST_COUNT),
    "imports": section(2, MOST_COUNT),
    "an import's name": section(2, b"\x01" + MOST_COUNT),
    "a group of imports": section(2, b"\x01\0\0\x7f" + MOST_COUNT),
    "functions": TYPES + section(3, MOST_COUNT) + section(10, MOST_COUNT),
    "functions and code": TYPES + section(3, b"\x01\0") + section(10, MOST_COUNT),
    "functions without code": ONE_FUNCTION,
    "code without functions": section(10, b"\x01\x02\0\x0b"),
    "tags": TYPES + section(13, MOST_COUNT),
    "a body's size": ONE_FUNCTION + section(10, b"\x01" + MOST_COUNT + b"\0\x0b"),
    "a body's size by one": ONE_FUNCTION + section(10, b"\x01\x03\0\x0b"),
    "a body that is too short": ONE_FUNCTION + section(10, b"\x01\x01\0\x0b"),
    "an empty body": ONE_FUNCTION + section(10, b"\x01\0"),
    "groups of locals": ONE_FUNCTION + section(10, b"\x01" + sized(MOST_COUNT + b"\x0b")),
    "labels": ONE_FUNCTION + section(10, b"\x01" + sized(b"\0\x0e" + MOST_COUNT + b"\x0b")),
    "clauses": ONE_FUNCTION + section(10, b"\x01" + sized(b"\0\x1f\x40" + MOST_COUNT + b"\x0b")),
    "handlers": ONE_FUNCTION + section(10, b"\x01" + sized(b"\0\xe3\0" + MOST_COUNT + b"\x0b")),
    "select": ONE_FUNCTION + section(10, b"\x01" + sized(b"\0\x1c" + MOST_COUNT + b"\x0b")),
    "a section's size": b"\x01" + MOST_COUNT,
    "a section's size by one": b"\x01\x05" + vector([EMPTY_TYPE]),
    "a section without size": b"\x01",
    "a custom section's name": b"\0\x05" + MOST_COUNT,
    "data": section(12, MOST_COUNT),
    "a section number": b"\x7f\0",
    "sections out of order": section(3, b"\0") + section(1, b"\0"),
    "a section twice": section(1, b"\0") * 2,
    "bytes behind the types": section(1, vector([EMPTY_TYPE]) + b"\0"),
    "bytes behind the code": ONE_FUNCTION + section(10, b"\x01\x02\0\x0b\0"),
    "code behind its end": ONE_FUNCTION + section(10, b"\x01\x04\0\x0b\x0b\x01"),
}


@pytest.mark.parametrize("name", LIES)
def test_lies(name: str) -> None:
    data = PREAMBLE + LIES[name]
    assert len(data) < 50
    errors = []
    # The first example pays for the tables and regexes.
    assert peak_of(lambda: errors.append(everything(data))) < 50_000_000
    assert isinstance(errors[0], MalformedError)


INVALID: dict[str, tuple[bytes, str]] = {
    "type of a function": (TYPES + section(3, b"\x01\x07") + section(10, b"\x01\x02\0\x0b"), ""),
    "type in a type": (section(1, b"\x01\x60\x01\x64\x07\0"), ""),
    "type of a tag": (TYPES + section(13, b"\x01\0\x07"), ""),
    "type of a block": (module(b"\0\x02\x07\x0b\x0b")[8:], "in function 0"),
    "block type that is no function": (
        module(b"\0\x02\x01\x0b\x0b", types=[EMPTY_TYPE, b"\x5f\0"])[8:],
        "in function 0",
    ),
    "tag": (module(b"\0\x08\x07\x0b", tags=1)[8:], "in function 0"),
    "tag of a catch": (module(b"\0\x06\x40\x07\x07\x0b\x0b", tags=1)[8:], "in function 0"),
    "tag of a clause": (module(b"\0\x1f\x40\x01\0\x07\0\x0b\x0b", tags=1)[8:], "in function 0"),
    "function": (module(b"\0\x12\x07\x0b")[8:], "in function 0"),
    "label": (module(b"\0\x0c\x01\x0b")[8:], "in function 0"),
    "label of br_if": (module(b"\0\x02\x40\x0d\x02\x0b\x0b")[8:], "in function 0"),
    "label of br_table": (module(b"\0\x0e\x01\0\x01\x0b")[8:], "in function 0"),
    "label of a large br_table": (
        module(b"\0\x0e" + unsigned(100) + b"\0" * 100 + b"\x01\x0b")[8:],
        "in function 0",
    ),
    "label of delegate": (module(b"\0\x06\x40\x18\x01\x0b")[8:], "in function 0"),
    "largest label of delegate": (
        module(b"\0\x06\x40\x18" + MOST_COUNT + b"\x0b")[8:],
        "in function 0",
    ),
    "label of a clause": (module(b"\0\x1f\x40\x01\x02\x01\x0b\x0b")[8:], "in function 0"),
    "label of br_on_null": (module(b"\0\xd5\x01\x0b")[8:], "in function 0"),
    "rethrow outside a handler": (module(b"\0\x06\x40\x09\0\x19\x0b\x0b")[8:], "in function 0"),
    "rethrow of a block": (module(b"\0\x06\x40\x19\x02\x40\x09\0\x0b\x0b\x0b")[8:], "function 0"),
}


@pytest.mark.parametrize("name", INVALID)
def test_unknown_things(name: str) -> None:
    """What is well-formed, but names what isn't there."""
    data, where = INVALID[name]
    error = everything(PREAMBLE + data)
    assert isinstance(error, InvalidError)
    assert error.reason.startswith(("unknown ", "type mismatch", "invalid rethrow label"))
    assert where in str(error)


MALFORMED: dict[str, tuple[bytes, int]] = {
    # A body's code, and where in it the error is.
    "illegal opcode": (b"\0\x01\x01\xff\x0b", 3),
    "illegal opcode behind a block": (b"\0\x02\x40\x0b\x27\x0b", 4),
    "illegal opcode behind a large br_table": (
        b"\0\x0e" + unsigned(100) + b"\0" * 101 + b"\xff\x0b",
        104,
    ),
    "no end": (b"\0\x01\x01", 3),
    "no end of a block": (b"\0\x02\x40\x0b", 4),
    "end too many": (b"\0\x0b\x0b", 2),
    "else without if": (b"\0\x05\x0b", 1),
    "else in a block": (b"\0\x02\x40\x05\x0b\x0b", 3),
    "else twice": (b"\0\x04\x40\x05\x05\x0b\x0b", 4),
    "catch without try": (b"\0\x07\0\x0b", 1),
    "catch_all in a block": (b"\0\x02\x40\x19\x0b\x0b", 3),
    "catch behind catch_all": (b"\0\x06\x40\x19\x07\0\x0b\x0b", 4),
    "catch_all twice": (b"\0\x06\x40\x19\x19\x0b\x0b", 4),
    "delegate without try": (b"\0\x18\0\x0b", 1),
    "delegate of a block": (b"\0\x02\x40\x18\0\x0b", 3),
    "delegate behind catch": (b"\0\x06\x40\x07\0\x18\0\x0b", 5),
    "integer too large": (b"\0\x0c\x80\x80\x80\x80\x70\x0b", 2),
    "integer too long": (b"\0\x0c\x80\x80\x80\x80\x80\x00\x0b", 2),
    "clause": (b"\0\x1f\x40\x01\x04\0\x0b\x0b", 4),
    "block type": (b"\0\x02\x41\x0b\x0b", 2),
    "locals": (b"\x01\x01\x40\x0b", 2),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_bodies(name: str) -> None:
    code, at = MALFORMED[name]
    data = module(b"\0\x0b", code, tags=1)
    start = Module.from_bytes(data).functions[1].offset
    error = everything(data)
    assert isinstance(error, MalformedError)
    assert error.offset == start + at, f"{error}, in code that begins at {start:#x}"


# Depth and size


def in_time(limit: float, action: Callable[[], object]) -> None:
    start = time.process_time()
    action()
    assert time.process_time() - start < limit


DEEP = 100_000
NESTS: dict[str, tuple[bytes, bytes]] = {
    "block": (b"\x02\x40", b"\x0b"),
    "loop": (b"\x03\x40", b"\x0b"),
    "if": (b"\x41\0\x04\x40", b"\x0b"),
    "else": (b"\x41\0\x04\x40\x05", b"\x0b"),
    "try_table": (b"\x1f\x40\x01\x02\0", b"\x0b"),
    "try catch_all": (b"\x06\x40", b"\x19\x0b"),
    "try catch_all rethrow": (b"\x06\x40", b"\x19\x09\0\x0b"),
    "try in catch with rethrow": (b"\x06\x40\x10\0\x07\0", b"\x09\0\x0b"),
    "delegate": (b"\x06\x40", b"\x18\0"),
}


@pytest.mark.parametrize("name", NESTS)
def test_nesting(name: str) -> None:
    opening, closing = NESTS[name]
    # In the middle a branch to the function's label.
    data = module(
        b"\0" + opening * DEEP + b"\x0c" + unsigned(DEEP) + closing * DEEP + b"\x0b", tags=1
    )
    in_time(60, lambda: everything(data) and pytest.fail("refused"))


HANDLER_NESTS = {
    "try in catch_all": (b"\x06\x40\x10\0\x19", b"\x0b"),
    "delegate in catch_all": (b"\x06\x40\x06\x40\x10\0\x18\0\x19", b"\x0b"),
}


@pytest.mark.parametrize("name", HANDLER_NESTS)
def test_nested_handlers_take_linear_memory(name: str) -> None:
    opening, closing = HANDLER_NESTS[name]
    data = module(b"\0" + opening * 4000 + b"\x01" + closing * 4000 + b"\x0b", tags=1)
    assert peak_of(lambda: everything(data)) < 40_000_000


@pytest.mark.parametrize("name", NESTS)
def test_unclosed_nesting(name: str) -> None:
    """Less deep than what is closed: a mixture of all that nests is left open in tests/fuzz."""
    opening, closing = NESTS[name]
    depth = DEEP if SCALE > 1 else DEEP // 4
    for closings in (0, depth - 1):
        data = module(b"\0" + opening * depth + closing * closings, tags=1)
        error = everything(data)
        assert isinstance(error, MalformedError)
        assert "unexpected end" in error.reason


def test_deep_conversion_is_right() -> None:
    """Not so deep that the validator refuses it."""
    for opening, closing in (NESTS["try catch_all"], NESTS["try in catch with rethrow"]):
        data = module(b"\0" + opening * 300 + b"\x10\0" + closing * 300 + b"\x0b", tags=1)
        assert validate(data) is None
        converted = Module.from_bytes(data)
        Pipeline.parse("legacy-to-exnref").run(converted)
        assert validate(converted.to_bytes(), CONVERTED) is None


def test_many_of_everything() -> None:
    many = 30_000
    types = section(1, unsigned(many) + EMPTY_TYPE * many)
    imports = section(2, unsigned(many) + b"\0\0\0\0" * many)
    customs = custom("x", b"") * many
    in_time(30, lambda: everything(PREAMBLE + types + imports + customs))
    codes = [b"\0\x06\x40\x10\0\x19\x0b\x0b"] * many
    in_time(30, lambda: everything(module(*codes)))


def test_memory_follows_the_input() -> None:
    data = module(b"\0" + b"\x06\x40\x10\0\x19\x0b" * 20_000 + b"\x0b")
    everything(data)

    def convert() -> None:
        opened = Module.from_bytes(data)
        Pipeline.parse("legacy-to-exnref").run(opened)

    assert peak_of(convert) < 400 * len(data)


# The whole module or nothing


def test_failed_conversion_leaves_the_module() -> None:
    good = b"\0\x06\x40\x10\0\x19\x0b\x0b"
    data = module(good, good, b"\0\x06\x40\x19\x0b\xff\x0b")
    opened = Module.from_bytes(data)
    with pytest.raises(MalformedError, match="illegal opcode ff"):
        Pipeline.parse("legacy-to-exnref").run(opened)
    assert opened.to_bytes() == data


def test_errors_name_functions() -> None:
    data = assembled('(module (func $first) (func $second) (func $"a \\"name\\""))')
    opened = Module.from_bytes(data)
    assert [str(function) for function in opened.functions][:2] == ['0 "first"', '1 "second"']
    with pytest.raises(UnsupportedError, match=r"imported function has no body \(in function 0"):
        _ = Module.from_bytes(assembled('(module (import "m" "f" (func)))')).functions[0].body


@pytest.mark.parametrize(
    "content", [b"\x01", b"\x01\x05\x01", b"\x01\x03\x01\x00\xff", b"\x02\x01\x01" * 5, b"\xff" * 9]
)
def test_broken_names_are_no_reason_to_refuse(content: bytes) -> None:
    data = module(b"\0\x06\x40\x10\0\x19\x0b\x0b", after=custom("name", content))
    assert everything(data) is None
    assert str(Module.from_bytes(data).functions[0]).startswith("0")
