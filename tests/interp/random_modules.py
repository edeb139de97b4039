"""Random modules that end, here, in wasmtime and in Node: the same results, traps, memories and
globals.
"""

from __future__ import annotations

import math
import subprocess
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any

from corpus.engine import run_each
from tests.interp.session import run
from tests.modules import program
from wasmir import Function, Module, NumType
from wasmir.interp import (
    Bounds,
    Global,
    Instance,
    LinkError,
    Memory,
    OutOfFuel,
    Program,
    Trap,
    WasmException,
    f32_bits,
    f64_bits,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import ModuleType

    from corpus.engine import Argument, Call, Calls, Run

__all__ = ["SMITH", "Compared", "beside_node", "beside_wasmtime", "calls_of"]

SMITH = (
    "--ensure-termination",
    "--canonicalize-nans=true",
    "--export-everything=true",
    "--max-imports=0",
    "--min-funcs=6",
    "--max-memories=2",
    "--max-memory32-bytes=1000000",
    "--max-memory64-bytes=1000000",
    "--max-data-segments=1",
    "--max-element-segments=1",
    "--relaxed-simd-enabled=false",
    "--threads-enabled=false",
    "--shared-everything-threads-enabled=false",
    "--compact-imports-enabled=false",
    "--custom-descriptors-enabled=false",
    "--custom-page-sizes-enabled=false",
    "--memory64-enabled=true",
    "--simd-enabled=true",
    "--tail-call-enabled=true",
    "--gc-enabled=true",
    "--exceptions-enabled=true",
)
FUEL = 5_000_000
BOUNDS = Bounds(call_depth=3000)
# Here there is less of it than there.
LIMITED = ("all fuel consumed", "call stack exhausted", "out of memory")
ARGUMENTS: dict[object, tuple[Any, ...]] = {
    NumType.I32: (0, 1, -1, 7, -(1 << 31), 1000),
    NumType.I64: (0, 1, -1, 7, -(1 << 63), 1000),
    NumType.F32: (0.0, -0.0, 1.5, -3.25, 1e30),
    NumType.F64: (0.0, -0.0, 1.5, -3.25, 1e300),
}


def module_of(seed: int, options: Sequence[str] = SMITH) -> bytes:
    data = Random(seed).randbytes(3000)
    command = [program(), "smith", *options]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def calls_of(module: Module, seed: int) -> Iterator[tuple[str, list[Any]]]:
    """Exports that take and give numbers, with arguments."""
    random = Random(seed)
    for export in module.exports:
        if isinstance(export.entity, Function):
            type_ = export.entity.func_type
            if all(each in ARGUMENTS for each in (*type_.params, *type_.results)):
                for _ in range(6 if type_.params else 2):
                    yield export.name, [random.choice(ARGUMENTS[each]) for each in type_.params]


def shown(value: object, type_: object) -> object:
    """Bits, where a float is one of many."""
    if type_ is NumType.F32:
        assert isinstance(value, float)
        return "nan" if math.isnan(value) else f32_bits(value)
    if type_ is NumType.F64:
        assert isinstance(value, float)
        return "nan" if math.isnan(value) else f64_bits(value)
    return value


def listed(found: Any, types: tuple[object, ...]) -> list[object]:  # noqa: ANN401 - any values
    values = [] if not types else [found] if len(types) == 1 else list(found)
    return [shown(value, type_) for value, type_ in zip(values, types, strict=True)]


def ours(data: bytes, seed: int, nested: int) -> list[object]:
    module = Module.from_bytes(data)
    try:
        made = Program(module, nested=nested, fuel=True)
        instance = Instance(made, fuel=FUEL, bounds=BOUNDS)
    except (LinkError, WasmException):
        return ["not instantiated"]
    except Trap as trap:
        return ["given up" if trap.reason in LIMITED else "not instantiated"]
    outcomes: list[object] = []
    for name, args in calls_of(module, seed):
        export = module.exports.find(name)
        assert export is not None
        assert isinstance(export.entity, Function)
        try:
            outcomes.append(listed(instance.invoke(name, *args), export.entity.func_type.results))
        except OutOfFuel:
            return [*outcomes, "given up"]
        except Trap as trap:
            if trap.reason in LIMITED:
                return [*outcomes, "given up"]
            outcomes.append("trap")
        except WasmException:
            outcomes.append("trap")
    for thing in instance.exports.values():
        if isinstance(thing, Memory):
            outcomes.append(bytes(thing.data))
        elif isinstance(thing, Global) and thing.type.type in ARGUMENTS:
            outcomes.append(shown(thing.value, thing.type.type))
    return outcomes


def in_wasmtime(wasmtime: ModuleType, data: bytes, seed: int) -> list[object]:
    module = Module.from_bytes(data)
    config = wasmtime.Config()
    for feature in ("memory64", "multi_memory", "tail_call", "exceptions", "gc"):
        setattr(config, f"wasm_{feature}", True)
    config.wasm_function_references = True
    config.wasm_wide_arithmetic = True
    store = wasmtime.Store(wasmtime.Engine(config))
    compiled = wasmtime.Module(store.engine, data)
    try:
        instance = wasmtime.Instance(store, compiled, [])
    except (wasmtime.Trap, wasmtime.WasmtimeError):
        return ["not instantiated"]
    exports = instance.exports(store)
    outcomes: list[object] = []
    for name, args in calls_of(module, seed):
        export = module.exports.find(name)
        assert export is not None
        assert isinstance(export.entity, Function)
        try:
            found = exports[name](store, *args)
        except (wasmtime.Trap, wasmtime.WasmtimeError):
            outcomes.append("trap")
        else:
            outcomes.append(listed(found, export.entity.func_type.results))
    for export in module.exports:
        thing = exports[export.name]
        if isinstance(thing, wasmtime.Memory):
            outcomes.append(bytes(thing.read(store)))
        elif isinstance(thing, wasmtime.Global):
            type_ = export.entity.type.type  # type: ignore[attr-defined]
            if type_ in ARGUMENTS:
                outcomes.append(shown(thing.value(store), type_))
    return outcomes


# Python's control flow where it will do, and leaves in a loop everywhere.
NESTED = (15, -1)


@dataclass
class Compared:
    """What came of some modules."""

    modules: int = 0
    #: Modules that use what the release of the engine doesn't have.
    unusable: int = 0
    outcomes: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.outcomes:,} outcomes of {self.modules:,} modules compared, {self.unusable:,} "
            f"modules not, {len(self.wrong):,} wrong"
        )

    def __iadd__(self, other: Compared) -> Compared:  # noqa: PYI034 - Self is not for dataclasses alone
        self.modules += other.modules
        self.unusable += other.unusable
        self.outcomes += other.outcomes
        self.wrong += other.wrong
        return self


