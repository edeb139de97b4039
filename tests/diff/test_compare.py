"""What is told of two modules: what was done to one of them, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from corpus.manifest import find
from tests.modules import assembled
from tests.modules import module as small
from tests.support import corpus_paths, suite_sample
from wasmir import Function, FuncType, GlobalType, MalformedError, Module, NumType, Pipeline, ops
from wasmir.diff import compare

if TYPE_CHECKING:
    from pathlib import Path

    from wasmir.diff import Comparison

PROGRAM = find("cpp-legacy-O2").path


def told(comparison: Comparison) -> list[str]:
    return list(map(str, comparison.changes))


def compared(old: str, new: str) -> Comparison:
    return compare(Module.from_bytes(assembled(old)), Module.from_bytes(assembled(new)))


@pytest.mark.parametrize("path", corpus_paths(), ids=lambda path: path.stem)
def test_shifts_are_no_differences(path: Path) -> None:
    """Everything moves to other indices, and what is told is what moved it."""
    old, new = Module.from_file(path), Module.from_file(path)
    assert told(compare(old, new)) == []
    if new.custom("linking") is not None:
        return
    new.import_function("new", "function", FuncType((NumType.I32,) * 7))
    new.import_global("new", "global", GlobalType(NumType.I32, mutable=False))
    again = Module.from_bytes(new.to_bytes(keep_stale=True))
    for other in (new, again):
        found = compare(old, other)
        assert {change.status for change in found.changes} == {"added"}
        assert sorted(change.what for change in found.changes) == ["function", "global", "type"]
        defined = [each for each in old.functions if each.imported is None]
        assert found.shifted["function"] == len(defined)
        back = compare(other, old)
        assert {change.status for change in back.changes} == {"removed"}


def test_modules_of_the_suite_are_what_they_are() -> None:
    for module in suite_sample(20):
        found = compare(module, Module.from_bytes(module.source))
        assert (told(found), dict(found.shifted)) == ([], {})


@pytest.mark.parametrize("name", ["cpp-legacy-O2", "legacy-shapes-try", "cpp-exnref-O2"])
def test_other_orders(name: str) -> None:
    """What has changed places is what is told of, and no more of it than must be."""
    old, new = (Module.from_file(find(name).path) for _ in range(2))
    functions = list(new.functions)
    first = sum(each.imported is not None for each in functions)
    moved = functions.pop(-1)
    new.functions.reorder([*functions[:first], moved, *functions[first:]])
    found = compare(old, Module.from_bytes(new.to_bytes(keep_stale=True)))
    [change] = found.changes
    assert (change.status, change.old.index, change.new.index) == ("moved", len(functions), first)


def test_types_in_another_order() -> None:
    old, new = (Module.from_file(PROGRAM) for _ in range(2))
    new.types.reorder(reversed(new.types))
    found = compare(old, Module.from_bytes(new.to_bytes(keep_stale=True)))
    assert {change.what for change in found.changes} == {"type"}
    assert {change.status for change in found.changes} == {"moved"}


def test_content_is_known_wherever_it_is() -> None:
    """Without names, in another order, and where types have other indices."""
    functions = [
        f"(func (call_indirect (type ${each}) (i32.const {at})))" for at, each in enumerate("aabb")
    ]
    types = ["(type $a (func))", "(type $b (func (result)))", "(type $c (func (param i64)))"]
    types[1] = "(rec (type $b (func)) (type $d (func)))"
    first, *others = functions
    table = "(table 1 funcref)"
    old = f"(module {' '.join(types)} {table} {' '.join(functions)})"
    new = f"(module {' '.join(reversed(types))} {table} (func (nop)) {' '.join([*others, first])})"
    said = told(compared(old, new))
    assert [each for each in said if "function" in each] == [
        "moved function 0 -> 4",
        "added function 0",
    ]
    assert all("moved" in each for each in said if "type" in each)


def test_content_comes_before_order() -> None:
    a, b = "(func (drop (i32.const 1)))", "(func (drop (i32.const 2)))"
    found = compared(f"(module {a} {b} {b} {a})", f"(module {b} {a} {a} {b})")
    assert "changed" not in {change.status for change in found.changes}
    found = compared(f"(module {a} {b} {b} {a})", f"(module {b} {b} {a} {a})")
    assert {change.status for change in found.changes} == {"moved"}


def test_types_that_are_there_twice() -> None:
    """It doesn't matter which of two equal types is mentioned."""
    table = "(table 1 funcref)"
    call = "(func (type {}) (call_indirect (type {}) (i32.const 0)))"
    old = f"(module (type (func)) {table} {call.format(0, 0)})"
    new = f"(module (type (func)) (type (func)) {table} {call.format(1, 1)})"
    assert told(compared(old, new)) == ["added type 1"]
    assert told(compared(new, old)) == ["removed type 1"]
    rec = "(module (rec (type $a (sub (struct (field (ref null {0}))))) (type $b (func))))"
    assert told(compared(rec.format("$a"), rec.format("$a"))) == []
    assert told(compared(rec.format("$a"), rec.format("$b"))) == [
        "removed type 0",
        "removed type 1",
        "added type 0",
        "added type 1",
    ]


