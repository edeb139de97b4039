"""What is built from nothing is valid, does what it says, and what can't be is refused at once."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import reduce
from typing import TYPE_CHECKING, Any, cast

import pytest

from corpus.manifest import Module as Entry
from corpus.manifest import modules
from tests.javascript import javascript
from tests.modules import assembled, printed
from tests.support import validate
from wasmir import (
    EXNREF,
    F64,
    I32,
    I64,
    Block,
    Br,
    BrIf,
    BrOn,
    BrTable,
    Clause,
    Function,
    FunctionBuilder,
    If,
    InvalidError,
    Item,
    Label,
    Loop,
    Module,
    Resume,
    Rethrow,
    Structured,
    Try,
    TryTable,
    instructions,
    ops,
)
from wasmir.interp import Instance
from wasmir.isa.signature import CONSTRUCTIBLE, python_path
from wasmir.isa.table import Trait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wasmir.ir.build import Opening


def test_labels_have_names() -> None:
    """All sorts of blocks, in the order of the code; what an exception takes back has none."""
    module = Module()
    tag = module.add_tag()
    with module.build("f", {"n": I32}, exported="f") as f:
        (n,) = f.params
        with f.block(name="done") as done, f.block(), f.loop(name="again") as again:
            f.local.get(n).br_if(done).local.get(n)
            with f.if_(name="either"):
                f.br(again)
            with f.else_(), f.block(name="inner"):
                f.nop()
        with suppress(ZeroDivisionError), f.block(name="given up"):
            raise ZeroDivisionError
        with f.try_(name="tried"):
            f.throw(tag)
        with f.catch(tag), f.block(name="handling"):
            f.nop()
        with f.block(name="caught") as caught, f.try_table(clauses=[Clause(tag, caught)], name="t"):
            f.nop()
    names = ["done", None, "again", "either", "inner", "tried", "handling", "caught", "t"]
    wanted = {at: name for at, name in enumerate(names) if name is not None}
    assert f.function.label_names == wanted
    data = module.to_bytes()
    assert Module.from_bytes(data).functions[0].label_names == wanted
    for text in (printed(data), Module.from_bytes(data).wat()):
        for name in wanted.values():
            assert len(re.findall(rf"(?m)^ *(block|loop|if|try|try_table) \${name}\b", text)) == 1
        assert "br_if $done" in text
        assert "br $again" in text
        assert "given up" not in text
    with pytest.raises(TypeError, match="a name"), module.build() as f:
        f.block(name=5)  # type: ignore[arg-type]


def test_a_function_that_is_built_again_has_the_names_of_its_new_labels() -> None:
    module = Module.from_bytes(assembled("(module (func $f block $old end))"))
    function = module.functions[0]
    assert function.label_names == {0: "old"}
    with function.rebuild() as f, f.block(), f.loop(name="new"):
        f.nop()
    assert Module.from_bytes(module.to_bytes()).functions[0].label_names == {1: "new"}


def factorial(module: Module) -> Function:
    with module.build("factorial", {"n": I64}, [I64], exported="factorial") as f:
        (n,) = f.params
        f.local.get(n).i64.eqz()
        with f.if_(I64):
            f.i64.const(1)
        with f.else_():
            f.local.get(n).local.get(n).i64.const(1).i64.sub().call(f.function).i64.mul()
    return f.function


def test_a_module_from_nothing() -> None:
    module = Module()
    function = factorial(module)
    assert module.functions[0] is function
    data = module.to_bytes()
    assert validate(data) is None
    text = """(module
      (type (func (param i64) (result i64)))
      (func $factorial (export "factorial") (param $n i64) (result i64)
        (if (result i64) (i64.eqz (local.get $n))
          (then (i64.const 1))
          (else (i64.mul (local.get $n)
            (call $factorial (i64.sub (local.get $n) (i64.const 1))))))))"""
    assert data == assembled(text)
    assert Instance(Module.from_bytes(data), {}).invoke("factorial", 20) == 2432902008176640000


def test_loops_and_locals() -> None:
    module = Module()
    with module.build("sum", [I32], [I64], exported="sum") as f:
        (n,) = f.params
        total = f.local(I64, "total")
        step = f.local(I64)
        f.i64.const(1).local.set(step)
        with f.block() as done, f.loop() as again:
            f.local.get(n).i32.eqz().br_if(done)
            f.local.get(total).local.get(step).i64.add().local.set(total)
            f.local.get(n).i32.const(-1).i32.add().local.tee(n).br_if(again)
        f.local.get(total)
    assert (int(n), int(total), int(step)) == (0, 1, 2)
    assert repr(total) == '<local 1 "total", i64>'
    assert f.function.local_groups == [(2, I64)]
    assert f.function.local_names == {1: "total"}
    assert validate(module.to_bytes()) is None
    assert Instance(module, {}).invoke("sum", 10) == 10
    assert Instance(module, {}).invoke("sum", 0) == 0


def test_types_are_found_or_added() -> None:
    module = Module()
    pair = module.func_type([I32], [I32, I32])
    with module.build("swap", [I32], [I32, I32], exported="swap") as f:
        f.local.get(f.params[0])
        with f.block(params=[I32], results=[I32, I32]) as block:
            f.i32.const(7).br(block)
        with f.loop(params=[I32, I32], results=[I32, I32]):
            f.nop()
        with f.block(module.block_type([I32, I32], [I32, I32])):
            f.nop()
    assert f.function.type is pair
    assert list(module.types) == [pair, module.func_type([I32, I32], [I32, I32])]
    with module.build(params=pair) as g:
        f.function.name = "first"
        g.local.get(0).call(f.function)
    assert g.function.type is pair
    assert validate(module.to_bytes()) is None
    assert Instance(module, {}).invoke("swap", 1) == (1, 7)


def test_branch_tables() -> None:
    module = Module()
    with module.build("pick", {"case": I32}, [F64], exported="pick") as f:
        with f.block(F64) as done:
            with f.block() as other, f.block() as second, f.block() as first:
                f.local.get(0).br_table([first, second, other])
            f.f64.const(1.0).br(done)
        with f.block():
            f.nop()
    assert f.function.body.items[0] is done
    # The blocks' ends: what stands behind the first falls out of all three.
    with f.function.rebuild() as f, f.block() as other:
        with f.block() as second:
            with f.block() as first:
                f.local.get(f.params[0]).br_table([first, second, other])
            f.f64.const(1.5).return_()
        f.f64.const(2.5).br(f.body)
    f.function.body.seq.append(ops.f64.const(3.5))
    assert f.function.local_names == {0: "case"}
    assert validate(module.to_bytes()) is None
    instance = Instance(module, {})
    assert [instance.invoke("pick", at) for at in range(4)] == [1.5, 2.5, 3.5, 3.5]


def legacy(module: Module) -> None:
    """0 doesn't throw, 1 throws what the inner try catches, 2 what the outer one does, by delegate
    or rethrown; 3 what only the function's caller might.
    """
    one, two, other = (module.add_tag([I32]) for _ in range(3))
    with module.build("throws", {"which": I32}) as thrower:
        with thrower.block() as c, thrower.block() as b, thrower.block() as a:
            with thrower.block() as none:
                thrower.local.get(0).br_table([none, a, b, c])
            thrower.return_()
        thrower.i32.const(30).throw(other)
    # Each of the blocks' ends is followed by the throw of its own tag.
    blocks = [c, b, a]
    for block, tag in zip(blocks[:2], (two, one), strict=True):
        block.items += [ops.i32.const(10), ops.throw(tag)]
    with module.build("legacy", {"which": I32}, [I32], exported="legacy") as f:
        (which,) = f.params
        with f.try_(I32) as outer:
            with f.try_():
                with f.try_():
                    f.local.get(which).call(thrower.function)
                f.delegate(outer)
            with f.catch_all() as handled:
                f.rethrow(handled)
            with f.try_() as inner:
                f.local.get(which).call(thrower.function)
            with f.catch(one):
                f.drop().i32.const(100).br(outer)
            with f.catch(two) as again:
                assert again is inner
                f.drop().rethrow(again)
            f.i32.const(1)
        with f.catch(two):
            f.i32.const(200).i32.add()
        with f.catch(one):
            f.i32.const(300).i32.add()
        with f.catch_all():
            f.i32.const(400)


def exnref(module: Module) -> None:
    tag = module.add_tag([I32], exported="tag")
    with module.build("exnref", {"which": I32}, [I32], exported="exnref") as f:
        (which,) = f.params
        kept = f.local(EXNREF, "kept")
        with f.block() as all_of_them:
            with f.block(I32) as caught:
                with f.block(results=[I32, EXNREF]) as with_reference:
                    clauses = [Clause(tag, with_reference, ref=True), Clause(None, all_of_them)]
                    with f.try_table(clauses=clauses):
                        f.local.get(which)
                        with f.if_():
                            f.i32.const(5).throw(tag)
                        f.i32.const(0).return_()
                    f.unreachable()
                f.local.set(kept)
                f.local.get(which).i32.const(2).i32.ne().br_if(caught).drop()
                with f.try_table(I32, [Clause(tag, caught)]):
                    f.local.get(kept).throw_ref()
            f.i32.const(50).i32.add().return_()
        f.unreachable()


def test_exceptions(engine: Path) -> None:
    module = Module()
    legacy(module)
    data = module.to_bytes()
    assert validate(data) is None
    expected = [1, 310, 210, 330 + 100]
    instance = Instance(module, {})
    found = [instance.invoke("legacy", which) for which in range(4)]
    code = "return [0, 1, 2, 3].map((await WebAssembly.instantiate(m)).exports.legacy)"
    assert found[0] == expected[0]
    assert found == javascript(code, node=engine, m=data)
    module = Module()
    exnref(module)
    data = module.to_bytes()
    assert validate(data) is None
    code = "return [0, 1, 2].map((await WebAssembly.instantiate(m)).exports.exnref)"
    assert javascript(code, node=engine, m=data) == [0, 55, 55]
    instance = Instance(module, {})
    assert [instance.invoke("exnref", which) for which in range(3)] == [0, 55, 55]


def test_every_instruction_is_a_method() -> None:
    f: Any = Module().build()
    methods = {name for kind in type(f).__mro__ for name in vars(kind)}
    for row in CONSTRUCTIBLE:
        path = python_path(row)
        if Trait.OPENS in row.traits:
            assert path[0] in methods
            continue
        # None is hidden by what a builder has besides.
        assert path[0] == "local" or path[0] not in methods | {"module", "params", "function"}
        assert reduce(getattr, path, f).args == (f, reduce(getattr, path, ops)), row.name
    for name in ("i32.nand", "nand"):
        with pytest.raises(AttributeError, match=f"no instruction {re.escape(name)}"):
            reduce(getattr, name.split("."), f)


def test_immediates_come_as_in_ops() -> None:
    module = Module()
    with module.build(params=[I32]) as f:
        f.local.get(f.params[0]).i32.const(1).i32.store(offset=8, align=2)
        f.extend([ops.nop(), *module.instructions(b"\x01\x01"), b"\x01"])
        f.f64.const(bits=1).drop()
    expected = [
        ops.local.get(0),
        ops.i32.const(1),
        ops.i32.store(offset=8, align=2),
        *[ops.nop()] * 4,
        ops.f64.const(bits=1),
        ops.drop(),
    ]
    assert f.function.body.seq == expected


# What can't be


def refused(module: Module, act: Callable[[FunctionBuilder], object], message: str) -> None:
    f = module.build("broken", {"x": I32})
    with pytest.raises((ValueError, TypeError), match=message):
        act(f)


def leave(f: FunctionBuilder) -> Label:
    with f.block() as left:
        f.nop()
    return left


def in_handler(f: FunctionBuilder) -> None:
    with f.try_() as t:
        f.rethrow(t)


def forgotten(f: FunctionBuilder) -> None:
    f.block()
    f.nop()


def twice(f: FunctionBuilder) -> None:
    opening = f.block()
    with opening:
        pass
    with opening:
        pass


def crossed(f: FunctionBuilder) -> None:
    outer, inner = f.block(), None
    with outer:
        inner = f.loop()
        inner.__enter__()
    assert inner is None


def settled(f: FunctionBuilder) -> None:
    with f.module.build():
        pass
    with f.module.functions[0].rebuild() as again:
        again.nop()
        f.module.functions[0].settle()


def behind_all(f: FunctionBuilder) -> None:
    with f.try_():
        pass
    with f.catch_all():
        pass
    with f.catch_all():
        pass


def two_elses(f: FunctionBuilder) -> None:
    f.i32.const(1)
    with f.if_():
        pass
    with f.else_():
        pass
    with f.else_():
        pass


def delegate_and_catch(f: FunctionBuilder) -> None:
    with f.try_():
        pass
    f.delegate(f.body)
    with f.catch_all():
        pass


def tagged(f: FunctionBuilder) -> None:
    with f.try_():
        pass
    with f.catch(Module().add_tag()):
        pass


REFUSED: dict[str, tuple[Callable[[FunctionBuilder], object], str]] = {
    "left label": (
        lambda f: f.br(leave(f)),
        r'br: its label is used outside of the block \(in function "broken"\)',
    ),
    "left label by hand": (lambda f: f.extend([Br(leave(f))]), "br: its label"),
    "one of several": (lambda f: f.br_table([f.body, leave(f)]), "br_table: its label"),
    "other body": (lambda f: f.br(f.module.build().body), "br: its label"),
    "clause": (lambda f: f.try_table(clauses=[Clause(None, leave(f))]), "try_table: its label"),
    "rethrow": (in_handler, "rethrow: its label must be a try in one of whose handlers"),
    "no else": (lambda f: f.else_(), r"else_: it comes right behind `with f.if_\(\)`"),
    "two elses": (two_elses, "else_: the if has a second arm already"),
    "no try": (lambda f: f.catch_all(), r"catch_all: it comes right behind `with f.try_\(\)`"),
    "behind all": (behind_all, "catch_all: nothing comes behind a catch_all"),
    "delegate": (delegate_and_catch, "catch_all: the try delegates"),
    "delegate alone": (lambda f: f.delegate(f.body), "delegate: it comes right behind"),
    "no with": (forgotten, "block: it was opened without `with`"),
    "no with, twice": (lambda f: (f.block(), f.loop()), "block: it was opened without `with`"),
    "no with at the end": (lambda f: (f.loop(), f.finish()), "loop: it was opened without"),
    "twice": (twice, "block: a block is entered once"),
    "settled": (settled, "function 0 was settled or closed while it was being built"),
    "crossed": (crossed, "block: a block inside it is still open"),
    "open": (lambda f: (f.block().__enter__(), f.finish()), "block: it is still open"),
    "finished": (lambda f: (f.finish(), f.nop()), 'function "broken" is finished'),
    "finished twice": (lambda f: (f.finish(), f.finish()), "is finished"),
    "other local": (
        lambda f: f.local.get(f.module.build(params=[I32]).params[0]),
        r"local\.get: <local 0, i32> is one of other code",
    ),
    "other module": (
        lambda f: f.call(factorial(Module())),
        "call: <function .*factorial.*> is part of another module",
    ),
    "other module's tag": (tagged, "catch: .* is part of another module"),
    "both": (lambda f: f.block(I32, results=[I32]), "a type, or params and results, not both"),
    "no tag": (lambda f: f.catch(cast("Any", None)), "catch: tag must be a Tag"),
    "no type": (lambda f: f.block(cast("Any", "i32")), "block: type must be"),
    "no value type": (lambda f: f.block(results=cast("Any", "i32")), "results must be value types"),
    "no local type": (lambda f: f.local(cast("Any", 0x7F)), "local must be value types"),
    "no items": (lambda f: f.extend(cast("Any", b"\x01")), "a list of items expected"),
    "no instruction": (lambda f: f.extend(cast("Any", [1])), "an Instr, a branch or"),
    "no label": (lambda f: f.br(cast("Any", 0)), "br: label must be the block"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be(name: str) -> None:
    refused(Module(), *REFUSED[name])


def test_bad_signatures() -> None:
    module = Module()
    pair = module.func_type([I32], [I32])
    with pytest.raises(TypeError, match="build: params must be value types"):
        module.build(params=cast("Any", [pair]))
    with pytest.raises(ValueError, match="a type, or params and results"):
        module.build(params=pair, results=[I32])
    factorial(module)
    with pytest.raises(ValueError, match="duplicate export name 'factorial'"):
        module.build(exported="factorial")
    late = module.build(exported="late")
    module.build(exported="late").finish()
    with pytest.raises(ValueError, match="duplicate export name 'late'"):
        late.finish()
    assert len(module.functions) == 2


class PlannedError(Exception):
    pass


def fail(f: FunctionBuilder) -> None:
    f.local.get(f.params[0])
    raise PlannedError


def test_an_exception_leaves_nothing_behind() -> None:
    module = Module()
    function = factorial(module)
    before = module.to_bytes()
    for builder in (module.build("half", [I64], [I64], exported="half"), function.rebuild()):
        with pytest.raises(PlannedError), builder as f:
            fail(f)
        with pytest.raises(ValueError, match="is finished"):
            builder.nop()
    assert list(module.functions) == [function]
    assert module.to_bytes() == before


def test_a_block_that_is_left_by_an_exception_is_not_there() -> None:
    module = Module()
    with module.build(params=[I32]) as f:
        with pytest.raises(PlannedError), f.block(), f.loop():
            fail(f)
        assert f.items == []
        f.local.get(f.params[0])
        with f.if_():
            f.nop()
        with pytest.raises(PlannedError), f.else_():
            fail(f)
        with f.else_():
            f.return_()
        with f.try_():
            f.nop()
        with pytest.raises(PlannedError), f.catch_all():
            fail(f)
        with f.catch_all():
            f.nop()
    _, either, tried = f.function.body.items
    assert isinstance(either, If)
    assert either.else_items == [ops.return_()]
    assert isinstance(tried, Try)
    assert [clause.items for clause in tried.catches] == [[ops.nop()]]


def test_an_exception_leaves_blocks_that_no_with_entered() -> None:
    module = Module()
    with module.build(params=[I32]) as f:
        with pytest.raises(PlannedError), f.block():
            enter_and_fail(f)
        f.nop()
    assert f.function.body.seq == [ops.nop()]


def enter_and_fail(f: FunctionBuilder) -> None:
    f.loop().__enter__()
    fail(f)


def test_functions_that_call_each_other() -> None:
    module = Module()
    with (
        module.build("odd", {"n": I32}, [I32], exported="odd") as odd,
        module.build("even", {"n": I32}, [I32]) as even,
    ):
        for f, other, zero in ((odd, even, 0), (even, odd, 1)):
            (n,) = f.params
            f.local.get(n)
            with f.if_(I32):
                f.local.get(n).i32.const(1).i32.sub().call(other.function)
            with f.else_():
                f.i32.const(zero)
    assert [each.name for each in module.functions] == ["even", "odd"]
    assert validate(module.to_bytes()) is None
    assert [Instance(module, {}).invoke("odd", n) for n in range(4)] == [0, 1, 0, 1]


@pytest.mark.parametrize("act", [Module.to_bytes, Module.validate, Module.wat])
def test_what_was_never_finished_cannot_be_mentioned(act: Callable[[Module], object]) -> None:
    module = Module()
    never = module.build("never").function
    assert repr(never) == "<function (being built)>"
    with module.build(exported="f") as f:
        f.call(never)
    with pytest.raises(InvalidError, match=r"unknown function: it isn't part .*in function 0"):
        act(module)
    with f.function.rebuild() as f:
        f.ref.func(module.snippet().function).drop()
    with pytest.raises(InvalidError, match="its builder was never finished, or it is a snippet"):
        act(module)
    with f.function.rebuild():
        pass
    act(module)


def test_offsets_of_what_is_built_anew() -> None:
    """None of the instructions that were there is there any more."""
    entry = next(each for each in modules() if each.name == "plain")
    module = Module.from_bytes(entry.path.read_bytes())
    function, other = (each for each in module.functions if each.imported is None)
    kept = [each.offset for each in instructions(other)]
    gone = [each.offset for each in instructions(function)]
    module.track_offsets()
    with function.rebuild() as f:
        f.i64.const(0)
    function.settle()
    offsets = module.encode().offsets
    assert [offsets.new(at) for at in gone[:-1]] == [None] * (len(gone) - 1)
    shift = {at - (offsets.new(at) or 0) for at in kept}
    assert len(shift) == 1
    assert shift != {0}


# Other code for a function


class Rewriter:
    """Builds a function's code once more, out of what stands in its tree."""

    def __init__(self, function: Function) -> None:
        self.f = function.rebuild()
        self.labels: dict[Label, Label] = {function.body: self.f.body}
        for count, type_ in function.local_groups:
            for _ in range(count):
                self.f.local(type_)

    def label(self, label: Label) -> Label:
        return self.labels[label]

    def all(self, items: list[Item]) -> None:
        """Iterative: what is still to be done, the next last."""
        pending: list[Callable[[], Any]] = [lambda: self.items(items, pending)]
        while pending:
            pending.pop()()
        self.f.finish()

    def items(self, items: list[Item], pending: list[Callable[[], Any]]) -> None:
        def step(item: Item) -> Callable[[], Any]:
            return lambda: self.item(item, pending)

        pending += map(step, reversed(items))

    def item(self, item: Item, pending: list[Callable[[], Any]]) -> None:
        f, label = self.f, self.label
        match item:
            case Structured():
                pending += reversed(self.parts(item, pending))
            case Br(target):
                f.br(label(target))
            case BrIf(target):
                f.br_if(label(target))
            case Rethrow(target):
                f.rethrow(label(target))
            case BrTable(targets):
                f.br_table(map(label, targets))
            case BrOn() | Resume():
                for target in item.labels:
                    item.retarget(target, label(target))
                f.extend([item])
            case _:
                f.extend([item])

    def parts(self, node: Structured, pending: list[Callable[[], Any]]) -> list[Callable[[], Any]]:
        f = self.f

        def part(start: Callable[[], Opening[Any]], items: list[Item]) -> list[Callable[[], Any]]:
            opened: list[Opening[Any]] = []

            def begin() -> None:
                opened.append(start())
                self.labels[node] = opened[0].__enter__()

            return [
                begin,
                lambda: self.items(items, pending),
                lambda: opened[0].__exit__(None, None, None),
            ]

        match node:
            case Block(type_, items):
                return part(lambda: f.block(type_), items)
            case Loop(type_, items):
                return part(lambda: f.loop(type_), items)
            case If(type_, items, other):
                arms = part(lambda: f.if_(type_), items)
                return arms if other is None else arms + part(f.else_, other)
            case TryTable(type_, clauses, items):
                return part(
                    lambda: f.try_table(
                        type_,
                        [
                            Clause(tag, self.label(to), ref)
                            for tag, to, ref in map(parts_of, clauses)
                        ],
                    ),
                    items,
                )
            case Try(type_, items, catches, delegate):
                parts = part(lambda: f.try_(type_), items)
                for each in catches:
                    parts += part(handler(f, each.tag), each.items)
                if delegate is not None:
                    parts.append(lambda: f.delegate(self.label(delegate)))
                return parts
        raise AssertionError(node)


def handler(f: FunctionBuilder, tag: Any) -> Callable[[], Opening[Try]]:  # noqa: ANN401 - or None
    return f.catch_all if tag is None else lambda: f.catch(tag)


def parts_of(clause: Clause) -> tuple[Any, Label, bool]:
    return clause.tag, clause.label, clause.ref


PADDED = {"cpp-legacy-debug", "cpp-exnref-debug", "cpp-legacy-object"}
"""Their indices are as long as the linker wanted them; what is built has the shortest form."""


@pytest.mark.parametrize("entry", modules(), ids=lambda entry: entry.name)
def test_corpus_functions_are_built_anew(entry: Entry) -> None:
    data = entry.path.read_bytes()
    module = Module.from_bytes(data)
    for function in module.functions:
        if function.imported is None:
            names = function.local_names
            Rewriter(function).all(function.body.items)
            function.local_names = names
    written = module.to_bytes()
    if entry.name in PADDED:
        assert len(written) < len(data)
        assert meanings(written) == meanings(data)
    else:
        assert written == data


def meanings(data: bytes) -> list[Any]:
    return [
        (function.local_groups, [each[1:] for each in instructions(function)])
        for function in Module.from_bytes(data).functions
        if function.imported is None
    ]
