"""exnref-to-legacy: what it makes of each shape, what it refuses, and what it leaves alone."""

from __future__ import annotations

import re

import pytest

from corpus.manifest import find, modules
from tests.modules import assembled, custom, printed, section, sections_of
from tests.support import validate
from wasmir import Module, NumType, Pipeline, UnsupportedError, instructions
from wasmir.passes import ExnrefToLegacy, LegacyToExnref

MODULE = """(module
  (import "m" "f" (func $f)) (import "m" "g" (func $g)) (import "m" "v" (func $v (result i32)))
  (tag $e) (tag $i (param i32)) (tag $p (param i32 i64))
  (func {}))"""


def back(data: bytes) -> bytes:
    opened = Module.from_bytes(data)
    ExnrefToLegacy().run(opened)
    out = opened.to_bytes()
    assert validate(out, "all") is None
    assert_no_exnref(out)
    return out


def assert_no_exnref(data: bytes) -> None:
    """Nor any type that has it: engines without exnref read the whole type section."""
    opened = Module.from_bytes(data)
    for type_ in opened.types:
        assert "exn" not in str(type_.definition)
    for function in opened.functions:
        if function.imported is None:
            for row, immediates in function.distinct_instructions():
                assert row.name not in ("try_table", "throw_ref")
                assert "EXN" not in str(immediates)
            assert "EXN" not in str(function.body.local_groups)


def shape(data: bytes) -> str:
    """The last function as text: types spelled out, so that their indices don't matter."""
    unnamed = data[:8] + b"".join(section(*each) for each in sections_of(data) if each[0])
    text = printed(unnamed)
    text = text[text.rindex("\n  (func ") :]
    text = re.sub(r"\(;.*?;\)|;; label.*|\(type \d+\)", "", text)
    return " ".join(text.split())


