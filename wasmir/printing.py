"""What ``wasmir print`` prints, and where to."""

from __future__ import annotations

import shutil
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from wasmir.errors import InvalidError
from wasmir.ir.files import whole_file
from wasmir.ir.fork import default_jobs
from wasmir.ir.imports import ExternKind
from wasmir.pipeline import track
from wasmir.suggest import suggestion
from wasmir.text import Style, chunks, field_of, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from wasmir.ir.function import Function
    from wasmir.ir.module import Module

__all__ = ["Style", "find_function", "parse_range", "print_module"]


def parse_range(text: str) -> tuple[int, int]:
    """``0x1a0:0x200``, the second not included, or one offset. Raises ValueError."""
    first, colon, end = text.partition(":")
    start = int(first, 0)
    behind = int(end, 0) if colon else start + 1
    if not 0 <= start < behind:
        raise ValueError(f"{text!r} is no range of bytes")
    return start, behind


def find_function(module: Module, text: str) -> Function:
    """The function that has this index, name or export. Raises InvalidError where there is none, or
    where it is not clear which.
    """
    if text.isdecimal():
        index = int(text)
        if index >= len(module.functions):
            raise InvalidError(f"unknown function {index}: there are {len(module.functions)}")
        return module.functions[index]
    exported = module.exports.find(text)
    found = [each for each in module.functions if each.name == text]
    if exported is not None and exported.kind is ExternKind.FUNC:
        function: Any = exported.entity
        if not found or found == [function]:
            return function  # type: ignore[no-any-return]
        found = list(dict.fromkeys([function, *found]))
    if not found:
        raise InvalidError(f"unknown function {text!r}{_like(module, text)}")
    if len(found) > 1:
        shown = ", ".join(str(each.index) for each in found)
        raise InvalidError(f"several functions are called {text!r}: {shown}")
    return found[0]


def _like(module: Module, text: str) -> str:
    names = {each.name for each in module.functions} - {None}
    names.update(each.name for each in module.exports if each.kind is ExternKind.FUNC)
    return suggestion(text, filter(None, names))


def print_module(
    module: Module,
    output: str,
    style: Style,
    *,
    function: str | None = None,
    within: tuple[int, int] | None = None,
    jobs: int | None = None,
    paint: Callable[[str], str] | None = None,
) -> None:
    """Write the text of a module, or of a part of it, to a file or, for ``-``, to standard output:
    whole, or, where anything is wrong, not at all.
    """

    def put(stream: BinaryIO) -> None:
        if function is None and within is None:
            wanted = default_jobs(module) if jobs is None else jobs
            write(module, stream, style, wanted, lambda each: track(each, "printing"), paint)
            return
        if function is not None:
            texts = iter([field_of(find_function(module, function), style, within) + "\n"])
        else:
            texts = chunks(module, style, within)
        stream.writelines((text if paint is None else paint(text)).encode() for text in texts)

    if output != "-":
        with whole_file(output) as stream:
            put(stream)
        return
    with tempfile.TemporaryFile() as spool:
        put(spool)
        spool.seek(0)
        shutil.copyfileobj(spool, sys.stdout.buffer, 1 << 20)
        sys.stdout.buffer.flush()
