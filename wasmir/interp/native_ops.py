"""Integers as LLVM has them: how straight-line instructions are emitted for native code.

LLVM's integers wrap around as WebAssembly's do, so most instructions are one of LLVM's. Where LLVM
leaves a result undefined (shifts by the width, divisions that trap) it is asked for beforehand.

Source: specification, Execution, "Numerics"; LLVM Language Reference Manual.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from wasmir.isa.kinds import MemArg

    class Emitting(Protocol):
        """What rules ask of an emitter. Operands and results are pairs of a type and a text."""

        def pop(self) -> tuple[str, str]: ...
        def push(self, type_: str, text: str) -> None: ...
        def value(self, text: str) -> str:
            """The name that an instruction's result was given."""
            ...

        def line(self, text: str) -> None: ...
        def trap_if(self, condition: str, reason: str) -> None: ...
        def place(self, base: str, offset: int, size: str) -> str:
            """The pointer to so many bytes of memory, of which all are there."""
            ...


__all__ = ["OPERATIONS", "OUT_OF_BOUNDS", "OVERFLOW", "ZERO"]

ZERO, OVERFLOW = "integer divide by zero", "integer overflow"
OUT_OF_BOUNDS = "out of bounds memory access"

OPERATIONS: dict[str, Callable[[Emitting, tuple[Any, ...]], None]] = {}
"""By the names of rows; immediates as the IR has them."""

_COMPARISONS = {
    "eq": "eq",
    "ne": "ne",
    "lt_s": "slt",
    "lt_u": "ult",
    "gt_s": "sgt",
    "gt_u": "ugt",
    "le_s": "sle",
    "le_u": "ule",
    "ge_s": "sge",
    "ge_u": "uge",
}


def _two(e: Emitting) -> tuple[str, str]:
    """Two operands, the last first."""
    return e.pop()[1], e.pop()[1]


def _simple(name: str, type_: str, operation: str) -> None:
    def emit(e: Emitting, _: tuple[Any, ...]) -> None:
        b, a = _two(e)
        e.push(type_, e.value(f"{operation} {type_} {a}, {b}"))

    OPERATIONS[name] = emit


def _compare(name: str, type_: str, condition: str) -> None:
    def emit(e: Emitting, _: tuple[Any, ...]) -> None:
        b, a = _two(e)
        bit = e.value(f"icmp {condition} {type_} {a}, {b}")
        e.push("i32", e.value(f"zext i1 {bit} to i32"))

    OPERATIONS[name] = emit


def _eqz(type_: str) -> None:
    def emit(e: Emitting, _: tuple[Any, ...]) -> None:
        bit = e.value(f"icmp eq {type_} {e.pop()[1]}, 0")
        e.push("i32", e.value(f"zext i1 {bit} to i32"))

    OPERATIONS[f"{type_}.eqz"] = emit


def _shift(name: str, type_: str, operation: str) -> None:
    """The amount counts modulo the width."""

    def emit(e: Emitting, _: tuple[Any, ...]) -> None:
        b, a = _two(e)
        by = e.value(f"and {type_} {b}, {int(type_[1:]) - 1}")
        e.push(type_, e.value(f"{operation} {type_} {a}, {by}"))

    OPERATIONS[name] = emit


def _rotate(name: str, type_: str, function: str) -> None:
    """LLVM takes the amount modulo the width by itself."""

    def emit(e: Emitting, _: tuple[Any, ...]) -> None:
        b, a = _two(e)
        operands = f"{type_} {a}, {type_} {a}, {type_} {b}"
        e.push(type_, e.value(f"call {type_} @llvm.{function}.{type_}({operands})"))

    OPERATIONS[name] = emit


def _count(name: str, type_: str, function: str, more: str) -> None:
    def emit(e: Emitting, _: tuple[Any, ...]) -> None:
        operand = f"{type_} {e.pop()[1]}{more}"
        e.push(type_, e.value(f"call {type_} @llvm.{function}.{type_}({operand})"))

    OPERATIONS[name] = emit


def _divide(name: str, type_: str, operation: str) -> None:
    def emit(e: Emitting, _: tuple[Any, ...]) -> None:
        b, a = _two(e)
        e.trap_if(e.value(f"icmp eq {type_} {b}, 0"), ZERO)
        if operation[0] == "s":
            minus = e.value(f"icmp eq {type_} {b}, -1")
            if operation == "sdiv":
                least = e.value(f"icmp eq {type_} {a}, {-(1 << int(type_[1:]) - 1)}")
                e.trap_if(e.value(f"and i1 {minus}, {least}"), OVERFLOW)
            else:
                # What is left is the same: nothing.
                b = e.value(f"select i1 {minus}, {type_} 1, {type_} {b}")
        e.push(type_, e.value(f"{operation} {type_} {a}, {b}"))

    OPERATIONS[name] = emit


