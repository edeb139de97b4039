"""Every command twice, under two hash seeds: what it prints and writes is the same."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from corpus.manifest import find
from tests.support import timeless
from wasmir.cli import cli

if TYPE_CHECKING:
    from pathlib import Path

LEGACY = str(find("cpp-legacy-O2").path)
OTHER = str(find("cpp-exnref-O2").path)
PLAIN = str(find("plain").path)
SHAPES = str(find("legacy-shapes-gc").path)

# Each with what it takes; what it writes goes to files in the folder that it is run in.
CASES = {
    "convert-eh": [LEGACY, "--to", "exnref", "-o", "out.wasm"],
    "diff": [LEGACY, OTHER],
    "diff --json": [LEGACY, OTHER, "--json"],
    "engines": [LEGACY],
    "exec": [PLAIN, "effects", "--trace-imports", "*"],
    "graph": [LEGACY, "nested"],
    "graph --root": ["__cxa_*", LEGACY, "-o", "out.dot"],
    "info": [SHAPES],
    "info --json": [LEGACY],
    "info --sizes": [LEGACY, "--svg", "out.svg", "--html", "out.html"],
    "passes": [],
    "print": [LEGACY, "--folded"],
    "recover": [LEGACY, "-o", "out.wasm", "--js"],
    "run": [LEGACY, "-p", "legacy-to-exnref,gc,recover", "--time-passes", "-o", "out.wasm"],
    "validate": [LEGACY, OTHER],
}


def run(command: str, seed: int, folder: Path) -> tuple[int, str, str, dict[str, bytes]]:
    """Its status, what it printed but for times, and what it wrote."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "wasmir", *command.split(), *CASES[command]],
        cwd=folder,
        env=os.environ | {"PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    written = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    return done.returncode, timeless(done.stdout), timeless(done.stderr), written


@pytest.mark.parametrize("command", CASES)
def test_two_hash_seeds(command: str, tmp_path: Path) -> None:
    first = run(command, 1, tmp_path / "one")
    assert first == run(command, 2, tmp_path / "other")
    status, printed, complaint, written = first
    assert status == 0, complaint
    assert printed or written


def test_every_command_is_here() -> None:
    assert {command.split()[0] for command in CASES} == set(cli.list_commands(None))  # type: ignore[arg-type]
