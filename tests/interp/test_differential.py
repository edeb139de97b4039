"""Random modules that end, here, in wasmtime and in Node: the same results, traps, memories and
globals.
"""

from __future__ import annotations

import math
import os
import subprocess
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from corpus.engine import run_each
from tests.interp.session import run
from tests.modules import SCALE, program
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
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

    from corpus.engine import Argument, Call, Calls, Run

MODULES = 40 * SCALE
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
# Here there is less of it than there.
LIMITED = ("all fuel consumed", "call stack exhausted", "out of memory")
ARGUMENTS: dict[object, tuple[Any, ...]] = {
    NumType.I32: (0, 1, -1, 7, -(1 << 31), 1000),
    NumType.I64: (0, 1, -1, 7, -(1 << 63), 1000),
    NumType.F32: (0.0, -0.0, 1.5, -3.25, 1e30),
    NumType.F64: (0.0, -0.0, 1.5, -3.25, 1e300),
}


def module_of(seed: int) -> bytes:
    data = Random(seed).randbytes(3000)
    command = [program(), "smith", *SMITH]
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
        instance = Instance(made, fuel=5_000_000, bounds=Bounds(call_depth=3000))
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


FIRST = int(os.environ.get("WASMIR_SEED", "0"))


def test_the_same_as_wasmtime() -> None:
    wasmtime = pytest.importorskip("wasmtime", reason="pip install wasmtime: the engine")
    compared = unusable = 0
    for seed in range(FIRST, FIRST + MODULES):
        data = module_of(seed)
        try:
            expected = in_wasmtime(wasmtime, data, seed)
        except wasmtime.WasmtimeError:
            unusable += 1  # it uses what this release of wasmtime doesn't have
            continue
        for nested in (15, -1):
            found = ours(data, seed, nested)
            if found[-1:] == ["given up"]:
                # Fuel and depth are limited here, not there.
                found.pop()
                assert found == expected[: len(found)], f"seed {seed}, nested {nested}"
            else:
                assert found == expected, f"seed {seed}, nested {nested}"
        compared += len(expected)
    print(f"{compared} outcomes of {MODULES} modules compared, {unusable} modules not")
    assert unusable < MODULES / 2
    assert compared > MODULES


# As many run in one process.
BATCH = 20


@pytest.mark.usefixtures("engine")
def test_the_same_as_node(tmp_path: Path) -> None:
    """With memories, globals and the words of the trap after each call."""
    compared = unusable = 0
    for first in range(FIRST, FIRST + MODULES, BATCH):
        work: list[tuple[Path, Calls]] = []
        for seed in range(first, min(first + BATCH, FIRST + MODULES)):
            path = tmp_path / f"{seed}.wasm"
            path.write_bytes(module_of(seed))
            work.append((path, for_node(Module.from_file(path), seed)))
        for (path, calls), theirs in zip(work, run_each(work), strict=True):
            if theirs.error is not None and "CompileError" in theirs.error:
                unusable += 1  # it uses what this release of V8 doesn't have
                continue
            for nested in (15, -1):
                compared += same_calls(path, calls, theirs, nested)
    print(f"{compared} calls in {MODULES} modules compared, {unusable} modules not")
    assert unusable < MODULES / 2
    assert compared > MODULES


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


def same_calls(path: Path, calls: Calls, theirs: Run, nested: int) -> int:
    """How many calls did the same; fails at the first that didn't."""
    program = Program(Module.from_file(path), nested=nested, fuel=True)
    found = run(program, calls, fuel=5_000_000, bounds=Bounds(call_depth=3000))
    where = f"{path.stem}, nested {nested}"
    if found.error is not None and any(words in found.error for words in LIMITED):
        return 0
    if found.error is not None or theirs.error is not None:
        assert (found.error is None) == (theirs.error is None), f"{where}: {found} {theirs}"
        return 0
    for at, (mine, other) in enumerate(zip(found.calls, theirs.calls, strict=True)):
        if mine.outcome.get("trap") in (*LIMITED, "stack overflow"):
            return at
        assert numbers_of(mine) == numbers_of(other), f"{where}: {mine}, not {other}"
    return len(found.calls)


def numbers_of(call: Call) -> Call:
    """Without references, which aren't told apart in the same order."""
    prefixes = ("object ", "function ", "host value")
    return replace(
        call,
        state={name: it for name, it in call.state.items() if not it.startswith(prefixes)},
    )
