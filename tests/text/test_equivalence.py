"""What is printed assembles to what was printed: the corpus, the specification's suite, and modules
that wasm-tools and our own generators make of random numbers.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from corpus.manifest import modules
from tests.modules import SCALE, program
from tests.text.equivalence import ALL_STYLES, difference
from tests.validate.agreement import cases as random_cases
from tests.validate.agreement import judge
from tests.validate.test_suite import FOLDERS, cases
from wasmir.text import Style

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

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


@pytest.mark.parametrize("style", ALL_STYLES[:3], ids=str)
@pytest.mark.parametrize("kind", ["smith", "mutated-smith", "code-mutation"])
def test_random_modules(kind: str, style: Style) -> None:
    program()
    first = 1000 * ALL_STYLES.index(style)
    found = random_cases(kind, range(first, first + 60 * SCALE))
    # What was mutated need not be valid, but it has to be read by wasm-tools to be compared.
    valid = [(f"{kind} {number}", data) for number, data in found if judge(data).theirs is None]
    check(valid, style)
