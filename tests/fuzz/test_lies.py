"""Counts and sizes that lie: refused, in time and memory that the few bytes there account for."""

from __future__ import annotations

import pytest

from tests.fuzz.cases import EVERY_SECTION, MOST, SECTIONS, framed
from tests.fuzz.examine import examine, refused, watched
from tests.modules import (
    EMPTY_TYPE,
    PREAMBLE,
    SCALE,
    custom,
    module,
    section,
    sized,
    unsigned,
    vector,
)
from tests.support import force, peak_of
from wasmir import MalformedError, Module

AFFORDABLE = 400_000
"""Bytes that a module of some hundred may take while it is looked at, tokens' memo and all."""

TYPES = section(1, vector([EMPTY_TYPE]))


def in_code(code: bytes) -> bytes:
    return module(code, tags=1)[len(PREAMBLE) :]


# What stands in front of a count or size that lies. Nothing stands behind it but a few bytes.
LIES: dict[str, bytes] = {
    "tables": section(4, MOST),
    "memories": section(5, MOST),
    "tags": TYPES + section(13, MOST),
    "globals": section(6, MOST),
    "exports": section(7, MOST),
    "an export's name": section(7, b"\x01" + MOST),
    "elements": section(9, MOST),
    "a segment's functions": section(9, b"\x01\x01\x00" + MOST),
    "a segment's expressions": section(9, b"\x01\x05\x70" + MOST),
    "data segments": section(11, MOST),
    "a segment's bytes": section(11, b"\x01\x01" + MOST + b"abc"),
    "data count": section(12, MOST),
    "data count and data": section(12, MOST) + section(11, MOST),
    "br_table in a global": section(6, b"\x01\x7f\x00\x0e" + MOST + b"\x0b"),
    "groups of locals": in_code(MOST + b"\x0b"),
    "locals, in two groups": in_code(b"\x02" + MOST + b"\x7f" + MOST + b"\x7f\x0b"),
    "br_table": in_code(b"\0\x0e" + MOST + b"\x0b"),
    "catch clauses": in_code(b"\0\x1f\x40" + MOST + b"\x0b\x0b"),
    "handlers of resume": in_code(b"\0\xe3\0" + MOST + b"\x0b"),
    "types of select": in_code(b"\0\x1c" + MOST + b"\x0b"),
    "a body's size": TYPES + section(3, b"\x01\0") + section(10, b"\x01" + MOST + b"\0\x0b"),
    "bodies": TYPES + section(3, b"\x01\0") + section(10, MOST + b"\x02\0\x0b"),
    "functions and bodies": TYPES + section(3, MOST) + section(10, MOST),
}


@pytest.mark.parametrize("name", LIES)
def test_lies(name: str) -> None:
    data = PREAMBLE + LIES[name]
    assert len(data) < 60
    examine(data)  # loads what is loaded once
    errors = []
    with watched():
        peak = peak_of(lambda: errors.append(refused(lambda: force(Module.from_bytes(data)))))
    assert isinstance(errors[0], MalformedError)
    assert peak < AFFORDABLE


TRUE = {
    # Numbers as large, which are no counts of anything that must follow.
    "locals in one group": in_code(b"\x01" + MOST + b"\x7f\x0b"),
    "array.new_fixed": in_code(b"\0\xfb\x08\x00" + MOST + b"\x0b"),
    "a constant": in_code(b"\0\x41\x7f\x0b"),
    "a local": in_code(b"\0\x20" + MOST + b"\x0b"),
    "a table's size": section(4, b"\x01\x70\x01" + MOST + MOST),
    "a memory's size": section(5, b"\x01\x00" + MOST),
    "a memory's size, of 64 bits": section(5, b"\x01\x04" + unsigned(2**64 - 1)),
}


@pytest.mark.parametrize("name", TRUE)
def test_large_numbers_that_are_true(name: str) -> None:
    data = PREAMBLE + TRUE[name]
    assert examine(data) == "module"
    assert peak_of(lambda: force(Module.from_bytes(data))) < AFFORDABLE


@pytest.mark.parametrize(
    "content",
    [
        b"\x00" + sized(MOST),
        b"\x01" + sized(MOST),
        b"\x01" + MOST,
        b"\x01" + sized(b"\x01\x00" + MOST),
        b"\x02" + sized(MOST),
        b"\x02" + sized(b"\x01\x00" + MOST),
        b"\x02" + sized(b"\x01\x00\x01\x00" + MOST),
        b"\x03" + sized(b"\x01" + MOST + MOST),
        b"\x04" + sized(b"\x01" + MOST + b"\x01x"),
        b"\x0a" + sized(b"\x01\x00" + MOST),
    ],
    ids=lambda content: content.hex(" "),
)
def test_names_that_lie(content: bytes) -> None:
    """What is broken in names is left out, whatever it says that it is."""
    data = module(b"\0\x0b", after=custom("name", content))
    assert examine(data) == "module"
    assert peak_of(lambda: force(Module.from_bytes(data))) < AFFORDABLE


FRAMES = framed(EVERY_SECTION)
PLACES = {
    **{f"section {FRAMES.sections[at][0]}": (-1, at) for at in range(len(SECTIONS))},
    **{f"body {at}": (at, 0) for at in range(len(FRAMES.bodies))},
}
del PLACES["section 10"]


@pytest.mark.parametrize("name", PLACES)
def test_a_lie_in_every_place(name: str) -> None:
    """In turn for each byte, with sizes around it that fit. Some are no lies; none is costly."""
    place = PLACES[name]
    body, at = place
    length = len(FRAMES.bodies[body] if body >= 0 else FRAMES.sections[at][1])
    for lie in (MOST, unsigned(2**31)) if SCALE > 1 else (MOST,):
        for offset in range(length):
            data = FRAMES.changed(
                place,
                lambda content, o=offset, n=lie: content[:o] + n + content[o + 1 :],  # type: ignore[misc]
            ).joined()
            with watched():
                kinds: list[str] = []
                peak = peak_of(lambda d=data, k=kinds: k.append(examine(d)))  # type: ignore[misc]
            assert peak < 3 * AFFORDABLE, (offset, kinds, peak)
