"""Who mentions what: the uses of any entity, the calls, and what can be reached from some roots.

Code is looked at token by token, in its bytes: no body is decoded, and what a token mentions is
worked out once. See :mod:`wasmir.binary.mentions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from wasmir.errors import InvalidError, MalformedError, WasmError
from wasmir.ir.bulk import bulk_work
from wasmir.ir.checks import check_is
from wasmir.ir.codec import codec
from wasmir.ir.const import Const
from wasmir.ir.function import Function
from wasmir.ir.global_ import Global
from wasmir.ir.imports import Export
from wasmir.ir.memory import Memory
from wasmir.ir.module import Module
from wasmir.ir.segment import Data, Element
from wasmir.ir.table import Table
from wasmir.ir.tag import Tag
from wasmir.ir.type import Type
from wasmir.isa.mentions import SPACES
from wasmir.isa.table import Trait
from wasmir.types import (
    ArrayType,
    Concrete,
    ContType,
    FieldType,
    FuncType,
    GlobalType,
    RefType,
    StructType,
    SubType,
    TableType,
)
from wasmir.wire import short_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wasmir.ir.codec import CodeMentions
    from wasmir.ir.space import Entity

__all__ = ["Reached", "User", "Uses", "types_in"]

User: TypeAlias = "Entity | Export | Module"
"""What mentions an entity; the module itself mentions its start function."""


class Uses:
    """Who mentions what, in a module as it is when this is made.

    A function mentions what its code does, and its type. Names aren't uses: they go with what they
    name. Making it raises MalformedError, and InvalidError where something unknown is mentioned.
    """

    def __init__(self, module: Module) -> None:
        check_is(module, Module, "a module")
        self._mentioned: dict[User, list[Entity]] = {}
        self._users: dict[Entity, list[User]] = {}
        self._callees: dict[Function, list[Function]] = {}
        self._callers: dict[Function, list[Function]] = {}
        with bulk_work():
            module.read_all()
            mentions = codec().code_mentions(module)
            for user in _users(module):
                self._note(user, mentions)

    def _note(self, user: User, mentions: CodeMentions) -> None:
        found = dict.fromkeys(_outside_code(user))
        if isinstance(user, Function):
            called: dict[Entity, None] = {}
            for token in sorted(_tokens(user, mentions)):
                try:
                    mentioned = mentions[token]
                except WasmError as error:
                    raise _located(error, user) from None
                for row, entity in mentioned:
                    found[entity] = None
                    if row is not None and Trait.CALLS in row.traits:
                        called[entity] = None
            self._callees[user] = callees = [
                each for each in _ordered(called) if isinstance(each, Function)
            ]
            for callee in callees:
                self._callers.setdefault(callee, []).append(user)
        else:
            for const in _consts(user):
                found.update(dict.fromkeys(_in_const(const, mentions)))
        self._mentioned[user] = _ordered(found)
        for entity in found:
            self._users.setdefault(entity, []).append(user)

    def of(self, entity: Entity) -> list[User]:
        """Who mentions an entity, each once: types, functions, tables and so on in the order of
        the binary format, and within each sort of their indices; exports; the module.
        """
        return list(self._users.get(entity, ()))

    def by(self, user: User) -> list[Entity]:
        """What an entity, an export or the module mentions, each once: sort by sort."""
        return list(self._mentioned.get(user, ()))

    def callees(self, function: Function) -> list[Function]:
        """The functions that a function's code calls by index, by their indices."""
        return list(self._callees.get(function, ()))

    def callers(self, function: Function) -> list[Function]:
        """The functions whose code calls a function by its index, by their indices. Where its
        reference is taken, tables and other code may call it as well.
        """
        return list(self._callers.get(function, ()))


def _users(module: Module) -> Iterator[User]:
    for name in _ORDER:
        yield from module.space(name)
    yield from module.exports
    yield module


_ORDER = {
    name: place
    for place, name in enumerate(
        ("type", "func", "table", "memory", "tag", "global", "elem", "data")
    )
}


def _ordered(entities: Iterable[Entity]) -> list[Entity]:
    """In an order that doesn't depend on hashes."""
    return sorted(entities, key=lambda each: (_ORDER[each.space], each._number))


