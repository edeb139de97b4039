"""Both conversions on random modules: the same behaviour before and after, in a real engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from corpus.engine.comparer import Comparer
from tests.differential.batch import Batch, run_batch, run_cases
from tests.differential.choices import Case, cases
from tests.differential.many import smallest
from tests.differential.steps import variants
from tests.modules import SCALE, program

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("engine", "tools")

INPUTS = 16
CHUNK = 50
LEGACY = 2000 * SCALE
EXNREF = 500 * SCALE
DRAWN = 25 * SCALE
"""Modules that Hypothesis draws; many more come from seeds, which takes less time."""


@pytest.fixture(scope="module")
def tools() -> None:
    """wasm-tools, by which everything is validated."""
    program()


@pytest.fixture(scope="module")
def comparer() -> Iterator[Comparer]:
    with Comparer() as found:
        yield found


def _checked(batch: Batch) -> Batch:
    if batch.failures:
        told = "\n".join(f"{each.kind} {each.seed}: {each.sort}" for each in batch.failures)
        pytest.fail(f"{told}\n{smallest(batch.failures[0], INPUTS)}")
    return batch


@pytest.mark.parametrize("first", range(0, LEGACY, CHUNK))
def test_legacy(first: int) -> None:
    """To exnref, with one option off, there and back, and there again."""
    seeds = range(first, first + CHUNK)
    batch = _checked(run_batch("legacy", seeds, inputs=INPUTS, every_variant=False))
    # The modules do something, and nearly always there is a way back.
    assert min(batch.outcomes[what] for what in ("returned", "thrown")) > batch.calls / 5
    assert 4 * CHUNK - 6 <= batch.compared <= 4 * CHUNK


@pytest.mark.parametrize("first", range(0, EXNREF, CHUNK))
def test_exnref(first: int) -> None:
    """To legacy and back, or refused."""
    seeds = range(first, first + CHUNK)
    batch = _checked(run_batch("exnref", seeds, inputs=INPUTS, every_variant=False))
    assert min(batch.outcomes[what] for what in ("returned", "thrown")) > batch.calls / 5
    assert CHUNK / 10 < batch.refused.total() < CHUNK / 2


@pytest.mark.parametrize("kind", ["legacy", "exnref"])
@settings(
    max_examples=DRAWN,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_drawn_modules_with_every_option(
    kind: str, comparer: Comparer, data: st.DataObject
) -> None:
    """The same, by Hypothesis, which makes small what fails."""
    case = data.draw(cases())
    _checked_once(kind, case, comparer)


def _checked_once(kind: str, case: Case, comparer: Comparer) -> None:
    every = None if kind == "legacy" else list(variants())
    batch = run_cases(kind, [case], [every], inputs=INPUTS, comparer=comparer)
    assert not batch.failures, str(batch.failures[0])
