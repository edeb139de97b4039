"""Function.insert and basic_blocks: more instructions in code that nobody decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from corpus.manifest import Module as Entry
from corpus.manifest import modules
from tests.modules import assembled, signed
from tests.support import validate
from wasmir import (
    Block,
    Br,
    BrIf,
    Const,
    Function,
    FuncType,
    GlobalType,
    InvalidError,
    MalformedError,
    Module,
    NumType,
    UnsupportedError,
    basic_blocks,
    block_offsets,
    instructions,
    ops,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL = 3000
# Small ones: following each instruction of a large one takes long.
BUILT = [
    each for each in modules() if each.path.suffix == ".wasm" and each.path.stat().st_size < SMALL
]


def defined(module: Module) -> Iterator[Function]:
    return (each for each in module.functions if each.imported is None)


def module_with(code: str) -> Module:
    return Module.from_bytes(assembled(f'(module (import "m" "f" (func)) (tag $e) {code})'))


def blocks_of(code: str) -> list[tuple[str, int]]:
    """The first instruction of each block, and the blocks' sizes."""
    module = module_with(code)
    function = module.functions[-1]
    at = {each.offset - function.offset: str(each) for each in instructions(function)}
    found = basic_blocks(function)
    assert block_offsets(function) == [each.offset for each in found]
    return [(at[each.offset], each.instructions) for each in found]


@pytest.mark.parametrize("entry", BUILT, ids=lambda each: each.name)
def test_everywhere(entry: Entry) -> None:
    """In front of each basic block of each function of the corpus; every offset is followed."""
    data = entry.path.read_bytes()
    module = Module.from_bytes(data)
    module.track_offsets()
    counter = module.add_global(
        GlobalType(NumType.I32, mutable=True), Const(module, [ops.i32.const(0)])
    )
    run = module.run(
        [ops.global_.get(counter), ops.i32.const(1), ops.i32.add(), ops.global_.set(counter)]
    )
    offsets = [
        (function, [each.offset for each in instructions(function)])
        for function in defined(module)
        if function.is_raw
    ]
    for function, before in offsets:
        starts = block_offsets(function)
        assert {function.offset + each for each in starts} <= set(before)
        function.insert([(each, run) for each in starts], [(2, NumType.I64)])
    written = module.encode()
    assert validate(written.data) is None
    again = Module.from_bytes(written.data)
    for (function, _), new in zip(offsets, defined(again), strict=True):
        assert new.local_groups[-1:] == [(2, NumType.I64)]
        after = {each.offset: each for each in instructions(new)}
        for each in instructions(Module.from_bytes(data).functions[function.index]):
            place = written.offsets.new(each.offset)
            assert place is not None
            # It is the same instruction, and what isn't one of those is what was inserted.
            assert after.pop(place).row is each.row
            assert written.offsets.old(place) == each.offset
        assert all(written.offsets.old(offset) is None for offset in after)


