"""Many modules, judged by wasmir and by wasm-tools, on all cores: ``python -m tests.validate``.

Started with the Python of the test environment: ``.venv/bin/python -m tests.validate``. Each module
has a number, and is the same every time; a later run goes on from another number with ``--first``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from tests.validate.agreement import KINDS, cases, features_of, judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main", "run"]

CHUNK = 200


@dataclass
class Chunk:
    """Modules of one kind, and what came of them."""

    kind: str
    numbers: range
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    modules: dict[str, bytes] = field(default_factory=dict)


def main(arguments: Sequence[str]) -> int:
    """Judge the modules; 1 if the verdicts differ anywhere."""
    parser = argparse.ArgumentParser(prog="python -m tests.validate", description=__doc__)
    parser.add_argument("--modules", type=int, default=20_000, help="how many in all")
    parser.add_argument("--first", type=int, default=0, help="the number of the first of a kind")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only these (default: all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, help="a folder for the modules that differ")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    outcomes: dict[str, Counter[str]] = {}
    failures: list[str] = []
    # Not forked: whoever calls this may have threads.
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        waiting = [
            pool.submit(run, chunk)
            for chunk in _chunks(options.modules, options.first, options.kind or list(KINDS))
        ]
        for future in as_completed(waiting):
            chunk = future.result()
            outcomes.setdefault(chunk.kind, Counter()).update(chunk.outcomes)
            failures += chunk.failures
            if options.keep is not None:
                options.keep.mkdir(parents=True, exist_ok=True)
                for name, data in chunk.modules.items():
                    (options.keep / name).write_bytes(data)
    for kind, counts in sorted(outcomes.items()):
        told = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.most_common())
        print(f"{kind:18}{counts.total():>9,}: {told}")
    for failure in failures[:40]:
        print(failure)
    total = sum(counts.total() for counts in outcomes.values())
    took = time.monotonic() - start
    print(f"{total:,} modules in {took:.0f} s, {len(failures):,} different verdicts")
    return 1 if failures else 0


def _chunks(modules: int, first: int, kinds: list[str]) -> Iterator[Chunk]:
    shares = sum(KINDS[kind][0] for kind in kinds)
    for kind in kinds:
        count = round(modules * KINDS[kind][0] / shares)
        for start in range(first, first + count, CHUNK):
            yield Chunk(kind, range(start, min(start + CHUNK, first + count)))


def run(chunk: Chunk) -> Chunk:
    """Judge the modules of a chunk."""
    for number, data in cases(chunk.kind, chunk.numbers):
        try:
            verdicts = judge(data, features_of(chunk.kind, number))
        except Exception:  # noqa: BLE001 - whatever it is, it is reported
            chunk.outcomes["FAILED"] += 1
            chunk.failures.append(f"{chunk.kind} {number}: {traceback.format_exc()}")
            chunk.modules[f"{chunk.kind}-{number}.wasm"] = data
            continue
        chunk.outcomes[verdicts.kind] += 1
        if verdicts.kind == "DIFFERENT":
            chunk.failures.append(
                f"{chunk.kind} {number}: wasmir: {verdicts.ours}\n    wasm-tools: {verdicts.theirs}"
            )
            chunk.modules[f"{chunk.kind}-{number}.wasm"] = data
    return chunk


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
