"""What the tests of reset-state share."""

from __future__ import annotations

from typing import Any

from tests.javascript import javascript
from tests.modules import assembled
from tests.support import validate
from wasmir import Module
from wasmir.passes import ResetState

__all__ = ["IMPORTS", "ROUNDS", "resettable", "rounds"]


def resettable(data: bytes, **options: Any) -> bytes:  # noqa: ANN401 - the pass checks
    module = Module.from_bytes(data)
    ResetState(**options).run(module)
    out = module.to_bytes(keep_stale=True)
    assert validate(out) is None
    Module.from_bytes(out).validate()
    return out


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
          outcome(() => each.exports[name](...values)).replace(/^trap.*/, "trap"));
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


IMPORTS = """(module
  (import "m" "memory" (memory 1)) (import "m" "table" (table 2 funcref))
  (import "m" "sp" (global $sp (mut i32))) (import "m" "ref" (global $ref (mut externref)))
  (export "memory" (memory 0)) (export "table" (table 0)) (export "sp" (global $sp))
  (data (i32.const 4) "data") (elem (i32.const 1) $f) (func $f)
  (global $own (export "own") (mut i32) (i32.const 4))
  (func (export "f") (result i32 i32)
    (i32.store8 (i32.const 5) (i32.const 255)) (table.set 0 (i32.const 1) (ref.null func))
    (global.set $sp (i32.sub (global.get $sp) (i32.const 16)))
    (global.set $ref (ref.null extern)) (global.set $own (i32.const 99))
    (memory.grow (i32.const 1)) (table.grow (ref.func $f) (i32.const 2))))"""
