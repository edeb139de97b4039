"""Injection: what each mode makes of small functions, and what runs when."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest

from tests.modules import assembled
from tests.support import validate
from wasmir import (
    Block,
    Branch,
    BrIf,
    FuncType,
    Injector,
    Loop,
    Mode,
    Module,
    NumType,
    Place,
    Probe,
    RawInstr,
    Structured,
    TryTable,
    UnsupportedError,
    exception_dialect,
    instructions,
    ops,
)
from wasmir.interp import Instance, Trap, WasmException

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir import Item, Label

MODULE = """(module
  (import "m" "log" (func $log (param i32)))
  (tag $e) (tag $i (param i32))
  (func $raise throw $e)
  (func $two (result i32 i64) i32.const 1 i64.const 2)
  (func (export "f") {}))"""


def module_with(code: str) -> Module:
    return Module.from_bytes(assembled(MODULE.format(code)))


def log(module: Module, value: int) -> list[Item]:
    return [ops.i32.const(value), ops.call(module.functions[0])]


Log: TypeAlias = "Callable[[int], list[Item]]"


def check(code: str, wanted: str, steps: list[Callable[[Probe, Log], None]]) -> None:
    """What injecting makes of a function; ``L1`` stands for logging 1."""
    module = module_with(code)
    function = module.functions[-1]
    before = function.code
    with Probe(function) as probe:
        for step in steps:
            step(probe, lambda value: log(module, value))
    assert function.code != before
    for value in range(10):
        wanted = wanted.replace(f"L{value}", f"i32.const {value} call $log")
    written = module.to_bytes()
    assert validate(written) is None, module.functions[-1].wat()
    # The module that the text means may have its types in another order.
    text = Module.from_bytes(written).functions[-1].wat(names=False)
    expected = Module.from_bytes(assembled(MODULE.format(wanted))).functions[-1].wat(names=False)
    assert body_of(text) == body_of(expected)


def body_of(text: str) -> list[str]:
    return [line for line in text.splitlines()[1:] if "(type" not in line]


def nth(probe: Probe, name: str, number: int = 0) -> Place:
    return [place for place in probe.places() if place.row.name == name][number]


def label(place: Place) -> Label:
    """The first label that the instruction goes to."""
    if isinstance(place.item, TryTable):
        return place.item.clauses[0].label
    assert isinstance(place.item, Branch)
    return place.item.labels[0]


def items(place: Place, number: int) -> list[Item]:
    """A list of items of the block."""
    assert isinstance(place.item, Structured)
    return place.item.sequences()[number]


CASES: dict[str, tuple[str, str, list[Callable[[Probe, Log], None]]]] = {
    "entry": (
        "(local i32) nop",
        "(local i32) L1 L2 nop",
        [lambda p, log: p.entry(log(1)), lambda p, log: p.entry(log(2))],
    ),
    "around": (
        "nop drop_me nop".replace("drop_me", "i32.const 5 drop"),
        "nop L1 L2 i32.const 5 L3 L4 drop nop",
        [
            lambda p, log: p.before(nth(p, "i32.const"), log(1)),
            lambda p, log: p.after(nth(p, "i32.const"), log(3)),
            lambda p, log: p.before(nth(p, "i32.const"), log(2)),
            lambda p, log: p.after(nth(p, "i32.const"), log(4)),
        ],
    ),
    "instead": (
        "i32.const 5 drop",
        "L1 L3 i32.const 6 L2 drop",
        [
            lambda p, log: p.alternate(nth(p, "i32.const"), [*log(3), ops.i32.const(6)]),
            lambda p, log: p.before(nth(p, "i32.const"), log(1)),
            lambda p, log: p.after(nth(p, "i32.const"), log(2)),
        ],
    ),
    "a whole block instead": (
        "nop block nop nop end nop",
        "nop L1 nop",
        [lambda p, log: p.alternate(nth(p, "block"), log(1))],
    ),
    "behind a block": (
        "(param i32) block local.get 0 br_if 0 nop end",
        "(param i32) block local.get 0 br_if 0 nop end L1",
        [lambda p, log: p.after(nth(p, "block"), log(1))],
    ),
    "exit": (
        "(param i32) (result i32) local.get 0 if i32.const 1 return end i32.const 2",
        "(param i32) (result i32) local.get 0 if i32.const 1 L1 return end i32.const 2 L1",
        [lambda p, log: p.exit(log(1))],
    ),
    "exit by branches": (
        "(param i32) (result i32) block i32.const 1 br 1 end i32.const 3 local.get 0 br_if 0",
        """(param i32) (result i32)
          block (result i32)
            block i32.const 1 L1 br 2 end i32.const 3 local.get 0 br_if 0 L1 br 1
          end
          L1""",
        [lambda p, log: p.exit(log(1))],
    ),
    "exit by a tail call, and never": (
        "(param i32) (result i32 i64) local.get 0 if return_call $two end unreachable",
        "(param i32) (result i32 i64) local.get 0 if L1 return_call $two end unreachable",
        [lambda p, log: p.exit(log(1))],
    ),
    "exit with exnref": (
        "(param i32) (result i32) local.get 0 if i32.const 1 return end i32.const 2",
        """(param i32) (result i32)
          L2
          block (result i32)
            block (result exnref)
              try_table (result i32) (catch_all_ref 0)
                local.get 0 if i32.const 1 br 1 end i32.const 2
              end
              br 1
            end
            L1 throw_ref
          end
          L1""",
        [lambda p, log: p.entry(log(2)), lambda p, log: p.exit(log(1), exceptions="exnref")],
    ),
    "exit with legacy handlers": (
        """(param i32) local.get 0 if return_call $raise end try call $raise delegate 0
          local.get 0 br_if 0""",
        """(param i32)
          try
            local.get 0 if L1 return_call $raise end try call $raise delegate 0
            local.get 0 br_if 0
          catch_all
            L1 rethrow 0
          end
          L1""",
        [lambda p, log: p.exit(log(1), exceptions="legacy")],
    ),
    "both sorts of exits": (
        "(param i32) local.get 0 if return end local.get 0 br_if 0",
        """(param i32)
          try
            block
              local.get 0 if L2 br 2 end local.get 0 br_if 0
              L2 br 1
            end
            L2
          catch_all
            L1 rethrow 0
          end
          L1""",
        [lambda p, log: p.exit(log(2)), lambda p, log: p.exit(log(1), exceptions="legacy")],
    ),
    "block entry": (
        "(param i32) block nop end loop nop end local.get 0 if nop end try nop catch_all nop end",
        """(param i32) block L1 nop end loop L2 nop end local.get 0 if L3 nop else L3 end
          try L4 nop catch_all nop end""",
        [
            lambda p, log: p.block_entry(nth(p, "block"), log(1)),
            lambda p, log: p.block_entry(nth(p, "loop"), log(2)),
            lambda p, log: p.block_entry(nth(p, "if"), log(3)),
            lambda p, log: p.block_entry(nth(p, "try"), log(4)),
        ],
    ),
    "an arm and a handler": (
        "(param i32) local.get 0 if nop else nop end try nop catch $i drop end",
        "(param i32) local.get 0 if nop else L1 nop L2 end try nop catch $i L3 drop L4 end",
        [
            lambda p, log: p.start_of(nth(p, "if"), items(nth(p, "if"), 1), log(1)),
            lambda p, log: p.end_of(nth(p, "if"), items(nth(p, "if"), 1), log(2)),
            lambda p, log: p.start_of(nth(p, "try"), items(nth(p, "try"), 1), log(3)),
            lambda p, log: p.end_of(nth(p, "try"), items(nth(p, "try"), 1), log(4)),
        ],
    ),
    "block exit": (
        """(param i32) block block local.get 0 br_if 0 local.get 0 br_if 1
          local.get 0 if return end local.get 0 br_table 0 1 end nop end""",
        """(param i32)
          block
            block
              block
                local.get 0 br_if 0 local.get 0 br_if 1
                local.get 0 if L1 return end local.get 0 br_table 0 1
              end
              L1 nop br 1
            end
            L1
          end""",
        [lambda p, log: p.block_exit(nth(p, "block", 1), log(1))],
    ),
    "loop exit": (
        "(param i32) loop local.get 0 br_if 0 local.get 0 br_if 1 end",
        """(param i32)
          block
            loop local.get 0 br_if 0 local.get 0 br_if 1 end
            L1 br 1
          end
          L1""",
        [lambda p, log: p.block_exit(nth(p, "loop"), log(1))],
    ),
    "the edge of a conditional branch": (
        "(param i32) block (result i32) i32.const 1 local.get 0 br_if 0 end drop",
        """(param i32)
          block (result i32)
            block (result i32) i32.const 1 local.get 0 br_if 0 br 1 end
            L1
          end
          drop""",
        [lambda p, log: p.edge(nth(p, "br_if"), label(nth(p, "br_if")), log(1))],
    ),
    "the edge back": (
        """(param i32) (result i32)
          local.get 0 loop (param i32) (result i32) local.get 0 br_if 0 end""",
        """(param i32) (result i32)
          local.get 0
          loop (param i32) (result i32)
            block (param i32) (result i32)
              block (param i32) (result i32)
                local.get 0 br_if 0 br 1
              end
              L1 br 1
            end
          end""",
        [lambda p, log: p.edge(nth(p, "br_if"), label(nth(p, "br_if")), log(1))],
    ),
    "the edge of a clause": (
        "block (result i32) try_table (catch $i 0) call $raise end i32.const 0 end drop",
        """block (result i32)
            block (result i32)
              try_table (catch $i 0) call $raise end i32.const 0 br 1
            end
            L1
          end
          drop""",
        [lambda p, log: p.edge(nth(p, "try_table"), label(nth(p, "try_table")), log(1))],
    ),
    "an edge out of a handler": (
        "(param i32) try call $raise catch $i br_if 0 end",
        """(param i32)
          try call $raise
          catch $i
            block (param i32) br_if 0 br 1 end
            L1
          end""",
        [lambda p, log: p.edge(nth(p, "br_if"), label(nth(p, "br_if")), log(1))],
    ),
    "semantic after": (
        "(param i32) block block local.get 0 br_table 0 1 end nop end return",
        """(param i32)
          block
            block
              block
                block
                  local.get 0 br_table 0 2
                end
                L1
              end
              nop L2 br 1
            end
            L1
          end
          L3 L4 return""",
        [
            lambda p, log: p.semantic_after(nth(p, "br_table"), log(1)),
            lambda p, log: p.semantic_after(nth(p, "nop"), log(2)),
            lambda p, log: p.semantic_after(nth(p, "block"), log(3)),
            lambda p, log: p.semantic_after(nth(p, "return"), log(4)),
        ],
    ),
    "semantic after a conditional branch": (
        "(param i32) local.get 0 br_if 0 nop",
        "(param i32) block local.get 0 br_if 0 L1 nop br 1 end L1",
        [lambda p, log: p.semantic_after(nth(p, "br_if"), log(1))],
    ),
    "all to one label": (
        "(param i32) block local.get 0 br_table 0 0 end",
        "(param i32) block local.get 0 L1 br_table 0 0 end",
        [lambda p, log: p.semantic_after(nth(p, "br_table"), log(1))],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_modes(case: str) -> None:
    check(*CASES[case])


def logged(module: Module, *args: int) -> tuple[object, list[int]]:
    """What the exported function does, and what it logs."""
    log: list[int] = []
    instance = Instance(module, {"m": {"log": log.append}})
    try:
        outcome: object = instance.invoke("f", *args)
    except Trap as trap:
        outcome = trap.reason
    except WasmException:
        outcome = "thrown"
    return outcome, log


@pytest.mark.parametrize("dialect", ["none", "legacy", "exnref"])
def test_every_way_out(dialect: str) -> None:
    code = """(param i32) (result i32)
      block $four block $three block $two block $one block $zero
        local.get 0 br_table $zero $one $two $three $four
        end i32.const 10 return
        end i32.const 11 local.get 0 br_if 3 drop unreachable
        end call $raise unreachable
        end local.get 0 return_call $f
        end i32.const 14"""
    text = MODULE.format(code).replace('(export "f")', '$f (export "f")')
    text = text.replace("return_call $f", "i32.const 3 i32.sub return_call $f")
    module = Module.from_bytes(assembled(text))
    plain = [logged(module, value)[0] for value in range(5)]
    assert plain == [10, 11, "thrown", 10, 14]
    with Probe(module.functions[-1]) as probe:
        probe.entry(log(module, 1))
        probe.exit(log(module, 2), exceptions=dialect)
    assert validate(module.to_bytes()) is None
    # What was put there is what is said of the module, and may be asked for again.
    assert exception_dialect(module) == dialect
    with Probe(module.functions[-1]) as probe:
        probe.exit([], exceptions=exception_dialect(module))
    found = [logged(module, value) for value in range(5)]
    assert [outcome for outcome, _ in found] == plain
    thrown = [1] if dialect == "none" else [1, 2]
    assert [log for _, log in found] == [[1, 2], [1, 2], thrown, [1, 2, 1, 2], [1, 2]]


def test_what_a_snippet_throws_leaves_once() -> None:
    module = module_with("(param i32) local.get 0 br_if 0")
    function = module.functions[-1]
    with Probe(function) as probe:
        probe.exit([*log(module, 1), ops.call(module.functions[1])], exceptions="exnref")
    assert logged(module, 0) == ("thrown", [1])
    assert logged(module, 1) == ("thrown", [1])


def test_locals_and_made_snippets() -> None:
    """A snippet with a loop and a local, made anew for each place."""
    module = module_with("(param i32) (local i64) local.get 0 br_if 0 nop")
    function = module.functions[-1]
    with Probe(function) as probe:
        local = probe.add_local(NumType.I32, 2)
        assert local == 2

        def three_times() -> list[Item]:
            loop = Loop(module.block_type())
            loop.items = [
                *log(module, 7),
                ops.local.get(local),
                ops.i32.const(1),
                ops.i32.add(),
                ops.local.tee(local),
                ops.i32.const(3),
                ops.i32.lt_u(),
                BrIf(loop),
            ]
            return [ops.i32.const(0), ops.local.set(local), loop]

        probe.exit(three_times, exceptions="legacy")
        probe.entry(three_times())
    assert validate(module.to_bytes()) is None
    assert logged(module, 0)[1] == logged(module, 1)[1] == [7] * 6


def test_nodes_in_several_places_must_be_made() -> None:
    module = module_with("(param i32) local.get 0 br_if 0")
    with Probe(module.functions[-1]) as probe:
        block = Block(module.block_type())
        for refused in (probe.exit, lambda items: probe.semantic_after(nth(probe, "br_if"), items)):
            with pytest.raises(ValueError, match="give a callable"):
                refused([block])
        probe.entry([block])
        place = nth(probe, "br_if")
        probe.edge(place, label(place), [Block(module.block_type())])
    assert validate(module.to_bytes()) is None


def test_refusals() -> None:
    module = module_with("(param i32) block local.get 0 br_if 0 nop end unreachable")
    with pytest.raises(UnsupportedError, match="imported"):
        Probe(module.functions[0])
    function = module.functions[-1]
    before = module.to_bytes()
    with Probe(function) as probe:
        [block, branch, dead] = [nth(probe, each) for each in ("block", "br_if", "unreachable")]
        for refused in (probe.after, probe.semantic_after):
            with pytest.raises(ValueError, match="never goes on behind unreachable"):
                refused(dead, [])
        with pytest.raises(TypeError, match="br_if is no block"):
            probe.block_exit(branch, [])
        with pytest.raises(ValueError, match="none of the block's"):
            probe.start_of(block, [], [])
        with pytest.raises(ValueError, match="doesn't go to that label"):
            probe.edge(branch, function.body, [])
        with pytest.raises(ValueError, match="there are exnref, legacy and none"):
            probe.exit([], exceptions="both")
        probe.exit([], exceptions="legacy")
        with pytest.raises(ValueError, match="one dialect"):
            probe.exit([], exceptions="exnref")
        probe.alternate(branch, [ops.drop()])
        with pytest.raises(ValueError, match="replaced already"):
            probe.alternate(branch, [ops.drop()])
        raise_nothing = Probe(function)
    function.close()
    assert raise_nothing.function is function
    assert module.to_bytes() == before


def test_nothing_is_done_if_something_fails() -> None:
    module = module_with("nop")
    function = module.functions[-1]
    before = module.to_bytes()

    def fails() -> list[Item]:
        raise RuntimeError("no")

    def early() -> None:
        with Probe(function) as probe:
            probe.entry(log(module, 1))
            fails()

    def late() -> None:
        with Probe(function) as probe:
            probe.before(nth(probe, "nop"), log(module, 1))
            probe.exit(fails)

    for fail in (early, late):
        with pytest.raises(RuntimeError):
            fail()
        assert module.to_bytes() == before
        function.close()


def test_a_tree_that_changes_meanwhile() -> None:
    module = module_with("nop")
    function = module.functions[-1]

    def changed() -> None:
        with Probe(function) as probe:
            probe.before(nth(probe, "nop"), log(module, 1))
            function.body.items.clear()

    def settled() -> None:
        with Probe(function):
            function.settle()

    with pytest.raises(ValueError, match="changed before all was injected"):
        changed()
    with pytest.raises(ValueError, match="settled before all was injected"):
        settled()


def test_injector_reports() -> None:
    module = module_with("(param i32) block local.get 0 br_if 0 nop end")
    original = module.to_bytes()
    injector = Injector(module)
    counter = module.add_function(FuncType((NumType.I32,)), [])
    function = module.functions[-2]
    with injector.probe(function) as probe:
        probe.exit([ops.i32.const(3), ops.call(counter)])
        probe.before(nth(probe, "br_if"), [ops.nop()])
    injector.entry(lambda each: [ops.i32.const(each.index), ops.call(counter)])
    assert validate(module.to_bytes()) is None
    assert injector.added == [counter]
    at = {str(each.row.name): each.offset for each in instructions_of(original, function.index)}
    report = injector.report()
    assert report["added"] == {"func": [4]}
    here = [each for each in report["injections"] if each["function"] == function.index]
    assert [(each["mode"], each["instruction"], each["offset"]) for each in here] == [
        ("before", "br_if", at["br_if"]),
        ("function exit", "", at["end"]),
        ("function entry", "", None),
    ]
    assert here[0]["items"] == ["nop"]
    assert here[1]["items"] == ["i32.const 3", f"call {counter}"]
    entries = [each for each in injector.injections if each.mode is Mode.FUNCTION_ENTRY]
    assert [each.function for each in entries] == [*module.functions[1:]]
    raised = instructions_of(original, 1)
    assert entries[0].offset == raised[0].offset


def instructions_of(data: bytes, index: int) -> list[RawInstr]:
    return list(instructions(Module.from_bytes(data).functions[index]))


def test_entry_with_locals() -> None:
    module = module_with("(param i32) (local i64 f32) nop")
    function = module.functions[-1]
    assert function.local_count == 3
    Injector(module).entry(
        lambda each: [ops.i32.const(1), ops.local.set(each.local_count), *log(module, 5)],
        [function],
        added_locals=[NumType.I32],
    )
    assert not function.is_open
    assert function.local_count == 4
    assert validate(module.to_bytes()) is None
    assert logged(module, 0) == (None, [5])


def test_basic_blocks() -> None:
    module = module_with("(param i32) local.get 0 if nop else nop nop end nop")
    injector = Injector(module)
    injector.basic_blocks(lambda _, block: log(module, block.instructions), module.functions[-1:])
    assert logged(module, 0)[1] == [2, 2, 1]
    assert logged(module, 1)[1] == [2, 1, 1]
    assert [each.mode for each in injector.injections] == [Mode.BASIC_BLOCK] * 4
