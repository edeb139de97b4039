"""reset-state on what a module shares with others: imports, and side modules."""

from __future__ import annotations

import pytest

from tests.javascript import javascript
from tests.modules import assembled
from tests.passes.resets import IMPORTS, ROUNDS, resettable
from wasmir import Module

# All of these as hosts make them for one instance, but for the table, in which something is.
HOST = """(() => {
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 5 });
  const table = new WebAssembly.Table({ element: "anyfunc", initial: 3, maximum: 8 });
  table.set(0, new WebAssembly.Instance(host).exports.h);
  const sp = new WebAssembly.Global({ value: "i32", mutable: true }, 4096);
  const ref = new WebAssembly.Global({ value: "externref", mutable: true }, "r");
  return { m: { memory, table, sp, ref } };
})()"""


@pytest.mark.usefixtures("engine")
def test_imports_as_instantiation_found_them() -> None:
    host = assembled('(module (func) (func) (func) (func (export "h")))')
    before = assembled(IMPORTS)
    after = resettable(before, include_imports=True)
    code = ROUNDS.replace('new Function("return " + imports)()', HOST)
    calls = [["f"], ["f"]]
    assert javascript(code, before=before, after=after, host=host, calls=calls) == []


@pytest.mark.usefixtures("engine")
def test_imported_globals_of_all_types() -> None:
    """What they hold is kept by what can hold it: vectors, and references that know no null."""
    text = """(module
      (import "h" "a" (global $a (mut i64))) (import "h" "b" (global $b (mut f32)))
      (import "h" "c" (global $c (mut f64))) (import "h" "d" (global $d (mut v128)))
      (import "h" "e" (global $e (mut (ref i31)))) (import "h" "f" (global $f (mut funcref)))
      (func (export "change") (global.set $a (i64.const 1)) (global.set $b (f32.const 2))
        (global.set $c (f64.const 3)) (global.set $d (v128.const i64x2 4 5))
        (global.set $e (ref.i31 (i32.const 6))) (global.set $f (ref.func 0)))
      (func (export "all") (result i64 f32 f64 i64 i32 i32) (global.get $a) (global.get $b)
        (global.get $c) (i64x2.extract_lane 1 (global.get $d)) (i31.get_s (global.get $e))
        (ref.is_null (global.get $f))))"""
    host = """(module (global (export "a") (mut i64) (i64.const 11))
      (global (export "b") (mut f32) (f32.const 12)) (global (export "c") (mut f64) (f64.const 13))
      (global (export "d") (mut v128) (v128.const i64x2 14 15))
      (global (export "e") (mut (ref i31)) (ref.i31 (i32.const 16)))
      (global (export "f") (mut funcref) (ref.null func)))"""
    before = assembled(text)
    after = resettable(before, include_imports=True)
    code = ROUNDS.replace('new Function("return " + imports)()', "{ h: made_host() }").replace(
        "const made =",
        "const made_host = () => new WebAssembly.Instance(host).exports; const made =",
    )
    calls = [["all"], ["change"], ["all"]]
    assert javascript(code, before=before, after=after, host=assembled(host), calls=calls) == []


@pytest.mark.usefixtures("engine")
def test_an_imported_memory_that_was_in_use() -> None:
    """Nobody knows what to put back, so nothing is said to be."""
    after = resettable(assembled(IMPORTS), include_imports=True)
    host = assembled('(module (func (export "h")))')
    code = f"""
        const imports = {HOST};
        new Uint8Array(imports.m.memory.buffer)[131071] = 1;
        const {{ exports }} = new WebAssembly.Instance(after, imports);
        return [outcome(exports.f), outcome(exports.__wasmir_reset_state), exports.own.value];
    """
    assert javascript(code, after=after, host=host) == ["2,3", "trap: unreachable", 99]


@pytest.mark.usefixtures("engine")
def test_imports_that_are_left() -> None:
    after = resettable(assembled(IMPORTS), accept_partial=True)
    host = assembled('(module (func (export "h")))')
    code = f"""
        const {{ exports }} = new WebAssembly.Instance(after, {HOST});
        exports.f();
        exports.__wasmir_reset_state();
        const bytes = new Uint8Array(exports.memory.buffer);
        const found = [bytes.length >> 16, bytes[4], bytes[5], exports.table.length];
        return [...found, exports.table.get(1), exports.sp.value, exports.own.value];
    """
    assert javascript(code, after=after, host=host) == [3, 100, 255, 5, None, 4080, 4]


