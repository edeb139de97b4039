"""catch-imports: what a program sees of what its host throws, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.javascript import javascript
from tests.modules import assembled, printed
from tests.support import validate
from wasmir import Module, PassError, Pipeline, UnsupportedError
from wasmir.passes import CatchImports

ALL = "env.*"


def catching(data: bytes, **options: Any) -> bytes:  # noqa: ANN401 - the pass checks
    module = Module.from_bytes(data)
    CatchImports(**{"imports": ALL, **options}).run(module)
    out = module.to_bytes(keep_stale=True)
    assert validate(out) is None
    Module.from_bytes(out).validate()
    return out


HOST = """
    const thrown = { some: "object" };
    const foreign = new WebAssembly.Tag({ parameters: ["i32"] });
    let how = "return";
    const act = (...args) => {
      if (how === "js") throw thrown;
      if (how === "wasm") throw new WebAssembly.Exception(foreign, [7]);
      if (how === "own") throw new WebAssembly.Exception(exports.own, [8]);
      if (how === "trap") exports.trap();
      return results(...args);
    };
    const imports = { env: { read: act, other: act }, WebAssembly: { JSTag: WebAssembly.JSTag } };
    const { exports } = new WebAssembly.Instance(after, imports);
    const shown = (value) => value === thrown ? "the object" : String(value);
    const ended = (name, ...args) => {
      try {
        const result = exports[name](...args);
        return Array.isArray(result) ? result.map(shown).join(" ") : shown(result);
      } catch (error) {
        if (error === thrown) return "throws the object";
        if (!(error instanceof WebAssembly.Exception)) return `throws ${error.message}`;
        if (error.is(foreign)) return `throws foreign ${error.getArg(foreign, 0)}`;
        return `throws own ${error.getArg(exports.own, 0)}`;
      }
    };
    const results = (n) => n + 1;
    return steps.map(([kind, name, ...args]) => ((how = kind), ended(name, ...args)));
"""


def steps(after: bytes, *wanted: list[Any]) -> list[str]:
    found: list[str] = javascript(HOST, after=after, steps=wanted)
    return found


# A C program: no exception handling, and a question afterwards. `both` asks twice.
PROGRAM = """(module
  (import "env" "read" (func $read (param i32) (result i32)))
  (import "wasmir" "take_exception" (func $take (result i32)))
  (import "env" "other" (func $other (param i32) (result i32)))
  (table (export "t") 2 funcref) (elem (i32.const 0) func $read)
  (elem (table 0) (i32.const 1) funcref (ref.func $other))
  (global $g funcref (ref.func $read))
  (type $f (func (param i32) (result i32)))
  (export "same" (func $read))
  (func (export "trap") unreachable)
  (func (export "direct") (param i32) (result i32 i32)
    (call $read (local.get 0)) (call $take))
  (func (export "later") (param i32) (result i32) (drop (call $read (local.get 0)))
    (call $other (local.get 0)))
  (func (export "take") (result i32 i32) (call $take) (call $take))
  (func (export "tail") (param i32) (result i32) (return_call $read (local.get 0)))
  (func (export "table") (param i32) (result i32) (call_indirect (type $f) (local.get 0)
    (i32.const 0)))
  (func (export "reference") (param i32) (result i32)
    (call_ref $f (local.get 0) (ref.func $read)))
  (func (export "held") (param i32) (result i32)
    (call_ref $f (local.get 0) (ref.cast (ref $f) (global.get $g)))))"""

WAYS = ["tail", "table", "reference", "held"]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("dialect", ["exnref", "legacy"])
def test_a_program_without_exception_handling(dialect: str) -> None:
    after = catching(assembled(PROGRAM), dialect=dialect)
    found = steps(
        after,
        ["return", "direct", 4],
        ["js", "direct", 4],
        ["wasm", "direct", 4],
        ["return", "direct", 5],
        ["js", "later", 4],
        ["return", "take"],
        *([kind, way, 4] for way in WAYS for kind in ("return", "js")),
        ["return", "take"],
        ["trap", "direct", 4],
        ["js", "same", 4],
    )
    assert found[:6] == ["5 0", "0 1", "0 1", "6 0", "0", "1 0"]
    assert found[6:14] == ["5", "0"] * 4
    # What traps isn't caught; the import itself is exported as ever.
    assert found[14:] == ["1 0", "throws unreachable", "throws the object"]
    assert [str(each) for each in Module.from_bytes(after).imports] == [
        '"env" "read"',
        '"env" "other"',
    ]


@pytest.mark.usefixtures("engine")
def test_only_what_was_chosen() -> None:
    found = steps(
        catching(assembled(PROGRAM), imports="env.read"),
        ["js", "later", 4],
        ["js", "direct", 4],
    )
    assert found == ["throws the object", "0 1"]


REFERENCE = """(module
  (import "env" "read" (func $read (param i32) (result i32)))
  (import "wasmir" "take_exception" (func $take (result {0})))
  (tag $own (export "own") (param i32))
  (func (export "trap") unreachable)
  (func (export "again") (param i32) (result i32) (local $kept {0})
    (drop (call $read (local.get 0)))
    (local.set $kept (call $take))
    (if (ref.is_null (local.get $kept)) (then (return (i32.const -1))))
    {1})
  (func (export "taken") (result i32) (ref.is_null (call $take))))"""


@pytest.mark.usefixtures("engine")
def test_exceptions_that_are_kept_and_thrown_on() -> None:
    """The very same; the module's own are never caught."""
    text = REFERENCE.format("exnref", "(throw_ref (local.get $kept))")
    found = steps(
        catching(assembled(text)),
        ["return", "again", 4],
        ["js", "again", 4],
        ["wasm", "again", 4],
        ["own", "again", 4],
        ["js", "taken"],
    )
    assert found == ["-1", "throws the object", "throws foreign 7", "throws own 8", "1"]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("dialect", ["exnref", "legacy"])
