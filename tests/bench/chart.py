"""``python -m tests.bench.chart [RESULTS SVG README]``: a result as a chart, and as README's table;
by default the committed ones. The chart brings its own background, so that it can stand on any.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from corpus.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["chart", "table", "with_table"]

_HERE = Path(__file__).resolve().parent
_COMMITTED = _HERE / "results.json", _HERE / "results.svg", _HERE.parents[1] / "README.md"

BEGIN = "<!-- what `python -m tests.bench.chart` writes begins here -->"
END = "<!-- and ends here -->"

_LEFT, _RIGHT, _TOP, _LINE = 330, 90, 56, 22
_WIDTH = 860
_COLOURS = {True: "#654ff0", False: "#9aa0a6"}
_GROUPS = ("read and write", "change", "instrument", "convert", "validate", "print", "passes")


def grouped(result: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The rows that could be measured, by group, ours first."""
    found = []
    for group in _GROUPS:
        rows = [row for row in result["rows"] if row["group"] == group and not row["failure"]]
        if rows:
            found.append((group, sorted(rows, key=lambda row: not row["ours"])))
    return found


def chart(result: dict[str, Any]) -> str:
    """A bar for each row, as long as its time in V; as SVG."""
    groups = grouped(result)
    longest = max(row["v"] for _, rows in groups for row in rows)
    scale = (_WIDTH - _LEFT - _RIGHT) / longest
    parts: list[str] = []
    y = _TOP
    for group, rows in groups:
        parts.append(f'<text x="16" y="{y + 15}" class="group">{escape(group)}</text>')
        y += _LINE
        for row in rows:
            length = max(1.0, row["v"] * scale)
            parts.append(
                f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(row["name"])}</text>'
                f'<rect x="{_LEFT}" y="{y + 3}" width="{length:.1f}" height="{_LINE - 7}"'
                f' fill="{_COLOURS[row["ours"]]}"/>'
                f'<text x="{_LEFT + length + 6:.1f}" y="{y + 14}">{row["v"]:.1f} V</text>'
            )
            y += _LINE
        y += 8
    height = y + 8
    title = f"{result['module']}, {result['bytes'] / 1e6:.0f} MB: time in V"
    note = (
        "V: wasm-tools validate of the same file, one thread, in the same run. Shorter is better."
    )
    style = (
        "text { font: 12px sans-serif; fill: #202124 } .title { font-size: 16px }"
        " .group { font-weight: bold } .note { fill: #5f6368 }"
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{style}</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="24" class="title">{escape(title)}</text>',
        f'<text x="16" y="42" class="note">{escape(note)}</text>',
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def table(document: dict[str, Any]) -> str:
    """The rows of the first module as a table in Markdown."""
    result = document["modules"][0]
    lines = ["| | V | peak memory | output |", "|---|---:|---:|---:|"]
    for _, rows in grouped(result):
        for row in rows:
            growth = f"{row['growth_percent']:+.2f} %" if "growth_percent" in row else ""
            megabytes = f"{row['peak_bytes'] / 1e6:.0f} MB"
            lines.append(f"| {row['name']} | {row['v']:.1f} | {megabytes} | {growth} |")
    return "\n".join(lines)


def with_table(readme: str, document: dict[str, Any]) -> str:
    """README with the table in its place. Raises ValueError where it has none."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table(document)}\n{END}{after}"


def main(arguments: Sequence[str]) -> int:
    """Write both."""
    results, svg, readme = map(Path, arguments or _COMMITTED)
    document = json.loads(results.read_text(encoding="utf-8"))
    write_whole(svg, chart(document["modules"][0]).encode())
    write_whole(readme, with_table(readme.read_text(encoding="utf-8"), document).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
