"""What the options of instrumenting passes mean: which functions, which import, which word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmir import PassError
from wasmir.passes.patterns import chosen, functions_called, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wasmir import Function, Module

__all__ = ["chosen_code", "chosen_functions", "defined_functions", "import_named", "one_of"]


def defined_functions(module: Module) -> list[Function]:
    """The functions that have code."""
    return [each for each in module.functions if each.imported is None]


def chosen_functions(option: str, globs: str, functions: Iterable[Function]) -> list[Function]:
    """The functions of some that globs, separated by blanks, say, by any of their names or by their
    indices; all of them where there is no glob.

    Raises PassError for a glob that fits none, with what is called something like it.
    """
    known = list(functions)
    if not globs.split() or not known:
        return known
    among = set(known)
    named = [each for each in functions_called(known[0].module) if each[1] in among]
    named += [(str(each.index), each) for each in known]
    found = set(chosen(option, globs, named))
    return [each for each in known if each in found]


def chosen_code(pass_: str, globs: str, module: Module) -> list[Function]:
    """The same of those that have code, for the option ``functions`` of a pass."""
    return chosen_functions(f"{pass_}: functions", globs, defined_functions(module))


def import_named(option: str, text: str) -> tuple[str, str]:
    """``MODULE.NAME`` in two. Raises PassError where it isn't."""
    module, _, name = text.rpartition(".")
    if not (module and name):
        raise PassError(f"{option} is an import, MODULE.NAME, not {text!r}")
    return module, name


def one_of(option: str, word: str, known: Iterable[str]) -> None:
    """Raise PassError for a word that an option doesn't know, with what comes near."""
    if listed(option, word, known) != [word]:
        raise PassError(f"{option} is one of {', '.join(known)}, not {word!r}")
