"""Following instructions from the code that was read to the code that is written.

An instruction is known again by the object that stands for it, see :mod:`wasmir.ir.offsets`:

* a node (a branch, or what opens, separates and closes a block) by its identity;
* a run by the identity of its bytes, with all instructions in it; runs of one byte are shared by
  the interpreter, so only what occurs once on either side counts;
* what is left (runs that were split, or looked into: an :class:`Instr` is one object for all of
  its occurrences) by its neighbours: between what is known, instructions that are there once on
  either side; then equal ones next to what is known; then the longest common stretches; and
  last, wherever they went, those that are there once in all of the code.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from difflib import SequenceMatcher
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from wasmir.binary import sections as ids
from wasmir.binary.decode_code import code_of
from wasmir.binary.encode_code import encode_pieces
from wasmir.binary.scan_code import code_tokens
from wasmir.binary.sections import read_sections
from wasmir.ir.code import Catch, If, Node, Structured, Try
from wasmir.ir.offsets import Moves
from wasmir.ir.outline import Placed
from wasmir.isa import tokens
from wasmir.isa.table import ROWS, Trait
from wasmir.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from wasmir.ir.code import Body, Item
    from wasmir.ir.function import Function
    from wasmir.ir.names import NameMap
    from wasmir.ir.offsets import Piece, Tracking

__all__ = [
    "Origin",
    "Respelling",
    "code_frames",
    "moved_labels",
    "note_origin",
    "respelled_moves",
    "trace_moves",
]

T = TypeVar("T")

# An object and which of its tokens is meant: the first, `else`, `end` (or `delegate`).
_Key: TypeAlias = tuple[int, int]
_FIRST, _ELSE, _END = range(3)


_OPENINGS = frozenset(row.opcode for row in ROWS if Trait.OPENS in row.traits)


class _Code:
    """Code by instruction: where each begins, and its bytes."""

    __slots__ = ("data", "locals", "starts", "texts")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.locals = tokens.skip_locals(data, 0, len(data))
        self.starts: list[int] = []
        self.texts: list[bytes] = []
        for start, text in code_tokens(data, self.locals, len(data)):
            self.starts.append(start)
            self.texts.append(text)

    def openings(self) -> list[int]:
        """Where each instruction begins that opens a block."""
        return [
            start
            for start, text in zip(self.starts, self.texts, strict=True)
            if text[:1] in _OPENINGS
        ]


class _Mark:
    """Stands for a token that closes or separates a block."""

    __slots__ = ("node", "part")

    def __init__(self, node: object, part: int) -> None:
        self.node = node
        self.part = part


class Origin:
    """What a tree was like when it was fresh."""

    __slots__ = ("_kept", "code", "fixed", "moves", "places")

    def __init__(self, body: Body, data: bytes, moves: Moves | None = None) -> None:
        #: From the code that the tree was decoded from, where it isn't ``data``.
        self.moves = moves
        self.code = _Code(data)
        found = list(_placed(body, self.code))
        # By whose identity instructions are known again, so these objects have to live on.
        self._kept = [item for item, *_ in found]
        #: By key, for what is there once: the first token, and how many.
        self.places = _unique(found)
        #: Tokens that nodes stand for; these are known by nothing else.
        self.fixed = _fixed(found)


def note_origin(body: Body, data: bytes) -> None:
    """Note what a fresh tree, decoded from ``data``, is like."""
    body._origin = Origin(body, data)


def trace_moves(body: Body, data: bytes) -> Moves:
    """Where the code that a tree was decoded from went, now that it is encoded as ``data``."""
    if body.outline:
        return _placed_moves(body, data)
    origin = cast("Origin", body._origin)
    old = origin.code
    if old.data == data:
        found = Moves([(0, 0, len(data) + 1)])
    else:
        new = _Code(data)
        found = _moves(old, new, _matched(origin, body, new))
    return found if origin.moves is None else origin.moves.then(found)


def _placed_moves(body: Body, data: bytes) -> Moves:
    """The same of an outline, the runs of which say where they stood."""
    pieces = [*encode_pieces(body)]
    locals_size = len(pieces[0])
    same_locals = pieces[0] == body.locals_wire
    found: list[Piece] = [(0, 0, locals_size if same_locals else 1)]
    at = 0
    marked: Piece | None = None
    for piece in pieces:
        if isinstance(piece, Placed):
            if piece:
                # What nothing was left of is where this run is now; the run says so itself.
                marked = None
                found.append((piece.offset, at, len(piece)))
            else:
                marked = piece.offset, at, 1
        elif marked is not None:
            found.append(marked)
            marked = None
        at += len(piece)
    _, start, end = code_of(body.function)
    found.append((end - start, len(data), 1))
    return Moves(found)


class Respelling:
    """Around a change that respells the instructions of a function, and moves and replaces none."""

    def __init__(self, function: Function) -> None:
        """Before the change."""
        self.function = function
        self.code = function.code
        body = function._body
        # Runs are known by identity, and there will be others.
        self.traced = None if body is None else trace_moves(body, self.code)

    def done(self, tracking: Tracking) -> None:
        """After the change."""
        function = self.function
        code, body = function.code, function._body
        moves = respelled_moves(self.code, code)
        if body is not None and self.traced is not None:
            body._origin = Origin(body, code, self.traced.then(moves))
        else:
            tracking.settled(function, moves)


def respelled_moves(before: bytes, after: bytes) -> Moves:
    """Where code went in which instructions may be spelled differently, and nothing else is."""
    old, new = _Code(before), _Code(after)
    return _moves(old, new, list(range(len(new.texts))))


def code_frames(data: bytes) -> list[tuple[int, int]]:
    """Where the code of each function that a module defines stands. Raises MalformedError."""
    for section in read_sections(data):
        if section.id == ids.CODE and section.custom is None:
            reader = Reader(data, section.content, section.end)
            return list(reader.frames(reader.u32()))
    return []


def moved_labels(function: Function, written: bytes, names: NameMap, moves: Moves) -> NameMap:
    """The names of labels, by the order of their blocks in the input, for the code as written."""
    before = _Code(function.module.source[function._start : function._end]).openings()
    after = {start: number for number, start in enumerate(_Code(written).openings())}
    found: NameMap = {}
    for number, name in names.items():
        if number < len(before):
            start = moves.new(before[number])
            if start in after:
                found[after[start]] = name
    return found


def _placed(body: Body, code: _Code) -> Iterator[tuple[object, int, int, int]]:
    """Every item and mark of a tree in wire order: the object, which token of it, and where its
    tokens stand and how many they are.
    """
    starts = code.starts
    at = 0
    walk: Iterator[Item | _Mark] = iter((*body.items, _Mark(body, _END)))
    stack: list[Iterator[Item | _Mark]] = []
    while True:
        for item in walk:
            first = at
            if isinstance(item, bytes):
                if item:
                    end = starts[at] + len(item)
                    at += 1
                    while at < len(starts) and starts[at] < end:
                        at += 1
                    yield item, _FIRST, first, at - first
                continue
            at += 1
            if isinstance(item, _Mark):
                yield item.node, item.part, first, 1
                continue
            yield item, _FIRST, first, 1
            if isinstance(item, Structured):
                stack.append(walk)
                walk = _inside(item)
                break
        else:
            if not stack:
                return
            walk = stack.pop()


def _inside(node: Structured) -> Iterator[Item | _Mark]:
    """What stands between a node's first token and its last, and the last."""
    lists: list[list[Item] | tuple[_Mark]] = []
    if isinstance(node, If):
        lists.append(node.items)
        if node.else_items is not None:
            lists += (_Mark(node, _ELSE),), node.else_items
    elif isinstance(node, Try):
        lists.append(node.items)
        for clause in node.catches:
            lists += (_Mark(clause, _FIRST),), clause.items
    else:
        lists.extend(node.sequences())
    lists.append((_Mark(node, _END),))
    return chain.from_iterable(lists)


