"""A wrapper is called wherever what it is around was, and calls that itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from corpus.manifest import Module as Entry
from corpus.manifest import modules
from tests.modules import assembled
from tests.support import validate
from wasmir import Function, Module
from wasmir.interp import Instance

if TYPE_CHECKING:
    from wasmir import FunctionBuilder

USERS = """(module
  (type $t (func (param i32) (result i32)))
  (import "env" "note" (func $note (param i32)))
  (import "env" "given" (func $given (type $t)))
  (table $table (export "table") 2 funcref)
  (elem (table $table) (i32.const 0) funcref (ref.func $down))
  (elem (table $table) (i32.const 1) func $given)
  (global $kept (export "kept") funcref (ref.func $down))
  (export "down" (func $down))
  (export "given" (func $given))
  (start $begin)
  (func $begin (drop (call $down (i32.const 0))))
  (func $down (type $t) (param $n i32) (result i32)
    (if (result i32) (local.get $n)
      (then (i32.add (i32.const 1) (call $down (i32.sub (local.get $n) (i32.const 1)))))
      (else (i32.const 0))))
  (func (export "tail") (type $t) (return_call $down (local.get 0)))
  (func (export "by_table") (type $t) (call_indirect (type $t) (local.get 0) (i32.const 0)))
  (func (export "by_reference") (type $t)
    (table.set $table (i32.const 1) (ref.func $down))
    (call_indirect (type $t) (local.get 0) (i32.const 1)))
  (func (export "twice") (type $t) (call $given (call $given (local.get 0)))))"""


def opened() -> Module:
    return Module.from_bytes(assembled(USERS))


def named(module: Module, name: str) -> Function:
    function = module.functions.named(name)
    assert function is not None
    return function


def noting(builder: FunctionBuilder, module: Module, around: Function) -> None:
    (n,) = builder.params
    builder.local.get(n).call(named(module, "note")).local.get(n).call(around)


def calls(module: Module, name: str, argument: int) -> tuple[object, list[int]]:
    """What a call gives, and what was noted during it."""
    noted: list[int] = []
    imports = {"env": {"note": noted.append, "given": lambda n: n + 10}}
    instance = Instance(module, imports)
    noted.clear()
    return instance.invoke(name, argument), noted


@pytest.mark.parametrize("name", ["down", "tail", "by_table", "by_reference"])
def test_all_users(name: str) -> None:
    module = opened()
    before = module.functions[-1].code
    down = named(module, "down")
    with down.wrap("noting") as wrapper:
        noting(wrapper, module, down)
    data = module.to_bytes()
    assert validate(data) is None
    again = Module.from_bytes(data)
    assert calls(again, name, 2) == (2, [2, 1, 0])
    assert named(again, "noting") is again.functions[-1]
    assert again.functions[-1].local_names == {0: "n"}
    assert again.functions[-2].code == before


def test_the_start_function() -> None:
    module = opened()
    begin = named(module, "begin")
    with begin.wrap() as wrapper:
        wrapper.i32.const(77).call(named(module, "note")).call(begin)
    noted: list[int] = []
    Instance(module, {"env": {"note": noted.append, "given": abs}})
    assert noted == [77]
    assert module.start is wrapper.function


def test_an_import() -> None:
    module = opened()
    given = named(module, "given")
    with given.wrap() as wrapper:
        noting(wrapper, module, given)
    assert validate(module.to_bytes()) is None
    assert calls(module, "twice", 1) == (21, [1, 11])
    assert calls(module, "given", 1) == (11, [1])
    assert module.elements[1].items == [wrapper.function]


def test_exports_stay_if_asked() -> None:
    module = opened()
    down = named(module, "down")
    with down.wrap(exports=False) as wrapper:
        noting(wrapper, module, down)
    assert calls(module, "down", 2) == (2, [1, 0])
    assert calls(module, "tail", 2) == (2, [2, 1, 0])


def test_wrappers_of_wrappers() -> None:
    module = opened()
    down = named(module, "down")
    around = down
    for _ in range(3):
        with around.wrap() as wrapper:
            noting(wrapper, module, around)
        around = wrapper.function
    assert calls(module, "down", 1) == (1, [1, 1, 1, 0, 0, 0])
    assert module.exports.find("down") is not None
    assert [export.entity for export in module.exports if export.name == "down"] == [around]


def test_an_exception_leaves_all_as_it_was() -> None:
    module = opened()
    wrapper = named(module, "down").wrap()
    with pytest.raises(ZeroDivisionError), wrapper:
        divide(wrapper)
    assert module.to_bytes() == module.source


def divide(builder: FunctionBuilder) -> None:
    builder.i32.const(1 // 0)


@pytest.mark.parametrize("entry", modules(), ids=lambda entry: entry.name)
def test_corpus(entry: Entry) -> None:
    """Some functions, imports as well, get a wrapper that does nothing else."""
    module = Module.from_bytes(entry.path.read_bytes())
    for function in module.functions[:: max(1, len(module.functions) // 3)]:
        with function.wrap() as wrapper:
            for local in wrapper.params:
                wrapper.local.get(local)
            wrapper.call(function)
    assert validate(module.to_bytes(keep_stale=True)) is None
