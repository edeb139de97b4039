"""What libFuzzer runs; :mod:`tests.fuzz.guided` starts it."""

from __future__ import annotations

import hashlib
import importlib
import sys
import traceback
from pathlib import Path
from random import Random
from typing import Any


class Target:
    """Examines inputs, and writes down those that fail: one for each place of failure.

    It goes on after a failure, so that the time is used and the first one hides no others.
    """

    def __init__(self, failures: Path) -> None:
        self.failures = failures
        self.known: set[str] = set()
        # By name, so that mypy need not have it.
        self.atheris: Any = importlib.import_module("atheris")
        self.cases: Any
        self.examiner: Any
        # What is imported in here is instrumented, so everything must be, by using it once.
        with self.atheris.instrument_imports(include=["wasmir", "leb128"]):
            self.cases = importlib.import_module("tests.fuzz.cases")
            self.examiner = importlib.import_module("tests.fuzz.examine")
            for data in self.cases.seeds().values():
                self.examiner.examine(data)

    def examine(self, data: bytes) -> None:
        try:
            with self.examiner.watched(10):
                self.examiner.examine(data)
        except (Exception, self.examiner.HangError) as error:  # noqa: BLE001 - reported
            frames = traceback.extract_tb(error.__traceback__)
            place = f"{type(error).__name__} " + " ".join(
                f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-3:]
            )
            if place not in self.known:
                self.known.add(place)
                name = f"{type(error).__name__}-{hashlib.sha256(data).hexdigest()[:12]}"
                (self.failures / name).write_bytes(data)
                sys.stderr.write(f"FAILED {name}: {place}: {error}\n")

    def mutate(self, data: bytes, largest: int, seed: int) -> bytes:
        """libFuzzer's own mutations, mostly of one section's or body's content, with the sizes
        around it set right: otherwise few changes get past the walk over the sections.
        """
        random = Random(seed)
        try:
            frames = self.cases.framed(data)
            place = random.choice(frames.places())
        except (IndexError, ValueError, AssertionError):
            return bytes(self.atheris.Mutate(data, largest))
        if random.random() < 0.1:
            return bytes(self.atheris.Mutate(data, largest))

        def change(content: bytes) -> bytes:
            return bytes(self.atheris.Mutate(content, len(content) + 16))

        changed = frames.changed(place, change).joined()
        return changed if len(changed) <= largest else data


def main() -> None:
    """The first argument is the folder for failures, the rest is libFuzzer's."""
    target = Target(Path(sys.argv[1]))
    arguments = [sys.argv[0], *sys.argv[2:]]
    target.atheris.Setup(arguments, target.examine, custom_mutator=target.mutate)
    target.atheris.Fuzz()


if __name__ == "__main__":
    main()
