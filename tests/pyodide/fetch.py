"""Pyodide itself, by npm: what :mod:`corpus.fetch` is for modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus.fetch import npm_files
from corpus.files import write_whole
from corpus.manifest import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

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
    wanted = [f"package/{member}" for member in _MEMBERS]
    for member, data in npm_files(f"pyodide@{_VERSION}", _SHA256, lambda _: wanted):
        write_whole(folder() / member.removeprefix("package/"), data)
    return True
