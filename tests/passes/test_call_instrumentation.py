"""The passes that put something around calls and memory accesses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.modules import assembled
from tests.passes.test_instrumentation import check, instrumented
from tests.support import validate
from wasmir import Module, PassError, Pipeline, UnsupportedError
from wasmir.interp import Instance, Trap, WasmException

# Stack limit

DEEP = """(module
  (import "m" "again" (func $again (param i32)))
  (tag $e (export "e"))
  (table 2 funcref) (elem (i32.const 0) $down)
  (func $down (export "down") (param i32)
    local.get 0 i32.eqz if return end
    local.get 0 i32.const 1 i32.sub i32.const 0 call_indirect (param i32))
  (func $throw (export "throw") (param i32)
    local.get 0 i32.eqz if throw $e end
    local.get 0 i32.const 1 i32.sub call $throw)
  (func (export "tail") (param i32)
    local.get 0 i32.eqz if return end
    local.get 0 i32.const 1 i32.sub local.set 0
    local.get 0 return_call 4)
  (func (export "tails") (param i32) local.get 0 return_call 3)
  (func (export "host") (param i32) local.get 0 call $again)
  CATCHING)"""
# Not exported, so that nothing but who catches puts anything back.
INNER = """
  (func $inner (param i32)
    local.get 0 i32.eqz if throw $e end
    local.get 0 i32.const 1 i32.sub call $inner)"""
LEGACY = (
    """
  (func $caught (export "caught") (param i32)
    try local.get 0 call $inner
    catch $e
      try i32.const 3 call $inner
      catch_all end
      i32.const 2 call $down
    end)
  (func (export "rethrown") (param i32)
    try local.get 0 call $inner catch_all i32.const 2 call $down rethrow 0 end)"""
    + INNER
    + """
  (func $hidden (param i32)
    try local.get 0 call $inner catch_all i32.const 2 call $down end)
  (func (export "hidden") (param i32) local.get 0 call $hidden)"""
)
EXNREF = (
    """
  (func $caught (export "caught") (param i32) (local i32)
    block $out
      block $landing
        try_table (catch $e $landing) local.get 0 call $inner end
        br $out
      end
      i32.const 2 call $down
      loop $again (param)
        local.get 1 br_if $out
        i32.const 1 local.set 1
        try_table (catch_all $again) i32.const 3 call $inner end
      end
    end
    i32.const 2 call $down
    try_table (catch $e 0) i32.const 0 call $inner end)
  (func (export "rethrown") (param i32)
    block $landing (result exnref)
      try_table (catch_all_ref $landing) local.get 0 call $inner end
      return
    end
    i32.const 2 call $down throw_ref)"""
    + INNER
    + """
  (func $hidden (param i32)
    block $landing
      try_table (catch_all $landing) local.get 0 call $inner end
      return
    end
    i32.const 2 call $down)
  (func (export "hidden") (param i32) local.get 0 call $hidden)"""
)


class Deep:
    """An instance with a limit, whose depth must be 0 whenever nobody is in it."""

    def __init__(self, text: str, pipeline: str) -> None:
        self.module = instrumented(text, pipeline)
        self.instance = Instance(self.module, {"m": {"again": self.again}})
        self.depth = self.instance.exports["__wasmir_depth"]
        self.seen: list[int] = []

    def again(self, argument: int) -> None:
        self.seen.append(self.depth.value)
        try:
            self.instance.invoke("throw", argument)
        except WasmException:
            self.seen.append(self.depth.value)

    def call(self, name: str, argument: int) -> str:
        try:
            self.instance.invoke(name, argument)
        except Trap as trap:
            # Nobody can put it back but the host.
            self.depth.value = 0
            return trap.reason
        except WasmException:
            return "thrown"
        return "returned"


@pytest.mark.parametrize("catching", [LEGACY, EXNREF], ids=["legacy", "exnref"])
def test_stack_limit(catching: str) -> None:
    deep = Deep(DEEP.replace("CATCHING", catching), "stack-limit{limit=7}")
    for name, argument, outcome in [
        ("down", 6, "returned"),
        ("down", 7, "unreachable"),
        ("throw", 6, "thrown"),
        ("throw", 7, "unreachable"),
        ("tail", 100, "returned"),
        ("tails", 100, "returned"),
        ("caught", 5, "returned"),
        ("caught", 6, "unreachable"),
        ("rethrown", 5, "thrown"),
        ("rethrown", 6, "unreachable"),
        ("hidden", 4, "returned"),
        ("hidden", 5, "unreachable"),
        ("host", 3, "returned"),
    ]:
        assert (name, argument, deep.call(name, argument)) == (name, argument, outcome)
        assert deep.depth.value == 0
    assert deep.seen == [1, 1]


@pytest.mark.parametrize("catching", [LEGACY, EXNREF], ids=["legacy", "exnref"])
def test_stack_limit_of_some(catching: str) -> None:
    """Who doesn't count puts the depth back all the same."""
    deep = Deep(
        DEEP.replace("CATCHING", catching), 'stack-limit{limit=7,functions="inner throw down"}'
    )
    for name, argument, outcome in [
        ("caught", 6, "returned"),
        ("caught", 7, "unreachable"),
        ("rethrown", 6, "thrown"),
        ("hidden", 6, "returned"),
        ("hidden", 7, "unreachable"),
        ("host", 3, "returned"),
    ]:
        assert (name, argument, deep.call(name, argument)) == (name, argument, outcome)
        assert deep.depth.value == 0
    assert deep.seen == [0, 0]


