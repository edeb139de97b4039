"""Instances: values, exceptions and traps across the border, limits, modules under rewriting."""

from __future__ import annotations

import json
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tests.modules import assembled
from wasmir import Function, InvalidError, Module, NumType, UnsupportedError, ops, row_of
from wasmir.cli import cli
from wasmir.interp import (
    Bounds,
    Instance,
    LinkError,
    OutOfFuel,
    Program,
    Tag,
    Trap,
    WasmException,
    f32_bits,
    f32_from_bits,
    trace_imports,
)
from wasmir.interp.emit import RULES
from wasmir.isa.table import ROWS, Trait

if TYPE_CHECKING:
    from pathlib import Path


UNSUPPORTED = {"stack-switching", "fp16"}
"""Proposals that aren't finished, and that nothing is there to hold an implementation against."""


def of(text: str) -> Module:
    return Module.from_bytes(assembled(text))


def test_every_row_is_emitted_or_refused_by_name() -> None:
    """Control flow isn't a matter of rules."""
    control = {Trait.OPENS, Trait.SEPARATES, Trait.CLOSES, Trait.BRANCHES}
    missing = {
        row
        for row in ROWS
        if row.name not in RULES and not row.traits & control and row.name != "return"
    }
    assert {row.proposal.name for row in missing} == UNSUPPORTED
    assert set(RULES) <= {row.name for row in ROWS}


def test_what_is_refused_is_named() -> None:
    module = of("""(module (type $f (func)) (type $c (cont $f)) (elem declare func $g) (func $g)
      (func (export "f") (drop (cont.new $c (ref.func $g)))))""")
    with pytest.raises(UnsupportedError, match=r"cont\.new \(stack-switching\)"):
        Instance(module).invoke("f")


def test_values_come_and_go() -> None:
    module = of("""(module
      (func (export "all") (param i32 i64 f32 f64 v128 externref)
        (result i32 i64 f32 f64 v128 externref)
        (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5)))""")
    instance = Instance(module)
    given = (-1, 1 << 63, 0.1, 0.1, bytes(range(16)), instance)
    found = instance.invoke("all", *given)
    assert found[:2] == (-1, -(1 << 63))
    assert found[2] == f32_from_bits(0x3DCCCCCD) != found[3] == 0.1
    assert found[4] == bytes(range(16))
    assert found[5] is instance
    signalling = f32_from_bits(0x7FA00001)
    assert f32_bits(instance.invoke("all", 0, 0, signalling, 0.0, bytes(16), None)[2]) == 0x7FA00001
    with pytest.raises(ValueError, match="out of range"):
        instance.invoke("all", 1 << 32, 0, 0.0, 0.0, bytes(16), None)
    with pytest.raises(TypeError, match="16 bytes"):
        instance.invoke("all", 0, 0, 0.0, 0.0, b"", None)
    with pytest.raises(TypeError, match="6 arguments, not 0"):
        instance.invoke("all")
    with pytest.raises(LinkError, match="no function is exported as 'none'"):
        instance.invoke("none")


THROWS = """(module
  (import "host" "call" (func $call))
  (import "host" "tag" (tag $tag (param i32)))
  (func (export "through") (call $call))
  (func (export "legacy") (result i32)
    try (result i32) (call $call) (i32.const 0) catch $tag catch_all (i32.const -2) end)
  (func (export "again")
    try (call $call) catch_all rethrow 0 end)
  (func (export "exnref") (result exnref)
    block $all (result exnref) (try_table (catch_all_ref $all) (call $call)) unreachable end)
  (func (export "back") (param exnref) (throw_ref (local.get 0)))
  (func (export "throw") (param i32) (throw $tag (local.get 0))))"""


