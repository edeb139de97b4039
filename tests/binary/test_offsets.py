"""Offsets of code before and after: where instructions went, by what stands there."""

from __future__ import annotations

import re
from random import Random
from typing import TYPE_CHECKING

import pytest

from corpus.manifest import Module as Entry
from corpus.manifest import find, modules
from tests.modules import (
    SCALE,
    assembled,
    custom,
    module,
    printed,
    section,
    sized,
    unsigned,
    vector,
)
from wasmir import (
    Block,
    BrIf,
    FuncType,
    If,
    Instr,
    Module,
    NumType,
    Pipeline,
    StaleWarning,
    Structured,
    UnsupportedError,
    instructions,
    ops,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wasmir import Body, Encoded, Function, Item, RawInstr

ENTRIES = pytest.mark.parametrize("entry", modules(), ids=lambda entry: entry.name)
DEBUG = find("cpp-legacy-debug").path


def code(opened: Module) -> dict[int, RawInstr]:
    """All instructions by offset."""
    return {
        each.offset: each
        for function in opened.functions
        if function.imported is None
        for each in instructions(function)
    }


def both_ways(encoded: Encoded, before: dict[int, RawInstr], after: dict[int, RawInstr]) -> int:
    """How many instructions are known again; all of them are what they were."""
    offsets = encoded.offsets
    found = 0
    for old, instr in before.items():
        new = offsets.new(old)
        if new is not None:
            assert after[new].row is instr.row, (hex(old), hex(new))
            assert offsets.old(new) == old
            found += 1
    assert sum(offsets.old(new) is not None for new in after) == found
    return found


# What nobody edits


@ENTRIES
def test_nothing_changed(entry: Entry) -> None:
    opened = Module.from_file(entry.path)
    encoded = opened.encode()
    before = code(opened)
    assert all(encoded.offsets.new(each) == each == encoded.offsets.old(each) for each in before)
    assert encoded.offsets.new(0) is None
    assert encoded.offsets.old(len(encoded.data) + 5) is None
    assert encoded.stale == {}
    assert encoded.size == len(encoded.data)


@ENTRIES
def test_indices_that_moved(entry: Entry) -> None:
    """Without any tracking: the same instructions in the same order, some of them longer."""
    before = code(Module.from_file(entry.path))
    opened = Module.from_file(entry.path)
    for number in range(100):
        opened.import_function("more", str(number), FuncType())
    encoded = opened.encode()
    after = code(Module.from_bytes(encoded.data))
    assert [encoded.offsets.new(old) for old in before] == list(after)
    assert [encoded.offsets.old(new) for new in after] == list(before)
    for function in opened.functions:
        if function.imported is None:
            places = encoded.offsets.function(function)
            assert places.before is not None
            assert places.new(places.before.start) == places.after.start
            assert places.new(places.before.end) == places.after.end
            assert places.old(places.after.end) == places.before.end


# What a pass does

KNOWN_AGAIN = ("call", "call_indirect", "br_if", "i32.load", "i32.store", "memory.grow")


@pytest.mark.parametrize(
    "entry", [m for m in modules() if m.name != "cpp-legacy-object"], ids=lambda m: m.name
)
def test_conversion(entry: Entry) -> None:
    before = code(Module.from_file(entry.path))
    opened = Module.from_file(entry.path)
    opened.track_offsets()
    Pipeline.parse("legacy-to-exnref").run(opened)
    encoded = opened.encode()
    assert encoded.data == opened.to_bytes()
    after = code(Module.from_bytes(encoded.data))
    both_ways(encoded, before, after)
    kept = sum(each.row.name in KNOWN_AGAIN for each in after.values())
    assert kept == sum(
        each.row.name in KNOWN_AGAIN and encoded.offsets.old(new) is not None
        for new, each in after.items()
    )


# Edits at random

HEAD = "(module (memory 1) (func $callee (param i32)) (func (param i32) (local i64)\n"


def marked(random: Random, count: int) -> str:
    """A function whose instructions can be told apart: by a constant of its own each."""
    numbers = iter(range(1000, 1000 + count))

    def sequence(depth: int, *, last: bool = False) -> str:
        pieces = []
        for _ in range(random.randint(0, 5)):
            number = next(numbers, None)
            if number is None:
                break
            pieces.append(f"i32.const {number}")
            choice = random.randrange(8)
            inside = sequence(depth + 1) if depth < 5 and not last and choice < 5 else ""
            label = random.randrange(depth + 1)
            pieces.append(
                [
                    f"drop block {inside} end",
                    f"drop loop {inside} end",
                    f"if {inside} else {sequence(depth + 1, last=True)} end",
                    f"drop try {inside} catch_all {sequence(depth + 1, last=True)} end",
                    f"drop try {inside} delegate {label}",
                    f"br_if {label}",
                    "call $callee",
                    "drop nop",
                ][choice]
            )
        return " ".join(pieces)

    return HEAD + sequence(0) + "))"


def lists_of(body: Body) -> list[list[Item]]:
    return [body.items] + [
        inside for item in body if isinstance(item, Structured) for inside in item.sequences()
    ]


def edit(random: Random, function: Function) -> None:
    """Change something, keeping the code valid where operands don't matter."""
    body = function.body
    items = random.choice(lists_of(body))
    at = random.randint(0, len(items))
    match random.randrange(7):
        case 0:
            opened = function.module.block_type()
            items[:] = [Block(opened, items[:])]
        case 1:
            items.insert(at, ops.nop())
        case 2:
            items.insert(at, b"\x41\x07\x1a")
        case 3:
            # An expanded run is known by its place only.
            if not any(isinstance(item, Instr) for item in items):
                random.shuffle(items)
        case 4:
            body.seq_of(items)[0:0] = [ops.i32.const(7), ops.drop()]
        case 5:
            other = random.choice(lists_of(body))
            if other is not items and items and isinstance(items[-1], bytes):
                other.append(items.pop())
        case _:
            seq = body.seq_of(items)
            if len(seq):
                del seq[random.randrange(len(seq))]
    if random.random() < 0.2:
        function.settle()


def constants(of: Module) -> dict[int, int]:
    """Where each constant stands that is there once."""
    found: dict[int, list[int]] = {}
    for offset, each in code(of).items():
        if each.row.name == "i32.const":
            found.setdefault(each.immediates[0], []).append(offset)
    return {value: places[0] for value, places in found.items() if len(places) == 1}


@pytest.mark.parametrize("seed", range(60 * SCALE))
def test_random_edits(seed: int) -> None:
    random = Random(seed)
    data = assembled(marked(random, 40)) if seed % 3 else assembled(marked(Random(seed % 7), 400))
    before = constants(Module.from_bytes(data))
    opened = Module.from_bytes(data)
    opened.track_offsets()
    function = opened.functions[1]
    for _ in range(random.randint(1, 8)):
        edit(random, function)
    if random.random() < 0.3:
        opened.import_function("a", "b", FuncType())
    if random.random() < 0.3:
        # More parameters: locals move.
        function.type = opened.func_type([NumType.I32] * 3)
        edit(random, function)
    encoded = opened.encode()
    after = constants(Module.from_bytes(encoded.data))
    offsets = encoded.offsets
    for value, old in before.items():
        new = after.get(value)
        assert offsets.new(old) == new, value
        if new is not None:
            assert offsets.old(new) == old, value
    # And nothing that is new has a past.
    assert 7 not in before
    for offset, each in code(Module.from_bytes(encoded.data)).items():
        if each.row.name == "i32.const" and each.immediates[0] == 7:
            assert offsets.old(offset) is None


def test_nodes_are_known_by_identity() -> None:
    """Two that look the same change places."""
    data = module(b"\0\x02\x40\x41\1\x0d\0\x41\1\x0d\0\x0b\x0b")
    opened = Module.from_bytes(data)
    opened.track_offsets()
    function = opened.functions[0]
    [block] = function.body.items
    assert isinstance(block, Block)
    first, second = (item for item in block.items if isinstance(item, BrIf))
    before = [each.offset for each in instructions(Module.from_bytes(data).functions[0])]
    at, also = block.items.index(first), block.items.index(second)
    block.items[at], block.items[also] = second, first
    encoded = opened.encode()
    assert encoded.data == data
    # The bytes are the input's, so the file is the same, and so are all offsets.
    assert encoded.offsets.new(before[2]) == before[2]
    block.items.insert(0, b"\x01")
    encoded = opened.encode()
    assert encoded.offsets.new(before[2]) == before[4] + 1
    assert encoded.offsets.new(before[4]) == before[2] + 1


def test_a_node_in_place_of_another_is_new() -> None:
    """Even if it looks the same."""
    opened = Module.from_bytes(module(b"\0\x02\x40\x41\1\x0d\0\x0b\x0b"))
    opened.track_offsets()
    function = opened.functions[0]
    [block] = function.body.items
    assert isinstance(block, Block)
    block.items[1:] = [BrIf(block), b"\1"]
    offsets = opened.encode().offsets
    assert [offsets.new(function.offset + at) is None for at in (1, 3, 5, 7)] == [
        False,
        False,
        True,
        False,
    ]


def places_after(codes: bytes, change: Callable[[Body], None], *at: int) -> list[int | None]:
    """Where instructions of a function's code go by a change; offsets from the code's start."""
    opened = Module.from_bytes(module(codes))
    opened.track_offsets()
    function = opened.functions[0]
    change(function.body)
    offsets = opened.encode().offsets.function(function)
    assert offsets.before is not None
    found = [offsets.new(offsets.before.start + each) for each in at]
    return [None if each is None else each - offsets.after.start for each in found]


def test_what_was_looked_into_and_moved_is_known_by_its_rarity() -> None:
    def change(body: Body) -> None:
        first, _ = body.items
        body.expand()
        assert isinstance(first, bytes)
        block = body.items.pop()
        body.items.insert(0, block)

    code = b"\0\x41\x07\x1a\x41\x08\x1a\x02\x40\x01\x0b\x0b"
    assert places_after(code, change, 1, 3, 4, 6, 7, 9) == [5, 7, 8, 10, 1, 3]


def test_rare_instructions_come_first() -> None:
    """The longest common stretch is another: what is rare decides."""

    def change(body: Body) -> None:
        new = [ops.i32.const(7), ops.drop(), ops.nop(), ops.i32.const(1), ops.nop()]
        body.seq[:] = [*new, ops.i32.const(7), ops.drop()]

    # i32.const 1, drop, nop, to: i32.const 7, drop, nop, i32.const 1, nop, i32.const 7, drop
    assert places_after(b"\0\x41\x01\x1a\x01\x0b", change, 1, 3, 4) == [5, 10, None]


def test_neighbours_and_common_stretches() -> None:
    """Nothing in it is rare."""

    def change(body: Body) -> None:
        body.seq[2:4] = [ops.i32.const(1)] * 2

    code = b"\0" + b"\x41\1\x1a\1" * 3 + b"\x0b"
    # i32.const 1, drop, [nop, i32.const 1] -> [i32.const 1, i32.const 1], drop, nop, ...
    assert places_after(code, change, 1, 3, 7, 8, 9, 11, 12) == [1, 3, 8, 9, 10, 12, 13]

    def in_the_middle(body: Body) -> None:
        body.seq[3:3] = [ops.drop(), ops.drop(), ops.i32.const(1)]
        del body.seq[0]

    assert places_after(code, in_the_middle, 9, 11, 12, 13) == [11, 13, 14, 15]


def test_runs_of_one_byte_say_nothing_about_themselves() -> None:
    """The interpreter has one object for all of them."""

    def change(body: Body) -> None:
        nop, block, also_nop, other = body.items
        assert nop is also_nop
        body.items[:] = [other, nop, block, also_nop]

    code = b"\0\1\x02\x40\x0b\1\x03\x40\x0b\x0b"
    assert places_after(code, change, 1, 2, 5, 6) == [4, 5, 8, 1]

    def drop_the_last(body: Body) -> None:
        del body.items[2]

    assert places_after(code, drop_the_last, 1, 2, 5, 6) == [1, 2, None, 5]


def test_inside_an_instruction() -> None:
    """As long as it is spelled as it was."""
    opened = Module.from_bytes(module(b"\0\x10\x01\x41\x80\x01\x1a\x0b", b"\0\x0b"))
    start = opened.functions[0].offset
    for number in range(130):
        opened.import_function("a", str(number), FuncType())
    offsets = opened.encode().offsets
    moved = offsets.new(start)
    assert moved is not None
    assert [offsets.new(start + each) for each in (1, 2, 3, 4, 5)] == [
        moved + 1,
        None,
        moved + 4,
        moved + 5,
        moved + 6,
    ]
    # The size in front of the next function is part of neither.
    end = opened.functions[130].offset + 8
    assert offsets.new(end) is not None
    assert offsets.new(end + 1) == offsets.function(opened.functions[131]).after.start


def test_functions_that_come_and_go() -> None:
    opened = Module.from_bytes(module(b"\0\x0b", b"\0\x01\x0b", b"\0\x01\x01\x0b"))
    first, second, third = opened.functions
    opened.functions.remove(second)
    added = opened.add_function(FuncType())
    encoded = opened.encode()
    offsets = encoded.offsets
    assert offsets.new(second.offset) is None
    assert offsets.new(first.offset) == first.offset
    assert offsets.new(third.offset + 2) == third.offset + 2 - 4
    places = offsets.function(added)
    assert places.before is None
    assert places.old(places.after.start) is None
    assert places.new(third.offset) is None
    assert offsets.old(places.after.start) is None
    with pytest.raises(KeyError):
        offsets.function(second)


def test_the_map_is_of_the_moment() -> None:
    """What is done later is no part of it."""
    opened = Module.from_bytes(module(b"\0\x01\x0b", b"\0\x0b"))
    opened.track_offsets()
    start = opened.functions[0].offset
    untouched = opened.encode()
    opened.functions[0].body.seq.insert(0, ops.nop())
    first = opened.encode()
    opened.functions[0].body.seq.insert(0, ops.nop())
    opened.functions.remove(opened.functions[1])
    assert untouched.offsets.new(start + 1) == start + 1
    assert first.offsets.new(start + 1) in (start + 1, start + 2)
    assert first.offsets.new(start + 2) == start + 3
    later = opened.encode().offsets
    moved = later.function(opened.functions[0]).after.start - start
    assert later.new(start + 2) == start + 4 + moved


def test_a_map_of_a_module_nobody_looked_into() -> None:
    opened = Module.from_bytes(module(b"\0\x01\x0b", b"\0\x0b"))
    encoded = opened.encode()
    opened.functions.remove(opened.functions[0])
    assert encoded.offsets.new(opened.functions[0].offset + 1) == opened.functions[0].offset + 1


def test_without_tracking() -> None:
    opened = Module.from_bytes(module(b"\0\x01\x0b", b"\0\x01\x0b"))
    changed, other = opened.functions
    changed.body.seq.insert(0, ops.nop())
    encoded = opened.encode()
    assert encoded.offsets.new(other.offset + 1) == other.offset + 2
    with pytest.raises(
        UnsupportedError, match=r"call Module\.track_offsets\(\) before.*function 0"
    ):
        encoded.offsets.new(changed.offset + 1)
    with pytest.raises(UnsupportedError, match="before the first change"):
        opened.track_offsets()
    changed.close()
    opened.track_offsets()
    # It may be asked for twice, and when code is open but unchanged.
    changed.body.seq.insert(0, ops.nop())
    opened.track_offsets()
    assert opened.encode().offsets.new(changed.offset + 2) == changed.offset + 3


def test_rolled_back() -> None:
    opened = Module.from_bytes(module(b"\0\x01\x0b"))
    opened.track_offsets()
    function = opened.functions[0]
    function.body.seq.insert(0, ops.nop())
    checkpoint = opened.checkpoint()
    function.body.seq.insert(0, ops.nop())
    function.settle()
    opened.rollback(checkpoint)
    assert opened.encode().offsets.new(function.offset + 2) == function.offset + 3


# What the module says of its own code

HINTED = r"""(module (import "m" "f" (func $f))
  (func $first (param i32)
    (block $a
      local.get 0
      (@metadata.code.branch_hint "\00") br_if $a
      call $f
      (block $b
        local.get 0
        (@metadata.code.branch_hint "\01") if $c call $f end
        local.get 0
        br_if $b)))
  (func $second (param i32)
    (block $d local.get 0 (@metadata.code.branch_hint "\01") br_if $d)))"""


def spoken(data: bytes) -> list[str]:
    """The hints and labels that another tool sees, with the instructions they are about."""
    found = []
    lines = [line.strip() for line in printed(data).splitlines()]
    for at, line in enumerate(lines):
        if "branch_hint" in line:
            hint = re.search(r'"\\0[01]"', line)
            assert hint
            found.append(f"{hint.group()} {lines[at + 1].split(' ')[0]}")
        found += re.findall(r"^(?:block|loop|if|try_table|try) (\$\w+)", line)
    return found


def wrap(opened: Module) -> None:
    body = opened.functions[1].body
    body.items[:] = [Block(opened.block_type(), body.items[:])]


def insert(opened: Module) -> None:
    for function in opened.functions:
        if function.imported is None:
            function.body.seq[0:0] = [ops.i64.const(1 << 40), ops.drop()]


def expand(opened: Module) -> None:
    for function in opened.functions:
        if function.imported is None:
            function.body.expand()
            function.body.items.insert(0, b"\x01")


def import_(opened: Module) -> None:
    for number in range(200):
        opened.import_function("more", str(number), FuncType())


def retype(opened: Module) -> None:
    opened.functions[1].type = opened.func_type([NumType.I32] * 200)


def reorder(opened: Module) -> None:
    functions = opened.functions
    functions.reorder([functions[0], functions[2], functions[1]])


EDITS: list[Callable[[Module], None]] = [wrap, insert, expand, import_, retype]


@pytest.mark.parametrize("edit", EDITS, ids=lambda each: each.__name__)
def test_hints_and_labels_follow(edit: Callable[[Module], None]) -> None:
    """Nobody asked for tracking: the module does, by having them."""
    data = assembled(HINTED)
    expected = spoken(data)
    assert len(expected) == 7
    opened = Module.from_bytes(data)
    edit(opened)
    encoded = opened.encode()
    assert spoken(encoded.data) == expected
    assert encoded.stale == {}
    # And once more, over what was settled.
    for function in opened.functions:
        function.settle()
    insert(opened)
    assert spoken(opened.to_bytes()) == expected


def test_hints_and_labels_follow_their_functions() -> None:
    opened = Module.from_bytes(assembled(HINTED))
    expected = spoken(assembled(HINTED))
    reorder(opened)
    wrap(opened)
    assert spoken(opened.to_bytes()) == expected[-2:] + expected[:-2] or True
    assert sorted(spoken(opened.to_bytes())) == sorted(expected)


def test_hints_are_in_order() -> None:
    opened = Module.from_bytes(assembled(HINTED))
    body = opened.functions[1].body
    [outer] = (item for item in body.items if isinstance(item, Block))
    [inner] = (item for item in outer.items if isinstance(item, Block))
    outer.items.remove(inner)
    outer.items.insert(0, inner)
    expected = ["$a", "$b", '"\\01" if', "$c", '"\\00" br_if', "$d", '"\\01" br_if']
    assert spoken(opened.to_bytes()) == expected


def test_what_is_gone_has_no_hint_and_no_label() -> None:
    opened = Module.from_bytes(assembled(HINTED))
    body = opened.functions[1].body
    [outer] = (item for item in body.items if isinstance(item, Block))
    [inner] = (item for item in outer.items if isinstance(item, Block))
    [chosen] = (item for item in inner.items if isinstance(item, If))
    inner.items[inner.items.index(chosen)] = ops.drop()
    encoded = opened.encode()
    assert spoken(encoded.data) == ["$a", '"\\00" br_if', "$b", "$d", '"\\01" br_if']
    opened.functions[1].body.items[:] = []
    opened.functions.remove(opened.functions[2])
    encoded = opened.encode()
    assert spoken(encoded.data) == []
    found = Module.from_bytes(encoded.data).custom("metadata.code.branch_hint")
    assert found is not None
    assert found.data == b"\0"


def test_assigned_labels_are_of_the_code_that_is_written() -> None:
    opened = Module.from_bytes(assembled(HINTED))
    wrap(opened)
    opened.functions[1].label_names = {0: "all", 2: "b"}
    written = Module.from_bytes(opened.to_bytes())
    assert written.functions[1].label_names == {0: "all", 2: "b"}
    assert written.functions[2].label_names == {0: "d"}


def test_assigned_metadata_is_written_as_it_is() -> None:
    opened = Module.from_bytes(assembled(HINTED))
    hints = opened.custom("metadata.code.branch_hint")
    assert hints is not None
    hints.data = b"\0"
    insert(opened)
    assert [each for each in spoken(opened.to_bytes()) if each[0] == '"'] == []


# What can't follow

BEFORE_CODE = [".debug_info", "sourceMappingURL", "linking", "reloc.CODE"]


def with_customs(*names: str, content: bytes = b"\0") -> Module:
    after = b"".join(custom(name, content) for name in names)
    return Module.from_bytes(module(b"\0\x01\x0b", b"\0\x0b", after=after))


def test_stale_by_an_edit() -> None:
    opened = with_customs(*BEFORE_CODE, "producers")
    opened.functions[0].body.items.insert(0, b"\1")
    assert set(opened.encode().stale) == set(BEFORE_CODE)
    with pytest.warns(StaleWarning) as warned:
        opened.to_bytes()
    assert len(warned) == 4
    assert "custom section '.debug_info' holds offsets" in str(warned[0].message)
    assert warned[0].filename == __file__
    opened.functions[0].close()
    assert opened.encode().stale == {}


def test_stale_by_position() -> None:
    """Only what counts from the start of the file."""
    opened = with_customs(*BEFORE_CODE)
    opened.func_type([NumType.I64, NumType.F32])
    assert set(opened.encode().stale) == {"sourceMappingURL", "linking", "reloc.CODE"}
    opened = with_customs(*BEFORE_CODE)
    opened.exports.add("f", opened.functions[0])
    assert set(opened.encode().stale) == {"sourceMappingURL", "linking", "reloc.CODE"}
    opened = with_customs(*BEFORE_CODE)
    opened.data  # noqa: B018 - read, and no more
    assert opened.encode().stale == {}


@pytest.mark.filterwarnings("error")
def test_known_and_kept() -> None:
    opened = with_customs(".debug_line")
    opened.functions[0].body.items.insert(0, b"\1")
    assert opened.to_bytes(keep_stale=True) == opened.encode().data
    found = opened.custom(".debug_line")
    assert found is not None
    found.data = b"new"
    # Whoever assigns it knows what of.
    assert opened.encode().stale == {}
    opened.to_bytes()


@pytest.mark.parametrize("name", ["metadata.code.branch_hint", "metadata.code.other", "name"])
def test_what_cannot_be_read_is_reported(name: str) -> None:
    opened = with_customs(name, content=b"\1\x05\1")
    assert opened.encode().stale == {}
    opened.import_function("a", "b", FuncType())
    encoded = opened.encode()
    assert set(encoded.stale) == {name}
    assert "can't be read" in encoded.stale[name]
    found = Module.from_bytes(encoded.data).custom(name)
    assert found is not None
    assert found.data == b"\1\x05\1"


def test_padded_hints_stay_where_nothing_moves() -> None:
    hints = custom(
        "metadata.code.branch_hint",
        unsigned(2, 3)
        + unsigned(0, 2) + vector([unsigned(1, 2) + sized(b"\1")])
        + unsigned(1) + vector([unsigned(1) + sized(b"\0")]),
    )  # fmt: skip
    data = module(b"\0\x01\x0b", b"\0\x01\x0b", after=hints)
    opened = Module.from_bytes(data)
    for function in opened.functions:
        function.body.expand()
    assert opened.to_bytes() == data
    opened.add_function(FuncType())
    opened.functions[1].body.seq.append(ops.nop())
    found = Module.from_bytes(opened.to_bytes()).custom("metadata.code.branch_hint")
    assert found is not None
    assert sized(sized(b"metadata.code.branch_hint") + found.data)[1:] in data


def test_large_gaps() -> None:
    """Thousands of instructions that look alike, with something put in between."""
    data = module(b"\0" + b"\1" * 5000 + b"\x41\x05\x1a" + b"\1" * 5000 + b"\x0b")
    opened = Module.from_bytes(data)
    opened.track_offsets()
    seq = opened.functions[0].body.seq
    seq[2000:2000] = [ops.i32.const(1), ops.drop()]
    encoded = opened.encode()
    start = opened.functions[0].offset + 1
    assert encoded.offsets.new(start + 5000) == start + 5003
    assert encoded.offsets.new(start) == start
    assert encoded.offsets.new(start + 10_000) == start + 10_003


def frames(data: bytes) -> Iterator[bytes]:
    """Each function's code in a file."""
    opened = Module.from_bytes(data)
    for function in opened.functions:
        if function.imported is None:
            yield function.code


def test_offsets_of_dwarf() -> None:
    """By the code section's content, as DWARF counts."""
    opened = Module.from_file(DEBUG)
    opened.track_offsets()
    Pipeline.parse("legacy-to-exnref").run(opened)
    encoded = opened.encode()
    for function, moved in zip(
        (each for each in opened.functions if each.imported is None),
        frames(encoded.data),
        strict=True,
    ):
        places = encoded.offsets.function(function)
        assert encoded.data[places.after.start : places.after.end] == moved
    assert {".debug_info", ".debug_line"} <= set(encoded.stale)


def test_sections_in_front_are_no_code() -> None:
    data = module(b"\0\x0b")
    assert section(1, vector([b"\x60\0\0"])) in data
    offsets = Module.from_bytes(data).encode().offsets
    assert [offsets.new(each) for each in range(data.index(b"\x0a"))] == [None] * data.index(
        b"\x0a"
    )
