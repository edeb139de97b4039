"""Every instruction of the table as a method that appends it, for those who build code.

The names and parameters are those of :mod:`wasmir.ops`; each method gives the builder back, so
instructions can be written one behind the other: ``f.local.get(n).i64.const(1).i64.sub()``. Blocks
are not among them: :mod:`wasmir.ir.build` opens those with ``with``.

The types are in the stub beside this file, which ``python -m wasmir.isa.stub`` makes.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from wasmir.ir.construct import Namespace, namespaces
from wasmir.suggest import suggestion

if TYPE_CHECKING:
    from wasmir.ir.build import CodeBuilder
    from wasmir.ir.construct import Constructor
    from wasmir.ir.local import Local
    from wasmir.types import ValType

__all__ = ["Emitter"]


class Emitter:
    """What instructions are appended to."""

    def _emit(
        self, make: Constructor, args: tuple[object, ...], given: dict[str, object]
    ) -> CodeBuilder:
        """Append the instruction that a constructor makes of these immediates."""
        raise NotImplementedError

    def _declare(self, type_: ValType, name: str | None) -> Local:
        """Declare a local."""
        raise NotImplementedError

    @cached_property
    def local(self) -> _LocalNames:
        """``local.get``, ``local.set`` and ``local.tee``; and when it is called, a new local."""
        return _LocalNames(self, namespaces()["local"])

    def __getattr__(self, name: str) -> Any:
        # Only what isn't there comes here.
        found = namespaces().get(name)
        if found is None:
            raise AttributeError(f"no instruction {name}{suggestion(name, namespaces())}")
        bound = vars(self)[name] = _bound(self, found)
        return bound


class _Names:
    """The instructions of a namespace, for one emitter."""

    def __init__(self, emitter: Emitter, namespace: Any) -> None:
        self._emitter = emitter
        self._namespace = namespace

    def __getattr__(self, name: str) -> Any:
        bound = vars(self)[name] = _bound(self._emitter, getattr(self._namespace, name))
        return bound


class _LocalNames(_Names):
    def __call__(self, type_: ValType, name: str | None = None) -> Local:
        return self._emitter._declare(type_, name)


def _bound(emitter: Emitter, found: Constructor | Namespace) -> Any:
    if isinstance(found, Namespace):
        return _Names(emitter, found)
    return partial(_emitted, emitter, found)


def _emitted(emitter: Emitter, make: Constructor, *args: object, **given: object) -> CodeBuilder:
    return emitter._emit(make, args, given)