BLOCKS = {
    "straight": ("(func nop nop call 0)", [("nop", 3)]),
    "empty": ("(func)", []),
    "nothing but blocks": ("(func block loop end end)", []),
    "a block is no border": ("(func nop block nop end nop)", [("nop", 3)]),
    "a branch goes to its end": (
        "(func (param i32) block local.get 0 br_if 0 nop end drop)",
        [("local.get 0", 2), ("nop", 1), ("drop", 1)],
    ),
    "the same at the end of the function": (
        "(func (param i32) local.get 0 br_if 0 nop)",
        [("local.get 0", 2), ("nop", 1)],
    ),
    "if without else": (
        "(func (param i32) local.get 0 if nop end nop)",
        [("local.get 0", 2), ("nop", 1), ("nop", 1)],
    ),
    "if with an arm that goes away": (
        "(func (param i32) local.get 0 if return else nop end nop)",
        [("local.get 0", 2), ("return", 1), ("nop", 2)],
    ),
    "both arms go away": (
        "(func (param i32) local.get 0 if return else unreachable end nop)",
        [("local.get 0", 2), ("return", 1), ("unreachable", 1)],
    ),
    "an empty arm": (
        "(func (param i32) local.get 0 if else nop end nop)",
        [("local.get 0", 2), ("nop", 1), ("nop", 1)],
    ),
    "loop": (
        "(func (param i32) nop loop nop local.get 0 br_if 0 end nop)",
        [("nop", 1), ("nop", 3), ("nop", 1)],
    ),
    "behind a loop the block goes on": (
        "(func (param i32) loop local.get 0 br_if 0 nop end nop)",
        [("local.get 0", 2), ("nop", 2)],
    ),
    "dead code": (
        "(func (param i32) block br 0 nop local.get 0 if nop else nop end loop nop end end nop)",
        [("br 0", 1), ("nop", 1)],
    ),
    "dead branches go nowhere": ("(func block block return br 0 end nop end nop)", [("return", 1)]),
    "br_table": (
        "(func (param i32) block block local.get 0 br_table 0 1 0 end nop end nop)",
        [("local.get 0", 2), ("nop", 1), ("nop", 1)],
    ),
    "br_on_null": (
        "(func (param funcref) block (result) local.get 0 br_on_null 0 drop end nop)",
        [("local.get 0", 2), ("drop", 1), ("nop", 1)],
    ),
    "legacy handlers": (
        "(func try nop catch $e nop catch_all rethrow 0 end nop)",
        [("nop", 1), ("nop", 1), ("rethrow 0", 1), ("nop", 1)],
    ),
    "rethrow and delegate go to no end": (
        "(func try try call 0 delegate 0 throw $e catch_all rethrow 0 end nop)",
        [("call 0", 2), ("rethrow 0", 1)],
    ),
    "handlers of a try_table": (
        "(func block try_table (catch_all 0) call 0 end return end nop)",
        [("call 0", 2), ("nop", 1)],
    ),
    "more labels than the scanner counts": (
        "(func (param i32) block block local.get 0 br_table" + " 0" * 30 + " 1 end nop end nop)",
        [("local.get 0", 2), ("nop", 1), ("nop", 1)],
    ),
    "what the scanner can't count in a run": (
        "(func (param i32) local.get 0 local.get 0 local.get 0 select (result i32) drop)",
        [("local.get 0", 5)],
    ),
}


@pytest.mark.parametrize("case", BLOCKS)
def test_basic_blocks(case: str) -> None:
    code, wanted = BLOCKS[case]
    found = blocks_of(code)
    assert [(name.split(" ")[0], size) for name, size in found] == [
        (name.split(" ")[0], size) for name, size in wanted
    ]


def test_blocks_with_what_cannot_be_counted() -> None:
    """The same code, with an opcode and a label in more bytes than they need."""
    module = module_with("(func (param i32) block local.get 0 br_if 0 f32.const 0 drop end nop)")
    function = module.functions[-1]
    assert len(basic_blocks(function)) == 3
    padded = function.code.replace(b"\x0d\x00", b"\x0d\x80\x80\x00")
    function._code = padded.replace(b"\x43\0\0\0\0\x1a", b"\x43\0\0\0\0\xfc\x80\x00\x1a")
    assert [each.instructions for each in basic_blocks(function)] == [2, 3, 1]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (b"\0\x0c\x01\x0b", "unknown label"),
        (b"\0\x02\x40\x0d\x05\x0b\x0b", "unknown label"),
        (b"\0\x02\x40\x0b", "unexpected end"),
        (b"\0\x0b\x0b", "goes on behind its end"),
        (b"\0\x0b\x0d\x00", "goes on behind its end"),
        (b"\0\x0b\x01", "goes on behind its end"),
        (b"\0\x0b\x02\x40\x0b", "goes on behind its end"),
        (b"\0\xff", "illegal opcode"),
    ],
)
def test_blocks_of_what_is_malformed(code: bytes, message: str) -> None:
    module = Module()
    function = module.add_function(FuncType())
    function._code = code
    with pytest.raises((InvalidError, MalformedError), match=message):
        block_offsets(function)


