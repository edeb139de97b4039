"""Pipelines in TOML files, and passes in scripts that nobody installed."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from corpus.manifest import find
from wasmir import Module, Pass, PassError, PassReport, Pipeline, suggestion
from wasmir.cli import cli
from wasmir.fleet import RECORD
from wasmir.passes import LegacyToExnref
from wasmir.pipeline.scripts import load_script

if TYPE_CHECKING:
    from pathlib import Path

LEGACY = find("cpp-legacy-O2").path


@dataclass(frozen=True)
class Every(Pass):
    """Has an option of each type."""

    name: ClassVar[str] = "every"

    flag: bool = False
    count: int = 0
    part: float = 0.5
    text: str = ""
    how: Literal["fast", "slow"] = "fast"

    def run(self, module: Module) -> PassReport:
        del module
        return PassReport(self.name)


def toml(text: str) -> Pipeline:
    return Pipeline.from_toml(text, passes=[Every])


def wasmir(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


# TOML


def test_tables_are_passes() -> None:
    found = toml(
        """
        # Comments, and texts in three quotes with what looks like a table.
        [[pass]]
        name = "every"
        text = '''
        [[pass]]
        '''
        flag = true
        count = 0x10
        part = 2
        how = "slow"

        [[ "pass" ]]
        name = "legacy-to-exnref"
        stack = false
        """
    )
    text = "        [[pass]]\n        "
    every = Every(flag=True, count=16, part=2.0, text=text, how="slow")
    assert found == Pipeline((every, LegacyToExnref(stack=False)))
    assert toml("") == toml("pass = []") == Pipeline()
    assert toml('pass = [{name = "every", count = 1}]') == Pipeline((Every(count=1),))


def test_options_are_spelled_either_way() -> None:
    script = 'imports = "env.*"\non-foreign = "abort"'
    assert str(toml(f'[[pass]]\nname = "recover"\n{script.splitlines()[1]}')) == (
        'recover{on_foreign="abort"}'
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[pass]]\nname", "pipeline, at the end: Expected '='"),
        ("[[pass]]\nname = \n", "pipeline, line 2, column 8: Invalid value"),
        ('a = "\xff\0"', "pipeline, line 1, column 7: Illegal character"),
        ("[[pas]]", "line 1, column 3: unknown key 'pas'; did you mean 'pass'?"),
        ("x = 1\n[[pass]]", "line 1, column 1: unknown key 'x'; there is only [[pass]]"),
        ('[pass]\nname = "every"', "line 1, column 2: passes are tables: [[pass]]"),
        ("pass = [1]", "line 1, column 1: passes are tables"),
        ("[[pass]]", "line 1, column 1: a pass has a name"),
        ('[[pass]]\nnme = "every"', "line 2, column 1: a pass has a name, not 'nme'"),
        ("[[pass]]\n  name = 7", "line 2, column 3: a pass has a name"),
        (
            '\n[[pass]]\nname = "evry"',
            "line 3, column 1: unknown pass 'evry'; did you mean 'every'?",
        ),
        (
            '[[pass]]\nname = "every"\ncont = 1',
            "line 3, column 1: pass 'every' has no option 'cont'; did you mean 'count'?",
        ),
        (
            '[[pass]]\nname = "every"\ncount = 1\n[[pass]]\nname = "every"\ncount = true',
            "line 6, column 1: option 'count' is a number, not True",
        ),
        ('[[pass]]\nname = "every"\nflag = 1', "option 'flag' is true or false, not 1"),
        ('[[pass]]\nname = "every"\ntext = 1', "option 'text' is a text in quotes, not 1"),
        ('[[pass]]\nname = "every"\npart = "1"', "option 'part' is a number, not '1'"),
        (
            '[[pass]]\nname = "every"\nhow = "fats"',
            "option 'how' is one of fast, slow, not 'fats'; did you mean 'fast'?",
        ),
        (
            'pass = [{name = "every"}, {name = "every", x = 1}]',
            "pipeline, pass 2: pass 'every' has no option 'x'; it has: count, flag, how, part,",
        ),
        (
            '[[pass]]\nname = "recover"\non-foreign = "a"\non_foreign = "b"',
            "option 'on_foreign' is given twice",
        ),
        (
            '[[pass]]\nname = "every"\ntext = """\n[[pass]]\ncount = 7\n"""\ncount = true',
            "pipeline, line 7, column 1: option 'count' is a number",
        ),
        ("x = " + "[" * 100_000, "pipeline"),
        ("x = 1" + "0" * 10_000, "pipeline"),
    ],
)
def test_errors_say_what_would_be_right_and_where(text: str, reason: str) -> None:
    with pytest.raises(PassError) as caught:
        toml(text)
    assert reason in str(caught.value)


documents = st.text(st.sampled_from("[]pasneflgc\"'=\n #{},.x1 \\\r\t\0é"))


@given(documents)
def test_any_document_gives_a_pipeline_or_an_error(text: str) -> None:
    for document in (text, f"[[pass]]\n{text}", f'[[pass]]\nname = "every"\n{text}'):
        try:
            toml(document)
        except PassError:
            continue


def test_choices_in_text() -> None:
    assert Pipeline.parse("every{how=slow,part=1e3}", passes=[Every]) == Pipeline(
        (Every(how="slow", part=1000.0),)
    )
    with pytest.raises(PassError, match="one of fast, slow, not 'sloww'; did you mean 'slow'"):
        Pipeline.parse("every{how=sloww}", passes=[Every])
    with pytest.raises(PassError, match="unknown pass 'evry'; did you mean 'every'"):
        Pipeline.parse("evry", passes=[Every])


def test_until() -> None:
    pipeline = Pipeline((Every(), LegacyToExnref(), Every(count=1)))
    assert pipeline.until("every") == pipeline.until("1") == Pipeline((Every(),))
    assert pipeline.until("legacy-to-exnref") == pipeline.until("2")
    assert pipeline.until("3") == pipeline
    for last in ("0", "4", "bogus", "", "²"):
        with pytest.raises(
            PassError, match=r"there is no pass .* to stop after; there are: every,"
        ):
            pipeline.until(last)
    with pytest.raises(PassError, match="did you mean 'legacy-to-exnref'"):
        pipeline.until("legacy-to-exnre")


def test_suggestions() -> None:
    assert suggestion("GC", ["gc", "strip"]) == "; did you mean 'gc'?"
    assert suggestion("man", ["main", "mane"]) == "; did you mean 'mane'?"
    assert suggestion("man", ["main", "mane"], most=3) == "; did you mean 'mane' or 'main'?"
    assert suggestion("zzz", ["gc", "strip"]) == ""
    assert suggestion("zzz", ["strip", "gc"], listed=True) == "; there are: gc, strip"
    many = [f"p{at:02}" for at in range(30)]
    assert suggestion("zzz", many, listed=True).endswith("p23 and 6 more")
    assert suggestion("zzz", [], listed=True) == "; there are: none"


# The command


def test_pipeline_file(tmp_path: Path) -> None:
    file, out = tmp_path / "passes.toml", tmp_path / "out.wasm"
    file.write_text('[[pass]]\nname = "legacy-to-exnref"\nstack = false\n')
    result = wasmir("run", LEGACY, "-p", file, "-o", out)
    assert result.exit_code == 0, result.output
    module = Module.from_file(LEGACY)
    Pipeline.parse("legacy-to-exnref{stack=false}").run(module)
    assert out.read_bytes() == module.to_bytes()


def test_bad_pipeline_files_are_bad_usage(tmp_path: Path) -> None:
    file, out = tmp_path / "passes.toml", tmp_path / "out.wasm"
    file.write_text('[[pass]]\nname = "legacy-to-exnreff"\n')
    result = wasmir("run", LEGACY, "-p", file, "-o", out)
    assert result.exit_code == 2
    assert f"{file}, line 2, column 1: unknown pass 'legacy-to-exnreff'; did you" in result.stderr
    file.write_bytes(b"name = '\xff'")
    result = wasmir("run", LEGACY, "-p", file, "-o", out)
    assert (result.exit_code, "it isn't UTF-8 at byte 8" in result.stderr) == (2, True)
    result = wasmir("run", LEGACY, "-p", tmp_path / "none.toml", "-o", out)
    assert (result.exit_code, "No such file" in result.stderr) == (1, True)
    assert not out.exists()


def test_stop_after(tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    both = "legacy-to-exnref,exnref-to-legacy"
    result = wasmir("run", LEGACY, "-p", both, "--stop-after", "legacy-to-exnref", "-o", out)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("legacy-to-exnref: ")
    assert "exnref-to-legacy" not in result.stdout
    result = wasmir("run", LEGACY, "-p", both, "--stop-after", "legacy-to-exnreff", "-o", out)
    assert result.exit_code == 2
    assert "did you mean 'legacy-to-exnref'?" in result.stderr


def test_time_passes(tmp_path: Path) -> None:
    both = ("-p", "legacy-to-exnref,exnref-to-legacy", "--time-passes")
    result = wasmir("run", LEGACY, *both, "-o", tmp_path / "out.wasm")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()[2:]]
    assert lines[0] == ["seconds", "share", "functions", "bytes", "in", "bytes", "out"]
    assert [line[0] for line in lines[1:]] == [
        "legacy-to-exnref",
        "exnref-to-legacy",
        "all",
        "wall",
    ]
    assert lines[1][4] == f"{LEGACY.stat().st_size:,}"
    assert sum(float(line[-2].removesuffix("%")) for line in lines[3:4]) < 100
    result = wasmir("run", LEGACY, find("cpp-legacy-Oz").path, *both, "-o", tmp_path / "many")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].split()[:2] == ["wall", "time"]
    result = wasmir("run", LEGACY, *both, "-o", tmp_path / "out.wasm", "--json")
    assert [each["seconds"] >= 0 for each in json.loads(result.stdout)] == [True, True]


# Scripts

RUN = """
def run(module):
    for function in module.functions:
        if function.imported is None:
            function.body.items.insert(0, b"\\x01")
