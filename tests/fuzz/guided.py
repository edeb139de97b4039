"""``python -m tests.fuzz.guided --seconds N``: fuzzing that is guided by coverage, with atheris.

atheris (libFuzzer for Python) notes which branches of wasmir an input takes, keeps inputs that take
new ones, and mutates those. It begins with ``tests/fuzz/kept``, a small set of inputs that it found
itself, grown from the seeds of :mod:`tests.fuzz.cases`; what it finds is put into the cache, and
with ``--keep`` whatever adds coverage goes into ``tests/fuzz/kept`` as well.

``pip install atheris`` gets it where it has a wheel: Linux, CPython 3.11 to 3.13. It isn't among
the test tools because nothing but this command needs it.

An input that fails is written beside the cache's and named at the end. What was mended becomes a
case in ``tests/fuzz/test_found.py``.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.manifest import cache_folder
from tests.fuzz.cases import seeds
from tests.fuzz.examine import examine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, FrameType

    from _typeshed import TraceFunction

    Step = tuple[CodeType, int, int]

KEPT = Path(__file__).parent / "kept"
ROOT = Path(__file__).parent.parent.parent
LARGEST = 1024
"""No input is larger, in bytes; one that is kept is half of that at most."""


def main(arguments: Sequence[str]) -> int:
    """Fuzz for a while; 1 if something failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--keep", action="store_true", help="add to tests/fuzz/kept")
    parser.add_argument("--seed", type=int, default=0, help="libFuzzer's; 0 is another every time")
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("atheris") is None:
        print(
            "error: atheris is not installed. `.venv/bin/pip install atheris` gets it, on Linux "
            "with CPython 3.11 to 3.13.",
            file=sys.stderr,
        )
        return 1
    work = cache_folder() / "fuzz"
    inputs, failures = work / "inputs", work / "failures"
    for folder in (inputs, failures):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(failures.iterdir())
    with tempfile.TemporaryDirectory(prefix="wasmir-fuzz-") as name:
        start = Path(name)
        for seed, data in seeds().items():
            if len(data) <= LARGEST:
                (start / seed).write_bytes(data)
        folders = [str(inputs), *([str(KEPT)] if KEPT.is_dir() else []), str(start)]
        output = _libfuzzer(failures, options.seed, options.seconds, folders)
    if options.keep:
        _keep(inputs)
    runs = re.search(r"Done (\d+) runs in (\d+) second", output)
    covered = re.findall(r"cov: (\d+) ft: (\d+) corp: (\S+)", output)
    if covered:
        print("branches {}, features {}, inputs {}".format(*covered[-1]))
    new = sorted(set(failures.iterdir()) - before)
    for path in new:
        print(f"FAILED: {path}")
    if runs is None:
        print(output[-4000:], file=sys.stderr)
        print("error: libFuzzer was not done", file=sys.stderr)
        return 1
    print(f"{int(runs[1]):,} executions in {runs[2]} s, {len(new)} failures")
    return 1 if new else 0


def _libfuzzer(failures: Path, seed: int, seconds: int, folders: list[str]) -> str:
    """Run the target in a process of its own, which libFuzzer ends; what it said."""
    command = [sys.executable, "-m", "tests.fuzz.guided_target", str(failures)]
    command += [f"-max_total_time={seconds}", f"-max_len={LARGEST}", f"-seed={seed}"]
    command += [f"-artifact_prefix={failures}/", "-rss_limit_mb=2048", "-timeout=20"]
    command += ["-print_final_stats=1", *folders]
    return _said(command, seconds + 600)


def _keep(inputs: Path) -> None:
    """Those that, from the smallest on, take a step from line to line that none before took."""
    found = {path.read_bytes() for folder in (inputs, KEPT) for path in folder.glob("*")}
    small = sorted((data for data in found if len(data) <= LARGEST // 2), key=lambda d: (len(d), d))
    known: set[Step] = set()
    chosen = []
    for data in small:
        steps = _steps(data)
        if not steps <= known:
            known |= steps
            chosen.append(data)
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir()
    for data in chosen:
        (KEPT / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    print(f"{len(chosen)} inputs kept, {sum(map(len, chosen)):,} bytes")


def _steps(data: bytes) -> set[Step]:
    """The steps from line to line that wasmir takes with an input."""
    seen: set[Step] = set()
    last: dict[FrameType, int] = {}

    def trace(frame: FrameType, event: str, _argument: object) -> TraceFunction | None:
        if event == "call" and "wasmir" not in frame.f_globals.get("__name__", ""):
            return None
        if event == "line":
            seen.add((frame.f_code, last.get(frame, 0), frame.f_lineno))
            last[frame] = frame.f_lineno
        elif event == "return":
            last.pop(frame, None)
        return trace

    sys.settrace(trace)
    try:
        examine(data)
    finally:
        sys.settrace(None)
    return seen


def _said(command: list[str], timeout: float) -> str:
    result = subprocess.run(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=timeout,
    )
    return result.stdout.decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
