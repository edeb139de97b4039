"""The minifier, esbuild by npm, that makes the loader which pages load."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from corpus.engine import EngineError, node
from corpus.fetch import npm_files
from corpus.files import write_whole
from corpus.manifest import cache_folder
from tests.runtime.engines import LOADER

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["HOW", "fetch", "fetched", "minified", "program"]

# Another version spells the same program otherwise: what is committed changes with it.
_VERSION = "0.28.2"
_SHA256 = "61594de12ce998652be2aa0ab72dda54bfa49407fb37ee3464468a2aac306baa"
HOW = "esbuild is not here; `.venv/bin/python -m tests.runtime` gets it (4 MB, by npm)"

_FILES = ("package.json", "esbuild.wasm", "wasm_exec.js", "wasm_exec_node.js", "bin/esbuild")
"""What runs it. The script to start is the last: it tells that all is there."""

_BANNER = (
    "// wasmir's loader; recover.d.mts documents it, the Python package wasmir has the source."
)


def program() -> Path:
    """The script to start, once fetched."""
    return cache_folder() / f"esbuild-wasm-{_VERSION}" / _FILES[-1]


def fetched() -> bool:
    """Whether it is there; the archive was verified when it was put there."""
    return program().is_file()


def fetch() -> bool:
    """Make sure that it is there; False if it was. Raises CorpusError."""
    if fetched():
        return False
    wanted = [f"package/{name}" for name in _FILES]
    for member, data in npm_files(f"esbuild-wasm@{_VERSION}", _SHA256, lambda _: wanted):
        write_whole(program().parent.parent / member.removeprefix("package/"), data)
    return True


def minified() -> bytes:
    """The loader in as few bytes as esbuild makes of it. Raises EngineError."""
    options = ["--minify", "--format=esm", "--target=es2022", f"--banner={_BANNER}"]
    done = subprocess.run(
        [node(), program(), *options], input=LOADER.read_bytes(), capture_output=True, check=False
    )
    if done.returncode != 0:
        raise EngineError(f"esbuild failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
