"""The project's own files agree with one another."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from corpus import environment
from tests.support import timeless
from wasmir.cli import cli

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_package_is_listed() -> None:
    """A subpackage that pyproject.toml forgets works here and is missing from the wheel."""
    found = {
        ".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "wasmir").rglob("*.py")
    }
    found |= {
        ".".join(["wasmir", *path.parent.relative_to(ROOT).parts])
        for path in (ROOT / "passes").rglob("*.py")
    }
    assert sorted(found) == PROJECT["tool"]["setuptools"]["packages"]


def test_types_are_shipped() -> None:
    assert (ROOT / "wasmir" / "py.typed").is_file()


def test_readme_has_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [
        line
        for block in re.findall(r"^```sh\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
        for line in block.splitlines()
    ]
    assert "python3 -m tests" in commands
    assert any(line.startswith("python3 -m corpus demo") for line in commands)


def test_readme_examples_of_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands behind each ``$`` prints what stands below it; … is anything, times are any."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = dict(
        re.findall(r"^```(toml|py|console)\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    )
    (tmp_path / "passes.toml").write_text(blocks["toml"], encoding="utf-8")
    (tmp_path / "anonymous.py").write_text(blocks["py"], encoding="utf-8")
    shutil.copy(ROOT / "corpus" / "built" / "cpp-legacy-O2.wasm", tmp_path / "app.wasm")
    monkeypatch.chdir(tmp_path)
    _, *examples = re.split(r"^\$ wasmir ", blocks["console"], flags=re.MULTILINE)
    assert len(examples) > 5
    for example in examples:
        command, _, wanted = example.partition("\n")
        printed = CliRunner().invoke(cli, shlex.split(command), prog_name="wasmir").output
        pattern = ".*?".join(map(re.escape, timeless(wanted).split("…")))
        assert re.fullmatch(pattern, timeless(printed), re.DOTALL), f"{command}\n{printed}"


@pytest.mark.parametrize(
    "name",
    [
        "corpus/environment.py",
        "corpus/__main__.py",
        "corpus/__init__.py",
        "tests/__main__.py",
        "tests/__init__.py",
    ],
)
def test_start_up_compiles_on_old_pythons(name: str) -> None:
    """An old Python gets to say that it is too old, instead of a SyntaxError."""
    source = (ROOT / name).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 7))
    # What `feature_version` doesn't look at.
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr | ast.AnnAssign)]


def test_minimum_python_is_the_projects() -> None:
    wanted = ".".join(map(str, environment.MINIMUM))
    assert PROJECT["project"]["requires-python"] == f">={wanted}"


def test_too_old_a_python_says_so() -> None:
    code = (
        "import sys; sys.version_info = (3, 9, 2)\n"
        "from corpus.environment import ensure; ensure('tests')"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "wasmir needs Python 3.11 or newer" in result.stderr


def test_missing_venv_says_so(tmp_path: Path) -> None:
    """As on a Debian without python3-venv: `-m venv` fails."""
    code = (
        "import subprocess, sys\n"
        "from corpus import environment\n"
        f"environment.VENV = {str(tmp_path / 'venv')!r}\n"
        "subprocess.call = lambda *_: 1\n"
        "environment.ensure('tests')"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert f"apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv" in result.stderr
