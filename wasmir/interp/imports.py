"""What a module calls when it is evaluated: imports that do nothing, and are written down.

That is how compile-time descriptions are read: a function that says what it has to say by calling
an import, over and over, as wasm-bindgen's ``__wbindgen_describe_*`` do.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from wasmir.interp.boundary import call
from wasmir.interp.entities import Func, Global, Memory, Table, Tag
from wasmir.interp.heap import default
from wasmir.interp.instance import Instance
from wasmir.interp.program import Program
from wasmir.interp.values import to_host
from wasmir.ir.function import Function
from wasmir.ir.imports import ExternKind
from wasmir.types import GlobalType, NumType, TableType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wasmir.interp.heap import RunType
    from wasmir.interp.limits import Bounds
    from wasmir.ir.imports import Import
    from wasmir.ir.module import Module

__all__ = ["ImportCall", "placeholders", "trace_imports"]

# Emscripten's: calls a function of the table, for code that has no handlers of its own.
_INVOKE = re.compile(r"invoke_[a-z]+")


class ImportCall(NamedTuple):
    """A call of an import, with its arguments as the host sees them."""

    module: str
    name: str
    args: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.module}.{self.name}({', '.join(map(repr, self.args))})"


def trace_imports(
    module: Module,
    export_glob: str,
    import_glob: str = "*",
    *,
    skip: Iterable[str] = (),
    fuel: int | None = None,
    bounds: Bounds | None = None,
    validate: bool = True,
) -> dict[str, list[ImportCall]]:
    """Call each export that matches, in an instance of its own, and give the calls of matching
    imports that it makes, in order, by export.

    Globs are as in file names; one for imports matches ``name`` or ``module.name``. Every import is
    a placeholder: functions give zeros and nulls, globals are zero, but for ``__stack_pointer``,
    which is the end of memory. Emscripten's ``invoke_*`` make the call that they are for. Functions
    whose name, in the name section or as an export, matches a glob of ``skip`` aren't called, and
    give zeros and nulls too: constructors, say. Parameters of exports are zero.

    ``fuel`` and ``bounds`` are for each export. Raises Trap, WasmException, LinkError, and like
    :class:`~wasmir.interp.Program`.
    """
    program = Program(module, validate=validate, fuel=fuel is not None)
    skipped = _skipped(module, tuple(skip))
    found: dict[str, list[ImportCall]] = {}
    for export in module.exports:
        if not isinstance(export.entity, Function) or not fnmatchcase(export.name, export_glob):
            continue
        calls = found[export.name] = []

        def note(import_: Import, args: tuple[Any, ...], calls: list[ImportCall] = calls) -> None:
            both = f"{import_.module}.{import_.name}"
            if fnmatchcase(import_.name, import_glob) or fnmatchcase(both, import_glob):
                calls.append(ImportCall(import_.module, import_.name, args))

        imports, connect = placeholders(program, note)
        instance = Instance(program, imports, fuel=fuel, bounds=bounds, replaced=skipped)
        connect(instance)
        function: Func = instance.exports[export.name]
        call(function, tuple(to_host(default(type_), type_) for type_ in function.type.params))
    return found


def _skipped(module: Module, globs: tuple[str, ...]) -> dict[Function, Callable[..., Any]]:
    """What stands in place of functions that aren't called."""
    if not globs:
        return {}
    exported: dict[Any, list[str]] = {}
    for export in module.exports:
        exported.setdefault(export.entity, []).append(export.name)
    found = {}
    for function in module.functions:
        names = [*exported.get(function, ()), function.name or ""]
        if any(fnmatchcase(name, glob) for name in names for glob in globs):
            found[function] = _nothing(function.func_type.results)
    return found


def _nothing(results: tuple[Any, ...]) -> Callable[..., Any]:
    """A function that gives zeros and nulls, as compiled code has them."""
    values = tuple(map(default, results))
    found = None if not values else values[0] if len(values) == 1 else values
    return lambda *_args: found


def placeholders(
    program: Program, note: Callable[[Import, tuple[Any, ...]], None]
) -> tuple[dict[str, dict[str, Any]], Callable[[Instance], None]]:
    """Something for every import of a module; ``note`` hears of calls. What comes with it is to be
    called with the instance, for what imports need of it.
    """
    module, types = program.module, program.types
    instances: list[Instance] = []
    imports: dict[str, dict[str, Any]] = {}
    end = 0
    for memory in module.memories:
        limits = memory.type.limits
        shift = 16 if limits.page_size_log2 is None else limits.page_size_log2
        end = limits.minimum << shift
        break
    for import_ in module.imports:
        entity: Any = import_.entity
        made: Any
        match import_.kind:
            case ExternKind.FUNC:
                type_ = types[entity.type]
                made = Func(type_, _noted(import_, type_, note, instances), str(import_))
            case ExternKind.TABLE:
                kind = types.value(entity.type.element)
                made = Table(TableType(kind, entity.type.limits))  # type: ignore[arg-type]
            case ExternKind.MEMORY:
                made = Memory(entity.type)
            case ExternKind.TAG:
                made = Tag(types[entity.type], import_.name)
            case _:
                kind = types.value(entity.type.type)
                made = Global.__new__(Global)
                made.type = GlobalType(kind, entity.type.mutable)
                is_stack = import_.name == "__stack_pointer" and isinstance(kind, NumType)
                made.raw = end if is_stack else default(kind)
        imports.setdefault(import_.module, {})[import_.name] = made
    return imports, instances.append


def _noted(
    import_: Import,
    type_: RunType,
    note: Callable[[Import, tuple[Any, ...]], None],
    instances: list[Instance],
) -> Callable[..., Any]:
    nothing = _nothing(type_.results)
    invokes = _INVOKE.fullmatch(import_.name) is not None

    def noted(*raw: Any) -> Any:
        note(import_, tuple(map(to_host, raw, type_.params)))
        if invokes and instances:
            return _invoked(instances[0], raw)
        return nothing()

    return noted


def _invoked(instance: Instance, raw: tuple[Any, ...]) -> Any:
    """The call itself: placeholders throw nothing that would have to be noted."""
    table = instance.exports.get("__indirect_function_table")
    if not isinstance(table, Table):
        table = instance.entity(instance.module.tables[0])
    return table.elements[raw[0]].call(*raw[1:])
