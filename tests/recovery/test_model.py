"""The guard against a model: random schedules in Node, both modes, both dialects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.recovery.engine import VARIANTS, Worker, subject
from tests.recovery.machine import BrokenError, Host
from tests.recovery.many import CHOICES, Outcome, differing, run_schedules
from tests.recovery.schedules import HOST, UNSEEN
from wasmir.passes.adapters import Adapters
from wasmir.passes.guard import DoorLocals, Guard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wasmir import Item

MANY = 2000
"""Schedules here; `python -m tests.recovery --schedules 100000` runs more."""


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as started:
        yield started


@pytest.mark.parametrize("variant", VARIANTS)
def test_rule(worker: Worker, variant: str) -> None:
    outcome = run_schedules(worker, variant, range(MANY))
    assert not outcome.wrong
    # It was put to the test.
    assert outcome.aborts > MANY // 4
    assert outcome.resets > MANY // 4
    assert min(outcome.events[each] for each in ("hook+", "terminate+", "written")) > MANY // 100
    assert outcome.events["suspended"] > outcome.events["resumed"] > MANY // 100


@pytest.mark.parametrize("variant", VARIANTS)
def test_rule_step_by_step(worker: Worker, variant: str) -> None:
    run_state_machine_as_test(
        lambda: Host(worker, variant, CHOICES[variant]),  # type: ignore[arg-type]  # any factory does
        settings=settings(max_examples=100, stateful_step_count=12, deadline=None),
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_without_an_abort_nothing_is_different(worker: Worker, variant: str) -> None:
    count, found = differing(worker, variant, range(MANY))
    assert (count, found) == (MANY, [])


@pytest.mark.parametrize("end", UNSEEN)
def test_what_the_module_does_not_see_the_host_does(worker: Worker, end: str) -> None:
    """Unwinding that no handler sees, through a door."""
    unseen = type(HOST)(throws=(end,))
    missed = run_schedules(worker, "wasm-exnref", range(500), choices=unseen)
    assert missed.wrong
    assert not run_schedules(worker, "host-exnref", range(500), choices=unseen).wrong


def test_type_of_an_indirect_call_in_the_legacy_dialect(worker: Worker) -> None:
    """There a module can't ask what type a function in a table has."""
    wrong_type = type(HOST)(wishes=(0,), slots=(4,))
    assert run_schedules(worker, "wasm-legacy", range(300), choices=wrong_type).wrong
    assert not run_schedules(worker, "host-legacy", range(300), choices=wrong_type).wrong
    assert not run_schedules(worker, "wasm-exnref", range(300), choices=wrong_type).wrong


def _nothing(*_: object, **__: object) -> list[Item]:
    return []


_out = Guard.out


def _out_as_a_leaf(guard: Guard, at: DoorLocals, *, indirect: bool, leaf: bool) -> list[Item]:
    del leaf
    return _out(guard, at, indirect=indirect, leaf=True)


BREAKS: dict[str, tuple[str, str, Callable[..., list[Item]]]] = {
    "doors let stale frames go on": ("host-exnref", "back", _nothing),
    "doors don't note that the host runs": ("wasm-exnref", "out", _out_as_a_leaf),
    "gates don't count out": ("host-exnref", "leaves", _nothing),
    "gates let everything in": ("wasm-exnref", "enters", _nothing),
}
"""What is broken, where it shows, the method, and what stands in its place."""


def _of_broken(worker: Worker, variant: str) -> Outcome:
    worker.load({"broken": subject(*VARIANTS[variant])})
    choices, notices = CHOICES[variant], variant.startswith("host")
    return run_schedules(worker, "broken", range(MANY), choices=choices, notices=notices)


@pytest.mark.parametrize("broken", BREAKS)
def test_broken_guards_are_found(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    variant, method, replacement = BREAKS[broken]
    choices, notices = CHOICES[variant], variant.startswith("host")
    monkeypatch.setattr(Guard, method, replacement)
    assert _of_broken(worker, variant).wrong
    # And by the machine.
    with pytest.raises(BrokenError):
        run_state_machine_as_test(
            lambda: Host(worker, "broken", choices, notices=notices),  # type: ignore[arg-type]  # as above
            settings=settings(
                max_examples=300, deadline=None, phases=[Phase.generate], database=None
            ),
        )


def test_indirect_calls_that_are_no_doors_are_found(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Adapters, "indirect", property(lambda _: False, lambda *_: None))
    assert _of_broken(worker, "wasm-exnref").wrong