def test_stack_limit_without_exception_handling() -> None:
    """An exception that passes through can't be seen; told how to, the pass adds a handler."""
    text = DEEP.replace("CATCHING", "")
    deep = Deep(text, "stack-limit{limit=7}")
    assert deep.call("throw", 3) == "thrown"
    assert deep.depth.value == 4
    for dialect in ("legacy", "exnref"):
        deep = Deep(text, f"stack-limit{{limit=7,dialect={dialect}}}")
        assert deep.call("throw", 3) == "thrown"
        assert deep.depth.value == 0


def test_stack_limit_golden() -> None:
    entry = """global.get $depth local.tee BEFORE i32.const 9 i32.ge_u if unreachable end
      local.get BEFORE i32.const 1 i32.add global.set $depth"""
    own = "local.get BEFORE i32.const 1 i32.add global.set $depth"
    leave = "local.get BEFORE global.set $depth"
    text = """(module (tag $e) IMPORT
      (func $f (param i32) (result i32)
        try (result i32) local.get 0 call $g catch $e i32.const 5 end)
      (func $g (param i32) (result i32) LOCALS BODY))"""
    before = text.replace("IMPORT", "").replace("LOCALS BODY", "local.get 0")
    after = f"""(module (tag $e) (global $depth (mut i32) (i32.const 0))
      (export "__wasmir_depth" (global $depth))
      (func $f (param i32) (result i32) (local i32)
        {entry} try (result i32) local.get 0 call $g catch $e {own} i32.const 5 end {leave})
      (func $g (param i32) (result i32) (local i32) {entry} local.get 0 {leave}))"""
    after = after.replace("BEFORE", "1").replace("$depth", "$__wasmir_depth")
    check(before, "stack-limit{limit=9}", after)


# Memory accesses

MEMORY = """(module
  (import "m" "f" (func (param i32)))
  (memory (export "memory") 1) (memory $wide i64 1) (data $d "abcdef")
  (func (export "store") (param i32) local.get 0 i32.const 5 i32.store offset=8)
  (func (export "load") (param i32) (result f64) local.get 0 f64.load offset=4)
  (func (export "wide") (param i64) (result i64) local.get 0 i64.load8_u $wide offset=1)
  (func (export "fill") (param i32 i32) local.get 0 i32.const 1 local.get 1 memory.fill)
  (func (export "copy") (param i64 i32 i32)
    local.get 0 local.get 1 local.get 2 memory.copy $wide 0)
  (func (export "init") (param i32) local.get 0 i32.const 0 i32.const 3 memory.init $d)
  (func (export "lane") (param i32) (result i32)
    local.get 0 v128.const i32x4 1 2 3 4 v128.load16_lane 5 i32x4.extract_lane 2)
  (func (export "swap") (param i32) (result i64)
    local.get 0 i64.const 7 i64.const 9 i64.atomic.rmw16.cmpxchg_u))"""


def test_check_memory_hook() -> None:
    module = instrumented(MEMORY, 'check-memory{hook="env.access"}')
    told: list[tuple[int, ...]] = []
    instance = Instance(
        module,
        {"m": {"f": lambda _: None}, "env": {"access": lambda *access: told.append(access)}},
    )
    plain = Instance(Module.from_bytes(assembled(MEMORY)), {"m": {"f": lambda _: None}})
    calls: list[tuple[str, tuple[int, ...], list[tuple[int, ...]]]] = [
        ("store", (16,), [(16, 8, 4, 2, 0)]),
        ("load", (20,), [(20, 4, 8, 1, 0)]),
        ("wide", (30,), [(30, 1, 1, 1, 1)]),
        ("fill", (40, 9), [(40, 0, 9, 2, 0)]),
        ("copy", (50, 24, 7), [(50, 0, 7, 2, 1), (24, 0, 7, 1, 0)]),
        ("init", (60,), [(60, 0, 3, 2, 0)]),
        ("lane", (24,), [(24, 0, 2, 1, 0)]),
        ("swap", (32,), [(32, 0, 2, 3, 0)]),
    ]
    for name, args, wanted in calls:
        told.clear()
        assert instance.invoke(name, *args) == plain.invoke(name, *args)
        assert (name, told) == (name, wanted)
    assert instance.exports["memory"].data == plain.exports["memory"].data


