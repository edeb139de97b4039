"""What a module calls when it is evaluated: imports that do nothing, and are written down.

That is how compile-time descriptions are read: a function that says what it has to say by calling
an import, over and over, as wasm-bindgen's ``__wbindgen_describe_*`` do.
"""

from __future__ import annotations

from contextlib import suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from wasmir.interp.boundary import call
from wasmir.interp.emscripten import Emscripten
from wasmir.interp.entities import Func, Global, Memory, Table, Tag
from wasmir.interp.faults import Trap
from wasmir.interp.heap import default
from wasmir.interp.instance import Instance
from wasmir.interp.program import Program
from wasmir.interp.values import to_host
from wasmir.ir.function import Function
from wasmir.ir.imports import ExternKind
from wasmir.types import GlobalType, NumType, TableType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from wasmir.interp.heap import RunType
    from wasmir.interp.limits import Bounds
    from wasmir.ir.imports import Import
    from wasmir.ir.module import Module

__all__ = ["ImportCall", "callers", "placeholders", "trace_imports"]


class ImportCall(NamedTuple):
    """A call of an import, with its arguments as the host sees them."""

    module: str
    name: str
    args: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.module}.{self.name}({', '.join(map(repr, self.args))})"


class _EndedError(Trap):
    """The evaluation came to where it was to end."""


@overload
def trace_imports(
    module: Module,
    functions: str,
    import_glob: str = "*",
    *,
    until: str | None = None,
    skip: Iterable[str | Function] = (),
    fuel: int | None = None,
    bounds: Bounds | None = None,
    validate: bool = True,
) -> dict[str, list[ImportCall]]: ...


@overload
def trace_imports(
    module: Module,
    functions: Iterable[Function],
    import_glob: str = "*",
    *,
    until: str | None = None,
    skip: Iterable[str | Function] = (),
    fuel: int | None = None,
    bounds: Bounds | None = None,
    validate: bool = True,
) -> dict[Function, list[ImportCall]]: ...


def trace_imports(
    module: Module,
    functions: str | Iterable[Function],
    import_glob: str = "*",
    *,
    until: str | None = None,
    skip: Iterable[str | Function] = (),
    fuel: int | None = None,
    bounds: Bounds | None = None,
    validate: bool = True,
) -> Mapping[Any, list[ImportCall]]:
    """Call functions, each in an instance of its own, and give the calls of matching imports that
    it makes, in order. ``functions`` is a glob of exports, whose names are the keys then, or they
    are functions of the module: :func:`callers` finds some.

    Globs are as in file names; one for imports matches ``name`` or ``module.name``. Every import is
    a placeholder: functions give zeros and nulls, globals are zero, but for ``__stack_pointer``,
    which is the end of memory. Emscripten's imports for exceptions do what they are for, see
    :mod:`~wasmir.interp.emscripten`: its ``invoke_*`` call.

    At a call of an import that matches ``until`` the evaluation ends; it is the last one noted.
    Functions of ``skip``, or whose name, in the name section or as an export, matches a glob there,
    aren't called, and give zeros and nulls: constructors, say. Parameters are zero.

    ``fuel`` and ``bounds`` are for each function. Raises Trap, WasmException, EmscriptenException,
    LinkError, and like :class:`~wasmir.interp.Program`.
    """
    program = Program(module, validate=validate, fuel=fuel is not None)
    skipped = _skipped(module, tuple(skip))
    chosen: dict[Any, Function] = {}
    if isinstance(functions, str):
        for export in module.exports:
            if isinstance(export.entity, Function) and fnmatchcase(export.name, functions):
                chosen[export.name] = export.entity
    else:
        chosen = {function: function for function in functions}
    found: dict[Any, list[ImportCall]] = {}
    for key, function in chosen.items():
        calls = found[key] = []

        def note(import_: Import, args: tuple[Any, ...], calls: list[ImportCall] = calls) -> None:
            ends = until is not None and _matches(import_, until)
            if ends or _matches(import_, import_glob):
                calls.append(ImportCall(import_.module, import_.name, args))
            if ends:
                raise _EndedError("here it was to end")

        imports, connect = placeholders(program, note)
        with suppress(_EndedError):
            instance = Instance(program, imports, fuel=fuel, bounds=bounds, replaced=skipped)
            connect(instance)
            target: Func = instance.entity(function)
            call(target, tuple(to_host(default(type_), type_) for type_ in target.type.params))
    return found


def callers(module: Module, import_glob: str) -> list[Function]:
    """The functions that call imports which match, by themselves. Raises MalformedError and
    InvalidError.
    """
    uses = module.uses()
    found = {
        caller
        for import_ in module.imports
        if isinstance(import_.entity, Function) and _matches(import_, import_glob)
        for caller in uses.callers(import_.entity)
    }
    return sorted(found, key=lambda function: function.index)


def _matches(import_: Import, glob: str) -> bool:
    both = f"{import_.module}.{import_.name}"
    return fnmatchcase(import_.name, glob) or fnmatchcase(both, glob)


def _skipped(
    module: Module, skip: tuple[str | Function, ...]
) -> dict[Function, Callable[..., Any]]:
    """What stands in place of functions that aren't called."""
    if not skip:
        return {}
    globs = [each for each in skip if isinstance(each, str)]
    exported: dict[Any, list[str]] = {}
    for export in module.exports:
        exported.setdefault(export.entity, []).append(export.name)
    found = {}
    for function in module.functions:
        names = [*exported.get(function, ()), function.name or ""]
        if function in skip or any(fnmatchcase(name, glob) for name in names for glob in globs):
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
    emscripten = Emscripten()
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
                made = Func(type_, _noted(import_, type_, note, emscripten), str(import_))
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
    return imports, emscripten.connect


def _noted(
    import_: Import,
    type_: RunType,
    note: Callable[[Import, tuple[Any, ...]], None],
    emscripten: Emscripten,
) -> Callable[..., Any]:
    does = emscripten.function(import_.name) or _nothing(type_.results)

    def noted(*raw: Any) -> Any:
        note(import_, tuple(map(to_host, raw, type_.params)))
        return does(*raw)

    return noted
