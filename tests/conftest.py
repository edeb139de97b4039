"""Fixtures that skip, with a reason, where what they need is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from corpus.engine import NoEngineError, node
from tests.support import Missing, spec_tests

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def spec_folder() -> Path:
    """The specification's tests."""
    found = spec_tests()
    if isinstance(found, Missing):
        pytest.skip(found.reason)
    return found


@pytest.fixture(scope="session")
def engine() -> Path:
    """A Node that runs both dialects of exception handling."""
    try:
        return node()
    except NoEngineError as error:
        pytest.skip(str(error))
