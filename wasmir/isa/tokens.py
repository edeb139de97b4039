"""The byte-level scanner: splits code into instructions at C speed, without decoding them.

Bytes regexes are built from the table, on first use. :func:`split` gives one token per
instruction; :func:`skeleton` gives *a run of anything else* and *one control instruction*, again
and again; :func:`outline` leaves whole blocks in runs. What they rest on:

* **Every alternative counts exactly or doesn't match.** A token's length is right or there is no
  token: an opcode spelled in more bytes than it needs (``fd 8c 00``), a flag byte that says that
  more follows than usual, or a count beyond those spelled out here matches nothing.
* **Nothing is searched.** ``findall`` skips what it can't match, and would try again at every
  byte. So each pattern ends in an alternative that swallows the rest, outside of the groups:
  there the caller sees an empty token, decodes one instruction strictly, and scans on behind it.
  Integers are bounded and nothing is retried with less; time is linear on any input.
* What stands inside a token is not checked: a LEB128 integer whose last byte has bits too many
  is counted all the same, and refused by the strict decoder when somebody looks.

One more regex counts locals.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from wasmir.isa import kinds
from wasmir.isa.mentions import mentioned_spaces
from wasmir.isa.strict import decode_one
from wasmir.isa.table import ROWS, Row, Trait
from wasmir.types import decode_value_type
from wasmir.wire import Reader

if TYPE_CHECKING:
    from wasmir.isa.kinds import Kind

__all__ = [
    "count_locals",
    "first_of",
    "gave_up",
    "is_control",
    "mentions",
    "outline",
    "picks",
    "quiet",
    "scanned",
    "skeleton",
    "skip_locals",
    "split",
    "split_whole",
    "statements",
]

Triples: TypeAlias = list[tuple[bytes, bytes, bytes]]
Scan: TypeAlias = Callable[[bytes, int, int], Triples]

# LEB128 integers by their size limit; possessive, so that no match is ever retried shorter.
_LEB32 = b"[\x80-\xff]{0,4}+[\x00-\x7f]"
_LEB64 = b"[\x80-\xff]{0,9}+[\x00-\x7f]"

# A type index in several bytes, or in one: a single byte from 0x40 on would be negative.
_INDEX33 = b"[\x00-\x3f]|[\x80-\xff]{1,4}+[\x00-\x7f]"
_HEAP = b"(?:[\x68-\x75]|" + _INDEX33 + b")"
_VALUE_TYPE = b"(?:[\x7b-\x7f\x68-\x75]|[\x63\x64]" + _HEAP + b")"
_BLOCK_TYPE = b"(?:\x40|" + _VALUE_TYPE + b"|" + _INDEX33 + b")"
# Those that mention no entry of the type section, and those that may.
_SHORT_BLOCK_TYPE = b"[\x40\x7b-\x7f\x68-\x75]"
_LONG_BLOCK_TYPE = b"(?:[\x63\x64]" + _HEAP + b"|" + _INDEX33 + b")"
# Without bit 6, which says that a memory index follows.
_MEMARG = b"[\x00-\x3f]" + _LEB64
_MEMARG_WITH_MEMORY = b"[\x40-\x7f]" + _LEB32 + _LEB64
_CLAUSE = b"(?:[\x00\x01]" + _LEB32 + _LEB32 + b"|[\x02\x03]" + _LEB32 + b")"


def _counted(limit: int, one: bytes, extra: int = 0) -> bytes:
    """A vector of up to ``limit`` elements, ``extra`` more than its count says."""
    # `{n}` and not n times the same text, which would take long to compile.
    lengths = (b"%s(?:%s){%d}" % (re.escape(bytes([n])), one, n + extra) for n in range(limit + 1))
    return b"(?:" + b"|".join(lengths) + b")"


_PATTERNS: dict[Kind[Any], bytes] = {
    **dict.fromkeys(
        (
            kinds.TYPE,
            kinds.FUNC,
            kinds.TABLE,
            kinds.MEMORY,
            kinds.TAG,
            kinds.GLOBAL,
            kinds.ELEM,
            kinds.DATA,
            kinds.LOCAL,
            kinds.LABEL,
            kinds.FIELD,
            kinds.TYPE_USE,
            kinds.COUNT,
            kinds.I32,
        ),
        _LEB32,
    ),
    kinds.I64: _LEB64,
    kinds.F32: b".{4}",
    kinds.F64: b".{8}",
    kinds.V128: b".{16}",
    kinds.SHUFFLE: b".{16}",
    **dict.fromkeys((kinds.LANE2, kinds.LANE4, kinds.LANE8, kinds.LANE16), b"."),
    **dict.fromkeys(
        (kinds.MEMARG0, kinds.MEMARG1, kinds.MEMARG2, kinds.MEMARG3, kinds.MEMARG4), _MEMARG
    ),
    kinds.HEAP: _HEAP,
    kinds.REF: _HEAP,
    kinds.REF_NULL: _HEAP,
    kinds.CAST_FLAGS: b"[\x00-\x03]",
    kinds.ZERO: b"\x00",
    kinds.BLOCK_TYPE: _BLOCK_TYPE,
    kinds.VALUE_TYPES: _counted(1, _VALUE_TYPE),
    kinds.LABELS: _counted(24, _LEB32, extra=1),
    kinds.CATCHES: _counted(4, _CLAUSE),
    kinds.HANDLERS: _counted(2, b"(?:\x00" + _LEB32 + _LEB32 + b"|\x01" + _LEB32 + b")"),
}

_CONTROL_TRAITS = frozenset(
    {Trait.OPENS, Trait.CLOSES, Trait.SEPARATES, Trait.BRANCHES, Trait.TERMINATES}
)


def is_control(row: Row) -> bool:
    """Whether the instruction ends a run: it opens, closes, branches, or never goes on."""
    return not _CONTROL_TRAITS.isdisjoint(row.traits)


def _set(codes: list[int]) -> bytes:
    """A character set of bytes, neighbours as ranges."""
    codes = sorted(codes)
    pieces = []
    while codes:
        last = first = codes.pop(0)
        while codes and codes[0] == last + 1:
            last = codes.pop(0)
        pieces.append(_byte(first) + (b"-" + _byte(last) if last > first else b""))
    return b"[" + b"".join(pieces) + b"]"


def _byte(code: int) -> bytes:
    """A byte as it stands in a regex: as itself where that can be, which takes less to compile."""
    return re.escape(bytes([code]))


def _alternatives(rows: Iterable[Row]) -> list[bytes]:
    """One alternative for all rows that differ in one byte of their opcode."""
    plain: dict[bytes, list[int]] = {}
    # By prefix; then by what follows the one byte that differs.
    prefixed: dict[int, dict[bytes, list[int]]] = {}
    for row in rows:
        operands = b"".join(_PATTERNS[immediate.kind] for immediate in row.immediates)
        if row.prefix:
            rest = re.escape(row.opcode[2:])
            group = prefixed.setdefault(row.prefix, {})
            group.setdefault(rest + operands, []).append(row.opcode[1])
        else:
            plain.setdefault(operands, []).append(row.number)
    # The frequent shapes first.
    frequent = [operands for operands in (_LEB32, _MEMARG, b"") if operands in plain]
    shapes = frequent + [operands for operands in plain if operands not in frequent]
    alternatives = [_set(plain[operands]) + operands for operands in shapes]
    for prefix, group in prefixed.items():
        inner = b"|".join(_set(codes) + rest for rest, codes in _with_memories(group))
        alternatives.append(b"%s(?:%s)" % (_byte(prefix), inner))
    # At the end, because most modules have one memory.
    others = list(_with_memories(plain))[len(plain) :]
    return alternatives + [_set(codes) + operands for operands, codes in others]


def _with_memories(shapes: dict[bytes, list[int]]) -> Iterator[tuple[bytes, list[int]]]:
    """The shapes of instructions, and those of accesses with a memory index behind all others."""
    yield from shapes.items()
    for shape, codes in shapes.items():
        if _MEMARG in shape:
            yield shape.replace(_MEMARG, _MEMARG_WITH_MEMORY), codes


@cache
def split() -> Callable[..., list[bytes]]:
    """``scan(data, start, end)``: the instructions there, control instructions included.

    An empty token is one that can't be counted; what follows it was not scanned.
    """
    return re.compile(b"(" + b"|".join(_alternatives(ROWS)) + b")|.++", re.DOTALL).findall


@cache
def skeleton() -> Scan:
    """``scan(data, start, end)``: triples of a run, the control instruction behind it, and, where
    that one is empty because it can't be counted, its first byte; all are empty at the end of the
    data. What follows a token that can't be counted was not scanned.
    """
    control = _alternatives(row for row in ROWS if is_control(row))
    return _compile_skeleton(_run_alternatives(), control)


@cache
def outline() -> Scan:
    """Like :func:`skeleton`, but some blocks are part of runs: those that no branch leaves and in
    which nothing catches.

    Such a block means the same at any depth and under any handler, so whoever rearranges handlers
    need not look inside. Blocks in it count up to a depth; what is deeper is not left in a run.

    What mostly stands before an ``end`` (``br``, ``br_if``, ``rethrow``, ``return``, ...) comes as
    one token with it; so do blocks without a type that open one right behind the other; and so do
    the shapes that compilers write all the time, with the runs inside: ``try RUN delegate``,
    ``catch_all RUN rethrow 0 end``, and ``try RUN`` with the latter.
    """
    run = _run_alternatives()
    control = [row for row in ROWS if is_control(row)]
    last = _alternatives(row for row in control if Trait.TERMINATES in row.traits)
    others = _alternatives(row for row in control if Trait.TERMINATES not in row.traits)
    blocks = b"\x02\x40(?:\x02\x40)++"
    branch_and_end = b"\x0d[\x00-\x7f]\x0b"
    inside = _inside()
    # `try RUN` or nothing; then `delegate`, or `catch_all` with what cleans up. What was matched
    # last says which, so that `inside`, which takes long to compile, stands here twice only.
    whole = (
        b"[\x06\x18\x19](?:(?<=\x06)[\x40\x7c-\x7f]" + inside + b"[\x18\x19]|)"
        b"(?:(?<=\x18)[\x00-\x7f]|(?<=\x19)" + inside + b"\x09\x00\x0b)"
    )
    return _compile_skeleton(
        [*run, _closed_block(run, _plain_alternatives())],
        [blocks, whole, branch_and_end, *others, b"(?:" + b"|".join(last) + b")\x0b?+"],
    )


def _inside() -> bytes:
    """What comes as one token with the ``try`` or ``catch_all`` around it. The plainest runs only:
    what isn't found whole is found in parts, and each row costs time to compile.
    """
    plain = _plain_alternatives()
    return _any_number([*plain, _closed_block(plain, plain, 2)])


@cache
def first_of(name: str) -> Callable[[bytes, int, int], int]:
    """``find(data, start, end)``: where the first instruction of that name stands, or one before it
    that can't be counted; ``end`` where there is neither.
    """
    return _until(row for row in ROWS if row.name == name)


@cache
def quiet() -> Callable[[bytes, int, int], int]:
    """The same for what may throw in a frame that is still there: a tail call can't."""
    return _until(
        row
        for row in ROWS
        if Trait.THROWS in row.traits
        or (Trait.CALLS in row.traits and Trait.TERMINATES not in row.traits)
    )


