"""``python -m tests.bench``: measure wasmir beside ``wasm-tools validate``, and other tools.

V is the time of single-threaded ``wasm-tools validate`` on the same file. It is measured before
each run of anything else, and every time is also given in V: the median of the ratios, which makes
numbers comparable between machines, and on one whose speed changes. Everything runs on one core,
unless its name says otherwise, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpus.build import wasm_tools
from corpus.engine import EngineError
from corpus.files import write_whole
from corpus.manifest import CorpusError, externals, find
from tests.bench.growth import exponents
from tests.bench.measure import bytecode_kept, interleaved, one_core
from tests.bench.rivals import fetch_rivals
from tests.bench.rows import VALIDATE, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.rows import Row

SMALL = ("cpp-legacy-O2", "legacy-deep")


def main(arguments: Sequence[str]) -> int:
    """Measure, print a table, and write JSON where asked."""
    options = _parser().parse_args(arguments)
    try:
        modules = [_path(name) for name in options.modules] or _default()
        if options.rivals:
            fetch_rivals()
        results = []
        with one_core(), bytecode_kept():
            for path in modules:
                with tempfile.TemporaryDirectory(prefix="wasmir-bench-") as folder:
                    measured = list(
                        rows(path, Path(folder), passes=options.passes, rivals=not options.alone)
                    )
                    unit, *others = (row.command for row in measured)
                    interleaved(unit, others, options.runs)
                    result = _result(path, measured)
                _print(result)
                results.append(result)
    except (CorpusError, EngineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    growth = exponents(results)
    if growth:
        print("\ntime grows with size to the power of")
        for name, exponent in growth.items():
            print(f"  {name}: {exponent:.2f}")
    if options.json:
        document = {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "unit": _version(wasm_tools()),
            "runs": options.runs,
            "modules": results,
            "growth": growth,
        }
        write_whole(Path(options.json), (json.dumps(document, indent=2) + "\n").encode())
    # Other tools can't read every module, and a pass may refuse one, with its reason.
    every = (row for result in results for row in result["rows"])
    failed = [row for row in every if row["failure"] and row["ours"] and row["group"] != "passes"]
    return 1 if failed else 0


def _version(program: str) -> str:
    return subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "modules",
        metavar="MODULE",
        nargs="*",
        help="names in the corpus, or files (default: small ones, and all that were fetched)",
    )
    parser.add_argument("--runs", type=_positive, default=5, help="per command (default: 5)")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there too")
    parser.add_argument("--passes", action="store_true", help="measure every pass too")
    parser.add_argument("--alone", action="store_true", help="measure no other tools than the unit")
    parser.add_argument(
        "--rivals",
        action="store_true",
        help="get the other tools that aren't there: wasm-opt by npm, a Walrus runner by cargo, "
        "a reader in Python by pip",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _default() -> list[Path]:
    return [
        *(find(name).path for name in SMALL),
        *(entry.path for entry in externals() if entry.fetched and not entry.on_request),
    ]


def _path(name: str) -> Path:
    if Path(name).is_file():
        return Path(name)
    entry = find(name)
    if not entry.path.is_file():
        raise CorpusError(f"{name} is not there; `python -m corpus fetch {name}` gets it")
    return entry.path


def _result(path: Path, measured: Sequence[Row]) -> dict[str, Any]:
    size = path.stat().st_size
    found = []
    for group, command, ours in measured:
        row: dict[str, Any] = {
            "name": command.name,
            "group": group,
            "ours": ours,
            "failure": command.failure,
        }
        if command.failure is None:
            row |= {
                "seconds": command.seconds,
                "v": 1.0 if command.name == VALIDATE else command.ratio,
                "spread": command.spread,
                "peak_bytes": command.peak,
                "samples": [[sample.seconds, sample.peak] for sample in command.samples],
            }
            if command.output is not None:
                row["growth_percent"] = 100 * (command.output.stat().st_size - size) / size
        found.append(row)
    return {"module": path.name, "bytes": size, "rows": found}


def _print(result: dict[str, Any]) -> None:
    width = max(len(row["name"]) for row in result["rows"])
    print(f"\n{result['module']}: {result['bytes']:,} bytes")
    print(f"  {'':{width}}  {'V':>7} {'seconds':>8} {'spread':>7} {'peak MB':>8} {'output':>8}")
    for row in result["rows"]:
        if row["failure"]:
            print(f"  {row['name']:{width}}  failed: {row['failure']}")
            continue
        ratio = "" if row["v"] is None else f"{row['v']:.2f}"
        growth = f"{row['growth_percent']:+.2f}%" if "growth_percent" in row else ""
        print(
            f"  {row['name']:{width}}  {ratio:>7} {row['seconds']:8.3f} {row['spread']:7.2f}"
            f" {row['peak_bytes'] / 1e6:8.0f} {growth:>8}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
