"""Choosing things by name: globs, and what is said where one finds nothing."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING, TypeVar

from wasmir import Function, PassError, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wasmir import Entity, Module

__all__ = ["called", "chosen", "functions_called", "listed", "near", "sought", "unknown"]

T = TypeVar("T")


def called(module: Module, space: str) -> Iterator[tuple[str, Entity]]:
    """The entities of an index space by all of their names: those of the name section, of imports
    (``module.name``) and of exports.
    """
    for entity in module.space(space):
        if entity.name is not None:
            yield entity.name, entity
    for import_ in module.imports:
        if import_.entity.space == space:
            yield f"{import_.module}.{import_.name}", import_.entity
    for export in module.exports:
        if export.entity.space == space:
            yield export.name, export.entity


def functions_called(module: Module) -> Iterator[tuple[str, Function]]:
    """The same, of functions."""
    for name, entity in called(module, "func"):
        if isinstance(entity, Function):
            yield name, entity


def chosen(option: str, globs: str, named: Iterable[tuple[str, T]]) -> list[T]:
    """What is called what some globs, separated by blanks, say; each once, in order.

    Raises PassError for a glob that nothing is called, with what is called something like it.
    """
    found, missed = sought(globs, named)
    if missed:
        raise PassError(f"{option}: {missed[0]}")
    return found


def sought(globs: str, named: Iterable[tuple[str, T]]) -> tuple[list[T], list[str]]:
    """The same, with what there is to say of globs that nothing is called."""
    known = list(named)
    found: dict[T, None] = {}
    missed: list[str] = []
    for glob in globs.split():
        matches = re.compile(translate(glob)).match
        matching = [thing for name, thing in known if matches(name)]
        if not matching:
            missed.append(unknown(glob, (name for name, _ in known)))
        found.update(dict.fromkeys(matching))
    return [thing for thing in dict.fromkeys(thing for _, thing in known) if thing in found], missed


def unknown(glob: str, names: Iterable[str]) -> str:
    """What there is to say of a glob that fits none of the names."""
    known = set(names)
    return (
        f"nothing is called {glob!r}{near(glob, known) if known else ': nothing here has a name'}"
    )


def near(glob: str, names: Iterable[str]) -> str:
    """The names that somebody may have meant by a glob that fits none, to be put behind."""
    return suggestion(glob.strip("*?"), names, most=3)


def listed(option: str, words: str, known: Iterable[str]) -> list[str]:
    """Words out of those that an option knows, separated by blanks.

    Raises PassError for another one, with those that are known.
    """
    allowed = list(known)
    for word in words.split():
        if word not in allowed:
            hint = suggestion(word, allowed) or f"; there are: {', '.join(allowed)}"
            raise PassError(f"{option}: there is no {word!r}{hint}")
    return words.split()
