"""What the commands share: their arguments, reading, writing, progress, and how they fail."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NoReturn

import click

from wasmir.errors import PassError, WasmError
from wasmir.ir.module import Module

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wasmir.ir.encoded import Encoded

__all__ = [
    "fail",
    "in_a_line",
    "input_file",
    "jobs_option",
    "json_flag",
    "naming",
    "output_file",
    "progress",
    "read",
    "read_unnamed",
    "shown",
    "table",
    "verify_flag",
    "write",
    "write_text",
]


def fail(message: str) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    sys.exit(1)


input_file = click.argument("file", metavar="IN")
output_file = click.option(
    "-o", "--output", metavar="OUT", required=True, help="Where to write; - for standard output."
)
json_flag = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")

verify_flag = click.option(
    "--verify/--no-verify",
    default=None,
    help="Check that what comes out is valid. Of passes that aren't built in that is the default.",
)

jobs_option = click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    help="Processes that share the work; by default one per core, and one for small modules.",
)


@contextmanager
def naming(file: str) -> Iterator[None]:
    """Errors about a module say which file it came from."""
    try:
        yield
    except PassError:
        raise
    except WasmError as error:
        error.reason = f"{shown(file)}: {error.reason}"
        raise


def shown(file: str) -> str:
    """What messages call a file."""
    return "standard input" if file == "-" else file


def read(file: str) -> Module:
    with naming(file):
        return read_unnamed(file)


def read_unnamed(file: str) -> Module:
    if file == "-":
        return Module.from_bytes(sys.stdin.buffer.read())
    return Module.from_file(file)


def write(encoded: Encoded, output: str) -> None:
    if output == "-":
        if sys.stdout.isatty():
            raise click.UsageError("a module is binary; redirect the output or name a file")
        sys.stdout.buffer.writelines(encoded.pieces)
        sys.stdout.buffer.flush()
    else:
        encoded.save(output)


def in_a_line(text: str) -> str:
    """A text that names somebody else's things, without what would upset a terminal."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as lines, the first column to the left, others to the right; rows may be short."""
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    lines = []
    for row in rows:
        cells = [f"{row[0]:<{widths[0]}}"]
        cells += [f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=False)]
        lines.append(f"  {'  '.join(cells)}".rstrip())
    return "\n".join(lines)


def write_text(text: str, output: str) -> None:
    """Write a text to a file, which appears whole or not at all, or to standard output."""
    if output == "-":
        click.echo(text, nl=False)
        return
    from wasmir.ir.files import whole_file

    with whole_file(output) as stream:
        stream.write(text.encode())


@contextmanager
def progress() -> Iterator[None]:
    """Progress bars on stderr, where that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress

    from wasmir.pipeline import observe_progress

    # Drawn when there is news, and by no thread: only a process without threads can be forked.
    console = Console(stderr=True)
    with Progress(console=console, transient=True, auto_refresh=False) as bars:

        def tracker(items: Sequence[Any], what: str) -> Iterable[Any]:
            task = bars.add_task(what, total=len(items))
            # Telling the bar costs more than many an item takes.
            step = max(1, len(items) // 200)
            for done, item in enumerate(items):
                yield item
                if done % step == 0:
                    bars.update(task, completed=done, refresh=True)
            bars.update(task, completed=len(items), refresh=True)

        with observe_progress(tracker):
            yield
