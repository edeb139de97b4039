"""What is printed assembles to what was printed: the corpus, the specification's suite, and modules
that wasm-tools and our own generators make of random numbers.
"""

from __future__ import annotations

import filecmp
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from corpus.manifest import externals, modules
from tests.differential.batch import KINDS
from tests.differential.choices import seeded
from tests.modules import SCALE, program
from tests.support import fetched
from tests.text.equivalence import ALL_STYLES, difference
from tests.validate.agreement import cases as random_cases
from tests.validate.agreement import judge
from tests.validate.test_suite import FOLDERS, cases
from wasmir.text import Style

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from corpus.manifest import External

SPELLED_OTHERWISE = {
    # Modules of the suite that don't come back byte for byte: they are spelled in ways that text
    # can't say, as with padded integers, empty sections, or data counts that nobody needs.
    "core": 51,
    "legacy": 0,
    "custom": 0,
    "proposals/custom-descriptors": 12,
    "proposals/custom-page-sizes": 12,
    "proposals/threads": 0,
    "proposals/wide-arithmetic": 1,
}


LARGE = 12_000_000
"""Bytes. Folded, what is larger would take minutes, and show nothing new."""


def check(named: Iterable[tuple[str, bytes]], style: Style) -> Counter[str]:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for name, data in named:
        try:
            found = difference(data, style)
        except AssertionError as error:
            found = str(error)
        counts["same bytes" if found == "" else "same module" if found is None else "wrong"] += 1
        if found:
            wrong.append(f"{name}: {found}")
    print(f"{style}: {dict(counts)}")
    assert not wrong, "\n" + "\n".join(wrong[:20])
    return counts


@pytest.mark.parametrize("style", ALL_STYLES, ids=str)
def test_corpus(style: Style) -> None:
    program()
    entries = [(entry.name, entry.path.read_bytes()) for entry in modules()]
    assert check(entries, style).total() > 40


@pytest.mark.parametrize("name", FOLDERS)
def test_suite(name: str, spec_folder: Path) -> None:
    program()
    valid = [(str(case), case.data) for case in cases(spec_folder / name) if case.text is None]
    counts = check(valid, Style())
    assert counts["same module"] == SPELLED_OTHERWISE[name]


@pytest.mark.parametrize("name", FOLDERS)
def test_suite_folded(name: str, spec_folder: Path) -> None:
    program()
    valid = [(str(case), case.data) for case in cases(spec_folder / name) if case.text is None]
    counts = check(valid, Style(folded=True))
    assert counts["same module"] == SPELLED_OTHERWISE[name]


@pytest.mark.parametrize("kind", KINDS)
def test_generated_exception_handling(kind: str) -> None:
    """Random control flow of both dialects, as the differential tests run it."""
    program()
    made = [(f"{kind} {seed}", KINDS[kind].make(seeded(seed))) for seed in range(40 * SCALE)]
    for style in ALL_STYLES[:2]:
        check(made, style)


# Not those on request: where they were fetched, they would take many minutes.
WANTED = [entry for entry in externals() if not entry.on_request]


@pytest.mark.slow
@pytest.mark.parametrize("entry", WANTED, ids=lambda entry: str(entry.name))
def test_real_modules(entry: External, tmp_path: Path) -> None:
    """By files and processes: the text of a large module is ten times as large."""
    fetched(entry)
    text, again = tmp_path / "text.wat", tmp_path / "again.wasm"
    theirs, ours = tmp_path / "theirs.wat", tmp_path / "ours.wat"
    run([program(), "print"], entry.path, theirs)
    for style in (Style(), Style(folded=True)):
        if style.folded and entry.path.stat().st_size > LARGE:
            continue
        options = ["--folded"] if style.folded else []
        run([sys.executable, "-m", "wasmir", "print", *options], entry.path, text)
        run([program(), "parse"], text, again)
        run([program(), "print"], again, ours)
        assert filecmp.cmp(theirs, ours, shallow=False)


def run(command: list[str], file: Path, output: Path) -> None:
    line = [*command, str(file), "-o", str(output)]
    done = subprocess.run(line, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[:2000]


@pytest.mark.parametrize("style", ALL_STYLES[:3], ids=str)
@pytest.mark.parametrize("kind", ["smith", "mutated-smith", "code-mutation"])
def test_random_modules(kind: str, style: Style) -> None:
    program()
    first = 1000 * ALL_STYLES.index(style)
    found = random_cases(kind, range(first, first + 60 * SCALE))
    # What was mutated need not be valid, but it has to be read by wasm-tools to be compared.
    valid = [(f"{kind} {number}", data) for number, data in found if judge(data).theirs is None]
    check(valid, style)
