"""The built-in passes, by name. One pass, one file; loaded when asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wasmir.passes.catch_imports import CatchImports
    from wasmir.passes.check_memory import CheckMemory
    from wasmir.passes.count import Count
    from wasmir.passes.dedupe_functions import DedupeFunctions
    from wasmir.passes.exnref_to_legacy import ExnrefToLegacy
    from wasmir.passes.externalize import Externalize
    from wasmir.passes.fuel import Fuel
    from wasmir.passes.gc import Gc
    from wasmir.passes.guard_aborts import GuardAborts
    from wasmir.passes.insert_landing_pads import InsertLandingPads
    from wasmir.passes.legacy_to_exnref import LegacyToExnref
    from wasmir.passes.log_calls import LogCalls
    from wasmir.passes.panics_to_exceptions import PanicsToExceptions
    from wasmir.passes.recover import Recover
    from wasmir.passes.rename import Rename
    from wasmir.passes.reorder_functions import ReorderFunctions
    from wasmir.passes.reset_state import ResetState
    from wasmir.passes.snip import Snip
    from wasmir.passes.stack_limit import StackLimit
    from wasmir.passes.strip import Strip
    from wasmir.passes.tag_foreign_exceptions import TagForeignExceptions
    from wasmir.passes.trace_blocks import TraceBlocks

#: Pass name to the module and class that implement it.
BUILT_IN = {
    "catch-imports": ("wasmir.passes.catch_imports", "CatchImports"),
    "check-memory": ("wasmir.passes.check_memory", "CheckMemory"),
    "count": ("wasmir.passes.count", "Count"),
    "dedupe-functions": ("wasmir.passes.dedupe_functions", "DedupeFunctions"),
    "exnref-to-legacy": ("wasmir.passes.exnref_to_legacy", "ExnrefToLegacy"),
    "externalize": ("wasmir.passes.externalize", "Externalize"),
    "fuel": ("wasmir.passes.fuel", "Fuel"),
    "gc": ("wasmir.passes.gc", "Gc"),
    "guard-aborts": ("wasmir.passes.guard_aborts", "GuardAborts"),
    "insert-landing-pads": ("wasmir.passes.insert_landing_pads", "InsertLandingPads"),
    "legacy-to-exnref": ("wasmir.passes.legacy_to_exnref", "LegacyToExnref"),
    "log-calls": ("wasmir.passes.log_calls", "LogCalls"),
    "panics-to-exceptions": ("wasmir.passes.panics_to_exceptions", "PanicsToExceptions"),
    "recover": ("wasmir.passes.recover", "Recover"),
    "rename": ("wasmir.passes.rename", "Rename"),
    "reorder-functions": ("wasmir.passes.reorder_functions", "ReorderFunctions"),
    "reset-state": ("wasmir.passes.reset_state", "ResetState"),
    "snip": ("wasmir.passes.snip", "Snip"),
    "stack-limit": ("wasmir.passes.stack_limit", "StackLimit"),
    "strip": ("wasmir.passes.strip", "Strip"),
    "tag-foreign-exceptions": ("wasmir.passes.tag_foreign_exceptions", "TagForeignExceptions"),
    "trace-blocks": ("wasmir.passes.trace_blocks", "TraceBlocks"),
}

__all__ = [
    "BUILT_IN",
    "CatchImports",
    "CheckMemory",
    "Count",
    "DedupeFunctions",
    "ExnrefToLegacy",
    "Externalize",
    "Fuel",
    "Gc",
    "GuardAborts",
    "InsertLandingPads",
    "LegacyToExnref",
    "LogCalls",
    "PanicsToExceptions",
    "Recover",
    "Rename",
    "ReorderFunctions",
    "ResetState",
    "Snip",
    "StackLimit",
    "Strip",
    "TagForeignExceptions",
    "TraceBlocks",
]


def __getattr__(name: str) -> object:
    for home, class_name in BUILT_IN.values():
        if class_name == name:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module 'wasmir.passes' has no attribute {name!r}")
