"""Recovered modules of the corpus do what the originals do, as long as nothing aborts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from corpus.engine import differences, run_calls
from corpus.manifest import modules
from tests.support import validate
from wasmir import Module, Pipeline

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("engine")

ENTRIES = [
    entry
    for entry in modules()
    # legacy-shapes-gc tells functions by their JavaScript names, which are their indices.
    if entry.runs and entry.name != "legacy-shapes-gc"
]

PIPELINES = [
    "tag-foreign-exceptions{identity=jstag}",
    # Without a loader nobody terminates anything; and the stack pointer is compared.
    "recover{stack_pointer=none,reset=false,identity=jstag}",
    "recover{stack_pointer=none,share=true}",
    "guard-aborts{tables=exports-only}",
    "insert-landing-pads{restore_stack_pointer=false}",
    "insert-landing-pads{where=calls,functions=*}",
]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_same_results_exceptions_logs_and_memory(pipeline: str, tmp_path: Path) -> None:
    wanted = [entry for entry in ENTRIES if "calls" not in pipeline or entry.producer == "cpp"]
    paths = []
    for entry in wanted:
        module = Module.from_bytes(entry.path.read_bytes())
        Pipeline.parse(pipeline).run(module)
        data = module.to_bytes(keep_stale=True)
        assert validate(data) is None
        path = tmp_path / entry.path.name
        path.write_bytes(data)
        paths += [entry.path, path]
    runs = run_calls(paths)
    for entry, before, after in zip(wanted, runs[::2], runs[1::2], strict=True):
        assert before.calls, entry.name
        assert differences(before, after) == [], entry.name
