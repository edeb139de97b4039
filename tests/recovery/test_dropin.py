"""Modules that nobody here built, under their own published glue, before recovery and after it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from corpus.engine import arguments
from corpus.manifest import External, find
from tests.support import fetched
from wasmir import Module, PassReport, Pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = [
    pytest.mark.usefixtures("engine"),
    pytest.mark.filterwarnings("ignore::wasmir.StaleWarning"),
]

_HERE = Path(__file__).parent / "dropin"
_LOADER = _HERE.parent.parent.parent / "wasmir" / "runtime" / "recover.mjs"


@dataclass(frozen=True)
class Program:
    """One of the programs in ``dropin/``."""

    #: The corpus's entries that it takes; the glue is with the first.
    entries: tuple[str, ...]
    #: What ends it: by the name there, and what the host gets under the loader.
    aborts: Mapping[str, str]
    #: Whether its glue can go on with an instance that was reset in place.
    resets: bool = True
    #: How many of its exports stand in a table that the host can see.
    identical: int = 0

    @property
    def externals(self) -> list[External]:
        found = [find(name) for name in self.entries]
        return [each for each in found if isinstance(each, External)]


PROGRAMS = {
    "resvg": Program(("resvg",), {"out of bounds": "AbortError", "a null pointer": "Error"}),
    # Whose exports the glue calls first can't be told: the names are minified.
    "sql-js": Program(("sql-js",), {"out of bounds": "AbortError"}, resets=False, identical=1),
    "web-tree-sitter": Program(
        ("web-tree-sitter", "tree-sitter-javascript"),
        {"out of bounds": "AbortError", "an exception of the host's": "Error"},
        identical=1,
    ),
    # Its glue keeps functions that it put into the table.
    "wasmoon": Program(("wasmoon",), {"out of bounds": "AbortError"}, resets=False, identical=11),
    "as-sha256": Program(("as-sha256",), {"out of bounds": "AbortError"}),
    # Its glue registers classes, once (embind).
    "duckdb": Program(
        ("duckdb-eh",), {"out of bounds": "AbortError"}, resets=False, identical=15599
    ),
}

_SLOW = [pytest.param(n, marks=pytest.mark.slow if n == "duckdb" else ()) for n in PROGRAMS]
_ABORTS = [
    pytest.param(name, abort, marks=pytest.mark.slow if name == "duckdb" else ())
    for name, program in PROGRAMS.items()
    for abort in program.aborts
]
NOTICES = ("host", "wasm")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where recovered modules are."""
    return tmp_path_factory.mktemp("dropin")


@cache
def _recovered(name: str, notice: str, folder: Path) -> tuple[Path, PassReport]:
    entry = find(name)
    assert isinstance(entry, External)
    module = Module.from_bytes(fetched(entry))
    [report] = Pipeline.parse(f"recover{{notice={notice}}}").run(module)
    path = folder / f"{entry.name}-{notice}.wasm"
    module.save(path)
    return path, report


@cache
def seen(
    name: str,
    notice: str,
    folder: Path,
    *,
    loader: bool = False,
    abort: str | None = None,
    reset: str = "never",
) -> dict[str, Any]:
    """What a program did, with original modules where ``notice`` is empty."""
    program = PROGRAMS[name]
    for entry in program.externals:
        fetched(entry)
    originals = {entry.path.name: str(entry.path) for entry in program.externals}
    modules = originals
    if notice:
        modules = {
            entry.path.name: str(_recovered(entry.name, notice, folder)[0])
            for entry in program.externals
        }
    request = {
        "program": name,
        "folder": str(program.externals[0].folder),
        "modules": modules,
        "originals": originals,
        "loader": str(_LOADER) if loader else None,
        "options": {"reset": reset},
        "abort": abort,
    }
    result = subprocess.run(
        # A stack that JavaScript's own overflows fit in, too.
        [*arguments(), "--stack-size=900", _HERE / "main.mjs"],
        input=json.dumps(request).encode(),
        capture_output=True,
        check=False,
        timeout=900,
    )
    assert result.returncode == 0, result.stderr.decode(errors="replace")[-4000:]
    *said, last = result.stdout.splitlines()
    answer: dict[str, Any] = json.loads(last)
    answer["said"] = [*filter(None, said), *result.stderr.splitlines()]
    return answer


def work(name: str, folder: Path) -> Any:  # noqa: ANN401 - JSON
    """What the program answers with the modules as they were published."""
    return seen(name, "", folder)["works"][0]


