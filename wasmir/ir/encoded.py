"""A module as it is written, and what there is to know about it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from wasmir.ir.files import whole_file
from wasmir.ir.offsets import OffsetMap

if TYPE_CHECKING:
    import os

    from wasmir.ir.offsets import Followed

__all__ = ["Encoded"]


class Encoded:
    """The binary form of a module as of one moment: see :meth:`Module.encode`."""

    def __init__(
        self, pieces: list[bytes | memoryview], stale: dict[str, str], followed: Followed
    ) -> None:
        #: The file in pieces, for those who write it.
        self.pieces = pieces
        #: Custom sections that describe what is no longer there, with what is wrong with each.
        self.stale = stale
        #: Where code went.
        self.offsets = OffsetMap(lambda: self.data, followed)

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(map(len, self.pieces))

    @cached_property
    def data(self) -> bytes:
        """The file."""
        return b"".join(self.pieces)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, which appears whole or not at all.

        A symbolic link is followed, and the permissions of a file that is replaced are kept.
        """
        with whole_file(path) as stream:
            stream.writelines(self.pieces)
