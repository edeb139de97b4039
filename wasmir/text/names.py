"""What things are called in text: identifiers, unique in their index space, and strings.

Names of the name section are any text, may repeat, and may be empty; identifiers may not. A name
that was given before gets the thing's index behind it, and an annotation says what it really is:
``(func $f#7 (@name "f") ...)``. What has no name, or an empty one, is called by its index.

Source: specification, Text Format, "Identifiers", "Strings"; Appendix, "Custom Sections", "Name
Annotation".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from wasmir.types import Concrete, RefType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wasmir.ir.function import Function
    from wasmir.ir.module import Module
    from wasmir.ir.names import NameMap
    from wasmir.ir.space import Entity
    from wasmir.ir.type import Type
    from wasmir.types import FuncType

__all__ = ["NOTHING", "Called", "Identifiers", "byte_strings", "quoted"]

_PLAIN = re.compile(r"[0-9A-Za-z!#$%&'*+\-./:<=>?@\\^_`|~]+").fullmatch
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_BYTES = tuple(
    chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\{byte:02x}"
    for byte in range(256)
)
_LINE = 64
"""So many bytes of data stand in one string."""


def quoted(text: str) -> str:
    """A name as a string. What can't be seen, or changes the direction of what is, is escaped."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{"".join(map(_shown, text))}"'


def _shown(char: str) -> str:
    escaped = _ESCAPES.get(char)
    if escaped is None:
        escaped = char if char.isprintable() else f"\\u{{{ord(char):x}}}"
    return escaped


def byte_strings(data: bytes) -> list[str]:
    """Data as strings, each of at most a line."""
    show = _BYTES.__getitem__
    return [f'"{"".join(map(show, data[at : at + _LINE]))}"' for at in range(0, len(data), _LINE)]


class Called(NamedTuple):
    """What something is called where it is defined.

    ``identifier`` is ``$name``, or empty; ``annotation`` says the name where that is another.
    """

    identifier: str
    annotation: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, self))


NOTHING = Called("")
"""What has no name."""


def _called(names: Iterable[tuple[int, str]]) -> dict[int, Called]:
    """What things in a space are called, by number, given numbers with names."""
    names = list(names)
    taken = {name for _, name in names}
    seen: set[str] = set()
    found: dict[int, Called] = {}
    for number, name in names:
        annotation = ""
        identifier = name
        if not name:
            found[number] = Called("", '(@name "")')
            continue
        if name in seen:
            annotation = f"(@name {quoted(name)})"
            identifier = f"{name}#{number}"
            while identifier in taken:
                identifier += "#"
            taken.add(identifier)
        seen.add(name)
        found[number] = Called(
            f"${identifier}" if _PLAIN(identifier) else f"${quoted(identifier)}", annotation
        )
    return found


class Identifiers:
    """What everything in a module is called; with indices only where names aren't wanted."""

    def __init__(self, module: Module, *, names: bool = True) -> None:
        self.module = module
        self.names = names
        # By space; by code number.
        self._called: dict[str, dict[int, Called]] = {}
        self._fields: dict[Type, dict[int, Called]] = {}
        self._signatures: dict[FuncType, str] = {}

    @property
    def own(self) -> Called:
        """What the module is called."""
        name = self.module.names.module if self.names else None
        return NOTHING if name is None else _called([(0, name)])[0]

    def _space(self, space: str) -> dict[int, Called]:
        found = self._called.get(space)
        if found is None:
            known = self.module.names.maps.get(space, {}) if self.names else {}
            entities = self.module.space(space) if known else ()
            # In the order of indices, which are what tells those with the same name apart.
            named = [
                (index, each._number)
                for index, each in enumerate(entities)
                if each._number in known
            ]
            called = _called((index, known[number]) for index, number in named)
            found = self._called[space] = {number: called[index] for index, number in named}
        return found

    def called(self, entity: Entity) -> Called:
        """What an entity is called where it is defined."""
        return self._space(entity.space).get(entity._number, NOTHING)

    def mention(self, entity: Entity) -> str:
        """How an entity is mentioned. Raises InvalidError of one that was removed."""
        return self.called(entity).identifier or str(entity.index)

    def numbered(self, space: str, number: int) -> str:
        """How that is mentioned which code means by a number. What is nothing stays the number."""
        entities = self.module.space(space)
        entity = entities.numbered(number)
        if entity is None:
            return str(number)
        index = entities.index(entity) if entities.moved else number
        known = self._space(space).get(number)
        return str(index) if known is None else known.identifier or str(index)

    def locals(self, function: Function) -> dict[int, Called]:
        """What a function's parameters and locals are called, by index; those that have names."""
        known = self.module.names.indirect.get("local", {}) if self.names else {}
        names = known.get(function._number)
        return _called(sorted(names.items())) if names else {}

    def fields(self, type_: Type) -> dict[int, Called]:
        """What a structure's fields are called, by index; those that have names."""
        found = self._fields.get(type_)
        if found is None:
            names = type_.field_names if self.names else {}
            found = self._fields[type_] = _called(sorted(names.items()))
        return found

    def params(self, type_: Type) -> dict[int, Called]:
        """What a function type's parameters are called, by index; those that have names."""
        known = self.module.names.indirect.get("param", {}) if self.names else {}
        names = known.get(type_._number)
        return _called(sorted(names.items())) if names else {}

    def labels(self, names: NameMap) -> dict[int, Called]:
        """What labels are called. Inner ones may be called as outer ones are."""
        return {number: _called([(0, name)])[0] for number, name in names.items()}

    def value(self, type_: Any) -> str:
        """A value type, storage type or heap type, with the identifiers of types in it."""
        if isinstance(type_, RefType) and isinstance(type_.heap, Concrete):
            heap = Concrete(cast("int", self._mentioned("type", type_.heap.type)), type_.heap.exact)
            return str(RefType(type_.nullable, heap))
        return str(type_)

    def signature(self, func: FuncType) -> str:
        """``(param i32 i64) (result f32)``."""
        found = self._signatures.get(func)
        if found is None:
            parts = []
            for word, types in (("param", func.params), ("result", func.results)):
                if types:
                    parts.append(f"({word} {' '.join(map(self.value, types))})")
            found = self._signatures[func] = " ".join(parts)
        return found

    def _mentioned(self, space: str, what: Any) -> str:
        return self.numbered(space, what) if isinstance(what, int) else self.mention(what)
