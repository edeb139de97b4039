"""Pieces of JavaScript as hosts of modules, for tests of what a module is to its host."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any, Final

from corpus.engine import EngineError, arguments

__all__ = ["javascript"]

_SCRIPT: Final = Path(__file__).with_suffix(".mjs")


def javascript(
    code: str,
    *,
    timeout: float = 120,
    node: Path | None = None,
    **given: Any,  # noqa: ANN401 - JSON
) -> Any:  # noqa: ANN401 - JSON
    """What the code returns, which is the body of an async function, run by Node, or another one.

    Its variables are what is given: modules of ``bytes`` (as WebAssembly.Module), all else as JSON
    has it; and the functions that :file:`javascript.mjs` has. Raises EngineError where Node fails.
    """
    modules = {
        name: base64.b64encode(value).decode()
        for name, value in given.items()
        if isinstance(value, bytes)
    }
    values = {name: value for name, value in given.items() if name not in modules}
    request = {"code": code, "modules": modules, "values": values}
    done = subprocess.run(
        [*arguments(node), _SCRIPT],
        input=json.dumps(request).encode(),
        capture_output=True,
        check=False,
        timeout=timeout,
    )
    if done.returncode != 0:
        raise EngineError(done.stderr.decode(errors="replace").strip()[-4000:])
    return json.loads(done.stdout)
