"""Leaves one of functions that are the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wasmir import Pass, PassReport
from wasmir.passes.patterns import chosen, functions_called
from wasmir.passes.tree import all_or_nothing, refuse_object

if TYPE_CHECKING:
    from wasmir import Function, Module, Type

__all__ = ["DedupeFunctions"]


@dataclass(frozen=True)
class DedupeFunctions(Pass):
    """Leave the first of functions whose type and code are the same, byte for byte, and let it
    stand for the others. Before::

        (func $a (param i32) (result i32) local.get 0)
        (func $b (param i32) (result i32) local.get 0)
        (func (export "f") i32.const 1 call $a call $b drop)

    After::

        (func $a (param i32) (result i32) local.get 0)
        (func (export "f") i32.const 1 call $a call $a drop)

    Functions that call such functions may be the same then, and so on, until none are. Functions
    that call themselves are the same as no other.

    The same function stands in several places of a table then, and behind several exports, which
    are the same object to JavaScript. A stack trace names the one that is left.

    ``keep`` are globs of functions that stay, by the names of the name section or of exports:
    those whose identity somebody asks for.

    Raises PassError for a glob that fits nothing, UnsupportedError for an object file,
    MalformedError, InvalidError.
    """

    name: ClassVar[str] = "dedupe-functions"

    keep: str = field(
        default="", metadata={"help": "globs of functions that stay, separated by blanks"}
    )

    def run(self, module: Module) -> PassReport:
        """Merge them, or raise and leave the module as it was."""
        report = PassReport(self.name)
        with all_or_nothing(module):
            refuse_object(module)
            named = list(functions_called(module))
            kept = set(chosen(f"{self.name}: keep", self.keep, named)) if self.keep else set()
            changed: set[Function] = set()
            while instead := _twins(module, kept):
                changed.update(module.redirect(instead))
                module.functions.remove_all(instead)
                changed.difference_update(instead)
                report.counts["functions"] = report.counts.get("functions", 0) + len(instead)
            report.functions = len(changed)
        return report


def _twins(module: Module, kept: set[Function]) -> dict[Function, Function]:
    """The functions that another one can stand for, and that one."""
    first: dict[tuple[Type, bytes], Function] = {}
    instead: dict[Function, Function] = {}
    for function in module.functions:
        if function.imported is None:
            one = first.setdefault((function.type, function.code), function)
            if one is not function and function not in kept:
                instead[function] = one
    return instead
