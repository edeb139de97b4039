"""Truncated, mutated and random bytes. ``python -m tests.fuzz --cases 1000000`` tries more."""

from __future__ import annotations

import signal
from collections import Counter
from random import Random

import pytest

from tests.fuzz import many
from tests.fuzz.cases import MAKERS, SHARES, case, new_byte, seeds
from tests.fuzz.examine import HangError, examine, watched
from tests.fuzz.guided import KEPT
from tests.modules import SCALE
from wasmir import MalformedError, Module

COUNT = 3000
"""Random cases in all, at the usual scale."""

SMALLEST = 450 if SCALE == 1 else 1 << 20
"""Below this size, in bytes, a module is tried at each of its bytes."""


def test_the_seeds_are_well_formed() -> None:
    for name, data in seeds().items():
        assert examine(data) == "module", name
    assert len(seeds()) > 8


@pytest.mark.parametrize("name", [name for name, data in seeds().items() if len(data) < SMALLEST])
def test_truncation_at_every_byte(name: str) -> None:
    data = seeds()[name]
    ends = {8, *(each.end for each in Module.from_bytes(data).sections)}
    for length in range(len(data)):
        with watched():
            kind = examine(data[:length])
        # At the end of a section nothing need be missed. Elsewhere it is noticed at once.
        assert kind == "malformed" or length in ends
        if length not in ends:
            with pytest.raises(MalformedError) as caught:
                Module.from_bytes(data[:length])
            assert "unexpected end" in caught.value.reason
            assert caught.value.offset <= length


@pytest.mark.parametrize("name", [name for name, data in seeds().items() if len(data) < SMALLEST])
def test_mutation_at_every_byte(name: str) -> None:
    data = seeds()[name]
    random = Random(name)
    outcomes: Counter[str] = Counter()
    for at in range(len(data)):
        with watched():
            changed = bytes([new_byte(random, data[at])])
            outcomes[examine(data[:at] + changed + data[at + 1 :])] += 1
    assert outcomes["module"]
    assert outcomes["malformed"]


@pytest.mark.parametrize("maker", MAKERS)
def test_cases(maker: str) -> None:
    outcomes: Counter[str] = Counter()
    for number in range(round(COUNT * SCALE * SHARES[maker])):
        data = case(maker, number)
        try:
            with watched():
                outcomes[examine(data)] += 1
        except BaseException as error:
            error.add_note(f"case {number} of {maker}: {data.hex()}")
            raise
    print(maker, dict(outcomes))
    assert outcomes["module"]
    assert outcomes["malformed"]


def test_cases_are_the_same_every_time() -> None:
    for maker in MAKERS:
        assert case(maker, 7) == case(maker, 7)
        assert len({case(maker, number) for number in range(20)}) > 10


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert many.main(["--cases", "300", "--jobs", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("300 cases in ")


@pytest.mark.parametrize(
    "wrong", [IndexError("found"), RecursionError("found"), HangError("found")]
)
def test_what_fails_is_reported(wrong: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_data: bytes) -> str:
        raise wrong

    monkeypatch.setattr(many, "examine", fails)
    chunk = many._run(many.Chunk("noise", 5, 2))
    assert chunk.outcomes == {"FAILED": 2}
    assert chunk.failures[0].startswith(f"case 5 of noise: {case('noise', 5).hex()}")
    assert type(wrong).__name__ in chunk.failures[0]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this platform")
def test_hangs_are_noticed() -> None:
    def hang() -> None:
        while True:
            pass

    with pytest.raises(HangError), watched(0.05):
        hang()


def test_kept_inputs() -> None:
    """What coverage-guided fuzzing kept: see tests/fuzz/guided.py."""
    kept = sorted(KEPT.iterdir())
    assert len(kept) > 100
    assert sum(path.stat().st_size for path in kept) < 200_000
    outcomes: Counter[str] = Counter()
    for path in kept:
        with watched():
            outcomes[examine(path.read_bytes())] += 1
    assert set(outcomes) >= {"module", "malformed", "invalid"}
