"""How each instruction is spelled in Python: its name, and the parameters of its constructor.

:mod:`wasmir.ops` makes constructors of this at run time, :mod:`wasmir.isa.stub` the types of them;
both follow from the table.
"""

from __future__ import annotations

import keyword
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from wasmir.isa import kinds
from wasmir.isa.table import ROWS, Row, Trait

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wasmir.isa.table import Immediate

__all__ = ["CONSTRUCTIBLE", "REQUIRED", "Parameter", "parameters", "python_path"]

REQUIRED: Any = type("Required", (), {"__repr__": lambda _self: "REQUIRED"})()
"""The default of what has none."""

CONSTRUCTIBLE: tuple[Row, ...] = tuple(
    row for row in ROWS if row.traits.isdisjoint({Trait.SEPARATES, Trait.CLOSES})
)
"""All but ``else``, ``catch``, ``end`` and their kin, which the structured instruction implies."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a constructor. ``immediate`` is what it is, or is part of; ``None`` where it
    is what a structured instruction has inside.
    """

    name: str
    immediate: Immediate | None = None
    default: Any = REQUIRED
    keyword_only: bool = False


def _identifier(word: str) -> str:
    """``if`` is ``if_`` in Python, ``ref.test null`` is ``ref.test_null``."""
    word = word.replace(" ", "_")
    return f"{word}_" if keyword.iskeyword(word) else word


def python_path(row: Row) -> tuple[str, ...]:
    """Where the constructor is found: ``("i32", "atomic", "rmw", "and_")``."""
    return tuple(map(_identifier, row.name.split(".")))


_INSIDE: dict[str, tuple[Parameter, ...]] = {
    "block": (Parameter("items", default=()),),
    "loop": (Parameter("items", default=()),),
    "if": (Parameter("items", default=()), Parameter("else_items", default=None)),
    "try": (
        Parameter("items", default=()),
        Parameter("catches", default=()),
        Parameter("delegate", default=None),
    ),
    "try_table": (Parameter("items", default=()),),
}

# What WAT leaves out, too, where it is the first of the module.
_FIRST_BY_DEFAULT = (kinds.MEMORY, kinds.TABLE)
# Not for people: the one has no choice, the other says what the reference types say.
_DERIVED = (kinds.ZERO, kinds.CAST_FLAGS)


def _of(immediate: Immediate) -> Iterable[Parameter]:
    kind = immediate.kind
    name = _identifier(immediate.name)
    if kind in _DERIVED:
        return
    if kind.name.startswith("memarg"):
        for part, default in (("offset", 0), ("align", None), ("memory", 0)):
            yield Parameter(part, immediate, default, keyword_only=True)
    elif kind in (kinds.F32, kinds.F64):
        yield Parameter(name, immediate, None)
        yield Parameter("bits", immediate, None, keyword_only=True)
    elif kind is kinds.BLOCK_TYPE:
        yield Parameter(name, immediate, None)
    elif kind is kinds.CATCHES:
        yield Parameter(name, immediate, ())
    elif kind in _FIRST_BY_DEFAULT:
        yield Parameter(name, immediate, 0)
    else:
        yield Parameter(name, immediate)


@cache
def parameters(row: Row) -> tuple[Parameter, ...]:
    """The constructor's parameters: immediates in row order, then what is inside; what goes by
    keyword only comes last.
    """
    found = [parameter for immediate in row.immediates for parameter in _of(immediate)]
    found += _INSIDE.get(row.name, ())
    return tuple(sorted(found, key=lambda parameter: parameter.keyword_only))
