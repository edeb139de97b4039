"""Numbers: how instructions on i32, i64, f32 and f64 are emitted.

Source: specification, Execution, "Numerics"; the proposal wide-arithmetic.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from wasmir.interp import floats
from wasmir.interp.emit import MASKS, UNKNOWN, Emitter, Expr, constant, rule
from wasmir.interp.shapes import ROUNDED

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HELPERS"]

HELPERS: dict[str, Any] = {
    "inf": math.inf,
    "abs": abs,
    "float": float,
    "copysign": math.copysign,
    "round32": floats.round32,
    "demote": floats.demote,
    "divide": floats.divide,
    "root": floats.root,
    "minimum": floats.minimum,
    "maximum": floats.maximum,
    "ceiling": floats.ceiling,
    "floor": floats.floor,
    "truncate": floats.truncate,
    "nearest": floats.nearest,
    "to_integer": floats.to_integer,
    "saturate": floats.saturate,
    "integer_to_32": floats.integer_to_32,
    "f32_bits": floats.f32_bits,
    "f32_from_bits": floats.f32_from_bits,
    "f64_bits": floats.f64_bits,
    "f64_from_bits": floats.f64_from_bits,
}
"""What emitted code calls, by name."""


def _biased(expr: Expr, width: int) -> str:
    """The value with its highest bit flipped: signed order as unsigned order."""
    bias = 1 << width - 1
    return str(expr.const ^ bias) if expr.const is not None else f"({expr.exact} ^ {bias})"


def signed(expr: Expr, width: int) -> str:
    """The value as a signed integer."""
    bias = 1 << width - 1
    if expr.const is not None:
        return str((expr.const ^ bias) - bias)
    return f"(({expr.exact} ^ {bias}) - {bias})"


def helper(function: Callable[..., Any]) -> Callable[..., Any]:
    HELPERS[function.__name__] = function
    return function


# Integers


def _ring(name: str, operator: str, width: int) -> None:
    """Operations whose lowest bits depend on their operands' lowest bits only."""

    @rule(name)
    def emit(e: Emitter, _: tuple[Any, ...]) -> None:
        b = e.pop()
        a = e.pop()
        if operator == "*":
            _product(e, a, b, width)
        elif b.const is not None:
            step = b.const if operator == "+" else -b.const & (1 << width) - 1
            _step(e, a, step, width)
        elif operator == "+" and a.const is not None:
            _step(e, b, a.const, width)
        else:
            text = f"({a.text} {operator} {b.text})"
            bits = max(a.bits, b.bits) + 1
            if a.wide or b.wide:
                e.op(text, a, b, wide=width)
            elif operator == "-":
                narrow = f"(w if (w := {a.text} - {b.text}) >= 0 else w + {1 << width})"
                e.op(text, a, b, wide=width, narrow=narrow)
            elif bits <= width:
                e.op(text, a, b, bits=bits)
            else:
                e.op(text, a, b, wide=width)


def _product(e: Emitter, a: Expr, b: Expr, width: int) -> None:
    bits = a.bits + b.bits
    wide = 0 if bits <= width else width
    e.op(f"({a.exact} * {b.exact})", a, b, wide=wide, bits=bits if not wide else UNKNOWN)


def _step(e: Emitter, a: Expr, step: int, width: int) -> None:
    """A sum with a constant. Looking whether it overflows takes less time than masking does."""
    negative = (1 << width) - step
    down = step >> width - 1
    text = f"({a.text} - {negative})" if down else f"({a.text} + {step})"
    bits = max(a.bits, step.bit_length()) + 1
    if not down and bits <= width and not a.wide:
        e.op(text, a, bits=bits)
        return
    narrow = ""
    if not a.wide and step:
        # `w` is what was computed last; nobody looks at it later.
        first, name = (a.text, a.text) if a.is_simple else (f"(w := {a.text})", "w")
        if negative == 1:
            narrow = f"({name} - 1 if {first} else {step})"
        elif down:
            narrow = f"({name} - {negative} if {first} >= {negative} else {name} + {step})"
        else:
            narrow = f"({name} + {step} if {first} < {negative} else {name} - {negative})"
    e.op(text, a, wide=width, narrow=narrow)


def _bitwise(name: str, operator: str, width: int) -> None:
    @rule(name)
    def emit(e: Emitter, _: tuple[Any, ...]) -> None:
        b = e.pop()
        a = e.pop()
        if operator == "&":
            wide = width if a.wide and b.wide else 0
            bits = min(each.bits for each in (a, b) if wide or not each.wide)
        else:
            wide = width if a.wide or b.wide else 0
            bits = max(a.bits, b.bits)
        e.op(f"({a.text} {operator} {b.text})", a, b, wide=wide, bits=bits)


_SWAPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def _compare(name: str, operator: str, width: int) -> None:
    sign = name.partition("_")[2]

    @rule(name)
    def emit(e: Emitter, _: tuple[Any, ...]) -> None:
        b = e.pop()
        a = e.pop()
        if sign == "s" and not (a.fits(width - 1) and b.fits(width - 1)):
            e.op(f"({_signed_order(a, operator, b, width)})", a, b, bits=1)
        else:
            e.op(f"({a.exact} {operator} {b.exact})", a, b, bits=1)


def _signed_order(a: Expr, operator: str, b: Expr, width: int) -> str:
    """A comparison of signed integers, given unsigned: with no arithmetic if that can be."""
    if a.const is not None and b.const is None:
        return _signed_order(b, _SWAPPED[operator], a, width)
    half = 1 << width - 1
    if b.const is not None:
        found = _order_to_constant(a, operator, b.const, half)
        if found:
            return found
    elif a.is_simple and b.is_simple and not a.wide and not b.wide:
        return (
            f"{a.text} {operator} {b.text} if {a.text} ^ {b.text} < {half}"
            f" else {b.text} {operator} {a.text}"
        )
    return f"{_biased(a, width)} {operator} {_biased(b, width)}"


def _order_to_constant(a: Expr, operator: str, const: int, half: int) -> str:
    """What is negative is what is at least ``half``. Empty where the operand would have to be
    evaluated twice.
    """
    value = a.exact
    if const == 0 and operator == "<":
        return f"{value} >= {half}"
    if (const == 0 and operator == ">=") or (const == 2 * half - 1 and operator == ">"):
        return f"{value} < {half}"
    if operator[0] == ">" and const < half:
        return f"{const} {_SWAPPED[operator]} {value} < {half}"
    if operator[0] == "<" and const >= half:
        return f"{half} <= {value} {operator} {const}"
    if not a.is_simple or a.wide:
        return ""
    other = f"{value} >= {half}" if const < half else f"{value} < {half}"
    return f"{value} {operator} {const} or {other}"


def _shift(name: str, width: int) -> None:
    operation = name.partition(".")[2]
    bias = 1 << width - 1

    @rule(name)
    def emit(e: Emitter, _: tuple[Any, ...]) -> None:
        b = e.pop()
        a = e.pop()
        if operation in ("rotl", "rotr"):
            _rotate(e, a, b, width, left=operation == "rotl")
            return
        known = None if b.const is None else b.const & width - 1
        by = f"({b.text} & {width - 1})" if known is None else str(known)
        if operation == "shl":
            bits = a.bits + (width if known is None else known)
            if bits <= width and not a.wide:
                e.op(f"({a.text} << {by})", a, b, bits=bits)
            else:
                e.op(f"({a.text} << {by})", a, b, wide=width)
        elif operation == "shr_u" or a.fits(width - 1):
            bits = min(a.bits, width) - (known or 0)
            e.op(f"({a.exact} >> {by})", a, b, bits=max(bits, 0))
        else:
            e.op(f"(({a.exact} ^ {bias}) - {bias} >> {by})", a, b, wide=width)


def _rotate(e: Emitter, a: Expr, b: Expr, width: int, *, left: bool) -> None:
    if b.const is None:
        e.op(f"rotate_{'left' if left else 'right'}{width}({a.exact}, {b.text})", a, b)
        return
    by = b.const & width - 1
    # Of the value twice, one after the other, a part.
    right = -by & width - 1 if left else by
    if a.text[0] == "l" and a.is_simple and not a.wide:
        double = e.doubled(a, width)
        e.op(f"({double.text} >> {right})", double, wide=width)
        return
    e.op(f"({a.exact} * {(1 << width) + 1} >> {right})", a, wide=width)


@helper
def rotate_left32(a: int, b: int) -> int:
    b &= 31
    return (a << b | a >> 32 - b) & 0xFFFFFFFF


@helper
def rotate_right32(a: int, b: int) -> int:
    b &= 31
    return (a >> b | a << 32 - b) & 0xFFFFFFFF


@helper
def rotate_left64(a: int, b: int) -> int:
    b &= 63
    return (a << b | a >> 64 - b) & 0xFFFFFFFFFFFFFFFF


@helper
def rotate_right64(a: int, b: int) -> int:
    b &= 63
    return (a >> b | a << 64 - b) & 0xFFFFFFFFFFFFFFFF


