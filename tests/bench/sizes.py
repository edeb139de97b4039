"""``python -m tests.bench.sizes``: what exception handling takes in exnref, by who made it so.

The corpus's C++ programs in the legacy dialect, converted by wasmir, compiled directly to exnref,
and converted by Binaryen's wasm-opt, where there is one, with and without its peephole optimiser
behind. The bytes are those of a module without its custom sections: names are kept or dropped by
other rules everywhere. Left out is what the linker has padded, because padding is nothing that a
conversion should touch, and Binaryen always writes anew.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.demo import convert
from corpus.engine import EngineError
from corpus.manifest import CorpusError, modules
from corpus.manifest import Module as Entry
from tests.bench.rivals import fetch_wasm_opt, translation, wasm_opt
from wasmir import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Sizes", "main", "measured", "programs"]


@dataclass(frozen=True)
class Sizes:
    """One program at one level of optimisation, in bytes."""

    name: str
    legacy: int
    wasmir: int
    compiler: int
    binaryen: int | None
    """None where there is no wasm-opt."""
    stack_ir: int | None
    """Binaryen's with ``--optimize-stack-ir``."""


def programs() -> list[Entry]:
    """The legacy builds to compare."""
    return [
        m for m in modules() if m.producer == "cpp" and m.eh == "legacy" and "-g" not in m.flags
    ]


def measured(entry: Entry, rival: Sequence[str] | None) -> Sizes:
    """All sizes of one; ``rival`` is the command of a wasm-opt."""
    [compiled] = [
        other
        for other in modules()
        if (other.producer, other.source, other.flags, other.eh)
        == ("cpp", entry.source, entry.flags, "exnref")
    ]
    data = entry.path.read_bytes()
    return Sizes(
        entry.name,
        _without_customs(data),
        _without_customs(convert(data)),
        _without_customs(compiled.path.read_bytes()),
        None if rival is None else _translated(rival, entry.path),
        None if rival is None else _translated(rival, entry.path, "--optimize-stack-ir"),
    )


def _without_customs(data: bytes) -> int:
    opened = Module.from_bytes(data)
    for custom in list(opened.customs):
        opened.remove_custom(custom)
    return len(opened.to_bytes())


def _translated(program: Sequence[str], path: Path, *more: str) -> int:
    with tempfile.TemporaryDirectory(prefix="wasmir-sizes-") as folder:
        target = Path(folder) / "out.wasm"
        command = translation(program, path, target, *more)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode != 0:
            raise CorpusError(f"`{' '.join(command)}` failed:\n{done.stderr.strip()[-2000:]}")
        return _without_customs(target.read_bytes())


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.sizes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--rivals", action="store_true", help="fetch wasm-opt from npm if there is none"
    )
    options = parser.parse_args(arguments)
    try:
        if options.rivals:
            fetch_wasm_opt()
        found = wasm_opt()
        _print([measured(entry, found and found[1]) for entry in programs()])
    except (CorpusError, EngineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"\nBinaryen: {found[0]}" if found else "\nno wasm-opt; --rivals gets one from npm")
    return 0


def _print(rows: Sequence[Sizes]) -> None:
    kinds = ("legacy", "wasmir", "compiler", "Binaryen", "+ StackIR")
    print(f"{'bytes without custom sections':32}" + "".join(f"{kind:>16}" for kind in kinds))
    totals = [0] * len(kinds)
    for row in rows:
        sizes = [row.legacy, row.wasmir, row.compiler, row.binaryen, row.stack_ir]
        _print_line(row.name, sizes)
        totals = [total + (size or 0) for total, size in zip(totals, sizes, strict=True)]
    _print_line("all", [total or None for total in totals])


def _print_line(name: str, sizes: Sequence[int | None]) -> None:
    first = sizes[0] or 1
    cells = [
        ""
        if size is None
        else f"{size:,}"
        if index == 0
        else f"{size:,} {100 * (size - first) / first:+5.1f}%"
        for index, size in enumerate(sizes)
    ]
    print(f"{name:32}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
