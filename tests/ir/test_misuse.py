"""Whoever gives the wrong sort of thing is told so at once, and nothing has changed."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest

from tests.modules import assembled
from wasmir import (
    I32,
    Data,
    DyLink,
    Element,
    ExternKind,
    Function,
    FuncType,
    GlobalType,
    Injector,
    InvalidError,
    Limits,
    MalformedError,
    Module,
    Pipeline,
    Probe,
    RefType,
    UnsupportedError,
    Uses,
    arity,
    basic_blocks,
    default_of,
    exception_dialect,
    extract,
    instructions,
    merge,
    ops,
    skeleton,
    walk,
)
from wasmir.diff import compare
from wasmir.graph import CallGraph, ControlFlow, dot_of_calls, dot_of_flow
from wasmir.sizes import measure
from wasmir.types import AbstractHeap

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = """(module
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (table (export "table") 2 funcref)
  (func $f (export "f") (param i32) (result i32) (call $log (i32.const 1)) (local.get 0))
  (func $g (export "g") (block (br 0))))"""


def stranger() -> Function:
    return Module().add_function(FuncType(), name="stranger")


def building(use: Callable[[Any], object]) -> Callable[[Module], None]:
    def build(module: Module) -> None:
        with module.build("new", {"n": I32}, [I32]) as f:
            use(f)

    return build


def probing(use: Callable[[Any, Any], object]) -> Callable[[Module], None]:
    def probe(module: Module) -> None:
        with Probe(module.functions[1]) as probe:
            use(module, probe)

    return probe


def second_fails(function: Function) -> list[Any]:
    return [ops.nop()] if function.index < 2 else [ops.call(stranger())]


MISUSES: dict[str, tuple[type[Exception], str, Callable[[Any], object]]] = {
    "build: a name": (TypeError, "a name", lambda m: m.build(5)),
    "build: an export": (TypeError, "a name", lambda m: m.build("x", exported=5)),
    "build: not Unicode": (ValueError, "UTF-8", lambda m: m.build("\ud800")),
    "build: a type of another": (
        ValueError,
        "part of another module",
        lambda m: m.build("x", Module().func_type([I32], [])),
    ),
    "build: a local's name": (TypeError, "a name", building(lambda f: f.local(I32, 5))),
    "build: inline": (TypeError, "a snippet", building(lambda f: f.inline(5))),
    "build: misspelt": (
        AttributeError,
        r"i32\.ad; did you mean 'add'",
        building(lambda f: f.i32.ad()),
    ),
    "build: a misspelt namespace": (
        AttributeError,
        "did you mean 'memory'",
        building(lambda f: f.memry.grow()),
    ),
    "inlined": (TypeError, "a snippet", lambda m: m.functions[1].body.inlined(5)),
    "walk": (TypeError, "a function, or its body", lambda m: list(walk(m))),
    "skeleton": (TypeError, "a function, or its body", lambda m: list(skeleton(m))),
    "instructions": (TypeError, "a function", lambda m: list(instructions(m.functions[1].body))),
    "basic_blocks": (TypeError, "a function", lambda _: basic_blocks(5)),  # type: ignore[arg-type]
    "insert_before": (
        TypeError,
        "instructions, a function or a snippet",
        lambda m: next(walk(m.functions[1])).insert_before(ops.nop()),  # type: ignore[arg-type]
    ),
    "until": (
        TypeError,
        "a place",
        lambda m: next(walk(m.functions[1])).delete(until=5),  # type: ignore[arg-type]
    ),
    "insert: an import": (
        UnsupportedError,
        "no body",
        lambda m: m.functions[0].insert([(1, b"\1")]),
    ),
    "insert_at_entry: an import": (
        UnsupportedError,
        "no body",
        lambda m: m.functions[0].insert_at_entry(b"\1"),
    ),
    "insert_at_entry": (
        TypeError,
        "a run",
        lambda m: m.functions[1].insert_at_entry([ops.nop()]),
    ),
    "redirect: no mapping": (TypeError, "a mapping", lambda m: m.redirect("x")),
    "redirect: names": (TypeError, "an entity", lambda m: m.redirect({"f": "g"})),
    "redirect: none": (TypeError, "an entity", lambda m: m.redirect({m.functions[1]: None})),
    "make_import": (TypeError, "a name", lambda m: m.functions[1].make_import(5, "a")),
    "make_definition": (
        TypeError,
        "a list of items",
        lambda m: m.functions[0].make_definition(5),
    ),
    "make_definition: items": (
        TypeError,
        "expected, not int",
        lambda m: m.functions[0].make_definition([5]),
    ),
    "replace_body": (TypeError, "expected, not int", lambda m: m.functions[1].replace_body([5])),
    "a function's name": (TypeError, "a name", lambda m: setattr(m.functions[1], "name", 5)),
    "exports: taken": (
        ValueError,
        "duplicate export",
        lambda m: m.add_memory(m.memories[0].type, exported="f"),
    ),
    "exports.add": (TypeError, "a function, table", lambda m: m.exports.add("x", 5)),
    "exports.add: another's": (
        ValueError,
        "part of another module",
        lambda m: m.exports.add("x", stranger()),
    ),
    "import": (
        TypeError,
        "a name",
        lambda m: m.import_memory("env", 5, m.memories[0].type),
    ),
    "add_memory": (TypeError, "a MemoryType", lambda m: m.add_memory(Limits(1))),
    "add_table": (TypeError, "a TableType", lambda m: m.add_table(Limits(1))),
    "add_global": (TypeError, "a GlobalType", lambda m: m.add_global(I32, 5)),
    "add_global: 5": (
        TypeError,
        "a constant expression",
        lambda m: m.add_global(GlobalType(I32, mutable=True), 5),
    ),
    "add_data": (TypeError, "an entity", lambda m: m.add_data(b"abc")),
    "add_data: text": (TypeError, "bytes", lambda m: m.add_data(Data("abc"))),  # type: ignore[arg-type]
    "add_data: an address": (
        TypeError,
        "a constant expression",
        lambda m: m.add_data(Data(b"abc", offset=5)),  # type: ignore[arg-type]
    ),
    "add_element": (TypeError, "a RefType", lambda m: m.add_element(Element(I32))),  # type: ignore[arg-type]
    "rollback": (TypeError, "a checkpoint", lambda m: m.rollback(5)),
    "rollback: another's": (
        ValueError,
        "another module's",
        lambda m: m.rollback(Module().checkpoint()),
    ),
    "Uses": (TypeError, "a module", lambda _: Uses(5)),  # type: ignore[arg-type]
    "extract: a name": (TypeError, "a function, table", lambda m: extract(m, ["f"])),  # type: ignore[list-item]
    "extract: one": (TypeError, "a list", lambda m: extract(m, m.functions[1])),
    "extract: a type": (TypeError, "a function, table", lambda m: extract(m, [m.types[0]])),
    "extract: nothing": (TypeError, "a module", lambda _: extract(None, [])),  # type: ignore[arg-type]
    "merge": (TypeError, "a module", lambda m: merge(m, None, "x")),  # type: ignore[arg-type]
    "merge: a name": (TypeError, "a name", lambda m: merge(m, Module(), 5)),  # type: ignore[arg-type]
    "Probe": (TypeError, "a function", lambda _: Probe(5)),  # type: ignore[arg-type]
    "Probe: items": (TypeError, "expected, not int", probing(lambda _, p: p.entry([5]))),
    "Probe: text": (TypeError, "a list of items", probing(lambda _, p: p.entry("abc"))),
    "Probe: made": (TypeError, "a list of items", probing(lambda _, p: p.entry(lambda: 5))),
    "Probe: a place": (TypeError, "a place", probing(lambda _, p: p.before(5, []))),
    "Probe: a place elsewhere": (
        ValueError,
        "isn't one of function 1",
        probing(lambda m, p: p.before(next(walk(m.functions[2])), [ops.nop()])),
    ),
    "Probe: a local": (TypeError, "a value type", probing(lambda _, p: p.add_local("i32"))),
    "Probe: locals": (ValueError, "-1", probing(lambda _, p: p.add_local(I32, -1))),
    "Injector": (TypeError, "a module", lambda _: Injector(5)),  # type: ignore[arg-type]
    "Injector: an import": (
        UnsupportedError,
        "no body",
        lambda m: Injector(m).entry(lambda _: [ops.nop()], [m.functions[1], m.functions[0]]),
    ),
    "Injector: the second": (
        InvalidError,
        "another module",
        lambda m: Injector(m).entry(second_fails),
    ),
    "Injector: the second's blocks": (
        InvalidError,
        "another module",
        lambda m: Injector(m).basic_blocks(lambda function, _: second_fails(function)),
    ),
    "Injector: a local": (
        TypeError,
        "value types",
        lambda m: Injector(m).entry(lambda _: [], added_locals=["i32"]),  # type: ignore[list-item]
    ),
    "validate: functions": (
        TypeError,
        "a function expected, not int",
        lambda m: m.validate(only=[5]),
    ),
    "validate: another's": (ValueError, "another module", lambda m: m.validate(only=[stranger()])),
    "validate: features": (TypeError, "a feature or its name", lambda m: m.validate(features=[5])),
    "substitute: a mnemonic": (
        ValueError,
        "no instruction 'cal'; did you mean 'call'",
        lambda m: m.substitute(["cal"], lambda _: None),
    ),
    "substitute: functions": (
        TypeError,
        "a function expected",
        lambda m: m.substitute(["call"], lambda _: None, ["f"]),
    ),
    "functions_with": (TypeError, "a function", lambda m: m.functions_with("try", ["f"])),
    "edit_functions": (TypeError, "a function", lambda m: m.edit_functions(print, ["f"])),
    "instr": (ValueError, "no instruction 'i32.ad'; did you mean", lambda m: m.instr("i32.ad")),
    "instr: 5": (ValueError, "no instruction 5", lambda m: m.instr(5)),
    "const": (TypeError, "an instruction expected, not int", lambda m: m.const(5)),
    "run": (TypeError, "an instruction expected, not str", lambda m: m.run(["nop"])),
    "add_function": (TypeError, "function: type: a type", lambda m: m.add_function(5)),
    "add_function: code": (
        TypeError,
        "an instruction expected",
        lambda m: m.add_function(FuncType(), ["nop"]),
    ),
    "import_function": (TypeError, "a type", lambda m: m.import_function("env", "f", "i32")),
    "import_tag": (TypeError, "value types", lambda m: m.import_tag("env", "f", ["i32"])),
    "func_type": (TypeError, "parameters must be value types", lambda m: m.func_type(["i32"])),
    "block_type": (TypeError, "results must be value types", lambda m: m.block_type([I32], [5])),
    "add_type": (TypeError, "a SubType expected", lambda m: m.add_type(FuncType())),
    "space": (
        ValueError,
        "no index space 'function'; there are: type",
        lambda m: m.space("function"),
    ),
    "start": (TypeError, "a function", lambda m: setattr(m, "start", "f")),
    "start: another's": (ValueError, "another", lambda m: setattr(m, "start", stranger())),
    "add_custom: a name": (TypeError, "a name", lambda m: m.add_custom(5, b"")),
    "add_custom": (TypeError, "bytes expected, not int", lambda m: m.add_custom("x", 5)),
    "remove_custom": (TypeError, "a custom section", lambda m: m.remove_custom("name")),
    "imports.remove": (TypeError, "an import expected", lambda m: m.imports.remove("log")),
    "exports.remove": (TypeError, "an export expected", lambda m: m.exports.remove("f")),
    "exports.remove_all": (TypeError, "an export", lambda m: m.exports.remove_all(["f"])),
    "a function's type": (TypeError, "a type", lambda m: setattr(m.functions[1], "type", 5)),
    "names of locals": (
        TypeError,
        "local names by number",
        lambda m: setattr(m.functions[1], "local_names", ["n"]),
    ),
    "arity": (TypeError, "an instruction", lambda _: arity(5)),  # type: ignore[arg-type]
    "default_of": (TypeError, "a value type", lambda _: default_of("i32")),  # type: ignore[arg-type]
    "exception_dialect": (TypeError, "a module", lambda _: exception_dialect(b"")),  # type: ignore[arg-type]
    "DyLink.of": (TypeError, "a module", lambda _: DyLink.of(b"")),  # type: ignore[arg-type]
    "Pipeline.run": (TypeError, "a module", lambda _: Pipeline.parse("gc").run(None)),  # type: ignore[arg-type]
    "Pipeline.run: verify": (
        TypeError,
        "one of Verify",
        lambda m: Pipeline.parse("gc").run(m, verify=True),  # type: ignore[arg-type]
    ),
    "Pipeline.parse": (TypeError, "the text of", lambda _: Pipeline.parse(["gc"])),  # type: ignore[arg-type]
    "Pipeline.from_toml": (TypeError, "the text of", lambda _: Pipeline.from_toml(b"")),  # type: ignore[arg-type]
    "Pipeline": (TypeError, "a pass expected, not str", lambda _: Pipeline(("gc",))),  # type: ignore[arg-type]
    "sizes.measure": (TypeError, "a module", lambda _: measure(b"")),  # type: ignore[arg-type]
    "diff.compare": (TypeError, "a module", lambda m: compare(m, b"")),  # type: ignore[arg-type]
    "graph.CallGraph": (TypeError, "a function", lambda m: CallGraph.of(m, ["f"])),  # type: ignore[list-item]
    "graph.ControlFlow": (TypeError, "a function", lambda _: ControlFlow("f")),  # type: ignore[arg-type]
    "graph.dot_of_flow": (TypeError, "a ControlFlow", lambda m: dot_of_flow(m.functions[1])),
    "graph.dot_of_calls": (TypeError, "a CallGraph", dot_of_calls),
    "an image of a memory": (TypeError, "addresses", lambda m: m.memories[0].image()["a"]),
    "an image's bounds": (TypeError, "an address", lambda m: m.memories[0].image()["a":"b"]),
    "an image's bytes": (
        TypeError,
        "bytes",
        lambda m: m.memories[0].image().__setitem__(slice(0, 1), "b"),
    ),
    "an image of a table": (TypeError, "a slot", lambda m: m.tables[0].image()["a"]),
}


@pytest.mark.parametrize("what", MISUSES)
def test_misuse(what: str) -> None:
    error, message, use = MISUSES[what]
    module = Module.from_bytes(assembled(TEXT))
    with pytest.raises(error, match=message):
        use(module)
    # Types that were looked up may have been added.
    assert len(module.functions) == 3
    assert len(module.memories) == 1
    before = Module.from_bytes(module.source)
    after = Module.from_bytes(module.to_bytes())
    assert [each.code for each in after.functions[1:]] == [
        each.code for each in before.functions[1:]
    ]
    assert [str(each) for each in after.imports] == [str(each) for each in before.imports]
    assert [each.name for each in after.exports] == [each.name for each in before.exports]


def test_a_kind_is_the_name_of_its_index_space() -> None:
    module = Module.from_bytes(assembled(TEXT))
    for named in (module.imports[0], module.exports.find("f")):
        assert named
        kind: Any = named.kind
        assert kind == "func"
        assert "func" == kind  # noqa: SIM300 - the other way round
        assert kind != "memory"
        assert kind in {"func", "table"}
        assert kind not in ("memory", "tag")
        assert kind != 0
        assert module.space(kind) is module.functions
        assert str(kind) == f"{kind}" == "func"
        assert kind is ExternKind.FUNC
    assert [each.code for each in ExternKind] == [0, 1, 2, 3, 4]
    assert pickle.loads(pickle.dumps(ExternKind.TAG)) is ExternKind.TAG  # noqa: S301 - ours
    assert ExternKind("memory") is ExternKind.MEMORY


@pytest.mark.parametrize("use", [lambda m: m.exports[0], lambda m: m.imports[0]])
def test_names_that_are_assigned_are_checked_when_they_are_written(
    use: Callable[[Module], Any],
) -> None:
    for name, error in ((5, TypeError), ("\udc00", ValueError)):
        module = Module.from_bytes(assembled(TEXT))
        use(module).name = name
        with pytest.raises(error, match="name"):
            module.to_bytes()


def test_a_skeleton_of_a_function_is_that_of_its_body() -> None:
    module = Module.from_bytes(assembled(TEXT))
    function = module.functions[2]
    assert [place.item for place in skeleton(function)] == [
        place.item for place in skeleton(function.body)
    ]


@pytest.mark.parametrize("kind", ["data", "element"])
def test_active_segments_need_something_to_be_copied_to(kind: str) -> None:
    module = Module()
    offset = module.const(ops.i32.const(0))
    if kind == "data":
        module.add_data(Data(b"x", offset=offset))
    else:
        module.add_element(Element(RefType(True, AbstractHeap.FUNC), offset=offset))
    with pytest.raises(InvalidError, match="unknown"):
        Uses(module)


def test_what_is_malformed_is_found_before_anything_is_redirected() -> None:
    text = (
        """(module (func $f) (func $g (call $f)) (func $h (call $f)) (global i32 (i32.const 1)))"""
    )
    source = bytearray(assembled(text))
    last = Module.from_bytes(bytes(source)).functions[2]
    # An opcode that there isn't.
    source[last.offset + len(last.code) - 1] = 0x27
    module = Module.from_bytes(bytes(source))
    before = [each.code for each in module.functions]
    f, g, _ = module.functions
    with pytest.raises(MalformedError):
        module.redirect({f: g})
    with pytest.raises(MalformedError), f.wrap("around") as code:
        code.nop()
    assert [each.code for each in module.functions] == before
