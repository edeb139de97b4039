"""What a module's bytes are spent on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wasmir.errors import MalformedError
from wasmir.ir.bulk import bulk_work
from wasmir.ir.checks import check_module
from wasmir.ir.codec import codec
from wasmir.ir.module import Module
from wasmir.ir.names import SUBSECTIONS
from wasmir.namespaces import namespaces
from wasmir.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wasmir.ir.codec import Section
    from wasmir.ir.custom import Custom

__all__ = ["Part", "Sizes", "measure"]

_CODE, _DATA, _ELEMENT = 10, 11, 9
_PREAMBLE = 8

_NAMES = {id_: space for space, id_ in SUBSECTIONS.items()} | {0: "module"}


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a module that have something in common; the ``parts`` are all of them."""

    name: str
    #: Bytes.
    size: int
    parts: tuple[Part, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Name, size and parts, for JSON."""
        top: dict[str, Any] = {}
        pending: list[tuple[Part, dict[str, Any]]] = [(self, top)]
        while pending:
            part, shown = pending.pop()
            shown |= {"name": part.name, "size": part.size}
            if part.parts:
                shown["parts"] = [{} for _ in part.parts]
                pending += zip(part.parts, shown["parts"], strict=True)
        return top


@dataclass(frozen=True)
class Sizes:
    """What :func:`measure` finds; sizes are in bytes."""

    #: All of it: sections, and what is in them; functions by where they come from.
    whole: Part
    #: Each function that is defined, with its index and its code, the length in front included.
    functions: list[tuple[int, Part]]
    #: Functions by the outermost of their :func:`~wasmir.namespaces.namespaces`: how many there
    #: are, and how large. Those without one are not among them.
    groups: dict[str, tuple[int, int]]
    #: Each data segment, with its index.
    data: list[tuple[int, Part]]
    #: What made the module, by sort: ``language``, ``processed-by``, ``sdk``.
    producers: dict[str, list[str]]


def measure(module: Module) -> Sizes:
    """The sizes of a module as it would be written. Raises MalformedError, InvalidError."""
    check_module(module)
    with bulk_work():
        module = Module.from_bytes(module.encode().data)
        functions = _without_lone_prefixes(list(_functions(module)))
        groups: dict[str, tuple[int, int]] = {}
        for _, part, path in functions:
            if path:
                count, size = groups.get(path[0], (0, 0))
                groups[path[0]] = count + 1, size + part.size
        data = list(_segments(module, "data"))
        sections = [_section(module, each, functions, data) for each in module.sections]
        whole = Part("module", len(module.source), (Part("preamble", _PREAMBLE), *sections))
    return Sizes(
        whole, [(index, part) for index, part, _ in functions], groups, data, _producers(module)
    )


def _functions(module: Module) -> Iterator[tuple[int, Part, tuple[str, ...]]]:
    """Index and size of each function, and where it comes from."""
    at = 0
    for section in module.sections:
        if section.id == _CODE:
            reader = Reader(module.source, section.content, section.end)
            reader.u32()
            at = reader.pos
    exported = {each.entity: each.name for each in reversed(module.exports)}
    for index, function in enumerate(module.functions):
        if function.imported is None:
            # Where there is no name section, exports may be all of the names.
            name = function.name or exported.get(function)
            shown = f"function {index}" if name is None else name
            path = () if name is None else namespaces(name)
            yield index, Part(shown, function._end - at), path
            at = function._end


def _without_lone_prefixes(
    functions: list[tuple[int, Part, tuple[str, ...]]],
) -> list[tuple[int, Part, tuple[str, ...]]]:
    """How a name begins says nothing where no other does so."""
    counts = Counter(path[0] for _, _, path in functions if path)
    return [
        (index, part, () if path and path[0].endswith("_") and counts[path[0]] == 1 else path)
        for index, part, path in functions
    ]


def _segments(module: Module, space: str) -> Iterator[tuple[int, Part]]:
    for index, segment in enumerate(module.space(space)):
        start, end = segment._wire
        yield index, Part(f"{segment.what} {segment}", end - start)


def _section(
    module: Module,
    section: Section,
    functions: list[tuple[int, Part, tuple[str, ...]]],
    data: list[tuple[int, Part]],
) -> Part:
    size = section.end - section.start
    custom = section.custom
    if custom is not None:
        inside = list(_name_parts(custom)) if custom.name == "name" else []
        return _filled(f'custom "{custom.name}"', size, inside)
    inside = []
    if section.id == _CODE:
        inside = _nested(functions)
    elif section.id == _DATA:
        inside = [part for _, part in data]
    elif section.id == _ELEMENT:
        inside = [part for _, part in _segments(module, "elem")]
    return _filled(codec().section_name(section.id), size, inside)


def _filled(name: str, size: int, inside: Iterable[Part]) -> Part:
    """A section with what is in it, its head and the like included."""
    parts = tuple(inside)
    rest = size - sum(part.size for part in parts)
    return Part(name, size, (*parts, Part("head", rest)) if parts and rest else parts)


class _Folder:
    def __init__(self) -> None:
        self.folders: dict[str, _Folder] = {}
        self.parts: list[Part] = []


def _nested(functions: list[tuple[int, Part, tuple[str, ...]]]) -> list[Part]:
    """Functions in namespaces in namespaces, of which there are only a few levels."""
    top = _Folder()
    for _, part, path in functions:
        folder = top
        for name in path:
            folder = folder.folders.setdefault(name, _Folder())
        folder.parts.append(part)

    def made(folder: _Folder) -> list[Part]:
        inside = list(folder.parts)
        for name, each in folder.folders.items():
            parts = made(each)
            inside.append(Part(name, sum(part.size for part in parts), tuple(parts)))
        return inside

    return made(top)


def _name_parts(custom: Custom) -> Iterator[Part]:
    """The name section's subsections, as far as they can be read."""
    data = custom.data
    reader = Reader(data)
    try:
        while not reader.at_end():
            start = reader.pos
            kind = reader.byte()
            length = reader.length()
            reader.pos += length
            named = _NAMES.get(kind, f"subsection {kind}")
            yield Part(f"names: {named}", reader.pos - start)
    except MalformedError:
        return


def _producers(module: Module) -> dict[str, list[str]]:
    """What the section of that name says; nothing where it can't be read. Source: tool conventions,
    "ProducersSection".
    """
    custom = module.custom("producers")
    found: dict[str, list[str]] = {}
    if custom is None:
        return found
    reader = Reader(custom.data)
    try:
        for _ in range(reader.count()):
            sort = reader.name()
            listed = found.setdefault(sort, [])
            for _ in range(reader.count()):
                name, version = reader.name(), reader.name()
                listed.append(f"{name} {version}".strip())
    except MalformedError:
        return {}
    return found
