"""``python -m tests.bench.crossings``: what gates and doors cost, in time and in bytes.

Nanoseconds beyond what the same crossing takes in the module as it was: in V8, and in wasmtime
where it is installed (which runs the exnref dialect only). The least of rounds in which all modules
take turns: what else the machine does only adds. Bytes: of one gate and one door, and in all of
DuckDB, where it is fetched.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpus.build import wasm_tools
from corpus.engine import EngineError, run_script
from corpus.manifest import CorpusError, External, find
from wasmir import Module, Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["DIALECTS", "ROWS", "WAYS", "crossings", "in_duckdb", "main", "per_adapter"]

ROWS = (
    "gate, from Wasm",
    "gate, from JavaScript",
    "gate, among many",
    "import door",
    "indirect door",
    "indirect door and gate",
)
"""What is crossed. ``among many``: from a place in JavaScript that calls other gates as well, so
that engines compile none of them into it. The last is what a call of the module's own function
through the table takes."""

DIALECTS = ("exnref", "legacy")
WAYS = {"host": "recover{notice=host}", "wasm": "recover{notice=wasm}"}

# The handler says which dialect it is.
_MODULE = """(module
  (type $t (func (param i32) (result i32)))
  (import "env" "host" (func $host (type $t)))
  (table (export "table") 2 2 funcref)
  (elem (i32.const 0) $gate)
  (global $__stack_pointer (mut i32) (i32.const 1024))
  (func $gate (export "gate") (type $t) (i32.add (local.get 0) (i32.const 1)))
  (func (export "catches") try (drop (call $host (i32.const 0))) catch_all end)
  (func (export "imports") (param $count i32)
    loop
      (drop (call $host (local.get $count)))
      (br_if 0 (local.tee $count (i32.sub (local.get $count) (i32.const 1))))
    end)
  (func $through (param $count i32) (param $at i32)
    loop
      (drop (call_indirect (type $t) (local.get $count) (local.get $at)))
      (br_if 0 (local.tee $count (i32.sub (local.get $count) (i32.const 1))))
    end)
  (func (export "own") (param i32) (call $through (local.get 0) (i32.const 0)))
  (func (export "foreign") (param i32) (call $through (local.get 0) (i32.const 1)))
)"""
_CALLER = """(module
  (import "m" "gate" (func $gate (param i32) (result i32)))
  (func (export "plain") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func (export "call") (param $count i32)
    loop
      (drop (call $gate (local.get $count)))
      (br_if 0 (local.tee $count (i32.sub (local.get $count) (i32.const 1))))
    end)
)"""

Times = dict[str, float]


def _assembled(text: str, path: Path) -> Path:
    program = wasm_tools()
    subprocess.run([program, "parse", "-", "-o", path], input=text.encode(), check=True, timeout=60)
    return path


def _made(folder: Path) -> tuple[dict[tuple[str, str], Path], Path]:
    """The module in every way, by dialect and notice (``original`` is one), and the caller."""
    paths = {}
    legacy = _assembled(_MODULE, folder / "module.wasm")
    for dialect in DIALECTS:
        for way, pipeline in {"original": "", **WAYS}.items():
            module = Module.from_file(legacy)
            steps = ["legacy-to-exnref"] if dialect == "exnref" else []
            Pipeline.parse(",".join([*steps, *filter(None, [pipeline])])).run(module)
            paths[dialect, way] = folder / f"{dialect}-{way}.wasm"
            module.save(paths[dialect, way])
    return paths, _assembled(_CALLER, folder / "caller.wasm")


def crossings(count: int, rounds: int) -> dict[str, dict[tuple[str, str], Times]]:
    """Nanoseconds of each crossing, by engine, then dialect and way. Raises EngineError,
    CorpusError.
    """
    with tempfile.TemporaryDirectory(prefix="wasmir-crossings-") as name:
        paths, caller = _made(Path(name))
        request = {
            "modules": [str(path) for path in paths.values()],
            "caller": str(caller),
            "count": count,
            "rounds": rounds,
        }
        found = {"V8": dict(zip(paths, run_script("crossings.mjs", request), strict=True))}
        if importlib.util.find_spec("wasmtime") is not None:
            exnref = {key: path for key, path in paths.items() if key[0] == "exnref"}
            found["wasmtime"] = _in_wasmtime(exnref, caller, count, rounds)
    return found


def _in_wasmtime(
    paths: dict[tuple[str, str], Path], caller: Path, count: int, rounds: int
) -> dict[tuple[str, str], Times]:
    import wasmtime

    config = wasmtime.Config()
    config.wasm_exceptions = True
    engine = wasmtime.Engine(config)
    store = wasmtime.Store(engine)

    def instance(path: Path, imports: list[Any]) -> Any:  # noqa: ANN401 - wasmtime may be absent
        module = wasmtime.Module.from_file(engine, str(path))
        return wasmtime.Instance(store, module, imports).exports(store)

    nothing = wasmtime.FuncType([wasmtime.ValType.i32()], [wasmtime.ValType.i32()])
    loops: dict[tuple[str, str], dict[str, Callable[[], object]]] = {}
    for key, path in paths.items():
        host = instance(caller, [wasmtime.Func(store, nothing, lambda x: x)])["plain"]
        exports = instance(path, [host])
        around = instance(caller, [exports["gate"]])
        exports["table"].set(store, 1, around["plain"])
        loops[key] = {
            row: partial(loop, store, count)
            for row, loop in {
                "gate, from Wasm": around["call"],
                "import door": exports["imports"],
                "indirect door": exports["foreign"],
                "indirect door and gate": exports["own"],
            }.items()
        }
    times: dict[tuple[str, str], dict[str, list[float]]] = {
        key: {row: [] for row in rows} for key, rows in loops.items()
    }
    for _ in range(rounds):
        for key, rows in loops.items():
            for row, loop in rows.items():
                start = time.perf_counter_ns()
                loop()
                times[key][row].append((time.perf_counter_ns() - start) / count)
    return {
        key: {row: min(samples) for row, samples in rows.items()} for key, rows in times.items()
    }


# Bytes


def per_adapter() -> dict[tuple[str, str], dict[str, int]]:
    """Bytes that one more of each takes, type and table entries included, by dialect and way."""
    plain = "(type $t (func (param i32) (result i32))) (func $catches {catches}) {more}"
    gate = '(func (export "{name}") (type $t) (local.get 0))'
    door = '(import "env" "{name}" (func (type $t)))'
    catches = "try nop catch_all end"
    found: dict[tuple[str, str], dict[str, int]] = {}
    with tempfile.TemporaryDirectory(prefix="wasmir-crossings-") as name:
        folder = Path(name)

        def added(text: str, steps: list[str]) -> int:
            """Bytes that the pipeline adds to a module."""
            module = Module.from_file(_assembled(text, folder / "module.wasm"))
            Pipeline.parse(",".join(steps[:-1])).run(module)
            before = len(module.to_bytes())
            Pipeline.parse(steps[-1]).run(module)
            return len(module.to_bytes()) - before

        def text(gates: int, doors: int) -> str:
            imports = " ".join(door.format(name=f"d{n}") for n in range(doors))
            exports = " ".join(gate.format(name=f"g{n}") for n in range(gates))
            body = plain.format(catches=catches, more=exports)
            # Imports stand in front of functions.
            type_, rest = body.split(" (func $catches", 1)
            return f"(module {type_} {imports} (func $catches{rest})"

        for dialect in DIALECTS:
            first = ["legacy-to-exnref"] if dialect == "exnref" else []
            for way, pipeline in WAYS.items():
                unshared = pipeline.replace("}", ",share=false,reset=false}")
                shared = pipeline.replace("}", ",share=true,reset=false}")
                some = added(text(10, 10), [*first, unshared])
                found[dialect, way] = {
                    "gate": (added(text(60, 10), [*first, unshared]) - some) // 50,
                    "gate that shares": (
                        added(text(60, 10), [*first, shared])
                        - added(text(10, 10), [*first, shared])
                    )
                    // 50,
                    "door": (added(text(10, 60), [*first, unshared]) - some) // 50,
                }
    return found


def in_duckdb() -> dict[str, tuple[int, int, int, int]] | None:
    """Gates, doors, bytes before and after, by the option ``tables``; ``None`` where it isn't."""
    entry = find("duckdb-eh")
    if not isinstance(entry, External) or not entry.fetched:
        return None
    found = {}
    for tables in ("guard", "exports-only"):
        module = Module.from_file(entry.path)
        [report] = Pipeline.parse(f"recover{{tables={tables}}}").run(module)
        gates, doors = report.counts["gates"], report.counts["doors"]
        found[tables] = (gates, doors, len(module.source), len(module.to_bytes()))
    return found


