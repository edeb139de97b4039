"""Labels, which code has as depths: what is said of them where they are mentioned.

A label without a name stays a number, with a comment how deep the block is that it means, as
``br 1 (;@2;)``; the block says the same where it opens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from wasmir.text.names import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wasmir.text.names import Called
    from wasmir.text.words import Words

__all__ = ["Labels", "NamedLabels", "NumberedLabels"]


class Labels(Protocol):
    """The labels of one function, as it is gone through."""

    def open(self, token: bytes) -> str:
        """What a token says that opens the next block."""

    def close(self) -> None:
        """Close the innermost block."""

    def branch(self, token: bytes) -> str:
        """What a token says, with labels as they are seen from here."""


def _numbered(label: int, target: int) -> str:
    """A label without a name, and how deep the block is that it means."""
    return str(label) if target < 0 else f"{label} (;@{target};)"


class NumberedLabels:
    """Labels without names. What a token says depends on its depth only, and is kept."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._depth = 0
        # By depth.
        self._branches: list[dict[bytes, str]] = []
        self._openings: list[dict[bytes, str]] = []

    def begin(self) -> None:
        """Begin another function."""
        self._depth = 0

    def open(self, token: bytes) -> str:
        depth = self._depth
        self._depth = depth + 1
        if depth == len(self._openings):
            self._openings.append({})
        known = self._openings[depth]
        found = known.get(token)
        if found is None:
            said = self._words.placed(token, lambda label: _numbered(label, depth - label))
            found = known[token] = f"{said} (;@{depth + 1};)"
        return found

    def close(self) -> None:
        self._depth -= 1

    def branch(self, token: bytes) -> str:
        depth = self._depth
        while depth >= len(self._branches):
            self._branches.append({})
        known = self._branches[depth]
        found = known.get(token)
        if found is None:
            found = known[token] = self._words.placed(
                token, lambda label: _numbered(label, depth - label)
            )
        return found


class NamedLabels:
    """Labels of which some have names."""

    def __init__(self, words: Words, names: Mapping[int, Called]) -> None:
        """``names`` are in the order of their blocks."""
        self._words = words
        self._names = names
        self._count = 0
        self._open: list[str] = []
        # By identifier, how deep the blocks are that are called so.
        self._depths: dict[str, list[int]] = {}

    def open(self, token: bytes) -> str:
        said = self.branch(token)
        called = self._names.get(self._count, NOTHING)
        self._count += 1
        self._open.append(called.identifier)
        depth = len(self._open)
        if called is NOTHING:
            return f"{said} (;@{depth};)"
        if called.identifier:
            self._depths.setdefault(called.identifier, []).append(depth)
        mnemonic, space, rest = said.partition(" ")
        return f"{mnemonic} {called}{space}{rest}"

    def close(self) -> None:
        identifier = self._open.pop()
        if identifier:
            self._depths[identifier].pop()

    def branch(self, token: bytes) -> str:
        return self._words.placed(token, self._label)

    def _label(self, label: int) -> str:
        depth = len(self._open) - label
        identifier = self._open[depth - 1] if depth > 0 else ""
        # An inner block may be called the same.
        if identifier and self._depths[identifier][-1] == depth:
            return identifier
        return _numbered(label, depth)
