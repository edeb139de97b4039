"""``wasmir info --sizes``: a module's sizes as lines, as JSON, and drawn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from wasmir.cli.common import in_a_line, naming, shown, table, write_text

if TYPE_CHECKING:
    from wasmir.ir.module import Module
    from wasmir.sizes import Sizes

__all__ = ["show_sizes"]


def show_sizes(
    module: Module, file: str, top: int, pictures: dict[str, str | None], *, as_json: bool
) -> None:
    """Tell what the bytes are spent on; draw it to the files that ``pictures`` names by form."""
    from wasmir.sizes import measure

    if list(pictures.values()).count("-") > 1:
        raise click.UsageError("only one picture can go to standard output")
    with naming(file):
        sizes = measure(module)
    texts = {}
    if any(output is not None for output in pictures.values()):
        from wasmir import treemap

        drawn = {"svg": treemap.svg, "html": treemap.html}
        texts = {
            output: drawn[form](sizes, shown(file))
            for form, output in pictures.items()
            if output is not None
        }
    for output, text in texts.items():
        write_text(text, output)
    if "-" in texts:
        return
    click.echo(json.dumps(_as_dict(sizes)) if as_json else _listed(sizes, file, top))


def _as_dict(sizes: Sizes) -> dict[str, object]:
    def numbered(name: str) -> list[dict[str, object]]:
        return [
            {"index": index, "name": part.name, "size": part.size}
            for index, part in getattr(sizes, name)
        ]

    return {
        "size": sizes.whole.size,
        "parts": sizes.whole.as_dict()["parts"],
        "functions": numbered("functions"),
        "groups": [
            {"name": name, "functions": count, "size": size}
            for name, (count, size) in sizes.groups.items()
        ],
        "data": numbered("data"),
        "producers": sizes.producers,
    }


def _listed(sizes: Sizes, file: str, top: int) -> str:
    whole = sizes.whole
    lines = [f"{file}: {whole.size:,} bytes"]
    for sort, names in sizes.producers.items():
        lines.append(in_a_line(f"{sort}: {', '.join(names)}"))
    by_section = [(part.name, part.size) for part in whole.parts]
    groups = [(f"{name} ({count:,})", size) for name, (count, size) in sizes.groups.items()]
    functions = [
        (
            part.name if part.name == f"function {index}" else f"function {index} {part.name}",
            part.size,
        )
        for index, part in sizes.functions
    ]
    data = [(part.name, part.size) for _, part in sizes.data]
    for head, rows, most in (
        ("section", by_section, None),
        ("namespace (functions)", groups, top),
        ("function", functions, top),
        ("data segment", data, top),
    ):
        if rows:
            lines += ["", _ranked(head, rows, whole.size, most)]
    return "\n".join(lines)


def _ranked(head: str, rows: list[tuple[str, int]], whole: int, most: int | None) -> str:
    """The largest first, and what the others are together."""
    ordered = sorted(rows, key=lambda row: (-row[1], row[0]))
    rest = [] if most is None else ordered[most:]
    told = ordered[:most]
    if rest:
        told.append((f"{len(rest):,} more", sum(size for _, size in rest)))
    cells = [(_short(name), f"{size:,}", f"{size / whole:.1%}") for name, size in told]
    return table([(head, "bytes", "share"), *cells])


def _short(name: str) -> str:
    """A name that fits into a line; mangled ones may have hundreds of characters."""
    shown = in_a_line(name[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


_LONGEST = 72
