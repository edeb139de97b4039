"""The code of a function, or of a snippet, in the place of a call of it.

Parameters become locals of the host, set from the operand stack; locals become new ones of its own,
set to zero or null where the code may read them before it has written them, since the place may be
passed many times. A ``return`` becomes a branch to the end of a block around it all::

    (func $f (param $x i32) (result i32)          local.set $new
      (if (local.get $x) (then                    block (result i32)
        (return (i32.const 1))))            =>      local.get $new  if  i32.const 1  br 1  end
      (i32.const 2))                                i32.const 2
                                                  end

Tail calls become calls that are followed by such a branch. Where one stands in a ``try`` or a
``try_table``, whose handlers it leaves with its frame, the call stands behind these::

    try  return_call $g  catch_all ... end    =>    block (result i32)
                                                      block $leaves
                                                        try  br $leaves  catch_all ... end
                                                        br 1
                                                      end
                                                      call $g
                                                    end
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir.ir.checks import check_is
from wasmir.ir.code import Block, Br, Instr, Structured, Try, TryTable, falls_through
from wasmir.ir.local import default_of
from wasmir.ir.seq import expand_list
from wasmir.ir.table import Table
from wasmir.ir.tree import copy_items, named_labels
from wasmir.isa import kinds
from wasmir.isa.table import BY_NAME
from wasmir.types import Concrete, RefType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    from wasmir.ir.build import Snippet
    from wasmir.ir.code import Body, Item
    from wasmir.ir.function import Function
    from wasmir.types import ValType

    Declare: TypeAlias = Callable[[ValType, str | None], int]

__all__ = ["check_code", "inlined", "inlined_into"]

_TAIL = "return_"
_SETS = (BY_NAME["local.set"], BY_NAME["local.tee"])


def inlined(code: Function | Snippet, declare: Declare) -> list[Item]:
    """A copy of a function's code, which takes its parameters from the stack and leaves its
    results. ``declare`` declares a local of the host, from its type and name, and gives its index.

    Raises UnsupportedError of an import, ValueError of what is still being built, and like
    :attr:`Function.body`.
    """
    function, names = _source(code)
    was_open = function.is_open
    body = function.body
    end = Block(function.module.block_type((), function.func_type.results))
    items, _ = copy_items(body.items, {body: end})
    if not was_open:
        function.close()
    lists = _lists(function, items)
    mentioned = {local for each, _ in lists for item in each for local in _locals(item)}
    starting, renamed = _host_locals(function, mentioned, _written_first(items), names, declare)
    # By tail call that stands where its exceptions would be caught.
    leaving: dict[Instr, Block] = {}
    for each, caught in lists:
        if caught:
            each[:] = [_left(function, item, leaving) for item in each]
        each[:] = [new for item in each for new in _hosted(function, item, renamed, end)]
    for tail, block in leaving.items():
        if falls_through(items):
            items.append(Br(end))
        block.items = items
        items = [block, *_hosted(function, tail, renamed, end)]
    if any(label is end for label in named_labels(items)):
        end.items = items
        items = [end]
    return [*starting, *items]


def inlined_into(body: Body, code: Function | Snippet) -> list[Item]:
    """See :meth:`Body.inlined`."""
    check_code(code)
    if code.module is not body.function.module:
        raise ValueError(f"{code!r} is part of another module")
    names: dict[int, str] = {}

    def declare(type_: ValType, name: str | None) -> int:
        local = body.add_local(type_)
        if name is not None:
            names[local] = name
        return local

    items = inlined(code, declare)
    if names:
        body.function.local_names |= names
    return items


def check_code(code: object) -> None:
    """Raise TypeError for what can't be inlined."""
    from wasmir.ir.build import Snippet
    from wasmir.ir.function import Function

    check_is(code, (Function, Snippet), "a function or a snippet")


def _source(code: Function | Snippet) -> tuple[Function, dict[int, str]]:
    """The function that it is, and the names of its locals."""
    from wasmir.ir.build import Snippet

    if isinstance(code, Snippet):
        return code.built, code._local_names()
    if code._number < 0:
        raise ValueError(f"{code!r} can't be inlined: it has no code yet")
    return code, code.local_names


