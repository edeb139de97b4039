"""Bytes, LEB128 integers, names, and the mirror pairs ``vec`` / ``sized``.

The LEB128 arithmetic is the ``leb128`` package's. On its own it asserts or answers wrong numbers
on bad input, so everything the specification asks for around it is checked here (Binary Format,
"Values"): the length limit of ceil(N/7) bytes, the unused bits of the last byte, the range, and
the end of the input.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from leb128 import i as _signed
from leb128 import u as _unsigned

from wasmir.errors import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Reader", "Writer", "encode_signed", "encode_unsigned", "short_integer"]

T = TypeVar("T")

_END = "unexpected end of section or function"


class Reader:
    """A cursor over ``data[pos:end]``. Errors name offsets into ``data``, plus ``base``."""

    __slots__ = ("base", "data", "end", "pos")

    def __init__(self, data: bytes, pos: int = 0, end: int | None = None, base: int = 0) -> None:
        self.data = data
        self.pos = pos
        self.end = len(data) if end is None else end
        self.base = base

    def error(self, reason: str, pos: int | None = None) -> MalformedError:
        """The error to raise about the byte at ``pos`` (by default: here)."""
        return MalformedError(reason, self.base + (self.pos if pos is None else pos))

    def at_end(self) -> bool:
        return self.pos >= self.end

    def byte(self) -> int:
        pos = self.pos
        if pos >= self.end:
            raise self.error(_END)
        self.pos = pos + 1
        return self.data[pos]

    def peek(self) -> int:
        if self.pos >= self.end:
            raise self.error(_END)
        return self.data[self.pos]

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes. A length that lies costs nothing: it is checked first."""
        pos = self.pos
        if count > self.end - pos:
            raise self.error(_END)
        self.pos = pos + count
        return self.data[pos : pos + count]

    def _leb(self, bits: int) -> bytearray:
        """The bytes of one LEB128 integer of at most ``bits`` bits; checks length and end."""
        data, start = self.data, self.pos
        longest = start + (bits + 6) // 7
        limit = min(self.end, longest)
        pos = start
        while pos < limit:
            byte = data[pos]
            pos += 1
            if byte < 0x80:
                self.pos = pos
                return bytearray(data[start:pos])
        if pos == longest:
            raise self.error("integer representation too long", start)
        raise self.error(_END, pos)

    def unsigned(self, bits: int) -> int:
        """An unsigned integer, uN of the specification."""
        data, pos, end = self.data, self.pos, self.end
        if pos < end and (byte := data[pos]) < 0x80 and bits >= 7:
            self.pos = pos + 1
            return byte
        # As long as every bit counts, nothing can be wrong.
        value, shift, at = 0, 0, pos
        while at < end and shift <= bits - 7:
            byte = data[at]
            at += 1
            if byte < 0x80:
                self.pos = at
                return value | byte << shift
            value |= (byte & 0x7F) << shift
            shift += 7
        value = _unsigned.decode(self._leb(bits))
        if value >> bits:
            raise self.error("integer too large", pos)
        return value

    def signed(self, bits: int) -> int:
        """A signed integer, sN of the specification."""
        data, pos, end = self.data, self.pos, self.end
        value, shift, at = 0, 0, pos
        while at < end and shift <= bits - 7:
            byte = data[at]
            at += 1
            if byte < 0x80:
                self.pos = at
                return value | (byte - 0x80 if byte & 0x40 else byte) << shift
            value |= (byte & 0x7F) << shift
            shift += 7
        value = _signed.decode(self._leb(bits))
        if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
            raise self.error("integer too large", pos)
        return value

    def u32(self) -> int:
        return self.unsigned(32)

    def u64(self) -> int:
        return self.unsigned(64)

    def s32(self) -> int:
        return self.signed(32)

    def s33(self) -> int:
        return self.signed(33)

    def s64(self) -> int:
        return self.signed(64)

    def length(self) -> int:
        """A u32 that counts bytes which must follow."""
        start = self.pos
        count = self.u32()
        if count > self.end - self.pos:
            raise self.error(f"length out of bounds: {_END}", start)
        return count

    def count(self) -> int:
        """A u32 that counts elements which must follow: each takes at least a byte."""
        start = self.pos
        count = self.u32()
        if count > self.end - self.pos:
            raise self.error(f"length out of bounds: {_END}", start)
        return count

    def name(self) -> str:
        count = self.length()
        start = self.pos
        try:
            return self.take(count).decode("utf-8")
        except UnicodeDecodeError as bad:
            raise self.error("malformed UTF-8 encoding", start + bad.start) from None

    def vec(self, read: Callable[[Reader], T]) -> list[T]:
        return [read(self) for _ in range(self.count())]

    def u32s(self) -> list[int]:
        """A vector of u32, of which most take one byte or two."""
        data, end = self.data, self.end
        count = self.count()
        pos = self.pos
        found: list[int] = []
        for _ in range(count):
            if pos < end and (byte := data[pos]) < 0x80:
                found.append(byte)
                pos += 1
            elif pos + 1 < end and (more := data[pos + 1]) < 0x80:
                found.append(byte & 0x7F | more << 7)
                pos += 2
            else:
                self.pos = pos
                found.append(self.u32())
                pos = self.pos
        self.pos = pos
        return found

    def sized(self) -> Reader:
        """A reader over the next length-prefixed piece, which this one skips."""
        count = self.length()
        start = self.pos
        self.pos = start + count
        return Reader(self.data, start, self.pos, self.base)

    def frames(self, count: int) -> list[tuple[int, int]]:
        """Start and end of ``count`` length-prefixed pieces, one behind the other.

        There are tens of thousands in a code section, and most sizes take one byte or two.
        """
        data, pos, end = self.data, self.pos, self.end
        found: list[tuple[int, int]] = []
        for _ in range(count):
            if pos < end and (size := data[pos]) < 0x80:
                start = pos + 1
            elif pos + 1 < end and (more := data[pos + 1]) < 0x80:
                size = size & 0x7F | more << 7
                start = pos + 2
            else:
                self.pos = pos
                size = self.length()
                start = self.pos
            pos = start + size
            if pos > end:
                raise self.error(f"length out of bounds: {_END}", start)
            found.append((start, pos))
        self.pos = pos
        return found


