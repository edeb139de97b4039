"""What is different in two modules, thing by thing."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from wasmir.binary.shift import Renumbering
from wasmir.diff.matching import Matching, Side, blame
from wasmir.diff.sequences import common_blocks, grouped, rising
from wasmir.diff.vocabulary import Vocabulary
from wasmir.ir.bulk import bulk_work
from wasmir.ir.checks import check_module
from wasmir.ir.custom import Custom
from wasmir.ir.function import Function
from wasmir.ir.names import INDIRECT
from wasmir.ir.segment import Data, Element
from wasmir.ir.space import Entity
from wasmir.isa import tokens
from wasmir.isa.mentions import SPACES
from wasmir.text.names import Identifiers, quoted
from wasmir.types import decode_value_type
from wasmir.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from wasmir.ir.imports import Export
    from wasmir.ir.module import Module
    from wasmir.ir.names import NameMap
    from wasmir.ir.space import Space
    from wasmir.text.code import Lines

__all__ = ["Change", "CodeDiff", "Comparison", "Hunk", "compare"]

_ORDER = ("type", "func", "table", "memory", "tag", "global", "elem", "data")


@dataclass(frozen=True)
class Change:
    """Something that one module has and the other hasn't, or has otherwise."""

    #: ``added``, ``removed``, ``changed``, or ``moved``: behind others of its sort that it stood in
    #: front of, or the other way about, and otherwise the same.
    status: str
    #: What it is: ``function``, ``export``, ``custom section`` and so on.
    what: str
    #: The entity, export or custom section of each module; ``None`` where there is none.
    old: Any
    new: Any
    #: What is said of it in either module where that differs; ``None`` where nothing is.
    facts: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    #: Whether the code, or an element segment's items, are different: :meth:`Comparison.code`.
    has_code: bool = False
    #: Whether it also stands elsewhere among others of its sort.
    moved: bool = False

    def __str__(self) -> str:
        if self.what == "module":
            return "changed module"
        if self.old is None or self.new is None:
            thing = self.new if self.old is None else self.old
            return f"{self.status} {self.what} {_called(thing)}"
        old, new = _place(self.old), _place(self.new)
        elsewhere = "moved and " if self.moved and self.status != "moved" else ""
        to = "" if old == new else f" -> {new}"
        return f"{elsewhere}{self.status} {self.what} {_called(self.old)}{to}"


def _called(thing: Any) -> str:
    return quoted(thing.name) if isinstance(thing, Custom) else str(thing)


def _place(thing: Any) -> str:
    """Where it stands, if that means something; else what it is called."""
    return str(thing.index) if isinstance(thing, Entity) else _called(thing)


class Hunk(NamedTuple):
    """Some lines that differ, with lines around them that don't."""

    #: The first line in either module, counted from 1, and how many there are.
    old_line: int
    old_count: int
    new_line: int
    new_count: int
    #: Where the first of them stands in either module's input, where that is known.
    old_offset: int | None
    new_offset: int | None
    #: Each begins with a blank, ``-`` or ``+``.
    lines: list[str]

    @property
    def head(self) -> str:
        """What stands above it, as in ``@@ -3,7 +3,9 @@ at 0x1a7, 0x1b7``."""
        offsets = [f"{each:#x}" for each in (self.old_offset, self.new_offset) if each is not None]
        where = f" at {', '.join(offsets)}" if len(offsets) == 2 else ""
        return f"@@ -{self.old_line},{self.old_count} +{self.new_line},{self.new_count} @@{where}"


@dataclass(frozen=True)
class CodeDiff:
    """How two functions or element segments differ, line by line; not at all, where there are no
    hunks: then it is in how instructions are spelled.
    """

    added: int
    removed: int
    hunks: list[Hunk]


class _Listing(NamedTuple):
    """Lines, as they are compared; how deep they stand in blocks; and at which offset."""

    texts: list[str]
    depths: list[int]
    offsets: list[int] | None

    def line(self, at: int) -> str:
        return "  " * min(self.depths[at], _DEEPEST) + self.texts[at]


_DEEPEST = 50
"""Deeper lines are indented no further."""


