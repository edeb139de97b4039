"""``python -m wasmir``, and what the ``wasmir`` command starts."""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Run the command line and leave."""
    # A command is over before there is garbage worth looking for, and looking costs more the more
    # objects there are.
    gc.disable()
    from wasmir.cli import cli

    code: int | str | None = 1
    try:
        cli(prog_name="wasmir")
    except SystemExit as leaving:
        code = leaving.code
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
        code = 1
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 1
    # All is written. Taking hundreds of thousands of objects apart one by one would take longer
    # than many a module does.
    os._exit(code or 0)


if __name__ == "__main__":
    main()
