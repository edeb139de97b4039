"""Every instruction of the table: its rule, its type, its feature."""

from __future__ import annotations

import importlib
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tests.modules import PREAMBLE, section, sized, unsigned, vector
from wasmir import InvalidError, Module
from wasmir.features import ALL, FEATURES, MVP, feature_set
from wasmir.isa.kinds import MemArg
from wasmir.isa.strict import encode_one
from wasmir.isa.table import ROWS, AddressOf, Row
from wasmir.types import NumType, encode_value_type
from wasmir.validate.rules import RULES
from wasmir.wire import Writer

if TYPE_CHECKING:
    from wasmir.types import ValType

TYPED = [row for row in ROWS if row.rule is None]


def test_rules_are_those_that_rows_ask_for() -> None:
    # With the control rules, which their module puts there.
    importlib.import_module("wasmir.validate.control")
    assert sorted(RULES) == sorted({row.rule for row in ROWS if row.rule is not None})


def test_rules_are_named_after_their_instructions() -> None:
    for name, function in RULES.items():
        assert function.__name__.rstrip("_") == name


# A module in which every index 0 means something: a memory of 64 bits would change types.


def _module(params: list[ValType], results: list[ValType], code: bytes) -> bytes:
    type_ = (
        b"\x60" + vector(map(encode_value_type, params)) + vector(map(encode_value_type, results))
    )
    gets = b"".join(b"\x20" + unsigned(number) for number in range(len(params)))
    return b"".join(
        [
            PREAMBLE,
            section(1, vector([type_])),
            section(3, vector([b"\0"])),
            section(4, vector([b"\x70\0\0", b"\x70\0\0"])),
            section(5, vector([b"\0\0"])),
            section(9, vector([b"\1\0\0"])),
            section(12, b"\1"),
            section(10, vector([sized(b"\0" + gets + code + b"\x0b")])),
            section(11, vector([b"\1\0"])),
        ]
    )


def _spelled(row: Row) -> bytes:
    """The instruction, with 0 wherever an index is wanted, and a natural alignment."""
    random = Random(row.name)
    values: list[Any] = []
    for immediate in row.immediates:
        kind = immediate.kind
        if kind.name.startswith("memarg"):
            values.append(MemArg(kind.bound or 0))
        elif kind.space is not None:
            values.append(0)
        else:
            values.append(kind.sample(random))
    writer = Writer()
    encode_one(writer, row, tuple(values))
    return writer.getvalue()


def _types(entries: tuple[Any, ...] | None) -> list[ValType]:
    return [NumType.I32 if isinstance(each, AddressOf) else each for each in entries or ()]


@pytest.mark.parametrize("row", TYPED, ids=str)
def test_a_row_has_its_type(row: Row) -> None:
    params, results = _types(row.params), _types(row.results)
    code = _spelled(row)
    Module.from_bytes(_module(params, results, code)).validate()
    # With anything else it isn't.
    for at, type_ in enumerate(params):
        other = NumType.F64 if type_ is NumType.F32 else NumType.F32
        wrong = [*params[:at], other, *params[at + 1 :]]
        with pytest.raises(InvalidError, match="type mismatch: instruction requires") as caught:
            Module.from_bytes(_module(wrong, results, code)).validate()
        assert row.mnemonic in caught.value.reason
        assert str(type_) in caught.value.reason
        assert str(other) in caught.value.reason
    if params:
        with pytest.raises(InvalidError, match=r"type mismatch: instruction requires .* but stack"):
            Module.from_bytes(_module(params[:-1], results, code)).validate()
    for wrong in (results[:-1], [*results, NumType.I32]):
        if wrong != results:
            with pytest.raises(InvalidError, match=r"type mismatch: .* requires"):
                Module.from_bytes(_module(params, wrong, code)).validate()


@pytest.mark.parametrize("row", TYPED, ids=str)
def test_a_row_needs_its_feature(row: Row) -> None:
    if row.proposal is MVP:
        return
    data = _module(_types(row.params), _types(row.results), _spelled(row))
    with pytest.raises(InvalidError, match=f"feature {row.proposal.name},"):
        Module.from_bytes(data).validate(features=ALL - {row.proposal})


def test_lanes_are_bounded() -> None:
    v128 = NumType.V128
    for code, lanes in ((b"\xfd\x15", 16), (b"\xfd\x18", 8), (b"\xfd\x1b", 4)):
        last = _module([v128], [NumType.I32], code + bytes([lanes - 1]))
        Module.from_bytes(last).validate()
        behind = _module([v128], [NumType.I32], code + bytes([lanes]))
        with pytest.raises(InvalidError, match="invalid lane index"):
            Module.from_bytes(behind).validate()


def test_atomics_have_their_natural_alignment() -> None:
    i32 = NumType.I32
    Module.from_bytes(_module([i32], [i32], b"\xfe\x10\x02\x00")).validate()
    for align in (0, 1, 3):
        wrong = Module.from_bytes(_module([i32], [i32], bytes([0xFE, 0x10, align, 0])))
        with pytest.raises(InvalidError, match="alignment must"):
            wrong.validate()


# Features by name


def test_feature_sets() -> None:
    assert feature_set("all") == ALL
    assert feature_set("wasm1") == {MVP}
    assert feature_set("-simd") == ALL - {FEATURES["simd"]}
    assert feature_set("all,-simd") == ALL - {FEATURES["simd"]}
    assert feature_set("wasm2,threads") == feature_set("wasm2") | {FEATURES["threads"]}
    assert feature_set([FEATURES["gc"], "simd"]) == {MVP, FEATURES["gc"], FEATURES["simd"]}
    standard = {each for each in ALL if each.standard}
    assert feature_set("wasm3") == standard | {FEATURES["threads"]}
    assert feature_set("wasm1") < feature_set("wasm2") < feature_set("wasm3") < ALL


def test_unknown_features_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown feature 'simf'; did you mean 'simd'\?"):
        feature_set("simf")


@pytest.mark.parametrize("name", ["wasm1", "wasm2", "wasm3"])
def test_sets_are_those_of_wasm_tools(name: str) -> None:
    """Each instruction is in a version of the specification for both, or for neither."""
    from tests.support import validate

    for row in TYPED[::7]:
        if row.proposal.name == "fp16":
            continue
        # Both must be of one opinion, which is what this asserts.
        validate(_module(_types(row.params), _types(row.results), _spelled(row)), name)
