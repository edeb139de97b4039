"""Custom sections that follow the code: what of them can be brought up to date, and what can't.

Sources: tool-conventions, "The target features section", "Code Metadata"; specification, Appendix,
"Custom Sections", for names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmir.errors import MalformedError
from wasmir.wire import Reader, Writer, encode_unsigned

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from wasmir.ir.custom import Custom
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module

__all__ = ["METADATA", "code_moved", "moved_metadata", "require_target_feature"]

_USED = ord("+")

METADATA = "metadata.code."
"""How the names of sections begin that hold code metadata."""


def require_target_feature(module: Module, name: str) -> None:
    custom = module.custom("target_features")
    if custom is None:
        return
    reader = Reader(custom.data)
    try:
        entries = reader.vec(lambda entry: (entry.byte(), entry.name()))
    except MalformedError:
        # Not in the form that the conventions give it: nothing that could be kept true.
        return
    if any(known == name and prefix == _USED for prefix, known in entries):
        return
    entries = [(prefix, known) for prefix, known in entries if known != name]
    entries.append((_USED, name))
    writer = Writer()
    writer.unsigned(len(entries))
    for prefix, known in entries:
        writer.byte(prefix)
        writer.name(known)
    custom.data = writer.getvalue()


def code_moved(module: Module, functions: Collection[Function]) -> dict[str, str]:
    """See :meth:`wasmir.ir.module.Module.code_moved`."""
    gone = frozenset(function._number for function in functions)
    stale: dict[str, str] = {}
    # Labels are numbered in the order of their blocks, which a change of the code upsets.
    for function in functions:
        function.label_names = {}
    for custom in module.customs:
        if custom.name.startswith(METADATA):
            try:
                _drop_entries(custom, gone)
            except MalformedError as error:
                stale[custom.name] = f"can't be read, so it may speak of old code: {error}"
        elif custom.offset_bearing:
            stale[custom.name] = "holds offsets into the code as it was"
    return stale


def _drop_entries(custom: Custom, gone: frozenset[int]) -> None:
    """Code metadata: per function, offsets from its start with bytes for each."""
    content = _without(Reader(custom.data), gone, _skip_hints)
    if content is not None:
        custom.data = content


def moved_metadata(custom: Custom, index: Callable[[str, int], int | None]) -> bytes:
    """Code metadata with indices for the functions' code numbers; without removed functions."""
    reader = Reader(custom.data)
    found: list[tuple[int, bytes]] = []
    try:
        for _ in range(reader.count()):
            function = index("func", reader.u32())
            start = reader.pos
            _skip_hints(reader)
            if function is not None:
                found.append((function, reader.data[start : reader.pos]))
    except MalformedError:
        # Nobody can tell what it speaks of.
        return custom.data
    found.sort(key=lambda entry: entry[0])
    return encode_unsigned(len(found)) + b"".join(
        encode_unsigned(function) + hints for function, hints in found
    )


def _skip_hints(reader: Reader) -> None:
    for _ in range(reader.count()):
        reader.u32()
        reader.take(reader.length())


def _without(reader: Reader, gone: frozenset[int], skip: Callable[[Reader], None]) -> bytes | None:
    """A vector of entries that begin with a function index, less those of some functions;
    ``None`` where it has none of theirs.
    """
    kept: list[bytes] = []
    count = reader.count()
    for _ in range(count):
        start = reader.pos
        index = reader.u32()
        skip(reader)
        if index not in gone:
            kept.append(reader.data[start : reader.pos])
    if len(kept) == count:
        return None
    return encode_unsigned(len(kept)) + b"".join(kept)
