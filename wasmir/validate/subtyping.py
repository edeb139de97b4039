"""Which type is which, and which matches which: canonical types, and subtyping on them.

Two entries of the type section mean the same type where their recursive groups are the same up to
the numbers of their entries. Everything is compared through one *canonical* entry of each class,
so that equal types are one object, and being equal costs no look inside.

Source: specification 3.0, Validation, "Matching" and "Types" (rolling and closing recursive
groups); the proposals stack-switching and custom-descriptors for what each adds.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from wasmir.errors import InvalidError
from wasmir.ir.type import Type, definition_key
from wasmir.types import (
    AbstractHeap,
    ArrayType,
    CompositeType,
    Concrete,
    ContType,
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
    from collections.abc import Sequence

    from wasmir.ir.module import Module
    from wasmir.ir.type import Group

__all__ = ["Bottom", "OperandType", "Subtyping", "named", "shown", "value_matches"]


class Bottom(Enum):
    """What stands on the stack of code that is never reached, and matches whatever is wanted."""

    ANY = "(any)"
    """Any value."""
    REF = "(ref)"
    """Any reference, and not null."""

    # One object of each; Enum's own hash goes through Python code.
    __hash__ = object.__hash__

    def __str__(self) -> str:
        return self.value


OperandType: TypeAlias = ValType | Bottom

# What each abstract heap type is directly below.
_ABOVE = {
    AbstractHeap.EQ: AbstractHeap.ANY,
    AbstractHeap.I31: AbstractHeap.EQ,
    AbstractHeap.STRUCT: AbstractHeap.EQ,
    AbstractHeap.ARRAY: AbstractHeap.EQ,
}
# What is below all others of a hierarchy, by what is above them.
_LOWEST = {
    AbstractHeap.ANY: AbstractHeap.NONE,
    AbstractHeap.FUNC: AbstractHeap.NOFUNC,
    AbstractHeap.EXTERN: AbstractHeap.NOEXTERN,
    AbstractHeap.EXN: AbstractHeap.NOEXN,
    AbstractHeap.CONT: AbstractHeap.NOCONT,
}
_TOP_OF_LOWEST = {lowest: top for top, lowest in _LOWEST.items()}
_KIND_OF: dict[type, AbstractHeap] = {
    FuncType: AbstractHeap.FUNC,
    StructType: AbstractHeap.STRUCT,
    ArrayType: AbstractHeap.ARRAY,
    ContType: AbstractHeap.CONT,
}


class Subtyping:
    """The types of one module, as they are when this is made."""

    def __init__(self, module: Module) -> None:
        self._module = module
        #: The canonical entry of each entry's class.
        self.canonical: dict[Type, Type] = {}
        self._groups: dict[Any, list[Type]] = {}
        # By nullability, heap type and exactness: one object for equal reference types.
        self._refs: dict[Any, RefType] = {}
        self._as_given: dict[RefType, RefType] = {}
        self._known: dict[tuple[Any, Any], bool] = {}
        self._chains: dict[Type, frozenset[Type]] = {}

    # Canonical types

    def add_group(self, group: Group) -> None:
        """Find the canonical entries of a group; those of earlier groups are known."""
        places = {type_: place for place, type_ in enumerate(group.types)}
        key = tuple(self._key_of(type_, places) for type_ in group.types)
        known = self._groups.setdefault(key, group.types)
        self.canonical.update(zip(group.types, known, strict=True))

    def _key_of(self, type_: Type, places: dict[Type, int]) -> tuple[Any, ...]:
        def standing(mentioned: Type) -> object:
            """Entries of the group by place, others by identity."""
            place = places.get(mentioned)
            return self._at(mentioned) if place is None else place

        return definition_key(type_.definition, standing)

    def _at(self, type_: Any) -> Type:
        found = self.canonical.get(type_)
        if found is None:
            raise InvalidError(f"unknown type {type_}")
        return found

    def value(self, type_: ValType) -> ValType:
        """The one object for a value type. Raises InvalidError for an entry that isn't there."""
        if not isinstance(type_, RefType):
            return type_
        found = self._as_given.get(type_)
        if found is None:
            found = self._as_given[type_] = self._ref(type_)
        return found

    def _ref(self, type_: RefType) -> RefType:
        heap = type_.heap
        if isinstance(heap, Concrete):
            return self.ref(type_.nullable, self._at(heap.type), exact=heap.exact)
        return self.ref(type_.nullable, heap)

    def ref(self, nullable: bool, heap: AbstractHeap | Type, *, exact: bool = False) -> RefType:
        """``(ref null? heap)``, the one object."""
        if isinstance(heap, Type):
            heap = self._at(heap)
        key = nullable, heap, exact
        found = self._refs.get(key)
        if found is None:
            made = Concrete(heap, exact) if isinstance(heap, Type) else heap
            found = self._refs[key] = RefType(nullable, made)
        return found

    def values(self, types: Sequence[ValType]) -> tuple[ValType, ...]:
        return tuple(map(self.value, types))

    def func(self, type_: FuncType) -> FuncType:
        return FuncType(self.values(type_.params), self.values(type_.results))

    def unpacked(self, storage: StorageType) -> ValType:
        """What a field's value is on the stack."""
        return NumType.I32 if isinstance(storage, PackedType) else self.value(storage)

    # Matching

    def matches(self, sub: OperandType, wanted: OperandType) -> bool:
        """Whether a value of one type may stand where another is wanted."""
        if sub is wanted or sub is Bottom.ANY:
            return True
        if not isinstance(wanted, RefType):
            return False
        if sub is Bottom.REF:
            return True
        if not isinstance(sub, RefType) or (sub.nullable and not wanted.nullable):
            return False
        known = self._known.get((sub, wanted))
        if known is None:
            known = self._known[sub, wanted] = self.heap_matches(sub.heap, wanted.heap)
        return known

    def all_match(self, subs: Sequence[OperandType], wanted: Sequence[OperandType]) -> bool:
        return len(subs) == len(wanted) and all(map(self.matches, subs, wanted))

    def heap_matches(self, sub: HeapType, wanted: HeapType) -> bool:
        if isinstance(sub, Concrete):
            return self._concrete_matches(sub, wanted)
        if sub in _TOP_OF_LOWEST and self.top(wanted) is _TOP_OF_LOWEST[sub]:
            return True
        while sub is not wanted:
            if sub not in _ABOVE:
                return False
            sub = _ABOVE[sub]
        return True

    def _concrete_matches(self, sub: Concrete, wanted: HeapType) -> bool:
        type_ = self._at(sub.type)
        if not isinstance(wanted, Concrete):
            return self.heap_matches(_KIND_OF[type_.definition.composite.__class__], wanted)
        target = self._at(wanted.type)
        if wanted.exact:
            return sub.exact and type_ is target
        return target in self._chain(type_)

    def _chain(self, type_: Type) -> frozenset[Type]:
        """A canonical type and all that it is declared to be a subtype of."""
        found = self._chains.get(type_)
        if found is None:
            chain = [type_]
            # Supertypes come before, so this ends. The chain may be as long as there are types.
            while chain[-1].definition.supertypes:
                above = self._at(chain[-1].definition.supertypes[0])
                known = self._chains.get(above)
                if known is not None:
                    found = known.union(chain)
                    break
                chain.append(above)
            else:
                found = frozenset(chain)
            self._chains[type_] = found
        return found

    def top(self, heap: HeapType) -> AbstractHeap:
        """What is above all heap types of the hierarchy."""
        if isinstance(heap, Concrete):
            heap = _KIND_OF[self._at(heap.type).definition.composite.__class__]
        if heap in _TOP_OF_LOWEST:
            return _TOP_OF_LOWEST[heap]
        while heap in _ABOVE:
            heap = _ABOVE[heap]
        return heap

    # Definitions

    def check_declared(self, type_: Type) -> None:
        """That an entry matches the supertype it declares. Raises InvalidError."""
        definition = type_.definition
        if not definition.supertypes:
            return
        above = cast("Type", definition.supertypes[0])
        if above.definition.final:
            raise InvalidError(
                f"sub type {type_} does not match super type {above}, which is final"
            )
        if not self._composite_matches(definition.composite, above.definition.composite):
            raise InvalidError(f"sub type {type_} does not match super type {above}")
        self._check_descriptors(type_, above)

    def _check_descriptors(self, type_: Type, above: Type) -> None:
        """A described supertype has a described subtype, and so for descriptors, all the way."""
        mine, theirs = type_.definition, above.definition
        bad = f"sub type {type_} does not match super type {above}"
        if theirs.descriptor is not None and (
            mine.descriptor is None
            or self._at(theirs.descriptor) not in self._chain(self._at(mine.descriptor))
        ):
            raise InvalidError(f"{bad}: descriptor type {mine.descriptor} does not match")
        if (theirs.describes is None) != (mine.describes is None):
            raise InvalidError(f"{bad}: only one of them describes another type")
        if (
            theirs.describes is not None
            and mine.describes is not None
            and self._at(theirs.describes) not in self._chain(self._at(mine.describes))
        ):
            raise InvalidError(f"{bad}: described type {mine.describes} does not match")

    def _composite_matches(self, sub: CompositeType, above: CompositeType) -> bool:
        match sub, above:
            case FuncType(), FuncType():
                mine, theirs = self.func(sub), self.func(above)
                return self.func_matches(mine, theirs)
            case StructType(), StructType():
                return len(sub.fields) >= len(above.fields) and all(
                    map(self._field_matches, sub.fields, above.fields)
                )
            case ArrayType(), ArrayType():
                return self._field_matches(sub.field, above.field)
            case ContType(), ContType():
                return self._concrete_matches(sub.type, above.type)
        return False

    def func_matches(self, sub: FuncType, above: FuncType) -> bool:
        """Of canonical value types: contravariant in parameters, covariant in results."""
        return self.all_match(above.params, sub.params) and self.all_match(
            sub.results, above.results
        )

    def _field_matches(self, sub: FieldType, above: FieldType) -> bool:
        if sub.mutable != above.mutable or not self.storage_matches(sub.storage, above.storage):
            return False
        return not sub.mutable or self.storage_matches(above.storage, sub.storage)

    def storage_matches(self, sub: StorageType, above: StorageType) -> bool:
        if isinstance(sub, PackedType) or isinstance(above, PackedType):
            return sub is above
        return self.matches(self.value(sub), self.value(above))


def value_matches(module: Module, sub: ValType, wanted: ValType) -> bool:
    """Whether a value of one of a module's types may stand where another is wanted."""
    types = Subtyping(module)
    for group in dict.fromkeys(type_.group for type_ in module.types):
        types.add_group(group)
    return types.matches(types.value(sub), types.value(wanted))


def shown(types: Sequence[object]) -> str:
    """A list of types as the specification's messages have it."""
    return f"[{' '.join(map(named, types))}]"


def named(type_: object) -> str:
    """A type, with the name that the module gives it."""
    if isinstance(type_, RefType) and isinstance(type_.heap, Concrete):
        heap = type_.heap
        entry = cast("Type", heap.type)
        name = entry.name
        told = str(entry) if name is None else f'{entry} "{name}"'
        if heap.exact:
            told = f"(exact {told})"
        return f"(ref {'null ' if type_.nullable else ''}{told})"
    return str(type_)
