"""Python extensions that others published, in CPython: converted, they answer as they did.

Exceptions cross modules there: libawkward throws, pybind11 in the extension catches, the tag is
CPython's. Each of the three is converted, so both dialects meet as well.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from corpus.demo import convert
from corpus.manifest import External, find
from tests.pyodide.run import in_pyodide, pyodide
from tests.support import fetched
from wasmir import FuncType, Module, Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::wasmir.StaleWarning")]

PROGRAM = """
import hashlib, json, site, sys, types
from pathlib import Path

# Not the package's own start, which wants numpy for what isn't used here.
awkward = types.ModuleType("awkward_cpp")
awkward.__path__ = [site.getsitepackages()[0] + "/awkward_cpp"]
sys.modules["awkward_cpp"] = awkward
from awkward_cpp.lib._ext import ArrayBuilder, ForthMachine32
import jiter

def answer(function, *arguments):
    try:
        return repr(function(*arguments))
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def forth(source):
    machine = ForthMachine32(source)
    machine.run()
    return machine.stack

def built(thing):
    builder = ArrayBuilder(initial=4, resize=2.0)
    for each in thing:
        builder.fromiter(each)
    return builder.form(), len(builder)

def wrongly(method):
    builder = ArrayBuilder(initial=4, resize=2.0)
    builder.beginrecord()
    getattr(builder, method)()

def many():
    return [answer(forth, "1 0 /") for _ in range(200)].count(answer(forth, "1 0 /"))

json.dumps({
    "forth": {source: answer(forth, source) for source in (
        "1 2 +", ": twice dup + ; 21 twice", "0 10 0 do i + loop", "variable x 5 x ! x @ x @ *",
        "1 2 + nonsense", "if", ": f 1", "input x x i-> stack", "1 0 /", ": r r ; r", "1 halt 2",
        "drop", "1 if 2 else 3 then", "begin 1 again",
    )},
    "builder": [answer(built, thing) for thing in (
        [1, 2.5, None], [[1, [2]], []], ["a", b"b"], [{"x": 1}, {"x": 2, "y": (1, 2)}], [object()],
    )],
    "wrong": [answer(wrongly, method) for method in ("endlist", "null", "endtuple", "endrecord")],
    "many": many(),
    "jiter": [answer(jiter.from_json, text) for text in (
        b'{"a": [1, 2.5, "three", null, true]}', b"[1, 2", b'{"a": nope}', b"1e400", b'"\\ud800"',
        b"[" * 300, b"123456789012345678901234567890",
    )],
    "loaded": {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
               for path in Path(site.getsitepackages()[0]).rglob("*.so")},
})
"""


def _kept(name: str) -> Path:
    entry = find(name)
    assert isinstance(entry, External)
    fetched(entry)
    assert entry.kept is not None
    return entry.kept


def _rewritten(wheel: Path, folder: Path, rewrite: Callable[[bytes], bytes] = convert) -> Path:
    """The wheel with all its modules rewritten, by default converted."""
    path = folder / wheel.name
    with zipfile.ZipFile(wheel) as before, zipfile.ZipFile(path, "w") as after:
        for item in before.infolist():
            data = before.read(item)
            after.writestr(item, rewrite(data) if item.filename.endswith(".so") else data)
    return path


def _modules(wheels: Sequence[Path]) -> dict[str, str]:
    found = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(".so"):
                    digest = hashlib.sha256(archive.read(name)).hexdigest()
                    found[name.rpartition("/")[2]] = digest
    return found


def test_extensions_answer_as_before(engine: Path, tmp_path: Path) -> None:
    """The extensions converted, then CPython too, then CPython alone."""
    wheels = [_kept("awkward-cpp"), _kept("jiter")]
    folders = [tmp_path / name for name in ("wheels", "pyodide", "shared")]
    for folder in folders:
        folder.mkdir()
    converted = [_rewritten(wheel, folders[0]) for wheel in wheels]
    python = folders[1] / "converted"
    shutil.copytree(pyodide().folder, python)
    (python / "pyodide.asm.wasm").write_bytes(convert(pyodide().path.read_bytes()))

    def answers(wheels: Sequence[Path], folder: Path | None = None) -> dict[str, Any]:
        found: dict[str, Any] = in_pyodide(
            engine, wheels, PROGRAM, shared=folders[2], folder=folder
        )
        assert found.pop("loaded") == _modules(wheels)
        return found

    before = answers(wheels)
    assert before["forth"]["1 2 +"] == "[3]"
    assert before["forth"]["drop"].startswith("ValueError: 'stack underflow' in AwkwardForth")
    assert sum(answer.startswith("ValueError: ") for answer in before["forth"].values()) == 9
    assert before["many"] == 200
    assert _modules(converted).keys() == _modules(wheels).keys()
    assert not set(_modules(converted).values()) & set(_modules(wheels).values())
    assert answers(converted) == before
    assert answers(converted, python) == before
    assert answers(wheels, python) == before


JSON = """
import json, jiter

def answer(text):
    try:
        return jiter.from_json(text)
    except ValueError as error:
        return str(error)

json.dumps([answer(text) for text in (b'{"a": [1, 2.5, "three", null, true]}', b"[1, 2", b"1e400")])
"""


def test_an_extension_whose_functions_move(engine: Path, tmp_path: Path) -> None:
    """With something that nobody needs put in front of all, and dropped again."""
    wheel = _kept("jiter")

    def rewrite(data: bytes) -> bytes:
        module = Module.from_bytes(data)
        module.import_function("env", "nobody_has_it", FuncType())
        functions = len(module.functions)
        Pipeline.parse("reorder-functions{by=size},gc").run(module)
        assert len(module.functions) == functions - 1
        return module.to_bytes()

    moved = _rewritten(wheel, tmp_path, rewrite)
    found = in_pyodide(engine, [moved], JSON, shared=tmp_path)
    assert found == [
        {"a": [1, 2.5, "three", None, True]},
        "EOF while parsing a list at line 1 column 5",
        float("inf"),
    ]
