"""Where code went: offsets before and after a module was changed.

What describes code from outside of it speaks of byte offsets: DWARF, source maps, branch hints,
coverage, whatever a user has noted. :class:`OffsetMap` translates them, both ways. It is part of
what :meth:`Module.encode` gives.

Code that was only copied, or in which only indices moved, needs no preparation. In a function
whose instructions were changed, an instruction is known again by the object that stands for it: a
node, or the run that it is in. That has to be noted while the tree is fresh, so whoever wants to
know asks for it first, by :meth:`Module.track_offsets`. Functions that something in the module
speaks of (``metadata.code.*``, label names) are tracked in any case.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from wasmir.errors import UnsupportedError
from wasmir.ir.codec import codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from wasmir.ir.function import Function
    from wasmir.ir.module import Module

__all__ = [
    "Followed",
    "Frame",
    "FunctionOffsets",
    "Moves",
    "OffsetMap",
    "Tracking",
    "track_offsets",
    "untracked",
]

Piece: TypeAlias = tuple[int, int, int]
"""Where some bytes began, where they begin now, and how many they are. Only the beginning counts of
an instruction that is spelled differently now: its piece has length 1.
"""


class Moves:
    """Where the bytes of one function's code went; offsets count from the start of its code."""

    __slots__ = ("_backward", "_forward")

    def __init__(self, pieces: Iterable[Piece]) -> None:
        """From pieces in any order, of which no two share a byte, before or after."""
        self._forward = _Table(_merged(sorted(pieces)))
        self._backward: _Table | None = None

    def new(self, offset: int) -> int | None:
        """Where what stood there stands now; ``None`` where it is gone."""
        return self._forward.look_up(offset)

    def old(self, offset: int) -> int | None:
        """Where what stands there now stood; ``None`` where it is new."""
        if self._backward is None:
            self._backward = _Table(sorted((new, old, n) for old, new, n in self._forward.pieces))
        return self._backward.look_up(offset)

    def then(self, later: Moves) -> Moves:
        """These moves and then some more, as one."""
        found: list[Piece] = []
        table = later._forward
        for old, middle, length in self._forward.pieces:
            place = max(bisect_right(table.starts, middle) - 1, 0)
            for start, new, size in table.pieces[place:]:
                if start >= middle + length:
                    break
                first, end = max(start, middle), min(start + size, middle + length)
                if first < end:
                    found.append((old + first - middle, new + first - start, end - first))
        return Moves(found)


class _Table:
    """Pieces in the order of their first numbers, to look offsets up in."""

    __slots__ = ("pieces", "starts")

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces
        self.starts = [piece[0] for piece in pieces]

    def look_up(self, offset: int) -> int | None:
        place = bisect_right(self.starts, offset) - 1
        if place < 0:
            return None
        start, to, length = self.pieces[place]
        return to + offset - start if offset < start + length else None


def _merged(pieces: Iterable[Piece]) -> list[Piece]:
    """Neighbours that stayed neighbours as one."""
    found: list[Piece] = []
    for old, new, length in pieces:
        if found:
            before, after, size = found[-1]
            if before + size == old and after + size == new:
                found[-1] = before, after, size + length
                continue
        found.append((old, new, length))
    return found


class Tracking:
    """Which functions are tracked, and where the code of those that were settled went."""

    __slots__ = ("labelled", "moves", "numbers")

    def __init__(
        self, numbers: frozenset[int] | None, labelled: frozenset[int] = frozenset()
    ) -> None:
        #: The functions' code numbers; ``None`` for all.
        self.numbers = numbers
        #: Those of them that have names for labels.
        self.labelled = labelled
        #: From the input to :attr:`Function._code`; not of functions whose code is the input's.
        self.moves: dict[Function, Moves] = {}

    def covers(self, function: Function) -> bool:
        return self.numbers is None or function._number in self.numbers

    def settled(self, function: Function, moves: Moves) -> None:
        """Note what became of the code that the function had until now."""
        before = self.moves.get(function)
        self.moves[function] = moves if before is None else before.then(moves)


