"""TypeScript itself, by npm, to check the loader's types with."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from corpus.fetch import npm_pack
from corpus.files import sha256_of, write_whole
from corpus.manifest import CorpusError, cache_folder

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
    with tempfile.TemporaryDirectory(prefix="wasmir-fetch-") as name:
        archive = npm_pack(f"typescript@{_VERSION}", Path(name))
        found = sha256_of(archive)
        if found != _SHA256:
            raise CorpusError(f"{archive.name} has the sha256 {found}, and should have {_SHA256}")
        with tarfile.open(archive, "r:gz") as tar:
            members = [each for each in tar if _wanted(each.name)]
            # The compiler last: it is what tells that all is there.
            for member in sorted(members, key=lambda each: each.name.endswith("_tsc.js")):
                stream = tar.extractfile(member)
                if stream is not None:
                    write_whole(_folder() / member.name.removeprefix("package/"), stream.read())
    return True


def _wanted(name: str) -> bool:
    path = name.removeprefix("package/")
    is_library = path.startswith("lib/lib.") and path.endswith(".d.ts")
    return is_library or path in {"package.json", "lib/_tsc.js"}
