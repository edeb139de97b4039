"""Moving things between defined and imported, and putting one thing in the place of another.

An entity stays the same object, so all that mentions it follows: what changes is where it stands
in its index space, and that is the encoder's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wasmir.errors import InvalidError, UnsupportedError
from wasmir.ir.bulk import bulk_work
from wasmir.ir.checks import check_is, check_name
from wasmir.ir.codec import codec
from wasmir.ir.const import Const
from wasmir.ir.function import Function
from wasmir.ir.global_ import Global
from wasmir.ir.imports import Import
from wasmir.ir.offsets import Moves
from wasmir.ir.segment import Element
from wasmir.ir.seq import checked_items
from wasmir.ir.space import Entity
from wasmir.ir.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wasmir.ir.code import Item
    from wasmir.ir.module import Module
    from wasmir.ir.segment import Data
    from wasmir.ir.space import Importable

__all__ = ["make_definition", "make_import", "redirect", "replace_body"]


def make_import(entity: Importable, module: str, name: str) -> Import:
    """See :meth:`wasmir.ir.space.Importable.make_import`."""
    for given in (module, name):
        check_name(given)
    if entity.imported is not None:
        entity.imported.module, entity.imported.name = module, name
        return entity.imported
    owner = entity.module
    # Raises what there is to raise for an entity that was removed.
    imports, space = owner.imports, owner.space(entity.space)
    space.index(entity)
    if isinstance(entity, Function):
        entity.local_names = {}
        entity.label_names = {}
        entity.close()
        entity._code = None
    elif isinstance(entity, (Global, Table)):
        entity.init = None
    entity.imported = Import(module, name, entity)
    space._replace(entity)
    imports._items.append(entity.imported)
    return entity.imported


def make_definition(entity: Importable, content: Any = None) -> None:
    """See :meth:`wasmir.ir.space.Importable.make_definition`."""
    owner = entity.module
    if isinstance(entity, Global) and content is None:
        raise UnsupportedError(f"{entity!r} needs an initial value to be defined")
    if isinstance(entity, (Global, Table)) and content is not None:
        check_is(content, Const, "a constant expression")
    if isinstance(entity, Function):
        content = checked_items(() if content is None else content)
    if isinstance(entity, (Global, Table)):
        entity.init = content
    import_ = entity.imported
    if import_ is not None:
        entity.imported = None
        owner.space(entity.space)._replace(entity)
        owner.imports._forget({import_})
        if isinstance(entity, Function):
            # No locals, no instructions.
            entity._code = b"\0\x0b"
            if owner._tracking is not None and owner._tracking.covers(entity):
                owner._tracking.moves[entity] = Moves([])
    if isinstance(entity, Function):
        replace_body(entity, content)


def replace_body(function: Function, items: Iterable[Item]) -> None:
    """See :meth:`wasmir.ir.function.Function.replace_body`."""
    found = checked_items(items)
    body = function.body
    body.local_groups = []
    body.items[:] = found
    function.local_names = {
        number: name
        for number, name in function.local_names.items()
        if number < len(function.func_type.params)
    }
    function.label_names = {}
    function.settle()


def redirect(module: Module, instead: Mapping[Any, Any]) -> list[Function]:
    """See :meth:`wasmir.ir.module.Module.redirect`."""
    check_is(instead, Mapping, "a mapping")
    for old, new in instead.items():
        for each in (old, new):
            check_is(each, Entity, "an entity of the module")
        if old.space != new.space:
            raise ValueError(f"{new!r} can't stand in the place of {old!r}")
        for each in (old, new):
            if each.is_removed or each.module is not module:
                raise InvalidError(f"unknown {each.what} {each}: it isn't part of the module")
    if not instead:
        return []
    with bulk_work():
        module.read_all()
        numbers = {(old.space, old._number): new._number for old, new in instead.items()}
        renumbering = codec().renumbering(
            frozenset(space for space, _ in numbers),
            lambda space, number: numbers.get((space, number), number),
        )

        def const(old: Any) -> Any:
            code = None if old is None else renumbering.instructions(old.code)
            return old if code is None or code == old.code else Const(module, code=code)

        # What may raise comes first: whatever is wrong, nothing has changed.
        codes: list[tuple[Function, bytes]] = []
        for function in module.functions:
            if function.imported is None:
                function.settle()
                code = function.code
                new_code = renumbering.body(code)
                if new_code != code:
                    codes.append((function, new_code))
        initialised: list[Global | Table] = [*module.globals, *module.tables]
        initial = [const(entity.init) for entity in initialised]
        segments: list[Element | Data] = [*module.elements, *module.data]
        changes = [_redirected(segment, instead, const) for segment in segments]
        for function, new_code in codes:
            function._respell(new_code)
        for entity, init in zip(initialised, initial, strict=True):
            entity.init = init
        for segment, fields in zip(segments, changes, strict=True):
            for field, value in fields.items():
                setattr(segment, field, value)
        for export in module.exports:
            export.entity = instead.get(export.entity, export.entity)
        if module.start in instead:
            module.start = instead[module.start]
    return [function for function, _ in codes]


def _redirected(
    segment: Element | Data, instead: Mapping[Any, Any], const: Callable[[Any], Any]
) -> dict[str, Any]:
    """What changes of a segment."""
    fields: dict[str, Any] = {"offset": const(segment.offset)}
    place = segment.place
    if place in instead:
        fields["table" if isinstance(segment, Element) else "memory"] = instead[place]
    if isinstance(segment, Element):
        fields["items"] = [
            const(item) if isinstance(item, Const) else instead.get(item, item)
            for item in segment.items
        ]
    return fields
