"""``python -m tests.corpus.check``: every module of others that was fetched, through everything.

For each, in processes of its own: read and written, every body encoded again from each depth of
looking, validated by wasmir and by wasm-tools, converted from legacy exception handling to exnref,
and the result validated by both. The table says what each took; a module that fails is told with
the reason, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpus.build import wasm_tools
from corpus.files import write_whole
from corpus.manifest import CorpusError, External, Module, externals, find
from tests.support import CONVERTED, ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Checked", "check", "main"]

_LIMIT = 3600.0
"""For one step of one module, in seconds."""

_STEPS = ("round_trip", "bodies", "validate", "convert", "validate_converted")


@dataclass
class Checked:
    """What became of one module."""

    name: str
    eh: str
    size: int
    seconds: dict[str, float] = field(default_factory=dict)
    """By step."""
    peaks: dict[str, int | None] = field(default_factory=dict)
    """The most memory of each step's process, in bytes."""
    growth: int = 0
    """What the conversion added, in bytes."""
    failures: list[str] = field(default_factory=list)


def check(entry: External) -> Checked:
    """Put one module, which must be there, through everything."""
    found = Checked(entry.name, entry.eh, entry.files[0].size)
    with tempfile.TemporaryDirectory(prefix="wasmir-check-") as folder:
        out = Path(folder) / "converted.wasm"
        for step, features, files in (
            ("round_trip", None, [entry.path]),
            ("bodies", None, [entry.path]),
            ("validate", "all", [entry.path]),
            ("convert", None, [entry.path, out]),
            ("validate_converted", CONVERTED, [out]),
        ):
            if not files[0].is_file():
                break  # the step before has failed, and has said so
            answer = _child(step, files)
            if isinstance(answer, str):
                found.failures.append(f"{step}: {answer}")
                continue
            found.seconds[step] = answer["seconds"]
            found.peaks[step] = answer["peak"]
            found.growth += answer.get("growth", 0)
            found.failures += _disagreements(entry, step, answer)
            if features is not None:
                found.failures += _verdicts(step, answer["error"], _verdict(files[0], features))
    return found


def _child(step: str, files: Sequence[Path]) -> dict[str, Any] | str:
    """What a process of its own found, or why it failed."""
    command = [sys.executable, "-m", "tests.corpus.work", step, *map(str, files)]
    try:
        result = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=_LIMIT
        )
    except subprocess.TimeoutExpired:
        return f"not done after {_LIMIT:.0f} s"
    if result.returncode == 0:
        answer: dict[str, Any] = json.loads(result.stdout)
        return answer
    lines = result.stderr.strip().splitlines() or ["no message"]
    return f"exit code {result.returncode}: {lines[-1]}"


def _disagreements(entry: External, step: str, answer: dict[str, Any]) -> list[str]:
    """Where the manifest says something else than what was found."""
    if step == "round_trip":
        said: dict[str, object] = {
            "eh": entry.eh,
            "exceptions": dict(entry.exceptions),
            "features": list(entry.features),
            "size": entry.files[0].size,
        }
    elif step == "convert":
        said = {"legacy": entry.eh == "legacy"}
    else:
        return []
    return [
        f"{step}: {what} is {answer[what]}, and the manifest says {wanted}"
        for what, wanted in said.items()
        if answer[what] != wanted
    ]


def _verdict(path: Path, features: str) -> str | None:
    """What wasm-tools has against a module."""
    result = subprocess.run(
        [wasm_tools(), "validate", "-f", features, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT,
    )
    return result.stderr.strip() if result.returncode else None


def _verdicts(step: str, ours: str | None, theirs: str | None) -> list[str]:
    return [
        f"{step}: {whose}: {error}"
        for whose, error in (("wasmir", ours), ("wasm-tools", theirs))
        if error is not None
    ]


def main(arguments: Sequence[str]) -> int:
    """Check, print a table, and write JSON where asked; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        chosen = _chosen(options.names, everything=options.all)
        wasm_tools()
    except CorpusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    results = []
    print(_HEAD)
    for entry in chosen:
        if not entry.fetched:
            print(f"{entry.name:22} not here; `python -m corpus fetch {entry.name}` gets it")
            continue
        results.append(check(entry))
        print(_row(results[-1]), flush=True)
        for failure in results[-1].failures:
            print(f"    {failure}", flush=True)
    if options.json:
        document = {"modules": [asdict(result) for result in results]}
        write_whole(Path(options.json), (json.dumps(document, indent=2) + "\n").encode())
    failed = [result.name for result in results if result.failures]
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed {' '.join(failed)}".rstrip())
    return 1 if failed or not results else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.corpus.check", description=__doc__)
    parser.add_argument(
        "names", metavar="NAME", nargs="*", help="only these (default: what the tests want)"
    )
    parser.add_argument("--all", action="store_true", help="those on request, too: many minutes")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there too")
    return parser


def _chosen(names: Sequence[str], *, everything: bool) -> list[External]:
    if not names:
        return [entry for entry in externals() if everything or not entry.on_request]
    found = []
    for name in names:
        entry = find(name)
        if isinstance(entry, Module):
            raise CorpusError(f"{name} is our own: the tests have it")
        found.append(entry)
    return found


_HEAD = (
    f"{'':22} {'':8} {'':>8}  {'seconds':<38} {'peak MB':>8}  {'output':>8}\n"
    f"{'module':22} {'eh':8} {'MB':>8}  {'read':>6} {'bodies':>7} {'valid':>7} {'convert':>8}"
    f" {'valid':>6} {'convert':>8} {'most':>6} {'growth':>8}"
)


def _row(result: Checked) -> str:
    def seconds(step: str) -> str:
        return f"{result.seconds[step]:.1f}" if step in result.seconds else "-"

    def megabytes(peaks: Sequence[int | None]) -> str:
        known = [peak for peak in peaks if peak is not None]
        return f"{max(known) / 1e6:.0f}" if known else "-"

    read, bodies, valid, convert, again = map(seconds, _STEPS)
    growth = f"{100 * result.growth / result.size:+.2f}%" if result.eh == "legacy" else "same"
    if any(failure.startswith("convert") for failure in result.failures):
        growth = "failed"
    return (
        f"{result.name:22} {result.eh:8} {result.size / 1e6:8.2f}  {read:>6} {bodies:>7} {valid:>7}"
        f" {convert:>8} {again:>6} {megabytes([result.peaks.get('convert')]):>8}"
        f" {megabytes([*result.peaks.values()]):>6} {growth:>8}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
