"""``wasmir info`` and ``wasmir engines``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from wasmir.cli.common import input_file, json_flag, naming, progress, read

if TYPE_CHECKING:
    from wasmir.engines import Support, Verdict
    from wasmir.summary import Summary

__all__ = ["engines", "info"]


@click.command()
@input_file
@click.option("--sizes", is_flag=True, help="Show what the bytes are spent on.")
@click.option(
    "--top",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="With --sizes: how many functions, namespaces and segments are listed.",
)
@click.option(
    "--svg",
    metavar="OUT",
    help="Draw the sizes, as rectangles in rectangles; - for standard output.",
)
@click.option("--html", metavar="OUT", help="The same as a page, with tables.")
@json_flag
def info(
    file: str, sizes: bool, top: int, svg: str | None, html: str | None, as_json: bool
) -> None:
    """Show a module's sections, counts, exception handling and features; or its sizes."""
    module = read(file)
    if sizes or svg is not None or html is not None:
        from wasmir.cli.sizes import show_sizes

        show_sizes(module, file, top, {"svg": svg, "html": html}, as_json=as_json)
        return
    from wasmir.pipeline import track
    from wasmir.summary import summarize

    with naming(file), progress():
        summary = summarize(module, lambda functions: track(functions, "reading code"))
    if as_json:
        click.echo(json.dumps(summary.as_dict()))
    else:
        _show(file, summary)


@click.command()
@click.argument("file", metavar="[IN]", required=False)
@json_flag
def engines(file: str | None, as_json: bool) -> None:
    """Say which releases of which engines run a module, and what keeps others from it.

    Without IN: since when which engine runs which feature without a flag, which is `-` for none and
    `?` for unknown.
    """
    from dataclasses import asdict

    from wasmir.engines import ENGINES, judge

    if file is None:
        if as_json:
            click.echo(json.dumps({name: asdict(engine) for name, engine in ENGINES.items()}))
        else:
            _show_engines()
        return
    module = read(file)
    from wasmir.pipeline import track
    from wasmir.summary import summarize

    with naming(file), progress():
        summary = summarize(module, lambda functions: track(functions, "reading code"))
    dialect = summary.exceptions.dialect
    verdicts = [judge(name, summary.features, dialect) for name in ENGINES]
    if as_json:
        judged = [asdict(verdict) for verdict in verdicts]
        known = {"features": summary.features, "dialect": dialect, "engines": judged}
        click.echo(json.dumps(known))
        return
    click.echo(f"{file}: {', '.join(summary.features) or 'nothing beyond the first version'}")
    if dialect == "mixed":
        click.echo(
            "It mixes the dialects of exception handling: such modules run nowhere for sure."
        )
    click.echo()
    rows = [(verdict.engine, *_judged(verdict)) for verdict in verdicts]
    width = max(len(runs) for _, runs, _ in rows)
    for name, runs, why in rows:
        click.echo(f"  {name:<9} {runs:<{width}}  {why}".rstrip())


def _judged(verdict: Verdict) -> tuple[str, str]:
    """The releases that run a module, and what keeps others from it."""
    if verdict.missing or verdict.unknown:
        reasons = [f"lacks {', '.join(verdict.missing)}"] if verdict.missing else []
        reasons += [f"unknown: {', '.join(verdict.unknown)}"] if verdict.unknown else []
    else:
        reasons = [f"for {', '.join(verdict.limits)}"] if verdict.limits else []
    reasons += [f"with {name}: {_releases(runs)}" for name, runs in verdict.with_pass.items()]
    return _releases(verdict.runs), "; ".join(reasons)


def _releases(runs: Support) -> str:
    if runs.since is None:
        return "none" if runs.known else "unknown"
    since = "all" if runs.since == "0" else f"from {runs.since}"
    backports = f" ({', '.join(runs.backports)})" if runs.backports else ""
    return f"{since}{backports}{f', before {runs.until}' if runs.until else ''}"


def _show_engines() -> None:
    from wasmir.engines import ENGINES

    features = next(iter(ENGINES.values())).support
    rows = [["", *ENGINES]]
    rows += [[name, *(str(each.support[name]) for each in ENGINES.values())] for name in features]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in cells).rstrip())


def _show(file: str, summary: Summary) -> None:
    click.echo(f"{file}: {summary.size:,} bytes")
    click.echo()
    click.echo(f"  {'section':<28} {'offset':>11} {'size':>12} {'entries':>9}")
    for section in summary.sections:
        name = section.name if section.id else f'custom "{section.name}"'
        entries = "" if section.entries is None else f"{section.entries:,}"
        click.echo(f"  {name:<28} {section.offset:>#11x} {section.size:>12,} {entries:>9}")
    click.echo()
    functions = ", ".join(f"{count:,} {kind}" for kind, count in summary.functions.items())
    click.echo(f"  functions     {functions}")
    click.echo(f"  instructions  {summary.instructions:,}")
    exceptions = summary.exceptions
    counts = ", ".join(f"{count:,} {name}" for name, count in exceptions.instructions.items())
    where = f" in {exceptions.functions:,} functions" if exceptions.functions else ""
    click.echo(f"  exceptions    {exceptions.dialect}{': ' if counts else ''}{counts}{where}")
    click.echo(f"  features      {', '.join(summary.features) or 'none beyond the first version'}")
