"""Modules for tests: from bytes, and from text by wasm-tools."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import pytest

from corpus.build import wasm_tools
from corpus.manifest import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

PREAMBLE = b"\0asm\1\0\0\0"
EMPTY_TYPE = b"\x60\x00\x00"

SCALE = max(1, int(os.environ.get("WASMIR_TEST_SCALE", "1")))
"""How many times the usual number of random examples to try; for a longer search."""


def program() -> str:
    """wasm-tools; skips the test where it isn't there."""
    try:
        return wasm_tools()
    except CorpusError as error:
        pytest.skip(str(error))


@cache
def assembled(text: str) -> bytes:
    """The module that the text means; names stay in a name section."""
    done = subprocess.run(
        [program(), "parse", "-"], input=text.encode(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def printed(data: bytes) -> str:
    """The text of a module, for messages."""
    done = subprocess.run([program(), "print", "-"], input=data, capture_output=True, check=False)
    return (done.stdout or done.stderr).decode()


# By hand


def unsigned(value: int, length: int = 1) -> bytes:
    """LEB128, in ``length`` bytes at least."""
    out = bytearray()
    while value >= 0x80 or len(out) + 1 < length:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed(value: int, length: int = 1) -> bytes:
    """Signed LEB128, in ``length`` bytes at least."""
    out = bytearray()
    while not -0x40 <= value < 0x40 or len(out) + 1 < length:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value & 0x7F)
    return bytes(out)


def padded(random: Random, value: int, bits: int, *, sign: bool = False) -> bytes:
    """An integer in any of the lengths that are legal for it."""
    write = signed if sign else unsigned
    shortest = len(write(value))
    longest = (bits + 6) // 7
    return write(value, random.randint(shortest, longest))


def sized(data: bytes) -> bytes:
    return unsigned(len(data)) + data


def vector(items: Iterable[bytes]) -> bytes:
    items = list(items)
    return unsigned(len(items)) + b"".join(items)


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + sized(content)


def custom(name: str, content: bytes) -> bytes:
    return section(0, sized(name.encode()) + content)


def module(
    *codes: bytes,
    types: Iterable[bytes] = (EMPTY_TYPE,),
    tags: int = 0,
    others: int = 0,
    after: bytes = b"",
) -> bytes:
    """A module whose functions, all of type 0, have these codes: locals and instructions.

    ``tags`` tags have type 0 as well; of what else has an index there are ``others`` each.
    """

    def many(id_: int, entry: bytes, count: int = others) -> bytes:
        return section(id_, vector([entry] * count)) if count else b""

    return b"".join(
        [
            PREAMBLE,
            section(1, vector(types)),
            section(3, vector([b"\0"] * len(codes))),
            many(4, b"\x70\0\0"),
            many(5, b"\0\0"),
            many(13, b"\0\0", tags),
            many(6, b"\x7f\0\x41\0\x0b"),
            many(9, b"\1\0\0"),
            section(12, unsigned(others)) if others else b"",
            section(10, vector(map(sized, codes))),
            many(11, b"\1\0"),
            after,
        ]
    )


def sections_of(data: bytes) -> list[tuple[int, bytes]]:
    """Number and content of each section, read without wasmir."""
    found = []
    at = 8
    while at < len(data):
        number, at = data[at], at + 1
        size = shift = 0
        while True:
            byte, at = data[at], at + 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        found.append((number, data[at : at + size]))
        at += size
    assert at == len(data)
    return found
