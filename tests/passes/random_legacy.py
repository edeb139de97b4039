"""Random valid modules, dense in legacy exception handling, as text.

Every function has the type [i32 i32] -> [i32]. Loops and calls burn fuel, so that each call ends;
what the fuel's end does is a trap, which no handler sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

__all__ = ["module"]

_HEAD = """\
(module
  (import "env" "log" (func $log (param i32)))
  (import "env" "throw_js" (func $throw_js (param i32)))
  (import "env" "tag" (tag $h (param i32)))
  (import "env" "tag" (tag $alias (param i32)))
  (tag $e0 (export "e0"))
  (tag $e1 (export "e1") (param i32))
  (tag $e2 (export "e2") (param i32 i64))
  (global $fuel (mut i32) (i32.const 0))
  (func $burn
    global.get $fuel i32.eqz if unreachable end
    global.get $fuel i32.const 1 i32.sub global.set $fuel)
  (func (export "refuel") i32.const 200 global.set $fuel)
  (func $raise (param $n i32)
    block $js block $h block $e2 block $e1 block $e0 block $none
      local.get $n i32.const 7 i32.and
      br_table $none $e0 $e1 $e2 $h $js $none
    end return
    end throw $e0
    end local.get $n throw $e1
    end local.get $n i64.const 5 throw $e2
    end local.get $n throw $h
    end local.get $n i32.const 1 i32.and call $throw_js)
"""
_PAYLOADS = {"$e0": 0, "$e1": 1, "$e2": 2, "$h": 1, "$alias": 1}


@dataclass(frozen=True)
class _Label:
    name: str
    arity: int  # values that a branch to it takes
    caught: bool = False  # inside a handler of that try: rethrow may name it


def module(rng: Random, functions: int = 6) -> str:
    """One module."""
    parts = [_HEAD]
    for index in range(functions):
        parts.append(
            f'  (func $f{index} (export "f{index}") (param $a i32) (param $b i32) (result i32)\n'
            "    (local $c i32) (local $d i64)\n"
        )
        writer = _Writer(rng, index)
        # The function's own label, by number: the deepest.
        writer.sequence([], 5, 1)
        parts.append("\n".join(f"    {line}" for line in writer.lines))
        parts.append(")\n")
    return "".join(parts) + ")\n"


class _Writer:
    def __init__(self, rng: Random, callees: int) -> None:
        self.rng = rng
        self.callees = callees
        self.lines: list[str] = []
        self.count = 0

    def put(self, *lines: str) -> None:
        self.lines += lines

    def sequence(self, labels: list[_Label], depth: int, arity: int, below: int = 0) -> None:
        """Statements, then ``arity`` i32s or a jump; ``below`` i32s are on the stack already."""
        for _ in range(self.rng.randrange(4 if depth > 0 else 2)):
            self.statement(labels, depth)
        if self.rng.random() < 0.3:
            self.jump(labels)
            if self.rng.random() < 0.3:  # dead code, which is typed all the same
                self.statement(labels, min(depth, 1))
                for _ in range(arity):
                    self.value(labels, 0)
            return
        if below > arity:
            self.put(*["drop"] * (below - arity))
        for _ in range(arity - below):
            self.value(labels, depth)

    def value(self, labels: list[_Label], depth: int) -> None:
        choice = self.rng.randrange(8)
        if choice < 2:
            self.put(f"i32.const {self.rng.randrange(-2, 9)}")
        elif choice < 5 or depth <= 0:
            self.put(f"local.get ${self.rng.choice('abc')}")
        elif choice == 5:
            self.value(labels, depth - 1)
            self.value(labels, depth - 1)
            self.put(self.rng.choice(["i32.add", "i32.sub", "i32.xor", "i32.lt_s"]))
        else:
            self.structured(labels, depth, 1)

    def statement(self, labels: list[_Label], depth: int) -> None:
        choice = self.rng.randrange(10)
        if choice < 2:
            self.value(labels, 0)
            self.put("call $raise")
        elif choice == 2:
            self.put(f"i32.const {self.rng.randrange(100)}", "call $log")
        elif choice == 3:
            self.value(labels, depth - 1)
            self.put(f"local.set ${self.rng.choice('abc')}")
        elif choice == 4 and self.callees:
            self.put("call $burn")
            self.value(labels, 0)
            self.value(labels, 0)
            self.put(f"call $f{self.rng.randrange(self.callees)}", "call $log")
        elif choice == 5:
            self.branch_if(labels)
        elif depth > 0:
            self.structured(labels, depth, 0)

    def branch_if(self, labels: list[_Label]) -> None:
        label = self.target(labels)
        if label is None:
            return
        self.put(*["local.get $c"] * label.arity)
        self.value(labels, 0)
        self.put(f"br_if {label.name}", *["drop"] * label.arity)

    def target(self, labels: list[_Label]) -> _Label | None:
        return self.rng.choice(labels) if labels else None

    def jump(self, labels: list[_Label]) -> None:
        """Something that control doesn't come back from."""
        caught = [label for label in labels if label.caught]
        label = self.target(labels)
        choice = self.rng.randrange(8)
        if caught and choice < 4:
            self.put(f"rethrow {self.rng.choice(caught[-3:]).name}")
        elif choice == 4:
            tag = self.rng.choice(["$e0", "$e1", "$h"])
            self.put(*["local.get $b"] * _PAYLOADS[tag], f"throw {tag}")
        elif label is not None and choice == 5:
            alike = [other.name for other in labels if other.arity == label.arity]
            self.put(*["local.get $c"] * label.arity, "local.get $b")
            self.put(f"br_table {' '.join(self.rng.choices(alike, k=3))}")
        elif label is not None and choice < 8:
            self.put(*["local.get $a"] * label.arity, f"br {label.name}")
        else:
            self.put("local.get $b", "return")

    def structured(self, labels: list[_Label], depth: int, arity: int) -> None:
        name = f"$l{self.count}"
        self.count += 1
        params = self.rng.randrange(3) if self.rng.random() < 0.2 else 0
        self.put(*["local.get $b"] * params)
        spelled = "".join(
            f" ({word}{' i32' * count})"
            for word, count in (("param", params), ("result", arity))
            if count
        )
        inner = [*labels, _Label(name, arity)]
        kind = self.rng.choice(["block", "loop", "if", "try", "try", "try", "try", "delegate"])
        if kind == "block":
            self.put(f"block {name}{spelled}")
            self.sequence(inner, depth - 1, arity, params)
        elif kind == "loop":
            self.put(f"loop {name}{spelled}", "call $burn")
            self.sequence([*labels, _Label(name, params)], depth - 1, arity, params)
        elif kind == "if":
            self.put("local.get $a", f"if {name}{spelled}")
            self.sequence(inner, depth - 1, arity, params)
            self.put("else")
            self.sequence(inner, depth - 1, arity, params)
        else:
            self.put(f"try {name}{spelled}")
            self.sequence(inner, depth - 1, arity, params)
            if kind == "delegate":
                # By number: it counts from outside the try, and may name the function.
                self.put(f"delegate {self.rng.randrange(len(labels) + 1)}")
                return
            self.handlers([*labels, _Label(name, arity, caught=True)], depth, arity)
        self.put("end")

    def handlers(self, labels: list[_Label], depth: int, arity: int) -> None:
        for tag in self.rng.choices(list(_PAYLOADS), k=self.rng.randrange(3)):
            self.put(f"catch {tag}")
            below = _PAYLOADS[tag]
            if tag == "$e2":
                self.put("local.set $d")
                below = 1
            if below and self.rng.random() < 0.4:
                self.put(self.rng.choice(["drop", "call $log", "local.set $c"]))
                below = 0
            self.handler(labels, depth, arity, below)
        if self.rng.random() < 0.5:
            self.put("catch_all")
            self.handler(labels, depth, arity, 0)

    def handler(self, labels: list[_Label], depth: int, arity: int, below: int) -> None:
        choice = self.rng.random()
        if choice < 0.25:
            self.put("rethrow 0")
        elif choice < 0.4 and below == arity:
            pass  # empty: the payload is the result
        else:
            self.sequence(labels, depth - 2, arity, below)
