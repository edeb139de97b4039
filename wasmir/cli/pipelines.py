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
from wasmir.cli.running import describe, timings, transform, verification

if TYPE_CHECKING:
    from wasmir.pipeline import Pass, Pipeline, Verify

__all__ = ["passes", "run"]


@click.command()
@click.argument("files", metavar="IN...", nargs=-1, required=True)
@output_file
@click.option(
    "-p",
    "--pipeline",
    "text",
    help="Passes, as in `gc,strip{...}`, or a TOML file that has them, as in `passes.toml`.",
)
@click.option(
    "--script",
    "scripts",
    metavar="FILE",
    multiple=True,
    help="Python with passes, or with `run(module)`; without -p that is what runs.",
)
@click.option("--stop-after", metavar="PASS", help="Leave out what comes behind: a name or place.")
@click.option("--time-passes", is_flag=True, help="Show a table of what each pass took.")
@verify_flag
@click.option("--verify-each", is_flag=True, help="Check after each pass.")
@jobs_option
@json_flag
def run(
    files: tuple[str, ...],
    output: str,
    text: str | None,
    scripts: tuple[str, ...],
    stop_after: str | None,
    time_passes: bool,
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

    one = len(files) == 1 and not Path(output).is_dir()
    if one and text is not None and not text.strip() and not (scripts or stop_after or time_passes):
        # The shortest way: nothing beyond the section walk is loaded.
        write(read(files[0]).encode(), output)
        if as_json:
            click.echo("[]", err=output == "-")
        return
    from wasmir.pipeline import Verify

    pipeline = _pipeline(text, scripts, stop_after)
    wanted = Verify.EACH if verify_each else verification(verify)
    if one:
        transform(
            files[0], output, pipeline, wanted, jobs, as_json=as_json, time_passes=time_passes
        )
    else:
        _run_all(files, output, pipeline, wanted, jobs, as_json=as_json, time_passes=time_passes)


def _pipeline(text: str | None, scripts: tuple[str, ...], stop_after: str | None) -> Pipeline:
    from wasmir.pipeline import Pipeline

    passes: dict[str, type[Pass]] = {}
    pipeline = None
    if scripts:
        from wasmir.pipeline.scripts import load_script

        loaded = [load_script(each) for each in dict.fromkeys(scripts)]
        for script in loaded:
            for each in script.passes:
                if each.name in passes:
                    raise click.UsageError(f"two scripts have a pass {each.name!r}")
                passes[each.name] = each
        if text is None and len(loaded) == 1:
            pipeline = loaded[0].pipeline
    if pipeline is None:
        if text is None:
            raise click.UsageError("-p PIPELINE is missing: it says which passes to run")
        read_text = Pipeline.from_file if text.strip().endswith(".toml") else Pipeline.parse
        pipeline = read_text(text.strip(), passes=passes.values())
    return pipeline if stop_after is None else pipeline.until(stop_after)


def _run_all(
    files: tuple[str, ...],
    folder: str,
    pipeline: Pipeline,
    verify: Verify,
    jobs: int | None,
    *,
    as_json: bool,
    time_passes: bool,
) -> None:
    """Run a pipeline on many files; exit code 1 where one failed."""
    import time
    from concurrent.futures import ProcessPoolExecutor
    from dataclasses import asdict

    from wasmir.ir.fork import usable_cores
    from wasmir.pipeline import track

    if "-" in files or folder == "-":
        raise click.UsageError("many modules are read from files, and written to a folder")
    start = time.perf_counter()
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
    elif time_passes:
        click.echo(timings([each.reports for each in found], time.perf_counter() - start))
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
