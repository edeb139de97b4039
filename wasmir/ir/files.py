"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["whole_file"]


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A stream to write to: what is written is the file's content, unless an exception comes out.

    A symbolic link is followed, and the permissions of a file that is replaced are kept.
    """
    target = Path(path).resolve()
    known = target.stat() if target.exists() else None
    if known is not None and not stat.S_ISREG(known.st_mode):
        # A device or a pipe: there is nothing to replace.
        with target.open("wb") as stream:
            yield stream
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{id(target):x}.tmp")
    try:
        # What comes are many small pieces.
        with temporary.open("xb", buffering=1 << 20) as stream:
            yield stream
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