# Indices and sizes repeat, and there are hundreds of thousands of them in a large module.
@lru_cache(maxsize=1 << 16)
def encode_unsigned(value: int, length: int = 1) -> bytes:
    """The shortest LEB128 encoding of a natural number that has at least ``length`` bytes."""
    if value < 0:
        raise ValueError(f"not a natural number: {value}")
    return _at_least(_unsigned.encode(value), length, 0)


def encode_signed(value: int, length: int = 1) -> bytes:
    """The shortest signed LEB128 encoding that has at least ``length`` bytes."""
    return _at_least(_signed.encode(value), length, 0x7F if value < 0 else 0)


def _at_least(data: bytearray, length: int, last: int) -> bytes:
    """Continue an integer with bytes that don't change it."""
    if len(data) < length:
        data[-1] |= 0x80
        data += bytes((last | 0x80,)) * (length - len(data) - 1)
        data.append(last)
    return bytes(data)


def short_integer(data: bytes, signed: bool) -> int:
    """What a complete LEB128 integer means, unchecked: for up to ten bytes that are known to be
    one.
    """
    if len(data) > 5:
        return short_integer(data[:5], signed=False) | short_integer(data[5:], signed) << 35
    bits = int.from_bytes(data, "little")
    value = (
        bits & 0x7F
        | bits >> 1 & 0x7F << 7
        | bits >> 2 & 0x7F << 14
        | bits >> 3 & 0x7F << 21
        | bits >> 4 & 0x7F << 28
    )
    return value - (1 << 7 * len(data)) if signed and data[-1] & 0x40 else value


class Writer:
    """Collects pieces of output; mirrors :class:`Reader`."""

    __slots__ = ("pieces",)

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def byte(self, value: int) -> None:
        self.pieces.append(value.to_bytes(1, "little"))

    def put(self, data: bytes) -> None:
        self.pieces.append(data)

    def unsigned(self, value: int) -> None:
        self.pieces.append(encode_unsigned(value))

    def signed(self, value: int) -> None:
        self.pieces.append(encode_signed(value))

    def name(self, text: str) -> None:
        """Raises TypeError for what is no text, ValueError for what UTF-8 can't write."""
        given: object = text
        if not isinstance(given, str):
            raise TypeError(f"a name must be a str, not {type(given).__name__}: {given!r}")
        try:
            self.sized(text.encode("utf-8"))
        except UnicodeEncodeError as error:
            raise ValueError(f"the name {text!r} isn't Unicode: {error.reason}") from None

    def vec(self, items: Sequence[T], write: Callable[[Writer, T], None]) -> None:
        self.unsigned(len(items))
        for item in items:
            write(self, item)

    def sized(self, data: bytes) -> None:
        self.unsigned(len(data))
        self.pieces.append(data)

    def getvalue(self) -> bytes:
        return b"".join(self.pieces)
