"""What exports call: descriptions made at compile time, and Emscripten's imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from corpus.engine import run_script
from corpus.manifest import find
from tests.interp.bindgen import DIALECTS, built
from tests.modules import assembled
from wasmir import Function, Module
from wasmir.interp import EmscriptenException, ImportCall, Trap, callers, trace_imports

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MARKER = "__wbindgen_describe_generic_import"


def _numbers(calls: Iterable[ImportCall]) -> list[int]:
    return [call.args[0] for call in calls]


def _exported(module: Module, name: str) -> Function:
    export = module.exports.find(name)
    assert export is not None
    assert isinstance(export.entity, Function)
    return export.entity


@pytest.mark.parametrize("eh", DIALECTS)
def test_descriptions_with_landing_pads(eh: str) -> None:
    module = Module.from_bytes(find(f"cpp-descriptors-{eh}-O0").path.read_bytes())
    before = module.to_bytes()
    skip = [_exported(module, "constructors")]
    found = trace_imports(module, "__wbindgen_describe_*", "__wbindgen_describe", skip=skip)
    assert {name: _numbers(calls) for name, calls in found.items()} == {
        "__wbindgen_describe_sum": [15, 0, 2, 4, 13, 13, 13],
        "__wbindgen_describe_greet": [15, 0, 2, 19, 18, 4, 31, 4, 31, 4],
    }
    # Functions that nobody exports, as far as the marker.
    generic = callers(module, MARKER)
    assert len(generic) == 2
    traced = trace_imports(module, generic, "*.__wbindgen_describe", until=MARKER)
    assert [_numbers(traced[function])[:-1] for function in generic] == [
        [16, 15, 0, 1, 19, 18, 33, 33],
        [16, 15, 0, 0, 13, 13],
    ]
    whole = trace_imports(module, generic, until=MARKER)
    assert {calls[-1].name for calls in whole.values()} == {MARKER}
    assert module.to_bytes() == before
    assert not any(function.is_open for function in module.functions)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("eh", DIALECTS)
def test_a_module_of_wasm_bindgen(eh: str, tmp_path: Path) -> None:
    """All of its descriptions, as in Node."""
    path = built(eh)
    if path is None:
        pytest.skip("the module takes a Rust compiler: python -m tests.interp.bindgen builds it")
    module = Module.from_file(path)
    generic = callers(module, MARKER)
    assert generic
    names = [each.name for each in module.exports if each.name.startswith("__wbindgen_describe_")]
    found = {
        **trace_imports(module, "__wbindgen_describe_*"),
        **{
            f"generic {function.index}": calls
            for function, calls in trace_imports(module, generic, until=MARKER).items()
        },
    }
    for function in generic:
        module.exports.add(f"generic {function.index}", function)
    exported = tmp_path / "exported.wasm"
    exported.write_bytes(module.to_bytes())
    # Those that are said to take arguments get zeros here, and undefined there.
    request = {"path": str(exported), "exports": list(found), "until": MARKER}
    theirs = run_script("describe.mjs", request)
    assert len(found) == len(names) + len(generic)
    for name, calls in found.items():
        assert [[call.module, call.name, list(call.args)] for call in calls] == theirs[name], name


def _invoked(name: str) -> list[int]:
    module = Module.from_bytes(find("c-invoke").path.read_bytes())
    return _numbers(trace_imports(module, name, "describe")[name])


def test_invoke_and_set_threw() -> None:
    """What LLVM makes of C++ for Emscripten: destructors and handlers run."""
    assert _invoked("describe_value") == [2, 102, 1]
    assert _invoked("describe_caught") == [3, 103, 7]
    assert _invoked("describe_all") == [4, 104, 5]
    with pytest.raises(EmscriptenException, match=r"C\+\+ exception at 0x"):
        _invoked("describe_uncaught")


JUMPS = """(module
  (import "env" "invoke_ii" (func $invoke (param i32 i32) (result i32)))
  (import "env" "_emscripten_throw_longjmp" (func $jump))
  (import "env" "describe" (func $describe (param i32)))
  (import "env" "__stack_pointer" (global $sp (mut i32)))
  (memory 1) (table $t (export "__indirect_function_table") 3 funcref) (elem (i32.const 1) $f)
  (global $threw (mut i32) (i32.const 0))
  (func (export "setThrew") (param i32 i32)
    (global.set $threw (i32.add (local.get 0) (local.get 1))))
  (func $f (param i32) (result i32)
    (global.set $sp (i32.sub (global.get $sp) (i32.const 64)))
    (if (local.get 0) (then (call $jump)))
    (global.set $sp (i32.add (global.get $sp) (i32.const 64)))
    (i32.const 11))
  (func $try (param $which i32) (param $jumps i32)
    (call $describe (call $invoke (local.get $which) (local.get $jumps)))
    (call $describe (global.get $threw))
    (call $describe (global.get $sp)))
  (func (export "returns") (call $try (i32.const 1) (i32.const 0)))
  (func (export "jumps") (call $try (i32.const 1) (i32.const 1)))
  (func (export "far") (drop (call $f (i32.const 1))))
  (func (export "null") (call $try (i32.const 2) (i32.const 0)))
  (func (export "beyond") (call $try (i32.const 3) (i32.const 0))))"""


def test_longjmp_puts_the_stack_back() -> None:
    module = Module.from_bytes(assembled(JUMPS))
    found = trace_imports(module, "*s", "describe")
    assert {name: _numbers(calls) for name, calls in found.items()} == {
        "returns": [11, 0, 65536],
        "jumps": [0, 1, 65536],
    }
    with pytest.raises(EmscriptenException, match="longjmp"):
        trace_imports(module, "far")
    with pytest.raises(Trap, match="uninitialized element"):
        trace_imports(module, "null")
    with pytest.raises(Trap, match="undefined element"):
        trace_imports(module, "beyond")
