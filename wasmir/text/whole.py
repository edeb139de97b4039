"""A whole module as text, or a part of it.

Fields come in the order of a binary's sections, custom sections between them where they stand.
Nothing is kept of a field once it is written, so the text of a module takes no more memory than
the module does.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeAlias

from wasmir.errors import InvalidError, WasmError
from wasmir.ir.bulk import bulk_work
from wasmir.ir.fork import divided, fork, may_fork
from wasmir.text.names import NOTHING
from wasmir.text.printer import Printer, Style

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from wasmir.ir.custom import Custom
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module
    from wasmir.ir.type import Group

    Track = Callable[[Sequence[Function]], Iterable[Function]]
    Paint = Callable[[str], str]

__all__ = ["chunks", "field_of", "write"]

Span: TypeAlias = "tuple[int, int] | None"
"""Where something begins and ends in the input, if it is from there."""

# Sections by their ids, as the places of custom sections are called. There is no word for the
# data count.
_PLACES = {
    1: "type",
    2: "import",
    3: "func",
    4: "table",
    5: "memory",
    13: "tag",
    6: "global",
    7: "export",
    8: "start",
    9: "elem",
    10: "code",
    11: "data",
}
_DATA_COUNT = 12


class _Field(NamedTuple):
    span: Span
    text: Callable[[], str]


def chunks(module: Module, style: Style, within: Span = None) -> Iterator[str]:
    """The module's text in pieces; of fields and instructions only those with bytes ``within`` some
    of the input's, if so asked.

    Raises MalformedError, InvalidError, and UnsupportedError for what text has no room for.
    """
    printer = _printer(module, style)
    before, behind = _fields(printer)
    yield _opening(printer)
    yield from _lines(printer, before, within)
    for function in _defined(module):
        if _overlap((function._start, function._end), within):
            yield _function(printer, function, within)
    yield from _lines(printer, behind, within)
    yield ")\n"


def _printer(module: Module, style: Style) -> Printer:
    with bulk_work():
        module.read_all()
        return Printer(module, style)


def _opening(printer: Printer) -> str:
    own = printer.identifiers.own
    return "(module\n" if own is NOTHING else f"(module {own}\n"


def _defined(module: Module) -> list[Function]:
    return [function for function in module.functions if function.imported is None]


def _function(printer: Printer, function: Function, within: Span = None) -> str:
    where = _comment(printer, (function._start, function._end) if function.is_raw else None)
    return f"  {where}{printer.function(function, within)}\n"


def _lines(printer: Printer, fields: Iterable[_Field], within: Span) -> Iterator[str]:
    for span, text in fields:
        if _overlap(span, within):
            yield f"  {_comment(printer, span)}{text()}\n"


def _overlap(span: Span, within: Span) -> bool:
    if within is None:
        return True
    return span is not None and span[0] < within[1] and within[0] < span[1]


def _comment(printer: Printer, span: Span) -> str:
    return f"(;@{span[0]:x};) " if printer.style.offsets and span is not None else ""


def write(
    module: Module,
    stream: BinaryIO,
    style: Style,
    jobs: int = 1,
    track: Track | None = None,
    paint: Paint | None = None,
) -> None:
    """Write the module's text as UTF-8. Raises like :func:`chunks`.

    With ``jobs`` the functions are divided among so many processes, where processes can fork; what
    is written is the same. ``track`` wraps the functions, to show progress; ``paint`` is what each
    piece goes through.
    """
    printer = _printer(module, style)

    def put(text: str, to: BinaryIO = stream) -> None:
        to.write((text if paint is None else paint(text)).encode())

    before, behind = _fields(printer)
    put(_opening(printer))
    for text in _lines(printer, before, None):
        put(text)
    functions = _defined(module)
    parts = [functions]
    if jobs > 1 and len(functions) > 1 and may_fork():
        parts = divided(functions, jobs)

    def print_to(part: Iterable[Function], to: BinaryIO) -> None:
        for function in part:
            put(_function(printer, function), to)

    def share(part: list[Function], to: BinaryIO) -> WasmError | int:
        """What another process does: text to a file of its own. Its size, or what went wrong."""
        try:
            print_to(part, to)
            to.flush()
        except WasmError as error:
            return error
        return to.tell()

    with bulk_work(), ExitStack() as open_:
        workers = []
        for part in parts[1:]:
            file = open_.enter_context(tempfile.TemporaryFile())
            worker = fork(partial(share, part, file))
            if worker is not None:
                open_.callback(worker.close)
            workers.append((worker, part, file))
        print_to(parts[0] if track is None else track(parts[0]), stream)
        for worker, part, file in workers:
            result = None if worker is None else worker.result()
            if isinstance(result, WasmError):
                raise result
            if result is None or result != file.seek(0, 2):
                # It could not be started, or died: somebody has to do it.
                print_to(part, stream)
            else:
                file.seek(0)
                shutil.copyfileobj(file, stream, 1 << 20)
    for text in _lines(printer, behind, None):
        put(text)
    put(")\n")


def field_of(function: Function, style: Style, within: Span = None) -> str:
    """A function's field: its import, if it is imported. Raises like :func:`chunks`."""
    printer = Printer(function.module, style)
    if function.imported is None:
        # As it is on its own, not in a module.
        return printer.function(function, within).replace("\n  ", "\n")
    return next(iter(printer.fields.imports([function.imported])))[1]


