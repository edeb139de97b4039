"""``python -m tests.interp --modules 10000``: random modules here, in wasmtime and in Node."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.interp.random_modules import Compared, beside_node, beside_wasmtime

BATCH = 20


def main() -> int:
    """1 if anything differs."""
    import wasmtime

    parser = argparse.ArgumentParser(prog="python -m tests.interp", description=__doc__)
    parser.add_argument("--modules", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument(
        "--native", action="store_true", help="native code, on modules of integers and the suite"
    )
    wanted = parser.parse_args()
    if wanted.native:
        return _native(range(wanted.first, wanted.first + wanted.modules))
    engines = {"wasmtime": Compared(), "Node": Compared()}
    end = wanted.first + wanted.modules
    for first in range(wanted.first, end, BATCH):
        seeds = range(first, min(first + BATCH, end))
        with tempfile.TemporaryDirectory() as folder:
            found = {
                "wasmtime": beside_wasmtime(wasmtime, seeds),
                "Node": beside_node(seeds, Path(folder)),
            }
        for engine, compared in found.items():
            for words in compared.wrong:
                print(f"{engine}: {words}", flush=True)
            engines[engine] += compared
    for engine, compared in engines.items():
        print(f"{engine}: {compared}")
    return int(any(compared.wrong for compared in engines.values()))


def _native(seeds: range) -> int:
    import wasmtime

    from tests.interp.native import beside_python, suite

    wrong = suite()
    print(f"the suite: {len(wrong)} wrong", *wrong, sep="\n")
    compared, native = beside_python(wasmtime, seeds)
    print(*compared.wrong, f"{native} native functions: {compared}", sep="\n")
    return int(bool(wrong or compared.wrong))


if __name__ == "__main__":
    sys.exit(main())
