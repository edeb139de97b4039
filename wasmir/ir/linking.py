"""Making one module of two, and a new one of some functions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from wasmir.errors import InvalidError, MalformedError, UnsupportedError
from wasmir.ir.bulk import bulk_work
from wasmir.ir.checks import check_is, check_name
from wasmir.ir.codec import validator
from wasmir.ir.const import Const
from wasmir.ir.conventions import TargetFeatures
from wasmir.ir.function import Function
from wasmir.ir.global_ import Global
from wasmir.ir.importer import Importer
from wasmir.ir.memory import Memory
from wasmir.ir.module import Module
from wasmir.ir.names import free_name
from wasmir.ir.space import Importable
from wasmir.ir.table import Table
from wasmir.isa.table import BY_NAME
from wasmir.types import Concrete, FuncType, Limits, RefType

if TYPE_CHECKING:
    from wasmir.ir.code import Instr
    from wasmir.ir.imports import Import
    from wasmir.ir.segment import Data, Element
    from wasmir.ir.space import Entity

__all__ = ["extract", "merge"]

_SPACES = ("func", "table", "memory", "tag", "global", "elem", "data")
_IMPORTABLE = _SPACES[:5]
_GLOBAL_GET = BY_NAME["global.get"].opcode
_LONGEST = 1000
"""In so many steps the values of globals become the initial value of a table."""
_CONFLICTS = ("refuse", "skip", "rename")


def extract(
    source: Module,
    entities: Iterable[Importable],
    *,
    imports: Iterable[str] = (),
    module: str = "env",
) -> Module:
    """A new module with some functions of another (or memories, globals, ...), exported by the
    names of their exports, or their own (a second of one name as ``name_2``), and copies of all
    that they need: functions, globals, memories and tables with their active segments, other
    segments, tags and types, with their names. What is imported is imported there, too. Nothing is
    decoded.

    ``imports`` are index spaces of what the new module imports instead, from ``module``: ``func``,
    ``table``, ``memory``, ``tag``, ``global``. Then both can share these.

    Raises InvalidError for what isn't part of the source, MalformedError, ValueError for what is no
    such index space.
    """
    check_is(source, Module, "a module")
    check_is(entities, Iterable, "a list of functions (or memories, globals, ...)")
    wanted = dict.fromkeys(entities)
    for each in wanted:
        check_is(each, Importable, "a function, table, memory, tag or global")
    check_name(module)
    imported = set(imports)
    unknown = imported.difference(_IMPORTABLE)
    if unknown:
        known = ", ".join(_IMPORTABLE)
        raise ValueError(f"no index space {min(unknown)!r} of what is imported: {known}")
    target = Module()
    exported = {export.entity: export.name for export in reversed(source.exports)}
    taken: dict[str, set[str]] = {"imports": set(), "exports": set()}

    def named(entity: Importable, where: str) -> str:
        """What an entity is called, told apart from others that are called so."""
        base = exported.get(entity, entity.name)
        base = f"{entity.space}_{entity.index}" if base is None else base
        name = free_name(base, taken[where])
        taken[where].add(name)
        return name

    def choose(entity: Importable) -> Importable | None:
        if entity.imported is not None or entity in wanted or entity.space not in imported:
            return None
        found: Importable = importer.importing(entity, module, named(entity, "imports"))
        return found

    with bulk_work():
        importer = Importer(source, target, choose)
        for entity in wanted:
            twin = importer.twin(entity)
            target.exports._append(named(entity, "exports"), twin)
        importer.finish()
        # What is copied to a memory or a table comes with it, and may bring others.
        segments: list[Element | Data] = [*source.elements, *source.data]
        places = {each: each.place for each in segments}
        waiting = {
            each: place for each, place in places.items() if place and place.space not in imported
        }
        while ready := [each for each, place in waiting.items() if importer.has(place)]:
            for segment in ready:
                importer.twin(segment)
                del waiting[segment]
            importer.finish()
        _order_globals(target)
        _copy_features(source, target)
    return target


def merge(
    target: Module,
    other: Module,
    name: str,
    *,
    own: str | None = None,
    conflicts: str = "refuse",
) -> dict[Entity, Entity]:
    """Take all of another module into one; what stands there for each of the other's functions,
    tables, memories, tags, globals and segments. The other module stays as it is, and nothing is
    decoded.

    The target's imports from ``name`` become what the other module exports by their names, and the
    other's imports from ``own`` what the target exports; imports that both have become one. Imports
    that find nothing stay. The exports of both are there: where ``conflicts`` is ``skip``, the
    target's alone of two by the same name, and where it is ``rename``, the other's is called
    ``name.export``. At instantiation the target's segments come first, then the other's, then the
    other's start function, then the target's. Of custom sections names and target features come
    along.

    An import may have another type than the export, where that matches it: a supertype, say. What
    tables are initialised with may mention imported globals only: where one is defined now, its
    initial value stands there instead.

    Raises InvalidError for two exports of one name and for an import that isn't what its export
    is, UnsupportedError where a table's initial value can't be had without a global,
    MalformedError: the target is as it was then; ValueError for what makes no sense.
    """
    for module in (target, other):
        check_is(module, Module, "a module")
    for given in (name,) if own is None else (name, own):
        check_name(given)
    if conflicts not in _CONFLICTS:
        raise ValueError(f"conflicts is one of {', '.join(_CONFLICTS)}, not {conflicts!r}")
    if other is target:
        raise ValueError("a module can't be merged with itself")
    with bulk_work():
        checkpoint = target.checkpoint()
        try:
            return _Merger(target, other, name, own).run(conflicts)
        except BaseException:
            target.rollback(checkpoint)
            raise


class _Merger:
    """Another module on its way into a module."""

    def __init__(self, target: Module, other: Module, name: str, own: str | None) -> None:
        self.target = target
        self.other = other
        self.name = name
        self.own = own
        target.read_all()
        self.imports = set(target.imports)
        self.exported = {export.name: export.entity for export in target.exports}
        self.offered = {export.name: export.entity for export in other.exports}
        self.known = {
            (each.module, each.name, each.kind): each.entity for each in reversed(target.imports)
        }
        self.importer = Importer(other, target, self._choose)

    def run(self, conflicts: str) -> dict[Entity, Entity]:
        target, other, importer = self.target, self.other, self.importer
        twins: dict[Entity, Entity] = {}
        for space in _SPACES:
            for entity in other.space(space):
                twins[entity] = importer.twin(entity)
        importer.finish()
        instead = self._resolved()
        target.redirect(instead)
        for space in _IMPORTABLE:
            target.space(space).remove_all(old for old in instead if old.space == space)
        twins = {entity: instead.get(twin, twin) for entity, twin in twins.items()}
        self._export(twins, conflicts)
        self._start(twins)
        _order_globals(target)
        for table in target.tables:
            _keep_initial(table)
        _copy_features(other, target)
        return twins

    def _choose(self, entity: Importable) -> Importable | None:
        """What of the target the other module's import is: an export, or the same import."""
        import_ = entity.imported
        if import_ is None:
            return None
        if import_.module == self.own:
            found = self.exported.get(import_.name)
            if found is not None:
                self._check(import_, entity, found, theirs_is_import=True)
                return found
        known = self.known.get((import_.module, import_.name, import_.kind))
        same = known is not None and self.importer.same(_type(entity), _type(known))
        return known if same else None

    def _resolved(self) -> dict[Any, Any]:
        """What stands in the place of the target's imports from the other module."""
        instead: dict[Any, Any] = {}
        for import_ in self.target.imports:
            # What the other module brought isn't the target's.
            if import_.module != self.name or import_ not in self.imports:
                continue
            found = self.offered.get(import_.name)
            if found is not None:
                self._check(import_, found, import_.entity, theirs_is_import=False)
                instead[import_.entity] = self.importer.twin(found)
        # The other module may export what it imports from this one.
        ends: dict[Any, Any] = {}
        for old, resolved in instead.items():
            new, steps = resolved, 0
            while new in instead:
                new = instead[new]
                steps += 1
                if steps > len(instead):
                    raise InvalidError(f"import {old.imported} leads to itself: nobody defines it")
            ends[old] = new
        return ends

    def _check(self, import_: Import, theirs: Any, ours: Any, *, theirs_is_import: bool) -> None:
        """Raise InvalidError where an import can't be what it is resolved to."""
        same = theirs.space == ours.space and theirs.__class__ is ours.__class__
        if same and isinstance(theirs, (Memory, Table)):
            wanted, given = theirs.type.limits, ours.type.limits
            if not theirs_is_import:
                wanted, given = given, wanted
            same = _fits(wanted, given)
            if isinstance(theirs, Table):
                same &= self.importer.same(theirs.type.element, ours.type.element)
        elif same:
            same = self.importer.same(_type(theirs), _type(ours))
            if not same and not import_.exact:
                wanted, given = _type(ours), self.importer.type_(_type(theirs))
                if theirs_is_import:
                    wanted, given = given, _type(ours)
                same = self._matches(ours, given, wanted)
        if not same:
            raise InvalidError(
                f"incompatible import type: import {import_} is {_shown(import_.entity)}, and what "
                f"is exported by that name is {_shown(ours if theirs_is_import else theirs)}"
            )

    def _matches(self, entity: Importable, given: Any, wanted: Any) -> bool:
        """Whether something like an entity may be imported with a type that isn't its own, both
        of them the target's.
        """
        match entity:
            case Function():
                sub, above = (RefType(False, Concrete(type_)) for type_ in (given, wanted))
            case Global() if not given.mutable and not wanted.mutable:
                sub, above = given.type, wanted.type
            case _:
                return False
        return validator().value_matches(self.target, sub, above)

    def _export(self, twins: dict[Entity, Entity], conflicts: str) -> None:
        exports = self.target.exports
        taken = {export.name for export in exports}
        for export in self.other.exports:
            entity: Any = twins[export.entity]
            name = export.name
            if name in taken:
                if conflicts == "skip":
                    continue
                if conflicts == "refuse":
                    raise InvalidError(f"duplicate export name {name!r}")
                while name in taken:
                    name = f"{self.name}.{name}"
            taken.add(name)
            exports._append(name, entity)

    def _start(self, twins: dict[Entity, Entity]) -> None:
        """Both start functions, the other module's first."""
        theirs = None if self.other.start is None else twins[self.other.start]
        if not isinstance(theirs, Function):
            return
        ours = self.target.start
        if ours is not None:
            calls = [self.target.instr("call", each) for each in (theirs, ours)]
            theirs = self.target.add_function(FuncType(), calls)
        self.target.start = theirs


