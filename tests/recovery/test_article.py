"""A call that fails between two objects, recovered: what the host sees, and what is left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from corpus.manifest import find
from tests.javascript import javascript
from tests.recovery.older import older_node
from wasmir import Module, Pipeline

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("engine")

ESCAPES: Final = {"O0": 10_000, "O2": 100_000, "Oz": 10_000}

HOST: Final = """
const hostTag = new WebAssembly.Tag({ parameters: ["i32"] });
let failing = () => exports.callback(0); // what the import does
const env = {
  log() {}, throw_js() {}, throw_wasm() {}, call_back_catching: () => 0,
  call_back: (n) => failing(n),
};
const { exports } = new WebAssembly.Instance(program, { env, WebAssembly });
const isRecovered = "__wasmir_activation" in exports;
const pointer = () => exports.__stack_pointer.value;
const events = () => Array.from({ length: exports.event_count() }, (_, i) => exports.event(i));

// The call, how it ended, and, as the loader does, who notices that it never came back.
function attempt(name, ...all) {
  const before = isRecovered && exports.__wasmir_activation() >>> 0;
  try {
    return { returned: exports[name](...all) };
  } catch (error) {
    const stays = isRecovered && exports.__wasmir_activation() >>> 0 > before;
    if (stays && exports.__wasmir_state.value !== 2) exports.__wasmir_terminate();
    return { thrown: error };
  }
}
"""

IDENTITY: Final = """
const error = new Error("the host's");
const exception = new WebAssembly.Exception(hostTag, [7], { traceStack: true });
const stacks = [error.stack, exception.stack];
const thrown = [error, exception, { plain: true }, "text", 12.5, undefined, () => {}, Symbol()];
if (throwsNull) thrown.push(null);
const seen = [];
for (const value of thrown) {
  exports.clear();
  const before = pointer();
  failing = () => { throw value; };
  const { thrown } = attempt("some_func", 0);
  seen.push([Object.is(thrown, value), events(), exports.alive(), pointer() - before]);
}
return {
  seen,
  stacks: error.stack === stacks[0] && exception.stack === stacks[1],
  payload: exception.is(hostTag) && exception.getArg(hostTag, 0),
};
"""

PANICS: Final = """
failing = (n) => exports.callback(n);
const seen = [];
for (const name of ["some_func", "callback"]) {
  exports.clear();
  const before = pointer();
  const { thrown } = attempt(name, 1);
  const tags = Object.keys(exports).filter((key) => /^__wasmir_panic_/.test(key));
  const address = thrown.getArg(exports.__cpp_exception, 0);
  seen.push([
    tags.map((tag) => thrown.is(exports[tag]) && thrown.getArg(exports[tag], 0) === address),
    new DataView(exports.memory.buffer).getInt32(address, true),
    events(),
    exports.alive(),
    pointer() - before,
  ]);
}
const caught = [0, 1, 5].map((failure) => attempt("run", failure).returned);
return { seen, caught };
"""

ESCAPING: Final = """
const before = pointer();
const errors = [new Error("the host's"), { plain: true }, new WebAssembly.Exception(hostTag, [7])];
let wrong = 0;
let first = null;
for (let i = 0; i < escapes; i++) {
  const value = errors[i % 4];
  failing = value ? () => { throw value; } : () => exports.callback(1); // a panic
  const { thrown } = attempt("some_func", 0);
  const right = value ? thrown === value : thrown?.is?.(exports.__cpp_exception) === true;
  if (!right) { wrong++; first ??= i; }
}
failing = (n) => exports.callback(n);
return { wrong, first, left: pointer() - before, answer: attempt("run", 0).returned };
"""

TRAP: Final = """
failing = (n) => exports.callback(n);
const before = pointer();
const first = attempt("some_func", 4).thrown instanceof WebAssembly.RuntimeError;
const refused = ["run", "alive", "event_count"].map(
  (name) => attempt(name, 0).thrown?.is?.(exports.__wasmir_terminated) === true,
);
exports.__wasmir_reset_state();
return { first, refused, answer: [attempt("run", 0).returned, events(), pointer() - before] };
"""

DIALECTS: Final = ("legacy", "exnref")
LEVELS: Final = ("O0", "O2", "Oz")
NOTICES: Final = ("host", "wasm")
MARKS: Final = ("legacy", "legacy-jstag", "exnref")
"""How foreign exceptions are marked: not at all, by their value, by themselves."""


def _recovered(mark: str, level: str, notice: str, *more: str) -> bytes:
    dialect, _, identity = mark.partition("-")
    options = [f"notice={notice}", *more]
    options += [f"identity={identity}"] if identity else []
    return _made(dialect, level, f"recover{{{','.join(options)}}}")


def _made(dialect: str, level: str, passes: str) -> bytes:
    opened = Module.from_file(find(f"cpp-catch-unwind-{dialect}-{level}").path)
    Pipeline.parse(passes).run(opened)
    return opened.to_bytes()


def _run(
    code: str,
    data: bytes,
    *,
    node: Path | None = None,
    throws_null: bool = True,
    escapes: int = ESCAPES["Oz"],
) -> Any:  # noqa: ANN401 - JSON
    return javascript(HOST + code, node=node, program=data, escapes=escapes, throwsNull=throws_null)


EACH: Final = [(mark, level, notice) for mark in MARKS for level in LEVELS for notice in NOTICES]
each_variant = pytest.mark.parametrize(("mark", "level", "notice"), EACH)

ORDER: Final = [101, 102, 202, 201]
"""Two objects made, and destroyed the other way round."""


@each_variant
def test_the_host_gets_its_own_exceptions_back(mark: str, level: str, notice: str) -> None:
    seen = _run(IDENTITY, _recovered(mark, level, notice))
    # Its own, the destructors ran, nothing is alive, and the stack pointer is where it was.
    assert seen["seen"] == [[True, ORDER, 0, 0]] * 9
    assert seen["stacks"] is True
    assert seen["payload"] == 7


@each_variant
def test_panics_are_what_they_were(mark: str, level: str, notice: str) -> None:
    seen = _run(PANICS, _recovered(mark, level, notice))
    assert seen["seen"] == [[[True], 42, ORDER, 0, 0], [[True], 42, [], 0, 0]]
    assert seen["caught"] == [3, 1042, 1055]


@each_variant
def test_escapes_leave_nothing_behind(mark: str, level: str, notice: str) -> None:
    seen = _run(ESCAPING, _recovered(mark, level, notice), escapes=ESCAPES[level])
    assert seen == {"wrong": 0, "first": None, "left": 0, "answer": 3}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("mark", MARKS)
def test_unless_the_stack_pointer_stays_where_it_is(mark: str, level: str) -> None:
    """Each escape leaks a frame then, until there is no stack left for the next call."""
    seen = _run(ESCAPING, _recovered(mark, level, "host", "stack-pointer=none"))
    assert 100 < seen["first"] < 10_000
    assert seen["left"] < -60_000
    assert "answer" not in seen


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_unmodified_it_leaks_too(dialect: str, level: str) -> None:
    seen = _run(ESCAPING, find(f"cpp-catch-unwind-{dialect}-{level}").path.read_bytes())
    assert seen["wrong"] > 5_000
    assert seen["left"] < -60_000


@each_variant
def test_after_a_trap_nothing_runs_until_the_reset(mark: str, level: str, notice: str) -> None:
    seen = _run(TRAP, _recovered(mark, level, notice))
    assert seen["first"] is True
    assert seen["refused"] == [True] * 3
    assert seen["answer"] == [3, ORDER, 0]


STATUS: Final = """
const seen = [];
const before = pointer();
const error = new Error("the host's");
for (const fail of [() => 3, () => exports.callback(1), () => { throw error; }]) {
  exports.clear();
  failing = fail;
  const { returned, thrown } = attempt("some_func", 0);
  seen.push([thrown === error || returned, events(), exports.alive(), pointer() - before]);
}
return seen;
"""


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("panics", ["*", "__cpp_exception"])
def test_a_status_instead(mark: str, level: str, panics: str) -> None:
    dialect, _, identity = mark.partition("-")
    pads = f'insert-landing-pads{{functions=some_func,then=status,failure=-7,panics="{panics}"}}'
    recover = f"recover{{identity={identity}}}" if identity else "recover"
    for passes in (pads, f"{pads},{recover}"):
        seen = _run(STATUS, _made(dialect, level, passes))
        # An exception of the host's is either no panic, and goes on, or one like the others.
        foreign = -7 if panics == "*" else True
        assert seen == [[value, ORDER, 0, 0] for value in (6, -7, foreign)]


@pytest.mark.parametrize("code", [IDENTITY, PANICS, ESCAPING, TRAP])
@pytest.mark.parametrize("notice", NOTICES)
def test_the_same_in_an_older_node(code: str, notice: str) -> None:
    node = older_node()
    for level in LEVELS:
        data = _recovered("legacy", level, notice)
        # Node 20 traps where a handler throws `null` again, whatever the module.
        seen, wanted = (_run(code, data, node=each, throws_null=False) for each in (node, None))
        assert seen == wanted
