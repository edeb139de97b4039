from __future__ import annotations

import pytest

from tests.bench import crossings as bench
from tests.bench.crossings import DIALECTS, ROWS, WAYS, crossings, main, per_adapter


@pytest.mark.usefixtures("engine")
def test_everything_is_crossed_in_every_way() -> None:
    found = crossings(10, 1)
    assert list(found["V8"]) == [
        (dialect, way) for dialect in DIALECTS for way in ("original", *WAYS)
    ]
    assert all(tuple(times) == ROWS for times in found["V8"].values())
    for times in found.values():
        assert all(time > 0 for rows in times.values() for time in rows.values())


def test_bytes_per_adapter() -> None:
    found = per_adapter()
    assert list(found) == [(dialect, way) for dialect in DIALECTS for way in WAYS]
    for sizes in found.values():
        assert 0 < sizes["gate that shares"] < sizes["gate"] <= 62
        assert sizes["door"] < 200


def test_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    keys = [("exnref", way) for way in ("original", *WAYS)]
    times = {key: {"import door": 2.0 + number} for number, key in enumerate(keys)}
    monkeypatch.setattr(bench, "crossings", lambda _count, _rounds: {"V8": times})
    monkeypatch.setattr(bench, "per_adapter", lambda: {("exnref", "host"): {"gate": 28}})
    monkeypatch.setattr(bench, "in_duckdb", lambda: {"guard": (55514, 254, 1000, 1039)})
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["import", "door", "1.0", "2.0"]
    assert lines[2] == "wasmtime: `pip install wasmtime` gets it"
    assert lines[4].split() == ["gate", "28"]
    assert lines[5].endswith("55,514 gates, 254 doors, 39 bytes more (3.9%)")
