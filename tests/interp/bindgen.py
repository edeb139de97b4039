"""A module of wasm-bindgen's, as the compiler makes it: ``python -m tests.interp.bindgen``.

What packages hold has no descriptions any more, so it takes a Rust compiler to get one. Panics
unwind in it, which takes the standard library's source too: ``rustup component add rust-src``. The
environment says which compiler, in ``RUSTC``, ``RUSTFLAGS`` and so on. The modules, one for each
dialect of exception handling, stay in the corpus's cache, where the tests find them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from corpus.manifest import CorpusError, cache_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DIALECTS", "built"]

SOURCE: Final = Path(__file__).resolve().parent / "wasm_bindgen"
TARGET: Final = "wasm32-unknown-unknown"
DIALECTS: Final[Mapping[str, str]] = {
    "legacy": "-Cpanic=unwind",
    "exnref": "-Cpanic=unwind -Cllvm-args=-wasm-use-legacy-eh=false",
}
"""Flags of the compiler."""


def built(dialect: str) -> Path | None:
    """The module, if it was built."""
    path = cache_folder() / "wasm-bindgen" / f"{dialect}.wasm"
    return path if path.is_file() else None


def build(dialect: str) -> Path:
    """Raises CorpusError."""
    cargo = shutil.which("cargo")
    if cargo is None:
        raise CorpusError("building wasm-bindgen's module takes cargo: https://rustup.rs")
    folder = cache_folder() / "wasm-bindgen"
    # A copy, because cargo leaves a lock file beside the manifest.
    source = folder / "source"
    shutil.copytree(SOURCE, source, dirs_exist_ok=True)
    command = [cargo, "build", "--quiet", "--release", "--target", TARGET]
    command += ["-Zbuild-std=std,panic_unwind", "--target-dir", str(folder / "target")]
    flags = f"{os.environ.get('RUSTFLAGS', '')} {DIALECTS[dialect]}"
    # A stable compiler builds its own library only if it is told that it may.
    environment = {**os.environ, "RUSTC_BOOTSTRAP": "1", "RUSTFLAGS": flags.strip()}
    done = subprocess.run(
        command, cwd=source, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CorpusError(f"`{' '.join(command)}` failed:\n{done.stderr.strip()[-3000:]}")
    path = folder / f"{dialect}.wasm"
    shutil.copyfile(folder / "target" / TARGET / "release" / "descriptors.wasm", path)
    return path


def main() -> int:
    """Build both modules."""
    try:
        for dialect in DIALECTS:
            path = build(dialect)
            print(f"{path}: {path.stat().st_size:,} bytes")
    except CorpusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
