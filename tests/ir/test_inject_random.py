"""Injection into random modules of both dialects: they do what they did, and what is injected at
the entry of a function runs as often as what is injected at its exit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from corpus.engine.comparer import Comparer
from tests.differential.batch import FUEL, KINDS, calls_of
from tests.differential.choices import seeded
from tests.differential.steps import invalid
from tests.modules import SCALE, program
from wasmir import (
    Block,
    Branch,
    Const,
    Function,
    Global,
    GlobalType,
    If,
    Module,
    NumType,
    Probe,
    Rethrow,
    Structured,
    TryTable,
    instructions,
    ops,
    terminates,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir import Item

pytestmark = pytest.mark.usefixtures("engine")

MODULES = 20 * SCALE
INPUTS = 16


def counter(module: Module) -> Global:
    return module.add_global(
        GlobalType(NumType.I32, mutable=True), Const(module, [ops.i32.const(0)])
    )


def step(counted: Global, by: int) -> list[Item]:
    return [
        ops.global_.get(counted),
        ops.i32.const(by),
        ops.i32.add(),
        ops.global_.set(counted),
    ]


def everywhere(function: Function, dialect: str, counted: Global) -> None:
    """Whatever can be injected into a function, all at once."""
    module = function.module
    plain = step(counted, 1)

    def made() -> list[Item]:
        return [Block(module.block_type(), list(step(counted, 2)))]

    with Probe(function, []) as probe:
        for place in probe.places():
            item = place.item
            probe.before(place, plain)
            if not terminates(item):
                probe.after(place, plain)
            if isinstance(item, Branch) and not isinstance(item, Rethrow):
                probe.semantic_after(place, made)
            if isinstance(item, TryTable):
                for clause in item.clauses:
                    probe.edge(place, clause.label, made)
            if isinstance(item, Structured):
                probe.block_entry(place, plain)
                probe.block_exit(place, made)
                for items in item.sequences():
                    probe.start_of(place, items, plain)
                    probe.end_of(place, items, plain)
        probe.entry(plain)
        probe.exit(made, exceptions=dialect)
        probe.exit(plain)


def balanced(function: Function, dialect: str, depth: Global) -> None:
    """Count calls that aren't over, and trap where the count isn't what it was at the entry."""
    module = function.module
    with Probe(function) as probe:
        saved = probe.add_local(NumType.I32)
        probe.entry([ops.global_.get(depth), ops.local.set(saved), *step(depth, 1)])
        probe.exit(
            lambda: [
                *step(depth, -1),
                ops.global_.get(depth),
                ops.local.get(saved),
                ops.i32.ne(),
                If(module.block_type(), [ops.unreachable()]),
            ],
            exceptions=dialect,
        )


@pytest.mark.parametrize("inject", [everywhere, balanced])
@pytest.mark.parametrize("kind", ["legacy", "exnref"])
def test_random(kind: str, inject: Callable[[Function, str, Global], None]) -> None:
    program()
    groups = []
    calls = []
    for seed in range(MODULES):
        case = seeded(seed)
        data = KINDS[kind].make(case)
        module = Module.from_bytes(data)
        counted = counter(module)
        for function in module.functions:
            if function.imported is None:
                inject(function, kind, counted)
                function.settle()
        groups.append((data, module.to_bytes()))
        calls.append(calls_of(len(case.functions), INPUTS))
    flags = [(injected, kind == "exnref") for _, injected in groups]
    assert invalid(flags) == []
    with Comparer() as comparer:
        found = comparer.compare(groups, calls, fuel=FUEL)
    assert [
        f"seed {n}: {each.differences[0]}" for n, each in enumerate(found) if each.differences
    ] == []
    outcomes = sum(each.outcomes["returned"] for each in found if "returned" in each.outcomes)
    assert outcomes > sum(each.calls for each in found) / 5


@pytest.mark.parametrize("kind", ["legacy", "exnref"])
def test_offsets_are_followed(kind: str) -> None:
    """Whatever is injected around it, each instruction is known again, but for what left the
    function and now leaves the handler around all of it.
    """
    for seed in range(3 * SCALE):
        data = KINDS[kind].make(seeded(seed))
        module = Module.from_bytes(data)
        module.track_offsets()
        counted = counter(module)
        defined = [each for each in module.functions if each.imported is None]
        for function in defined:
            everywhere(function, kind, counted)
        written = module.encode()
        original = Module.from_bytes(data)
        again = Module.from_bytes(written.data)
        for function in defined:
            after = {
                each.offset: each.row for each in instructions(again.functions[function.index])
            }
            for each in instructions(original.functions[function.index]):
                new = written.offsets.new(each.offset)
                assert (new is None) == (each.row.name == "return")
                assert new is None or after[new] is each.row