# Code


def lines(comparison: Comparison, index: int = 0) -> list[str]:
    change = comparison.changes[index]
    code = comparison.code(change)
    return [line for hunk in code.hunks for line in (hunk.head, *hunk.lines)]


def test_an_instruction_more() -> None:
    old, new = (Module.from_file(PROGRAM) for _ in range(2))
    function = new.functions[-1]
    function.body.seq.insert(2, ops.nop())
    found = compare(old, new)
    assert told(found) == [f"changed function {function}"]
    code = found.code(found.changes[0])
    assert (code.added, code.removed, len(code.hunks)) == (1, 0, 1)
    [hunk] = code.hunks
    assert [line for line in hunk.lines if line[0] != " "] == ["+nop"]
    again = Module.from_bytes(new.to_bytes(keep_stale=True))
    written = compare(old, again)
    offsets = written.code(written.changes[0]).hunks[0]
    assert offsets.old_offset is not None
    assert offsets.new_offset is not None
    at = again.source.index(b"\x01", offsets.new_offset)
    assert at - offsets.new_offset < 10


def test_code_says_what_the_newer_module_says() -> None:
    functions = '(func $kept (export "kept")) (func $gone) (func {0} (call {1}) (call $kept))'
    old = f"(module {functions.format('$main', '$gone')})"
    new = (
        '(module (import "m" "f" (func $new)) (func $kept (export "kept")) '
        "(func $main (call $new) (call $kept)))"
    )
    found = compared(old, new)
    assert told(found) == [
        'removed function 1 "gone"',
        'changed function 2 "main"',
        'added function 0 "new"',
    ]
    assert lines(found, 1)[1:] == ["-call $gone", "+call $new", " call $kept"]


def test_what_has_no_name() -> None:
    old = '(module (func $a) (func (export "f") (call $a)))'
    new = '(module (func (export "f") (nop)))'
    old_module, new_module = (Module.from_bytes(assembled(each)) for each in (old, new))
    for each in old_module.functions:
        each.name = None
    found = compare(Module.from_bytes(old_module.to_bytes()), new_module)
    at = next(at for at, change in enumerate(found.changes) if change.status == "changed")
    assert lines(found, at)[1:] == ["-call a/0", "+nop"]


def test_locals_are_lines() -> None:
    found = compared(
        '(module (func (export "f") (local i32 i32 f32)))',
        '(module (func (export "f") (local i32 i32 f64)))',
    )
    assert lines(found)[1:] == [" local i32 * 2", "-local f32", "+local f64"]


def test_labels_are_depths() -> None:
    """What is put into a block as a whole is the same instructions."""
    inside = "(block (loop (br_if 1 (i32.const 0)) (br 0)))"
    found = compared(
        f'(module (func (export "f") {inside}))',
        f'(module (func (export "f") (block {inside})))',
    )
    code = found.code(found.changes[0])
    assert (code.added, code.removed) == (2, 0)


