"""Editing many functions, on several cores where there are some.

The functions are divided among processes. What is forked has the module already; what it sends back
is the code of the functions that it changed. The one thing that editing a function may add to the
module is a type, for a block or a local. Each process appends the types that it needs to its own
copy of the module; in the end all are appended to the one that stays, in the order in which a
single process would have come to need them, and code that names one by another number is
translated. So the bytes are the same, however many processes there were.
"""

from __future__ import annotations

import io
import pickle
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from wasmir.errors import WasmError
from wasmir.ir.bulk import bulk_work
from wasmir.ir.codec import codec
from wasmir.ir.fork import divided, fork, may_fork
from wasmir.ir.type import Type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from wasmir.ir.function import Function
    from wasmir.ir.module import Module
    from wasmir.ir.offsets import Moves
    from wasmir.types import FuncType

__all__ = ["edit_functions"]

R = TypeVar("R")


def edit_functions(
    module: Module,
    edit: Callable[[Function], R],
    functions: Sequence[Function],
    jobs: int,
    track: Callable[[Sequence[Function]], Iterable[Function]] | None,
) -> list[R]:
    """See :meth:`Module.edit_functions`."""
    with bulk_work():
        if jobs < 2 or len(functions) < 2 or not may_fork():
            return _edited(edit, functions if track is None else track(functions))
        first, *others = divided(functions, jobs)
        known = len(module.types._numbered)
        workers = [fork(partial(_share, module, edit, part, known)) for part in others]
        try:
            results = _edited(edit, first if track is None else track(first))
            for worker, part in zip(workers, others, strict=True):
                share = None if worker is None else worker.result()
                if share is None:
                    # It could not be started, or died, for a reason that will be seen now if it
                    # was in the edit itself: somebody has to do it.
                    results += _edited(edit, part)
                else:
                    results += _taken(module, part, known, share)
        finally:
            for worker in workers:
                if worker is not None:
                    worker.close()
        return results


def _edited(edit: Callable[[Function], R], functions: Iterable[Function]) -> list[R]:
    results = []
    for function in functions:
        results.append(edit(function))
        function.settle()
    return results


class _Share(NamedTuple):
    """What a process sends, about its functions by their places among these."""

    results: list[Any]
    code: dict[int, bytes]
    moves: dict[int, Moves]
    takes_references: bool
    types: list[bytes]
    error: WasmError | None


def _share(
    module: Module, edit: Callable[[Function], Any], functions: list[Function], known: int
) -> _Share:
    """The work of one process, in a module that had so many types."""
    before = [function._code for function in functions]
    others = _others(module)
    results: list[Any] = []
    error = None
    try:
        for function in functions:
            results.append(edit(function))
            function.settle()
    except WasmError as raised:
        error = raised
    if others != _others(module):
        raise RuntimeError("an edit changed more than its function")
    code = {
        place: function._code
        for place, function in enumerate(functions)
        if function._code is not None and function._code is not before[place]
    }
    tracking = module._tracking
    followed = {} if tracking is None else tracking.moves
    moves = {place: followed[functions[place]] for place in code if functions[place] in followed}
    types = [_pickled(type_) for type_ in module.types._numbered[known:]]
    return _Share(results, code, moves, module._takes_references, types, error)


def _others(module: Module) -> dict[str, object]:
    """What an edit must not change and might, as far as that is easily seen: as it differs from the
    input, so that reading changes nothing.
    """
    known: dict[str, object] = {}
    for name, space in module._spaces.items():
        added = len(space._numbered) - space._read_count
        if name != "type" and (added or space.moved):
            known[name] = added, len(space), space.moved
    for name, items in (("imports", module._imports), ("exports", module._exports)):
        if items is not None and len(items) != len(items._all_read):
            known[name] = len(items)
    if module._names is not None and module._names.edits:
        known["names"] = module._names.edits
    return known | {"retyped": len(module._retyped), "sections": len(module.sections)}


def _taken(module: Module, functions: list[Function], known: int, share: _Share) -> list[Any]:
    """Make a process's work the module's."""
    numbers = _add_types(module, known, share.types)
    code = share.code
    if numbers:
        code = dict(zip(code, codec().renumbered_types(list(code.values()), numbers), strict=True))
    tracking = module._tracking
    for place, new in code.items():
        function = functions[place]
        function._code = new
        if tracking is not None and place in share.moves:
            tracking.moves[function] = share.moves[place]
    module._takes_references |= share.takes_references
    if share.error is not None:
        raise share.error
    return share.results


def _add_types(module: Module, known: int, sent: list[bytes]) -> dict[int, int]:
    """Add the types that a process came to need; those that have other numbers here, by theirs."""
    added: list[Type] = []

    def numbered(number: int) -> Type:
        return module.types._numbered[number] if number < known else added[number - known]

    for data in sent:
        func: FuncType = _Unpickler(data, numbered).load()
        added.append(module.func_type(func.params, func.results))
    numbers = {known + place: type_._number for place, type_ in enumerate(added)}
    return {theirs: ours for theirs, ours in numbers.items() if theirs != ours}


def _pickled(type_: Type) -> bytes:
    if type_.func is None or not type_.stands_for_its_function_type:
        raise RuntimeError("an edit added a type that is no plain function type")
    stream = io.BytesIO()
    _Pickler(stream).dump(type_.func)
    return stream.getvalue()


class _Pickler(pickle.Pickler):
    """For a function type: entries of the type section that it mentions are numbers."""

    def persistent_id(self, value: object) -> int | None:
        return value._number if isinstance(value, Type) else None


class _Unpickler(pickle.Unpickler):
    """The same; ``types`` are those that the numbers stand for."""

    def __init__(self, data: bytes, types: Callable[[int], Type]) -> None:
        super().__init__(io.BytesIO(data))
        self._types = types

    def persistent_load(self, number: int) -> Type:
        return self._types(number)