def test_values_of_javascript(dialect: str) -> None:
    text = REFERENCE.format("externref", "(i32.const 5)").replace(
        '(func (export "taken") (result i32) (ref.is_null (call $take)))',
        '(func (export "taken") (result externref) (drop (call $read (i32.const 1))) (call $take))',
    )
    found = steps(
        catching(assembled(text), identity="jstag", dialect=dialect),
        ["return", "again", 4],
        ["js", "again", 4],
        ["js", "taken"],
        ["return", "taken"],
        ["wasm", "again", 4],
        ["own", "again", 4],
    )
    # Those that are no JavaScript values go on.
    assert found == ["-1", "5", "the object", "null", "throws foreign 7", "throws own 8"]


@pytest.mark.usefixtures("engine")
def test_zeros_of_all_types() -> None:
    text = """(module
      (import "env" "read" (func $read (result i32 i64 f32 f64 externref funcref)))
      (import "env" "other" (func $other))
      (import "wasmir" "take_exception" (func $take (result i32)))
      (func (export "all") (result i32 i64 f32 f64 externref funcref) call $read)
      (func (export "none") call $other)
      (func (export "take") (result i32) call $take))"""
    for dialect in ("exnref", "legacy"):
        after = catching(assembled(text), dialect=dialect)
        found = steps(after, ["js", "all"], ["js", "none"], ["js", "take"], ["js", "take"])
        assert found == ["0 0 0 0 null null", "undefined", "1", "0"]


@pytest.mark.usefixtures("engine")
def test_own_exceptions_go_on_in_each_dialect() -> None:
    text = PROGRAM.replace("(module", '(module (tag (export "own") (param i32)) (tag)', 1)
    # Imports come first.
    text = re.sub(r"(\(tag .*?\(tag\))(.*?)(\(table)", r"\2 \1 \3", text, count=1, flags=re.DOTALL)
    for dialect in ("exnref", "legacy"):
        after = catching(assembled(text), dialect=dialect)
        assert steps(after, ["own", "direct", 1], ["wasm", "direct", 1], ["js", "tail", 1]) == [
            "throws own 8",
            "0 1",
            "0",
        ]


@pytest.mark.usefixtures("engine")
def test_what_the_module_calls_jstag_is_no_exception_of_its_own() -> None:
    text = PROGRAM.replace(
        "(module", '(module (import "WebAssembly" "JSTag" (tag (param externref)))', 1
    )
    for dialect in ("exnref", "legacy"):
        assert steps(catching(assembled(text), dialect=dialect), ["js", "direct", 1]) == ["0 1"]


@pytest.mark.usefixtures("engine")
def test_the_question_may_be_asked_by_a_reference() -> None:
    text = """(module
      (import "env" "read" (func $read (param i32) (result i32)))
      (import "wasmir" "take_exception" (func $take (result i32)))
      (export "take" (func $take)) (table 1 funcref) (elem (i32.const 0) func $take)
      (func (export "direct") (param i32) (result i32) (call $read (local.get 0)))
      (func (export "ask") (result i32) (call_indirect (result i32) (i32.const 0))))"""
    asked: list[Any] = [
        ["js", "direct", 1],
        ["js", "ask"],
        ["js", "ask"],
        ["js", "direct", 1],
        ["js", "take"],
    ]
    assert steps(catching(assembled(text)), *asked) == ["0", "1", "0", "0", "1"]


