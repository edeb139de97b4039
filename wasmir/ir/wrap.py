"""A function around another one, which everybody calls instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmir.ir.build import NewFunction

if TYPE_CHECKING:
    from wasmir.ir.function import Function

__all__ = ["Wrapper"]


class Wrapper(NewFunction):
    """Builds it; made by :meth:`Function.wrap`. Once it is finished, its body is settled."""

    def __init__(self, wrapped: Function, name: str | None, *, exports: bool) -> None:
        super().__init__(wrapped.module, wrapped.type, wrapped.local_names, name, None)
        if name is None:
            self._what = f"wrapper of function {wrapped}"
        #: The function that it is around.
        self.wrapped = wrapped
        self._exports = exports

    def _install(self) -> None:
        super()._install()
        kept = [] if self._exports else self.module.exports.of(self.wrapped)
        self.function.settle()
        code = self.function.code
        try:
            self.module.redirect({self.wrapped: self.function})
        except BaseException:
            self.module.functions.remove(self.function)
            raise
        # It alone goes on mentioning what it is around.
        self.function._code = code
        for export in kept:
            export.entity = self.wrapped
