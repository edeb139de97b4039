"""Control flow as a graph: against the code, and against what the interpreter does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from corpus.manifest import find
from tests.modules import assembled
from tests.support import corpus_paths, suite_sample
from wasmir import Loop, Module, UnsupportedError, WasmError, row_of, walk
from wasmir.graph import ControlFlow, FlowBlock
from wasmir.interp import Func, Instance, Program, WasmException
from wasmir.interp.imports import placeholders

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType


def flow_of(body: str, more: str = "") -> ControlFlow:
    module = Module.from_bytes(assembled(f'(module {more} (func (export "f") {body}))'))
    return ControlFlow(module.functions[-1])


def shown(flow: ControlFlow) -> list[str]:
    """Each block's mnemonics, and where it leads to."""
    names = {flow.exit: "exit", flow.uncaught: "uncaught"}

    def name(block: FlowBlock) -> str:
        return names.get(block, str(block.number))

    return [
        f"{' '.join(row_of(item).name for item in block.instructions)} -> "
        + ", ".join(f"{edge} {name(edge.target)}" for edge in block.successors)
        for block in flow.blocks
    ]


# By the code


def check(flow: ControlFlow) -> None:
    """What must hold of the graph of any function."""
    walked = [place.item for place in walk(flow.function.body)]
    inside = [item for block in flow.blocks for item in block.instructions]
    # Each is in exactly one block, and in the order of the code.
    assert list(map(id, walked)) == list(map(id, inside))
    nodes = flow.nodes
    assert [block.number for block in nodes[: len(flow.blocks)]] == list(range(len(flow.blocks)))
    assert len(set(nodes)) == len(nodes)
    for block in nodes:
        assert all(edge.source is block and edge.target in nodes for edge in block.successors)
        assert all(edge.target is block for edge in block.predecessors)
        assert all(edge in edge.target.predecessors for edge in block.successors)
        assert all(edge in edge.source.successors for edge in block.predecessors)
        assert (
            block.instructions or block in (flow.entry, *nodes[len(flow.blocks) :]) or block.handler
        )
        kinds = [edge.kind for edge in block.successors if not edge.is_exception]
        assert len(kinds) == len(set(kinds)) or set(kinds) <= {"case", "suspend", "next"}
        assert set(kinds) in (
            set(),
            {"next"},
            {"branch"},
            {"return"},
            {"true", "false"},
            {"branch", "next"},
            {"branch", "return"},
            {"case"},
            {"suspend", "next"},
        ), kinds
        # What leaves a block is its last instruction.
        for item in block.instructions[:-1]:
            assert row_of(item).name not in ("br", "br_if", "br_table", "if", "throw", "rethrow")
    assert not flow.exit.successors
    assert flow.entry in flow.reachable()


@pytest.mark.parametrize("path", corpus_paths(), ids=lambda path: path.stem)
def test_all_of_the_corpus(path: Path) -> None:
    for function in Module.from_file(path).functions:
        if function.imported is None:
            check(ControlFlow(function))


def test_modules_of_the_suite() -> None:
    """Every proposal that there is."""
    for module in suite_sample(20):
        for function in module.functions:
            if function.imported is None:
                check(ControlFlow(function))