def test_exceptions_keep_their_identity() -> None:
    tag = Tag.of([NumType.I32], "t")
    raised: list[Exception] = [KeyError("k"), WasmException(tag, [-7])]
    current = raised[0]

    def throw() -> None:
        raise current

    instance = Instance(of(THROWS), {"host": {"call": throw, "tag": tag}})
    for current in raised:
        for name in ("through", "again"):
            with pytest.raises(type(current)) as info:
                instance.invoke(name)
            assert info.value is current
        caught = instance.invoke("exnref")
        assert caught is current
        with pytest.raises(type(current)) as info:
            instance.invoke("back", caught)
        assert info.value is current
    assert instance.invoke("legacy") == -7
    current = raised[0]
    assert instance.invoke("legacy") == -2
    with pytest.raises(WasmException) as thrown:
        instance.invoke("throw", -1)
    assert thrown.value.tag is tag
    assert thrown.value.payload == (-1,)


def test_no_handler_sees_a_trap() -> None:
    def trap() -> None:
        raise Trap("of the host")

    instance = Instance(of(THROWS), {"host": {"call": trap, "tag": Tag.of([NumType.I32])}})
    with pytest.raises(Trap, match="of the host"):
        instance.invoke("legacy")


def test_traps_tell_their_place() -> None:
    module = of("""(module (memory 1)
      (func $inner (param i32) (result i32)
        (i32.add (i32.const 1) (i32.load offset=4 (local.get 0))))
      (func (export "outer") (param i32) (result i32) (nop) (call $inner (local.get 0))))""")
    instance = Instance(module)
    assert instance.invoke("outer", 0) == 1
    with pytest.raises(Trap) as info:
        instance.invoke("outer", -1)
    trap = info.value
    assert trap.reason == "out of bounds memory access"
    assert [frame.instruction for frame in trap.frames] == ["i32.load", "call"]
    assert [module.source[frame.offset or 0] for frame in trap.frames] == [0x28, 0x10]
    assert trap.function == trap.frames[0].function
    assert trap.offset == trap.frames[0].offset


