"""The wheel that users get, in Pyodide: it is one for every platform, and gives the same bytes."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from corpus.manifest import modules
from tests.pyodide.run import in_pyodide
from tests.support import ROOT
from wasmir import Module, Pipeline

if TYPE_CHECKING:
    from corpus.manifest import Module as Entry

PASSES = "legacy-to-exnref"
CONVERTED = [entry for entry in modules() if entry.eh in {"legacy", "mixed"}]

PROGRAM = """
import importlib.metadata, json, sys
from pathlib import Path

import wasmir
from wasmir import Module, Pipeline, WasmError

def converted(path):
    module = Module.from_file(path)
    assert module.to_bytes() == path.read_bytes()
    try:
        Pipeline.parse(%(passes)r).run(module)
    except WasmError as error:
        return str(error)
    module.save(path.with_suffix(".out"))
    return "converted"

json.dumps({
    "platform": sys.platform,
    "python": sys.version_info[:2],
    "version": importlib.metadata.version("wasmir"),
    "installed": wasmir.__file__,
    "outcomes": {path.name: converted(path) for path in sorted(Path("/shared").glob("*.wasm"))},
    "loaded": sorted({"click", "rich", "leb128"}.intersection(sys.modules)),
})
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, because a build leaves folders behind."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("wasmir", "passes"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--wheel-dir", str(out), str(copy)]
    built = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if built.returncode != 0 and "Could not find a version that satisfies" in built.stderr:
        pytest.skip("pip can't get setuptools, which building the wheel takes: allow it a network")
    assert built.returncode == 0, built.stderr
    [path] = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def dependency(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the library itself needs, as a wheel: made of what is installed here."""
    distribution = importlib.metadata.distribution("leb128")
    path = tmp_path_factory.mktemp("leb128") / f"leb128-{distribution.version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file in distribution.files or ():
            source = Path(str(distribution.locate_file(file)))
            if ".." not in file.parts and "__pycache__" not in file.parts and source.is_file():
                archive.write(source, str(file))
    return path


def test_the_wheel_is_for_every_platform(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "wasmir/passes/legacy_to_exnref.py" in names
    assert not [name for name in names if name.endswith((".so", ".pyd", ".dylib"))]
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"wasmir"}


def test_same_bytes(engine: Path, wheel: Path, dependency: Path, tmp_path: Path) -> None:
    for entry in CONVERTED:
        shutil.copyfile(entry.path, tmp_path / f"{entry.name}.wasm")
    program = PROGRAM % {"passes": PASSES}
    answer = in_pyodide(engine, [wheel, dependency], program, shared=tmp_path)
    assert answer["platform"] == "emscripten"
    assert tuple(answer["python"]) >= (3, 11)
    assert answer["version"] == importlib.metadata.version("wasmir")
    assert "/site-packages/wasmir/" in answer["installed"]
    # The command line's are not here, and not missed.
    assert answer["loaded"] == ["leb128"]
    assert set(answer["outcomes"]) == {f"{entry.name}.wasm" for entry in CONVERTED}
    done = 0
    for entry in CONVERTED:
        outcome, expected = answer["outcomes"][f"{entry.name}.wasm"], here(entry)
        if isinstance(expected, str):
            assert outcome == expected, entry.name
        else:
            assert outcome == "converted", entry.name
            assert (tmp_path / f"{entry.name}.out").read_bytes() == expected, entry.name
            done += 1
    assert done > 8


def here(entry: Entry) -> bytes | str:
    """What this Python makes of the module: the converted one, or the error."""
    from wasmir import WasmError

    module = Module.from_file(entry.path)
    try:
        Pipeline.parse(PASSES).run(module)
    except WasmError as error:
        return str(error)
    return module.to_bytes()
