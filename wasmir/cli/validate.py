"""``wasmir validate``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from wasmir.cli.common import jobs_option, json_flag, progress, read_unnamed
from wasmir.errors import WasmError

if TYPE_CHECKING:
    from wasmir.features import Feature

__all__ = ["validate"]


@click.command()
@click.argument("files", metavar="FILES...", nargs=-1, required=True)
@click.option(
    "-f",
    "--features",
    metavar="LIST",
    help="What may be used, with commas, as in `wasm3,threads` or `-simd`; by default everything.",
)
@click.option("--all-errors", is_flag=True, help="Tell of one error in each function.")
@jobs_option
@json_flag
def validate(
    files: tuple[str, ...], features: str | None, all_errors: bool, jobs: int | None, as_json: bool
) -> None:
    """Check that modules are valid.

    A line for each module, or for each error with --all-errors: which instruction of which function
    breaks which rule, at which byte. Modules that are valid, but that engines reject, get a
    warning.
    """
    from wasmir.features import feature_set

    try:
        allowed = None if features is None else feature_set(features)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    results = [_validated(file, allowed, all_errors, jobs, as_json=as_json) for file in files]
    if as_json:
        click.echo(json.dumps(results))
    if not all(result["valid"] for result in results):
        sys.exit(1)


def _validated(
    file: str,
    features: frozenset[Feature] | None,
    all_errors: bool,
    jobs: int | None,
    *,
    as_json: bool,
) -> dict[str, Any]:
    """Check one module, and tell what comes of it, unless that is for scripts."""
    import itertools
    import warnings

    from wasmir.ir.fork import default_jobs
    from wasmir.pipeline import track

    found: list[Exception] = []
    with warnings.catch_warnings(record=True) as caught, progress():
        warnings.simplefilter("always")
        try:
            module = read_unnamed(file)
            errors = module.find_errors(
                features=features,
                jobs=default_jobs(module) if jobs is None else jobs,
                track=lambda functions: track(functions, f"checking {file}"),
            )
            found += errors if all_errors else itertools.islice(errors, 1)
        except (WasmError, OSError) as error:
            found.append(error)
    if not as_json:
        for each in found:
            click.echo(f"error: {file}: {_told(each)}", err=True)
        for warning in caught:
            click.echo(f"warning: {file}: {warning.message}", err=True)
        if not found:
            click.echo(f"{file}: valid")
    return {
        "file": file,
        "valid": not found,
        "errors": [
            {
                "message": _told(each),
                "function": getattr(each, "function", None),
                "offset": getattr(each, "offset", None),
            }
            for each in found
        ],
        "warnings": [str(warning.message) for warning in caught],
    }


def _told(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
