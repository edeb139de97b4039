"""Constructors of instructions, made from the table. :mod:`wasmir.ops` is their public face."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from wasmir.ir import immediates
from wasmir.ir.code import (
    Block,
    BlockType,
    Br,
    Branch,
    BrIf,
    BrOn,
    BrTable,
    Catch,
    If,
    Instr,
    Item,
    Label,
    Loop,
    Node,
    Resume,
    Rethrow,
    Try,
    TryTable,
)
from wasmir.ir.immediates import Where
from wasmir.ir.seq import check_instruction
from wasmir.isa import kinds
from wasmir.isa.mentions import mentioned_spaces
from wasmir.isa.signature import CONSTRUCTIBLE, REQUIRED, parameters, python_path
from wasmir.isa.table import Trait
from wasmir.suggest import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir.isa.table import Immediate, Row

__all__ = ["Constructor", "Namespace", "interned", "namespaces"]


class Constructor:
    """Makes one instruction of the table; its parameters are the immediates.

    Raises TypeError for the wrong sort of immediate, ValueError for one that is out of range.
    """

    def __init__(self, row: Row) -> None:
        self.row = row
        self.parameters = parameters(row)
        self._positional = sum(not each.keyword_only for each in self.parameters)
        self._names = frozenset(each.name for each in self.parameters)
        self._make = _maker(row)
        # Without immediates there is only one.
        self._only = None if row.immediates else interned(row, ())

    def __call__(self, *args: object, **given: object) -> Instr | Node:
        if self._only is not None and not args and not given:
            return self._only
        return self._make(self.row, self._bound(args, given))

    def _bound(self, args: tuple[object, ...], given: dict[str, object]) -> dict[str, Any]:
        if len(args) > self._positional:
            raise TypeError(f"{self.row.name}: {len(args)} immediates by position; it is {self}")
        for parameter, value in zip(self.parameters, args, strict=False):
            if parameter.name in given:
                raise TypeError(f"{self.row.name}: {parameter.name} is given twice")
            given[parameter.name] = value
        if not self._names.issuperset(given):
            strange = next(name for name in given if name not in self._names)
            raise TypeError(f"{self.row.name}: there is no {strange}; it is {self}")
        for parameter in self.parameters:
            if parameter.name not in given:
                if parameter.default is REQUIRED:
                    raise TypeError(f"{self.row.name}: {parameter.name} is missing; it is {self}")
                given[parameter.name] = parameter.default
        return given

    def __str__(self) -> str:
        shown = []
        for at, parameter in enumerate(self.parameters):
            if at == self._positional:
                shown.append("*")
            has_default = parameter.default is not REQUIRED
            shown.append(parameter.name + (f"={parameter.default!r}" if has_default else ""))
        return f"ops.{'.'.join(python_path(self.row))}({', '.join(shown)})"

    def __repr__(self) -> str:
        return f"<constructor {self}>"


class Namespace:
    """Constructors of instructions whose names begin alike."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __getattr__(self, name: str) -> Any:
        # Only what isn't there comes here.
        near = suggestion(name, vars(self))
        raise AttributeError(f"no instruction {self._path}.{name}{near}")

    def __repr__(self) -> str:
        return f"<instructions {self._path}.*>"


@cache
def namespaces() -> dict[str, Constructor | Namespace]:
    """Everything that :mod:`wasmir.ops` offers, by name; not to be changed."""
    top: dict[str, Constructor | Namespace] = {}
    for row in CONSTRUCTIBLE:
        *path, last = python_path(row)
        names: dict[str, Any] = top
        for depth, word in enumerate(path, 1):
            inner = names.setdefault(word, Namespace(".".join(path[:depth])))
            names = vars(inner)
        names[last] = Constructor(row)
    return top


# Straight-line instructions

_INTERNED: dict[tuple[Row, tuple[Any, ...]], Instr] = {}


def interned(row: Row, values: tuple[Any, ...]) -> Instr:
    """One object for the whole process where no entity is mentioned, else one for the module."""
    if _mentions(row):
        # The types of `select` are the one immediate that is several things.
        module = immediates.entity_module(chain.from_iterable(map(_parts, values)))
        if module is not None:
            return module.instr(row.name, *values)
    found = _INTERNED.get((row, values))
    # Of two threads, both get the object of the one that came first.
    return found or _INTERNED.setdefault((row, values), Instr(row, values))


@cache
def _mentions(row: Row) -> bool:
    return bool(mentioned_spaces(row))


