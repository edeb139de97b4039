"""Small things that passes need for what they add to a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmir import NumType, RefType, ops

if TYPE_CHECKING:
    from wasmir import Instr, Module, ValType

__all__ = ["default_of", "name_for"]


def name_for(module: Module, name: str) -> str | None:
    """A name for something new, where the module has names at all."""
    return None if module.custom("name") is None else name


def default_of(type_: ValType) -> Instr:
    """The instruction that makes zero or null; null for every reference type."""
    match type_:
        case RefType():
            return ops.ref.null(type_.heap)
        case NumType.I32:
            return ops.i32.const(0)
        case NumType.I64:
            return ops.i64.const(0)
        case NumType.F32:
            return ops.f32.const(0.0)
        case NumType.F64:
            return ops.f64.const(0.0)
        case _:
            return ops.v128.const(bytes(16))
