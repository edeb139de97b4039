"""What the encoder does for its users, and what it refuses before a byte is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from corpus.manifest import find
from tests.modules import PREAMBLE, assembled, module, printed, section
from tests.support import validate
from wasmir import (
    FUNCREF,
    REF_FUNC,
    AbstractHeap,
    Block,
    Br,
    Catch,
    Concrete,
    Data,
    Element,
    FieldType,
    Function,
    FuncType,
    GlobalType,
    If,
    Instr,
    InvalidError,
    Item,
    Limits,
    MemoryType,
    Module,
    NumType,
    RefType,
    StructType,
    SubType,
    TableType,
    Try,
    ops,
)

if TYPE_CHECKING:
    from collections.abc import Callable

I32 = NumType.I32


def defined(opened: Module) -> list[Function]:
    return [each for each in opened.functions if each.imported is None]


# ref.func


def test_a_function_that_only_code_mentions_is_declared() -> None:
    opened = Module.from_bytes(assembled('(module (func $f) (func (export "g")))'))
    f, g = opened.functions
    g.body.seq.extend([ops.ref.func(f), ops.drop()])
    data = opened.to_bytes()
    assert validate(data) is None
    assert "elem" in printed(data)
    assert "declare func" in printed(data)
    # Once.
    assert opened.to_bytes() == data


@pytest.mark.parametrize(
    "declares",
    [
        '(export "f" (func $f))',
        "(elem declare func $f)",
        "(elem func $f)",
        "(table 1 funcref) (elem (i32.const 0) func $f)",
        "(elem funcref (ref.func $f))",
        "(global funcref (ref.func $f))",
        "(table 1 funcref (ref.func $f))",
    ],
)
def test_what_is_declared_already_is_not_declared_again(declares: str) -> None:
    text = f'(module (func $f) (func (export "g")) {declares})'
    opened = Module.from_bytes(assembled(text))
    f, g = opened.functions
    before = len(opened.elements)
    g.body.seq.extend([ops.ref.func(f), ops.drop()])
    data = opened.to_bytes()
    assert len(Module.from_bytes(data).elements) == before
    assert validate(data) is None


def test_who_takes_the_only_declaration_away_gets_another() -> None:
    """The code that needs it is not looked at."""
    opened = Module.from_bytes(
        assembled('(module (func $f (export "f")) (func (export "g") ref.func $f drop))')
    )
    export = opened.exports.find("f")
    assert export is not None
    opened.exports.remove(export)
    assert all(function.is_raw for function in opened.functions)
    assert validate(opened.to_bytes()) is None


def test_reading_declares_nothing() -> None:
    """Also where the module is invalid, because nothing declares what its code mentions."""
    data = module(bytes.fromhex("00 d2 00 1a 0b"))
    opened = Module.from_bytes(data)
    opened.functions[0].body.expand()
    opened.read_all()
    assert opened.to_bytes() == data


@pytest.mark.parametrize(
    "edit",
    [
        lambda opened: setattr(opened.globals[0], "init", opened.const(ops.i32.const(8))),
        lambda opened: opened.exports.remove(opened.exports.find("g")),
        lambda opened: opened.elements.remove(opened.elements[0]),
    ],
)
def test_validation_knows_what_will_be_declared(edit: Callable[[Module], None]) -> None:
    """That something else was changed is no reason to declare what never was, and is said."""
    bad = assembled(
        """(module (func $f) (func $h ref.func $f drop) (global (export "g") i32 (i32.const 7))
             (table 1 funcref) (elem (i32.const 0) func))"""
    )
    assert validate(bad) is not None
    opened = Module.from_bytes(bad)
    edit(opened)
    assert validate(opened.to_bytes()) is not None
    with pytest.raises(InvalidError, match="undeclared function reference"):
        opened.validate()


# Data


def test_a_data_count_section_comes_with_the_first_instruction_that_needs_one() -> None:
    opened = Module.from_bytes(assembled('(module (memory 1) (data "x") (func (export "f")))'))
    data = opened.to_bytes()
    assert b"\x0c\x01\x01" not in data
    function = opened.functions[0]
    segment = opened.data[0]
    three = [ops.i32.const(0)] * 3
    function.body.seq.extend([*three, ops.memory.init(segment), ops.data.drop(segment)])
    after = opened.to_bytes()
    assert validate(after) is None
    assert b"\x0c\x01\x01" in after
    opened.add_data(Data(b"more"))
    assert b"\x0c\x01\x02" in opened.to_bytes()
    assert validate(opened.to_bytes()) is None


def test_the_data_count_follows() -> None:
    text = '(module (memory 1) (data $d "x") (func (export "f") data.drop $d))'
    opened = Module.from_bytes(assembled(text))
    opened.add_data(
        Data(b"active", memory=opened.memories[0], offset=opened.const(ops.i32.const(9)))
    )
    data = opened.to_bytes()
    assert validate(data) is None
    assert b"\x0c\x01\x02" in data


# Parameters


LOCALS = """
    (module
      (func $f (export "f") (param $a i32) (param $b i32) (result i32) (local $x i32) (local $y i32)
        local.get $a
        local.set $x
        block
          local.get $x
          local.tee $y
          br_if 0
          local.get $a
          local.set $y
        end
        local.get $y))
