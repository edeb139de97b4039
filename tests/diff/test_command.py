"""``wasmir diff``: what it prints, and with which status it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from corpus.manifest import find
from tests.modules import assembled, module
from wasmir import Module
from wasmir.cli import cli

if TYPE_CHECKING:
    from pathlib import Path

TYPES = "(type (func (result i32))) (type (func))"
OLD = f'(module {TYPES} (func $f (export "f") (result i32) (i32.const 1)) (func $g) (memory 1))'
NEW = (
    f'(module {TYPES} (import "m" "n" (func $n))'
    ' (func $f (export "f") (result i32) (call $n) (i32.const 1)) (memory 2))'
)
LEGACY = find("cpp-legacy-O2").path


def wasmir(*arguments: str | Path, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(cli, ["diff", *map(str, arguments)], input=stdin)


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, Path]:
    old, new = tmp_path / "old.wasm", tmp_path / "new.wasm"
    old.write_bytes(assembled(OLD))
    new.write_bytes(assembled(NEW))
    return old, new


def test_what_is_printed(both: tuple[Path, Path]) -> None:
    old, new = both
    result = wasmir(old, new)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        'changed function 0 "f" -> 1\n'
        "  lines: 1 added, 0 removed\n"
        f'--- {old}: function 0 "f"\n'
        f'+++ {new}: function 1 "f"\n'
        "@@ -1,1 +1,2 @@ at 0x28, 0x30\n"
        "+call $n\n"
        " i32.const 1\n"
        'removed function 1 "g" (2 bytes)\n'
        'added function 0 "n"\n'
        "changed memory 0\n"
        "  type: 1 -> 2\n"
        "functions: 1 added, 1 changed, 1 removed\n"
        "memories: 1 changed\n"
    )


def test_less_of_it(both: tuple[Path, Path]) -> None:
    assert "@@" not in wasmir(*both, "--stat").stdout
    assert "  lines: 1 added, 0 removed\n" in wasmir(*both, "--stat").stdout
    assert "@@ -0,0 +1,1 @@" in wasmir(*both, "-U", "0").stdout
    for name in ("f", "0"):
        only = wasmir(*both, "--func", name)
        assert only.stdout.splitlines()[0] == 'changed function 0 "f" -> 1'
        assert only.stdout.splitlines()[-1] == " i32.const 1"
    assert wasmir(*both, "--func", "n").stdout == 'added function 0 "n"\n'
    assert wasmir(LEGACY, LEGACY, "--func", "0").stdout == "no differences\n"


def test_names_that_would_upset_a_terminal(tmp_path: Path) -> None:
    new = Module.from_file(LEGACY)
    new.functions[-1].name = "a\x1b[2Jb\n"
    path = tmp_path / "new.wasm"
    new.save(path, keep_stale=True)
    assert "name: " in wasmir(LEGACY, path).stdout
    assert "a\ufffd[2Jb\ufffd" in wasmir(LEGACY, path).stdout
    assert "\x1b" not in wasmir(path, LEGACY).stdout
    assert "\x1b" not in CliRunner().invoke(cli, ["info", "--sizes", str(path)]).stdout


def test_json(both: tuple[Path, Path]) -> None:
    found = json.loads(wasmir(*both, "--json").stdout)
    assert (found["old"], found["new"]) == tuple(map(str, both))
    assert found["counts"] == {
        "function": {"changed": 1, "removed": 1, "added": 1},
        "memory": {"changed": 1},
    }
    first = found["changes"][0]
    assert first["old"] == {"index": 0, "name": "f"}
    assert first["new"] == {"index": 1, "name": "f"}
    [hunk] = first["code"]["hunks"]
    assert hunk["lines"] == ["+call $n", " i32.const 1"]
    memory = found["changes"][-1]
    assert memory["facts"] == {"type": ["1", "2"]}
    assert "hunks" not in json.loads(wasmir(*both, "--json", "--stat").stdout)["changes"][0]["code"]
    assert json.loads(wasmir(LEGACY, LEGACY, "--json").stdout)["changes"] == []


def test_exit_status(both: tuple[Path, Path]) -> None:
    assert wasmir(*both).exit_code == 0
    assert wasmir(*both, "--exit-code").exit_code == 1
    same = wasmir(LEGACY, LEGACY, "--exit-code")
    assert (same.exit_code, same.stdout) == (0, "no differences\n")


def test_standard_input(both: tuple[Path, Path]) -> None:
    old, new = both
    assert wasmir(old, "-", stdin=new.read_bytes()).stdout.startswith("changed function 0")
    assert wasmir("-", "-", stdin=new.read_bytes()).exit_code == 2


def test_what_cannot_be_compared(both: tuple[Path, Path], tmp_path: Path) -> None:
    old, _ = both
    bad = tmp_path / "bad.wasm"
    # One function is different, and the other can't be read: nothing is printed of either.
    bad.write_bytes(module(b"\0\x01\x0b", b"\0\xff\x0b"))
    result = wasmir(old, bad)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: {bad}: illegal opcode ff")
    result = wasmir(old, tmp_path / "none.wasm")
    assert (result.exit_code, result.stdout) == (1, "")
    result = wasmir(LEGACY, LEGACY, "--func", "typd")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "unknown function 'typd'; did you mean 'typed'?" in result.stderr
    assert wasmir(LEGACY, LEGACY, "--func", "999").exit_code == 1
