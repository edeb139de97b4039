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
    from wasmir import engines, ops
    from wasmir.errors import (
        DialectWarning,
        InvalidError,
        MalformedError,
        PassError,
        StaleWarning,
        UnsupportedError,
        WasmError,
    )
    from wasmir.ir.blocks import BasicBlock, basic_blocks, block_offsets
    from wasmir.ir.build import CodeBuilder, FunctionBuilder, Snippet
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
    from wasmir.ir.const import Const
    from wasmir.ir.conventions import DyLink, DyLinkMemory, Producers, TargetFeatures
    from wasmir.ir.custom import Custom
    from wasmir.ir.effects import arity
    from wasmir.ir.encoded import Encoded
    from wasmir.ir.function import Function
    from wasmir.ir.global_ import Global
    from wasmir.ir.image import MemoryImage, TableImage
    from wasmir.ir.imports import Export, ExternKind, Import
    from wasmir.ir.inject import Injector
    from wasmir.ir.linking import extract, merge
    from wasmir.ir.local import Local, default_of
    from wasmir.ir.memory import Memory
    from wasmir.ir.module import Module
    from wasmir.ir.names import free_name
    from wasmir.ir.offsets import Frame, FunctionOffsets, OffsetMap
    from wasmir.ir.outline import Context, Opened, Region, Site, Survey
    from wasmir.ir.place import Place, row_of
    from wasmir.ir.probe import Injection, Mode, Probe
    from wasmir.ir.segment import REF_FUNC, Data, Element
    from wasmir.ir.seq import Instruction, Seq
    from wasmir.ir.space import Entity, Space
    from wasmir.ir.table import Table
    from wasmir.ir.tag import Tag
    from wasmir.ir.tree import copy_items
    from wasmir.ir.type import Type
    from wasmir.ir.uses import Reached, Uses
    from wasmir.ir.walk import RawInstr, instructions, skeleton, walk
    from wasmir.isa.table import Row, Trait
    from wasmir.pipeline import Mapped, Pass, PassReport, Pipeline
    from wasmir.suggest import suggestion
    from wasmir.summary import exception_dialect
    from wasmir.types import (
        ANYREF,
        EXNREF,
        EXTERNREF,
        F32,
        F64,
        FUNCREF,
        I32,
        I64,
        V128,
        AbstractHeap,
        ArrayType,
        Concrete,
        FieldType,
        FuncType,
        GlobalType,
        Limits,
        MemoryType,
        NumType,
        PackedType,
        RefType,
        StructType,
        SubType,
        TableType,
        ValType,
    )

__version__ = "0.1.0.dev0"

_HOMES = {
    "wasmir.errors": (
        "DialectWarning InvalidError MalformedError PassError StaleWarning UnsupportedError "
        "WasmError"
    ),
    "wasmir.ir.blocks": "BasicBlock basic_blocks block_offsets",
    "wasmir.ir.build": "CodeBuilder FunctionBuilder Snippet",
    "wasmir.ir.bulk": "bulk_work",
    "wasmir.ir.code": (
        "Block BlockType Body Br BrIf BrOn BrTable Branch Catch Clause If Instr Item Label "
        "Loop Node On Resume Rethrow Structured Try TryTable falls_through terminates"
    ),
    "wasmir.ir.const": "Const",
    "wasmir.ir.conventions": "DyLink DyLinkMemory Producers TargetFeatures",
    "wasmir.ir.custom": "Custom",
    "wasmir.ir.effects": "arity",
    "wasmir.ir.encoded": "Encoded",
    "wasmir.ir.function": "Function",
    "wasmir.ir.global_": "Global",
    "wasmir.ir.image": "MemoryImage TableImage",
    "wasmir.ir.imports": "Export ExternKind Import",
    "wasmir.ir.inject": "Injector",
    "wasmir.ir.linking": "extract merge",
    "wasmir.ir.local": "Local default_of",
    "wasmir.ir.memory": "Memory",
    "wasmir.ir.module": "Module",
    "wasmir.ir.names": "free_name",
    "wasmir.ir.offsets": "Frame FunctionOffsets OffsetMap",
    "wasmir.ir.outline": "Context Opened Region Site Survey",
    "wasmir.ir.place": "Place row_of",
    "wasmir.ir.probe": "Injection Mode Probe",
    "wasmir.ir.segment": "REF_FUNC Data Element",
    "wasmir.ir.seq": "Instruction Seq",
    "wasmir.ir.space": "Entity Space",
    "wasmir.ir.table": "Table",
    "wasmir.ir.tag": "Tag",
    "wasmir.ir.tree": "copy_items",
    "wasmir.ir.type": "Type",
    "wasmir.ir.uses": "Reached Uses",
    "wasmir.ir.walk": "RawInstr instructions skeleton walk",
    "wasmir.isa.table": "Row Trait",
    "wasmir.pipeline": "Mapped Pass PassReport Pipeline",
    "wasmir.suggest": "suggestion",
    "wasmir.summary": "exception_dialect",
    "wasmir.types": (
        "ANYREF EXNREF EXTERNREF F32 F64 FUNCREF I32 I64 V128 AbstractHeap ArrayType Concrete "
        "FieldType FuncType GlobalType Limits MemoryType NumType PackedType RefType StructType "
        "SubType TableType ValType"
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "ANYREF",
    "EXNREF",
    "EXTERNREF",
    "F32",
    "F64",
    "FUNCREF",
    "I32",
    "I64",
    "REF_FUNC",
    "V128",
    "AbstractHeap",
    "ArrayType",
    "BasicBlock",
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
    "CodeBuilder",
    "Concrete",
    "Const",
    "Context",
    "Custom",
    "Data",
    "DialectWarning",
    "DyLink",
    "DyLinkMemory",
    "Element",
    "Encoded",
    "Entity",
    "Export",
    "ExternKind",
    "FieldType",
    "Frame",
    "FuncType",
    "Function",
    "FunctionBuilder",
    "FunctionOffsets",
    "Global",
    "GlobalType",
    "If",
    "Import",
    "Injection",
    "Injector",
    "Instr",
    "Instruction",
    "InvalidError",
    "Item",
    "Label",
    "Limits",
    "Local",
    "Loop",
    "MalformedError",
    "Mapped",
    "Memory",
    "MemoryImage",
    "MemoryType",
    "Mode",
    "Module",
    "Node",
    "NumType",
    "OffsetMap",
    "On",
    "Opened",
    "PackedType",
    "Pass",
    "PassError",
    "PassReport",
    "Pipeline",
    "Place",
    "Probe",
    "Producers",
    "RawInstr",
    "Reached",
    "RefType",
    "Region",
    "Resume",
    "Rethrow",
    "Row",
    "Seq",
    "Site",
    "Snippet",
    "Space",
    "StaleWarning",
    "StructType",
    "Structured",
    "SubType",
    "Survey",
    "Table",
    "TableImage",
    "TableType",
    "Tag",
    "TargetFeatures",
    "Trait",
    "Try",
    "TryTable",
    "Type",
    "UnsupportedError",
    "Uses",
    "ValType",
    "WasmError",
    "arity",
    "basic_blocks",
    "block_offsets",
    "bulk_work",
    "copy_items",
    "default_of",
    "engines",
    "exception_dialect",
    "extract",
    "falls_through",
    "free_name",
    "instructions",
    "merge",
    "ops",
    "row_of",
    "skeleton",
    "suggestion",
    "terminates",
    "walk",
]


def __getattr__(name: str) -> object:
    if name in ("engines", "ops"):
        return importlib.import_module(f"wasmir.{name}")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'wasmir' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
