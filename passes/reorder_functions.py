"""Puts functions into another order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from wasmir import Pass, PassReport, bulk_work
from wasmir.passes.patterns import chosen, functions_called
from wasmir.passes.selection import one_of
from wasmir.passes.tree import refuse_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir import Function, Module

__all__ = ["ReorderFunctions"]


@dataclass(frozen=True)
class ReorderFunctions(Pass):
    """Put the functions that a module defines into another order; imports stay where they are.

    By default those come first that are mentioned by most, so that their indices take fewer bytes
    where there are more than 128 functions. Before::

        (func $seldom)
        (func $often)
        (func $f call $often) (func $g call $often call $seldom)

    After::

        (func $often)
        (func $seldom)
        (func $f call $often) (func $g call $often call $seldom)

    ``by=size`` puts the smallest in front, ``by=name`` sorts by name, those without one behind
    all others, and ``by=none`` leaves them as they are. Those that are alike keep their order. In
    front of all come the functions whose names fit the globs ``first``, in the globs' order: what
    runs when a program starts, say, so that engines that compile while they load have it soon.

    Raises PassError for a glob that fits nothing, UnsupportedError for an object file,
    MalformedError, InvalidError.
    """

    name: ClassVar[str] = "reorder-functions"

    by: str = field(default="uses", metadata={"help": "uses, size, name or none"})
    first: str = field(
        default="",
        metadata={"help": "globs of functions' names that come in front, separated by blanks"},
    )

    def run(self, module: Module) -> PassReport:
        """Reorder them, or raise and leave the module as it was."""
        report = PassReport(self.name)
        one_of(f"{self.name}: by", self.by, _ORDERS)
        with bulk_work():
            refuse_object(module)
            ahead: dict[Function, None] = {}
            named = list(functions_called(module))
            for glob in self.first.split():
                ahead.update(dict.fromkeys(chosen(f"{self.name}: first", glob, named)))
            before = list(module.functions)
            places = {function: place for place, function in enumerate(ahead)}
            rank = _ORDERS[self.by](module)
            after = sorted(
                before,
                key=lambda each: (
                    (0,)
                    if each.imported is not None
                    else (1, places[each])
                    if each in places
                    else (2, rank(each))
                ),
            )
            if after != before:
                module.functions.reorder(after)
                moved = sum(old is not new for old, new in zip(before, after, strict=True))
                report.counts["moved"] = moved
        return report


def _by_uses(module: Module) -> Callable[[Function], Any]:
    uses = module.uses()
    return lambda function: -len(uses.of(function))


def _by_name(module: Module) -> Callable[[Function], Any]:
    names = {function: function.name for function in module.functions}
    return lambda function: (names[function] is None, names[function])


_ORDERS: dict[str, Callable[[Module], Callable[[Function], Any]]] = {
    "uses": _by_uses,
    "size": lambda _: lambda function: len(function.code),
    "name": _by_name,
    "none": lambda _: lambda _: 0,
}
