"""``python -m tests.bench.throws``: what a throw costs in V8, by how its handlers were converted.

One small function for each way that compilers use handlers; each repetition throws once, through
it, and catches further out. The figures are medians of rounds in which all modules take turns.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.build import wasm_tools
from corpus.engine import EngineError, run_script
from corpus.manifest import CorpusError
from wasmir import Module
from wasmir.passes import LegacyToExnref

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SHAPES", "WAYS", "main", "measured"]

SHAPES = {
    "cleanup": "try call $throw catch_all call $note rethrow 0 end call $note",
    "two cleanups in a row": (
        "try call $note catch_all call $note rethrow 0 end "
        "try call $throw catch_all call $note rethrow 0 end call $note"
    ),
    "three nested cleanups": (
        "try try try call $throw catch_all call $note rethrow 0 end "
        "catch_all call $note rethrow 0 end catch_all call $note rethrow 0 end call $note"
    ),
    "cleanup in a catch": (
        "try try call $throw catch_all call $note rethrow 0 end catch_all call $note end call $note"
    ),
    "delegate to a handler further out": (
        "try try try call $throw delegate 1 catch $other end catch_all call $note end call $note"
    ),
    "delegate to the caller": "try try call $throw delegate 1 catch $other end call $note",
}
"""Legacy code, by what it is."""

WAYS: dict[str, dict[str, bool]] = {
    "exnref": {},
    "hoist=false": {"hoist": False},
    "share=false": {"share": False},
    "jump=true": {"jump": True},
}
"""Options of the conversion."""

_MODULE = """(module
  (tag $e) (tag $other)
  (global $noted (mut i32) (i32.const 0))
  (func $throw throw $e)
  (func $note global.get $noted i32.const 1 i32.add global.set $noted)
  {functions})"""
_SHAPE = """
  (func $f{number} {code})
  (func (export "f{number}") (param $count i32)
    loop
      try call $f{number} catch_all end
      local.get $count i32.const 1 i32.sub local.tee $count
      br_if 0
    end)"""


def measured(count: int, rounds: int) -> dict[str, dict[str, float]]:
    """Nanoseconds for each throw, by shape and way. Raises EngineError, CorpusError."""
    functions = [
        _SHAPE.format(number=number, code=code) for number, code in enumerate(SHAPES.values())
    ]
    with tempfile.TemporaryDirectory(prefix="wasmir-throws-") as name:
        folder = Path(name)
        text = folder / "throws.wat"
        text.write_text(_MODULE.format(functions="".join(functions)), encoding="utf-8")
        paths = {"legacy": folder / "legacy.wasm"}
        subprocess.run([wasm_tools(), "parse", text, "-o", paths["legacy"]], check=True, timeout=60)
        for way, options in WAYS.items():
            opened = Module.from_file(paths["legacy"])
            LegacyToExnref(**options).run(opened)
            paths[way] = folder / f"{len(paths)}.wasm"
            opened.save(paths[way])
        request = {
            "modules": [str(path) for path in paths.values()],
            "exports": [f"f{number}" for number in range(len(SHAPES))],
            "count": count,
            "rounds": rounds,
        }
        answer = run_script("time.mjs", request)
    return {
        shape: {way: times[number] for way, times in zip(paths, answer, strict=True)}
        for number, shape in enumerate(SHAPES)
    }


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.throws",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, default=100_000, help="throws in a round")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args(arguments)
    try:
        found = measured(options.count, options.rounds)
    except (CorpusError, EngineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    ways = ["legacy", *WAYS]
    print(f"{'ns for a throw':36}" + "".join(f"{way:>14}" for way in ways))
    for shape, times in found.items():
        print(f"{shape:36}" + "".join(f"{times[way]:14.0f}" for way in ways))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
