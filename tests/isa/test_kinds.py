"""Each kind of immediate on its own: round trips, truncation, strictness, WAT."""

import copy
import math
import pickle
import struct
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasmir.errors import MalformedError
from wasmir.isa import kinds
from wasmir.isa.kinds import CatchKind, Clause, Handler, Kind, MemArg
from wasmir.types import AbstractHeap, Concrete, NumType, RefType
from wasmir.wire import Reader, Writer

ALL = pytest.mark.parametrize("kind", kinds.BY_NAME.values(), ids=str)


def written(kind: Kind[Any], value: object) -> bytes:
    writer = Writer()
    kind.write(writer, value)
    return writer.getvalue()


def read(kind: Kind[Any], spelled: str) -> object:
    reader = Reader(bytes.fromhex(spelled))
    value = kind.read(reader)
    assert reader.at_end()
    return value


@ALL
def test_samples_round_trip(kind: Kind[Any]) -> None:
    random = Random(kind.name)
    for _ in range(200):
        value = kind.sample(random)
        data = written(kind, value)
        # What follows is not to be touched.
        reader = Reader(data + b"\xff")
        assert kind.read(reader) == value
        assert reader.pos == len(data)


@ALL
def test_every_truncation_is_malformed(kind: Kind[Any]) -> None:
    random = Random(kind.name)
    for _ in range(50):
        data = written(kind, kind.sample(random))
        for length in range(len(data)):
            with pytest.raises(MalformedError, match="unexpected end"):
                kind.read(Reader(data, end=length))


@ALL
@given(data=st.binary(max_size=40))
def test_reading_is_total(kind: Kind[Any], data: bytes) -> None:
    reader = Reader(data)
    try:
        value = kind.read(reader)
    except MalformedError:
        return
    assert kind.read(Reader(written(kind, value))) == value
    assert isinstance(kind.show(value), str)


@ALL
def test_copies_keep_identity(kind: Kind[Any]) -> None:
    assert copy.deepcopy(kind) is kind
    assert pickle.loads(pickle.dumps(kind)) is kind  # noqa: S301 - our own bytes


@ALL
def test_the_main_space_is_one_of_the_spaces(kind: Kind[Any]) -> None:
    assert kind.spaces >= ({kind.space} if kind.space else set())
    assert bool(kind.spaces) == (kind.space is not None)


def test_every_kind_is_exported() -> None:
    assert {value for value in vars(kinds).values() if isinstance(value, Kind)} == {
        getattr(kinds, name) for name in kinds.__all__ if isinstance(getattr(kinds, name), Kind)
    }


FUNC = AbstractHeap.FUNC


@pytest.mark.parametrize(
    ("kind", "spelled", "value"),
    [
        (kinds.LOCAL, "8180808000", 1),
        (kinds.I32, "ffffffff7f", -1),
        (kinds.MEMARG2, "8200 04", MemArg(2, 4)),
        (kinds.MEMARG2, "42 00 04", MemArg(2, 4, 0)),
        (kinds.MEMARG2, "42 03 04", MemArg(2, 4, 3)),
        (kinds.MEMARG2, "02 ffffffffffffffffff01", MemArg(2, 2**64 - 1)),
        (kinds.BLOCK_TYPE, "40", None),
        (kinds.BLOCK_TYPE, "7f", NumType.I32),
        (kinds.BLOCK_TYPE, "64 70", RefType(False, FUNC)),
        (kinds.BLOCK_TYPE, "63 62 05", RefType(True, Concrete(5, exact=True))),
        (kinds.BLOCK_TYPE, "c000", 0x40),
        (kinds.BLOCK_TYPE, "8080808000", 0),
        (kinds.LABELS, "00 05", (5,)),
        (kinds.LABELS, "02 01 02 03", (1, 2, 3)),
        (kinds.VALUE_TYPES, "01 70", (RefType(True, FUNC),)),
        (kinds.REF, "70", RefType(False, FUNC)),
        (kinds.REF_NULL, "05", RefType(True, Concrete(5))),
        (kinds.CATCHES, "01 00 01 02", (Clause(CatchKind.CATCH, 1, 2),)),
        (kinds.CATCHES, "01 03 02", (Clause(CatchKind.CATCH_ALL_REF, None, 2),)),
        (kinds.HANDLERS, "02 00 01 02 01 03", (Handler(1, 2), Handler(3, None))),
    ],
)
def test_spellings(kind: Kind[Any], spelled: str, value: object) -> None:
    assert read(kind, spelled) == value


