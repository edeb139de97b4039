"""What a reset in place has to do to a module, and why it can't be done where it can't."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from wasmir import ArrayType, Const, Function, Global, StructType, Type, UnsupportedError
from wasmir.passes.boundary import read_record

if TYPE_CHECKING:
    from wasmir import Data, Element, Memory, Module, Table

__all__ = [
    "EXPORT",
    "ResetOptions",
    "Side",
    "Targets",
    "find_targets",
    "makes_mutable_objects",
    "names_wrongly",
]

EXPORT = "__wasmir_reset_state"
"""What the pass exports."""

INIT_PRESETS = (
    "__wasm_apply_data_relocs",
    ("_initialize", "__wasm_call_ctors"),
    "__wbindgen_start",
)
"""What glue calls once after instantiation, in this order; of alternatives the first that there is,
because the one calls the other.
"""


# Reasons that are told before they are only counted.
_MOST_TOLD = 12


@dataclass(frozen=True)
class ResetOptions:
    """The options of ``reset-state``, which explains them."""

    include_imports: bool = False
    accept_partial: bool = False
    init: str = "auto"


@dataclass(frozen=True)
class Side:
    """What a side module (``dylink.0``) owns of the memory and the table that it shares: so many
    bytes and slots from a base on, which the dynamic linker tells it by immutable globals.
    """

    memory: Memory | None
    memory_base: Global | None
    memory_size: int
    table: Table | None
    table_base: Global | None
    table_size: int


@dataclass
class Targets:
    """What is put back, and what isn't."""

    side: Side | None
    #: Those that are put back as a whole, imported ones among them.
    memories: list[Memory] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    #: Imported mutable globals that are put back.
    globals: list[Global] = field(default_factory=list)
    #: Active segments that are copied once more.
    data: list[Data] = field(default_factory=list)
    elements: list[Element] = field(default_factory=list)
    #: What is called after it, as the host does after instantiation.
    init: list[Function] = field(default_factory=list)
    #: What stays as it is, in words.
    left: list[str] = field(default_factory=list)


def find_targets(module: Module, options: ResetOptions) -> Targets:
    """Look through the module. Raises UnsupportedError with everything that stands against it."""
    sizes = _dylink_sizes(module)
    # Taken as a whole, it is the program that others are loaded into.
    whole = sizes is None or options.include_imports
    targets = Targets(None if sizes is None or whole else _side_module(module, sizes))
    reasons: list[str] = []
    _own_and_imported(module, targets, options, reasons)
    _segments(module, targets, reasons)
    reasons += [
        f"immutable global {each} holds an object that can be changed, and can't be given a new one"
        for each in module.globals
        if not each.type.mutable and makes_mutable_objects(each.init)
    ]
    targets.init = _init(module, options.init, reasons)
    if module.exports.find(EXPORT) is not None:
        reasons.append(f"it exports {EXPORT} already")
    elif read_record(module) is not None:
        reasons.append("it has guards already, which reset themselves: recover with reset=true")
    if reasons:
        more = [f"and {len(reasons) - _MOST_TOLD} more"] if len(reasons) > _MOST_TOLD else []
        raise UnsupportedError(
            "the module can't be reset in place, a new instance can be made instead: "
            + "; ".join(reasons[:_MOST_TOLD] + more)
        )
    return targets


def _own_and_imported(
    module: Module, targets: Targets, options: ResetOptions, reasons: list[str]
) -> None:
    others = [] if targets.side is None else [targets.side.memory, targets.side.table]
    found: list[tuple[Memory | Table | Global, list[Any], _Objection | None]] = [
        (each, targets.memories, _against_memory(each, options))
        for each in module.memories
        if each not in others
    ]
    found += [
        (each, targets.tables, _against_table(each, options))
        for each in module.tables
        if each not in others
    ]
    found += [
        (each, targets.globals, _against_global(options))
        for each in module.globals
        if each.imported is not None
        and each.type.mutable
        and not _belongs_to_linker(each, targets.side)
    ]
    for entity, wanted, objection in found:
        if objection is None:
            wanted.append(entity)
            continue
        import_ = "" if entity.imported is None else f" ({entity.imported})"
        what = f"{entity.what} {entity}{import_} {objection.why}"
        if options.accept_partial:
            targets.left.append(what)
            continue
        include = "" if objection.include is None else f"include-imports {objection.include}, "
        reasons.append(f"{what} ({include}accept-partial leaves it as it is)")


class _Objection(NamedTuple):
    """Why something isn't put back, and what ``include-imports`` would do about it."""

    why: str
    include: str | None = None


_SHARED = _Objection("is shared, so other threads use it while it is put back")


def _against_memory(memory: Memory, options: ResetOptions) -> _Objection | None:
    if memory.type.limits.shared:
        return _SHARED
    if memory.imported is None or options.include_imports:
        return None
    return _Objection(
        "is imported, and what it held before is the host's",
        "takes it for fresh, all zero, as hosts make them for one instance",
    )


def _against_table(table: Table, options: ResetOptions) -> _Objection | None:
    if table.type.limits.shared:
        return _SHARED
    if table.imported is None:
        return None
    if not table.type.element.nullable:
        return _Objection("is imported and has no null, which a copy of it would have to begin as")
    if options.include_imports:
        return None
    return _Objection(
        "is imported, and what it held before is the host's",
        "keeps a copy of it as instantiation found it",
    )


def _against_global(options: ResetOptions) -> _Objection | None:
    if options.include_imports:
        return None
    return _Objection(
        "is imported and mutable, so others use it", "puts it back to what instantiation found"
    )