@pytest.mark.usefixtures("engine")
def test_beside_the_other_passes() -> None:
    """Whichever comes first."""
    text = REFERENCE.format("exnref", "(throw_ref (local.get $kept))")
    catch = "catch-imports{imports=env.*}"
    for pipeline in (f"{catch},tag-foreign-exceptions", f"tag-foreign-exceptions,{catch}"):
        module = Module.from_bytes(assembled(text))
        Pipeline.parse(pipeline.replace("env.*", '"env.*"')).run(module)
        after = module.to_bytes()
        assert validate(after) is None
        found = steps(after, ["return", "again", 4], ["js", "again", 4], ["own", "again", 4])
        assert found == ["-1", "throws the object", "throws own 8"]


# What it writes


def shape(data: bytes) -> str:
    text = re.sub(r"\(;.*?;\)|;; label.*", "", printed(data))
    return " ".join(text[text.index('(export "size"') :].split())


def test_golden() -> None:
    """What the documentation shows."""
    before = """(module
      (import "env" "read" (func $read (param i32) (result i32)))
      (import "wasmir" "take_exception" (func $take (result i32)))
      (func (export "size") (param i32) (result i32)
        (i32.add (call $read (local.get 0)) (call $take))))"""
    after = """(module
      (import "env" "read" (func $read (param i32) (result i32)))
      (global $__wasmir_caught (mut i32) (i32.const 0))
      (func $size (export "size") (param i32) (result i32)
        local.get 0
        call $__wasmir_catching_read
        call $__wasmir_take_exception
        i32.add)
      (func $__wasmir_catching_read (param i32) (result i32)
        block (result exnref)
          try_table (result i32) (catch_all_ref 0)
            local.get 0
            call $read
          end
          return
        end
        drop
        i32.const 1
        global.set $__wasmir_caught
        i32.const 0)
      (func $__wasmir_take_exception (result i32)
        global.get $__wasmir_caught
        i32.const 0
        global.set $__wasmir_caught))"""
    out, wanted = (
        re.sub(r"\(type \d+\) ", "", shape(each))
        for each in (catching(assembled(before)), assembled(after))
    )
    assert (
        out.replace("(func (param", "(func $size (param").replace("(func 1)", "(func $size)")
        == wanted
    )


# What is refused

BUILTIN = """(module
  (import "wasm:js-string" "length" (func $length (param externref) (result i32)))
  (func (export "f") (param externref) (result i32) (call $length (local.get 0))))"""


def refused(text: str, **options: Any) -> str:  # noqa: ANN401 - the pass checks
    data = assembled(text)
    module = Module.from_bytes(data)
    with pytest.raises(UnsupportedError) as caught:
        CatchImports(**{"imports": "*", **options}).run(module)
    assert module.to_bytes() == data
    return str(caught.value)


def test_refused() -> None:
    assert "builtins are never wrapped" in refused(BUILTIN)
    assert "it imports env.read, env.other" in refused(PROGRAM, imports="wasi*")
    assert "it imports no functions" in refused("(module)")
    function = '(module (import "e" "f" (func (result (ref extern)))))'
    assert 'the import "e" "f" has a result of type (ref extern)' in refused(function)
    exnref = REFERENCE.format("exnref", "i32.const 0")
    assert "exceptions are no values" in refused(exnref, dialect="legacy")
    externref = REFERENCE.format("externref", "i32.const 0")
    assert "identity=jstag allows" in refused(externref)
    legacy = PROGRAM.replace(
        '(func (export "trap")', '(func try catch_all end) (func (export "trap")'
    )
    assert "engines refuse a mix" in refused(legacy, dialect="exnref")
    assert "without exception handling" in refused(PROGRAM, dialect="none")
    wrong = PROGRAM.replace("(func $take (result i32))", "(func $take (result i64))").replace(
        "(result i32 i32)", "(result i32 i64)"
    )
    wrong = wrong.replace('(func (export "take") (result i32 i64) (call $take) (call $take))', "")
    assert "it may be [] -> [i32], [] -> [exnref] or" in refused(wrong)
    twice = '(module (import "e" "f" (func)) ' + "".join(
        f'(import "wasmir" "take_exception" (func (result {each})))' for each in ("i32", "exnref")
    )
    assert "with several types" in refused(twice + ")")


def test_chosen_wrongly() -> None:
    data = assembled(PROGRAM)
    module = Module.from_bytes(data)
    with pytest.raises(PassError, match="imports= says which"):
        CatchImports().run(module)
    with pytest.raises(PassError, match="identity is jstag"):
        CatchImports(imports=ALL, identity="yes").run(module)
    assert module.to_bytes() == data


def test_nobody_asks() -> None:
    text = '(module (import "env" "f" (func $f)) (func (export "g") (call $f)))'
    report = CatchImports(imports=ALL).run(Module.from_bytes(assembled(text)))
    assert report.counts == {"imports": 1}
    assert any("nothing asks" in note for note in report.notes)
