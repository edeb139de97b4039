"""Operands put aside, so that what is below them on the stack can be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmir import ops

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wasmir import Instr, Probe, ValType

__all__ = ["Spill"]


class Spill:
    """Locals of one function for operands; each use of them is over before the next one begins."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._locals: dict[tuple[ValType, int], int] = {}

    def locals(self, types: Sequence[ValType]) -> list[int]:
        """A local for each of some operands."""
        found: list[int] = []
        used: dict[ValType, int] = {}
        for type_ in types:
            number = used.get(type_, 0)
            used[type_] = number + 1
            local = self._locals.get((type_, number))
            if local is None:
                local = self._locals[type_, number] = self._probe.add_local(type_)
            found.append(local)
        return found

    @staticmethod
    def away(chosen: Sequence[int]) -> list[Instr]:
        """Take the operands from the stack."""
        return [ops.local.set(local) for local in reversed(chosen)]

    @staticmethod
    def back(chosen: Sequence[int]) -> list[Instr]:
        """Put them there again."""
        return [ops.local.get(local) for local in chosen]
