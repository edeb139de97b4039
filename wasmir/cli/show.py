"""``wasmir print``."""

from __future__ import annotations

import sys

import click

from wasmir.cli.common import input_file, jobs_option, naming, progress, read

__all__ = ["print_text"]


@click.command("print")
@input_file
@click.option(
    "-o", "--output", metavar="OUT", default="-", help="Where to write, if not to standard output."
)
@click.option(
    "--func", "function", metavar="FUNC", help="One function, by its index, name or export."
)
@click.option(
    "--range",
    "within",
    metavar="FIRST:END",
    help="What stands in these bytes of IN (END is behind them); or at one offset, as in 0x1a0.",
)
@click.option("--names/--no-names", default=True, help="Identifiers from the name section.")
@click.option("--offsets", is_flag=True, help="Where everything stands in IN, as comments.")
@click.option("--folded", is_flag=True, help="Operands in parentheses, as far as can be.")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Colours: by default on a terminal.",
)
@jobs_option
def print_text(
    file: str,
    output: str,
    function: str | None,
    within: str | None,
    names: bool,
    offsets: bool,
    folded: bool,
    color: str,
    jobs: int | None,
) -> None:
    """Print a module in the text format.

    Assemblers make the same module of it, but for the spelling of integers and the place of custom
    sections.
    """
    from wasmir.printing import Style, parse_range, print_module
    from wasmir.text.colour import coloured

    try:
        part = None if within is None else parse_range(within)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--range") from None
    if part is not None and folded:
        raise click.UsageError("a range cuts expressions in two: --range goes without --folded")
    painted = color == "always" or (color == "auto" and output == "-" and sys.stdout.isatty())
    module = read(file)
    with naming(file), progress():
        print_module(
            module,
            output,
            Style(names, offsets, folded),
            function=function,
            within=part,
            jobs=jobs,
            paint=coloured if painted else None,
        )
