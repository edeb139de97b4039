"""Takes functions' code out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wasmir import NumType, Pass, PassError, PassReport, Tag, UnsupportedError, ops
from wasmir.passes.additions import name_for
from wasmir.passes.patterns import chosen, functions_called
from wasmir.passes.selection import one_of
from wasmir.passes.tree import all_or_nothing, refuse_object

if TYPE_CHECKING:
    from wasmir import Function, Instr, Module

__all__ = ["Snip"]

_SNIPPED = "__wasmir_snipped"
_LIST = "wasmir.snipped"


@dataclass(frozen=True)
class Snip(Pass):
    """Put a stub in the place of functions that are known not to be called, so that ``gc`` drops
    what only they need. Before::

        (func $format (param i32) (result i32) call $write ...)

    After, with ``functions=format``::

        (func $format (param i32) (result i32) unreachable)

    Where such a function is called all the same, the stub says so, and which it is. A trap's stack
    trace names it: a function without a name gets that of its export. With ``how=throw`` it throws
    an exception instead, which unwinds as others do::

        (tag $__wasmir_snipped (export "__wasmir_snipped") (param i32))
        (func $format (param i32) (result i32) i32.const 0 throw $__wasmir_snipped)

    with the place of the function's name in the custom section ``wasmir.snipped``, a list in JSON.
    What was snipped before keeps its number.

    ``functions`` are globs of names, of the name section or of exports, separated by blanks; and
    ``keep`` globs of those that stay all the same.

    Raises PassError where no functions are given and for a glob that fits nothing,
    UnsupportedError for an import, which has no code, for an object file, and where the module has
    something else in the place of that tag or section.
    """

    name: ClassVar[str] = "snip"

    functions: str = field(
        default="", metadata={"help": "globs of functions' names, separated by blanks"}
    )
    keep: str = field(default="", metadata={"help": "globs of functions that stay all the same"})
    how: str = field(default="trap", metadata={"help": "what stubs do: trap or throw"})

    def run(self, module: Module) -> PassReport:
        """Snip them, or raise and leave the module as it was."""
        report = PassReport(self.name)
        one_of(f"{self.name}: how", self.how, ("trap", "throw"))
        if not self.functions:
            raise PassError(f"{self.name}: it doesn't say functions=, whose code it is about")
        with all_or_nothing(module):
            refuse_object(module)
            thrown = _Throwing(module) if self.how == "throw" else None
            for function, name in self._chosen(module):
                before = function.code
                if thrown is None:
                    function.name = name
                    function.replace_body([ops.unreachable()])
                else:
                    function.replace_body(thrown.stub(name))
                report.functions += function.code != before
            if thrown is not None:
                thrown.write()
            if report.functions:
                report.counts["functions"] = report.functions
        return report

    def _chosen(self, module: Module) -> list[tuple[Function, str]]:
        """The functions, with what they are called, one way or another."""
        named = list(functions_called(module))
        functions = chosen(f"{self.name}: functions", self.functions, named)
        kept = set(chosen(f"{self.name}: keep", self.keep, named)) if self.keep else set()
        for function in functions:
            if function.imported is not None and function not in kept:
                raise UnsupportedError("an import has no code to snip", str(function))
        names = {function: name for name, function in reversed(named)}
        return [(function, names[function]) for function in functions if function not in kept]


class _Throwing:
    """Stubs that throw the number of their function's name in a list."""

    def __init__(self, module: Module) -> None:
        self.tag = self._tag(module)
        self.section = module.custom(_LIST) or module.add_custom(_LIST, b"[]")
        try:
            names = json.loads(self.section.data)
        except ValueError:
            names = None
        if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
            raise UnsupportedError(f"the custom section {_LIST} is no list of names in JSON")
        self._names = names
        self._count = len(names)
        self._numbers = {name: number for number, name in reversed([*enumerate(names)])}

    def _tag(self, module: Module) -> Tag:
        export = module.exports.find(_SNIPPED)
        params = (NumType.I32,)
        if export is None:
            name = name_for(module, _SNIPPED)
            return module.add_tag(params, name=name, exported=_SNIPPED)
        if not isinstance(export.entity, Tag) or export.entity.params != params:
            raise UnsupportedError(f"it exports something else as {_SNIPPED}")
        return export.entity

    def stub(self, name: str) -> list[Instr]:
        """What stands for a function of that name."""
        number = self._numbers.setdefault(name, len(self._names))
        if number == len(self._names):
            self._names.append(name)
        return [ops.i32.const(number), ops.throw(self.tag)]

    def write(self) -> None:
        """Put the names into the section, if there are new ones."""
        if len(self._names) > self._count:
            self.section.data = json.dumps(self._names).encode()
