"""``wasmir exec``."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from wasmir.cli.common import fail, input_file, json_flag, naming, read

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["execute"]


@click.command("exec", context_settings={"ignore_unknown_options": True})
@input_file
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
@click.option("--until", metavar="GLOB", help="Imports at whose call it ends then.")
@click.option("--fuel", type=click.IntRange(0), help="Stop after about so many instructions.")
@json_flag
def execute(
    file: str,
    func: str,
    args: tuple[str, ...],
    script: str | None,
    glob: str | None,
    skip: tuple[str, ...],
    until: str | None,
    fuel: int | None,
    as_json: bool,
) -> None:
    """Call a function of a module with ARGS, and print what it gives, a line for each result. FUNC
    is an export, or the function's index or name.

    Integers may be hexadecimal, as in 0x10; a vector is 32 hexadecimal digits; `null` is a
    reference.
    """
    from wasmir.errors import InvalidError
    from wasmir.interp import Func, Instance, trace_imports
    from wasmir.printing import find_function

    module = read(file)
    with naming(file):
        if glob is not None:
            with _uncaught():
                traced = trace_imports(module, func, glob, until=until, skip=skip, fuel=fuel)
            _show_traced(traced, as_json=as_json)
            return
        instance = Instance(module, None if script is None else _imports_of(script), fuel=fuel)
        function = instance.exports.get(func)
        if not isinstance(function, Func):
            try:
                function = instance.entity(find_function(module, func))
            except InvalidError as error:
                raise click.UsageError(str(error)) from None
        values = _arguments(function, args)
        with _uncaught():
            found = function(*values)
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


@contextmanager
def _uncaught() -> Iterator[None]:
    """What is thrown in there ends the command."""
    from wasmir.interp import EmscriptenException, WasmException

    try:
        yield
    except (WasmException, EmscriptenException) as exception:
        fail(f"uncaught exception: {exception}")


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
