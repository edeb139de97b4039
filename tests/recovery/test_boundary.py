"""Adapters in Node: whose exceptions come out, what references mean, what pads do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.javascript import javascript
from tests.modules import assembled, printed
from tests.support import validate
from wasmir import Module, PassReport, Pipeline, UnsupportedError

pytestmark = pytest.mark.usefixtures("engine")


def passed(text: str | bytes, pipeline: str) -> tuple[bytes, PassReport]:
    module = Module.from_bytes(assembled(text) if isinstance(text, str) else text)
    report = Pipeline.parse(pipeline).run(module)[-1]
    data = module.to_bytes()
    assert validate(data) is None
    return data, report


def refused(text: str, pipeline: str) -> str:
    data = assembled(text)
    module = Module.from_bytes(data)
    with pytest.raises(UnsupportedError) as caught:
        Pipeline.parse(pipeline).run(module)
    assert module.to_bytes() == data
    return str(caught.value)


# A catch_all counts what passes it; $own is caught, $js is JSTag where the module names it.
PASSING = """(module
  (import "env" "host" (func $host (param i32) (result i32)))
  {imports}
  (tag $own (export "own") (param i32))
  (global $cleaned (export "cleaned") (mut i32) (i32.const 0))
  (func $call (export "call") (param i32) (result i32)
    try (result i32)
      (call $host (local.get 0))
    catch $own
    {catch}
    catch_all
      (global.set $cleaned (i32.add (global.get $cleaned) (i32.const 1)))
      rethrow 0
    end)
  (func (export "nested") (param i32) (result i32) (call $call (local.get 0)))
)"""
PLAIN = PASSING.format(imports="", catch="")
NAMES_JSTAG = PASSING.format(
    imports='(import "WebAssembly" "JSTag" (tag $js (param externref)))',
    catch="catch $js drop i32.const -7",
)

# What the host throws, and what comes back: the same object, or a number.
THROWING = """
    const tag = new WebAssembly.Tag({ parameters: ["i32"] });
    let exports;
    const values = [new Error("mine"), { an: "object" }, "text", 42, null, undefined, Symbol("s"),
      new WebAssembly.RuntimeError("the host's"), new WebAssembly.Exception(tag, [3])];
    const host = (which) => {
      if (which === -1) throw new WebAssembly.Exception(exports.own, [77]);
      if (which >= 100) return exports.call(which - 100);
      throw values[which];
    };
    exports = new WebAssembly.Instance(module, { env: { host }, WebAssembly }).exports;
    const found = [];
    for (const name of ["call", "nested"]) {
      for (let which = -1; which < values.length; which++) {
        for (const more of [0, 100, 200]) {
          if (which < 0 && more) continue;
          try {
            found.push(`returned ${exports[name](which + more)}`);
          } catch (error) {
            found.push(Object.is(error, values[which]) ? "same" : `other: ${String(error)}`);
          }
        }
      }
    }
    return [[...new Set(found)], exports.cleaned.value];
