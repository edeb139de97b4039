"""Every constructor makes what the strict encoder writes, and refuses what it should."""

from __future__ import annotations

import inspect
import math
import struct
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tests.ir.bodies import COUNT, whole
from tests.modules import SCALE
from wasmir import (
    EXTERNREF,
    FUNCREF,
    Block,
    BlockType,
    Body,
    Br,
    BrIf,
    BrOn,
    BrTable,
    Catch,
    Clause,
    If,
    Instr,
    Item,
    Label,
    Loop,
    Module,
    Node,
    NumType,
    On,
    RefType,
    Resume,
    Rethrow,
    Try,
    TryTable,
    ops,
)
from wasmir.ir.construct import Constructor, Namespace
from wasmir.isa import kinds
from wasmir.isa.signature import CONSTRUCTIBLE, parameters, python_path
from wasmir.isa.strict import encode_one
from wasmir.isa.table import BY_NAME, ROWS, Row, Trait
from wasmir.types import AbstractHeap, Concrete, HeapType, ValType
from wasmir.wire import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir.isa.kinds import Kind

DEPTH = 4
"""So many labels around the instruction; the body's is the outermost."""

EXAMPLE = whole([b"\0" + b"\x02\x40" * 3 + b"\x0b" * 4] * COUNT)

SPACES = {"type", "func", "table", "memory", "tag", "global", "elem", "data"}


class Sampler:
    """An instruction's immediates twice: raw, and as a constructor wants them."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)
        self.module = Module.from_bytes(EXAMPLE)
        self.body = self.module.functions[1].body
        blocks: list[Label] = [self.body]
        items = self.body.items
        while items:
            [block] = items
            assert isinstance(block, Block)
            blocks.append(block)
            items = block.items
        #: By depth.
        self.labels = blocks[::-1]
        self.items = items

    def code(self) -> bytes:
        return self.module.functions[1].code

    def entity(self, space: str, index: int) -> Any:  # noqa: ANN401 - of any space
        return self.module.space(space)[index]

    def index(self) -> int:
        return self.random.randrange(COUNT)

    def depth(self) -> int:
        return self.random.randrange(DEPTH)

    def heap(self, heap: HeapType) -> tuple[HeapType, HeapType]:
        if isinstance(heap, AbstractHeap):
            return heap, heap
        index = self.index()
        return Concrete(index, heap.exact), Concrete(self.entity("type", index), heap.exact)

    def type(self, type_: ValType) -> tuple[ValType, ValType]:
        if not isinstance(type_, RefType):
            return type_, type_
        raw, given = self.heap(type_.heap)
        return RefType(type_.nullable, raw), RefType(type_.nullable, given)

    def block_type(self, value: ValType | int | None) -> tuple[Any, Any]:
        if value is None:
            return None, None
        if isinstance(value, int):
            type_ = self.entity("type", index := self.index())
            return index, BlockType((), (), type_)
        return self.type(value)

    def pair(self, kind: Kind[Any]) -> tuple[Any, Any]:
        """Both forms of one immediate; not for those that are spread over several parameters."""
        value = kind.sample(self.random)
        if kind.name == "type-use" or kind.name in SPACES:
            return (index := self.index()), self.entity(kind.space or "", index)
        match kind.name:
            case "label":
                return (depth := self.depth()), self.labels[depth]
            case "labels":
                depths = tuple(self.depth() for _ in value)
                return depths, [self.labels[depth] for depth in depths]
            case "heap":
                return self.heap(value)
            case "ref" | "ref-null":
                return self.type(value)
            case "value-types":
                types = [self.type(each) for each in value]
                return tuple(raw for raw, _ in types), [given for _, given in types]
            case "block-type":
                return self.block_type(value)
            case "catches":
                clauses = [self.clause(each) for each in value]
                return tuple(raw for raw, _ in clauses), [given for _, given in clauses]
            case "handlers":
                handlers = [self.handler(each) for each in value]
                return tuple(raw for raw, _ in handlers), [given for _, given in handlers]
            case "i32" | "i64":
                bits = int(kind.name[1:])
                return value, self.random.choice([value, value % (1 << bits)])
        return value, value

    def clause(self, clause: kinds.Clause) -> tuple[kinds.Clause, Clause]:
        # Labels of a try_table count from outside.
        label, tag = self.depth(), None if clause.tag is None else self.index()
        entity = None if tag is None else self.entity("tag", tag)
        given = Clause(entity, self.labels[label], clause.kind.has_ref)
        return kinds.Clause(clause.kind, tag, label), given

    def handler(self, handler: kinds.Handler) -> tuple[kinds.Handler, On]:
        tag = self.index()
        label = None if handler.label is None else self.depth()
        given = On(self.entity("tag", tag), None if label is None else self.labels[label])
        return kinds.Handler(tag, label), given

    def sample(self, row: Row) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Raw immediates, and arguments by name."""
        raw: list[Any] = []
        given: dict[str, Any] = {}
        for immediate in row.immediates:
            kind, name = immediate.kind, immediate.name
            if kind.name.startswith("memarg"):
                value = kind.sample(self.random)
                memory = self.index()
                raw.append(kinds.MemArg(value.align_log2, value.offset, memory))
                given["offset"], given["align"] = value.offset, 1 << value.align_log2
                given["memory"] = self.entity("memory", memory)
                continue
            one, other = self.pair(kind)
            raw.append(one)
            if kind in (kinds.F32, kinds.F64):
                given["bits"] = other
            elif kind not in (kinds.ZERO, kinds.CAST_FLAGS):
                given[name + "_" * (name == "global")] = other
        if row.immediates and row.immediates[0].kind is kinds.CAST_FLAGS:
            for name, bit in (("source", 1), ("target", 2)):
                given[name] = RefType(bool(raw[0] & bit), given[name])
        return tuple(raw), given


