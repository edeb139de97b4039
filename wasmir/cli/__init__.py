"""The ``wasmir`` command.

Exit status 0; 1 with ``error: ...`` on stderr for a module that can't be processed; 2 for bad
usage. Output appears whole or not at all. ``-`` stands for the standard streams.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any, cast

import click

from wasmir.cli.common import fail
from wasmir.errors import PassError, WasmError

__all__ = ["cli"]

# Where each command is, as module of this package and name in it: one command loads one module.
_COMMANDS = {
    "convert-eh": "exceptions:convert_eh",
    "diff": "diff:diff",
    "engines": "info:engines",
    "exec": "execute:execute",
    "graph": "graph:graph",
    "info": "info:info",
    "passes": "pipelines:passes",
    "print": "show:print_text",
    "recover": "exceptions:recover",
    "run": "pipelines:run",
    "validate": "validate:validate",
}


class _Commands(click.Group):
    """Loads commands when they are asked for, and turns what can go wrong with a module into one
    line and exit status 1.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        home = _COMMANDS.get(cmd_name)
        if home is None:
            return None
        module, _, name = home.partition(":")
        return cast("click.Command", getattr(importlib.import_module(f"{__name__}.{module}"), name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            from wasmir.suggest import suggestion

            ctx.fail(f"No such command {args[0]!r}{suggestion(args[0], _COMMANDS)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PassError as error:
            # The pipeline's text is usage.
            raise click.UsageError(str(error), ctx) from None
        except WasmError as error:
            fail(str(error))
        except BrokenPipeError:
            # Whoever read our output has seen enough.
            sys.exit(1)
        except OSError as error:
            named = f"{error.filename}: " if error.filename else ""
            fail(f"{named}{error.strerror or error}")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wasmir")
def cli() -> None:
    """Read, transform and write WebAssembly modules."""