def _parts(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


_Reader: TypeAlias = "Callable[[dict[str, Any]], Any]"


def _reader(row: Row, immediate: Immediate) -> _Reader:
    """What makes the immediate of the arguments."""
    name, kind = immediate.name, immediate.kind
    where = Where(row, name)
    if kind.name.startswith("memarg"):
        return lambda given: immediates.memarg(
            row, kind, given["offset"], given["align"], given["memory"]
        )
    if kind in (kinds.F32, kinds.F64):
        return lambda given: immediates.floating(where, kind, given[name], given["bits"])
    check = immediates.checker(kind)
    # A keyword has an underscore behind it: global_.
    written = next((each.name for each in parameters(row) if each.immediate is immediate), name)
    return lambda given: check(where, given.get(written))


@cache
def _readers(row: Row) -> tuple[_Reader, ...]:
    return tuple(_reader(row, immediate) for immediate in row.immediates)


def _values(row: Row, given: dict[str, Any]) -> list[Any]:
    """The immediates in row order, checked."""
    return [read(given) for read in _readers(row)]


def _instr(row: Row, given: dict[str, Any]) -> Instr:
    return interned(row, tuple(_values(row, given)))


# Branches


def _one_label(row: Row, given: dict[str, Any]) -> Branch:
    cls = {"br": Br, "br_if": BrIf, "rethrow": Rethrow}[row.name]
    return cls(*_values(row, given))


def _br_table(row: Row, given: dict[str, Any]) -> BrTable:
    return BrTable(*_values(row, given))


def _br_on(row: Row, given: dict[str, Any]) -> BrOn:
    values = _values(row, given)
    [label] = [value for value in values if isinstance(value, Label)]
    return BrOn(row, label, tuple(None if value is label else value for value in values))


def _br_on_cast(row: Row, given: dict[str, Any]) -> BrOn:
    """The flags follow from the reference types."""
    label = immediates.label(Where(row, "label"), given["label"])
    source, target = (
        immediates.ref_type(Where(row, name), given[name]) for name in ("source", "target")
    )
    flags = source.nullable | target.nullable << 1
    return BrOn(row, label, (flags, None, source.heap, target.heap))


def _resume(row: Row, given: dict[str, Any]) -> Resume:
    *values, handlers = _values(row, given)
    return Resume(row, handlers, (*values, None))


# Structured instructions


def _items(row: Row, name: str, items: object) -> list[Item]:
    if not isinstance(items, Iterable) or isinstance(items, (str, bytes, Node)):
        raise Where(row, name).wrong_type("a list of items: instructions, nodes and runs", items)
    found: list[Any] = list(items)
    for item in found:
        if not isinstance(item, bytes):
            try:
                check_instruction(item)
            except TypeError as error:
                raise TypeError(f"{row.name}: {name}: {error}") from None
    return found


def _block_type(row: Row, given: dict[str, Any]) -> BlockType:
    return immediates.block_type(Where(row, "type"), given["type"])


def _one_sequence(row: Row, given: dict[str, Any]) -> Block | Loop:
    cls = Block if row.name == "block" else Loop
    return cls(_block_type(row, given), _items(row, "items", given["items"]))


def _if(row: Row, given: dict[str, Any]) -> If:
    otherwise = given["else_items"]
    return If(
        _block_type(row, given),
        _items(row, "items", given["items"]),
        None if otherwise is None else _items(row, "else_items", otherwise),
    )


def _try(row: Row, given: dict[str, Any]) -> Try:
    made = Try(_block_type(row, given), _items(row, "items", given["items"]))
    catches, where = given["catches"], Where(row, "catches")
    if not isinstance(catches, Iterable):
        raise where.wrong_type("clauses, as Catch objects", catches)
    for clause in catches:
        if not isinstance(clause, Catch):
            raise where.wrong_type("clauses, as Catch objects", clause)
        if made.catches and made.catches[-1].tag is None:
            raise ValueError(f"{row.name}: {where.name}: nothing comes behind a catch_all")
        made.catches.append(clause)
    if given["delegate"] is not None:
        if made.catches:
            raise ValueError(f"{row.name}: it has catches or a delegate, not both")
        made.delegate = immediates.label(Where(row, "delegate"), given["delegate"])
    return made


def _try_table(row: Row, given: dict[str, Any]) -> TryTable:
    type_, clauses = _values(row, given)
    return TryTable(type_, clauses, _items(row, "items", given["items"]))


_NODES: dict[str, Callable[[Row, dict[str, Any]], Node]] = {
    "block": _one_sequence,
    "loop": _one_sequence,
    "if": _if,
    "try": _try,
    "try_table": _try_table,
    "br": _one_label,
    "br_if": _one_label,
    "rethrow": _one_label,
    "br_table": _br_table,
}


def _maker(row: Row) -> Callable[[Row, dict[str, Any]], Instr | Node]:
    known = _NODES.get(row.name)
    if known is not None:
        return known
    if row.traits.isdisjoint({Trait.OPENS, Trait.BRANCHES}):
        return _instr
    has = {immediate.kind for immediate in row.immediates}
    if kinds.HANDLERS in has:
        return _resume
    return _br_on_cast if kinds.CAST_FLAGS in has else _br_on