def constructor(row: Row) -> Constructor:
    found: Any = ops
    for name in python_path(row):
        found = getattr(found, name)
    assert isinstance(found, Constructor)
    assert found.row is row
    return found


def encoded(row: Row, raw: tuple[Any, ...]) -> bytes:
    writer = Writer()
    encode_one(writer, row, raw)
    return writer.getvalue() + (b"\x0b" if Trait.OPENS in row.traits else b"")


ALL = pytest.mark.parametrize("row", CONSTRUCTIBLE, ids=str)


@ALL
def test_every_row(row: Row) -> None:
    """By name, and those that go by position by position."""
    make = constructor(row)
    sampler = Sampler(row.name)
    for _ in range((12 if row.immediates else 1) * SCALE):
        raw, given = sampler.sample(row)
        expected = b"\0" + b"\x02\x40" * 3 + encoded(row, raw) + b"\x0b" * 4
        made = make(**given)
        sampler.items[:] = [made]
        assert sampler.code() == expected
        by_position = [
            given.pop(each.name)
            for each in parameters(row)
            if not each.keyword_only and each.immediate is not None and each.name in given
        ]
        sampler.items[:] = [make(*by_position, **given)]
        assert sampler.code() == expected
        assert isinstance(made, Instr) == (not row.traits & {Trait.OPENS, Trait.BRANCHES})
        if isinstance(made, Instr):
            assert made == sampler.items[0]
            check_interned(made, sampler.module, sampler.items[0])


def check_interned(made: Instr, module: Module, again: object) -> None:
    """One object, of the process where it mentions nothing of a module."""
    assert made is again
    plain = not any(immediate.kind.spaces & SPACES for immediate in made.row.immediates)
    if plain:
        assert module.instr(made.row.name, *made.immediates) == made
    elif made.row.name in {"call", "throw", "global.get"}:
        assert made is module.instr(made.row.name, *made.immediates)


def test_every_row_has_one() -> None:
    """Except those that a structured instruction implies, and one name leads to one of them."""
    left_out = set(ROWS) - set(CONSTRUCTIBLE)
    assert {row.name for row in left_out} == {
        "else", "catch", "catch_all", "delegate", "end",
    }  # fmt: skip
    paths = [python_path(row) for row in CONSTRUCTIBLE]
    assert len(set(paths)) == len(paths)
    inner = {path[:depth] for path in paths for depth in range(1, len(path))}
    assert not inner & set(paths)
    found = 0
    pending = [value for value in vars(ops).values() if isinstance(value, (Constructor, Namespace))]
    while pending:
        value = pending.pop()
        if isinstance(value, Constructor):
            found += 1
        else:
            pending += [each for each in vars(value).values() if not isinstance(each, str)]
    assert found == len(CONSTRUCTIBLE)


@ALL
def test_defaults_are_the_natural_ones(row: Row) -> None:
    """Memory accesses without anything: offset 0, natural alignment, the first memory."""
    if any(immediate.kind.name.startswith("memarg") for immediate in row.immediates):
        lane = [0] if row.name.endswith("_lane") else []
        made = constructor(row)(*lane)
        assert isinstance(made, Instr)
        natural = row.immediates[0].kind.bound
        assert natural is not None
        assert made.immediates[0] == kinds.MemArg(natural, 0, 0)
        with pytest.raises(ValueError, match="natural alignment"):
            constructor(row)(*lane, align=2 << natural)


