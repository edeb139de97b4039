"""The printer beside modules as they are read: edited ones, parts, processes, and bad input."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from corpus.manifest import find, modules
from tests.fuzz.cases import MAKERS, case
from tests.modules import SCALE, assembled, custom, module, unsigned
from tests.support import peak_of
from tests.text.equivalence import ALL_STYLES, assembled_again, difference, text_of
from wasmir import (
    FuncType,
    InvalidError,
    MalformedError,
    Module,
    NumType,
    Pipeline,
    UnsupportedError,
    WasmError,
    bulk_work,
    ops,
)
from wasmir.ir import fork
from wasmir.text import Style, chunks, write
from wasmir.text.colour import coloured

LEGACY = find("cpp-legacy-O2").path
DEEP = 30_000


def written(data: bytes, jobs: int = 1, style: Style | None = None) -> bytes:
    stream = io.BytesIO()
    write(Module.from_bytes(data), stream, style or Style(), jobs)
    return stream.getvalue()


# As it is in memory


def test_edited_modules_print_as_they_would_be_written() -> None:
    """Conversions change code, move indices and names, and are printed without being encoded."""
    for entry in modules():
        data = entry.path.read_bytes()
        if not Module.from_bytes(data).tags:
            continue
        edited = Module.from_bytes(data)
        edited.import_function("env", "first", FuncType((NumType.I32,)))
        try:
            Pipeline.parse("legacy-to-exnref").run(edited)
        except UnsupportedError:
            continue
        edited.start = None
        text = edited.wat()
        again = Module.from_bytes(edited.to_bytes(keep_stale=True))
        assert settled(text) == settled(again.wat()), entry.name


def settled(text: str) -> str:
    """Without what comes of writing: functions that code takes references to are declared, and
    segments that were changed are spelled in the shortest way.
    """
    text = re.sub(r"\n  \(elem \(;\d+;\) declare func [^)]*\)", "", text)
    return re.sub(r"(\(elem .*?)\(table 0\) ", r"\1", text)


def test_hints_and_labels_follow_edits() -> None:
    data = assembled(
        """(module (func (param i32)
          (block $a (block $b (@metadata.code.branch_hint "\\01") (br_if $a (local.get 0))))))"""
    )
    edited = Module.from_bytes(data)
    function = edited.functions[0]
    function.body.seq.insert(0, ops.nop())
    for settled in (False, True):
        if settled:
            function.settle()
        text = function.wat()
        assert '(@metadata.code.branch_hint "\\01") br_if $a' in text
        assert "block $b" in text
        assert assembled_again(edited.wat()) == edited.to_bytes()


def test_what_was_removed_and_is_mentioned_is_an_error() -> None:
    edited = Module.from_bytes(assembled("(module (func) (func call 0))"))
    edited.functions.remove(edited.functions[0])
    with pytest.raises(InvalidError, match=r"unknown function 0 \(removed\).*in function 0"):
        edited.wat()


def test_compact_groups_fall_apart_where_they_must() -> None:
    data = assembled('(module (import "m" (item "a") (item "b") (global i32)))')
    opened = Module.from_bytes(data)
    assert '"m"\n    (item "a")\n    (item "b")\n    (global i32)\n  )' in opened.wat()
    opened.imports[1].entity.name = "n"
    assert '"m"\n    (item "a" (global (;0;) i32))\n    (item "b" (global $n' in opened.wat()
    opened.imports[0].module = "k"
    assert '"k" "a" (global (;0;) i32))\n  (import "m" "b" (global $n (;1;) i32))' in opened.wat()


def test_one_function() -> None:
    opened = Module.from_bytes(assembled('(module (import "a" "b" (func $i)) (func $f (nop)))'))
    assert opened.functions[0].wat() == '(import "a" "b" (func $i (;0;) (type 0)))'
    assert opened.functions[1].wat() == "(func $f (;1;) (type 0)\n  nop\n)"
    assert opened.functions[1].wat(folded=True, names=False) == ("(func (;1;) (type 0)\n  (nop)\n)")


# Parts, processes


def test_ranges() -> None:
    data = assembled(
        "(module (memory 1) (func (param i32) (block (br_if 0 (local.get 0)))) (func))"
    )
    opened = Module.from_bytes(data)
    [first, second] = opened.functions
    at = first.offset
    whole = "".join(chunks(opened, Style(offsets=True), (0, len(data))))
    assert whole == text_of(data, Style(offsets=True))
    part = "".join(chunks(opened, Style(), (at + 3, at + 5))).splitlines()
    assert part[2:-2] == ["    (; ... ;)", "      local.get 0", "      (; ... ;)"]
    assert "(func (;1;)" not in "\n".join(part)
    only = "".join(chunks(opened, Style(), (second.offset, second.offset + 1)))
    assert only == "(module\n  (func (;1;) (type 1))\n)\n"
    # Every part of the code, whatever it cuts, is lines of the whole, and all that is asked for.
    lines = {line.strip() for line in whole.splitlines()} | {"(; ... ;)"}
    for start in range(at, first.offset + 12):
        for end in range(start + 1, at + 13):
            part = "".join(chunks(opened, Style(offsets=True), (start, end))).splitlines()
            assert lines.issuperset(line.strip() for line in part)


@pytest.mark.parametrize("style", ALL_STYLES, ids=str)
def test_processes_make_no_difference(style: Style) -> None:
    data = LEGACY.read_bytes()
    one = written(data, 1, style)
    assert one.decode() == text_of(data, style)
    for jobs in (2, 3, 100):
        assert written(data, jobs, style) == one


def test_a_process_that_dies_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    data = LEGACY.read_bytes()
    one = written(data)
    monkeypatch.setattr(fork.Worker, "result", fork.Worker._wait)
    assert written(data, 3) == one
    monkeypatch.setattr(os, "fork", _no_fork)
    assert written(data, 3) == one


def _no_fork() -> int:
    raise OSError("no more processes")


def test_an_error_in_another_process_is_raised() -> None:
    bad = module(*[b"\0\x01\x0b"] * 9, b"\0\xff\x0b")
    for jobs in (1, 2, 4):
        with pytest.raises(MalformedError, match="illegal opcode ff") as caught:
            written(bad, jobs)
        assert bad[caught.value.offset] == 0xFF


def test_the_hash_seed_makes_no_difference() -> None:
    found = set()
    for seed in ("1", "2"):
        for style in ([], ["--folded"]):
            command = [sys.executable, "-m", "wasmir", "print", str(LEGACY), *style]
            env = {**os.environ, "PYTHONHASHSEED": seed}
            done = subprocess.run(command, capture_output=True, check=True, env=env)
            found.add((bool(style), done.stdout))
    assert len(found) == 2


# Names, colours


def test_any_name_comes_back() -> None:
    """Names that repeat, that are empty, that look like ours, or that hold any character."""
    random = Random("names")
    texts = ["", "a", "a#1", "a#2", "a b", "é", '\0\x7f\u202e\U000e0001"\\', "(;", ";;", "#func1 a"]
    for _ in range(30):
        opened = Module.from_bytes(
            assembled(
                "(module (type $s (struct (field i32) (field i32))) (memory 1)"
                '(global i32 (i32.const 0)) (tag) (table 1 funcref) (elem func) (data "")'
                "(func (param i32 i32) (local i32) block block end end) (func) (func) (func))"
            )
        )
        spaces: list[Any] = [
            opened.functions,
            opened.types,
            opened.memories,
            opened.globals,
            opened.tags,
        ]
        for entity in (each for space in spaces for each in space):
            entity.name = random.choice(texts)
        opened.functions[0].local_names = {at: random.choice(texts) for at in range(3)}
        opened.functions[0].label_names = {at: random.choice(texts) for at in range(2)}
        opened.types[0].field_names = {at: random.choice(texts) for at in range(2)}
        taking = next(each for each in opened.types if each.func and each.func.params)
        taking.param_names = {at: random.choice(texts) for at in range(2)}
        opened.names.name_module(random.choice(texts))
        data = opened.to_bytes()
        again = Module.from_bytes(assembled_again(text_of(data)))
        assert again.names.module == opened.names.module
        assert again.names.maps == opened.names.maps
        assert again.names.indirect == opened.names.indirect


def test_names_of_a_types_parameters_follow_it() -> None:
    opened = Module.from_bytes(assembled("(module (type (func)) (type (func (param $x i32))))"))
    first, second = opened.types
    assert second.param_names == {0: "x"}
    opened.types.reorder([second, first])
    again = Module.from_bytes(opened.to_bytes())
    assert again.types[0].param_names == {0: "x"}
    assert "(type (;0;) (func (param $x i32)))" in again.wat()


def test_names_of_locals_are_those_of_their_function() -> None:
    """However their indices are spelled."""
    padded = b"\x01\x01\x7f\x20\x00\x1a\x20\x80\x00\x1a\x0b"
    opened = Module.from_bytes(module(*[padded] * 5))
    for at, name in enumerate(["a", None, "b", "c", None]):
        opened.functions[at].local_names = {} if name is None else {0: name}
    text = opened.wat()
    assert re.findall(r"local\.get (.*)", text) == [
        *["$a"] * 2,
        *["0"] * 2,
        *["$b"] * 2,
        *["$c"] * 2,
        *["0"] * 2,
    ]


def test_names_of_nothing_are_left_out() -> None:
    names = custom("name", b"\x01\x04\x01\x05\x01a" + b"\x07\x04\x01\0\x01g")
    assert Module.from_bytes(module(after=names)).names.maps == {
        "func": {5: "a"},
        "global": {0: "g"},
    }
    assert "$" not in text_of(module(after=names))


def test_colours_change_nothing_else() -> None:
    text = text_of(LEGACY.read_bytes(), Style(offsets=True))
    shown = coloured(text)
    assert shown != text
    assert re.sub(r"\x1b\[\d*m", "", shown) == text


# What is deep, large or broken


@pytest.mark.parametrize("style", ALL_STYLES[:2], ids=str)
def test_deep_nests(style: Style) -> None:
    """No recursion, and nothing quadratic: deeper lines are indented no further."""
    code = b"\0" + b"\x02\x40" * DEEP + b"\x01" + b"\x0b" * DEEP + b"\x0b"
    data = module(code)
    text = text_of(data, style)
    assert len(text) < 400 * DEEP
    chain = b"\0\x41\0" + b"\x45" * DEEP + b"\x1a\x0b"
    assert len(text_of(module(chain), style)) < 400 * DEEP


def test_locals_that_text_has_no_room_for() -> None:
    for count, fits in ((50_000, True), (50_001, False), (2**32 - 1, False)):
        code = b"\x01" + unsigned(count) + b"\x7f\x0b"
        data = module(code)
        if fits:
            assert difference(data) == ""
        else:
            with pytest.raises(UnsupportedError, match="too many locals"):
                text_of(data)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (b"", "unexpected end"),
        (b"\0", "unexpected end"),
        (b"\0\x02\x40\x0b", "END opcode expected"),
        (b"\0\x0b\x0b", "the body goes on behind its end"),
        (b"\0\x05\x0b", "unexpected else"),
        (b"\0\x04\x40\x05\x05\x0b\x0b", "unexpected else"),
        (b"\0\x02\x40\x18\0\x0b", "unexpected delegate"),
        (b"\0\x06\x40\x19\x19\x0b\x0b", "unexpected catch_all"),
        (b"\0\x41\x80\x0b", "unexpected end"),
        (b"\0\xff\x0b", "illegal opcode"),
    ],
)
def test_broken_code(code: bytes, reason: str) -> None:
    data = module(code)
    with pytest.raises(MalformedError, match=reason) as caught:
        text_of(data)
    assert 0 < caught.value.offset <= len(data)


def test_labels_and_indices_of_nothing_stay_numbers() -> None:
    """What is not valid is printed as it is, where it can be read."""
    code = b"\0\x0c\x05\x10\x63\x20\x07\x23\x08\x02\x09\x0b\x0b"
    text = text_of(module(code))
    for line in ("br 5", "call 99", "local.get 7", "global.get 8", "block (type 9) (;@1;)"):
        assert f"\n    {line}\n" in text


@pytest.mark.parametrize("maker", MAKERS)
def test_corrupt_modules(maker: str) -> None:
    """Text or an error of ours, flat and folded."""
    for number in range(60 * SCALE):
        data = case(maker, number)
        for style in ALL_STYLES[:2]:
            try:
                text = text_of(data, style)
            except WasmError:
                continue
            assert text.startswith("(module")


def test_memory_is_that_of_a_function_at_a_time() -> None:
    code = b"\0" + b"\x41\x80\x80\x01\x1a" * 1000 + b"\x0b"
    data = module(*[code] * 400)
    opened = Module.from_bytes(data)
    with Path(os.devnull).open("wb") as sink, bulk_work():
        peak = peak_of(lambda: write(opened, sink, Style()))
    assert peak < len(data)
