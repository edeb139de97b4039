"""What is read comes back byte for byte, however deep one looked; an edit changes its place."""

from __future__ import annotations

import gc
import json
import subprocess
import threading
from random import Random
from typing import TYPE_CHECKING

import pytest

from corpus.manifest import Module as Entry
from corpus.manifest import find, modules
from tests.binary.surveyed import said, walked
from tests.modules import (
    EMPTY_TYPE,
    SCALE,
    assembled,
    custom,
    module,
    program,
    section,
    sections_of,
    sized,
    unsigned,
    vector,
)
from tests.spelling import FUNCTIONS, OTHERS, TAGS, TYPES, BodyWriter
from tests.support import encoded, validate, without_compact_imports
from wasmir import (
    EXNREF,
    Block,
    Body,
    Br,
    Custom,
    Function,
    InvalidError,
    Item,
    Module,
    NumType,
    Structured,
    Try,
    TryTable,
    WasmError,
    bulk_work,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def defined(opened: Module) -> list[Function]:
    return [function for function in opened.functions if function.imported is None]


def sequences(body: Body) -> Iterator[list[Item]]:
    yield body.items
    for item in body:
        if isinstance(item, Structured):
            yield from item.sequences()


def spell_out(body: Body) -> None:
    """Every run as single instructions."""
    for items in list(sequences(body)):
        expanded: list[Item] = []
        for item in items:
            if isinstance(item, bytes):
                expanded += body.function.module.instructions(item)
            else:
                expanded.append(item)
        items[:] = expanded


def check(data: bytes) -> int:
    """Every depth of looking; how many functions there were."""
    assert Module.from_bytes(data).to_bytes() == data
    opened = Module.from_bytes(data)
    functions = defined(opened)
    codes = [function.code for function in functions]
    for function, code in zip(functions, codes, strict=True):
        assert data[function.offset : function.offset + len(code)] == code
        assert function.body is not None
        assert function.is_open
        assert function.code == code, f"function {function}"
        assert encoded(function) == code, f"function {function}, from its tree"
    assert opened.to_bytes() == data
    for function, code in zip(functions, codes, strict=True):
        spell_out(function.body)
        assert function.code == code, f"function {function}, instruction by instruction"
        function.settle()
        assert not function.is_open
        assert function.code == code
    assert opened.to_bytes() == data
    for function, code in zip(functions, codes, strict=True):
        assert function.body.items is not None
        assert function.code == code, f"function {function}, settled and opened again"
        function.close()
        body = function.expand()
        assert not any(isinstance(item, bytes) for item in body)
        assert function.code == code, f"function {function}, decoded to instructions"
        assert encoded(function) == code, f"function {function}, from its instructions"
        function.settle()
        assert function.code == code
        for name in ("try", "try_table"):
            check_outline(function, name)
    assert opened.to_bytes() == data
    return len(functions)


def check_outline(function: Function, name: str) -> None:
    """Nothing of that name is hidden, what is hidden comes back, and what decoding notes is what a
    walk over the full tree finds.
    """
    code = function.code
    node = {"try": Try, "try_table": TryTable}[name]
    wanted = sum(isinstance(item, node) for item in function.body)
    expected = walked(function.body)
    function.close()
    noted = function.survey_with(name)
    if noted is None:
        assert wanted == 0
        return
    outline = noted.body
    assert sum(isinstance(item, node) for item in outline) == wanted
    assert said(noted) == expected, f"survey of function {function}"
    assert function.code == code, f"outline of function {function}"
    assert function.outline_with(name) is not outline
    assert function.code == code, f"outline of function {function}, made anew"
    assert function.body.outline is False
    assert function.code == code, f"function {function}, outlined and opened"
    function.close()


@pytest.mark.parametrize("last", ["unreachable", "return", "br 0", "rethrow 1", "throw 0"])
def test_dead_code_that_ends_as_it_begins(last: str) -> None:
    """Instructions are one object per spelling: the last one being the first doesn't make it it."""
    text = f"try call 0 catch_all block {last} try call 0 catch_all end {last} end end"
    opened = Module.from_bytes(assembled(f"(module (tag) (func {text}))"))
    (function,) = opened.functions
    noted = function.survey_with("try")
    assert noted is not None
    assert len(noted.sites) == len(noted.dead) == 1
    check_outline(function, "try")


# Whole modules


@pytest.mark.parametrize("entry", modules(), ids=lambda entry: entry.name)
def test_corpus(entry: Entry) -> None:
    assert check(entry.path.read_bytes()) > 0


VALID = {"module", "module_definition", "assert_unlinkable", "assert_uninstantiable"}
INVALID = {"assert_invalid", "assert_malformed", "assert_invalid_custom"}
SUITES = [
    "core",
    "legacy",
    "custom",
    *("proposals/" + name for name in ("custom-descriptors", "custom-page-sizes")),
    *("proposals/" + name for name in ("threads", "wide-arithmetic")),
]


def suite(folder: Path, types: set[str]) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*.json")):
        for command in json.loads(path.read_text(encoding="utf-8"))["commands"]:
            if command["type"] not in types:
                continue
            name = command.get("binary_filename") or command["filename"]
            if name.endswith(".wasm"):
                data = (path.parent / name).read_bytes()
                if folder.name == "legacy":
                    data = without_compact_imports(data)
                yield name, data


@pytest.mark.parametrize("name", SUITES)
def test_valid_modules_of_the_suite(name: str, spec_folder: Path) -> None:
    count = 0
    for file, data in suite(spec_folder / name, VALID):
        try:
            check(data)
        except WasmError as error:
            pytest.fail(f"{file}: {error}")
        count += 1
    assert count > 1


def test_every_folder_of_the_suite_is_tested(spec_folder: Path) -> None:
    found = {
        path.parent.parent.relative_to(spec_folder).as_posix()
        for path in spec_folder.rglob("*.json")
    }
    assert found == set(SUITES)


@pytest.mark.parametrize("name", [name for name in SUITES if name != "custom"])
def test_invalid_modules_of_the_suite(name: str, spec_folder: Path) -> None:
    """A module, or an error of ours: wasmir decodes, and does not validate what it copies."""
    outcomes = {"module": 0, "error": 0}
    for _, data in suite(spec_folder / name, INVALID):
        try:
            check(data)
        except WasmError:
            outcomes["error"] += 1
        else:
            outcomes["module"] += 1
    assert all(outcomes.values()) or sum(outcomes.values()) < 20


# Random modules

SMITH = {
    "custom-page-sizes-enabled": True,
    "wide-arithmetic-enabled": True,
    "generate-custom-sections": True,
    "max-memories": 4,
    "max-tables": 4,
    # Small types, few of everything: so there are bytes left for code.
    "min-funcs": 5,
    "max-funcs": 12,
    "max-instructions": 400,
    "max-types": 20,
    "max-type-size": 60,
    "max-imports": 5,
    "max-data-segments": 3,
    "max-element-segments": 3,
    "max-elements": 5,
    "max-globals": 10,
    "max-exports": 5,
}
"""Beyond what is on by default."""


@pytest.mark.parametrize("padding", [1, 3])
def test_smith(padding: int, tmp_path: Path) -> None:
    """wasm-smith's modules, with every proposal that it knows and wasmir does."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(SMITH | {"min-uleb-size": padding}), encoding="utf-8")
    command = [program(), "smith", "-c", str(config)]
    made = functions = 0
    for seed in range(100 * SCALE):
        data = Random(f"{seed} {padding}").randbytes(20000)
        done = subprocess.run(command, input=data, capture_output=True, check=False)
        if done.returncode == 2:
            continue  # it makes nothing of that seed, as its help says
        assert done.returncode == 0, done.stderr.decode()
        made += 1
        functions += check(done.stdout)
    assert made > 50 * SCALE
    assert functions > 2 * made


def random_module(random: Random, pad: float) -> bytes:
    types = [EMPTY_TYPE] * (TYPES - 3)
    types += [b"\x60\x01\x7f\x01\x7f", b"\x60\x02\x7f\x7e\x02\x7e\x7f", b"\x60\x00\x01\x7d"]
    codes = [BodyWriter(random, pad=pad).body(random.choice([3, 8, 12])) for _ in range(FUNCTIONS)]
    return module(*codes, types=types, tags=TAGS, others=OTHERS)


@pytest.mark.parametrize("pad", [0, 0.1, 0.6, 1])
def test_random_bodies(pad: float) -> None:
    for seed in range(60 * SCALE):
        check(random_module(Random(f"{pad} {seed}"), pad))


@pytest.mark.parametrize("pad", [0, 0.6])
def test_an_edit_changes_no_other_byte(pad: float) -> None:
    for seed in range(30 * SCALE):
        data = random_module(Random(f"{pad} {seed}"), pad)
        opened = Module.from_bytes(data)
        first, second, *rest = defined(opened)
        start = len(first.body.locals_wire)
        code = first.code
        first.body.items.insert(0, b"\x01")
        assert first.code == code[:start] + b"\x01" + code[start:]
        # A block around it all and away again: every branch is as far from its target as before.
        original = second.code
        around = Block(opened.block_type(), second.body.items)
        second.body.items = [around]
        assert second.code != original
        second.body.items = around.items
        assert second.code == original
        second.body.items = [around]
        untouched = [function.code for function in rest]
        again = defined(Module.from_bytes(opened.to_bytes()))
        assert [function.code for function in again[2:]] == untouched
        assert again[0].code == first.code
        assert again[1].code == second.code


# By hand

PADDED = {
    "locals": "82 80 00  81 00 7f  80 80 80 80 00 7e  0b",
    "locals of reference types": "81 00  82 00 63 82 00  0b",
    "block type index": "00  02 80 00 0b  03 80 80 80 80 00 0b  0b",
    "block type in the long form": "00  02 63 70 0b  06 64 69 0b  0b",
    "br": "00  02 40 0c 80 00 0c 81 80 00 0b 0b",
    "br_if": "00  02 40 0d 80 80 80 80 00 0d 81 00 0b 0b",
    "br_table": "00  02 40 0e 82 00 80 00 81 00 80 80 00 0b 0b",
    "br_table with one padded label": "00  0e 01 00 80 00 0b",
    "br_on_null": "00  02 40 d5 81 00 d6 80 00 0b 0b",
    "br_on_cast": "00  02 40 fb 18 03 81 00 6e 6b fb 98 00 00 00 80 00 6b 0b 0b",
    "br_on_cast_fail": "00  fb 19 01 80 80 00 6e 6b 0b",
    "rethrow": "00  06 40 19 02 40 09 81 00 0b 09 80 80 00 0b 0b",
    "delegate": "00  06 40 06 40 18 80 00 06 40 18 81 80 00 19 0b 0b",
    "delegate to the function": "00  06 40 18 80 80 80 80 00 0b",
    "catch": "00  06 40 07 80 00 07 81 80 00 19 0b 0b",
    "throw": "00  08 80 00 08 01 0b",
    "try_table clauses": "00  02 40 1f 40 84 00 00 80 00 81 00 01 81 00 00 02 80 00 03 00 0b 0b 0b",
    "try_table with one padded label": "00  1f 40 01 02 80 00 0b 0b",
    "try_table's type and clauses": "00  1f 80 00 01 01 80 80 00 80 00 0b 0b",
    "if and else": "00  04 80 80 00 05 0b 04 40 0b 0b",
    "return_call": "00  12 80 80 80 80 00 0b",
    "return_call_indirect": "00  13 80 00 80 00 0b",
    "resume": "00  e3 80 00 82 00 00 80 00 80 00 01 81 00 0b",
    "calls and constants": "00  10 80 00 41 80 00 42 ff 7f 1a 1a 0b",
    "memory": "00  28 82 00 80 00 28 42 80 00 80 00 fc 8b 00 80 00 0b",
    "padded switch to a prefix": "00  fd 8c 80 80 80 00" + "00" * 16 + "1a 0b",
}


@pytest.mark.parametrize("name", PADDED)
def test_padded_by_hand(name: str) -> None:
    code = bytes.fromhex(PADDED[name])
    data = module(code, tags=2, others=2)
    check(data)
    function = Module.from_bytes(data).functions[0]
    assert function.body.items is not None
    assert function.code == code


def test_padded_section_and_body_sizes() -> None:
    code = b"\x00\x0b"
    types, functions = vector([EMPTY_TYPE]), vector([b"\0"])
    body = unsigned(len(code), 5) + code
    data = b"\0asm\1\0\0\0" + b"".join(
        bytes([number]) + unsigned(len(content), 5) + content
        for number, content in ((1, types), (3, functions), (10, unsigned(1, 5) + body))
    )
    check(data)


def test_a_moved_branch_is_spelled_anew() -> None:
    """A padded depth stays as long as it is the same depth."""
    data = module(bytes.fromhex("00 02 40 0c 80 00 0c 81 00 0b 0b"))
    opened = Module.from_bytes(data)
    function = opened.functions[0]
    [block] = function.body.items
    assert isinstance(block, Block)
    function.body.items = [Block(opened.block_type(), [block])]
    # The inner one names the block as before; the outer one the function, which is farther now.
    assert function.code == bytes.fromhex("00 02 40 02 40 0c 80 00 0c 02 0b 0b 0b")


# Open, settled, closed


EXAMPLE = module(bytes.fromhex("00 02 40 0c 00 0b 0b"), bytes.fromhex("01 01 7f 0b"))


def test_close_drops_changes() -> None:
    opened = Module.from_bytes(EXAMPLE)
    function = opened.functions[0]
    function.body.items.append(b"\x01")
    assert function.code.endswith(b"\x01\x0b")
    function.close()
    assert function.is_raw
    assert opened.to_bytes() == EXAMPLE
    # Settled changes stay; those since then go.
    function.body.items.append(b"\x01")
    function.settle()
    function.body.items.append(b"\x01\x01")
    function.close()
    assert function.code == bytes.fromhex("00 02 40 0c 00 0b 01 0b")


def test_rollback_restores_bytes() -> None:
    data = EXAMPLE + custom("note", b"old")
    opened = Module.from_bytes(data)
    first, second = defined(opened)
    first.body.items.append(b"\x01")
    first.settle()
    second.body.items.append(b"\x01")
    checkpoint = opened.checkpoint()
    before = opened.to_bytes()
    assert before != data

    tag = opened.add_tag([NumType.I32])
    opened.func_type([NumType.F64], [EXNREF])
    opened.block_type([NumType.F32], [NumType.F32])
    first.body.add_local(NumType.V128, 3)
    first.body.items.insert(0, opened.instr("throw", tag))
    second.body.items.clear()
    [note] = opened.customs
    note.data = b"new"
    assert opened.to_bytes() != before
    opened.remove_custom(note)

    opened.rollback(checkpoint)
    assert opened.to_bytes() == before
    # And what was rolled back can be done again.
    again = opened.add_tag([NumType.I32])
    assert again is not tag
    assert again.index == 0
    assert opened.func_type([NumType.I32]) is again.type
    opened.rollback(checkpoint)
    assert opened.to_bytes() == before


def test_rollback_when_nothing_was_read_yet() -> None:
    opened = Module.from_bytes(EXAMPLE)
    checkpoint = opened.checkpoint()
    opened.functions[0].body.items.append(b"\x01")
    opened.functions[0].settle()
    opened.add_tag()
    opened.func_type([EXNREF])
    opened.rollback(checkpoint)
    assert opened.to_bytes() == EXAMPLE


# Additions

WITHOUT = """(module
  (memory 1) (global i32 (i32.const 1))
  (func (export "f") (result i32) i32.const 1))"""
WITH = """(module
  (type (func (param i32 i64))) (import "m" "t" (tag (type 0)))
  (import "m" "f" (func (type 0)))
  (memory 1) (tag (export "u") (type 0)) (global i32 (i32.const 1))
  (func (export "f") (result i32) (local i64) i32.const 1))"""


def changed_sections(before: bytes, after: bytes) -> set[int]:
    """Numbers of sections whose content differs, or that only one has; the rest keep order."""
    old, new = sections_of(before), sections_of(after)
    same = [one for one in new if one in old]
    assert same == [one for one in old if one in new]
    return {number for number, content in (*old, *new) if (number, content) not in same}


@pytest.mark.parametrize("text", [WITHOUT, WITH], ids=["without tags", "with tags"])
def test_adding_a_tag(text: str) -> None:
    data = assembled(text)
    opened = Module.from_bytes(data)
    count = len(opened.tags)
    tag = opened.add_tag([NumType.I32, NumType.V128])
    out = opened.to_bytes()
    assert validate(out) is None
    assert changed_sections(data, out) == {1, 13}
    assert [number for number, _ in sections_of(out)].count(13) == 1
    again = Module.from_bytes(out)
    assert len(again.tags) == count + 1
    assert again.tags[tag.index].params == (NumType.I32, NumType.V128)
    assert again.tags[tag.index].imported is None


@pytest.mark.parametrize("text", [WITHOUT, WITH, "(module)"], ids=["without", "with", "empty"])
def test_adding_types(text: str) -> None:
    data = assembled(text)
    opened = Module.from_bytes(data)
    count = len(opened.types)
    type_ = opened.func_type([NumType.F32], [EXNREF, NumType.V128])
    assert opened.func_type([NumType.F32], [EXNREF, NumType.V128]) is type_
    block = opened.block_type([NumType.F32], [EXNREF, NumType.V128])
    assert block.type is type_
    assert opened.block_type((), [EXNREF]).type is None
    out = opened.to_bytes()
    assert validate(out) is None
    assert changed_sections(data, out) == {1}
    assert len(Module.from_bytes(out).types) == count + 1
    assert Module.from_bytes(out).types[count].func == type_.func


def test_a_type_that_is_there_is_used() -> None:
    data = assembled(WITH)
    opened = Module.from_bytes(data)
    assert opened.func_type([NumType.I32, NumType.I64]) is opened.types[0]
    assert opened.to_bytes() == data


def test_types_in_groups_are_other_types() -> None:
    """The same definition in a recursive group of two is not the same type."""
    data = assembled("(module (rec (type (func)) (type (func))) (type (sub (func))))")
    opened = Module.from_bytes(data)
    assert opened.func_type().index == len(opened.types) - 1 == 3
    assert validate(opened.to_bytes()) is None


@pytest.mark.parametrize("text", [WITHOUT, WITH], ids=["without locals", "with locals"])
def test_adding_locals(text: str) -> None:
    data = assembled(text)
    opened = Module.from_bytes(data)
    [function] = defined(opened)
    body = function.body
    count = body.local_count
    assert body.add_local(EXNREF) == count
    assert body.add_local(NumType.V128, 200) == count + 1
    assert body.local_count == count + 201
    body.items.append(opened.instr("local.get", count + 200))
    body.items.append(opened.instr("drop"))
    out = opened.to_bytes()
    assert validate(out) is None
    assert changed_sections(data, out) == {10}
    assert defined(Module.from_bytes(out))[0].body.local_count == count + 201


def test_parameters_count_as_locals() -> None:
    opened = Module.from_bytes(assembled("(module (func (param i32 i32) (local f32 f32 i64)))"))
    assert opened.functions[0].body.local_count == 5


def test_sections_in_front_of_customs_and_behind() -> None:
    """A new section comes before the first that must follow it; custom sections stay in order."""
    data = b"\0asm\1\0\0\0" + custom("a", b"1") + section(5, b"\x01\x00\x01") + custom("b", b"2")
    opened = Module.from_bytes(data)
    opened.add_tag()
    out = opened.to_bytes()
    assert validate(out) is None
    numbers = [number for number, _ in sections_of(out) if number]
    assert numbers == [1, 5, 13]
    assert [each.name for each in Module.from_bytes(out).customs] == ["a", "b"]


def test_custom_sections() -> None:
    data = EXAMPLE + custom("a", b"1") + custom("", b"") + custom("a", b"2")
    opened = Module.from_bytes(data)
    assert [(each.name, each.data) for each in opened.customs] == [
        ("a", b"1"),
        ("", b""),
        ("a", b"2"),
    ]
    first = opened.custom("a")
    assert isinstance(first, Custom)
    first.data = b"longer"
    assert first.size == 6
    changed = opened.to_bytes()
    assert changed == EXAMPLE + custom("a", b"longer") + custom("", b"") + custom("a", b"2")
    opened.remove_custom(first)
    assert opened.to_bytes() == EXAMPLE + custom("", b"") + custom("a", b"2")


# Mistakes that are found before a byte is written


def test_branch_outside_its_block() -> None:
    opened = Module.from_bytes(EXAMPLE)
    function = opened.functions[0]
    [block] = function.body.items
    assert isinstance(block, Block)
    function.body.items.append(Br(block))
    with pytest.raises(InvalidError, match=r"unknown label.*in function 0"):
        opened.to_bytes()
    with pytest.raises(InvalidError, match="unknown label"):
        function.settle()


def test_block_that_is_nowhere() -> None:
    opened = Module.from_bytes(EXAMPLE)
    opened.functions[1].body.items.append(Br(Block(opened.block_type())))
    with pytest.raises(InvalidError, match=r"unknown label.*in function 1"):
        opened.to_bytes()


# The collector


def test_bulk_work_nests_and_restores() -> None:
    assert gc.isenabled()
    with bulk_work():
        assert not gc.isenabled()
        with bulk_work():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(KeyError), bulk_work():
        raise KeyError
    assert gc.isenabled()


def test_bulk_work_leaves_a_disabled_collector_alone() -> None:
    gc.disable()
    try:
        with bulk_work():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_bulk_work_in_threads() -> None:
    """The last one out restores, whoever came first."""
    inside = threading.Barrier(3)
    leave = [threading.Event(), threading.Event()]

    def work(event: threading.Event) -> None:
        with bulk_work():
            inside.wait(10)
            event.wait(10)

    threads = [threading.Thread(target=work, args=(event,)) for event in leave]
    for thread in threads:
        thread.start()
    inside.wait(10)
    assert not gc.isenabled()
    for thread, event in zip(threads, leave, strict=True):
        assert not gc.isenabled()
        event.set()
        thread.join(10)
    assert gc.isenabled()


def test_many_threads() -> None:
    def work() -> None:
        for _ in range(200):
            with bulk_work():
                assert not gc.isenabled()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gc.isenabled()


def test_sized_pieces() -> None:
    """The helpers of these tests agree with the library about how a module looks."""
    assert sections_of(EXAMPLE)[2] == (
        10,
        vector([sized(b"\0\2\x40\x0c\0\x0b\x0b"), sized(b"\1\1\x7f\x0b")]),
    )


def test_settling_what_is_wrong_loses_nothing() -> None:
    """A tree that can't be encoded is still there, whole, to be mended."""
    opened = Module.from_file(find("cpp-legacy-O2").path)
    function = next(
        each
        for each in opened.functions
        if each.imported is None and any(isinstance(item, Br) for item in each.body)
    )
    before = function.code
    body = function.body
    stray = Br(Block(opened.block_type()))
    body.items.append(stray)
    with pytest.raises(InvalidError, match="unknown label"):
        function.settle()
    assert function.body is body
    body.items.remove(stray)
    function.settle()
    assert function.code == before
