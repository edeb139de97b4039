"""Running passes on a module and telling what they did, for every command that does so."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING

import click

from wasmir.cli.common import fail, naming, progress, read, shown, table, write
from wasmir.errors import PassError, WasmError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wasmir.ir.module import Module
    from wasmir.pipeline import PassReport, Pipeline, Verify

__all__ = ["describe", "timings", "transform", "verification"]


def verification(verify: bool | None) -> Verify:
    from wasmir.pipeline import Verify

    if verify is None:
        return Verify.THIRD_PARTY
    return Verify.END if verify else Verify.NEVER


def transform(
    file: str,
    output: str | None,
    pipeline: Pipeline,
    verify: Verify,
    jobs: int | None,
    *,
    as_json: bool,
    strip_stale: bool = False,
    time_passes: bool = False,
    module: Module | None = None,
) -> None:
    """Run passes on a module and write it; without ``output`` only say what they did."""
    start = time.perf_counter()
    if module is None:
        module = read(file)
    with _explaining(file, pipeline), naming(file), progress():
        from wasmir.ir.fork import default_jobs

        processes = default_jobs(module) if jobs is None else jobs
        reports, encoded = pipeline.run_and_encode(module, verify=verify, jobs=processes)
    stale = {name: why for report in reports for name, why in report.stale.items()}
    if strip_stale:
        for custom in module.customs:
            if custom.name in stale:
                module.remove_custom(custom)
        encoded = module.encode()
        if reports:
            reports[-1].bytes_out = encoded.size
    if output is not None:
        write(encoded, output)
    # Standard output may be the module.
    to_stderr = output == "-"
    if as_json:
        from dataclasses import asdict

        click.echo(json.dumps([asdict(report) for report in reports]), err=to_stderr)
        return
    elapsed = time.perf_counter() - start
    for report in reports:
        click.echo(describe(report), err=to_stderr)
        for note in report.notes:
            click.echo(f"note: {note}", err=to_stderr)
    if stale and not strip_stale:
        for name, why in stale.items():
            click.echo(f"warning: custom section {name!r} {why}", err=True)
    if time_passes:
        click.echo(timings([reports], elapsed), err=to_stderr)


@contextmanager
def _explaining(file: str, pipeline: Pipeline) -> Iterator[None]:
    """Passes that aren't built in may raise anything; the user hears what, and where in it."""
    try:
        yield
    except (PassError, click.ClickException):
        raise
    except Exception as error:
        from wasmir.pipeline.passes import is_built_in
        from wasmir.pipeline.scripts import explain_failure

        if all(map(is_built_in, pipeline.passes)):
            raise
        told = explain_failure(error)
        fail(told if isinstance(error, WasmError) else f"{shown(file)}: {told}")


def timings(runs: list[list[PassReport]], elapsed: float) -> str:
    """A table of what each pass took, on all modules together, and what else took time."""
    # Of many modules, several are worked on at a time, and shares would mean nothing.
    alone = len(runs) == 1
    rows = [["", "seconds", "share", "functions", "bytes in", "bytes out"]]

    def add(name: str, seconds: float, counts: Iterable[int] = (), *, share: bool = alone) -> None:
        part = f"{seconds / elapsed:.1%}" if share else ""
        rows.append([name, f"{seconds:.3f}", part, *(f"{count:,}" for count in counts)])

    spent = 0.0
    for reports in zip_longest(*runs):
        of_one = [each for each in reports if each is not None]
        seconds = sum(each.seconds or 0 for each in of_one)
        spent += seconds
        counts = (
            sum(each.functions for each in of_one),
            sum(each.bytes_in or 0 for each in of_one),
            sum(each.bytes_out or 0 for each in of_one),
        )
        add(of_one[0].name, seconds, counts)
    if alone:
        add("all else", max(0.0, elapsed - spent))
    add("wall time", elapsed, share=False)
    return table(rows)


def describe(report: PassReport) -> str:
    counts = "".join(f", {count} {name}" for name, count in report.counts.items())
    before, after = report.bytes_in or 0, report.bytes_out or 0
    change = f"{100 * (after - before) / before:+.2f}%" if before else ""
    functions = "function" if report.functions == 1 else "functions"
    return (
        f"{report.name}: {report.functions} {functions} changed{counts}; "
        f"{before:,} -> {after:,} bytes ({change}) in {report.seconds or 0:.2f} s"
    )