_Placed: TypeAlias = list[tuple[object, int, int, int]]


def _unique(found: _Placed) -> dict[_Key, tuple[int, int]]:
    counts = Counter((id(item), part) for item, part, _, _ in found)
    return {
        (id(item), part): (first, count)
        for item, part, first, count in found
        if counts[id(item), part] == 1
    }


def _fixed(found: _Placed) -> set[int]:
    return {first for item, _, first, _ in found if isinstance(item, (Node, Catch))}


def _matched(origin: Origin, body: Body, new: _Code) -> list[int]:
    """For each new token the old one that it is, -1 for none."""
    old = origin.code
    found = list(_placed(body, new))
    fixed = _fixed(found)
    matched = [-1] * len(new.texts)
    taken = bytearray(len(old.texts))
    for key, (first, count) in _unique(found).items():
        start, length = origin.places.get(key, (0, 0))
        if length == count:
            matched[first : first + count] = range(start, start + count)
            taken[start : start + count] = b"\1" * count
    # Tokens of nodes count as equal to nothing.
    old_texts = [b"" if at in origin.fixed else text for at, text in enumerate(old.texts)]
    new_texts = [b"" if at in fixed else text for at, text in enumerate(new.texts)]
    # Rare instructions say more about where they are from than frequent ones.
    _align(matched, taken, old_texts, new_texts, _unique_in_both)
    _follow(matched, taken, old_texts, new_texts)
    _align(matched, taken, old_texts, new_texts, _longest_common)
    # Runs that were moved and looked into besides.
    _recognize(matched, taken, old_texts, new_texts)
    _follow(matched, taken, old_texts, new_texts)
    return matched


