"""The rules of instructions whose type depends on the module or on what is on the stack.

One function per rule of the table, named after its instruction: it gets the immediates as they
stand in the code, and gives what the instruction does to the operand stack. It runs once for each
distinct spelling. Those that know labels or locals are in :mod:`wasmir.validate.control`.

Source: specification 3.0, Validation, "Instructions"; the proposals stack-switching and
custom-descriptors for theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from wasmir.errors import InvalidError
from wasmir.features import CUSTOM_DESCRIPTORS
from wasmir.types import (
    AbstractHeap,
    Concrete,
    FuncType,
    NumType,
    RefType,
)
from wasmir.validate.stack import Ruled
from wasmir.validate.subtyping import Bottom, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir.ir.type import Type
    from wasmir.types import HeapType, ValType
    from wasmir.validate.context import Context
    from wasmir.validate.stack import Action, Operands

__all__ = ["RULES", "descriptor", "rule", "without_null"]

Rule: TypeAlias = "Callable[..., Action]"
F = TypeVar("F", bound=Rule)

RULES: dict[str, Rule] = {}
"""By name, as the table's rows name them; the control rules put theirs here, too."""

I32, I64 = NumType.I32, NumType.I64


def rule(function: F) -> F:
    """Make it the rule of its name; a keyword has an underscore behind it."""
    RULES[function.__name__.rstrip("_")] = function
    return function


# Parametric


@rule
def drop(_: Context) -> Action:
    return Ruled(lambda operands: void(operands.any()))


def void(_: object) -> None:
    """Nothing is made of it."""


@rule
def select(_: Context) -> Action:
    def work(operands: Operands) -> None:
        operands.pop(I32)
        second, first = operands.any(), operands.any()
        for type_ in (first, second):
            if isinstance(type_, RefType) or type_ is Bottom.REF:
                raise InvalidError(
                    f"type mismatch: select without a type is for numbers and vectors, not {type_}"
                )
        if first is not second and Bottom.ANY not in (first, second):
            raise InvalidError(
                f"type mismatch: select has operands of two types, {shown((first, second))}"
            )
        operands.push(second if first is Bottom.ANY else first)

    return Ruled(work)


@rule
def select_t(c: Context, types: tuple[Any, ...]) -> Action:
    if len(types) != 1:
        raise InvalidError("invalid result arity: select gives one value")
    type_ = c.value(types[0])
    return c.takes(type_, type_, I32).gives(type_)


# Globals and tables


@rule
def global_get(c: Context, number: int) -> Action:
    return c.takes().gives(c.types.value(c.at("global", number).type.type))


@rule
def global_set(c: Context, number: int) -> Action:
    type_ = c.at("global", number).type
    if not type_.mutable:
        raise InvalidError("immutable global")
    return c.takes(c.types.value(type_.type)).gives()


@rule
def table_get(c: Context, table: int) -> Action:
    element, address = c.table(table)
    return c.takes(address).gives(element)


@rule
def table_set(c: Context, table: int) -> Action:
    element, address = c.table(table)
    return c.takes(address, element).gives()


@rule
def table_grow(c: Context, table: int) -> Action:
    element, address = c.table(table)
    return c.takes(element, address).gives(address)


@rule
def table_fill(c: Context, table: int) -> Action:
    element, address = c.table(table)
    return c.takes(address, element, address).gives()


@rule
def table_copy(c: Context, target: int, source: int) -> Action:
    to, to_address = c.table(target)
    from_, from_address = c.table(source)
    c.check_matches(from_, to)
    smaller = I64 if to_address is from_address is I64 else I32
    return c.takes(to_address, from_address, smaller).gives()


@rule
def table_init(c: Context, segment: int, table: int) -> Action:
    element, address = c.table(table)
    c.check_matches(c.elements(segment), element)
    return c.takes(address, I32, I32).gives()


# Calls