def test_deep_recursion_is_a_trap() -> None:
    module = of("""(module
      (import "host" "back" (func $back))
      (func $f (export "f") (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.add (i32.const 1) (call $f (i32.sub (local.get 0) (i32.const 1)))))
          (else (i32.const 0))))
      (func (export "host") (call $back)))""")
    before = sys.getrecursionlimit()
    instance: Instance = Instance(module, {"host": {"back": lambda: instance.invoke("host")}})
    assert instance.invoke("f", 9_000) == 9_000
    for name, args in (("f", (-1,)), ("host", ())):
        with pytest.raises(Trap, match="call stack exhausted"):
            instance.invoke(name, *args)
        assert sys.getrecursionlimit() == before
    few = Instance(module, {"host": {"back": print}}, bounds=Bounds(call_depth=100))
    with pytest.raises(Trap, match="call stack exhausted"):
        few.invoke("f", 1000)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(instance.invoke("f", 5000)))] * 1
    threads.append(threading.Thread(target=lambda: found.append(instance.invoke("f", 5000))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [5000, 5000]
    assert sys.getrecursionlimit() == before


def test_limits() -> None:
    module = of("""(module (memory 1) (table 1 funcref)
      (type $a (array i8))
      (func (export "ever") (loop $l (br $l)))
      (func (export "fill") (param i32) (memory.fill (i32.const 0) (i32.const 1) (local.get 0)))
      (func (export "memory") (result i32) (memory.grow (i32.const 1)))
      (func (export "table") (result i32) (table.grow (ref.null func) (i32.const 10)))
      (func (export "array") (drop (array.new_default $a (i32.const 1000000)))))""")
    bounds = Bounds(memory=100_000, table=5)
    instance = Instance(module, fuel=1000, bounds=bounds)
    with pytest.raises(OutOfFuel):
        instance.invoke("ever")
    instance.fuel = 1000
    with pytest.raises(OutOfFuel):
        instance.invoke("fill", 65536)
    instance.fuel = 100
    assert instance.invoke("memory") == -1
    assert instance.invoke("table") == -1
    instance.fuel = 10_000_000
    with pytest.raises(Trap, match="out of memory"):
        instance.invoke("array")
    assert instance.fuel < 10_000_000
    with pytest.raises(LinkError, match="100 are allowed"):
        Instance(module, bounds=Bounds(memory=100))
    with pytest.raises(ValueError, match="limited fuel"):
        Instance(Program(module), fuel=1)


def test_what_is_invalid_is_not_evaluated() -> None:
    module = of('(module (func (export "f") (result i32) (i32.const 1)))')
    module.functions[0].body.seq.append(ops.i64.const(1))
    with pytest.raises(InvalidError):
        Instance(module)


def test_a_module_under_rewriting() -> None:
    module = of('(module (func (export "f") (result i32) (i32.const 1)))')
    program = Program(module)
    assert Instance(program).invoke("f") == 1
    assert module.functions[0].is_raw
    module.functions[0].body.seq.extend([ops.i32.const(2), ops.i32.add()])
    assert Instance(module).invoke("f") == 3
    module.functions[0].body.seq.append(ops.unreachable())
    with pytest.raises(Trap) as info:
        Instance(module).invoke("f")
    assert info.value.frames[0].instruction == "unreachable"
    assert info.value.offset is None


def test_traces() -> None:
    module = of("""(module (func (export "f") (param i32) (result i32)
      (if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.const 2)))))""")
    seen: list[str] = []

    def trace(_function: Function, instruction: object) -> None:
        seen.append(f"{row_of(instruction)}")  # type: ignore[arg-type]

    instance = Instance(module, trace=trace)
    assert instance.invoke("f", 0) == 2
    assert seen == ["local.get", "if", "i32.const"]


DESCRIBES = """(module
  (import "p" "__describe" (func $d (param i32)))
  (import "env" "invoke_vi" (func $invoke (param i32 i32)))
  (import "env" "__stack_pointer" (global $sp (mut i32)))
  (memory 1) (table 2 funcref) (elem (i32.const 1) $x)
  (func $ctors (export "ctors") (call $d (i32.const 99)))
  (func $x (param i32) (call $d (local.get 0)))
  (func (export "describe_a") (call $ctors)
    (i32.store (i32.sub (global.get $sp) (i32.const 16)) (i32.const 7))
    (call $d (i32.load (i32.sub (global.get $sp) (i32.const 16))))
    (call $invoke (i32.const 1) (i32.const -5)))
  (func (export "describe_b") (call $d (i32.const 1))))"""


def test_imports_are_traced() -> None:
    found = trace_imports(of(DESCRIBES), "describe_*", "__describe", skip=["ctors"])
    assert {name: [each.args[0] for each in calls] for name, calls in found.items()} == {
        "describe_a": [7, -5],
        "describe_b": [1],
    }
    [all_of_a] = trace_imports(of(DESCRIBES), "describe_a").values()
    assert [str(each) for each in all_of_a] == [
        "p.__describe(99)",
        "p.__describe(7)",
        "env.invoke_vi(1, -5)",
        "p.__describe(-5)",
    ]


def test_the_command(tmp_path: Path) -> None:
    module, script = tmp_path / "m.wasm", tmp_path / "host.py"
    module.write_bytes(assembled(DESCRIBES))

    def wasmir(*args: str) -> tuple[int, str]:
        result = CliRunner().invoke(cli, ["exec", str(module), *args])
        return result.exit_code, result.output

    assert wasmir("describe_b", "--trace-imports", "*") == (0, "describe_b:\n  p.__describe(1)\n")
    code, output = wasmir("describe_b", "--trace-imports", "*", "--json")
    assert (code, json.loads(output)) == (0, {"describe_b": [["p", "__describe", [1]]]})
    traced = ("describe_a", "--trace-imports", "*", "--until", "*.invoke_vi", "--skip", "ctors")
    assert wasmir(*traced)[1].splitlines()[1:] == ["  p.__describe(7)", "  env.invoke_vi(1, -5)"]
    code, output = wasmir("describe_b")
    assert (code, "unknown import" in output) == (1, True)
    script.write_text(
        "from wasmir import *\nfrom wasmir.interp import Global\n"
        "sp = Global(GlobalType(NumType.I32, True), 1024)\n"
        "imports = {'p': {'__describe': print},"
        " 'env': {'invoke_vi': print, '__stack_pointer': sp}}\n"
    )
    assert wasmir("describe_b", "--imports", str(script)) == (0, "1\n")
    assert wasmir("describe_b", "1", "--imports", str(script))[0] == 2
    assert wasmir("nothing", "--imports", str(script))[0] == 2
    module.write_bytes(
        assembled("""(module
          (func (export "div") (param i32 i32) (result i32)
            (i32.div_s (local.get 0) (local.get 1)))
          (tag $t) (func (export "throws") (throw $t))
          (func $hidden (result i32) (i32.const 41))
          (func (export "ever") (loop $l (br $l))))""")
    )
    assert wasmir("div", "--", "-7", "0x2") == (0, "-3\n")
    code, output = wasmir("div", "1", "0")
    assert (code, output.startswith("error:"), "integer divide by zero" in output) == (
        1,
        True,
        True,
    )
    assert wasmir("div", "1", "x")[0] == 2
    assert wasmir("hidden") == wasmir("2") == (0, "41\n")
    for more in ((), ("--trace-imports", "*")):
        code, output = wasmir("throws", *more)
        assert (code, "uncaught exception" in output) == (1, True)
    assert wasmir("ever", "--fuel", "1000")[0] == 1


def test_one_local_is_rotated_in_both_widths() -> None:
    module = of("""(module (func (export "f") (param i64) (result i64) (local $x i64)
      (local.set $x (i64.and (local.get 0) (i64.const 0xffffffff)))
      (i64.add
        (i64.extend_i32_u (i32.rotl (i32.wrap_i64 (local.get $x)) (i32.const 4)))
        (i64.rotl (local.get $x) (i64.const 4)))))""")
    value = 0xF0000001
    rotated = (value << 4 | value >> 28) & 0xFFFFFFFF
    assert Instance(module).invoke("f", value) == rotated + (value << 4)


def test_what_is_known_of_a_local_is_forgotten_where_control_meets() -> None:
    module = of("""(module (func (export "f") (param i32) (result i32) (local $x i32)
      (local.set $x (i32.and (local.get 0) (i32.const 7)))
      (loop $again
        (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 0x10001)) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $x) (i32.const 0x20000))))
      (if (i32.and (local.get 0) (i32.const 8))
        (then (local.set $x (i32.and (local.get $x) (i32.const 1))))
        (else (local.set $x (i32.or (local.get $x) (i32.const 0x80000000)))))
      (i32.add (i32.shr_u (local.get $x) (i32.const 4))
               (i32.lt_s (local.get $x) (i32.const 3)))))""")
    instance = Instance(module)
    for given in range(16):
        x = given & 7
        while True:
            x = (x * 0x10001 + 1) & 0xFFFFFFFF
            if x >= 0x20000:
                break
        x = x & 1 if given & 8 else x | 0x80000000
        signed = x - (x >> 31 << 32)
        assert instance.invoke("f", given) == (x >> 4) + (signed < 3)


def test_what_a_local_was_rotated_to_is_forgotten_in_loops() -> None:
    module = of("""(module (func (export "f") (param $x i32) (param $n i32) (result i32)
      (local $h i32)
      (local.set $h (i32.rotl (local.get $x) (i32.const 3)))
      (loop $again
        (local.set $h (i32.xor (local.get $h) (i32.rotl (local.get $x) (i32.const 5))))
        (local.set $x (i32.add (local.get $x) (i32.const 77)))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.get $h)))""")
    x = 0xDEADBEEF
    hashed = (x << 3 | x >> 29) & 0xFFFFFFFF
    for _ in range(4):
        hashed ^= (x << 5 | x >> 27) & 0xFFFFFFFF
        x = (x + 77) & 0xFFFFFFFF
    assert Instance(module).invoke("f", 0xDEADBEEF, 4) & 0xFFFFFFFF == hashed
