"""A look at each memory access before it happens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from wasmir import (
    Function,
    FuncType,
    If,
    Instr,
    Memory,
    NumType,
    Pass,
    PassError,
    PassReport,
    Probe,
    Trait,
    UnsupportedError,
    ops,
)
from wasmir.passes.additions import EXPORTS, add_state, is_there, name_for
from wasmir.passes.selection import (
    chosen_code,
    import_named,
    one_of,
)
from wasmir.passes.spill import Spill
from wasmir.passes.tree import all_or_nothing, refuse_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wasmir import Global, Item, Module

__all__ = ["CheckMemory"]

_LOW, _HIGH = "__wasmir_memory_low", "__wasmir_memory_high"
_READ, _WRITE = 1, 2
_I32, _I64 = NumType.I32, NumType.I64


class _Access(NamedTuple):
    """What one instruction does to a memory: ``address`` and ``size`` are places of operands,
    ``width`` is the size where no operand says it.
    """

    memory: Memory
    address: int
    offset: int
    size: int | None
    width: int
    kind: int


@dataclass(frozen=True)
class CheckMemory(Pass):
    """Check each memory access before it happens, or tell the host of it.

    Before::

        (func $f (param i32)
          local.get 0
          i32.const 5
          i32.store offset=8)

    After::

        (global $low (export "__wasmir_memory_low") (mut i64) (i64.const 1024))
        (global $high (export "__wasmir_memory_high") (mut i64) (i64.const -1))
        (func $f (param i32)
          (local i32 i32)
          local.get 0
          i32.const 5
          local.set 2
          local.set 1
          local.get 1
          i32.const 8                        ;; the offset
          i32.const 4                        ;; the size
          i32.const 2                        ;; 1 reads, 2 writes, 3 both
          i32.const 0                        ;; the memory
          call $check
          local.get 1
          local.get 2
          i32.store offset=8)
        (func $check (param $address i32) (param $offset i32) (param $size i32)
          (param $access i32) (param $memory i32)
          ;; trap unless low <= address + offset and address + offset + size <= high
        )

    Without ``hook`` accesses below ``low`` trap, as those by null pointers, and those that end
    above ``high``. Both are unsigned, of all memories, and exported globals that the host may set;
    with ``export=functions`` they have functions for that (as ``__wasmir_memory_low_set``), for
    glue that takes no exported i64 (Emscripten's for dynamic linking).
    With ``hook`` an import is called instead, with the same parameters; address, offset and size
    are i64 for a memory with 64-bit addresses, for which it is imported again with that type.

    All that reads or writes a memory is looked at: loads and stores, of lanes and atomic ones,
    ``memory.fill``, ``memory.copy`` (twice), ``memory.init``; not what instantiation copies. An
    access of no bytes is none.

    Raises PassError for a glob that matches no function, UnsupportedError for object files and for
    a module that is checked already: the module is as it was then.
    """

    name: ClassVar[str] = "check-memory"

    functions: str = field(default="", metadata={"help": "globs of functions; all if empty"})
    where: str = field(default="all", metadata={"help": "loads, stores, or all"})
    low: int = field(default=1024, metadata={"help": "the first address that may be accessed"})
    high: int = field(
        default=(1 << 64) - 1, metadata={"help": "the first that may not, above all others"}
    )
    hook: str = field(default="", metadata={"help": "an import to call, as MODULE.NAME"})
    export: str = field(
        default="global",
        metadata={"help": "how the host reaches low and high: global, functions, or none"},
    )

    def run(self, module: Module) -> PassReport:
        """Put the checks there, or raise and leave the module as it was."""
        one_of(f"{self.name}: where", self.where, ("loads", "stores", "all"))
        one_of(f"{self.name}: export", self.export, EXPORTS)
        hook = import_named(f"{self.name}: hook", self.hook) if self.hook else None
        for option, value in (("low", self.low), ("high", self.high)):
            if not 0 <= value < 1 << 64:
                raise PassError(f"{self.name}: {option} is from 0 to 2^64 - 1, not {value}")
        if self.low > self.high:
            raise PassError(
                f"{self.name}: nothing could be accessed: low={self.low} is above high={self.high}"
            )
        refuse_object(module)
        if is_there(module, _LOW):
            raise UnsupportedError("the module is checked already")
        with all_or_nothing(module):
            checkpoint = module.checkpoint()
            chosen = set(chosen_code(self.name, self.functions, module))
            # By the indices that memories have in the input.
            numbers = {memory: number for number, memory in enumerate(module.memories)}
            types = {each.type.limits.address for each in numbers}
            checks: dict[NumType, Function] = {}
            if hook is not None:
                for each in sorted(types, key=str):
                    checks[each] = module.import_function(*hook, _signature(each))
            elif types:
                low, high = (
                    add_state(module, name, _signed(value, _I64), self.export)
                    for name, value in ((_LOW, self.low), (_HIGH, self.high))
                )
                for each in sorted(types, key=str):
                    checks[each] = _check(module, each, low, high)

            snippet = self._snippets(module, numbers, checks)

            def check(function: Function) -> int:
                return self._check_all(function, snippet) if function in chosen else 0

            counts = self.edit(module, check)
            if not any(counts):
                # Nobody calls what was added.
                module.rollback(checkpoint)
        return PassReport(self.name, sum(count > 0 for count in counts), {"accesses": sum(counts)})

    def _snippets(
        self, module: Module, numbers: dict[Memory, int], checks: dict[NumType, Function]
    ) -> Callable[[Instr, Spill], tuple[int, list[Item]]]:
        """What makes the code in front of an instruction: how many accesses it looks at, and the
        run. The instructions of a large module are millions, and distinct ones are few.
        """
        known: dict[tuple[int, tuple[int, ...]], tuple[int, list[Item]]] = {}
        operands: dict[int, tuple[Instr, list[NumType], list[_Access]]] = {}

        def snippet(instr: Instr, spill: Spill) -> tuple[int, list[Item]]:
            # By identity: they are interned, and kept here.
            found = operands.get(id(instr))
            if found is None:
                wanted = [each for each in _accesses(module, instr) if self._wants(each)]
                found = operands[id(instr)] = instr, _operands(module, instr), wanted
            _, types, accesses = found
            locals_ = spill.locals(types) if accesses else []
            key = id(instr), tuple(locals_)
            made = known.get(key)
            if made is None:
                code = spill.away(locals_)
                for access in accesses:
                    code += _call(access, types, locals_, numbers, checks)
                code += spill.back(locals_)
                made = known[key] = len(accesses), [module.run(code)]
            return made

        return snippet

    def _check_all(
        self, function: Function, snippet: Callable[[Instr, Spill], tuple[int, list[Item]]]
    ) -> int:
        if all(_TRAITS.isdisjoint(row.traits) for row, _ in function.distinct_instructions()):
            return 0
        total = 0
        with Probe(function) as probe:
            spill = Spill(probe)
            for place in probe.places():
                item = place.item
                if isinstance(item, Instr) and not _TRAITS.isdisjoint(item.row.traits):
                    count, items = snippet(item, spill)
                    if count:
                        probe.before(place, items)
                        total += count
        return total

    def _wants(self, access: _Access) -> bool:
        wanted = {"loads": _READ, "stores": _WRITE, "all": _READ | _WRITE}[self.where]
        return access.kind & wanted != 0


_TRAITS = frozenset({Trait.LOADS, Trait.STORES})


def _signature(address: NumType) -> FuncType:
    return FuncType((address, address, address, _I32, _I32), ())


def _signed(value: int, type_: NumType) -> int:
    """As constants have it."""
    bits = 32 if type_ is _I32 else 64
    return value - (1 << bits) if value >> (bits - 1) else value


def _memory(module: Module, value: object) -> Memory:
    """What an immediate names; an instruction that was made without says nothing."""
    return value if isinstance(value, Memory) else module.memories[0]


def _accesses(module: Module, instr: Instr) -> Iterator[_Access]:
    row = instr.row
    values = dict(zip((each.name for each in row.immediates), instr.immediates, strict=True))
    kind = (Trait.LOADS in row.traits) * _READ | (Trait.STORES in row.traits) * _WRITE
    memarg = values.get("memarg")
    if memarg is not None:
        width = next(each.kind.bound for each in row.immediates if each.name == "memarg")
        memory = _memory(module, memarg.memory)
        yield _Access(memory, 0, memarg.offset, None, 1 << cast("int", width), kind)
        return
    # In bulk: the operands are where to, what or where from, and how much.
    memories = [
        _memory(module, value)
        for each, value in zip(row.immediates, instr.immediates, strict=True)
        if each.kind.space == "memory"
    ]
    yield _Access(memories[0], 0, 0, 2, 0, _WRITE)
    if len(memories) > 1:
        yield _Access(memories[1], 1, 0, 2, 0, _READ)


def _operands(module: Module, instr: Instr) -> list[NumType]:
    """The types of what the instruction takes."""
    found: list[NumType] = []
    for each in cast("tuple[Any, ...]", instr.row.params):
        if isinstance(each, NumType):
            found.append(each)
            continue
        # The address type of a memory; of two it is the smaller.
        named = [instr.immediates[place] for place in each.immediates]
        memories = [_memory(module, getattr(value, "memory", value)) for value in named]
        wide = all(memory.type.limits.address is _I64 for memory in memories)
        found.append(_I64 if wide else _I32)
    return found


def _call(
    access: _Access,
    types: list[NumType],
    locals_: list[int],
    numbers: dict[Memory, int],
    checks: dict[NumType, Function],
) -> Iterator[Instr]:
    """The call that looks at an access, with operands in locals."""
    address = access.memory.type.limits.address
    const = ops.i32.const if address is _I32 else ops.i64.const
    yield ops.local.get(locals_[access.address])
    yield const(_signed(access.offset, address))
    if access.size is None:
        yield const(access.width)
    else:
        yield ops.local.get(locals_[access.size])
        if types[access.size] is not address:
            yield ops.i64.extend_i32_u()
    yield ops.i32.const(access.kind)
    yield ops.i32.const(numbers[access.memory])
    yield ops.call(checks[address])


def _check(module: Module, address: NumType, low: Global, high: Global) -> Function:
    """The function that traps where an access is out of its bounds."""
    name = name_for(module, f"__wasmir_check_{address}")
    function = module.add_function(_signature(address), name=name)
    body = function.body
    # Where the access begins and ends.
    begin = body.add_local(_I64, 2)
    end = begin + 1
    wide: list[Item] = [ops.i64.extend_i32_u()] if address is _I32 else []
    nothing = module.block_type()

    def refuse(*test: Item) -> list[Item]:
        return [*test, If(nothing, [ops.unreachable()])]

    body.items = [
        *(ops.local.get(2), *wide, ops.i64.eqz(), If(nothing, [ops.return_()])),
        *(ops.local.get(0), *wide, ops.local.get(1), *wide, ops.i64.add(), ops.local.set(begin)),
        *(ops.local.get(begin), ops.local.get(2), *wide, ops.i64.add(), ops.local.set(end)),
        # Sums of 64 bits that wrapped around.
        *refuse(ops.local.get(begin), ops.local.get(1), *wide, ops.i64.lt_u()),
        *refuse(ops.local.get(end), ops.local.get(begin), ops.i64.lt_u()),
        *refuse(ops.local.get(begin), ops.global_.get(low), ops.i64.lt_u()),
        *refuse(ops.local.get(end), ops.global_.get(high), ops.i64.gt_u()),
    ]
    function.settle()
    return function