@pytest.mark.parametrize(
    ("kind", "spelled", "reason"),
    [
        (kinds.FUNC, "828080808000", "integer representation too long"),
        (kinds.FUNC, "8280808070", "integer too large"),
        (kinds.I32, "8080808070", "integer too large"),
        (kinds.MEMARG2, "8001 00", "malformed memop flags"),
        (kinds.MEMARG2, "02 8280808080808080807f", "integer too large"),
        (kinds.ZERO, "01", "zero byte expected"),
        # 0x40 as two bytes is neither the empty block type nor an index.
        (kinds.BLOCK_TYPE, "c07f", "malformed block type"),
        (kinds.BLOCK_TYPE, "41", "malformed value type"),
        (kinds.BLOCK_TYPE, "78", "malformed value type"),
        (kinds.BLOCK_TYPE, "64 7f", "malformed heap type"),
        (kinds.HEAP, "f07f", "malformed heap type"),
        (kinds.VALUE_TYPES, "ffffffff0f 7f", "length out of bounds"),
        (kinds.LABELS, "ffffffff0f 00", "length out of bounds"),
        (kinds.CATCHES, "01 04 00", "malformed catch clause"),
        (kinds.HANDLERS, "01 02 00", "malformed on clause"),
        (kinds.CAST_FLAGS, "04", "malformed br_on_cast flags"),
    ],
)
def test_malformed(kind: Kind[Any], spelled: str, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        read(kind, spelled)


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (kinds.I64, -(2**63), "-9223372036854775808"),
        (kinds.F32, 0x3FC00000, "0x1.8p+0"),
        (kinds.F32, 0x80000000, "-0x0p+0"),
        (kinds.F32, 0x7F800000, "inf"),
        (kinds.F32, 0xFFC00000, "-nan"),
        (kinds.F32, 0x7F800001, "nan:0x1"),
        (kinds.F32, 0x00000001, "0x1p-149"),
        (kinds.F32, 0x7F7FFFFF, "0x1.fffffep+127"),
        (kinds.F64, 0x0000000000000003, "0x1.8p-1073"),
        (kinds.MEMARG2, MemArg(2), ""),
        (kinds.MEMARG2, MemArg(0, 4, 1), "1 offset=4 align=1"),
        (kinds.TYPE_USE, 3, "(type 3)"),
        (kinds.BLOCK_TYPE, None, ""),
        (kinds.BLOCK_TYPE, 3, "(type 3)"),
        (kinds.BLOCK_TYPE, NumType.F64, "(result f64)"),
        (kinds.VALUE_TYPES, (NumType.I32, RefType(True, FUNC)), "(result i32 funcref)"),
        (kinds.LABELS, (1, 0), "1 0"),
        (kinds.CATCHES, (Clause(CatchKind.CATCH_REF, 1, 2),), "(catch_ref 1 2)"),
        (kinds.HANDLERS, (Handler(1, 2), Handler(3, None)), "(on 1 2) (on 3 switch)"),
    ],
)
def test_show(kind: Kind[Any], value: object, shown: str) -> None:
    assert kind.show(value) == shown


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_shown_floats_say_the_same_number(number: float) -> None:
    (pattern,) = struct.unpack("<Q", struct.pack("<d", number))
    shown = float.fromhex(kinds.F64.show(pattern))
    assert shown == number
    assert math.copysign(1, shown) == math.copysign(1, number)
