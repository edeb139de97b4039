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
from tests.runtime.engines import FOLDER, LOADER
from tests.runtime.typescript import HOW, compiler, fetched
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
    text = LOADER.read_text(encoding="utf-8")
    # As servers send it, with its comments: minified it is half of that again.
    assert len(zlib.compress(text.encode(), 9)) < 6000
    assert not re.search(r"^import |\brequire\(", text, re.MULTILINE)


@pytest.mark.usefixtures("engine")
def test_types(tmp_path: Path) -> None:
    if not fetched():
        pytest.skip(HOW)
    for path in (LOADER, TYPES, FOLDER / "types.mts"):
        shutil.copy(path, tmp_path)
    options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext"]
    options += ["--lib", "es2022,dom"]
    done = subprocess.run(
        [node(), compiler(), *options, "types.mts"],
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
    for path in (LOADER, TYPES):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
