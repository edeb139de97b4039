"""``wasmir graph``: DOT, SVG and JSON."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from corpus.manifest import find
from tests.modules import assembled, module
from tests.support import corpus_paths
from wasmir import Module
from wasmir.cli import cli
from wasmir.graph import ControlFlow, dot_of_flow

if TYPE_CHECKING:
    from pathlib import Path

LEGACY = find("cpp-legacy-O2").path


def wasmir(*arguments: str | Path, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(cli, ["graph", *map(str, arguments)], input=stdin)


def test_control_flow(tmp_path: Path) -> None:
    path = tmp_path / "in.wasm"
    path.write_bytes(
        assembled('(module (tag $t) (func $f (export "f") try call $f catch $t catch_all end))')
    )
    result = wasmir(path, "f")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        'digraph "function 0 \\"f\\"" {\n'
        '  node [shape=box, fontname="monospace", fontsize=10];\n'
        '  edge [fontname="monospace", fontsize=9];\n'
        '  0 [label="0\\ltry (;@1;)\\lcall $f\\l"];\n'
        '  1 [label="1: catch 0 \\"t\\"\\l"];\n'
        '  2 [label="2: catch_all\\l"];\n'
        '  3 [label="return", shape=oval];\n'
        '  0 -> 1 [label="catch 0 \\"t\\"", color=red, fontcolor=red];\n'
        '  0 -> 2 [label="catch_all", color=red, fontcolor=red];\n'
        "  0 -> 3;\n"
        "  1 -> 3;\n"
        "  2 -> 3;\n"
        "}\n"
    )
    assert wasmir(path, "0").stdout == result.stdout
    assert wasmir("-", "f", stdin=path.read_bytes()).stdout == result.stdout
    assert '"0\\ltry (;@1;)\\l... 1 more\\l"' in wasmir(path, "f", "--lines", "1").stdout


def test_calls() -> None:
    result = wasmir(LEGACY, "--root", "typed", "--depth", "1")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith('digraph "calls" {\n')
    assert '  3 [label="3 \\"typed\\""' in result.stdout
    found = json.loads(wasmir(LEGACY, "--root", "typed", "--depth", "1", "--json").stdout)
    assert {call["caller"] for call in found["calls"]} == {3}
    assert len(found["functions"]) == len({call["callee"] for call in found["calls"]}) + 1
    every = json.loads(wasmir(LEGACY, "--json").stdout)
    assert len(every["functions"]) == len(Module.from_file(LEGACY).functions)
    matched = json.loads(wasmir(LEGACY, "--root", "__cxa_*", "--depth", "0", "--json").stdout)
    assert len(matched["functions"]) > 3
    assert all(each["name"].startswith("__cxa_") for each in matched["functions"])


def test_control_flow_as_json() -> None:
    found = json.loads(wasmir(LEGACY, "typed", "--json").stdout)
    flow = ControlFlow(Module.from_file(LEGACY).functions[3])
    assert found["function"] == {"index": 3, "name": "typed"}
    assert [len(each["instructions"]) for each in found["blocks"]] == [
        len(block.instructions) for block in flow.blocks
    ]
    assert len(found["edges"]) == len(list(flow.edges))
    assert any(edge["kind"] == "catch" for edge in found["edges"])


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["typd"], 1, "unknown function 'typd'; did you mean 'typed'?"),
        (["999"], 1, "unknown function 999"),
        (["0"], 1, "an imported function has no body"),
        (["--root", "typd*"], 1, "no function matches 'typd*'; did you mean 'typed'?"),
        (["--root", "typd"], 1, "did you mean 'typed'?"),
        (["typed", "--root", "typed"], 2, "not for control flow"),
        (["--depth", "1"], 2, "--root says which"),
        (["--lines", "1"], 2, "FUNC says of which function"),
        (["typed", "--svg", "--json"], 2, "--json is no SVG"),
    ],
)
def test_bad_usage(arguments: list[str], status: int, told: str) -> None:
    result = wasmir(LEGACY, *arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert told in result.stderr


def test_bad_modules() -> None:
    for arguments in (["0"], []):
        result = wasmir("-", *arguments, stdin=module(b"\0\xff\x0b"))
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("error: standard input: illegal opcode ff")


STRING = r'"(?:[^"\\]|\\.)*"'
VALUE = rf"(?:{STRING}|[\w.]+)"
LINE = re.compile(
    rf"(?:\d+(?: -> \d+)?|node|edge)(?: \[{'{0}'}(?:, {'{0}'})*\])?;".format(rf"\w+={VALUE}")
)


@pytest.mark.parametrize("path", corpus_paths(), ids=lambda path: path.stem)
def test_dot_is_well_formed(path: Path) -> None:
    """By the grammar, as far as it is used."""
    opened = Module.from_file(path)
    texts = [dot_of_flow(ControlFlow(f)) for f in opened.functions if f.imported is None]
    for text in (*texts, wasmir(path).stdout):
        head, *lines, end = text.splitlines()
        assert re.fullmatch(rf"digraph {STRING} {{", head)
        assert end == "}"
        for line in lines:
            assert LINE.fullmatch(line.strip()), line


def test_names_with_what_dot_takes_for_its_own(tmp_path: Path) -> None:
    opened = Module.from_file(LEGACY)
    function = opened.functions[3]
    function.name = 'a"\\\n\x1b' + "x" * 100
    path = tmp_path / "in.wasm"
    opened.save(path, keep_stale=True)
    for arguments in (["3"], ["--root", "3", "--depth", "0"]):
        text = wasmir(path, *arguments).stdout
        head, *lines, _ = text.splitlines()
        assert re.fullmatch(rf"digraph {STRING} {{", head)
        assert all(LINE.fullmatch(line.strip()) for line in lines)
        assert '\\"a\\"\\\\\ufffd\ufffdxxx' in text


# SVG


def test_svg_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "graphviz", None)
    out = tmp_path / "out.svg"
    result = wasmir(LEGACY, "typed", "-o", out)
    assert result.exit_code == 1
    assert "`pip install graphviz`" in result.stderr
    assert not out.exists()


class NotFoundError(Exception):
    pass


class FailedError(Exception):
    pass


def pretend(monkeypatch: pytest.MonkeyPatch, outcome: bytes | Exception) -> list[str]:
    """Put something in the place of the package; what it is given to draw."""
    given: list[str] = []

    def source(text: str) -> SimpleNamespace:
        given.append(text)

        def pipe(*, format: str) -> bytes:  # noqa: A002 - the package's word
            assert format == "svg"
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return SimpleNamespace(pipe=pipe)

    package = SimpleNamespace(
        Source=source, ExecutableNotFound=NotFoundError, CalledProcessError=FailedError
    )
    monkeypatch.setitem(sys.modules, "graphviz", package)
    return given


def test_svg_without_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.svg"
    for error, told in (
        (NotFoundError(), "graphviz.org/download"),
        (FailedError("bad"), "can't draw it"),
    ):
        pretend(monkeypatch, error)
        result = wasmir(LEGACY, "typed", "-o", out)
        assert (result.exit_code, told in result.stderr) == (1, True)
    assert not out.exists()


def test_svg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = pretend(monkeypatch, b"<svg/>")
    out = tmp_path / "out.svg"
    assert wasmir(LEGACY, "typed", "-o", out).exit_code == 0
    assert out.read_bytes() == b"<svg/>"
    assert given == [wasmir(LEGACY, "typed").stdout]
    assert wasmir(LEGACY, "--svg").stdout == "<svg/>"


@pytest.mark.skipif(
    importlib.util.find_spec("graphviz") is None or shutil.which("dot") is None,
    reason="needs Graphviz: `pip install graphviz`, and its programs from https://graphviz.org",
)
def test_graphviz_itself(tmp_path: Path) -> None:
    out = tmp_path / "out.svg"
    assert wasmir(LEGACY, "typed", "-o", out).exit_code == 0
    assert "<svg" in out.read_text(encoding="utf-8")
