"""``python -m tests.bench``: measure wasmir beside ``wasm-tools validate``, and other converters.

V is the time of single-threaded ``wasm-tools validate`` on the same file. It is measured before
each run of anything else, and every time is also given in V: the median of the ratios, which makes
numbers comparable between machines, and on one whose speed changes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpus.build import wasm_tools
from corpus.engine import EngineError
from corpus.files import write_whole
from corpus.manifest import CorpusError, externals, find
from tests.bench.measure import Command, interleaved, one_core
from tests.bench.rivals import fetch_wasm_opt, translation, wasm_opt

if TYPE_CHECKING:
    from collections.abc import Sequence

VALIDATE = "V: wasm-tools validate"
SMALL = ("cpp-legacy-O2", "legacy-deep")


def main(arguments: Sequence[str]) -> int:
    """Measure, print a table, and write JSON where asked."""
    options = _parser().parse_args(arguments)
    try:
        modules = [_path(name) for name in options.modules] or _default()
        if options.rivals:
            fetch_wasm_opt()
        results = []
        with one_core() as core:
            for path in modules:
                with tempfile.TemporaryDirectory(prefix="wasmir-bench-") as folder:
                    commands = _commands(path, Path(folder))
                    interleaved(commands[0], commands[1:], options.runs)
                    result = _result(path, commands)
                _print(result)
                results.append(result)
    except (CorpusError, EngineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        document = {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "core": core,
            "runs": options.runs,
            "modules": results,
        }
        write_whole(Path(options.json), (json.dumps(document, indent=2) + "\n").encode())
    failed = [row for result in results for row in result["rows"] if row["failure"]]
    return 1 if failed else 0


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
    parser.add_argument(
        "--rivals", action="store_true", help="fetch wasm-opt from npm if there is none"
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
        *(entry.path for entry in externals() if entry.fetched),
    ]


def _path(name: str) -> Path:
    if Path(name).is_file():
        return Path(name)
    entry = find(name)
    if not entry.path.is_file():
        raise CorpusError(f"{name} is not there; `python -m corpus fetch {name}` gets it")
    return entry.path


def _commands(path: Path, folder: Path) -> list[Command]:
    script = Path(sys.executable).parent / "wasmir"
    wasmir = [str(script)] if script.is_file() else [sys.executable, "-m", "wasmir"]
    work = [sys.executable, "-m", "tests.bench.work"]
    root = str(Path(__file__).resolve().parents[2])
    search = {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
    same, imported = folder / "same.wasm", folder / "imported.wasm"
    converted, rival = folder / "exnref.wasm", folder / "rival.wasm"
    one, file = {"RAYON_NUM_THREADS": "1"}, str(path)
    convert = ["convert-eh", file, "--to", "exnref", "-o", str(converted)]
    commands = [
        Command(VALIDATE, [wasm_tools(), "validate", "-f", "all", file], one),
        Command("python -c 'import wasmir'", [sys.executable, "-c", "import wasmir"]),
        Command("framing of all bodies", [*work, "framing", file], search),
        Command(
            "wasmir run -p '' (round trip)",
            [*wasmir, "run", file, "-p", "", "-o", str(same)],
            output=same,
        ),
        Command("skeleton of everything, in and out", [*work, "skeleton", file], search),
        Command("every instruction, in and out", [*work, "instructions", file], search),
        Command(
            "one added function import", [*work, "import", file, str(imported)], search, imported
        ),
        Command("wasmir validate", [*wasmir, "validate", "--jobs", "1", file]),
        Command("the same on two cores", [*work, "validate", file], search),
        Command("wasmir convert-eh --to exnref", [*wasmir, *convert], output=converted),
    ]
    other = wasm_opt()
    if other is not None:
        label, program = other
        # Its threads would share the one core with one another.
        one_thread = {"BINARYEN_CORES": "1"}
        commands.append(Command(label, translation(program, path, rival), one_thread, output=rival))
    return commands


def _result(path: Path, commands: Sequence[Command]) -> dict[str, Any]:
    size = path.stat().st_size
    rows = []
    for command in commands:
        row: dict[str, Any] = {"name": command.name, "failure": command.failure}
        if command.failure is None:
            row |= {
                "seconds": command.seconds,
                "v": 1.0 if command is commands[0] else command.ratio,
                "spread": command.spread,
                "peak_bytes": command.peak,
                "samples": [[sample.seconds, sample.peak] for sample in command.samples],
            }
            if command.output is not None:
                row["growth_percent"] = 100 * (command.output.stat().st_size - size) / size
        rows.append(row)
    return {"module": path.name, "bytes": size, "rows": rows}


def _print(result: dict[str, Any]) -> None:
    width = max(len(row["name"]) for row in result["rows"])
    print(f"\n{result['module']}: {result['bytes']:,} bytes")
    print(f"  {'':{width}}  {'seconds':>8} {'V':>7} {'spread':>7} {'peak MB':>8} {'output':>8}")
    for row in result["rows"]:
        if row["failure"]:
            print(f"  {row['name']:{width}}  failed: {row['failure']}")
            continue
        ratio = "" if row["v"] is None else f"{row['v']:.2f}"
        growth = f"{row['growth_percent']:+.2f}%" if "growth_percent" in row else ""
        print(
            f"  {row['name']:{width}}  {row['seconds']:8.3f} {ratio:>7} {row['spread']:7.2f}"
            f" {row['peak_bytes'] / 1e6:8.0f} {growth:>8}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
