"""Guards against aborts: nothing of a module runs after one, until it is reset."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wasmir import Pass, PassReport
from wasmir.passes.recovery import Wishes, apply

if TYPE_CHECKING:
    from wasmir import Module

__all__ = ["GuardAborts"]


@dataclass(frozen=True)
class GuardAborts(Pass):
    """Terminate an instance that a trap left in an undefined state."""

    name: ClassVar[str] = "guard-aborts"

    notice: str = field(
        default="host", metadata={"help": "who notices an abort: the host, or the module (wasm)"}
    )
    tables: str = field(
        default="guard",
        metadata={"help": "guard references to functions as well, or exports-only"},
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
