"""Bytes to try. Each maker takes a source of randomness, and gives one case."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random
from typing import TYPE_CHECKING

from corpus.manifest import modules
from tests.modules import (
    EMPTY_TYPE,
    PREAMBLE,
    custom,
    module,
    section,
    sections_of,
    sized,
    unsigned,
    vector,
)
from tests.spelling import FUNCTIONS, TAGS, TYPES, BodyWriter
from wasmir.isa.table import ROWS

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = 3000
"""Modules of the corpus below this size, in bytes, are taken apart."""

MOST = unsigned(2**32 - 1)

_ZERO = b"\x41\x00\x0b"

SECTIONS: dict[int, bytes] = {
    # One of every form that a section's entries have, in the order of the sections.
    1: vector(
        [
            EMPTY_TYPE,
            b"\x60\x02\x7f\x7e\x01\x7d",
            b"\x4e\x02\x50\x00\x5f\x02\x78\x00\x63\x02\x01\x4f\x01\x02\x5f\x02\x78\x00\x63\x02\x01",
            b"\x5e\x77\x01",
            b"\x5d\x00",
        ]
    ),
    2: vector(
        [
            b"\x01m\x01f\x00\x00",
            b"\x01m\x01t\x01\x70\x00\x01",
            b"\x01m\x01s\x02\x03\x01\x02",
            b"\x01m\x01g\x03\x7f\x01",
            b"\x01m\x01e\x04\x00\x00",
            b"\x01m\x00\x7f\x02\x01a\x00\x00\x01b\x03\x7e\x00",
            b"\x01m\x00\x7e\x00\x00\x02\x01c\x01d",
        ]
    ),
    3: vector([b"\x00", b"\x01"]),
    4: vector([b"\x70\x00\x03", b"\x40\x00\x6f\x01\x01\x02\xd0\x6f\x0b", b"\x63\x00\x05\x00\x01"]),
    5: vector([b"\x00\x01", b"\x05\x01\x02", b"\x08\x01\x00"]),
    13: vector([b"\x00\x00"]),
    6: vector(
        [
            b"\x7f\x00\x41\x2a\x0b",
            b"\x7e\x01\x42\x01\x42\x02\x7c\x0b",
            b"\x7d\x00\x43\x00\x00\xc0\x7f\x0b",
            b"\x70\x00\xd2\x00\x0b",
            b"\x7b\x00\xfd\x0c" + bytes(16) + b"\x0b",
        ]
    ),
    7: vector(
        [b"\x01f\x00\x00", b"\x01t\x01\x00", b"\x01s\x02\x00", b"\x01g\x03\x00", b"\x00\x04\x00"]
    ),
    8: b"\x00",
    9: vector(
        [
            b"\x00" + _ZERO + b"\x01\x00",
            b"\x01\x00\x01\x00",
            b"\x02\x00" + _ZERO + b"\x00\x01\x00",
            b"\x03\x00\x01\x00",
            b"\x04" + _ZERO + b"\x01\xd2\x00\x0b",
            b"\x05\x70\x01\xd0\x70\x0b",
            b"\x06\x00" + _ZERO + b"\x70\x01\xd2\x00\x0b",
            b"\x07\x63\x00\x01\xd0\x00\x0b",
        ]
    ),
    12: b"\x03",
    10: vector(
        [
            sized(
                b"\x02\x01\x7f\x02\x63\x00"
                b"\x06\x40\x10\x00\x07\x00\x02\x40\x09\x01\x0b\x19\x09\x00\x0b"
                b"\x1f\x40\x02\x00\x00\x00\x03\x00\x08\x00\x0b"
                b"\x41\x00\x0e\x02\x00\x00\x00\xfc\x09\x00\xd2\x00\x1a\x0b"
            ),
            sized(
                b"\x00\x02\x40\x06\x40\x10\x00\x18\x00\x0b"
                b"\x41\x00\x04\x7f\x41\x00\x28\x42\x01\x08\x05\x41\x01\x0b"
                b"\x41\x00\x41\x00\x41\x00\xfc\x08\x00\x00\x1c\x01\x7f\x1a\x03\x00\x0c\x01\x0b\x0b"
            ),
        ]
    ),
    11: vector([b"\x00" + _ZERO + b"\x02hi", b"\x01\x01!", b"\x02\x01" + _ZERO + b"\x00"]),
}

NAMES = custom(
    "name",
    b"".join(
        bytes([number]) + sized(content)
        for number, content in (
            (0, b"\x01m"),
            (1, vector([b"\x00\x01f", b"\x03\x01g"])),
            (2, vector([b"\x03" + vector([b"\x00\x01x"])])),
            (3, vector([b"\x03" + vector([b"\x00\x01l"])])),
            (11, vector([b"\x00\x01t"])),
        )
    ),
)

EVERY_SECTION = (
    PREAMBLE + b"".join(section(number, content) for number, content in SECTIONS.items()) + NAMES
)


@cache
def seeds() -> dict[str, bytes]:
    """Small modules, by name; the smallest first."""
    found = {entry.name: entry.path.read_bytes() for entry in modules()}
    found["every-section"] = EVERY_SECTION
    small = {name: data for name, data in found.items() if len(data) < SMALL}
    return dict(sorted(small.items(), key=lambda item: len(item[1])))


@dataclass(frozen=True)
class Frames:
    """A module as sections, and the code section as bodies, without the sizes in front of them."""

    sections: tuple[tuple[int, bytes], ...]
    bodies: tuple[bytes, ...]

    def joined(self) -> bytes:
        """With sizes that fit. The code section's count is that of the bodies."""
        return PREAMBLE + b"".join(
            section(number, vector(map(sized, self.bodies)) if number == 10 else content)
            for number, content in self.sections
        )

    def places(self) -> list[tuple[int, int]]:
        """What can be changed: ``(-1, i)`` is a section, ``(i, 0)`` a body."""
        found = [(-1, i) for i, (number, _) in enumerate(self.sections) if number != 10]
        return found + [(i, 0) for i in range(len(self.bodies))]

    def changed(self, place: tuple[int, int], change: Callable[[bytes], bytes]) -> Frames:
        body, at = place
        if body < 0:
            number, content = self.sections[at]
            rest = self.sections[at + 1 :]
            return Frames((*self.sections[:at], (number, change(content)), *rest), self.bodies)
        code = change(self.bodies[body])
        return Frames(self.sections, (*self.bodies[:body], code, *self.bodies[body + 1 :]))