@pytest.mark.parametrize("name", ["cpp-legacy-O2", "cpp-legacy-O0", "legacy-shapes-try"])
def test_the_lines_are_all_of_the_code(name: str) -> None:
    """With enough around them: what isn't new is the old code, and the other way about."""
    old, new = (Module.from_file(find(name).path) for _ in range(2))
    Pipeline.parse("legacy-to-exnref").run(new)
    found = compare(old, new)
    changed = [each for each in found.changes if each.has_code]
    assert {each.old.index for each in changed} == {
        each.index
        for each, other in zip(old.functions, new.functions, strict=True)
        if each.imported is None and each.code != other.code
    }
    for change in changed:
        code = found.code(change, 1 << 30)
        [hunk] = code.hunks
        olds, news = (
            [line[1:].strip() for line in hunk.lines if line[0] in f" {sign}"] for sign in "-+"
        )
        assert code.added == sum(line[0] == "+" for line in hunk.lines)
        assert code.removed == sum(line[0] == "-" for line in hunk.lines)
        for text, function in ((olds, change.old), (news, change.new)):
            words = [line.split()[0] for line in text if not line.startswith("local ")]
            assert words == _mnemonics(function)


def _mnemonics(function: Function) -> list[str]:
    module = function.module
    text = function.wat(names=False)
    del module
    skipped = ("(local", "(func", ")")
    return [
        line.split()[0]
        for line in map(str.strip, text.splitlines())
        if not line.startswith(skipped)
    ]


def test_spelling_is_told_apart() -> None:
    old = small(b"\0\x41\0\x1a\x0b")
    new = small(b"\0\x41\x80\0\x1a\x0b")
    found = compare(Module.from_bytes(old), Module.from_bytes(new))
    [change] = found.changes
    assert change.has_code
    assert found.code(change).hunks == []


# The rest of a module

