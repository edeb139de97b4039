"""Random modules do what they did when functions are dropped, merged and moved, and when they are
linked or taken out; and what comes of any valid module is valid.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from corpus.engine.comparer import Comparer
from tests.differential.batch import FUEL, KINDS, calls_of
from tests.differential.choices import seeded
from tests.differential.steps import invalid
from tests.modules import SCALE, program
from tests.validate.agreement import judge, smith
from wasmir import Module, Pipeline, extract, merge

if TYPE_CHECKING:
    from collections.abc import Callable

BEHAVING = 5 * SCALE
VALID = 25 * SCALE
INPUTS = 16


def passed(pipeline: str) -> Callable[[Module, Module], Module]:
    def run(module: Module, _: Module) -> Module:
        Pipeline.parse(pipeline).run(module)
        return module

    return run


def merged(module: Module, other: Module) -> Module:
    """With another one behind it, of which nothing is seen."""
    other.exports.remove_all(other.exports)
    merge(module, other, "other")
    return module


def guest(module: Module, other: Module) -> Module:
    """The same with the other one in front."""
    other.exports.remove_all(other.exports)
    merge(other, module, "guest")
    return other


def extracted(module: Module, _: Module) -> Module:
    """All that can be seen of it."""
    part = extract(module, [export.entity for export in module.exports])
    names = {export.name: export for export in part.exports}
    part.exports.reorder([names[export.name] for export in module.exports if export.name in names])
    return part


WAYS: dict[str, Callable[[Module, Module], Module]] = {
    "gc": passed("gc"),
    "reordered": passed("reorder-functions{by=size},reorder-functions"),
    "deduplicated": passed("dedupe-functions"),
    "all at once": passed("dedupe-functions,reorder-functions,gc,strip"),
    "merged": merged,
    "guest": guest,
    "extracted": extracted,
}


@pytest.mark.parametrize("kind", ["legacy", "exnref"])
@pytest.mark.usefixtures("engine")
def test_behaviour(kind: str) -> None:
    program()
    groups, calls, written = [], [], []
    for seed in range(BEHAVING):
        case = seeded(seed)
        data = KINDS[kind].make(case)
        other = KINDS[kind].make(seeded(seed + 1))
        group = [data]
        for way in WAYS.values():
            made = way(Module.from_bytes(data), Module.from_bytes(other)).to_bytes()
            group.append(made)
            written.append((made, kind == "exnref"))
        groups.append(group)
        calls.append(calls_of(len(case.functions), INPUTS))
    assert invalid(written) == []
    with Comparer() as comparer:
        found = comparer.compare(groups, calls, fuel=FUEL)
    names = list(WAYS)
    assert [f"{names[each.module - 1]}: {each}" for one in found for each in one.differences] == []


def test_what_comes_of_any_module_is_valid() -> None:
    program()
    tried = 0
    for seed in range(VALID):
        random = Random(seed)
        data, other = smith(random), smith(random)
        if data is None or other is None:
            continue
        tried += 1
        for name, way in WAYS.items():
            made = way(Module.from_bytes(data), Module.from_bytes(other)).to_bytes(keep_stale=True)
            verdicts = judge(made)
            assert verdicts.kind in {"valid", "a limit of wasm-tools"}, (seed, name, verdicts)
            if name == "gc":
                again = Module.from_bytes(made)
                Pipeline.parse("gc").run(again)
                assert again.to_bytes() == made
    assert tried > VALID / 2
