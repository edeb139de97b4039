from __future__ import annotations

import pytest

from tests.bench import throws
from tests.bench.throws import SHAPES, WAYS, main, measured


@pytest.mark.usefixtures("engine")
def test_every_shape_runs_in_every_way() -> None:
    found = measured(10, 1)
    assert list(found) == list(SHAPES)
    assert all(list(times) == ["legacy", *WAYS] for times in found.values())
    assert all(time > 0 for times in found.values() for time in times.values())


def test_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    times = dict.fromkeys(["legacy", *WAYS], 123.4)
    monkeypatch.setattr(throws, "measured", lambda _count, _rounds: {"cleanup": times})
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["cleanup", *["123"] * len(times)]
