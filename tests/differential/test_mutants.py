"""The random modules find out what is wrong: mistakes that were made on purpose."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from corpus.engine.comparer import Comparer
from tests.differential.batch import run_cases
from tests.differential.choices import seeded
from tests.differential.mutants import MUTANTS, GoneError, Mutant, mutated
from tests.differential.steps import REAL, Passes, variants
from tests.modules import assembled, program
from tests.passes.goldens import GOLDENS as FORTH_GOLDENS
from tests.passes.goldens import MODULE as FORTH
from tests.passes.test_exnref_to_legacy import GOLDENS as BACK_GOLDENS
from tests.passes.test_exnref_to_legacy import MODULE as BACK
from tests.passes.test_exnref_to_legacy import REFUSED
from wasmir import WasmError
from wasmir.passes import ExnrefToLegacy, LegacyToExnref

if TYPE_CHECKING:
    from collections.abc import Iterator

INPUTS = 16
CHUNK = 20
MODULES = 400
"""So many show any mistake, but for those that only examples show; far more are tried every day."""


@pytest.fixture(scope="module")
def comparer() -> Iterator[Comparer]:
    program()
    with Comparer() as found:
        yield found


def _shown_by_modules(mutant: Mutant, passes: Passes, comparer: Comparer) -> bool:
    names = list(variants())
    for first in range(mutant.seed, mutant.seed + MODULES, CHUNK):
        seeds = range(first, first + CHUNK)
        batch = run_cases(
            mutant.shown_by,
            [seeded(seed) for seed in seeds],
            [[names[seed % len(names)]] for seed in seeds],
            inputs=INPUTS,
            comparer=comparer,
            passes=passes,
        )
        if batch.failures:
            return True
    return False


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    "mutant", [m for m in MUTANTS if m.shown_by != "examples"], ids=lambda mutant: mutant.name
)
def test_random_modules_show_mistakes(mutant: Mutant, comparer: Comparer) -> None:
    with mutated(mutant) as passes:
        assert _shown_by_modules(mutant, passes, comparer)


def _examples() -> dict[str, bytes]:
    found = {name: FORTH.format(golden.before) for name, golden in FORTH_GOLDENS.items()}
    found |= {f"{name} back": BACK.format(text[0]) for name, text in BACK_GOLDENS.items()}
    found |= {f"{name} refused": BACK.format(text[0]) for name, text in REFUSED.items()}
    return {name: assembled(text) for name, text in found.items()}


def _made(passes: Passes) -> dict[str, bytes | str]:
    """What becomes of each of the passes' examples."""
    found: dict[str, bytes | str] = {}
    for name, data in _examples().items():
        for way in (passes.forth, passes.back):
            try:
                found[f"{name} {way.__name__}"] = way(data)
            except WasmError as error:
                found[f"{name} {way.__name__}"] = str(error)
    return found


@cache
def _right() -> dict[str, bytes | str]:
    return _made(REAL)


@pytest.mark.parametrize(
    "mutant", [m for m in MUTANTS if m.shown_by == "examples"], ids=lambda mutant: mutant.name
)
def test_examples_show_mistakes(mutant: Mutant) -> None:
    """What comes out of them, as their own tests have it."""
    with mutated(mutant) as passes:
        assert _made(passes) != _right()


def test_no_mistake_is_none() -> None:
    """What is loaded anew without a change does the same as what was there before."""
    with mutated(Mutant("nothing", "_MOST_DROPS = 3", "_MOST_DROPS = 3")) as same:
        assert same != REAL
        assert _made(same) == _right()


def test_mistakes_are_taken_back() -> None:
    with mutated(MUTANTS[0]) as passes:
        assert passes.to_exnref is not LegacyToExnref
    from wasmir.passes import exnref_to_legacy

    assert exnref_to_legacy.ExnrefToLegacy is ExnrefToLegacy is REAL.to_legacy


def test_what_is_gone_is_told() -> None:
    with (
        pytest.raises(GoneError, match="0 times what 'gone'"),
        mutated(Mutant("gone", "no such thing", "")),
    ):
        pass
