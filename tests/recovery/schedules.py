"""Schedules: what a host does with an instance.

A schedule has nodes, and steps at the top. A node is what the host does when the module calls it:
some steps, then an end, which tells the module what to do next or throws. Steps call the module
(each call names the node that its own call to the host leads to), or set the guard off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HEALTHY", "HOST", "UNSEEN", "WASM", "WASM_LEGACY", "Choices", "make_schedule"]


@dataclass(frozen=True)
class Choices:
    """What may happen."""

    #: What the module may be told to do, see `$after` in subject.wat.
    wishes: tuple[int, ...] = (0, 2)
    #: How the host may end a node without returning.
    throws: tuple[str, ...] = ("error", "object", "own", "runtime error")
    #: What the host may do to the guard.
    steps: tuple[str, ...] = ()
    #: Slots of the table, for indirect calls.
    slots: tuple[int, ...] = (1, 2)
    most_nodes: int = 12
    #: How promises end on which a suspended call waits; none: no call is suspended.
    promises: tuple[str, ...] = ("return",)


HEALTHY: Final = Choices()
"""No aborts."""

SET_OFF: Final = ("terminate", "write", "reset", "schedule", "hook", "choose hook")

WASM: Final = Choices(wishes=(0, 2, 1, 5, 4, 3), steps=SET_OFF, slots=(1, 2, 0, 4, 9))
"""Aborts that the module sees by itself."""

WASM_LEGACY: Final = replace(WASM, slots=(1, 2, 0, 9))
"""In the legacy dialect it can't ask for the type of a function in a table."""

UNSEEN: Final = ("trap again", "overflow")
"""Ends that unwind through a door and that no handler sees."""

HOST: Final = Choices(
    wishes=WASM.wishes,
    throws=(*WASM.throws, *UNSEEN),
    steps=SET_OFF,
    slots=WASM.slots,
    promises=("return", "reject"),
)

_CALLS: Final = ("run", "clean", "catch", "swallow", "indirect")


def make_schedule(draw: Callable[[int], int], choices: Choices, *, most: int = 6) -> dict[str, Any]:
    """A schedule; ``draw(n)`` gives a number below ``n``, and zero is the plainest. At the top are
    one to ``most + 1`` steps.
    """
    nodes: list[dict[str, Any]] = []

    def node(depth: int) -> int:
        number = len(nodes)
        entry: dict[str, Any] = {"steps": [], "end": ["return", 0]}
        nodes.append(entry)
        entry["steps"] = steps(depth, 3 if depth < 3 else 1)
        if draw(3) == 2:
            how = choices.throws[draw(len(choices.throws))]
            entry["end"] = [how, draw(5)]
        else:
            entry["end"] = ["return", choices.wishes[draw(len(choices.wishes))]]
        return number

    def steps(depth: int, most: int) -> list[list[Any]]:
        found = []
        for _ in range(draw(most + 1)):
            if len(nodes) >= choices.most_nodes:
                break
            found.append(step(depth))
        return found

    def step(depth: int) -> list[Any]:
        if choices.steps and draw(3) == 2:
            what = choices.steps[draw(len(choices.steps))]
            if what == "hook":
                return [what, ("none", "gate", "host")[draw(3)]]
            if what == "choose hook":
                return ["call", "choose_hook", "export", [(0, 3)[draw(2)]], "yes"]
            return [what]
        if choices.promises and draw(6) == 5:
            # While the module waits for the host, nothing can be awaited.
            if depth or draw(2):
                return ["suspend"]
            how = choices.promises[draw(len(choices.promises))]
            return ["resume", draw(4), how, choices.wishes[draw(len(choices.wishes))]]
        swallow = ("yes", "no", "other")[draw(3)]
        if draw(12) == 11:
            return ["call", "ask", "export", [], swallow]
        name = _CALLS[draw(len(_CALLS))]
        arguments = [node(depth + 1)]
        if name == "indirect":
            arguments.append(choices.slots[draw(len(choices.slots))])
        via = "table" if name == "run" and draw(2) else "export"
        return ["call", name, via, arguments, swallow]

    top = [*steps(0, most), *([step(0)] if len(nodes) < choices.most_nodes else [])]
    hooks = [node(2), node(2)] if choices.steps else []
    return {"nodes": nodes, "top": top, "hooks": [nodes[each] for each in hooks]}
