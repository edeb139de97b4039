"""Which functions an option means, and which import: by name, with near misses told."""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from wasmir import PassError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from wasmir import Function, Module

__all__ = ["chosen_functions", "defined_functions", "import_named", "one_of"]


def defined_functions(module: Module) -> list[Function]:
    """The functions that have code."""
    return [each for each in module.functions if each.imported is None]


def chosen_functions(
    pass_: str, option: str, patterns: str, functions: Iterable[Function]
) -> list[Function]:
    """The functions of some that one of the globs matches, which blanks separate; all of them where
    there is no glob. A function goes by its name, by those it is exported or imported by, and by
    its index.

    Raises PassError for a glob that matches none, with what comes near.
    """
    wanted = patterns.split()
    known = list(functions)
    if not wanted or not known:
        return known
    names = _names(known)
    chosen: set[Function] = set()
    for pattern in wanted:
        found = [
            each for name, named in names.items() if fnmatchcase(name, pattern) for each in named
        ]
        if not found:
            near = get_close_matches(pattern, names, n=3)
            hint = f"did you mean {', '.join(near)}?" if near else f"{len(known)} are there"
            raise PassError(f"{pass_}: {option}: no function is called {pattern!r}; {hint}")
        chosen.update(found)
    return [each for each in known if each in chosen]


def _names(functions: list[Function]) -> dict[str, list[Function]]:
    names: dict[str, list[Function]] = {}
    exported: dict[object, list[str]] = {}
    for export in functions[0].module.exports:
        exported.setdefault(export.entity, []).append(export.name)
    for function in functions:
        called = {str(function.index), *exported.get(function, ())}
        if function.name is not None:
            called.add(function.name)
        if function.imported is not None:
            called |= {
                function.imported.name,
                f"{function.imported.module}.{function.imported.name}",
            }
        for name in called:
            names.setdefault(name, []).append(function)
    # Sets have no order, and what comes near is told.
    return dict(sorted(names.items()))


def import_named(pass_: str, option: str, text: str) -> tuple[str, str]:
    """``MODULE.NAME`` in two. Raises PassError where it isn't."""
    module, dot, name = text.rpartition(".")
    if not (module and dot and name):
        raise PassError(f"{pass_}: {option} is an import, MODULE.NAME, not {text!r}")
    return module, name


def one_of(pass_: str, option: str, value: str, known: Collection[str]) -> str:
    """The value, where it is one of some. Raises PassError, with what comes near."""
    if value in known:
        return value
    near = get_close_matches(value, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    raise PassError(f"{pass_}: {option}={value}: {hint}")
