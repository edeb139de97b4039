"""All of recovery in one pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wasmir import Pass, PassReport
from wasmir.passes.recovery import Wishes, apply

if TYPE_CHECKING:
    from wasmir import Module

__all__ = ["Recover"]


@dataclass(frozen=True)
class Recover(Pass):
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

    notice: str = field(
        default="host", metadata={"help": "who notices an abort: the host, or the module (wasm)"}
    )
    tables: str = field(
        default="guard",
        metadata={"help": "guard references to functions as well, or exports-only"},
    )
    on_foreign: str = field(
        default="auto", metadata={"help": "foreign exceptions that cross it: survive, abort, auto"}
    )
    identity: str = field(
        default="", metadata={"help": "jstag: in the legacy dialect, import WebAssembly.JSTag"}
    )
    stack_pointer: str = field(
        default="auto", metadata={"help": "the global to restore, by name: auto, NAME, none"}
    )
    reset: str = field(
        default="auto", metadata={"help": "reset in place: auto (where it can be), true, false"}
    )
    init: str = field(
        default="auto",
        metadata={"help": "exports to call after a reset; auto: what glue calls once"},
    )
    include_imports: bool = field(
        default=False, metadata={"help": "a reset puts imported state back, too: see reset-state"}
    )
    accept_partial: bool = field(
        default=False, metadata={"help": "a reset leaves what can't be put back"}
    )
    auto_reset: bool = field(
        default=False, metadata={"help": "an abort schedules a reset by itself"}
    )
    leaf: str = field(default="", metadata={"help": "imports (MODULE.NAME) that never call back"})
    tail_calls: bool = field(
        default=False, metadata={"help": "accept that tail calls through doors grow the stack"}
    )
    share: str = field(
        default="auto", metadata={"help": "gates of one type share their body: true, false, auto"}
    )
    dialect: str = field(default="auto", metadata={"help": "exnref, legacy, none, or the module's"})

    def run(self, module: Module) -> PassReport:
        return apply(
            module,
            Wishes(
                self.name,
                dialect=self.dialect,
                notice=self.notice,
                tag=True,
                identity=self.identity,
                on_foreign=self.on_foreign,
                stack_pointer=self.stack_pointer,
                tables=self.tables,
                auto_reset=self.auto_reset,
                leaf=self.leaf,
                tail_calls=self.tail_calls,
                share=self.share,
                reset=self.reset,
                init=self.init,
                include_imports=self.include_imports,
                accept_partial=self.accept_partial,
            ),
        )