def test_the_first_memory_and_table() -> None:
    """What isn't given is the first; also when that has moved."""
    sampler = Sampler("first")
    sampler.items[:] = [ops.memory.size(), ops.i32.load(), ops.table.copy(), ops.memory.copy()]
    expected = "3f 00 28 02 00 fc 0e 00 00 fc 0a 00 00"
    assert sampler.code()[1 + 6 : -4].hex(" ") == expected


def test_names() -> None:
    assert ops.i32.and_().row.name == "i32.and"
    assert ops.v128.not_().row.name == "v128.not"
    assert ops.i32.atomic.rmw.and_().row.name == "i32.atomic.rmw.and"
    assert ops.return_().row.name == "return"
    assert ops.global_.get(module.globals[3]).row.name == "global.get"
    assert ops.select_t([NumType.I32]).row.name == "select t"
    assert ops.ref.test_null(AbstractHeap.ANY).row.name == "ref.test null"
    assert ops.any.convert_extern().row.name == "any.convert_extern"
    with pytest.raises(AttributeError, match=r"no instruction i32\.atomic\.nand"):
        ops.i32.atomic.nand  # type: ignore[attr-defined] # noqa: B018
    assert repr(ops.i32.load) == ("<constructor ops.i32.load(*, offset=0, align=None, memory=0)>")


def test_nodes() -> None:
    module = Module.from_bytes(EXAMPLE)
    body = module.functions[0].body
    block = ops.block()
    kinds_of: dict[type[Node], Node] = {
        Block: block,
        Loop: ops.loop(NumType.F32),
        If: ops.if_(None, [ops.nop()], []),
        Try: ops.try_(),
        TryTable: ops.try_table(),
        Br: ops.br(block),
        BrIf: ops.br_if(body),
        Rethrow: ops.rethrow(block),
        BrTable: ops.br_table([block, body]),
        BrOn: ops.br_on_null(block),
        Resume: ops.resume(module.types[0], []),
    }
    for cls, node in kinds_of.items():
        assert type(node) is cls
    # Nodes have identity: one for each occurrence.
    assert ops.br(block) is not ops.br(block)


def test_structure() -> None:
    module = Module.from_bytes(EXAMPLE)
    function = module.functions[0]
    items: list[Item] = [ops.nop(), b"\x41\x01\x1a"]
    block = ops.block(items=items)
    assert block.items == items
    assert block.items is not items
    block.items.append(ops.br(block))
    catches = [Catch(module.tags[1], [ops.drop()]), Catch(None, [])]
    function.body.items = [
        block,
        ops.i32.const(1),
        ops.if_(items=[ops.nop()], else_items=[ops.unreachable()]),
        ops.try_(None, [ops.throw(module.tags[0])], catches),
        ops.try_(None, [], delegate=function.body),
    ]
    assert function.code.hex(" ") == (
        "00 02 40 01 41 01 1a 0c 00 0b 41 01 04 40 01 05 00 0b"
        " 06 40 08 00 07 01 1a 19 0b 06 40 18 00 0b"
    )


def test_process_wide() -> None:
    assert ops.i32.const(7) is ops.i32.const(value=7)
    assert ops.i32.const(-1) is ops.i32.const(0xFFFF_FFFF)
    assert ops.drop() is ops.drop()
    one, other = Module.from_bytes(EXAMPLE), Module.from_bytes(EXAMPLE)
    call = ops.call(one.functions[3])
    assert call is ops.call(one.functions[3])
    assert call is one.instr("call", one.functions[3])
    assert call is not ops.call(other.functions[3])
    assert call != ops.call(other.functions[3])


def test_short_block_types_are_shared() -> None:
    assert ops.block().type is ops.loop().type
    assert ops.block(NumType.I32).type is ops.if_(NumType.I32).type
    assert ops.block(EXTERNREF).type is not ops.block(FUNCREF).type


# Numbers


