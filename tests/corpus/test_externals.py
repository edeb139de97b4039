"""Modules that others published: they come back unchanged, and their conversions are valid."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from corpus.build import wasm_tools
from corpus.manifest import External, externals, find
from tests.corpus import check, work
from tests.modules import SCALE
from tests.support import CONVERTED, fetched
from tests.support import validate as agreed_error
from wasmir import Module, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

EACH = pytest.mark.parametrize("entry", externals(), ids=lambda entry: entry.name)

LARGE = 8_000_000
"""In bytes: from here on a module has tens of thousands of bodies."""


def _external(name: str) -> External:
    entry = find(name)
    assert isinstance(entry, External)
    return entry


@EACH
def test_comes_back_and_is_what_the_manifest_says(entry: External) -> None:
    fetched(entry)
    assert work.round_trip(entry.path) == {
        "eh": entry.eh,
        "exceptions": entry.exceptions,
        "features": list(entry.features),
        "size": entry.files[0].size,
    }


@EACH
def test_every_body_is_encoded_again(entry: External) -> None:
    """Of the largest modules one body in five; ``python -m tests.corpus.check`` takes them all."""
    fetched(entry)
    found = work.bodies(entry.path, every=1 if entry.files[0].size < LARGE else 5 // SCALE or 1)
    assert found["functions"] > 0
    if entry.eh in {"legacy", "exnref"}:
        assert found["outlines"] > 0


@EACH
def test_is_valid_before_and_after_the_conversion(entry: External, tmp_path: Path) -> None:
    """For wasm-tools and for wasmir; what has nothing to convert stays as it is, to the byte."""
    data = fetched(entry)
    assert agreed_error(data) is None
    out = tmp_path / "converted.wasm"
    found = work.convert(entry.path, out)
    assert found["legacy"] == (entry.eh == "legacy")
    if not found["legacy"]:
        return
    converted = out.read_bytes()
    assert agreed_error(converted, CONVERTED) is None
    before = entry.exceptions["try"]
    after = work.round_trip(out)
    assert after["eh"] == "exnref"
    assert 0 < after["exceptions"]["try_table"] <= 2 * before
    assert abs(found["growth"]) < 0.035 * len(data)


def test_a_component_of_real_parts_is_refused(tmp_path: Path) -> None:
    """A module for WASI and the adapter that others publish for it, put together by wasm-tools."""
    module, adapter = _external("taglib-exnref"), _external("wasi-adapter")
    for entry in (module, adapter):
        fetched(entry)
    out = tmp_path / "component.wasm"
    adapt = f"wasi_snapshot_preview1={adapter.path}"
    command = [wasm_tools(), "component", "new", str(module.path), "--adapt", adapt, "-o", str(out)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    message = "this is a component, not a core module; its core modules come out of it with"
    with pytest.raises(UnsupportedError, match=message):
        Module.from_file(out)


# The checker itself


def test_the_check_passes_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In processes of its own; a module that isn't what was fetched fails, with the reason."""
    entry = _external("awkward-cpp-library")
    data = fetched(entry)
    assert check.main([entry.name, "--json", str(tmp_path / "numbers.json")]) == 0
    assert "1 passed, 0 failed" in capsys.readouterr().out
    assert '"growth": 10' in (tmp_path / "numbers.json").read_text()

    monkeypatch.setenv("WASMIR_CORPUS_CACHE", str(tmp_path / "cache"))
    entry.path.parent.mkdir(parents=True)
    broken = bytearray(data)
    # The first `try` gets a type that no block can have.
    code = next(section for section in Module.from_bytes(data).sections if section.id == 10)
    broken[broken.index(b"\x06\x40", code.start) + 1] = 0x41
    entry.path.write_bytes(broken)
    assert check.main([entry.name]) == 1
    said = capsys.readouterr().out
    assert "round_trip: exit code 1" in said
    assert "validate: wasm-tools: error" in said
    assert f"0 passed, 1 failed {entry.name}" in said
    entry.path.unlink()
    assert check.main([entry.name]) == 1
    assert "`python -m corpus fetch awkward-cpp-library` gets it" in capsys.readouterr().out
    assert check.main(["plain"]) == 1
    assert "plain is our own" in capsys.readouterr().err
