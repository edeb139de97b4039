"""legacy-to-exnref, by what modules do in a real engine before and after it."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from corpus.demo import convert
from corpus.engine import Assertion, Run, differences, run_calls, run_script, run_spec
from corpus.fetch import fetch
from corpus.manifest import External, Module, find, modules
from tests.support import CONVERTED, validate, without_compact_imports
from wasmir import WasmError

if TYPE_CHECKING:
    from pathlib import Path

LEGACY_FILES = {"rethrow": 12, "throw": 7, "try_catch": 31, "try_delegate": 20}
"""The runnable assertions in each file of the suite."""

WITH_LEGACY = [m for m in modules() if m.eh in {"legacy", "mixed"} and m.runs]
WITHOUT_LEGACY = [m for m in modules() if m.eh in {"exnref", "none"}]


def _named(entry: Module) -> str:
    return entry.name


# --- the specification's suite


def _assertions(results: list[Assertion]) -> list[Assertion]:
    return [result for result in results if result.type.startswith("assert_")]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("name", LEGACY_FILES)
def test_legacy_suite_before_and_after(name: str, spec_folder: Path, tmp_path: Path) -> None:
    path = spec_folder / "legacy" / name / f"{name}.json"
    originals: dict[str, Path] = {}
    replaced: dict[str, Path] = {}
    for command in json.loads(path.read_text(encoding="utf-8"))["commands"]:
        if command["type"] == "module":
            file = command["filename"]
            data = without_compact_imports((path.parent / file).read_bytes())
            assert validate(data) is None
            converted = convert(data)
            assert validate(converted, CONVERTED) is None
            originals[file] = tmp_path / file
            originals[file].write_bytes(data)
            replaced[file] = tmp_path / f"converted-{file}"
            replaced[file].write_bytes(converted)
    before, after = run_spec([(path, originals), (path, replaced)])

    # The first says that the runner is right, the second that the conversion is.
    for results in (before, after):
        assert [result for result in results if not result.ok] == []
        assert len(_assertions(results)) == LEGACY_FILES[name]
    assert len(before) == len(after)


# --- the corpus


@dataclass(frozen=True)
class Compared:
    before: Run
    after: Run


def _compare(module: Module, converted: bytes, folder: Path) -> Compared:
    path = folder / "converted.wasm"
    path.write_bytes(converted)
    return Compared(*run_calls([module.path, path]))


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("module", [m for m in WITH_LEGACY if m.eh == "legacy"], ids=_named)
def test_corpus_does_the_same(module: Module, tmp_path: Path) -> None:
    converted = convert(module.path.read_bytes())
    assert validate(converted, CONVERTED) is None
    runs = _compare(module, converted, tmp_path)
    assert differences(runs.before, runs.after) == []
    # A runner that called nothing, or only what returns, would find no difference either.
    assert any("returned" in call.outcome for call in runs.before.calls)
    assert any("thrown" in call.outcome for call in runs.before.calls)


@pytest.mark.usefixtures("engine")
def test_mixed_module(tmp_path: Path) -> None:
    """What the module with both dialects does, by the specifications of both.

    There is no running it before: V8 14 refuses a mix, and V8 13 has its own idea of a delegate to
    a try_table's label. The handlers of a try_table stand outside its label, so an exception that
    is thrown there meets them.
    """
    module = find("mixed")
    converted = convert(module.path.read_bytes())
    assert validate(converted, CONVERTED) is None
    path = tmp_path / "converted.wasm"
    path.write_bytes(converted)
    e0: dict[str, Any] = {"thrown": "export e0", "payload": []}
    e1: dict[str, Any] = {"thrown": "export e1", "payload": ["11"]}
    js = {"thrown": "host value 3"}
    expected: dict[str, list[Any]] = {
        "legacy_only": [e0, 12, js],
        "exnref_only": [e0, 13, js],
        "exnref_in_legacy_body": [40, 11, 40],
        "legacy_in_exnref": [e0, 12, js],
        "delegate_to_try_table_label": [e0, 12, js],
        "delegate_over_try_table": [e0, 18, js],
        "exnref_in_handler": [e0, e1, js],
    }
    calls = [(name, (n,)) for name in expected for n in (1, 2, 3)]
    [run] = run_calls([path], calls)
    assert run.error is None
    wanted = [
        {"returned": [str(one)]} if isinstance(one, int) else one
        for outcomes in expected.values()
        for one in outcomes
    ]
    assert [call.outcome for call in run.calls] == wanted


@pytest.mark.parametrize("module", WITHOUT_LEGACY, ids=_named)
def test_nothing_to_convert_nothing_changed(module: Module) -> None:
    data = module.path.read_bytes()
    assert convert(data) == data


@pytest.mark.parametrize("module", WITH_LEGACY, ids=_named)
def test_converting_twice_is_converting_once(module: Module) -> None:
    once = convert(module.path.read_bytes())
    assert convert(once) == once


@pytest.mark.usefixtures("engine")
def test_same_as_the_compiler(tmp_path: Path) -> None:
    """LLVM's own exnref output of a program, and our conversion of its legacy output."""
    legacy, exnref = find("cpp-legacy-O2"), find("cpp-exnref-O2")
    path = tmp_path / "converted.wasm"
    path.write_bytes(convert(legacy.path.read_bytes()))
    assert differences(*run_calls([exnref.path, path])) == []