"""

PASSES = """
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wasmir import Module, Pass, PassReport, UnsupportedError


@dataclass(frozen=True)
class Note(Pass):
    name: ClassVar[str] = "note"
    text: str = "new"

    def run(self, module: Module) -> PassReport:
        module.add_custom("note", self.text.encode())
        return PassReport(self.name)


@dataclass(frozen=True)
class Fail(Pass):
    name: ClassVar[str] = "fail"
    politely: bool = False

    def run(self, module: Module) -> PassReport:
        module.add_custom("note", b"")
        if self.politely:
            raise UnsupportedError("not today")
        return module.nothing
"""


def test_a_function_is_a_pass(tmp_path: Path) -> None:
    script, out = tmp_path / "add_nops.py", tmp_path / "out.wasm"
    script.write_text(RUN)
    result = wasmir("run", LEGACY, "--script", script, "-o", out)
    assert result.exit_code == 0, result.output
    defined = [each for each in Module.from_file(LEGACY).functions if each.imported is None]
    assert result.stdout.startswith(f"add-nops: {len(defined)} functions changed; ")
    assert out.stat().st_size > LEGACY.stat().st_size
    pipeline = "legacy-to-exnref,add-nops"
    result = wasmir("run", LEGACY, "-p", pipeline, "--script", script, "-o", out)
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == pipeline.split(",")
    assert sorted(tmp_path.iterdir()) == [script, out]
    odd = tmp_path / "my first (pass).py"
    odd.write_text(RUN)
    for arguments in ((), ("-p", "my-first-pass-")):
        result = wasmir("run", LEGACY, "--script", odd, *arguments, "-o", out)
        assert result.stdout.startswith("my-first-pass-: ")


def test_passes_of_a_script(tmp_path: Path) -> None:
    script, out = tmp_path / "mine.py", tmp_path / "out.wasm"
    script.write_text(PASSES)
    result = wasmir("run", LEGACY, "--script", script, "-p", "note{text=mine}", "-o", out)
    assert result.exit_code == 0, result.output
    note = Module.from_file(out).custom("note")
    assert note is not None
    assert note.data == b"mine"
    result = wasmir("run", LEGACY, "--script", script, "-o", out)
    assert result.exit_code == 2
    assert "has several passes (note, fail): say which to run" in result.stderr
    result = wasmir("run", LEGACY, "--script", script, "-p", "notte", "-o", out)
    assert "unknown pass 'notte'; did you mean 'note'?" in result.stderr
    other = tmp_path / "other.py"
    other.write_text(PASSES)
    result = wasmir("run", LEGACY, "--script", script, "--script", other, "-p", "note", "-o", out)
    assert (result.exit_code, "two scripts have a pass 'note'" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("pipeline", "told"),
    [
        ("fail", "AttributeError: 'Module' object has no attribute 'nothing' (mine.py, line 29"),
        ("fail{politely}", "not today (mine.py, line 28, in run: raise UnsupportedError"),
    ],
)
def test_a_script_that_fails_writes_nothing(pipeline: str, told: str, tmp_path: Path) -> None:
    script, out = tmp_path / "mine.py", tmp_path / "out.wasm"
    script.write_text(PASSES)
    result = wasmir("run", LEGACY, "--script", script, "-p", f"note,{pipeline}", "-o", out)
    assert result.exit_code == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith(f"error: {LEGACY}: {told}")
    assert not out.exists()


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("x = 1\ny = x +\n", "SyntaxError: invalid syntax (bad.py, line 2: y = x +)"),
        ("x = 1\n\ny = z\n", "NameError: name 'z' is not defined (bad.py, line 3: y = z)"),
        ("import sys\nsys.exit()", "SystemExit (bad.py, line 2: sys.exit())"),
        ("\0", "can't be loaded: "),
        ("x = 1", "has neither a subclass of wasmir.Pass nor run(module)"),
        ("from wasmir import Pass\nclass A(Pass):\n  run = print", "A lacks @dataclass"),
        ("from wasmir.passes import Recover", "has neither"),
        ("def run(module): return 7", "run(module) gives a PassReport or nothing, not 7"),
    ],
)
def test_scripts_that_are_none(source: str, told: str, tmp_path: Path) -> None:
    script, out = tmp_path / "bad.py", tmp_path / "out.wasm"
    script.write_text(source)
    result = wasmir("run", LEGACY, "--script", script, "-o", out)
    assert result.exit_code == 2
    assert told in result.stderr
    assert sorted(tmp_path.iterdir()) == [script]


def test_a_script_that_breaks_the_module(tmp_path: Path) -> None:
    script, out = tmp_path / "spoil.py", tmp_path / "out.wasm"
    script.write_text(RUN.replace('b"\\x01"', 'b"\\x41\\x00"'))
    result = wasmir("run", LEGACY, "--script", script, "-o", out)
    assert result.exit_code == 1
    assert "invalid after pass 'spoil': type mismatch" in result.stderr
    assert not out.exists()
    assert wasmir("run", LEGACY, "--script", script, "--no-verify", "-o", out).exit_code == 0


def test_scripts_reach_other_processes(tmp_path: Path) -> None:
    """Even those that never loaded them, as processes that aren't forked."""
    script = tmp_path / "mine.py"
    script.write_text(PASSES)
    pipeline = Pipeline.parse("note{text=sent}", passes=load_script(script).passes)
    sent = pickle.dumps(pipeline)
    code = (
        "import pickle, sys; from wasmir import Module\n"
        f"pipeline = pickle.loads({sent!r})\n"
        "module = Module(); pipeline.run(module); print(module.customs[0].data, pipeline)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert done.stdout.decode().strip() == "b'sent' note{text=\"sent\"}"
    script.write_text(PASSES + "\n")
    with pytest.raises(PassError, match="has changed since"):
        pickle.loads(sent)  # noqa: S301 - our own


def test_a_changed_script_is_run_again(tmp_path: Path) -> None:
    script, folder = tmp_path / "mine.py", tmp_path / "out"
    folder.mkdir()
    run = ("run", LEGACY, "--script", script, "-p", "note", "-o", folder)
    script.write_text(PASSES)
    assert "note: 0 functions" in wasmir(*run).stdout
    assert "there already" in wasmir(*run).stdout
    script.write_text(PASSES.replace('"new"', '"newer"'))
    assert "note: 0 functions" in wasmir(*run).stdout
    note = Module.from_file(folder / LEGACY.name).custom("note")
    assert note is not None
    assert note.data == b"newer"
    assert len((folder / RECORD).read_text().splitlines()) == 2


def test_failures_among_many_say_where(tmp_path: Path) -> None:
    script, folder = tmp_path / "mine.py", tmp_path / "out"
    script.write_text(PASSES)
    folder.mkdir()
    result = wasmir("run", LEGACY, "--script", script, "-p", "fail", "-o", folder)
    assert result.exit_code == 1
    assert "no attribute 'nothing' (mine.py, line 29, in run" in result.stderr
    assert not (folder / LEGACY.name).exists()


def test_near_commands() -> None:
    result = wasmir("rnu")
    assert result.exit_code == 2
    assert "No such command 'rnu'; did you mean 'run'?" in result.stderr
