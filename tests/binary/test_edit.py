"""An edit in one place: everything else is the same, as a decoder that isn't ours sees it."""

from __future__ import annotations

import re
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

from corpus.manifest import Module as Entry
from corpus.manifest import modules
from tests.binary.test_shift import fields
from tests.modules import sections_of
from wasmir import GlobalType, Module, NumType, ops

if TYPE_CHECKING:
    from wasmir import Function

ALL = pytest.mark.parametrize("entry", modules(), ids=lambda entry: entry.name)


def some_function(module: Module, random: Random) -> Function:
    return random.choice([each for each in module.functions if each.imported is None])


@ALL
def test_a_nop(entry: Entry) -> None:
    before = entry.path.read_bytes()
    text = fields(before)
    for seed in range(4):
        module = Module.from_bytes(before)
        random = Random(f"{entry.name} {seed}")
        function = some_function(module, random)
        seq = function.body.seq
        seq.insert(random.randrange(len(seq) + 1), ops.nop())
        after = module.to_bytes()
        old, new = fields(before), fields(after)
        assert old == text
        changed = [(one, other) for one, other in zip(old, new, strict=True) if one != other]
        [(one, other)] = changed
        assert words(other) - words(one) == Counter(["nop"])
        assert words(one) <= words(other)
        assert len(after) == len(before) + 1 + size_growth(before, after)


def size_growth(before: bytes, after: bytes) -> int:
    """How many bytes the sizes around an edit take more."""
    differing = [
        (old, new)
        for old, new in zip(sections_of(before), sections_of(after), strict=True)
        if old != new
    ]
    [((kind, old), (_, new))] = differing
    assert kind == 10
    inside = len(new) - len(old) - 1
    headers = len(after) - len(before) - (len(new) - len(old))
    assert 0 <= inside <= 1
    return inside + headers


@ALL
def test_an_entity_at_the_end(entry: Entry) -> None:
    """What is appended moves nothing: all else is copied."""
    before = entry.path.read_bytes()
    module = Module.from_bytes(before)
    value = module.const(ops.i32.const(5))
    module.add_global(GlobalType(NumType.I32, False), value)
    after = module.to_bytes()
    old, new = sections_of(before), sections_of(after)
    assert [section for section in new if section[0] != 6] == [
        section for section in old if section[0] != 6
    ]
    assert list((Counter(fields(after)) - Counter(fields(before))).elements()) == [
        "  (global i32 i32.const 5)"
    ]


def words(text: str) -> Counter[str]:
    """Without parentheses, which stand in other places where a line is longer."""
    return Counter(re.findall(r"[^\s()]+", text))
