"""Moving every index space: the text of what was moved is the same text, and it runs the same.

Everything is named first, so that what ``wasm-tools print`` says of an instruction doesn't depend
on indices. It leaves out table 0 and memory 0, so the first of each is a dummy that stays there.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from corpus.engine import Run, differences, run_calls
from corpus.manifest import External, externals, find, modules
from corpus.manifest import Module as Entry
from tests.binary.test_roundtrip import random_module
from tests.modules import SCALE, printed
from tests.support import fetched, validate
from wasmir import (
    FUNCREF,
    Function,
    FuncType,
    Instr,
    InvalidError,
    Module,
    NumType,
    RawInstr,
    instructions,
)
from wasmir.ir.segment import REF_FUNC, Data, Element
from wasmir.types import GlobalType, Limits, MemoryType, SubType, TableType

if TYPE_CHECKING:
    from pathlib import Path

    from wasmir.ir.const import Const
    from wasmir.ir.space import Entity


SPACES = ("type", "func", "table", "memory", "tag", "global", "elem", "data")
IMPORTED = ("func", "table", "memory", "tag", "global")

ENTRIES = [entry for entry in modules() if entry.name != "cpp-legacy-object"]
ALL = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


def import_one(module: Module, space: str) -> Entity:
    """A new import of a kind, from the module that the engine's runner has them in."""
    match space:
        case "func":
            return module.import_function("extra", space, FuncType((NumType.I32,)))
        case "table":
            return module.import_table("extra", space, TableType(FUNCREF, Limits(1)))
        case "memory":
            return module.import_memory("extra", space, MemoryType(Limits(1)))
        case "tag":
            return module.import_tag("extra", space, (NumType.I32,))
        case _:
            return module.import_global("extra", space, GlobalType(NumType.I32, False))


def define_one(module: Module, space: str) -> Entity:
    """A new entity of a kind, which nothing uses."""
    match space:
        case "type":
            return module.add_type(SubType(FuncType((NumType.V128,) * 3, (NumType.F32,) * 2)))
        case "func":
            return module.add_function(FuncType())
        case "table":
            return module.add_table(TableType(FUNCREF, Limits(1)))
        case "memory":
            return module.add_memory(MemoryType(Limits(1)))
        case "tag":
            return module.add_tag()
        case "global":
            const = module.const(module.instr("i32.const", 7))
            return module.add_global(GlobalType(NumType.I32, True), const)
        case "elem":
            return module.add_element(Element(REF_FUNC))
        case _:
            return module.add_data(Data(b"new"))


def named(data: bytes) -> Module:
    """The module with a name for everything, and dummies for table 0 and memory 0."""
    module = Module.from_bytes(data)
    for space in SPACES:
        for entity in module.space(space):
            entity.name = f"{space}_{entity.index}"
        module.names.indirect.clear()
    module.names.changed |= {"local", "label", "field"}
    for space in ("table", "memory"):
        import_one(module, space).name = f"dummy_{space}"
    return Module.from_bytes(module.to_bytes())


@cache
def before_of(entry: Entry) -> bytes:
    """A module of the corpus, named: what every test here begins with."""
    return named(entry.path.read_bytes()).to_bytes()


@cache
def fields_before(entry: Entry) -> Counter[str]:
    return Counter(fields(before_of(entry)))


@cache
def error_before(entry: Entry) -> str | None:
    return validate(before_of(entry))


def fields(data: bytes) -> list[str]:
    """The top-level fields of the module's text, without indices in comments."""
    text = re.sub(r" ?\(;.*?;\)", "", printed(data))
    # Of exported tags it doesn't give the names.
    tags = [tag.name for tag in Module.from_bytes(data).tags]
    text = re.sub(r"\(tag (\d+)\)\)", lambda found: f"(tag ${tags[int(found[1])]}))", text)
    assert text.startswith("(module"), text
    lines = text.splitlines()[1:-1]
    starts = [at for at, line in enumerate(lines) if re.match(r"  \(@?\w", line)]
    return ["\n".join(lines[a:b]) for a, b in zip(starts, [*starts[1:], None], strict=True)]


def same_text(entry: Entry, after: bytes, *added: str) -> None:
    """Whether the named module has the fields that another has, in whatever order, but for some."""
    old, new = fields_before(entry), Counter(fields(after))
    assert old - new == Counter()
    surplus = list((new - old).elements())
    assert len(surplus) == len(added)
    assert all(any(name in field for field in surplus) for name in added), surplus


