"""CPython in Pyodide, with each of its blocks counted: a module of 9.6 MB under its own glue."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.pyodide.run import in_pyodide, pyodide
from wasmir import Module, Pipeline
from wasmir.passes.coverage import CoverageMap

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

PROGRAM = """
import json
import re

def fails(text):
    try:
        return eval(text)
    except Exception as error:
        return f"{type(error).__name__}: {error}"

json.dumps([
    sum(map(int, re.findall(r"\\d+", "1 and 20, and 300"))),
    sorted("wasm"), 2**200, f"{0.1 + 0.2!r}",
    [fails(each) for each in ("1 / 0", "[][0]", "undefined", "1 +", "int('x')")],
])
"""


def test_cpython_counts_its_blocks(engine: Path, tmp_path: Path) -> None:
    module = Module.from_file(pyodide().path)
    defined = [each.index for each in module.functions if each.imported is None]
    [report] = Pipeline.parse("count").run(module)
    assert report.functions == len(defined) > 10_000
    folder, shared = tmp_path / "pyodide", tmp_path / "shared"
    shared.mkdir()
    shutil.copytree(pyodide().folder, folder)
    module.save(folder / "pyodide.asm.wasm")
    before = in_pyodide(engine, [], PROGRAM, shared=shared)
    assert before[0] == 321
    assert before[4][0] == "ZeroDivisionError: division by zero"
    assert not (shared / "counters").exists()
    assert in_pyodide(engine, [], PROGRAM, shared=shared, folder=folder) == before
    counted = CoverageMap.of(module).read((shared / "counters").read_bytes())
    assert [each.index for each in counted] == defined
    ran = [each for each in counted if each.covered]
    assert len(defined) / 10 < len(ran) < len(defined) * 0.9
    # A block is entered only in a function that is.
    assert all(each.blocks[0].count for each in ran)
