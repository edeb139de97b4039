from __future__ import annotations

import json
import os
import resource
import sys
from typing import TYPE_CHECKING

import pytest

from corpus.manifest import CorpusError, find
from tests.bench.__main__ import main
from tests.bench.measure import Command, bytecode_kept, interleaved, one_core
from tests.bench.rows import VALIDATE

if TYPE_CHECKING:
    from pathlib import Path


def _python(name: str, code: str) -> Command:
    return Command(name, [sys.executable, "-c", code])


def test_time_and_memory_are_the_commands() -> None:
    # The test runner's own size is the floor of all.
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + 300_000_000
    quick = _python("quick", "pass")
    slow = _python("slow", "import time; time.sleep(0.5)")
    large = _python("large", f"b'x' * {more}")
    interleaved(quick, [slow, large], runs=1)
    assert slow.seconds >= 0.5
    assert large.peak >= more
    assert large.peak - quick.peak >= 200_000_000
    assert [len(command.samples) for command in (quick, slow, large)] == [2, 1, 1]
    assert slow.ratio == slow.seconds / quick.samples[0].seconds


def test_in_turn_after_a_warm_up(tmp_path: Path) -> None:
    log = tmp_path / "log"
    commands = [_python(name, f"open({str(log)!r}, 'a').write({name!r})") for name in "abc"]
    interleaved(commands[0], commands[1:], runs=3)
    assert log.read_text(encoding="utf-8") == "abac" * 4
    assert [len(command.samples) for command in commands] == [6, 3, 3]


def test_failure_is_noted_and_not_repeated(tmp_path: Path) -> None:
    bad = _python("bad", "import sys; sys.exit('no good')")
    missing = Command("missing", ["/no/such/program"])
    silent = Command("silent", [sys.executable, "-c", "pass"], output=tmp_path / "nothing")
    interleaved(bad, [missing, silent], runs=2)
    assert bad.failure == "exit code 1: no good"
    assert missing.failure is not None
    assert silent.failure == "exit code 0, and no output"
    assert silent.ratio is None
    assert bad.samples == missing.samples == silent.samples == []


def test_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One small module, once: a table, and JSON that says the same."""
    out = tmp_path / "bench.json"
    try:
        code = main(["plain", "--runs", "1", "--passes", "--json", str(out)])
    except CorpusError as error:
        pytest.skip(str(error))
    [module] = json.loads(out.read_text(encoding="utf-8"))["modules"]
    rows = {row["name"]: row for row in module["rows"]}
    ours = {name: row for name, row in rows.items() if row["ours"] and row["group"] != "passes"}
    assert {name: row["failure"] for name, row in ours.items() if row["failure"]} == {}
    assert len([row for row in rows.values() if row["group"] == "passes"]) >= 9
    assert code == 0
    assert module["bytes"] == find("plain").path.stat().st_size
    assert rows[VALIDATE]["v"] == 1
    assert rows["wasmir run -p ''"]["growth_percent"] == 0
    table = capsys.readouterr().out
    assert all(name in table for name in rows)


def test_unknown_module(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 1
    assert "no module 'nothing'" in capsys.readouterr().err


def test_cores() -> None:
    count = "import os; assert len(os.sched_getaffinity(0)) == {}"
    with one_core() as core:
        if core is None:
            pytest.skip("this system doesn't say on which cores a process is")
        alone = _python("alone", count.format(1))
        both = _python("both", count.format(min(2, os.cpu_count() or 1)))
        both.cores = 2
        after = _python("after", count.format(1))
        interleaved(alone, [both, after], runs=1)
    assert [command.failure for command in (alone, both, after)] == [None] * 3


def test_bytecode_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    (tmp_path / "imported.py").write_text("")
    code = "import sys; sys.path.insert(0, {!r}); import imported; open(imported.__cached__)"
    kept = _python("kept", code.format(str(tmp_path)))
    with bytecode_kept():
        interleaved(kept, [], runs=1)
        interleaved(_python("unit", "pass"), [kept], runs=1)
    assert kept.failure is None
    assert os.environ["PYTHONDONTWRITEBYTECODE"] == "1"
    assert "PYTHONPYCACHEPREFIX" not in os.environ
