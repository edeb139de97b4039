"""Variables, calls, tables and references: how their instructions are emitted.

A table is a list. Indices are unsigned, so that one that is out of bounds makes Python raise
IndexError, of which the trap is made; ``None`` is null.

Source: specification 3.0, Execution, "Variable Instructions", "Table Instructions", "Reference
Instructions", "Control Instructions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir.interp.emit import MASKS, Emitter, Expr, rule
from wasmir.interp.entities import Tail
from wasmir.interp.faults import Trap, thrown
from wasmir.interp.memory import ranged, result
from wasmir.types import NumType

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir.interp.entities import Func
    from wasmir.interp.heap import RunType
    from wasmir.types import FuncType

__all__ = ["HELPERS"]

HELPERS: dict[str, Any] = {"Tail": Tail, "thrown": thrown}


def helper(function: Callable[..., Any]) -> Callable[..., Any]:
    HELPERS[function.__name__] = function
    return function


@rule("nop")
def _nop(_e: Emitter, _immediates: tuple[Any, ...]) -> None:
    """Nothing."""


@rule("drop")
def _drop(e: Emitter, _immediates: tuple[Any, ...]) -> None:
    dropped = e.pop()
    if dropped.impure:
        # It may trap.
        e.order(dropped)
        e.line(dropped.text)
        e.rest()


@rule("select", "select t")
def _select(e: Emitter, _immediates: tuple[Any, ...]) -> None:
    first, second, condition = e.pop_many(3)
    if first.impure or second.impure:
        # Both are evaluated, whichever is chosen.
        e.stack += (first, second, condition)
        e.settle_impure()
        first, second, condition = e.pop_many(3)
    text = f"({first.exact} if {condition.exact} else {second.exact})"
    e.op(text, first, second, condition)


# Variables


@rule("local.get")
def _local_get(e: Emitter, immediates: tuple[Any, ...]) -> None:
    e.stack.append(e.local(f"l{immediates[0]}"))


@rule("local.set")
def _local_set(e: Emitter, immediates: tuple[Any, ...]) -> None:
    e.assign(f"l{immediates[0]}", e.pop())


@rule("local.tee")
def _local_tee(e: Emitter, immediates: tuple[Any, ...]) -> None:
    name = f"l{immediates[0]}"
    e.assign(name, e.pop())
    e.stack.append(e.local(name))


@rule("global.get")
def _global_get(e: Emitter, immediates: tuple[Any, ...]) -> None:
    [global_] = immediates
    if global_.type.mutable:
        e.reading(f"{e.name(f'G{global_._number}')}.raw")
    else:
        e.push(Expr(e.name(f"g{global_._number}")))


@rule("global.set")
def _global_set(e: Emitter, immediates: tuple[Any, ...]) -> None:
    value = e.pop()
    e.statement(f"{e.name(f'G{immediates[0]._number}')}.raw = {value.exact}", value)


# Calls


def _signature(function: Any) -> FuncType:
    found: FuncType = function.func_type
    return found


@rule("call")
def _call(e: Emitter, immediates: tuple[Any, ...]) -> None:
    [function] = immediates
    e.call(e.name(f"f{function._number}"), _signature(function))


def type_name(e: Emitter, type_: Any) -> str:
    return e.name(f"y{type_._number}")


def _callee(e: Emitter, type_: Any, table: Any) -> tuple[str, Expr]:
    """What an indirect call calls, as a Func; arguments are evaluated before."""
    index = e.pop()
    count = len(type_.func.params)
    if index.impure or any(each.impure for each in e.stack[len(e.stack) - count :]):
        e.stack.append(index)
        e.settle_impure()
        index = e.pop()
    wanted = type_name(e, type_)
    found = f"{e.name(f'T{table._number}')}[{index.exact}]"
    return f"f if (f := {found}).type is {wanted} else indirect(f, {wanted})", index


@rule("call_indirect")
def _call_indirect(e: Emitter, immediates: tuple[Any, ...]) -> None:
    type_, table = immediates
    callee, index = _callee(e, type_, table)
    first, _, rest = callee.partition(" ")
    e.call(f"({first}.call {rest.replace('indirect(', 'indirect_call(')})", type_.func, index)


@helper
def indirect(func: Func, wanted: RunType) -> Func:
    """A function that isn't of the very type that is wanted."""
    if wanted in func.type.above:
        return func
    raise Trap("indirect call type mismatch")


@helper
def indirect_call(func: Func, wanted: RunType) -> Callable[..., Any]:
    found: Callable[..., Any] = indirect(func, wanted).call
    return found


@rule("call_ref")
def _call_ref(e: Emitter, immediates: tuple[Any, ...]) -> None:
    function = e.pop()
    if function.impure:
        e.stack.append(function)
        e.settle_impure()
        function = e.pop()
    e.call(f"{function.text}.call", immediates[0].func, function)


def _tail_call(e: Emitter, function: str, type_: FuncType, *also: Expr) -> None:
    e.tails = True
    args = e.pop_many(len(type_.params))
    e.effect(*args, *also)
    shown = "".join([f"{each.exact}, " for each in args])
    e.marked(f"return Tail({function}, ({shown}))")


