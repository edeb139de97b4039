"""Inlined code does what a call did, wherever it is put."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from corpus.manifest import Module as Entry
from corpus.manifest import modules
from tests.modules import assembled
from tests.support import validate
from wasmir import (
    EXTERNREF,
    F32,
    I32,
    I64,
    V128,
    Concrete,
    Function,
    FunctionBuilder,
    GlobalType,
    Injector,
    Instr,
    Module,
    RefType,
    UnsupportedError,
    ops,
    walk,
)
from wasmir.interp import Instance, Trap
from wasmir.types import AbstractHeap

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir import ValType

CALLEES = """(module
  (type $pair (func (param i32) (result i32 i32)))
  (func $plain (param $x i32) (param $y i32) (result i32)
    (i32.sub (local.get $x) (local.get $y)))
  (func $ignores (param $x i32) (param $y i32) (result i32) (i32.const 9))
  (func $early (param $x i32) (param $y i32) (result i32)
    (if (i32.eqz (local.get $x)) (then (i32.const 1) (return (i32.const 100))))
    (block (br_if 1 (i32.const 7) (local.get $y)) drop)
    (i32.const 8))
  (func $table (param $x i32) (param $y i32) (result i32)
    (i32.const 5)
    (br_table 0 0 (local.get $x)))
  (func $counts (param $x i32) (param $y i32) (result i32) (local $sum i32) (local $unused f64)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (local.get $y)))
      (br_if $again (i32.gt_s (local.tee $x (i32.sub (local.get $x) (i32.const 1))) (i32.const 0))))
    (local.get $sum))
  (func $tail (param $x i32) (param $y i32) (result i32)
    (return_call $plain (local.get $y) (local.get $x)))
  (func $tail_indirect (param $x i32) (param $y i32) (result i32)
    (return_call_indirect (param i32 i32) (result i32)
      (local.get $x) (local.get $y) (i32.const 0)))
  (type $two (func (param i32 i32) (result i32)))
  (elem declare func $throws)
  (func $throws (param $x i32) (param $y i32) (result i32)
    (if (local.get $x) (then (throw $e (local.get $y))))
    (i32.const 5))
  (func $tail_caught (param $x i32) (param $y i32) (result i32)
    try (result i32)
      (if (i32.eq (local.get $x) (i32.const 1))
        (then (return_call $throws (local.get $x) (local.get $y))))
      (if (i32.eq (local.get $x) (i32.const 2))
        (then (return_call_indirect (type $two)
          (local.get $x) (local.get $y) (i32.const 1))))
      (if (i32.eqz (local.get $x))
        (then (return_call $throws (local.get $y) (local.get $x))))
      (return_call_ref $two (local.get $x) (local.get $y) (ref.func $throws))
    catch_all
      (i32.const 77)
    end)
  (func $tail_caught_or_not (param $x i32) (param $y i32) (result i32)
    try (result i32)
      (if (local.get $x) (then (return_call $throws (local.get $x) (local.get $y))))
      (call $throws (local.get $y) (local.get $y))
    catch $e
      (return_call $throws (i32.const 0))
    end)
  (func $traps (param $x i32) (param $y i32) (result i32)
    (i32.div_s (local.get $x) (local.get $y)))
  (func $delegates (param $x i32) (param $y i32) (result i32)
    try $t (if (local.get $x) (then (throw $e (local.get $y)))) delegate 0
    (i32.const 3))
  (func $never (param $x i32) (param $y i32) (result i32) unreachable)
  (tag $e (param i32))
  (table funcref (elem $plain $throws))
  (func $host (param $x i32) (param $n i32) (result i32) (local $total i32)
    (loop $again
      try
        (local.set $total (i32.add (local.get $total) (call CALLEE (local.get $x) (local.get $n))))
      catch $e
        drop
        (local.set $total (i32.add (local.get $total) (i32.const 1000)))
      end
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $total))
  (export "host" (func $host)))"""

NAMES = [
    "plain",
    "ignores",
    "early",
    "table",
    "counts",
    "tail",
    "tail_indirect",
    "tail_caught",
    "tail_caught_or_not",
    "traps",
    "delegates",
    "never",
]


def answers(module: Module) -> list[object]:
    found: list[object] = []
    for x in (0, 1, 2, -3):
        for n in (1, 3):
            try:
                found.append(Instance(module, {}).invoke("host", x, n))
            except Trap as trap:
                found.append(trap.reason)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_calls_are_replaced(name: str) -> None:
    data = assembled(CALLEES.replace("CALLEE", f"${name}"))
    before = answers(Module.from_bytes(data))
    module = Module.from_bytes(data)
    callee, host = (named(module, each) for each in (name, "host"))
    code = callee.code
    for place in walk(host.body):
        if place.item == ops.call(callee):
            place.replace(callee)
    assert all(place.item != ops.call(callee) for place in walk(host.body))
    assert not callee.is_open
    assert callee.code == code
    assert validate(module.to_bytes()) is None
    assert answers(Module.from_bytes(module.to_bytes())) == before


def named(module: Module, name: str) -> Function:
    function = module.functions.named(name)
    assert function is not None
    return function


def test_locals_keep_their_names_and_only_what_is_used_is_declared() -> None:
    module = Module.from_bytes(assembled(CALLEES.replace("CALLEE", "$counts")))
    host = named(module, "host")
    items = host.body.inlined(named(module, "counts"))
    assert host.local_groups == [(1, I32), (1, I32), (1, I32), (1, I32)]
    assert host.local_names == {0: "x", 1: "n", 2: "total", 3: "x", 4: "y", 5: "sum"}
    # Parameters from the stack, and the local that is read first.
    assert items[:4] == [
        ops.local.set(4),
        ops.local.set(3),
        ops.i32.const(0),
        ops.local.set(5),
    ]
    [ignored] = [named(module, "ignores")]
    assert host.body.inlined(ignored) == [ops.drop(), ops.drop(), ops.i32.const(9)]


def test_recursion() -> None:
    module = Module()
    with module.build("count", {"n": I32}, [I32], exported="count") as f:
        (n,) = f.params
        f.local.get(n).i32.eqz()
        with f.if_():
            f.i32.const(0).return_()
        f.local.get(n).i32.const(1).i32.sub().call(f.function).i32.const(1).i32.add()
    for _ in range(2):
        for place in walk(f.function.body):
            if place.item == ops.call(f.function):
                place.replace(f.function)
    assert validate(module.to_bytes()) is None
    assert Instance(module, {}).invoke("count", 10) == 10


def test_snippets() -> None:
    module = Module()
    clamped = module.snippet({"value": I32, "most": I32}, [I32])
    with clamped as s:
        value, most = s.params
        s.local.get(value).local.get(most).i32.gt_s()
        with s.if_():
            s.local.get(most).return_()
        s.local.get(value)
    with module.build("f", {"x": I32}, [I32], exported="f") as f:
        f.local.get(f.params[0]).i32.const(10).inline(clamped)
        f.i32.const(100).i32.mul()
    host = f.function
    assert list(module.functions) == [host]
    assert validate(module.to_bytes()) is None
    assert [Instance(module, {}).invoke("f", x) for x in (3, 30)] == [300, 1000]
    last = list(walk(host.body))[-1]
    last.insert_after(clamped)
    last.insert_after([ops.i32.const(400)])
    assert host.local_names == {0: "x", 1: "value", 2: "most", 3: "value", 4: "most"}
    assert validate(module.to_bytes()) is None
    assert [Instance(module, {}).invoke("f", x) for x in (3, 30)] == [300, 400]


def test_snippets_are_injected() -> None:
    """Wherever the function is left, with locals of their own."""
    module = Module()
    total = module.add_global(GlobalType(I32, mutable=True), module.const(ops.i32.const(0)))
    with module.snippet() as snippet:
        seen = snippet.local(I32, "seen")
        snippet.global_.get(total).i32.const(1).i32.add().local.tee(seen).global_.set(total)
    with module.build("f", {"x": I32}, [I32], exported="f") as f:
        f.local.get(0)
        with f.if_():
            f.i32.const(5).return_()
        f.global_.get(total)
    with Injector(module).probe(f.function) as probe:
        probe.exit(lambda: f.function.body.inlined(snippet))
    assert f.function.local_names == {0: "x", 1: "seen", 2: "seen"}
    assert validate(module.to_bytes()) is None
    instance = Instance(module, {})
    assert [instance.invoke("f", x) for x in (0, 1, 0)] == [0, 5, 2]


def test_locals_of_every_type_begin_anew() -> None:
    module = Module()
    struct = module.func_type()
    types: list[ValType] = [I32, I64, F32, V128, EXTERNREF, RefType(True, Concrete(struct))]
    snippet = module.snippet()
    with snippet as s:
        for type_ in types:
            s.local.get(s.local(type_)).drop()
        never_null = s.local(RefType(False, AbstractHeap.FUNC))
        with s.block():
            s.ref.func(s.module.add_function(struct)).local.set(never_null)
            s.local.get(never_null).drop()
    with module.build() as f:
        f.inline(snippet)
    assert f.function.body.seq[1:12:2] == [ops.local.set(at) for at in range(6)]
    assert validate(module.to_bytes()) is None


def test_constant_expressions() -> None:
    module = Module()
    base = module.add_global(GlobalType(I32, mutable=False), module.const(ops.i32.const(40)))
    snippet = module.snippet(results=[I32])
    with snippet as s:
        s.global_.get(base).i32.const(2).i32.add()
    module.add_global(GlobalType(I32, mutable=False), snippet.const(), exported="answer")
    assert validate(module.to_bytes()) is None
    assert Instance(module, {}).exports["answer"].value == 42


REFUSED: dict[str, tuple[Callable[[FunctionBuilder], object], str]] = {
    "load": (lambda s: s.i32.const(1).i32.load(), r"i32\.load can't be part of"),
    "local": (lambda s: s.local(I32), "has no locals"),
    "node": (lambda s: s.i32.const(1).br(s.body), "br can't be part of"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_constant(name: str) -> None:
    build, message = REFUSED[name]
    snippet = Module().snippet(results=[I32])
    with snippet as s:
        build(s)
    with pytest.raises(ValueError, match=message):
        snippet.const()


def test_what_cannot_be_inlined() -> None:
    module, other = Module(), Module()
    with module.build() as f:
        snippet = module.snippet()
        with pytest.raises(ValueError, match="the snippet isn't finished"):
            f.inline(snippet)
        with pytest.raises(RuntimeError), snippet:
            raise RuntimeError
        with pytest.raises(ValueError, match="the snippet isn't finished"):
            f.inline(snippet)
        with pytest.raises(ValueError, match=r"<function \(being built\)> can't be inlined"):
            f.inline(f.function)
        with pytest.raises(ValueError, match="is part of another module"):
            f.inline(other.snippet())
    with pytest.raises(ValueError, match="is part of another module"):
        f.function.body.inlined(other.add_function(other.func_type()))
    imported = module.import_function("env", "f", module.func_type())
    with pytest.raises(UnsupportedError, match="an imported function has no body"):
        f.function.body.inlined(imported)


@pytest.mark.parametrize("entry", modules(), ids=lambda entry: entry.name)
def test_corpus_calls(entry: Entry) -> None:
    """One call in each function is replaced, of a function that isn't too large."""
    module = Module.from_bytes(entry.path.read_bytes())
    before = [function.code for function in module.functions if function.imported is None]
    replaced = 0
    for function in module.functions:
        if function.imported is not None:
            continue
        for place in walk(function.body):
            match place.item:
                case Instr("call", (callee,)) if len(callee.code) < 2000 and not callee.imported:
                    place.replace(callee)
                    replaced += 1
                    break
    assert validate(module.to_bytes(keep_stale=True)) is None
    after = [function.code for function in module.functions if function.imported is None]
    assert sum(a != b for a, b in zip(before, after, strict=True)) == replaced
