"""The random modules are valid, and have every shape that there is."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings

from tests.differential.assemble import IMPORTED_TAGS, TAGS
from tests.differential.batch import KINDS
from tests.differential.choices import Case, Choices, cases, seeded
from tests.differential.exnref import exnref_modules
from tests.differential.legacy import legacy_modules
from tests.differential.minimise import minimised
from tests.differential.shapes import EXNREF_SHAPES, LEGACY_SHAPES, shapes
from tests.differential.steps import invalid
from tests.modules import program

DRAWS = 400
LEAST = 2
"""In how many of so many draws each shape is, at least."""


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("legacy", LEGACY_SHAPES), ("exnref", EXNREF_SHAPES)],
    ids=["legacy", "exnref"],
)
def test_every_shape_turns_up(kind: str, wanted: frozenset[str]) -> None:
    found: Counter[str] = Counter()
    for seed in range(DRAWS):
        found.update(set(shapes(KINDS[kind].make(seeded(seed)))))
    assert {shape: found[shape] for shape in wanted if found[shape] < LEAST} == {}


@pytest.mark.parametrize("kind", KINDS)
def test_valid(kind: str) -> None:
    program()
    modules = [KINDS[kind].make(seeded(seed)) for seed in range(10_000, 11_000)]
    assert invalid([(data, kind == "exnref") for data in modules]) == []


def test_invalid_ones_are_told_apart() -> None:
    program()
    good = KINDS["legacy"].make(seeded(1))
    bad = good[:-2] + b"\x1a\x0b"
    found = invalid([(good, False), (bad, False), (good, True), (good, False)])
    assert [number for number, _ in found] == [2, 1]
    assert "legacy_exceptions" in found[0][1]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(legacy=legacy_modules(), exnref=exnref_modules())
def test_strategies_give_valid_modules(legacy: bytes, exnref: bytes) -> None:
    program()
    assert invalid([(legacy, False), (exnref, True)]) == []


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_the_same_case_is_the_same_module(case: Case) -> None:
    for kind in KINDS.values():
        assert kind.make(case) == kind.make(case)


def test_choices() -> None:
    choices = Choices(b"\x00\xff\x80")
    assert [choices.below(10) for _ in range(4)] == [0, 9, 5, 0]
    assert choices.done
    random = Random(0)
    for count in range(1, 257):
        drawn = {Choices(bytes([byte])).below(count) for byte in range(256)}
        assert drawn == set(range(count))
        assert Choices(random.randbytes(1)).below(count) < count


def test_a_failing_case_is_made_small() -> None:
    """Whatever has some bytes in some function is made to have just these."""
    case = Case(b"abcd", (b"12345", b"67x9" * 20, b"zzzzz"))
    small = minimised(case, lambda each: any(data.count(b"x") > 2 for data in each.functions))
    assert small == Case(b"", (b"xxx",))


def test_tags() -> None:
    assert [tag.index for tag in TAGS] == list(range(len(TAGS)))
    assert {tag.name for tag in TAGS[:IMPORTED_TAGS]} == {
        "tag",
        "tag_again",
        "other_tag",
        "js_tag",
    }