@pytest.mark.parametrize(
    ("make", "bits"), [(ops.i32.const, 32), (ops.i64.const, 64)], ids=["i32", "i64"]
)
def test_integers(make: Callable[[int], Instr], bits: int) -> None:
    half, whole = 1 << (bits - 1), 1 << bits
    for value in (0, 1, -1, half - 1, half, whole - 1, -half):
        [held] = make(value).immediates
        assert -half <= held < half
        assert (held - value) % whole == 0
    for value in (whole, -half - 1):
        with pytest.raises(ValueError, match=rf"i{bits}\.const: value must be from"):
            make(value)
    for wrong in (1.0, True, "1", None, b"1"):
        with pytest.raises(TypeError, match=rf"i{bits}\.const: value must be an integer"):
            make(wrong)  # type: ignore[arg-type]


def test_floats() -> None:
    assert ops.f32.const(1.5).immediates == (0x3FC0_0000,)
    assert ops.f32.const(-0.0).immediates == (0x8000_0000,)
    assert ops.f64.const(-0.0).immediates == (1 << 63,)
    assert ops.f32.const(0.1).immediates == (0x3DCC_CCCD,)
    assert ops.f32.const(math.nan).immediates == (0x7FC0_0000,)
    assert ops.f64.const(math.nan).immediates == (0x7FF8 << 48,)
    assert ops.f32.const(-math.inf).immediates == (0xFF80_0000,)
    assert ops.f32.const(bits=0x7FA0_0000).immediates == (0x7FA0_0000,)
    assert ops.f64.const(bits=1).immediates == (1,)
    # A signalling NaN stays one.
    [signalling] = struct.unpack("<d", struct.pack("<Q", 0xFFF4_0000_0000_0000))
    assert ops.f32.const(signalling).immediates == (0xFFA0_0000,)
    random = Random(0)
    for _ in range(1000 * SCALE):
        bits = random.getrandbits(64)
        [value] = struct.unpack("<d", struct.pack("<Q", bits))
        assert ops.f64.const(value).immediates == (bits,)
        bits = kinds.F32.sample(random)
        [value] = struct.unpack("<f", struct.pack("<I", bits))
        if value == value:  # noqa: PLR0124 - only NaNs aren't equal to themselves
            assert ops.f32.const(value).immediates == (bits,)


def test_floats_refused() -> None:
    with pytest.raises(TypeError, match=r"f32\.const: value must be a float, or .* bits=, not 1"):
        ops.f32.const(1)
    with pytest.raises(TypeError, match=r"f64\.const: value must be a float"):
        ops.f64.const()
    with pytest.raises(TypeError, match="not both"):
        ops.f64.const(1.0, bits=1)
    with pytest.raises(ValueError, match="range of f32"):
        ops.f32.const(1e39)
    with pytest.raises(ValueError, match=r"f32\.const: bits must be from 0"):
        ops.f32.const(bits=1 << 32)
    [tiny] = struct.unpack("<d", struct.pack("<Q", 0x7FF0_0000_0000_0001))
    with pytest.raises(ValueError, match="payload"):
        ops.f32.const(tiny)


# What is refused

module = Module.from_bytes(EXAMPLE)
function, tag, type_ = module.functions[0], module.tags[0], module.types[0]
body: Body = function.body
anything: Any = ops  # to get past the stub