def _follow(matched: list[int], taken: bytearray, old: list[bytes], new: list[bytes]) -> None:
    """From what is matched, match equal neighbours: behind it, then in front of it."""
    for step, order, edge in (
        (1, range(len(new)), -1),
        (-1, range(len(new) - 1, -1, -1), len(old)),
    ):
        before = edge
        for at in order:
            here = matched[at]
            if here < 0:
                next_ = before + step
                if (
                    before != -2
                    and 0 <= next_ < len(old)
                    and not taken[next_]
                    and new[at]
                    and old[next_] == new[at]
                ):
                    matched[at] = here = next_
                    taken[next_] = 1
                else:
                    here = -2
            before = here


def _align(
    matched: list[int],
    taken: bytearray,
    old: list[bytes],
    new: list[bytes],
    common: Callable[[list[object], list[object]], Iterable[tuple[int, int]]],
) -> None:
    """Match what lies between matched neighbours that stand in the same order before and after, by
    what ``common`` finds in both stretches.
    """
    at = 0
    while at < len(new):
        if matched[at] >= 0:
            at += 1
            continue
        end = at
        while end < len(new) and matched[end] < 0:
            end += 1
        first = matched[at - 1] + 1 if at else 0
        last = matched[end] if end < len(new) else len(old)
        if first < last and not any(taken[first:last]):
            # Unique objects for what equals nothing.
            a = [text or object() for text in old[first:last]]
            b = [text or object() for text in new[at:end]]
            for was, now in common(a, b):
                matched[at + now] = first + was
                taken[first + was] = 1
        at = end


def _recognize(matched: list[int], taken: bytearray, old: list[bytes], new: list[bytes]) -> None:
    """Match what is there once in all of the code, wherever that is."""
    places = {text: at for text, at in _once(old).items() if text and not taken[at]}
    for text, at in _once(new).items():
        was = places.get(text)
        if was is not None and matched[at] < 0:
            matched[at] = was
            taken[was] = 1


def _once(texts: Sequence[T]) -> dict[T, int]:
    """Where each stands that is there once."""
    counts = Counter(texts)
    return {text: at for at, text in enumerate(texts) if counts[text] == 1}


def _unique_in_both(a: list[object], b: list[object]) -> Iterable[tuple[int, int]]:
    """What is there once on either side: the longest series of it in the same order."""
    places = _once(a)
    pairs = [(places[text], at) for text, at in _once(b).items() if text in places]
    # The longest increasing series, by patience sorting: the least last element of each length.
    lasts: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for index, (was, _) in enumerate(pairs):
        length = bisect_left(lasts, was)
        before.append(ends[length - 1] if length else -1)
        lasts[length : length + 1] = [was]
        ends[length : length + 1] = [index]
    index = ends[-1] if ends else -1
    while index >= 0:
        yield pairs[index]
        index = before[index]


def _longest_common(a: list[object], b: list[object]) -> Iterable[tuple[int, int]]:
    small = len(a) * len(b) <= _THOROUGH
    for block in SequenceMatcher(None, a, b, autojunk=not small).get_matching_blocks():
        for step in range(block.size):
            yield block.a + step, block.b + step


# Aligning takes time with the product of both lengths; beyond this one, frequent instructions are
# not looked at.
_THOROUGH = 1 << 22


def _moves(old: _Code, new: _Code, matched: list[int]) -> Moves:
    same_locals = old.data[: old.locals] == new.data[: new.locals]
    pieces: list[Piece] = [(0, 0, old.locals if same_locals else 1)]
    for at, origin in enumerate(matched):
        if origin >= 0:
            text = old.texts[origin]
            length = len(text) if text == new.texts[at] else 1
            pieces.append((old.starts[origin], new.starts[at], length))
    pieces.append((len(old.data), len(new.data), 1))
    return Moves(pieces)