def outcome(instance: Instance, name: str, *args: int) -> str:
    try:
        instance.invoke(name, *args)
    except Trap as trap:
        return trap.reason
    return "fine"


def test_check_memory() -> None:
    module = instrumented(MEMORY, "check-memory{low=16,high=256}")
    instance = Instance(module, {"m": {"f": lambda _: None}})
    for name, args, wanted in [
        ("store", (7,), "unreachable"),
        ("store", (8,), "fine"),
        ("store", (244,), "fine"),
        ("store", (245,), "unreachable"),
        ("load", (-4,), "unreachable"),
        ("wide", (15,), "fine"),
        ("wide", (14,), "unreachable"),
        ("wide", (-1,), "unreachable"),
        ("fill", (0, 0), "fine"),
        ("fill", (16, 240), "fine"),
        ("fill", (16, 241), "unreachable"),
        ("copy", (16, 15, 1), "unreachable"),
        ("copy", (15, 16, 1), "unreachable"),
        ("copy", (-1, 16, 5), "unreachable"),
        ("copy", (16, 16, 1), "fine"),
    ]:
        assert (name, args, outcome(instance, name, *args)) == (name, args, wanted)
    instance.exports["__wasmir_memory_low"].value = 0
    instance.exports["__wasmir_memory_high"].value = -1
    # A sum that wrapped around.
    assert outcome(instance, "wide", -1) == "unreachable"
    assert outcome(instance, "store", 0) == "fine"
    assert outcome(instance, "store", -1) == "out of bounds memory access"


def test_check_memory_by_functions() -> None:
    module = instrumented(MEMORY, "check-memory{export=functions}")
    instance = Instance(module, {"m": {"f": lambda _: None}})
    assert instance.invoke("__wasmir_memory_low_get") == 1024
    assert outcome(instance, "store", 8) == "unreachable"
    instance.invoke("__wasmir_memory_low_set", 16)
    assert outcome(instance, "store", 8) == "fine"
    instance.invoke("__wasmir_memory_high_set", 19)
    assert outcome(instance, "store", 8) == "unreachable"


def test_check_memory_by_kind() -> None:
    for where, count in (("loads", 5), ("stores", 5), ("all", 9)):
        module = Module.from_bytes(assembled(MEMORY))
        [report] = Pipeline.parse(f"check-memory{{where={where},low=0}}").run(module)
        # The copy counts twice, an exchange does both.
        assert (where, report.counts["accesses"]) == (where, count)
        assert validate(module.to_bytes()) is None


# Calls

CALLS = """(module
  (import "m" "f" (func $import (param i32 f64)))
  (type $t (func (param i64 externref)))
  (table 1 funcref) (elem (i32.const 0) $g)
  (elem declare func $g)
  (func $f (export "f") (param i32)
    local.get 0 f64.const 2.5 call $import
    i64.const 7 ref.null extern i32.const 0 call_indirect (type $t)
    i64.const 8 ref.null extern ref.func $g call_ref $t
    local.get 0 br_if 0
    i64.const 9 ref.null extern return_call $g)
  (func $g (type $t)))"""


class Log:
    """An instance that tells what it calls."""

    def __init__(self, text: str, pipeline: str) -> None:
        self.told: list[tuple[Any, ...]] = []
        names = ("enter", "leave", "call", "back", "i32", "i64", "f32", "f64")
        self.instance = Instance(
            instrumented(text, pipeline),
            {"m": {"f": lambda *_: None}, "wasmir_log": {name: self.hear(name) for name in names}},
        )

    def hear(self, name: str) -> Any:  # noqa: ANN401 - a function of any type
        return lambda *values: self.told.append((name, *values))

    def call(self, name: str, *args: int) -> list[tuple[Any, ...]]:
        self.told.clear()
        try:
            self.instance.invoke(name, *args)
        except WasmException:
            self.told.append(("thrown",))
        return self.told


def test_log_calls() -> None:
    log = Log(CALLS, "log-calls")
    g = [("enter", 2), ("leave", 2)]
    assert log.call("f", 1) == [("enter", 1), *g, *g, ("leave", 1)]
    assert log.call("f", 0) == [("enter", 1), *g, *g, ("leave", 1), *g]


