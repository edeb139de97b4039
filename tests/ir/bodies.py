"""Modules that have many of everything, and random code that mentions all of it."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.modules import EMPTY_TYPE, module
from tests.spelling import FUNCTIONS, OTHERS, TAGS, TYPES, BodyWriter
from wasmir import Module

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wasmir import Function

COUNT = min(TYPES, TAGS, OTHERS)
"""Of each sort there are so many at least, but for functions: some indices take two bytes."""


def whole(codes: Iterable[bytes]) -> bytes:
    """A module whose functions, all of type 0, have these codes."""
    return module(*codes, types=[EMPTY_TYPE] * TYPES, tags=TAGS, others=OTHERS)


def random_module(seed: str, pad: float) -> bytes:
    random = Random(seed)
    writers = [BodyWriter(random, pad=pad) for _ in range(FUNCTIONS)]
    return whole([writer.body(random.choice([3, 8, 12])) for writer in writers])


def defined(data: bytes) -> list[Function]:
    return [each for each in Module.from_bytes(data).functions if each.imported is None]
