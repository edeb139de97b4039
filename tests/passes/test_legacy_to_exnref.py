"""legacy-to-exnref, by what it writes."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import subprocess
import sys

import pytest

from corpus.manifest import find, modules
from tests.modules import assembled, module, printed, section, sections_of
from tests.passes.goldens import GOLDENS, MODULE, Golden
from tests.support import CONVERTED, validate
from wasmir import EXNREF, InvalidError, Module, NumType, WasmError
from wasmir.passes import LegacyToExnref
from wasmir.summary import summarize

DEFAULTS = {each.name: bool(each.default) for each in dataclasses.fields(LegacyToExnref)}
OPTIONS = list(DEFAULTS)
OFF = dict.fromkeys(OPTIONS, False)
# What it makes longer it makes faster.
FOR_SPEED = {"jump"}
ALL = pytest.mark.parametrize("name", GOLDENS)


def converted(data: bytes, **options: bool) -> bytes:
    opened = Module.from_bytes(data)
    LegacyToExnref(**options).run(opened)
    return opened.to_bytes()


def function(text: str) -> bytes:
    return assembled(MODULE.format(text))


def shape(data: bytes) -> str:
    """The last function as text: types spelled out, so that their indices don't matter."""
    unnamed = data[:8] + b"".join(section(*each) for each in sections_of(data) if each[0])
    text = printed(unnamed)
    text = text[text.rindex("\n  (func ") :]
    text = re.sub(r"\(;.*?;\)|;; label.*|\(type \d+\)", "", text)
    return " ".join(text.split())


# Goldens


@ALL
def test_golden(name: str) -> None:
    golden = GOLDENS[name]
    data = function(golden.before)
    assert validate(data) is None
    out = converted(data)
    assert validate(out, CONVERTED) is None
    assert shape(out) == shape(function(golden.after))


@ALL
@pytest.mark.parametrize("option", OPTIONS)
def test_one_option_changed(name: str, option: str) -> None:
    """It changes what the golden says, and nothing where the golden says nothing."""
    golden = GOLDENS[name]
    data = function(golden.before)
    out = converted(data, **{option: not DEFAULTS[option]})
    if option in golden.without:
        assert validate(out, CONVERTED) is None
        assert shape(out) == shape(function(golden.without[option]))
        # What an option does is worth it, or at least costs nothing.
        on, off = (converted(data, **{option: value}) for value in (True, False))
        assert option in FOR_SPEED or len(code_of(on)) <= len(code_of(off))
    else:
        assert out == converted(data)


def test_every_option_has_a_golden() -> None:
    used = {option for golden in GOLDENS.values() for option in golden.without}
    assert used == set(OPTIONS)


@ALL
def test_all_options_off(name: str) -> None:
    out = converted(function(GOLDENS[name].before), **OFF)
    assert validate(out, CONVERTED) is None


@ALL
def test_twice_is_once(name: str) -> None:
    golden: Golden = GOLDENS[name]
    once = converted(function(golden.before))
    assert converted(once) == once
    exnref = function(golden.after)
    assert converted(exnref) == exnref


@pytest.mark.parametrize("option", OPTIONS)
def test_options_on_the_corpus(option: str) -> None:
    """Valid whatever is on or off; and each of them is good for something."""
    better = 0
    for entry in modules():
        if entry.eh not in {"legacy", "mixed"} or not entry.runs:
            continue
        data = entry.path.read_bytes()
        on, off = (converted(data, **{option: value}) for value in (True, False))
        assert validate(on, CONVERTED) is None, entry.name
        assert validate(off, CONVERTED) is None, entry.name
        better += on != off if option in FOR_SPEED else len(on) < len(off)
    assert better > 0


# Sizes


def code_of(data: bytes) -> bytes:
    return Module.from_bytes(data).functions[-1].code


SIZES: dict[str, tuple[str, int, int]] = {
    # The function, the size of its code in the legacy dialect, and what it may be in exnref.
    "cleanup, mid-function": ("try call $f catch_all call $g rethrow 0 end call $f", 14, 23),
    "cleanup, last in function": ("try call $f catch_all call $g rethrow 0 end", 12, 17),
    "empty catch_all": ("try call $f catch_all end call $f", 10, 15),
    "catch_all with a branch out": (
        "block $b try call $f catch_all br $b end call $f end call $f",
        17,
        17,
    ),
    "catch, test, rethrow": (
        "(local i32) try call $f catch $i local.set 0 local.get 0 if rethrow 1 end end call $f",
        22,
        37,
    ),
    "catch and cleanup": (
        "try call $f catch $i drop call $g catch_all call $g rethrow 0 end call $f",
        19,
        32,
    ),
    "delegate over a catch": (
        "try try try call $f delegate 1 catch $i drop call $g end catch_all call $g end call $f",
        24,
        43,
    ),
    "delegate to the caller": (
        "try try call $f delegate 1 call $f catch_all call $g end call $f",
        18,
        35,
    ),
    "try with a result": ("try (result i32) call $f i32.const 0 catch $i end drop", 12, 17),
    "catch_all that only rethrows": ("try call $f catch_all rethrow 0 end call $f", 12, 9),
    "two cleanups in a row": (
        2 * "try call $f catch_all call $g rethrow 0 end " + "call $f",
        24,
        42,
    ),
    "nested cleanups": (
        "try try call $f catch_all call $g rethrow 0 end catch_all call $g rethrow 0 end call $f",
        22,
        37,
    ),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name: str) -> None:
    text, legacy, most = SIZES[name]
    data = function(text)
    assert len(code_of(data)) == legacy
    out = converted(data)
    assert validate(out, CONVERTED) is None
    assert len(code_of(out)) <= most


