"""Who calls whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.modules import assembled
from tests.modules import module as small
from tests.support import corpus_paths
from wasmir import InvalidError, Module, ops, row_of, walk
from wasmir.graph import CallGraph
from wasmir.isa.table import Trait

if TYPE_CHECKING:
    from pathlib import Path


TEXT = """(module
  (import "m" "i" (func $i))
  (table 1 funcref) (elem declare func $d)
  (func $a (call $b) (call $b) (call $i))
  (func $b (call $c))
  (func $c (return_call $b))
  (func $d (drop (ref.func $d)) (call_indirect (i32.const 0)))
  (func $e (call $a)))"""


def names(graph: CallGraph) -> str:
    return "".join(str(function.name) for function in graph.functions)


def calls(graph: CallGraph) -> list[str]:
    return [f"{each.caller.name}{each.callee.name} {each.kind}" for each in graph.calls]


def test_all_calls() -> None:
    graph = CallGraph.of(Module.from_bytes(assembled(TEXT)))
    assert names(graph) == "iabcde"
    assert calls(graph) == [
        "ai call",
        "ab call",
        "bc call",
        "cb call",
        "dd reference",
        "ea call",
    ]
    assert [each.name for each in graph.indirect] == ["d"]


def test_calls_from_roots() -> None:
    module = Module.from_bytes(assembled(TEXT))
    a, b, e = (module.functions.named(name) for name in "abe")
    assert a is not None
    assert b is not None
    assert e is not None
    assert names(CallGraph.of(module, [b])) == "bc"
    assert names(CallGraph.of(module, [e], 0)) == "e"
    assert names(CallGraph.of(module, [e], 1)) == "ae"
    assert names(CallGraph.of(module, [e, e], 2)) == "iabe"
    assert names(CallGraph.of(module, [e])) == "iabce"
    assert calls(CallGraph.of(module, [e], 1)) == ["ea call"]
    assert names(CallGraph.of(module, [])) == ""


@pytest.mark.parametrize("path", corpus_paths(), ids=lambda path: path.stem)
def test_calls_are_those_of_the_trees(path: Path) -> None:
    module = Module.from_file(path)
    graph = CallGraph.of(module)
    found = set()
    for function in module.functions:
        for place in walk(function.body) if function.imported is None else ():
            row = row_of(place.item)
            if Trait.CALLS in row.traits and row.immediates[0].kind.space == "func":
                found.add((function, place.item.immediates[0]))  # type: ignore[union-attr]
    assert {(each.caller, each.callee) for each in graph.calls if each.kind == "call"} == found


def test_modules_as_they_are_in_memory() -> None:
    module = Module.from_bytes(assembled(TEXT))
    new = module.import_function("m", "new", module.func_type())
    e = module.functions.named("e")
    assert e is not None
    e.body.seq.append(ops.call(new))
    assert next(iter(CallGraph.of(module, [e], 1).calls)).callee is new
    wrong = Module.from_bytes(small(b"\0\x10\x09\x0b"))
    with pytest.raises(InvalidError, match="unknown function 9"):
        CallGraph.of(wrong)