def beside_wasmtime(wasmtime: ModuleType, seeds: Sequence[int]) -> Compared:
    """The modules of some numbers, here and in wasmtime."""
    compared = Compared(len(seeds))
    for seed in seeds:
        data = module_of(seed)
        try:
            expected = in_wasmtime(wasmtime, data, seed)
        except wasmtime.WasmtimeError:
            compared.unusable += 1
            continue
        for nested in NESTED:
            found = ours(data, seed, nested)
            wanted = expected
            if found[-1:] == ["given up"]:
                # Fuel and depth are limited here, not there.
                found.pop()
                wanted = expected[: len(found)]
            if found != wanted:
                compared.wrong.append(f"seed {seed}, nested {nested}: {found}, not {wanted}")
        compared.outcomes += len(expected)
    return compared


def beside_node(seeds: Sequence[int], folder: Path) -> Compared:
    """The modules of some numbers, here and in one process of Node: after each call with the
    memories, the globals and the words of the trap. They are written to a folder.
    """
    compared = Compared(len(seeds))
    work: list[tuple[Path, Calls]] = []
    for seed in seeds:
        path = folder / f"{seed}.wasm"
        path.write_bytes(module_of(seed))
        work.append((path, for_node(Module.from_file(path), seed)))
    for (path, calls), theirs in zip(work, run_each(work), strict=True):
        if theirs.error is not None and "CompileError" in theirs.error:
            compared.unusable += 1
            continue
        for nested in NESTED:
            made = Program(Module.from_file(path), nested=nested, fuel=True)
            found = run(made, calls, fuel=FUEL, bounds=BOUNDS)
            count, wrong = same_calls(found, theirs)
            compared.outcomes += count
            if wrong:
                compared.wrong.append(f"seed {path.stem}, nested {nested}: {wrong}")
    return compared


def for_node(module: Module, seed: int) -> Calls:
    """The calls, with digits for what is a BigInt there."""
    found: list[tuple[str, list[Argument]]] = []
    for name, args in calls_of(module, seed):
        export = module.exports.find(name)
        assert export is not None
        assert isinstance(export.entity, Function)
        type_ = export.entity.func_type
        pairs = zip(args, type_.params, strict=True)
        found.append((name, [str(arg) if kind is NumType.I64 else arg for arg, kind in pairs]))
    return found


def same_calls(found: Run, theirs: Run) -> tuple[int, str]:
    """How many calls did the same, and what the first one did that didn't."""
    if found.error is not None or theirs.error is not None:
        limited = found.error is not None and any(words in found.error for words in LIMITED)
        if limited or (found.error is not None and theirs.error is not None):
            return 0, ""
        return 0, f"{found.error or 'runs'}, not {theirs.error or 'runs'}"
    for at, (mine, other) in enumerate(zip(found.calls, theirs.calls, strict=True)):
        if mine.outcome.get("trap") in (*LIMITED, "stack overflow"):
            return at, ""
        if numbers_of(mine) != numbers_of(other):
            return at, f"{mine} {mine.state}, not {other} {other.state}"
    return len(found.calls), ""


def numbers_of(call: Call) -> Call:
    """Without references, which aren't told apart in the same order."""
    prefixes = ("object ", "function ", "host value")
    return replace(
        call,
        state={name: it for name, it in call.state.items() if not it.startswith(prefixes)},
    )
