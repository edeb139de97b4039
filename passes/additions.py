"""What passes need for what they add to a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wasmir import Module

__all__ = ["name_for"]


def name_for(module: Module, name: str) -> str | None:
    """A name for something new, where the module has names at all."""
    return None if module.custom("name") is None else name
