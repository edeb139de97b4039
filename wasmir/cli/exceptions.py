"""``wasmir convert-eh`` and ``wasmir recover``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wasmir.cli.common import (
    fail,
    input_file,
    jobs_option,
    json_flag,
    naming,
    output_file,
    read,
    verify_flag,
)
from wasmir.cli.running import transform, verification
from wasmir.errors import UnsupportedError

if TYPE_CHECKING:
    from wasmir.ir.module import Module
    from wasmir.pipeline import Pipeline

__all__ = ["convert_eh", "recover"]


@click.command("convert-eh")
@input_file
@output_file
@click.option(
    "--to",
    "dialect",
    type=click.Choice(["exnref", "legacy"]),
    required=True,
    help="The dialect to write.",
)
@click.option("--strip-stale", is_flag=True, help="Leave out debug information that went stale.")
@verify_flag
@jobs_option
@json_flag
def convert_eh(
    file: str,
    output: str,
    dialect: str,
    strip_stale: bool,
    verify: bool | None,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Convert a module's exception handling to the other dialect.

    The whole module or nothing: where anything can't be converted, nothing is written.
    """
    from wasmir.pipeline import Pipeline

    passes = {"exnref": "legacy-to-exnref", "legacy": "exnref-to-legacy"}
    pipeline = Pipeline.parse(passes[dialect])
    wanted = verification(verify)
    transform(file, output, pipeline, wanted, jobs, as_json=as_json, strip_stale=strip_stale)


@click.command()
@input_file
@click.option("-o", "--output", metavar="OUT", help="Where to write; - for standard output.")
@click.option(
    "--notice",
    type=click.Choice(["host", "wasm"]),
    default="host",
    show_default=True,
    help="Who notices an abort: the loader in the host, or the module itself at its next call.",
)
@click.option(
    "--reset",
    type=click.Choice(["auto", "true", "false"]),
    default="auto",
    show_default=True,
    help="Reset in place: where it can be, or else an error, or never.",
)
@click.option("--target", metavar="ENGINE", help="The engine that is to run it, as in node@20.")
@click.option(
    "--set",
    "options",
    metavar="OPTION=VALUE",
    multiple=True,
    help="Any other option of the pass: see `wasmir passes recover`.",
)
@click.option("--js", "with_loader", is_flag=True, help="Write the JavaScript loader beside OUT.")
@click.option("--explain", is_flag=True, help="Say what would be done, and why; write nothing.")
@verify_flag
@jobs_option
@json_flag
def recover(
    file: str,
    output: str | None,
    notice: str,
    reset: str,
    target: str | None,
    options: tuple[str, ...],
    with_loader: bool,
    explain: bool,
    verify: bool | None,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Make a module survive panics, foreign exceptions and aborts."""
    from wasmir.pipeline import Pipeline

    if output is None and not explain:
        raise click.UsageError("-o OUT is missing; --explain does without")
    if with_loader and (output is None or output == "-"):
        raise click.UsageError("--js writes the loader beside OUT, which has to be a file")
    given = [f"notice={notice}", f"reset={reset}", *options]
    pipeline = Pipeline.parse(f"recover{{{','.join(given)}}}")
    module = read(file)
    with naming(file):
        if module.custom("wasmir.recovery") is not None:
            fail(f"{file}: the module is recovered already; nothing is written")
        if target is not None:
            pipeline = _for_target(module, target, pipeline, options)
    transform(
        file,
        None if explain else output,
        pipeline,
        verification(verify),
        jobs,
        as_json=as_json,
        module=module,
    )
    if notice == "host" and not as_json:
        click.echo(
            "note: nobody notices an abort until the host calls through recover.mjs: "
            "instantiate, guard or install",
            err=output == "-",
        )
    if with_loader and output is not None and not explain:
        _write_loader(output)


def _for_target(
    module: Module, target: str, pipeline: Pipeline, options: tuple[str, ...]
) -> Pipeline:
    """The pipeline with what makes a module's exception handling one that the engine runs."""
    from dataclasses import replace

    from wasmir.engines import dialects
    from wasmir.pipeline import Pipeline
    from wasmir.summary import exception_dialect

    runs = dialects(target)
    used = exception_dialect(module)
    if used == "none" and not any(each.startswith("dialect=") for each in options):
        # What is added catches in a dialect that runs there, if any does.
        chosen = next((each for each in ("exnref", "legacy") if each in runs), "none")
        [recovering] = pipeline.passes
        return Pipeline((replace(recovering, dialect=chosen),))  # type: ignore[type-var]
    if used == "none" or used in runs:
        return pipeline
    converting = {"legacy": "legacy-to-exnref", "exnref": "exnref-to-legacy"}[used]
    if not runs:
        raise UnsupportedError(
            f"{target} runs no exception handling, and the module's code catches ({used})"
        )
    return Pipeline((*Pipeline.parse(converting).passes, *pipeline.passes))


def _write_loader(output: str) -> None:
    from importlib import resources
    from pathlib import Path

    # Without its comments and long names, which a page has no use for.
    for name, source in (("recover.mjs", "recover.min.mjs"), ("recover.d.mts", "recover.d.mts")):
        text = (resources.files("wasmir") / "runtime" / source).read_bytes()
        path = Path(output).parent / name
        part = path.with_name(f".{name}.part")
        part.write_bytes(text)
        part.replace(path)
        click.echo(f"{path}: the loader")
