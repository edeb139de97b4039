"""What has to stand in a module because of what stands in its code.

Source: specification, Validation, "Modules" (the references that a module declares) and Binary
Format, "Data Count Section".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from wasmir.ir.const import Const, FrozenConst
from wasmir.ir.function import Function

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wasmir.ir.module import Module

# Functions, and their code with code numbers.
_Edited: TypeAlias = list[tuple[Function, bytes]]

__all__ = ["declarations_lost", "needs_data_count", "undeclared"]


def undeclared(module: Module, edited: _Edited, known: set[int] | None) -> list[Function]:
    """The functions that code refers to by ``ref.func``, and that nothing outside of code
    mentions: in the order of their indices. ``known`` are the numbers of those that any code refers
    to, where somebody has looked.
    """
    if declarations_lost(module):
        # Code that nobody changed may now want what was declared.
        suspects = (each.code for each in module.functions if each.imported is None)
    elif module._takes_references:
        suspects = (code for _, code in edited)
    else:
        # All of it is in runs that were there before, and declared.
        return []
    if known is None:
        known = _mentioned([code for code in suspects if _REF_FUNC in code], "ref.func")
    if not known:
        return []
    missing = {module.functions.numbered(number) for number in known} - _declared(module)
    return [each for each in module.functions if each in missing]


def needs_data_count(edited: _Edited) -> bool:
    """Whether code that isn't the input's mentions data segments."""
    codes = [code for _, code in edited if _BULK in code or _GC in code]
    if not codes:
        return False
    from wasmir.isa.mentions import mentioned_spaces
    from wasmir.isa.table import ROWS

    names = [row.name for row in ROWS if "data" in mentioned_spaces(row)]
    return bool(_mentioned(codes, *names))


# What stands in code that has the instructions in question, and may be part of something else.
_REF_FUNC, _BULK, _GC = b"\xd2", b"\xfc", b"\xfb"


def _mentioned(codes: list[bytes], *names: str) -> set[int]:
    """The first immediates of all instructions of some names."""
    if not codes:
        return set()
    from wasmir.isa import tokens
    from wasmir.isa.strict import decode_one
    from wasmir.wire import Reader

    scan = tokens.picks(frozenset(names))
    seen: set[bytes] = set()
    for code in codes:
        start = tokens.skip_locals(code, 0, len(code))
        for found in tokens.scanned(scan, code, start, len(code)):
            seen.update(token for _, token, _ in found)
    seen.discard(b"")
    decoded = [decode_one(Reader(token)) for token in seen]
    return {values[0] for row, values in decoded if row.name in names}


def _declared(module: Module) -> set[Function]:
    found: set[Any] = {export.entity for export in module.exports}
    for element in module.elements:
        found.update(_in_items(element.items))
    for global_ in module.globals:
        found.update(_in_items([global_.init]))
    for table in module.tables:
        found.update(_in_items([table.init]))
    return {each for each in found if isinstance(each, Function)}


def declarations_lost(module: Module) -> set[Function]:
    """The functions that something declared in the input and nothing declares now. Where there are
    any, all that code refers to is declared when the module is written.
    """
    before: set[Any] = set()
    exports = module._exports
    if exports is not None:
        now = {export.entity for export in exports}
        before.update(each._read[1] for each in exports._all_read if each._read[1] not in now)
    for name in ("elem", "global", "table"):
        space = module._spaces.get(name)
        if space is None:
            continue
        for entity in space._numbered[: space._read_count]:
            # Behind the type: the items of a segment, what others are initialised with.
            known = entity._read[1]
            if name != "elem" and (known is None or _REF_FUNC not in (known.code or b"")):
                continue
            if entity.is_removed or entity._read != entity._state():
                before.update(_in_items(known if name == "elem" else [known]))
    lost = {each for each in before if isinstance(each, Function)}
    if lost:
        lost -= _declared(module)
    return {each for each in lost if not each.is_removed}


def _in_items(items: Iterable[Function | Const | FrozenConst | None]) -> Iterator[Any]:
    for item in items:
        if isinstance(item, (Const, FrozenConst)):
            if _REF_FUNC in (item.code or b""):
                const = item.thaw() if isinstance(item, FrozenConst) else item
                for instr in const.instrs:
                    yield from instr.immediates
        else:
            yield item
