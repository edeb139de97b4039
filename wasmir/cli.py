"""The ``wasmir`` command.

Exit status 0; 1 with ``error: ...`` on stderr for a module that can't be processed; 2 for bad
usage. Output appears whole or not at all. ``-`` stands for the standard streams.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

from wasmir.errors import PassError, UnsupportedError, WasmError
from wasmir.ir.module import Module

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wasmir.engines import Support, Verdict
    from wasmir.features import Feature
    from wasmir.ir.encoded import Encoded
    from wasmir.pipeline import PassReport, Pipeline, Verify
    from wasmir.summary import Summary

__all__ = ["cli"]


class _Commands(click.Group):
    """Turns what can go wrong with a module into one line and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PassError as error:
            # The pipeline's text is usage.
            raise click.UsageError(str(error), ctx) from None
        except WasmError as error:
            _fail(str(error))
        except BrokenPipeError:
            # Whoever read our output has seen enough. Python would complain at exit.
            sys.stderr.close()
            sys.exit(1)
        except OSError as error:
            named = f"{error.filename}: " if error.filename else ""
            _fail(f"{named}{error.strerror or error}")


def _fail(message: str) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    sys.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wasmir")
def cli() -> None:
    """Read, transform and write WebAssembly modules."""


_input = click.argument("file", metavar="IN")
_output = click.option(
    "-o", "--output", metavar="OUT", required=True, help="Where to write; - for standard output."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


@contextmanager
def _naming(file: str) -> Iterator[None]:
    """Errors about a module say which file it came from."""
    try:
        yield
    except PassError:
        raise
    except WasmError as error:
        error.reason = f"{'standard input' if file == '-' else file}: {error.reason}"
        raise


def _read(file: str) -> Module:
    with _naming(file):
        return _module(file)


def _module(file: str) -> Module:
    if file == "-":
        return Module.from_bytes(sys.stdin.buffer.read())
    return Module.from_file(file)


def _write(encoded: Encoded, output: str) -> None:
    if output == "-":
        if sys.stdout.isatty():
            raise click.UsageError("a module is binary; redirect the output or name a file")
        sys.stdout.buffer.writelines(encoded.pieces)
        sys.stdout.buffer.flush()
    else:
        encoded.save(output)


@contextmanager
def _progress() -> Iterator[None]:
    """Progress bars on stderr, where that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress

    from wasmir.pipeline import observe_progress

    # Drawn when there is news, and by no thread: only a process without threads can be forked.
    console = Console(stderr=True)
    with Progress(console=console, transient=True, auto_refresh=False) as progress:

        def tracker(items: Sequence[Any], what: str) -> Iterable[Any]:
            task = progress.add_task(what, total=len(items))
            # Telling the bar costs more than many an item takes.
            step = max(1, len(items) // 200)
            for done, item in enumerate(items):
                yield item
                if done % step == 0:
                    progress.update(task, completed=done, refresh=True)
            progress.update(task, completed=len(items), refresh=True)

        with observe_progress(tracker):
            yield


_verify = click.option(
    "--verify/--no-verify",
    default=None,
    help="Check that what comes out is valid. Of passes that aren't built in that is the default.",
)

_jobs = click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    help="Processes that share the work; by default one per core, and one for small modules.",
)


@cli.command()
@click.argument("files", metavar="IN...", nargs=-1, required=True)
@_output
@click.option("-p", "--pipeline", "text", required=True, help="Passes, as in `gc,strip{...}`.")
@_verify
@click.option("--verify-each", is_flag=True, help="Check after each pass.")
@_jobs
@_json
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
        _write(_read(file).encode(), output)
        if as_json:
            click.echo("[]", err=output == "-")
        return
    from wasmir.pipeline import Pipeline

    pipeline = Pipeline.parse(text)
    wanted = _wanted(verify, verify_each)
    _transform(file, output, pipeline, wanted, jobs, as_json=as_json, strip_stale=False)


def _wanted(verify: bool | None, each: bool) -> Verify:
    from wasmir.pipeline import Verify

    return Verify.EACH if each else _verification(verify)


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
    with ProcessPoolExecutor(jobs or usable_cores()) as executor, _progress():
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
                click.echo(f"{each.output}: {'; '.join(map(_describe, each.reports)) or 'copied'}")
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found]))
    if any(each.error is not None for each in found):
        sys.exit(1)


def _verification(verify: bool | None) -> Verify:
    from wasmir.pipeline import Verify

    if verify is None:
        return Verify.THIRD_PARTY
    return Verify.END if verify else Verify.NEVER


@cli.command("convert-eh")
@_input
@_output
@click.option(
    "--to",
    "dialect",
    type=click.Choice(["exnref", "legacy"]),
    required=True,
    help="The dialect to write.",
)
@click.option("--strip-stale", is_flag=True, help="Leave out debug information that went stale.")
@_verify
@_jobs
@_json
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
    wanted = _verification(verify)
    _transform(file, output, pipeline, wanted, jobs, as_json=as_json, strip_stale=strip_stale)


@cli.command()
@_input
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
@_verify
@_jobs
@_json
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
    module = _read(file)
    with _naming(file):
        if module.custom("wasmir.recovery") is not None:
            _fail(f"{file}: the module is recovered already; nothing is written")
        if target is not None:
            pipeline = _for_target(module, target, pipeline, options)
    _transform(
        file,
        None if explain else output,
        pipeline,
        _verification(verify),
        jobs,
        as_json=as_json,
        strip_stale=False,
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


def _transform(
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
        module = _read(file)
    with _naming(file), _progress():
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
        _write(encoded, output)
    # Standard output may be the module.
    to_stderr = output == "-"
    if as_json:
        from dataclasses import asdict

        click.echo(json.dumps([asdict(report) for report in reports]), err=to_stderr)
        return
    for report in reports:
        click.echo(_describe(report), err=to_stderr)
        for note in report.notes:
            click.echo(f"note: {note}", err=to_stderr)
    if stale and not strip_stale:
        for name, why in stale.items():
            click.echo(f"warning: custom section {name!r} {why}", err=True)


def _describe(report: PassReport) -> str:
    counts = "".join(f", {count} {name}" for name, count in report.counts.items())
    before, after = report.bytes_in or 0, report.bytes_out or 0
    change = f"{100 * (after - before) / before:+.2f}%" if before else ""
    functions = "function" if report.functions == 1 else "functions"
    return (
        f"{report.name}: {report.functions} {functions} changed{counts}; "
        f"{before:,} -> {after:,} bytes ({change}) in {report.seconds or 0:.2f} s"
    )


@cli.command()
@click.argument("name", required=False)
@_json
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


@cli.command()
@click.argument("files", metavar="FILES...", nargs=-1, required=True)
@click.option(
    "-f",
    "--features",
    metavar="LIST",
    help="What may be used, with commas, as in `wasm3,threads` or `-simd`; by default everything.",
)
@click.option("--all-errors", is_flag=True, help="Tell of one error in each function.")
@_jobs
@_json
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
    with warnings.catch_warnings(record=True) as caught, _progress():
        warnings.simplefilter("always")
        try:
            module = _module(file)
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


@cli.command("print")
@_input
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
@_jobs
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
    module = _read(file)
    with _naming(file), _progress():
        print_module(
            module,
            output,
            Style(names, offsets, folded),
            function=function,
            within=part,
            jobs=jobs,
            paint=coloured if painted else None,
        )


@cli.command("exec", context_settings={"ignore_unknown_options": True})
@_input
@click.argument("func")
@click.argument("args", nargs=-1)
@click.option(
    "--imports",
    "script",
    metavar="SCRIPT",
    type=click.Path(exists=True, dir_okay=False),
    help="Python whose `imports` is what the module imports, by module name and name.",
)
@click.option(
    "--trace-imports",
    "glob",
    metavar="GLOB",
    help="Call each export that matches FUNC, with nothing behind the imports, and list the calls "
    "of imports that match GLOB.",
)
@click.option("--skip", metavar="GLOB", multiple=True, help="Functions that aren't called then.")
@click.option("--fuel", type=click.IntRange(0), help="Stop after about so many instructions.")
@_json
def execute(
    file: str,
    func: str,
    args: tuple[str, ...],
    script: str | None,
    glob: str | None,
    skip: tuple[str, ...],
    fuel: int | None,
    as_json: bool,
) -> None:
    """Call the export FUNC of a module with ARGS, and print what it gives, a line for each result.

    Integers may be hexadecimal, as in 0x10; a vector is 32 hexadecimal digits; `null` is a
    reference.
    """
    from wasmir.interp import Func, Instance, trace_imports

    module = _read(file)
    with _naming(file):
        if glob is not None:
            traced = trace_imports(module, func, glob, skip=skip, fuel=fuel)
            _show_traced(traced, as_json=as_json)
            return
        instance = Instance(module, None if script is None else _imports_of(script), fuel=fuel)
        function = instance.exports.get(func)
        if not isinstance(function, Func):
            raise click.UsageError(f"{file} exports no function {func!r}")
        found = _outcome(function, _arguments(function, args))
    count = len(function.type.results)
    results = [] if not count else [found] if count == 1 else list(found)
    shown = [each.hex() if isinstance(each, bytes) else each for each in results]
    if as_json:
        click.echo(json.dumps([each if _is_plain(each) else repr(each) for each in shown]))
    else:
        for each in shown:
            click.echo("null" if each is None else str(each))


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, (int, float, str))


def _outcome(function: Any, values: list[Any]) -> Any:
    """Call a function; what it throws ends the command."""
    from wasmir.interp import WasmException

    try:
        return function(*values)
    except WasmException as exception:
        _fail(f"uncaught exception: {exception}")


def _arguments(function: Any, args: tuple[str, ...]) -> list[Any]:
    from wasmir.interp.values import from_host

    params = function.type.params
    if len(args) != len(params):
        raise click.UsageError(
            f"{function.name} takes {len(params)} arguments, not {len(args)}: {function.type}"
        )
    values = []
    for text, type_ in zip(args, params, strict=True):
        try:
            values.append(_argument(text, type_))
            from_host(values[-1], type_)
        except (TypeError, ValueError) as error:
            raise click.UsageError(str(error)) from None
    return values


def _argument(text: str, type_: Any) -> Any:
    from wasmir.types import NumType, RefType

    if isinstance(type_, RefType):
        if text != "null":
            raise ValueError(f"{type_}: only null can be given, not {text!r}")
        return None
    if type_ in (NumType.I32, NumType.I64):
        return int(text, 0)
    return bytes.fromhex(text) if type_ is NumType.V128 else float(text)


def _imports_of(script: str) -> Any:
    """What a script of the user's calls ``imports``."""
    import runpy

    found = runpy.run_path(script).get("imports")
    if found is None:
        raise click.UsageError(f"{script} has no `imports`")
    return found


def _show_traced(traced: dict[str, list[Any]], *, as_json: bool) -> None:
    if as_json:
        shown = {
            name: [list(map(_plain, each)) for each in calls] for name, calls in traced.items()
        }
        click.echo(json.dumps(shown))
        return
    for name, calls in traced.items():
        click.echo(f"{name}:")
        for each in calls:
            click.echo(f"  {each}")


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(map(_plain, value))
    return value if _is_plain(value) else repr(value)


@cli.command()
@_input
@_json
def info(file: str, as_json: bool) -> None:
    """Show a module's sections, counts, exception handling and features."""
    module = _read(file)
    from wasmir.pipeline import track
    from wasmir.summary import summarize

    with _naming(file), _progress():
        summary = summarize(module, lambda functions: track(functions, "reading code"))
    if as_json:
        click.echo(json.dumps(summary.as_dict()))
    else:
        _show(file, summary)


@cli.command()
@click.argument("file", metavar="[IN]", required=False)
@_json
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
    module = _read(file)
    from wasmir.pipeline import track
    from wasmir.summary import summarize

    with _naming(file), _progress():
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
