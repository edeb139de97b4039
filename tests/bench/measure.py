"""One command in a process of its own: wall-clock time and peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["Command", "Sample", "bytecode_kept", "interleaved", "one_core"]

# ru_maxrss is in kilobytes, but on macOS in bytes.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Sample:
    """One run."""

    seconds: float
    peak: int
    """Bytes resident at most, of the largest process. Never less than this process has: a child
    starts as its copy.
    """


@dataclass
class Command:
    """Something to measure, and its runs so far."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    output: Path | None = None
    #: How many cores it may use.
    cores: int = 1
    samples: list[Sample] = field(default_factory=list)
    #: The runs' times, each in times of the unit's run just before.
    ratios: list[float] = field(default_factory=list)
    failure: str | None = None

    @property
    def ratio(self) -> float | None:
        """The median of the ratios, if the unit could be measured."""
        return median(self.ratios) if self.ratios else None

    @property
    def seconds(self) -> float:
        """The median of the runs."""
        return median(sample.seconds for sample in self.samples)

    @property
    def spread(self) -> float:
        """The slowest run over the fastest: how far the median is to be believed."""
        times = [sample.seconds for sample in self.samples]
        return max(times) / min(times)

    @property
    def peak(self) -> float:
        """The median of the runs' peaks."""
        return median(sample.peak for sample in self.samples)


@contextmanager
def one_core() -> Iterator[int | None]:
    """Keep this process, and those that it starts, on one core; which, or None if that can't be."""
    if sys.platform != "linux":
        yield None
        return
    before = os.sched_getaffinity(0)
    core = max(before)  # the first tends to have the interrupts
    os.sched_setaffinity(0, {core})
    try:
        yield core
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _on(cores: int) -> Iterator[None]:
    """Let what is started use so many cores."""
    if cores == 1 or sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    # The kernel takes those that this process may have.
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def bytecode_kept() -> Iterator[None]:
    """Let Python keep the bytecode of what it imports, as an installed package has it."""
    wanted = "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"
    before = {name: os.environ.pop(name, None) for name in wanted}
    with tempfile.TemporaryDirectory(prefix="wasmir-bench-") as folder:
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        try:
            yield
        finally:
            del os.environ["PYTHONPYCACHEPREFIX"]
            os.environ.update({name: value for name, value in before.items() if value is not None})


def interleaved(unit: Command, commands: Sequence[Command], runs: int) -> None:
    """Run all commands in turn, ``runs`` times after a warm-up, and the unit before each of them.

    A machine's speed changes from minute to minute: what is compared must run side by side.
    """
    for round_ in range(runs + 1):
        for command in commands:
            measure = _run(unit) if unit.failure is None else None
            if round_ > 0 and measure is not None:
                unit.samples.append(measure)
            if command.failure is None:
                sample = _run(command)
                if round_ > 0 and sample is not None:
                    command.samples.append(sample)
                    if measure is not None:
                        command.ratios.append(sample.seconds / measure.seconds)


def _run(command: Command) -> Sample | None:
    start = time.perf_counter()
    try:
        with _on(command.cores):
            process = subprocess.Popen(
                command.arguments,
                env={**os.environ, **command.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
    except OSError as error:
        command.failure = str(error)
        return None
    with process:
        assert process.stderr is not None
        words = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        lines = words.decode(errors="replace").strip().splitlines() or ["no message"]
        command.failure = f"exit code {process.returncode}: {lines[-1]}"
        return None
    if command.output is not None and not command.output.is_file():
        command.failure = "exit code 0, and no output"
        return None
    return Sample(seconds, usage.ru_maxrss * _RSS_UNIT)
