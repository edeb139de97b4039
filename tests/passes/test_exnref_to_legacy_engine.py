"""exnref-to-legacy, by what modules do in a real engine before and after it, and there and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from corpus.demo import convert
from corpus.engine import differences, run_calls, run_spec
from corpus.manifest import Module as Entry
from corpus.manifest import find, modules
from tests.passes.test_exnref_to_legacy import back
from wasmir import UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("engine")

# What exnref can say and the legacy dialect can't.
REFUSED_BY_DESIGN = {"try_table.5.wasm"}
EXNREF_FILES = {"throw": 9, "throw_ref": 12, "try_table": 49}
"""The runnable assertions in each file of the suite."""


@pytest.mark.parametrize("name", EXNREF_FILES)
def test_exnref_suite_before_and_after(name: str, spec_folder: Path, tmp_path: Path) -> None:
    path = spec_folder / "core" / name / f"{name}.json"
    originals: dict[str, Path] = {}
    replaced: dict[str, Path] = {}
    refused = set()
    for command in json.loads(path.read_text(encoding="utf-8"))["commands"]:
        if command["type"] == "module":
            file = command["filename"]
            data = (path.parent / file).read_bytes()
            try:
                converted = back(data)
            except UnsupportedError:
                refused.add(file)
                converted = data
            originals[file] = tmp_path / file
            originals[file].write_bytes(data)
            replaced[file] = tmp_path / f"converted-{file}"
            replaced[file].write_bytes(converted)
    for results in run_spec([(path, originals), (path, replaced)]):
        assert [result for result in results if not result.ok] == []
        ran = [result for result in results if result.type.startswith("assert_")]
        assert len(ran) == EXNREF_FILES[name]
    assert refused <= REFUSED_BY_DESIGN


def _same(before: Path, after: bytes, folder: Path) -> None:
    path = folder / "back.wasm"
    path.write_bytes(after)
    one, other = run_calls([before, path])
    assert differences(one, other) == []
    assert any("thrown" in call.outcome for call in one.calls)


@pytest.mark.parametrize(
    "entry", [m for m in modules() if m.eh == "legacy" and m.runs], ids=lambda m: m.name
)
def test_there_and_back(entry: Entry, tmp_path: Path) -> None:
    _same(entry.path, back(convert(entry.path.read_bytes())), tmp_path)


def test_what_a_compiler_writes(tmp_path: Path) -> None:
    path = find("cpp-exnref-O2").path
    _same(path, back(path.read_bytes()), tmp_path)


def test_and_there_again(tmp_path: Path) -> None:
    path = find("cpp-exnref-O2").path
    _same(path, convert(back(path.read_bytes())), tmp_path)
