"""The scanner against the strict decoder: exact lengths or no match, in linear time."""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.modules import SCALE, module, unsigned
from tests.spelling import BodyWriter, Speller, sample
from wasmir import MalformedError, Module, WasmError
from wasmir.isa import kinds, tokens
from wasmir.isa.strict import decode_one
from wasmir.isa.table import BY_NAME, ROWS, Row, Trait
from wasmir.types import NumType
from wasmir.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = pytest.mark.parametrize("row", ROWS, ids=str)
END = b"\x0b"


def check_one(row: Row, data: bytes, *, common: bool) -> None:
    """One instruction, with something legal behind it."""
    code = data + b"\x01\x0b"
    first = tokens.split()(code, 0, len(code))[0]
    run, control, gave_up = tokens.skeleton()(code, 0, len(code))[0]
    if first:
        assert first == data
    if not gave_up:
        if tokens.is_control(row):
            assert (run, control) == (b"", data)
        else:
            assert (run, control) == (data + b"\x01", END)
    else:
        assert (run, control, gave_up) == (b"", b"", data[:1])
    assert bool(first) == (not gave_up)
    if common:
        assert first, f"no fast way for {row.name} as {data.hex(' ')}"


@ALL
def test_exact_or_no_match(row: Row) -> None:
    random = Random(row.name)
    for attempt in range((60 if row.immediates else 10) * SCALE):
        speller = Speller(random, pad=(0, 0.3, 1)[attempt % 3])
        values = sample(row, random)
        data = speller.instruction(row, values)
        reader = Reader(data + b"\xff")
        assert decode_one(reader) == (row, values)
        assert reader.pos == len(data)
        check_one(row, data, common=speller.common)


@ALL
def test_the_fast_way_is_there(row: Row) -> None:
    """Every row has a spelling that the scanner counts, so it is never silently left out."""
    random = Random(row.name)
    speller = Speller(random, pad=0)
    for _ in range(100):
        data = speller.instruction(row, sample(row, random))
        if speller.common:
            check_one(row, data, common=True)
            return
    pytest.fail("no common spelling found")


def labels(count: int, *, length: int = 1) -> bytes:
    return b"\x0e" + unsigned(count, length) + b"\0" * (count + 1)


