"""Custom sections that follow the code: what of them can be brought up to date, and what can't.

Sources: tool-conventions, "Code Metadata"; specification, Appendix, "Custom Sections", for names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from wasmir.binary.names import is_readable, labelled_functions
from wasmir.errors import MalformedError
from wasmir.ir.offsets import Tracking
from wasmir.wire import Reader, Writer, encode_unsigned

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir.ir.custom import Custom
    from wasmir.ir.module import Module
    from wasmir.ir.offsets import Moves

__all__ = [
    "METADATA",
    "Changed",
    "moved_metadata",
    "stale_customs",
    "tracking",
]

METADATA = "metadata.code."
"""How the names of sections begin that hold code metadata."""


def tracking(module: Module) -> Tracking | None:
    """Which functions something speaks of that has to be followed through edits, if there are."""
    hinted: set[int] = set()
    labelled: frozenset[int] = frozenset()
    for custom in module.customs:
        if custom.name.startswith(METADATA):
            hinted.update(entry.function for entry in _read_metadata(custom) or ())
        elif custom.name == "name":
            labelled |= labelled_functions(custom)
    numbers = labelled | hinted
    return Tracking(numbers, labelled) if numbers else None


class _Entry(NamedTuple):
    """What code metadata says of one function."""

    function: int
    #: As it stands in the section.
    wire: bytes
    #: An offset from the start of the function's code, and what is said of what stands there.
    points: list[tuple[int, bytes]]


def _read_metadata(custom: Custom) -> list[_Entry] | None:
    """``None`` where it isn't in the form that the conventions give it."""
    reader = Reader(custom.data)
    found: list[_Entry] = []
    try:
        for _ in range(reader.count()):
            function = reader.u32()
            start = reader.pos
            points = reader.vec(lambda point: (point.u32(), point.take(point.length())))
            found.append(_Entry(function, reader.data[start : reader.pos], points))
    except MalformedError:
        return None
    return found


def moved_metadata(
    custom: Custom,
    index: Callable[[str, int], int | None],
    moves: Callable[[int], Moves | None],
) -> bytes:
    """Code metadata for the code that is written. ``index`` gives the index for a function's code
    number, ``None`` where it was removed; ``moves`` where its code went, ``None`` if nowhere.

    What was said of instructions that are gone, goes too.
    """
    entries = _read_metadata(custom)
    if entries is None:
        return custom.data
    found: list[tuple[int, bytes]] = []
    for entry in entries:
        function = index("func", entry.function)
        if function is not None:
            moved = moves(entry.function)
            hints = entry.wire if moved is None else _moved_points(entry, moved)
            if hints is not None:
                found.append((function, hints))
    found.sort(key=lambda entry: entry[0])
    if found == [(entry.function, entry.wire) for entry in entries]:
        return custom.data
    return encode_unsigned(len(found)) + b"".join(
        encode_unsigned(function) + hints for function, hints in found
    )


def _moved_points(entry: _Entry, moves: Moves) -> bytes | None:
    """What is said of a function whose code moved; ``None`` where nothing is left of it."""
    placed = [(moves.new(offset), value) for offset, value in entry.points]
    kept = sorted((offset, value) for offset, value in placed if offset is not None)
    if kept == entry.points:
        return entry.wire
    if not kept:
        return None
    writer = Writer()
    writer.unsigned(len(kept))
    for offset, value in kept:
        writer.unsigned(offset)
        writer.sized(value)
    return writer.getvalue()


class Changed(NamedTuple):
    """What is different about the file that is written, as far as custom sections speak of it."""

    #: The code section's content.
    code: bool
    #: Where the code section stands, or its content.
    position: bool
    #: Any section but custom ones.
    sections: bool
    #: Index spaces in which something moved.
    spaces: frozenset[str]


def stale_customs(module: Module, changed: Changed) -> dict[str, str]:
    """Custom sections that will describe what is no longer there, with what is wrong with each.

    One whose content was assigned speaks of what its author knew, so it isn't among them.
    """
    stale: dict[str, str] = {}
    for custom in module.customs:
        reason = None if custom.changed else _staleness(custom, changed)
        if reason is not None:
            stale[custom.name] = reason
    return stale


def _staleness(custom: Custom, changed: Changed) -> str | None:
    name = custom.name
    if name.startswith(METADATA):
        unknown = (changed.code or "func" in changed.spaces) and _read_metadata(custom) is None
        return _UNREADABLE if unknown else None
    if name == "name":
        return _UNREADABLE if changed.spaces and not is_readable(custom) else None
    if name == "sourceMappingURL":
        return _OFFSETS if changed.position else None
    if custom.offset_bearing:
        return _OFFSETS if changed.code else None
    if custom.relocatable:
        return _RELOCATABLE if changed.sections else None
    return None


_UNREADABLE = "can't be read, so it may speak of what is no longer there"
_OFFSETS = "holds offsets into the code as it was"
_RELOCATABLE = "holds offsets, indices and sizes of an object file as it was"
