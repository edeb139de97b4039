"""TypeScript itself, by npm, to check the loader's types with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus.fetch import npm_files
from corpus.files import write_whole
from corpus.manifest import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["HOW", "compiler", "fetch", "fetched"]

_VERSION = "5.9.3"
_SHA256 = "10e108c9cf7d5f2879053dff18515fb405abf2ccef63eaaf017d9c571687a1d3"
HOW = "TypeScript is not here; `.venv/bin/python -m tests.runtime` gets it (4 MB, by npm)"


def _folder() -> Path:
    return cache_folder() / f"typescript-{_VERSION}"


def compiler() -> Path:
    """The script to start, once fetched."""
    return _folder() / "lib" / "_tsc.js"


def fetched() -> bool:
    """Whether it is there; the archive was verified when it was put there."""
    return compiler().is_file()


def fetch() -> bool:
    """Make sure that it is there; False if it was. Raises CorpusError."""
    if fetched():
        return False

    def wanted(names: list[str]) -> list[str]:
        # The compiler last: it is what tells that all is there.
        return sorted(filter(_wanted, names), key=lambda each: each.endswith("_tsc.js"))

    for member, data in npm_files(f"typescript@{_VERSION}", _SHA256, wanted):
        write_whole(_folder() / member.removeprefix("package/"), data)
    return True


def _wanted(name: str) -> bool:
    path = name.removeprefix("package/")
    is_library = path.startswith("lib/lib.") and path.endswith(".d.ts")
    return is_library or path in {"package.json", "lib/_tsc.js"}
