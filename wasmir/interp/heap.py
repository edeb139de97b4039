"""Types at run time, and the objects that references refer to.

Types of all modules meet here: a :class:`RunType` stands for all entries of type sections that mean
the same type, so that being the same type is being the same object, across instances.

Source: specification 3.0, Execution, "Runtime Structure"; Validation, "Matching"; the proposal
custom-descriptors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from weakref import WeakValueDictionary

from wasmir.errors import InvalidError
from wasmir.ir.type import definition_key
from wasmir.types import (
    AbstractHeap,
    ArrayType,
    CompositeType,
    Concrete,
    ContType,
    Defined,
    FieldType,
    FuncType,
    HeapType,
    NumType,
    PackedType,
    RefType,
    StorageType,
    StructType,
    ValType,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wasmir.ir.module import Module
    from wasmir.ir.type import Group, Type

__all__ = ["I31", "Array", "Hosted", "RunType", "Struct", "Types", "func_type", "matches", "top"]


class RunType(Defined):
    """A defined type; equal by identity.

    ``composite`` refers to other types as this does: :class:`~wasmir.types.Concrete` of a RunType.
    ``above`` are the type itself and all that it is declared to be a subtype of.
    """

    __slots__ = ("__weakref__", "above", "composite", "descriptor", "family", "final", "text")

    above: frozenset[RunType]
    composite: CompositeType
    descriptor: RunType | None
    final: bool
    # What keeps the types of its recursive group alive.
    family: _Family
    text: str

    @property
    def params(self) -> tuple[ValType, ...]:
        return self.composite.params if isinstance(self.composite, FuncType) else ()

    @property
    def results(self) -> tuple[ValType, ...]:
        return self.composite.results if isinstance(self.composite, FuncType) else ()

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<type {self.text}>"


class _Family:
    """The types of a recursive group."""

    def __init__(self) -> None:
        self.types: list[RunType] = []


_FAMILIES: WeakValueDictionary[Any, _Family] = WeakValueDictionary()


class Types:
    """The types of one module, by entry."""

    def __init__(self, module: Module) -> None:
        self._found: dict[Any, RunType] = {}
        done: set[int] = set()
        for type_ in module.types:
            group = type_.group
            if id(group) not in done:
                done.add(id(group))
                self._add(group)

    def __getitem__(self, entry: Type | Defined | int) -> RunType:
        found = self._found.get(entry)
        if found is None:
            raise InvalidError(f"unknown type {entry}")
        return found

    def _add(self, group: Group) -> None:
        places = {entry: place for place, entry in enumerate(group.types)}
        key = tuple(self._key(entry.definition, places) for entry in group.types)
        family = _FAMILIES.get(key)
        if family is None:
            family = _Family()
            family.types = [RunType() for _ in group.types]
            self._found.update(zip(group.types, family.types, strict=True))
            for entry, made in zip(group.types, family.types, strict=True):
                made.text = f"type {entry}"
            for entry, made in zip(group.types, family.types, strict=True):
                self._define(entry, made, family)
            # Of two threads, both get the family of the one that came first.
            family = _FAMILIES.setdefault(key, family)
        self._found.update(zip(group.types, family.types, strict=True))

    def _define(self, entry: Type, made: RunType, family: _Family) -> None:
        definition = entry.definition
        made.family = family
        made.composite = self._composite(definition.composite)
        made.final = definition.final
        if isinstance(made.composite, FuncType):
            made.text = str(made.composite)
        # Supertypes come before.
        made.above = frozenset({made}).union(*(self[each].above for each in definition.supertypes))
        made.descriptor = None if definition.descriptor is None else self[definition.descriptor]

    def _key(self, definition: Any, places: dict[Any, int]) -> Any:
        def standing(mentioned: Any) -> object:
            """Entries of the group by place, others by identity."""
            place = places.get(mentioned)
            return self[mentioned] if place is None else place

        return definition_key(definition, standing)

    def heap(self, heap: HeapType) -> HeapType:
        if isinstance(heap, Concrete):
            return Concrete(self[heap.type], heap.exact)
        return heap

    def value(self, type_: ValType) -> ValType:
        if isinstance(type_, RefType) and isinstance(type_.heap, Concrete):
            return RefType(type_.nullable, self.heap(type_.heap))
        return type_

    def values(self, types: Sequence[ValType]) -> tuple[ValType, ...]:
        return tuple(map(self.value, types))

    def _field(self, field: FieldType) -> FieldType:
        storage = field.storage
        if isinstance(storage, PackedType):
            return field
        return FieldType(self.value(storage), field.mutable)

    def _composite(self, composite: CompositeType) -> CompositeType:
        match composite:
            case FuncType(params, results):
                return FuncType(self.values(params), self.values(results))
            case StructType(fields):
                return StructType(tuple(map(self._field, fields)))
            case ArrayType(field):
                return ArrayType(self._field(field))
            case ContType(heap):
                return ContType(Concrete(self[heap.type], heap.exact))


_BY_SIGNATURE: WeakValueDictionary[FuncType, RunType] = WeakValueDictionary()


def func_type(type_: FuncType) -> RunType:
    """The final function type, alone in its group, that a module without frills would have; of
    types that exist at run time.
    """
    found = _BY_SIGNATURE.get(type_)
    if found is None:
        from wasmir.ir.module import Module

        module = Module()

        def entry(value: ValType) -> ValType:
            if isinstance(value, RefType) and isinstance(value.heap, Concrete):
                raise TypeError("functions of the host's have no concrete reference types")
            return value

        params, results = (tuple(map(entry, each)) for each in (type_.params, type_.results))
        made = module.func_type(params, results)
        found = _BY_SIGNATURE[type_] = Types(module)[made]
    return found


# Matching

# What each abstract heap type is directly below.
_ABOVE = {
    AbstractHeap.EQ: AbstractHeap.ANY,
    AbstractHeap.I31: AbstractHeap.EQ,
    AbstractHeap.STRUCT: AbstractHeap.EQ,
    AbstractHeap.ARRAY: AbstractHeap.EQ,
}
# What is above each lowest type of a hierarchy.
_TOP_OF_LOWEST = {
    AbstractHeap.NONE: AbstractHeap.ANY,
    AbstractHeap.NOFUNC: AbstractHeap.FUNC,
    AbstractHeap.NOEXTERN: AbstractHeap.EXTERN,
    AbstractHeap.NOEXN: AbstractHeap.EXN,
    AbstractHeap.NOCONT: AbstractHeap.CONT,
}
_KIND_OF: dict[type, AbstractHeap] = {
    FuncType: AbstractHeap.FUNC,
    StructType: AbstractHeap.STRUCT,
    ArrayType: AbstractHeap.ARRAY,
    ContType: AbstractHeap.CONT,
}


def _run_type(heap: Concrete) -> RunType:
    return cast("RunType", heap.type)


def top(heap: HeapType) -> AbstractHeap:
    """What is above all heap types of the hierarchy."""
    if isinstance(heap, Concrete):
        heap = _KIND_OF[_run_type(heap).composite.__class__]
    if heap in _TOP_OF_LOWEST:
        return _TOP_OF_LOWEST[heap]
    while heap in _ABOVE:
        heap = _ABOVE[heap]
    return heap


def _heap_matches(sub: HeapType, wanted: HeapType) -> bool:
    if isinstance(sub, Concrete):
        type_ = _run_type(sub)
        if isinstance(wanted, Concrete):
            if wanted.exact:
                return sub.exact and type_ is wanted.type
            return wanted.type in type_.above
        sub = _KIND_OF[type_.composite.__class__]
    if sub in _TOP_OF_LOWEST and top(wanted) is _TOP_OF_LOWEST[sub]:
        return True
    while sub is not wanted:
        if sub not in _ABOVE:
            return False
        sub = _ABOVE[sub]
    return True


def matches(sub: StorageType, wanted: StorageType) -> bool:
    """Whether a value of one type may stand where another is wanted; of types at run time."""
    if sub == wanted:
        return True
    if not isinstance(sub, RefType) or not isinstance(wanted, RefType):
        return False
    return (wanted.nullable or not sub.nullable) and _heap_matches(sub.heap, wanted.heap)


# Objects


class I31(int):
    """What ``ref.i31`` makes; its value is unsigned, in 31 bits."""

    __slots__ = ()

    @property
    def signed(self) -> int:
        return (self ^ 1 << 30) - (1 << 30)

    def __repr__(self) -> str:
        return f"i31({self.signed})"


class Struct:
    """A structure. ``fields`` are as compiled code has them."""

    __slots__ = ("descriptor", "fields", "type")

    def __init__(self, type_: RunType, fields: list[Any], descriptor: Struct | None = None) -> None:
        self.type = type_
        self.fields = fields
        self.descriptor = descriptor

    def __repr__(self) -> str:
        return f"<struct of {self.type}>"


class Array:
    """An array. ``items`` are as compiled code has them."""

    __slots__ = ("items", "type")

    def __init__(self, type_: RunType, items: list[Any]) -> None:
        self.type = type_
        self.items = items

    def __repr__(self) -> str:
        return f"<array of {len(self.items)} items of {self.type}>"


class Hosted:
    """An object of the host's, as a value of type ``any``."""

    __slots__ = ("object",)

    def __init__(self, object_: object) -> None:
        self.object = object_

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hosted) and other.object is self.object

    def __hash__(self) -> int:
        return id(self.object)