@rule
def call(c: Context, function: int) -> Action:
    type_ = c.types.func(c.at("func", function).func_type)
    return c.stacks.signature(type_.params, type_.results)


def called_indirectly(c: Context, type_: int, table: int) -> tuple[FuncType, NumType]:
    element, address = c.table(table)
    c.check_matches(element, c.types.ref(True, AbstractHeap.FUNC))
    return c.func(type_), address


@rule
def call_indirect(c: Context, type_: int, table: int) -> Action:
    func, address = called_indirectly(c, type_, table)
    return c.takes(*func.params, address).gives(*func.results)


@rule
def call_ref(c: Context, type_: int) -> Action:
    func = c.func(type_)
    return c.takes(*func.params, c.null_ref(type_)).gives(*func.results)


@rule
def throw(c: Context, tag: int) -> Action:
    return c.takes(*c.tag(tag, exception=True).params).leaves()


@rule
def throw_ref(c: Context) -> Action:
    return c.takes(c.types.ref(True, AbstractHeap.EXN)).leaves()


@rule
def unreachable(c: Context) -> Action:
    return c.takes().leaves()


# References


@rule
def ref_null(c: Context, heap: HeapType) -> Action:
    return c.takes().gives(c.ref(True, heap))


@rule
def ref_is_null(_: Context) -> Action:
    def work(operands: Operands) -> None:
        operands.ref()
        operands.push(I32)

    return Ruled(work)


@rule
def ref_func(c: Context, function: int) -> Action:
    found = c.at("func", function)
    if c.function is None:
        # A constant expression declares it.
        c.declared.add(found)
    elif found not in c.declared:
        if not c.will_declare(c.function):
            raise InvalidError(
                f"undeclared function reference: nothing outside of code mentions function {found}"
            )
        c.passing = True
    imported = found.imported
    exact = CUSTOM_DESCRIPTORS in c.features and (imported is None or imported.exact)
    return c.takes().gives(c.types.ref(False, found.type, exact=exact))


def without_null(c: Context, type_: RefType | Bottom) -> RefType | Bottom:
    if not isinstance(type_, RefType):
        return Bottom.REF
    heap = type_.heap
    if isinstance(heap, Concrete):
        concrete: Any = heap.type
        return c.types.ref(False, concrete, exact=heap.exact)
    return c.types.ref(False, heap)


@rule
def ref_as_non_null(c: Context) -> Action:
    def work(operands: Operands) -> None:
        operands.push(without_null(c, operands.ref()))

    return Ruled(work)


def _cast_source(c: Context, target: RefType) -> ValType:
    """Any reference of the target's hierarchy."""
    return c.types.ref(True, c.types.top(target.heap))


@rule
def ref_test(c: Context, target: RefType) -> Action:
    type_ = c.value(target)
    return c.takes(_cast_source(c, type_)).gives(I32)


@rule
def ref_cast(c: Context, target: RefType) -> Action:
    type_ = c.value(target)
    return c.takes(_cast_source(c, type_)).gives(type_)


def _converted(c: Context, source: AbstractHeap, target: AbstractHeap) -> Action:
    """The result can be null where the operand can."""

    def work(operands: Operands) -> None:
        type_ = operands.pop(c.types.ref(True, source))
        nullable = isinstance(type_, RefType) and type_.nullable
        operands.push(c.types.ref(nullable, target))

    return Ruled(work)


@rule
def any_convert_extern(c: Context) -> Action:
    return _converted(c, AbstractHeap.EXTERN, AbstractHeap.ANY)


@rule
def extern_convert_any(c: Context) -> Action:
    return _converted(c, AbstractHeap.ANY, AbstractHeap.EXTERN)


# Structures


