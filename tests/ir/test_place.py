"""Edits at places do what they say, and places know where they are after any of them."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest

from corpus.manifest import Module as Entry
from corpus.manifest import modules
from tests.modules import SCALE, assembled
from tests.support import validate
from wasmir import (
    I32,
    Block,
    Body,
    Catch,
    Clause,
    Instr,
    Instruction,
    Item,
    Label,
    Loop,
    Module,
    Place,
    Structured,
    Try,
    instructions,
    ops,
    skeleton,
    walk,
)
from wasmir.interp import Instance
from wasmir.isa.table import Trait

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE = """(module
  (func (export "f") (param i32) (result i32)
    i32.const 1
    (block (result i32)
      i32.const 2
      local.get 0
      i32.add)
    i32.add
    (loop nop)))"""


@pytest.fixture
def body() -> Body:
    return Module.from_bytes(assembled(EXAMPLE)).functions[0].body


def place_of(body: Body, name: str) -> Place:
    return next(place for place in walk(body) if place.row.name == name)


def names(body: Body) -> list[str]:
    return [place.row.name for place in walk(body)]


def test_insert(body: Body) -> None:
    block = place_of(body, "block")
    block.insert_before([ops.nop(), ops.nop()])
    block.insert_after([ops.i32.eqz()])
    assert block.items[block.index - 2 : block.index + 2] == [
        ops.nop(),
        ops.nop(),
        block.item,
        ops.i32.eqz(),
    ]
    assert validate(body.function.module.to_bytes()) is None
    assert Instance(body.function.module, {}).invoke("f", 5) == 1


def test_replace_and_delete(body: Body) -> None:
    get = place_of(body, "local.get")
    get.replace([ops.i32.const(10), ops.i32.const(20), ops.i32.mul()])
    place_of(body, "loop").delete()
    assert names(body) == [
        "i32.const",
        "block",
        "i32.const",
        "i32.const",
        "i32.const",
        "i32.mul",
        "i32.add",
        "i32.add",
    ]
    assert Instance(body.function.module, {}).invoke("f", 5) == 203
    assert get.is_gone
    with pytest.raises(ValueError, match=r"local\.get was taken out of the tree by an edit"):
        get.delete()


def test_ranges(body: Body) -> None:
    first, block, _, _, add, outer_add, *_ = walk(body)
    assert (add.row, outer_add.row) == (add.row, add.row)
    wrapper = first.wrap(ops.block(I32), until=outer_add)
    assert body.items[0] is wrapper
    assert (block.items, block.index, block.path) == (wrapper.items, 1, (body, wrapper))
    assert add.path == (body, wrapper, block.item)
    assert (add.depth, block.depth, first.depth) == (2, 1, 1)
    first.replace([ops.i32.const(7)], until=outer_add)
    assert wrapper.items == [ops.i32.const(7)]
    assert Instance(body.function.module, {}).invoke("f", 5) == 7


def test_wrap_in_a_handler(body: Body) -> None:
    module = body.function.module
    tag = module.add_tag()
    place_of(body, "local.get").insert_before([ops.throw(tag)])
    block = place_of(body, "block")
    tried = block.wrap(ops.try_(I32, catches=[Catch(tag, [ops.i32.const(40)])]))
    assert tried.items == [block.item]
    assert block.path == (body, tried)
    assert validate(module.to_bytes()) is None
    assert Instance(module, {}).invoke("f", 5) == 41


def test_unwrap(body: Body) -> None:
    places = list(walk(body))
    block, inner = places[1], places[2]
    block.unwrap()
    assert block.is_gone
    assert inner.items is body.items
    assert (inner.index, inner.path, inner.depth) == (1, (body,), 0)
    place_of(body, "loop").unwrap()
    assert names(body) == ["i32.const", "i32.const", "local.get", "i32.add", "i32.add", "nop"]
    assert Instance(body.function.module, {}).invoke("f", 5) == 8


def test_the_wrapper_may_have_runs(body: Body) -> None:
    place = place_of(body, "loop")
    node = place.wrap(ops.block(items=[b"\x01\x01"]))
    assert place.index == 2
    assert node.items == [ops.nop(), ops.nop(), place.item]


def test_what_is_unwrapped_together_is_walked() -> None:
    module = Module()
    with module.build() as f:
        for number in (1, 2, 3):
            with f.block():
                f.i32.const(number).drop()
    seen: list[object] = []
    blocks: list[Place] = []
    for place in walk(f.function.body):
        seen.append(place.item)
        if isinstance(place.item, Block):
            blocks.append(place)
        if len(blocks) == 2:
            blocks.pop().unwrap()
            blocks.pop().unwrap()
    assert [item for item in seen if isinstance(item, Instr) and item.immediates] == [
        ops.i32.const(number) for number in (1, 2, 3)
    ]


def test_what_cannot_be(body: Body) -> None:
    places = {place.row.name: place for place in walk(body)}
    for first, last in (
        (places["loop"], places["block"]),
        (places["block"], places["local.get"]),
        (places["block"], place_of(body, "loop")),
    ):
        with pytest.raises(ValueError, match="isn't a later one than"):
            first.delete(until=last)
    with pytest.raises(TypeError, match=r"a run \(bytes\) is no instruction"):
        places["nop"].replace(cast("Any", [b"\x01"]))
    with pytest.raises(TypeError, match="a structured instruction expected, not Instr"):
        places["nop"].wrap(cast("Any", ops.nop()))
    with pytest.raises(TypeError, match="nop can't be unwrapped"):
        places["nop"].unwrap()
    places["nop"].insert_after([ops.br(cast("Loop", places["loop"].item))])
    with pytest.raises(ValueError, match="loop can't be unwrapped: its label is named inside"):
        places["loop"].unwrap()
    places["block"].items.insert(0, ops.nop())
    with pytest.raises(ValueError, match="the tree was changed since <place of block"):
        places["block"].delete()


def test_what_is_walked_stays_around(body: Body) -> None:
    block: Place | None = None
    for place in walk(body):
        if place.row.name == "block":
            block = place
        if place.row.name == "local.get":
            assert block is not None
            with pytest.raises(ValueError, match="block can't be unwrapped while it is walked"):
                block.unwrap()
            # Around that, another one may come.
            outer = block.wrap(ops.block(I32))
            assert place.path == (body, outer, block.item)
            break
    assert block is not None
    block.unwrap()
    assert validate(body.function.module.to_bytes()) is None


@pytest.mark.parametrize(
    ("node", "names_it"),
    [
        (ops.block(), lambda node: [ops.br_if(node)]),
        (ops.block(), lambda node: [ops.br_table([node])]),
        (ops.block(), lambda node: [ops.block(items=[ops.try_table(None, [Clause(None, node)])])]),
        (ops.try_(), lambda node: [ops.try_(delegate=node)]),
    ],
)
def test_a_label_that_is_named_keeps_its_block(
    body: Body, node: Block | Try, names_it: Callable[[Label], list[Item]]
) -> None:
    node.items = names_it(node)
    body.items.append(node)
    place = next(place for place in walk(body) if place.item is node)
    with pytest.raises(ValueError, match="its label is named inside"):
        place.unwrap()


# Any edits at all


class Edits:
    """Random edits of a random tree whose every instruction is a constant of its own, so that it
    can be found, and found to be gone.
    """

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)
        self.counter = 0
        module = Module()
        with module.build() as f:
            pass
        self.body = f.function.body
        self.body.items[:] = self.items(4)

    def constants(self, most: int = 3) -> list[Item]:
        return [self.constant() for _ in range(self.random.randint(0, most))]

    def constant(self) -> Instr:
        self.counter += 1
        return ops.i32.const(self.counter)

    def items(self, depth: int) -> list[Item]:
        made: list[Item] = []
        for _ in range(self.random.randint(1, 5)):
            if depth and self.random.random() < 0.4:
                inside, other = self.items(depth - 1), self.items(depth - 1)
                made.append(
                    self.random.choice(
                        [
                            ops.block(items=inside),
                            ops.if_(items=inside, else_items=other),
                            ops.try_(items=inside, catches=[Catch(None, other)]),
                        ]
                    )
                )
            else:
                made.append(self.constant())
        return made

    def edit(self, place: Place, later: list[Place]) -> str:
        """One edit; ``later`` are those that a range may go up to."""
        name = self.random.choice(["before", "after", "replace", "delete", "wrap", "unwrap"])
        until = self.random.choice([None, *later])
        match name:
            case "before":
                place.insert_before(cast("list[Instruction]", self.constants()))
            case "after":
                place.insert_after(cast("list[Instruction]", self.constants()))
            case "replace":
                place.replace(cast("list[Instruction]", self.constants()), until=until)
            case "delete":
                place.delete(until=until)
            case "wrap":
                place.wrap(ops.block(items=self.constants(2)), until=until)
            case _:
                if not isinstance(place.item, (Block, Try)):
                    return "nothing"
                place.unwrap()
        return name

    def standing(self) -> dict[int, tuple[list[Item], int, tuple[Label, ...]]]:
        """Where everything stands, by the identity of the item."""
        found: dict[int, tuple[list[Item], int, tuple[Label, ...]]] = {}
        pending: list[tuple[list[Item], tuple[Label, ...]]] = [(self.body.items, (self.body,))]
        while pending:
            items, path = pending.pop()
            for index, item in enumerate(items):
                found[id(item)] = items, index, path
                if isinstance(item, Structured):
                    pending += [(inside, (*path, item)) for inside in item.sequences()]
        return found


def siblings(place: Place, places: list[Place]) -> list[Place]:
    return [
        each
        for each in places
        if not each.is_gone and each.items is place.items and each.index > place.index
    ]


def check(place: Place, standing: dict[int, tuple[list[Item], int, tuple[Label, ...]]]) -> None:
    items, index, path = standing[id(place.item)]
    assert place.items is items
    assert (place.index, place.path, place.depth) == (index, path, len(path) - 1)


@pytest.mark.parametrize("seed", range(60 * SCALE))
def test_places_stay_true(seed: int) -> None:
    edits = Edits(f"places {seed}")
    places = list(walk(edits.body))
    for _ in range(12):
        standing = edits.standing()
        there = [place for place in places if id(place.item) in standing]
        if not there:
            break
        place = edits.random.choice(there)
        edits.edit(place, siblings(place, there))
        standing = edits.standing()
        for each in places:
            if id(each.item) in standing:
                check(each, standing)
            elif isinstance(each.item, Instr):
                # Gone, or in a list that is.
                assert each.is_gone or each.label is not edits.body


@pytest.mark.parametrize("seed", range(60 * SCALE))
def test_the_walk_goes_on(seed: int) -> None:
    """What was there comes once and in order, unless it was taken out; what is put in doesn't."""
    edits = Edits(f"walks {seed}")
    expected = [place.item for place in walk(edits.body)]
    seen: list[Instruction] = []
    for place in walk(edits.body):
        seen.append(place.item)
        if edits.random.random() < 0.4:
            edits.edit(place, [])
        if edits.random.random() < 0.1 and not place.is_gone:
            edits.edit(place, [])
    # Taken out with what is inside, so that this wasn't walked.
    inside = {id(item) for item in expected} - {id(item) for item in seen}
    assert [id(item) for item in expected if id(item) not in inside] == [*map(id, seen)]
    standing = edits.standing()
    assert inside.isdisjoint(standing)


