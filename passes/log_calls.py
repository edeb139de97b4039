"""The host hears of calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, cast

from wasmir import (
    Concrete,
    Function,
    FuncType,
    Instr,
    NumType,
    Pass,
    PassReport,
    Probe,
    RefType,
    Table,
    Trait,
    Type,
    ops,
    terminates,
)
from wasmir.passes.boundary import chosen_dialect, used_dialect
from wasmir.passes.selection import chosen_functions, defined_functions, one_of
from wasmir.passes.spill import Spill
from wasmir.passes.tree import all_or_nothing, refuse_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wasmir import Item, Module, Place, ValType

__all__ = ["LogCalls"]

_I32 = NumType.I32
# What JavaScript takes of arguments.
_TOLD = (NumType.I32, NumType.I64, NumType.F32, NumType.F64)


@dataclass(frozen=True)
class LogCalls(Pass):
    """Call imports where functions are entered and left, or where they are called.

    Before::

        (func $f (param i32)
          local.get 0
          call $g)

    After, with ``arguments``::

        (import "wasmir_log" "enter" (func $enter (param i32)))
        (import "wasmir_log" "i32" (func $i32 (param i32 i32)))
        (import "wasmir_log" "leave" (func $leave (param i32)))
        (func $f (param i32)
          i32.const 0                        ;; which function
          call $enter
          i32.const 0                        ;; which argument
          local.get 0
          call $i32
          local.get 0
          call $g
          i32.const 0
          call $leave)

    With ``where=calls`` the same goes around calls in place of functions: ``call`` and ``back``,
    each with the indices of caller and callee, -1 for a callee that is only known at run time (with
    ``functions`` those calls aren't told of)::

        (func $f (param i32)
          local.get 0
          local.set 1
          i32.const 0                        ;; the caller
          i32.const 1                        ;; the callee
          call $call
          i32.const 0
          local.get 1
          call $i32
          local.get 1
          call $g
          i32.const 0
          i32.const 1
          call $back)

    Functions have the indices that they have before the pass. A function that an exception leaves
    is left, where the module's code catches anything or ``dialect`` says how to; a trap leaves
    without a word, and a call that an exception comes back from doesn't come back. A tail call is
    told of before it happens, when its function is left. Arguments are told of by ``i32``, ``i64``,
    ``f32`` and ``f64``, each with its place; others aren't. Imports must return.

    Raises PassError for a glob that matches no function, UnsupportedError for object files, and
    where a dialect is asked for that the module doesn't use: the module is as it was then.
    """

    name: ClassVar[str] = "log-calls"

    where: str = field(
        default="functions", metadata={"help": "functions (entered, left) or calls (around each)"}
    )
    functions: str = field(
        default="", metadata={"help": "globs of functions that are told of, or called"}
    )
    arguments: bool = field(default=False, metadata={"help": "tell of arguments, too"})
    into: str = field(default="wasmir_log", metadata={"help": "the module of the imports"})
    dialect: str = field(
        default="auto", metadata={"help": "exnref, legacy, none, or what the module's code uses"}
    )

    def run(self, module: Module) -> PassReport:
        """Put the calls there, or raise and leave the module as it was."""
        one_of(f"{self.name}: where", self.where, ("functions", "calls"))
        refuse_object(module)
        with all_or_nothing(module):
            checkpoint = module.checkpoint()
            counts = self.edit(module, _Log(module, self).function)
            if not any(counts):
                # Nobody calls the imports.
                module.rollback(checkpoint)
        return PassReport(self.name, sum(count > 0 for count in counts), {self.where: sum(counts)})


class _Log:
    def __init__(self, module: Module, options: LogCalls) -> None:
        self.options = options
        self.at_calls = options.where == "calls"
        every = list(module.functions) if self.at_calls else defined_functions(module)
        self.chosen = set(chosen_functions(f"{options.name}: functions", options.functions, every))
        self.by_reference = not options.functions.split()
        self.numbers = {each: index for index, each in enumerate(module.functions)}
        used = used_dialect(module)
        self.exceptions = "none"
        if used is not None or options.dialect != "auto":
            self.exceptions = chosen_dialect(used, options.dialect).value
        names = ("call", "back") if self.at_calls else ("enter", "leave")
        type_ = FuncType((_I32, _I32) if self.at_calls else (_I32,))
        self.before, self.behind = (
            module.import_function(options.into, name, type_) for name in names
        )
        told = _TOLD if options.arguments else ()
        passed = {each for type_ in self._types(module) for each in type_.params}
        self.values = {
            each: module.import_function(options.into, str(each), FuncType((_I32, each)))
            for each in told
            if each in passed
        }

    def _types(self, module: Module) -> Iterator[FuncType]:
        """The types of what may be told of, and maybe of more."""
        if self.by_reference and self.at_calls:
            yield from (each.func for each in module.types if each.func is not None)
        else:
            yield from (each.func_type for each in self.chosen)

    def function(self, function: Function) -> int:
        """Do one function; how much of it is told of."""
        if self.at_calls:
            return self._calls(function)
        if function not in self.chosen:
            return 0
        which = ops.i32.const(self.numbers[function])
        params = function.func_type.params
        with Probe(function) as probe:
            told = self._arguments(params, range(len(params)))
            probe.entry([which, ops.call(self.before), *told])
            probe.exit([which, ops.call(self.behind)], exceptions=self.exceptions)
        return 1

    def _arguments(self, types: Sequence[ValType], locals_: Sequence[int]) -> list[Item]:
        found: list[Item] = []
        for place, (type_, local) in enumerate(zip(types, locals_, strict=True)):
            told = self.values.get(type_) if isinstance(type_, NumType) else None
            if told is not None:
                found += [ops.i32.const(place), ops.local.get(local), ops.call(told)]
        return found

    def _calls(self, function: Function) -> int:
        if not any(Trait.CALLS in row.traits for row, _ in function.distinct_instructions()):
            return 0
        count = 0
        with Probe(function) as probe:
            spill = Spill(probe)
            for place in probe.places():
                item = place.item
                if isinstance(item, Instr) and Trait.CALLS in item.row.traits:
                    count += self._call(function, probe, spill, place)
        return count

    def _call(self, function: Function, probe: Probe, spill: Spill, place: Place) -> int:
        instr = cast("Instr", place.item)
        callee = instr.immediates[0]
        number = -1
        if isinstance(callee, Function):
            if callee not in self.chosen:
                return 0
            number = self.numbers[callee]
            types, last = list(callee.func_type.params), None
        elif self.by_reference and isinstance(callee, Type) and callee.func is not None:
            types, last = list(callee.func.params), _on_top(function.module, instr)
        else:
            return 0
        which = [ops.i32.const(self.numbers[function]), ops.i32.const(number)]
        before: list[Item] = [*which, ops.call(self.before)]
        if self.values:
            operands = spill.locals([*types, *([] if last is None else [last])])
            told = self._arguments(types, operands[: len(types)])
            before = [*spill.away(operands), *before, *told, *spill.back(operands)]
        probe.before(place, before)
        if not terminates(instr):
            probe.after(place, [*which, ops.call(self.behind)])
        return 1


def _on_top(module: Module, instr: Instr) -> ValType:
    """The type of what says which function is called: a place in a table, or a reference."""
    type_, *rest = instr.immediates
    if not rest:
        return RefType(nullable=True, heap=Concrete(type_))
    table = rest[0] if isinstance(rest[0], Table) else module.tables[0]
    return table.type.limits.address
