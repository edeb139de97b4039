"""Which functions an edit may have made invalid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module

__all__ = ["edited_functions"]


def edited_functions(module: Module) -> list[Function]:
    """See :attr:`Module.edited_functions`."""
    defined = [function for function in module.functions if function.imported is None]
    if _any_type_changed(module):
        return defined
    return [function for function in defined if not function.is_raw]


# What code depends on: the attribute that says so, and where it stands in what was noted.
_TYPED = ("global", "table", "memory", "tag", "type", "elem")


def _any_type_changed(module: Module) -> bool:
    if module._retyped:
        return True
    for name in _TYPED:
        space: Any = module._spaces.get(name)
        if space is None:
            continue
        for entity in space._numbered[: space._read_count]:
            # The type comes first in what is noted of each of these.
            now = getattr(entity, entity._fields[0])
            before = entity._read[0]
            if now is not before and now != before:
                return True
    return False