CASES: dict[str, tuple[str, list[str]]] = {
    "nothing": ("", [" -> return exit"]),
    "straight": ("(nop) (nop)", ["nop nop -> return exit"]),
    "block that nobody branches to": ("(block (nop)) (nop)", ["block nop nop -> return exit"]),
    "if": (
        "(if (i32.const 0) (then (nop)) (else (return))) (drop (i32.const 1))",
        [
            "i32.const if -> true 1, false 2",
            "nop -> next 3",
            "return -> return exit",
            "i32.const drop -> return exit",
        ],
    ),
    "if without else": (
        "(if (i32.const 0) (then (nop)))",
        ["i32.const if -> true 1, false exit", "nop -> return exit"],
    ),
    "loop": (
        "(loop (br_if 0 (i32.const 0)) (br_if 1 (i32.const 0)) (br 0))",
        [
            "loop i32.const br_if -> branch 0, next 1",
            "i32.const br_if -> branch exit, next 2",
            "br -> branch 0",
        ],
    ),
    "br_table": (
        "(block (block (br_table 0 1 0 2 1 (i32.const 0))) (nop)) (nop)",
        [
            "block block i32.const br_table -> 0, 2 1, 1, default 2, 3 exit",
            "nop -> next 2",
            "nop -> return exit",
        ],
    ),
    "dead code": ("(unreachable) (nop)", ["unreachable -> ", "nop -> return exit"]),
    "throw": ("(throw 0)", ["throw -> throw uncaught"]),
    "call without handlers": ("(call 0) (nop)", ["call nop -> return exit"]),
    "legacy": (
        "try call 0 nop catch 0 call 0 catch_all end nop",
        [
            "try call -> catch 0 2, catch_all 3, next 1",
            "nop -> next 4",
            "call -> next 4",
            " -> next 4",
            "nop -> return exit",
        ],
    ),
    "only some tags": (
        "try throw 1 catch 0 catch 1 nop catch_all end",
        ["try throw -> catch 1 2", " -> return exit", "nop -> return exit", " -> return exit"],
    ),
    "no handler fits": (
        "try throw 1 catch 0 end",
        ["try throw -> throw uncaught", " -> return exit"],
    ),
    "rethrow": (
        "try try call 0 catch_all rethrow 0 end catch 0 nop end",
        [
            "try try call -> catch_all 1, return exit",
            "rethrow -> catch 0 2, throw uncaught",
            "nop -> return exit",
        ],
    ),
    "delegate": (
        "try try try call 0 delegate 1 catch_all nop end catch_all end",
        [
            "try try try call -> catch_all 2, return exit",
            "nop -> return exit",
            " -> return exit",
        ],
    ),
    "delegate to the function": (
        "try try throw 0 delegate 1 catch_all end",
        ["try try throw -> throw uncaught", " -> return exit"],
    ),
    "delegate in a handler": (
        "try catch_all try throw 0 delegate 0 end",
        ["try -> return exit", "try throw -> throw uncaught"],
    ),
    "exnref": (
        "(block (try_table (catch_all 0) (call 0) (nop)) (nop))",
        ["block try_table call -> catch_all exit, next 1", "nop nop -> return exit"],
    ),
    "caught by a loop": (
        "(loop (try_table (catch_all 0) (call 0)))",
        ["loop try_table call -> catch_all 0, return exit"],
    ),
    "tail call": (
        "(try_table (catch_all 0) (return_call 0))",
        ["try_table return_call -> return exit"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_shapes(name: str) -> None:
    body, wanted = CASES[name]
    flow = flow_of(body, "(func) (tag) (tag)")
    check(flow)
    assert shown(flow) == wanted


def test_tags_that_may_be_the_same() -> None:
    """Two imports may be one tag; an import is never what the module defines."""
    tags = '(import "" "a" (tag)) (import "" "b" (tag)) (tag)'
    flow = flow_of("try throw 0 catch 1 catch 2 catch 0 end", tags)
    assert [str(edge) for edge in flow.entry.successors] == ["catch 1", "catch 0"]


def test_what_cannot_be_reached() -> None:
    flow = flow_of("(return) (nop) (block (br 0))")
    assert [block.number for block in flow.blocks if block not in flow.reachable()] == [1]
    assert flow.exit in flow.reachable()


def test_imports_have_none() -> None:
    module = Module.from_bytes(assembled('(module (import "" "f" (func)))'))
    with pytest.raises(UnsupportedError):
        ControlFlow(module.functions[0])


def test_deep_nests() -> None:
    depth = 20_000
    module = Module()
    function = module.add_function(module.func_type())
    function._code = b"\0" + b"\x02\x40" * depth + b"\x0c\x00" + b"\x0b" * (depth + 1)
    check(ControlFlow(function))


# By what is executed


class Follower:
    """Hears of each instruction that is executed, and asks the graph whether that may be."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.flows: dict[int, tuple[list[tuple[FlowBlock, int]], FlowBlock]] = {}
        # Of each call that goes on: its frame, which is kept so that no other takes its place.
        self.last: dict[int, tuple[FrameType, int]] = {}
        self.steps = 0
        self.caught = 0

    def __call__(self, number: int, ordinal: int) -> None:
        frame = sys._getframe(1)
        places, entry = self.flow(number)
        known = self.last.get(id(frame))
        block, at = places[ordinal]
        if at == 1 and isinstance(block.instructions[0], Loop) and known and known[1] >= ordinal:
            # The interpreter goes back to what is behind the `loop`.
            at = 0
        if known is None:
            assert at == 0
            assert self.leads([entry], block)
        else:
            before, at_before = places[known[1]]
            if before is block and at == at_before + 1:
                pass
            else:
                assert at == 0, (number, known[1], ordinal)
                assert at_before == len(before.instructions) - 1
                assert self.leads([edge.target for edge in before.successors], block)
                self.caught += any(
                    edge.is_exception and edge.target is block for edge in before.successors
                )
        self.last[id(frame)] = frame, ordinal
        self.steps += 1

    def flow(self, number: int) -> tuple[list[tuple[FlowBlock, int]], FlowBlock]:
        found = self.flows.get(number)
        if found is None:
            flow = ControlFlow(self.module.functions[number])
            places = [(block, at) for block in flow.blocks for at in range(len(block.instructions))]
            found = self.flows[number] = places, flow.entry
        return found

    def leads(self, blocks: list[FlowBlock], wanted: FlowBlock) -> bool:
        """Whether a block is among some, or behind those without instructions."""
        pending = list(blocks)
        while pending:
            block = pending.pop()
            if block is wanted:
                return True
            if not block.instructions:
                pending += [edge.target for edge in block.successors]
        return False


def follow(path: Path) -> Follower:
    """Call everything that can be called, with all sorts of numbers."""
    module = Module.from_file(path)
    follower = Follower(Module.from_file(path))
    program = Program(module, fuel=True, trace=True)
    for function in module.exports:
        for value in (0, 1, 2, 3, 7, -1):
            imports, begin = placeholders(program, lambda *_: None)
            instance = Instance(program, imports, fuel=3000, trace=lambda *_: None)
            begin(instance)
            instance._space["trace"] = follower
            called = instance.exports.get(function.name)
            if isinstance(called, Func):
                follower.last.clear()
                run(called, value)
    return follower


def run(called: Any, value: int) -> None:  # noqa: ANN401 - an export
    try:
        called(*[value] * len(called.type.params))
    except (WasmError, WasmException, TypeError, ValueError):
        # Whatever comes of it; what was executed before that is what is wanted.
        return


@pytest.mark.parametrize(
    "name",
    [
        "cpp-legacy-O2",
        "cpp-exnref-O2",
        "cpp-legacy-O0",
        "cpp-handling-legacy-O2",
        "legacy-shapes-try",
        "legacy-shapes-rethrow",
        "exnref",
    ],
)
def test_what_is_executed_follows_the_edges(name: str) -> None:
    follower = follow(find(name).path)
    assert follower.steps > 100
    if "cpp" not in name or "handling" in name:
        assert follower.caught