def _until(rows: Iterable[Row]) -> Callable[[bytes, int, int], int]:
    match = re.compile(_any_number(_run_alternatives(set(ROWS).difference(rows))), re.DOTALL).match

    def find(data: bytes, start: int, end: int) -> int:
        found = match(data, start, end)
        return start if found is None else found.end()

    return find


@cache
def mentions(spaces: frozenset[str]) -> Scan:
    """Like :func:`skeleton`, but what stands between runs is the instructions that mention some
    of a module's index spaces, and anything else is part of runs.
    """
    wanted = {row for row in ROWS if spaces & mentioned_spaces(row)}
    # Blocks mostly have a type that mentions nothing.
    blocks = {row for row in wanted if [each.kind for each in row.immediates] == [kinds.BLOCK_TYPE]}
    opens = _set([row.number for row in blocks]) if blocks else b"(?!)"
    run = [*_run_alternatives(set(ROWS) - wanted), opens + _SHORT_BLOCK_TYPE]
    return _compile_skeleton(run, [*_alternatives(wanted - blocks), opens + _LONG_BLOCK_TYPE])


@cache
def picks(names: frozenset[str]) -> Scan:
    """The same for the instructions of some names."""
    wanted = [row for row in ROWS if row.name in names]
    return _compile_skeleton(_run_alternatives(set(ROWS).difference(wanted)), _alternatives(wanted))


