"""What rules look things up in: the module, its types, and the features that are allowed."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from wasmir.errors import InvalidError
from wasmir.features import (
    CUSTOM_DESCRIPTORS,
    EXCEPTIONS,
    FUNCTION_REFERENCES,
    GC,
    MULTI_VALUE,
    REFERENCE_TYPES,
    SIMD,
    STACK_SWITCHING,
    Feature,
)
from wasmir.isa.mentions import renamed
from wasmir.types import (
    AbstractHeap,
    ArrayType,
    Concrete,
    ContType,
    FieldType,
    FuncType,
    HeapType,
    NumType,
    PackedType,
    RefType,
    StructType,
    ValType,
)
from wasmir.validate.stack import Stacks
from wasmir.validate.subtyping import Subtyping, named

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wasmir.ir.function import Function
    from wasmir.ir.module import Module
    from wasmir.ir.segment import Element
    from wasmir.ir.table import Table
    from wasmir.ir.tag import Tag
    from wasmir.ir.type import Type
    from wasmir.isa.kinds import Kind, MemArg
    from wasmir.isa.table import Row
    from wasmir.validate.stack import Action
    from wasmir.validate.subtyping import OperandType

__all__ = ["Context"]

# What messages call the entities of a space, where it isn't what the IR calls them.
_WHAT = {"elem": "elem segment", "func": "function"}

# Those that there were before there were more, and which then could be null always.
_OLD_HEAPS = frozenset({AbstractHeap.FUNC, AbstractHeap.EXTERN})
_HEAP_FEATURES: dict[AbstractHeap, Feature] = {
    AbstractHeap.EXN: EXCEPTIONS,
    AbstractHeap.NOEXN: EXCEPTIONS,
    AbstractHeap.CONT: STACK_SWITCHING,
    AbstractHeap.NOCONT: STACK_SWITCHING,
}


class Context:
    """One module under validation."""

    def __init__(self, module: Module, features: frozenset[Feature]) -> None:
        self.module = module
        self.features = features
        self.types = Subtyping(module)
        self.stacks = Stacks(self.types)
        #: What is mentioned outside of function bodies, so that code may take references to it.
        self.declared: set[Any] = set()
        #: Whose code is being checked; ``None`` in constant expressions.
        self.function: Function | None = None
        #: Whether the action that was just made holds for this function only.
        self.passing = False

    # Features

    def require(self, feature: Feature, what: object) -> None:
        """Raise InvalidError where the feature is not allowed; ``what`` needs it."""
        if feature not in self.features:
            raise InvalidError(f"{what} needs the feature {feature}, which is not enabled")

    def check_type(self, type_: ValType) -> None:
        """That the features have such a type."""
        if type_ is NumType.V128:
            self.require(SIMD, type_)
        elif isinstance(type_, RefType):
            self.require(REFERENCE_TYPES, type_)
            heap = type_.heap
            if isinstance(heap, Concrete):
                if GC not in self.features:
                    self.require(FUNCTION_REFERENCES, type_)
                if heap.exact:
                    self.require(CUSTOM_DESCRIPTORS, type_)
            elif heap in _OLD_HEAPS:
                if not type_.nullable:
                    self.require(FUNCTION_REFERENCES, type_)
            else:
                self.require(_HEAP_FEATURES.get(heap, GC), type_)

    # Finding things

    def at(self, space: str, number: int) -> Any:
        """What code means by a number. Raises InvalidError where that is nothing."""
        entities = self.module.space(space)
        found = entities.numbered(number)
        if found is None:
            raise InvalidError(f"unknown {_WHAT.get(space, entities.what)} {number}")
        if entities.moved and found not in entities:
            raise InvalidError(f"unknown {_WHAT.get(space, entities.what)} {found}")
        return found

    def resolved(self, kind: Kind[Any], value: Any) -> Any:
        """An immediate with the things that it mentions in place of numbers."""
        return renamed(kind, value, self.at)

    def value(self, type_: Any) -> Any:
        """A value type as code has it, as the one object for it."""
        if isinstance(type_, RefType) and isinstance(type_.heap, Concrete):
            heap = type_.heap
            type_ = RefType(type_.nullable, Concrete(self._type(heap.type), heap.exact))
        self.check_type(type_)
        return self.types.value(type_)

    def _type(self, type_: Any) -> Any:
        return self.at("type", type_) if isinstance(type_, int) else type_

    def ref(self, nullable: bool, heap: HeapType) -> RefType:
        """``(ref null? heap)``, as code has the heap type."""
        return cast("RefType", self.value(RefType(nullable, heap)))

    def composite(self, number: int, wanted: type, what: str) -> Any:
        type_ = self.at("type", number)
        composite = type_.definition.composite
        if not isinstance(composite, wanted):
            raise InvalidError(f"type mismatch: type {type_} is no {what} type")
        return composite

    def func(self, number: int) -> FuncType:
        return self.types.func(self.composite(number, FuncType, "function"))

    def struct(self, number: int) -> StructType:
        return cast("StructType", self.composite(number, StructType, "structure"))

    def array(self, number: int) -> FieldType:
        return cast("ArrayType", self.composite(number, ArrayType, "array")).field

    def cont(self, type_: Any) -> FuncType:
        """The function type of a continuation type."""
        entry = self._type(type_)
        composite = entry.definition.composite
        if not isinstance(composite, ContType):
            raise InvalidError(f"type mismatch: type {entry} is no continuation type")
        func = cast("Type", composite.type.type).func
        if func is None:
            raise InvalidError(f"type mismatch: type {composite.type} is no function type")
        return self.types.func(func)

    def cont_of(self, type_: OperandType | None) -> FuncType:
        """The same of a reference to one."""
        heap = getattr(type_, "heap", None)
        if not isinstance(heap, Concrete):
            shown = "nothing" if type_ is None else type_
            raise InvalidError(f"type mismatch: a continuation is expected, found {shown}")
        return self.cont(heap.type)

    def field(self, number: int, place: int) -> FieldType:
        fields = self.struct(number).fields
        if place >= len(fields):
            raise InvalidError(f"unknown field {place} of type {self.at('type', number)}")
        return fields[place]

    def tag(self, number: int, *, exception: bool = False) -> FuncType:
        found: Tag = self.at("tag", number)
        func = found.type.func
        if func is None:
            raise InvalidError(f"type mismatch: tag {found} has no function type")
        if exception and func.results:
            raise InvalidError(f"non-empty tag result type: tag {found} is no exception's")
        return self.types.func(func)

    def table(self, number: int) -> tuple[RefType, NumType]:
        """Element type and address type."""
        found: Table = self.at("table", number)
        return cast("RefType", self.types.value(found.type.element)), found.type.limits.address

    def elements(self, number: int) -> RefType:
        found: Element = self.at("elem", number)
        return cast("RefType", self.types.value(found.type))

    def address(self, space: str, number: int) -> NumType:
        found = self.at(space, number)
        return cast("NumType", found.type.limits.address)

    def own_ref(self, number: int) -> RefType:
        """What an instruction that makes a structure or array gives."""
        exact = CUSTOM_DESCRIPTORS in self.features
        return self.types.ref(False, self.at("type", number), exact=exact)

    def null_ref(self, number: int, *, exact: bool = False) -> RefType:
        return self.types.ref(True, self.at("type", number), exact=exact)

    def unpacked(self, field: FieldType) -> ValType:
        return self.types.unpacked(field.storage)

    # Checks that several rules share

    def check_memarg(self, row: Row, kind: Kind[Any], arg: MemArg) -> NumType:
        """The address type of the memory that is accessed."""
        from wasmir.isa.table import Trait

        memory = self.at("memory", arg.memory)
        natural = kind.bound or 0
        if arg.align_log2 > natural:
            raise InvalidError(
                f"alignment must not be larger than natural: {1 << arg.align_log2} > {1 << natural}"
            )
        if Trait.ATOMIC in row.traits and arg.align_log2 != natural:
            raise InvalidError(
                "atomic alignment must be natural: alignment must not be smaller than natural"
            )
        address: NumType = memory.type.limits.address
        if address is NumType.I32 and arg.offset >= 1 << 32:
            raise InvalidError(f"offset out of range: {arg.offset:#x} in a memory of 32 bits")
        return address

    def check_lanes(self, kind: Kind[Any], lanes: Iterable[int]) -> None:
        for lane in lanes:
            if kind.bound is not None and lane >= kind.bound:
                raise InvalidError(f"invalid lane index {lane}: there are {kind.bound}")

    def check_data(self, number: int) -> None:
        """Code that mentions data segments needs a data count section in front. One comes with
        code that was edited when that is written.
        """
        if not self.module._data_counted:
            if self.function is not None and not self.function.is_raw:
                self.passing = True
            else:
                from wasmir.errors import MalformedError

                raise MalformedError("data count section required", 0)
        self.at("data", number)

    def will_declare(self, function: Function) -> bool:
        """Whether writing the module declares what this function takes references to."""
        return not function.is_raw or self._declares_all

    @cached_property
    def _declares_all(self) -> bool:
        """Whether it does so for all functions: something that declared one no longer does."""
        from wasmir.ir.codec import codec

        return bool(codec().declarations_lost(self.module))

    def check_mutable(self, field: FieldType, what: str) -> None:
        if not field.mutable:
            raise InvalidError(f"immutable {what}")

    def check_defaultable(self, field: FieldType) -> None:
        type_ = self.unpacked(field)
        if isinstance(type_, RefType) and not type_.nullable:
            raise InvalidError(f"type mismatch: {named(type_)} has no default")

    def check_numeric(self, field: FieldType) -> None:
        if isinstance(field.storage, RefType):
            raise InvalidError("array type is not numeric or vector")

    def check_packed(self, field: FieldType, *, packed: bool) -> None:
        if isinstance(field.storage, PackedType) != packed:
            raise InvalidError(
                f"type mismatch: {field.storage} is {'not ' if packed else ''}packed"
            )

    def check_matches(self, sub: ValType, wanted: ValType) -> None:
        if not self.types.matches(sub, wanted):
            raise InvalidError(f"type mismatch: {named(wanted)} is expected, found {named(sub)}")

    # Actions

    def takes(self, *params: ValType) -> Taken:
        """``takes(i32, i32).gives(i64)``."""
        return Taken(self.stacks, params)

    def block_type(self, value: Any) -> tuple[tuple[ValType, ...], tuple[ValType, ...]]:
        """Parameters and results."""
        if value is None:
            return (), ()
        if isinstance(value, int):
            func = self.func(value)
            self.require(MULTI_VALUE, "a block type with a type index")
            return func.params, func.results
        return (), (self.value(value),)

    def __repr__(self) -> str:
        return f"<validation of {self.module!r}>"


class Taken:
    """The first half of an action's type."""

    __slots__ = ("_params", "_stacks")

    def __init__(self, stacks: Stacks, params: tuple[ValType, ...]) -> None:
        self._stacks = stacks
        self._params = params

    def gives(self, *results: OperandType) -> Action:
        return self._stacks.signature(self._params, results)

    def leaves(self) -> Action:
        return self._stacks.leaving(self._params)
