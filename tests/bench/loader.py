"""``python -m tests.bench.loader``: what a call costs through the loader, in V8.

Beside it the same calls of the module as it was compiled, and of the recovered one without the
loader. The figures are medians of rounds in which all take turns.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.engine import EngineError
from corpus.manifest import CorpusError
from tests.modules import assembled
from tests.runtime.engines import LOADER, Program, node_answer
from tests.runtime.program import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["CALLS", "WAYS", "main", "measured"]

CALLS = {
    "step": "no parameter",
    "call": "one parameter, calls the host",
    "add": "two parameters",
    "five": "five parameters, one of them a BigInt; two results",
}
"""The exports that are called."""

WAYS = ("as compiled", "gates alone", "through the loader")


def measured(count: int, rounds: int, notice: str = "host") -> Mapping[str, Mapping[str, float]]:
    """Nanoseconds for each call, by export and way. Raises EngineError, CorpusError."""
    with tempfile.TemporaryDirectory(prefix="wasmir-loader-") as name:
        folder = Path(name)
        before, after = folder / "plain.wasm", folder / "guarded.wasm"
        before.write_bytes(assembled(plain("exnref")))
        after.write_bytes(Program("passes", notice, "exnref", reset=True).data)
        request = {
            "loader": str(LOADER),
            "plain": str(before),
            "guarded": str(after),
            "count": count,
            "rounds": rounds,
        }
        return node_answer("time.mjs", request)  # type: ignore[no-any-return]  # JSON


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.loader",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, default=1_000_000, help="calls in a round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--notice", choices=["host", "wasm"], default="host")
    options = parser.parse_args(arguments)
    try:
        found = measured(options.count, options.rounds, options.notice)
    except (CorpusError, EngineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{'ns for a call':52}" + "".join(f"{way:>20}" for way in WAYS))
    for name, times in found.items():
        print(f"{CALLS[name]:52}" + "".join(f"{times[way]:20.1f}" for way in WAYS))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