class Frame(NamedTuple):
    """Where a function's code stands in a file: its locals and instructions, without the size."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class FunctionOffsets:
    """Where the code of one function stood and stands; offsets into the files."""

    before: Frame | None
    """``None`` where the function was added."""
    after: Frame
    _moves: Moves | None

    def new(self, offset: int) -> int | None:
        """See :meth:`OffsetMap.new`; the function's first byte and the end of its code have
        places, too.
        """
        if self.before is None or self._moves is None:
            return None
        found = self._moves.new(offset - self.before.start)
        return None if found is None else found + self.after.start

    def old(self, offset: int) -> int | None:
        """See :meth:`OffsetMap.old`."""
        if self.before is None or self._moves is None:
            return None
        found = self._moves.old(offset - self.after.start)
        return None if found is None else found + self.before.start


class Followed:
    """Where the code of each function of a module went, as of one encoding."""

    def __init__(
        self, module: Module, edited: dict[Function, bytes], moves: dict[Function, Moves]
    ) -> None:
        """``edited`` has code that isn't the input's, as it was before indices for code numbers
        came into it, and ``moves`` where the code that it was before went, if anybody kept track.
        """
        self._module = module
        self._edited = edited
        self._moves = moves
        space = module._spaces.get("func")
        self._functions = None if space is None else [each for each in space if not each.imported]

    @property
    def functions(self) -> list[Function]:
        """Those with code, in the order in which they were written."""
        if self._functions is None:
            # Nobody had read them, so they are those of the input, whatever happened since.
            space = self._module.functions
            read = space._numbered[: space._read_count]
            self._functions = [each for each in read if each._end]
        return self._functions

    def __call__(self, function: Function, written: bytes) -> Moves | None:
        """Where code of the input went in what was written; ``None`` for an added function. Raises
        UnsupportedError where nobody kept track.
        """
        if not function._end:
            return None
        code = self._module.source[function._start : function._end]
        moves = Moves([(0, 0, len(code) + 1)])
        if function in self._edited:
            code = self._edited[function]
            if function not in self._moves:
                raise untracked(function)
            moves = self._moves[function]
        return moves if code == written else moves.then(codec().respelled_moves(code, written))


class OffsetMap:
    """Code offsets in the file that was read, and those in the file that was written.

    Offsets count from the start of the file. DWARF counts from the start of the code section's
    content, ``metadata.code.*`` from the start of a function's code
    (:attr:`FunctionOffsets.before`, :attr:`FunctionOffsets.after`).
    """

    def __init__(self, data: Callable[[], bytes], followed: Followed) -> None:
        """``data`` gives the file that was written."""
        self._data = data
        self._followed = followed
        self._known: dict[Function, FunctionOffsets] = {}

    def new(self, offset: int) -> int | None:
        """Where the instruction that stood there stands now; ``None`` where it is gone, or there
        was no code.

        Raises UnsupportedError where the function was changed and nobody kept track.
        """
        return self._look_up(self._before, offset, FunctionOffsets.new)

    def old(self, offset: int) -> int | None:
        """Where the instruction that stands there now stood; ``None`` where it is new, or there is
        no code. Raises like :meth:`new`.
        """
        return self._look_up(self._after, offset, FunctionOffsets.old)

    def function(self, function: Function) -> FunctionOffsets:
        """The offsets of one function. Raises like :meth:`new`, and KeyError for one without code
        in the file that was written.
        """
        found = self._known.get(function)
        if found is None:
            after = self._frames[function]
            code = self._data()[after.start : after.end]
            moves = self._followed(function, code)
            before = Frame(function._start, function._end) if function._end else None
            found = self._known[function] = FunctionOffsets(before, after, moves)
        return found

    def _look_up(
        self,
        table: _FrameTable,
        offset: int,
        translate: Callable[[FunctionOffsets, int], int | None],
    ) -> int | None:
        function = table.at(offset)
        return None if function is None else translate(self.function(function), offset)

    @cached_property
    def _frames(self) -> Mapping[Function, Frame]:
        spans = codec().code_frames(self._data())
        return {
            function: Frame(start, end)
            for function, (start, end) in zip(self._followed.functions, spans, strict=True)
        }

    @cached_property
    def _before(self) -> _FrameTable:
        return _FrameTable(
            [
                (Frame(each._start, each._end), each)
                for each in self._followed.functions
                if each._end
            ]
        )

    @cached_property
    def _after(self) -> _FrameTable:
        return _FrameTable([(frame, function) for function, frame in self._frames.items()])


class _FrameTable:
    """Functions by where their code stands. The end of a function's code is still its own."""

    def __init__(self, frames: list[tuple[Frame, Function]]) -> None:
        self.frames = sorted(frames, key=lambda entry: entry[0])
        self.starts = [frame.start for frame, _ in self.frames]

    def at(self, offset: int) -> Function | None:
        place = bisect_right(self.starts, offset) - 1
        if place < 0:
            return None
        frame, function = self.frames[place]
        return function if offset <= frame.end else None


def track_offsets(module: Module) -> None:
    """See :meth:`wasmir.ir.module.Module.track_offsets`."""
    before = module._tracking
    tracking = Tracking(None)
    if before is not None:
        tracking.moves, tracking.labelled = before.moves, before.labelled
    for function in module.functions:
        if function.imported is not None or not function._end:
            continue
        if before is not None and before.covers(function):
            continue
        if not function.is_raw and function.code != module.source[function._start : function._end]:
            raise untracked(function)
    module._tracking = tracking
    for function in module.functions:
        body = function._body
        # What was added has nowhere to come from.
        if body is not None and body._origin is None and function._end:
            if body.outline:
                # Nothing was changed, and its runs don't know where they stood.
                function.close()
            function._track(tracking)


def untracked(function: Function) -> UnsupportedError:
    """What there is to say where a function was changed and nobody kept track."""
    return UnsupportedError(
        "the function's code was changed, and nobody kept track of where it went: call "
        "Module.track_offsets() before the first change",
        str(function),
    )
