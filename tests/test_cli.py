"""The command: what it prints, writes, returns, and leaves alone."""

from __future__ import annotations

import gzip
import json
import os
import re
import stat
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from corpus.manifest import find
from tests.modules import assembled, custom, module
from tests.support import CONVERTED, validate
from wasmir import Module, PassReport, Pipeline, UnsupportedError, __version__
from wasmir.cli import cli
from wasmir.summary import summarize

if TYPE_CHECKING:
    from pathlib import Path

LEGACY = find("legacy-shapes-try").path
DEBUG = find("cpp-legacy-debug").path
OBJECT = find("cpp-legacy-object").path
TO_EXNREF = ("--to", "exnref")


def wasmir(*arguments: str | Path, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], input=stdin)


def real(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "wasmir", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=60)


def converted(data: bytes) -> bytes:
    opened = Module.from_bytes(data)
    Pipeline.parse("legacy-to-exnref").run(opened)
    return opened.to_bytes()


def assert_refused(result: Result, *words: str) -> None:
    assert result.exit_code == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]


# run


def test_empty_pipeline_copies(tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    for path in (LEGACY, DEBUG, OBJECT):
        for text in ("", "  "):
            result = wasmir("run", path, "-p", text, "-o", out)
            assert result.exit_code == 0, result.output
            assert result.output == ""
            assert out.read_bytes() == path.read_bytes()


def test_run_a_pipeline(tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    result = wasmir("run", LEGACY, "-p", "legacy-to-exnref", "-o", out)
    assert result.exit_code == 0, result.output
    assert out.read_bytes() == converted(LEGACY.read_bytes())
    assert validate(out.read_bytes(), CONVERTED) is None
    assert result.stdout.startswith("legacy-to-exnref: ")
    assert f"{LEGACY.stat().st_size:,} -> {out.stat().st_size:,} bytes" in result.stdout


def test_run_with_options(tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    text = "legacy-to-exnref{elide=false, direct=false},legacy-to-exnref"
    result = wasmir("run", LEGACY, "-p", text, "-o", out, "--json")
    assert result.exit_code == 0, result.output
    first, second = json.loads(result.stdout)
    assert first["name"] == second["name"] == "legacy-to-exnref"
    assert first["functions"] > 0
    assert second["functions"] == 0
    assert first["bytes_in"] == LEGACY.stat().st_size
    assert second["bytes_out"] == out.stat().st_size > len(converted(LEGACY.read_bytes()))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("legacy-to-exnreff", "did you mean 'legacy-to-exnref'?"),
        ("legacy-to-exnref{what}", "has no option 'what'; it has: direct, elide"),
        ("legacy-to-exnref{elide=7}", "is true or false"),
    ],
)
def test_bad_pipelines_are_bad_usage(text: str, reason: str, tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    result = wasmir("run", LEGACY, "-p", text, "-o", out)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert reason in result.stderr
    assert not out.exists()


# convert-eh


def test_convert_eh(tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    result = wasmir("convert-eh", LEGACY, *TO_EXNREF, "-o", out)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert out.read_bytes() == converted(LEGACY.read_bytes())
    assert re.match(r"legacy-to-exnref: \d+ functions changed, \d+ try; ", result.stdout)


@pytest.mark.parametrize(
    "command",
    [["run", "-p", "legacy-to-exnref"], ["convert-eh", *TO_EXNREF]],
    ids=["run", "convert"],
)
def test_processes_make_no_difference(command: list[str], tmp_path: Path) -> None:
    for jobs in ("1", "3"):
        result = wasmir(*command, LEGACY, "-o", tmp_path / jobs, "--jobs", jobs)
        assert result.exit_code == 0
    assert (tmp_path / "1").read_bytes() == (tmp_path / "3").read_bytes()
    assert wasmir(*command, LEGACY, "-o", tmp_path / "0", "-j", "0").exit_code == 2


@pytest.mark.parametrize("name", ["exnref", "plain", "cpp-exnref-O2"])
def test_nothing_to_convert(name: str, tmp_path: Path) -> None:
    path, out = find(name).path, tmp_path / "out.wasm"
    result = wasmir("convert-eh", path, *TO_EXNREF, "-o", out)
    assert result.exit_code == 0, result.output
    assert out.read_bytes() == path.read_bytes()
    assert "0 functions changed" in result.stdout
    assert result.stderr == ""


def test_stale_sections_are_reported(tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    result = wasmir("convert-eh", DEBUG, *TO_EXNREF, "-o", out)
    assert result.exit_code == 0
    warned = {line.split("'")[1] for line in result.stderr.splitlines()}
    assert all(line.startswith("warning: ") for line in result.stderr.splitlines())
    kept = {each.name for each in Module.from_file(out).customs}
    assert {".debug_info", ".debug_line"} <= warned <= kept
    assert validate(out.read_bytes(), CONVERTED) is None

    stripped = wasmir("convert-eh", DEBUG, *TO_EXNREF, "-o", out, "--strip-stale")
    assert stripped.exit_code == 0
    assert stripped.stderr == ""
    assert {each.name for each in Module.from_file(out).customs} == kept - warned
    assert validate(out.read_bytes(), CONVERTED) is None


def test_there_and_back(tmp_path: Path) -> None:
    there, back = tmp_path / "there.wasm", tmp_path / "back.wasm"
    path = find("legacy-shapes-rethrow").path
    assert wasmir("convert-eh", path, *TO_EXNREF, "-o", there).exit_code == 0
    result = wasmir("convert-eh", there, "--to", "legacy", "-o", back)
    assert result.exit_code == 0, result.output
    assert "exnref-to-legacy: " in result.stdout
    assert validate(back.read_bytes()) is None
    assert validate(back.read_bytes(), CONVERTED) is not None


def test_no_way_back(tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    result = wasmir("convert-eh", find("exnref").path, "--to", "legacy", "-o", out)
    assert result.exit_code == 1
    assert "error: " in result.stderr
    assert "ref.is_null takes an exception (in function 3, at offset 0xd3)" in result.stderr
    assert not out.exists()


def test_nothing_changed_nothing_stale(tmp_path: Path) -> None:
    data = module(b"\0\x0b", after=custom(".debug_info", b"x") + custom("sourceMappingURL", b"\0"))
    path, out = tmp_path / "in.wasm", tmp_path / "out.wasm"
    path.write_bytes(data)
    for more in ((), ("--strip-stale",)):
        result = wasmir("convert-eh", path, *TO_EXNREF, "-o", out, *more)
        assert result.stderr == ""
        assert out.read_bytes() == data


def test_json_report(tmp_path: Path) -> None:
    result = wasmir("convert-eh", DEBUG, *TO_EXNREF, "-o", tmp_path / "out", "--json")
    [report] = json.loads(result.stdout)
    assert report["counts"]["try"] > 0
    assert ".debug_info" in report["stale"]
    assert report["seconds"] >= 0


# Standard streams


def test_standard_streams() -> None:
    data = LEGACY.read_bytes()
    copied = wasmir("run", "-", "-p", "", "-o", "-", stdin=data)
    assert copied.exit_code == 0
    assert copied.stdout_bytes == data
    result = wasmir("convert-eh", "-", *TO_EXNREF, "-o", "-", stdin=data)
    assert result.exit_code == 0
    assert result.stdout_bytes == converted(data)
    assert result.stderr.startswith("legacy-to-exnref: ")
    as_json = wasmir("convert-eh", "-", *TO_EXNREF, "-o", "-", "--json", stdin=data)
    assert as_json.stdout_bytes == converted(data)
    assert json.loads(as_json.stderr)[0]["name"] == "legacy-to-exnref"
    empty = wasmir("run", "-", "-p", "", "-o", "-", "--json", stdin=data)
    assert (empty.stdout_bytes, json.loads(empty.stderr)) == (data, [])


def test_info_from_standard_input() -> None:
    result = wasmir("info", "-", stdin=LEGACY.read_bytes())
    assert result.exit_code == 0
    assert "legacy-exceptions" in result.stdout


def test_bad_standard_input() -> None:
    assert_refused(wasmir("info", "-", stdin=b"(module)"), "standard input: magic header")


# info


def test_info() -> None:
    result = wasmir("info", DEBUG)
    assert result.exit_code == 0
    assert f"{DEBUG}: {DEBUG.stat().st_size:,} bytes" in result.stdout
    assert 'custom ".debug_info"' in result.stdout
    rows = dict(line.strip().split("  ", 1) for line in result.stdout.splitlines()[-4:])
    assert rows["exceptions"].strip().startswith("legacy: ")
    assert "legacy-exceptions" in rows["features"]


def test_info_as_json() -> None:
    summary = json.loads(wasmir("info", DEBUG, "--json").stdout)
    data = DEBUG.read_bytes()
    assert summary["size"] == len(data)
    sections = summary["sections"]
    # One behind the other, from the preamble to the end.
    assert sections[0]["offset"] == 8
    for one, other in pairwise(sections):
        assert one["offset"] + one["size"] == other["offset"]
    assert sections[-1]["offset"] + sections[-1]["size"] == len(data)
    opened = Module.from_bytes(data)
    entries = {each["name"]: each["entries"] for each in sections if each["id"]}
    assert entries["type"] == len(opened.types)
    imported = sum(function.imported is not None for function in opened.functions)
    assert summary["functions"] == {"imported": imported, "defined": entries["code"]}


@pytest.mark.parametrize(
    ("name", "dialect"),
    [("mixed", "mixed"), ("exnref", "exnref"), ("plain", "none"), ("legacy-no-tags", "legacy")],
)
def test_info_tells_the_dialect(name: str, dialect: str) -> None:
    summary = json.loads(wasmir("info", find(name).path, "--json").stdout)
    assert summary["exceptions"]["dialect"] == dialect


def test_info_of_throws_only() -> None:
    data = module(b"\0\x08\0\x0b", tags=1)
    summary = json.loads(wasmir("info", "-", "--json", stdin=data).stdout)
    assert summary["exceptions"] == {
        "dialect": "neutral",
        "instructions": {"throw": 1},
        "functions": 0,
    }


def test_features_of_what_the_code_does_not_show(tmp_path: Path) -> None:
    path = tmp_path / "in.wasm"
    path.write_bytes(
        assembled(
            """(module (import "" "g" (global $g i32)) (table i64 1 funcref)
                 (global i32 (i32.add (global.get $g) (i32.const 1))))"""
        )
    )
    features = summarize(Module.from_file(path)).features
    assert {"extended-const", "memory64"} <= set(features)
    path.write_bytes(assembled("(module (global i32 (i32.const 1)))"))
    assert "extended-const" not in summarize(Module.from_file(path)).features


def test_info_of_the_corpus_features() -> None:
    """At least the proposals that the manifest says a module is there for."""
    for name in ("legacy-shapes-gc", "legacy-memory64", "exnref"):
        entry = find(name)
        summary = json.loads(wasmir("info", entry.path, "--json").stdout)
        assert set(summary["features"]) >= set(entry.features), name


# passes, help, usage


def test_passes() -> None:
    result = wasmir("passes")
    assert result.exit_code == 0
    assert "legacy-to-exnref: " in result.stdout
    assert "elide=true" in result.stdout
    [listed] = [
        each
        for each in json.loads(wasmir("passes", "--json").stdout)
        if each["name"] == "legacy-to-exnref"
    ]
    options = {option["name"]: option for option in listed["options"]}
    assert options["stack"]["default"] is True
    assert options["stack"]["help"]


def test_version() -> None:
    assert __version__ in wasmir("--version").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["bogus"],
        ["info"],
        ["info", "a", "b"],
        ["run", "in.wasm", "-o", "out.wasm"],
        ["run", "in.wasm", "-p", ""],
        ["convert-eh", "in.wasm", "-o", "out.wasm"],
        ["convert-eh", "in.wasm", "-o", "out.wasm", "--to", "legacyish"],
        ["convert-eh", "in.wasm", "-o", "out.wasm", "--to", "exnref", "--bogus"],
    ],
    ids=" ".join,
)
def test_bad_usage(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = wasmir(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Usage: " in result.stderr
    assert list(tmp_path.iterdir()) == []


# What can't be processed

COMPONENT = b"\0asm\x0d\0\1\0"
BAD: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "empty": (b"", ("the input is empty", "offset 0x0")),
    "text": (b"(module)", ("text format", "wasm-tools parse")),
    "component": (COMPONENT, ("this is a component", "wasm-tools component unbundle")),
    "gzip": (gzip.compress(b"\0asm"), ("compressed",)),
    "truncated": (LEGACY.read_bytes()[:-100], ("length out of bounds", "at offset 0x")),
    "bad body": (module(b"\0\x06\x40\xff\x0b\x0b"), ("illegal opcode ff", "at offset 0x")),
    "bad label": (module(b"\0\x06\x40\x18\x05\x0b"), ("unknown label", "function 0")),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("before", [None, b"what was there"], ids=["new", "old"])
def test_failure_writes_nothing(name: str, before: bytes | None, tmp_path: Path) -> None:
    data, words = BAD[name]
    path, out = tmp_path / "in.wasm", tmp_path / "out.wasm"
    path.write_bytes(data)
    if before is not None:
        out.write_bytes(before)
    there = sorted(tmp_path.iterdir())
    assert_refused(wasmir("convert-eh", path, *TO_EXNREF, "-o", out), *words)
    assert_refused(wasmir("convert-eh", path, *TO_EXNREF, "-o", "-"), *words)
    assert sorted(tmp_path.iterdir()) == there
    assert path.read_bytes() == data
    if before is not None:
        assert out.read_bytes() == before


@pytest.mark.parametrize("name", ["empty", "text", "component", "truncated", "gzip"])
def test_every_command_refuses_what_is_no_module(name: str, tmp_path: Path) -> None:
    data, words = BAD[name]
    path = tmp_path / "in.wasm"
    path.write_bytes(data)
    assert_refused(wasmir("info", path), str(path), *words)
    assert_refused(wasmir("run", path, "-p", "", "-o", tmp_path / "out"), str(path), *words)
    assert list(tmp_path.iterdir()) == [path]


def test_relocatable_object_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    result = wasmir("convert-eh", OBJECT, *TO_EXNREF, "-o", out)
    assert_refused(result, "relocatable object", "'linking' section", "link it first")
    assert list(tmp_path.iterdir()) == []


def test_missing_input(tmp_path: Path) -> None:
    missing = tmp_path / "missing.wasm"
    assert_refused(wasmir("info", missing), str(missing), "No such file")
    assert_refused(wasmir("run", missing, "-p", "", "-o", tmp_path / "out"), "No such file")
    assert_refused(wasmir("info", tmp_path), str(tmp_path), "directory")
    assert list(tmp_path.iterdir()) == []


# Where the output goes


def test_input_is_output(tmp_path: Path) -> None:
    path = tmp_path / "module.wasm"
    path.write_bytes(LEGACY.read_bytes())
    assert wasmir("convert-eh", path, *TO_EXNREF, "-o", path).exit_code == 0
    assert path.read_bytes() == converted(LEGACY.read_bytes())
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="symbolic links and modes are POSIX's")
def test_symbolic_link(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    target, link = folder / "target.wasm", tmp_path / "link.wasm"
    target.write_bytes(b"old")
    link.symlink_to(target)
    assert wasmir("run", LEGACY, "-p", "", "-o", link).exit_code == 0
    assert link.is_symlink()
    assert target.read_bytes() == LEGACY.read_bytes()
    assert [path.name for path in folder.iterdir()] == ["target.wasm"]


@pytest.mark.skipif(os.name != "posix", reason="symbolic links and modes are POSIX's")
@pytest.mark.parametrize("mode", [0o600, 0o755, 0o640])
def test_permissions_are_kept(mode: int, tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    out.write_bytes(b"old")
    out.chmod(mode)
    assert wasmir("run", LEGACY, "-p", "", "-o", out).exit_code == 0
    assert stat.S_IMODE(out.stat().st_mode) == mode


@pytest.mark.skipif(os.name != "posix", reason="symbolic links and modes are POSIX's")
def test_permissions_of_a_new_file(tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    before = os.umask(0o027)
    try:
        assert wasmir("run", LEGACY, "-p", "", "-o", out).exit_code == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(out.stat().st_mode) == 0o640


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    out = tmp_path / "missing" / "out.wasm"
    assert_refused(wasmir("run", LEGACY, "-p", "", "-o", out), str(out.parent), "No such file")
    file = tmp_path / "file"
    file.write_bytes(b"")
    assert_refused(wasmir("run", LEGACY, "-p", "", "-o", file / "out.wasm"), str(file))
    converting = wasmir("convert-eh", LEGACY, *TO_EXNREF, "-o", tmp_path)
    assert_refused(converting, str(tmp_path), "directory")
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere"
)
def test_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        result = wasmir("run", LEGACY, "-p", "", "-o", tmp_path / "out.wasm")
    finally:
        tmp_path.chmod(0o700)
    assert_refused(result, str(tmp_path), "Permission denied")
    assert list(tmp_path.iterdir()) == []


def test_full_disk(tmp_path: Path) -> None:
    """A limit on file sizes, which is the same from inside: the write fails half way."""
    resource = pytest.importorskip("resource")
    out = tmp_path / "out.wasm"
    out.write_bytes(b"old")
    result = subprocess.run(
        [sys.executable, "-m", "wasmir", "run", str(DEBUG), "-p", "", "-o", str(out)],
        capture_output=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        timeout=60,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert result.returncode == 1
    assert result.stderr.startswith(b"error: ")
    assert out.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="there is no /dev/null")  # noqa: PTH110
def test_device_as_output() -> None:
    assert wasmir("run", LEGACY, "-p", "", "-o", "/dev/null").exit_code == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)  # noqa: PTH116


def test_failure_while_writing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.wasm"
    out.write_bytes(b"old")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(out))

    monkeypatch.setattr("os.replace", refuse)
    assert_refused(wasmir("run", LEGACY, "-p", "", "-o", out), str(out), "Permission denied")
    assert out.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [out]


# As users start it


def test_real_processes(tmp_path: Path) -> None:
    data = LEGACY.read_bytes()
    out = tmp_path / "out.wasm"
    done = real("convert-eh", LEGACY, *TO_EXNREF, "-o", out)
    assert (done.returncode, done.stderr) == (0, b"")
    assert out.read_bytes() == converted(data)
    done = real("convert-eh", "-", *TO_EXNREF, "-o", "-", stdin=data)
    assert (done.returncode, done.stdout) == (0, converted(data))
    done = real("info", "-", stdin=b"")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"error: standard input: unexpected end")
    done = real("bogus")
    assert (done.returncode, done.stdout) == (2, b"")


def test_the_command_is_installed() -> None:
    from importlib.metadata import entry_points

    [entry] = entry_points(group="console_scripts", name="wasmir")
    assert callable(entry.load())


def test_copying_loads_no_table(tmp_path: Path) -> None:
    """The shortest way stays short: nothing that knows instructions is imported."""
    code = (
        # The command leaves without unwinding, so the last word is spoken on the way out of it.
        "import os, sys; from wasmir.__main__ import main\n"
        f"sys.argv = ['wasmir', 'run', {str(LEGACY)!r}, '-p', '', '-o', {str(tmp_path / 'o')!r}]\n"
        "loaded = lambda: sorted(name for name in sys.modules if name.startswith('wasmir.isa.'))\n"
        "os._exit = lambda code: print(code, loaded())\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert done.stdout.decode().splitlines()[-1] == "0 []"


@pytest.mark.parametrize(
    "arguments",
    [["passes"], ["print", str(DEBUG)], ["run", str(DEBUG), "-p", "", "-o", "-"]],
    ids=["passes", "print", "run"],
)
def test_reader_that_leaves(arguments: list[str]) -> None:
    """Whoever reads our output may stop; that is no reason to complain."""
    read, written = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "wasmir", *arguments],
            stdout=written,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    finally:
        os.close(written)
    assert (done.returncode, done.stderr) == (1, b"")


def test_save_says_what_it_cannot(tmp_path: Path) -> None:
    opened = Module.from_file(LEGACY)
    with pytest.raises(OSError, match="No such file"):
        opened.save(tmp_path / "missing" / "out.wasm")
    with pytest.raises(UnsupportedError, match="component"):
        Module.from_bytes(COMPONENT)


# validate

WRONG = "(module (func $f (result i32) i64.const 0) (func) (func $g drop))"


def test_validate_tells_of_each_file(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.wasm"
    wrong.write_bytes(assembled(WRONG))
    gone = tmp_path / "gone.wasm"
    result = wasmir("validate", LEGACY, wrong, gone, DEBUG)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [f"{LEGACY}: valid", f"{DEBUG}: valid"]
    errors = result.stderr.splitlines()
    assert len(errors) == 2
    assert errors[0].startswith(f"error: {wrong}: type mismatch: instruction requires [i32]")
    assert 'in function 0 "f", at offset' in errors[0]
    assert errors[1] == f"error: {gone}: No such file or directory"


def test_validate_tells_of_all_errors(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.wasm"
    wrong.write_bytes(assembled(WRONG))
    for jobs in ("1", "2"):
        result = wasmir("validate", "--all-errors", "--jobs", jobs, wrong)
        assert result.exit_code == 1
        assert [line.split("(in ")[1] for line in result.stderr.splitlines()] == [
            'function 0 "f", at offset 0x1f)',
            'function 2 "g", at offset 0x25)',
        ]


def test_validate_prints_json(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.wasm"
    wrong.write_bytes(assembled(WRONG))
    result = wasmir("validate", "--json", wrong, find("mixed").path)
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)
    assert (first["file"], first["valid"], len(first["errors"])) == (str(wrong), False, 1)
    assert first["errors"][0]["function"] == '0 "f"'
    assert first["errors"][0]["offset"] == 0x1F
    assert second["valid"]
    assert "engines reject it" in second["warnings"][0]


def test_validate_warns_of_what_engines_refuse() -> None:
    result = wasmir("validate", find("mixed").path)
    assert result.exit_code == 0
    assert result.stdout.endswith(": valid\n")
    assert result.stderr.startswith(f"warning: {find('mixed').path}: the module mixes")


def test_validate_knows_features() -> None:
    assert wasmir("validate", "--features", "all", LEGACY).exit_code == 0
    result = wasmir("validate", "-f", "all,-legacy-exceptions", LEGACY)
    assert_refused(result, "try", "needs the feature legacy-exceptions")
    assert wasmir("validate", "-f", "wasm3", LEGACY).exit_code == 1
    result = wasmir("validate", "--features", "nothing", LEGACY)
    assert result.exit_code == 2
    assert "unknown feature 'nothing'" in result.stderr


def test_validate_reads_standard_input() -> None:
    result = wasmir("validate", "-", stdin=LEGACY.read_bytes())
    assert (result.exit_code, result.stdout) == (0, "-: valid\n")
    result = wasmir("validate", "-", stdin=b"\0asm")
    assert_refused(result, "-: unexpected end")


def test_verified_conversion(tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    assert wasmir("convert-eh", LEGACY, *TO_EXNREF, "--verify", "-o", out).exit_code == 0
    assert validate(out.read_bytes(), CONVERTED) is None
    pipeline = ("-p", "legacy-to-exnref,exnref-to-legacy")
    assert wasmir("run", LEGACY, *pipeline, "--verify-each", "-o", out).exit_code == 0
    assert wasmir("run", LEGACY, *pipeline, "--no-verify", "-o", out).exit_code == 0


def test_verification_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wasmir.passes import LegacyToExnref

    def spoil(_: object, module: Module) -> PassReport:
        function = next(each for each in module.functions if each.imported is None)
        function.body.items.insert(0, b"\x41\x00")
        return PassReport("legacy-to-exnref")

    monkeypatch.setattr(LegacyToExnref, "run", spoil)
    out = tmp_path / "out.wasm"
    assert wasmir("convert-eh", LEGACY, *TO_EXNREF, "-o", out).exit_code == 0
    out.unlink()
    result = wasmir("convert-eh", LEGACY, *TO_EXNREF, "--verify", "-o", out)
    assert_refused(result, str(LEGACY), "invalid after pass 'legacy-to-exnref': type mismatch")
    assert not out.exists()
