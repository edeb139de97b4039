"""How far code raises the operand stack, runs that nobody decoded included."""

from __future__ import annotations

import pytest

from tests.modules import assembled
from wasmir import Module, UnsupportedError

TEXT = """(module
  (type $two (func (param i32 i32) (result i64)))
  (func $give (result i32) (i32.const 0))
  (func $take (param i32))
  (func $two (type $two) (i64.const 0)))"""


@pytest.mark.parametrize(
    ("code", "effect"),
    [
        ("", 0),
        ("10 00", 1),
        ("20 00 10 01", 0),
        ("20 00 41 08 6a 10 02", 0),
        ("20 00 41 08 6a 21 00 10 00", 1),
        # Blocks: what is in them doesn't count.
        ("41 01 02 40 41 02 41 03 0f 0b", 1),
        ("02 7f 41 02 0b", 1),
        ("41 01 04 7f 41 02 05 02 40 10 00 0c 01 0b 41 03 0b 1a", 0),
        ("41 01 41 02 02 00 10 02 0b", 1),
        ("41 01 03 40 02 40 0d 01 0b 0b 10 01", 0),
        # A local and a branch that look like an end.
        ("02 40 20 0b 10 01 0c 00 0b 41 0b", 1),
        # A vector's constant, with an opcode longer than it must be.
        ("41 01 fd 8c 00" + " 00" * 16, 2),
    ],
)
def test_runs(code: str, effect: int) -> None:
    module = Module.from_bytes(assembled(TEXT))
    run = bytes.fromhex(code)
    assert module.stack_effect([run]) == effect
    assert module.stack_effect([run, run]) == 2 * effect


def test_what_control_does_not_come_out_of() -> None:
    module = Module.from_bytes(assembled(TEXT))
    with pytest.raises(UnsupportedError, match="return has no effect"):
        module.stack_effect([bytes.fromhex("41 01 0f")])
