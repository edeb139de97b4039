"""Branch hints, which text has as annotations in front of the branches.

Source: the proposal branch-hinting; specification, Appendix, "Custom Sections".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmir.errors import MalformedError
from wasmir.ir.codec import codec
from wasmir.isa import tokens
from wasmir.wire import Reader

if TYPE_CHECKING:
    from wasmir.ir.custom import Custom
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module
    from wasmir.ir.offsets import Moves

__all__ = ["Hints", "moves_of"]

_SECTION = "metadata.code.branch_hint"

Points = dict[int, int]
"""Hints of one function, by offset from the start of its code: 0 for unlikely, 1 for likely."""


class Hints:
    """The branch hints of a module that can stand in its text."""

    def __init__(self, module: Module) -> None:
        self._points: dict[Function, Points] = {}
        #: The section that says the same.
        self.custom: Custom | None = None
        found = [custom for custom in module.customs if custom.name == _SECTION]
        if len(found) == 1 and not found[0].changed:
            points = _read(module, found[0])
            if points is not None:
                self.custom = found[0]
                self._points = points

    def of(self, function: Function) -> dict[int, str]:
        """The annotations in a function, by offset from the start of its code."""
        points = self._points.get(function)
        if not points:
            return {}
        return {offset: f'(@{_SECTION} "\\{hint:02x}")' for offset, hint in points.items()}


def _read(module: Module, custom: Custom) -> dict[Function, Points] | None:
    """The hints by function; ``None`` where there are some that text has no place for."""
    found: dict[Function, Points] = {}
    reader = Reader(custom.data)
    try:
        for _ in range(reader.count()):
            function = module.functions.numbered(reader.u32())
            points = dict(reader.vec(lambda each: (each.u32(), each.take(each.length()))))
            if function is None or function.imported is not None or function in found:
                return None
            placed = _placed(function, points)
            if placed is None:
                return None
            found[function] = placed
        return found if reader.at_end() else None
    except MalformedError:
        return None


def _placed(function: Function, points: dict[int, bytes]) -> Points | None:
    """Where the hints are now; ``None`` where one isn't at an instruction."""
    code = function.module.source[function._start : function._end]
    starts = set()
    pos = tokens.skip_locals(code, 0, len(code))
    for portion in tokens.split_whole(code, pos, len(code)):
        for token in portion:
            starts.add(pos)
            pos += len(token)
    if not starts.issuperset(points) or not {b"\0", b"\1"}.issuperset(points.values()):
        return None
    moves = moves_of(function)
    found: Points = {}
    for offset, hint in points.items():
        place = offset if moves is None else moves.new(offset)
        if place is not None:
            found[place] = hint[0]
    return found


def moves_of(function: Function) -> Moves | None:
    """Where a function's code went from the input to :attr:`Function.code`; ``None`` where it is
    the input's. Raises UnsupportedError where nobody kept track.
    """
    if function.is_raw:
        return None
    tracking = function.module._tracking
    moves = None if tracking is None else tracking.moves.get(function)
    body = function._body
    if body is not None and body._origin is not None:
        traced = codec().trace_moves(body, function.code)
        moves = traced if moves is None else moves.then(traced)
    if moves is None and function.code != function.module.source[function._start : function._end]:
        from wasmir.ir.offsets import untracked

        raise untracked(function)
    return moves
