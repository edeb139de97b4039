"""Entities between imported and defined, one in the place of another, and what instantiation puts
where.
"""

from __future__ import annotations

from typing import Any

import pytest

from corpus.manifest import Module as Entry
from corpus.manifest import modules
from tests.modules import assembled, printed
from tests.support import validate
from wasmir import (
    Global,
    InvalidError,
    Module,
    NumType,
    UnsupportedError,
    ops,
)
from wasmir.interp import Instance

TEXT = """(module
  (import "m" "f" (func $imported)) (import "m" "g" (global $ig i32))
  (import "m" "t" (table $it 1 funcref)) (import "m" "m" (memory $im 1)) (import "m" "e" (tag $ie))
  (table $t 2 funcref (ref.func $f)) (memory $m 1) (tag $e) (global $g i32 (i32.const 7))
  (global $h i32 (global.get $g))
  (func $f (param $x i32) (local $y i64) block $l end call $imported)
  (func $user (export "f")
    (call $f (i32.load $m (i32.const 1))) (drop (i32.load $im (i32.const 1)))
    (drop (table.get $t (i32.const 0))) (drop (table.get $it (i32.const 0)))
    (drop (global.get $g)) (drop (global.get $ig))
    block try_table (catch $e 1) (catch $ie 1) (throw $e) end end)
  (elem (table $t) (i32.const 0) func $f) (elem (table $it) (i32.const 0) func $f)
  (data (memory $m) (i32.const 0) "m") (data (memory $im) (i32.const 0) "im")
  (export "t" (table $t)) (export "e" (tag $e)) (start $imported))"""


def text(module: Module) -> str:
    data = module.to_bytes()
    assert validate(data) is None
    return printed(data)


def test_from_defined_to_imported_and_back() -> None:
    data = assembled(TEXT)
    module = Module.from_bytes(data)
    for space in ("func", "table", "memory", "tag", "global"):
        entity: Any
        for entity in list(module.space(space)):
            if entity.imported is not None:
                init = [module.const(ops.i32.const(3))] if isinstance(entity, Global) else []
                entity.make_definition(*init)
            elif entity.name not in ("h", "user"):
                entity.make_import("new", str(entity.name))
    after = text(module)
    wanted = (
        TEXT.replace(
            '(import "m" "f" (func $imported))', '(import "new" "f" (func $f (param i32)))'
        )
        .replace('(import "m" "g" (global $ig i32))', '(import "new" "g" (global $g i32))')
        .replace(
            '(import "m" "t" (table $it 1 funcref))', '(import "new" "t" (table $t 2 funcref))'
        )
        .replace('(import "m" "m" (memory $im 1))', '(import "new" "m" (memory $m 1))')
        .replace('(import "m" "e" (tag $ie))', '(import "new" "e" (tag $e))')
        .replace(
            "(table $t 2 funcref (ref.func $f)) (memory $m 1) (tag $e)", "(table $it 1 funcref)"
        )
        .replace("(global $g i32 (i32.const 7))", "(memory $im 1) (tag $ie)")
        .replace("(global $h", "(global $ig i32 (i32.const 3)) (global $h")
        .replace(
            "(func $f (param $x i32) (local $y i64) block $l end call $imported)",
            "(func $imported)",
        )
    )
    assert unordered(after) == unordered(printed(assembled(wanted)))


def unordered(shown: str) -> list[str]:
    """The lines, without what depends on the order of types and imports."""
    return sorted(line.split("(;")[0] for line in shown.splitlines())


@pytest.mark.parametrize("entry", modules(), ids=lambda entry: entry.name)
def test_all_of_it_is_undone(entry: Entry) -> None:
    data = entry.path.read_bytes()
    module = Module.from_bytes(data)
    module.read_all()
    checkpoint = module.checkpoint()
    for space in ("func", "table", "memory", "tag", "global"):
        entity: Any
        for place, entity in enumerate(list(module.space(space))):
            if entity.imported is None:
                entity.make_import("m", f"{space} {place}")
            elif space != "global":
                entity.make_definition()
    assert len(module.imports) > 0
    assert module.to_bytes(keep_stale=True) != data
    module.rollback(checkpoint)
    assert module.to_bytes() == data


def test_what_calls_an_import_calls_what_is_defined_in_its_place() -> None:
    data = """(module (import "m" "log" (func $log (param i32) (result i32)))
      (import "m" "other" (func $other (result i32)))
      (func (export "f") (result i32) (i32.add (call $log (i32.const 4)) (call $other))))"""
    module = Module.from_bytes(assembled(data))
    log, other, _ = module.functions
    log.make_definition([ops.local.get(0), ops.i32.const(2), ops.i32.mul()])
    assert log.imported is None
    assert [import_.entity for import_ in module.imports] == [other]
    assert Instance(module, {"m": {"other": lambda: 1}}).invoke("f") == 9
    other.make_definition([ops.i32.const(5)])
    assert Instance(Module.from_bytes(module.to_bytes()), {}).invoke("f") == 13