@ALL
@pytest.mark.parametrize("space", IMPORTED)
def test_an_import_in_front(entry: Entry, space: str) -> None:
    before = before_of(entry)
    module = Module.from_bytes(before)
    import_one(module, space).name = "the_new_one"
    after = module.to_bytes()
    again = Module.from_bytes(after)
    types = len(again.types) - len(Module.from_bytes(before).types)
    same_text(entry, after, "$the_new_one", *["(type"] * types)
    assert validate(after) == error_before(entry)
    # And away again: the bytes are what they were, but for a type that was added.
    again.imports.remove(again.imports[-1])
    if not types:
        assert again.to_bytes() == before


@ALL
@pytest.mark.parametrize("space", SPACES)
def test_one_that_nothing_uses_goes(entry: Entry, space: str) -> None:
    before = before_of(entry)
    module = Module.from_bytes(before)
    types = len(module.types)
    added = define_one(module, space)
    added.name = "the_new_one"
    everything = module.space(space)
    imported = [each for each in everything if getattr(each, "imported", None) is not None]
    rest = [each for each in everything if each not in imported and each is not added]
    everything.reorder([*imported, added, *rest])
    larger = Module.from_bytes(module.to_bytes())
    assert validate(larger.to_bytes()) == error_before(entry)
    if space not in ("elem", "data"):
        assert "$the_new_one" in printed(larger.to_bytes())
    gone = larger.space(space).named("the_new_one")
    assert gone is not None
    assert gone.index == len(imported)
    larger.space(space).remove(gone)
    after = larger.to_bytes()
    same_text(entry, after, *["(type"] * (len(larger.types) - types))
    if rest and len(larger.types) == types:
        # Where there was a section before, there is nothing left of it all.
        assert after == before


def permute(module: Module, random: Random) -> None:
    """Another order for everything; dummies stay in front."""
    for space in SPACES:
        entities = list(module.space(space))
        if space == "type":
            groups = list({id(each.group): each.group for each in entities}.values())
            random.shuffle(groups)
            # A type comes behind its supertypes and what else its definition mentions.
            if all(len(group.types) == 1 for group in groups) and not _mention_types(module):
                module.types.reorder([each for group in groups for each in group.types])
            continue
        dummies = [each for each in entities if str(each.name).startswith("dummy")]
        imported = [each for each in entities if getattr(each, "imported", None) is not None]
        defined = [each for each in entities if each not in imported]
        imported = [each for each in imported if each not in dummies]
        random.shuffle(imported)
        random.shuffle(defined)
        if space == "global":
            # A global's initial value may mention those before it.
            defined.sort(key=lambda each: "global.get" in str(each.init))
        module.space(space).reorder([*dummies, *imported, *defined])
    exports = list(module.exports)
    random.shuffle(exports)
    module.exports.reorder(exports)


def _mention_types(module: Module) -> bool:
    return any("$type" in line.split("$", 2)[-1] for line in fields(module.to_bytes())[:1])


@ALL
@pytest.mark.parametrize("seed", range(3))
def test_another_order(entry: Entry, seed: int) -> None:
    module = Module.from_bytes(before_of(entry))
    permute(module, Random(f"{entry.name} {seed}"))
    after = module.to_bytes()
    same_text(entry, after)
    assert validate(after) == error_before(entry)


@pytest.mark.parametrize("pad", [0, 0.1, 0.6])
def test_random_bodies(pad: float) -> None:
    """Any instruction, with labels and paddings that the scanner leaves to the strict decoder."""
    for seed in range(20 * SCALE):
        before = Module.from_bytes(random_module(Random(f"{pad} {seed}"), pad))
        module = Module.from_bytes(before.source)
        module.import_function("", "", FuncType())
        after = Module.from_bytes(module.to_bytes())
        for old, new in zip(before.functions, after.functions[1:], strict=True):
            pairs = zip(instructions(old), instructions(new), strict=True)
            assert all(one.row is other.row for one, other in pairs)
            expected = [shifted(one) for one in instructions(old)]
            assert [one.immediates for one in instructions(new)] == expected


# Not those on request: where they were fetched, they would take many minutes.
WANTED = [entry for entry in externals() if not entry.on_request]