def test_imported() -> None:
    module = module_with("(func)")
    function = module.functions[0]
    for ask in (
        basic_blocks,
        block_offsets,
        lambda each: each.first_offset,
        lambda each: each.insert([]),
        lambda each: each.insert_at_entry(b""),
    ):
        with pytest.raises(UnsupportedError, match="imported"):
            ask(function)


def test_insert_settles() -> None:
    """What was done to the open body stays."""
    module = module_with("(func nop)")
    function = module.functions[-1]
    function.body.seq.append(ops.nop())
    at = function.first_offset
    function.insert([(at, module.run([ops.i32.const(7), ops.drop()])), (at + 1, b"\x01")])
    assert function.code == b"\0\x41\x07\x1a\x01\x01\x01\x0b"


@pytest.mark.parametrize("offsets", [[0], [2, 1], [4], [-1]])
def test_insert_refuses(offsets: list[int]) -> None:
    module = module_with("(func nop nop)")
    function = module.functions[-1]
    before = function.code
    with pytest.raises(ValueError, match="offset"):
        function.insert([(each, b"\x01") for each in offsets])
    assert function.code == before


def test_items_with_blocks() -> None:
    module = module_with("(func (param i32) block nop end)")
    function = module.functions[-1]
    block = Block(module.block_type())
    block.items = [ops.local.get(0), BrIf(block), ops.call(module.functions[0])]
    function.insert([(function.first_offset + 2, function.encode_items([block]))])
    assert validate(module.to_bytes()) is None
    [outer] = (each for each in function.body.items if isinstance(each, Block))
    for label in (outer, function.body):
        with pytest.raises(InvalidError, match="unknown label"):
            function.encode_items([Br(label)])
    with pytest.raises(InvalidError, match="two places"):
        function.encode_items([block, block])


def test_references_are_declared() -> None:
    module = module_with("(func)")
    function = module.functions[-1]
    run = module.run([ops.ref.func(function), ops.drop()])
    function.insert([(function.first_offset, run)])
    assert validate(module.to_bytes()) is None


def test_rollback() -> None:
    module = module_with("(func nop)")
    before = module.to_bytes()
    function = module.functions[-1]
    first = module.checkpoint()
    function.insert([(1, b"\x01")])
    once = module.to_bytes()
    second = module.checkpoint()
    function.insert([(1, b"\x01")])
    module.rollback(second)
    assert module.to_bytes() == once
    module.rollback(first)
    assert module.to_bytes() == before


@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize("added", [[], [(1, NumType.F64), (3, NumType.I32)]])
def test_at_entry(tracked: bool, added: list[tuple[int, NumType]]) -> None:
    """The same as at the first offset, and as well followed."""
    code = "(func (param i32) (local i64) nop local.get 0 drop)"
    found = []
    for at_entry in (False, True):
        module = module_with(code)
        if tracked:
            module.track_offsets()
        function = module.functions[-1]
        run = module.run([ops.i32.const(5), ops.drop()])
        if at_entry:
            function.insert_at_entry(run, added)
        else:
            function.insert([(function.first_offset, run)], added)
        written = module.encode()
        assert validate(written.data) is None
        moved = written.offsets.new(function.offset + 3) if tracked else None
        if tracked:
            # Declarations that are others now have no places but the first.
            places = [written.offsets.new(function.offset + at) is None for at in range(3)]
            assert places == [False, bool(added), bool(added)]
        found.append((written.data, function.local_count, moved))
    assert found[0] == found[1]
    assert found[0][1] == 2 + sum(count for count, _ in added)
    if tracked:
        assert found[0][0][found[0][2] or 0] == 0x01


@pytest.mark.parametrize("value", [0, -1, 63, 64, -64, -65, 1 << 30, -(1 << 31), (1 << 31) - 1])
def test_constants(value: int) -> None:
    module = Module()
    for bits, const in ((32, ops.i32.const), (64, ops.i64.const)):
        run = module.run([const(value)])
        assert [each.immediates for each in module.instructions(run)] == [(value,)]
        assert len(run) == 1 + len(signed(value)), bits