class Reached:
    """What of a module can be reached from some roots, and so has to stay where they do.

    Besides what is mentioned by what is reached:

    * the types of a recursive group stand or fall together;
    * active segments of a memory or table that is reached; of those that are imported, because
      others see what is written there; and those that might not fit, because instantiation fails
      then;
    * the start function;
    * declarative segments, as far as functions that they declare are referred to by code: see
      :attr:`referenced`.

    ``spaces`` are those whose entities may turn out not to be reached; all of the others' are
    roots. It raises what :class:`Uses` does.
    """

    def __init__(
        self, module: Module, roots: Iterable[Entity], spaces: frozenset[str] = SPACES
    ) -> None:
        check_is(module, Module, "a module")
        self.module = module
        self.spaces = spaces
        #: Functions that code that is reached refers to by ``ref.func``.
        self.referenced: set[Function] = set()
        self._reached: set[Entity] = set()
        self._pending: list[Entity] = []
        # Tokens of code that were seen.
        self._seen: set[bytes] = set()
        # Constant expressions that were seen.
        self._constants: set[bytes] = set()
        # By memory and table: what is copied there.
        self._active: dict[Entity, list[Data | Element]] = {}
        with bulk_work():
            module.read_all()
            for name in SPACES - spaces:
                self._reach(*module.space(name))
            if module.start is not None:
                self._reach(module.start)
            self._reach(*roots)
            self._place_segments()
            self._mentions = codec().code_mentions(module, self._wanted())
            self._go()
            self._declare()
            self._go()

    def __contains__(self, entity: Entity) -> bool:
        return entity in self._reached

    def needed_items(self, element: Element) -> list[Function | Const]:
        """What has to stay in a segment that does: of a declarative one, where segments may change,
        the functions that code refers to. It has no other use.
        """
        if not element.declarative or "elem" not in self.spaces:
            return list(element.items)
        return [item for item in element.items if not self.referenced.isdisjoint(_listed(item))]

    def _reach(self, *entities: Entity) -> None:
        for entity in entities:
            if entity not in self._reached:
                self._reached.add(entity)
                self._pending.append(entity)

    def _wanted(self) -> frozenset[str]:
        """The spaces whose mentions are still news: those in which not everything is reached yet,
        and that of functions, for what refers to them. Each load is a mention of a memory, so code
        is looked through much faster once these are reached.
        """
        return frozenset(
            name
            for name in SPACES
            if name == "func"
            or (
                name in self.spaces
                and any(each not in self._reached for each in self.module.space(name))
            )
        )

    def _go(self) -> None:
        """Reach all that what is pending mentions."""
        pending = self._pending
        mentions = self._mentions
        seen, constants = self._seen, self._constants
        while pending:
            entity = pending.pop()
            if isinstance(entity, Function):
                self._reach(entity.type)
                tokens = _tokens(entity, mentions) - seen
                if tokens:
                    seen |= tokens
                    self._follow(entity, tokens)
                continue
            self._reach(*self._outside_code(entity), *self._active.get(entity, ()))
            if isinstance(entity, Type) and entity is entity.group.types[0]:
                self._reach(*entity.group.types)
            elif isinstance(entity, Type):
                # Which brings the others.
                self._reach(entity.group.types[0])
            for const in _consts(entity):
                # Most are alike.
                if const.code not in constants:
                    self._reach(*_in_const(const, mentions))
                    constants.add(const.code)
            if isinstance(entity, Memory):
                mentions.narrow(self._wanted())

    def _outside_code(self, entity: Entity) -> Iterable[Entity]:
        if isinstance(entity, Element) and entity.declarative and "elem" in self.spaces:
            # Its functions are those that stay for another reason.
            return types_in(entity.type)
        return _outside_code(entity)

    def _follow(self, function: Function, tokens: set[bytes]) -> None:
        """Reach what some tokens of a function's code mention."""
        # In an order that doesn't depend on hashes, for what is raised.
        mentions = self._mentions
        for token in sorted(tokens):
            try:
                mentioned = mentions[token]
            except WasmError as error:
                raise _located(error, function) from None
            for row, entity in mentioned:
                self._reach(entity)
                if row is not None and row.name == "ref.func" and isinstance(entity, Function):
                    self.referenced.add(entity)

    def _place_segments(self) -> None:
        """Note which segments are active, and reach those that are so for their own sake."""
        segments: list[Element | Data] = [*self.module.elements, *self.module.data]
        for segment in segments:
            place = segment.place
            if place is None:
                continue
            if place.imported is not None or not _surely_fits(segment, place):
                self._reach(segment)
            else:
                self._active.setdefault(place, []).append(segment)

    def _declare(self) -> None:
        """Reach the declarative segments that code needs."""
        for element in self.module.elements:
            if element.declarative and self.needed_items(element):
                self._reach(element)