_ABSTRACT: dict[AbstractHeap, Any] = {
    AbstractHeap.ANY: lambda _value: True,
    AbstractHeap.EQ: lambda value: isinstance(value, (I31, Struct, Array)),
    AbstractHeap.I31: lambda value: value.__class__ is I31,
    AbstractHeap.STRUCT: lambda value: value.__class__ is Struct,
    AbstractHeap.ARRAY: lambda value: value.__class__ is Array,
    AbstractHeap.FUNC: lambda _value: True,
    AbstractHeap.EXTERN: lambda _value: True,
    AbstractHeap.EXN: lambda _value: True,
    AbstractHeap.CONT: lambda _value: True,
}


def _nothing(_value: object) -> bool:
    return False


def tester(heap: HeapType) -> Callable[[Any], bool]:
    """What tells whether a value that isn't null, of the same hierarchy, is of a heap type."""
    if not isinstance(heap, Concrete):
        found: Callable[[Any], bool] = _ABSTRACT.get(heap, _nothing)
        return found
    wanted = _run_type(heap)
    if heap.exact or (wanted.final and wanted.descriptor is None):

        def exactly(value: Any) -> bool:
            return getattr(value, "type", None) is wanted

        return exactly

    def below(value: Any) -> bool:
        type_ = getattr(value, "type", None)
        return type_ is wanted or (isinstance(type_, RunType) and wanted in type_.above)

    return below


def same(a: object, b: object) -> bool:
    """``ref.eq``."""
    return a is b or (a.__class__ is I31 and b.__class__ is I31 and a == b)


def default(type_: StorageType) -> Any:
    """What a local, a field or an item of a type starts as."""
    if type_ in (NumType.F32, NumType.F64):
        return 0.0
    return None if isinstance(type_, RefType) else 0
