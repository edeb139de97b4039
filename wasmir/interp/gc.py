"""Structures, arrays, i31 and casts: how their instructions are emitted.

Source: specification 3.0, Execution, "Aggregate Reference Instructions" and the like; the proposal
custom-descriptors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir.interp.emit import Emitter, Expr, rule
from wasmir.interp.faults import Trap
from wasmir.interp.floats import f32_from_bits, f64_from_bits
from wasmir.interp.heap import I31, Array, Hosted, Struct, default, same
from wasmir.interp.memory import OUT_OF_BOUNDS
from wasmir.types import NumType, PackedType, RefType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wasmir.interp.heap import RunType
    from wasmir.types import HeapType, StorageType

__all__ = ["HELPERS", "test"]

HELPERS: dict[str, Any] = {"Struct": Struct, "Array": Array, "I31": I31, "same": same}

_PACKED: dict[Any, int] = {PackedType.I8: 8, PackedType.I16: 16}


def helper(function: Callable[..., Any]) -> Callable[..., Any]:
    HELPERS[function.__name__] = function
    return function


def _type(e: Emitter, type_: Any) -> str:
    return e.name(f"y{type_._number}")


def _stored(value: Expr, storage: StorageType) -> str:
    """A value as a field has it."""
    bits = _PACKED.get(storage)
    return value.exact if bits is None else f"{value.text} & {(1 << bits) - 1}"


def _default(storage: StorageType) -> str:
    return repr(default(storage))


def _extended(text: str, bits: int) -> str:
    return f"(({text} ^ {1 << bits - 1}) - {1 << bits - 1})"


# Structures


def _fields(type_: Any) -> tuple[Any, ...]:
    found: tuple[Any, ...] = type_.definition.composite.fields
    return found


def _new(e: Emitter, text: str, *operands: Expr) -> None:
    """A new object: made now, and once."""
    e.effect(*operands)
    e.lines.append(f"#{e.ordinal}")
    e.stack.append(e.settled(Expr(text)))


@rule("struct.new", "struct.new_desc")
def _struct_new(e: Emitter, immediates: tuple[Any, ...]) -> None:
    [type_] = immediates
    described = type_.definition.descriptor is not None
    descriptor = [e.pop()] if described else []
    values = e.pop_many(len(_fields(type_)))
    shown = [
        _stored(each, field.storage) for each, field in zip(values, _fields(type_), strict=True)
    ]
    last = f", descriptor({descriptor[0].text})" if described else ""
    text = f"Struct({_type(e, type_)}, [{', '.join(shown)}]{last})"
    _new(e, text, *values, *descriptor)


@rule("struct.new_default", "struct.new_default_desc")
def _struct_new_default(e: Emitter, immediates: tuple[Any, ...]) -> None:
    [type_] = immediates
    described = type_.definition.descriptor is not None
    descriptor = [e.pop()] if described else []
    shown = ", ".join([_default(field.storage) for field in _fields(type_)])
    last = f", descriptor({descriptor[0].text})" if described else ""
    _new(e, f"Struct({_type(e, type_)}, [{shown}]{last})", *descriptor)


@helper
def descriptor(reference: Any) -> Any:
    if reference is None:
        raise Trap("null descriptor reference")
    return reference


def _get(name: str) -> None:
    @rule(name)
    def emit(e: Emitter, immediates: tuple[Any, ...]) -> None:
        type_, field = immediates
        reference = e.pop()
        text = f"{reference.text}.fields[{field}]"
        if name == "struct.get_s":
            text = _extended(text, _PACKED[_fields(type_)[field].storage])
        e.trapping(f"{text})", reference, wide=32 if name == "struct.get_s" else 0)


@rule("struct.set")
def _struct_set(e: Emitter, immediates: tuple[Any, ...]) -> None:
    type_, field = immediates
    value = e.pop()
    reference = e.pop()
    shown = _stored(value, _fields(type_)[field].storage)
    e.statement(f"{reference.text}.fields[{field}] = {shown}", reference, value)


# Arrays


def _item(type_: Any) -> StorageType:
    found: StorageType = type_.definition.composite.field.storage
    return found


def _charge(e: Emitter, count: Expr) -> None:
    """Work that grows with a count takes fuel that does."""
    if e.fuel:
        e.line(f"F.left -= {count.text} >> 2")
        e.marked("if F.left < 0: starve()")


@rule("array.new")
def _array_new(e: Emitter, immediates: tuple[Any, ...]) -> None:
    [type_] = immediates
    count = e.pop()
    value = e.pop()
    e.effect(count, value)
    value, count = e.simple(value), e.simple(count)
    _charge(e, count)
    text = f"Array({_type(e, type_)}, [{_stored(value, _item(type_))}] * room(L, {count.exact}))"
    _new(e, text)


@rule("array.new_default")
def _array_new_default(e: Emitter, immediates: tuple[Any, ...]) -> None:
    [type_] = immediates
    count = e.pop()
    e.effect(count)
    count = e.simple(count)
    _charge(e, count)
    text = f"Array({_type(e, type_)}, [{_default(_item(type_))}] * room(L, {count.exact}))"
    _new(e, text)


@helper
def room(limits: Any, count: int) -> int:
    """Raises Trap for more items than memory is allowed, at 8 bytes each."""
    if limits.memory is not None and count << 3 > limits.memory:
        raise Trap("out of memory")
    return count


@rule("array.new_fixed")
def _array_new_fixed(e: Emitter, immediates: tuple[Any, ...]) -> None:
    type_, count = immediates
    values = e.pop_many(count)
    shown = ", ".join([_stored(each, _item(type_)) for each in values])
    _new(e, f"Array({_type(e, type_)}, [{shown}])", *values)


@rule("array.new_data")
def _array_new_data(e: Emitter, immediates: tuple[Any, ...]) -> None:
    type_, data = immediates
    start, count = e.pop_many(2)
    e.effect(start, count)
    start, count = e.simple(start), e.simple(count)
    _charge(e, count)
    name = _type(e, type_)
    text = f"Array({name}, items_of({name}, D[{data._number}], {start.exact}, {count.exact}))"
    _new(e, text)


_SIZES: dict[Any, int] = {
    NumType.I32: 4,
    NumType.F32: 4,
    NumType.I64: 8,
    NumType.F64: 8,
    NumType.V128: 16,
}
_SIZES |= {PackedType.I8: 1, PackedType.I16: 2}


@helper
def items_of(type_: RunType, data: bytes, start: int, count: int) -> list[Any]:
    """Items of a type as bytes have them."""
    storage = type_.composite.field.storage  # type: ignore[union-attr]
    size = _SIZES[storage]
    end = start + count * size
    if end > len(data):
        raise Trap(OUT_OF_BOUNDS)
    numbers = [int.from_bytes(data[at : at + size], "little") for at in range(start, end, size)]
    if storage is NumType.F32:
        return list(map(f32_from_bits, numbers))
    return list(map(f64_from_bits, numbers)) if storage is NumType.F64 else numbers


@rule("array.new_elem")
def _array_new_elem(e: Emitter, immediates: tuple[Any, ...]) -> None:
    type_, elements = immediates
    start, count = e.pop_many(2)
    e.effect(start, count)
    start, count = e.simple(start), e.simple(count)
    _charge(e, count)
    text = f"elements_of(S[{elements._number}], {start.exact}, {count.exact})"
    _new(e, f"Array({_type(e, type_)}, {text})")


@helper
def elements_of(elements: Sequence[Any], start: int, count: int) -> list[Any]:
    if start + count > len(elements):
        raise Trap("out of bounds table access")
    return list(elements[start : start + count])


def _array_get(name: str) -> None:
    @rule(name)
    def emit(e: Emitter, immediates: tuple[Any, ...]) -> None:
        [type_] = immediates
        reference, index = e.pop_many(2)
        text = f"{reference.text}.items[{index.exact}]"
        if name == "array.get_s":
            text = _extended(text, _PACKED[_item(type_)])
        wide = 32 if name == "array.get_s" else 0
        e.trapping(f"{text})", reference, index, wide=wide)


@rule("array.set")
def _array_set(e: Emitter, immediates: tuple[Any, ...]) -> None:
    reference, index, value = e.pop_many(3)
    shown = _stored(value, _item(immediates[0]))
    text = f"{reference.text}.items[{index.exact}] = {shown}"
    e.statement(text, reference, index, value)


@rule("array.len")
def _array_len(e: Emitter, _immediates: tuple[Any, ...]) -> None:
    reference = e.pop()
    e.trapping(f"size({reference.text}.items))", reference)


def _array_bounds(start: int, count: int, array: Array) -> None:
    if start + count > len(array.items):
        raise Trap("out of bounds array access")


def _array(reference: Any) -> Any:
    if reference is None:
        raise Trap("null array reference")
    return reference


@rule("array.fill")
def _array_fill(e: Emitter, immediates: tuple[Any, ...]) -> None:
    reference, start, value, count = e.pop_many(4)
    e.effect(reference, start, value, count)
    reference, start, value, count = map(e.simple, (reference, start, value, count))
    _charge(e, count)
    shown = _stored(value, _item(immediates[0]))
    e.statement(f"array_fill({reference.text}, {start.exact}, {shown}, {count.exact})")


@helper
def array_fill(array: Any, start: int, value: Any, count: int) -> None:
    _array_bounds(start, count, _array(array))
    array.items[start : start + count] = [value] * count


@rule("array.copy")
def _array_copy(e: Emitter, _immediates: tuple[Any, ...]) -> None:
    operands = e.pop_many(5)
    e.effect(*operands)
    operands = list(map(e.simple, operands))
    _charge(e, operands[4])
    e.statement(f"array_copy({', '.join([each.exact for each in operands])})")


@helper
def array_copy(target: Any, to: int, source: Any, start: int, count: int) -> None:
    _array_bounds(to, count, _array(target))
    _array_bounds(start, count, _array(source))
    target.items[to : to + count] = source.items[start : start + count]


@rule("array.init_data")
def _array_init_data(e: Emitter, immediates: tuple[Any, ...]) -> None:
    type_, data = immediates
    _array_init(e, f"items_of({_type(e, type_)}, D[{data._number}], ")


@rule("array.init_elem")
def _array_init_elem(e: Emitter, immediates: tuple[Any, ...]) -> None:
    _array_init(e, f"elements_of(S[{immediates[1]._number}], ")


def _array_init(e: Emitter, items: str) -> None:
    operands = e.pop_many(4)
    e.effect(*operands)
    reference, to, start, count = map(e.simple, operands)
    _charge(e, count)
    text = f"{items}{start.exact}, {count.exact})"
    e.statement(
        f"array_init(within({reference.text}, {to.exact}, {count.exact}), {to.exact}, {text})"
    )


@helper
def within(array: Any, start: int, count: int) -> Any:
    _array_bounds(start, count, _array(array))
    return array


@helper
def array_init(array: Array, to: int, items: list[Any]) -> None:
    array.items[to : to + len(items)] = items


# i31, externalised values, equality


@rule("ref.i31")
def _ref_i31(e: Emitter, _immediates: tuple[Any, ...]) -> None:
    value = e.pop()
    e.op(f"I31({value.text} & 2147483647)", value)


@rule("i31.get_u")
def _i31_get_u(e: Emitter, _immediates: tuple[Any, ...]) -> None:
    reference = e.pop()
    e.trapping(f"small({reference.text}))", reference)


@rule("i31.get_s")
def _i31_get_s(e: Emitter, _immediates: tuple[Any, ...]) -> None:
    reference = e.pop()
    e.trapping(f"{_extended(f'small({reference.text})', 31)})", reference, wide=32)


@helper
def small(reference: Any) -> int:
    if reference is None:
        raise Trap("null i31 reference")
    return int(reference)


@rule("any.convert_extern")
def _any_convert_extern(e: Emitter, _immediates: tuple[Any, ...]) -> None:
    reference = e.pop()
    e.op(f"internal({reference.text})", reference)


@helper
def internal(value: Any) -> Any:
    if value is None or isinstance(value, (I31, Struct, Array)):
        return value
    return Hosted(value)


@rule("extern.convert_any")
def _extern_convert_any(e: Emitter, _immediates: tuple[Any, ...]) -> None:
    reference = e.pop()
    e.op(f"external({reference.text})", reference)


@helper
def external(value: Any) -> Any:
    return value.object if value.__class__ is Hosted else value


@rule("ref.eq")
def _ref_eq(e: Emitter, _immediates: tuple[Any, ...]) -> None:
    a, b = e.pop_many(2)
    e.op(f"same({a.text}, {b.text})", a, b)


# Tests and casts


def test(e: Emitter, heap: HeapType) -> str:
    """The name of what tells whether a value that isn't null is of a heap type."""
    return e.program.test_name(e, heap)


