"""Other tools that read, write and convert modules, where they are there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.engine import node
from corpus.fetch import npm_files
from corpus.files import write_whole
from corpus.manifest import CorpusError, cache_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fetch_rivals", "fetch_wasm_opt", "python_reader", "translation", "walrus", "wasm_opt"]

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
        return "wasm-opt", [named]
    script = _folder() / "bin" / "wasm-opt"
    if script.is_file():
        label = f"wasm-opt {_VERSION} (npm, in Node)"
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


# Walrus

_WALRUS = Path(__file__).resolve().parent / "walrus"


def walrus() -> Path | None:
    """A program that reads a module with Walrus and writes it back, if it was built."""
    program = cache_folder() / "walrus-runner" / "release" / "walrus-runner"
    return program if program.is_file() else None


def _build_walrus() -> None:
    cargo = shutil.which("cargo")
    if cargo is None:
        raise CorpusError("building the Walrus runner takes cargo: https://rustup.rs")
    target = cache_folder() / "walrus-runner"
    # A copy, because cargo leaves a lock file beside the manifest.
    source = target / "source"
    shutil.copytree(_WALRUS, source, dirs_exist_ok=True)
    _checked([cargo, "build", "--release", "--quiet", "--target-dir", str(target)], source)


# A reader in Python

_READER = "pywasm"
_READER_VERSION = "2.2.3"
_READ = (
    "import sys, pywasm; sys.setrecursionlimit(100_000);"
    " pywasm.core.ModuleDesc.from_reader(open(sys.argv[1], 'rb'))"
)


def python_reader() -> tuple[str, list[str]] | None:
    """A label and the command: a reader of modules from PyPI, in an environment of its own."""
    python = _reader_folder() / "bin" / "python"
    if not python.is_file():
        return None
    return f"{_READER} {_READER_VERSION}: reading", [str(python), "-c", _READ]


def _reader_folder() -> Path:
    return cache_folder() / f"{_READER}-{_READER_VERSION}"


def _install_reader() -> None:
    folder = _reader_folder()
    _checked([sys.executable, "-m", "venv", str(folder)], folder.parent)
    try:
        wanted = f"{_READER}=={_READER_VERSION}"
        python = str(folder / "bin" / "python")
        _checked([python, "-m", "pip", "install", "--quiet", wanted], folder)
    except CorpusError:
        shutil.rmtree(folder)
        raise


def _checked(command: Sequence[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise CorpusError(f"`{' '.join(command)}` failed:\n{result.stderr.strip()[-2000:]}")


def fetch_rivals() -> None:
    """Get or build all of them. Raises CorpusError."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    fetch_wasm_opt()
    if walrus() is None:
        _build_walrus()
    if python_reader() is None:
        _install_reader()
