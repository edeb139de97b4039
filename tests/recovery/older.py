"""A Node that has only the legacy dialect, where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

__all__ = ["older_node"]

_FIRST = 17
"""From this version on Node has exception handling."""


def older_node() -> Path:
    """The Node on the path, which may have the legacy dialect only; skips where there is none."""
    found = _found()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@cache
def _found() -> Path | str:
    found = shutil.which("node")
    if found is None:
        return "no node on the path; Node 20 is one that has the legacy dialect only"
    done = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    match = re.fullmatch(r"v(\d+)\..*\s*", done.stdout)
    if match is None or int(match[1]) < _FIRST:
        return f"{found} is {done.stdout.strip()}; Node has exception handling from {_FIRST} on"
    return Path(found)