# The whole module or nothing


GOOD = b"\0\x06\x40\x10\0\x19\x10\0\x0b\x0b"
BAD = {
    "malformed": b"\0\x06\x40\x10\0\x19\xff\x0b\x0b",
    "unknown label": b"\0\x06\x40\x18\x07\x0b",
    "unknown tag": b"\0\x06\x40\x07\x07\x0b\x0b",
    "rethrow of a try's body": b"\0\x06\x40\x09\0\x19\x0b\x0b",
    "rethrow of a block": b"\0\x02\x40\x06\x40\x19\x09\x01\x0b\x0b\x0b",
}


@pytest.mark.parametrize("name", BAD)
def test_whole_or_nothing(name: str) -> None:
    data = module(GOOD, GOOD, BAD[name], tags=1)
    opened = Module.from_bytes(data)
    with pytest.raises(WasmError):
        LegacyToExnref().run(opened)
    assert opened.to_bytes() == data
    assert all(each.is_raw or each.code == GOOD for each in opened.functions[:2])


def test_a_bad_rethrow_is_named() -> None:
    opened = Module.from_bytes(module(GOOD, BAD["rethrow of a try's body"]))
    with pytest.raises(InvalidError, match=r"invalid rethrow label.*in function 1"):
        LegacyToExnref().run(opened)


def test_open_functions_stay_what_they_were() -> None:
    """Somebody may have edited the module before, and goes on with what comes back."""
    opened = Module.from_bytes(module(GOOD, BAD["malformed"]))
    opened.functions[0].body.items.append(b"\x01")
    edited = opened.to_bytes()
    with pytest.raises(WasmError):
        LegacyToExnref().run(opened)
    assert opened.to_bytes() == edited


def test_edits_before_are_converted_too() -> None:
    opened = Module.from_bytes(module(GOOD, b"\0\x0b"))
    opened.functions[1].body.items[:] = [b"\x01"]
    opened.functions[0].body.items.append(b"\x01")
    LegacyToExnref().run(opened)
    out = opened.to_bytes()
    assert validate(out, CONVERTED) is None
    assert Module.from_bytes(out).functions[1].code == b"\0\x01\x0b"
    assert Module.from_bytes(out).functions[0].code.endswith(b"\x01\x0b")


# What is around the functions


@pytest.mark.parametrize("name", ["exnref", "plain", "cpp-exnref-O2"])
def test_nothing_to_do_is_nothing_done(name: str) -> None:
    data = find(name).path.read_bytes()
    opened = Module.from_bytes(data)
    report = LegacyToExnref().run(opened)
    assert opened.to_bytes() == data
    assert (report.functions, report.counts, report.stale) == (0, {"try": 0}, {})


def test_functions_without_try_are_not_touched() -> None:
    """Their padded integers stay as they are."""
    padded = b"\0\x02\x40\x0c\x80\x00\x0b\x10\x80\x80\x80\x80\x00\x0b"
    data = module(padded, GOOD, padded)
    out = Module.from_bytes(converted(data))
    assert [each.code for each in out.functions][::2] == [padded, padded]


def test_types_are_appended_and_indices_stay() -> None:
    data = function("try call $f catch $p drop drop call $f rethrow 0 end call $g")
    out = converted(data)
    before, after = Module.from_bytes(data), Module.from_bytes(out)
    assert [str(each.definition) for each in after.types[: len(before.types)]] == [
        str(each.definition) for each in before.types
    ]
    [added] = after.types[len(before.types) :]
    assert added.func is not None
    assert added.func.results == (NumType.I32, NumType.I64, EXNREF)
    changed = [
        number
        for (number, old), (_, new) in zip(sections_of(data), sections_of(out), strict=True)
        if old != new
    ]
    assert set(changed) == {1, 10} | ({0} if 0 in changed else set())


def test_types_that_are_there_are_used() -> None:
    text = MODULE.replace("(tag $e)", "(type (func (result i32 i64 exnref))) (tag $e)")
    data = assembled(text.format("try call $f catch $p drop drop call $f rethrow 0 end call $g"))
    assert len(Module.from_bytes(converted(data)).types) == len(Module.from_bytes(data).types)


def test_deterministic() -> None:
    data = find("legacy-shapes-rethrow").path.read_bytes()
    assert converted(data) == converted(data)


def test_deterministic_whatever_the_hash_seed() -> None:

    path = find("legacy-shapes-delegate").path
    code = (
        "import sys, hashlib; from wasmir import Module, Pipeline\n"
        f"m = Module.from_file({str(path)!r}); Pipeline.parse('legacy-to-exnref').run(m)\n"
        "print(hashlib.sha256(m.to_bytes()).hexdigest())"
    )
    expected = hashlib.sha256(converted(path.read_bytes())).hexdigest()
    for seed in ("0", "1", "12345"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected


def test_no_legacy_instruction_is_left() -> None:
    for entry in modules():
        if entry.eh not in {"legacy", "mixed"} or not entry.runs:
            continue

        summary = summarize(Module.from_bytes(converted(entry.path.read_bytes())))
        assert summary.exceptions.dialect == "exnref", entry.name
