"""A module converted from legacy exception handling to exnref, and run before and after in Node."""

from __future__ import annotations

import tempfile
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.engine import Call, Run, differences, node_version, run_calls
from corpus.manifest import CorpusError, External, find

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["convert", "demo"]

_SHOWN = 12


def convert(data: bytes) -> bytes:
    """The module with exnref exception handling in the place of the legacy one."""
    from wasmir import Module
    from wasmir.passes import LegacyToExnref

    module = Module.from_bytes(data)
    LegacyToExnref().run(module)
    return module.to_bytes()


def demo(names: Sequence[str]) -> int:
    """Convert, run and compare each; 1 if anything differs."""
    return max(_show(name) for name in names)


def _show(name: str) -> int:
    entry = find(name)
    if isinstance(entry, External) or not entry.runs:
        raise CorpusError(f"{name} doesn't run by itself: it needs other code around it")
    before = entry.path.read_bytes()
    after = convert(before)
    with tempfile.TemporaryDirectory(prefix="wasmir-demo-") as folder:
        converted = Path(folder) / "converted.wasm"
        converted.write_bytes(after)
        run_before, run_after = run_calls([entry.path, converted])
    growth = 100 * (len(after) - len(before)) / len(before)
    print(f"{name}: {entry.why}")
    print(f"  before: {entry.eh} exception handling, {len(before):,} bytes")
    print(f"  after:  exnref exception handling, {len(after):,} bytes ({growth:+.1f}%)")
    print(f"  engine: {node_version()}")
    found = differences(run_before, run_after)
    if found:
        print(f"\n{len(found)} differences:\n" + "\n".join(found[:10]))
        return 1
    print("\nSome of the calls, the same before and after:")
    for call in _telling(run_before):
        print(f"  {call}")
    count = len(run_before.calls)
    thrown = sum("thrown" in call.outcome for call in run_before.calls)
    trapped = sum("trap" in call.outcome for call in run_before.calls)
    print(
        f"\n{count:,} calls, in the original and in the converted module: all alike in result,"
        f"\nexception, log and memory. {thrown} of them end in an exception, {trapped} in a trap."
    )
    return 0


def _telling(run: Run) -> list[Call]:
    """A few calls that show something: of some exports, the first of each kind of outcome.

    One that logged is worth more than one that didn't.
    """
    chosen: list[Call] = []
    for _, calls in groupby(run.calls, key=lambda call: call.export):
        first: dict[str, Call] = {}
        for call in sorted(calls, key=lambda call: not call.log):
            first.setdefault(next(iter(call.outcome)), call)
        if len(first) > 1:
            chosen += first.values()
        if len(chosen) >= _SHOWN:
            break
    return chosen