def _divide_signed(width: int) -> tuple[Callable[[int, int], int], Callable[[int, int], int]]:
    bias, mask = 1 << width - 1, (1 << width) - 1
    from wasmir.interp.faults import Trap

    def div_s(a: int, b: int) -> int:
        a, b = (a ^ bias) - bias, (b ^ bias) - bias
        if (a < 0) is (b < 0):
            found = a // b
            if found == bias:
                raise Trap("integer overflow")
            return found
        return -(-a // b) & mask

    def rem_s(a: int, b: int) -> int:
        a, b = (a ^ bias) - bias, (b ^ bias) - bias
        # The sign of the dividend.
        return (a % abs(b) if a >= 0 else -(-a % abs(b))) & mask

    return div_s, rem_s


def _divide(name: str, width: int) -> None:
    operation = name.partition(".")[2]

    @rule(name)
    def emit(e: Emitter, _: tuple[Any, ...]) -> None:
        b = e.pop()
        a = e.pop()
        if operation in ("div_u", "rem_u"):
            operator = "//" if operation == "div_u" else "%"
            text = f"({a.exact} {operator} {b.exact})"
            bits = a.bits
        else:
            text = f"{operation}{width}({a.exact}, {b.exact})"
            bits = UNKNOWN
        if b.const and (operation != "div_s" or b.const != (1 << width) - 1):
            e.op(text, a, b, bits=bits)
        else:
            e.trapping(f"{text})", a, b, bits=bits)


@helper
def trailing_zeros(a: int, width: int) -> int:
    return (a & -a).bit_length() - 1 if a else width


def _unary(name: str, template: str, *, bits: int = UNKNOWN) -> None:
    """``{}`` is the operand."""

    @rule(name)
    def emit(e: Emitter, _: tuple[Any, ...]) -> None:
        a = e.pop()
        e.op(template.format(a.exact), a, bits=bits)


def _binary(name: str, template: str) -> None:
    @rule(name)
    def emit(e: Emitter, _: tuple[Any, ...]) -> None:
        b = e.pop()
        a = e.pop()
        e.op(template.format(a.exact, b.exact), a, b)


def _trapping(name: str, template: str) -> None:
    @rule(name)
    def emit(e: Emitter, _: tuple[Any, ...]) -> None:
        a = e.pop()
        e.trapping(f"{template.format(a.exact)})", a)


def _extend(name: str, source: int, target: int) -> None:
    bias, mask = 1 << source - 1, (1 << source) - 1

    @rule(name)
    def emit(e: Emitter, _: tuple[Any, ...]) -> None:
        a = e.pop()
        if a.fits(source - 1):
            e.stack.append(a)
        else:
            masked = a.text if a.fits(source) else f"({a.text} & {mask})"
            e.op(f"(({masked} ^ {bias}) - {bias})", a, wide=target)


@rule("i32.wrap_i64")
def _wrap(e: Emitter, _: tuple[Any, ...]) -> None:
    a = e.pop()
    if a.fits(32):
        e.stack.append(a)
    else:
        e.op(a.text, a, wide=32)


@rule("i64.extend_i32_u")
def _extend_unsigned(e: Emitter, _: tuple[Any, ...]) -> None:
    a = e.pop()
    if a.fits(32):
        e.stack.append(a)
    else:
        e.op(a.exact, a, bits=32)


def _integers() -> None:
    for width in (32, 64):
        type_ = f"i{width}"
        for name, operator in {"add": "+", "sub": "-", "mul": "*"}.items():
            _ring(f"{type_}.{name}", operator, width)
        for name, operator in {"and": "&", "or": "|", "xor": "^"}.items():
            _bitwise(f"{type_}.{name}", operator, width)
        for name, operator in {"lt": "<", "gt": ">", "le": "<=", "ge": ">="}.items():
            _compare(f"{type_}.{name}_u", operator, width)
            _compare(f"{type_}.{name}_s", operator, width)
        _compare(f"{type_}.eq", "==", width)
        _compare(f"{type_}.ne", "!=", width)
        _unary(f"{type_}.eqz", "(not {})", bits=1)
        for name in ("shl", "shr_s", "shr_u", "rotl", "rotr"):
            _shift(f"{type_}.{name}", width)
        for name in ("div_s", "div_u", "rem_s", "rem_u"):
            _divide(f"{type_}.{name}", width)
        HELPERS[f"div_s{width}"], HELPERS[f"rem_s{width}"] = _divide_signed(width)
        _unary(f"{type_}.clz", f"({width} - ({{}}).bit_length())", bits=7)
        _unary(f"{type_}.ctz", f"trailing_zeros({{}}, {width})", bits=7)
        _unary(f"{type_}.popcnt", "({}).bit_count()", bits=7)
        for size in (8, 16, 32):
            if size < width:
                _extend(f"{type_}.extend{size}_s", size, width)
    _extend("i64.extend_i32_s", 32, 64)


def _const(name: str, width: int) -> None:
    mask = (1 << width) - 1

    @rule(name)
    def emit(e: Emitter, immediates: tuple[Any, ...]) -> None:
        e.push(constant(immediates[0] & mask))


# Floats


@rule("f32.const")
def _f32_const(e: Emitter, immediates: tuple[Any, ...]) -> None:
    _float(e, floats.f32_from_bits(immediates[0]), f"f32_from_bits({immediates[0]})")


@rule("f64.const")
def _f64_const(e: Emitter, immediates: tuple[Any, ...]) -> None:
    _float(e, floats.f64_from_bits(immediates[0]), f"f64_from_bits({immediates[0]})")


def _float(e: Emitter, value: float, nan: str) -> None:
    text = nan if value != value else repr(value)
    # `inf` is a name; a sign binds less than a method would.
    e.push(Expr(f"({text})" if text[0] == "-" else text))


def _arithmetic(name: str, template: str) -> None:
    """What is rounded where it is of f32."""
    count = template.count("{}")
    single = name in ROUNDED

    @rule(name)
    def emit(e: Emitter, _: tuple[Any, ...]) -> None:
        operands = e.pop_many(count)
        text = template.format(*(each.exact for each in operands))
        (e.rounded if single else e.op)(text, *operands)


def place() -> memoryview[float]:
    """What is stored there is rounded. Each call of a function has one of its own."""
    return memoryview(bytearray(4)).cast("f")


def _floats() -> None:
    for type_ in ("f32", "f64"):
        for name, template in {
            "add": "({} + {})",
            "sub": "({} - {})",
            "mul": "({} * {})",
            "div": "divide({}, {})",
            "sqrt": "root({})",
        }.items():
            _arithmetic(f"{type_}.{name}", template)
        _binary(f"{type_}.min", "minimum({}, {})")
        _binary(f"{type_}.max", "maximum({}, {})")
        _binary(f"{type_}.copysign", "copysign({}, {})")
        _unary(f"{type_}.abs", "abs({})")
        _unary(f"{type_}.neg", "(-{})")
        for name, function in {
            "ceil": "ceiling",
            "floor": "floor",
            "trunc": "truncate",
            "nearest": "nearest",
        }.items():
            _unary(f"{type_}.{name}", f"{function}({{}})")
        for name, operator in {
            "eq": "==",
            "ne": "!=",
            "lt": "<",
            "gt": ">",
            "le": "<=",
            "ge": ">=",
        }.items():
            _binary(f"{type_}.{name}", f"({{}} {operator} {{}})")
        for width in (32, 64):
            mask = (1 << width) - 1
            for sign, low, high in (("s", -(1 << width - 1), 1 << width - 1), ("u", 0, 1 << width)):
                bounds = f"{low}, {high}, {mask}"
                name = f"{type_}_{sign}"
                _trapping(f"i{width}.trunc_{name}", f"to_integer({{}}, {bounds})")
                _unary(f"i{width}.trunc_sat_{name}", f"saturate({{}}, {bounds})")
                _convert(f"{type_}.convert_i{width}_{sign}", width, sign, type_)
    _unary("f32.demote_f64", "demote({})")
    _unary("f64.promote_f32", "({} * 1.0)")
    _unary("i32.reinterpret_f32", "f32_bits({})")
    _unary("i64.reinterpret_f64", "f64_bits({})")
    _unary("f32.reinterpret_i32", "f32_from_bits({})")
    _unary("f64.reinterpret_i64", "f64_from_bits({})")


def _convert(name: str, width: int, sign: str, type_: str) -> None:
    function = "float" if type_ == "f64" else "integer_to_32" if width == 64 else "round32"

    @rule(name)
    def emit(e: Emitter, _: tuple[Any, ...]) -> None:
        a = e.pop()
        e.op(f"{function}({signed(a, width) if sign == 's' else a.exact})", a)


# 128 bits


def _wide(name: str, function: str, count: int) -> None:
    @rule(name)
    def emit(e: Emitter, _: tuple[Any, ...]) -> None:
        operands = e.pop_many(count)
        text = f"{function}({', '.join([each.exact for each in operands])})"
        e.op(text, *operands)
        both = e.settled(e.pop())
        e.op(f"({both.text} & {MASKS[64]})", both)
        e.op(f"({both.text} >> 64)", both)


_MASK128 = (1 << 128) - 1


@helper
def add128(a: int, b: int, c: int, d: int) -> int:
    return (a | b << 64) + (c | d << 64) & _MASK128


@helper
def sub128(a: int, b: int, c: int, d: int) -> int:
    return (a | b << 64) - (c | d << 64) & _MASK128


@helper
def mul_wide_s(a: int, b: int) -> int:
    bias = 1 << 63
    return ((a ^ bias) - bias) * ((b ^ bias) - bias) & _MASK128


@helper
def mul_wide_u(a: int, b: int) -> int:
    return a * b


HELPERS["place"] = place
_integers()
_floats()
_const("i32.const", 32)
_const("i64.const", 64)
for _name, _count in {"add128": 4, "sub128": 4, "mul_wide_s": 2, "mul_wide_u": 2}.items():
    _wide(f"i64.{_name}", _name, _count)
