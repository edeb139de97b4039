"""A module's sizes as a picture: rectangles in rectangles, each as large as what it stands for.

Source of the layout: Bruls, Huizing, van Wijk, "Squarified Treemaps", 2000. What is drawn depends
on nothing but the sizes and the names.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from wasmir.sizes import Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wasmir.sizes import Sizes

__all__ = ["Rect", "html", "squarified", "svg"]

_WIDTH, _HEIGHT = 1200.0, 800.0
_HEAD = 15.0
"""So high is the line that says what a rectangle with others in it is."""
_SMALLEST = 30.0
"""What would have less area is drawn as one rectangle with others of the kind."""
_LEVELS = 12
_CHARACTER = 6.2
"""About so wide is a letter."""
_LISTED = 50

# Colours that are told apart by people who can't tell some colours apart: Okabe and Ito, lightened.
_COLOURS = ("#b9d9ee", "#f6d9a4", "#a8dccb", "#f3bfa0", "#e4c3d8", "#f3eba0", "#c4cde6", "#d5d5d5")


class Rect(NamedTuple):
    """Where something is drawn."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        return self.width * self.height


def squarified(sizes: Sequence[float], rect: Rect) -> list[Rect]:
    """A rectangle for each size, in proportion, as square as can be; together they are ``rect``.

    ``sizes`` are positive, and descend.
    """
    found: list[Rect] = []
    total = sum(sizes)
    at = 0
    while at < len(sizes):
        scale = rect.area / total if total else 0.0
        side = min(rect.width, rect.height)
        end, row = at + 1, sizes[at]
        worst = _worst(sizes[at], sizes[at], row, scale, side)
        while end < len(sizes):
            grown = row + sizes[end]
            next_worst = _worst(sizes[at], sizes[end], grown, scale, side)
            if next_worst > worst:
                break
            end, row, worst = end + 1, grown, next_worst
        # What is last takes what is left, so that no rounding shows.
        part = row / total if end < len(sizes) else 1.0
        placed, rect = _row(sizes[at:end], row, part, rect)
        found += placed
        total -= row
        at = end
    return found


def _worst(largest: float, smallest: float, row: float, scale: float, side: float) -> float:
    """How far from a square the rectangles of a row are, at worst."""
    area = row * scale
    if not area or not side:
        return float("inf")
    return max(side * side * largest * scale / area**2, area**2 / (side * side * smallest * scale))


def _row(sizes: Sequence[float], row: float, part: float, rect: Rect) -> tuple[list[Rect], Rect]:
    """A row along the shorter side, and what is left of the rectangle."""
    x, y, width, height = rect
    placed = []
    if width >= height:
        thick = width * part
        for size in sizes:
            placed.append(Rect(x, y, thick, height * size / row))
            y += height * size / row
        return placed, Rect(rect.x + thick, rect.y, width - thick, height)
    thick = height * part
    for size in sizes:
        placed.append(Rect(x, y, width * size / row, thick))
        x += width * size / row
    return placed, Rect(rect.x, rect.y + thick, width, height - thick)


class _Box(NamedTuple):
    """Something that is drawn, with all that it is in."""

    part: Part
    rect: Rect
    path: tuple[str, ...]
    colour: int


def _boxes(whole: Part) -> Iterator[_Box]:
    """All rectangles, outer before inner."""
    pending = [_Box(whole, Rect(0, 0, _WIDTH, _HEIGHT), (), -1)]
    while pending:
        box = pending.pop()
        yield box
        rect = box.rect
        inside = Rect(rect.x + 2, rect.y + _HEAD, rect.width - 4, rect.height - _HEAD - 2)
        if not box.part.parts or len(box.path) >= _LEVELS:
            continue
        if inside.width < _HEAD or inside.height < _HEAD:
            continue
        parts = _gathered(box.part.parts, inside.area)
        places = squarified([part.size for part in parts], inside)
        path = (*box.path, box.part.name)
        for at, (part, place) in enumerate(zip(parts, places, strict=True)):
            # Sections have different colours, and so has what is in them.
            colour = at % len(_COLOURS) if len(path) <= 2 else box.colour
            pending.append(_Box(part, place, path, colour))


def _gathered(parts: Sequence[Part], area: float) -> list[Part]:
    """The parts, the largest first, those together that are too small to be seen."""
    total = sum(part.size for part in parts)
    ordered = sorted((part for part in parts if part.size), key=lambda part: -part.size)
    seen = [part for part in ordered if part.size * area >= _SMALLEST * total]
    rest = ordered[len(seen) :]
    if len(rest) > 1:
        many = Part(f"{len(rest):,} smaller ones", sum(part.size for part in rest))
        seen = sorted([*seen, many], key=lambda part: -part.size)
    elif rest:
        seen += rest
    return seen


