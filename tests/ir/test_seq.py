"""A Seq is a list of instructions, and what nobody changed is encoded as it was."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from corpus.manifest import Module as Entry
from corpus.manifest import find, modules
from tests.ir.bodies import defined, random_module
from tests.isa.test_tokens import assert_linear
from tests.modules import SCALE, module
from tests.spelling import Speller, sample
from tests.support import encoded
from wasmir import Block, Body, Function, Instr, Item, Loop, Module, Structured, Try
from wasmir.ir.code import Br, Node
from wasmir.ir.walk import instructions, walk
from wasmir.isa.kinds import MemArg
from wasmir.isa.table import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wasmir.ir.seq import Seq

NAMES = [
    *("i32.const", "i64.const", "f64.const", "local.get", "local.set", "i32.load", "i32.add"),
    *("drop", "nop", "return", "i8x16.shuffle", "memory.copy", "unreachable"),
]
"""What sequences are made of here; of each there are many spellings, and some end a run."""


def token(random: Random) -> bytes:
    row = BY_NAME[random.choice(NAMES)]
    values = [
        # The module has one memory.
        MemArg(value.align_log2, value.offset) if isinstance(value, MemArg) else value
        for value in (sample(row, random) if row.name != "memory.copy" else (0, 0))
    ]
    return Speller(random, pad=random.choice([0, 0.5])).instruction(row, tuple(values))


def opened(code: bytes) -> Function:
    # One memory, behind the functions.
    data = module(b"\0" + code + b"\x0b")
    at = data.index(b"\x0a", 8 + 6 + 4)
    return Module.from_bytes(data[:at] + b"\x05\x03\x01\0\1" + data[at:]).functions[0]


def straight(seed: int, count: int) -> tuple[Function, list[bytes]]:
    """A function of straight-line code, and the bytes of its instructions."""
    random = Random(seed)
    tokens = [token(random) for _ in range(count)]
    return opened(b"".join(tokens)), tokens


def instrs(function: Function, tokens: list[bytes]) -> list[Any]:
    """The interned instructions: the very objects that a Seq comes to hold."""
    return [one for each in tokens for one in function.module.instructions(each)]


def code(tokens: list[bytes]) -> bytes:
    return b"\0" + b"".join(tokens) + b"\x0b"


@settings(max_examples=60 * SCALE, stateful_step_count=30, deadline=None)
class Like(RuleBasedStateMachine):
    """Whatever is done to a Seq and to a list, both are the same afterwards, and so is the code;
    which is looked at without looking into the Seq, so that runs stay runs.
    """

    @initialize(seed=st.integers(0, 1 << 30), count=st.integers(0, 30))
    def start(self, seed: int, count: int) -> None:
        self.function, tokens = straight(seed, count)
        self.body = self.function.body
        self.seq = self.body.seq
        self.model = instrs(self.function, tokens)
        self.bytes = {id(one): each for one, each in zip(self.model, tokens, strict=True)}
        self.random = Random(seed)

    def new(self) -> Any:  # noqa: ANN401 - an Instr or a node
        if self.random.random() < 0.3:
            block = self.random.choice([Block, Loop])(self.function.module.block_type())
            self.bytes[id(block)] = b"\x02\x40\x0b" if isinstance(block, Block) else b"\x03\x40\x0b"
            return block
        written = token(self.random)
        [one] = instrs(self.function, [written])
        self.bytes[id(one)] = written
        return one

    def same(self, act: Callable[[Any], object]) -> None:
        """The same result, or the same sort of error."""
        outcomes: list[object] = []
        for each in (self.seq, self.model):
            try:
                outcomes.append(act(each))
            except (IndexError, ValueError) as error:
                outcomes.append(type(error))
        assert outcomes[0] == outcomes[1]

    @invariant()
    def same_code(self) -> None:
        if hasattr(self, "seq"):
            assert self.function.code == code([self.bytes[id(one)] for one in self.model])

    def teardown(self) -> None:
        if hasattr(self, "seq"):
            seen = list(self.seq)
            assert [*map(id, seen)] == [*map(id, self.model)]
            assert self.seq == self.model

    positions = st.integers(-35, 35)
    slices = st.slices(30)

    @rule(index=positions)
    def get(self, index: int) -> None:
        self.same(lambda each: each[index])

    @rule(index=slices)
    def get_slice(self, index: slice) -> None:
        self.same(lambda each: each[index])

    @rule(index=positions)
    def put(self, index: int) -> None:
        value = self.new()
        self.same(lambda each: each.__setitem__(index, value))

    @rule(index=slices, count=st.integers(0, 4))
    def put_slice(self, index: slice, count: int) -> None:
        values = [self.new() for _ in range(count)]
        self.same(lambda each: each.__setitem__(index, iter(values)))

    @rule(index=positions)
    def delete(self, index: int) -> None:
        self.same(lambda each: each.__delitem__(index))

    @rule(index=slices)
    def delete_slice(self, index: slice) -> None:
        self.same(lambda each: each.__delitem__(index))

    @rule(index=st.one_of(st.just(0), positions))
    def insert(self, index: int) -> None:
        value = self.new()
        self.same(lambda each: each.insert(index, value))

    @rule()
    def append(self) -> None:
        value = self.new()
        self.same(lambda each: each.append(value))

    @rule(count=st.integers(0, 4))
    def extend(self, count: int) -> None:
        values = [self.new() for _ in range(count)]
        self.same(lambda each: each.extend(values))

    @rule(index=st.one_of(st.just(-1), positions))
    def pop(self, index: int) -> None:
        self.same(lambda each: each.pop(index))

    @precondition(lambda self: self.model)
    @rule(index=st.integers(0, 100))
    def remove(self, index: int) -> None:
        value = self.model[index % len(self.model)]
        self.same(lambda each: each.remove(value))

    @rule(start=positions)
    def find(self, start: int) -> None:
        for value in [self.new(), *self.model[:1]]:
            self.look_for(value, start)

    def look_for(self, value: object, start: int) -> None:
        self.same(lambda each: each.index(value))
        self.same(lambda each: each.index(value, start))
        self.same(lambda each: each.count(value))
        self.same(lambda each: value in each)

    @rule(count=st.integers(0, 30))
    def some(self, count: int) -> None:
        self.same(lambda each: [one for one, _ in zip(each, range(count), strict=False)])

    @rule()
    def whole(self) -> None:
        self.same(len)
        self.same(bool)
        self.same(lambda each: list(reversed(each)))
        self.same(lambda each: each.copy())

    @rule()
    def turn(self) -> None:
        self.same(lambda each: each.reverse())

    @rule()
    def another(self) -> None:
        """A second view of the list, through which it is changed."""
        last, second = self.new(), self.new()
        other = self.body.seq
        other.append(last)
        other.insert(1, second)
        self.model.append(last)
        self.model.insert(1, second)

    @rule()
    def directly(self) -> None:
        self.body.items.append(value := self.new())
        self.model.append(value)

    @rule()
    def directly_away(self) -> None:
        if self.body.items and not isinstance(self.body.items[0], bytes):
            del self.body.items[0], self.model[0]


TestLike = Like.TestCase


# Nothing more than needed is expanded


def runs(items: list[Item]) -> int:
    return sum(isinstance(item, bytes) for item in items)


@pytest.fixture
def few() -> Function:
    """Three long runs, with a block between them."""
    run = b"\x41\x05\x1a" * 200
    return opened((run + b"\x02\x40\x0b") * 2 + run)


def test_ends_stay_runs(few: Function) -> None:
    seq = few.body.seq
    nop = few.module.instr("nop")
    seq.append(nop)
    seq.extend([nop, nop])
    seq.insert(0, nop)
    assert seq[-1] is nop
    assert seq.pop() is nop
    del seq[-1]
    assert seq
    assert runs(few.body.items) == 3
    assert seq[0] is nop
    assert seq[1].row.name == "i32.const"  # type: ignore[union-attr]
    assert runs(few.body.items) == 2
    assert few.code[1] == 1
    assert few.code.endswith(b"\x1a\x01\x0b")


def test_iterating_is_lazy(few: Function) -> None:
    walked = iter(few.body.seq)
    for _ in range(10):
        next(walked)
    assert runs(few.body.items) == 2
    assert sum(1 for _ in walked) == 1202 - 10
    assert runs(few.body.items) == 0


def test_last_alone(few: Function) -> None:
    assert few.body.seq[-1].row.name == "drop"  # type: ignore[union-attr]
    assert [isinstance(item, bytes) for item in few.body.items[:4]] == [True, False, True, False]
    assert runs(few.body.items) == 2


def test_instructions_are_interned(few: Function) -> None:
    assert len({id(each) for each in few.body.seq}) == 2 + 2


@pytest.mark.parametrize("look", [list, len, lambda seq: [seq[at] for at in range(len(seq))]])
def test_looking_takes_linear_time(look: Callable[[Seq], object]) -> None:
    """Each run is short, so that replacing them one by one would be quadratic."""

    def make(size: int) -> Callable[[], object]:
        data = module(b"\0" + b"\x01\x01\x01\x0f" * (size // 4) + b"\x0b")
        return lambda: look(Module.from_bytes(data).functions[0].body.seq)

    assert_linear(make, 128 * 1024)


def test_indexing_from_the_start_takes_linear_time() -> None:
    def make(size: int) -> Callable[[], object]:
        data = module(b"\0" + b"\x01\x01\x01\x0f" * (size // 4) + b"\x0b")

        def look() -> None:
            seq = Module.from_bytes(data).functions[0].body.seq
            for at in range(size):
                assert seq[at] is not None

        return look

    assert_linear(make, 64 * 1024)


# What doesn't belong there


@pytest.mark.parametrize("value", [b"\x01", None, 1, "nop", [], BY_NAME["nop"]], ids=str)
def test_only_instructions(few: Function, value: Any) -> None:  # noqa: ANN401 - any at all
    seq = few.body.seq
    before = few.code
    with pytest.raises(TypeError, match=r"run|expected"):
        seq.append(value)
    with pytest.raises(TypeError, match=r"run|expected"):
        seq.insert(3, value)
    with pytest.raises(TypeError, match=r"run|expected"):
        seq[0] = value
    with pytest.raises(TypeError, match=r"run|expected"):
        seq[0:1] = [few.module.instr("nop"), value]
    with pytest.raises(TypeError, match=r"run|expected"):
        seq.extend([few.module.instr("nop"), value])
    assert few.code == before


def test_no_body_no_run_no_bare_control(few: Function) -> None:
    seq = few.body.seq
    with pytest.raises(TypeError, match="not Body"):
        seq.append(few.body)
    with pytest.raises(TypeError, match="not Node"):
        seq.append(Node())
    with pytest.raises(TypeError, match=r"br_if stands .* as a node"):
        seq.append(Instr(BY_NAME["br_if"], (0,)))
    with pytest.raises(TypeError, match="run"):
        seq.extend(b"\x01")  # type: ignore[arg-type]
    seq.append(Br(few.body))
    assert few.code.endswith(b"\x0c\x00\x0b")


def test_not_hashable(few: Function) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(few.body.seq)


def test_out_of_range(few: Function) -> None:
    seq = few.body.seq
    for index in (1202, -1203):
        with pytest.raises(IndexError):
            seq[index]
        with pytest.raises(IndexError):
            del seq[index]
    with pytest.raises(ValueError, match="not in the sequence: nop"):
        seq.remove(few.module.instr("nop"))


def test_outlines_have_none() -> None:
    for function in Module.from_file(find("cpp-legacy-O2").path).functions:
        outline = None if function.imported else function.outline_with("try")
        if outline is not None:
            for ask in (lambda each: each.seq, Body.expand, lambda each: next(walk(each))):
                with pytest.raises(ValueError, match=r"ask for function\.body"):
                    ask(outline)
            assert function.body.seq is not None
            return
    pytest.fail("no outline to try it with")


# All else stays


def sequences(body: Body) -> Iterator[list[Item]]:
    yield body.items
    for item in body:
        if isinstance(item, Structured):
            yield from item.sequences()


@pytest.mark.parametrize("entry", modules(), ids=lambda entry: entry.name)
def test_corpus_expanded(entry: Entry) -> None:
    data = entry.path.read_bytes()
    made = Module.from_bytes(data)
    for function in made.functions:
        if function.imported is None:
            code_before = function.code
            function.body.expand()
            assert not any(isinstance(item, bytes) for item in function.body)
            assert function.code == code_before
            assert encoded(function) == code_before
    assert made.to_bytes() == data
    again = Module.from_bytes(data)
    for function in again.functions:
        if function.imported is None:
            count = sum(len(function.body.seq_of(items)) for items in sequences(function.body))
            assert count == sum(1 for _ in function.body)
    assert again.to_bytes() == data


def test_an_empty_try_is_expanded_too() -> None:
    function = opened(bytes.fromhex("06 40 01 07 80 00 01 19 01 0b").replace(b"\x07\x80\0", b""))
    function.body.expand()
    [try_] = function.body.seq
    assert isinstance(try_, Try)
    assert [one.row.name for one in try_.catches[0].items] == ["nop"]  # type: ignore[union-attr]


def test_after_expansion_the_lists_are_what_counts() -> None:
    """Whatever happens to an expanded list, directly, is what is written."""
    code = bytes.fromhex("02 40 41 01 1a 0b 41 02 1a")
    drop, two, nop = (bytes.fromhex(text) for text in ("1a", "41 02", "01"))

    def expanded() -> tuple[Function, list[Item]]:
        function = opened(code)
        function.body.expand()
        return function, function.body.items

    def written(function: Function) -> bytes:
        while_open = function.code
        function.settle()
        assert function.code == while_open
        return while_open[1:-1]

    function, items = expanded()
    assert written(function) == code
    function, items = expanded()
    items[1:] = reversed(items[1:])
    assert written(function) == code[:6] + drop + two
    function, items = expanded()
    items[1:] = []
    assert written(function) == code[:6]
    function, items = expanded()
    [block] = (item for item in items if isinstance(item, Block))
    block.items[0] = function.module.instr("i32.const", 2)
    assert written(function) == code.replace(b"\x41\1", two)
    function, items = expanded()
    # A run again, in the place of the same, and expanded once more.
    items[1:] = [code[6:], nop]
    function.body.expand()
    assert written(function) == code + nop
    function, items = expanded()
    # As it was, in the end.
    items.append(function.module.instr("nop"))
    del items[-1]
    assert written(function) == code


def test_an_equal_instruction_is_spelled_its_own_way() -> None:
    padded, short = bytes.fromhex("41 81 00 1a"), bytes.fromhex("41 01 1a")
    for code, other in [(padded + short, short), (short + padded, padded)]:
        function = opened(code)
        function.body.expand()
        items = function.body.items
        assert items[0] == items[2]
        assert function.code[1:-1] == code
        items[0] = items[2]
        assert function.code[1:-1] == other + other


@pytest.mark.parametrize("pad", [0, 0.6])
def test_an_edit_anywhere_changes_no_other_byte(pad: float) -> None:
    """At each of some places: a nop goes in, another instruction in its place, and out again."""
    edits = 0
    for seed in range(15 * SCALE):
        random = Random(f"{pad} {seed}")
        for function in defined(random_module(f"edit {pad} {seed}", pad)):
            scanned = [each for each in instructions(function) if each.row.name not in IMPLIED]
            code_before, start = function.code, function.offset
            count = sum(1 for _ in walk(function.body))
            function.close()
            assert count == len(scanned)
            for _ in range(min(4, count)):
                chosen = random.randrange(count)
                place = next(each for at, each in enumerate(walk(function.body)) if at == chosen)
                index = place.index
                at = scanned[chosen].offset - start
                function.close()
                # The tree again, with its runs as they were.
                items = matching(function.body, scanned, chosen)
                seq = function.body.seq_of(items)
                seq.insert(index, function.module.instr("nop"))
                assert function.code == code_before[:at] + b"\x01" + code_before[at:]
                seq[index] = function.module.instr("drop")
                assert function.code == code_before[:at] + b"\x1a" + code_before[at:]
                del seq[index]
                assert function.code == code_before
                edits += 1
                function.close()
    assert edits > 100


IMPLIED = {"else", "catch", "catch_all", "end", "delegate"}


def matching(body: Body, scanned: list[Any], chosen: int) -> list[Item]:
    """The list that the chosen instruction stands in, found without expanding anything: by how
    many instructions come before.
    """
    before = 0
    stack: list[tuple[list[Item], int]] = [(body.items, 0)]
    while stack:
        items, at = stack.pop()
        while at < len(items):
            item = items[at]
            at += 1
            size = len(body.function.module.instructions(item)) if isinstance(item, bytes) else 1
            if before + size > chosen:
                return items
            before += size
            if isinstance(item, Structured):
                stack.append((items, at))
                stack.extend((inside, 0) for inside in reversed(item.sequences()))
                break
    raise AssertionError(chosen, len(scanned))