def framed(data: bytes) -> Frames:
    """A well-formed module taken apart, without wasmir."""
    sections = tuple(sections_of(data))
    code = next((content for number, content in sections if number == 10), b"\0")
    # A code section is framed like sections are, but for their numbers.
    count, at = _unsigned(code, 0)
    bodies = []
    for _ in range(count):
        size, at = _unsigned(code, at)
        bodies.append(code[at : at + size])
        at += size
    return Frames(sections, tuple(bodies))


def _unsigned(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if byte < 0x80:
            return value, at


@cache
def seed_frames() -> list[Frames]:
    return [framed(data) for data in seeds().values()]


# Makers

_TELLING = bytes([0, 1, 2, 0x40, 0x7F, 0x80, 0xFF, 0x0B, 0x60, 0x70])
_OPCODES = [row.opcode for row in ROWS]


def _some(random: Random, things: list[Frames] | list[bytes]) -> Frames | bytes:
    # The small ones far more often: they are quicker, and as instructive.
    return things[int(random.random() ** 3 * len(things))]


def _seed(random: Random) -> bytes:
    found = _some(random, list(seeds().values()))
    assert isinstance(found, bytes)
    return found


def truncation(random: Random) -> bytes:
    data = _seed(random)
    return data[: random.randrange(len(data))]


def new_byte(random: Random, old: int) -> int:
    return random.choice(
        [
            old ^ 1 << random.randrange(8),
            random.randrange(256),
            random.choice(_TELLING),
            (old + random.choice([-1, 1])) % 256,
        ]
    )


def mutation(random: Random) -> bytes:
    """One byte is another one."""
    data = _seed(random)
    at = random.randrange(8, len(data))
    return data[:at] + bytes([new_byte(random, data[at])]) + data[at + 1 :]


def _mangled(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    gone = random.choice([0, 0, 1, 1, 2, 5])
    new = random.choice(
        [
            b"",
            bytes([random.choice(_TELLING)]),
            random.randbytes(random.randrange(1, 6)),
            MOST,
            b"\x80" * random.randrange(1, 6),
            random.choice(_OPCODES),
            data[at : at + 8],
        ]
    )
    return data[:at] + new + data[at + gone :]


def framed_mutation(random: Random) -> bytes:
    """A section or a body is changed, and the sizes around it fit: the decoders get to see it."""
    frames = _some(random, seed_frames())
    assert isinstance(frames, Frames)
    for _ in range(random.choice([1, 1, 2, 4])):
        place = random.choice(frames.places())
        frames = frames.changed(place, lambda content: _mangled(random, content))
    return frames.joined()


def moved_sections(random: Random) -> bytes:
    """Sections left out, doubled, exchanged, or taken from another module."""
    frames = _some(random, seed_frames())
    other = _some(random, seed_frames())
    assert isinstance(frames, Frames)
    assert isinstance(other, Frames)
    sections = list(frames.sections)
    for _ in range(random.randrange(1, 4)):
        if not sections:
            break
        at = random.randrange(len(sections))
        match random.randrange(4):
            case 0:
                del sections[at]
            case 1:
                sections.insert(random.randrange(len(sections)), sections[at])
            case 2:
                number = sections[at][0]
                sections[at] = next((s for s in other.sections if s[0] == number), sections[at])
            case _:
                sections[at] = random.randrange(16), sections[at][1]
    return Frames(tuple(sections), frames.bodies).joined()


def noise(random: Random) -> bytes:
    """Random bytes after a valid header."""
    return PREAMBLE + random.randbytes(random.randrange(60))


def noisy_sections(random: Random) -> bytes:
    """Random bytes in sections that stand in order, and that have the right sizes."""
    order = [number for number in SECTIONS if random.random() < 0.3]
    contents = [random.randbytes(random.randrange(20)) for _ in order]
    # Every other one is an empty vector, so that more than the first section is looked at.
    chosen = [random.choice([content, b"\0"]) for content in contents]
    return PREAMBLE + b"".join(map(section, order, chosen))


_CODE = bytes(range(0x02, 0x12)) + b"\x18\x19\x1f\x1c\x41\x20\xd2\xd5\xe3\xfb\xfc\xfd\xfe"
_CODE_OPERANDS = bytes([0, 0, 0, 0, 1, 1, 2, 0x40, 0x40, 0x7F, 0x80, 0x0B, 0x0B, 0x0B])


def noisy_code(random: Random) -> bytes:
    """Random bytes as code, mostly such as code is made of."""
    length = random.randrange(40)
    code = bytes(
        random.choice(_CODE if random.random() < 0.4 else _CODE_OPERANDS) for _ in range(length)
    )
    if random.random() < 0.2:
        code = random.randbytes(length)
    return module(b"\0" + code + b"\x0b", tags=1)


_TYPES = [EMPTY_TYPE] * TYPES


def body(random: Random) -> bytes:
    """Well-formed code of any shape and spelling; sometimes with a byte that is another one."""
    writer = BodyWriter(random, pad=random.choice([0.0, 0.3]))
    code = writer.body(random.choice([2, 4, 8]))
    if random.random() < 0.6:
        at = random.randrange(len(code))
        code = code[:at] + bytes([new_byte(random, code[at])]) + code[at + 1 :]
    return module(code, *[b"\0\x0b"] * (FUNCTIONS - 1), types=_TYPES, tags=TAGS)


def lie(random: Random) -> bytes:
    """A count or size of 2^32 - 1, somewhere."""
    frames = _some(random, seed_frames())
    assert isinstance(frames, Frames)

    def change(content: bytes) -> bytes:
        at = random.randrange(len(content) + 1)
        return content[:at] + MOST + content[at + 1 :]

    return frames.changed(random.choice(frames.places()), change).joined()


MAKERS: dict[str, Callable[[Random], bytes]] = {
    "truncation": truncation,
    "mutation": mutation,
    "framed-mutation": framed_mutation,
    "moved-sections": moved_sections,
    "noise": noise,
    "noisy-sections": noisy_sections,
    "noisy-code": noisy_code,
    "body": body,
    "lie": lie,
}


def case(maker: str, number: int) -> bytes:
    """The case of that number: always the same."""
    return MAKERS[maker](Random(f"{maker} {number}"))


SHARES = {
    "truncation": 0.10,
    "mutation": 0.20,
    "framed-mutation": 0.25,
    "moved-sections": 0.05,
    "noise": 0.05,
    "noisy-sections": 0.05,
    "noisy-code": 0.15,
    "body": 0.05,
    "lie": 0.10,
}
"""Of many cases, how many by each maker: the more of them get deep inside, the more."""
