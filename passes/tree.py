"""What several passes do with modules."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from wasmir import UnsupportedError, bulk_work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wasmir import Module

__all__ = ["all_or_nothing", "refuse_object"]


@contextmanager
def all_or_nothing(module: Module) -> Iterator[None]:
    """Bulk work on a module, which is what it was before if that fails."""
    with bulk_work():
        checkpoint = module.checkpoint()
        try:
            yield
        except BaseException:
            module.rollback(checkpoint)
            raise


def refuse_object(module: Module) -> None:
    """Raise UnsupportedError for an object file, whose relocations name places in the code."""
    for custom in module.customs:
        if custom.relocatable:
            raise UnsupportedError(
                f"a relocatable object (it has a {custom.name!r} section) can't be rewritten: "
                "its relocations name places in the code; link it first"
            )
