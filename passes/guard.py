"""The guard's state and what moves it: the cells of the transition table.

Gates count in and out; doors look at what happened while the host ran. Who notices that an
activation never came back is either the host, which calls ``__wasmir_terminate`` (``notice=host``),
or the module itself, which keeps in ``state`` who runs (``notice=wasm``).

The state:

* ``state``: 0 the host runs, 1 the module runs (kept under ``notice=wasm`` only), 2 terminated;
* ``depth``: gates entered and not left; ``epoch``: how many resets there were;
* ``scheduled``: whether the next gate resets first;
* ``hook``: what to call when terminated, in a table of its own with one place. While it runs,
  ``running`` is 2 if the host does (the hook may be a function of the host, or have called one), 1
  if code of the module does; ``allowed`` lets one gate pass: 1 any gate (an indirect call of the
  hook's), 2 the hook's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wasmir import (
    EXNREF,
    FUNCREF,
    Block,
    Catch,
    Clause,
    Function,
    FuncType,
    GlobalType,
    If,
    Limits,
    NumType,
    TableType,
    Try,
    TryTable,
    ops,
)
from wasmir.passes.additions import name_for
from wasmir.passes.boundary import OURS, Dialect

if TYPE_CHECKING:
    from wasmir import BlockType, Global, Item, Module, Tag

__all__ = ["TERMINATED", "DoorLocals", "Guard"]

I32, F64 = NumType.I32, NumType.F64

HOST_RUNS, MODULE_RUNS, TERMINATED = 0, 1, 2
"""Values of ``state``."""

_ROOM_FOR_HOOK = 200
"""Frames that the stack must have room for when a hook is called."""


@dataclass
class DoorLocals:
    """What a door remembers while it is open."""

    epoch: int
    running: int
    #: Under ``notice=wasm`` only.
    state: int = -1


class Guard:
    """The globals and helper functions of one guarded module."""

    def __init__(self, module: Module, dialect: Dialect, *, in_wasm: bool, auto: bool) -> None:
        self.module = module
        self.dialect = dialect
        self.in_wasm = in_wasm
        self.auto = auto
        self.state = self._global("state", exported=True)
        self.depth = self._global("depth")
        self.epoch = self._global("epoch")
        self.scheduled = self._global("scheduled")
        self.running = self._global("running")
        self.allowed = self._global("allowed")
        #: The place of the hook in the module's own table, where it was set from inside.
        self.hook_index = self._global("hook_index")
        #: Whether the hook is called without a gate in between.
        self.hook_is_bare = self._global("hook_is_bare")
        self.hook = module.add_table(TableType(FUNCREF, Limits(1, 1)), name=self._name("hook"))
        self.terminated: Tag | None = None
        if dialect is not Dialect.NONE:
            self.terminated = module.add_tag((), exported=OURS + "terminated")
        self.procedure = module.func_type()
        # Their bodies come when it is known whether there is a reset.
        self.reset = self._function("reset_state", FuncType())
        self.refuse = self._function("refuse", FuncType())
        self.after_terminate = self._function("after_terminate", FuncType())
        self.terminate = self._function("terminate", FuncType(), exported=True)
        self.admit = self._function("admit", FuncType((I32,), (I32,)))
        self.enter = self._function("enter", FuncType())
        self.enter_hook = self._function("enter_hook", FuncType())
        self.leave = self._function("leave", FuncType())
        self.leave_for_foreign: Function | None = None
        self.go_out = self._function("go_out", FuncType((), (I32,)))
        self.go_indirectly = self._function("go_indirectly", FuncType((), (I32,)))

    @property
    def globals(self) -> list[Global]:
        """All that a reset must not restore on its own."""
        return [
            self.state,
            self.depth,
            self.epoch,
            self.scheduled,
            self.running,
            self.allowed,
            self.hook_index,
            self.hook_is_bare,
        ]

    def _name(self, what: str) -> str | None:
        return name_for(self.module, OURS + what)

    def _global(self, what: str, *, exported: bool = False) -> Global:
        return self.module.add_global(
            GlobalType(I32, True),
            self.module.const(ops.i32.const(0)),
            name=self._name(what),
            exported=OURS + what if exported else None,
        )

    def _function(self, what: str, type_: FuncType, *, exported: bool = False) -> Function:
        return self.module.add_function(
            type_, name=self._name(what), exported=OURS + what if exported else None
        )

    def is_state(self, value: int) -> list[Item]:
        return [ops.global_.get(self.state), ops.i32.const(value), ops.i32.eq()]

    def set(self, global_: Global, value: int) -> list[Item]:
        return [ops.i32.const(value), ops.global_.set(global_)]

    def add(self, global_: Global, value: int) -> list[Item]:
        return [
            ops.global_.get(global_),
            ops.i32.const(value),
            ops.i32.add(),
            ops.global_.set(global_),
        ]

    # Gates

    def enters(self, function: Function, *, inline: bool = False) -> list[Item]:
        """What a gate of the function begins with: a call of a helper, or what that does."""
        is_procedure = function.func_type == FuncType()
        if inline:
            return self._entering(is_procedure)
        return [ops.call(self.enter_hook if is_procedure else self.enter)]

    def leaves(self, *, inline: bool = False) -> list[Item]:
        """What a gate does when the original returned or threw."""
        return self._leaving() if inline else [ops.call(self.leave)]

    def leaves_for_foreign(self) -> list[Item]:
        """What a gate does when an exception leaves that the module has no handlers for.

        It ends the instance where it leaves for good. Further in it is the host that goes on with
        it, and it may know what it does: where Emscripten makes no handlers, it is JavaScript that
        catches, for C++'s exceptions as for longjmp.
        """
        function = self.leave_for_foreign
        if function is None:
            function = self.leave_for_foreign = self._function("leave_for_foreign", FuncType())
            function.body.items = [
                ops.call(self.leave),
                ops.global_.get(self.depth),
                ops.i32.eqz(),
                If(self._plain(), [ops.call(self.terminate)]),
            ]
        return [ops.call(function)]

    # Doors

    def door_locals(self, door: Function) -> DoorLocals:
        body = door.body
        found = DoorLocals(body.add_local(I32), body.add_local(I32))
        if self.in_wasm:
            found.state = body.add_local(I32)
        return found

    def out(self, at: DoorLocals, *, indirect: bool = False, leaf: bool = False) -> list[Item]:
        """What a door does first."""
        aside = self.go_indirectly if indirect else self.go_out
        stale: list[Item] = [ops.call(aside), ops.local.set(at.running)]
        items: list[Item] = [ops.global_.get(self.epoch), ops.local.set(at.epoch)]
        if not self.in_wasm or leaf:
            return [*items, *self.is_state(TERMINATED), If(self._plain(), stale)]
        return [
            *items,
            ops.global_.get(self.state),
            ops.local.tee(at.state),
            ops.i32.const(TERMINATED),
            ops.i32.eq(),
            If(self._plain(), stale, self.set(self.state, HOST_RUNS)),
        ]

    def back(self, at: DoorLocals, *, leaf: bool = False) -> list[Item]:
        """What a door does last, whether the call returned or threw. All of it stands in the door:
        the stack may be so full that a call would overflow it.
        """
        plain = self._plain
        items: list[Item] = [
            # The frame is of an instance that was reset since.
            ops.global_.get(self.epoch),
            ops.local.get(at.epoch),
            ops.i32.ne(),
            If(plain(), [ops.unreachable()]),
        ]
        again: list[Item] = [
            # Terminated while the host ran, unless this is the hook's own call.
            ops.local.get(at.running),
            ops.i32.eqz(),
            If(plain(), [ops.unreachable()]),
            ops.local.get(at.running),
            ops.global_.set(self.running),
            *self.set(self.allowed, 0),
        ]
        if not self.in_wasm or leaf:
            return [*items, *self.is_state(TERMINATED), If(plain(), again)]
        vanished: list[Item] = [
            *self.set(self.state, TERMINATED),
            *self.set(self.depth, 0),
            ops.call(self.after_terminate),
            ops.unreachable(),
        ]
        return [
            *items,
            ops.global_.get(self.state),
            If(
                plain(),
                [
                    *self.is_state(MODULE_RUNS),
                    # An activation that was nested in this call never came back.
                    If(plain(), vanished),
                    *again,
                ],
                [ops.local.get(at.state), ops.global_.set(self.state)],
            ),
        ]

    def _plain(self) -> BlockType:
        return self.module.block_type()

    # The helpers' bodies

    def build(self, restore: Function | None, start: Function | None) -> None:
        """Fill in the helpers. ``restore`` puts the instance's state back, all but the guard's;
        ``start`` is the gate of what has to run then.
        """
        if restore is not None:
            self._build_reset(restore, start)
            self.module.exports.add(OURS + "reset_state", self.reset)
            schedule = self._function("schedule_reinit", FuncType(), exported=True)
            schedule.body.items = self.set(self.scheduled, 1)
        else:
            self.reset.body.items = [ops.unreachable()]
        self.refuse.body.items = [
            ops.unreachable() if self.terminated is None else ops.throw(self.terminated)
        ]
        self._build_terminate(can_reset=restore is not None)
        self._build_gates()
        self._build_doors()
        self._build_exports()

    def _build_reset(self, restore: Function, start: Function | None) -> None:
        items: list[Item] = [
            ops.call(restore),
            *self.add(self.epoch, 1),
            *(
                item
                for each in self.globals
                if each is not self.epoch
                for item in self.set(each, 0)
            ),
            ops.i32.const(0),
            ops.ref.null(FUNCREF.heap),
            ops.table.set(self.hook),
        ]
        if start is not None:
            failed = [*self.set(self.state, TERMINATED), *self.set(self.depth, 0)]
            items += self._with_failure([ops.call(start)], failed)
        self.reset.body.items = items

    def _with_failure(self, items: list[Item], failed: list[Item]) -> list[Item]:
        """Items, and others before an exception of theirs goes on."""
        plain = self.module.block_type()
        match self.dialect:
            case Dialect.NONE:
                return items
            case Dialect.LEGACY:
                attempt = Try(plain, items)
                attempt.catches = [Catch(None, [*failed, ops.rethrow(attempt)])]
                return [attempt]
            case Dialect.EXNREF:
                landing = Block(self.module.block_type((), (EXNREF,)))
                clause = Clause(None, landing, ref=True)
                landing.items = [TryTable(plain, [clause], items), ops.return_()]
                return [landing, *failed, ops.throw_ref()]

    def _dropping(self, items: list[Item]) -> list[Item]:
        """Items whose exceptions are dropped."""
        plain = self.module.block_type()
        match self.dialect:
            case Dialect.NONE:
                return items
            case Dialect.LEGACY:
                attempt = Try(plain, items)
                attempt.catches = [Catch(None)]
                return [attempt]
            case Dialect.EXNREF:
                landing = Block(plain)
                landing.items = [TryTable(plain, [Clause(None, landing)], items)]
                return [landing]

    def _build_terminate(self, *, can_reset: bool) -> None:
        plain = self.module.block_type()
        self.terminate.body.items = [
            *self.is_state(TERMINATED),
            If(plain, [ops.return_()]),
            *self.set(self.state, TERMINATED),
            *self.set(self.depth, 0),
            ops.call(self.after_terminate),
        ]
        call: list[Item] = [ops.i32.const(0), ops.call_indirect(self.procedure, self.hook)]
        self.after_terminate.body.items = [
            *(self.set(self.scheduled, 1) if self.auto and can_reset else []),
            ops.i32.const(0),
            ops.table.get(self.hook),
            ops.ref.is_null(),
            If(plain, [ops.return_()]),
            # If the stack ends here, then before anything is allowed: nothing would take it back.
            ops.i32.const(_ROOM_FOR_HOOK),
            ops.call(self._room()),
            ops.drop(),
            # Through its gate, or else as code of the module that runs already.
            ops.global_.get(self.hook_is_bare),
            If(
                plain,
                [*self.set(self.running, 1), *self.set(self.allowed, 0)],
                [*self.set(self.running, 2), *self.set(self.allowed, 2)],
            ),
            *self._dropping(call),
            *self.set(self.running, 0),
            *self.set(self.allowed, 0),
        ]

    def _room(self) -> Function:
        """Calls itself so many times: the stack has room for as many frames, or this traps."""
        room = self._function("room", FuncType((I32,), (I32,)))
        room.body.items = [
            ops.local.get(0),
            If(
                self.module.block_type((), (I32,)),
                [
                    ops.local.get(0),
                    ops.i32.const(1),
                    ops.i32.sub(),
                    ops.call(room),
                    # Not the last that it does, so that no compiler makes a loop of it.
                    ops.local.get(0),
                    ops.i32.add(),
                ],
                [ops.i32.const(0)],
            ),
        ]
        return room

    def _build_gates(self) -> None:
        self.enter.body.items = self._entering(False)
        self.enter_hook.body.items = self._entering(True)
        self.leave.body.items = self._leaving()
        self._build_admit()

    def _entering(self, is_procedure: bool) -> list[Item]:
        special: list[Item] = [ops.i32.const(int(is_procedure)), ops.call(self.admit)]
        asked: list[Item] = [
            ops.global_.get(self.state),
            ops.global_.get(self.scheduled),
            ops.i32.or_(),
        ]
        if self.in_wasm:
            value = self.module.block_type((), (I32,))
            admitted: list[Item] = [
                If(value, special, [ops.i32.const(MODULE_RUNS)]),
                ops.global_.set(self.state),
            ]
        else:
            admitted = [If(self._plain(), [*special, ops.drop()])]
        return [*asked, *admitted, *self.add(self.depth, 1)]

    def _leaving(self) -> list[Item]:
        items = self.add(self.depth, -1)
        if self.in_wasm:
            # What was let pass in a terminated instance leaves it so.
            items += [
                ops.global_.get(self.state),
                ops.i32.const(TERMINATED),
                ops.i32.and_(),
                ops.global_.set(self.state),
            ]
        return items

    def _build_admit(self) -> None:
        """``admit(is a procedure) -> state``: whether a gate may be entered that isn't entered in
        the plainest of cases, and what the state is then. Else it doesn't return.
        """
        plain = self.module.block_type()
        refuse: list[Item] = [ops.call(self.refuse), ops.unreachable()]
        let_pass: list[Item] = [
            ops.local.get(0),
            If(plain, self.set(self.running, 1)),
            *self.set(self.allowed, 0),
            ops.i32.const(TERMINATED),
            ops.return_(),
        ]
        terminated: list[Item] = [
            # allowed == 1, or allowed == 2 and the gate may be the hook's
            ops.global_.get(self.allowed),
            ops.i32.const(1),
            ops.i32.eq(),
            ops.global_.get(self.allowed),
            ops.i32.const(0),
            ops.i32.ne(),
            ops.local.get(0),
            ops.i32.and_(),
            ops.i32.or_(),
            If(plain, let_pass),
            ops.global_.get(self.running),
            ops.i32.const(2),
            ops.i32.eq(),
            If(plain, [*refuse]),
            ops.global_.get(self.scheduled),
            ops.i32.eqz(),
            If(plain, [*refuse]),
            ops.call(self.reset),
            ops.i32.const(MODULE_RUNS),
            ops.return_(),
        ]
        items: list[Item] = [*self.is_state(TERMINATED), If(plain, terminated)]
        if self.in_wasm:
            items += [
                *self.is_state(MODULE_RUNS),
                If(plain, [ops.call(self.terminate), *refuse]),
            ]
        self.admit.body.items = [
            *items,
            # Scheduled in a healthy instance: activations that are suspended hold it off.
            ops.global_.get(self.depth),
            ops.i32.eqz(),
            If(plain, [ops.call(self.reset)]),
            ops.i32.const(MODULE_RUNS),
        ]

    def _build_doors(self) -> None:
        """``go_out() -> running``, in a terminated instance: the hook goes on, others end here."""
        plain = self.module.block_type()
        for aside, change in (
            (self.go_out, self.set(self.running, 2)),
            (self.go_indirectly, self.set(self.allowed, 1)),
        ):
            saved = aside.body.add_local(I32)
            aside.body.items = [
                ops.global_.get(self.running),
                ops.local.tee(saved),
                ops.i32.eqz(),
                If(plain, [ops.unreachable()]),
                *change,
                ops.local.get(saved),
            ]

    def _build_exports(self) -> None:
        activation = self._function("activation", FuncType((), (F64,)), exported=True)
        activation.body.items = [
            # The host runs. What a hook's last call was allowed is over, however it ended.
            *self.set(self.allowed, 0),
            ops.global_.get(self.epoch),
            ops.f64.convert_i32_u(),
            ops.f64.const(4294967296.0),
            ops.f64.mul(),
            ops.global_.get(self.depth),
            ops.f64.convert_i32_u(),
            ops.f64.add(),
        ]
        setter = self._function("set_on_abort", FuncType((FUNCREF,), (FUNCREF,)), exported=True)
        setter.body.items = [
            ops.i32.const(0),
            ops.table.get(self.hook),
            *self.set(self.hook_index, 0),
            *self.set(self.hook_is_bare, 0),
            ops.i32.const(0),
            ops.local.get(0),
            ops.table.set(self.hook),
        ]
