"""The specification suite's malformed modules: each is refused, in the suite's words.

Modules in the text format (``module_type`` is ``text``) are for parsers of text, and don't count.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support import force
from wasmir import MalformedError, Module, UnsupportedError, WasmError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Entry(NamedTuple):
    """One ``assert_malformed``."""

    place: str
    data: bytes
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}: {self.data[:60].hex(' ')}"


FOLDERS = {"core": 711, "proposals/custom-descriptors": 111, "proposals/custom-page-sizes": 108}
"""The suite's folders that have such modules, and how many."""

WALK = (
    "the reference interpreter decodes section by section; wasmir walks over all sections first, "
    "and here a section's size leads it into the middle of something"
)
INSIDE = (
    "the reference interpreter reads on behind the end of the section or body, and takes the next "
    "one's bytes for what is missing here; wasmir never reads there"
)
LATER = (
    "another proposal than the one that the suite's file is about gives these bytes a meaning, "
    "so that what is wrong comes later"
)

EXCEPTIONS: dict[tuple[str, str], tuple[int, str]] = {
    # The suite's words, the beginning of ours: how many, and why.
    ("integer representation too long", "malformed section id 128"): (5, WALK),
    ("integer too large", "malformed section id 128"): (8, WALK),
    ("unexpected end", "function and code section have inconsistent lengths"): (
        6,
        "a module with two mistakes, of which the container's is found first",
    ),
    ("unexpected end", "magic header not detected"): (
        3,
        "b'\\x01' is too short for the magic number, and no beginning of it either",
    ),
    ("unknown binary version", "this is a component, not a core module"): (
        3,
        "UnsupportedError: a known version of something else, and what helps",
    ),
    ("section size mismatch", "unexpected end of section or function"): (3, INSIDE),
    ("length out of bounds", "unexpected end of section or function"): (3, INSIDE),
    ("malformed limits flags", "unexpected end of section or function"): (2, LATER),
    ("integer representation too long", "malformed definition type 0xe0"): (
        1,
        "the form of a type is a byte in the specification, and an s7 in the interpreter",
    ),
    ("malformed storage type", "section size mismatch"): (
        1,
        "(ref (exact (exact 0))): wasmir takes the second 0x62 for type index 98, a u32",
    ),
}


def malformed(folder: Path) -> Iterator[Entry]:
    for path in sorted(folder.rglob("*.json")):
        for command in json.loads(path.read_text(encoding="utf-8"))["commands"]:
            if command["type"] == "assert_malformed" and command["module_type"] == "binary":
                data = (path.parent / command["filename"]).read_bytes()
                yield Entry(f"{path.stem}.wast:{command['line']}", data, command["text"])


def refusal(data: bytes) -> WasmError | None:
    try:
        force(Module.from_bytes(data))
    except WasmError as error:
        return error
    return None


@pytest.mark.parametrize("name", FOLDERS)
def test_refused(name: str, spec_folder: Path) -> None:
    entries = list(malformed(spec_folder / name))
    assert len(entries) >= FOLDERS[name]
    outcomes = [refusal(entry.data) for entry in entries]
    accepted = [entry for entry, error in zip(entries, outcomes, strict=True) if error is None]
    print(f"{name}: {len(entries)} malformed modules, {len(accepted)} accepted")
    assert not accepted, "\n" + "\n".join(map(str, accepted))
    for entry, error in zip(entries, outcomes, strict=True):
        component = entry.text == "unknown binary version" and isinstance(error, UnsupportedError)
        assert isinstance(error, MalformedError) or component, f"{entry}: {error!r}"
        offset = getattr(error, "offset", None)
        assert offset is not None, f"{entry}: {error!r}"
        assert 0 <= offset <= len(entry.data), f"{entry}: {error!r}"


def test_words(spec_folder: Path) -> None:
    """Ours contain the suite's, but for the exceptions, each of which is needed."""
    used: Counter[tuple[str, str]] = Counter()
    count = 0
    for name in FOLDERS:
        for entry in malformed(spec_folder / name):
            error = refusal(entry.data)
            assert error is not None, entry
            count += 1
            if entry.text in error.reason:
                continue
            known = [
                exception
                for exception in EXCEPTIONS
                if entry.text == exception[0] and error.reason.startswith(exception[1])
            ]
            assert len(known) == 1, f"{entry}\n  refused with: {error}"
            used[known[0]] += 1
    print(f"{count} messages, {count - used.total()} in the suite's words")
    assert used == {exception: number for exception, (number, _) in EXCEPTIONS.items()}


def test_every_folder_is_tested(spec_folder: Path) -> None:
    found = {path.parent.parent for path in spec_folder.rglob("*.json")}
    with_some = {folder for folder in found if next(malformed(folder), None) is not None}
    assert {folder.relative_to(spec_folder).as_posix() for folder in with_some} == set(FOLDERS)