def test_names_go_with_code_that_goes() -> None:
    module = Module.from_bytes(assembled(TEXT))
    f = module.functions.named("f")
    assert f
    assert (f.local_names, f.label_names) == ({0: "x", 1: "y"}, {0: "l"})
    f.replace_body([ops.nop()])
    assert (f.local_names, f.label_names) == ({0: "x"}, {})
    f.make_import("m", "f")
    assert (f.name, f.local_names) == ("f", {})
    assert validate(module.to_bytes()) is None


def test_offsets_follow() -> None:
    module = Module.from_bytes(assembled(TEXT))
    module.track_offsets()
    f, user = (module.functions.named(name) for name in ("f", "user"))
    assert f
    assert user
    first, last = f.offset + 3, user.offset + 1
    f.make_import("m", "f")
    f.make_definition([ops.nop()])
    offsets = module.encode().offsets
    assert offsets.new(first) is None
    assert offsets.new(last) is not None


def test_hints_for_what_is_imported_now_go() -> None:
    hinted = """(module (func $f (param i32) (@metadata.code.branch_hint "\\01")
      (if (local.get 0) (then nop))) (func (export "g") (call $f (i32.const 0))))"""
    module = Module.from_bytes(assembled(hinted))
    module.functions[0].make_import("m", "f")
    hints = Module.from_bytes(module.to_bytes()).custom("metadata.code.branch_hint")
    assert hints
    # Of no function.
    assert hints.data == b"\0"


# One in the place of another


def test_all_that_mentions_one_mentions_another() -> None:
    module = Module.from_bytes(
        assembled("""(module
          (table $t 1 funcref) (table $u 1 funcref) (memory $m 1) (memory $n 1)
          (global $g (mut i32) (i32.const 1)) (global $h (mut i32) (i32.const 2))
          (tag $d) (tag $e) (func $a) (func $b)
          (global funcref (ref.func $a)) (elem (table $t) (i32.const 0) func $a $b)
          (elem $x (table $u) (i32.const 0) funcref (ref.func $a) (ref.null func))
          (data (memory $m) (i32.const 0) "x") (start $a)
          (export "a" (func $a)) (export "g" (global $g)) (export "m" (memory $m))
          (func (export "f") (call $a) (drop (ref.func $a)) (global.set $g (global.get $h))
            (drop (i32.load8_u offset=3 (i32.const 0))) (drop (memory.size $n))
            (memory.copy $m $n (i32.const 0) (i32.const 0) (i32.const 0))
            (call_indirect $t (i32.const 0)) (table.init $t $x (i32.const 0) (i32.const 0)
            (i32.const 0)) (try_table (catch $d 0) (throw $e))))""")
    )
    named: Any = {
        each.name: each
        for space in ("func", "table", "memory", "tag", "global")
        for each in module.space(space)
    }
    before = text(module)
    pairs = {"a": "b", "t": "u", "m": "n", "g": "h", "d": "e"}
    changed = module.redirect({named[old]: named[new] for old, new in pairs.items()})
    assert changed == [module.functions[-1]]
    after = text(module)
    assert after != before
    for old in pairs:
        assert module.uses().of(named[old]) == []
    assert module.uses().callers(named["b"]) == [module.functions[-1]]


def test_segments_are_where_another_global_says() -> None:
    module = Module.from_bytes(
        assembled("""(module (import "m" "a" (global $a i32)) (import "m" "b" (global $b i32))
          (memory 1) (table 9 funcref) (func $f) (global $c i32 (global.get $a))
          (data (global.get $a) "x") (elem (global.get $a) func $f))""")
    )
    a, b, c = module.globals
    module.redirect({a: b})
    assert module.uses().of(a) == []
    assert module.uses().of(b) == [c, module.elements[0], module.data[0]]
    assert validate(module.to_bytes()) is None


def test_types_that_are_gone_are_made_anew() -> None:
    module = Module.from_bytes(assembled("(module (type (func (param i64 i64))))"))
    [type_] = module.types
    params = (NumType.I64, NumType.I64)
    assert module.func_type(params) is type_
    assert module.block_type(params).type is type_
    module.types.remove(type_)
    again = module.func_type(params)
    assert again is not type_
    assert module.block_type(params).type is again
    module.add_function(again, [ops.unreachable()])
    assert validate(module.to_bytes()) is None


def test_only_the_like_stands_for_another() -> None:
    module = Module.from_bytes(assembled(TEXT))
    function, table = module.functions[0], module.tables[0]
    both: Any = {function: table}
    with pytest.raises(ValueError, match="can't stand in the place of"):
        module.redirect(both)
    other = Module.from_bytes(assembled(TEXT)).functions[0]
    with pytest.raises(InvalidError, match="it isn't part of the module"):
        module.redirect({function: other})
    imported: Any = module.globals[0]
    with pytest.raises(UnsupportedError, match="needs an initial value"):
        imported.make_definition(None)