@pytest.mark.slow
@pytest.mark.parametrize("entry", WANTED, ids=lambda entry: entry.name)
def test_an_import_in_front_of_a_large_one(entry: External) -> None:
    before = Module.from_bytes(fetched(entry))
    module = Module.from_bytes(before.source)
    # Of a type that is there, so that functions are all that moves.
    first = module.import_function("", "", before.functions[0].func_type).index
    data = module.to_bytes()
    assert validate(data) is None
    after = Module.from_bytes(data)
    pairs = list(zip(before.functions[first:], after.functions[first + 1 :], strict=True))
    for old, new in pairs[:: 100 // SCALE or 1]:
        for one, other in zip(instructions(old), instructions(new), strict=True):
            assert one.row is other.row
            assert shifted(one, first) == other.immediates
    for each, same in zip(before.globals, after.globals, strict=True):
        assert shown(each.init, first) == shown(same.init)
    for element, like in zip(before.elements, after.elements, strict=True):
        assert [shown(item, first) for item in element.items] == [*map(shown, like.items)]
    # And away again. Padding is lost where an index needed the room.
    new_import = after.functions[first].imported
    assert new_import is not None
    after.imports.remove(new_import)
    again = Module.from_bytes(after.to_bytes())
    codes = zip(before.functions, again.functions, strict=True)
    for old, new in codes:
        if old.imported is None and old.code != new.code:
            pairs_of = zip(instructions(old), instructions(new), strict=True)
            assert all((a.row, a.immediates) == (b.row, b.immediates) for a, b in pairs_of)


def shown(item: Function | Const | None, first: int | None = None) -> object:
    """What stands there, with indices; those of functions from the ``first`` on are one more."""
    if item is None:
        return None
    if isinstance(item, Function):
        return item.index + (first is not None and item.index >= first)
    return [
        (instr.row, [str(shown(each, first)) for each in instr.immediates])
        if any(isinstance(each, Function) for each in instr.immediates)
        else str(instr)
        for instr in item.instrs
    ]


def shifted(instr: RawInstr, first: int = 0) -> tuple[Any, ...]:
    pairs = zip(instr.row.immediates, instr.immediates, strict=True)
    return (
        tuple(value + (each.kind.space == "func" and value >= first) for each, value in pairs)
        if any(each.kind.space == "func" for each in instr.row.immediates)
        else instr.immediates
    )


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    "entry", [each for each in ENTRIES if each.runs], ids=lambda entry: entry.name
)
def test_it_runs_the_same(entry: Entry, tmp_path: Path) -> None:
    moved = Module.from_file(entry.path)
    for space in IMPORTED:
        import_one(moved, space)
        define_one(moved, space)
    shifted = tmp_path / "shifted.wasm"
    moved.save(shifted)
    permuted = tmp_path / "permuted.wasm"
    again = Module.from_file(shifted)
    permute(again, Random(entry.name))
    # The runner goes through exports in order.
    names = [export.name for export in moved.exports]
    again.exports.reorder(sorted(again.exports, key=lambda export: names.index(export.name)))
    again.save(permuted)
    before, *after = run_calls([entry.path, shifted, permuted])
    for run in after:
        assert differences(_without_indices(before), _without_indices(run)) == []


def _without_indices(run: Run) -> Run:
    """JavaScript names a function by its index, which is not the same any more."""

    def without(value: object) -> Any:  # noqa: ANN401 - JSON
        text = re.sub(r"function \d+/", "function /", json.dumps(value))
        return json.loads(text)

    calls = [
        dataclasses.replace(call, outcome=without(call.outcome), state=without(call.state))
        for call in run.calls
    ]
    return dataclasses.replace(run, calls=tuple(calls))


def test_what_is_removed_and_mentioned_is_an_error() -> None:
    module = Module.from_file(find("cpp-legacy-O2").path)
    callee = next(
        item.immediates[0]
        for function in module.functions
        if function.imported is None
        for item in function.body.seq
        if isinstance(item, Instr) and item.row.name == "call"
    )
    module.functions.remove(callee)
    for export in module.exports.of(callee):
        module.exports.remove(export)
    with pytest.raises(InvalidError, match=r"unknown function: \d+ \(removed\).*in function \d+"):
        module.to_bytes()
