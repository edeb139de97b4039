"""The name section. What is broken in it is left out: names are never a reason to refuse a module.

Source: specification, Appendix, "Custom Sections"; the extended-name-section proposal.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from wasmir.errors import MalformedError
from wasmir.ir.names import INDIRECT, SUBSECTIONS, NameMap, Names
from wasmir.wire import Reader, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wasmir.ir.custom import Custom
    from wasmir.ir.module import Module

__all__ = ["encode_names", "is_readable", "labelled_functions", "read_names"]

T = TypeVar("T")

_MODULE = 0
_SPACES = {id_: space for space, id_ in SUBSECTIONS.items()}


def read_names(module: Module) -> Names:
    names = Names()
    custom = module.custom("name")
    if custom is None:
        return names
    with suppress(MalformedError):
        _read(custom, names)
    return names


def _read(custom: Custom, names: Names) -> None:
    for id_, subsection, _ in _subsections(custom):
        space = _SPACES.get(id_)
        if id_ == _MODULE:
            names.module = subsection.name()
        elif space in INDIRECT:
            known = names.indirect.setdefault(space, {})
            for _ in range(subsection.count()):
                _read_map(subsection, known.setdefault(subsection.u32(), {}))
        elif space is not None:
            _read_map(subsection, names.maps.setdefault(space, {}))


def _subsections(custom: Custom) -> Iterator[tuple[int, Reader, bytes]]:
    """The id of each, its content, and all of its bytes."""
    data = custom.data
    reader = Reader(data)
    while not reader.at_end():
        start = reader.pos
        id_ = reader.byte()
        content = reader.sized()
        yield id_, content, data[start : reader.pos]


def labelled_functions(custom: Custom) -> frozenset[int]:
    """The functions whose labels have names."""
    found: set[int] = set()
    try:
        for id_, subsection, _ in _subsections(custom):
            if _SPACES.get(id_) == "label":
                for _ in range(subsection.count()):
                    found.add(subsection.u32())
                    _read_map(subsection, {})
    except MalformedError:
        pass
    return frozenset(found)


def is_readable(custom: Custom) -> bool:
    """Whether the section is what its format asks for."""
    try:
        _read(custom, Names())
    except MalformedError:
        return False
    return True


def _read_map(reader: Reader, names: NameMap) -> None:
    for _ in range(reader.count()):
        index = reader.u32()
        names.setdefault(index, reader.name())


def encode_names(
    module: Module,
    names: Names,
    moved: frozenset[str],
    index: Callable[[str, int], int | None],
    labels: dict[int, NameMap],
) -> bytes | None:
    """The section's content, if it is no longer what it was; subsections that are stay.

    ``index(space, code number)`` is ``None`` for what was removed. ``labels`` has the names of the
    labels of functions, by code number, where edits moved them.
    """
    affected = names.changed | {
        space for space in SUBSECTIONS if space in moved or INDIRECT.get(space) in moved
    }
    if labels:
        affected.add("label")
    custom = module.custom("name")
    pieces: dict[int, bytes] = {}
    if custom is not None:
        try:
            pieces = {id_: whole for id_, _, whole in _subsections(custom)}
        except MalformedError:
            if not names.changed:
                return None
    before = dict(pieces)
    for space in affected:
        content = _encode(names, space, index, labels)
        id_ = SUBSECTIONS.get(space, _MODULE)
        if content is None:
            pieces.pop(id_, None)
        elif id_ in pieces or space in names.changed:
            writer = Writer()
            writer.byte(id_)
            writer.sized(content)
            pieces[id_] = writer.getvalue()
    if pieces == before:
        return None
    # Subsections stand in the order of their ids; those of the input stay in theirs.
    order = list(before)
    for id_ in sorted(pieces.keys() - before.keys()):
        order.insert(sum(known < id_ for known in order), id_)
    return b"".join(pieces[id_] for id_ in order if id_ in pieces)


def _encode(
    names: Names,
    space: str,
    index: Callable[[str, int], int | None],
    labels: dict[int, NameMap],
) -> bytes | None:
    writer = Writer()
    if space not in SUBSECTIONS:
        if names.module is None:
            return None
        writer.name(names.module)
    elif space in INDIRECT:
        outer = INDIRECT[space]
        known = names.indirect.get(space, {})
        if space == "label" and labels:
            known = {number: each for number, each in (known | labels).items() if each}
        placed = _placed(known, lambda number: index(outer, number))
        if not placed:
            return None
        writer.unsigned(len(placed))
        for number, inner in placed:
            writer.unsigned(number)
            _write_map(writer, sorted(inner.items()))
    else:
        found = _placed(names.maps.get(space, {}), lambda number: index(space, number))
        if not found:
            return None
        _write_map(writer, found)
    return writer.getvalue()


def _placed(names: dict[int, T], index: Callable[[int], int | None]) -> list[tuple[int, T]]:
    """By index instead of code number, in order; without what was removed."""
    found = []
    for number, name in names.items():
        place = index(number)
        if place is not None:
            found.append((place, name))
    return sorted(found, key=lambda pair: pair[0])


def _write_map(writer: Writer, names: list[tuple[int, str]]) -> None:
    writer.unsigned(len(names))
    for index, name in names:
        writer.unsigned(index)
        writer.name(name)