SPELLINGS: dict[str, tuple[str | bytes, bool]] = {
    # What the scanner counts ...
    "br_table of 16 labels": (labels(16), True),
    "try_table without clauses": ("1f 40 00", True),
    "try_table with one clause": ("1f 40 01 03 00", True),
    "two clauses, padded tag": ("1f 40 02 01 81 00 00 02 00", True),
    "padded local": ("20 80 80 80 80 00", True),
    "longest i64": ("42 80 80 80 80 80 80 80 80 80 7f", True),
    "block type in the long form": ("02 64 70", True),
    "block type by padded index": ("02 80 80 80 80 00", True),
    "select with one type": ("1c 01 7f", True),
    # ... and what it may leave to the strict decoder, but must not count wrong.
    "padded sub-opcode": ("fd 8c 00 " + "00" * 16, False),
    "padded sub-opcode of memory.init": ("fc 88 00 00 00", False),
    "memarg with memory": ("28 42 01 10", True),
    "memarg with memory 0": ("28 42 00 10", True),
    "padded memarg flags": ("28 82 00 10", False),
    "padded memarg flags with memory": ("28 c2 00 01 10", False),
    "padded br_table count": (labels(1, length=2), False),
    "br_table of 200 labels": (labels(200), False),
    "padded clause count": ("1f 40 81 00 03 00", False),
    "six clauses": ("1f 40 06" + "03 00" * 6, False),
    "exact block type": ("02 64 62 00", False),
    "select with padded count": ("1c 81 00 7f", False),
    "select with two types": ("1c 02 7f 7e", False),
    "resume with three handlers": ("e3 00 03 00 00 00 01 00 00 00 00", False),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings(name: str) -> None:
    spelled, common = SPELLINGS[name]
    data = bytes.fromhex(spelled) if isinstance(spelled, str) else spelled
    reader = Reader(data)
    row, _ = decode_one(reader)
    assert reader.at_end()
    check_one(row, data, common=common)


# Many instructions in a row


def spelled_code(random: Random, *, pad: float, length: int) -> tuple[bytes, list[Row]]:
    speller = Speller(random, pad=pad)
    rows = random.choices(ROWS, k=length)
    return b"".join(speller.instruction(row, sample(row, random)) for row in rows), rows


def walk_split(data: bytes, start: int, end: int) -> list[bytes]:
    """All tokens, as the scanner's callers get them: strictly where it gives up."""
    scan = tokens.split()
    found: list[bytes] = []
    pos = start
    while pos < end:
        for token in scan(data, pos, end):
            if not token:
                reader = Reader(data, pos, end)
                decode_one(reader)
                token = data[pos : reader.pos]  # noqa: PLW2901 - the token, after all
                found.append(token)
                pos = reader.pos
                break
            found.append(token)
            pos += len(token)
    return found


def walk(scan: tokens.Scan, data: bytes, start: int, end: int) -> list[tuple[bytes, bytes]]:
    """The same, as runs and control instructions."""
    found: list[tuple[bytes, bytes]] = []
    pos = start
    while pos < end:
        for run, control, gave_up in scan(data, pos, end):
            pos += len(run) + len(control)
            found.append((run, control))
            if gave_up:
                assert not control
                reader = Reader(data, pos, end)
                decode_one(reader)
                found.append((b"", data[pos : reader.pos]))
                pos = reader.pos
                break
    return found


def rows_of(data: bytes) -> list[Row]:
    reader = Reader(data)
    rows = []
    while not reader.at_end():
        rows.append(decode_one(reader)[0])
    return rows


@settings(max_examples=150 * SCALE, deadline=None)
@given(seed=st.integers(0, 2**64), pad=st.sampled_from([0, 0.05, 0.5]))
def test_sequences(seed: int, pad: float) -> None:
    random = Random(seed)
    code, rows = spelled_code(random, pad=pad, length=random.randrange(60))
    # The scan neither looks before its start nor behind its end.
    before, after = random.randbytes(3), random.randbytes(20)
    data, start, end = before + code + after, 3, 3 + len(code)
    split = walk_split(data, start, end)
    assert b"".join(split) == code
    assert [rows_of(token) for token in split] == [[row] for row in rows]
    skeleton = walk(tokens.skeleton(), data, start, end)
    assert b"".join(run + control for run, control in skeleton) == code
    seen: list[Row] = []
    for run, control in skeleton:
        inside = rows_of(run)
        assert not any(map(tokens.is_control, inside))
        seen += inside + rows_of(control)
    assert seen == rows


@settings(max_examples=400 * SCALE, deadline=None)
@given(
    data=st.one_of(
        st.binary(max_size=60),
        st.lists(
            st.sampled_from(list(b"\x00\x0b\x0e\x1f\x28\x41\x63\x64\x80\xfb\xfc\xfd\xff"))
        ).map(bytes),
    )
)
def test_bad_bytes_are_counted_right_or_refused(data: bytes) -> None:
    """A token is what the strict decoder would take, or something that it refuses on its own."""
    pos = 0
    for token in tokens.split()(data, 0, len(data)):
        if not token:
            break
        reader = Reader(data, pos)
        try:
            decode_one(reader)
        except MalformedError:
            with pytest.raises(MalformedError):
                decode_one(Reader(token))
            break
        assert data[pos : reader.pos] == token
        pos = reader.pos


@settings(max_examples=100 * SCALE, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_nothing_is_counted_beyond_the_end(seed: int) -> None:
    random = Random(seed)
    code, _ = spelled_code(random, pad=0.1, length=4)
    for end in range(len(code)):
        complete = b"".join(tokens.split()(code, 0, end))
        assert code.startswith(complete)
        assert len(complete) <= end
        taken = tokens.skeleton()(code, 0, end)
        assert sum(len(run) + len(control) for run, control, _ in taken) <= end


def test_locals() -> None:
    random = Random(0)
    kind = kinds.VALUE_TYPES
    for groups in [*range(12), 100]:
        for _ in range(20):
            counts = [random.choice([0, 1, 200, 70000]) for _ in range(groups)]
            speller = Speller(random, pad=random.choice([0, 0.5]))
            speller.integer(groups)
            for count in counts:
                speller.integer(count)
                speller.value_type(random.choice([*NumType, *(kind.sample(random) or ())]))
            data = bytes(speller.out)
            assert tokens.skip_locals(b"\xff" + data + b"\x7f", 1, len(data) + 2) == len(data) + 1
            assert tokens.count_locals(data) == sum(counts)
            for end in range(len(data)):
                with pytest.raises(MalformedError):
                    tokens.skip_locals(data, 0, end)


def test_too_many_locals() -> None:
    data = b"\x02" + unsigned(2**32 - 1) + b"\x7f\x01\x7f"
    with pytest.raises(MalformedError, match="too many locals"):
        tokens.count_locals(data)
    assert tokens.count_locals(b"\x01" + unsigned(2**32 - 1) + b"\x7f") == 2**32 - 1


# Outlines


def closed_blocks(run: bytes) -> int:
    """How many whole blocks the run holds; checks that they are whole, and that nothing leaves."""
    reader = Reader(run)
    opened = count = 0
    while not reader.at_end():
        row, values = decode_one(reader)
        traits = row.traits
        if Trait.OPENS in traits:
            assert row.name in {"block", "loop", "if"}
            opened += 1
            count += 1
        elif Trait.CLOSES in traits:
            assert row.name == "end"
            opened -= 1
            assert opened >= 0
        elif Trait.SEPARATES in traits:
            assert row.name == "else"
            assert opened > 0
        elif Trait.BRANCHES in traits:
            assert row.name in {"br", "br_if"}
            assert values[0] < opened
        elif opened == 0:
            assert not tokens.is_control(row)
    assert opened == 0
    return count


@settings(max_examples=100 * SCALE, deadline=None)
@given(seed=st.integers(0, 2**64), pad=st.sampled_from([0, 0, 0.05, 0.5]))
def test_outlines_of_bodies(seed: int, pad: float) -> None:
    random = Random(seed)
    data = BodyWriter(random, pad=pad).body(random.choice([4, 8, 16]))
    start = tokens.skip_locals(data, 0, len(data))
    found = walk(tokens.outline(), data, start, len(data))
    assert b"".join(run + control for run, control in found) == data[start:]
    for run, control in found:
        closed_blocks(run)
        rows = rows_of(control)
        names = [row.name for row in rows]
        if len(rows) > 1 and names[0] == "try":
            assert names[-1] == "delegate"
            closed_blocks(control[2:-2])
        elif len(rows) > 1 and names[0] == "catch_all":
            assert names[-2:] == ["rethrow", "end"]
            closed_blocks(control[1:-3])
        elif len(rows) > 1 and names[0] == "block":
            assert control == b"\x02\x40" * len(rows)
        elif len(rows) > 1:
            assert names[0] == "br_if" or Trait.TERMINATES in rows[0].traits
            assert names[1:] == ["end"]
        # What the scanner counted, the splitter of statements counts as well.
        if pad == 0:
            assert_statements(run)


def assert_statements(run: bytes) -> None:
    """Each instruction is in one statement, or by itself."""
    rest = iter(tokens.split()(run, 0, len(run)))
    for last, token in tokens.statements()(run, 0, len(run)):
        assert bool(last) != bool(token)
        if last:
            assert next(rest)[0] == BY_NAME["local.get"].number
            following = next(rest)
            if following != last:
                assert following[0] == BY_NAME["i32.const"].number
                assert next(rest) == BY_NAME["i32.add"].opcode
                following = next(rest)
            assert following == last
        else:
            assert next(rest) == token
    assert next(rest, None) is None


def test_statements() -> None:
    code = bytes.fromhex(
        "20 00 10 01  20 7f 41 80 01 6a 24 80 02  20 80 01 10 01  20 00 41 01 10 01"
    )
    found = tokens.statements()(code, 0, len(code))
    assert [last.hex() for last, _ in found if last] == ["1001", "248002"]
    assert len(found) == 2 + 2 + 3
    assert_statements(code)


@pytest.mark.parametrize(
    ("code", "whole"),
    [
        ("02 40 01 0b", True),
        ("03 7f 41 00 0b", True),
        ("41 00 04 40 01 05 01 0b", True),
        ("02 40 0c 00 0b", True),
        ("02 40 02 40 0d 01 0b 0b", True),
        ("02 40 0f 0b", True),
        ("02 40 00 0b", True),
        ("02 40 08 00 0b", True),
        ("02 00 02 00 0b 0b", True),
        ("02 40 0c 01 0b", False),
        ("02 40 02 40 0d 02 0b 0b", False),
        ("02 40 0e 00 00 0b", False),
        ("02 40 06 40 0b 0b", False),
        ("06 40 0b", False),
        ("1f 40 00 0b", False),
        ("02 40 1f 40 00 0b 0b", False),
        ("02 40 0a 0b", None),
        ("02 40", False),
        ("0b", False),
        ("0f", False),
        ("02 40 d4 01 d5 01 0b", False),
        ("02 40 01 0b 0b", False),
    ],
)
def test_what_an_outline_hides(code: str, whole: bool | None) -> None:
    data = bytes.fromhex(code)
    run, control, _ = tokens.outline()(data, 0, len(data))[0]
    if whole:
        assert (run, control) == (data, b"")
    elif whole is False:
        assert run != data


@settings(max_examples=100 * SCALE, deadline=None)
@given(seed=st.integers(0, 2**64), pad=st.sampled_from([0, 0, 0.05]))
def test_first_of_a_name(seed: int, pad: float) -> None:
    data = BodyWriter(Random(seed), pad=pad).body(8)
    start = tokens.skip_locals(data, 0, len(data))
    for name in ("try", "catch_all", "loop"):
        place = tokens.first_of(name)(data, start, len(data))
        reader = Reader(data, start)
        while reader.pos < place:
            assert decode_one(reader)[0].name != name
        assert reader.pos == place
        if place < len(data):
            # Or what can't be counted.
            assert decode_one(reader)[0].name == name or not tokens.split()(data, place)[0]


# Time


def code_of(token: bytes, size: int, end: bytes = b"") -> bytes:
    return token * (size // len(token)) + end


PADDED_NOP = bytes.fromhex("fd8c00") + b"\0" * 16
HOSTILE: dict[str, Callable[[int], bytes]] = {
    "const before an illegal opcode": lambda n: code_of(b"\x41\x00", n, b"\xff"),
    "local.get before a large br_table": lambda n: code_of(b"\x20\x00", n, labels(200) + END),
    "nops before an unterminated LEB": lambda n: code_of(b"\x01", n, b"\x41" + b"\x80" * 20),
    "loads before padded flags": lambda n: code_of(b"\x28\x02\x10", n, b"\x28\xc2\x00\x01\x10\x0b"),
    "loads of another memory": lambda n: code_of(b"\x28\x42\x01\x10", n, END),
    "prefix fd": lambda n: code_of(b"\xfd", n),
    "prefixes fc fb": lambda n: code_of(b"\xfc\xfb", n),
    "prefixes fc fb fd fe": lambda n: code_of(b"\xfc\xfb\xfd\xfe", n),
    "continuation bytes": lambda n: code_of(b"\x80", n),
    "const of continuation bytes": lambda n: b"\x41" + code_of(b"\x80", n),
    "consts without end": lambda n: code_of(b"\x41\x80\x80\x80\x80\x80\x80", n),
    "block types of continuation bytes": lambda n: code_of(b"\x02" + b"\xff" * 4, n),
    "large br_tables": lambda n: code_of(labels(200), n, END),
    "br_tables that say too much": lambda n: code_of(b"\x0e\x7f", n),
    "padded sub-opcodes": lambda n: code_of(PADDED_NOP, n, END),
    "try_tables with many clauses": lambda n: code_of(
        b"\x1f\x40\x28" + b"\x02\x00" * 40 + b"\x0b", n, END
    ),
    "try_tables that say too much": lambda n: code_of(b"\x1f\x40\x04\x02\x00\x02", n),
    "two kinds in turn": lambda n: code_of(b"\x28\xc2\x00\x01\x10" + b"\x01" * 60, n, END),
    "blocks": lambda n: code_of(b"\x02\x40", n // 2) + code_of(END, n // 4, END),
    "unclosed blocks": lambda n: code_of(b"\x02\x40", n),
    "blocks that a branch leaves at the end": lambda n: code_of(
        b"\x02\x40" * 50 + b"\x01" * 2000 + b"\x0c\x32" + END * 50, n, END
    ),
    "blocks in blocks, with content": lambda n: code_of(b"\x02\x40" + b"\x01" * 60, n),
    "closed blocks before one that isn't": lambda n: (
        b"\x02\x40" + code_of(b"\x02\x40\x02\x40\x0b\x0b", n, b"\x0c\x01\x0b\x0b")
    ),
    "ifs and elses": lambda n: code_of(b"\x04\x40\x05", n),
    "ends": lambda n: code_of(END, n),
    "zeros": lambda n: code_of(b"\x00", n),
    "selects of too many types": lambda n: code_of(b"\x1c\x7f", n),
}
SMALL, FACTOR, MOST = 256 * 1024, 4, 8
"""Four times the input may take up to eight times as long. Quadratic would be sixteen."""
SANE = 30


def seconds(action: Callable[[], object]) -> float:
    # Trees are cyclic: what earlier tries left behind is not this one's to clear away.
    gc.collect()
    start = time.process_time()
    action()
    return time.process_time() - start


def assert_linear(make: Callable[[int], Callable[[], object]], small: int = SMALL) -> None:
    """The ratio of the times for two sizes, the best of a few tries: the machine may be busy."""
    little, much = make(small), make(small * FACTOR)
    ratio = 0.0
    for _ in range(4):
        fast = min(seconds(little) for _ in range(2))
        slow = seconds(much)
        assert slow < SANE
        # Below a hundredth of a second it is noise that is measured.
        ratio = slow / max(fast, 0.01)
        if ratio < MOST:
            return
    pytest.fail(f"{FACTOR} times the size takes {ratio:.1f} times as long")


@pytest.mark.parametrize("name", HOSTILE)
def test_scanning_takes_linear_time(name: str) -> None:
    for scan in (
        tokens.split(),
        tokens.skeleton(),
        tokens.outline(),
        tokens.statements(),
        tokens.first_of("try"),
    ):

        def make(size: int, scan: Callable[..., object] = scan) -> Callable[[], object]:
            data = HOSTILE[name](size)
            return lambda: scan(data, 0, len(data))

        assert_linear(make)


@pytest.mark.parametrize("name", HOSTILE)
def test_bodies_take_linear_time(name: str) -> None:
    def make(size: int) -> Callable[[], object]:
        data = module(b"\0" + HOSTILE[name](size))

        def look() -> None:
            opened = Module.from_bytes(data)
            try:
                body = opened.functions[0].body
            except WasmError:
                return
            assert opened.functions[0].code == data[opened.functions[0].offset :]
            assert body.items

        return look

    assert_linear(make, SMALL // 2)


def test_both_spellings_of_runs_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """What older Pythons get in the place of possessive quantifiers splits code alike."""
    code = [
        function.code
        for path in sorted((Path(__file__).parents[2] / "corpus" / "built").glob("*.wasm"))
        for function in Module.from_file(path).functions
        if function.imported is None
    ]
    found = []
    for possessive in (False, True):
        monkeypatch.setattr(tokens, "_POSSESSIVE", possessive and sys.version_info >= (3, 11, 5))
        scanners = [tokens.skeleton.__wrapped__(), tokens.outline.__wrapped__()]
        found.append(
            [
                scan(each, tokens.skip_locals(each, 0, len(each)), len(each))
                for scan in scanners
                for each in code
            ]
        )
    assert len(code) > 100
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("code", "mentioning"),
    [
        ("02 40 03 7f 04 70 06 69 0b 0b 0b 0b", []),
        ("02 00 0b", ["02 00"]),
        ("02 40 03 80 01 0b 0b", ["03 80 01"]),
        ("04 63 01 01 0b", ["04 63 01"]),
        ("06 64 70 01 0b", ["06 64 70"]),
        ("02 64 62 00 0b 10 05", ["02 64 62 00"]),
        ("1f 40 00 0b", ["1f 40 00"]),
        ("02 7e 11 02 00 0b fb 00 03", ["11 02 00", "fb 00 03"]),
    ],
)
def test_what_mentions_types(code: str, mentioning: list[str]) -> None:
    """Of blocks those whose type may be an entry of the type section."""
    scan = tokens.mentions(frozenset({"type"}))
    data = bytes.fromhex(code)
    portions = list(tokens.scanned(scan, data, 0, len(data)))
    found = [token for portion in portions for _, token, _ in portion if token]
    assert [token.hex(" ") for token in found] == mentioning
    assert b"".join(run + token for portion in portions for run, token, _ in portion) == data
