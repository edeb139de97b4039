"""Two modules in the same words.

What is the same thing in both is called the same in both: as the newer module calls it. So text of
the one can be compared with text of the other, and what merely has another index is no difference.
What only the older module has is called by its index there, as in ``a/5``, if it has no name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir.ir.const import Const
from wasmir.ir.function import Function
from wasmir.ir.global_ import Global
from wasmir.ir.memory import Memory
from wasmir.ir.segment import Data, Element
from wasmir.ir.table import Table
from wasmir.ir.tag import Tag
from wasmir.ir.type import Type
from wasmir.text.code import Bodies
from wasmir.text.fields import Fields
from wasmir.text.labels import NumberedLabels
from wasmir.text.names import Identifiers
from wasmir.text.words import Words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wasmir.ir.module import Module
    from wasmir.ir.space import Entity
    from wasmir.isa.kinds import Kind

    Call = Callable[[str, int], str]

__all__ = ["Vocabulary"]


class _Same(Identifiers):
    """Calls things as somebody says; nothing inside of functions and types has a name."""

    def __init__(self, module: Module, call: Call) -> None:
        super().__init__(module, names=False)
        self._call = call

    def mention(self, entity: Entity) -> str:
        return self._call(entity.space, entity._number)

    def numbered(self, space: str, number: int) -> str:
        return self._call(space, number)


class _Words(Words):
    """Leaves out the memory and the table that the newer module understands without a word."""

    def __init__(self, identifiers: Identifiers, first: Mapping[str, str]) -> None:
        super().__init__(identifiers)
        self._understood = first

    def _first(self, kind: Kind[Any]) -> str:
        return self._understood.get(kind.space or "", "")


class _Depths(NumberedLabels):
    """Labels as code has them, so that what is put into a block as a whole says the same."""

    def open(self, token: bytes) -> str:
        return self._words[token]

    def branch(self, token: bytes) -> str:
        return self._words[token]


class _Bodies(Bodies):
    def __init__(self, identifiers: Identifiers, first: Mapping[str, str]) -> None:
        super().__init__(identifiers)
        self.words = _Words(identifiers, first)
        self._numbered = _Depths(self.words)


class Vocabulary:
    """Says what a module's things are. ``call`` gives what is called how, by space and code number;
    ``first`` which table and which memory need no mention.
    """

    def __init__(self, module: Module, call: Call, first: Mapping[str, str]) -> None:
        identifiers = _Same(module, call)
        self.module = module
        self.bodies = _Bodies(identifiers, first)
        self._identifiers = identifiers
        self._fields = Fields(identifiers, self.bodies)

    def facts(self, entity: Entity) -> dict[str, str]:
        """What can be said of an entity in a few words, by what it is about. Code, the bytes of
        data and the items of elements are not among it.
        """
        imported = getattr(entity, "imported", None)
        found = {} if imported is None else {"import": f"{imported}{' exact' * imported.exact}"}
        fields, value = self._fields, self._identifiers.value
        match entity:
            case Type():
                found["definition"] = fields._sub(entity, entity.definition)
            case Function():
                found["type"] = self._signature(entity.type)
            case Tag():
                found["type"] = self._signature(entity.type)
            case Global():
                found["type"] = fields._global_type(entity.type)
                found |= self._expressed("value", entity.init)
            case Table():
                found["type"] = fields._table_type(entity.type)
                found |= self._expressed("value", entity.init)
            case Memory():
                found["type"] = fields._limits(entity.type.limits)
            case Element():
                found["mode"] = "declarative" if entity.declarative else _mode(entity)
                found["type"] = value(entity.type)
                if entity.table is not None:
                    found["table"] = self._identifiers.mention(entity.table)
                found |= self._expressed("offset", entity.offset)
            case Data():
                found["mode"] = _mode(entity)
                if entity.memory is not None:
                    found["memory"] = self._identifiers.mention(entity.memory)
                found |= self._expressed("offset", entity.offset)
        return found

    def _signature(self, type_: Type) -> str:
        func = type_.func
        if type_.stands_for_its_function_type and func is not None:
            return f"(func {self._identifiers.signature(func)})".replace(" )", ")")
        return f"(type {self._identifiers.mention(type_)})"

    def _expressed(self, what: str, const: Const | None) -> dict[str, str]:
        return {} if const is None else {what: " ".join(self.bodies.constant(const.code))}

    def items(self, element: Element) -> list[str]:
        """What the places of an element segment hold."""
        return [
            " ".join(self.bodies.constant(item.code))
            if isinstance(item, Const)
            else f"ref.func {self._identifiers.mention(item)}"
            for item in element.items
        ]

    def value(self, type_: Any) -> str:
        """A value type; what it mentions may be a code number."""
        return self._identifiers.value(type_)

    def target(self, export: Any) -> str:
        """What an export exports."""
        return f"{export.entity.space} {self._identifiers.mention(export.entity)}"


def _mode(segment: Element | Data) -> str:
    return "active" if segment.is_active else "passive"
