"""The corpus's C++ programs: the same from both dialects and at every level, and run all over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from corpus.demo import convert
from corpus.engine import Call, differences, run_calls
from corpus.manifest import CORPUS, Module, find, modules
from wasmir import Catch, Function, GlobalType, Instr, NumType, Pipeline, Try
from wasmir import Module as Opened

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("engine")

ALL = [entry for entry in modules() if entry.producer == "cpp"]
# The others fail on purpose where no two engines do, or need a host of their own: tests/recovery.
ENTRIES = [entry for entry in ALL if entry.runs]
PROGRAMS = sorted({entry.source.stem for entry in ENTRIES})


def _partner(entry: Module, eh: str) -> Module:
    """The same program, compiled alike into a dialect."""
    [found] = [
        other
        for other in ALL
        if (other.source, other.flags, other.link, other.eh)
        == (entry.source, entry.flags, entry.link, eh)
    ]
    return found


def _back(data: bytes) -> bytes:
    opened = Opened.from_bytes(data)
    Pipeline.parse("exnref-to-legacy").run(opened)
    return opened.to_bytes()


def _named(entry: Module) -> str:
    return entry.name


def test_every_program_comes_in_both_dialects_and_at_several_levels() -> None:
    runtimes = {"runtime", "sjlj"}
    sources = {entry.source.stem for entry in ALL}
    assert {path.stem for path in (CORPUS / "cpp").glob("*.cpp")} - runtimes == sources
    for entry in ALL:
        assert _partner(_partner(entry, "legacy"), "exnref") in ALL
    for program in PROGRAMS:
        levels = {entry.flags[0] for entry in ENTRIES if entry.source.stem == program}
        assert levels >= {"-O0", "-O2", "-Oz"}
    assert {entry.eh for entry in ENTRIES if "-g" in entry.flags} == {"legacy", "exnref"}


@pytest.mark.parametrize("log_throws_at", [None, 3])
@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.eh == "legacy"], ids=_named)
def test_same_by_every_way(entry: Module, log_throws_at: int | None, tmp_path: Path) -> None:
    """In legacy by the compiler, converted from that, in exnref by the compiler, and back from it:
    results, exceptions, the order of what is logged, the stack pointer and the memory.
    """
    direct = _partner(entry, "exnref")
    paths = [entry.path, tmp_path / "converted.wasm", direct.path, tmp_path / "back.wasm"]
    paths[1].write_bytes(convert(entry.path.read_bytes()))
    paths[3].write_bytes(_back(direct.path.read_bytes()))
    legacy, *others = run_calls(paths, log_throws_at=log_throws_at)
    for other in others:
        assert differences(legacy, other)[:2] == []
    outcomes = {next(iter(call.outcome)) for call in legacy.calls}
    assert outcomes >= {"returned", "thrown"}


# What the linker's order of functions decides.
OF_THE_TABLE = {"catch_unwind", "some_func_pointer"}
# Where things are in memory is the compiler's affair.
ADDRESSES = {"events"}


def _observed(call: Call) -> Call:
    def plain(value: object) -> object:
        # The payload is an address, too.
        return (
            {"thrown": value["thrown"]} if isinstance(value, dict) and "thrown" in value else value
        )

    outcome: Any = plain(call.outcome)
    return replace(call, outcome=outcome, log=[plain(each) for each in call.log], state={})


@pytest.mark.parametrize("program", PROGRAMS)
def test_same_at_every_level(program: str) -> None:
    entries = [entry for entry in ENTRIES if entry.source.stem == program]
    runs = run_calls([entry.path for entry in entries])
    wanted, *others = [
        [_observed(c) for c in run.calls if c.export not in OF_THE_TABLE | ADDRESSES]
        for run in runs
    ]
    assert len(wanted) > 100
    for entry, calls in zip(entries[1:], others, strict=True):
        for one, other in zip(wanted, calls, strict=True):
            assert one == other, entry.name


# Every handler is run


def _called(opened: Opened, catch: Catch) -> list[str | None]:
    """The functions that a handler calls by itself, outside of blocks."""
    instrs: list[Instr] = []
    for item in catch.items:
        if isinstance(item, bytes):
            instrs += opened.instructions(item)
        elif isinstance(item, Instr):
            instrs.append(item)
    found = [instr.immediates[0] for instr in instrs if instr.row.name == "call"]
    return [function.name for function in found if isinstance(function, Function)]


def _noting(opened: Opened) -> dict[str, bool]:
    """Let every handler set its bit in an exported global of 64; the handlers in order, and whether
    all that one does is to end the program.
    """
    found: dict[str, bool] = {}
    type_, zero = GlobalType(NumType.I64, mutable=True), opened.instr("i64.const", 0)
    either = opened.instr("i64.or")
    for function in [each for each in opened.functions if each.imported is None]:
        for try_ in [item for item in function.body if isinstance(item, Try)]:
            for catch in try_.catches:
                index, bit = divmod(len(found), 64)
                if bit == 0:
                    noted = opened.add_global(type_, opened.const(zero), exported=f"ran {index}")
                name = f"handler {len(found)}, in {function.name}"
                found[name] = _called(opened, catch) == ["std::terminate()"]
                mask = opened.instr("i64.const", 1 << bit if bit < 63 else -(1 << 63))
                get, set_ = opened.instr("global.get", noted), opened.instr("global.set", noted)
                catch.items[:0] = [get, mask, either, set_]
    return found


def _ran(call: Call) -> int:
    """The bits of those that ran."""
    globals_ = {key: text for key, text in call.state.items() if key.startswith("ran ")}
    return sum(
        (int(text.removesuffix("n")) & (1 << 64) - 1) << 64 * int(key.removeprefix("ran "))
        for key, text in globals_.items()
    )


@pytest.mark.parametrize("level", ["-O0", "-O2"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_handler_runs(program: str, level: str, tmp_path: Path) -> None:
    """Those that end the program stand around whatever a handler does; one of them is enough."""
    [entry] = [
        entry
        for entry in ENTRIES
        if (entry.source.stem, entry.eh, entry.flags[0]) == (program, "legacy", level)
    ]
    opened = Opened.from_file(entry.path)
    handlers = _noting(opened)
    path = tmp_path / "noting.wasm"
    opened.save(path)
    bits = 0
    for log_throws_at in (None, *range(1, 9)):
        [run] = run_calls([path], log_throws_at=log_throws_at)
        assert run.error is None
        bits |= _ran(run.calls[-1])
    ran = {name for index, name in enumerate(handlers) if bits >> index & 1}
    assert [name for name, ends in handlers.items() if not ends and name not in ran] == []
    if program != "catch_unwind":  # where destructors call nothing
        assert any(ends and name in ran for name, ends in handlers.items())


# What the program of the call that may fail shows

RETURNED = {"returned": ["3"]}
PANICKED = {"returned": ["1042"]}
HOST_VALUE = {"thrown": "host value 1"}
HOST_EXCEPTION = {"thrown": "host exception 7"}
TRAPPED = {"trap": "unreachable"}
NESTED = {"returned": ["1055"]}


@pytest.mark.parametrize("eh", ["legacy", "exnref"])
@pytest.mark.parametrize("level", ["O0", "O2", "Oz"])
def test_what_a_failure_leaves(level: str, eh: str) -> None:
    path = find(f"cpp-catch-unwind-{eh}-{level}").path
    wanted = [
        # The outcome of `run`; objects not destroyed, calls not accounted for, events.
        (RETURNED, 0, 0, [101, 102, 202, 201]),
        (PANICKED, 0, 1, [101, 102, 202, 201]),
        (HOST_VALUE, 0, 1, [101, 102, 202, 201]),
        (HOST_EXCEPTION, 0, 1, [101, 102, 202, 201]),
        (TRAPPED, 2, 1, [101, 102]),
        (NESTED, 0, 1, [101, 102, 103, 203, 202, 201]),
    ]
    for failure, (outcome, alive, running, events) in enumerate(wanted):
        asked: list[tuple[str, tuple[int, ...]]] = [("run", (failure,)), ("alive", ())]
        asked += [("running", ()), *(("event", (index,)) for index in range(len(events) + 1))]
        [run] = run_calls([path], asked)
        first, *rest = run.calls
        assert first.outcome == outcome
        numbers = [int(call.outcome["returned"][0]) for call in rest]
        assert numbers == [alive, running, *events, -1]
        # What comes back has put the stack pointer back; what leaves has not.
        left = int(rest[0].state["__stack_pointer"]) - int(first.state["__stack_pointer"])
        assert (left == 0) == ("returned" in outcome)
        assert left >= 0


def test_functions_of_the_table_are_run_for_the_host() -> None:
    path = find("cpp-catch-unwind-legacy-O2").path
    [run] = run_calls([path], [("some_func_pointer", ())])
    pointer = int(run.calls[0].outcome["returned"][0])
    [run] = run_calls([path], [("catch_unwind", (pointer, n)) for n in (0, 1, 2)])
    assert [call.outcome for call in run.calls] == [RETURNED, PANICKED, HOST_VALUE]
