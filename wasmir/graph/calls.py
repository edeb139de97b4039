"""Who calls whom."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from wasmir.errors import WasmError
from wasmir.ir import uses
from wasmir.ir.bulk import bulk_work
from wasmir.ir.checks import check_module, functions_of
from wasmir.ir.codec import codec
from wasmir.ir.function import Function
from wasmir.isa.table import Trait

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wasmir.ir.codec import CodeMentions
    from wasmir.ir.module import Module

__all__ = ["Call", "CallGraph"]


class Call(NamedTuple):
    """That a function's code mentions another one: it calls it, or takes a reference to it
    (``ref.func``), to have it called by others. ``kind`` is ``call`` or ``reference``.
    """

    caller: Function
    callee: Function
    kind: str


@dataclass(frozen=True)
class CallGraph:
    """Functions, and the calls among them. Who calls what through tables and references isn't known
    from the code; ``indirect`` are the functions that call anything like that.
    """

    functions: list[Function]
    calls: list[Call]
    indirect: list[Function]

    @classmethod
    def of(
        cls,
        module: Module,
        roots: Iterable[Function] | None = None,
        depth: int | None = None,
    ) -> CallGraph:
        """What the roots lead to, in so many steps; everything without roots. Functions are in the
        order of their indices. Raises MalformedError, InvalidError.
        """
        check_module(module)
        start = list(dict.fromkeys(functions_of(module, roots)))
        far = dict.fromkeys(start, 0)
        pending = deque(start)
        calls: list[Call] = []
        indirect = []
        with bulk_work():
            # What calls through a table or a reference mentions a type.
            mentions = codec().code_mentions(module, frozenset({"func", "type"}))
            while pending:
                function = pending.popleft()
                if depth is not None and far[function] >= depth:
                    continue
                mentioned, through = _calls(function, mentions)
                calls += mentioned
                if through:
                    indirect.append(function)
                for call in mentioned:
                    if call.callee not in far:
                        far[call.callee] = far[function] + 1
                        pending.append(call.callee)

        def place(function: Function) -> int:
            return function.index

        calls.sort(key=lambda call: (call.caller.index, call.callee.index, call.kind))
        return cls(sorted(far, key=place), calls, sorted(indirect, key=place))


def _calls(function: Function, mentions: CodeMentions) -> tuple[list[Call], bool]:
    """What a function's code calls and refers to, each once; whether it calls anything else."""
    found: dict[Call, None] = {}
    indirect = False
    for token in uses._tokens(function, mentions):
        try:
            mentioned = mentions[token]
        except WasmError as error:
            raise uses._located(error, function) from None
        for row, entity in mentioned:
            calls = row is not None and Trait.CALLS in row.traits
            if not isinstance(entity, Function):
                indirect |= calls
            elif calls:
                found[Call(function, entity, "call")] = None
            else:
                found[Call(function, entity, "reference")] = None
    return list(found), indirect