def _segments(module: Module, targets: Targets, reasons: list[str]) -> None:
    side = targets.side
    memories = {*targets.memories, *([side.memory] if side is not None else [])}
    tables = {*targets.tables, *([side.table] if side is not None else [])}
    targets.data = [each for each in module.data if each.is_active and each.memory in memories]
    targets.elements = [each for each in module.elements if each.is_active and each.table in tables]
    for element in module.elements:
        if element.is_active or element.declarative:
            continue
        if any(makes_mutable_objects(item) for item in element.items):
            reasons.append(
                f"passive element segment {element} holds objects that can be changed, and can't "
                "be given new ones"
            )


def makes_mutable_objects(item: Function | Const | None) -> bool:
    """Whether evaluating a constant expression makes structs or arrays that can be changed."""
    return isinstance(item, Const) and any(
        _is_mutable(immediate) for instr in item.instrs for immediate in instr.immediates
    )


def _is_mutable(immediate: Any) -> bool:  # noqa: ANN401 - what an immediate is depends on its kind
    # Of what may stand in constant expressions, only what makes an object names a type directly.
    if not isinstance(immediate, Type):
        return False
    composite = immediate.definition.composite
    if isinstance(composite, StructType):
        return any(each.mutable for each in composite.fields)
    return isinstance(composite, ArrayType) and composite.field.mutable


# What is called afterwards


def _init(module: Module, wanted: str, reasons: list[str]) -> list[Function]:
    found: list[Function] = []
    names = wanted.replace(",", " ").split()
    if names == ["auto"]:
        names = _preset(module)
        if not names and module.start is None and _is_minified(module):
            reasons.append(
                "its names are minified, so init= has to say which exports the glue calls after "
                "instantiation (init=none: it calls none)"
            )
    elif names == ["none"]:
        names = []
    for name in names:
        export = module.exports.find(name)
        if export is None or not isinstance(export.entity, Function):
            exported = [each.name for each in module.exports if isinstance(each.entity, Function)]
            known = f"it exports {', '.join(exported)}" if len(exported) < 9 else "see its exports"
            reasons.append(f"init={name}: it exports no function of that name ({known})")
        elif export.entity.func_type.params:
            reasons.append(f"init={name}: the function takes parameters, which only the host knows")
        else:
            found.append(export.entity)
    return found


def names_wrongly(module: Module, wanted: str) -> bool:
    """Whether an ``init`` names what can't be called after a reset."""
    reasons: list[str] = []
    _init(module, wanted, reasons)
    return wanted != "auto" and bool(reasons)


def _preset(module: Module) -> list[str]:
    exported = {each.name for each in module.exports}
    names = []
    for entry in INIT_PRESETS:
        alternatives = (entry,) if isinstance(entry, str) else entry
        names += [name for name in alternatives if name in exported][:1]
    return names


def _is_minified(module: Module) -> bool:
    """Whether names say nothing, as Emscripten makes them when it optimises for size: all imports
    are from ``a``, and exports have a letter or two.
    """
    functions = [each.name for each in module.exports if isinstance(each.entity, Function)]
    modules = {each.module for each in module.imports}
    return modules == {"a"} and bool(functions) and all(len(name) <= 2 for name in functions)


# Side modules


def _side_module(module: Module, sizes: tuple[int, int]) -> Side:
    """Source: tool-conventions, "DynamicLinking"."""
    memory_size, table_size = sizes
    memory_import = module.imports.find("env", "memory")
    table_import = module.imports.find("env", "__indirect_function_table")
    memory: Any = None if memory_import is None else memory_import.entity
    table: Any = None if table_import is None else table_import.entity
    return Side(
        memory,
        _base(module, "__memory_base", memory) if memory is not None and memory_size else None,
        memory_size,
        table,
        _base(module, "__table_base", table) if table is not None and table_size else None,
        table_size,
    )


def _base(module: Module, name: str, shared: Memory | Table) -> Global:
    address = shared.type.limits.address
    found = module.imports.find("env", name)
    entity = None if found is None else found.entity
    if not isinstance(entity, Global) or entity.type.mutable or entity.type.type is not address:
        raise UnsupportedError(
            f"a side module (it has a 'dylink.0' section) should import env.{name}, an immutable "
            f"global of type {address}, which says where its part begins"
        )
    return entity


def _belongs_to_linker(global_: Global, side: Side | None) -> bool:
    """Whether the dynamic linker writes to the global, or shares it with other modules."""
    import_ = global_.imported
    if import_ is None:
        return False
    if import_.module in {"GOT.mem", "GOT.func"}:
        return True
    return side is not None and (import_.module, import_.name) == ("env", "__stack_pointer")


def _dylink_sizes(module: Module) -> tuple[int, int] | None:
    """Bytes and slots of a side module; ``None`` where it is none."""
    custom = module.custom("dylink.0")
    if custom is not None:
        data, at = custom.data, 0
        while at < len(data):
            kind = data[at]
            size, at = _leb(data, at + 1)
            if kind == _MEM_INFO:
                memory_size, at = _leb(data, at)
                _, at = _leb(data, at)
                table_size, _ = _leb(data, at)
                return memory_size, table_size
            at += size
        return 0, 0
    custom = module.custom("dylink")
    if custom is None:
        return None
    memory_size, at = _leb(custom.data, 0)
    _, at = _leb(custom.data, at)
    table_size, _ = _leb(custom.data, at)
    return memory_size, table_size


_MEM_INFO = 1


def _leb(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 35:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return value, at
    raise UnsupportedError("the 'dylink.0' section can't be read")