GOLDENS = {
    "cleanup, waiting on the stack": (
        """block (result exnref)
             try_table (catch_all_ref 0) call $f end
             return
           end
           call $g throw_ref""",
        "try call $f catch_all call $g rethrow 0 end",
    ),
    "cleanup, in a local": (
        """(local i32 exnref)
           block $done
             block (result exnref)
               try_table (catch_all_ref 0) call $f end
               br $done
             end
             local.set 1
             call $g
             local.get 1
             throw_ref
           end
           call $g""",
        "(local i32) try call $f catch_all call $g rethrow 0 end call $g",
    ),
    "as LLVM writes it": (
        """(local exnref i32)
           block $done
             block (result i32 exnref)
               try_table (catch_ref $i 0) call $f br $done end
               unreachable
             end
             local.set 0 local.set 1
             block local.get 1 br_if 0 local.get 0 throw_ref end
           end""",
        """(local i32 i32)
           try call $f br 0
           catch $i local.set 1 block local.get 1 br_if 0 rethrow 1 end
           end""",
    ),
    "no exception kept": (
        "block try_table (catch_all 0) call $f end end call $g",
        "try call $f catch_all end call $g",
    ),
    "payload and branch": (
        """block (result i32)
             try_table (result i32) (catch $i 0) call $v end
           end drop""",
        "try (result i32) call $v catch $i end drop",
    ),
    "delegate past a handler": (
        """block $out (result exnref)
             block $caught
               try_table (catch_all $caught)
                 try_table (catch_all_ref $out) call $f end
                 call $g
               end
               return
             end
             return
           end
           throw_ref""",
        """block
             try
               try call $f delegate 2
               call $g
             catch_all br 1 end
             return
           end return""",
    ),
    "a handler between": (
        """block $cleanup (result exnref)
             block $caught
               try_table (catch_all $caught)
                 try_table (catch_all_ref $cleanup) call $f end
               end
             end
             return
           end
           call $g throw_ref""",
        """try
             try call $f
             catch_all
               try call $g rethrow 1 delegate 2
             end
           catch_all end
           return""",
    ),
    "what the one around it catches, too": (
        """block $landing (result exnref)
             try_table (catch_all_ref $landing)
               try_table (catch_all_ref $landing) call $f end
               call $g
             end
             return
           end
           call $g throw_ref""",
        "try try call $f delegate 0 call $g catch_all call $g rethrow 0 end",
    ),
    "two land in the same code": (
        """block $landing (result exnref)
             try_table (catch_all_ref $landing) call $f end
             try_table (catch_all_ref $landing) call $g end
             return
           end
           call $v drop throw_ref""",
        """try call $f catch_all call $v drop rethrow 0 end
           try call $g catch_all call $v drop rethrow 0 end""",
    ),
    "a label in code that two land in": (
        """block $landing (result exnref)
             try_table (catch_all_ref $landing) call $f end
             try_table (catch_all_ref $landing) call $g end
             return
           end
           block $in try_table $own (catch_all $in) call $v br_if $own call $g end end
           throw_ref""",
        """try call $f
           catch_all try call $v br_if 0 call $g catch_all end rethrow 0 end
           try call $g
           catch_all block try call $v br_if 0 call $g catch_all br 1 end end rethrow 0 end""",
    ),
    "lands further out, from code that two land in": (
        """block $outer (result exnref)
             block $inner (result exnref)
               try_table (catch_all_ref $inner) call $f end
               try_table (catch_all_ref $inner) call $g end
               return
             end
             drop
             try_table (catch_all_ref $outer) call $v drop end
             return
           end
           call $f throw_ref""",
        """try call $f
           catch_all try call $v drop catch_all call $f rethrow 0 end return end
           try call $g
           catch_all try call $v drop catch_all call $f rethrow 0 end end""",
    ),
    "one thrown again in code behind another": (
        """block (result exnref) try_table (catch_all_ref 0) call $f end return end
           block $done
             block (result exnref) try_table (catch_all_ref 0) call $g end br $done end
             call $v drop throw_ref
           end
           throw_ref""",
        """try call $f
           catch_all
             try call $g catch_all call $v drop rethrow 0 end
             rethrow 0
           end""",
    ),
    "what the one around it catches, but not all of it": (
        """block $out
             block $landing (result exnref)
               try_table (catch_ref $e $landing)
                 block $caught (result i32)
                   try_table (result i32) (catch $i $caught)
                     try_table (catch_ref $e $landing) call $f end
                     i32.const 1
                   end
                 end
                 drop call $g
               end
               br $out
             end
             call $g throw_ref
           end""",
        """try
             try (result i32)
               try call $f
               catch $e try call $g rethrow 1 delegate 3
               end
               i32.const 1
             catch $i end
             drop call $g
           catch $e call $g rethrow 0
           end""",
    ),
    "one tag past a handler, just to be thrown again": (
        """block $out (result exnref)
             block $caught
               try_table (catch_all $caught)
                 try_table (catch_ref $e $out) call $f end
                 call $g
               end
             end
             return
           end
           throw_ref""",
        """try
             try call $f
             catch $e try rethrow 1 delegate 2
             end
             call $g
           catch_all end
           return""",
    ),
    "just to be thrown again, beside another": (
        """block $out
             block $again (result exnref)
               block $caught (result i32)
                 try_table (catch_ref $e $again) (catch $i $caught) call $f end
                 br $out
               end
               drop call $g br $out
             end
             throw_ref
           end""",
        """block $out
             block $caught (result i32)
               try call $f
               catch $e rethrow 0
               catch $i br $caught
               end
               br $out
             end
             drop call $g br $out
           end""",
    ),
    "an operand left over where the region ends now": (
        """block $done
             block (result exnref) try_table (catch_all_ref 0) call $f end br $done end
             drop
             block $two (result exnref)
               block $i (result i32)
                 try_table (result i32) (catch $i $i) (catch_all_ref $two) call $v end
               end
               br $done
             end
             drop return
           end
           call $g""",
        """try call $f
           catch_all
             try (result i32) call $v catch $i catch_all return end
             br 0
           end
           call $g""",
    ),
    "the region goes on": (
        """block (result exnref)
             try_table (catch_all_ref 0) call $f end
             return
           end
           drop call $g""",
        "try call $f catch_all call $g end",
    ),
    "in a loop": (
        """loop $again
             block (result exnref)
               try_table (catch_all_ref 0) call $f end
               br $again
             end
             drop call $g
           end""",
        "loop block try call $f catch_all call $g br 1 end br 1 end end",
    ),
    "into a block as an operand": (
        """(local i32)
           block (result exnref)
             try_table (catch_all_ref 0) call $f end
             return
           end
           local.get 0
           if (param exnref) throw_ref else drop end""",
        "(local i32) try call $f catch_all local.get 0 if rethrow 1 else end end",
    ),
    "clauses that never match": (
        "block try_table (catch_all 0) (catch $e 0) (catch_all 0) call $f end end",
        "try call $f catch_all end",
    ),
    "no clauses": ("try_table call $f end", "block call $f end"),
    "one of several": (
        """(local exnref)
           block $all (result exnref)
             block $i (result i32 exnref)
               try_table (catch_ref $i $i) (catch $e 2) (catch_all_ref $all) call $f end
               return
             end
             local.set 0 drop
             local.get 0 throw_ref
           end
           call $g throw_ref""",
        "try call $f catch $i drop rethrow 0 catch $e catch_all call $g rethrow 0 end",
    ),
}


