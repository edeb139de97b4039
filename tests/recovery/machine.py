"""The rule as a state machine: a host that decides step by step, with a live engine, what it does.

Each rule sends its steps to the engine, which tells what happened; the model reads that. What the
model knows then (what is suspended, whether the instance is dead) decides which rules may follow.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.recovery.model import Model
from tests.recovery.schedules import SET_OFF, make_schedule

if TYPE_CHECKING:
    from tests.recovery.engine import Worker
    from tests.recovery.schedules import Choices

__all__ = ["BrokenError", "Host"]

_SIMPLE = tuple(each for each in SET_OFF if each not in {"hook", "choose hook"})


class BrokenError(AssertionError):
    """The rule is broken; the message says how."""


class Host(RuleBasedStateMachine):
    """A host of the module that a worker knows by a name."""

    def __init__(
        self, worker: Worker, module: str, choices: Choices, *, notices: bool | None = None
    ) -> None:
        super().__init__()
        self._worker, self._module, self._notices = worker, module, notices
        self._choices = choices
        self._model = Model()

    @initialize(data=st.data())
    def instantiate(self, data: st.DataObject) -> None:
        """The hooks' nodes are there from the start."""
        schedule = {**self._schedule(data), "top": []}
        [events] = self._worker.run(self._module, [schedule], notices=self._notices)
        self._read(events)

    @rule(data=st.data())
    def call(self, data: st.DataObject) -> None:
        """A call, with what the host does when it is called back; nested as may be."""
        schedule = self._schedule(data)
        self._act(schedule["nodes"], schedule["top"])

    @rule(what=st.sampled_from(_SIMPLE))
    def set_off(self, what: str) -> None:
        """Terminated, reset or to be reset by the host, outside of calls."""
        self._act([], [[what]])

    @rule(what=st.sampled_from(["none", "gate", "host"]))
    def hook(self, what: str) -> None:
        """Another hook, or none."""
        self._act([], [["hook", what]])

    @precondition(lambda self: len(self._model.suspended) < 4)
    @rule()
    def suspend(self) -> None:
        """A promising call, which waits unless it is refused."""
        before = set(self._model.suspended)
        was_dead = self._model.epoch in self._model.dead
        self._act([], [["suspend"]])
        if not was_dead and self._model.suspended.keys() == before:
            raise BrokenError("a healthy instance doesn't take a promising call")

    @precondition(lambda self: self._model.suspended)
    @rule(index=st.integers(0, 3), data=st.data())
    def resume(self, index: int, data: st.DataObject) -> None:
        """What a suspended call waits for is there, or fails."""
        how = data.draw(st.sampled_from(self._choices.promises))
        wish = data.draw(st.sampled_from(self._choices.wishes))
        before = len(self._model.suspended)
        self._act([], [["resume", index, how, wish]])
        if len(self._model.suspended) != before - 1:
            raise BrokenError("a call that was resumed goes on waiting")

    @invariant()
    def rule_holds(self) -> None:
        """And no call is left open."""
        if self._model.wrong:
            raise BrokenError("; ".join(self._model.wrong))
        assert not self._model.calls

    def _schedule(self, data: st.DataObject) -> dict[str, Any]:
        choices = replace(self._choices, most_nodes=6)
        return make_schedule(lambda n: data.draw(st.integers(0, n - 1)), choices, most=0)

    def _act(self, nodes: list[dict[str, Any]], top: list[list[Any]]) -> None:
        self._read(self._worker.go_on({"nodes": nodes, "top": top}))

    def _read(self, events: list[list[Any]]) -> None:
        for event in events:
            self._model.read(event)
