"""Guards against aborts: nothing of a module runs after one, until it is reset."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, ClassVar

from wasmir import Pass, PassReport, UnsupportedError
from wasmir.passes.recovery import Wishes, apply

if TYPE_CHECKING:
    from wasmir import Module

__all__ = ["GuardAborts"]


@dataclass(frozen=True)
class GuardAborts(Pass):
    """Terminate an instance that a trap left in an undefined state.

    A *gate* is a function that the host can call, a *door* a call that can reach the host. Gates
    count activations in and out; when an activation never came back, the instance is terminated:
    its gates throw ``__wasmir_terminated``, frames of it that are still there trap at their doors,
    and nothing of it runs but a hook. ``__wasmir_reset_state``, where there is one, puts it back.

    Before::

        (func $f (export "f") (param i32)
          (call $import (local.get 0)))

    After, under ``notice=host``, where the host notices aborts and calls ``__wasmir_terminate``::

        (func (export "f") (param i32)       ;; the gate
          call $enter                        ;; refuses, resets if that is due, counts in
          block $out (result exnref)
            try_table (catch_all_ref $out)
              (call $f (local.get 0))
            end
            call $leave                      ;; counts out
            return
          end
          call $leave
          throw_ref)
        (func $f (param i32)
          (call $door (local.get 0)))
        (func $door (param i32)
          ;; note the epoch; in a terminated instance only the hook goes on
          ;; call the import, in a try_table
          ;; trap if there was a reset since, or the instance was terminated meanwhile
        )

    Under ``notice=wasm`` the module finds out by itself, at the next gate, or at the door behind
    which the host swallowed a trap: gates and doors keep in ``__wasmir_state`` who runs. What
    unwinds through a door and no handler sees goes unnoticed then, unless the import is a ``leaf``.

    Exported: ``__wasmir_state`` (0 the host runs, 1 the module does, 2 terminated; the host may
    write 2), ``__wasmir_terminate``, ``__wasmir_activation`` (epoch * 2^32 + depth),
    ``__wasmir_set_on_abort`` (a hook ``[] -> []``, for the one before), the tag
    ``__wasmir_terminated``, and where there is a reset ``__wasmir_schedule_reinit`` and
    ``__wasmir_reset_state``. Imports from ``wasmir`` are resolved: ``set_on_abort``,
    ``schedule_reinit``, ``is_terminated``, ``epoch``.

    A module that is guarded already stays as it is.
    """

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
        """Raises UnsupportedError where it can't be right; then nothing was changed."""
        if self.notice not in ("host", "wasm"):
            raise UnsupportedError(f"{self.name}: notice={self.notice}: there are host, wasm")
        return apply(module, self.wishes())

    def wishes(self) -> Wishes:
        """The options, for who carries them out."""
        return Wishes(self.name, **{each.name: getattr(self, each.name) for each in fields(self)})
