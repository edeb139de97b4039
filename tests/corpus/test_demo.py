"""What the demonstration of recovery says, and that it would say otherwise."""

from __future__ import annotations

import pytest

from corpus.poison import show_poison
from wasmir.passes.guard import Guard

pytestmark = pytest.mark.usefixtures("engine")


def test_recovered_every_request_is_answered_as_it_should(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert show_poison() == 0
    told = capsys.readouterr().out
    assert told.endswith("Wrong answers: 11 unmodified, 0 recovered.\n")
    assert all(len(line) < 120 for line in told.splitlines())


def test_a_recovery_that_counts_nothing_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Guard, "leaves", lambda _, **_how: [])
    assert show_poison() == 1
    assert "0 recovered" not in capsys.readouterr().out
