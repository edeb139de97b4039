"""Running passes on a module and telling what they did, for every command that does so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from wasmir.cli.common import naming, progress, read, write

if TYPE_CHECKING:
    from wasmir.ir.module import Module
    from wasmir.pipeline import PassReport, Pipeline, Verify

__all__ = ["describe", "transform", "verification"]


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
    strip_stale: bool,
    module: Module | None = None,
) -> None:
    """Run passes on a module and write it; without ``output`` only say what they did."""
    if module is None:
        module = read(file)
    with naming(file), progress():
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
    for report in reports:
        click.echo(describe(report), err=to_stderr)
        for note in report.notes:
            click.echo(f"note: {note}", err=to_stderr)
    if stale and not strip_stale:
        for name, why in stale.items():
            click.echo(f"warning: custom section {name!r} {why}", err=True)


def describe(report: PassReport) -> str:
    counts = "".join(f", {count} {name}" for name, count in report.counts.items())
    before, after = report.bytes_in or 0, report.bytes_out or 0
    change = f"{100 * (after - before) / before:+.2f}%" if before else ""
    functions = "function" if report.functions == 1 else "functions"
    return (
        f"{report.name}: {report.functions} {functions} changed{counts}; "
        f"{before:,} -> {after:,} bytes ({change}) in {report.seconds or 0:.2f} s"
    )
