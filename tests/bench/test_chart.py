"""What is made of the benchmark's results."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest

from tests.bench.chart import chart, main, table, with_table
from tests.bench.growth import exponents, fitted
from tests.bench.rows import START
from tests.support import ROOT

if TYPE_CHECKING:
    from pathlib import Path

RESULTS = ROOT / "tests" / "bench" / "results.json"
CHART = RESULTS.with_suffix(".svg")
SVG = "{http://www.w3.org/2000/svg}"


def row(name: str, seconds: float, group: str = "convert", **more: object) -> dict[str, Any]:
    known = {"v": seconds * 4, "peak_bytes": 5e7, "failure": None, "ours": True}
    return {"name": name, "group": group, "seconds": seconds, **known, **more}


def result(*rows: dict[str, Any], size: int = 34_000_000) -> dict[str, Any]:
    return {"module": "some.wasm", "bytes": size, "rows": list(rows)}


def test_exponents() -> None:
    results = [
        result(
            row(START, 0.1),
            row("linear", 0.1 + size / 1e7),
            row("worse", 0.1 + size**2 / 1e13),
            size=size,
        )
        for size in (300_000, 3_000_000, 30_000_000)
    ]
    found = exponents(results)
    assert found == pytest.approx({"linear": 1, "worse": 2})
    # Too few, too much alike, too small.
    assert exponents(results[:2]) == {}
    assert exponents([results[0]] * 3) == {}
    assert exponents([result(*results[0]["rows"], size=1000), *results[1:]]) == {}
    assert fitted([(1, 2), (2, 4), (4, 8)]) == pytest.approx(1)


def test_chart_has_a_bar_for_each_row_that_was_measured() -> None:
    rows = [
        row("theirs & co", 2.0, ours=False),
        row("ours", 1.0),
        row("bad", 0, failure="exit code 1"),
        row("started", 0.1, group="start"),
    ]
    drawn = ET.fromstring(chart(result(*rows)))  # noqa: S314 - drawn here
    bars = [each for each in drawn.iter(f"{SVG}rect") if "x" in each.attrib]
    assert len(bars) == 2
    ours, theirs = (float(each.attrib["width"]) for each in bars)
    assert theirs == pytest.approx(2 * ours, rel=0.01)
    texts = [each.text for each in drawn.iter(f"{SVG}text")]
    assert texts.index("ours") < texts.index("theirs & co")
    assert "bad" not in texts


def test_readme_tells_what_was_measured(tmp_path: Path) -> None:
    """The committed chart and README's table are those of the committed result."""
    readme = tmp_path / "README.md"
    shutil.copy(ROOT / "README.md", readme)
    assert main([str(RESULTS), str(tmp_path / "chart.svg"), str(readme)]) == 0
    assert (tmp_path / "chart.svg").read_text() == CHART.read_text()
    assert readme.read_text() == (ROOT / "README.md").read_text()
    document = json.loads(RESULTS.read_text())
    assert str(CHART.relative_to(ROOT)) in readme.read_text()
    assert len(table(document).splitlines()) > 10
    with pytest.raises(ValueError, match="unpack"):
        with_table("no place for it", document)
