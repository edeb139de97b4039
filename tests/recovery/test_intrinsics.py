"""A C++ program that looks after itself by import declarations: in Node, and in wasmtime."""

from __future__ import annotations

from typing import Any, Final

import pytest

from corpus.manifest import find
from tests.javascript import javascript
from wasmir import Module, Pipeline

NOTHING, TELLING, STARTING_AGAIN, THROWING, TRAPPING, CALLING = range(6)
"""The program's handlers."""

Step = tuple[str, int] | tuple[str]

NODE: Final = """
const log = [];
const env = { log: (value) => log.push(value) };
const { exports } = new WebAssembly.Instance(program, { env });
const notices = JSON.parse(
  new TextDecoder().decode(WebAssembly.Module.customSections(program, "wasmir.recovery")[0]),
).notice === "host";
const ended = [];
for (const [name, ...all] of steps) {
  const before = exports.__wasmir_activation();
  let end;
  try {
    end = exports[name](...all) ?? null;
  } catch (error) {
    end = error?.is?.(exports.__wasmir_terminated) ? "refused" : "aborted";
    const stays = exports.__wasmir_activation() > before;
    try {
      if (notices && stays && exports.__wasmir_state.value !== 2) exports.__wasmir_terminate();
    } catch {
      end = "aborted, and so did the handler";
    }
  }
  ended.push([end, ...log.splice(0)]);
}
return ended;
"""


def _in_node(data: bytes, steps: list[Step]) -> Any:  # noqa: ANN401 - JSON
    return javascript(NODE, program=data, steps=steps)


def _in_wasmtime(data: bytes, steps: list[Step]) -> Any:  # noqa: ANN401 - as the other
    wasmtime = pytest.importorskip("wasmtime", reason="`pip install wasmtime` gets it")
    config = wasmtime.Config()
    config.wasm_exceptions = True
    config.wasm_function_references = True
    config.wasm_gc = True
    store = wasmtime.Store(wasmtime.Engine(config))
    program = wasmtime.Module(store.engine, data)
    log: list[int] = []
    type_ = wasmtime.FuncType([wasmtime.ValType.i32()], [])
    imports = [wasmtime.Func(store, type_, log.append)]
    exports = wasmtime.Instance(store, program, imports).exports(store)
    notices = b'"notice":"host"' in data
    ended: list[list[Any]] = []
    for name, *numbers in steps:
        before = exports["__wasmir_activation"](store)
        end: Any
        try:
            end = exports[name](store, *numbers)
        except wasmtime.Trap as error:
            # An exception is a trap without a code, and none but the refusal leaves this module.
            end = "refused" if error.trap_code is None else "aborted"
            stays = exports["__wasmir_activation"](store) > before
            terminated = exports["__wasmir_state"].value(store) == 2
            try:
                if notices and stays and not terminated:
                    exports["__wasmir_terminate"](store)
            except wasmtime.Trap:
                end = "aborted, and so did the handler"
        ended.append([end, *log])
        log.clear()
    return ended


ENGINES: Final = {"node": _in_node, "wasmtime": _in_wasmtime}
EACH: Final = [
    (engine, dialect, level, notice, table)
    for engine, dialects in (("node", ("legacy", "exnref")), ("wasmtime", ("exnref",)))
    for dialect in dialects
    for level in ("O0", "O2")
    for notice in ("host", "wasm")
    for table in ("hidden", "exported")
]


class Program:
    """The program recovered, in an engine."""

    def __init__(self, engine: str, dialect: str, level: str, notice: str, table: str) -> None:
        opened = Module.from_file(find(f"cpp-intrinsics-{dialect}-{level}").path)
        if table == "exported":
            # Then indirect calls are guarded, and handlers are called through gates.
            opened.exports.add("table", opened.tables[0])
        Pipeline.parse(f"recover{{notice={notice}}}").run(opened)
        self.engine = engine
        self.data = opened.to_bytes()
        self.host_notices = notice == "host"

    def run(self, *steps: Step) -> Any:  # noqa: ANN401 - JSON
        """What each step gave, and what was logged meanwhile."""
        return ENGINES[self.engine](self.data, list(steps))

    @property
    def abort(self) -> list[Step]:
        """Steps of an abort, until it was noticed."""
        return [("work", -1)] if self.host_notices else [("work", -1), ("terminated",)]

    def aborted(self, *said: int) -> list[list[Any]]:
        """What they give: where the module notices, with the next call."""
        return [["aborted", *said]] if self.host_notices else [["aborted"], ["refused", *said]]