def test_log_calls_with_arguments() -> None:
    log = Log(CALLS, 'log-calls{arguments,functions="g"}')
    found = [("enter", 2), ("i64", 0, 7), ("leave", 2), ("enter", 2), ("i64", 0, 8), ("leave", 2)]
    assert log.call("f", 1) == found
    log = Log(CALLS, "log-calls{arguments}")
    assert log.call("f", 1) == [("enter", 1), ("i32", 0, 1), *found, ("leave", 1)]


def test_log_call_sites() -> None:
    around = [("call", 1, 0), ("back", 1, 0), ("call", 1, -1), ("back", 1, -1)]
    log = Log(CALLS, "log-calls{where=calls}")
    assert log.call("f", 1) == [*around, *around[2:]]
    assert log.call("f", 0) == [*around, *around[2:], ("call", 1, 2)]
    log = Log(CALLS, "log-calls{where=calls,arguments}")
    assert log.call("f", 0) == [
        *(("call", 1, 0), ("i32", 0, 0), ("f64", 1, 2.5), ("back", 1, 0)),
        *(("call", 1, -1), ("i64", 0, 7), ("back", 1, -1)),
        *(("call", 1, -1), ("i64", 0, 8), ("back", 1, -1)),
        *(("call", 1, 2), ("i64", 0, 9)),
    ]
    log = Log(CALLS, "log-calls{where=calls,functions=m.f}")
    assert log.call("f", 0) == around[:2]


@pytest.mark.parametrize("catching", [LEGACY, EXNREF], ids=["legacy", "exnref"])
def test_log_calls_hears_of_exceptions(catching: str) -> None:
    log = Log(DEEP.replace("CATCHING", catching).replace('"again"', '"f"'), "log-calls")
    # $throw is 2, what catches and throws on is 7.
    assert log.call("throw", 1) == [*[("enter", 2)] * 2, *[("leave", 2)] * 2, ("thrown",)]
    found = log.call("rethrown", 0)
    assert found[:3] == [("enter", 7), ("enter", 8), ("leave", 8)]
    assert found[-2:] == [("leave", 7), ("thrown",)]


def test_log_calls_golden() -> None:
    before = """(module (func $f (param i32) local.get 0 call $g)
      (func $g (param i32) local.get 0 if return end))"""
    after = """(module
      (import "log" "enter" (func $enter (param i32)))
      (import "log" "leave" (func $leave (param i32)))
      (import "log" "i32" (func $i32 (param i32 i32)))
      (func $f (param i32)
        i32.const 0 call $enter i32.const 0 local.get 0 call $i32
        local.get 0 call $g i32.const 0 call $leave)
      (func $g (param i32)
        i32.const 1 call $enter i32.const 0 local.get 0 call $i32
        local.get 0 if i32.const 1 call $leave return end i32.const 1 call $leave))"""
    check(before, "log-calls{arguments,into=log}", after)


# What all have in common


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ("stack-limit{limit=0}", "limit is from 1 to"),
        ("stack-limit{functions=hots}", "did you mean 'host'"),
        ("check-memory{where=load}", "did you mean 'loads'?"),
        ("check-memory{low=-1}", "low is from 0"),
        ("check-memory{low=2,high=1}", "low=2 is above high=1"),
        ("check-memory{hook=.x}", "hook is an import"),
        ("log-calls{where=function}", "did you mean 'functions'?"),
        ("log-calls{where=calls,functions=m.agian}", "did you mean 'm.again'"),
    ],
)
def test_bad_options(pipeline: str, message: str) -> None:
    data = assembled(DEEP.replace("CATCHING", LEGACY))
    module = Module.from_bytes(data)
    with pytest.raises(PassError) as raised:
        Pipeline.parse(pipeline).run(module)
    assert message in str(raised.value)
    assert module.to_bytes() == data


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ("stack-limit,stack-limit", "has a limit already"),
        ("stack-limit{dialect=exnref}", "legacy"),
        ("log-calls{dialect=exnref}", "legacy"),
        ("check-memory,check-memory", "checked already"),
    ],
)
def test_refusals(pipeline: str, message: str) -> None:
    text = DEEP.replace("CATCHING", LEGACY + "(memory 1) (func i32.const 0 i32.load drop)")
    data = assembled(text)
    module = Module.from_bytes(data)
    with pytest.raises(UnsupportedError, match=message):
        Pipeline.parse(pipeline).run(module)
    assert module.to_bytes() == data


@pytest.mark.parametrize(
    "pipeline",
    ["stack-limit", "check-memory", "log-calls", "log-calls{where=calls}", "fuel", "count"],
)
def test_nothing_to_do(pipeline: str) -> None:
    for text in ("(module)", '(module (import "m" "f" (func)) (memory 1))'):
        data = assembled(text)
        module = Module.from_bytes(data)
        Pipeline.parse(pipeline).run(module)
        assert module.to_bytes() == data
