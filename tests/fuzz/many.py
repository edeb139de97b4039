"""Many random cases, on all cores: ``python -m tests.fuzz``.

Started with the Python of the test environment: ``.venv/bin/python -m tests.fuzz``. Each case has a
number, and is the same every time; a later run goes on from another number with ``--first``.
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
from typing import TYPE_CHECKING

from tests.fuzz.cases import SHARES, case
from tests.fuzz.examine import HangError, examine, watched

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHUNK = 2000
MEMORY = 1 << 31
"""What a process may have at most, in bytes: a blow-up becomes a MemoryError, which is reported."""


@dataclass
class Chunk:
    """Cases of one maker, and what came of them."""

    maker: str
    first: int
    count: int
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def main(arguments: Sequence[str]) -> int:
    """Try the cases; 1 if any went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000, help="how many in all")
    parser.add_argument("--first", type=int, default=0, help="the number of the first of a maker")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    start = time.monotonic()
    outcomes: dict[str, Counter[str]] = {maker: Counter() for maker in SHARES}
    failures: list[str] = []
    # Not forked: whoever calls this may have threads. (And processes that are started anew don't
    # find what stands in a package's __main__, so this module is one of its own.)
    context = get_context("spawn")
    with ProcessPoolExecutor(options.jobs, context, _limit_memory) as pool:
        waiting = [pool.submit(_run, chunk) for chunk in _chunks(options.cases, options.first)]
        done = 0
        for future in as_completed(waiting):
            chunk = future.result()
            outcomes[chunk.maker] += chunk.outcomes
            failures += chunk.failures
            done += chunk.count
            if done * 10 // options.cases > (done - chunk.count) * 10 // options.cases:
                print(f"{done:,} cases", file=sys.stderr, flush=True)
    for maker, counts in outcomes.items():
        told = ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common())
        print(f"{maker:16}{counts.total():>9,}: {told}")
    for failure in failures[:20]:
        print(f"\n{failure}")
    total = sum(counts.total() for counts in outcomes.values())
    took = time.monotonic() - start
    print(f"{total:,} cases in {took:.0f} s, {len(failures):,} failures")
    return 1 if failures else 0


def _chunks(cases: int, first: int) -> Iterator[Chunk]:
    """Those of all makers in turn, so that an interrupted run has tried something of each."""
    left = {maker: round(cases * share) for maker, share in SHARES.items()}
    # Rounding takes or leaves a few.
    left["noise"] += cases - sum(left.values())
    number = first
    while any(left.values()):
        for maker, count in left.items():
            if count > 0:
                yield Chunk(maker, number, min(CHUNK, count))
                left[maker] = count - min(CHUNK, count)
        number += CHUNK


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not a Unix
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _run(chunk: Chunk) -> Chunk:
    for number in range(chunk.first, chunk.first + chunk.count):
        data = case(chunk.maker, number)
        try:
            with watched():
                chunk.outcomes[examine(data)] += 1
        except (Exception, HangError):  # noqa: BLE001 - whatever it is, it is reported
            chunk.outcomes["FAILED"] += 1
            chunk.failures.append(
                f"case {number} of {chunk.maker}: {data.hex()}\n{traceback.format_exc()}"
            )
    return chunk