def svg(sizes: Sizes, title: str) -> str:
    """The picture as SVG, with what each rectangle is as text."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_drawing(sizes, title)}\n'


def _drawing(sizes: Sizes, title: str) -> str:
    whole = sizes.whole
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}"',
        'role="img" aria-labelledby="title description" font-family="sans-serif" font-size="11">',
        f'<title id="title">{_text(title)}: {whole.size:,} bytes</title>',
        f'<desc id="description">{_text(_described(whole))}</desc>',
    ]
    lines += [_rectangle(box, whole.size) for box in _boxes(whole)]
    lines.append("</svg>")
    return "\n".join(lines)


def _described(whole: Part) -> str:
    """The picture in words."""
    ordered = sorted(whole.parts, key=lambda part: -part.size)
    shares = (f"{part.name} {_share(part.size, whole.size)}" for part in ordered)
    return f"Areas are sizes. {', '.join(shares)}"


def _share(size: int, whole: int) -> str:
    return f"{size / whole:.1%}" if whole else "0%"


def _rectangle(box: _Box, whole: int) -> str:
    part, (x, y, width, height), path, colour = box
    fill = "#ffffff" if colour < 0 else _COLOURS[colour]
    told = " / ".join([*path[1:], part.name])
    tip = f"{told}: {part.size:,} bytes, {_share(part.size, whole)}"
    shown = ""
    letters = int((width - 6) / _CHARACTER)
    if letters >= 3 and height >= _HEAD:
        name = part.name if part.parts or len(path) < 3 else _last(part.name)
        words = f"{name} {_share(part.size, whole)}"
        if len(words) > letters:
            words = name
        if len(words) > letters:
            words = f"{words[: letters - 1]}…"
        shown = f'<text x="{x + 3:.1f}" y="{y + 11:.1f}">{_text(words)}</text>'
    return (
        f'<g><title>{_text(tip)}</title><rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" '
        f'height="{height:.2f}" fill="{fill}" stroke="#555" stroke-width="0.5"/>{shown}</g>'
    )


def _last(name: str) -> str:
    """What a function is called within its namespaces."""
    plain = name[:1] + name[1:].partition("(")[0] if not name.startswith("(") else name
    return re.split(r"::|[./]", plain)[-1] or name


# What XML has no way to say.
_UNSAYABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _text(text: str) -> str:
    return escape(_UNSAYABLE.sub("\ufffd", text))


def html(sizes: Sizes, title: str) -> str:
    """A page with the picture and with what is largest as tables; it needs nothing beside it."""
    whole = sizes.whole
    sections = [(part.name, part.size) for part in whole.parts]
    functions = [
        (f"{index} {part.name}" if not part.name.startswith("function ") else part.name, part.size)
        for index, part in sizes.functions
    ]
    groups = [(f"{name} ({count:,})", size) for name, (count, size) in sizes.groups.items()]
    data = [(part.name, part.size) for _, part in sizes.data]
    made = "; ".join(f"{sort}: {', '.join(names)}" for sort, names in sizes.producers.items())
    tables = [
        _table("Sections", sections, whole.size),
        _table("Namespaces, with how many functions", groups, whole.size),
        _table("Functions", functions, whole.size),
        _table("Data segments", data, whole.size),
    ]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{_text(title)}</title>",
            "<style>body { font: 14px sans-serif; margin: 1em } svg { width: 100%; height: auto }",
            "table { border-collapse: collapse; margin: 1em 0 } caption { text-align: left;",
            "font-weight: bold } td { padding: 0 1em 0 0 } td + td { text-align: right }",
            "rect:hover { stroke-width: 2 }</style>",
            f"<h1>{_text(title)}</h1>",
            f"<p>{whole.size:,} bytes. {_text(made)}</p>",
            _drawing(sizes, title),
            *filter(None, tables),
            "</html>",
            "",
        ]
    )


def _table(caption: str, rows: list[tuple[str, int]], whole: int) -> str:
    ordered = sorted(rows, key=lambda row: (-row[1], row[0]))
    lines = [
        f"<tr><td>{_text(name)}</td><td>{size:,}</td><td>{_share(size, whole)}</td></tr>"
        for name, size in ordered[:_LISTED]
    ]
    if len(ordered) > _LISTED:
        size = sum(size for _, size in ordered[_LISTED:])
        lines.append(
            f"<tr><td>{len(ordered) - _LISTED:,} more</td><td>{size:,}</td>"
            f"<td>{_share(size, whole)}</td></tr>"
        )
    if not lines:
        return ""
    return "\n".join([f"<table><caption>{caption}</caption>", *lines, "</table>"])