"""


@pytest.mark.parametrize("depth", ["raw", "tree", "instructions", "settled"])
@pytest.mark.parametrize("params", [1, 2, 3, 200])
def test_locals_follow_the_parameters(depth: str, params: int) -> None:
    opened = Module.from_bytes(assembled(LOCALS))
    function = opened.functions[0]
    if depth != "raw":
        assert function.body.items
    if depth == "instructions":
        function.body.expand()
    if depth == "settled":
        function.settle()
    function.type = opened.func_type((I32,) * params, (I32,))
    assert function.is_open == (depth in ("tree", "instructions"))
    data = opened.to_bytes()
    assert validate(data) is None
    text = printed(data)
    names = {0: "a", 1: "b", params: "x", params + 1: "y"}
    for word in ("local.get $a\n", "local.set $x", "local.tee $y", "local.get $y"):
        assert word in text
    if params == 1:
        del names[1]
        names |= {1: "x", 2: "y"}
    assert function.local_names == names
    function.type = opened.func_type((I32, I32), (I32,))
    if params > 1:
        # As it was, but for a type that was added.
        assert function.code == Module.from_bytes(opened.source).functions[0].code


def test_a_parameter_that_is_used_stays() -> None:
    opened = Module.from_bytes(assembled(LOCALS))
    function = opened.functions[0]
    for depth in ("raw", "tree", "instructions"):
        if depth == "tree":
            assert function.body.items
        elif depth == "instructions":
            function.body.expand()
        with pytest.raises(InvalidError, match=r"unknown local 0: the parameter goes.*function 0"):
            function.type = opened.func_type((), (I32,))
        assert function.func_type.params == (I32, I32)


def test_a_type_that_is_no_function_type() -> None:
    opened = Module.from_bytes(assembled("(module (type (struct)) (func))"))
    with pytest.raises(InvalidError, match="is no function type"):
        opened.functions[0].type = opened.types[0]


# Refused


def one_function() -> tuple[Module, Function]:
    opened = Module.from_bytes(assembled('(module (func (export "f")))'))
    return opened, opened.functions[0]


def test_a_block_in_two_places() -> None:
    opened, function = one_function()
    block = Block(opened.block_type(), [ops.nop()])
    function.body.items = [block, block]
    with pytest.raises(InvalidError, match=r"block stands in two places.*in function 0"):
        opened.to_bytes()
    function.body.items = [block, Block(opened.block_type(), [block])]
    with pytest.raises(InvalidError, match="two places"):
        opened.to_bytes()
    function.body.items = [block]
    assert validate(opened.to_bytes()) is None


@pytest.mark.parametrize("run", [b"\x01", ops.nop()])
def test_an_if_in_two_places(run: bytes) -> None:
    opened, function = one_function()
    if_ = If(opened.block_type(), [run])
    function.body.items = [ops.i32.const(1), if_, ops.i32.const(1), if_]
    with pytest.raises(InvalidError, match="two places"):
        opened.to_bytes()


def test_a_block_in_itself() -> None:
    opened, function = one_function()
    block = Block(opened.block_type())
    block.items = [block]
    function.body.items = [block]
    with pytest.raises(InvalidError, match="or in itself"):
        opened.to_bytes()
    try_ = Try(opened.block_type())
    try_.catches = [Catch(None, [try_])]
    function.body.items = [try_]
    with pytest.raises(InvalidError, match="or in itself"):
        opened.to_bytes()


def test_a_label_outside_its_block() -> None:
    opened, function = one_function()
    block = Block(opened.block_type())
    function.body.items = [block, Br(block)]
    with pytest.raises(InvalidError, match=r"unknown label.*in function 0"):
        opened.to_bytes()


def foreign() -> Module:
    return Module.from_bytes(
        assembled(
            """(module (type $t (func (param i32 i32))) (type $s (struct)) (memory 1)
                 (table 1 funcref) (global i32 (i32.const 1)) (tag (param i32))
                 (func $f (type $t)) (elem func $f) (data "x"))"""
        )
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda other: ops.call(other.functions[0]),
        lambda other: ops.global_.get(other.globals[0]),
        lambda other: ops.throw(other.tags[0]),
        lambda other: ops.i32.load(memory=other.memories[0]),
        lambda other: ops.table.size(other.tables[0]),
        lambda other: ops.call_indirect(other.types[0], other.tables[0]),
        lambda other: ops.data.drop(other.data[0]),
        lambda other: ops.elem.drop(other.elements[0]),
        lambda other: ops.struct.new_default(other.types[1]),
        lambda other: ops.ref.null(Concrete(other.types[1])),
        lambda other: Block(other.block_type((I32, I32))),
        lambda other: Try(other.block_type((I32, I32))),
        lambda other: other.functions[0].body.items[0],
    ],
)
def test_code_of_another_module(make: Callable[[Module], Item]) -> None:
    other = foreign()
    other.functions[0].body.seq.append(ops.call(other.functions[0]))
    item = make(other)
    # What it was encoded to there says nothing here.
    if isinstance(item, Instr):
        other.functions[0].body.seq.append(item)
    other.to_bytes()
    opened, function = one_function()
    function.body.items = [item]
    with pytest.raises(InvalidError, match=r"part of another module.*in function 0"):
        opened.to_bytes()


def test_a_clause_of_another_module() -> None:
    opened, function = one_function()
    try_ = Try(opened.block_type())
    try_.catches = [Catch(foreign().tags[0])]
    function.body.items = [try_]
    with pytest.raises(InvalidError, match="part of another module"):
        opened.to_bytes()


def test_entities_of_another_module() -> None:
    opened, function = one_function()
    theirs = foreign().memories[0]
    with pytest.raises(ValueError, match="is part of another module"):
        opened.exports.add("theirs", theirs)
    opened.exports.add("theirs", function).entity = theirs
    with pytest.raises(InvalidError, match='part of another module, by export "theirs"'):
        opened.to_bytes()


@pytest.mark.parametrize(
    ("space", "by"),
    [
        ("memory", 'by export "m"'),
        ("table", "by element segment 0"),
        ("global", "by global 0"),
        ("func", "by element segment 0"),
        ("type", "in function 1"),
        ("tag", "in function 1"),
    ],
)
def test_both_ends_of_a_mention_of_what_was_removed(space: str, by: str) -> None:
    opened = Module.from_bytes(
        assembled(
            """(module (type $used (func (param i32) (result i32)))
                 (import "" "g" (global $g i32)) (memory (export "m") 1)
                 (table 1 funcref) (tag $tag)
                 (global i32 (global.get $g)) (func $f) (elem (i32.const 0) func $f)
                 (func i32.const 0 block (type $used) end drop throw $tag))"""
        )
    )
    opened.space(space).remove(opened.space(space)[0])
    what = opened.space(space).what
    with pytest.raises(InvalidError, match=rf"unknown {what}: 0 \(removed\).*mentioned.*{by}"):
        opened.to_bytes()


def test_start() -> None:
    opened = Module.from_bytes(assembled("(module (func $a) (func $b) (start $a))"))
    a, b = opened.functions
    assert opened.start is a
    opened.start = b
    assert Module.from_bytes(opened.to_bytes()).start is not None
    assert "(start 1)" in printed(opened.to_bytes()).replace("$b", "1")
    opened.start = None
    assert "start" not in printed(opened.to_bytes())
    opened.start = a
    assert opened.to_bytes() == opened.source
    opened.functions.remove(a)
    with pytest.raises(InvalidError, match="unknown function"):
        opened.to_bytes()


# From nothing


def test_a_module_from_nothing() -> None:
    """One of everything, which wasm-tools takes, and what is read again is the same."""
    made = Module()
    point = made.add_type(SubType(StructType((FieldType(I32, True),))))
    first, second = made.add_group(
        2,
        lambda types: [
            SubType(StructType((FieldType(RefType(True, Concrete(types[1])), False),))),
            SubType(
                StructType((FieldType(RefType(True, Concrete(types[0])), False),)), final=False
            ),
        ],
    )
    third = made.add_type(SubType(second.definition.composite, supertypes=(second,)))
    log = made.import_function("env", "log", FuncType((I32,)))
    table = made.add_table(TableType(FUNCREF, Limits(2)), exported="table")
    memory = made.add_memory(MemoryType(Limits(1)), exported="memory")
    tag = made.add_tag((I32,), exported="tag")
    counter = made.add_global(GlobalType(I32, True), made.const(ops.i32.const(41)))
    made.add_global(
        GlobalType(RefType(True, AbstractHeap.NONE), False),
        made.const(ops.ref.null(AbstractHeap.NONE)),
    )
    main = made.add_function(FuncType((I32,), (I32,)), name="main", exported="main")
    main.body.seq.extend(
        [
            ops.local.get(0),
            ops.call(log),
            ops.global_.get(counter),
            ops.struct.new(point),
            ops.struct.get(point, 0),
        ]
    )
    thrower = made.add_function(FuncType(), name="thrower")
    thrower.body.seq.extend([ops.i32.const(1), ops.throw(tag)])
    made.add_element(
        Element(REF_FUNC, [main, thrower], table=table, offset=made.const(ops.i32.const(0)))
    )
    made.add_data(Data(b"bytes", memory=memory, offset=made.const(ops.i32.const(8))))
    made.start = None
    for index, type_ in enumerate((point, first, second, third)):
        assert type_.index == index
    data = made.to_bytes()
    assert validate(data) is None
    again = Module.from_bytes(data)
    again.read_all()
    assert again.to_bytes() == data
    assert [each.name for each in again.functions] == [None, "main", "thrower"]
    assert again.functions.named("main") is again.functions[1]
    assert [each.kind for each in again.exports] == ["table", "memory", "tag", "func"]
    for function in defined(again):
        function.body.expand()
    assert again.to_bytes() == data


def test_what_is_read_and_written_in_other_words_is_the_same() -> None:
    """Every entity of every module of ours, encoded anew, is what wasm-tools had written."""
    for name in ("legacy-shapes-gc", "legacy-memory64", "plain", "exnref"):
        opened = Module.from_file(find(name).path)
        opened.read_all()
        for space in ("type", "table", "memory", "tag", "global", "elem", "data"):
            for entity in opened.space(space):
                entity._wire = None
        for type_ in opened.types:
            type_.group._wire = None
        for export in opened.exports:
            export._wire = None
        for import_ in opened.imports:
            import_._group = None
        opened.types._moved()
        assert opened.to_bytes() == opened.source


def test_no_section_is_left_without_entries() -> None:
    opened = Module.from_bytes(module(b"\0\x0b", tags=1, others=1))
    assert len(opened.sections) > 8
    opened.read_all()
    for export in list(opened.exports):
        opened.exports.remove(export)
    for name in ("elem", "data", "func", "table", "memory", "tag", "global", "type"):
        space = opened.space(name)
        for entity in list(space):
            space.remove(entity)
    written = Module.from_bytes(opened.to_bytes())
    assert {section.id for section in written.sections} <= {12}
    assert validate(written.source) is None
    # What was there without entries stays.
    data = PREAMBLE + section(4, b"\x80\x00") + section(10, b"\0")
    opened = Module.from_bytes(data)
    opened.read_all()
    opened.add_memory(MemoryType(Limits(1)))
    assert opened.to_bytes() == data[:12] + section(5, b"\1\0\1") + data[12:]