def test_relocatable_object_is_refused_or_right() -> None:
    """Relocations hold offsets into the code: keep them right, or say no; never a broken object."""
    data = find("cpp-legacy-object").path.read_bytes()
    with pytest.raises(WasmError, match=r"linking|reloc"):
        convert(data)


# --- DuckDB

QUERIES: dict[str, str] = {
    # A query, and what its answer must contain.
    "SELECT CAST(list(t) AS VARCHAR) FROM (SELECT i, i * i AS sq FROM range(4) r(i)) t": (
        "[{'i': 0, 'sq': 0}, {'i': 1, 'sq': 1}, {'i': 2, 'sq': 4}, {'i': 3, 'sq': 9}]"
    ),
    "SELEC 1": "Parser Error: syntax error",
    "SELECT * FROM missing": "Catalog Error: Table with name missing does not exist!",
    "SELECT CAST('abc' AS INTEGER)": "Conversion Error: Could not convert string 'abc' to INT32",
    "SELECT CAST(coalesce(1 // 0, -7) AS VARCHAR) || ' is null'": "-7 is null",
    "SELECT error('mine')": "Invalid Input Error: mine",
    "CREATE TABLE t(a INTEGER PRIMARY KEY, b VARCHAR)": "",
    "INSERT INTO t VALUES (1, 'x'), (2, 'y')": "",
    "INSERT INTO t VALUES (1, 'z')": "Constraint Error: Duplicate key",
    "BEGIN; INSERT INTO t VALUES (3, 'q'); ROLLBACK": "",
    "SELECT CAST(count(*) AS VARCHAR) || ' rows' FROM t": "2 rows",
    "SELECT CAST(sum(x) AS VARCHAR) || ' in all' FROM "
    "(SELECT i % 97 AS x FROM range(200000) r(i))": "9599419 in all",
    "SELECT string_agg(name, ';' ORDER BY born) FROM read_csv('people.csv', header = true)": (
        "Ada;Grace;Barbara"
    ),
    "SELECT * FROM read_csv('nothing.csv')": "IO Error: No files found",
    "SELECT 9223372036854775807 + 1": "Out of Range Error: Overflow in addition",
    "SELECT substring('a', 1, 2, 3, 4)": "Binder Error: No function matches",
    "SELECT regexp_matches('a', '(')": "Invalid Input Error: missing )",
    "SELECT CASE WHEN TRY_CAST('abc' AS INTEGER) IS NULL THEN 'no' || ' number' END": "no number",
}
ERRORS = 9


@pytest.fixture(scope="module")
def duckdb() -> External:
    entry = find("duckdb-eh")
    assert isinstance(entry, External)
    if not entry.fetched:
        if os.environ.get("WASMIR_FETCH") != "1":
            pytest.skip(
                "duckdb-eh is not here; `python -m corpus fetch duckdb-eh` gets it (31 MB), or "
                "WASMIR_FETCH=1 lets the tests do that"
            )
        fetch(entry)
    return entry


def _query(entry: External, module: Path) -> list[str]:
    glue = entry.folder / "duckdb-node-blocking.cjs"
    request = {"glue": str(glue), "module": str(module), "queries": list(QUERIES)}
    answers = run_script("duckdb.cjs", request, timeout=120)
    return [
        f"error: {answer['error']}"
        if "error" in answer
        # Latin 1 keeps every byte of the binary result, and text in it readable.
        else base64.b64decode(answer["data"]).decode("latin-1")
        for answer in answers
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
def test_duckdb_runs_converted(duckdb: External, tmp_path: Path) -> None:
    converted = convert(duckdb.path.read_bytes())
    assert validate(converted, CONVERTED) is None
    path = tmp_path / "duckdb-exnref.wasm"
    path.write_bytes(converted)
    before, after = _query(duckdb, duckdb.path), _query(duckdb, path)
    for query, wanted, old, new in zip(QUERIES, QUERIES.values(), before, after, strict=True):
        assert wanted in old, query
        assert old == new, query
    assert sum(answer.startswith("error: ") for answer in before) == ERRORS
