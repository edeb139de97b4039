"""What a guard promises, instruction by instruction: after an abort nothing of the program runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.modules import assembled
from wasmir import Module
from wasmir.interp import Instance, Tag, Trap, WasmException
from wasmir.passes import GuardAborts

if TYPE_CHECKING:
    from wasmir import Function

PROGRAM = """(module
  (import "env" "host" (func $host (param i32) (result i32)))
  (memory (export "memory") 1)
  (func $inner (param i32) (result i32)
    (i32.store (i32.const 8) (local.get 0))
    (if (i32.eqz (local.get 0)) (then unreachable))
    (i32.store (i32.const 8) (call $host (local.get 0)))
    (i32.load (i32.const 8)))
  (func (export "work") (param i32) (result i32)
    (i32.add (call $inner (local.get 0)) (i32.const 100)))
  (func (export "peek") (result i32) (i32.load (i32.const 8))))"""


class Guarded:
    """An instance of the guarded program, and which of the program's own functions ran."""

    def __init__(self, guard: GuardAborts) -> None:
        module = Module.from_bytes(assembled(PROGRAM))
        own = set(module.functions)
        guard.run(module)
        self.ran: list[str] = []
        self.calls = 0

        def trace(function: Function, _instruction: object) -> None:
            if function in own:
                self.ran.append(str(function))

        self.instance = Instance(module, {"env": {"host": self.host}}, trace=trace)

    def host(self, number: int) -> int:
        """Calls back, and swallows the trap that comes of it, for 7."""
        self.calls += 1
        if number == 7:
            with pytest.raises(Trap, match="unreachable"):
                self.instance.invoke("work", 0)
            self.ran.clear()
        return number + 1

    def refuses(self) -> None:
        """All exports throw the guard's exception, and none of the program's instructions runs."""
        terminated = self.instance.exports["__wasmir_terminated"]
        assert isinstance(terminated, Tag)
        for name, args in (("work", (1,)), ("work", (0,)), ("peek", ())):
            self.ran.clear()
            with pytest.raises(WasmException) as info:
                self.instance.invoke(name, *args)
            assert info.value.tag is terminated
            assert not self.ran


@pytest.mark.parametrize("dialect", ["exnref", "legacy"])
def test_nothing_runs_after_a_trap(dialect: str) -> None:
    guarded = Guarded(GuardAborts(notice="wasm", reset="false", dialect=dialect))
    assert guarded.instance.invoke("work", 1) == 102
    assert guarded.instance.invoke("peek") == 2
    assert len(set(guarded.ran)) == 3
    with pytest.raises(Trap, match="unreachable"):
        guarded.instance.invoke("work", 0)
    assert guarded.calls == 1
    guarded.refuses()
    assert guarded.calls == 1


@pytest.mark.parametrize("dialect", ["exnref", "legacy"])
def test_frames_that_are_still_there_end_at_their_doors(dialect: str) -> None:
    guarded = Guarded(GuardAborts(notice="wasm", reset="false", dialect=dialect))
    with pytest.raises(Trap):
        guarded.instance.invoke("work", 7)
    # From the trap on, which the host swallowed.
    assert not guarded.ran
    guarded.refuses()


def test_a_reset_lets_it_run_again() -> None:
    guarded = Guarded(GuardAborts(notice="wasm", dialect="exnref"))
    with pytest.raises(Trap):
        guarded.instance.invoke("work", 0)
    guarded.instance.invoke("__wasmir_reset_state")
    assert guarded.instance.invoke("peek") == 0
    assert guarded.instance.invoke("work", 4) == 105
