"""The built-in passes, by name. One pass, one file; loaded when asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wasmir.passes.catch_imports import CatchImports
    from wasmir.passes.exnref_to_legacy import ExnrefToLegacy
    from wasmir.passes.guard_aborts import GuardAborts
    from wasmir.passes.insert_landing_pads import InsertLandingPads
    from wasmir.passes.legacy_to_exnref import LegacyToExnref
    from wasmir.passes.panics_to_exceptions import PanicsToExceptions
    from wasmir.passes.recover import Recover
    from wasmir.passes.reset_state import ResetState
    from wasmir.passes.tag_foreign_exceptions import TagForeignExceptions

#: Pass name to the module and class that implement it.
BUILT_IN = {
    "catch-imports": ("wasmir.passes.catch_imports", "CatchImports"),
    "exnref-to-legacy": ("wasmir.passes.exnref_to_legacy", "ExnrefToLegacy"),
    "guard-aborts": ("wasmir.passes.guard_aborts", "GuardAborts"),
    "insert-landing-pads": ("wasmir.passes.insert_landing_pads", "InsertLandingPads"),
    "legacy-to-exnref": ("wasmir.passes.legacy_to_exnref", "LegacyToExnref"),
    "panics-to-exceptions": ("wasmir.passes.panics_to_exceptions", "PanicsToExceptions"),
    "recover": ("wasmir.passes.recover", "Recover"),
    "reset-state": ("wasmir.passes.reset_state", "ResetState"),
    "tag-foreign-exceptions": ("wasmir.passes.tag_foreign_exceptions", "TagForeignExceptions"),
}

__all__ = [
    "BUILT_IN",
    "CatchImports",
    "ExnrefToLegacy",
    "GuardAborts",
    "InsertLandingPads",
    "LegacyToExnref",
    "PanicsToExceptions",
    "Recover",
    "ResetState",
    "TagForeignExceptions",
]


def __getattr__(name: str) -> object:
    for home, class_name in BUILT_IN.values():
        if class_name == name:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module 'wasmir.passes' has no attribute {name!r}")
