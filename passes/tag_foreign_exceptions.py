"""Tells exceptions of the host from those of the module, inside the module."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wasmir import Pass, PassReport
from wasmir.passes.recovery import Wishes, apply

if TYPE_CHECKING:
    from wasmir import Module

__all__ = ["TagForeignExceptions"]


@dataclass(frozen=True)
class TagForeignExceptions(Pass):
    """Mark exceptions that come in through imports, and take the mark off where they leave.

    An exception with a tag that the module names stays what it is. Any other is caught at the
    import, wrapped in the module's own mark, and thrown on; where it leaves through an export, the
    host gets the very object that it threw. In between, handlers run as ever. In the exnref
    dialect the mark carries the exception itself::

        block $foreign (result exnref)
          block $known (result exnref)
            try_table (result i32) (catch_ref $own $known) (catch_all_ref $foreign)
              local.get 0
              call $import
            end
            return
          end
          throw_ref
        end
        throw $mark

    The legacy dialect can't carry exceptions; there the mark carries the value that JavaScript
    threw, which ``identity=jstag`` reads by importing ``WebAssembly.JSTag``. Exceptions of other
    Wasm modules pass unmarked there.

    Source: the design of wasm-bindgen's wrapped exceptions, for any module.
    """

    name: ClassVar[str] = "tag-foreign-exceptions"

    identity: str = field(
        default="", metadata={"help": "jstag: in the legacy dialect, import WebAssembly.JSTag"}
    )
    tables: str = field(
        default="guard",
        metadata={"help": "references to functions as well, or exports-only"},
    )
    tail_calls: bool = field(
        default=False, metadata={"help": "accept that tail calls through doors grow the stack"}
    )
    dialect: str = field(default="auto", metadata={"help": "exnref, legacy, or the module's"})

    def run(self, module: Module) -> PassReport:
        return apply(
            module,
            Wishes(
                self.name,
                dialect=self.dialect,
                tag=True,
                identity=self.identity,
                tables=self.tables,
                tail_calls=self.tail_calls,
            ),
        )
