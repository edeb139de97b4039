"""What is said to whoever gives the wrong sort of thing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from wasmir.suggest import suggestion
from wasmir.types import NumType, RefType

if TYPE_CHECKING:
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module
    from wasmir.isa.table import Row
    from wasmir.types import ValType

__all__ = [
    "check_is",
    "check_module",
    "check_name",
    "each_is",
    "functions_of",
    "row_named",
    "value_types",
]

T = TypeVar("T")


def check_is(value: object, kinds: type | tuple[type, ...], expected: str) -> None:
    """Raise TypeError unless a value is of one of some classes; ``expected`` is what to call it."""
    if not isinstance(value, kinds):
        raise TypeError(f"{expected} expected, not {type(value).__name__}")


def each_is(values: Iterable[T], kinds: type | tuple[type, ...], expected: str) -> list[T]:
    """The values as a list. Raises TypeError unless each is of one of some classes."""
    check_is(values, Iterable, f"several, each {expected},")
    found = list(values)
    for each in found:
        check_is(each, kinds, expected)
    return found


def row_named(mnemonic: str) -> Row:
    """The table's row of an instruction. Raises ValueError where there is none."""
    from wasmir.isa.table import BY_NAME

    found = BY_NAME.get(mnemonic)
    if found is None:
        near = suggestion(str(mnemonic), BY_NAME)
        raise ValueError(f"no instruction {mnemonic!r}{near}")
    return found


def check_module(value: object) -> None:
    """Raise TypeError for what is no module."""
    from wasmir.ir.module import Module

    check_is(value, Module, "a module")


def functions_of(module: Module, functions: Iterable[Function] | None) -> list[Function]:
    """Functions that somebody gives, or all of the module. Raises TypeError for anything else,
    ValueError for another module's.
    """
    if functions is None:
        return list(module.functions)
    from wasmir.ir.function import Function

    found = each_is(functions, Function, "a function")
    for each in found:
        if each.module is not module:
            raise ValueError(f"{each!r} is part of another module")
    return found


def check_name(name: object) -> None:
    """Raise TypeError for a name that is no ``str``, ValueError for one that UTF-8 can't write."""
    check_is(name, str, "a name (str)")
    try:
        str(name).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the name {name!r} can't be written in UTF-8: {error.reason}") from None


def value_types(what: str, types: object) -> tuple[ValType, ...]:
    """Value types that somebody gives, several or one. Raises TypeError for anything else."""
    found = tuple(types) if isinstance(types, Iterable) and not isinstance(types, str) else (types,)
    for each in found:
        if not isinstance(each, (NumType, RefType)):
            raise TypeError(f"{what} must be value types, as I32 is, not {type(each).__name__}")
    return found
