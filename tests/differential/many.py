"""Many random modules, on all cores: ``python -m tests.differential``.

Each module has a number, its seed, and is the same every time; a later run goes on from another
number with ``--first``. What fails is made small, printed, and written into the folder ``--keep``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.engine import node_version
from corpus.engine.comparer import Comparer
from tests.differential.batch import KINDS, Batch, Failure, run_batch, run_cases
from tests.differential.minimise import minimised
from tests.differential.steps import variants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.differential.choices import Case

__all__ = ["main", "smallest"]

CHUNK = 50
MOST_MINIMISED = 5
"""Of more failures than these only the numbers are told; mostly they are the same."""


def main(arguments: Sequence[str]) -> int:
    """Try the modules; 1 if any went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--modules", type=int, default=2000, help="how many of each kind")
    parser.add_argument("--inputs", type=int, default=40, help="how many for each function")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only these (default: all)")
    parser.add_argument(
        "--one-option", action="store_true", help="a module meets one option off, not each of them"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, help="a folder for what fails")
    options = parser.parse_args(arguments)
    print(f"{node_version()}; options switched off one at a time, and all: {len(variants())} ways")
    found = 0
    for kind in options.kind or KINDS:
        start = time.monotonic()
        seeds = range(options.first, options.first + options.modules)
        batch = _run(kind, seeds, options.inputs, options.jobs, every=not options.one_option)
        print(f"{kind}: {batch}, in {time.monotonic() - start:.0f} s", flush=True)
        found += len(batch.failures)
        _report(batch.failures, options.inputs, options.keep)
    return 1 if found else 0


def _run(kind: str, seeds: range, inputs: int, jobs: int, *, every: bool) -> Batch:
    whole = Batch()
    chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        waiting = [
            pool.submit(run_batch, kind, chunk, inputs=inputs, every_variant=every)
            for chunk in chunks
        ]
        for future in as_completed(waiting):
            before = whole.modules
            whole += future.result()
            if whole.modules * 10 // len(seeds) > before * 10 // len(seeds):
                told = f"{kind}: {whole.modules:,} modules, {len(whole.failures):,} failures"
                print(told, file=sys.stderr, flush=True)
    return whole


def _report(failures: list[Failure], inputs: int, keep: Path | None) -> None:
    if not failures:
        return
    folder = keep or Path(tempfile.mkdtemp(prefix="differential-"))
    folder.mkdir(parents=True, exist_ok=True)
    for failure in failures[:MOST_MINIMISED]:
        small = smallest(failure, inputs)
        name = f"{failure.kind}-{failure.seed}"
        (folder / f"{name}.txt").write_text(str(small), encoding="utf-8")
        (folder / f"{name}.wasm").write_bytes(small.module)
        (folder / f"{name}-whole.wasm").write_bytes(failure.module)
        print(f"\n{small}\nin {folder}/{name}.wasm; as it was, in {name}-whole.wasm")
    others = sorted({str(each.seed) for each in failures[MOST_MINIMISED:]}, key=int)
    if others:
        print(f"more failures, with the seeds {', '.join(others)}")


def smallest(failure: Failure, inputs: int) -> Failure:
    """The same failure of the smallest case that has it, as far as that can be found."""
    best = failure
    with Comparer() as comparer:

        def fails(case: Case) -> bool:
            nonlocal best
            batch = run_cases(failure.kind, [case], inputs=inputs, comparer=comparer)
            for each in batch.failures:
                if each.sort == failure.sort:
                    best = replace(each, seed=failure.seed)
                    return True
            return False

        minimised(failure.case, fails)
    return best
