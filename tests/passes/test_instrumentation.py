"""The passes that instrument: what they make of a small function, and what their users see."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

from tests.modules import assembled, unsigned
from tests.support import validate
from wasmir import Module, PassError, Pipeline, UnsupportedError, instructions
from wasmir.interp import Instance, Trap
from wasmir.passes.count import _unsigned
from wasmir.passes.coverage import CoverageMap, main

if TYPE_CHECKING:
    from pathlib import Path

BEFORE = """(module
  (import "m" "f" (func $import (param i32)))
  (func $f (export "f") (param i32)
    local.get 0
    if
      local.get 0 call $import
    else
      loop
        local.get 0 i32.const 1 i32.add local.tee 0 i32.const 3 i32.lt_s br_if 0
      end
    end)
  (func $g (export "g") i32.const 7 call $f))"""


def instrumented(text: str, pipeline: str) -> Module:
    """What a pipeline makes of a module; valid by all opinions, and the same again."""
    data = assembled(text)
    module = Module.from_bytes(data)
    Pipeline.parse(pipeline).run(module)
    written = module.to_bytes()
    assert validate(written) is None
    again = Module.from_bytes(data)
    Pipeline.parse(pipeline).run(again, jobs=2)
    assert again.to_bytes() == written
    return Module.from_bytes(written)


def check(text: str, pipeline: str, wanted: str) -> None:
    """What a pipeline makes of a module, as text; but for custom sections."""
    module = instrumented(text, pipeline)
    for custom in module.customs:
        module.remove_custom(custom)
    expected = Module.from_bytes(assembled(wanted))
    for custom in expected.customs:
        expected.remove_custom(custom)
    got, want = Module.from_bytes(module.to_bytes()), Module.from_bytes(expected.to_bytes())
    assert got.wat().splitlines() == want.wat().splitlines()


def counted(offset: int) -> str:
    return f"""i32.const 0 i32.const 0 i32.load $c offset={offset} i32.const 1 i32.add
      i32.store $c offset={offset}"""


def test_count() -> None:
    check(
        BEFORE,
        "count",
        f"""(module
          (import "m" "f" (func $import (param i32)))
          (memory $c 1 1)
          (export "f" (func $f)) (export "g" (func $g)) (export "__wasmir_counters" (memory $c))
          (func $f (param i32)
            {counted(0)} local.get 0
            if
              {counted(4)} local.get 0 call $import
            else
              loop
                {counted(8)} local.get 0 i32.const 1 i32.add local.tee 0 i32.const 3 i32.lt_s
                br_if 0
              end
            end)
          (func $g {counted(12)} i32.const 7 call $f))""".replace("$c", "$__wasmir_counters"),
    )


def count_of(module: Module, instance: Instance) -> list[tuple[int, str | None, list[Any]]]:
    """What was counted, by function: offsets and counts."""
    coverage = CoverageMap.of(module)
    if coverage.into == "globals":
        counters: Any = [
            instance.exports[f"{coverage.export}{n}"].value for n in range(coverage.size)
        ]
    else:
        counters = bytes(instance.exports[coverage.export].data)
    return [
        (each.index, each.name, [(block.offset, block.count) for block in each.blocks])
        for each in coverage.read(counters)
    ]


@pytest.mark.parametrize("into", ["memory", "globals", "grow"])
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("memory", ["", "i64"])
def test_count_reads_back(into: str, bits: int, memory: str) -> None:
    text = BEFORE.replace("(func $f", f'(memory (export "memory") {memory} 2) (func $f', 1)
    original = Module.from_bytes(assembled(text))
    module = instrumented(text, f"count{{into={into},bits={bits}}}")
    instance = Instance(module, {"m": {"f": lambda _: None}})
    for argument in (0, 5, 1):
        instance.invoke("f", argument)
    found = count_of(module, instance)
    at = [each for each in instructions(original.functions[1]) if each.row.name == "local.get"]
    assert found == [
        (1, "f", [(at[0].offset, 3), (at[1].offset, 2), (at[2].offset, 3)]),
        (2, "g", [(next(instructions(original.functions[2])).offset, 0)]),
    ]
    # What the program has is as it was.
    assert not any(bytes(instance.exports["memory"].data)[: 2 << 16])


@pytest.mark.parametrize(
    ("memory", "maximum"),
    [
        ("1 65536", 65536),
        ("1 65535", 65536),
        ("1 2", 3),
        ("65535", None),
        ("i64 1 281474976710656", 1 << 48),
    ],
)
def test_count_grows_no_further_than_there_is_room(memory: str, maximum: int | None) -> None:
    module = instrumented(f'(module (memory (export "m") {memory}) (func))', "count{into=grow}")
    assert module.memories[0].type.limits.maximum == maximum


def test_count_functions() -> None:
    module = instrumented(BEFORE, 'count{where=functions,functions="g*"}')
    instance = Instance(module, {"m": {"f": lambda _: None}})
    instance.invoke("f", 0)
    instance.invoke("g")
    instance.invoke("g")
    [(index, name, [(_, count)])] = count_of(module, instance)
    assert (index, name, count) == (2, "g", 2)


def test_the_map_may_be_kept_beside_the_module(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = instrumented(BEFORE, "count")
    (tmp_path / "map.json").write_text(CoverageMap.of(module).to_json())
    module.save(tmp_path / "counted.wasm")
    (tmp_path / "dump").write_bytes(struct.pack("<4I", 1, 0, 2, 1))
    told = []
    for name in ("counted.wasm", "map.json"):
        main(str(tmp_path / name), str(tmp_path / "dump"))
        told.append(capsys.readouterr().out)
    assert told[0] == told[1] == "     2 of      3  1 f\n     1 of      1  2 g\n"


def test_count_is_told_no_more_than_there_is() -> None:
    module = instrumented(BEFORE, "count")
    coverage = CoverageMap.of(module)
    assert coverage.size == 4
    with pytest.raises(ValueError, match="4 counters"):
        coverage.read(b"\0" * 15)
    with pytest.raises(ValueError, match="4 counters"):
        coverage.read([1, 2, 3])
    assert [each.covered for each in coverage.read(struct.pack("<4I", 1, 0, 2, 1))] == [2, 1]
    assert CoverageMap.from_json(coverage.to_json()) == coverage
    with pytest.raises(UnsupportedError, match="nothing was counted"):
        CoverageMap.of(Module())
    assert instrumented(BEFORE, "count{map=false}").custom("wasmir.coverage") is None
    for text in (b"{", b"[]", b'{"functions":[{}]}', b'{"functions":[]}', b"\xff"):
        broken = Module()
        broken.add_custom("wasmir.coverage", text)
        with pytest.raises(PassError, match="no map of counters"):
            CoverageMap.of(broken)


def test_trace_blocks() -> None:
    check(
        BEFORE,
        "trace-blocks",
        """(module
          (import "m" "f" (func $import (param i32)))
          (import "wasmir" "block" (func $block (param i32)))
          (export "f" (func $f)) (export "g" (func $g))
          (func $f (param i32)
            i32.const 0 call $block local.get 0
            if
              i32.const 1 call $block local.get 0 call $import
            else
              loop
                i32.const 2 call $block
                local.get 0 i32.const 1 i32.add local.tee 0 i32.const 3 i32.lt_s br_if 0
              end
            end)
          (func $g i32.const 3 call $block i32.const 7 call $f))""",
    )


def test_traced_blocks_are_those_of_count() -> None:
    module = instrumented(BEFORE, 'trace-blocks{hook="env.at"}')
    told: list[int] = []
    instance = Instance(module, {"m": {"f": lambda _: None}, "env": {"at": told.append}})
    instance.invoke("f", 0)
    instance.invoke("g")
    assert told == [0, 2, 2, 2, 3, 0, 1]
    ours, theirs = CoverageMap.of(module), CoverageMap.of(instrumented(BEFORE, "count"))
    assert ours.functions == theirs.functions


def fuelled(cost: int) -> str:
    return f"""global.get $fuel i64.const {cost} i64.sub global.set $fuel
      global.get $fuel i64.const 0 i64.lt_s if unreachable end"""


def test_fuel() -> None:
    check(
        BEFORE,
        "fuel{budget=100}",
        f"""(module
          (import "m" "f" (func $import (param i32)))
          (global $fuel (mut i64) (i64.const 100))
          (export "f" (func $f)) (export "g" (func $g)) (export "__wasmir_fuel" (global $fuel))
          (func $f (param i32)
            {fuelled(2)} local.get 0
            if
              {fuelled(2)} local.get 0 call $import
            else
              loop
                {fuelled(7)}
                local.get 0 i32.const 1 i32.add local.tee 0 i32.const 3 i32.lt_s br_if 0
              end
            end)
          (func $g {fuelled(2)} i32.const 7 call $f))""".replace("$fuel", "$__wasmir_fuel"),
    )


def test_fuel_runs_out() -> None:
    module = instrumented(BEFORE, "fuel{budget=25}")
    instance = Instance(module, {"m": {"f": lambda _: None}})
    fuel = instance.exports["__wasmir_fuel"]
    instance.invoke("f", 0)
    assert fuel.value == 25 - 2 - 3 * 7
    with pytest.raises(Trap, match="unreachable"):
        instance.invoke("f", 0)
    with pytest.raises(Trap, match="unreachable"):
        instance.invoke("g")
    assert fuel.value < 0
    fuel.value = 6
    instance.invoke("g")
    assert fuel.value == 0


def test_fuel_is_filled_by_the_hook() -> None:
    module = instrumented(BEFORE, "fuel{hook=env.empty}")
    asked: list[int] = []

    def empty() -> None:
        fuel = instance.exports["__wasmir_fuel"]
        asked.append(fuel.value)
        fuel.value += 10

    instance = Instance(module, {"m": {"f": lambda _: None}, "env": {"empty": empty}})
    instance.invoke("f", 0)
    assert asked == [-2, -6, -3]


def test_fuel_by_functions() -> None:
    """For glue that takes no exported i64."""
    module = instrumented(BEFORE, "fuel{budget=5,export=functions}")
    instance = Instance(module, {"m": {"f": lambda _: None}})
    assert instance.invoke("__wasmir_fuel_get") == 5
    instance.invoke("__wasmir_fuel_set", 7)
    instance.invoke("g")
    assert instance.invoke("__wasmir_fuel_get") == 1
    with pytest.raises(UnsupportedError, match="metered already"):
        Pipeline.parse("fuel").run(module)
    module = instrumented(BEFORE, "fuel{budget=5,export=none}")
    assert [each.name for each in module.exports] == ["f", "g"]


def test_fuel_is_filled_by_the_module_itself() -> None:
    text = """(module (global $n (mut i32) (i32.const 0)) (export "n" (global $n))
      (func $refill global.get $n i32.const 1 i32.add global.set $n)
      (func (export "f") nop nop))"""
    module = instrumented(text, "fuel{hook=refill}")
    # The function isn't metered itself, or it would call itself for good.
    instance = Instance(module)
    instance.invoke("f")
    instance.invoke("f")
    assert instance.exports["n"].value == 2
    with pytest.raises(UnsupportedError, match="must be of type"):
        instrumented(text.replace("$refill", "$refill (param i32)"), "fuel{hook=refill}")


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ("count{where=block}", "count: where: there is no 'block'; did you mean 'blocks'?"),
        ("count{into=nowhere}", "there are: memory, globals, grow"),
        ("count{bits=16}", "bits is 32 or 64, not 16"),
        ('count{functions="h"}', "count: functions: nothing is called 'h'"),
        ('count{functions="ff"}', "did you mean 'f'"),
        ("fuel{budget=-1}", "budget is from 0"),
        ("fuel{hook=empty}", "hook is an import, MODULE.NAME, not 'empty'"),
        ("trace-blocks{hook=block}", "hook is an import, MODULE.NAME, not 'block'"),
    ],
)
def test_bad_options(pipeline: str, message: str) -> None:
    data = assembled(BEFORE)
    module = Module.from_bytes(data)
    with pytest.raises(PassError) as raised:
        Pipeline.parse(pipeline).run(module)
    assert message in str(raised.value)
    assert module.to_bytes() == data


@pytest.mark.parametrize(
    ("text", "pipeline", "message"),
    [
        (BEFORE, "count,count", "counts already"),
        (BEFORE, "fuel,fuel", "metered already"),
        (BEFORE, "count{into=grow}", "memory of the module's own"),
        ("(module (memory 1) (func nop))", "count{into=grow}", "isn't exported"),
        ('(module (memory (export "m") 65536) (func))', "count{into=grow}", "no room left"),
    ],
)
def test_refusals(text: str, pipeline: str, message: str) -> None:
    data = assembled(text)
    module = Module.from_bytes(data)
    with pytest.raises(UnsupportedError, match=message):
        Pipeline.parse(pipeline).run(module)
    assert module.to_bytes() == data


@pytest.mark.parametrize("pipeline", ["count", "trace-blocks"])
def test_an_empty_function_has_a_number(pipeline: str) -> None:
    coverage = CoverageMap.of(instrumented("(module (func) (func nop))", pipeline))
    assert [(each.first, len(each.blocks)) for each in coverage.functions] == [(0, 1), (1, 1)]


@pytest.mark.parametrize("bits", range(1, 33))
def test_offsets_of_counters(bits: int) -> None:
    for value in ((1 << bits) - 1, 1 << (bits - 1), 0xAAAAAAAA >> (32 - bits)):
        assert _unsigned(value) == unsigned(value)


def test_globals_are_for_few_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wasmir.passes.count._MOST_GLOBALS", 3)
    module = Module.from_bytes(assembled(BEFORE))
    with pytest.raises(UnsupportedError, match="4 counters are too many"):
        Pipeline.parse("count{into=globals}").run(module)
