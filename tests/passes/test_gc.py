"""gc: what stays does the same, what is left is needed, and what is asked for makes sense."""

from __future__ import annotations

import pytest

from corpus.manifest import Module as Entry
from corpus.manifest import find, modules
from tests.modules import assembled, printed
from tests.support import validate
from wasmir import (
    FUNCREF,
    REF_FUNC,
    Data,
    Element,
    FuncType,
    GlobalType,
    InvalidError,
    Limits,
    Module,
    NumType,
    PassError,
    Reached,
    TableType,
    UnsupportedError,
    ops,
)
from wasmir.passes import Gc

LINKED = [entry for entry in modules() if entry.producer != "cpp-object"]
"""Everything but what still has to be linked."""
SPACES = ("type", "func", "table", "memory", "tag", "global", "elem", "data")


def collected(data: bytes, **options: str) -> bytes:
    module = Module.from_bytes(data)
    Gc(**options).run(module)
    return module.to_bytes(keep_stale=True)


@pytest.mark.parametrize("entry", LINKED, ids=lambda entry: entry.name)
def test_of_the_corpus_nothing_is_lost(entry: Entry) -> None:
    before = entry.path.read_bytes()
    after = collected(before)
    assert validate(after) is None
    old, new = Module.from_bytes(before), Module.from_bytes(after)
    assert [export.name for export in new.exports] == [export.name for export in old.exports]
    reached = Reached(new, [export.entity for export in new.exports])
    for space in SPACES:
        assert all(entity in reached for entity in new.space(space))
    assert collected(after) == after
    # What was reached before is what is there.
    roots = [export.entity for export in old.exports]
    kept = Reached(old, roots)
    for space in SPACES:
        assert len(new.space(space)) == sum(entity in kept for entity in old.space(space))


def burdened(data: bytes) -> bytes:
    """The module with something of each sort that nobody needs, imports in front among them."""
    module = Module.from_bytes(data)
    type_ = FuncType((NumType.V128,))
    dead = module.import_function("dead", "f", type_)
    global_ = module.import_global("dead", "g", GlobalType(NumType.I64, mutable=True))
    tag = module.import_tag("dead", "t", (NumType.F32, NumType.F64))
    table = module.import_table("dead", "t", TableType(FUNCREF, Limits(1)))
    code = [ops.global_.get(global_), ops.drop(), ops.throw(tag)]
    first = module.add_function(type_, code)
    module.add_function(type_, [ops.ref.func(first), ops.i32.const(0), ops.table.size(table)])
    module.add_element(Element(REF_FUNC, [dead, first]))
    module.add_global(GlobalType(FUNCREF, mutable=False), module.const(ops.ref.func(dead)))
    module.add_data(Data(b"never used"))
    return module.to_bytes(keep_stale=True)


@pytest.mark.parametrize("entry", LINKED, ids=lambda entry: entry.name)
def test_what_nobody_needs_goes_and_leaves_no_trace(entry: Entry) -> None:
    before = entry.path.read_bytes()
    without, after = collected(before), collected(burdened(before))
    # A segment that was written anew doesn't spell out the first table.
    assert after == without or printed(after) == printed(without).replace("(table 0) ", "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"roots": "man"}, r"^gc: roots: nothing is called 'man'; did you mean 'main'\?$"),
        ({"keep": "hlper"}, r"^gc: keep: nothing is called 'hlper'; did you mean 'helper'\?$"),
        ({"keep": "main zz*"}, r"^gc: keep: nothing is called 'zz\*'$"),
        ({"only": "function"}, r"^gc: only: there is no 'function'; did you mean 'functions'\?$"),
        ({"only": "x"}, r"^gc: only: there is no 'x'; there are: types, functions, .*, data$"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, str], message: str) -> None:
    data = assembled('(module (func $helper) (func (export "main")))')
    module = Module.from_bytes(data)
    with pytest.raises(PassError, match=message):
        Gc(**options).run(module)
    assert module.to_bytes() == data


def test_object_files_are_refused() -> None:
    module = Module.from_bytes(find("cpp-legacy-object").path.read_bytes())
    with pytest.raises(UnsupportedError, match="relocatable object"):
        Gc().run(module)


def test_code_that_mentions_nothing_is_refused() -> None:
    data = bytearray(assembled('(module (func) (func (export "f") call 0))'))
    at = data.index(b"\x10\x00\x0b")
    data[at + 1] = 9
    module = Module.from_bytes(bytes(data))
    with pytest.raises(InvalidError, match=r"unknown function 9 \(in function 1\)"):
        Gc().run(module)


def test_functions_that_are_open_are_looked_at_as_they_are() -> None:
    module = Module.from_bytes(assembled('(module (func $a) (func (export "f") call $a))'))
    a, f = module.functions
    f.body.items.clear()
    b = module.add_function(a.type)
    f.body.seq.append(ops.call(b))
    Gc().run(module)
    assert list(module.functions) == [f, b]
    assert validate(module.to_bytes()) is None
