"""Out of memory, or of places in a table, and reset: a thousand times, and nothing grows."""

from __future__ import annotations

from typing import Any, Final

import pytest

from corpus.manifest import find
from tests.javascript import javascript
from tests.modules import assembled
from wasmir import Module, Pipeline

pytestmark = pytest.mark.usefixtures("engine")

TIMES: Final = 1000
PAGES: Final = 16
"""At most, of the program's memory."""

COMMON: Final = """
const { exports } = new WebAssembly.Instance(program, { env: { meanwhile() {} } });
const recover = () => {
  if (exports.__wasmir_state.value !== 2) exports.__wasmir_terminate();
  if (!auto) exports.__wasmir_reset_state();
};
// What `seen` is called for in each round, and how often it was which.
const rounds = new Map();
function round(...seen) {
  const text = JSON.stringify(seen);
  rounds.set(text, (rounds.get(text) ?? 0) + 1);
}
function ends(call) {
  try {
    return call();
  } catch (error) {
    return error instanceof WebAssembly.RuntimeError ? "aborted" : "refused";
  }
}
const told = () => [...rounds].map(([text, count]) => [...JSON.parse(text), count]);
"""

MEMORY: Final = """
const first = [exports.pages(), exports.balance(0), exports.total()];
for (let i = 0; i < times; i++) {
  const answers = [exports.transfer(0, 1, 30, 0, -1), exports.reserve(2)];
  const end = ends(() => exports.transfer(2, 3, 40, 7, -1));
  recover();
  const last = [exports.pages(), exports.balance(0), exports.total()];
  round(first, answers, end, last, exports.memory.buffer.byteLength / 65536);
}
return told();
"""

TABLE: Final = """
const first = [exports.size(), exports.at(0), exports.at(1)];
for (let i = 0; i < times; i++) {
  const answers = [exports.grow(3), exports.size(), exports.at(4)];
  exports.forget(0);
  const end = ends(() => exports.exhaust());
  recover();
  const last = [exports.size(), exports.at(0), exports.at(1)];
  round(first, answers, end, last, exports.table?.length ?? null);
}
return told();
"""

WITH_TABLE: Final = """
(module
  (type $number (func (result i32)))
  (table $table EXPORTED 2 500 funcref)
  (elem (i32.const 0) $seven $eight)
  (func $seven (result i32) i32.const 7)
  (func $eight (result i32) i32.const 8)
  (func (export "size") (result i32) table.size)
  (func (export "grow") (param i32) (result i32)
    ref.func $eight
    local.get 0
    table.grow)
  (func (export "at") (param i32) (result i32)
    local.get 0
    call_indirect (type $number))
  (func (export "forget") (param i32)
    local.get 0
    ref.null func
    table.set)
  (func (export "exhaust")
    (loop $again
      ref.func $seven
      i32.const 1
      table.grow
      i32.const 0
      i32.ge_s
      br_if $again)
    unreachable))
"""


def _program(dialect: str, options: str) -> bytes:
    opened = Module.from_file(find(f"cpp-requests-{dialect}-O2").path)
    Pipeline.parse(f"recover{{{options}}}").run(opened)
    return opened.to_bytes()


def _run(code: str, data: bytes, *, auto: bool = False) -> Any:  # noqa: ANN401 - JSON
    return javascript(COMMON + code, program=data, times=TIMES, auto=auto)


@pytest.mark.parametrize("auto", [False, True], ids=["by the host", "by itself"])
@pytest.mark.parametrize("notice", ["host", "wasm"])
@pytest.mark.parametrize("dialect", ["legacy", "exnref"])
def test_out_of_memory(dialect: str, notice: str, auto: bool) -> None:
    options = f"notice={notice}" + (",auto-reset=true" if auto else "")
    fresh = [3, 100, 800]
    wanted = [fresh, [70, 5], "aborted", fresh, PAGES, TIMES]
    assert _run(MEMORY, _program(dialect, options), auto=auto) == [wanted]


@pytest.mark.parametrize("auto", [False, True], ids=["by the host", "by itself"])
@pytest.mark.parametrize("notice", ["host", "wasm"])
@pytest.mark.parametrize("exported", ["", '(export "table")'], ids=["hidden", "exported"])
def test_out_of_places_in_a_table(exported: str, notice: str, auto: bool) -> None:
    opened = Module.from_bytes(assembled(WITH_TABLE.replace("EXPORTED", exported)))
    options = f"notice={notice}" + (",auto-reset=true" if auto else "")
    Pipeline.parse(f"recover{{{options}}}").run(opened)
    fresh = [2, 7, 8]
    wanted = [fresh, [2, 5, 8], "aborted", fresh, 500 if exported else None, TIMES]
    assert _run(TABLE, opened.to_bytes(), auto=auto) == [wanted]