class Comparison:
    """Two modules side by side, as they were when they were compared; :func:`compare` makes it."""

    def __init__(self, matching: Matching) -> None:
        self._matching = matching
        self._common = _Common(matching)
        #: All differences but those in how things are spelled, in the order of the sections.
        self.changes: list[Change] = []
        #: How many things of each sort are the same, but for their index.
        self.shifted: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How many changes of each status there are of each sort of things."""
        found: dict[str, dict[str, int]] = {}
        for change in self.changes:
            of_sort = found.setdefault(change.what, {})
            of_sort[change.status] = of_sort.get(change.status, 0) + 1
        return found

    def code(self, change: Change, context: int = 3) -> CodeDiff:
        """How the code of a function, or the items of an element segment, have changed, with so
        many lines around each difference. Of what was added or removed it is all of it.

        Raises MalformedError.
        """
        old = self._listing(self._matching.old, self._common.old, change.old)
        new = self._listing(self._matching.new, self._common.new, change.new)
        blocks = common_blocks(old.texts, new.texts)
        same = sum(block.size for block in blocks)
        groups = grouped(blocks, len(old.texts), len(new.texts), context)
        hunks = [_hunk(old, new, group) for group in groups]
        return CodeDiff(len(new.texts) - same, len(old.texts) - same, hunks)

    def _listing(self, side: Side, words: Vocabulary, thing: Any) -> _Listing:
        if isinstance(thing, Element):
            items = words.items(thing)
            return _Listing(items, [0] * len(items), None)
        if not isinstance(thing, Function) or thing.imported is not None:
            return _Listing([], [], None)
        with blame(side.label):
            return _code_listing(words, thing)


def _code_listing(words: Vocabulary, function: Function) -> _Listing:
    if function.is_raw:
        data, start, end = function.module.source, function._start, function._end
    else:
        data = function.code
        start, end = 0, len(data)
    pos = tokens.skip_locals(data, start, end)
    lines = words.bodies.lines(data, pos, end, {})
    declared = _locals(words, data[start:pos])
    texts = [*declared, *lines.texts]
    depths = [0] * len(declared) + _depths(lines)
    offsets = [start] * len(declared) + lines.offsets if function.is_raw else None
    return _Listing(texts, depths, offsets)


def _locals(words: Vocabulary, declarations: bytes) -> list[str]:
    """A line for each group of locals: there may be 2^32 in one."""
    reader = Reader(declarations)
    groups = [(reader.u32(), decode_value_type(reader)) for _ in range(reader.count())]
    return [
        f"local {words.value(type_)}{f' * {count}' if count > 1 else ''}" for count, type_ in groups
    ]


def _depths(lines: Lines) -> list[int]:
    bounds = [*lines.starts, len(lines.texts)]
    found: list[int] = []
    for (start, end), depth in zip(pairwise(bounds), lines.depths, strict=True):
        found += [depth] * (end - start)
    return found


def _hunk(old: _Listing, new: _Listing, group: list[tuple[bool, int, int, int, int]]) -> Hunk:
    lines = []
    for same, i, i_end, j, j_end in group:
        if same:
            lines += [f" {new.line(at)}" for at in range(j, j_end)]
        else:
            lines += [f"-{old.line(at)}" for at in range(i, i_end)]
            lines += [f"+{new.line(at)}" for at in range(j, j_end)]
    i, j = group[0][1], group[0][3]
    i_end, j_end = group[-1][2], group[-1][4]
    return Hunk(
        # As diff(1) has it, nothing stands behind the line before.
        i + (i_end > i),
        i_end - i,
        j + (j_end > j),
        j_end - j,
        old.offsets[i] if old.offsets else None,
        new.offsets[j] if new.offsets else None,
        lines,
    )


class _Common:
    """Numbers and words that both modules share: the newer one's."""

    def __init__(self, matching: Matching) -> None:
        self._matching = matching
        old, new = matching.old.module, matching.new.module
        self._old_names, self._new_names = Identifiers(old), Identifiers(new)
        # Of equal types, the first stands for all.
        self._types: dict[int, int] = {}
        for type_ in new.types:
            self._types.setdefault(matching.new.classes[type_], type_._number)
        first = {
            space: self._called_new(space, new.space(space)[0]._number)
            for space in ("memory", "table")
            if new.space(space)
        }
        self.old = Vocabulary(old, self._called_old, first)
        self.new = Vocabulary(new, self._called_new, first)
        self._old_code = self._renumbering(old, self._of_old)
        self._new_code = self._renumbering(new, self._of_new)

    def same_code(self, old: Function, new: Function) -> bool:
        """Whether the code is the same, byte by byte, but for the indices of what is the same."""
        sides = self._matching.old, self._matching.new
        spelled = []
        for side, code, function in zip(
            sides, (self._old_code, self._new_code), (old, new), strict=True
        ):
            spelled.append(function.code if code is None else side.respelled(code, function))
        return spelled[0] == spelled[1]

    def _of_new(self, space: str, number: int) -> int:
        """The number that a thing of the newer module has for both."""
        if space == "type":
            type_ = self._matching.new.module.types.numbered(number)
            class_ = None if type_ is None else self._matching.new.classes.get(type_)
            return number if class_ is None else self._types.get(class_, number)
        return number

    def _of_old(self, space: str, number: int) -> int:
        entity = self._matching.old.module.space(space).numbered(number)
        if entity is None:
            return number
        if space == "type":
            found = self._types.get(self._matching.old.classes.get(entity, -1))
            if found is not None:
                return found
        newer = self._matching.newer.get(entity)
        if newer is not None:
            return newer._number
        # What is gone has a number that nothing else has.
        return len(self._matching.new.module.space(space)._numbered) + number

    def _renumbering(self, module: Module, number: Callable[[str, int], int]) -> Renumbering | None:
        spaces = frozenset(
            space
            for space in SPACES
            if any(
                number(space, each._number) != each._number
                for each in module.space(space)._numbered
            )
        )
        return Renumbering(spaces, number) if spaces else None

    def _called_new(self, space: str, number: int) -> str:
        return self._new_names.numbered(space, self._of_new(space, number))

    def _called_old(self, space: str, number: int) -> str:
        entity: Entity | None = self._matching.old.module.space(space).numbered(number)
        if entity is None:
            return str(number)
        newer = self._of_old(space, number)
        if newer < len(self._matching.new.module.space(space)._numbered):
            return self._called_new(space, newer)
        return self._old_names.called(entity).identifier or f"a/{entity.index}"


