"""What of an instance's state the format gives no way to put back, kept in globals instead: how
large memories and tables are, and which segments were dropped.

Nothing that was grown shrinks, and nothing that was dropped comes back. So a reset notes how much
of a memory or table is to be thought away, and growing takes from that first; and segments are only
said to be dropped. Where it is the host alone that grows a memory, as Emscripten's glue does when
the program asks it to, the program is told the real size: if it thought some of it away, the host
would know nothing of that, and make the memory larger each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir import (
    ArrayType,
    Concrete,
    Data,
    Element,
    FuncType,
    GlobalType,
    NumType,
    RefType,
    Type,
    ops,
)
from wasmir.passes.additions import name_for
from wasmir.passes.uses import replace_instructions, users

if TYPE_CHECKING:
    from collections.abc import Collection

    from wasmir import (
        Function,
        Global,
        Instr,
        Instruction,
        Item,
        Memory,
        Module,
        Table,
        ValType,
    )

__all__ = ["VirtualState"]

_SIZES = frozenset({"memory.size", "memory.grow", "table.size", "table.grow"})
_DROPS = frozenset({"data.drop", "elem.drop"})

_I32 = NumType.I32


class VirtualState:
    """Sizes and dropped segments of a module whose code goes through globals of ours for them.

    ``whole`` are the memories and tables that are put back, ``applied`` the segments that were
    active and are to be copied more than once. To the code of the module the latter are what they
    were before: dropped, ever since instantiation.

    Raises MalformedError, InvalidError for code that is broken.
    """

    def __init__(
        self,
        module: Module,
        whole: Collection[Memory | Table],
        applied: Collection[Data | Element],
    ) -> None:
        self._module = module
        self._applied = frozenset(applied)
        #: How many pages or slots at its end a memory or table is said not to have.
        self.hidden: dict[Memory | Table, Global] = {}
        #: Of passive segments that code drops: whether it did.
        self.dropped: dict[Data | Element, Global] = {}
        #: Functions whose code was changed.
        self.functions = 0
        self._grow: dict[Memory | Table, Function] = {}
        self._no_data: Data | None = None
        self._no_elements: dict[RefType, Element] = {}
        self._find(frozenset(whole))
        self._rewrite()

    # Looking

    def _find(self, whole: frozenset[Memory | Table]) -> None:
        """See what the code does, and make the globals for it."""
        module = self._module
        self._users: list[Function] = list(users(module, self._wanted(whole)))
        done: set[tuple[str, Any]] = set()
        for function in self._users:
            for row, values in function.distinct_instructions():
                if row.name in _SIZES | _DROPS:
                    done.add((row.name, values[0]))
        for name, number in sorted(done):
            segment: Any
            if name in _DROPS:
                segment = (module.data if name == "data.drop" else module.elements).numbered(number)
                if segment.is_active or (isinstance(segment, Element) and segment.declarative):
                    continue
                self.dropped[segment] = self._global(_I32, f"dropped_{segment.what}")
                continue
            entity: Any = (module.memories if "memory" in name else module.tables).numbered(number)
            if entity not in whole or entity in self.hidden:
                continue
            if (f"{entity.space}.grow", number) in done:
                self.hidden[entity] = self._global(entity.type.limits.address, "hidden")

    def _wanted(self, whole: frozenset[Memory | Table]) -> list[Instr]:
        """One of each sort of instruction that the code is to be searched for."""
        module = self._module
        found: list[Instr] = []
        for memory in module.memories:
            if memory in whole:
                found += [ops.memory.size(memory), ops.memory.grow(memory)]
        for table in module.tables:
            if table in whole:
                found += [ops.table.size(table), ops.table.grow(table)]
        found += [ops.data.drop(data) for data in module.data[:1]]
        found += [ops.elem.drop(element) for element in module.elements[:1]]
        for data in module.data[:1]:
            found += [ops.memory.init(data, memory) for memory in module.memories[:1]]
        for element in module.elements[:1]:
            found += [ops.table.init(element, table) for table in module.tables[:1]]
        arrays = [each for each in module.types if _is_array(each)][:1]
        for type_ in arrays:
            for data in module.data[:1]:
                found += [ops.array.new_data(type_, data), ops.array.init_data(type_, data)]
            for element in module.elements[:1]:
                found += [ops.array.new_elem(type_, element), ops.array.init_elem(type_, element)]
        return found

    def _global(self, type_: NumType, name: str) -> Global:
        const = ops.i64.const(0) if type_ is NumType.I64 else ops.i32.const(0)
        module = self._module
        number = len(self.hidden) + len(self.dropped)
        return module.add_global(
            GlobalType(type_, mutable=True),
            module.const(const),
            name=name_for(module, f"__wasmir_{name.replace(' ', '_')}_{number}"),
        )

    # Rewriting

    def _rewrite(self) -> None:
        for function in self._users:
            if replace_instructions(function, self._replaced):
                self.functions += 1

    def _replaced(self, instr: Instr) -> list[Instruction] | None:
        name = instr.row.name
        entity: Any
        if name in _SIZES:
            [entity] = instr.immediates
            hidden = self.hidden.get(entity)
            if hidden is None:
                return None
            if name.endswith("grow"):
                return [ops.call(self._grow_function(entity))]
            return [instr, ops.global_.get(hidden), _number(entity).sub()]
        segment: Any = next(
            (each for each in instr.immediates if isinstance(each, (Data, Element))), None
        )
        if segment is None:
            return None
        if name in _DROPS:
            if segment in self._applied:
                return []
            flag = self.dropped.get(segment)
            return None if flag is None else [ops.i32.const(1), ops.global_.set(flag)]
        if segment in self._applied:
            return [self._with_empty(instr, segment)]
        flag = self.dropped.get(segment)
        if flag is None:
            return None
        return [
            ops.global_.get(flag),
            ops.if_(
                self._module.block_type(*_operands(instr)),
                [self._with_empty(instr, segment)],
                [instr],
            ),
        ]

    def _with_empty(self, instr: Instr, segment: Data | Element) -> Instr:
        """The same with an empty segment, as which a dropped one behaves."""
        module = self._module
        empty: Data | Element | None
        if isinstance(segment, Data):
            empty = self._no_data = self._no_data or module.add_data(Data())
        else:
            empty = self._no_elements.get(segment.type)
            if empty is None:
                empty = self._no_elements[segment.type] = module.add_element(Element(segment.type))
        values = (empty if each is segment else each for each in instr.immediates)
        return module.instr(instr.row.name, *values)

    def _grow_function(self, entity: Any) -> Function:  # noqa: ANN401 - a Memory or Table
        """Grow into what is hidden first. Like the instruction, but for the globals."""
        known = self._grow.get(entity)
        if known is not None:
            return known
        module, hidden = self._module, self.hidden[entity]
        address, number = entity.type.limits.address, _number(entity)
        is_table = entity.space == "table"
        space: Any = ops.table if is_table else ops.memory
        params: tuple[ValType, ...] = (entity.type.element, address) if is_table else (address,)
        function = module.add_function(
            FuncType(params, (address,)),
            name=name_for(module, f"__wasmir_{entity.space}_grow_{len(self._grow)}"),
        )
        self._grow[entity] = function
        body = function.body
        by = len(params) - 1
        old = body.add_local(address)
        get, take = ops.local.get, ops.global_.get(hidden)

        def fill(count: Instr) -> list[Item]:
            # What was there before may have been written to; pages are zeroed by the reset.
            return [get(old), get(0), count, ops.table.fill(entity)] if is_table else []

        fits: list[Item] = [space.size(entity), take, number.sub(), ops.local.set(old)]
        fits += fill(get(by))
        fits += [take, get(by), number.sub(), ops.global_.set(hidden), get(old)]
        more: list[Item] = [get(0)] if is_table else []
        more += [get(by), take, number.sub(), space.grow(entity), ops.local.tee(old)]
        more += [number.const(-1), number.eq()]
        grown: list[Item] = [get(old), take, number.sub(), ops.local.set(old), *fill(take)]
        grown += [number.const(0), ops.global_.set(hidden), get(old)]
        more.append(ops.if_(address, [number.const(-1)], grown))
        body.seq.extend([get(by), take, number.le_u(), ops.if_(address, fits, more)])
        return function


def _is_array(type_: Type) -> bool:
    return isinstance(type_.definition.composite, ArrayType)


def _number(entity: Memory | Table) -> Any:  # noqa: ANN401 - the constructors of i32 or of i64
    """The arithmetic of its address type."""
    return ops.i64 if entity.type.limits.address is NumType.I64 else ops.i32


def _operands(instr: Instr) -> tuple[tuple[ValType, ...], tuple[ValType, ...]]:
    """The stack type of an instruction that uses a segment.

    Source: specification, Validation, "Instructions".
    """
    entity: Any = next(each for each in instr.immediates if not isinstance(each, (Data, Element)))
    if isinstance(entity, Type):
        if ".new_" in instr.row.name:
            return (_I32, _I32), (RefType(False, Concrete(entity)),)
        return (RefType(True, Concrete(entity)), _I32, _I32, _I32), ()
    return (entity.type.limits.address, _I32, _I32), ()
