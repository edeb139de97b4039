"""The rule, as a small model that reads what happened.

Whatever the host does, between an abort that the mode can see and the next reset no instruction
of the original module runs but the hook's; every gate returns, throws the original exception,
throws terminated, or traps; and no schedule without an abort ever terminates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Model"]


@dataclass
class _Call:
    name: str
    epoch: int
    #: Whether the instance was dead when it was entered, and it wasn't part of a hook.
    dead: bool
    #: Whether nothing has happened in it yet: a reset may come before anything else.
    fresh: bool = True


@dataclass
class Model:
    """Reads events one by one; ``wrong`` has what breaks the rule."""

    #: Epochs that saw an abort, or that the host ended, with what $ticks was then.
    dead: dict[int, int] = field(default_factory=dict)
    calls: list[_Call] = field(default_factory=list)
    #: How many calls were open when each hook began that runs.
    hooks: list[int] = field(default_factory=list)
    #: Calls that wait for the host, by number.
    suspended: dict[int, _Call] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    aborts: int = 0
    epoch: int = 0
    resets: int = 0

    def read(self, event: list[Any]) -> None:
        what, epoch, state, ticks, *rest = event
        if epoch != self.epoch:
            self.resets += 1
            if epoch != self.epoch + 1:
                self.say(event, f"epoch {self.epoch} is followed by {epoch}")
            self.epoch = epoch
        if what in ("at", "host") and self.calls and self.calls[-1].fresh:
            if epoch != self.calls[-1].epoch:
                self.calls[-1].epoch, self.calls[-1].dead = epoch, epoch in self.dead
            self.calls[-1].fresh = False
        handler = getattr(self, "on_" + _METHODS.get(what, what), None)
        if handler is not None:
            handler(event, epoch, *rest)
        if state == 2 and epoch not in self.dead:
            self.say(event, "a healthy instance is terminated")
            self.dead[epoch] = ticks
        if epoch in self.dead:
            if self.hooks:
                self.dead[epoch] = ticks
            elif ticks != self.dead[epoch]:
                self.say(event, "code of the module ran in a dead instance")
                self.dead[epoch] = ticks

    def say(self, event: list[Any], words: str) -> None:
        self.wrong.append(f"{words}: {event}")

    def on_at(self, event: list[Any], epoch: int, where: int) -> None:
        if where == _HOOK_BEGINS:
            self.hooks.append(len(self.calls))
            if epoch not in self.dead:
                # It may be called like any other export.
                self.hooks.pop()
        if epoch in self.dead and not self.hooks:
            self.say(event, "a block of the module ran in a dead instance")
        if where == _HOOK_ENDS and self.hooks:
            self.hooks.pop()
            if epoch in self.dead:
                self.dead[epoch] = event[3]

    def on_hook_begins(self, event: list[Any], epoch: int) -> None:
        if epoch not in self.dead:
            self.say(event, "the hook runs in a healthy instance")
        self.hooks.append(len(self.calls))

    def on_hook_ends(self, _event: list[Any], _epoch: int) -> None:
        if self.hooks:
            self.hooks.pop()

    def on_call(self, _event: list[Any], epoch: int, name: str) -> None:
        self.calls.append(_Call(name, epoch, epoch in self.dead and not self.hooks))

    def on_terminate_begins(self, event: list[Any], epoch: int) -> None:
        self.dead.setdefault(epoch, event[3])
        self.calls.append(_Call("terminate", epoch, dead=True))

    def on_reset_begins(self, _event: list[Any], epoch: int) -> None:
        self.calls.append(_Call("reset", epoch, dead=False))

    def on_written(self, event: list[Any], epoch: int) -> None:
        self.dead.setdefault(epoch, event[3])

    def on_ends(self, _event: list[Any], _epoch: int, _thrown: object) -> None:
        self.leave()

    def on_returned(self, event: list[Any], epoch: int, _result: object) -> None:
        call = self.leave()
        if call.dead and epoch == call.epoch and call.name != "ask":
            self.say(event, "a call of a dead instance returned")

    def on_thrown(self, event: list[Any], epoch: int, sort: list[Any]) -> None:
        # What is dying is no longer the hook, if it was.
        call = self.leave()
        match sort[0]:
            case "trap" | "overflow":
                if call.epoch == epoch and epoch not in self.dead:
                    self.aborts += 1
                    self.dead[epoch] = event[3]
            case "terminated":
                if call.epoch not in self.dead:
                    self.say(event, "a healthy instance refused")
            case "host" | "own":
                if call.dead and call.epoch == epoch:
                    self.say(event, "a call of a dead instance threw something of its own")
            case _:
                self.say(event, "an exception that nobody threw")

    def on_suspended(self, _event: list[Any], _epoch: int, ticket: int) -> None:
        self.suspended[ticket] = self.leave()

    def on_resumed(self, _event: list[Any], _epoch: int, ticket: int) -> None:
        self.calls.append(self.suspended.pop(ticket))

    def leave(self) -> _Call:
        call = self.calls.pop()
        while self.hooks and self.hooks[-1] > len(self.calls):
            self.hooks.pop()
        return call

    def on_done(self, event: list[Any], epoch: int, depth: int) -> None:
        if epoch not in self.dead and depth:
            self.say(event, f"{depth} activations are left in a healthy instance")


_HOOK_BEGINS, _HOOK_ENDS = 90, 91

_METHODS = {
    "hook+": "hook_begins",
    "hook-": "hook_ends",
    "terminate+": "terminate_begins",
    "terminate-": "ends",
    "reset+": "reset_begins",
    "reset-": "ends",
    "ended": "ends",
}
