"""recover.mjs against a model: random hosts, in both modes and dialects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from corpus.engine import EngineError
from tests.modules import SCALE
from tests.runtime.engines import LOADER, PROGRAMS, Program, node_answer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("engine")

HERE = [each for each in PROGRAMS if each.dialect != "none" and each.reset]

RIGHT = "if (running(now, mark) > (most ?? settled(now, before, then)))"
MISTAKES = {
    "never terminates": (RIGHT, "if (false)"),
    "any error terminates": (RIGHT, "if (true)"),
    "depth is compared with nothing": (RIGHT, "if (running(now, mark))"),
    "other epochs' depth counts": (
        "epochOf(now) === epochOf(before) ? running(before, then) : 0",
        "running(before, then)",
    ),
    "a reset that came already comes again": ("(due = state.value === 2)", "true"),
    "a raw panic surfaces below other calls": ("running(now, mark) > 0 ? {} : raw", "raw"),
    "frames that an abort left are not explained": ("mark.aborted !== then.aborted", "false"),
}
"""Mistakes in the loader, made on purpose: random schedules find each."""


def run(programs: list[Program], folder: Path, count: int, loader: Path = LOADER) -> Any:  # noqa: ANN401 - JSON
    request: dict[str, Any] = {"loader": str(loader), "programs": [], "first": 0, "count": count}
    for program in programs:
        path = folder / f"{program}.wasm"
        path.write_bytes(program.data)
        request["programs"].append({"path": str(path), "about": program.about})
    return node_answer("schedules.mjs", request)


@pytest.mark.parametrize("program", HERE, ids=str)
def test_random_schedules(program: Program, tmp_path: Path) -> None:
    answer = run([program], tmp_path, 150 * SCALE)
    assert not answer["failures"], "\n".join(answer["failures"])
    assert answer["totals"]["schedules"] == 150 * SCALE
    assert answer["totals"]["aborts"] > 100


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found(mistake: str, tmp_path: Path) -> None:
    right, wrong = MISTAKES[mistake]
    text = LOADER.read_text(encoding="utf-8")
    assert text.count(right) == 1
    changed = tmp_path / "recover.mjs"
    changed.write_text(text.replace(right, wrong), encoding="utf-8")
    try:
        answer = run([HERE[0]], tmp_path, 300, changed)
    except EngineError:
        return  # it threw where nothing may throw
    assert answer["failures"]
