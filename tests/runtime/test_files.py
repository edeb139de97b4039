"""The loader's files: the types and the code have the same names, and a page has little to load."""

from __future__ import annotations

import re
import shutil
import subprocess
import zlib
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from corpus.engine import node
from corpus.manifest import find
from tests.runtime import minifier, typescript
from tests.runtime.engines import FOLDER, LOADER, MINIFIED, PROGRAMS, run_in_node
from wasmir.cli import cli

if TYPE_CHECKING:
    from pathlib import Path

TYPES = LOADER.with_suffix(".d.mts")
_EXPORTED = re.compile(
    r"^export (?:declare )?(?:async )?(?:class|const|function) (\w+)", re.MULTILINE
)


def test_names_agree() -> None:
    code = set(_EXPORTED.findall(LOADER.read_text(encoding="utf-8")))
    assert code == set(_EXPORTED.findall(TYPES.read_text(encoding="utf-8")))
    assert {"guard", "install", "instantiate", "unwrap"} < code


def test_size() -> None:
    data = MINIFIED.read_bytes()
    assert len(data) < 12_000
    # As servers send it.
    assert len(zlib.compress(data, 9)) < 4000
    assert not re.search(r"(^|;)import\b|\b(require|import)\(", data.decode(), re.MULTILINE)


@pytest.mark.usefixtures("engine")
def test_what_pages_load_is_made_of_the_source() -> None:
    if not minifier.fetched():
        pytest.skip(minifier.HOW)
    made = minifier.minified()
    assert MINIFIED.read_bytes() == made, "`python -m tests.runtime --minify` makes it anew"


@pytest.mark.usefixtures("engine")
def test_what_pages_load_does_the_same(tmp_path: Path) -> None:
    """In Node; test_browser.py has it in a page."""
    for found in run_in_node(PROGRAMS, tmp_path, loader=MINIFIED):
        assert not {name: words for name, words in found.items() if isinstance(words, str)}


@pytest.mark.usefixtures("engine")
def test_types(tmp_path: Path) -> None:
    if not typescript.fetched():
        pytest.skip(typescript.HOW)
    for path in (LOADER, TYPES, FOLDER / "types.mts"):
        shutil.copy(path, tmp_path)
    options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext"]
    options += ["--lib", "es2022,dom"]
    done = subprocess.run(
        [node(), typescript.compiler(), *options, "types.mts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout


def test_recover_puts_the_loader_beside_its_output(tmp_path: Path) -> None:
    out = tmp_path / "recovered.wasm"
    command = ["recover", str(find("cpp-exnref-O2").path), "-o", str(out), "--js"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    for name, path in (("recover.mjs", MINIFIED), ("recover.d.mts", TYPES)):
        assert (tmp_path / name).read_bytes() == path.read_bytes()
