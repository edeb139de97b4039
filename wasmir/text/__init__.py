"""The printer: modules in the text format, which assemblers turn into the same modules.

:mod:`~wasmir.text.whole` is how it is asked. :mod:`~wasmir.text.fields` prints what is outside of
functions, :mod:`~wasmir.text.printer` functions, whose code :mod:`~wasmir.text.code` lays out as
lines and :mod:`~wasmir.text.folded` as expressions. :mod:`~wasmir.text.words` is what instructions
say, with labels from :mod:`~wasmir.text.labels`; :mod:`~wasmir.text.names` is what everything is
called, :mod:`~wasmir.text.hints` where branch hints stand. :mod:`~wasmir.text.colour` is for
terminals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmir.text.printer import Style
from wasmir.text.whole import chunks, field_of, write

if TYPE_CHECKING:
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module

__all__ = ["Style", "chunks", "field_of", "function_text", "module_text", "write"]


def module_text(module: Module, *, names: bool, offsets: bool, folded: bool) -> str:
    """See :meth:`wasmir.ir.module.Module.wat`."""
    return "".join(chunks(module, Style(names, offsets, folded)))


def function_text(function: Function, *, names: bool, offsets: bool, folded: bool) -> str:
    """See :meth:`wasmir.ir.function.Function.wat`."""
    return field_of(function, Style(names, offsets, folded))
