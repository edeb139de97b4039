"""Where a module and its host meet: which functions the host can call, which calls reach the host.

A *gate* is a function that the host can call, a *door* a call that can reach the host. Passes that
do something there put adapters in front of both: exports and function references lead to the
adapter of a gate, calls to that of a door, and code that calls a function of its own module by
name goes straight there, as before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from wasmir import (
    AbstractHeap,
    Concrete,
    Function,
    FuncType,
    Global,
    GlobalType,
    NumType,
    RefType,
    Tag,
    UnsupportedError,
    exception_dialect,
    instructions,
)
from wasmir.passes.patterns import called, near

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wasmir import Const, Module, ValType

__all__ = [
    "INTRINSICS",
    "JS_TAG",
    "OURS",
    "RECORD",
    "Boundary",
    "Dialect",
    "by_name",
    "chosen_dialect",
    "dialect_of",
    "find_stack_pointer",
    "is_js_tag",
    "kept_by_glue",
    "matching",
    "read_record",
    "survey_boundary",
    "used_dialect",
    "write_record",
]

OURS = "__wasmir_"
"""What the names of all exports begin with that recovery adds; such functions are no gates."""

INTRINSICS = "wasmir"
"""Imports from a module of this name are resolved inside."""

RECORD = "wasmir.recovery"
"""The custom section that tells tools and loaders what was done."""

_JS_STRING_BUILTINS = "wasm:"


JS_TAG = ("WebAssembly", "JSTag")
"""Where the tag is imported from whose exceptions carry what JavaScript threw."""


def is_js_tag(tag: Tag) -> bool:
    """Whether a tag is that one, by the name that it has in the JavaScript API."""
    return tag.imported is not None and (tag.imported.module, tag.imported.name) == JS_TAG


class Dialect(Enum):
    """How what is added catches and throws."""

    EXNREF = "exnref"
    LEGACY = "legacy"
    NONE = "none"


def dialect_of(module: Module, wanted: str = "auto") -> Dialect:
    """:func:`chosen_dialect` for a module."""
    return chosen_dialect(used_dialect(module), wanted)


def chosen_dialect(used: Dialect | None, wanted: str) -> Dialect:
    """The dialect that a module's code uses; exnref where it uses none. With anything but ``auto``
    that one, which must not be another than the module's. Raises UnsupportedError.
    """
    if wanted == "auto":
        return used or Dialect.EXNREF
    if wanted not in {each.value for each in Dialect}:
        raise UnsupportedError(f"dialect={wanted}: there are auto, exnref, legacy and none")
    dialect = Dialect(wanted)
    if dialect is Dialect.NONE and used is not None:
        raise UnsupportedError(f"dialect=none, but the module's code catches ({used.value})")
    if used not in (None, dialect):
        raise UnsupportedError(
            f"the module's exception handling is {used.value}, and engines refuse a mix with "
            f"{dialect.value}; convert it first (legacy-to-exnref, exnref-to-legacy)"
        )
    return dialect


def used_dialect(module: Module) -> Dialect | None:
    """The dialect that a module's code catches in, if it does."""
    dialect = Dialect(exception_dialect(module))
    return None if dialect is Dialect.NONE else dialect


@dataclass
class Boundary:
    """What can be called across it."""

    #: Functions of the module that it exports, each once, in the order of the exports.
    exported: list[Function] = field(default_factory=list)
    #: Functions of the module that the host may get hold of besides, where it can see tables or
    #: is given references: all that there is any reference to.
    referred: list[Function] = field(default_factory=list)
    #: Imported functions that calls reach the host by.
    imports: list[Function] = field(default_factory=list)
    #: Imports that are resolved inside, by name.
    intrinsics: dict[str, Function] = field(default_factory=dict)
    #: Why the host can call functions that aren't exported; empty where it can't.
    visible: list[str] = field(default_factory=list)


def survey_boundary(module: Module) -> Boundary:
    """Find out. Nothing is changed."""
    boundary = Boundary()
    exported: dict[Function, None] = {}
    for export in module.exports:
        entity = export.entity
        ours = export.name.startswith(OURS)
        if isinstance(entity, Function) and not entity.imported and not ours:
            exported[entity] = None
    boundary.exported = list(exported)
    for import_ in module.imports:
        function = import_.entity
        if not isinstance(function, Function):
            continue
        if import_.module == INTRINSICS:
            boundary.intrinsics[import_.name] = function
        elif not import_.module.startswith(_JS_STRING_BUILTINS):
            boundary.imports.append(function)
    boundary.visible = list(_visible(module))
    if boundary.visible:
        referred = dict.fromkeys(_referred(module))
        boundary.referred = [
            each for each in referred if not each.imported and each not in exported
        ]
    return boundary


def _visible(module: Module) -> Iterator[str]:
    """Ways in which function references cross the boundary, each in a few words."""
    exported = {export.entity for export in module.exports}
    for table in module.tables:
        if _is_function(table.type.element) and (table.imported or table in exported):
            yield f"table {table} is {'imported' if table.imported else 'exported'}"
    for global_ in module.globals:
        if _is_function(global_.type.type) and (global_.imported or global_ in exported):
            yield f"global {global_} is {'imported' if global_.imported else 'exported'}"
    for import_ in module.imports:
        function = import_.entity
        if isinstance(function, Function) and _passes_functions(function.func_type):
            yield f"the import {import_} passes function references"
    for export in module.exports:
        entity = export.entity
        if export.name.startswith(OURS):
            continue
        if isinstance(entity, Function) and _passes_functions(entity.func_type):
            yield f"the export {export} passes function references"
        if isinstance(entity, Tag) and any(map(_is_function, entity.params)):
            yield f"exceptions of the exported tag {export} carry function references"