@pytest.mark.parametrize("name", GOLDENS)
def test_golden(name: str) -> None:
    before, after = (assembled(MODULE.format(text)) for text in GOLDENS[name])
    assert validate(before) is None
    assert shape(back(before)) == shape(after)


REFUSED = {
    "tested for null": (
        "block (result exnref) try_table (catch_all_ref 0) end return end ref.is_null drop",
        "ref.is_null takes an exception",
        "ref.is_null",
    ),
    "never caught": (
        "(local exnref) local.get 0 throw_ref",
        "throw_ref of an exception of which it may be null",
        "throw_ref",
    ),
    "one of two": (
        """(local exnref) block $out
             block (result exnref) try_table (catch_all_ref 0) call $f end br $out end
             local.set 0
             block $in
               block (result exnref) try_table (catch_all_ref 0) call $g end br $in end
               local.set 0
             end
             local.get 0 throw_ref end""",
        "throw_ref of an exception of which it may be one of several",
        "throw_ref",
    ),
    "of one of two landings": (
        """(local exnref i32)
           block (result exnref) try_table (catch_all_ref 0) call $f end return end
           local.set 0
           loop $again
             block (result exnref) try_table (catch_all_ref 0) call $f end return end
             local.get 1 if local.get 0 throw_ref end
             local.set 0
             local.get 1 br_if $again
           end""",
        "throw_ref of an exception of which it may be one of several",
        "throw_ref",
    ),
    "set where something was thrown": (
        """(local exnref)
           block $out (result exnref) try_table (catch_all_ref 0) call $f end return end
           local.set 0
           block $on
             block $last
               try_table (catch_all $last)
                 block (result exnref) try_table (catch_all_ref 0) call $g end br $on end
                 local.set 0 call $f
               end
               br $on
             end
             local.get 0 throw_ref
           end""",
        "throw_ref of an exception of which it may be one of several",
        "throw_ref",
    ),
    "of the turn before": (
        """(local exnref i32) loop $again
             block $on
               block (result exnref) try_table (catch_all_ref 0) call $f end br $on end
               local.get 1 if local.get 0 throw_ref end
               local.set 0
             end
             br $again end""",
        "throw_ref of an exception of which it may be",
        "throw_ref",
    ),
    "beyond its handler": (
        """(local exnref) block $out
             block $in
               block (result exnref) try_table (catch_all_ref 0) call $f end br $out end
               local.set 0
             end
             local.get 0 throw_ref end""",
        "throw_ref where the handler of its exception has ended",
        "throw_ref",
    ),
    "null": ("ref.null exn drop", "ref.null with a type that has exceptions in it", "ref.null"),
    "selected": (
        """(local exnref) local.get 0 local.get 0 i32.const 0 select (result exnref) drop""",
        "select with a type that has exceptions in it",
        "select",
    ),
    "the result of a block": (
        """block $r (result exnref)
             block (result exnref) try_table (catch_all_ref 0) call $f end return end
             br $r
           end throw_ref""",
        "a branch takes an exception along",
        "br",
    ),
    "taken along by a test for null": (
        """block $r (result exnref)
             block (result exnref) try_table (catch_all_ref 0) call $f end return end
             ref.null func br_on_null $r drop
             throw_ref
           end drop""",
        "a branch takes an exception along",
        "br_on_null",
    ),
    "operands from before a branch on a reference": (
        """block $out (result i32)
             i32.const 1
             block (result exnref) try_table (catch_all_ref 0) call $f end i32.const 1 return end
             drop ref.null func br_on_null $out drop
           end drop""",
        "code behind a landing uses operands from before it",
        "br_on_null",
    ),
    "operands from before": (
        """i32.const 1
           block $out (param i32)
             block (result exnref) try_table (catch_all_ref 0) call $f end return end
             drop call $f drop end""",
        "code behind a landing uses operands from before it",
        "drop",
    ),
    "caught by a loop": (
        """(local exnref) block (result exnref) try_table (catch_all_ref 0) end return end
           loop (param exnref) drop end""",
        "a loop takes an exception",
        "loop",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_reason_and_place(name: str) -> None:
    text, reason, instruction = REFUSED[name]
    data = assembled(MODULE.format(text))
    opened = Module.from_bytes(data)
    with pytest.raises(UnsupportedError) as caught:
        ExnrefToLegacy().run(opened)
    error = caught.value
    assert error.reason.startswith(reason)
    assert error.function == "3"
    assert opened.to_bytes() == data
    at = {each.offset: each for each in instructions(Module.from_bytes(data).functions[3])}
    assert error.offset is not None
    assert at[error.offset].row.mnemonic == instruction


VALUES = {
    "signature": "(func (param exnref))",
    "result": '(import "m" "f" (func (result exnref)))',
    "tag": "(tag (param exnref))",
    "global": '(import "m" "g" (global exnref))',
    "table": "(table 1 exnref)",
    "elements": "(elem exnref)",
    "structure": "(type (struct (field i32) (field exnref)))",
    "array": "(type (array (mut exnref)))",
    "hierarchy": "(type (sub (func (param exnref))))",
}


@pytest.mark.parametrize("name", VALUES)
def test_exceptions_as_values_are_refused(name: str) -> None:
    for code in ("try_table end", ""):
        data = assembled(f"(module {VALUES[name]} (func {code}))")
        opened = Module.from_bytes(data)
        with pytest.raises(UnsupportedError, match="no legacy form"):
            ExnrefToLegacy().run(opened)
        assert opened.to_bytes() == data


def test_relocatable_objects_are_refused() -> None:
    data = assembled("(module (func try_table end))") + custom("linking", b"\2")
    with pytest.raises(UnsupportedError, match="link it first"):
        ExnrefToLegacy().run(Module.from_bytes(data))


@pytest.mark.parametrize(
    "entry", [m for m in modules() if m.eh in {"legacy", "none"}], ids=lambda m: m.name
)
def test_without_exnref_nothing_changes(entry: object) -> None:
    data = find(entry.name).path.read_bytes()  # type: ignore[attr-defined]
    opened = Module.from_bytes(data)
    report = ExnrefToLegacy().run(opened)
    assert opened.to_bytes() == data
    assert report.functions == 0


def test_locals_that_others_come_behind_keep_their_place() -> None:
    text = """(local exnref i64)
              block (result exnref) try_table (catch_all_ref 0) call $f end return end
              local.set 0 local.get 1 drop local.get 0 throw_ref"""
    out = Module.from_bytes(back(assembled(MODULE.format(text))))
    assert out.functions[-1].body.local_groups == [(1, NumType.I32), (1, NumType.I64)]


def test_an_unused_local_is_enough() -> None:
    out = Module.from_bytes(back(assembled(MODULE.format("(local exnref) call $f"))))
    assert out.functions[-1].body.local_groups == []


def test_deep_nesting() -> None:
    depth = 2000
    inner = "call $f"
    for _ in range(depth):
        inner = f"block (result exnref) try_table (catch_all_ref 0) {inner} end return end"
        inner += " throw_ref"
    out = back(assembled(MODULE.format(inner)))
    assert b"\x06" in out


def test_the_same_bytes_again() -> None:
    data = find("cpp-exnref-O2").path.read_bytes()
    assert back(data) == back(data)
    assert back(back(data)) == back(data)


def test_there_and_back_is_no_larger_than_what_a_compiler_makes() -> None:
    """By little: less than 7% above what LLVM makes in the legacy dialect of the same program."""
    legacy = find("cpp-legacy-O2").path.read_bytes()
    direct = len(back(find("cpp-exnref-O2").path.read_bytes()))
    opened = Module.from_bytes(legacy)
    LegacyToExnref().run(opened)
    there = opened.to_bytes()
    assert direct < 1.07 * len(legacy)
    assert len(back(there)) < 1.07 * len(legacy)
    assert len(back(there)) < len(there)


def test_as_a_pipeline() -> None:
    opened = Module.from_file(find("cpp-exnref-O2").path)
    reports = Pipeline.parse("exnref-to-legacy,legacy-to-exnref").run(opened)
    assert reports[0].counts["try_table"] == reports[1].counts["try"] > 50
