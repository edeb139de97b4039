"""recover.mjs in Node, case by case, with modules guarded by hand and by the passes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from corpus.engine import EngineError
from tests.runtime.engines import LOADER, PROGRAMS, Program, case_names, run_in_node

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("engine")

MISSING = {
    "as it is": (),
    "no JSTag": ("JSTag",),
    "no JSPI": ("promising", "Suspending"),
    "no exceptions in JavaScript": ("JSTag", "Tag", "Exception"),
}
"""What an older engine's WebAssembly lacks."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Program, Mapping[str, Any]]:
    found = run_in_node(PROGRAMS, tmp_path_factory.mktemp("programs"))
    return dict(zip(PROGRAMS, found, strict=True))


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_every_case(program: Program, results: Mapping[Program, Mapping[str, Any]]) -> None:
    found = results[program]
    assert set(case_names()) <= set(found)
    wrong = {name: words for name, words in found.items() if isinstance(words, str)}
    assert not wrong, "\n".join(f"{name}: {words}" for name, words in wrong.items())
    assert sum(words is None for words in found.values()) >= 45


def test_every_case_runs_somewhere(results: Mapping[Program, Mapping[str, Any]]) -> None:
    ran = {name for found in results.values() for name, words in found.items() if words is None}
    assert set(case_names()) - ran == {"promising, where the engine has none"}


@pytest.mark.parametrize("lack", MISSING)
def test_older_engines(lack: str, tmp_path: Path) -> None:
    needs_exceptions = lack == "no exceptions in JavaScript"
    programs = [
        each
        for each in PROGRAMS
        if each.maker == "hand" and (each.dialect == "none" or not needs_exceptions)
    ]
    for found in run_in_node(programs, tmp_path, without=MISSING[lack], flags=()):
        wrong = {name: words for name, words in found.items() if isinstance(words, str)}
        assert not wrong
    if lack == "no JSPI":
        assert found["promising, where the engine has none"] is None


DEPTH = "if (running(now, mark) > (most ?? settled(now, before, then)))"
MISTAKES = {
    "pending calls are not subtracted": ("mark.pending : 0) + by", "mark.pending : 0) + 0"),
    "no stale frame is explained": ("if (!isRefused && mark.aborted !== then.aborted)", "if (0)"),
    "depth is compared with nothing": (
        DEPTH,
        "if (running(now, mark))",
    ),
    "any error terminates": (DEPTH, "if (true)"),
    "other epochs' depth counts": (
        "epochOf(now) === epochOf(before) ? running(before, then) : 0",
        "running(before, then)",
    ),
    "never terminates": (DEPTH, "if (false)"),
    "told twice": ("if (seen === place(now)) return;", ""),
    "no reset is due": ("if (due && (due = state.value === 2)) renew", "if (0) renew"),
    "panics surface below other calls": ("running(now, mark) > 0 ? {} : raw", "raw"),
    "arguments stay wrapped": ("f(unwrap(a))", "f(a)"),
    "results stay raw": ("return out(f(unwrap(a)))", "return f(unwrap(a))"),
    "destructors run after a reset": (
        "state.value !== 2 && !instances",
        "state.value !== 2 || !instances",
    ),
    "old tables are forgotten": ("patchTable(table, handle)", "patchTable(table, out)"),
    "uninstalling does nothing": ("for (const each of undo) each();", ""),
}
"""Mistakes in the loader, made on purpose: each must be seen by some case."""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found(mistake: str, tmp_path: Path) -> None:
    right, wrong = MISTAKES[mistake]
    text = LOADER.read_text(encoding="utf-8")
    assert len(re.findall(re.escape(right), text)) >= 1
    changed = tmp_path / "recover.mjs"
    changed.write_text(text.replace(right, wrong), encoding="utf-8")
    programs = [Program("hand", "host", "exnref", reset=True)]
    try:
        [found] = run_in_node(programs, tmp_path, loader=changed)
    except EngineError:
        return  # a promise rejected, and nobody had expected that
    assert any(isinstance(words, str) for words in found.values())
