"""``wasmir run`` and ``wasmir passes``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from wasmir.cli.common import (
    jobs_option,
    json_flag,
    output_file,
    progress,
    read,
    verify_flag,
    write,
)
from wasmir.cli.running import describe, transform, verification

if TYPE_CHECKING:
    from wasmir.pipeline import Verify

__all__ = ["passes", "run"]


@click.command()
@click.argument("files", metavar="IN...", nargs=-1, required=True)
@output_file
@click.option("-p", "--pipeline", "text", required=True, help="Passes, as in `gc,strip{...}`.")
@verify_flag
@click.option("--verify-each", is_flag=True, help="Check after each pass.")
@jobs_option
@json_flag
def run(
    files: tuple[str, ...],
    output: str,
    text: str,
    verify: bool | None,
    verify_each: bool,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Run a pipeline of passes on a module, or on many.

    An empty pipeline copies the module byte for byte.

    With several IN, or where OUT is a folder, what comes out has the names of the files. A module
    that can't be processed fails alone; what an earlier run made of the same bytes by the same
    passes is left as it is (wasmir-run.jsonl in OUT says so).
    """
    from pathlib import Path

    if len(files) > 1 or Path(output).is_dir():
        _run_all(files, output, text, _wanted(verify, verify_each), jobs, as_json=as_json)
        return
    [file] = files
    if not text.strip():
        # The shortest way: nothing beyond the section walk is loaded.
        write(read(file).encode(), output)
        if as_json:
            click.echo("[]", err=output == "-")
        return
    from wasmir.pipeline import Pipeline

    pipeline = Pipeline.parse(text)
    wanted = _wanted(verify, verify_each)
    transform(file, output, pipeline, wanted, jobs, as_json=as_json, strip_stale=False)


def _wanted(verify: bool | None, each: bool) -> Verify:
    from wasmir.pipeline import Verify

    return Verify.EACH if each else verification(verify)


def _run_all(
    files: tuple[str, ...],
    folder: str,
    text: str,
    verify: Verify,
    jobs: int | None,
    *,
    as_json: bool,
) -> None:
    """Run a pipeline on many files; exit code 1 where one failed."""
    from concurrent.futures import ProcessPoolExecutor
    from dataclasses import asdict

    from wasmir.ir.fork import usable_cores
    from wasmir.pipeline import Pipeline, track

    if "-" in files or folder == "-":
        raise click.UsageError("many modules are read from files, and written to a folder")
    pipeline = Pipeline.parse(text)
    found = []
    with ProcessPoolExecutor(jobs or usable_cores()) as executor, progress():
        try:
            mapped = pipeline.map(files, folder, executor, verify=verify)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        for _, each in zip(track(files, "modules"), mapped, strict=True):
            found.append(each)
            if each.error is not None:
                click.echo(f"error: {each.file}: {each.error}", err=True)
            elif each.skipped and not as_json:
                click.echo(f"{each.output}: there already")
            elif not as_json:
                click.echo(f"{each.output}: {'; '.join(map(describe, each.reports)) or 'copied'}")
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found]))
    if any(each.error is not None for each in found):
        sys.exit(1)


@click.command()
@click.argument("name", required=False)
@json_flag
def passes(name: str | None, as_json: bool) -> None:
    """List the passes and their options, or tell all about the pass NAME."""
    import dataclasses
    import inspect
    from typing import cast

    from wasmir.pipeline import available_passes, find_pass

    if name is None:
        wanted = {known: load() for known, load in available_passes().items()}
    else:
        wanted = {name: find_pass(name)}
    listed = []
    for known, class_ in wanted.items():
        documentation = inspect.getdoc(class_) or ""
        options = [
            {
                "name": option.name,
                "type": str(option.type),
                "default": option.default,
                "help": option.metadata.get("help", ""),
            }
            for option in dataclasses.fields(cast("Any", class_))
        ]
        about = documentation if name is not None else documentation.split("\n")[0]
        listed.append({"name": known, "summary": about, "options": options})
    if as_json:
        click.echo(json.dumps(listed))
        return
    for each in listed:
        click.echo(f"{each['name']}: {each['summary']}")
        if name is not None:
            click.echo("\nOptions:\n" if each["options"] else "\nIt has no options.")
        for option in cast("list[dict[str, Any]]", each["options"]):
            spelled = f"{option['name']}={str(option['default']).lower()}"
            click.echo(f"    {spelled:<20} {option['help']}")