# What stands where


def types_in(thing: Any) -> Iterator[Type]:
    """The entries of the type section that a type mentions, whatever sort of type it is."""
    parts: Iterable[Any]
    match thing:
        case Type():
            yield thing
            return
        case RefType():
            parts = (thing.heap,)
        case Concrete() | ContType():
            parts = (thing.type,)
        case FuncType():
            parts = (*thing.params, *thing.results)
        case StructType():
            parts = thing.fields
        case ArrayType():
            parts = (thing.field,)
        case FieldType():
            parts = (thing.storage,)
        case GlobalType():
            parts = (thing.type,)
        case TableType():
            parts = (thing.element,)
        case SubType():
            parts = (thing.composite, *thing.supertypes, thing.describes, thing.descriptor)
        case _:
            return
    for part in parts:
        yield from types_in(part)


def _outside_code(user: User) -> Iterable[Entity]:
    """What somebody mentions, but for what code and constant expressions do."""
    match user:
        case Function() | Tag():
            return (user.type,)
        case Global() | Table():
            # Mostly a number or a reference to any function.
            return types_in(user.type)
        case Type():
            return types_in(user.definition)
        case Element():
            items = [item for item in user.items if isinstance(item, Function)]
            table = () if user.place is None else (user.place,)
            return (*types_in(user.type), *items, *table)
        case Data():
            return () if user.place is None else (user.place,)
        case Export():
            return (user.entity,)
        case Memory():
            return ()
        case Module():
            return () if user.start is None else (user.start,)
    raise TypeError(f"no entity: {user!r}")


def _consts(entity: Any) -> Iterator[Const]:
    """The constant expressions of an entity."""
    if isinstance(entity, (Global, Table)):
        if entity.init is not None:
            yield entity.init
    elif isinstance(entity, (Data, Element)):
        if entity.offset is not None:
            yield entity.offset
        if isinstance(entity, Element):
            yield from (item for item in entity.items if isinstance(item, Const))


def _in_const(const: Const, mentions: CodeMentions) -> Iterator[Entity]:
    for token in sorted(mentions.in_instructions(const.code)):
        yield from (entity for _, entity in mentions[token])


def _tokens(function: Function, mentions: CodeMentions) -> set[bytes]:
    """The tokens of a function's code that mention something."""
    if function.imported is not None:
        return set()
    code = function.code
    try:
        return mentions.in_code(code)
    except WasmError as error:
        raise _located(error, function) from None


def _located(error: WasmError, function: Function) -> WasmError:
    """The error about a function's code, with the function, or the offset in the input."""
    if isinstance(error, InvalidError):
        return InvalidError(error.reason, str(function), error.offset)
    if function.is_raw:
        try:
            for _ in codec().raw_instructions(function):
                pass
        except MalformedError as placed:
            return placed
    return error


def _listed(item: Function | Const) -> Iterator[Function]:
    """The functions that an item of a segment mentions."""
    if isinstance(item, Function):
        yield item
    else:
        for instr in item.instrs:
            yield from (each for each in instr.immediates if isinstance(each, Function))


_PAGE_SIZE_LOG2 = 16
_I32_CONST, _I64_CONST = 0x41, 0x42


def _surely_fits(segment: Data | Element, place: Memory | Table) -> bool:
    """Whether an active segment is within what its memory or table has at the least, so that
    instantiation doesn't fail for it.
    """
    code = b"" if segment.offset is None else segment.offset.code
    # A single constant: one integer, whose last byte is the first without a continuation bit.
    if code[:1] not in (b"\x41", b"\x42") or min(code[1:-1], default=0x80) < 0x80:
        return False
    bits = 32 if code[0] == _I32_CONST else 64
    offset = short_integer(code[1:], signed=True) % (1 << bits)
    limits = place.type.limits
    if isinstance(segment, Element):
        return offset + len(segment.items) <= limits.minimum
    page = _PAGE_SIZE_LOG2 if limits.page_size_log2 is None else limits.page_size_log2
    return offset + segment.size <= limits.minimum << page
