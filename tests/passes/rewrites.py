"""What the passes that drop, rename, replace and move things make of small modules."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GOLDENS", "Golden"]


@dataclass(frozen=True)
class Golden:
    """A pipeline, and modules before and after it as the fields of their text."""

    passes: str
    before: str
    after: str


GOLDENS: dict[str, Golden] = {
    "gc: nothing to drop": Golden(
        "gc",
        '(import "m" "f" (func $f)) (func (export "g") call $f)',
        '(import "m" "f" (func $f)) (func (export "g") call $f)',
    ),
    "gc: what only calls itself, and what that needs": Golden(
        "gc",
        """
        (type $unused (func (param i64)))
        (import "env" "log" (func $log))
        (memory $m 1)
        (data (memory $m) (i32.const 0) "never read")
        (global $g (mut i32) (i32.const 0))
        (func $dead global.get $g drop call $dead)
        (func $live (export "f"))
        """,
        '(func $live (export "f"))',
    ),
    "gc: types of a group stand together, and with what they mention": Golden(
        "gc",
        """
        (type $gone (struct (field i32)))
        (type $base (sub (struct (field i32))))
        (type $last (array i8))
        (rec (type $one (struct (field (ref null $other)))) (type $other (sub $base (struct
          (field i32) (field (ref null $last))))))
        (type $f (func))
        (func (export "f") (type $f) (local (ref null $one)))
        """,
        """
        (type $base (sub (struct (field i32))))
        (type $last (array i8))
        (rec (type $one (struct (field (ref null $other)))) (type $other (sub $base (struct
          (field i32) (field (ref null $last))))))
        (type $f (func))
        (func (export "f") (type $f) (local (ref null $one)))
        """,
    ),
    "gc: types of blocks, calls and casts": Golden(
        "gc",
        """
        (type $gone (func (param f32)))
        (type $s (struct)) (type $b (func (result i32 i32))) (type $c (func (param i64)))
        (type $f (func (param anyref)))
        (table $t 1 funcref)
        (func (export "f") (type $f)
          block (type $b) i32.const 1 i32.const 2 end drop drop
          i64.const 1 i32.const 0 call_indirect (type $c)
          local.get 0 ref.test (ref $s) drop)
        """,
        """
        (type $s (struct)) (type $b (func (result i32 i32))) (type $c (func (param i64)))
        (type $f (func (param anyref)))
        (table $t 1 funcref)
        (func (export "f") (type $f)
          block (type $b) i32.const 1 i32.const 2 end drop drop
          i64.const 1 i32.const 0 call_indirect (type $c)
          local.get 0 ref.test (ref $s) drop)
        """,
    ),
    "gc: globals that others are made of": Golden(
        "gc",
        """
        (import "m" "a" (global $a i32)) (import "m" "b" (global $b i32))
        (global $c i32 (global.get $a)) (global $d i32 (global.get $b))
        (global $r funcref (ref.func $f)) (global $s funcref (ref.func $g))
        (func $f) (func $g)
        (export "d" (global $d)) (export "s" (global $s))
        """,
        """
        (import "m" "b" (global $b i32))
        (global $d i32 (global.get $b))
        (global $s funcref (ref.func $g))
        (func $g)
        (export "d" (global $d)) (export "s" (global $s))
        """,
    ),
    "gc: tags": Golden(
        "gc",
        """
        (type $e (func)) (type $d (func (param i32)))
        (tag $gone (type $d)) (tag $thrown (type $e)) (tag $caught (type $e)) (tag $out (type $e))
        (export "out" (tag $out))
        (func (export "f") try_table (catch $caught 0) throw $thrown end)
        """,
        """
        (type $e (func))
        (tag $thrown (type $e)) (tag $caught (type $e)) (tag $out (type $e))
        (export "out" (tag $out))
        (func (export "f") try_table (catch $caught 0) throw $thrown end)
        """,
    ),
    "gc: tags of the legacy dialect": Golden(
        "gc",
        """
        (tag $gone) (tag $caught)
        (func $never) (func $f (export "f") try call $f catch $caught end)
        """,
        '(tag $caught) (func $f (export "f") try call $f catch $caught end)',
    ),
    "gc: segments of what is there": Golden(
        "gc",
        """
        (import "m" "m" (memory $i 1)) (import "m" "t" (table $it 1 funcref))
        (memory $own 1) (memory $out 1) (table $t 2 funcref) (table $u 2 funcref)
        (func $a) (func $b) (func $c) (func $d)
        (data $in (memory $i) (i32.const 0) "seen by others")
        (data $lost (memory $own) (i32.const 0) "seen by nobody")
        (data $kept (memory $out) (i32.const 0) "exported")
        (elem $ei (table $it) (i32.const 0) func $a)
        (elem $et (table $t) (i32.const 0) func $b)
        (elem $eu (table $u) (i32.const 0) func $c)
        (export "out" (memory $out)) (export "u" (table $u))
        """,
        """
        (import "m" "m" (memory $i 1)) (import "m" "t" (table $it 1 funcref))
        (memory $out 1) (table $u 2 funcref)
        (func $a) (func $c)
        (data $in (memory $i) (i32.const 0) "seen by others")
        (data $kept (memory $out) (i32.const 0) "exported")
        (elem $ei (table $it) (i32.const 0) func $a)
        (elem $eu (table $u) (i32.const 0) func $c)
        (export "out" (memory $out)) (export "u" (table $u))
        """,
    ),
    "gc: segments that might not fit": Golden(
        "gc",
        """
        (import "m" "g" (global $g i32))
        (memory $fits 1) (memory $over 1) (memory $unknown 1) (memory $small 1 (pagesize 1))
        (table $full 1 funcref) (table $beyond 1 funcref)
        (func $f)
        (data (memory $fits) (i32.const 0xfffe) "it")
        (data (memory $over) (i32.const 0xffff) "it")
        (data (memory $unknown) (global.get $g) "it")
        (data (memory $small) (i32.const 0) "it")
        (elem (table $full) (i32.const 0) func $f)
        (elem (table $beyond) (i32.const 1) func $f)
        """,
        """
        (import "m" "g" (global $g i32))
        (memory $over 1) (memory $unknown 1) (memory $small 1 (pagesize 1))
        (table $beyond 1 funcref)
        (func $f)
        (data (memory $over) (i32.const 0xffff) "it")
        (data (memory $unknown) (global.get $g) "it")
        (data (memory $small) (i32.const 0) "it")
        (elem (i32.const 1) func $f)
        """,
    ),
    "gc: passive segments that code uses": Golden(
        "gc",
        """
        (memory 1) (table $t 1 funcref)
        (func $f) (func $g)
        (data $used "used") (data $gone "gone") (data $dropped "dropped")
        (elem $passive func $f) (elem $never func $g)
        (func (export "f") i32.const 0 i32.const 0 i32.const 1 memory.init $used data.drop $dropped
          i32.const 0 i32.const 0 i32.const 1 table.init $t $passive)
        """,
        """
        (memory 1) (table $t 1 funcref)
        (func $f)
        (data $used "used") (data $dropped "dropped")
        (elem $passive func $f)
        (func (export "f") i32.const 0 i32.const 0 i32.const 1 memory.init $used data.drop $dropped
          i32.const 0 i32.const 0 i32.const 1 table.init $t $passive)
        """,
    ),
    "gc: declarations that code needs": Golden(
        "gc",
        """
        (func $f) (func $called) (func $dead ref.func $called drop)
        (elem $some declare func $f $called) (elem $none declare func $called)
        (elem $mentioned declare func $dead)
        (func (export "f") ref.func $f drop call $called elem.drop $mentioned)
        """,
        """
        (func $f) (func $called)
        (elem $some declare func $f)
        (elem $mentioned declare func)
        (func (export "f") ref.func $f drop call $called elem.drop $mentioned)
        """,
    ),
    "gc: a declaration that was lost is made up for": Golden(
        "gc{roots=f}",
        """
        (func $f) (export "g" (func $f)) (func (export "f") ref.func $f drop)
        """,
        """
        (func $f) (func (export "f") ref.func $f drop)
        (elem declare func $f)
        """,
    ),
    "gc: so is one of a function that moves": Golden(
        "gc{roots=f}",
        """
        (func $dead) (func $f) (export "g" (func $f)) (func (export "f") ref.func $f drop)
        """,
        """
        (func $f) (func (export "f") ref.func $f drop)
        (elem declare func $f)
        """,
    ),
    "gc: the start function": Golden(
        "gc",
        "(func $a) (func $s call $b) (func $b) (start $s)",
        "(func $s call $b) (func $b) (start $s)",
    ),
    "gc: roots, and what to keep": Golden(
        'gc{roots="a*",keep="kept m.h"}',
        """
        (import "m" "g" (func $g)) (import "m" "h" (func $h))
        (func (export "ab")) (func (export "b")) (func $kept) (func $gone)
        """,
        """
        (import "m" "h" (func $h))
        (func (export "ab")) (func $kept)
        """,
    ),
    "gc: only functions": Golden(
        "gc{only=functions}",
        """
        (type $unused (func (param i64)))
        (import "m" "g" (func $g)) (func $gone) (func $h) (func $declared)
        (global $unused i32 (i32.const 1)) (global funcref (ref.func $h))
        (elem declare func $declared)
        (func $f (export "f"))
        """,
        """
        (type $unused (func (param i64)))
        (func $h) (func $declared)
        (global $unused i32 (i32.const 1)) (global funcref (ref.func $h))
        (elem declare func $declared)
        (func $f (export "f"))
        """,
    ),
    "gc: names and hints go along": Golden(
        "gc",
        """
        (func $gone (param $x i32) (local $y i32) block $l end)
        (func $f (export "f") (param $p i32) (local $q i32)
          (@metadata.code.branch_hint "\\01") (if (local.get $p) (then nop)) block $m end)
        """,
        """
        (func $f (export "f") (param $p i32) (local $q i32)
          (@metadata.code.branch_hint "\\01") (if (local.get $p) (then nop)) block $m end)
        """,
    ),
    "strip: what is for people": Golden(
        "strip",
        """
        (func $f (export "f") (param $x i32))
        (@producers (language "C" "")) (@custom "dylink.0" "") (@custom ".debug_info" "x")
        (@custom "mine" "y")
        """,
        '(func (export "f") (param i32)) (@custom "dylink.0" "") (@custom "mine" "y")',
    ),
    "strip: nothing of that": Golden("strip", '(func (export "f"))', '(func (export "f"))'),
    "strip: by globs": Golden(
        'strip{sections="n?me m* *.0",keep="mi*"}',
        """
        (func $f (export "f")) (@custom "mine" "1") (@custom "mother" "2") (@custom "mine" "3")
        (@custom "a.0" "4")
        """,
        '(func (export "f")) (@custom "mine" "1") (@custom "mine" "3")',
    ),
    "rename": Golden(
        'rename{modules="env=host",imports="*.log=*.print host.m=own.memory",exports="app_*=*"}',
        """
        (import "env" "log" (func $log)) (import "env" "m" (memory 1))
        (import "a.b" "log" (func)) (import "b" "c" (func))
        (func (export "app_main")) (func (export "main_app_"))
        """,
        """
        (import "host" "print" (func $log)) (import "own" "memory" (memory 1))
        (import "a.b" "print" (func)) (import "b" "c" (func))
        (func (export "main")) (func (export "main_app_"))
        """,
    ),
    "rename: names change places": Golden(
        'rename{exports="a=b b=a *_*=other c*=late"}',
        '(func (export "a")) (memory (export "b") 1) (func (export "c_d") nop)',
        '(func (export "b")) (memory (export "a") 1) (func (export "other") nop)',
    ),
    "snip: a trap": Golden(
        "snip{functions=format}",
        """
        (func $write) (func $format (param $x i32) (result i32) (local $y i64) block $l end
          call $write local.get $x)
        (func (export "f") i32.const 1 call $format drop)
        """,
        """
        (func $write) (func $format (param $x i32) (result i32) unreachable)
        (func (export "f") i32.const 1 call $format drop)
        """,
    ),
    "snip: what has no name gets that of its export": Golden(
        "snip{functions=f}",
        '(func (export "f") nop) (func $g)',
        '(func $f (export "f") unreachable) (func $g)',
    ),
    "snip: an exception": Golden(
        'snip{functions="a* e",keep=also,how=throw}',
        """
        (func $a (result i64) i64.const 1) (func $also) (func $b) (func $another (export "e"))
        """,
        """
        (type (func (result i64))) (type (func)) (type (func (param i32)))
        (tag $__wasmir_snipped (param i32))
        (export "e" (func $another)) (export "__wasmir_snipped" (tag $__wasmir_snipped))
        (func $a (result i64) i32.const 0 throw $__wasmir_snipped) (func $also) (func $b)
        (func $another i32.const 1 throw $__wasmir_snipped)
        (@custom "wasmir.snipped" "[\\22a\\22, \\22another\\22]")
        """,
    ),
    "externalize": Golden(
        "externalize{functions=now,module=host}",
        """
        (import "env" "log" (func $log)) (global $g i64 (i64.const 1))
        (table 2 funcref) (elem (i32.const 0) func $now $log)
        (func $start call $now drop call $log)
        (func $now (export "now") (result i64) (local $x i32) global.get $g)
        (func (export "f") (result funcref) ref.func $now)
        """,
        """
        (import "env" "log" (func $log)) (import "host" "now" (func $now (result i64)))
        (global $g i64 (i64.const 1))
        (table 2 funcref) (elem (i32.const 0) func $now $log)
        (func $start call $now drop call $log)
        (export "now" (func $now))
        (func (export "f") (result funcref) ref.func $now)
        """,
    ),
    "reorder-functions: by uses": Golden(
        "reorder-functions",
        """
        (import "m" "f" (func $imported)) (func $seldom) (func $often) (func $never)
        (func (export "f") call $often) (func (export "g") call $often call $seldom)
        """,
        """
        (import "m" "f" (func $imported)) (func $often) (func $seldom)
        (func (export "f") call $often) (func (export "g") call $often call $seldom) (func $never)
        """,
    ),
    "reorder-functions: by size": Golden(
        "reorder-functions{by=size}",
        "(func $c nop nop) (func $a) (func $d nop nop nop) (func $b nop) (func $e nop)",
        "(func $a) (func $b nop) (func $e nop) (func $c nop nop) (func $d nop nop nop)",
    ),
    "reorder-functions: by name, and some in front": Golden(
        'reorder-functions{by=name,first="z y*"}',
        '(func (export "x")) (func $c) (func $yy) (func $y) (func $a call $z) (func $z nop)',
        '(func $z nop) (func $yy) (func $y) (func $a call $z) (func $c) (func (export "x"))',
    ),
    "dedupe-functions": Golden(
        "dedupe-functions",
        """
        (type $t (func (param i32) (result i32))) (type $u (func (result i32)))
        (func $a (type $t) local.get 0) (func $b (type $t) local.get 0)
        (func $c (type $u) i32.const 1 call $a) (func $d (type $u) i32.const 1 call $b)
        (func $e (type $u) (local i32) i32.const 1 call $a)
        (func $f (type $t) call $d drop local.get 0)
        (table 2 funcref) (elem (i32.const 0) func $a $b)
        (global (export "g") funcref (ref.func $b))
        (elem (table 0) (i32.const 0) funcref (ref.func $d) (ref.null func))
        (export "c" (func $c)) (export "d" (func $d)) (func $s1) (func $s2) (start $s2)
        """,
        """
        (type $t (func (param i32) (result i32))) (type $u (func (result i32)))
        (func $a (type $t) local.get 0)
        (func $c (type $u) i32.const 1 call $a)
        (func $e (type $u) (local i32) i32.const 1 call $a)
        (func $f (type $t) call $c drop local.get 0)
        (table 2 funcref) (elem (i32.const 0) func $a $a)
        (global (export "g") funcref (ref.func $a))
        (elem (i32.const 0) funcref (ref.func $c) (ref.null func))
        (export "c" (func $c)) (export "d" (func $c)) (func $s1) (start $s1)
        """,
    ),
    "dedupe-functions: but for some": Golden(
        "dedupe-functions{keep=b}",
        """
        (func $a) (func $b) (func $c) (func $r call $r) (func $s call $s)
        (func $x (param i32) unreachable) (func $y (param i64) unreachable)
        """,
        """
        (func $a) (func $b) (func $r call $r) (func $s call $s)
        (func $x (param i32) unreachable) (func $y (param i64) unreachable)
        """,
    ),
}
