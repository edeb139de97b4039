"""Many random schedules, and what breaks the rule in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.recovery.model import Model
from tests.recovery.schedules import HEALTHY, HOST, WASM, WASM_LEGACY, make_schedule

if TYPE_CHECKING:
    from tests.recovery.engine import Worker
    from tests.recovery.schedules import Choices

__all__ = ["CHOICES", "Outcome", "differing", "run_schedules", "seeded"]

CHOICES: Final = {
    "host-exnref": HOST,
    "host-legacy": HOST,
    "wasm-exnref": WASM,
    "wasm-legacy": WASM_LEGACY,
}
"""What each variant can see."""

_BATCH: Final = 200


@dataclass
class Outcome:
    """What came of some schedules."""

    schedules: int = 0
    aborts: int = 0
    resets: int = 0
    #: Events by what they were.
    events: Counter[str] = field(default_factory=Counter)
    #: The seed of each schedule that broke the rule, and how.
    wrong: dict[int, list[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        return (
            f"{self.schedules:,} schedules, {sum(self.events.values()):,} events, "
            f"{self.events['at']:,} blocks of the module, {self.aborts:,} aborts, "
            f"{self.resets:,} resets, {len(self.wrong)} against the rule"
        )


def seeded(seed: int, choices: Choices) -> dict[str, Any]:
    """The schedule of a number."""
    return make_schedule(Random(seed).randrange, choices)


def run_schedules(
    worker: Worker,
    module: str,
    seeds: range,
    *,
    choices: Choices | None = None,
    notices: bool | None = None,
) -> Outcome:
    """Run the schedules of some numbers on a module."""
    wanted = CHOICES[module] if choices is None else choices
    outcome = Outcome()
    for start in range(seeds.start, seeds.stop, _BATCH):
        batch = range(start, min(start + _BATCH, seeds.stop))
        schedules = [seeded(seed, wanted) for seed in batch]
        for seed, events in zip(batch, worker.run(module, schedules, notices=notices), strict=True):
            model = Model()
            for event in events:
                model.read(event)
            outcome.schedules += 1
            outcome.aborts += model.aborts
            outcome.resets += model.resets
            outcome.events.update(event[0] for event in events)
            if model.wrong:
                outcome.wrong[seed] = model.wrong
    return outcome


def differing(worker: Worker, module: str, seeds: range) -> tuple[int, list[int]]:
    """Schedules without an abort: how many there were, and which of them went otherwise than on the
    module without guards, in whatever could be seen.
    """
    plain = f"plain-{module.split('-')[1]}"
    count, found = 0, []
    for start in range(seeds.start, seeds.stop, _BATCH):
        batch = range(start, min(start + _BATCH, seeds.stop))
        schedules = [seeded(seed, HEALTHY) for seed in batch]
        pairs = zip(worker.run(module, schedules), worker.run(plain, schedules), strict=True)
        for seed, (guarded, original) in zip(batch, pairs, strict=True):
            count += 1
            seen, wanted = ([[e[0], *e[3:]] for e in events] for events in (guarded, original))
            if seen != wanted or any(epoch or state > 1 for _, epoch, state, *_ in guarded):
                found.append(seed)
    return count, found