def _type(entity: Any) -> Any:
    return entity.type


def _fits(wanted: Limits, given: Limits) -> bool:
    """Whether what has some limits can be imported with others."""
    same = (wanted.address, wanted.shared, wanted.page_size_log2) == (
        given.address,
        given.shared,
        given.page_size_log2,
    )
    if not same or given.minimum < wanted.minimum:
        return False
    return wanted.maximum is None or (given.maximum is not None and given.maximum <= wanted.maximum)


def _shown(entity: Any) -> str:
    """What sort of thing an entity is, for messages."""
    match entity:
        case Function():
            return f"a function {entity.func_type}"
        case Global():
            mutable = "mutable " if entity.type.mutable else ""
            return f"a {mutable}global {entity.type.type}"
        case Memory() | Table():
            limits = entity.type.limits
            most = "" if limits.maximum is None else f" to {limits.maximum}"
            return f"a {entity.what} of {limits.minimum}{most}"
    return f"a {entity.what}"


def _order_globals(module: Module) -> None:
    """Put globals behind those that their initial values mention: others aren't there yet."""
    before = list(module.globals)
    after: dict[Global, None] = {}
    known: set[Global] = set()
    for each in before:
        # Those that wait for what they mention, each with what it still has to look at.
        waiting = [(each, iter((each,)))]
        while waiting:
            entity, mentioned = waiting[-1]
            needed = next((one for one in mentioned if one not in known), None)
            if needed is not None:
                # What mentions itself has no place; validation says so.
                known.add(needed)
                waiting.append((needed, iter(_initial(needed))))
            else:
                waiting.pop()
                if waiting:
                    after[entity] = None
    if list(after) != before:
        module.globals.reorder(after)


