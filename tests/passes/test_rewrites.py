"""Passes that drop, rename, replace and move things: goldens, rule by rule."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from corpus.engine import differences, run_calls
from corpus.manifest import find
from tests.modules import assembled, printed
from tests.passes.rewrites import GOLDENS
from tests.support import ROOT, validate
from wasmir import Module, PassError, Pipeline, UnsupportedError, WasmError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", GOLDENS)
def test_golden(name: str) -> None:
    golden = GOLDENS[name]
    before = assembled(f"(module {golden.before})")
    assert validate(before) is None
    module = Module.from_bytes(before)
    [report] = Pipeline.parse(golden.passes).run(module)
    after = module.to_bytes()
    assert printed(after) == printed(assembled(f"(module {golden.after})"))
    assert validate(after) is None
    changed = any(report.counts.values())
    assert changed or after == before
    # What it made leaves it nothing to do, or there is nothing of that name any more.
    again = Module.from_bytes(after)
    with suppress(PassError):
        Pipeline.parse(golden.passes).run(again)
    assert again.to_bytes() == after


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("name", ["cpp-legacy-O0", "cpp-exnref-Oz", "cpp-longjmp-legacy-O2"])
def test_programs_do_the_same(name: str, tmp_path: Path) -> None:
    """Functions are merged and stand elsewhere, and tables have the same one twice."""
    entry = find(name)
    module = Module.from_file(entry.path)
    for function in [each for each in module.functions if each.imported is None][::3]:
        # A twin, which a table and some callers get instead.
        twin = module.add_function(function.type)
        twin._code = function.code
        for element in module.elements:
            element.items = [twin if item is function else item for item in element.items]
    many = len(module.functions)
    Pipeline.parse("reorder-functions{by=size},dedupe-functions,gc").run(module)
    assert len(module.functions) < many
    paths = [entry.path, tmp_path / "after.wasm"]
    module.save(paths[1], keep_stale=True)
    before, after = run_calls(paths)
    assert differences(before, after) == []


EVERYTHING = """
import sys
from wasmir import Module, Pipeline, extract, merge
module, other = map(Module.from_file, sys.argv[1:])
Pipeline.parse("externalize{functions=*throw*}").run(module)
wanted = [each for each in other.functions if each.name and "a" in each.name and not each.imported]
merge(module, extract(other, wanted, imports=["memory", "global"]), "x", conflicts="rename")
Pipeline.parse("snip{functions=*catch*,how=throw},dedupe-functions,reorder-functions").run(module)
Pipeline.parse("gc{roots=*a*}").run(module)
sys.stdout.buffer.write(module.to_bytes(keep_stale=True))
"""


def test_two_hash_seeds_make_the_same() -> None:
    paths = [str(find(name).path) for name in ("cpp-legacy-O0", "cpp-handling-legacy-O2")]
    made = {
        subprocess.run(
            [sys.executable, "-c", EVERYTHING, *paths],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            cwd=ROOT,
        ).stdout
        for seed in "12"
    }
    [data] = made
    assert validate(data) is None


BAD = [
    ("rename{exports=a}", "rename: exports: 'a' is no pair like old_*=new_*"),
    ('rename{exports="a="}', "rename: exports: 'a=' is no pair like old_*=new_*"),
    ('rename{exports="m=*"}', "rename: exports: 'm=*' is no pair like old_*=new_*"),
    ('rename{exports="man=a"}', "rename: exports: nothing is called 'man'; did you mean 'main'?"),
    ('rename{exports="*=a"}', "rename: exports: 2 would have the name 'a'"),
    ('rename{imports="env.f=f"}', "rename: imports: 'f' has no dot behind the module"),
    ('rename{modules="en=e"}', "rename: modules: nothing is called 'en'; did you mean 'env'?"),
    ("snip", "snip: it doesn't say functions=, whose code it is about"),
    ("snip{functions=mai}", "snip: functions: nothing is called 'mai'; did you mean 'main'?"),
    (
        'snip{functions="*MAIN?"}',
        "snip: functions: nothing is called '*MAIN?'; did you mean 'main'",
    ),
    ("snip{functions=main,how=x}", "snip: how: there is no 'x'; there are: trap, throw"),
    ('snip{functions=main,how="trap throw"}', "snip: how is one of trap, throw, not 'trap throw'"),
    ("snip{functions=env.f}", 'an import has no code to snip (in function 0 "f")'),
    ("snip{functions=main,how=throw}", "it exports something else as __wasmir_snipped"),
    ("externalize", "externalize: it doesn't say functions=, which are to be imported"),
    ("externalize{functions=mane}", "externalize: functions: nothing is called 'mane'; did you"),
    ('externalize{functions="main g"}', "externalize: env.g is imported already"),
    ("reorder-functions{by=us}", "reorder-functions: by: there is no 'us'; did you mean 'uses'?"),
    (
        'reorder-functions{by="size name"}',
        "reorder-functions: by is one of uses, size, name, none, not 'size name'",
    ),
    ("reorder-functions{first=zz}", "reorder-functions: first: nothing is called 'zz'"),
    ("dedupe-functions{keep=manu}", "dedupe-functions: keep: nothing is called 'manu'; did you"),
]


@pytest.mark.parametrize(("passes", "message"), BAD, ids=[passes for passes, _ in BAD])
def test_what_makes_no_sense_is_refused(passes: str, message: str) -> None:
    text = """(module (import "env" "f" (func $f)) (import "env" "g" (func))
      (func (export "main")) (func $g (export "__wasmir_snipped")))"""
    data = assembled(text)
    module = Module.from_bytes(data)
    [pass_] = Pipeline.parse(passes).passes
    with pytest.raises(WasmError, match=re.escape(message)):
        pass_.run(module)
    assert module.to_bytes() == data


def test_sections_that_are_not_there_are_noted() -> None:
    """Who strips twice, or many modules, is told of what may be misspelt, and not stopped."""
    module = Module.from_bytes(assembled('(module (func $f) (@custom "mine" "x"))'))
    strip = Pipeline.parse('strip{sections="nam mine",keep=mime}')
    [report] = strip.run(module)
    assert report.counts == {"sections": 1}
    assert report.notes == [
        "sections: nothing is called 'nam'; did you mean 'name'?",
        "keep: nothing is called 'mime'; did you mean 'mine'?",
    ]
    once = module.to_bytes()
    [again] = strip.run(module)
    assert again.counts == {}
    assert "sections: nothing is called 'mine'" in again.notes
    assert module.to_bytes() == once
    Pipeline.parse("strip,strip").run(module)
    [last] = strip.run(module)
    assert last.notes[0] == "sections: nothing is called 'nam': nothing here has a name"


def test_imports_made_of_functions_of_one_name_are_told_apart() -> None:
    module = Module.from_bytes(
        assembled(
            """(module (import "env" "g_3" (func)) (func) (func $g_2) (func)
              (func (export "f") call 1 call 2 call 3))"""
        )
    )
    module.functions[1].name = module.functions[3].name = "g"
    [report] = Pipeline.parse("externalize{functions=g*}").run(module)
    after = module.to_bytes()
    assert validate(after) is None
    # By index: calls go where they went.
    again = Module.from_bytes(after)
    assert [each.name for each in again.imports] == ["g_3", "g", "g_2", "g_4"]
    assert report.notes == [
        "of several functions 'g', function 3 is imported as env.g_4",
    ]
    assert report.counts == {"functions": 3}
    Pipeline.parse("externalize{functions=g*}").run(again)
    assert again.to_bytes() == after


@pytest.mark.parametrize(
    "passes",
    ["snip{functions=*}", "externalize{functions=*}", "reorder-functions", "dedupe-functions"],
)
def test_object_files_are_refused(passes: str) -> None:
    module = Module.from_file(find("cpp-legacy-object").path)
    with pytest.raises(UnsupportedError, match="relocatable object"):
        Pipeline.parse(passes).run(module)


@pytest.mark.parametrize("content", [b"{}", b'["f", 1]', b"?"])
def test_stubs_that_throw_need_a_list_of_names(content: bytes) -> None:
    module = Module.from_bytes(assembled('(module (func (export "main")))'))
    module.add_custom("wasmir.snipped", content)
    before = module.to_bytes()
    with pytest.raises(UnsupportedError, match="no list of names"):
        Pipeline.parse("snip{functions=main,how=throw}").run(module)
    assert module.to_bytes() == before