EDITS: dict[str, tuple[str, str, list[str]]] = {
    "memory": ("(memory 1)", "(memory 2 3)", ["changed memory 0", "type: 1 -> 2 3"]),
    "global": (
        "(global i32 (i32.const 1))",
        "(global (mut i32) (i32.const 2))",
        ["changed global 0", "type: i32 -> (mut i32)", "value: i32.const 1 -> i32.const 2"],
    ),
    "table": ("(table 1 funcref)", "(table 1 externref)", ["type: 1 funcref -> 1 externref"]),
    "export": (
        '(func $a) (func $b (nop)) (export "e" (func 0))',
        '(func $a) (func $b (nop)) (export "e" (func 1))',
        ['changed export "e"', "what: func $a -> func $b"],
    ),
    "start": ("(func)", "(func) (start 0)", ["added start function 0"]),
    "other start": (
        '(func (export "a")) (func (export "b") (nop)) (start 0)',
        '(func (export "a")) (func (export "b") (nop)) (start 1)',
        ["changed start function 0 -> 1"],
    ),
    "tag": (
        '(tag (export "t") (param i32))',
        '(tag (export "t") (param i64))',
        ["changed tag 0", "type: (func (param i32)) -> (func (param i64))"],
    ),
    "data": (
        '(memory 1) (data (i32.const 0) "abcd")',
        '(memory 1) (data (i32.const 0) "abXYZ")',
        ["changed data segment 0", "bytes: 4 -> 5, the same up to 0x2"],
    ),
    "data offset": (
        '(memory 1) (data (i32.const 0) "abcd")',
        '(memory 1) (data (i32.const 8) "abcd")',
        ["offset: i32.const 0 -> i32.const 8"],
    ),
    "import": (
        '(import "a" "b" (func))',
        '(import "a" "b" (func (param i32)))',
        ["changed function 0", "type: (func) -> (func (param i32))"],
    ),
    "other import": (
        '(import "a" "b" (func))',
        '(import "a" "c" (func))',
        ["removed function 0", "added function 0"],
    ),
    "custom": ('(@custom "c" "x")', '(@custom "c" "y")', ['changed custom section "c"']),
    "less custom": ('(@custom "c" "x")', "", ['removed custom section "c"']),
    "name": (
        '(func $one (export "f"))',
        '(func $other (export "f"))',
        ['changed function 0 "one" -> 0', "name: one -> other"],
    ),
    "local name": (
        '(func $f (export "f") (param $x i32))',
        '(func $f (export "f") (param $y i32))',
        ['local names: 0 "x" -> 0 "y"'],
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_facts(name: str) -> None:
    old, new, wanted = EDITS[name]
    found = compared(f"(module {old})", f"(module {new})")
    said = told(found)
    for change in found.changes:
        said += [f"{what}: {one} -> {other}" for what, (one, other) in change.facts.items()]
    for each in wanted:
        assert each.removesuffix(" -> 0") in " | ".join(said), said
    assert told(compared(f"(module {old})", f"(module {old})")) == []


def test_items_of_element_segments() -> None:
    text = "(module (table 9 funcref) (func $a) (func $b (nop)) (elem (i32.const 0) {}))"
    found = compared(text.format("$a $b $a"), text.format("$a $a"))
    assert told(found) == ["changed element segment 0"]
    assert lines(found)[1:] == [" ref.func $a", "-ref.func $b", " ref.func $a"]


def test_stripped_names() -> None:
    """Where one module has no names, nothing but that is told."""
    new = Module.from_file(PROGRAM)
    [names] = [each for each in new.customs if each.name == "name"]
    new.remove_custom(names)
    found = compare(Module.from_file(PROGRAM), Module.from_bytes(new.to_bytes()))
    assert told(found) == ['removed custom section "name"']


def test_functions_that_are_alike_find_each_other() -> None:
    """One came in between others of the same type, and all were changed a little."""
    load = "(i32.add (i32.load (i32.const {0})) (i32.const {1}))"
    one = f"(func (i32.store (i32.const {{0}}) {load}) {{2}})"
    two = "(func (drop (f64.mul (f64.const {0}) (f64.load (i32.const {1})))) {2})"
    new_one = "(func (memory.fill (i32.const 5) (i32.const 6) (i32.const 7)))"
    old = (
        f"(module (memory 1) {one.format(1, 2, '')} {two.format(3, 4, '')} {one.format(7, 8, '')})"
    )
    new = (
        f"(module (memory 1) {one.format(1, 2, '(nop)')} {new_one} {two.format(3, 4, '(nop)')} "
        f"{one.format(7, 8, '(nop)')})"
    )
    assert told(compared(old, new)) == [
        "changed function 0",
        "changed function 1 -> 2",
        "changed function 2 -> 3",
        "added function 1",
    ]
    assert told(compared(new, old)) == [
        "changed function 0",
        "removed function 1",
        "changed function 2 -> 1",
        "changed function 3 -> 2",
    ]


def test_adapters_are_not_what_they_stand_before() -> None:
    """Exports name adapters after recovery; what was exported before is there as it was."""
    stripped = Module.from_file(PROGRAM)
    [names] = [each for each in stripped.customs if each.name == "name"]
    stripped.remove_custom(names)
    data = stripped.to_bytes()
    old, new = Module.from_bytes(data), Module.from_bytes(data)
    Pipeline.parse("recover").run(new)
    found = compare(old, Module.from_bytes(new.to_bytes()))
    assert "removed" not in found.counts["function"]
    assert found.counts["export"]["changed"] > 5
    for change in found.changes:
        if change.what == "function" and change.has_code:
            code = found.code(change, 0)
            mnemonics = {line[1:].split()[0] for hunk in code.hunks for line in hunk.lines}
            assert mnemonics == {"call"}


def test_edited_modules_need_no_encoding() -> None:
    old, new = (Module.from_file(PROGRAM) for _ in range(2))
    Pipeline.parse("recover").run(new)
    in_memory = compare(old, new)
    written = compare(old, Module.from_bytes(new.to_bytes(keep_stale=True)))
    assert in_memory.counts == written.counts
    assert [each for each in told(in_memory) if "custom" not in each] == [
        each for each in told(written) if "custom" not in each
    ]


def look(old: Module, new: Module, labels: tuple[str, str]) -> None:
    """Compare them, and look at what is different."""
    found = compare(old, new, labels=labels)
    for change in found.changes:
        found.code(change)


def test_what_was_removed_in_memory() -> None:
    old, new = (
        Module.from_bytes(assembled("(module (type (func)) (type (func (param i64))) (func))"))
        for _ in range(2)
    )
    new.types.remove(new.types[1])
    assert told(compare(old, new)) == ["removed type 1"]
    assert told(compare(new, old)) == ["added type 1"]


@pytest.mark.parametrize("code", [b"\0\x0b", b"\0\x41\0\x1a\x0b"], ids=["one", "other"])
def test_errors_say_which_module(code: bytes) -> None:
    good, bad = small(code), small(b"\0\xff\x0b")
    for both, label in (((good, bad), "b.wasm"), ((bad, good), "a.wasm")):
        old, new = map(Module.from_bytes, both)
        with pytest.raises(MalformedError, match=f"^{label}: illegal opcode ff") as caught:
            look(old, new, ("a.wasm", "b.wasm"))
        assert bad[caught.value.offset] == 0xFF
