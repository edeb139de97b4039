"""Who mentions what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from corpus.manifest import modules
from tests.modules import assembled
from wasmir import BlockType, Entity, Export, InvalidError, MalformedError, Module, ops, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus.manifest import Module as Entry

TEXT = """(module
  (type $t (func (param i32))) (type $s (struct (field (ref null $t)))) (type $b (func))
  (rec (type $r (struct)) (type $q (struct (field (ref null $b)))))
  (import "m" "f" (func $imported (type $t))) (import "m" "g" (global $g i32))
  (memory $m 1) (table $table 1 (ref null $t)) (tag $tag (type $t)) (tag $caught (type $b))
  (global $h (ref null $s) (ref.null $s)) (global $at i32 (global.get $g))
  (func $f (type $t) (local (ref null $r)) (local.get 0) (call $g) (global.set $n (i32.const 1))
    (drop (ref.func $i)))
  (global $n (mut i32) (i32.const 0))
  (func $g (type $t) (local.get 0) (i32.const 0) (call_indirect $table (type $t))
    (drop (i32.load (i32.const 0))) (return_call $g (i32.const 1)))
  (func $i try_table (catch $caught 0) (throw $tag (i32.const 1)) end)
  (elem $e (table $table) (offset (global.get $at)) (ref null $t) (ref.func $f) (ref.func $g))
  (elem $d declare func $i)
  (data $data (memory $m) (i32.const 0) "x")
  (export "f" (func $f)) (start $i))"""


def shown(module: Module, who: object) -> str:
    if isinstance(who, Entity):
        return str(who.name)
    return f"export {who.name}" if isinstance(who, Export) else "module" * (who is module)


@pytest.mark.parametrize(
    ("space", "name", "users"),
    [
        ("type", "t", "s imported f g table tag e"),
        ("type", "s", "h"),
        ("type", "b", "q i caught"),
        ("type", "r", "f"),
        ("func", "imported", ""),
        ("func", "f", "e export f"),
        ("func", "g", "f g e"),
        ("func", "i", "f d module"),
        ("table", "table", "g e"),
        ("memory", "m", "g data"),
        ("tag", "tag", "i"),
        ("tag", "caught", "i"),
        ("global", "g", "at"),
        ("global", "at", "e"),
        ("global", "n", "f"),
        ("elem", "e", ""),
    ],
)
def test_who_uses_it(space: str, name: str, users: str) -> None:
    module = Module.from_bytes(assembled(TEXT))
    entity = module.space(space).named(name)
    assert entity is not None
    found = [shown(module, user) for user in module.uses().of(entity)]
    assert " ".join(found) == users


def test_what_it_uses_and_calls() -> None:
    module = Module.from_bytes(assembled(TEXT))
    uses = module.uses()
    f, g, i = (module.functions.named(name) for name in "fgi")
    assert f
    assert g
    assert i
    assert [shown(module, each) for each in uses.by(f)] == ["t", "r", "g", "i", "n"]
    assert [shown(module, each) for each in uses.by(g)] == ["t", "g", "table", "m"]
    assert uses.by(module) == [i]
    assert uses.callees(f) == [g]
    assert uses.callers(g) == [f, g]
    assert uses.callers(i) == uses.callees(i) == []
    assert all(each.is_raw for each in (f, g, i))


def test_edits_are_seen() -> None:
    module = Module.from_bytes(assembled(TEXT))
    f = module.functions.named("f")
    imported = module.functions[0]
    assert f
    f.body.seq.insert(0, ops.call(imported))
    f.body.seq.insert(0, ops.i32.const(1))
    assert module.uses().callers(imported) == [f]


def entities(thing: object) -> Iterator[Entity]:
    """All that an instruction's parts name, whatever they are."""
    if isinstance(thing, Entity):
        yield thing
    elif isinstance(thing, (tuple, list)):
        for each in thing:
            yield from entities(each)
    elif isinstance(thing, BlockType):
        yield from entities(thing.results if thing.type is None else thing.type)
    else:
        for name in (
            "immediates",
            "type",
            "heap",
            "memory",
            "tag",
            "catches",
            "clauses",
            "handlers",
        ):
            yield from entities(getattr(thing, name, ()))


@pytest.mark.parametrize("entry", modules(), ids=lambda entry: entry.name)
def test_code_mentions_what_its_instructions_do(entry: Entry) -> None:
    """The same as trees have."""
    module = Module.from_file(entry.path)
    uses = module.uses()
    for function in module.functions:
        if function.imported is not None:
            continue
        found = {function.type, *entities([type_ for _, type_ in function.local_groups])}
        for place in walk(function.body):
            found.update(entities(place.item))
        assert set(uses.by(function)) == found


def test_what_is_wrong_is_said_with_its_place() -> None:
    data = bytearray(assembled('(module (func) (func (export "f") call 0 i32.const 1 drop))'))
    at = data.index(b"\x10\x00\x41\x01\x1a")
    data[at + 1] = 9
    with pytest.raises(InvalidError, match=r"^unknown function 9 \(in function 1\)$"):
        Module.from_bytes(data).uses()
    data[at : at + 2] = b"\xff\x01"
    with pytest.raises(MalformedError) as raised:
        Module.from_bytes(data).uses()
    assert raised.value.offset == at


def test_deep_code_is_no_problem() -> None:
    module = Module.from_bytes(assembled("(module (func $f))"))
    depth = 50_000
    module.functions[0]._code = b"\0" + b"\x02\x40" * depth + b"\x10\0" + b"\x0b" * (depth + 1)
    assert module.uses().callers(module.functions[0]) == [module.functions[0]]