# What instantiation puts where

IMAGES = """(module
  (import "env" "base" (global $base i32)) (import "env" "mem" (memory $side 1))
  (memory $m 1) (memory $wide i64 1)
  (table $t 8 funcref) (func $a) (func $b) (func $c)
  (data $one (memory $m) (i32.const 8) "abcdef") (data $two (memory $m) (i32.const 11) "XYZW")
  (data $far (memory $wide) (i64.const 16) "wide") (data "passive")
  (data $rel (memory $side) (global.get $base) "0123")
  (data $more (memory $side) (offset (i32.add (global.get $base) (i32.const 6))) "678")
  (elem $e (table $t) (i32.const 1) func $a $b)
  (elem $f (table $t) (i32.const 2) funcref (ref.func $c) (ref.null func)))"""


def test_bytes_by_address() -> None:
    module = Module.from_bytes(assembled(IMAGES))
    data = module.to_bytes()
    memory = module.memories.named("m")
    assert memory
    image = memory.image()
    assert image[6:17] == b"\0\0abcXYZW\0\0"
    image[8:11] = b"abc"
    image[0:4] = bytes(4)
    assert module.to_bytes() == data
    image[9:18] = b"123456789"
    assert image[8:19] == b"a123456789\0"
    one, two = module.data.named("one"), module.data.named("two")
    assert one
    assert two
    # Of the first only what counts, of both no more than there was; the rest is new.
    assert (one.init, two.init) == (b"a12def", b"3456")
    added = module.data[-1]
    assert (added.init, str(added.offset)) == (b"789", "i32.const 15")
    assert validate(module.to_bytes()) is None
    again = Module.from_bytes(module.to_bytes())
    assert again.memories[1].image()[8:19] == b"a123456789\0"


def test_wide_memories_and_those_that_start_somewhere() -> None:
    module = Module.from_bytes(assembled(IMAGES))
    wide, side = module.memories.named("wide"), module.memories.named("side")
    assert wide
    assert side
    image = wide.image()
    image[15:17] = b"no"
    assert image[14:20] == b"\0noide"
    assert str(module.data[-1].offset) == "i64.const 15"
    with pytest.raises(UnsupportedError, match=r"global.get .*, which isn't a constant"):
        side.image()[0:1]
    image = side.image(module.globals[0])
    assert image[0:9] == b"0123\0\x00678"
    image[3:7] = b"abcd"
    assert image[0:9] == b"012abcd78"
    assert image[100_000:100_001] == b"\0"
    assert validate(module.to_bytes()) is None


@pytest.mark.parametrize("bad", [slice(-1, 2), slice(65530, 65537), slice(4, 3), slice(0, 4, 2)])
def test_addresses_outside(bad: slice) -> None:
    module = Module.from_bytes(assembled(IMAGES))
    memory = module.memories[1]
    with pytest.raises(IndexError, match=r"address|neighbouring"):
        memory.image()[bad]


def test_so_many_bytes_as_there_is_place_for() -> None:
    module = Module.from_bytes(assembled(IMAGES))
    with pytest.raises(ValueError, match="2 bytes are expected, not 3"):
        module.memories[1].image()[0:2] = b"abc"


def test_slots() -> None:
    module = Module.from_bytes(assembled(IMAGES))
    a, b, c = module.functions
    image = module.tables[0].image()
    assert image[0] is None
    assert [str(image[slot]) for slot in (1, 2, 3)] == [str(a), f"ref.func {c}", "ref.null func"]
    image[1] = b
    image[2] = a
    image[0] = c
    image[7] = None
    image[1] = None
    assert module.elements[0].items[1] is not b
    found = Module.from_bytes(module.to_bytes())
    assert validate(module.to_bytes()) is None
    shown = [str(found.tables[0].image()[slot]) for slot in range(8)]
    names = {"0": f"ref.func {c}", "1": "ref.null func", "2": f"ref.func {a}", "3": "ref.null func"}
    assert shown == [names.get(str(slot), "None") for slot in range(8)]
    for slot in (-1, 8):
        with pytest.raises(IndexError, match=f"slot {slot} of a table of 8"):
            image[slot]


def test_slots_of_a_table_that_is_full_from_the_start() -> None:
    module = Module.from_bytes(
        assembled("(module (table 2 funcref (ref.func $a)) (func $a) (func $b))")
    )
    image = module.tables[0].image()
    assert str(image[1]) == f"ref.func {module.functions[0]}"
    image[1] = None
    image[0] = module.functions[1]
    assert [str(image[slot]) for slot in (0, 1)] == [
        f"ref.func {module.functions[1]}",
        "ref.null func",
    ]
    assert validate(module.to_bytes()) is None
