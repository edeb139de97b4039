"""Random modules of integers: native code, Python and wasmtime do the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.interp.random_modules import BOUNDS, SMITH, Compared, calls_of, in_wasmtime, module_of
from tests.interp.script import Script
from tests.support import Missing, spec_tests
from wasmir import Function, Module
from wasmir.interp import Global, Instance, Memory, Program, Trap
from wasmir.interp.native import Native

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

__all__ = ["NativeScript", "beside_python", "suite"]

# What there is no native code for.
_WITHOUT = (
    "multi-value-enabled",
    "memory64-enabled",
    "simd-enabled",
    "gc-enabled",
    "exceptions-enabled",
    "tail-call-enabled",
    "reference-types-enabled",
    "allow-floats",
)
_ELSEWHERE = (*_WITHOUT, "max-memories")
INTEGERS = (
    *(each for each in SMITH if each[2:].partition("=")[0] not in _ELSEWHERE),
    *(f"--{each}=false" for each in _WITHOUT),
    "--max-memories=1",
    "--min-memories=1",
    # What grows ends in time.
    "--memory-max-size-required=true",
    # Most addresses hit, and a few are at the very end.
    "--memory-offset-choices=90,9,1",
)


def everything(made: Program) -> Program:
    """Of which native is all that can be."""
    made.native = Native(everything=True)
    return made


class NativeScript(Script):
    """A script of the suite, for native code."""

    def _program(self, command: dict[str, Any]) -> Program:
        return everything(super()._program(command))


def suite() -> list[str]:
    """What is wrong in the suite's core, if it is here."""
    folder = spec_tests()
    if isinstance(folder, Missing):
        return [folder.reason]
    wrong: list[str] = []
    for path in sorted((folder / "core").glob("*/*.json")):
        script = NativeScript(path)
        script.run()
        wrong += script.wrong
    return wrong


def outcomes(made: Program, seed: int) -> list[object]:
    """Results, traps with their places, and what is in memories and globals in the end."""
    try:
        instance = Instance(made, bounds=BOUNDS)
    except Trap:
        return ["not instantiated"]
    found: list[object] = []
    for name, args in calls_of(made.module, seed):
        export = made.module.exports.find(name)
        assert export is not None
        assert isinstance(export.entity, Function)
        try:
            result = instance.invoke(name, *args)
            found.append([result] if export.entity.func_type.results else [])
        except Trap as trap:
            found.append((trap.reason, trap.frames))
    found += [
        bytes(each.data) if isinstance(each, Memory) else each.value
        for each in instance.exports.values()
        if isinstance(each, (Memory, Global))
    ]
    return found


def without_places(found: list[object]) -> list[object]:
    return ["trap" if isinstance(each, tuple) else each for each in found]


def beside_python(wasmtime: ModuleType, seeds: Sequence[int]) -> tuple[Compared, int]:
    """The modules of some numbers; and how many of their functions were native."""
    compared, native = Compared(len(seeds)), 0
    for seed in seeds:
        data = module_of(seed, INTEGERS)
        made = everything(Program(Module.from_bytes(data)))
        found = outcomes(made, seed)
        expected = outcomes(Program(Module.from_bytes(data)), seed)
        assert made.native is not None
        native += sum(made.native.code(each) is not None for each in made.module.functions)
        compared.outcomes += len(expected)
        if _exhausted(found) or _exhausted(expected):
            # The stack ends elsewhere.
            compared.unusable += 1
        elif found != expected:
            compared.wrong.append(f"seed {seed}: {found}, not {expected}")
        elif without_places(found) != in_wasmtime(wasmtime, data, seed):
            compared.wrong.append(f"seed {seed}: {found}, other than in wasmtime")
    return compared, native


def _exhausted(found: list[object]) -> bool:
    return any(isinstance(each, tuple) and each[0] == "call stack exhausted" for each in found)
