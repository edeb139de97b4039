"""Finding and replacing straight-line instructions in all functions of a module, without looking
into those that have none of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from wasmir import Instr, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from wasmir import Function, Instruction, Module

__all__ = ["Replace", "replace_instructions", "users"]

Replace: TypeAlias = "Callable[[Instr], list[Instruction] | None]"
"""What to put in place of an instruction; ``None`` leaves it."""


def users(module: Module, instrs: Iterable[Instr]) -> Iterator[Function]:
    """The defined functions whose code has some of these instructions, and maybe some more whose
    code has others like them.

    Raises MalformedError.
    """
    wanted = list(instrs)
    if not wanted:
        return
    names = {instr.row.name for instr in wanted}
    # A byte test rules most functions out; it can't rule any in.
    pattern = re.compile(b"|".join({_start(module, instr) for instr in wanted}), re.DOTALL)
    for function in module.functions:
        if (
            function.imported is None
            and pattern.search(function.code) is not None
            and any(row.name in names for row, _ in function.distinct_instructions())
        ):
            yield function


def _start(module: Module, instr: Instr) -> bytes:
    """A pattern for how the instruction begins, in all its spellings."""
    opcode = instr.row.opcode
    if len(opcode) > 1:
        # What stands behind the prefix may be padded.
        return re.escape(opcode[:1]) + b"(?:" + re.escape(opcode[1:]) + b"|[\x80-\xff])"
    # With the immediates, without which the pattern would find all sorts of things; padded, too.
    return re.escape(module.run([instr])) + b"|" + re.escape(opcode) + b"[\x80-\xff]"


def replace_instructions(function: Function, replace: Replace) -> int:
    """Replace straight-line instructions of a function; how many were replaced.

    Raises MalformedError, InvalidError.
    """
    was_open = function.is_open
    count = 0
    for place in walk(function.body):
        if isinstance(place.item, Instr):
            new = replace(place.item)
            if new is not None:
                place.replace(new)
                count += 1
    if not was_open:
        if count:
            function.settle()
        else:
            function.close()
    return count