@rule("return_call")
def _return_call(e: Emitter, immediates: tuple[Any, ...]) -> None:
    [function] = immediates
    _tail_call(e, e.name(f"r{function._number}"), _signature(function))


@rule("return_call_indirect")
def _return_call_indirect(e: Emitter, immediates: tuple[Any, ...]) -> None:
    type_, table = immediates
    callee, index = _callee(e, type_, table)
    _tail_call(e, callee, type_.func, index)


@rule("return_call_ref")
def _return_call_ref(e: Emitter, immediates: tuple[Any, ...]) -> None:
    function = e.simple(e.pop())
    e.effect(function)
    _tail_call(e, f"function({function.text})", immediates[0].func, function)


@helper
def function(reference: Any) -> Any:
    if reference is None:
        raise Trap("null function reference")
    return reference


@helper
def non_null(reference: Any) -> Any:
    if reference is None:
        raise Trap("null reference")
    return reference


# What ends control flow


@rule("unreachable")
def _unreachable(e: Emitter, _immediates: tuple[Any, ...]) -> None:
    e.statement("unreachable()")


@helper
def unreachable() -> None:
    raise Trap("unreachable")


@rule("throw")
def _throw(e: Emitter, immediates: tuple[Any, ...]) -> None:
    [tag] = immediates
    args = e.pop_many(len(tag.params))
    shown = "".join([f"{each.exact}, " for each in args])
    e.statement(f"raise thrown({e.name(f'X{tag._number}')}, ({shown}))", *args)


@rule("throw_ref")
def _throw_ref(e: Emitter, _immediates: tuple[Any, ...]) -> None:
    exception = e.pop()
    e.statement(f"raise present({exception.text})", exception)


@helper
def present(exception: Any) -> Any:
    if exception is None:
        raise Trap("null exception reference")
    return exception


# References


@rule("ref.null")
def _ref_null(e: Emitter, _immediates: tuple[Any, ...]) -> None:
    e.stack.append(Expr("None"))


@rule("ref.is_null")
def _ref_is_null(e: Emitter, _immediates: tuple[Any, ...]) -> None:
    reference = e.pop()
    e.op(f"({reference.text} is None)", reference)


@rule("ref.func")
def _ref_func(e: Emitter, immediates: tuple[Any, ...]) -> None:
    e.stack.append(Expr(e.name(f"r{immediates[0]._number}")))


@rule("ref.as_non_null")
def _ref_as_non_null(e: Emitter, _immediates: tuple[Any, ...]) -> None:
    reference = e.pop()
    e.trapping(f"non_null({reference.text}))", reference)


# Tables


def _table(e: Emitter, table: Any) -> str:
    """The elements."""
    return e.name(f"T{table._number}")


def _entity(e: Emitter, table: Any) -> str:
    return e.name(f"E{table._number}")


def _mask(table: Any) -> str:
    return MASKS[64 if table.type.limits.address is NumType.I64 else 32]


@rule("table.get")
def _table_get(e: Emitter, immediates: tuple[Any, ...]) -> None:
    index = e.pop()
    e.trapping(f"{_table(e, immediates[0])}[{index.exact}])", index)


@rule("table.set")
def _table_set(e: Emitter, immediates: tuple[Any, ...]) -> None:
    value = e.pop()
    index = e.pop()
    e.statement(f"{_table(e, immediates[0])}[{index.exact}] = {value.text}", index, value)


@rule("table.size")
def _table_size(e: Emitter, immediates: tuple[Any, ...]) -> None:
    e.reading(f"size({_table(e, immediates[0])})")


HELPERS["size"] = len


@rule("table.grow")
def _table_grow(e: Emitter, immediates: tuple[Any, ...]) -> None:
    [table] = immediates
    value, count = e.pop_many(2)
    e.effect(value, count)
    text = f"grow_table({_entity(e, table)}, {value.text}, {count.exact}) & {_mask(table)}"
    e.stack.append(result(e, text))


@helper
def grow_table(table: Any, value: Any, count: int) -> int:
    grown: int = table.grow(count, value)
    return grown


def table_bounds(start: int, count: int, size: int) -> None:
    if start + count > size:
        raise Trap("out of bounds table access")


@rule("table.fill")
def _table_fill(e: Emitter, immediates: tuple[Any, ...]) -> None:
    ranged(e, "table_fill", _table(e, immediates[0]))


@helper
def table_fill(table: list[Any], start: int, value: Any, count: int) -> None:
    table_bounds(start, count, len(table))
    table[start : start + count] = [value] * count


@rule("table.copy")
def _table_copy(e: Emitter, immediates: tuple[Any, ...]) -> None:
    target, source = immediates
    ranged(e, "table_copy", _table(e, target), _table(e, source))


@helper
def table_copy(target: list[Any], source: list[Any], to: int, start: int, count: int) -> None:
    table_bounds(start, count, len(source))
    table_bounds(to, count, len(target))
    target[to : to + count] = source[start : start + count]


@rule("table.init")
def _table_init(e: Emitter, immediates: tuple[Any, ...]) -> None:
    elements, table = immediates
    ranged(e, "table_copy", _table(e, table), f"S[{elements._number}]")


@rule("elem.drop")
def _elem_drop(e: Emitter, immediates: tuple[Any, ...]) -> None:
    e.statement(f"S[{immediates[0]._number}] = ()")
