"""wasmir: WebAssembly modules, read, transformed and written back.

::

    from wasmir import Module, Pipeline

    module = Module.from_file("in.wasm")
    Pipeline.parse("legacy-to-exnref").run(module)
    module.save("out.wasm")

Names are loaded on first use: a module that is only copied never loads the instruction table.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wasmir.errors import (
        InvalidError,
        MalformedError,
        PassError,
        UnsupportedError,
        WasmError,
    )
    from wasmir.ir.bulk import bulk_work
    from wasmir.ir.code import (
        Block,
        BlockType,
        Body,
        Br,
        Branch,
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
        Node,
        On,
        Resume,
        Rethrow,
        Structured,
        Try,
        TryTable,
        falls_through,
        terminates,
    )
    from wasmir.ir.custom import Custom
    from wasmir.ir.function import Function
    from wasmir.ir.imports import ExternKind, Import
    from wasmir.ir.module import Module
    from wasmir.ir.survey import Context, Site, Survey
    from wasmir.ir.tag import Tag
    from wasmir.ir.type import Type
    from wasmir.isa.table import Row, Trait
    from wasmir.pipeline import Pass, PassReport, Pipeline
    from wasmir.types import (
        ANYREF,
        EXNREF,
        EXTERNREF,
        FUNCREF,
        FuncType,
        NumType,
        RefType,
        ValType,
    )

__version__ = "0.1.0.dev0"

_HOMES = {
    "wasmir.errors": "InvalidError MalformedError PassError UnsupportedError WasmError",
    "wasmir.ir.bulk": "bulk_work",
    "wasmir.ir.code": (
        "Block BlockType Body Br Branch BrIf BrOn BrTable Catch Clause If Instr Item Label Loop "
        "Node On Resume Rethrow Structured Try TryTable falls_through terminates"
    ),
    "wasmir.ir.custom": "Custom",
    "wasmir.ir.function": "Function",
    "wasmir.ir.imports": "ExternKind Import",
    "wasmir.ir.module": "Module",
    "wasmir.ir.survey": "Context Site Survey",
    "wasmir.ir.tag": "Tag",
    "wasmir.ir.type": "Type",
    "wasmir.isa.table": "Row Trait",
    "wasmir.pipeline": "Pass PassReport Pipeline",
    "wasmir.types": "ANYREF EXNREF EXTERNREF FUNCREF FuncType NumType RefType ValType",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "ANYREF",
    "EXNREF",
    "EXTERNREF",
    "FUNCREF",
    "Block",
    "BlockType",
    "Body",
    "Br",
    "BrIf",
    "BrOn",
    "BrTable",
    "Branch",
    "Catch",
    "Clause",
    "Context",
    "Custom",
    "ExternKind",
    "FuncType",
    "Function",
    "If",
    "Import",
    "Instr",
    "InvalidError",
    "Item",
    "Label",
    "Loop",
    "MalformedError",
    "Module",
    "Node",
    "NumType",
    "On",
    "Pass",
    "PassError",
    "PassReport",
    "Pipeline",
    "RefType",
    "Resume",
    "Rethrow",
    "Row",
    "Site",
    "Structured",
    "Survey",
    "Tag",
    "Trait",
    "Try",
    "TryTable",
    "Type",
    "UnsupportedError",
    "ValType",
    "WasmError",
    "bulk_work",
    "falls_through",
    "terminates",
]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'wasmir' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
