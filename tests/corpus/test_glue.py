"""Modules that others published, converted, under their own glue in Node: they answer as before.

DuckDB is tried in ``tests/passes/test_legacy_to_exnref_engine.py``, Python extensions in
``tests/pyodide/test_extensions.py``.
"""

from __future__ import annotations

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

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("engine")]

PROGRAMS = {
    "rdkit": ("rdkit", "thrown: [object WebAssembly.Exception]"),
    "taglib": ("taglib-legacy", "thrown: InvalidFormatError: Invalid audio file format"),
    "web-ifc": ("web-ifc", "thrown: TypeError: Cannot read properties"),
}
"""Programs of ``glue/``: the corpus's entry, and what one of the answers begins with."""


def _run(program: str, entry: External, module: Path, folder: Path) -> Any:  # noqa: ANN401 - JSON
    """What the program answers with that module, which must be all that was compiled."""
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
    return found["answers"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_answers_as_before(program: str, tmp_path: Path) -> None:
    name, wanted = PROGRAMS[program]
    entry = find(name)
    assert isinstance(entry, External)
    converted = tmp_path / "converted.wasm"
    converted.write_bytes(convert(fetched(entry)))
    folder = entry.folder
    if entry.kept is not None:
        folder = tmp_path / "unpacked"
        with tarfile.open(entry.kept, "r:gz") as archive:
            archive.extractall(folder, filter="data")
    before = _run(program, entry, entry.path, folder)
    assert any(isinstance(answer, str) and answer.startswith(wanted) for answer in before)
    # Not all of it fails.
    assert sum(isinstance(answer, list) for answer in before) >= 3
    assert _run(program, entry, converted, folder) == before