def _unwatched(items: Sequence[Any], what: str) -> Iterable[Any]:
    del what
    return items


def compare(
    old: Module,
    new: Module,
    *,
    track: Callable[[Sequence[Any], str], Iterable[Any]] = _unwatched,
    labels: tuple[str, str] = ("the older module", "the newer module"),
) -> Comparison:
    """What is different in two modules, as they are in memory.

    What is the same thing in both is told by imports and names, then by content, then by exports,
    then by order. That the same thing has another index is no difference, neither where it is
    defined nor where it is mentioned. ``track`` wraps the functions, to show progress; errors say
    which module they are about by its label. Raises MalformedError, InvalidError.
    """
    for module in (old, new):
        check_module(module)
    with bulk_work():
        for module, label in ((old, labels[0]), (new, labels[1])):
            with blame(label):
                module.read_all()
        matching = Matching(old, new, track, labels)
        found = Comparison(matching)
        for space in _ORDER:
            found.changes += _of_space(found, space, track)
            if space == "global":
                found.changes += _exports(found)
                found.changes += _start(found)
        found.changes += _module_name(old, new)
        # The name section follows what moves, so its bytes say something only if nothing does.
        quiet = not found.changes and not found.shifted
        found.changes += _customs(old, new, with_names=quiet)
    return found


def _of_space(
    comparison: Comparison, space: str, track: Callable[[Sequence[Any], str], Iterable[Any]]
) -> Iterator[Change]:
    matching, common = comparison._matching, comparison._common
    olds: Space[Any] = matching.old.module.space(space)
    news: Space[Any] = matching.new.module.space(space)
    what = olds.what
    moved = _moved(matching, olds)
    named = all(_has_names(side.module) for side in (matching.old, matching.new))
    for old in track(olds, f"comparing {what}s"):
        new: Any = matching.newer.get(old)
        if new is None:
            yield Change("removed", what, old, None)
            continue
        facts = _differing(common.old.facts(old), common.new.facts(new))
        if named:
            facts |= _names_apart(old, new)
        if isinstance(old, Data) and old.init != new.init:
            facts["bytes"] = _bytes_apart(old.init, new.init)
        has_code = False
        if isinstance(old, Function):
            both = old.imported is None and new.imported is None
            has_code = both and not common.same_code(old, new)
        elif isinstance(old, Element):
            has_code = common.old.items(old) != common.new.items(new)
        elsewhere = old in moved
        if facts or has_code:
            yield Change("changed", what, old, new, facts, has_code, elsewhere)
        elif elsewhere:
            yield Change("moved", what, old, new, moved=True)
        elif old.index != new.index:
            comparison.shifted[what] += 1
    for new in news:
        if new not in matching.older:
            yield Change("added", what, None, new)


