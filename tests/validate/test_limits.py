"""Whatever is written, checking it takes time and memory that grow as it does."""

from __future__ import annotations

import pytest

from tests.fuzz.examine import watched
from tests.modules import PREAMBLE, module, section, signed, sized, unsigned, vector
from tests.support import peak_of
from wasmir import InvalidError, MalformedError, Module

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

MANY = 20_000


def check(data: bytes, seconds: float = 10.0) -> None:
    with watched(seconds):
        Module.from_bytes(data).validate()


def test_deep_nesting() -> None:
    check(module(b"\0" + b"\x02\x40" * MANY + b"\x0b" * MANY + b"\x0b"))
    check(module(b"\0" + b"\x06\x40" * MANY + b"\x18\x00" * MANY + b"\x0b"))
    check(module(b"\0" + b"\x06\x40" * MANY + b"\x19\x0b" * MANY + b"\x0b"))


def test_deep_nesting_that_is_wrong() -> None:
    with pytest.raises(InvalidError, match="and 19994 more"):
        check(module(b"\0" + b"\x02\x40" * MANY + b"\x45" + b"\x0b" * MANY + b"\x0b"))


def test_high_stacks() -> None:
    data = module(b"\0" + b"\x41\0" * MANY + b"\x1a" * MANY + b"\x0b")
    check(data)
    assert peak_of(lambda: check(data)) < 3000 * MANY


def test_many_locals() -> None:
    """As many as there may be, in a few bytes."""
    groups = vector([unsigned(2**31 - 1) + b"\x7f", unsigned(2**31 - 1) + b"\x7e"])
    get = b"\x20" + unsigned(2**31) + b"\x50\x1a"
    data = module(groups + get + b"\x0b")
    check(data)
    assert peak_of(lambda: check(data)) < 1 << 22
    with pytest.raises(MalformedError, match="too many locals"):
        check(module(vector([unsigned(2**32 - 1) + b"\x7f"] * 2) + b"\x0b"))


def test_many_locals_without_default() -> None:
    count = 3000
    sets = b"".join(b"\xd2\0\x21" + unsigned(n) for n in range(count))
    gets = b"".join(b"\x20" + unsigned(n) + b"\x1a" for n in range(count))
    block = b"\x02\x40" + sets + gets + b"\x0b"
    code = vector([unsigned(1) + b"\x64\x70"] * count) + block + block + b"\x0b"
    export = section(7, vector([b"\1f\0\0"]))
    # The function refers to itself, and an export declares it.
    data = b"".join(
        [
            PREAMBLE,
            section(1, vector([b"\x60\0\0"])),
            section(3, vector([b"\0"])),
            export,
            section(10, vector([sized(code)])),
        ]
    )
    check(data)


def test_long_tables() -> None:
    one = b"\x0e" + vector([b"\0"] * MANY) + b"\0"
    body = (b"\x02\x40\x41\0" + one + b"\x0b") * 20
    check(module(b"\0" + body + b"\x0b"))


def test_an_array_of_as_many_as_can_be_said() -> None:
    fixed = b"\xfb\x08\x01" + unsigned(2**32 - 1)
    types = [b"\x60\0\0", b"\x5e\x7f\x01"]
    with pytest.raises(InvalidError, match="type mismatch"):
        check(module(b"\0" + b"\x41\0" + fixed + b"\x1a\x0b", types=types))
    check(module(b"\0\x00" + fixed + b"\x1a\x0b", types=types))


def test_long_chains_of_subtypes() -> None:
    count = 3000
    types = [b"\x60\0\0", b"\x50\0\x5f\0"]
    types += [b"\x50\1" + unsigned(n) + b"\x5f\0" for n in range(1, count)]
    get = b"\x20" + unsigned(0)
    code = b"\1\1\x63" + signed(count) + get + b"\x1a\x0b"
    check(module(code, types=types))


def test_many_types_that_are_alike() -> None:
    check(module(b"\0\x0b", types=[b"\x60\1\x7f\0" if n else b"\x60\0\0" for n in range(MANY)]))


def test_many_labels_and_types() -> None:
    """Each block with a type of its own."""
    types = [b"\x60\0\0"] + [b"\x60\0" + vector([b"\x7f"] * n) for n in range(1, 200)]
    code = b"".join(
        b"\x02" + signed(n) + b"\x41\0" * n + b"\x0c\0\x0b" + b"\x1a" * n for n in range(1, 200)
    )
    check(module(b"\0" + code + b"\x0b", types=types))
