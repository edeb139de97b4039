"""Other tools that convert legacy exception handling to exnref, where they are there."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from corpus.engine import node
from corpus.fetch import npm_files
from corpus.files import write_whole
from corpus.manifest import cache_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["fetch_wasm_opt", "translation", "wasm_opt"]

# The npm package holds Binaryen as WebAssembly, which Node runs: slower than a native build.
_PACKAGE = "binaryen"
_VERSION = "132.0.0"
_SHA256 = "6543555fb29bb92548f325c7dc18e9ab7dbb1215edda25993d1e3f71d85b8618"
_MEMBERS = ("package/bin/wasm-opt", "package/bin/package.json", "package/package.json")

_FEATURES = (
    "--enable-bulk-memory",
    "--enable-exception-handling",
    "--enable-gc",
    "--enable-memory64",
    "--enable-multimemory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--enable-simd",
    "--enable-tail-call",
    "--enable-threads",
)


def translation(program: Sequence[str], source: Path, target: Path, *more: str) -> list[str]:
    """The command that converts a module from legacy exception handling to exnref, names kept."""
    flags = [*_FEATURES, "--translate-to-exnref", *more, "-g"]
    return [*program, *flags, str(source), "-o", str(target)]


def wasm_opt() -> tuple[str, list[str]] | None:
    """A label and the command: what WASM_OPT names, what is on the path, what was fetched."""
    named = os.environ.get("WASM_OPT") or shutil.which("wasm-opt")
    if named:
        return "wasm-opt --translate-to-exnref", [named]
    script = _folder() / "bin" / "wasm-opt"
    if script.is_file():
        label = f"wasm-opt --translate-to-exnref ({_PACKAGE} {_VERSION} of npm, in Node)"
        return label, [str(node()), str(script)]
    return None


def fetch_wasm_opt() -> None:
    """Get the npm package's wasm-opt, if there is no other."""
    if wasm_opt() is not None:
        return
    # The program last: it is what tells that everything is there.
    wanted = [*reversed(_MEMBERS)]
    for member, data in npm_files(f"{_PACKAGE}@{_VERSION}", _SHA256, lambda _: wanted):
        write_whole(_folder() / member.removeprefix("package/"), data)


def _folder() -> Path:
    return cache_folder() / f"{_PACKAGE}-{_VERSION}"
