"""``python -m tests.recovery --schedules N``: the model, at length."""

from __future__ import annotations

import argparse
import sys
import time

from tests.recovery.engine import VARIANTS, Worker
from tests.recovery.many import differing, run_schedules


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.recovery", description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000, help="of each sort and variant")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    wanted = parser.parse_args()
    seeds = range(wanted.first, wanted.first + wanted.schedules)
    failed = False
    with Worker() as worker:
        for variant in VARIANTS:
            start = time.perf_counter()
            count, found = differing(worker, variant, seeds)
            print(
                f"{variant}: {count:,} schedules without an abort, {len(found)} that went "
                f"otherwise than without guards {found[:5] or ''}"
            )
            outcome = run_schedules(worker, variant, seeds)
            print(f"{variant}: {outcome}, {time.perf_counter() - start:.0f} s", flush=True)
            for seed, words in list(outcome.wrong.items())[:5]:
                print(f"  seed {seed}: {words[0]}")
            failed = failed or bool(found or outcome.wrong)
    return failed


if __name__ == "__main__":
    sys.exit(main())