# Walking


def test_places_have_offsets() -> None:
    entry = next(each for each in modules() if each.name == "cpp-legacy-O2")
    module = Module.from_bytes(entry.path.read_bytes())
    for function in module.functions:
        if function.imported is not None:
            continue
        expected = [
            (each.offset, each.row)
            for each in instructions(function)
            if each.row.traits.isdisjoint({Trait.CLOSES, Trait.SEPARATES})
        ]
        assert [(place.offset, place.row) for place in walk(function)] == expected
        # Open now, and still what it was.
        assert [(place.offset, place.row) for place in walk(function)] == expected
        assert {place.offset for place in walk(function.body)} == {None}
        next(walk(function)).insert_before([ops.nop()])
        assert {place.offset for place in walk(function)} == {None}


def test_new_functions_have_no_offsets() -> None:
    module = Module()
    with module.build() as f:
        f.nop()
    assert [place.offset for place in walk(f.function)] == [None]


@pytest.mark.parametrize("entry", modules(), ids=lambda entry: entry.name)
def test_skeleton(entry: Entry) -> None:
    module = Module.from_bytes(entry.path.read_bytes())
    for function in module.functions:
        if function.imported is None:
            before = [*function.body]
            found = [(place.item, place.path) for place in skeleton(function.body)]
            assert [*function.body] == before
            shaping = {Trait.OPENS, Trait.BRANCHES, Trait.TERMINATES}
            assert found == [
                (place.item, place.path)
                for place in walk(function.body)
                if not place.row.traits.isdisjoint(shaping)
            ]