def gave_up(found: Triples) -> bool:
    """Whether a scan ended at a token that it can't count."""
    # At the end of the data the regex finds nothing once more; there, too.
    return len(found) > 1 and bool(found[-2][2])


def scanned(scan: Scan, code: bytes, start: int, end: int) -> Iterator[Triples]:
    """All that a scan finds, in portions: what it can't count is decoded strictly, and stands as a
    token at the end of a portion. Raises MalformedError.
    """
    pos = start
    while True:
        found = scan(code, pos, end)
        if not gave_up(found):
            yield found
            return
        pos += sum(len(run) + len(token) for run, token, _ in found)
        reader = Reader(code, pos, end)
        decode_one(reader)
        found.append((b"", code[pos : reader.pos], b""))
        pos = reader.pos
        yield found


def split_whole(data: bytes, start: int, end: int) -> Iterator[list[bytes]]:
    """All instructions there, in portions: what :func:`split` can't count is decoded strictly, and
    is a portion by itself. Raises MalformedError, behind the portions in front of what is wrong.
    """
    scan = split()
    pos = start
    while pos < end:
        found = scan(data, pos, end)
        gave_up = not found[-1]
        if gave_up:
            found.pop()
        yield found
        pos += sum(map(len, found))
        if gave_up:
            reader = Reader(data, pos, end)
            decode_one(reader)
            yield [data[pos : reader.pos]]
            pos = reader.pos


