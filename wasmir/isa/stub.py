"""Writes ``wasmir/ops.pyi``, the types of the constructors in :mod:`wasmir.ops`, and
``wasmir/ir/emit.pyi``, those of the methods that append what these make.

``python -m wasmir.isa.stub`` after each change of the table; a test compares.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from wasmir.isa.signature import CONSTRUCTIBLE, REQUIRED, Parameter, parameters, python_path
from wasmir.isa.table import Trait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wasmir.isa.table import Row

__all__ = ["STUBS"]

_HEAD = """\
# Made from the table by `python -m wasmir.isa.stub`; not to be changed by hand.
# ruff: noqa: A001, A002

from collections.abc import Iterable
from typing import Literal

from wasmir.ir.code import (
    Block,
    BlockType,
    Br,
    BrIf,
    BrOn,
    BrTable,
    Catch,
    Clause,
    If,
    Instr,
    Item,
    Label,
    Loop,
    On,
    Resume,
    Rethrow,
    Try,
    TryTable,
)
from wasmir.ir.function import Function
from wasmir.ir.global_ import Global
from wasmir.ir.memory import Memory
from wasmir.ir.segment import Data, Element
from wasmir.ir.table import Table
from wasmir.ir.tag import Tag
from wasmir.ir.type import Type
from wasmir.types import AbstractHeap, Concrete, RefType, ValType
"""

_EMIT_HEAD = """\
# Made from the table by `python -m wasmir.isa.stub`; not to be changed by hand.
# ruff: noqa: A002

from collections.abc import Iterable
from typing import Literal

