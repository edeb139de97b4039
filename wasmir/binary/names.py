"""The name section. What is broken in it is left out: names are never a reason to refuse a module.

Source: specification, Appendix, "Custom Sections".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmir.errors import MalformedError
from wasmir.wire import Reader

if TYPE_CHECKING:
    from wasmir.ir.module import Module

__all__ = ["read_function_names"]

_FUNCTIONS = 1


def read_function_names(module: Module) -> dict[int, str]:
    custom = module.custom("name")
    if custom is None:
        return {}
    names: dict[int, str] = {}
    reader = Reader(custom.data)
    try:
        while not reader.at_end():
            id_ = reader.byte()
            subsection = reader.sized()
            if id_ == _FUNCTIONS:
                for _ in range(subsection.count()):
                    index = subsection.u32()
                    names.setdefault(index, subsection.name())
    except MalformedError:
        pass
    return names
