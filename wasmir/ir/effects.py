"""How far instructions raise or lower the operand stack, in operands.

For what needs heights and not types. Valid code is assumed: what an instruction needs is there.

Source: specification, Validation, "Instructions"; the rows' stack types, and for rows with a rule
the counts that the rule implies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir.errors import InvalidError, UnsupportedError
from wasmir.ir.code import Br, BrIf, BrOn, BrTable, If, Instr, Item, Resume, Rethrow, Structured
from wasmir.ir.codec import codec
from wasmir.ir.type import Type
from wasmir.types import ContType, FuncType, StructType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wasmir.ir.function import Function
    from wasmir.ir.module import Module
    from wasmir.ir.tag import Tag
    from wasmir.isa.table import Row

__all__ = ["fixed_effect", "row_effect", "stack_effect"]


def _func(type_: Any) -> FuncType:
    """The function type behind a type entity, a continuation's included."""
    if isinstance(type_, Type):
        composite = type_.definition.composite
        if isinstance(composite, FuncType):
            return composite
        if isinstance(composite, ContType):
            return _func(composite.type.type)
    raise InvalidError(f"type mismatch: {type_} is no function type")


def _fields(type_: Any) -> int:
    composite = type_.definition.composite if isinstance(type_, Type) else None
    if isinstance(composite, StructType):
        return len(composite.fields)
    raise InvalidError(f"type mismatch: {type_} is no structure type")


def _net(type_: FuncType) -> int:
    return len(type_.results) - len(type_.params)


def _call(function: Function) -> int:
    return _net(function.func_type)


def _switch(type_: Any, _tag: Tag) -> int:
    # The last parameter is the continuation that is handed over; what comes back is its parameters.
    *params, last = _func(type_).params
    heap = getattr(last, "heap", None)
    return len(_func(getattr(heap, "type", None)).params) - len(params) - 1


_BY_RULE: dict[str, int | Callable[..., int]] = {
    "any_convert_extern": 0,
    "array_copy": -5,
    "array_fill": -4,
    "array_get": -1,
    "array_get_packed": -1,
    "array_init_data": -4,
    "array_init_elem": -4,
    "array_new": -1,
    "array_new_data": -1,
    "array_new_default": 0,
    "array_new_elem": -1,
    "array_new_fixed": lambda _type, count: 1 - count,
    "array_set": -3,
    "br_on_cast": 0,
    "br_on_cast_desc_eq": -1,
    "br_on_cast_desc_eq_fail": -1,
    "br_on_cast_fail": 0,
    "br_on_non_null": -1,
    "br_on_null": 0,
    "call": _call,
    "call_indirect": lambda type_, _table: _net(_func(type_)) - 1,
    "call_ref": lambda type_: _net(_func(type_)) - 1,
    "cont_bind": lambda source, target: len(_func(target).params) - len(_func(source).params),
    "cont_new": 0,
    "drop": -1,
    "extern_convert_any": 0,
    "global_get": 1,
    "global_set": -1,
    "local_get": 1,
    "local_set": -1,
    "local_tee": 0,
    "ref_as_non_null": 0,
    "ref_cast": 0,
    "ref_cast_desc_eq": -1,
    "ref_func": 1,
    "ref_get_desc": 0,
    "ref_is_null": 0,
    "ref_null": 1,
    "ref_test": 0,
    "resume": lambda type_, _on: _net(_func(type_)) - 1,
    "resume_throw": lambda type_, tag, _on: len(_func(type_).results) - len(tag.params) - 1,
    "resume_throw_ref": lambda type_, _on: len(_func(type_).results) - 2,
    "select": -2,
    "select_t": -2,
    "struct_get": 0,
    "struct_get_packed": 0,
    "struct_new": lambda type_: 1 - _fields(type_),
    "struct_new_default": 1,
    "struct_new_default_desc": 0,
    "struct_new_desc": lambda type_: -_fields(type_),
    "struct_set": -2,
    "suspend": lambda tag: _net(_func(tag.type)),
    "switch": _switch,
    "table_copy": -3,
    "table_fill": -3,
    "table_get": 0,
    "table_grow": -1,
    "table_init": -3,
    "table_set": -2,
}


def row_effect(row: Row, immediates: tuple[Any, ...]) -> int:
    """The net effect of an instruction, control instructions that open and close apart."""
    if row.params is not None and row.results is not None:
        return len(row.results) - len(row.params)
    effect = _BY_RULE.get(row.rule or "")
    if effect is None:
        raise UnsupportedError(f"{row.name} has no effect on the stack that is known here")
    return effect if isinstance(effect, int) else effect(*immediates)


def fixed_effect(row: Row) -> int | None:
    """The net effect of an instruction whose immediates don't matter to it."""
    if row.params is not None and row.results is not None:
        return len(row.results) - len(row.params)
    effect = _BY_RULE.get(row.rule or "")
    return effect if isinstance(effect, int) else None


def stack_effect(module: Module, items: Iterable[Item]) -> int:
    """The net effect of items of which control falls out at the end.

    Raises UnsupportedError for an item that control doesn't come out of.
    """
    total = 0
    for item in items:
        if isinstance(item, bytes):
            total += codec().run_effects(module)[item]
        elif isinstance(item, Instr):
            total += row_effect(item.row, item.immediates)
        elif isinstance(item, Structured):
            total += len(item.type.results) - len(item.type.params) - isinstance(item, If)
        elif isinstance(item, BrIf):
            total -= 1
        elif isinstance(item, (Br, BrTable, Rethrow)):
            raise UnsupportedError("control doesn't come out of a branch")
        elif isinstance(item, (BrOn, Resume)):
            total += row_effect(item.row, item.immediates)
        else:
            raise TypeError(f"no item: {item!r}")
    return total