from wasmir.ir.build import CodeBuilder
from wasmir.ir.code import Label, On
from wasmir.ir.construct import Constructor
from wasmir.ir.function import Function
from wasmir.ir.global_ import Global
from wasmir.ir.local import Local
from wasmir.ir.memory import Memory
from wasmir.ir.segment import Data, Element
from wasmir.ir.table import Table
from wasmir.ir.tag import Tag
from wasmir.ir.type import Type
from wasmir.types import AbstractHeap, Concrete, RefType, ValType
"""

# What isn't in the table: the methods that a builder has, and that `local` declares one.
_EMITTER = """\
    def _emit(
        self, make: Constructor, args: tuple[object, ...], given: dict[str, object]
    ) -> CodeBuilder: ...
    def _declare(self, type_: ValType, name: str | None) -> Local: ..."""
_DECLARATION = "    def __call__(self, type_: ValType, name: str | None = None) -> Local: ..."

_HEAP = "AbstractHeap | Concrete | Type"

# By kind; what isn't here is an integer.
_TYPES = {
    "func": "Function",
    "tag": "Tag",
    "type": "Type",
    "type-use": "Type",
    "table": "Table | Literal[0]",
    "memory": "Memory | Literal[0]",
    "global": "Global",
    "elem": "Element",
    "data": "Data",
    "label": "Label",
    "labels": "Iterable[Label]",
    "catches": "Iterable[Clause]",
    "handlers": "Iterable[On]",
    "v128": "bytes",
    "shuffle": "Iterable[int]",
    "heap": _HEAP,
    "ref": f"RefType | {_HEAP}",
    "ref-null": f"RefType | {_HEAP}",
    "value-types": "Iterable[ValType]",
    "block-type": "BlockType | ValType | None",
    "f32": "float | None",
    "f64": "float | None",
}

# Whatever the kind.
_BY_NAME = {
    "offset": "int",
    "align": "int | None",
    "memory": "Memory | Literal[0]",
    "bits": "int | None",
    "items": "Iterable[Item]",
    "else_items": "Iterable[Item] | None",
    "catches": "Iterable[Catch]",
    "delegate": "Label | None",
}

_NODES = {
    "block": "Block",
    "loop": "Loop",
    "if": "If",
    "try": "Try",
    "try_table": "TryTable",
    "br": "Br",
    "br_if": "BrIf",
    "br_table": "BrTable",
    "rethrow": "Rethrow",
}


def _annotation(row: Row, parameter: Parameter) -> str:
    immediate = parameter.immediate
    if immediate is None or immediate.kind.name.startswith("memarg") or parameter.name == "bits":
        return _BY_NAME[parameter.name]
    if row.name.startswith("br_on_cast") and immediate.kind.name == "heap":
        return "RefType"
    return _TYPES.get(immediate.kind.name, "int")


def _result(row: Row) -> str:
    if row.traits.isdisjoint({Trait.OPENS, Trait.BRANCHES}):
        return "Instr"
    node = _NODES.get(row.name)
    return node or ("Resume" if row.name.startswith("resume") else "BrOn")


def _declared(row: Row, parameter: Parameter) -> str:
    default = "" if parameter.default is REQUIRED else f" = {parameter.default!r}"
    return f"{parameter.name}: {_annotation(row, parameter)}{default}"


def _definition(row: Row, name: str, result: str, *, method: bool) -> str:
    """A definition as the formatter would have it: in one line, in three, or a line for each
    parameter.
    """
    indent = "    " if method else ""
    found = ["self"] if method else []
    keywords = False
    for parameter in parameters(row):
        if parameter.keyword_only and not keywords:
            found.append("*")
            keywords = True
        found.append(_declared(row, parameter))
    opening, closing = f"{indent}def {name}(", f") -> {result}: ..."
    joined = ", ".join(found)
    if len(opening + joined + closing) <= 100:
        return opening + joined + closing
    if len(indent) + 4 + len(joined) <= 100:
        return f"{opening}\n{indent}    {joined}\n{indent}{closing}"
    lines = "".join(f"{indent}    {each},\n" for each in found)
    return f"{opening}\n{lines}{indent}{closing}"


def _class_name(path: tuple[str, ...]) -> str:
    return "_" + "".join(word.strip("_").capitalize() for word in path)


_Lines: TypeAlias = "dict[tuple[str, ...], list[str]]"
"""By path: what stands there. Enclosing namespaces come first."""


def _collected(
    rows: Iterable[Row], result: Callable[[Row], str], *, methods_only: bool
) -> tuple[_Lines, _Lines]:
    """The namespaces within each namespace as attributes, and its definitions."""
    attributes: _Lines = {(): []}
    methods: _Lines = {(): []}
    for row in rows:
        *path, name = python_path(row)
        for depth, word in enumerate(path, 1):
            inner = tuple(path[:depth])
            if inner not in methods:
                methods[inner], attributes[inner] = [], []
                attributes[inner[:-1]].append(f"{word}: {_class_name(inner)}")
        method = methods_only or bool(path)
        methods[tuple(path)].append(_definition(row, name, result(row), method=method))
    return attributes, methods


def _class(name: str, attributes: list[str], *definitions: str) -> str:
    return "\n".join([f"class {name}:", *(f"    {each}" for each in attributes), *definitions, ""])


def stub() -> str:
    """The text of ``ops.pyi``."""
    attributes, methods = _collected(CONSTRUCTIBLE, _result, methods_only=False)
    pieces = [_HEAD]
    for path, found in methods.items():
        if path:
            pieces.append(_class(_class_name(path), attributes[path], *found))
    return "\n".join([*pieces, *attributes[()], "", *methods[()], ""])


def emitter_stub() -> str:
    """The text of ``ir/emit.pyi``: the same names, but for blocks, which builders open."""
    rows = [row for row in CONSTRUCTIBLE if Trait.OPENS not in row.traits]
    attributes, methods = _collected(rows, lambda _row: "CodeBuilder", methods_only=True)
    pieces = [_EMIT_HEAD]
    for path, found in methods.items():
        if path:
            declaration = [_DECLARATION] if path == ("local",) else []
            pieces.append(_class(_class_name(path), attributes[path], *declaration, *found))
    return "\n".join([*pieces, _class("Emitter", attributes[()], _EMITTER, *methods[()])])


STUBS: dict[str, Callable[[], str]] = {"ops.pyi": stub, "ir/emit.pyi": emitter_stub}
"""What makes the text of each stub, by its place in the package."""


def main() -> int:
    package = Path(__file__).resolve().parent.parent
    for place, make in STUBS.items():
        (package / place).write_text(make(), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