def main(arguments: Sequence[str]) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.crossings",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, default=5_000_000, help="crossings in a round")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args(arguments)
    try:
        found = crossings(options.count, options.rounds)
        sizes, duckdb = per_adapter(), in_duckdb()
    except (CorpusError, EngineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for engine, times in found.items():
        dialects = [each for each in DIALECTS if (each, "original") in times]
        ways = [(dialect, way) for dialect in dialects for way in WAYS]
        print(f"{f'ns in {engine}, beyond the original':36}", end="")
        print("".join(f"{dialect + ' ' + way:>14}" for dialect, way in ways))
        for row in times[dialects[0], "original"]:
            more = [times[key][row] - times[key[0], "original"][row] for key in ways]
            print(f"{row:36}" + "".join(f"{each:14.1f}" for each in more))
    if "wasmtime" not in found:
        print("wasmtime: `pip install wasmtime` gets it")
    print(f"{'bytes':36}" + "".join(f"{' '.join(key):>14}" for key in sizes))
    for what in next(iter(sizes.values())):
        print(f"{what:36}" + "".join(f"{each[what]:14}" for each in sizes.values()))
    if duckdb is None:
        print("DuckDB: `python -m corpus fetch duckdb-eh` gets it")
    for tables, (gates, doors, before, after) in (duckdb or {}).items():
        print(
            f"DuckDB, tables={tables}: {gates:,} gates, {doors:,} doors, "
            f"{after - before:,} bytes more ({(after - before) / before:.1%})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
