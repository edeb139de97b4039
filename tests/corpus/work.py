"""What every module of the corpus must go through: ``python -m tests.corpus.work WHAT IN [OUT]``.

As a program it does one of them, in a process of its own, and prints what it found as JSON with the
time and the memory that it took. It comes and goes as the ``wasmir`` command does: without the
cyclic collector, and without taking everything apart at the end.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support import CONVERTED, encoded, validation_error
from wasmir import Module, Pipeline, bulk_work, exception_dialect
from wasmir.summary import summarize

if TYPE_CHECKING:
    from wasmir import Function

__all__ = ["bodies", "convert", "round_trip", "validate", "validate_converted"]


def round_trip(path: Path) -> dict[str, Any]:
    """Read and written, before and after a look inside; and what ``wasmir info`` says of it."""
    data = path.read_bytes()
    module = Module.from_bytes(data)
    assert module.to_bytes() == data
    summary = summarize(module)
    assert module.to_bytes() == data
    return {
        "eh": summary.exceptions.dialect,
        "exceptions": summary.exceptions.instructions,
        "features": summary.features,
        "size": summary.size,
    }


def bodies(path: Path, every: int = 1) -> dict[str, Any]:
    """Every body, or one in so many, as a skeleton, as outlines and as instructions, each encoded
    again from its nodes: the same bytes.
    """
    data = path.read_bytes()
    module = Module.from_bytes(data)
    functions = outlines = 0
    with bulk_work():
        for function in module.functions[::every]:
            if function.imported is None:
                outlines += _body(function)
                functions += 1
    assert module.to_bytes() == data
    return {"functions": functions, "outlines": outlines}


def _body(function: Function) -> int:
    """One body in all depths; how many outlines there are of it."""
    code = function.code
    assert encoded(function) == code, f"function {function}, from its skeleton"
    function.close()
    found = 0
    for name in ("try", "try_table"):
        outline = function.outline_with(name)
        if outline is not None:
            outline.items = outline.items.copy()
            assert function.code == code, f"function {function}, from its outline"
            found += 1
        function.close()
    body = function.expand()
    assert not any(isinstance(item, bytes) for item in body)
    assert encoded(function) == code, f"function {function}, from its instructions"
    function.settle()
    assert function.code == code
    return found


def validate(path: Path, features: str = "all") -> dict[str, Any]:
    """Whether the module is valid, for wasmir."""
    error = validation_error(path.read_bytes(), features)
    return {"error": None if error is None else str(error)}


def validate_converted(path: Path) -> dict[str, Any]:
    """The same of a converted module, in which no legacy instruction may be."""
    return validate(path, CONVERTED)


def convert(path: Path, out: Path) -> dict[str, Any]:
    """Converted to exnref; where there is nothing to convert, the same bytes."""
    module = Module.from_file(path)
    legacy = exception_dialect(module) in {"legacy", "mixed"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # custom sections that go stale, and say so
        Pipeline.parse("legacy-to-exnref").run(module)
        module.save(out)
    if not legacy:
        assert out.read_bytes() == module.source, "changed, with nothing to convert"
    return {"growth": out.stat().st_size - len(module.source), "legacy": legacy}


_WORK = {
    work.__name__: work for work in (round_trip, bodies, validate, validate_converted, convert)
}


def main(what: str, *files: str) -> None:
    """Do one of them, and print what it found."""
    start = time.perf_counter()
    found = _WORK[what](*map(Path, files))
    found["seconds"] = time.perf_counter() - start
    found["peak"] = _peak()
    print(json.dumps(found))


def _peak() -> int | None:
    """The most memory that this process had, in bytes; ``None`` where that can't be told."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    # In kilobytes, but on macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    gc.disable()
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)