def _convert(name: str, source: str, through: str, target: str, extend: str = "sext") -> None:
    """The lowest bits, as many as ``through`` has, and then extended."""

    def emit(e: Emitting, _: tuple[Any, ...]) -> None:
        text = e.pop()[1]
        if source != through:
            text = e.value(f"trunc {source} {text} to {through}")
        if through != target:
            text = e.value(f"{extend} {through} {text} to {target}")
        e.push(target, text)

    OPERATIONS[name] = emit


def _load(name: str, type_: str, size: int, extend: str) -> None:
    def emit(e: Emitting, immediates: tuple[Any, ...]) -> None:
        memarg: MemArg = immediates[0]
        _, base = e.pop()
        at = e.place(f"zext i32 {base} to i64", memarg.offset, str(size >> 3))
        text = e.value(f"load i{size}, ptr {at}, align 1")
        if type_ != f"i{size}":
            text = e.value(f"{extend} i{size} {text} to {type_}")
        e.push(type_, text)

    OPERATIONS[name] = emit


def _store(name: str, type_: str, size: int) -> None:
    def emit(e: Emitting, immediates: tuple[Any, ...]) -> None:
        memarg: MemArg = immediates[0]
        text, base = _two(e)
        at = e.place(f"zext i32 {base} to i64", memarg.offset, str(size >> 3))
        if type_ != f"i{size}":
            text = e.value(f"trunc {type_} {text} to i{size}")
        e.line(f"store i{size} {text}, ptr {at}, align 1")

    OPERATIONS[name] = emit


def _range(e: Emitting) -> tuple[str, str, str]:
    """The three operands of what works on a range; the last as i64."""
    count, second = _two(e)
    _, first = e.pop()
    return first, second, e.value(f"zext i32 {count} to i64")


def _fill(e: Emitting, _: tuple[Any, ...]) -> None:
    first, value, count = _range(e)
    at = e.place(f"zext i32 {first} to i64", 0, count)
    byte = e.value(f"trunc i32 {value} to i8")
    e.line(f"call void @llvm.memset.p0.i64(ptr {at}, i8 {byte}, i64 {count}, i1 false)")


def _copy(e: Emitting, _: tuple[Any, ...]) -> None:
    first, second, count = _range(e)
    source = e.place(f"zext i32 {second} to i64", 0, count)
    target = e.place(f"zext i32 {first} to i64", 0, count)
    e.line(f"call void @llvm.memmove.p0.p0.i64(ptr {target}, ptr {source}, i64 {count}, i1 false)")


def _size(e: Emitting, immediates: tuple[Any, ...]) -> None:
    log2 = immediates[0].type.limits.page_size_log2
    pages = e.value(f"lshr i64 %size, {16 if log2 is None else log2}")
    e.push("i32", e.value(f"trunc i64 {pages} to i32"))


def _register(type_: str) -> None:
    width = int(type_[1:])
    for name in ("add", "sub", "mul", "and", "or", "xor"):
        _simple(f"{type_}.{name}", type_, name)
    for name, condition in _COMPARISONS.items():
        _compare(f"{type_}.{name}", type_, condition)
    _eqz(type_)
    for name, operation in {"shl": "shl", "shr_s": "ashr", "shr_u": "lshr"}.items():
        _shift(f"{type_}.{name}", type_, operation)
    for name, function in {"rotl": "fshl", "rotr": "fshr"}.items():
        _rotate(f"{type_}.{name}", type_, function)
    for name, (function, more) in {
        "clz": ("ctlz", ", i1 false"),
        "ctz": ("cttz", ", i1 false"),
        "popcnt": ("ctpop", ""),
    }.items():
        _count(f"{type_}.{name}", type_, function, more)
    for name in ("div_s", "div_u", "rem_s", "rem_u"):
        _divide(f"{type_}.{name}", type_, name[-1] + name[:3])
    _load(f"{type_}.load", type_, width, "")
    _store(f"{type_}.store", type_, width)
    for size in (8, 16, 32):
        if size < width:
            _convert(f"{type_}.extend{size}_s", type_, f"i{size}", type_)
            _load(f"{type_}.load{size}_s", type_, size, "sext")
            _load(f"{type_}.load{size}_u", type_, size, "zext")
            _store(f"{type_}.store{size}", type_, size)


_register("i32")
_register("i64")
_convert("i32.wrap_i64", "i64", "i32", "i32")
_convert("i64.extend_i32_s", "i32", "i32", "i64")
_convert("i64.extend_i32_u", "i32", "i32", "i64", "zext")
OPERATIONS["memory.fill"] = _fill
OPERATIONS["memory.copy"] = _copy
OPERATIONS["memory.size"] = _size
