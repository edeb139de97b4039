"""A module as it is written, and what there is to know about it."""

from __future__ import annotations

import os
import stat
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from wasmir.ir.offsets import OffsetMap

if TYPE_CHECKING:
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
        target = Path(path).resolve()
        known = target.stat() if target.exists() else None
        if known is not None and not stat.S_ISREG(known.st_mode):
            # A device or a pipe: there is nothing to replace.
            with target.open("wb") as stream:
                stream.writelines(self.pieces)
            return
        temporary = target.with_name(f".{target.name}.{os.getpid()}-{id(self):x}.tmp")
        try:
            # The pieces are many and small where functions were changed.
            with temporary.open("xb", buffering=1 << 20) as stream:
                stream.writelines(self.pieces)
            if known is not None:
                temporary.chmod(stat.S_IMODE(known.st_mode))
            temporary.replace(target)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            # The temporary name would mean nothing to whoever reads the message.
            error.filename, error.filename2 = str(path), None
            raise
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