# Everything but functions


def _fields(printer: Printer) -> tuple[Iterator[_Field], Iterator[_Field]]:
    """The fields in front of functions, and those behind them."""
    module = printer.module
    customs = _customs(printer)

    def placed(*places: str) -> Iterator[_Field]:
        for place in places:
            for custom, span, spelled in customs.get(place, ()):
                yield _Field(span, partial(printer.fields.custom, custom, spelled))

    def entities(space: str, show: Callable[[Any], str]) -> Iterator[_Field]:
        for entity in module.space(space):
            if getattr(entity, "imported", None) is None:
                yield _Field(entity._wire, partial(show, entity))
        yield from placed(space)

    def before() -> Iterator[_Field]:
        fields = printer.fields
        yield from placed("first")
        for group in _groups(module):
            yield _Field(group._wire, partial(fields.group, group))
        yield from placed("type")
        for import_, text in fields.imports(module.imports):
            yield _Field(import_._group and import_._group[0], partial(str, text))
        yield from placed("import", "func")
        yield from entities("table", fields.table)
        yield from entities("memory", fields.memory)
        yield from entities("tag", fields.tag)
        yield from entities("global", fields.global_)
        for export in module.exports:
            wire = export._wire
            yield _Field(wire and (wire[0], wire[2]), partial(fields.export, export))
        yield from placed("export")
        if module.start is not None:
            span = next(((each.start, each.end) for each in module.sections if each.id == 8), None)
            yield _Field(span, partial(fields.start, module.start))
        yield from placed("start")
        yield from entities("elem", fields.element)
        yield from placed("before code")

    def behind() -> Iterator[_Field]:
        yield from placed("code")
        yield from entities("data", printer.fields.data)
        yield from placed("last")

    return before(), behind()


def _groups(module: Module) -> Iterator[Group]:
    """The recursive groups. Raises InvalidError where edits tore one apart."""
    types = iter(module.types)
    for first in types:
        group = first.group
        if [first, *islice(types, len(group.types) - 1)] != group.types:
            raise InvalidError(
                f"the types of a recursive group stand together and in order: {first!r}"
            )
        yield group


def _customs(printer: Printer) -> dict[str, list[tuple[Custom, Span, str]]]:
    """Custom sections with what says where they stand, by what they come behind here.

    Not among them is what the text says in other ways: names and branch hints.
    """
    sections = printer.module.sections
    found: dict[str, list[tuple[Custom, Span, str]]] = {}
    names = printer.module.custom("name")
    last = max((at for at, each in enumerate(sections) if each.custom is None), default=-1)
    place, spelled = "first", "(before first)"
    for at, section in enumerate(sections):
        custom = section.custom
        if custom is None:
            place = _PLACES.get(section.id, "before code")
            spelled = f"({place})" if section.id == _DATA_COUNT else f"(after {place})"
        elif custom is not names and custom is not printer.hints.custom:
            if at > last:
                # What has no place goes behind all that is known.
                place, spelled = "last", ""
            span = section.start, section.end
            found.setdefault(place, []).append((custom, span, spelled))
    return found
