"""reset-state: what an instance is like after it, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.javascript import javascript
from tests.modules import assembled, printed
from tests.passes.resets import IMPORTS, resettable, rounds
from wasmir import Module, Pipeline, UnsupportedError
from wasmir.passes import ResetState


def refused(text: str, **options: Any) -> str:  # noqa: ANN401 - the pass checks
    data = assembled(text)
    module = Module.from_bytes(data)
    with pytest.raises(UnsupportedError) as caught:
        ResetState(**options).run(module)
    assert module.to_bytes() == data
    return str(caught.value)


MEMORY = """(module
  (memory (export "mem") 1 4) (data (i32.const 8) "abc") (data (i32.const 10) "de")
  (func (export "size") (result i32) memory.size)
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "poke") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
  (func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0))))"""


@pytest.mark.usefixtures("engine")
def test_memory() -> None:
    calls: list[Any] = [
        ["poke", 9, 1],
        ["poke", 65535, 3],
        ["size"],
        ["grow", 0],
        ["grow", 1],
        ["size"],
    ]
    calls += [["poke", 65536, 7], ["grow", 3], ["grow", 2], ["grow", 1], ["grow", -1], ["size"]]
    calls += [["peek", 65536], ["poke", 4 * 65536 - 1, 9], ["peek", 9]]
    rounds(MEMORY, calls)


# State by state, in Node

MEMORIES = """(module
  (memory (export "one") 1) (memory $two (export "two") i64 0 3) (memory $three 1 2)
  (data (memory $three) (i32.const 65530) "end!!!") (data (i32.const 0) "1")
  (func (export "size") (result i64) (memory.size $two))
  (func (export "grow") (param i64) (result i64) (memory.grow $two (local.get 0)))
  (func (export "grow3") (param i32) (result i32) (memory.grow $three (local.get 0)))
  (func (export "peek3") (param i32) (result i64)
    (i64.load $three (local.get 0)))
  (func (export "fill") (memory.fill $two (i64.const 5) (i32.const 6) (i64.const 65531))
    (memory.fill $three (i32.const 0) (i32.const 6) (i32.const 65536))))"""

TABLES = """(module
  (type $f (func (result i32)))
  (table $t (export "t") 3 9 funcref) (table $x (export "x") 1 externref)
  (table $i (export "i") 2 8 i31ref (ref.i31 (i32.const 5)))
  (table $n 2 4 (ref $f) (ref.func $one))
  (table $l (export "l") i64 1 5 funcref)
  (elem (table $t) (i32.const 1) func $one $two) (elem (table $t) (offset i32.const 2) func $one)
  (elem (table $n) (i32.const 1) (ref $f) (ref.func $two))
  (elem (table $l) (i64.const 0) func $two)
  (elem declare func $three)
  (func $one (type $f) (i32.const 1)) (func $two (type $f) (i32.const 2))
  (func $three (type $f) (i32.const 3))
  (func (export "call") (param i32) (result i32) (call_indirect $t (type $f) (local.get 0)))
  (func (export "calln") (param i32) (result i32) (call_ref $f (table.get $n (local.get 0))))
  (func (export "sizes") (result i32 i32 i32 i64)
    (table.size $t) (table.size $x) (table.size $n) (table.size $l))
  (func (export "growi") (param i32) (result i32)
    (table.grow $i (ref.i31 (i32.const 6)) (local.get 0)))
  (func (export "grow") (param i32) (result i32)
    (table.grow $t (ref.func $three) (local.get 0)))
  (func (export "grown") (param i32) (result i32)
    (table.grow $n (ref.func $three) (local.get 0)))
  (func (export "growl") (param i64) (result i64)
    (table.grow $l (ref.func $three) (local.get 0)))
  (func (export "growx") (param i32) (result i32) (table.grow $x (ref.null extern) (local.get 0)))
  (func (export "clear") (table.set $t (i32.const 1) (ref.null func))
    (table.set $n (i32.const 0) (ref.func $three))))"""

GLOBALS = """(module
  (import "m" "base" (global $base i32)) (import "m" "far" (global $far i64))
  (import "m" "ref" (global $ref externref))
  (global (export "a") (mut i32) (i32.const -5)) (global (export "b") (mut i64) (global.get $far))
  (global $c (export "c") (mut f32) (f32.const nan:0x200001)) (global $k f64 (f64.const 1.5))
  (global (export "d") (mut f64) (f64.const -0)) (global $v (mut v128) (v128.const i32x4 1 2 3 4))
  (global (export "e") (mut i32) (i32.add (global.get $base) (i32.mul (i32.const 3) (i32.const 4))))
  (global (export "f") (mut externref) (global.get $ref))
  (global (export "g") (mut funcref) (ref.func $h)) (global $i (mut i31ref) (ref.i31 (i32.const 9)))
  (func $h)
  (func (export "change")
    (global.set 3 (i32.const 1)) (global.set 4 (i64.const 2)) (global.set 5 (f32.const 3))
    (global.set 7 (f64.const 4)) (global.set $v (v128.const i64x2 7 8)) (global.set 9 (i32.const 5))
    (global.set 10 (ref.null extern)) (global.set 11 (ref.null func))
    (global.set $i (ref.null i31)))
  (func (export "rest") (result i32 i64 i32)
    (i32.reinterpret_f32 (global.get $c)) (i64x2.extract_lane 1 (global.get $v))
    (i31.get_s (global.get $i))))"""

SEGMENTS = """(module
  (type $bytes (array (mut i8))) (type $funcs (array (mut funcref)))
  (memory (export "m") 1) (table $t (export "t") 8 funcref)
  (data $active (i32.const 3) "active") (data $passive "passive") (data $kept "kept")
  (elem $eactive (i32.const 1) $f $g) (elem $epassive func $g $f $g)
  (elem $edeclared declare func $f)
  (func $f) (func $g)
  (func (export "init") (param i32 i32 i32)
    (memory.init $passive (local.get 0) (local.get 1) (local.get 2)))
  (func (export "kept") (param i32 i32 i32)
    (memory.init $kept (local.get 0) (local.get 1) (local.get 2)))
  (func (export "active") (param i32 i32 i32)
    (memory.init $active (local.get 0) (local.get 1) (local.get 2)))
  (func (export "new") (param i32 i32) (result i32)
    (array.len (array.new_data $bytes $passive (local.get 0) (local.get 1))))
  (func (export "newactive") (param i32 i32) (result i32)
    (array.len (array.new_data $bytes $active (local.get 0) (local.get 1))))
  (func (export "fill") (param i32 i32 i32) (result i32) (local $a (ref null $bytes))
    (local.set $a (array.new_default $bytes (i32.const 4)))
    (array.init_data $bytes $passive (local.get $a) (local.get 0) (local.get 1) (local.get 2))
    (array.get_u $bytes (local.get $a) (i32.const 1)))
  (func (export "fillnull") (array.init_data $bytes $passive (ref.null $bytes)
    (i32.const 0) (i32.const 0) (i32.const 0)))
  (func (export "einit") (param i32 i32 i32)
    (table.init $t $epassive (local.get 0) (local.get 1) (local.get 2)))
  (func (export "eactive") (param i32 i32 i32)
    (table.init $t $eactive (local.get 0) (local.get 1) (local.get 2)))
  (func (export "edeclared") (param i32 i32 i32)
    (table.init $t $edeclared (local.get 0) (local.get 1) (local.get 2)))
  (func (export "enew") (param i32 i32) (result i32)
    (array.len (array.new_elem $funcs $epassive (local.get 0) (local.get 1))))
  (func (export "efill") (param i32 i32 i32) (result i32) (local $a (ref null $funcs))
    (local.set $a (array.new_default $funcs (i32.const 4)))
    (array.init_elem $funcs $epassive (local.get $a) (local.get 0) (local.get 1) (local.get 2))
    (ref.is_null (array.get $funcs (local.get $a) (i32.const 1))))
  (func (export "dead") (param i32 i32 i32) unreachable (memory.init $passive) unreachable)
  (func (export "drop") (data.drop $passive) (elem.drop $epassive)
    (data.drop $active) (elem.drop $eactive) (elem.drop $edeclared)))"""

OBJECTS = """(module
  (type $cell (struct (field (mut i32)))) (type $pair (struct (field i32) (field i32)))
  (type $row (array (mut i32)))
  (global $fixed (ref $pair) (struct.new $pair (i32.const 1) (i32.const 2)))
  (global $mine (mut (ref $cell)) (struct.new $cell (i32.const 5)))
  (table $t (export "t") 3 (ref $cell) (struct.new $cell (i32.const 6)))
  (table $a (export "a") 2 (ref null $row))
  (elem (table $t) (i32.const 1) (ref $cell)
    (struct.new $cell (i32.const 7)) (struct.new $cell (i32.const 8)))
  (elem (table $a) (i32.const 0) (ref null $row) (array.new $row (i32.const 4) (i32.const 2)))
  (func (export "add") (param i32) (struct.set $cell 0 (global.get $mine)
    (i32.add (local.get 0) (struct.get $cell 0 (global.get $mine)))))
  (func (export "addt") (param i32 i32) (struct.set $cell 0 (table.get $t (local.get 0))
    (i32.add (local.get 1) (struct.get $cell 0 (table.get $t (local.get 0))))))
  (func (export "same") (param i32 i32) (result i32)
    (ref.eq (table.get $t (local.get 0)) (table.get $t (local.get 1))))
  (func (export "seta") (array.set $row (table.get $a (i32.const 0)) (i32.const 1) (i32.const 9)))
  (func (export "geta") (result i32) (array.get $row (table.get $a (i32.const 0)) (i32.const 1)))
  (func (export "get") (result i32 i32 i32 i32 i32)
    (struct.get $cell 0 (global.get $mine)) (struct.get $pair 1 (global.get $fixed))
    (struct.get $cell 0 (table.get $t (i32.const 0)))
    (struct.get $cell 0 (table.get $t (i32.const 1)))
    (struct.get $cell 0 (table.get $t (i32.const 2)))))"""

START = """(module
  (memory (export "m") 1) (data (i32.const 0) "\\05")
  (global $n (export "n") (mut i32) (i32.const 1))
  (func $start (i32.store8 (i32.const 1) (i32.load8_u (i32.const 0)))
    (global.set $n (i32.mul (i32.const 3) (global.get $n))))
  (start $start)
  (func (export "work") (i32.store8 (i32.const 0) (i32.const 9)) (global.set $n (i32.const 9))))"""


@pytest.mark.usefixtures("engine")
def test_several_memories() -> None:
    calls: list[Any] = [["size"], ["grow", "1"], ["fill"], ["size"], ["grow", "2"], ["fill"]]
    calls += [["grow", "2"], ["grow", "1"], ["grow3", 1], ["peek3", 65528], ["grow3", 1], ["fill"]]
    rounds(MEMORIES, calls)


@pytest.mark.usefixtures("engine")
def test_tables() -> None:
    calls: list[Any] = [["sizes"], ["call", 1], ["call", 2], ["calln", 0], ["calln", 1]]
    calls += [["clear"], ["call", 1], ["calln", 0], ["call", 3], ["grow", 2], ["call", 4]]
    calls += [["grown", 1], ["calln", 2], ["grown", 2], ["grown", 1], ["growl", "3"], ["sizes"]]
    calls += [["grow", 9], ["grow", 0], ["grow", 4], ["growl", "2"], ["growl", "1"], ["sizes"]]
    calls += [["growi", 3], ["growi", 4], ["growx", 3], ["call", 8], ["call", 0], ["sizes"]]
    rounds(TABLES, calls)


@pytest.mark.usefixtures("engine")
def test_globals() -> None:
    imports = "{ m: { base: 30, far: 1n << 40n, ref: 'a string' } }"
    rounds(GLOBALS, [["rest"], ["change"], ["rest"]], imports)


@pytest.mark.usefixtures("engine")
def test_segments() -> None:
    uses: list[Any] = [
        [name, *numbers]
        for name in ("init", "active", "kept", "fill", "einit", "eactive", "edeclared", "efill")
        for numbers in ((0, 0, 0), (0, 0, 2), (1, 2, 1), (0, 1, 0), (0, 8, 0), (65536, 0, 0))
    ]
    uses += [[name, *two] for name in ("new", "newactive", "enew") for two in ((0, 0), (1, 2))]
    uses += [["fillnull"], ["dead", 0, 0, 0]]
    rounds(SEGMENTS, [*uses, ["drop"], *uses, ["drop"]])


@pytest.mark.usefixtures("engine")
def test_objects() -> None:
    calls: list[Any] = [["get"], ["add", 5], ["addt", 0, 10], ["addt", 1, 20], ["addt", 2, 30]]
    rounds(OBJECTS, [*calls, ["same", 0, 1], ["same", 0, 0], ["geta"], ["seta"], ["geta"], ["get"]])


@pytest.mark.usefixtures("engine")
def test_start_function() -> None:
    rounds(START, [["work"]])


@pytest.mark.usefixtures("engine")
def test_what_the_host_grew() -> None:
    """The module sees it, as ever; and after a reset it sees the size that it began with."""
    found = javascript(
        """
        const { mem, size, grow, __wasmir_reset_state } = new WebAssembly.Instance(after).exports;
        const seen = [mem.grow(1), size()];
        __wasmir_reset_state();
        seen.push(size(), mem.grow(1), size(), grow(1), size(), grow(1), size());
        return [...seen, mem.buffer.byteLength >> 16];
        """,
        after=resettable(assembled(MEMORY)),
    )
    assert found == [1, 2, 1, 2, 2, 2, 3, 3, 4, 4]


@pytest.mark.usefixtures("engine")
def test_what_only_the_host_can_grow() -> None:
    """It does that again when the program asks, so this is told what is there."""
    text = """(module (memory (export "m") 1) (table $t (export "t") 2 funcref)
      (func (export "sizes") (result i32 i32) (memory.size) (table.size $t)))"""
    found = javascript(
        """
        const { m, t, sizes, __wasmir_reset_state } = new WebAssembly.Instance(after).exports;
        const seen = [sizes(), (m.grow(1), t.grow(3), sizes())];
        __wasmir_reset_state();
        return [...seen, sizes(), (m.grow(1), t.grow(3), sizes())];
        """,
        after=resettable(assembled(text)),
    )
    assert found == [[1, 2], [2, 5], [2, 5], [3, 8]]


def test_what_cannot_grow_is_read_as_before() -> None:
    text = "(module (memory 1) (func (result i32) (memory.size)))"
    out = Module.from_bytes(resettable(assembled(text)))
    assert len(out.globals) == 0


@pytest.mark.usefixtures("engine")
def test_out_of_memory_a_thousand_times() -> None:
    text = """(module (memory (export "m") 1 40) (table $t (export "t") 1 50 funcref)
      (func (export "eat_all") (result i32 i32) (local $sum i32) (local $at i32)
        (block $full (loop $more
          (local.set $at (memory.grow (i32.const 1)))
          (br_if $full (i32.eq (local.get $at) (i32.const -1)))
          (local.set $at (i32.shl (local.get $at) (i32.const 16)))
          (local.set $sum (i32.add (local.get $sum) (i32.load (local.get $at))))
          (i32.store (local.get $at) (i32.const 77))
          (drop (table.grow $t (ref.func 0) (i32.const 1)))
          (br $more)))
        (memory.size) (i32.add (local.get $sum) (table.size $t)))
      (func (export "trap") unreachable) (elem declare func 0))"""
    found = javascript(
        """
        const { exports } = new WebAssembly.Instance(after);
        const seen = new Set();
        for (let n = 0; n < 1000; n++) {
          const got = [outcome(exports.eat_all), outcome(exports.trap)];
          got.push(exports.m.buffer.byteLength, exports.t.length);
          exports.__wasmir_reset_state();
          seen.add(JSON.stringify(got));
        }
        return [...seen].map(JSON.parse);
        """,
        after=resettable(assembled(text)),
    )
    assert found == [["40,40", "trap: unreachable", 40 << 16, 40]]


@pytest.mark.usefixtures("engine")
def test_memory_is_zeroed_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a memory of 4 GiB is, whose size is no i32."""
    monkeypatch.setattr("wasmir.passes.reset_code._PIECE_LOG2", 17)
    fill = "(memory.fill ({0}.const 0) (i32.const 255) ({0}.const {1}))"
    for address in ("i32", "i64"):
        text = (
            f'(module (memory (export "m") {address} 5) (func (export "f") '
            f"{fill.format(address, 5 << 16)}))"
        )
        rounds(text, [["f"]])


