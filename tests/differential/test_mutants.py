"""The random modules find out what is wrong: mistakes that were made on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from corpus.engine.comparer import Comparer
from tests.differential.batch import run_cases
from tests.differential.choices import seeded
from tests.differential.mutants import MUTANTS, GoneError, Mutant, mutated
from tests.differential.steps import REAL, variants
from tests.modules import program
from wasmir.passes import ExnrefToLegacy, LegacyToExnref

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("engine")

INPUTS = 16
CHUNK = 25
MODULES = 2000
"""So many are in the tests of every day, so what is wrong must show in these."""


@pytest.fixture(scope="module")
def comparer() -> Iterator[Comparer]:
    program()
    with Comparer() as found:
        yield found


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mistakes_are_found(mutant: Mutant, comparer: Comparer) -> None:
    names = list(variants())
    with mutated(mutant) as passes:
        for first in range(0, MODULES, CHUNK):
            seeds = range(first, first + CHUNK)
            chosen = [[names[seed % len(names)]] for seed in seeds]
            cases = [seeded(seed) for seed in seeds]
            batch = run_cases(
                mutant.kind, cases, chosen, inputs=INPUTS, comparer=comparer, passes=passes
            )
            if batch.failures:
                return
    pytest.fail(f"{MODULES} modules don't show it")


def test_no_mistake_is_none(comparer: Comparer) -> None:
    """What is loaded anew without a change does the same as what was there before."""
    with mutated(Mutant("nothing", "tree", "import", "import")) as passes:
        assert passes != REAL


def test_mistakes_are_taken_back() -> None:
    with mutated(MUTANTS[0]) as passes:
        assert passes.to_exnref is not LegacyToExnref
    from wasmir.passes import exnref_to_legacy

    assert exnref_to_legacy.ExnrefToLegacy is ExnrefToLegacy is REAL.to_legacy


def test_what_is_gone_is_told() -> None:
    with (
        pytest.raises(GoneError, match="0 times what 'gone'"),
        mutated(Mutant("gone", "tree", "no such thing", "")),
    ):
        pass
