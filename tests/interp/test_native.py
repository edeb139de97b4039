"""Native code does what Python does."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.interp.native import NativeScript, beside_python
from tests.modules import SCALE, assembled
from wasmir import Function, Module
from wasmir.interp import Bounds, Instance, Memory, Program, Trap
from wasmir.types import Limits, MemoryType

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("llvmlite", reason="pip install llvmlite: the compiler")

MODULES = 12 * SCALE

# Files of the suite that have much of what is native, and don't take long. `python -m tests.interp
# --native` takes all of them.
FILES = (
    *("i32", "i64", "memory_trap", "memory_fill", "endianness", "store", "align", "labels", "if"),
    *("switch", "stack", "unwind", "forward", "fac", "global", "instance", "traps"),
)

FACTORIAL = """(module (memory (export "memory") 1)
  (global $calls (export "calls") (mut i32) (i32.const 0))
  (func $fac (export "fac") (param i64) (result i64)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (result i64) (i64.eqz (local.get 0)) (then (i64.const 1))
      (else (i64.mul (local.get 0) (call $fac (i64.sub (local.get 0) (i64.const 1)))))))
  (func (export "sum") (param i32) (result i32) (local i32)
    (loop (local.set 1 (i32.add (local.get 1) (i32.load8_u (local.get 0))))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func (export "float") (param f64) (result f64)
    (loop (local.set 0 (f64.sub (local.get 0) (f64.const 1)))
      (br_if 0 (f64.gt (local.get 0) (f64.const 1))))
    (local.get 0)))"""


def module() -> Module:
    return Module.from_bytes(assembled(FACTORIAL))


def native_names(instance: Instance) -> set[str]:
    native = instance.program.native
    assert native is not None
    return {
        each.name
        for each in instance.module.exports
        if isinstance(each.entity, Function) and native.code(each.entity) is not None
    }


def test_the_suite(spec_folder: Path) -> None:
    wrong: list[str] = []
    for name in FILES:
        script = NativeScript(spec_folder / "core" / name / f"{name}.json")
        script.run()
        wrong += script.wrong
    assert not wrong, "\n".join(wrong[:20])


def test_random_modules() -> None:
    wasmtime = pytest.importorskip("wasmtime", reason="pip install wasmtime: the engine")
    compared, native = beside_python(wasmtime, range(MODULES))
    print(compared, native)
    assert not compared.wrong, "\n".join(compared.wrong[:5])
    assert native > MODULES
    assert compared.outcomes > MODULES


def test_what_is_of_integers_is_native() -> None:
    instance = Instance(module(), native=True)
    assert native_names(instance) == {"fac", "sum"}
    assert instance.invoke("fac", 20) == 2432902008176640000
    assert instance.exports["calls"].value == 21
    assert instance.invoke("float", 3.5) == 0.5


def test_a_trap_tells_its_place() -> None:
    traps = []
    for native in (False, True):
        instance = Instance(module(), native=native)
        with pytest.raises(Trap, match="out of bounds memory access") as caught:
            instance.invoke("sum", 65536)
        traps.append(caught.value.frames)
    assert traps[0] == traps[1]
    assert traps[0][0].instruction == "i32.load8_u"


def test_as_many_frames_are_told() -> None:
    """Of native code that Python called, too."""
    source = """(module
      (func $down (param i32) (result i32)
        (if (i32.eqz (local.get 0)) (then unreachable))
        (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
      (func (export "f") (param f64) (result i32) (call $down (i32.trunc_f64_s (local.get 0)))))"""
    for count in (10, 300):
        traps = []
        for native in (False, True):
            instance = Instance(Module.from_bytes(assembled(source)), native=native)
            with pytest.raises(Trap, match="unreachable") as caught:
                instance.invoke("f", float(count))
            traps.append(caught.value.frames)
        assert traps[0] == traps[1]
        assert len(traps[0]) == min(count + 2, 100)


def test_globals_are_as_they_were_when_it_trapped() -> None:
    instance = Instance(module(), native=True, bounds=Bounds(call_depth=100))
    for count in (100, 200):
        with pytest.raises(Trap, match="call stack exhausted") as caught:
            instance.invoke("fac", -1)
        assert instance.exports["calls"].value == count
        assert {each.instruction for each in caught.value.frames} == {"call"}


def test_the_stack_ends_in_time() -> None:
    """Without a limit of calls, and where the stack is smaller than that of threads to come."""
    reasons: list[str] = []

    def exhaust() -> None:
        started.wait()
        instance = Instance(module(), native=True, bounds=Bounds(call_depth=1 << 60))
        native, export = instance.program.native, instance.module.exports.find("fac")
        assert native is not None
        assert export is not None
        assert isinstance(export.entity, Function)
        code = native.code(export.entity)
        assert code is not None
        # Python's own limit couldn't be so high.
        bound = code.bound(instance, ())
        assert bound is not None
        with pytest.raises(Trap) as caught:
            bound(1 << 62)
        reasons.append(caught.value.reason)

    started = threading.Event()
    before = threading.stack_size(256 << 10)
    try:
        thread = threading.Thread(target=exhaust)
        thread.start()
    finally:
        threading.stack_size(before)
        started.set()
    thread.join()
    exhaust()
    assert reasons == ["call stack exhausted"] * 2


def test_memory_grows_between_calls() -> None:
    memory = Memory(MemoryType(Limits(1)))
    source = """(module (import "env" "memory" (memory 1))
      (func (export "last") (param i32) (result i32)
        (loop (br_if 0 (i32.const 0))) (i32.load (local.get 0))))"""
    instance = Instance(
        Module.from_bytes(assembled(source)), {"env": {"memory": memory}}, native=True
    )
    with pytest.raises(Trap):
        instance.invoke("last", 65536)
    assert memory.grow(1) == 1
    memory.data[65536:65540] = b"\1\2\3\4"
    assert instance.invoke("last", 65536) == 0x04030201


def test_what_is_replaced_is_called() -> None:
    made = module()
    [fac, *_] = made.functions
    instance = Instance(made, native=True, replaced={fac: lambda raw: raw + 1})
    assert instance.invoke("fac", 5) == 6


def test_neither_fuel_nor_traces() -> None:
    with pytest.raises(ValueError, match="no fuel"):
        Instance(module(), native=True, fuel=1000)
    with pytest.raises(ValueError, match="wasn't made for native code"):
        Instance(Program(module()), native=True)


def test_without_llvmlite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    with pytest.raises(ImportError, match=r"pip install 'wasmir\[native\]'"):
        Instance(module(), native=True)