def _is(e: Emitter, reference: Expr, type_: RefType) -> str:
    """The text of whether a reference, which stands for itself, is of a type."""
    null = "is None or" if type_.nullable else "is not None and"
    return f"{reference.text} {null} {test(e, type_.heap)}({reference.text})"


@rule("ref.test", "ref.test null")
def _ref_test(e: Emitter, immediates: tuple[Any, ...]) -> None:
    reference = e.simple(e.pop())
    e.op(f"({_is(e, reference, immediates[0])})", reference)


@rule("ref.cast", "ref.cast null")
def _ref_cast(e: Emitter, immediates: tuple[Any, ...]) -> None:
    reference = e.simple(e.pop())
    is_ = _is(e, reference, immediates[0])
    e.trapping(f"{reference.text} if {is_} else no_cast())", reference)


@helper
def no_cast() -> None:
    raise Trap("cast failure")


@rule("ref.get_desc")
def _ref_get_desc(e: Emitter, _immediates: tuple[Any, ...]) -> None:
    reference = e.pop()
    e.trapping(f"descriptor_of({reference.text}))", reference)


@helper
def descriptor_of(reference: Any) -> Any:
    if reference is None:
        raise Trap("null reference")
    return reference.descriptor


def described(reference: str, wanted: str, nullable: bool) -> str:
    """The text of whether a reference is described by a descriptor."""
    return f"is_described({reference}, descriptor({wanted}), {nullable})"


@helper
def is_described(reference: Any, wanted: Any, nullable: bool) -> bool:
    if reference is None:
        return nullable
    return getattr(reference, "descriptor", None) is wanted


@rule("ref.cast_desc_eq", "ref.cast_desc_eq null")
def _ref_cast_desc_eq(e: Emitter, immediates: tuple[Any, ...]) -> None:
    reference, wanted = e.pop_many(2)
    nullable = immediates[0].nullable
    text = f"cast_described({reference.text}, descriptor({wanted.text}), {nullable}))"
    e.trapping(text, reference, wanted)


@helper
def cast_described(reference: Any, wanted: Any, nullable: bool) -> Any:
    if not is_described(reference, wanted, nullable):
        raise Trap("descriptor cast failure")
    return reference


for _name in ("struct.get", "struct.get_u", "struct.get_s"):
    _get(_name)
for _name in ("array.get", "array.get_u", "array.get_s"):
    _array_get(_name)
