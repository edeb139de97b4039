"""Passes that drop, rename, replace and move things: goldens, rule by rule."""

from __future__ import annotations

import pytest

from tests.modules import assembled, printed
from tests.passes.rewrites import GOLDENS
from tests.support import validate
from wasmir import Module, Pipeline


@pytest.mark.parametrize("name", GOLDENS)
def test_golden(name: str) -> None:
    golden = GOLDENS[name]
    before = assembled(f"(module {golden.before})")
    assert validate(before) is None
    module = Module.from_bytes(before)
    [report] = Pipeline.parse(golden.passes).run(module)
    after = module.to_bytes()
    assert printed(after) == printed(assembled(f"(module {golden.after})"))
    assert validate(after) is None
    changed = any(report.counts.values())
    assert changed or after == before
    # What it made leaves it nothing to do.
    again = Module.from_bytes(after)
    Pipeline.parse(golden.passes).run(again)
    assert again.to_bytes() == after
