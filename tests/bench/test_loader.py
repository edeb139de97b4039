from __future__ import annotations

import pytest

from tests.bench import loader
from tests.bench.loader import CALLS, WAYS, main, measured


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("notice", ["host", "wasm"])
def test_every_call_in_every_way(notice: str) -> None:
    found = measured(10, 1, notice)
    assert list(found) == list(CALLS)
    assert all(list(times) == list(WAYS) for times in found.values())
    assert all(time > 0 for times in found.values() for time in times.values())


def test_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    times = dict.fromkeys(WAYS, 12.34)
    monkeypatch.setattr(loader, "measured", lambda *_: {"add": times})
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["two", "parameters", *["12.3"] * len(times)]