def _moved(matching: Matching, olds: Space[Any]) -> set[Entity]:
    """What stands behind something that it stood in front of, or the other way about."""
    pairs = [(each, matching.newer[each].index) for each in olds if each in matching.newer]
    kept = rising([index for _, index in pairs])
    return {each for each, _ in pairs} - {pairs[at][0] for at in kept}


def _names_apart(old: Entity, new: Entity) -> dict[str, tuple[str | None, str | None]]:
    """What the name sections call it, and what is inside of it, where that differs."""
    found: dict[str, tuple[str | None, str | None]] = {}
    if old.name != new.name:
        found["name"] = old.name, new.name
    for kind, space in INDIRECT.items():
        if space == old.space:
            one, other = (
                each.module.names.indirect.get(kind, {}).get(each._number) or {}
                for each in (old, new)
            )
            if one != other:
                found[f"{kind} names"] = _spelled(one), _spelled(other)
    return found


def _spelled(names: NameMap) -> str | None:
    return ", ".join(f"{number} {quoted(name)}" for number, name in sorted(names.items())) or None


def _has_names(module: Module) -> bool:
    return any(module.names.maps.values())


def _differing(
    old: dict[str, str], new: dict[str, str]
) -> dict[str, tuple[str | None, str | None]]:
    names = dict.fromkeys([*old, *new])
    both = {name: (old.get(name), new.get(name)) for name in names}
    return {name: (one, other) for name, (one, other) in both.items() if one != other}


def _bytes_apart(old: bytes, new: bytes) -> tuple[str, str]:
    """What to say of bytes that differ: how many there are, and where the first difference is."""
    shorter = min(len(old), len(new))
    # There may be many: how many are the same is found by halves.
    same = bisect_left(range(1, shorter + 1), True, key=lambda count: old[:count] != new[:count])
    return f"{len(old):,}", f"{len(new):,}, the same up to {same:#x}"


def _exports(comparison: Comparison) -> Iterator[Change]:
    matching, common = comparison._matching, comparison._common
    olds = {each.name: each for each in matching.old.module.exports}
    news = {each.name: each for each in matching.new.module.exports}
    for name, old in olds.items():
        new = news.get(name)
        if new is None:
            yield Change("removed", "export", old, None)
            continue
        if matching.newer.get(old.entity) is not new.entity:
            facts = _differing(_target(common.old, old), _target(common.new, new))
            yield Change("changed", "export", old, new, facts)
    for name, new in news.items():
        if name not in olds:
            yield Change("added", "export", None, new)


def _target(words: Vocabulary, export: Export) -> dict[str, str]:
    return {"what": words.target(export)}


def _start(comparison: Comparison) -> Iterator[Change]:
    matching = comparison._matching
    old, new = matching.old.module.start, matching.new.module.start
    if old is None and new is None:
        return
    if old is None or new is None:
        yield Change("added" if old is None else "removed", "start function", old, new)
    elif matching.newer.get(old) is not new:
        yield Change("changed", "start function", old, new)


def _module_name(old: Module, new: Module) -> Iterator[Change]:
    names = old.names.module, new.names.module
    if names[0] != names[1] and _has_names(old) and _has_names(new):
        yield Change("changed", "module", *names, {"name": names})


def _customs(old: Module, new: Module, *, with_names: bool) -> Iterator[Change]:
    """Custom sections, by name and by how many of that name come before."""
    sides: list[dict[tuple[str, int], Any]] = []
    for module in (old, new):
        seen: Counter[str] = Counter()
        found = {}
        for custom in module.customs:
            found[custom.name, seen[custom.name]] = custom
            seen[custom.name] += 1
        sides.append(found)
    for key in dict.fromkeys([*sides[0], *sides[1]]):
        one, other = sides[0].get(key), sides[1].get(key)
        if one is None or other is None:
            yield Change("added" if one is None else "removed", "custom section", one, other)
        elif one.data != other.data and (with_names or key != ("name", 0)):
            facts: dict[str, tuple[str | None, str | None]] = {}
            facts["bytes"] = _bytes_apart(one.data, other.data)
            yield Change("changed", "custom section", one, other, facts)