"""


@pytest.mark.parametrize("options", ["", "{identity=jstag}"])
@pytest.mark.parametrize("name", ["tag-foreign-exceptions", "recover"])
@pytest.mark.parametrize("dialect", ["legacy", "exnref"])
def test_the_host_gets_its_own_exception_back(dialect: str, name: str, options: str) -> None:
    convert = "legacy-to-exnref," if dialect == "exnref" else ""
    data, _ = passed(PLAIN, f"{convert}{name}{options}")
    # Nine values, by two exports, one, two or three calls deep.
    assert javascript(THROWING, module=data) == [["returned 77", "same"], 2 * 9 * (1 + 2 + 3)]


@pytest.mark.parametrize("dialect", ["legacy", "exnref"])
def test_a_handler_for_values_of_javascript_still_gets_them(dialect: str) -> None:
    convert = "legacy-to-exnref," if dialect == "exnref" else ""
    data, _ = passed(NAMES_JSTAG, f"{convert}recover{{identity=jstag}}")
    [found, cleaned] = javascript(THROWING, module=data)
    # What isn't a value of JavaScript's is the exception with another module's tag.
    assert found == ["returned 77", "returned -7", "same"]
    assert cleaned == 2 * (1 + 2 + 3)


def test_a_mark_stays_inside() -> None:
    """Through a table that only indirect calls of the module use, a door calls the import; then
    through one that the host sees."""
    text = """(module
      (import "env" "host" (func $host (param i32) (result i32)))
      (type $t (func (param i32) (result i32)))
      (tag $own (param i32))
      (table $table {export} 2 funcref)
      (elem (table $table) (i32.const 0) func $host $again)
      (func $again (type $t) (call_indirect $table (type $t) (local.get 0) (i32.const 0)))
      (func (export "call") (param i32) (result i32)
        (call_indirect $table (type $t) (local.get 0) (i32.const 1))))"""
    for export in ("", '(export "table")'):
        data, _ = passed(text.format(export=export), "tag-foreign-exceptions")
        code = """
            const error = new Error("mine");
            const host = () => { throw error; };
            const { exports } = new WebAssembly.Instance(module, { env: { host } });
            const calls = [() => exports.call(1), () => exports.table?.get(1)(1) ?? host()];
            return calls.map((call) => { try { call(); } catch (e) { return e === error; } });
        """
        assert javascript(code, module=data) == [True, True]


def test_references_and_exports_mean_the_same_function() -> None:
    text = """(module
      (import "env" "out" (func $out))
      (export "out" (func $out))
      (table (export "table") 4 funcref)
      (elem (i32.const 0) func $f $out $private)
      (global (export "global") funcref (ref.func $f))
      (elem declare func $f)
      (func $f (export "f") (export "again"))
      (func $private)
      (func (export "reference") (result funcref) (ref.func $f)))"""
    code = """
        const out = new WebAssembly.Instance(other).exports.f;
        const { exports: x } = new WebAssembly.Instance(module, { env: { out } });
        return [x.f === x.again, x.table.get(0) === x.f, x.global.value === x.f,
          x.reference() === x.f, x.out === out, x.table.get(1) === out, x.table.get(2).length];
    """
    other = assembled('(module (func (export "f")))')
    wanted = javascript(code, module=assembled(text), other=other)
    assert wanted == [True, True, True, True, True, True, 0]
    for pipeline in ("recover", "recover{share=true}", "tag-foreign-exceptions", "guard-aborts"):
        data, _ = passed(text, pipeline)
        assert javascript(code, module=data, other=other) == wanted


def test_builtins_of_the_engine_stay_imports() -> None:
    text = """(module
      (import "wasm:js-string" "length" (func $length (param externref) (result i32)))
      (func (export "length") (param externref) (result i32) (call $length (local.get 0))))"""
    data, report = passed(text, "recover")
    assert report.counts["doors"] == 0
    function = Module.from_bytes(data).functions[0]
    assert function.imported is not None
    assert function.imported.module == "wasm:js-string"


# Pads


PADDED = """(module
  (import "env" "host" (func $host))
  (tag $panic (export "panic") (param i32 i64))
  (tag $other)
  (global $sp (mut i32) (i32.const 1024))
  (global $cleaned (export "cleaned") (mut i32) (i32.const 0))
  (func $clean (export "clean") (global.set $cleaned (i32.add (global.get $cleaned) (i32.const 1))))
  (func $f (export "f") (param i32)
    (local $frame i32)
    global.get $sp
    i32.const 16
    i32.sub
    local.tee $frame
    global.set $sp
    (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $panic (i32.const 5) (i64.const 6))))
    (if (i32.eq (local.get 0) (i32.const 2)) (then (throw $other)))
    (if (i32.eq (local.get 0) (i32.const 3)) (then (call $host)))
    (global.set $sp (i32.add (local.get $frame) (i32.const 16))))
  (func (export "g") (param i32) (result i64) (call $f (local.get 0)) (i64.const 9))
  (func (export "sp") (result i32) (global.get $sp))
  {}
)"""
LEGACY = PADDED.format("(func try catch_all end)")
EXNREF = PADDED.format("(func block try_table (catch_all 0) end end)")

PADS = """
    const error = new Error("mine");
    const { exports: x } = new WebAssembly.Instance(module, { env: { host() { throw error; } } });
    const kind = (e) => e === error ? "mine" : e instanceof WebAssembly.RuntimeError ? "trap"
      : e.is(x.panic) ? "panic" : "other";
    const found = [0, 1, 2, 3].map((how) => {
      const before = [x.sp(), x.cleaned.value];
      let result;
      try { result = String(x[name](how)); } catch (e) { result = kind(e); }
      return [result, x.sp() - before[0], x.cleaned.value - before[1]];
    });
    return found;
