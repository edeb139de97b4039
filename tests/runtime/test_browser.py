"""The same cases in a page of a headless Chromium."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.runtime.browser import NoBrowserError, page, run_in_browser
from tests.runtime.engines import PROGRAMS, Program, case_names

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.fixture(scope="module")
def results() -> Mapping[Program, Mapping[str, Any]]:
    try:
        with page() as opened:
            return dict(zip(PROGRAMS, run_in_browser(opened, PROGRAMS), strict=True))
    except NoBrowserError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_every_case(program: Program, results: Mapping[Program, Mapping[str, Any]]) -> None:
    found = results[program]
    assert set(case_names()) <= set(found)
    wrong = {name: words for name, words in found.items() if isinstance(words, str)}
    assert not wrong, "\n".join(f"{name}: {words}" for name, words in wrong.items())
    assert sum(words is None for words in found.values()) >= 45
