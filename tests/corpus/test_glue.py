"""Modules that others published, under their own glue in Node: converted, or with each block of
theirs counted, they answer as before.

DuckDB is tried in ``tests/passes/test_legacy_to_exnref_engine.py``, Python extensions in
``tests/pyodide/test_extensions.py``.
"""

from __future__ import annotations

import base64
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from corpus.demo import convert
from corpus.engine import arguments
from corpus.files import sha256_of
from corpus.manifest import External, find
from tests.support import fetched
from wasmir import Module, Pipeline
from wasmir.passes.coverage import CoverageMap

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("engine")]

PROGRAMS = {
    "rdkit": ("rdkit", "thrown: [object WebAssembly.Exception]"),
    "taglib": ("taglib-legacy", "thrown: InvalidFormatError: Invalid audio file format"),
    "web-ifc": ("web-ifc", "thrown: TypeError: Cannot read properties"),
}
"""Programs of ``glue/``: the corpus's entry, and what one of the answers begins with."""


def _run(program: str, entry: External, module: Path, folder: Path) -> tuple[Any, list[bytes]]:
    """What the program answers with that module, which must be all that was compiled, and its
    counters, if it counts.
    """
    request = {
        "program": program,
        "folder": str(folder),
        "modules": {entry.path.name: str(module)},
    }
    result = subprocess.run(
        [*arguments(), Path(__file__).parent / "glue" / "main.mjs"],
        input=json.dumps(request).encode(),
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr.decode(errors="replace")[-4000:]
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["compiled"] == [sha256_of(module)]
    return found["answers"], [base64.b64decode(each) for each in found["counted"]]


def _glue(entry: External, folder: Path) -> Path:
    """The folder with the glue, unpacked if need be."""
    if entry.kept is None:
        return entry.folder
    unpacked = folder / "unpacked"
    with tarfile.open(entry.kept, "r:gz") as archive:
        archive.extractall(unpacked, filter="data")
    return unpacked


@pytest.mark.parametrize("program", PROGRAMS)
def test_answers_as_before(program: str, tmp_path: Path) -> None:
    name, wanted = PROGRAMS[program]
    entry = find(name)
    assert isinstance(entry, External)
    converted = tmp_path / "converted.wasm"
    converted.write_bytes(convert(fetched(entry)))
    folder = _glue(entry, tmp_path)
    before, _ = _run(program, entry, entry.path, folder)
    assert any(isinstance(answer, str) and answer.startswith(wanted) for answer in before)
    # Not all of it fails.
    assert sum(isinstance(answer, list) for answer in before) >= 3
    assert _run(program, entry, converted, folder) == (before, [])


def test_coverage(tmp_path: Path) -> None:
    """Each block of a module of 7 MB counted: it answers as before, and some of it has run."""
    entry = find("rdkit")
    assert isinstance(entry, External)
    module = Module.from_bytes(fetched(entry))
    [report] = Pipeline.parse("count").run(module)
    defined = sum(each.imported is None for each in module.functions)
    assert report.functions == defined > 5_000
    path = tmp_path / "counted.wasm"
    module.save(path)
    folder = _glue(entry, tmp_path)
    before, _ = _run("rdkit", entry, entry.path, folder)
    after, [counters] = _run("rdkit", entry, path, folder)
    assert after == before
    found = CoverageMap.of(Module.from_file(path)).read(counters)
    covered = sum(each.covered > 0 for each in found)
    assert defined / 50 < covered < defined * 0.9
    # A block is entered only in a function that is.
    assert all(each.blocks[0].count for each in found if each.covered)
