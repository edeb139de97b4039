"""The specification's suite: what every module of it does."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.interp.script import Script

if TYPE_CHECKING:
    from pathlib import Path

COUNTS = {
    # Returns, traps, exhaustions, exceptions, unlinkable, uninstantiable.
    "core": (52636, 4923, 15, 18, 200, 54),
    "legacy": (45, 2, 0, 23, 0, 0),
    "custom": (0, 0, 0, 0, 0, 0),
    "proposals/custom-descriptors": (271, 213, 0, 0, 1, 3),
    "proposals/custom-page-sizes": (27, 4, 0, 0, 2, 0),
    "proposals/threads": (214, 53, 0, 0, 59, 0),
    "proposals/wide-arithmetic": (99, 0, 0, 0, 0, 0),
}
ASSERTIONS = ("return", "trap", "exhaustion", "exception", "unlinkable", "uninstantiable")


def ran(folder: Path, **options: bool | int) -> Counter[str]:
    """Everything in a folder; fails with what is wrong."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for path in sorted(folder.glob("*/*.json")):
        script = Script(path, **options)
        script.run()
        counts += script.counts
        wrong += script.wrong
    print(f"{folder.name}: {dict(counts)}, {len(wrong)} wrong")
    assert not wrong, "\n" + "\n".join(wrong[:40])
    return counts


@pytest.mark.parametrize("name", COUNTS)
def test_every_assertion(name: str, spec_folder: Path) -> None:
    counts = ran(spec_folder / name)
    assert tuple(counts[f"assert_{each}"] for each in ASSERTIONS) == COUNTS[name]


def test_every_folder_is_tested(spec_folder: Path) -> None:
    found = {path.parent.parent for path in spec_folder.rglob("*.json")}
    assert {folder.relative_to(spec_folder).as_posix() for folder in found} == set(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_flat(name: str, spec_folder: Path) -> None:
    """The form for deep nesting, for all functions."""
    ran(spec_folder / name, nested=-1)


@pytest.mark.parametrize("name", ["core", "legacy"])
def test_nested_in_flat(name: str, spec_folder: Path) -> None:
    """Both forms in each other, with limited fuel."""
    ran(spec_folder / name, nested=1, fuel=True)


def test_traced(spec_folder: Path) -> None:
    ran(spec_folder / "legacy", trace=True)