def _lists(function: Function, items: list[Item]) -> list[tuple[list[Item], bool]]:
    """All lists of a piece of a tree, without runs; and whether exceptions that come out of them
    are caught there.
    """
    found = [(items, False)]
    for each, caught in found:
        expand_list(function.module, each)
        for item in each:
            if isinstance(item, Structured):
                found += [
                    (inside, caught or (isinstance(item, (Try, TryTable)) and inside is item.items))
                    for inside in item.sequences()
                ]
    return found


def _is_tail_call(item: Item) -> bool:
    return isinstance(item, Instr) and item.name.startswith(_TAIL)


def _left(function: Function, item: Item, leaving: dict[Instr, Block]) -> Item:
    """What stands for an item where exceptions are caught: of a tail call a branch to the block
    behind which the call is.
    """
    if not isinstance(item, Instr) or not _is_tail_call(item):
        return item
    block = leaving.get(item)
    if block is None:
        operands = _operands_of_call(function, item)
        block = leaving[item] = Block(function.module.block_type((), operands))
    return Br(block)


def _operands_of_call(function: Function, call: Instr) -> list[ValType]:
    """The types of what a call of any sort takes."""
    callee: Any = call.immediates[0]
    if callee.space == "func":
        return [*callee.func_type.params]
    if len(call.immediates) == 1:
        return [*callee.func.params, RefType(nullable=True, heap=Concrete(callee))]
    table = call.immediates[1]
    if not isinstance(table, Table):
        # Not said, so the first.
        table = function.module.tables[0]
    return [*callee.func.params, table.type.limits.address]


def _local_at(item: Item) -> int | None:
    """Which of an instruction's immediates is a local."""
    if isinstance(item, Instr):
        for at, immediate in enumerate(item.row.immediates):
            if immediate.kind is kinds.LOCAL:
                return at
    return None


def _locals(item: Item) -> Iterable[int]:
    at = _local_at(item)
    return () if at is None or not isinstance(item, Instr) else (item.immediates[at],)


def _written_first(items: list[Item]) -> set[int]:
    """Locals that are written before they are read, as far as that shows before the first node."""
    found: set[int] = set()
    read: set[int] = set()
    for item in items:
        if not isinstance(item, Instr):
            break
        (found if item.row in _SETS else read).update({*_locals(item)} - found - read)
    return found


def _host_locals(
    function: Function,
    mentioned: set[int],
    written: set[int],
    names: dict[int, str],
    declare: Declare,
) -> tuple[list[Item], dict[int, int]]:
    """What the host does before the code is entered, and its locals by the function's."""
    instr = function.module.instr
    renamed: dict[int, int] = {}
    starting: list[Item] = []
    params = function.func_type.params
    for local, type_ in enumerate(params):
        if local in mentioned:
            renamed[local] = int(declare(type_, names.get(local)))
    for local in reversed(range(len(params))):
        known = local in mentioned
        starting.append(instr("local.set", renamed[local]) if known else instr("drop"))
    first = len(params)
    for count, type_ in function.local_groups:
        for local in sorted(each for each in mentioned if first <= each < first + count):
            renamed[local] = int(declare(type_, names.get(local)))
            if local not in written and _has_default(type_):
                starting += [default_of(type_), instr("local.set", renamed[local])]
        first += count
    return starting, renamed


def _has_default(type_: ValType) -> bool:
    """Else validation sees to it that it is written first."""
    return not isinstance(type_, RefType) or type_.nullable


def _hosted(function: Function, item: Item, renamed: dict[int, int], end: Block) -> Iterable[Item]:
    """What stands for an item in the host."""
    if not isinstance(item, Instr):
        return (item,)
    at = _local_at(item)
    if at is not None:
        immediates: list[Any] = [*item.immediates]
        immediates[at] = renamed[immediates[at]]
        return (function.module.instr(item.name, *immediates),)
    if item.name == "return":
        return (Br(end),)
    if _is_tail_call(item):
        call = function.module.instr(item.name.removeprefix(_TAIL), *item.immediates)
        return (call, Br(end))
    return (item,)
