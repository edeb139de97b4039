"""reset-state: what an instance is like after it, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.javascript import javascript
from tests.modules import assembled
from tests.support import validate
from wasmir import Module, UnsupportedError
from wasmir.passes import ResetState

RESET = "__wasmir_reset_state"


def resettable(data: bytes, **options: Any) -> bytes:  # noqa: ANN401 - the pass checks
    module = Module.from_bytes(data)
    ResetState(**options).run(module)
    out = module.to_bytes(keep_stale=True)
    assert validate(out) is None
    return out


def refused(text: str, **options: Any) -> str:  # noqa: ANN401 - the pass checks
    data = assembled(text)
    module = Module.from_bytes(data)
    with pytest.raises(UnsupportedError) as caught:
        ResetState(**options).run(module)
    assert module.to_bytes() == data
    return str(caught.value)


# The same calls in new instances of the module as it was, and again and again in one instance of
# what became of it, which is put back in between.
ROUNDS = """
    const found = [];
    const compare = (what, wanted, got) => {
      const [one, other] = [wanted, got].map((each) => JSON.stringify(each));
      if (one !== other) found.push(`${what}: ${one}, not ${other}`);
    };
    const made = (module) => new WebAssembly.Instance(module, new Function("return " + imports)());
    const used = made(after);
    compare("at first", state(made(before)), state(used));
    for (let round = 0; round < 4; round++) {
      const fresh = made(before);
      for (const [name, ...args] of calls) {
        const values = args.map((each) => (typeof each === "string" ? BigInt(each) : each));
        const [wanted, got] = [fresh, used].map((each) =>
          outcome(() => each.exports[name](...values)));
        compare(`round ${round}, ${name}(${args})`, wanted, got);
      }
      compare(`round ${round}, after the calls`, state(fresh), state(used, fresh));
      used.exports.__wasmir_reset_state();
      compare(`round ${round}, after the reset`, state(made(before)), state(used, made(before)));
    }
    return found;
"""


def rounds(text: str, calls: list[Any], imports: str = "{}", **options: Any) -> None:  # noqa: ANN401
    before = assembled(text)
    after = resettable(before, **options)
    found = javascript(ROUNDS, before=before, after=after, calls=calls, imports=imports)
    assert found == []


MEMORY = """(module
  (memory (export "mem") 1 4) (data (i32.const 8) "abc") (data (i32.const 10) "de")
  (func (export "size") (result i32) memory.size)
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "poke") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
  (func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0))))"""


@pytest.mark.usefixtures("engine")
def test_memory() -> None:
    calls: list[Any] = [
        ["poke", 9, 1],
        ["poke", 65535, 3],
        ["size"],
        ["grow", 0],
        ["grow", 1],
        ["size"],
    ]
    calls += [["poke", 65536, 7], ["grow", 3], ["grow", 2], ["grow", 1], ["grow", -1], ["size"]]
    calls += [["peek", 65536], ["poke", 4 * 65536 - 1, 9], ["peek", 9]]
    rounds(MEMORY, calls)
