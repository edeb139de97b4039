"""The ledger in wasmtime, where every error of the host's is a trap to the module."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest

from corpus.manifest import find
from tests.recovery.ledger import ALL, World, make_requests
from wasmir import Module, Pipeline

if TYPE_CHECKING:
    import wasmtime

    from wasmir.runtime import Guard

MANY: Final = 60

pytest.importorskip("wasmtime", reason="`pip install wasmtime` gets it")


class _HostError(Exception):
    pass


class _Host:
    """As :file:`corpus/engine/requests.mjs`, but for calls through tables, which nobody guards."""

    def __init__(self, engine: wasmtime.Engine, program: wasmtime.Module, reset: Any) -> None:  # noqa: ANN401 - a word
        import wasmtime

        from wasmir.runtime import instantiate

        self.parts: list[Any] = []
        self.ended: list[tuple[Any, ...]] = []
        store = wasmtime.Store(engine)
        number = wasmtime.ValType.i32()
        type_ = wasmtime.FuncType([number], [number])
        imports = [wasmtime.Func(store, type_, self.meanwhile, access_caller=True)]
        self.store = store
        self.guard: Guard = instantiate(store, program, imports, reset=reset)
        self.handler: int = self.guard.exports["transfer_pointer"](store)

    def run(self, steps: list[Any]) -> list[tuple[Any, ...]]:
        for step in steps:
            self.step(self.store, [*step[:-1], True] if step[0] == "call" else step)
        return self.ended

    def meanwhile(self, caller: wasmtime.Caller, number: int) -> int:
        part = self.parts[number]
        for step in part["steps"]:
            self.step(caller, step)
        if part["end"] != "return":
            raise _HostError
        return number

    def step(self, store: wasmtime.Store | wasmtime.Caller, step: list[Any]) -> None:
        import wasmtime

        from wasmir.runtime import AbortError, PanicError, TerminatedError

        if step[0] != "call":
            self.guard.reset(store)
            return
        _, name, _, numbers, part, swallow = step
        arguments = [self.handler, *numbers] if name == "dispatch" else list(numbers)
        if part is not None:
            arguments[-1] = len(self.parts)
            self.parts.append(part)
        try:
            answer = self.guard.exports[name](store, *arguments)
        except PanicError as error:
            [address] = error.payload
            assert isinstance(address, int)
            memory = self.guard.exports["memory"].read(store, address, address + 4)
            self.ended.append(("panicked", int.from_bytes(memory, "little", signed=True)))
        except (AbortError, wasmtime.Trap, _HostError):
            # Where the instance was reset meanwhile, it is the trap, or the host's own error.
            self.ended.append(("aborted",))
        except TerminatedError:
            self.ended.append(("refused",))
        else:
            self.ended.append(("returned", answer))
            return
        if not swallow:
            raise _HostError


@pytest.mark.parametrize("reset", ["never", "in-place", "reinstantiate"])
@pytest.mark.parametrize("notice", ["host", "wasm"])
@pytest.mark.parametrize("level", ["O0", "O2"])
def test_only_the_failing_request_fails(
    level: str, notice: str, reset: Literal["never", "in-place", "reinstantiate"]
) -> None:
    import wasmtime

    opened = Module.from_file(find(f"cpp-requests-exnref-{level}").path)
    Pipeline.parse(f"recover{{notice={notice}}}").run(opened)
    config = wasmtime.Config()
    config.wasm_exceptions = True
    config.wasm_function_references = True
    config.wasm_gc = True
    engine = wasmtime.Engine(config)
    program = wasmtime.Module(engine, opened.to_bytes())
    aborts = 0
    wrong = []
    for seed in range(MANY):
        schedule = make_requests(Random(seed), ALL)
        world = World(
            auto=reset != "never", tells_cut=reset == "reinstantiate", traps_for_errors=True
        )
        if _Host(engine, program, reset).run(schedule) != world.run(schedule):
            wrong.append(seed)
        aborts += world.aborts
    assert wrong == []
    assert aborts > MANY
