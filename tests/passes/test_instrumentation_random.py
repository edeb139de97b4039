"""Random modules of both dialects do what they did in an engine, whatever they are instrumented
for; and what is counted is what the interpreter runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from corpus.engine.comparer import Comparer
from corpus.manifest import Module as Entry
from corpus.manifest import modules
from tests.differential.batch import FUEL, KINDS, calls_of
from tests.differential.choices import seeded
from tests.differential.steps import invalid
from tests.interp.random_modules import SMITH
from tests.interp.random_modules import calls_of as smith_calls
from tests.modules import SCALE, program
from tests.support import validate
from wasmir import Function, Module, Pipeline, basic_blocks, row_of
from wasmir.interp import Bounds, Instance, LinkError, OutOfFuel, Trap
from wasmir.ir import edits
from wasmir.passes.coverage import CoverageMap

if TYPE_CHECKING:
    from pathlib import Path

MODULES = 5 * SCALE
INPUTS = 16
PIPELINES = [
    "count",
    "count{into=globals,bits=64}",
    "trace-blocks{hook=extra.func}",
    "fuel{budget=1000000000}",
    "fuel{hook=extra.func}",
    "stack-limit{limit=1000000}",
    "check-memory{low=0}",
    "check-memory{hook=extra.func}",
    "log-calls{arguments}",
    "log-calls{where=calls,arguments}",
    "log-calls,stack-limit{limit=1000000},count,fuel{budget=1000000000}",
]


def seen_from_outside(data: bytes) -> bytes:
    """Without what was added to be seen, which isn't compared, and with imports for it."""
    module = Module.from_bytes(data)
    for export in list(module.exports):
        if export.name.startswith("__wasmir"):
            module.exports.remove(export)
    for import_ in module.imports:
        if import_.module == "wasmir_log":
            import_.module, import_.name = "extra", "func"
    return module.to_bytes()


@pytest.mark.parametrize("kind", ["legacy", "exnref"])
@pytest.mark.usefixtures("engine")
def test_behaviour(kind: str) -> None:
    program()
    groups = []
    calls = []
    written = []
    for seed in range(MODULES):
        case = seeded(seed)
        data = KINDS[kind].make(case)
        group = [data]
        for pipeline in PIPELINES:
            module = Module.from_bytes(data)
            Pipeline.parse(pipeline).run(module)
            written.append((module.to_bytes(), kind == "exnref"))
            group.append(seen_from_outside(written[-1][0]))
        groups.append(group)
        calls.append(calls_of(len(case.functions), INPUTS))
    assert invalid(written) == []
    with Comparer() as comparer:
        found = comparer.compare(groups, calls, fuel=FUEL)
    assert [
        f"{PIPELINES[each.module - 1]}: {each}" for one in found for each in one.differences
    ] == []


# What only says how blocks are nested isn't counted.
NESTING = {"block", "loop", "try", "try_table"}


def test_counts_are_what_runs() -> None:
    """The counters, each times the size of its block, add up to what the interpreter hears of; and
    so does the fuel.
    """
    compared = 0
    for seed in range(10 * SCALE):
        data = smith(seed)
        module = Module.from_bytes(data)
        for name, args in smith_calls(module, seed):
            ran = traced(data, name, args)
            if ran:
                assert (seed, name, counted(data, name, args)) == (seed, name, ran)
                assert (seed, name, burnt(data, name, args)) == (seed, name, ran)
                compared += ran
    assert compared > 100


def smith(seed: int) -> bytes:
    """A module that ends by itself, and throws nothing."""
    options = [
        each.replace("exceptions-enabled=true", "exceptions-enabled=false") for each in SMITH
    ]
    command = [program(), "smith", *options]
    done = subprocess.run(
        command, input=Random(seed).randbytes(1500), capture_output=True, check=True
    )
    return done.stdout


def run(module: Module, name: str, args: list[Any], **more: Any) -> Instance | None:  # noqa: ANN401
    """An instance after a call; ``None`` where that didn't return."""
    try:
        instance = Instance(module, bounds=Bounds(call_depth=500), fuel=20_000, **more)
        instance.invoke(name, *args)
    except (LinkError, OutOfFuel, Trap):
        return None
    return instance


def traced(data: bytes, name: str, args: list[Any]) -> int:
    seen = 0

    def hear(_: Function, item: Any) -> None:  # noqa: ANN401 - instructions and nodes
        nonlocal seen
        seen += row_of(item).name not in NESTING

    return seen if run(Module.from_bytes(data), name, args, trace=hear) is not None else 0


def counted(data: bytes, name: str, args: list[Any]) -> int:
    module = Module.from_bytes(data)
    sizes = {
        each.index: [block.instructions for block in basic_blocks(each)]
        for each in module.functions
        if each.imported is None
    }
    Pipeline.parse("count").run(module)
    instance = run(module, name, args)
    assert instance is not None
    coverage = CoverageMap.of(module)
    return sum(
        block.count * size
        for each in coverage.read(bytes(instance.exports[coverage.export].data))
        for block, size in zip(each.blocks, sizes[each.index], strict=True)
    )


def burnt(data: bytes, name: str, args: list[Any]) -> int:
    module = Module.from_bytes(data)
    Pipeline.parse("fuel{budget=1000000}").run(module)
    instance = run(module, name, args)
    assert instance is not None
    left: int = instance.exports["__wasmir_fuel"].value
    return 1_000_000 - left


SMALL = 2_500
BUILT = [
    each for each in modules() if each.path.suffix == ".wasm" and each.path.stat().st_size < SMALL
]
ALL_AT_ONCE = (
    "log-calls{arguments},log-calls{where=calls,arguments,into=sites},check-memory,stack-limit,"
    "trace-blocks,fuel,count{map=false}"
)


@pytest.mark.parametrize("entry", BUILT, ids=lambda each: each.name)
def test_the_corpus_stays_valid(entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    """With everything at once; and the same from several processes."""
    found = []
    for jobs in (1, 2):
        monkeypatch.setattr(edits, "may_fork", lambda forks=jobs > 1: forks)
        module = Module.from_file(entry.path)
        Pipeline.parse(ALL_AT_ONCE).run(module, jobs=jobs)
        found.append(module.to_bytes())
    assert found[0] == found[1]
    assert validate(found[0]) is None


def test_the_same_whatever_the_hash_seed(tmp_path: Path) -> None:
    found = []
    for seed in ("1", "2"):
        path = tmp_path / f"{seed}.wasm"
        code = (
            "import sys; from wasmir import Module, Pipeline; m = Module.from_file(sys.argv[1]);"
            "Pipeline.parse(sys.argv[2]).run(m); m.save(sys.argv[3])"
        )
        arguments = [sys.executable, "-c", code, str(BUILT[0].path), ALL_AT_ONCE, str(path)]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run(arguments, env=environment, check=True)
        found.append(path.read_bytes())
    assert found[0] == found[1]
