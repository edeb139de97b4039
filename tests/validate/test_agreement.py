"""wasmir's verdicts are those of wasm-tools. ``python -m tests.validate`` compares many more."""

from __future__ import annotations

from collections import Counter

import pytest

from corpus.manifest import modules
from tests.modules import SCALE, program
from tests.validate.agreement import EXPLAINED, KINDS, cases, judge
from tests.validate.many import Chunk, run

COUNT = 600
"""Modules in all, at the usual scale."""


@pytest.mark.parametrize("kind", KINDS)
def test_same_verdict(kind: str) -> None:
    program()
    count = max(10, round(COUNT * SCALE * KINDS[kind][0]))
    done = run(Chunk(kind, range(count)))
    print(f"{kind}: {dict(done.outcomes)}")
    assert not done.failures, "\n" + "\n".join(done.failures)
    assert done.outcomes.total() > count // 2


def test_both_verdicts_come_up() -> None:
    program()
    outcomes = Counter(judge(data).kind for _, data in cases("code-mutation", range(60)))
    assert outcomes["valid"]
    assert outcomes["invalid"]


def test_the_corpus_is_valid() -> None:
    program()
    for entry in modules():
        verdicts = judge(entry.path.read_bytes())
        assert verdicts.kind == "valid", f"{entry.name}: {verdicts}"


def test_a_case_is_the_same_every_time() -> None:
    program()
    for kind in KINDS:
        assert cases(kind, range(3)) == cases(kind, range(3))


def test_explanations_are_told_apart() -> None:
    """A difference counts as explained where both verdicts fit, and no other."""
    from tests.validate.agreement import Verdicts

    assert Verdicts(None, "error: functions count exceeds limit of 1000000").kind in EXPLAINED
    assert Verdicts(None, "error: type mismatch").kind == "DIFFERENT"
    assert Verdicts("type mismatch", None).kind == "DIFFERENT"
    assert Verdicts("a", "b").kind == "invalid"