@pytest.mark.parametrize("loader", [False, True], ids=["alone", "loader"])
@pytest.mark.parametrize("notice", NOTICES)
@pytest.mark.parametrize("name", _SLOW)
def test_the_glue_sees_no_difference(name: str, notice: str, loader: bool, folder: Path) -> None:
    before, after = seen(name, "", folder), seen(name, notice, folder, loader=loader)
    assert after["works"] == before["works"]
    if loader:
        # Without one, Emscripten's dynamic linking says that it can't use the tags.
        assert after["said"] == before["said"]
    # A module that has no table gives no identities to keep.
    [main, *_] = after["modules"]
    assert main["identical"] == PROGRAMS[name].identical
    # Under the loader too, an export and the table's slot are one function.
    for one, other in zip(before["modules"], after["modules"], strict=False):
        for what in ("imports", "exports", "identities", "filled", "seen"):
            assert one[what] == other[what], what
    assert {
        "function  __wasmir_activation",
        "function  __wasmir_set_on_abort",
        "function  __wasmir_terminate",
        "global  __wasmir_state",
        "tag  __wasmir_terminated",
    } <= set(main["ours"])


@pytest.mark.parametrize(("name", "abort"), _ABORTS)
def test_after_an_abort_nothing_runs_and_a_new_instance_does(
    name: str, abort: str, folder: Path
) -> None:
    """Noticed by the loader at once, and by the module itself, without one, at the next call."""
    right = work(name, folder)
    with_loader = seen(name, "host", folder, loader=True, abort=abort)
    without = seen(name, "wasm", folder, abort=abort)
    assert with_loader["abort"]["thrown"] == PROGRAMS[name].aborts[abort]
    assert with_loader["refused"]["thrown"] == "TerminatedError"
    assert without["refused"]["thrown"] == "Exception"
    assert with_loader["toldAfter"] == 1
    for found in (with_loader, without):
        assert found["state"] == 2
        # The hook ran, once.
        assert found["hooked"] == 1
        # Every export, and every function that the module put into a table.
        thrown = dict(found["after"]["thrown"])
        thrown.pop("conversion", None)
        assert list(thrown) == ["terminated"]
        assert thrown["terminated"] >= 7
        assert found["after"]["memory"]
        # The same glue anew makes an instance that works.
        assert found["works"] == [right, right]


@pytest.mark.parametrize("notice", NOTICES)
@pytest.mark.parametrize(("name", "abort"), _ABORTS)
def test_reset_in_place_under_the_same_glue(
    name: str, abort: str, notice: str, folder: Path
) -> None:
    if not PROGRAMS[name].resets:
        pytest.skip("its glue keeps what a reset takes away: it needs a new instance")
    right = work(name, folder)
    found = seen(name, notice, folder, loader=True, abort=abort, reset="in-place")
    # Three rounds of aborting and going on; where objects have finalizers, one more after them.
    assert len(found["works"]) in (4, 5)
    assert all(each == right for each in found["works"])
    assert found["told"] == 3
    # Three resets, and nothing that still runs.
    assert found["activation"] == 3 * 2**32


def test_an_overflow_that_the_glue_swallows(folder: Path) -> None:
    abort = "an overflow that the glue swallows"
    right = work("sql-js", folder)
    for notice, loader in (("host", True), ("wasm", True), ("wasm", False)):
        found = seen("sql-js", notice, folder, loader=loader, abort=abort)
        # Where the stack ended is the engine's affair: in the glue, which then goes on, or in the
        # module, after which nothing does.
        assert found["works"] == [right, right]
        if found["state"] == 2:
            assert set(found["after"]["thrown"]) <= {"terminated", "conversion"}
            assert found["after"]["memory"]


@pytest.mark.parametrize(
    ("name", "keeps"),
    [
        ("resvg", ""),
        ("as-sha256", ""),
        ("web-tree-sitter", ""),
        ("sql-js", "names are minified"),
        ("wasmoon", "addFunction"),
        pytest.param("duckdb-eh", "embind", marks=pytest.mark.slow),
    ],
)
def test_what_the_report_says(name: str, keeps: str, folder: Path) -> None:
    """Whether it can be reset in place, and if so, why its glue had better not."""
    path, report = _recovered(name, "host", folder)
    exported = {export.name for export in Module.from_file(path).exports}
    refused = [note for note in report.notes if "can't be reset in place" in note]
    assert ("__wasmir_reset_state" in exported) is not bool(refused)
    advice = refused or [note for note in report.notes if "make a new instance" in note]
    assert [keeps in note for note in advice] == ([True] if keeps else [])
    ends = "leave it alive" if name == "duckdb-eh" else "terminate the instance"
    assert any(f"leave the module for good {ends}" in note for note in report.notes)