def test_edits_of_the_skeleton_leave_runs_alone() -> None:
    data = next(each for each in modules() if each.name == "cpp-legacy-O2").path.read_bytes()
    module = Module.from_bytes(data)
    wrappers: set[object] = set()
    for function in module.functions:
        if function.imported is None:
            for place in skeleton(function.body):
                if isinstance(place.item, Structured):
                    wrappers.add(place.wrap(ops.block(place.item.type)))
    assert any(
        isinstance(item, bytes) for function in module.functions[-3:] for item in function.body
    )
    assert validate(module.to_bytes(keep_stale=True), "all") is None
    for function in module.functions:
        if function.imported is None:
            for place in skeleton(function.body):
                if place.item in wrappers:
                    place.unwrap()
    assert module.to_bytes() == data


def test_patterns(body: Body) -> None:
    found: list[object] = []
    for place in walk(body):
        match place.item:
            case Instr("i32.const", (value,)):
                found.append(value)
            case Instr("local.get", (0,)):
                found.append("parameter")
            case Instr(name):
                found.append(name)
            case Block(type_, [*_]):
                found.append(type_.results)
            case Loop(_, items):
                found.append(len(items))
    assert found == [1, (I32,), 2, "parameter", "i32.add", "i32.add", 1, "nop"]


def test_patterns_of_nodes() -> None:
    module = Module()
    tag = module.add_tag()
    block = ops.block()
    clause = Clause(tag, block)
    handlers = [Catch(tag)]
    continuation = module.func_type()
    nodes: list[tuple[object, tuple[object, ...]]] = [
        (ops.br(block), (block,)),
        (ops.br_if(block), (block,)),
        (ops.rethrow(block), (block,)),
        (ops.br_table([block, block]), ((block, block),)),
        (ops.br_on_null(block), ("br_on_null", block, (None,))),
        (block, (block.type, [])),
        (ops.loop(), (block.type, [])),
        (ops.if_(None, [], []), (block.type, [], [])),
        (ops.try_(None, [], handlers), (block.type, [], handlers, None)),
        (ops.try_table(None, [clause]), (block.type, [clause], [])),
        (ops.resume(continuation, []), ("resume", [], (continuation, None))),
        (clause, (tag, block, False)),
        (handlers[0], (tag, [])),
        (ops.nop(), ("nop", ())),
    ]
    for node, expected in nodes:
        asked: tuple[str, ...] = getattr(type(node), "__match_args__", ())
        assert tuple(getattr(node, name) for name in asked) == expected