"""


@pytest.mark.parametrize("text", [LEGACY, EXNREF], ids=["legacy", "exnref"])
@pytest.mark.parametrize(
    ("options", "name", "wanted"),
    [
        (
            "functions=f",
            "f",
            [["undefined", 0, 0], ["panic", 0, 0], ["other", 0, 0], ["mine", 0, 0]],
        ),
        (
            "restore_stack_pointer=false,functions=f",
            "f",
            [["undefined", 0, 0], ["panic", -16, 0], ["other", -16, 0], ["mine", -16, 0]],
        ),
        (
            "call=clean",
            "f",
            [["undefined", 0, 0], ["panic", 0, 1], ["other", 0, 1], ["mine", 0, 1]],
        ),
        (
            "call=clean,panics=panic,then=status,failure=-5,exclude=sp",
            "f",
            [["0", 0, 0], ["-5", 0, 1], ["other", 0, 0], ["mine", 0, 0]],
        ),
        (
            "then=status,success=3,failure=4,exclude=sp",
            "g",
            [["9", 0, 0], ["4", 0, 0], ["4", 0, 0], ["4", 0, 0]],
        ),
        (
            "panics=panic,others=abort,call=clean",
            "f",
            [["undefined", 0, 0], ["panic", 0, 1], ["trap", 0, 0], ["trap", 0, 0]],
        ),
        (
            "then=abort",
            "g",
            [["9", 0, 0], ["trap", 0, 0], ["trap", 0, 0], ["trap", 0, 0]],
        ),
        (
            # A frame of the callee's stays: the pad at a call doesn't know of it.
            "where=calls,functions=f,call=clean",
            "g",
            [["9", 0, 0], ["panic", -16, 1], ["other", -16, 1], ["mine", -16, 1]],
        ),
    ],
)
def test_pads(text: str, options: str, name: str, wanted: list[Any]) -> None:
    # The names that functions and tags are chosen by are those of the exports and of the text.
    data, report = passed(text, f"insert-landing-pads{{{options}}}")
    assert report.counts["pads"]
    assert javascript(PADS, module=data, name=name) == wanted


@pytest.mark.parametrize("text", [LEGACY, EXNREF], ids=["legacy", "exnref"])
def test_the_stack_pointer_is_where_it_was_after_many_escapes(text: str) -> None:
    code = """
        const { exports: x } = new WebAssembly.Instance(module, { env: { host() { throw 1; } } });
        for (let n = 0; n < 100000; n++) { try { x.f(1 + n % 3); } catch {} }
        return x.sp();
    """
    for pipeline in ("recover", "recover{notice=wasm}", "insert-landing-pads"):
        assert javascript(code, module=passed(text, pipeline)[0]) == 1024
    # Without, each left its frame.
    assert javascript(code, module=assembled(text)) == 1024 - 16 * 100000


def test_the_stack_of_an_error_is_kept() -> None:
    code = """
        const { exports: x } = new WebAssembly.Instance(module,
          { WebAssembly, env: { host: function thrower() { throw new Error("mine"); } } });
        try { x.f(3); } catch (error) { return /thrower/.test(error.stack); }
    """
    for text in (LEGACY, EXNREF):
        for pipeline in ("recover", "recover{identity=jstag}"):
            assert javascript(code, module=passed(text, pipeline)[0]) is True


# Foreign exceptions


NO_HANDLERS = """(module
  (import "env" "host" (func $host))
  (func (export "f") (call $host)))"""


@pytest.mark.parametrize(
    ("text", "options", "terminated"),
    [
        (NO_HANDLERS, "", True),
        (NO_HANDLERS, ",dialect=legacy", True),
        (NO_HANDLERS, ",dialect=legacy,identity=jstag", True),
        (NO_HANDLERS, ",on_foreign=survive", False),
        (LEGACY.replace('"f"', '"x"').replace('"clean"', '"f"'), "", False),
    ],
)
def test_foreign_exceptions_and_code_that_cannot_clean_up(
    text: str, options: str, terminated: bool
) -> None:
    data, report = passed(text, f"recover{{notice=wasm{options}}}")
    assert any("foreign exceptions that leave" in note for note in report.notes)
    code = """
        const error = new Error("mine");
        const env = { host() { throw error; } };
        const { exports: x } = new WebAssembly.Instance(module, { env, WebAssembly });
        try { (x.x ?? x.f)(3); } catch (e) { if (e !== error) throw e; }
        return x.__wasmir_state.value === 2;
    """
    assert javascript(code, module=data) is terminated


# As Emscripten does it without handlers: `invoke` calls back through the table, and JavaScript
# catches what `throw` threw.
INVOKES = """(module
  (import "env" "invoke" (func $invoke (param i32) (result i32)))
  (import "env" "throw" (func $throw))
  (table (export "table") 1 funcref)
  (elem (i32.const 0) $fails)
  (func $fails call $throw)
  (func (export "f") (result i32) (call $invoke (i32.const 0)))
  (func (export "uncaught") call $throw)
)"""


@pytest.mark.parametrize("notice", ["host", "wasm"])
@pytest.mark.parametrize("options", ["", ",dialect=legacy", ",dialect=legacy,identity=jstag"])
def test_where_the_host_catches_for_a_module_its_instance_lives(notice: str, options: str) -> None:
    data, _ = passed(INVOKES, f"recover{{notice={notice}{options}}}")
    code = """
        const thrown = new Error("mine");
        const env = {
          throw() { throw thrown; },
          invoke(at) {
            try { x.table.get(at)(); } catch (error) { return error === thrown ? 7 : 8; }
          },
        };
        const { exports: x } = new WebAssembly.Instance(module, { env, WebAssembly });
        const found = [x.f(), x.f(), x.__wasmir_state.value];
        try { x.uncaught(); } catch (error) { found.push(error === thrown); }
        found.push(x.__wasmir_state.value);
        return found;
    """
    assert javascript(code, module=data) == [7, 7, 0, True, 2]


# The hook


OVERFLOWS = """(module
  (import "env" "host" (func $host))
  (global $ran (export "ran") (mut i32) (i32.const 0))
  (func (export "deeper") (call $host))
  (func (export "procedure") (global.set $ran (i32.const 1)))
)"""


@pytest.mark.parametrize("hook", ["x.procedure", "ofHost"])
def test_a_hook_that_the_stack_has_no_room_for_allows_nothing(hook: str) -> None:
    # An abort that is noticed where the stack is all but full: what the hook was allowed must not
    # be there for whoever calls next.
    data, _ = passed(OVERFLOWS, "recover{notice=wasm}")
    code = """
        const relay = new WebAssembly.Module(new Uint8Array([
          0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 2, 7, 1, 1, 109, 1, 102, 0, 0, 7, 5, 1, 1,
          102, 0, 0 ]));
        let terminated = 0, ran = 0, hooked = 0;
        for (let padding = 0; padding < 40; padding++) {
          const { exports: x } = new WebAssembly.Instance(module, { env: { host() {} } });
          const f = () => void hooked++;
          const ofHost = new WebAssembly.Instance(relay, { m: { f } }).exports.f;
          x.__wasmir_set_on_abort(HOOK);
          x.__wasmir_state.value = 1;      // as an abort leaves it
          // From the stack's end upwards, with more room each time.
          const down = (...rest) => {
            try { down(...rest); } catch {}
            if (x.__wasmir_state.value !== 2) try { x.deeper(); } catch {}
          };
          down(...Array(padding));
          terminated += x.__wasmir_state.value === 2;
          hooked += x.ran.value;
          x.ran.value = 0;
          try { x.procedure(); } catch {}
          ran += x.ran.value;
        }
        return [terminated, ran, hooked > 0];
    """
    assert javascript(code.replace("HOOK", hook), module=data) == [40, 0, False]


# What can't be right


@pytest.mark.parametrize(
    ("pipeline", "words"),
    [
        ("insert-landing-pads{functions=nosuch*}", "selects none of the"),
        ("insert-landing-pads{where=everywhere}", "where=everywhere, not exports, calls"),
        ("insert-landing-pads{call=nosuch}", "there is no such function"),
        ("insert-landing-pads{call=f}", "it has type [i32] -> [], not [] -> []"),
        ("insert-landing-pads{panics=nosuch}", "matches no tag; there are: "),
        ("insert-landing-pads{where=calls,functions=f,then=status}", "callers expect none"),
        ("insert-landing-pads{restore_stack_pointer=nosuch}", "no global named 'nosuch'"),
        ("insert-landing-pads{dialect=exnref}", "engines refuse a mix"),
        ("recover{dialect=none}", "the module's code catches (legacy)"),
        ("recover{dialect=other}", "there are auto, exnref, legacy and none"),
        ("recover{notice=nobody}", "notice=nobody: there are host, wasm"),
        ('guard-aborts{notice=""}', "notice=: there are host, wasm"),
        ("recover{stack_pointer=nosuch}", "no global named 'nosuch'"),
        ("recover{leaf=nosuch}", "no imported function matches 'nosuch'"),
        ("guard-aborts{tables=some}", "tables=some: there are guard, exports-only"),
    ],
)
def test_bad_use_is_refused_and_nothing_changed(pipeline: str, words: str) -> None:
    assert words in refused(LEGACY, pipeline)


def test_tail_calls_through_doors_are_asked_for() -> None:
    text = """(module
      (type $t (func))
      (table (export "table") 1 funcref)
      (func (export "f") (return_call_indirect (type $t) (i32.const 0))))"""
    assert "tail-calls=true" in refused(text, "recover")
    passed(text, "recover{tail_calls=true}")
    _, report = passed(text, "recover{tables=exports-only}")
    assert any("exports-only" in note for note in report.notes)


def test_nothing_to_guard() -> None:
    assert "nothing to guard" in refused("(module (func))", "recover")


def test_intrinsics_that_are_not_known_or_of_another_type() -> None:
    text = '(module (import "wasmir" "{}" (func {})) (func (export "f")))'
    assert "is none of: epoch" in refused(text.format("nosuch", ""), "recover")
    assert "has type [i32] -> [], not" in refused(
        text.format("epoch", "(param i32)"), "guard-aborts"
    )
    assert "names a place in the function table" in refused(
        text.format("set_on_abort", "(param i32) (result i32)"), "guard-aborts"
    )


SHARED = """(module
  (import "env" "memory" (memory 1))
  (global $n (mut i32) (i32.const 1))
  (func (export "more") (result i32)
    (i32.store8 (i32.const 5) (i32.const 1))
    (global.set $n (i32.add (global.get $n) (i32.const 1)))
    (i32.add (global.get $n) (i32.load8_u (i32.const 5)))))"""


def test_imported_state_is_reset_only_on_request() -> None:
    _, report = passed(SHARED, "recover")
    assert any("memory 0" in note and "is imported" in note for note in report.notes)
    assert "is imported" in refused(SHARED, "recover{reset=true}")
    code = """
        const memory = new WebAssembly.Memory({ initial: 1 });
        const { exports: x } = new WebAssembly.Instance(module, { env: { memory } });
        const found = [x.more(), x.more()];
        x.__wasmir_reset_state();
        return [...found, new Uint8Array(memory.buffer)[5], x.more()];
    """
    data, _ = passed(SHARED, "recover{reset=true,include_imports=true}")
    assert javascript(code, module=data) == [3, 4, 0, 3]
    data, report = passed(SHARED, "recover{reset=true,accept_partial=true}")
    assert any("a reset leaves memory 0" in note for note in report.notes)
    assert javascript(code, module=data) == [3, 4, 1, 3]


def test_threads_are_told_of() -> None:
    text = '(module (memory 1 1 shared) (func (export "f")))'
    _, report = passed(text, "recover")
    assert any("each thread's instance has a state of its own" in note for note in report.notes)


def test_a_relocatable_object_is_refused() -> None:
    module = '(module (@custom "linking" "\\02") (func (export "f")))'
    assert "relocatable" in refused(module, "recover")


def test_a_recovered_module_stays_as_it_is() -> None:
    data, _ = passed(LEGACY, "recover")
    again, report = passed(data, "recover")
    assert again == data
    assert report.notes == ["the module is recovered already: nothing was changed"]


def test_without_exception_handling() -> None:
    data, report = passed(NO_HANDLERS, "recover{dialect=none}")
    assert any("refusals are traps" in note for note in report.notes)
    assert not any(word in printed(data) for word in ("(tag", "try", "throw"))
