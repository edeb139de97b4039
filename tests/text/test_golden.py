"""What text looks like, construct by construct; each text assembles to the same module again."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.modules import assembled
from tests.text.equivalence import assembled_again, text_of
from wasmir.text import Style

GOLDENS: dict[str, tuple[str, str]] = {
    # What is assembled, and what is printed of it, without the module around.
    "types": (
        """
        (type $f (func (param $x i32) (param i64 f32) (result v128 externref)))
        (rec (type $a (sub (struct (field $n i8) (field (mut anyref)))))
             (type $b (sub final $a
               (struct (field $n i8) (field (mut anyref)) (field $c f64)))))
        (rec (type $alone (array (mut i16))))
        (type (func (param (ref $a) (ref null any) (ref i31) nullref (ref null (exact $b)))))
        (rec (type $d (descriptor $e) (struct)) (type $e (describes $d) (struct)))
        (type (cont $f))
        """,
        """
        (type $f (;0;) (func (param $x i32) (param i64 f32) (result v128 externref)))
        (rec
          (type $a (;1;) (sub (struct (field $n i8) (field (mut anyref)))))
          (type $b (;2;) (sub final $a (struct (field $n i8) (field (mut anyref)) (field $c f64))))
        )
        (rec
          (type $alone (;3;) (array (mut i16)))
        )
        (type (;4;) (func (param (ref $a) anyref (ref i31) nullref (ref null (exact $b)))))
        (rec
          (type $d (;5;) (descriptor $e) (struct))
          (type $e (;6;) (describes $d) (struct))
        )
        (type (;7;) (cont $f))
        """,
    ),
    "imports": (
        """
        (type $f (func (param i32)))
        (import "a" "b\\"\\00\\e2\\80\\aeé" (func $f (type $f) (param $x i32)))
        (import "a" "exact" (func (exact (type $f))))
        (import "a" "t" (table $t i64 1 2 (ref null func)))
        (import "m" (item "x" (memory 1 2 shared)) (item "y" (tag $e (type $f))))
        (import "m" (item "g") (item "h") (global (mut i32)))
        """,
        """
        (type $f (;0;) (func (param i32)))
        (import "a" "b\\"\\u{0}\\u{202e}é" (func $f (;0;) (type $f) (param $x i32)))
        (import "a" "exact" (func (;1;) (exact (type $f) (param i32))))
        (import "a" "t" (table $t (;0;) i64 1 2 funcref))
        (import "m"
          (item "x" (memory (;0;) 1 2 shared))
          (item "y" (tag $e (;0;) (type $f) (param i32)))
        )
        (import "m"
          (item "g")
          (item "h")
          (global (mut i32))
        )
        """,
    ),
    "definitions": (
        """
        (table $t 1 2 funcref) (table i64 0 externref) (table 1 (ref i31) (ref.i31 (i32.const 1)))
        (memory $m 1) (memory i64 1 2) (memory 0 (pagesize 1)) (memory 1 1 shared)
        (tag $e (param i32 i64))
        (global $g (mut f32) (f32.const nan:0x200000))
        (global i64 (i64.add (i64.const 1) (i64.const -1)))
        (export "g" (global $g)) (export "e" (tag $e)) (export "" (memory 1))
        (start $s)
        (func $s)
        """,
        """
        (type (;0;) (func (param i32 i64)))
        (type (;1;) (func))
        (table $t (;0;) 1 2 funcref)
        (table (;1;) i64 0 externref)
        (table (;2;) 1 (ref i31) i32.const 1 ref.i31)
        (memory $m (;0;) 1)
        (memory (;1;) i64 1 2)
        (memory (;2;) 0 (pagesize 0x1))
        (memory (;3;) 1 1 shared)
        (tag $e (;0;) (type 0) (param i32 i64))
        (global $g (;0;) (mut f32) (f32.const nan:0x200000))
        (global (;1;) i64 i64.const 1 i64.const -1 i64.add)
        (export "g" (global $g))
        (export "e" (tag $e))
        (export "" (memory 1))
        (start $s)
        (func $s (;0;) (type 1))
        """,
    ),
    "segments": (
        """
        (table 9 funcref) (table $t 9 externref) (memory 1) (memory $n 1)
        (global $o i32 (i32.const 1))
        (elem (i32.const 0) func $f $f) (elem $p func $f) (elem declare func $f)
        (elem funcref (ref.func $f) (ref.null func))
        (elem (table $t) (i32.const 1) externref (ref.null extern))
        (elem (offset (i32.add (i32.const 1) (i32.const 2))) funcref (item (ref.null func)))
        (elem (table 0) (i32.const 0) func)
        (data (i32.const 8) "\\00\\ff\\"\\\\text") (data $p "") (data (memory $n) (i32.const 0) "x")
        (func $f)
        """,
        """
        (type (;0;) (func))
        (table (;0;) 9 funcref)
        (table $t (;1;) 9 externref)
        (memory (;0;) 1)
        (memory $n (;1;) 1)
        (global $o (;0;) i32 (i32.const 1))
        (elem (;0;) (i32.const 0) func $f $f)
        (elem $p (;1;) func $f)
        (elem (;2;) declare func $f)
        (elem (;3;) funcref (ref.func $f) (ref.null func))
        (elem (;4;) (table $t) (i32.const 1) externref (ref.null extern))
        (elem (;5;) (offset i32.const 1 i32.const 2 i32.add) funcref (ref.null func))
        (elem (;6;) (table 0) (i32.const 0) func)
        (func $f (;0;) (type 0))
        (data (;0;) (i32.const 8) "\\00\\ff\\22\\5ctext")
        (data $p (;1;) "")
        (data (;2;) (memory $n) (i32.const 0) "x")
        """,
    ),
    "code": (
        """
        (table $t 1 funcref) (table $u 1 funcref) (memory 1) (memory $m 1)
        (type $s (struct (field $a (mut i32))))
        (func $f (param $x i32) (param i64) (result i32) (local $y f32) (local i32 i32 i32)
          (f32.const 0x1.8p+1) (local.set $y)
          f64.const -nan f64.const inf f64.const 0x1p-1074 drop drop drop
          v128.const i32x4 1 2 3 4 i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
          (i32.store offset=4 align=1 (i32.const 0) (local.get $x))
          (i32.store $m (i32.const 0) (local.get $x))
          (memory.copy $m 0 (i32.const 0) (i32.const 0) (i32.const 0))
          (call_indirect (param i64) (local.get 1) (i32.const 0))
          (call_indirect $u (param i64) (local.get 1) (i32.const 0))
          (struct.set $s $a (ref.null $s) (local.get 4))
          (select (result i32) (local.get 0) (local.get 0) (local.get 0)) drop
          (br_on_cast 0 anyref (ref i31) (ref.null any)) drop
          unreachable)
        """,
        """
        (type $s (;0;) (struct (field $a (mut i32))))
        (type (;1;) (func (param i32 i64) (result i32)))
        (type (;2;) (func (param i64)))
        (table $t (;0;) 1 funcref)
        (table $u (;1;) 1 funcref)
        (memory (;0;) 1)
        (memory $m (;1;) 1)
        (func $f (;0;) (type 1) (param $x i32) (param i64) (result i32)
          (local $y f32) (local i32 i32 i32)
          f32.const 0x1.8p+1 (;=3;)
          local.set $y
          f64.const -nan
          f64.const inf
          f64.const 0x1p-1074 (;=5e-324;)
          drop
          drop
          drop
          v128.const i32x4 0x00000001 0x00000002 0x00000003 0x00000004
          i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
          i32.const 0
          local.get $x
          i32.store offset=4 align=1
          i32.const 0
          local.get $x
          i32.store $m
          i32.const 0
          i32.const 0
          i32.const 0
          memory.copy $m 0
          local.get 1
          i32.const 0
          call_indirect (type 2)
          local.get 1
          i32.const 0
          call_indirect $u (type 2)
          ref.null $s
          local.get 4
          struct.set $s $a
          local.get $x
          local.get $x
          local.get $x
          select (result i32)
          drop
          ref.null any
          br_on_cast 0 (;@0;) anyref (ref i31)
          drop
          unreachable
        )
        """,
    ),
    "control": (
        """
        (tag $e (param i32))
        (func (param i32) (result i32)
          (block $l (loop $l (br_if $l (local.get 0)) (br_if 1 (local.get 0)) (br 2 (i32.const 0))))
          (if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.const 2))) drop
          (block $a (result i32) (block $b (result i32 exnref)
            (try_table (result i32) (catch $e $a) (catch_all_ref 2) (catch_ref $e $b)
              (i32.const 1)) (br $a)) (throw_ref))
          try $t (param i32) (result i32) nop catch $e nop catch_all i32.const 2 rethrow $t end
          try (param i32) (result i32) try (param i32) (result i32) nop delegate 0 end
          (br_table 0 0 (local.get 0)))
        """,
        """
        (type (;0;) (func (param i32)))
        (type (;1;) (func (param i32) (result i32)))
        (type (;2;) (func (result i32 exnref)))
        (tag $e (;0;) (type 0) (param i32))
        (func (;0;) (type 1) (param i32) (result i32)
          block $l
            loop $l
              local.get 0
              br_if $l
              local.get 0
              br_if 1 (;@1;)
              i32.const 0
              br 2 (;@0;)
            end
          end
          local.get 0
          if (result i32) (;@1;)
            i32.const 1
          else
            i32.const 2
          end
          drop
          block $a (result i32)
            block $b (type 2) (result i32 exnref)
              try_table (result i32) (catch $e $a) (catch_all_ref 2 (;@0;)) (catch_ref $e $b) (;@3;)
                i32.const 1
              end
              br $a
            end
            throw_ref
          end
          try $t (type 1) (param i32) (result i32)
            nop
          catch $e
            nop
          catch_all
            i32.const 2
            rethrow $t
          end
          try (type 1) (param i32) (result i32) (;@1;)
            try (type 1) (param i32) (result i32) (;@2;)
              nop
            delegate 0 (;@1;)
          end
          local.get 0
          br_table 0 (;@0;) 0 (;@0;)
        )
        """,
    ),
    "names": (
        """
        (func $a) (func $"a b") (func $x (@name "a")) (func (@name "")) (func $"a#2")
        (func (param $p i32) (param (@name "p") i32) (local (@name "p") i32))
        """,
        """
        (type (;0;) (func))
        (type (;1;) (func (param i32 i32)))
        (func $a (;0;) (type 0))
        (func $"a b" (;1;) (type 0))
        (func $a#2# (;2;) (@name "a") (type 0))
        (func (;3;) (@name "") (type 0))
        (func $a#2 (;4;) (type 0))
        (func (;5;) (type 1) (param $p i32) (param $p#1 (@name "p") i32)
          (local $p#2 (@name "p") i32)
        )
        """,
    ),
    "annotations": (
        """
        (@custom "first" (before first) "\\00")
        (@custom "t" (after type) "a")
        (@custom "c" (before code) "b")
        (@custom "d" (after data) "c")
        (@custom "l" "d")
        (func $f (param i32)
          (block (@metadata.code.branch_hint "\\01") (br_if 0 (local.get 0)))
          (@metadata.code.branch_hint "\\00") (if (local.get 0) (then)))
        """,
        """
        (@custom "first" (before first) "\\00")
        (type (;0;) (func (param i32)))
        (@custom "t" (after type) "a")
        (@custom "c" (after func) "b")
        (func $f (;0;) (type 0) (param i32)
          block (;@1;)
            local.get 0
            (@metadata.code.branch_hint "\\01") br_if 0 (;@1;)
          end
          local.get 0
          (@metadata.code.branch_hint "\\00") if (;@1;)
          end
        )
        (@custom "d" "c")
        (@custom "l" "d")
        """,
    ),
}

FOLDED: dict[str, tuple[str, str]] = {
    "operands": (
        """
        (memory 1)
        (func (param i32) (result i32)
          (i32.store (i32.add (local.get 0) (i32.const 4)) (i32.mul (local.get 0) (i32.const 2)))
          local.get 0 nop i32.eqz drop
          (i32.add (i32.load offset=100 (i32.const 1000000))
            (i32.load offset=100 (i32.const 10000))))
        """,
        """
        (func (;0;) (type 0) (param i32) (result i32)
          (i32.store
            (i32.add (local.get 0) (i32.const 4))
            (i32.mul (local.get 0) (i32.const 2)))
          (local.get 0)
          (nop)
          (drop (i32.eqz))
          (i32.add
            (i32.load offset=100 (i32.const 1000000))
            (i32.load offset=100 (i32.const 10000)))
        )
        """,
    ),
    "control": (
        """
        (tag $e (param i32))
        (func $f (param i32) (result i32)
          (if (i32.eqz (local.get 0))
            (then (return (call $f (local.get 0)))) (else (throw $e (local.get 0))))
          (drop (block $b (result i32) (br_if $b (i32.const 1) (local.get 0))))
          (local.get 0) (loop (param i32) drop)
          try (result i32) i32.const 1 catch $e end)
        """,
        """
        (func $f (;0;) (type 1) (param i32) (result i32)
          (if (;@1;)
            (i32.eqz (local.get 0))
            (then
              (return (call $f (local.get 0)))
            )
            (else
              (throw $e (local.get 0))
            )
          )
          (drop
            (block $b (result i32)
              (br_if $b (i32.const 1) (local.get 0))
            ))
          (local.get 0)
          (loop (type 0) (param i32) (;@1;)
            (drop)
          )
          try (result i32) (;@1;)
            (i32.const 1)
          catch $e
          end
        )
        """,
    ),
}


def inside(text: str) -> str:
    """The fields of a module's text."""
    lines = text.splitlines()
    assert (lines[0], lines[-1]) == ("(module", ")")
    return dedent("\n".join(lines[1:-1])).strip("\n")


@pytest.mark.parametrize("name", GOLDENS)
def test_golden(name: str) -> None:
    source, wanted = GOLDENS[name]
    data = assembled(f"(module {source})")
    text = text_of(data)
    assert inside(text) == dedent(wanted).strip("\n")
    assert assembled_again(text) == data


@pytest.mark.parametrize("name", FOLDED)
def test_folded(name: str) -> None:
    source, wanted = FOLDED[name]
    data = assembled(f"(module {source})")
    text = text_of(data, Style(folded=True))
    assert inside(text).endswith("\n" + dedent(wanted).strip("\n"))
    assert assembled_again(text) == data


def test_offsets() -> None:
    data = assembled("(module (memory 1) (func (param i32) (block (br_if 0 (local.get 0)))))")
    text = text_of(data, Style(offsets=True))
    assert inside(text) == dedent(
        """
        (;@b;) (type (;0;) (func (param i32)))
        (;@16;) (memory (;0;) 1)
        (;@1c;) (func (;0;) (type 0) (param i32)
          (;@1d;) block (;@1;)
            (;@1f;) local.get 0
            (;@21;) br_if 0 (;@1;)
          (;@23;) end
        )
        """
    ).strip("\n")
    assert assembled_again(text) == data


def test_without_names() -> None:
    data = assembled("(module $m (func $f (param $x i32) (block $b (br $b))))")
    assert text_of(data).startswith("(module $m\n")
    text = text_of(data, Style(names=False))
    assert "$" not in text
    assert text_of(assembled_again(text)) == text
