"""What is said to whoever gives the wrong sort of thing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from wasmir.types import NumType, RefType

if TYPE_CHECKING:
    from wasmir.types import ValType

__all__ = ["check_is", "check_name", "value_types"]


def check_is(value: object, kinds: type | tuple[type, ...], expected: str) -> None:
    """Raise TypeError unless a value is of one of some classes; ``expected`` is what to call it."""
    if not isinstance(value, kinds):
        raise TypeError(f"{expected} expected, not {type(value).__name__}")


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