def test_active_segments_of_what_is_left_stay_active() -> None:
    out = Module.from_bytes(resettable(assembled(IMPORTS), accept_partial=True))
    assert [each.is_active for each in out.data] == [True]
    assert [each.is_active for each in out.elements] == [True]
    assert out.start is None


SIDE = """(module
  (@custom "dylink.0" (before first) "\\01\\04\\10\\02\\02\\00")
  (import "env" "memory" (memory 1)) (import "env" "__indirect_function_table" (table 1 funcref))
  (import "env" "__memory_base" (global $mb i32)) (import "env" "__table_base" (global $tb i32))
  (import "env" "__stack_pointer" (global $sp (mut i32)))
  (import "GOT.mem" "x" (global $x (mut i32))) (import "GOT.func" "f" (global $gf (mut i32)))
  (export "memory" (memory 0)) (export "table" (table 0)) (export "sp" (global $sp))
  (data (global.get $mb) "data") (elem (global.get $tb) func $f $g)
  (func $f) (func $g)
  (global $own (export "own") (mut i32) (i32.const 4))
  (func (export "__wasm_apply_data_relocs")
    (i32.store offset=8 (global.get $mb) (global.get $mb)))
  (func (export "f") (global.set $own (i32.const 1)) (global.set $sp (i32.const 1))
    (memory.fill (i32.const 0) (i32.const 7) (i32.const 256))
    (table.fill (i32.const 0) (ref.null func) (table.size))))"""


@pytest.mark.usefixtures("engine")
def test_side_module() -> None:
    """Its own part of memory and table, and nothing of the others'."""
    after = resettable(assembled(SIDE))
    found = javascript(
        """
        const memory = new WebAssembly.Memory({ initial: 1 });
        const table = new WebAssembly.Table({ element: "anyfunc", initial: 6 });
        const mutable = (value) => new WebAssembly.Global({ value: "i32", mutable: true }, value);
        const { exports } = new WebAssembly.Instance(after, {
          env: { memory, table, __indirect_function_table: table,
                 __memory_base: 64, __table_base: 3, __stack_pointer: mutable(500) },
          "GOT.mem": { x: mutable(5) }, "GOT.func": { f: mutable(5) },
        });
        const mine = table.get(3);
        exports.f();
        exports.__wasmir_reset_state();
        const bytes = new Uint8Array(memory.buffer);
        return [[...bytes.subarray(62, 82)], bytes[0], exports.own.value, exports.sp.value,
                [0, 1, 2, 3, 4, 5].map((at) => table.get(at)?.name), table.get(3) === mine];
        """,
        after=after,
    )
    own = [*b"data", 0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0]
    assert found == [[7, 7, *own, 7, 7], 7, 4, 1, [None, None, None, "0", "1", None], True]


@pytest.mark.usefixtures("engine")
def test_the_program_that_side_modules_are_loaded_into() -> None:
    after = resettable(assembled(SIDE), include_imports=True)
    found = javascript(
        """
        const memory = new WebAssembly.Memory({ initial: 1 });
        const table = new WebAssembly.Table({ element: "anyfunc", initial: 6 });
        const mutable = (value) => new WebAssembly.Global({ value: "i32", mutable: true }, value);
        const got = mutable(5);
        const { exports } = new WebAssembly.Instance(after, {
          env: { memory, table, __indirect_function_table: table,
                 __memory_base: 64, __table_base: 3, __stack_pointer: mutable(500) },
          "GOT.mem": { x: got }, "GOT.func": { f: got },
        });
        got.value = 77;
        exports.f();
        exports.__wasmir_reset_state();
        return [[...new Uint8Array(memory.buffer)].reduce((a, b) => a + b), exports.sp.value,
                got.value, [0, 1, 2, 3, 4, 5].map((at) => table.get(at)?.name)];
        """,
        after=after,
    )
    assert found == [sum(b"data") + 64, 500, 77, [None, None, None, "0", "1", None]]
