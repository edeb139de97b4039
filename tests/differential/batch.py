"""Batches of random modules: converted, validated, run, and compared."""

from __future__ import annotations

import traceback
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Final

from corpus.engine import EngineError
from corpus.engine.comparer import Comparer
from tests.differential.assemble import FIRST_FUNCTION
from tests.differential.choices import Case, seeded
from tests.differential.exnref import exnref_module
from tests.differential.legacy import legacy_module
from tests.differential.steps import (
    REAL,
    Passes,
    Steps,
    exnref_steps,
    invalid,
    legacy_steps,
    variants,
)
from tests.modules import printed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["FUEL", "KINDS", "Batch", "Failure", "Kind", "calls_of", "run_batch", "run_cases"]

FUEL: Final = 100
"""How many calls and turns of loops a call has before it traps."""


@dataclass(frozen=True)
class Kind:
    """A sort of modules, and what is made of them."""

    make: Callable[[Case], bytes]
    steps: Callable[[bytes, Sequence[str] | None, Passes], Steps]


KINDS: Final = {
    "legacy": Kind(legacy_module, legacy_steps),
    "exnref": Kind(exnref_module, exnref_steps),
}


@dataclass(frozen=True)
class Failure:
    """What went wrong with a case: in words, and the module that it was made of."""

    kind: str
    case: Case
    #: What went wrong, without what is particular to the case.
    sort: str
    words: str
    module: bytes
    #: What it was made from, if from a number.
    seed: int | None = None

    def __str__(self) -> str:
        where = "" if self.seed is None else f" (seed {self.seed} of {self.kind})"
        # What is the same in all modules is left out.
        text = printed(self.module)
        text = text[text.find(f"(func (;{FIRST_FUNCTION};)") :]
        return f"{self.words}{where}\n{self.case}\n{text}"


@dataclass
class Batch:
    """What came of some cases."""

    modules: int = 0
    compared: int = 0
    calls: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def __iadd__(self, other: Batch) -> Batch:  # noqa: PYI034 - Self is not for dataclasses alone
        self.modules += other.modules
        self.compared += other.compared
        self.calls += other.calls
        self.outcomes += other.outcomes
        self.refused += other.refused
        self.failures += other.failures
        return self

    def __str__(self) -> str:
        outcomes = ", ".join(f"{count:,} {what}" for what, count in self.outcomes.most_common())
        whole = (
            f"{self.modules:,} modules, {self.compared:,} conversions compared, {self.calls:,} "
            f"calls of the originals ({outcomes}), {len(self.failures):,} failures"
        )
        refused = [f"  refused: {count:,} {why}" for why, count in self.refused.most_common()]
        return "\n".join([whole, *refused])


@cache
def calls_of(functions: int, inputs: int) -> list[tuple[str, tuple[int, int]]]:
    """Every random function with so many inputs; the small ones come first."""
    random = Random(0)
    pairs = [(n, 5 * n % 16) for n in range(16)]
    while len(pairs) < inputs:
        pairs.append((random.randrange(256), random.randrange(32)))
    return [(f"f{n}", pair) for n in range(functions) for pair in pairs[:inputs]]


def run_batch(kind: str, seeds: Sequence[int], *, inputs: int, every_variant: bool = True) -> Batch:
    """The cases of some numbers. Without ``every_variant`` each module meets one option only, a
    different one each time.
    """
    names = list(variants())
    chosen = [None if every_variant else [names[seed % len(names)]] for seed in seeds]
    return run_cases(kind, [seeded(seed) for seed in seeds], chosen, inputs=inputs, seeds=seeds)


def run_cases(
    kind: str,
    cases: Sequence[Case],
    chosen: Sequence[Sequence[str] | None] | None = None,
    *,
    inputs: int,
    seeds: Sequence[int] | None = None,
    comparer: Comparer | None = None,
    passes: Passes = REAL,
) -> Batch:
    """Convert cases in all ways, validate what came out, run it and compare."""
    batch = Batch(len(cases))
    if not cases:
        return batch
    work: list[tuple[int, Steps]] = []

    def fail(number: int, sort: str, words: str) -> None:
        seed = None if seeds is None else seeds[number]
        case = cases[number]
        batch.failures.append(Failure(kind, case, sort, words, KINDS[kind].make(case), seed))

    for number, case in enumerate(cases):
        data = KINDS[kind].make(case)
        try:
            steps = KINDS[kind].steps(data, None if chosen is None else chosen[number], passes)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported
            words = traceback.format_exc()
            fail(number, f"conversion: {type(error).__name__}", f"a conversion failed:\n{words}")
            continue
        if steps.refused is not None:
            batch.refused[steps.refused] += 1
        work.append((number, steps))
    flat = [
        (number, name, data, name in steps.exnref)
        for number, steps in work
        for name, data in steps.modules.items()
    ]
    broken = set()
    for index, complaint in invalid([(data, exnref) for _, _, data, exnref in flat]):
        number, name, _, _ = flat[index]
        broken.add(number)
        fail(number, f"{name}: invalid", f"{name}: {complaint}")
    work = [(number, steps) for number, steps in work if number not in broken]
    _run(batch, cases, work, fail, inputs, comparer)
    return batch


def _run(
    batch: Batch,
    cases: Sequence[Case],
    work: list[tuple[int, Steps]],
    fail: Callable[[int, str, str], None],
    inputs: int,
    comparer: Comparer | None,
) -> None:
    groups = [list(steps.modules.values()) for _, steps in work]
    calls = [calls_of(len(cases[number].functions), inputs) for number, _ in work]
    engine = Comparer() if comparer is None else comparer
    try:
        found = engine.compare(groups, calls, fuel=FUEL)
    except EngineError as error:
        if len(work) == 1:
            fail(work[0][0], "engine", str(error))
            return
        # Which one was it?
        for each in work:
            _run(batch, cases, [each], fail, inputs, None)
        return
    finally:
        if comparer is None:
            engine.close()
    for (number, steps), compared in zip(work, found, strict=True):
        batch.compared += len(steps.modules) - 1
        batch.calls += compared.calls
        batch.outcomes.update(compared.outcomes)
        names = list(steps.modules)
        for difference in compared.differences:
            name = names[difference.module]
            fail(number, f"{name}: {difference.sort}", f"{name}: {difference}")