def _initial(entity: Global) -> list[Global]:
    """The globals that a global's initial value mentions."""
    # Most are constants, which a look at the bytes tells.
    if entity.init is None or _GLOBAL_GET not in entity.init.code:
        return []
    return [
        each
        for instr in entity.init.instrs
        for each in instr.immediates
        if isinstance(each, Global)
    ]


def _keep_initial(table: Table) -> None:
    """Let a table's initial value mention no global that the module defines, only imports: put
    what the global is initialised with in its place.

    Raises UnsupportedError where that makes an object, which the global's value is and no other.
    """
    if table.init is None or _GLOBAL_GET not in table.init.code:
        return
    found: list[Instr] = []
    # What is still to be written, and where the values of which globals end.
    waiting: list[Instr | Global] = [*table.init.instrs[::-1]]
    inside: dict[Global, None] = {}
    steps = 0
    while waiting:
        item = waiting.pop()
        steps += 1
        if inside and steps > _LONGEST:
            raise _unfit(table, next(iter(inside)), "is too long to be written there")
        if isinstance(item, Global):
            del inside[item]
            continue
        entity = item.immediates[0] if item.row.name == "global.get" else None
        if isinstance(entity, Global) and entity.imported is None:
            if entity.init is None or entity in inside:
                raise _unfit(table, entity, "depends on itself")
            inside[entity] = None
            waiting += [entity, *entity.init.instrs[::-1]]
            continue
        if inside and item.row.name.startswith(("struct.", "array.")):
            made = f"is an object of its own ({item.row.name})"
            raise _unfit(table, next(iter(inside)), made)
        found.append(item)
    if found != table.init.instrs:
        table.init = Const(table.module, found)


def _unfit(table: Table, entity: Global, why: str) -> UnsupportedError:
    return UnsupportedError(
        f"the initial value of table {table} mentions global {entity}, which was imported and is "
        f"defined now; only imports may stand there, and its value {why}"
    )


def _copy_features(source: Module, target: Module) -> None:
    """What the source was built for, the target is then."""
    try:
        features = TargetFeatures.of(source)
        known = TargetFeatures.of(target)
    except MalformedError:
        return
    if features is None:
        return
    if known is None:
        known = TargetFeatures(target.add_custom(TargetFeatures.NAME, b"\0"))
    known.features = known.features | {
        name: prefix for name, prefix in features.features.items() if name not in known.features
    }
