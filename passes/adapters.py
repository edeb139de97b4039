"""Adapters: what stands in front of a module's gates and doors (:mod:`wasmir.passes.boundary`).

All that recovery does there goes into one adapter, so that a crossing costs one more call, however
many passes have a wish. In the exnref dialect a gate with all of it is::

    (func $gate (param ...) (result ...)
      call $enter                    ;; or what that does: a call less, but more bytes
      global.get $sp
      local.set $saved
      block $out (result exnref)
        try_table (result ...) (catch $mark $out) (catch_all_ref $out)
          local.get ...
          call $original
        end
        call $leave
        return
      end                          ;; the host's own exception, its mark off; or any other
      local.get $saved
      global.set $sp
      call $leave
      throw_ref
    )

and in the legacy one, where a mark carries the value that JavaScript threw::

      try (result ...)
        local.get ...
        call $original
      catch $mark
        local.set $value  local.get $saved  global.set $sp  call $leave
        local.get $value
        throw $JSTag
      catch_all
        local.get $saved  global.set $sp  call $leave
        rethrow 0
      end
      call $leave
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wasmir import (
    EXNREF,
    EXTERNREF,
    FUNCREF,
    REF_FUNC,
    Block,
    Br,
    Catch,
    Clause,
    Concrete,
    Const,
    Element,
    Function,
    FuncType,
    If,
    Limits,
    NumType,
    RefType,
    Rethrow,
    TableType,
    Try,
    TryTable,
    UnsupportedError,
    ops,
)
from wasmir.passes.boundary import OURS, Dialect

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from wasmir import Global, Instr, Item, Module, Table, Tag, Type, ValType
    from wasmir.passes.guard import DoorLocals, Guard

__all__ = ["Adapters", "Mark", "caught_by", "install", "redirect_references"]

I32 = NumType.I32

_SHARED_FROM = 2000
"""From so many gates on, those of one type share their body."""

_HELPED_FROM = 256
"""From so many gates on, those that have a body of their own call helpers to count in and out: some
20 bytes less for each. Engines that don't compile calls into their callers (wasmtime) take 4 ns
more for the two calls."""

_INLINE_FROM = 32
"""A shared body counts in and out by itself if so many gates share it."""


@dataclass(frozen=True)
class Mark:
    """How foreign exceptions are told from others inside the module."""

    #: Its payload is the exception: an ``exnref``, or what JavaScript threw as an ``externref``.
    tag: Tag
    #: ``WebAssembly.JSTag``, in the legacy dialect.
    js_tag: Tag | None = None


@dataclass
class Adapters:
    """What adapters do; any of it may be absent."""

    module: Module
    dialect: Dialect
    guard: Guard | None = None
    mark: Mark | None = None
    #: The tags that the module names, whose exceptions are never foreign.
    known: tuple[Tag, ...] = ()
    #: A foreign exception that leaves the outermost gate terminates the instance.
    foreign_aborts: bool = False
    #: Saved by gates on entry, and restored when an exception leaves.
    stack_pointer: Global | None = None
    #: Imports that never call back, by the user's word.
    leaves: frozenset[Function] = frozenset()
    #: Whether references to functions lead to gates, and indirect calls are doors.
    indirect: bool = False
    #: Whether the module may have ``ref.test``.
    has_casts: bool = True
    share: bool | None = None
    #: The adapter of each original.
    gates: dict[Function, Function] = field(default_factory=dict)
    doors: dict[Function, Function] = field(default_factory=dict)
    indirect_doors: dict[tuple[object, ...], Function] = field(default_factory=dict)
    #: Where shared gates find their originals.
    table: Table | None = None
    #: Segments that mean the originals, whatever references lead to.
    segments: list[Element] = field(default_factory=list)

    # Gates

    def add_gates(self, functions: Iterable[Function]) -> None:
        """Make gates for functions that have none."""
        wanted = [each for each in functions if each not in self.gates]
        share = len(wanted) >= _SHARED_FROM if self.share is None else self.share
        if not share:
            inline = len(wanted) < _HELPED_FROM
            for function in wanted:
                self.gates[function] = self.gate(function, inline=inline)
        elif wanted:
            self._add_shared_gates(wanted)

    def gate(self, function: Function, *, inline: bool = False) -> Function:
        """A gate of one function; ``inline``: without helpers where the function returns."""
        gate = self.module.add_function(function.type)
        count = len(function.func_type.params)
        call: list[Item] = [*map(ops.local.get, range(count)), ops.call(function)]
        gate.body.items = self._gate_items(gate, function, call, inline=inline)
        return gate

    def _add_shared_gates(self, functions: list[Function]) -> None:
        """Gates that only say which function they are for.

        ::

            (func $gate (type $t) local.get 0 (i32.const 7) (call $shared))
            (func $shared (param i32 i32)
              ;; as any gate, but for the call:
              local.get 0
              (i32.add (local.get 1) (i32.const BASE))
              (call_indirect $originals (type $t)))

        In a large module one takes 14 bytes and two for each parameter: size, locals and end 3,
        number 3, call 4; its type 1; the original in the table 3. Half of it is numbers of
        functions, which are shorter only where all are put into another order (reorder-functions).
        """
        module = self.module
        by_type: dict[Type, list[Function]] = {}
        for function in functions:
            by_type.setdefault(function.type, []).append(function)
        count = len(functions)
        table = self.table = module.add_table(TableType(FUNCREF, Limits(count, count)))
        originals: list[Function] = []
        for type_, members in by_type.items():
            params, results = members[0].func_type.params, members[0].func_type.results
            shared = module.add_function(FuncType((*params, I32), results))
            args: list[Instr] = [*map(ops.local.get, range(len(params)))]
            which, to_shared = ops.local.get(len(params)), ops.call(shared)
            call: list[Item] = [*args, which, ops.call_indirect(type_, table)]
            if originals:
                # Counted for each type, so that the numbers are short.
                call[-1:-1] = [ops.i32.const(len(originals)), ops.i32.add()]
            inline = len(members) >= _INLINE_FROM
            shared.body.items = self._gate_items(shared, members[0], call, inline=inline)
            for number, function in enumerate(members):
                self.gates[function] = module.add_function(
                    type_, [*args, ops.i32.const(number), to_shared]
                )
            originals += members
        start = module.const(ops.i32.const(0))
        segment = Element(REF_FUNC, originals, table=table, offset=start)
        self.segments.append(module.add_element(segment))

    def _gate_items(
        self, gate: Function, original: Function, call: list[Item], *, inline: bool
    ) -> list[Item]:
        module, guard = self.module, self.guard
        before: list[Item] = [] if guard is None else guard.enters(original, inline=inline)
        leave: list[Item] = [] if guard is None else guard.leaves()
        returns: list[Item] = [] if guard is None else guard.leaves(inline=inline)
        restore: list[Item] = []
        pointer = self.stack_pointer
        if pointer is not None and self.dialect is not Dialect.NONE:
            saved = gate.body.add_local(pointer.type.type)
            before += [ops.global_.get(pointer), ops.local.set(saved)]
            restore = [ops.local.get(saved), ops.global_.set(pointer)]
        last = [*restore, *leave]
        results = original.func_type.results
        if self.dialect is Dialect.NONE or not (last or self.mark):
            return [*before, *call, *returns]
        abort: list[Item] = []
        if self.foreign_aborts and guard is not None:
            abort = guard.leaves_for_foreign()
        type_ = module.block_type((), results)
        if self.dialect is Dialect.LEGACY:
            attempt = Try(type_, call)
            if self.mark is not None and self.mark.js_tag is not None:
                value = gate.body.add_local(EXTERNREF)
                foreign: list[Item] = [
                    ops.local.set(value),
                    *restore,
                    *(abort or leave),
                    ops.local.get(value),
                    ops.throw(self.mark.js_tag),
                ]
                attempt.catches.append(Catch(self.mark.tag, foreign))
            elif abort:
                # Without a mark, what has no tag that the module names is foreign.
                for tag in self.known:
                    kept: list[Item] = [*[ops.drop() for _ in tag.params], *last]
                    attempt.catches.append(Catch(tag, [*kept, Rethrow(attempt)]))
                last = [*restore, *abort]
            attempt.catches.append(Catch(None, [*last, Rethrow(attempt)]))
            return [*before, attempt, *returns]
        exception = module.block_type((), (EXNREF,))
        out = Block(exception)
        clauses = [Clause(None, out, ref=True)]
        protected = TryTable(type_, clauses, call)
        out.items = [protected, *returns, ops.return_()]
        after: list[Item] = [*last, ops.throw_ref()]
        if self.mark is None:
            return [*before, out, *after]
        if not abort:
            clauses.insert(0, Clause(self.mark.tag, out))
            return [*before, out, *after]
        foreign_out = Block(exception)
        clauses.insert(0, Clause(self.mark.tag, foreign_out))
        foreign_out.items = [out, *after]
        return [*before, foreign_out, *restore, *abort, ops.throw_ref()]

    # Doors

    def add_doors(self, imports: Iterable[Function]) -> None:
        """Make doors for imports that have none."""
        for function in imports:
            if function not in self.doors:
                self.doors[function] = self._door(function)

    def _door(self, function: Function) -> Function:
        door = self.module.add_function(function.type)
        count = len(function.func_type.params)
        call: list[Item] = [*map(ops.local.get, range(count)), ops.call(function)]
        leaf = function in self.leaves
        door.body.items = self._door_items(door, function.func_type.results, call, leaf=leaf)
        return door

    def indirect_door(self, instr: Instr) -> Function:
        """The door of an indirect call: the same operands, the same results."""
        by_table = instr.row.name.endswith("call_indirect")
        type_: Type = instr.immediates[0]
        table: Table | None = instr.immediates[1] if by_table else None
        known = self.indirect_doors.get((type_, table))
        if known is not None:
            return known
        func = type_.func
        if func is None:
            raise UnsupportedError(f"type mismatch: type {type_} is no function type")
        callee: ValType = RefType(True, Concrete(type_))
        if table is not None:
            callee = table.type.limits.address
        door = self.module.add_function(FuncType((*func.params, callee), func.results))
        target = len(func.params)
        call: list[Item] = [
            *map(ops.local.get, range(target + 1)),
            ops.call_ref(type_) if table is None else ops.call_indirect(type_, table),
        ]
        items: list[Item] = []
        if self.guard is not None and self.guard.in_wasm:
            # A call that traps by itself is the module's own trap, so the module runs still.
            fine = Block(self.module.block_type())
            items = [fine, *self._door_items(door, func.results, call, indirect=True)]
            fine.items = [
                *self._can_call(type_, table, target, fine),
                *call,
                ops.unreachable(),
            ]
        else:
            items = self._door_items(door, func.results, call, indirect=True)
        door.body.items = items
        self.indirect_doors[type_, table] = door
        return door

    def _can_call(self, type_: Type, table: Table | None, target: int, fine: Block) -> list[Item]:
        """Go to ``fine`` if an indirect call will not trap by itself."""
        callee: list[Item] = [ops.local.get(target)]
        if table is not None:
            callee.append(ops.table.get(table))
        if table is not None and self.has_casts:
            fits: list[Item] = [*callee, ops.ref.test(Concrete(type_))]
        else:
            fits = [*callee, ops.ref.is_null(), ops.i32.eqz()]
        fits.append(ops.br_if(fine))
        if table is None:
            return fits
        wide = table.type.limits.address is NumType.I64
        return [
            ops.local.get(target),
            ops.table.size(table),
            ops.i64.lt_u() if wide else ops.i32.lt_u(),
            If(self.module.block_type(), fits),
        ]

    def _door_items(
        self,
        door: Function,
        results: tuple[ValType, ...],
        call: list[Item],
        *,
        indirect: bool = False,
        leaf: bool = False,
    ) -> list[Item]:
        module, guard = self.module, self.guard
        at: DoorLocals | None = None if guard is None else guard.door_locals(door)

        def out() -> list[Item]:
            return (
                [] if guard is None or at is None else guard.out(at, indirect=indirect, leaf=leaf)
            )

        def back() -> list[Item]:
            return [] if guard is None or at is None else guard.back(at, leaf=leaf)

        if self.dialect is Dialect.NONE:
            return [*out(), *call, *back()]
        type_ = module.block_type((), results)
        mark = self.mark
        if self.dialect is Dialect.LEGACY:
            attempt = Try(type_, call)
            if mark is not None and mark.js_tag is not None:
                value = door.body.add_local(EXTERNREF)
                for tag in self.known:
                    # It may be JSTag by another name, and then handlers ask for it by that.
                    if tag.imported is not None and tag.params == (EXTERNREF,):
                        kept: list[Item] = [ops.drop(), *back(), Rethrow(attempt)]
                        attempt.catches.append(Catch(tag, kept))
                # Marks don't nest: the value is the same.
                for tag in (mark.tag, mark.js_tag):
                    again: list[Item] = [
                        ops.local.set(value),
                        *back(),
                        ops.local.get(value),
                        ops.throw(mark.tag),
                    ]
                    attempt.catches.append(Catch(tag, again))
            attempt.catches.append(Catch(None, [*back(), Rethrow(attempt)]))
            return [*out(), attempt, *back()]
        exception = module.block_type((), (EXNREF,))
        known = Block(exception)
        if mark is None:
            protected = TryTable(type_, [Clause(None, known, ref=True)], call)
            known.items = [protected, *back(), ops.return_()]
            return [*out(), known, *back(), ops.throw_ref()]
        caught = door.body.add_local(EXNREF)
        is_known = door.body.add_local(I32)
        foreign = Block(exception)
        clauses, inside = caught_by(module, self.known, known, caught)
        clauses += [Clause(mark.tag, foreign), Clause(None, foreign, ref=True)]
        inside.insert(0, TryTable(type_, clauses, call))
        inside[1:1] = [*back(), ops.return_()]
        foreign.items = [known, ops.i32.const(1), ops.local.set(is_known)]
        return [
            *out(),
            foreign,
            ops.local.set(caught),
            *back(),
            ops.local.get(caught),
            ops.local.get(is_known),
            If(module.block_type((EXNREF,), (EXNREF,)), [ops.throw_ref()]),
            ops.throw(mark.tag),
        ]


def caught_by(
    module: Module, tags: Iterable[Tag], known: Block, caught: int
) -> tuple[list[Clause], list[Item]]:
    """Clauses for some tags, which lead to the end of ``known`` with nothing but the exception;
    and the innermost list, where what they protect has to stand::

        block $known (result exnref)
          block $payload (result i32 exnref)
            ...
          end
          local.set $caught
          drop
          local.get $caught
          br $known
        end
    """
    clauses: list[Clause] = []
    blocks: dict[tuple[ValType, ...], Block] = {(): known}
    inside = known.items
    for tag in tags:
        params = tag.params
        if params not in blocks:
            payload = blocks[params] = Block(module.block_type((), (*params, EXNREF)))
            inside += [
                payload,
                ops.local.set(caught),
                *[ops.drop() for _ in params],
                ops.local.get(caught),
                Br(known),
            ]
            inside = payload.items
        clauses.append(Clause(tag, blocks[params], ref=True))
    return clauses, inside


def install(adapters: Adapters, originals: list[Function], *, tail_calls: bool) -> list[Function]:
    """Let everything go through the adapters; the functions whose code changed.

    ``originals`` are the functions that were there before, in whose code calls become doors.
    Raises UnsupportedError.
    """
    module = adapters.module
    gates, doors = adapters.gates, adapters.doors
    for export in module.exports:
        entity = export.entity
        if isinstance(entity, Function) and not export.name.startswith(OURS):
            export.entity = gates.get(entity, entity)
    references: dict[Function, Function] = {}
    if adapters.indirect:
        references = gates
    elif doors:
        # Where indirect calls are no doors, what they reach is.
        references = doors
    if references:
        _redirect_outside(module, references, adapters.segments)
    names = set()
    if doors:
        names |= {"call", "return_call"}
    if references:
        names.add("ref.func")
    if adapters.indirect:
        names |= {"call_indirect", "call_ref", "return_call_indirect", "return_call_ref"}

    def choose(instr: Instr) -> Instr | None:
        name = instr.row.name
        if name == "ref.func":
            target = references.get(instr.immediates[0])
            return None if target is None else ops.ref.func(target)
        if name in ("call", "return_call"):
            target = doors.get(instr.immediates[0])
        else:
            if name.startswith("return_") and not tail_calls:
                raise UnsupportedError(
                    f"{name} through a door keeps its caller's frame, so that loops of such calls "
                    "grow the stack; tail-calls=true accepts that, tables=exports-only leaves "
                    "indirect calls as they are"
                )
            target = adapters.indirect_door(instr)
        if target is None:
            return None
        return ops.return_call(target) if name.startswith("return_") else ops.call(target)

    return module.substitute(names, choose, originals) if names else []


def redirect_references(
    module: Module,
    to: dict[Function, Function],
    kept: Collection[Element],
    functions: list[Function],
) -> list[Function]:
    """Let references to functions lead to others, in code and outside of it, but for the segments
    in ``kept``; the functions whose code changed.
    """

    def choose(instr: Instr) -> Instr | None:
        target = to.get(instr.immediates[0])
        return None if target is None else ops.ref.func(target)

    _redirect_outside(module, to, kept)
    return module.substitute(("ref.func",), choose, functions)


def _redirect_outside(
    module: Module, to: dict[Function, Function], kept: Collection[Element]
) -> None:
    """Function references outside of code."""
    for element in module.elements:
        if element in kept:
            continue
        for item in element.items:
            if isinstance(item, Const):
                _redirect_const(item, to)
        element.items = [
            to.get(item, item) if isinstance(item, Function) else item for item in element.items
        ]
    for init in (*(each.init for each in module.globals), *(each.init for each in module.tables)):
        if init is not None:
            _redirect_const(init, to)


def _redirect_const(const: Const, to: dict[Function, Function]) -> None:
    if _REF_FUNC in const.code:
        const.instrs = [
            ops.ref.func(to[each.immediates[0]])
            if each.row.name == "ref.func" and each.immediates[0] in to
            else each
            for each in const.instrs
        ]


# What an expression has that refers to a function, and may be part of something else.
_REF_FUNC = b"\xd2"