def kept_by_glue(module: Module) -> Iterator[str]:
    """What glue may keep of an instance that a reset in place takes away, each in a few words."""
    exported = {export.entity for export in module.exports}
    for table in module.tables:
        grows = table.type.limits.maximum != table.type.limits.minimum
        if table in exported and grows and _is_function(table.type.element):
            yield (
                f"a reset takes away what the host put into table {table}, and some glue keeps "
                "its places (Emscripten's addFunction)"
            )
    if any(import_.name.startswith(_REGISTERS) for import_ in module.imports):
        yield "its classes are registered with the glue (embind), which takes them only once"


_REGISTERS = "_embind_register_"


def _passes_functions(type_: FuncType) -> bool:
    return any(map(_is_function, (*type_.params, *type_.results)))


def _is_function(type_: ValType) -> bool:
    if not isinstance(type_, RefType):
        return False
    heap = type_.heap
    if isinstance(heap, Concrete):
        return getattr(heap.type, "func", None) is not None
    return heap is AbstractHeap.FUNC


def _referred(module: Module) -> Iterator[Function]:
    """Every function that there is a reference to. What code refers to is named outside of it
    too, or else the module isn't valid; but for code that was edited it is written only then.
    """
    for element in module.elements:
        for item in element.items:
            if isinstance(item, Function):
                yield item
            else:
                yield from _named(item)
    for global_ in module.globals:
        yield from _named(global_.init)
    for table in module.tables:
        yield from _named(table.init)
    for function in module.functions:
        if function.imported is None and not function.is_raw and b"\xd2" in function.code:
            for row, immediates in function.distinct_instructions():
                if row.name == "ref.func":
                    found = module.functions.numbered(immediates[0])
                    if found is not None:
                        yield found


def _named(const: Const | None) -> Iterator[Function]:
    if const is not None and b"\xd2" in const.code:
        for instr in const.instrs:
            if instr.row.name == "ref.func":
                yield instr.immediates[0]


# Choosing by name


def matching(names: Iterable[str], patterns: str) -> set[str]:
    """The names that one of the glob patterns matches; patterns are separated by blanks."""
    wanted = patterns.split()
    return {name for name in names if any(fnmatchcase(name, each) for each in wanted)}


E = TypeVar("E", Function, Tag)


def by_name(module: Module, entities: Iterable[E]) -> dict[str, E]:
    """Functions or tags by all that they are known by: in the name section, to those who import
    them, to those whom they are imported from. Of two with one name it is the first.
    """
    found: dict[str, E] = {}
    wanted = list(entities)
    same: dict[object, E] = {entity: entity for entity in wanted}
    for export in module.exports:
        if export.entity in same:
            found.setdefault(export.name, same[export.entity])
    for entity in wanted:
        if entity.name is not None:
            found.setdefault(entity.name, entity)
        if entity.imported is not None:
            found.setdefault(entity.imported.name, entity)
    return found


# The shadow stack's pointer


_STACK_POINTER = "__stack_pointer"
# So many functions tell.
_LOOKED_AT = 1000


def find_stack_pointer(module: Module, given: str = "auto") -> Global | None:
    """The global that holds the shadow stack pointer: the one of a name (of the global, or that
    it is exported or imported by), else the mutable one that prologues subtract from. ``None``
    where there is none, or it can't be restored since it never changes.

    Raises UnsupportedError where a given one isn't there.
    """
    if given in ("none", "false"):
        return None
    name = _STACK_POINTER if given in ("auto", "true") else given
    found = _named_global(module, name)
    if found is None and given not in ("auto", "true"):
        hint = near(given, (name for name, _ in called(module, "global")))
        raise UnsupportedError(f"stack pointer: there is no global named {given!r}{hint}")
    if found is None:
        found = _subtracted_from(module)
    return found if found is not None and found.type.mutable else None


def _named_global(module: Module, name: str) -> Global | None:
    for export in module.exports:
        if export.name == name and isinstance(export.entity, Global):
            return export.entity
    for global_ in module.globals:
        import_ = global_.imported
        if global_.name == name or (import_ is not None and import_.name == name):
            return global_
    return None


def _subtracted_from(module: Module) -> Global | None:
    """The linker gives it no name that stays, but a place, and compilers a prologue::

    global.get $sp
    i32.const SIZE
    i32.sub
    local.tee $frame
    global.set $sp
    """
    suspects = [
        each
        for each in module.globals
        if each.type in (GlobalType(NumType.I32, True), GlobalType(NumType.I64, True))
    ]
    if not suspects:
        return None
    counts = dict.fromkeys(suspects, 0)
    defined = (each for each in module.functions if each.imported is None)
    for function in islice(defined, _LOOKED_AT):
        # One that was edited says no more about it than the others.
        head = [*islice(instructions(function), 3)] if function.is_raw else []
        names = [instr.row.name for instr in head]
        if names[:1] == ["global.get"] and names[2:3] in (["i32.sub"], ["i64.sub"]):
            found = module.globals.numbered(head[0].immediates[0])
            if found in counts:
                counts[found] += 1
    best = max(suspects, key=counts.__getitem__)
    return best if counts[best] else None


# The record


def read_record(module: Module) -> dict[str, Any] | None:
    """What the module says was done to it; ``None`` where it says nothing."""
    custom = module.custom(RECORD)
    if custom is None:
        return None
    try:
        record = json.loads(custom.data)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def write_record(module: Module, **entries: object) -> None:
    """Note what was done, beside what is there already."""
    record = {"version": 1, **(read_record(module) or {}), **entries}
    data = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    custom = module.custom(RECORD)
    if custom is None:
        module.add_custom(RECORD, data)
    else:
        custom.data = data
