"""What is loaded and compiled on first use isn't what a case costs."""

from __future__ import annotations

import pytest

from corpus.manifest import find
from tests.fuzz.examine import examine


@pytest.fixture(scope="session", autouse=True)
def warm() -> None:
    """Do all that is done with a case, once."""
    for name in ("cpp-legacy-O2", "legacy-shapes-gc"):
        examine(find(name).path.read_bytes())
