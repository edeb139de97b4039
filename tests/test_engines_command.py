"""`wasmir engines`, and the features that it goes by, which `wasmir info` shows."""

from __future__ import annotations

import json
import re

import pytest

from corpus.manifest import find
from tests.modules import assembled
from tests.probes import mixed
from tests.test_cli import assert_refused, wasmir
from wasmir import Module
from wasmir.engines import ENGINES, JS_FEATURES
from wasmir.features import FEATURES
from wasmir.summary import summarize

LEGACY = find("cpp-legacy-O2").path


def test_engines_of_a_module() -> None:
    result = wasmir("engines", LEGACY)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{LEGACY}: ")
    assert "legacy-exceptions" in lines[0]
    rows = dict(line.split(maxsplit=1) for line in lines[2:])
    assert list(rows) == list(ENGINES)
    assert re.fullmatch(r"from 17\.\d +for .*legacy-exceptions.*", rows["node"])
    assert re.fullmatch(
        r"none +lacks legacy-exceptions; with legacy-to-exnref: from 47", rows["wasmtime"]
    )


def test_engines_with_backports() -> None:
    result = wasmir("engines", find("cpp-exnref-O2").path)
    node = next(line for line in result.stdout.splitlines() if line.startswith("  node "))
    assert "from 25.0 (24.15, 22.22.3)" in node
    assert node.endswith("for exceptions; with exnref-to-legacy: from 17.2")


def test_engines_of_mixed_dialects() -> None:
    result = wasmir("engines", "-", stdin=mixed())
    assert result.exit_code == 0
    assert "It mixes the dialects of exception handling" in result.stdout
    rows = result.stdout.splitlines()[3:]
    assert len(rows) == len(ENGINES)
    assert all(row.split()[1] == "none" for row in rows)
    assert "with legacy-to-exnref: from 25.0 (24.15, 22.22.3)" in result.stdout


def test_engines_as_json() -> None:
    found = json.loads(wasmir("engines", LEGACY, "--json").stdout)
    assert found["dialect"] == "legacy"
    assert found["features"] == summarize(Module.from_file(LEGACY)).features
    judged = {each["engine"]: each for each in found["engines"]}
    assert judged["wasmtime"]["missing"] == ["legacy-exceptions"]
    assert judged["wasmtime"]["with_pass"]["legacy-to-exnref"]["since"] == "47"
    assert judged["chrome"]["runs"] == {
        "since": "95",
        "backports": [],
        "until": None,
        "known": True,
    }


def test_table_of_engines() -> None:
    head, *rows = (line.split() for line in wasmir("engines").stdout.splitlines())
    assert head == list(ENGINES)
    assert {row[0] for row in rows} == FEATURES.keys() | JS_FEATURES.keys()
    assert all(len(row) == len(head) + 1 for row in rows)
    listed = json.loads(wasmir("engines", "--json").stdout)
    assert listed["node"]["support"]["exceptions"]["backports"] == ["24.15", "22.22.3"]


def test_engines_of_what_is_no_module() -> None:
    assert_refused(wasmir("engines", "-", stdin=b"(module)"), "standard input: magic header")


# What info says of modules whose code shows less than their types


@pytest.mark.parametrize(
    ("text", "features"),
    [
        ('(import "" "g" (global (mut i32)))', {"mutable-global"}),
        ('(global (export "g") (mut i32) (i32.const 0))', {"mutable-global"}),
        ("(global (mut i32) (i32.const 0))", set()),
        ('(import "" "f" (func (param externref)))', {"reference-types"}),
        ('(import "" "f" (func (param v128)))', {"simd"}),
        ('(import "" "f" (func (param exnref)))', {"exceptions", "reference-types"}),
        ('(import "" "f" (func (param i31ref)))', {"gc", "reference-types"}),
        (
            '(type $f (func)) (import "" "f" (func (param (ref null $f))))',
            {"function-references", "reference-types"},
        ),
        ("(table 1 funcref)", set()),
        ("(table 1 externref)", {"reference-types"}),
        ("(table 1 funcref) (table 1 funcref)", {"reference-types"}),
        ('(memory 1) (data "x")', {"bulk-memory"}),
        ('(memory 1) (data (i32.const 0) "x")', set()),
        ("(func $f) (elem func $f)", {"bulk-memory"}),
        ("(func $f) (elem declare func $f)", {"reference-types"}),
        ("(table 1 funcref) (func $f) (elem (i32.const 0) $f)", set()),
    ],
)
def test_features_of_types_and_segments(text: str, features: set[str]) -> None:
    found = summarize(Module.from_bytes(assembled(f"(module {text})"))).features
    assert set(found) == features
