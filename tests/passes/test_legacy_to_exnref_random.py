"""legacy-to-exnref on random modules: the same behaviour before and after, in a real engine."""

from __future__ import annotations

import itertools
import os
import subprocess
from random import Random
from typing import TYPE_CHECKING

import pytest

from corpus.build import wasm_tools
from corpus.demo import convert
from corpus.engine import differences, run_calls
from corpus.manifest import CorpusError
from tests.passes.random_legacy import module
from tests.support import CONVERTED, validate

if TYPE_CHECKING:
    from pathlib import Path

FUNCTIONS = 6
BATCH = 12
BATCHES = int(os.environ.get("WASMIR_RANDOM_BATCHES", "8"))
"""More for a longer search: WASMIR_RANDOM_BATCHES=500."""

CALLS: list[tuple[str, tuple[int, ...]]] = [
    call
    for index in range(FUNCTIONS)
    for a, b in itertools.product((0, 1, 2, 3, 4, 5), (0, 1, 2, 4, 5))
    for call in (("refuel", ()), (f"f{index}", (a, b)))
]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_modules(batch: int, tmp_path: Path) -> None:
    try:
        program = wasm_tools()
    except CorpusError as error:
        pytest.skip(str(error))
    paths: list[Path] = []
    for number in range(BATCH):
        text = tmp_path / f"{number}.wat"
        text.write_text(module(Random(batch * BATCH + number), FUNCTIONS), encoding="utf-8")
        before, after = tmp_path / f"{number}.wasm", tmp_path / f"{number}-converted.wasm"
        subprocess.run([program, "parse", text, "-o", before], check=True, timeout=60)
        data = before.read_bytes()
        assert validate(data) is None, text
        converted = convert(data)
        after.write_bytes(converted)
        assert validate(converted, CONVERTED) is None, text
        paths += [before, after]
    runs = run_calls(paths, CALLS)
    for number, (one, other) in enumerate(zip(runs[::2], runs[1::2], strict=True)):
        assert differences(one, other)[:3] == [], tmp_path / f"{number}.wat"
    # The modules do something: results, exceptions, and rarely the end of the fuel.
    outcomes = [next(iter(call.outcome)) for run in runs for call in run.calls]
    assert outcomes.count("returned") > len(outcomes) / 10
    assert outcomes.count("thrown") > len(outcomes) / 50