REFUSED: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "index for function": (lambda: anything.call(3), TypeError, "call: func must be a Function"),
    "tag for function": (lambda: anything.call(tag), TypeError, "not an object of type Tag"),
    "index for tag": (lambda: anything.throw(0), TypeError, "throw: tag must be a Tag"),
    "index for type": (lambda: anything.call_ref(0), TypeError, "call_ref: type must be a Type"),
    "negative local": (lambda: ops.local.get(-1), ValueError, "local.get: local must be from 0"),
    "huge local": (lambda: ops.local.tee(1 << 32), ValueError, "local must be from 0 to 42949"),
    "lane": (lambda: ops.i32x4.extract_lane(4), ValueError, "lane must be from 0 to 3"),
    "shuffle": (lambda: ops.i8x16.shuffle([0] * 15), ValueError, "16 lane indices"),
    "shuffled lane": (lambda: ops.i8x16.shuffle([32] * 16), ValueError, "from 0 to 31"),
    "v128": (lambda: ops.v128.const(b"123"), ValueError, "v128.const: value must be 16 bytes"),
    "v128 as integer": (lambda: anything.v128.const(1), TypeError, "16 bytes"),
    "depth for label": (lambda: anything.br(0), TypeError, "br: label must be the block"),
    "no labels": (lambda: ops.br_table([]), ValueError, "default label"),
    "one label": (lambda: anything.br_table(body), TypeError, "br_table: labels must be labels"),
    "catch clause": (lambda: anything.try_table(None, [Catch(None)]), TypeError, "Clause objects"),
    "handler": (lambda: anything.resume(type_, [3]), TypeError, "handlers must be handlers"),
    "legacy clause": (lambda: anything.try_(None, [], [3]), TypeError, "catches must be clauses"),
    "catch_all first": (
        lambda: ops.try_(None, [], [Catch(None), Catch(tag)]), ValueError, "behind a catch_all",
    ),
    "catch and delegate": (
        lambda: ops.try_(None, [], [Catch(None)], body), ValueError, "not both",
    ),
    "block type": (
        lambda: anything.block((NumType.I32, NumType.I32)), TypeError,
        r"block: type must be .* module\.block_type\(params, results\)",
    ),
    "type as block type": (lambda: anything.if_(type_), TypeError, r"module\.block_type"),
    "bytes as items": (lambda: ops.block(None, b"\1"), TypeError, "items must be a list of items"),  # type: ignore[arg-type]
    "body as item": (lambda: ops.loop(None, [body]), TypeError, "loop: items: .* not Body"),
    "else items": (lambda: anything.if_(None, [], [1]), TypeError, "if: else_items: .* not int"),
    "alignment": (lambda: ops.i32.load(align=3), ValueError, "i32.load: align must be a power of"),
    "no alignment": (lambda: ops.i32.load(align=0), ValueError, "align must be from 1"),
    "offset": (lambda: ops.i32.store(offset=-1), ValueError, "i32.store: offset must be from 0"),
    "memory": (lambda: anything.i32.load(memory="m"), TypeError, "memory must be a Mem.* or 0"),
    "tag for memory": (lambda: anything.memory.size(tag), TypeError, "must be a Memory.* or 0"),
    "index of global": (lambda: anything.global_.get(0), TypeError, "global must be a Global"),
    "other memory": (lambda: anything.i32.load(memory=1), TypeError, "memory must be a Memory"),
    "segment": (lambda: anything.data.drop(0), TypeError, "data.drop: data must be a Data"),
    "index in heap": (lambda: ops.ref.null(Concrete(0)), TypeError, "heap must be a heap type"),
    "index in type": (
        lambda: ops.select_t([RefType(True, Concrete(0))]), TypeError, "heap type",
    ),
    "index in block type": (
        lambda: ops.block(RefType(True, Concrete(0))), TypeError, "block: type must be a heap type",
    ),
    "index in cast": (
        lambda: ops.br_on_cast(body, FUNCREF, RefType(True, Concrete(0))), TypeError, "target",
    ),
    "two modules": (
        lambda: ops.memory.init(module.data[0], Module.from_bytes(EXAMPLE).memories[0]),
        ValueError, "part of another module",
    ),
    "body for items": (lambda: ops.block(None, body), TypeError, "items must be a list of items"),
    "heap": (lambda: anything.ref.null(FUNCREF), TypeError, "ref.null: heap must be a heap type"),
    "nullable": (lambda: ops.ref.cast(FUNCREF), ValueError, "that is ops.ref.cast_null"),
    "not nullable": (
        lambda: ops.ref.test_null(RefType(False, AbstractHeap.I31)), ValueError,
        r"is not nullable; that is ops\.ref\.test$",
    ),
    "cast": (lambda: anything.br_on_cast(body, AbstractHeap.ANY, FUNCREF), TypeError, "source"),
    "value types": (lambda: anything.select_t([0]), TypeError, "types must be value types"),
    "too many": (lambda: anything.drop(1), TypeError, r"drop: 1 .* it is ops\.drop\(\)"),
    "missing": (anything.local.get, TypeError, "local.get: local is missing"),
    "twice": (lambda: anything.local.get(1, local=2), TypeError, "local is given twice"),
    "strange": (lambda: anything.local.get(1, lane=2), TypeError, "there is no lane"),
    "memarg by position": (lambda: anything.i32.load(8), TypeError, r"it is ops.i32.load\(\*"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        make()


def test_signatures_in_messages_are_right() -> None:
    for row in CONSTRUCTIBLE:
        shown = str(constructor(row))
        names = [each.name for each in parameters(row)]
        # It is Python: the parameters can be read back.
        space: dict[str, Any] = {}
        head, _, rest = shown.partition("(")
        exec(f"def made({rest}: ...", space)  # noqa: S102 - our own text
        assert list(inspect.signature(space["made"]).parameters) == names
        assert head == ".".join(["ops", *python_path(row)])
    assert BY_NAME["nop"] in CONSTRUCTIBLE