def _new(c: Context, type_: int, *, described: bool, default: bool) -> Action:
    """All four ways to make a structure. A descriptor, where there is one, comes last."""
    fields = c.struct(type_).fields
    own: Type = c.at("type", type_)
    by: Any = own.definition.descriptor
    if described and by is None:
        raise InvalidError("type without descriptor requires non-descriptor allocation")
    if not described and by is not None:
        raise InvalidError("type with descriptor requires descriptor allocation")
    params: list[ValType] = []
    for field in fields:
        if default:
            c.check_defaultable(field)
        else:
            params.append(c.unpacked(field))
    if described:
        params.append(c.types.ref(True, by, exact=True))
    return c.takes(*params).gives(c.own_ref(type_))


@rule
def struct_new(c: Context, type_: int) -> Action:
    return _new(c, type_, described=False, default=False)


@rule
def struct_new_default(c: Context, type_: int) -> Action:
    return _new(c, type_, described=False, default=True)


@rule
def struct_new_desc(c: Context, type_: int) -> Action:
    return _new(c, type_, described=True, default=False)


@rule
def struct_new_default_desc(c: Context, type_: int) -> Action:
    return _new(c, type_, described=True, default=True)


@rule
def struct_get(c: Context, type_: int, place: int) -> Action:
    field = c.field(type_, place)
    c.check_packed(field, packed=False)
    return c.takes(c.null_ref(type_)).gives(c.unpacked(field))


@rule
def struct_get_packed(c: Context, type_: int, place: int) -> Action:
    field = c.field(type_, place)
    c.check_packed(field, packed=True)
    return c.takes(c.null_ref(type_)).gives(I32)


@rule
def struct_set(c: Context, type_: int, place: int) -> Action:
    field = c.field(type_, place)
    c.check_mutable(field, "field")
    return c.takes(c.null_ref(type_), c.unpacked(field)).gives()


# Arrays


@rule
def array_new(c: Context, type_: int) -> Action:
    return c.takes(c.unpacked(c.array(type_)), I32).gives(c.own_ref(type_))


@rule
def array_new_default(c: Context, type_: int) -> Action:
    c.check_defaultable(c.array(type_))
    return c.takes(I32).gives(c.own_ref(type_))


@rule
def array_new_fixed(c: Context, type_: int, count: int) -> Action:
    element = c.unpacked(c.array(type_))
    result = c.own_ref(type_)
    if count <= MOST_FIXED:
        return c.takes(*[element] * count).gives(result)

    def work(operands: Operands) -> None:
        # There may be a number here for which there is no memory.
        for _ in range(count):
            if operands.stack.below is None and operands.stack.unreachable:
                break
            operands.pop(element)
        operands.push(result)

    return Ruled(work)


MOST_FIXED = 1000
"""Elements that are worth a type that lists all of them."""


@rule
def array_new_data(c: Context, type_: int, data: int) -> Action:
    c.check_numeric(c.array(type_))
    c.check_data(data)
    return c.takes(I32, I32).gives(c.own_ref(type_))


def _check_elements(c: Context, type_: int, segment: int) -> None:
    storage = c.array(type_).storage
    if not isinstance(storage, RefType):
        raise InvalidError(f"type mismatch: an array of references is expected, not of {storage}")
    c.check_matches(c.elements(segment), c.types.value(storage))


@rule
def array_new_elem(c: Context, type_: int, segment: int) -> Action:
    _check_elements(c, type_, segment)
    return c.takes(I32, I32).gives(c.own_ref(type_))


@rule
def array_get(c: Context, type_: int) -> Action:
    field = c.array(type_)
    c.check_packed(field, packed=False)
    return c.takes(c.null_ref(type_), I32).gives(c.unpacked(field))


@rule
def array_get_packed(c: Context, type_: int) -> Action:
    c.check_packed(c.array(type_), packed=True)
    return c.takes(c.null_ref(type_), I32).gives(I32)


@rule
def array_set(c: Context, type_: int) -> Action:
    field = c.array(type_)
    c.check_mutable(field, "array")
    return c.takes(c.null_ref(type_), I32, c.unpacked(field)).gives()


