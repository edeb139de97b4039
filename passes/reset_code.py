"""The code that puts memories, tables and globals back, and copies the segments once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir import (
    BrIf,
    Data,
    Function,
    FuncType,
    GlobalType,
    Limits,
    NumType,
    RefType,
    TableType,
    default_of,
    ops,
)
from wasmir.passes.additions import name_for
from wasmir.passes.reset_plan import makes_mutable_objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wasmir import Const, Element, Global, Instr, Item, Memory, Module, Table, ValType
    from wasmir.passes.reset_plan import Targets
    from wasmir.passes.reset_sizes import VirtualState

__all__ = ["Restore"]

# So many segments or globals are done by one function: engines limit how long one may be.
_AT_ONCE = 2000

# Memory is zeroed in pieces of at most so many bytes (as a power of 2): the length of all of a
# 4 GiB memory is no i32.
_PIECE_LOG2 = 30


class Restore:
    """The functions that a module gets so that it can be reset."""

    def __init__(self, module: Module, targets: Targets) -> None:
        self._module = module
        self._targets = targets
        #: Sizes at instantiation, where only instantiation tells.
        self._initial: dict[Memory | Table, Instr] = {}
        elements = [each for each in targets.elements if not _is_made_anew(each)]
        #: Segments that are passive from now on.
        self.segments: list[Data | Element] = [*elements, *targets.data]

    def function(
        self, state: VirtualState, mutable: Sequence[Global], imported: Sequence[Global]
    ) -> Function:
        """Change segments and start function; the function that puts everything back, with these
        globals.
        """
        targets = self._targets
        at_start, put_back = self._imports(imported)
        at_restore: list[Item] = []
        for memory in targets.memories:
            at_restore += self._zero(memory)
        for table in targets.tables:
            at_restore += self._clear(table)
        at_restore += self._side()
        at_restore += put_back
        for entity, hidden in state.hidden.items():
            number = _number(entity)
            space: Any = ops.table if entity.space == "table" else ops.memory
            at_restore += [space.size(entity), self._initial_size(entity), number.sub()]
            at_restore.append(ops.global_.set(hidden))
        for flag in state.dropped.values():
            at_restore += [ops.i32.const(0), ops.global_.set(flag)]
        again, first = self._apply()
        at_restore += again
        at_restore += self._in_parts(
            "__wasmir_restore_globals",
            [[*_instrs(each.init), ops.global_.set(each)] for each in mutable if each.init],
        )
        function = self._made("__wasmir_restore", at_restore)
        self._start([*at_start, *first])
        return function

    # Parts

    def _made(self, name: str, items: Iterable[Item]) -> Function:
        function = self._module.add_function(FuncType(), name=name_for(self._module, name))
        function.body.items.extend(items)
        return function

    def _in_parts(self, name: str, pieces: Sequence[list[Item]]) -> list[Item]:
        """The code of all pieces, or calls of functions that have it where there are many."""
        if len(pieces) <= _AT_ONCE:
            return [item for piece in pieces for item in piece]
        calls: list[Item] = []
        for first in range(0, len(pieces), _AT_ONCE):
            part = [item for piece in pieces[first : first + _AT_ONCE] for item in piece]
            calls.append(ops.call(self._made(f"{name}_{first // _AT_ONCE}", part)))
        return calls

    def _start(self, items: list[Item]) -> None:
        """Let instantiation do something before it calls the start function."""
        module = self._module
        if not items:
            return
        if module.start is not None:
            items = [*items, ops.call(module.start)]
        module.start = self._made("__wasmir_start", items)

    # Memories and tables

    def _initial_size(self, entity: Memory | Table) -> Instr:
        known = self._initial.get(entity)
        if known is not None:
            return known
        constant: Instr = _number(entity).const(entity.type.limits.minimum)
        return constant

    def _zero(self, memory: Memory) -> list[Item]:
        """Fill all of a memory with zeros: ``at`` goes up by pieces while pages are left."""
        limits = memory.type.limits
        page = 16 if limits.page_size_log2 is None else limits.page_size_log2
        number = _number(memory)
        address = limits.address
        piece = number.const(1 << (_PIECE_LOG2 - page))
        function = self._module.add_function(
            FuncType(), name=name_for(self._module, f"__wasmir_zero_memory_{memory.index}")
        )
        body = function.body
        at, left, now = (body.add_local(address) for _ in range(3))
        get, put, tee = ops.local.get, ops.local.set, ops.local.tee
        loop = ops.loop()
        loop.items += [get(left), piece, get(left), piece, number.lt_u(), ops.select(), put(now)]
        loop.items += [get(at), ops.i32.const(0), get(now), number.const(page), number.shl()]
        loop.items += [ops.memory.fill(memory)]
        loop.items += [get(at), get(now), number.const(page), number.shl(), number.add(), put(at)]
        loop.items += [get(left), get(now), number.sub(), tee(left)]
        loop.items += [number.eqz(), ops.i32.eqz(), BrIf(loop)]
        body.items += [ops.memory.size(memory), put(left), loop]
        return [ops.call(function)]

    def _clear(self, table: Table) -> list[Item]:
        """Fill a table with what its elements start as, and what it has more of now with nulls."""
        number = _number(table)
        zero, size = number.const(0), ops.table.size(table)
        fill, element = ops.table.fill(table), table.type.element
        if table.init is None:
            return [zero, default_of(element), size, fill]
        if not element.nullable:
            return [zero, *_instrs(table.init), size, fill]
        first = self._initial_size(table)
        return [
            *(zero, *_instrs(table.init), first, fill),
            *(first, default_of(element), size, first, number.sub(), fill),
        ]

    def _side(self) -> list[Item]:
        side = self._targets.side
        if side is None:
            return []
        items: list[Item] = []
        if side.memory is not None and side.memory_base is not None:
            size: Instr = _number(side.memory).const(side.memory_size)
            items += [ops.global_.get(side.memory_base), ops.i32.const(0), size]
            items.append(ops.memory.fill(side.memory))
        if side.table is not None and side.table_base is not None:
            slots: Instr = _number(side.table).const(side.table_size)
            items += [ops.global_.get(side.table_base), default_of(side.table.type.element), slots]
            items.append(ops.table.fill(side.table))
        return items

    # What was imported, as instantiation found it

    def _imports(self, imported: Sequence[Global]) -> tuple[list[Item], list[Item]]:
        """What instantiation has to note, and what puts that back."""
        first: list[Item] = []
        back: list[Item] = []
        for memory in self._targets.memories:
            if memory.imported is not None:
                first += self._note_memory(memory, back)
        for table in self._targets.tables:
            if table.imported is not None:
                first += self._note_table(table, back)
        for global_ in imported:
            first += self._note_global(global_, back)
        return first, back

    def _note_memory(self, memory: Memory, back: list[Item]) -> list[Item]:
        module, number = self._module, _number(memory)
        type_ = GlobalType(memory.type.limits.address, mutable=True)
        size = module.add_global(type_, module.const(number.const(0)))
        zero = module.add_global(GlobalType(NumType.I32, mutable=True), module.const(_ZERO))
        self._initial[memory] = ops.global_.get(size)
        # It was taken for fresh. If it wasn't, nobody knows what to put back.
        back += [ops.global_.get(zero), ops.i32.eqz(), ops.if_(None, [ops.unreachable()])]
        return [
            *(ops.memory.size(memory), ops.global_.set(size)),
            *(ops.call(self._is_zero(memory)), ops.global_.set(zero)),
        ]

    def _is_zero(self, memory: Memory) -> Function:
        """Whether there are only zeros in a memory."""
        limits, number = memory.type.limits, _number(memory)
        page = 16 if limits.page_size_log2 is None else limits.page_size_log2
        function = self._module.add_function(
            FuncType((), (NumType.I32,)),
            name=name_for(self._module, f"__wasmir_is_zero_memory_{memory.index}"),
        )
        body = function.body
        at, end = body.add_local(limits.address), body.add_local(limits.address)
        get, tee = ops.local.get, ops.local.tee
        words = page >= 3
        load = [ops.i64.load(memory=memory), ops.i64.eqz(), ops.i32.eqz()]
        if not words:
            load = [ops.i32.load8_u(memory=memory)]
        loop = ops.loop()
        loop.items += [get(at), *load]
        loop.items.append(ops.if_(None, [ops.i32.const(0), ops.return_()]))
        # Counted up to the end, which may be 0 again: 4 GiB.
        loop.items += [get(at), number.const(8 if words else 1), number.add(), tee(at), get(end)]
        loop.items += [number.ne(), BrIf(loop)]
        body.items += [ops.memory.size(memory), number.eqz()]
        body.items.append(ops.if_(None, [ops.i32.const(1), ops.return_()]))
        body.items += [ops.memory.size(memory), number.const(page), number.shl()]
        body.items += [ops.local.set(end), loop, ops.i32.const(1)]
        return function

    def _note_table(self, table: Table, back: list[Item]) -> list[Item]:
        """Keep a copy of it."""
        element, address = table.type.element, table.type.limits.address
        copy = self._module.add_table(TableType(element, Limits(0, address=address)))
        zero: Instr = _number(table).const(0)
        self._initial[table] = ops.table.size(copy)
        back += [zero, zero, ops.table.size(copy), ops.table.copy(table, copy)]
        return [
            *(default_of(element), ops.table.size(table), ops.table.grow(copy), ops.drop()),
            *(zero, zero, ops.table.size(table), ops.table.copy(copy, table)),
        ]

    def _note_global(self, global_: Global, back: list[Item]) -> list[Item]:
        module, type_ = self._module, global_.type.type
        kept: ValType = type_
        assure: list[Item] = []
        if isinstance(type_, RefType) and not type_.nullable:
            kept, assure = RefType(True, type_.heap), [ops.ref.as_non_null()]
        copy = module.add_global(GlobalType(kept, mutable=True), module.const(default_of(kept)))
        back += [ops.global_.get(copy), *assure, ops.global_.set(global_)]
        return [ops.global_.get(global_), ops.global_.set(copy)]

    # Segments

    def _apply(self) -> tuple[list[Item], list[Item]]:
        """What copies the segments at a reset, and at instantiation."""
        anew: list[Item] = []
        for element in self._targets.elements:
            if _is_made_anew(element):
                anew += self._set_one_by_one(element)
        pieces: list[list[Item]] = []
        for segment in self.segments:
            pieces.append(self._copied(segment))
            segment.offset = None
            if isinstance(segment, Data):
                segment.memory = None
            else:
                segment.table = None
        if not pieces:
            return anew, []
        items = self._in_parts("__wasmir_apply_segments", pieces)
        call = ops.call(self._made("__wasmir_apply_segments", items))
        return [*anew, call], [call]

    def _copied(self, segment: Data | Element) -> list[Item]:
        items: list[Item] = [*_instrs(segment.offset), _ZERO]
        if isinstance(segment, Data):
            items.append(ops.i32.const(_signed(segment.size)))
            items.append(ops.memory.init(segment, segment.memory or 0))
        else:
            items.append(ops.i32.const(_signed(len(segment.items))))
            items.append(ops.table.init(segment, segment.table or 0))
        return items

    def _set_one_by_one(self, element: Element) -> list[Item]:
        """New objects, as instantiation makes them: a passive segment would hold the old ones."""
        table, items = element.table, []
        if table is None:
            return []
        number = _number(table)
        for at, item in enumerate(element.items):
            value = [ops.ref.func(item)] if isinstance(item, Function) else _instrs(item)
            items += [*_instrs(element.offset), number.const(at), number.add(), *value]
            items.append(ops.table.set(table))
        return items


_ZERO = ops.i32.const(0)


def _is_made_anew(element: Element) -> bool:
    return any(makes_mutable_objects(item) for item in element.items)


def _instrs(const: Const | None) -> list[Instr]:
    return [] if const is None else const.instrs


def _number(entity: Memory | Table) -> Any:  # noqa: ANN401 - the constructors of i32 or of i64
    """The arithmetic of its address type."""
    return ops.i64 if entity.type.limits.address is NumType.I64 else ops.i32


def _signed(value: int) -> int:
    """An unsigned number as `i32.const` spells it."""
    return value - (1 << 32) if value >= 1 << 31 else value