@cache
def statements() -> Callable[[bytes, int, int], list[tuple[bytes, bytes]]]:
    """``scan(data, start, end)``: pairs, of which one is empty. The second is an instruction. The
    first is what the commonest statement ends in, which sets something or makes a call with a local
    or an address next to one: nothing is said of the ``local.get`` and of what is added to it.

    Two empty ones are what can't be counted; what follows it was not scanned.
    """
    # local.get (i32.const i32.add)? (call, local.set or global.set)
    statement = b"\x20[\x00-\x7f](?:\x41" + _LEB32 + b"\x6a)?+([\x10\x21\x24]" + _LEB32 + b")"
    pattern = statement + b"|(" + b"|".join(_alternatives(ROWS)) + b")|.++"
    return re.compile(pattern, re.DOTALL).findall


# Deeper nesting in runs saves little more: with 5 levels a large module has 39% fewer tokens
# left, with 4 it is 37%, with 3 34%.
_CLOSED_DEPTH = 4


def _closed_block(
    alternatives: list[bytes], inner: list[bytes], levels: int = _CLOSED_DEPTH
) -> bytes:
    """Such a block of some instructions, with others in the blocks inside of it."""
    closed = b""
    for depth in reversed(range(levels)):
        # Branches to this block or to one around it that is part of the run, too.
        inside = [inner, alternatives][depth == 0] + [
            b"[\x0c\x0d][\x00-" + _byte(depth) + b"]",
            *_LEAVERS,
        ]
        if closed:
            inside.append(closed)
        closed = b"[\x02-\x04]" + _BLOCK_TYPE + _any_number(inside) + b"\x0b"
    return closed


# What may stand in a block that counts as closed: `unreachable`, `else`, `return`, `throw`.
_LEAVERS = (b"[\x00\x05\x0f]", b"\x08" + _LEB32)


def _run_alternatives(rows: set[Row] | None = None) -> list[bytes]:
    """What a run consists of (usually what isn't control), in a form that makes long runs fast."""
    inside = [row for row in ROWS if (not is_control(row) if rows is None else row in rows)]
    # Most instructions are followed by some without operands: those are taken along in a set's
    # tight loop, before the engine gets back to choosing an alternative.
    bare = _set([row.number for row in inside if not row.immediates and not row.prefix]) + b"*+"
    alternatives = [alternative + bare for alternative in _alternatives(inside)]
    # Operands mostly fit in a byte, and a fixed byte is faster than a bounded loop.
    short = [
        alternatives[0].replace(_LEB32, b"[\x00-\x7f]"),
        alternatives[1].replace(_LEB64, b"[\x00-\x7f]"),
    ]
    return short + alternatives


def _plain_alternatives() -> list[bytes]:
    """The same of nothing but instructions without a prefix: each row costs time to compile."""
    return _run_alternatives({row for row in ROWS if not (is_control(row) or row.prefix)})


# Up to CPython 3.11.4 a possessive quantifier goes wrong when what it repeats has to try several
# alternatives (python/cpython#106052). An atomic group says the same there, a little slower.
_POSSESSIVE = sys.version_info >= (3, 11, 5)


def _any_number(alternatives: Iterable[bytes]) -> bytes:
    """As many as there are, never to be retried with fewer."""
    repeated = b"(?:" + b"|".join(alternatives) + b")*"
    return repeated + b"+" if _POSSESSIVE else b"(?>" + repeated + b")"


def _compile_skeleton(run: list[bytes], control: list[bytes]) -> Scan:
    pattern = b"(" + _any_number(run) + b")(?:(" + b"|".join(control) + b")|(.).*+|)"
    return re.compile(pattern, re.DOTALL).findall


# As many groups of locals as functions commonly have, each of one type.
_LOCALS = re.compile(_counted(8, _LEB32 + _VALUE_TYPE), re.DOTALL).match


def skip_locals(data: bytes, start: int, end: int) -> int:
    """Where the locals' declarations that begin at ``start`` end. Raises MalformedError."""
    if start < end and not data[start]:
        return start + 1
    known = _LOCALS(data, start, end)
    if known is not None:
        return known.end()
    reader = Reader(data, start, end)
    for _ in range(reader.count()):
        reader.u32()
        decode_value_type(reader)
    return reader.pos


def count_locals(declarations: bytes, offset: int = 0) -> int:
    """How many locals are declared. Raises MalformedError: they must be fewer than 2^32."""
    reader = Reader(declarations, base=offset)
    total = 0
    for _ in range(reader.count()):
        total += reader.u32()
        decode_value_type(reader)
        if total >= 1 << 32:
            raise reader.error("too many locals")
    return total