@rule
def array_fill(c: Context, type_: int) -> Action:
    field = c.array(type_)
    c.check_mutable(field, "array")
    return c.takes(c.null_ref(type_), I32, c.unpacked(field), I32).gives()


@rule
def array_copy(c: Context, target: int, source: int) -> Action:
    to, from_ = c.array(target), c.array(source)
    c.check_mutable(to, "array")
    if not c.types.storage_matches(from_.storage, to.storage):
        raise InvalidError(
            f"array types do not match: {to.storage} is expected, found {from_.storage}"
        )
    return c.takes(c.null_ref(target), I32, c.null_ref(source), I32, I32).gives()


@rule
def array_init_data(c: Context, type_: int, data: int) -> Action:
    field = c.array(type_)
    c.check_mutable(field, "array")
    c.check_numeric(field)
    c.check_data(data)
    return c.takes(c.null_ref(type_), I32, I32, I32).gives()


@rule
def array_init_elem(c: Context, type_: int, segment: int) -> Action:
    c.check_mutable(c.array(type_), "array")
    _check_elements(c, type_, segment)
    return c.takes(c.null_ref(type_), I32, I32, I32).gives()


# Descriptors (proposal custom-descriptors)


def descriptor(c: Context, heap: HeapType) -> tuple[Type, bool]:
    """The descriptor type of what a cast is to, and whether that is exact."""
    if isinstance(heap, Concrete):
        entry: Any = c.at("type", heap.type) if isinstance(heap.type, int) else heap.type
        found: Any = entry.definition.descriptor
        if found is not None:
            return found, heap.exact
        raise InvalidError(f"type {entry} does not have a descriptor")
    raise InvalidError(f"type {heap} does not have a descriptor")


@rule
def ref_get_desc(c: Context, number: int) -> Action:
    own: Type = c.at("type", number)
    by: Any = own.definition.descriptor
    if by is None:
        raise InvalidError(f"type without descriptor: {own}")
    exactly = c.null_ref(number, exact=True)

    def work(operands: Operands) -> None:
        type_ = operands.pop(c.null_ref(number))
        operands.push(c.types.ref(False, by, exact=c.types.matches(type_, exactly)))

    return Ruled(work)


@rule
def ref_cast_desc_eq(c: Context, target: RefType) -> Action:
    by, exact = descriptor(c, target.heap)
    type_ = c.value(target)
    return c.takes(_cast_source(c, type_), c.types.ref(True, by, exact=exact)).gives(type_)


# Continuations (proposal stack-switching)


@rule
def cont_new(c: Context, number: int) -> Action:
    c.cont(number)
    func: Any = c.at("type", number).definition.composite.type.type
    return c.takes(c.types.ref(True, func)).gives(c.types.ref(False, c.at("type", number)))


@rule
def cont_bind(c: Context, source: int, target: int) -> Action:
    before, after = c.cont(source), c.cont(target)
    bound = len(before.params) - len(after.params)
    left = FuncType(before.params[bound:], before.results) if bound >= 0 else None
    if left is None or not c.types.func_matches(left, after):
        raise InvalidError(f"type mismatch in continuation types: {before} is bound to {after}")
    own = c.types.ref(False, c.at("type", target))
    return c.takes(*before.params[:bound], c.null_ref(source)).gives(own)


@rule
def suspend(c: Context, tag: int) -> Action:
    func = c.tag(tag)
    return c.takes(*func.params).gives(*func.results)


@rule
def switch(c: Context, number: int, tag: int) -> Action:
    func, given = c.cont(number), c.tag(tag)
    if given.params:
        raise InvalidError("type mismatch: non-empty tag parameter type")
    other = c.cont_of(func.params[-1] if func.params else None)
    if not (
        c.types.all_match(func.results, given.results)
        and c.types.all_match(given.results, other.results)
    ):
        raise InvalidError(f"type mismatch in continuation types: {func}, {given}, {other}")
    return c.takes(*func.params[:-1], c.null_ref(number)).gives(*other.params)
