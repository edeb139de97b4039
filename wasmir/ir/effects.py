"""How far instructions raise or lower the operand stack, in operands.

For what needs heights and not types. Valid code is assumed: what an instruction needs is there.

Source: specification, Validation, "Instructions"; the rows' stack types, and for rows with a rule
the counts that the rule implies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

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

__all__ = ["Arity", "arity", "fixed_effect", "row_arity", "row_effect", "stack_effect"]


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


def _arity(type_: FuncType, more: int = 0) -> Arity:
    """Of a call: ``more`` is what it takes beside the parameters."""
    return len(type_.params) + more, len(type_.results)


def _call(function: Function) -> Arity:
    return _arity(function.func_type)


def _by_type(type_: Any, *_: Any) -> Arity:
    """The reference or index of what is called comes on top."""
    return _arity(_func(type_), 1)


def _cont_bind(source: Any, target: Any) -> Arity:
    return len(_func(source).params) - len(_func(target).params) + 1, 1


def _switch(type_: Any, _tag: Tag) -> Arity:
    # The last parameter is the continuation that is handed over; what comes back is its parameters.
    func = _func(type_)
    if not func.params:
        raise InvalidError(f"type mismatch: {type_} takes no continuation")
    *params, last = func.params
    heap = getattr(last, "heap", None)
    return len(params) + 1, len(_func(getattr(heap, "type", None)).params)


Arity: TypeAlias = tuple[int, int]
"""How many operands are taken, and how many given."""

_BY_RULE: dict[str, Arity | Callable[..., Arity]] = {
    "any_convert_extern": (1, 1),
    "array_copy": (5, 0),
    "array_fill": (4, 0),
    "array_get": (2, 1),
    "array_get_packed": (2, 1),
    "array_init_data": (4, 0),
    "array_init_elem": (4, 0),
    "array_new": (2, 1),
    "array_new_data": (2, 1),
    "array_new_default": (1, 1),
    "array_new_elem": (2, 1),
    "array_new_fixed": lambda _type, count: (count, 1),
    "array_set": (3, 0),
    "br_on_cast": (1, 1),
    "br_on_cast_desc_eq": (2, 1),
    "br_on_cast_desc_eq_fail": (2, 1),
    "br_on_cast_fail": (1, 1),
    "br_on_non_null": (1, 0),
    "br_on_null": (1, 1),
    "call": _call,
    "call_indirect": _by_type,
    "call_ref": _by_type,
    "cont_bind": _cont_bind,
    "cont_new": (1, 1),
    "drop": (1, 0),
    "extern_convert_any": (1, 1),
    "global_get": (0, 1),
    "global_set": (1, 0),
    "local_get": (0, 1),
    "local_set": (1, 0),
    "local_tee": (1, 1),
    "ref_as_non_null": (1, 1),
    "ref_cast": (1, 1),
    "ref_cast_desc_eq": (2, 1),
    "ref_func": (0, 1),
    "ref_get_desc": (1, 1),
    "ref_is_null": (1, 1),
    "ref_null": (0, 1),
    "ref_test": (1, 1),
    "resume": _by_type,
    "resume_throw": lambda type_, tag, _on: (len(tag.params) + 1, len(_func(type_).results)),
    "resume_throw_ref": lambda type_, _on: (2, len(_func(type_).results)),
    "select": (3, 1),
    "select_t": (3, 1),
    "struct_get": (1, 1),
    "struct_get_packed": (1, 1),
    "struct_new": lambda type_: (_fields(type_), 1),
    "struct_new_default": (0, 1),
    "struct_new_default_desc": (1, 1),
    "struct_new_desc": lambda type_: (_fields(type_) + 1, 1),
    "struct_set": (2, 0),
    "suspend": lambda tag: _arity(_func(tag.type)),
    "switch": _switch,
    "table_copy": (3, 0),
    "table_fill": (3, 0),
    "table_get": (1, 1),
    "table_grow": (2, 1),
    "table_init": (3, 0),
    "table_set": (2, 0),
}


def row_arity(row: Row, immediates: tuple[Any, ...]) -> Arity:
    """How many operands an instruction takes and gives, control instructions that open and close
    apart. Of a branch on a reference it is what goes on behind it.

    Raises UnsupportedError for one that control doesn't come out of, unless its row has its type.
    """
    if row.params is not None and row.results is not None:
        return len(row.params), len(row.results)
    found = _BY_RULE.get(row.rule or "")
    if found is None:
        raise UnsupportedError(f"{row.name} has no effect on the stack that is known here")
    return found if isinstance(found, tuple) else found(*immediates)


def arity(item: Instr | BrOn | Resume) -> Arity:
    """How many operands an instruction takes and gives. Raises like :func:`row_arity`."""
    row = getattr(item, "row", None)
    if row is None:
        raise TypeError(f"an instruction expected, not {type(item).__name__}")
    return row_arity(row, item.immediates)


def row_effect(row: Row, immediates: tuple[Any, ...]) -> int:
    """The net effect of an instruction. Raises like :func:`row_arity`."""
    taken, given = row_arity(row, immediates)
    return given - taken


def fixed_effect(row: Row) -> int | None:
    """The net effect of an instruction whose immediates don't matter to it."""
    if row.params is not None and row.results is not None:
        return len(row.results) - len(row.params)
    found = _BY_RULE.get(row.rule or "")
    return found[1] - found[0] if isinstance(found, tuple) else None


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
