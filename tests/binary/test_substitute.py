"""Module.substitute: other instructions in the place of some, without decoding."""

from __future__ import annotations

import pytest

from corpus.manifest import modules
from tests.modules import assembled, printed
from tests.support import validate
from wasmir import Function, FuncType, Instr, Module, NumType, instructions, ops

TEXT = """(module
  (type $t (func (param i32) (result i32)))
  (import "env" "f" (func $f (type $t)))
  (table 1 funcref)
  (memory 1)
  (func (export "calls") (param i32) (result i32)
    (local.set 0 (call $f (local.get 0)))
    (block (loop (br_if 1 (call $f (i32.const 16)))))
    (local.set 0 (i32.load8_u offset=16 (local.get 0)))
    (return_call $f (local.get 0)))
  (func (export "indirect") (param i32) (result i32)
    (br_table 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 (i32.const 1) (local.get 0))
    (call_indirect (type $t) (i32.const 7) (local.get 0)))
  (func (export "sizes") (result i32) (i32.add (memory.size) (memory.grow (i32.const 0x10))))
)"""


def opened() -> tuple[Module, Function, Function]:
    module = Module.from_bytes(assembled(TEXT))
    other = module.add_function(FuncType((NumType.I32,), (NumType.I32,)), name="other")
    other.body.items = [ops.local.get(0)]
    return module, module.functions[0], other


def test_calls_go_elsewhere() -> None:
    module, f, other = opened()
    asked: list[str] = []

    def choose(instr: Instr) -> Instr | None:
        asked.append(str(instr.row.name))
        if instr.immediates[0] is not f:
            return None
        return ops.call(other) if instr.row.name == "call" else ops.return_call(other)

    changed = module.substitute(["call", "return_call"], choose)
    # Each distinct instruction once.
    assert sorted(asked) == ["call", "return_call"]
    assert [function.name for function in changed] == [module.functions[1].name]
    data = module.to_bytes()
    assert validate(data) is None
    before, after = printed(assembled(TEXT)), printed(data)
    assert before.count("call $f") == after.count("call $other") == 3
    assert "call $f" not in after


def test_what_the_scanner_cannot_count_stays_what_it_is() -> None:
    module, _, _ = opened()
    grown = module.add_function(FuncType((NumType.I32,), (NumType.I32,)), name="grown")
    grown.body.items = [ops.local.get(0)]

    def choose(instr: Instr) -> Instr | None:
        assert instr.row.name == "memory.grow"
        return ops.call(grown)

    # The names alone decide: 0x40 stands in other places, too.
    assert len(module.substitute(["memory.grow"], choose, module.functions[1:4])) == 1
    assert "call $grown" in printed(module.to_bytes())


def test_nothing_to_replace_changes_nothing() -> None:
    for entry in modules():
        data = entry.path.read_bytes()
        module = Module.from_bytes(data)
        names = ["call", "call_indirect", "ref.func", "memory.size", "unreachable", "throw"]
        assert module.substitute(names, lambda _: None) == []
        # The same instruction again is no change, however it was spelled.
        assert module.substitute(names, lambda instr: instr) == []
        assert module.to_bytes() == data


def test_blocks_and_branches_are_refused() -> None:
    module, _, _ = opened()
    for name in ("block", "end", "br_if", "try_table", "else"):
        with pytest.raises(ValueError, match="part of the tree"):
            module.substitute([name], lambda _: None)


def test_offsets_are_followed() -> None:
    module, _, _ = opened()
    # With a function that was added before.
    module.track_offsets()
    function = module.functions[1]
    loads = [each.offset for each in instructions(function) if each.row.name == "i32.load8_u"]

    def choose(instr: Instr) -> Instr | None:
        return ops.i32.const(1 << 20) if instr.immediates == (16,) else None

    module.substitute(["i32.const"], choose)
    encoded = module.encode()
    assert encoded.offsets is not None
    new = encoded.offsets.new(loads[0])
    assert new is not None
    assert encoded.data[new] == 0x2D
    assert new != loads[0]


def test_custom_sections_are_added() -> None:
    module = Module.from_bytes(assembled("(module (func))"))
    before = module.checkpoint()
    custom = module.add_custom("mine", b"\x01\x02")
    again = Module.from_bytes(module.to_bytes())
    assert [each.name for each in again.customs][-1] == "mine"
    assert again.customs[-1].data == b"\x01\x02"
    custom.data = b""
    assert Module.from_bytes(module.to_bytes()).customs[-1].data == b""
    module.rollback(before)
    assert module.to_bytes() == module.source
