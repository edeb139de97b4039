"""A Python program in Pyodide, which `python -m corpus fetch pyodide` gets."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpus.manifest import External, find
from tests.support import fetched

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["in_pyodide", "pyodide"]


def pyodide() -> External:
    """The corpus's entry; skips the test where it isn't here."""
    entry = find("pyodide")
    assert isinstance(entry, External)
    fetched(entry)
    return entry


def in_pyodide(
    engine: Path,
    wheels: Sequence[Path],
    program: str,
    *,
    shared: Path,
    folder: Path | None = None,
) -> Any:  # noqa: ANN401 - JSON
    """What the program's last expression says, a JSON text, read.

    ``shared`` is its folder ``/shared``; ``folder`` is where Pyodide is, if not the fetched one.
    """
    request = {
        "pyodide": str(folder or pyodide().folder),
        "wheels": [str(path) for path in wheels],
        "shared": str(shared),
        "program": program,
    }
    result = subprocess.run(
        [engine, Path(__file__).parent / "run.mjs"],
        input=json.dumps(request).encode(),
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert result.returncode == 0, result.stderr.decode(errors="replace")[-4000:]
    return json.loads(result.stdout)
