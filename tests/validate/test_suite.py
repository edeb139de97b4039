"""The specification's suite: every module is valid, and what isn't is refused in its words."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.binary.test_malformed import EXCEPTIONS
from tests.support import without_compact_imports
from wasmir import InvalidError, MalformedError, Module, WasmError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDERS = {
    # With what the suite's files may use. That of threads was forked before there were several
    # memories or tables.
    "core": "wasm3",
    "legacy": "wasm3,legacy-exceptions",
    "custom": "wasm3",
    "proposals/custom-descriptors": "wasm3,custom-descriptors",
    "proposals/custom-page-sizes": "wasm3,custom-page-sizes",
    "proposals/threads": "wasm3,threads,-multi-memory,-reference-types",
    "proposals/wide-arithmetic": "wasm3,wide-arithmetic",
}
"""The suite's folders, and the features that are on in each."""

COUNTS = {
    # Modules, assert_invalid, assert_malformed; those in the binary format.
    "core": (2495, 2706, 711),
    "legacy": (6, 12, 0),
    "custom": (7, 0, 0),
    "proposals/custom-descriptors": (96, 157, 111),
    "proposals/custom-page-sizes": (43, 19, 108),
    "proposals/threads": (173, 96, 0),
    "proposals/wide-arithmetic": (2, 8, 0),
}


class Case(NamedTuple):
    """A module of the suite; ``text`` says why it is refused, ``None`` where it is valid."""

    place: str
    kind: str
    data: bytes
    text: str | None

    def __str__(self) -> str:
        return f"{self.place}: {self.kind}: {self.text}"


# What is instantiated, linked or refused by a later phase is valid here.
REFUSED = ("assert_invalid", "assert_malformed")


def cases(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("*/*.json")):
        for command in json.loads(path.read_text(encoding="utf-8"))["commands"]:
            name = command.get("filename", "")
            if not name.endswith(".wasm") or command.get("module_type", "binary") != "binary":
                continue
            kind = command["type"]
            data = (path.parent / name).read_bytes()
            if folder.name == "legacy" and kind not in REFUSED:
                data = without_compact_imports(data)
            text = command["text"] if kind in REFUSED else None
            yield Case(f"{path.stem}.wast:{command['line']}", kind, data, text)


def refusal(data: bytes, features: str) -> WasmError | None:
    try:
        Module.from_bytes(data).validate(features=features)
    except WasmError as error:
        return error
    return None


@pytest.mark.parametrize("name", FOLDERS)
def test_verdicts_and_words(name: str, spec_folder: Path) -> None:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for case in cases(spec_folder / name):
        error = refusal(case.data, FOLDERS[name])
        counts["module" if case.text is None else case.kind] += 1
        if (case.text is None) != (error is None):
            wrong.append(f"{case}: {error!r}")
        elif error is not None and not in_its_words(case, error):
            wrong.append(f"{case}: {error}")
        elif case.kind == "assert_invalid":
            assert isinstance(error, (InvalidError, MalformedError)), case
    print(f"{name}: {dict(counts)}, {len(wrong)} wrong")
    assert not wrong, "\n" + "\n".join(wrong[:40])
    found = counts["module"], counts["assert_invalid"], counts["assert_malformed"]
    assert found == COUNTS[name]


def in_its_words(case: Case, error: WasmError) -> bool:
    """Whether the suite's text is in ours. What is malformed has the exceptions that the tests of
    malformed modules give reasons for.
    """
    assert case.text is not None
    if case.text in error.reason:
        return True
    if case.kind == "assert_invalid":
        return False
    return any(case.text == theirs and error.reason.startswith(ours) for theirs, ours in EXCEPTIONS)


def test_errors_say_where(spec_folder: Path) -> None:
    """In a function body: which function, at which byte."""
    count = 0
    for case in cases(spec_folder / "core"):
        if case.kind != "assert_invalid":
            continue
        error = refusal(case.data, "wasm3")
        if (
            not isinstance(error, InvalidError)
            or error.function is None
            or "; at " not in str(error)
        ):
            continue
        count += 1
        assert error.offset is not None, case
        module = Module.from_bytes(case.data)
        function = module.functions[int(error.function.split()[0])]
        assert function.offset <= error.offset < function.offset + len(function.code), case
    assert count > 2000


def test_everything_is_standard_or_named(spec_folder: Path) -> None:
    """With all features on the standard's modules are valid, too."""
    for name in FOLDERS:
        for case in cases(spec_folder / name):
            if case.text is None:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    error = refusal(case.data, "all")
                assert error is None, f"{case}: {error}"


def test_every_folder_is_tested(spec_folder: Path) -> None:
    found = {path.parent.parent for path in spec_folder.rglob("*.json")}
    assert {folder.relative_to(spec_folder).as_posix() for folder in found} == set(FOLDERS)