@pytest.mark.usefixtures("engine")
def test_many_segments_and_globals(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one function does at once; segments that overlap keep their order."""
    monkeypatch.setattr("wasmir.passes.reset_code._AT_ONCE", 7)
    data = "".join(f'(data (i32.const {5 * n % 97}) "{n:03}")' for n in range(40))
    globals_ = "".join(f'(global (export "g{n}") (mut i32) (i32.const {n}))' for n in range(40))
    change = "".join(f"(global.set {n} (i32.const -1))" for n in range(40))
    text = f'(module (memory (export "m") 1) {data} {globals_} (func (export "f") {change}'
    rounds(text + "(memory.fill (i32.const 0) (i32.const 1) (i32.const 99))))", [["f"]])


def test_pages_of_a_byte() -> None:
    text = """(module (memory 5 90 (pagesize 1)) (data (i32.const 2) "abc")
      (func (export "f") (result i32) (memory.grow (i32.const 3))))"""
    out = Module.from_bytes(resettable(assembled(text)))
    assert out.memories[0].type.limits.page_size_log2 == 0


@pytest.mark.usefixtures("engine")
def test_what_the_host_calls_first() -> None:
    """By preset, by name, and not at all; results are dropped."""
    text = """(module (global $n (export "n") (mut i32) (i32.const 1))
      (func (export "__wasm_call_ctors") (global.set $n (i32.mul (global.get $n) (i32.const 3))))
      {}
      (func (export "__wbindgen_start") (result i32) (global.set $n (i32.add (global.get $n)
        (i32.const 1))) (i32.const 5)))"""
    both = text.format(
        '(func (export "_initialize") (global.set $n (i32.mul (global.get $n) (i32.const 5))))'
    )
    for module, options, wanted in (
        (text.format(""), {}, 4),
        (both, {}, 6),
        (both, {"init": "__wbindgen_start,__wasm_call_ctors"}, 6),
        (both, {"init": "__wasm_call_ctors __wbindgen_start"}, 4),
        (both, {"init": ""}, 1),
    ):
        got = javascript(
            """
            const { n, __wasmir_reset_state } = new WebAssembly.Instance(after).exports;
            const seen = [n.value, (__wasmir_reset_state(), n.value)];
            return [...seen, (__wasmir_reset_state(), n.value)];
            """,
            after=resettable(assembled(module), **options),
        )
        assert got == [1, wanted, wanted]


# What is refused


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('(module (import "m" "mem" (memory 1)))', 'memory 0 ("m" "mem") is imported'),
        ('(module (import "m" "t" (table 1 funcref)))', 'table 0 ("m" "t") is imported'),
        ('(module (import "m" "g" (global (mut i32))))', 'global 0 ("m" "g") is imported'),
        ("(module (memory 1 2 shared))", "memory 0 is shared"),
        (
            """(module (type $c (struct (field (mut i32))))
              (global (ref $c) (struct.new $c (i32.const 1))))""",
            "immutable global 0 holds an object that can be changed",
        ),
        (
            """(module (type $c (array (mut i32)))
              (elem (ref $c) (array.new $c (i32.const 1) (i32.const 1))))""",
            "passive element segment 0 holds objects that can be changed",
        ),
        ('(module (func (export "__wasmir_reset_state")))', "exports __wasmir_reset_state already"),
    ],
)
def test_refused(text: str, words: str) -> None:
    assert words in refused(text)


def test_not_in_a_module_with_guards() -> None:
    """It would put back what they count."""
    module = Module.from_bytes(assembled(MEMORY))
    Pipeline.parse("recover{reset=false}").run(module)
    with pytest.raises(UnsupportedError, match="it has guards already"):
        ResetState().run(module)


def test_all_reasons_at_once() -> None:
    said = refused(IMPORTS, init="nothing")
    for words in ("memory 0", "table 0", "global 0", "init=nothing", "include-imports"):
        assert words in said
    assert said.count(";") == 4


def test_not_even_with_imports() -> None:
    table = '(module (import "m" "t" (table 1 (ref func))))'
    assert "has no null" in refused(table, include_imports=True)
    shared = '(module (import "m" "mem" (memory 1 2 shared)))'
    assert "is shared" in refused(shared, include_imports=True)
    resettable(assembled(shared), accept_partial=True)


def test_minified_names() -> None:
    """Nobody knows what the glue calls, and without it the program isn't what it was."""
    text = '(module (import "a" "b" (func)) (func (export "c")) (func (export "de")) (memory 1) {})'
    assert "init= has to say which" in refused(text.format(""))
    for init in ("none", "c"):
        resettable(assembled(text.format("")), init=init)
    resettable(assembled(text.format("(start 1)")))


def test_init_that_does_not_fit() -> None:
    text = '(module (func (export "f") (param i32)) (memory (export "m") 1))'
    assert "takes parameters" in refused(text, init="f")
    assert "exports no function" in refused(text, init="m")
    assert "it exports f" in refused(text, init="g")


# What it writes


def test_golden() -> None:
    """What the documentation shows, and nothing where there is nothing."""
    before = """(module
      (memory 1)
      (data (i32.const 8) "abc")
      (global $count (mut i32) (i32.const 7))
      (func $more (result i32)
        i32.const 1
        memory.grow)
      (func $size (result i32)
        memory.size))"""
    after = """(module
      (memory 1)
      (data $abc "abc")
      (global $count (mut i32) (i32.const 7))
      (global $hidden (mut i32) (i32.const 0))
      (start $start)
      (func $more (result i32)
        i32.const 1
        call $grow)
      (func $size (result i32)
        memory.size
        global.get $hidden
        i32.sub)
      (func $zero (local $at i32) (local $left i32) (local $now i32)
        memory.size
        local.set $left
        loop $pieces
          (select (local.get $left) (i32.const 16384)
            (i32.lt_u (local.get $left) (i32.const 16384)))
          local.set $now
          (memory.fill (local.get $at) (i32.const 0) (i32.shl (local.get $now) (i32.const 16)))
          (i32.add (local.get $at) (i32.shl (local.get $now) (i32.const 16)))
          local.set $at
          (local.tee $left (i32.sub (local.get $left) (local.get $now)))
          i32.eqz
          i32.eqz
          br_if $pieces
        end)
      (func $apply
        (memory.init $abc (i32.const 8) (i32.const 0) (i32.const 3)))
      (func $restore
        call $zero
        (global.set $hidden (i32.sub (memory.size) (i32.const 1)))
        call $apply
        (global.set $count (i32.const 7)))
      (func $start
        call $apply)
      (func $reset (export "__wasmir_reset_state")
        call $restore)
      (func $grow (param i32) (result i32) (local $old i32)
        (if (result i32) (i32.le_u (local.get 0) (global.get $hidden))
          (then
            (local.set $old (i32.sub (memory.size) (global.get $hidden)))
            (global.set $hidden (i32.sub (global.get $hidden) (local.get 0)))
            (local.get $old))
          (else
            (memory.grow (i32.sub (local.get 0) (global.get $hidden)))
            local.tee $old
            i32.const -1
            i32.eq
            (if (result i32)
              (then (i32.const -1))
              (else
                (local.set $old (i32.sub (local.get $old) (global.get $hidden)))
                (global.set $hidden (i32.const 0))
                (local.get $old)))))))"""
    assert functions(resettable(assembled(before))) == functions(assembled(after))


def functions(data: bytes) -> list[str]:
    """The text of each function, in which indices are names, whatever the order."""
    text = re.sub(r"\(;.*?;\)|;; label.*|\(type \d+\)", "", printed(unnamed(data)))
    # Functions stand in another order in what is written by hand: calls are known by their place.
    found = re.findall(r"\n  \(func .*?\n  \)", text, re.DOTALL)
    return sorted(re.sub(r"call \d+", "call", " ".join(each.split())) for each in found)


def unnamed(data: bytes) -> bytes:
    module = Module.from_bytes(data)
    for custom in module.customs:
        module.remove_custom(custom)
    return module.to_bytes()