@pytest.fixture(params=EACH, ids="-".join)
def program(request: pytest.FixtureRequest) -> Program:
    if request.param[0] == "node":
        request.getfixturevalue("engine")
    return Program(*request.param)


def test_handlers_follow_one_another(program: Program) -> None:
    numbers = [TELLING, STARTING_AGAIN, NOTHING, CALLING, CALLING]
    ended = program.run(*(("choose", number) for number in numbers))
    assert ended == [[NOTHING], [TELLING], [STARTING_AGAIN], [NOTHING], [CALLING]]


def test_a_handler_is_told_once(program: Program) -> None:
    after: list[Step] = [("work", 1), ("work", -1), ("terminated",), ("choose", 0)]
    ended = program.run(("choose", TELLING), ("work", 5), *program.abort, *after)
    assert ended == [[NOTHING], [5], *program.aborted(11), *[["refused"]] * 4]


@pytest.mark.parametrize(("handler", "said"), [(STARTING_AGAIN, [21]), (CALLING, [51, 21])])
def test_a_handler_schedules_the_reset(program: Program, handler: int, said: list[int]) -> None:
    after: list[Step] = [("work", 3), ("terminated",), ("resets",), ("choose", handler)]
    again: list[Step] = [*program.abort, ("work", 4), ("resets",), ("choose", TELLING)]
    ended = program.run(("choose", handler), ("work", 5), *program.abort, *after, *again)
    # As new, the handler too; and so every time.
    once = [*program.aborted(*said), [3], [0], [1], [NOTHING]]
    assert ended == [[NOTHING], [5], *once, *program.aborted(*said), [4], [2], [NOTHING]]


def test_what_a_handler_throws_is_dropped(program: Program) -> None:
    ended = program.run(("choose", THROWING), *program.abort, ("work", 1))
    assert ended == [[NOTHING], *program.aborted(31), ["refused"]]


def test_a_handler_that_traps(program: Program) -> None:
    ended = program.run(("choose", TRAPPING), *program.abort, ("work", 1))
    # Whoever noticed is told.
    last = [["aborted, and so did the handler", 41]]
    noticed = last if program.host_notices else [["aborted"], ["aborted", 41]]
    assert ended == [[NOTHING], *noticed, ["refused"]]


def test_panics_are_no_aborts(program: Program) -> None:
    ended = program.run(("choose", TELLING), ("careful", 5), ("careful", 5000), ("work", 1))
    assert ended == [[NOTHING], [5], [-1], [6]]


def test_a_reset_of_a_healthy_instance(program: Program) -> None:
    steps: list[Step] = [("work", 2), ("work", 3), ("resets",), ("choose", NOTHING)]
    ended = program.run(("choose", TELLING), *steps, ("start_again",), *steps)
    again = [[2], [5], [1], [NOTHING]]
    assert ended == [[NOTHING], [2], [5], [0], [TELLING], [None], *again]


def test_a_reset_scheduled_before_the_abort(program: Program) -> None:
    """It is the next call that finds the instance as new, whatever happened meanwhile."""
    ended = program.run(("work", 2), ("start_again",), ("work", -1), ("resets",))
    # The call that aborts is the next one: it began in a new instance, and scheduled nothing.
    assert ended == [[2], [None], ["aborted"], ["refused"]]


@pytest.mark.parametrize("dialect", ["legacy", "exnref"])
def test_the_imports_are_resolved_inside(dialect: str) -> None:
    opened = Module.from_file(find(f"cpp-intrinsics-{dialect}-O2").path)
    names = ["epoch", "is_terminated", "schedule_reinit", "set_on_abort"]
    assert sorted(each.name for each in opened.imports if each.module == "wasmir") == names
    Pipeline.parse("recover").run(opened)
    again = Module.from_bytes(opened.to_bytes())
    assert [(each.module, each.name) for each in again.imports] == [("env", "log")]
