"""Pyodide itself, by npm: what :mod:`corpus.fetch` is for modules."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from corpus.fetch import npm_pack
from corpus.files import sha256_of, write_whole
from corpus.manifest import CorpusError, cache_folder

__all__ = ["HOW", "fetch", "fetched", "folder"]

_VERSION = "314.0.7"
_SHA256 = "66b7949e5a0cba2250b586d7e368bf12fb482800748d182c4618254b685ffaa0"
_MEMBERS = (
    "package.json",
    "pyodide-lock.json",
    "python_stdlib.zip",
    "pyodide.asm.wasm",
    "pyodide.asm.mjs",
    "pyodide.mjs",
)

HOW = "Pyodide is not here; `.venv/bin/python -m tests.pyodide` gets it (6.5 MB, by npm)"


def folder() -> Path:
    """Where it is, once fetched."""
    return cache_folder() / f"pyodide-{_VERSION}"


def fetched() -> bool:
    """All its files are there; the archive was verified when they were put there."""
    return all((folder() / member).is_file() for member in _MEMBERS)


def fetch() -> bool:
    """Make sure that it is there; False if it was."""
    if fetched():
        return False
    with tempfile.TemporaryDirectory(prefix="wasmir-fetch-") as name:
        archive = npm_pack(f"pyodide@{_VERSION}", Path(name))
        found = sha256_of(archive)
        if found != _SHA256:
            raise CorpusError(f"{archive.name} has the sha256 {found}, and should have {_SHA256}")
        with tarfile.open(archive, "r:gz") as tar:
            for member in _MEMBERS:
                stream = tar.extractfile(f"package/{member}")
                if stream is None:
                    raise CorpusError(f"{archive.name} has no file {member}")
                write_whole(folder() / member, stream.read())
    return True
