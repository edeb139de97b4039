"""Validation of a whole module, or of some functions of it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

from wasmir.errors import DialectWarning, WasmError
from wasmir.features import ALL, feature_set
from wasmir.ir.bulk import bulk_work
from wasmir.ir.checks import functions_of
from wasmir.ir.fork import divided, fork, may_fork
from wasmir.validate.code import Code
from wasmir.validate.module import Sections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from wasmir.features import Feature
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module

    Track = Callable[[Sequence[Function]], Iterable[Function]]

__all__ = ["find_errors"]


class _Share(NamedTuple):
    """What a process finds: errors in order, and which exception handling dialects."""

    errors: list[WasmError]
    dialects: list[str]


def find_errors(
    module: Module,
    features: Iterable[Feature | str] | str | None = None,
    only: Iterable[Function] | None = None,
    jobs: int = 1,
    track: Track | None = None,
) -> Iterator[WasmError]:
    """The errors of a module, at most one for what is outside of functions, after which no function
    is looked at, and one for each function, in order.
    """
    chosen = None if only is None else functions_of(module, only)
    allowed = ALL if features is None else feature_set(features)
    try:
        with bulk_work():
            module.read_all()
            code = Code(module, allowed)
            Sections(code).check()
    except WasmError as error:
        yield error
        return
    wanted = module.functions if chosen is None else chosen
    functions = [function for function in wanted if function.imported is None]
    dialects: set[str] = set()
    with bulk_work():
        yield from _shared(code, functions, jobs, track, dialects)
    if len(dialects) > 1:
        warnings.warn(
            f"the module mixes exception handling dialects ({' and '.join(sorted(dialects))}): it "
            "is valid, but engines reject it",
            DialectWarning,
            stacklevel=4,
        )


def _shared(
    code: Code,
    functions: list[Function],
    jobs: int,
    track: Track | None,
    dialects: set[str],
) -> Iterator[WasmError]:
    """The errors in bodies, in order, whoever finds them."""
    if jobs < 2 or len(functions) < 2 or not may_fork():
        yield from _bodies(code, functions if track is None else track(functions))
        dialects |= code.dialects
        return
    first, *others = divided(functions, jobs)

    def share_of(part: list[Function]) -> Callable[[], _Share]:
        return lambda: _Share(list(_bodies(code, part)), sorted(code.dialects))

    workers = [fork(share_of(part)) for part in others]
    try:
        yield from _bodies(code, first if track is None else track(first))
        for worker, part in zip(workers, others, strict=True):
            share = None if worker is None else worker.result()
            if share is None:
                # It could not be started, or died: somebody has to do it.
                yield from _bodies(code, part)
            else:
                yield from share.errors
                dialects.update(share.dialects)
        dialects |= code.dialects
    finally:
        for worker in workers:
            if worker is not None:
                worker.close()


def _bodies(code: Code, functions: Iterable[Function]) -> Iterator[WasmError]:
    for function in functions:
        try:
            code.check(function)
        except WasmError as error:
            yield error
