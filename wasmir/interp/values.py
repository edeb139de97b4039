"""Values as the host sees them, and as compiled code has them.

======== ===================================== ==========================================
type     the host                              compiled code
======== ===================================== ==========================================
i32 i64  an int, signed; unsigned is taken     an int, unsigned
f32 f64  a float                               the same; see :mod:`wasmir.interp.floats`
v128     16 bytes                              an int, the first byte lowest
extern   any object; None is null              the same
any      I31, Struct, Array, other objects     the same, other objects as :class:`Hosted`
func     a :class:`~wasmir.interp.Func`        the same
exn      an exception                          a :class:`~wasmir.interp.faults.Thrown`
======== ===================================== ==========================================
"""

from __future__ import annotations

from typing import Any

from wasmir.interp.heap import I31, Array, Hosted, Struct, tester, top
from wasmir.types import AbstractHeap, NumType, RefType, ValType

__all__ = ["from_host", "to_host"]

# Members of enumerations aren't looked up for each value.
_I32, _I64 = NumType.I32, NumType.I64


def from_host(value: Any, type_: ValType) -> Any:
    """A value of the host's for compiled code. Raises TypeError, ValueError where it is of another
    type or out of range.
    """
    width = 32 if type_ is _I32 else 64 if type_ is _I64 else 0
    if width:
        if not isinstance(value, int):
            raise TypeError(f"{type_}: an int expected, not {value!r}")
        if not -(1 << width - 1) <= value < 1 << width:
            raise ValueError(f"{type_}: {value} is out of range")
        return int(value) & (1 << width) - 1
    if isinstance(type_, RefType):
        return _reference(value, type_)
    if type_ is NumType.V128:
        if not isinstance(value, (bytes, bytearray)) or len(value) != 16:
            raise TypeError(f"v128: 16 bytes expected, not {value!r}")
        return int.from_bytes(value, "little")
    if not isinstance(value, (int, float)):
        raise TypeError(f"{type_}: a float expected, not {value!r}")
    number = float(value)
    if type_ is NumType.F32 and number == number:
        from wasmir.interp.floats import round32

        return round32(number)
    return number


def to_host(value: Any, type_: ValType) -> Any:
    """Mirrors :func:`from_host`."""
    if type_ is _I32:
        return (value ^ 0x80000000) - 0x80000000
    if type_ is _I64:
        return (value ^ 1 << 63) - (1 << 63)
    if type_ is NumType.V128:
        return value.to_bytes(16, "little")
    if value.__class__ is Hosted:
        return value.object
    if isinstance(type_, RefType) and top(type_.heap) is AbstractHeap.EXN:
        from wasmir.interp.faults import Foreign

        return value.exception if isinstance(value, Foreign) else value
    return value


def _reference(value: Any, type_: RefType) -> Any:
    if value is None:
        if type_.nullable:
            return None
        raise TypeError(f"{type_}: not null")
    above = top(type_.heap)
    if above is AbstractHeap.EXTERN:
        fits = type_.heap is AbstractHeap.EXTERN
    elif above is AbstractHeap.ANY:
        if not isinstance(value, (I31, Struct, Array, Hosted)):
            small = isinstance(value, int) and -(1 << 30) <= value < 1 << 30
            value = I31(value & 0x7FFFFFFF) if small else Hosted(value)
        fits = tester(type_.heap)(value)
    elif above is AbstractHeap.EXN:
        from wasmir.interp.faults import Foreign, Thrown

        fits = type_.heap is AbstractHeap.EXN and isinstance(value, Exception)
        if fits and not isinstance(value, Thrown):
            value = Foreign(value)
    else:
        from wasmir.interp.entities import Func

        fits = isinstance(value, Func) and tester(type_.heap)(value)
    if not fits:
        raise TypeError(f"{type_}: {value!r} is no such reference")
    return value
