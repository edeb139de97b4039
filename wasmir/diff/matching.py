"""Which things of two modules are the same.

What is imported under the same name is the same, and so is what the name sections call the same. Of
the rest, what has the same content is: all that can be said of it without the indices of other
things. Then comes what is exported under the same name. What is left is matched by its place among
what was found: first where the types fit, and by how much alike it is where there is more of it in
one module than in the other.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import contextmanager
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from wasmir.binary.shift import Renumbering
from wasmir.diff.sequences import common_blocks, rising
from wasmir.diff.vocabulary import Vocabulary
from wasmir.errors import MalformedError, WasmError
from wasmir.ir.function import Function
from wasmir.ir.segment import Data, Element
from wasmir.ir.type import Type, definition_key
from wasmir.isa import tokens
from wasmir.isa.mentions import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from wasmir.ir.module import Module
    from wasmir.ir.space import Entity

    Track = Callable[[Sequence[Function], str], Iterable[Function]]

__all__ = ["Matching", "Side", "blame"]

T = TypeVar("T")

_ALIKE = 1 << 12
"""So many comparisons of functions with each other are made for one gap, at most."""


@contextmanager
def blame(label: str) -> Iterator[None]:
    """Errors say which of the modules they are about."""
    try:
        yield
    except WasmError as error:
        error.reason = f"{label}: {error.reason}"
        raise


class Side:
    """One of the two modules, and what it needs to be compared."""

    def __init__(self, module: Module, classes: dict[Any, int], track: Track, label: str) -> None:
        self.module = module
        self.label = label
        self._track = track
        #: What types are the same in both modules, by entry.
        self.classes = _classes(module, classes)
        self._blank = Renumbering(SPACES, self._blanked)
        self._blank_words = Vocabulary(module, lambda *what: str(self._blanked(*what)), {})
        self._shapes: dict[Entity, Hashable] = {}

    def _blanked(self, space: str, number: int) -> int:
        """Nothing but types is told apart."""
        if space != "type":
            return 0
        type_ = self.module.types.numbered(number)
        return 0 if type_ is None else self.classes.get(type_, 0)

    def shapes(self, entities: Sequence[Entity]) -> list[Hashable]:
        """The content of each, without the indices of anything. Raises MalformedError."""
        functions = [each for each in entities if isinstance(each, Function)]
        for function in self._track(functions, f"reading {self.label}"):
            if function not in self._shapes:
                self._shapes[function] = self._signature(function), _digest(self.code(function))
        return [self._shape(each) for each in entities]

    def _shape(self, entity: Entity) -> Hashable:
        found = self._shapes.get(entity)
        if found is None:
            said: list[Any] = sorted(self._blank_words.facts(entity).items())
            if isinstance(entity, Data):
                said.append(_digest(entity.init))
            elif isinstance(entity, Element):
                said.append(len(entity.items))
            found = self._shapes[entity] = tuple(said)
        return found

    def code(self, function: Function) -> bytes:
        """A function's code without the indices of anything."""
        return self.respelled(self._blank, function)

    def respelled(self, code: Renumbering, function: Function) -> bytes:
        """A function's code in other numbers. Raises MalformedError."""
        try:
            return code.body(function.code)
        except MalformedError as error:
            if function.is_raw:
                error.offset += function.offset
            error.reason = f"{self.label}: {error.reason}"
            raise

    def kinds(self, entities: Sequence[Entity]) -> list[Hashable]:
        """What an edit would hardly change of each: the type."""
        return [self._kind(each) for each in entities]

    def _kind(self, entity: Entity) -> Hashable:
        if isinstance(entity, Function):
            return self._signature(entity)
        facts = self._blank_words.facts(entity)
        return facts.get("type"), facts.get("mode")

    def _signature(self, function: Function) -> int:
        return self.classes.get(function.type, -1)


def _classes(module: Module, known: dict[Any, int]) -> dict[Type, int]:
    """A number for each type, which equal types of both modules share."""
    found: dict[Type, int] = {}
    for first in module.types:
        if first in found:
            continue
        places = {type_: place for place, type_ in enumerate(first.group.types)}

        def standing(type_: Type, places: dict[Type, int] = places) -> object:
            place = places.get(type_)
            return ("class", found.get(type_)) if place is None else place

        key = tuple(definition_key(each.definition, standing) for each in places)
        # The next number that is free, whatever the sizes of groups are.
        start = known.setdefault(key, known[_FREE])
        if start == known[_FREE]:
            known[_FREE] += len(places)
        found.update((type_, start + place) for type_, place in places.items())
    return found


_FREE = "the next number"


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=12).digest()


