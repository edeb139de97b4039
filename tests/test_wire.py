"""Reader and Writer against the specification's rules for integers, names and vectors."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.modules import SCALE, signed, unsigned
from wasmir import MalformedError
from wasmir.wire import Reader, Writer, encode_signed, encode_unsigned, short_integer

WIDTHS = pytest.mark.parametrize("bits", [*range(1, 8), 8, 14, 16, 31, 32, 33, 35, 63, 64, 65, 128])
TOO_LONG = "integer representation too long"
TOO_LARGE = "integer too large"
END = "unexpected end of section or function"


def reference(data: bytes, bits: int, *, sign: bool) -> tuple[int, int] | str:
    """The specification's grammar, read literally: the value and its length, or what is wrong.

    ::

        uN ::= n:byte          => n                    if n < 2^7 and n < 2^N
             | n:byte m:u(N-7) => 2^7 m + (n - 2^7)    if n >= 2^7 and N > 7
    """
    value = shift = 0
    for at, byte in enumerate(data):
        if shift >= bits:
            return TOO_LONG
        left = bits - shift
        if byte < 0x80:
            if sign:
                digit = byte - 0x80 if byte >= 0x40 else byte
                fits = -(1 << (left - 1)) <= digit < 1 << (left - 1)
            else:
                digit, fits = byte, byte < 1 << left
            return (value + (digit << shift), at + 1) if fits else TOO_LARGE
        value += (byte - 0x80) << shift
        shift += 7
    return TOO_LONG if shift >= bits else END


def read(data: bytes, bits: int, *, sign: bool) -> tuple[int, int] | str:
    reader = Reader(data)
    try:
        value = reader.signed(bits) if sign else reader.unsigned(bits)
    except MalformedError as error:
        return error.reason
    return value, reader.pos


SPELLINGS = [
    bytes([*prefix, last])
    for length in range(12)
    for prefix in ([0x80] * length, [0xFF] * length, [0x81] * length)
    for last in (0, 1, 2, 3, 7, 8, 15, 0x10, 0x3F, 0x40, 0x41, 0x70, 0x78, 0x7C, 0x7E, 0x7F)
]


@WIDTHS
@pytest.mark.parametrize("sign", [False, True], ids=["unsigned", "signed"])
def test_last_bytes(bits: int, sign: bool) -> None:
    """Unused bits of the last byte: zero, or for signed integers copies of the sign."""
    for data in SPELLINGS:
        assert read(data, bits, sign=sign) == reference(data, bits, sign=sign), data.hex(" ")
        for end in range(len(data)):
            assert read(data[:end], bits, sign=sign) == reference(data[:end], bits, sign=sign)


@WIDTHS
@pytest.mark.parametrize("sign", [False, True], ids=["unsigned", "signed"])
def test_every_short_spelling(bits: int, sign: bool) -> None:
    for first in range(256):
        for data in (bytes([first]), *(bytes([first, second]) for second in range(0, 256, 5))):
            assert read(data, bits, sign=sign) == reference(data, bits, sign=sign), data.hex(" ")


@settings(max_examples=500 * SCALE, deadline=None)
@given(st.binary(max_size=20), st.integers(1, 70), st.booleans())
def test_against_the_reference(data: bytes, bits: int, sign: bool) -> None:
    assert read(data, bits, sign=sign) == reference(data, bits, sign=sign)


@WIDTHS
def test_range(bits: int) -> None:
    most = (1 << bits) - 1
    assert read(unsigned(most), bits, sign=False) == (most, len(unsigned(most)))
    assert read(unsigned(most + 1), bits, sign=False) in {TOO_LARGE, TOO_LONG}
    least, most = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    for value in (least, most):
        assert read(signed(value), bits, sign=True) == (value, len(signed(value)))
    for value in (least - 1, most + 1):
        assert read(signed(value), bits, sign=True) in {TOO_LARGE, TOO_LONG}


@settings(max_examples=300 * SCALE, deadline=None)
@given(st.data(), st.sampled_from([7, 32, 33, 64]))
def test_padding(data: st.DataObject, bits: int) -> None:
    longest = (bits + 6) // 7
    value = data.draw(st.integers(0, (1 << bits) - 1))
    length = data.draw(st.integers(len(unsigned(value)), longest))
    assert read(unsigned(value, length) + b"\xff", bits, sign=False) == (value, length)
    assert read(unsigned(value, longest + 1), bits, sign=False) == TOO_LONG
    value = data.draw(st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1))
    length = data.draw(st.integers(len(signed(value)), longest))
    assert read(signed(value, length) + b"\xff", bits, sign=True) == (value, length)
    assert read(signed(value, longest + 1), bits, sign=True) == TOO_LONG


@pytest.mark.parametrize(("name", "bits"), [("u32", 32), ("u64", 64)])
def test_named_unsigned(name: str, bits: int) -> None:
    for data in SPELLINGS:
        reader = Reader(data)
        try:
            found: tuple[int, int] | str = (getattr(reader, name)(), reader.pos)
        except MalformedError as error:
            found = error.reason
        assert found == reference(data, bits, sign=False)


@pytest.mark.parametrize(("name", "bits"), [("s32", 32), ("s33", 33), ("s64", 64)])
def test_named_signed(name: str, bits: int) -> None:
    for data in SPELLINGS:
        reader = Reader(data)
        try:
            found: tuple[int, int] | str = (getattr(reader, name)(), reader.pos)
        except MalformedError as error:
            found = error.reason
        assert found == reference(data, bits, sign=True)


@given(st.integers(0, 1 << 70))
def test_writing_unsigned(value: int) -> None:
    writer = Writer()
    writer.unsigned(value)
    assert writer.getvalue() == encode_unsigned(value) == unsigned(value)


@given(st.integers(-(1 << 70), 1 << 70))
def test_writing_signed(value: int) -> None:
    writer = Writer()
    writer.signed(value)
    assert writer.getvalue() == encode_signed(value) == signed(value)


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(1, 10))
def test_short_integers(value: int, length: int) -> None:
    data = encode_signed(value, length)
    assert short_integer(data, signed=True) == value
    data = encode_unsigned(abs(value), length)
    assert short_integer(data, signed=False) == abs(value)


def test_boundaries_are_written_shortest() -> None:
    for power in range(70):
        for value in ((1 << power) - 1, 1 << power, (1 << power) + 1):
            assert encode_unsigned(value) == unsigned(value)
            assert encode_signed(value) == signed(value)
            assert encode_signed(-value) == signed(-value)


def test_negative_is_no_natural_number() -> None:
    with pytest.raises(ValueError, match="not a natural number: -1"):
        encode_unsigned(-1)


# The window


def test_a_reader_stays_in_its_window() -> None:
    data = b"\xff\x80\x01\x02\xff"
    reader = Reader(data, 1, 3)
    assert (reader.u32(), reader.at_end()) == (128, True)
    for action in (reader.byte, reader.peek, reader.u32, reader.s33, reader.length, reader.name):
        with pytest.raises(MalformedError, match=END) as caught:
            action()
        assert caught.value.offset == 3
        assert reader.pos == 3
    with pytest.raises(MalformedError, match=END):
        Reader(data, 1, 2).u32()
    with pytest.raises(MalformedError, match=END):
        Reader(data, 1, 3).take(3)
    assert Reader(data, 1, 3).take(2) == b"\x80\x01"
    assert Reader(data, 1, 3).take(0) == b""


def test_offsets_have_the_base_added() -> None:
    reader = Reader(b"\x01\x02", base=100)
    reader.take(2)
    with pytest.raises(MalformedError) as caught:
        reader.byte()
    assert caught.value.offset == 102
    with pytest.raises(MalformedError) as caught:
        Reader(b"\x02\xff\xff", base=100).name()
    assert caught.value.offset == 101


def test_errors_point_at_the_start_of_the_integer() -> None:
    for spelled in ("80 80 80 80 80 00", "80 80 80 80 70"):
        reader = Reader(b"\x01" + bytes.fromhex(spelled))
        reader.byte()
        with pytest.raises(MalformedError) as caught:
            reader.u32()
        assert caught.value.offset == 1


# Lengths, counts, names, vectors


@pytest.mark.parametrize("count", [4, 100, 2**32 - 1])
def test_lengths_that_lie(count: int) -> None:
    data = unsigned(count) + b"abc"
    for action in (Reader.length, Reader.count, Reader.name, Reader.sized):
        with pytest.raises(MalformedError, match="length out of bounds"):
            action(Reader(data))
    with pytest.raises(MalformedError, match="length out of bounds"):
        Reader(data).vec(Reader.byte)


def test_vectors() -> None:
    writer = Writer()
    writer.vec([1, 300, 70000], Writer.unsigned)
    data = writer.getvalue()
    assert data == b"\x03\x01\xac\x02\xf0\xa2\x04"
    reader = Reader(data)
    assert reader.vec(Reader.u32) == [1, 300, 70000]
    assert reader.at_end()
    assert Reader(b"\0").vec(Reader.u32) == []


@given(st.text(), st.integers(0, 4))
def test_names(text: str, pad: int) -> None:
    encoded = text.encode()
    data = unsigned(len(encoded), min(5, len(unsigned(len(encoded))) + pad)) + encoded
    reader = Reader(data + b"x")
    assert reader.name() == text
    assert reader.pos == len(data)
    writer = Writer()
    writer.name(text)
    assert Reader(writer.getvalue()).name() == text


@given(st.binary(max_size=20))
def test_names_are_utf_8(data: bytes) -> None:
    reader = Reader(unsigned(len(data)) + data)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        with pytest.raises(MalformedError, match="malformed UTF-8 encoding") as caught:
            reader.name()
        assert 1 <= caught.value.offset <= len(data)
    else:
        assert reader.name() == text


@pytest.mark.parametrize("spelled", ["80", "c0 80", "ed a0 80", "f4 90 80 80", "ff", "e2 82"])
def test_malformed_utf_8(spelled: str) -> None:
    data = bytes.fromhex(spelled)
    with pytest.raises(MalformedError, match="malformed UTF-8 encoding"):
        Reader(unsigned(len(data)) + data).name()


def test_sized() -> None:
    reader = Reader(b"\x82\x00\x01\x02\x03", base=10)
    inner = reader.sized()
    assert reader.byte() == 3
    assert (inner.byte(), inner.byte(), inner.at_end()) == (1, 2, True)
    with pytest.raises(MalformedError) as caught:
        inner.byte()
    assert caught.value.offset == 14
    writer = Writer()
    writer.sized(b"ab")
    writer.byte(255)
    writer.put(b"cd")
    assert writer.getvalue() == b"\x02ab\xffcd"


@given(st.lists(st.tuples(st.binary(max_size=300), st.integers(1, 5))), st.binary(max_size=3))
def test_frames(pieces: list[tuple[bytes, int]], after: bytes) -> None:
    data = b"".join(unsigned(len(piece), length) + piece for piece, length in pieces)
    reader = Reader(b"\xff" + data + after, 1)
    found = reader.frames(len(pieces))
    assert [reader.data[start:end] for start, end in found] == [piece for piece, _ in pieces]
    assert reader.pos == 1 + len(data)
    if data:
        with pytest.raises(MalformedError):
            Reader(data[:-1]).frames(len(pieces))
    with pytest.raises(MalformedError):
        Reader(data).frames(len(pieces) + 1)


def test_frames_at_the_window() -> None:
    """A size that is known already, but cut off here."""
    piece = unsigned(200) + b"x" * 200
    data = piece * 3
    for end in range(len(piece) * 2, len(data)):
        with pytest.raises(MalformedError):
            Reader(data, 0, end).frames(3)
    assert len(Reader(data).frames(3)) == 3
