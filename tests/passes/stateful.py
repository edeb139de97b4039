"""Random modules that are nothing but state, and functions that do one thing to it each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

__all__ = ["Stateful", "stateful"]


@dataclass
class Stateful:
    """The text of a module, and what its exports take: an ``i32`` or an ``i64`` each."""

    parts: list[str] = field(default_factory=list)
    exports: list[tuple[str, str]] = field(default_factory=list)
    #: Whether all memories and tables are exported.
    visible: bool = True

    def function(self, params: str, result: str, code: str) -> None:
        """An export with parameters of these types, as in ``"i32 i64"``."""
        name = f"f{len(self.exports)}"
        self.exports.append((name, params))
        results = f"(result {result})" if result else ""
        operands = " ".join(f"(local.get {at})" for at in range(len(params.split())))
        self.parts.append(
            f'(func (export "{name}") (param {params}) {results} {code.replace("*", operands)})'
        )

    def calls(self, random: Random, count: int) -> list[Any]:
        """Some calls, mostly with small numbers."""
        found: list[Any] = []
        for _ in range(count):
            name, params = random.choice(self.exports)
            call: list[Any] = [name]
            for param in params.split():
                number = random.choice((0, 0, 1, 1, 2, 3, 5, 65530, -1))
                call.append(number if param == "i32" else str(number))
            found.append(call)
        return found

    def __str__(self) -> str:
        return "\n".join(["(module", *self.parts, ")"])


def stateful(random: Random) -> Stateful:
    """Memories, tables, globals and segments of all sorts."""
    made = Stateful()
    made.parts += [
        "(type $bytes (array (mut i8))) (type $refs (array (mut funcref)))",
        "(func $a) (func $b) (func $c) (elem declare func $a $b $c)",
    ]
    memories = [_memory(made, random, at) for at in range(random.randint(1, 3))]
    tables = [_table(made, random, at) for at in range(random.randint(1, 3))]
    for at in range(random.randint(0, 6)):
        _data(made, random, at, memories)
    for at in range(random.randint(0, 6)):
        _elements(made, random, at, tables)
    for at in range(random.randint(0, 4)):
        _global(made, random, at)
    if random.random() < 0.3:
        made.parts.append(f"(func $start (i32.store8 ({memories[0]}.const 3) (i32.const 7)))")
        # May well trap.
        made.parts.append("(start $start)")
    return made


def _exported(made: Stateful, random: Random, name: str) -> str:
    if random.random() < 0.8:
        return f'(export "{name}")'
    made.visible = False
    return ""


def _maybe(random: Random, what: str) -> str:
    return what if random.random() < 0.6 else ""


def _memory(made: Stateful, random: Random, at: int) -> str:
    address = random.choice(("i32", "i32", "i64"))
    least = random.choice((0, 1, 1, 1, 2))
    export = _exported(made, random, f"m{at}")
    made.parts.append(f"(memory $m{at} {export} {address} {least} {least + random.randint(0, 3)})")
    made.function("", address, f"(memory.size $m{at})")
    made.function(address, "i32", f"(i32.load8_u $m{at} *)")
    made.function(f"{address} i32", "", f"(i32.store $m{at} *)")
    if random.random() < 0.7:
        made.function(address, address, f"(memory.grow $m{at} *)")
    return address


def _table(made: Stateful, random: Random, at: int) -> tuple[str, bool]:
    address = random.choice(("i32", "i32", "i64"))
    nullable = random.random() < 0.7
    least = random.randint(3, 5)
    export = _exported(made, random, f"t{at}")
    limits = f"{address} {least} {least + random.randint(0, 4)}"
    element = "funcref" if nullable else "(ref func) (ref.func $c)"
    made.parts.append(f"(table $t{at} {export} {limits} {element})")
    made.function("", address, f"(table.size $t{at})")
    made.function(address, "i32", f"(ref.is_null (table.get $t{at} *))")
    function = random.choice("ab")
    made.function(address, "", f"(table.set $t{at} * (ref.func ${function}))")
    if nullable:
        made.function(address, "", f"(table.set $t{at} * (ref.null func))")
    if random.random() < 0.7:
        made.function(address, address, f"(table.grow $t{at} (ref.func ${function}) *)")
    return address, nullable


def _data(made: Stateful, random: Random, at: int, memories: list[str]) -> None:
    text = "".join(random.choice("wxyz") for _ in range(random.randint(0, 9)))
    which = random.randrange(len(memories))
    address = memories[which]
    where = f"(memory $m{which}) ({address}.const {random.choice((0, 1, 2, 5, 7, 65525, 65530))})"
    made.parts.append(f'(data $d{at} {_maybe(random, where)} "{text}")')
    if random.random() < 0.8:
        made.function(f"{address} i32 i32", "", f"(memory.init $m{which} $d{at} *)")
    if random.random() < 0.5:
        made.function("", "", f"(data.drop $d{at})")
    if random.random() < 0.3:
        made.function("i32 i32", "i32", f"(array.len (array.new_data $bytes $d{at} *))")
    if random.random() < 0.3:
        array = "(array.new_default $bytes (i32.const 4))"
        made.function("i32 i32 i32", "", f"(array.init_data $bytes $d{at} {array} *)")


def _elements(made: Stateful, random: Random, at: int, tables: list[tuple[str, bool]]) -> None:
    which = random.randrange(len(tables))
    address, nullable = tables[which]
    functions = [random.choice("abc") for _ in range(random.randint(0, 3))]
    sort = random.choice(("active", "active", "passive", "passive", "declare"))
    where = f"(table $t{which}) ({address}.const {random.choice((0, 0, 1, 3))})"
    mode = {"active": where, "passive": "", "declare": "declare"}[sort]
    if nullable and random.random() < 0.5:
        items = "funcref " + " ".join(f"(ref.func ${each})" for each in functions)
        items += " (ref.null func)"
    else:
        items = "func " + " ".join(f"${each}" for each in functions)
    made.parts.append(f"(elem $e{at} {mode} {items})")
    fits = nullable or items.startswith("func ")
    if fits and random.random() < 0.8:
        made.function(f"{address} i32 i32", "", f"(table.init $t{which} $e{at} *)")
    if random.random() < 0.5:
        made.function("", "", f"(elem.drop $e{at})")
    if random.random() < 0.3:
        made.function("i32 i32", "i32", f"(array.len (array.new_elem $refs $e{at} *))")
    if random.random() < 0.3:
        array = "(array.new_default $refs (i32.const 4))"
        made.function("i32 i32 i32", "", f"(array.init_elem $refs $e{at} {array} *)")


def _global(made: Stateful, random: Random, at: int) -> None:
    type_ = random.choice(("i32", "i64"))
    export = _maybe(random, f'(export "g{at}")')
    value = random.randint(-5, 5)
    made.parts.append(f"(global $g{at} {export} (mut {type_}) ({type_}.const {value}))")
    made.function(type_, "", f"(global.set $g{at} *)")
    made.function("", type_, f"(global.get $g{at})")