class Matching:
    """The things of two modules that are the same. Raises MalformedError, InvalidError."""

    def __init__(self, old: Module, new: Module, track: Track, labels: tuple[str, str]) -> None:
        classes: dict[Any, int] = {_FREE: 0}
        self.old = Side(old, classes, track, labels[0])
        self.new = Side(new, classes, track, labels[1])
        #: The newer module's for each of the older one's, and the other way about.
        self.newer: dict[Entity, Entity] = {}
        self.older: dict[Entity, Entity] = {}
        self._match_types()
        for space in sorted(SPACES - {"type"}):
            self._match(space)

    def _pair(self, old: Entity, new: Entity) -> None:
        if old not in self.newer and new not in self.older:
            self.newer[old] = new
            self.older[new] = old

    def _match_types(self) -> None:
        old, new = (
            _numbered((side.classes[each], each) for each in side.module.types)
            for side in self._sides
        )
        self._pair_keys(old, new)

    @property
    def _sides(self) -> tuple[Side, Side]:
        return self.old, self.new

    def _pair_keys(self, old: dict[Any, Any], new: dict[Any, Any]) -> None:
        for key, entity in old.items():
            if key in new:
                self._pair(entity, new[key])

    def _match(self, space: str) -> None:
        for known_by in (_by_import, _by_name):
            self._pair_keys(*(known_by(side.module, space) for side in self._sides))
        # What is imported under another name is another thing.
        old, new = (
            [each for each in side.module.space(space) if not getattr(each, "imported", None)]
            for side in self._sides
        )
        if space == "func" and len(old) == len(new):
            # Where nothing came or went, most is where it was.
            for one, other in zip(old, new, strict=True):
                if one.index == other.index and one.code == other.code:
                    self._pair(one, other)
        left = [each for each in old if each not in self.newer]
        of_new = [each for each in new if each not in self.older]
        if left and of_new:
            self._pair_keys(
                _single(zip(self.old.shapes(left), left, strict=True)),
                _single(zip(self.new.shapes(of_new), of_new, strict=True)),
            )
        for one, other in self._gaps(old, new):
            self._align(one, other, Side.shapes)
        # Behind content: what is exported may be an adapter now, of what was exported before.
        self._pair_keys(*(_by_export(side.module, space) for side in self._sides))
        for one, other in self._gaps(old, new):
            self._fill(one, other)

    def _gaps(self, old: list[Any], new: list[Any]) -> list[tuple[list[Any], list[Any]]]:
        """What isn't matched, between what is and stands in the same order."""
        at = {each: place for place, each in enumerate(new)}
        pairs = [
            (place, at[self.newer[each]])
            for place, each in enumerate(old)
            if self.newer.get(each) in at
        ]
        kept = [pairs[each] for each in rising([place for _, place in pairs])]
        bounds = [(-1, -1), *kept, (len(old), len(new))]
        gaps = []
        for (i, j), (i_end, j_end) in pairwise(bounds):
            one = [each for each in old[i + 1 : i_end] if each not in self.newer]
            other = [each for each in new[j + 1 : j_end] if each not in self.older]
            if one and other:
                gaps.append((one, other))
        return gaps

    def _fill(self, old: list[Any], new: list[Any]) -> None:
        """Match what stands between the same things, and has other content."""
        uneven = len(old) != len(new) and len(old) * len(new) <= _ALIKE
        if uneven and isinstance(old[0], Function):
            self._align_alike(old, new)
            return
        self._align(old, new, Side.kinds)
        for one, other in self._gaps(old, new):
            if len(one) == len(other):
                for pair in zip(one, other, strict=True):
                    self._pair(*pair)

    def _align(
        self, old: list[Any], new: list[Any], keys: Callable[[Side, list[Any]], list[Hashable]]
    ) -> None:
        """Match what has the same keys in the same order."""
        for block in common_blocks(keys(self.old, old), keys(self.new, new)):
            for place in range(block.size):
                self._pair(old[block.i + place], new[block.j + place])

    def _align_alike(self, old: list[Function], new: list[Function]) -> None:
        """Match functions in the same order, so that they are alike on the whole."""
        words = [
            [Counter(_words(side.code(each))) for each in functions]
            for side, functions in zip(self._sides, (old, new), strict=True)
        ]
        alike = [[_likeness(one, other) for other in words[1]] for one in words[0]]
        # The most that can be had of the functions from each place on.
        best = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
        for i in reversed(range(len(old))):
            for j in reversed(range(len(new))):
                together = alike[i][j] + best[i + 1][j + 1]
                best[i][j] = max(together, best[i + 1][j], best[i][j + 1])
        i = j = 0
        while i < len(old) and j < len(new):
            if best[i][j] == best[i + 1][j]:
                i += 1
            elif best[i][j] == best[i][j + 1]:
                j += 1
            else:
                self._pair(old[i], new[j])
                i, j = i + 1, j + 1


_LIKE = 0.3
"""Functions with less in common have nothing to do with each other."""


def _likeness(old: Counter[bytes], new: Counter[bytes]) -> float:
    """How much of the instructions is in both, from 0 to 1; 0 where that is too little."""
    found = 2 * (old & new).total() / max(1, old.total() + new.total())
    return found if found >= _LIKE else 0.0


def _words(code: bytes) -> list[bytes]:
    start = tokens.skip_locals(code, 0, len(code))
    return [each for part in tokens.split_whole(code, start, len(code)) for each in part]


# What things are known by


def _by_import(module: Module, space: str) -> dict[Any, Entity]:
    return _numbered(
        ((each.module, each.name), each.entity)
        for each in module.imports
        if each.entity.space == space
    )


def _by_export(module: Module, space: str) -> dict[Any, Entity]:
    return {each.name: each.entity for each in module.exports if each.entity.space == space}


def _by_name(module: Module, space: str) -> dict[Any, Entity]:
    named = ((each.name, each) for each in module.space(space) if each.name)
    return _single(named)


def _numbered(keyed: Iterable[tuple[Any, T]]) -> dict[Any, T]:
    """By key and by how often the key was there before."""
    seen: dict[Any, count[int]] = {}
    return {(key, next(seen.setdefault(key, count()))): each for key, each in keyed}


def _single(keyed: Iterable[tuple[Any, T]]) -> dict[Any, T]:
    """What has a key of its own."""
    pairs = list(keyed)
    counts = Counter(key for key, _ in pairs)
    return {key: each for key, each in pairs if counts[key] == 1}
