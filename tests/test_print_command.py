"""``wasmir print``: what it prints, where to, and what it refuses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from corpus.manifest import find
from tests.modules import assembled, module
from tests.text.equivalence import text_of
from wasmir import Module
from wasmir.cli import cli
from wasmir.text import Style

if TYPE_CHECKING:
    from pathlib import Path

LEGACY = find("cpp-legacy-O2").path


def wasmir(*arguments: str | Path, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(cli, ["print", *map(str, arguments)], input=stdin)


def test_the_whole(tmp_path: Path) -> None:
    text = text_of(LEGACY.read_bytes())
    result = wasmir(LEGACY)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == text
    assert wasmir("-", stdin=LEGACY.read_bytes()).stdout == text
    out = tmp_path / "out.wat"
    assert wasmir(LEGACY, "-o", out, "-j", "2").output == ""
    assert out.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("options", "style"),
    [
        (["--no-names"], Style(names=False)),
        (["--offsets"], Style(offsets=True)),
        (["--folded"], Style(folded=True)),
        (["--folded", "--offsets", "--no-names"], Style(names=False, offsets=True, folded=True)),
    ],
)
def test_styles(options: list[str], style: Style) -> None:
    assert wasmir(LEGACY, *options).stdout == text_of(LEGACY.read_bytes(), style)


def test_one_function(tmp_path: Path) -> None:
    path = tmp_path / "in.wasm"
    path.write_bytes(
        assembled('(module (func $f) (func $g) (func (@name "g")) (export "out" (func 1)))')
    )
    opened = Module.from_file(path)
    for name, index in (("0", 0), ("f", 0), ("out", 1)):
        result = wasmir(path, "--func", name)
        assert result.stdout == opened.functions[index].wat() + "\n"
    for name, reason in (
        ("7", "unknown function 7: there are 3"),
        ("outt", "unknown function 'outt'; did you mean 'out'?"),
        ("g", "several functions are called 'g': 1, 2"),
    ):
        result = wasmir(path, "--func", name)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == f"error: {path}: {reason}\n"


def test_ranges() -> None:
    offset = Module.from_file(LEGACY).functions[3].offset
    result = wasmir(LEGACY, "--range", f"{offset:#x}:{offset + 8}", "--offsets")
    assert result.exit_code == 0
    assert f"(;@{offset:x};) (func $typed" in result.stdout
    assert result.stdout.count("(func ") == 1
    assert wasmir(LEGACY, "--range", str(offset)).exit_code == 0
    for wrong in ("x", "5:5", "-1:4", "1:2:3"):
        assert wasmir(LEGACY, "--range", wrong).exit_code == 2
    assert wasmir(LEGACY, "--range", "0:9", "--folded").exit_code == 2


def test_colours() -> None:
    plain = wasmir(LEGACY).stdout
    assert wasmir(LEGACY, "--color", "never").stdout == plain
    shown = CliRunner().invoke(cli, ["print", str(LEGACY), "--color", "always"], color=True).stdout
    assert shown != plain
    assert re.sub(r"\x1b\[\d*m", "", shown) == plain


def test_nothing_half_written(tmp_path: Path) -> None:
    path, out = tmp_path / "in.wasm", tmp_path / "out.wat"
    path.write_bytes(module(*[b"\0\x0b"] * 9, b"\0\xff\x0b"))
    out.write_text("before", encoding="utf-8")
    for jobs in ("1", "2"):
        for to in ("-", str(out)):
            result = wasmir(path, "-o", to, "-j", jobs)
            assert (result.exit_code, result.stdout) == (1, "")
            assert result.stderr.startswith(f"error: {path}: illegal opcode ff")
    assert out.read_text(encoding="utf-8") == "before"
    assert sorted(tmp_path.iterdir()) == [path, out]
    assert wasmir(tmp_path / "none.wasm").exit_code == 1
