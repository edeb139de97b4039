"""All of recovery in one pass."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from wasmir.passes.guard_aborts import GuardAborts

if TYPE_CHECKING:
    from wasmir.passes.recovery import Wishes

__all__ = ["Recover"]


@dataclass(frozen=True)
class Recover(GuardAborts):
    """Make a module survive panics, foreign exceptions and aborts.

    Gates (what the host can call) restore the shadow stack pointer when an exception leaves,
    take marks off foreign exceptions, and count; doors (what reaches the host) mark foreign
    exceptions and let no stale frame go on. After an abort nothing of the module runs until
    ``__wasmir_reset_state``, where the module's state can be reset in place. Each function that
    the host can call, and each import, has one adapter for all of it; code in between is not
    touched.

    Under ``notice=host`` an abort is noticed by the loader, ``wasmir/runtime/recover.mjs``;
    nobody does without it. Under ``notice=wasm`` the module notices at the next call.
    """

    name: ClassVar[str] = "recover"

    on_foreign: str = field(
        default="auto", metadata={"help": "foreign exceptions that cross it: survive, abort, auto"}
    )
    identity: str = field(
        default="", metadata={"help": "jstag: in the legacy dialect, import WebAssembly.JSTag"}
    )
    stack_pointer: str = field(
        default="auto", metadata={"help": "the global to restore, by name: auto, NAME, none"}
    )

    def wishes(self) -> Wishes:
        """Foreign exceptions are told from others, besides."""
        return replace(super().wishes(), tag=True)
