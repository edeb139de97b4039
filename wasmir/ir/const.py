"""Constant expressions: what initialises globals, tables and segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wasmir.ir.codec import codec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wasmir.ir.code import Instr
    from wasmir.ir.module import Module

__all__ = ["Const", "FrozenConst"]


class Const:
    """A constant expression, as code: bytes until somebody looks, then a list of instructions.

    ``instrs`` doesn't have the ``end``.
    """

    __slots__ = ("_code", "_frozen", "_instrs", "module")

    def __init__(
        self, module: Module, instrs: Iterable[Instr] = (), *, code: bytes | None = None
    ) -> None:
        self.module = module
        # With code numbers, and without the `end`.
        self._code = code
        self._instrs: list[Instr] | None = list(instrs) if code is None else None
        # What it was when it was read, which is asked for again and again.
        self._frozen: FrozenConst | None = None

    @property
    def instrs(self) -> list[Instr]:
        """The instructions, to look at and to change. Raises MalformedError, InvalidError."""
        if self._instrs is None:
            self._instrs = codec().split(self.module, self._code or b"")
        return self._instrs

    @instrs.setter
    def instrs(self, instrs: Iterable[Instr]) -> None:
        self._instrs = list(instrs)

    @property
    def code(self) -> bytes:
        """The instructions' bytes, with code numbers for indices."""
        if self._instrs is None:
            return self._code or b""
        return codec().encode_instrs(self.module, self._instrs)

    def _freeze(self) -> FrozenConst:
        instrs = None if self._instrs is None else tuple(self._instrs)
        if instrs is not None and self._code is not None and self.code == self._code:
            # Looked at, not changed.
            instrs = None
        if instrs is not None:
            return FrozenConst(self.module, self._code, instrs)
        if self._frozen is None:
            self._frozen = FrozenConst(self.module, self._code, None)
        return self._frozen

    def __str__(self) -> str:
        return " ".join(map(str, self.instrs))

    def __repr__(self) -> str:
        return f"<constant expression {self}>"


@dataclass(frozen=True)
class FrozenConst:
    """A constant expression as it was at some time."""

    module: Module
    code: bytes | None
    instrs: tuple[Instr, ...] | None

    def thaw(self) -> Const:
        """The constant expression again."""
        const = Const(self.module, self.instrs or (), code=self.code)
        if self.instrs is not None:
            const.instrs = self.instrs
        return const
