"""Many small modules in an engine that stays: which of those that should be alike are not."""

from __future__ import annotations

import base64
import json
import subprocess
import tempfile
from dataclasses import dataclass
from threading import Timer
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self, cast

from corpus.engine import FOLDER, Call, EngineError, arguments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

__all__ = ["Compared", "Comparer", "Difference"]

_TIMEOUT: Final = 60.0


@dataclass(frozen=True)
class Difference:
    """A module, by its number in the group, that isn't like the first: it doesn't run at all, or
    does something else in a call.
    """

    module: int
    error: str | None = None
    before: Call | None = None
    after: Call | None = None

    @property
    def sort(self) -> str:
        """Whether it doesn't run, or how the calls differ."""
        if self.before is None or self.after is None:
            return "doesn't run"
        names = ("outcome", "log", "state")
        return "another " + next(
            (name for name in names if getattr(self.before, name) != getattr(self.after, name)), ""
        )

    def __str__(self) -> str:
        if self.before is None or self.after is None:
            return f"module {self.module}: {self.error}"
        lines = [f"module {self.module} has {self.sort}", f" before: {self.before}"]
        lines += [f" after:  {self.after}"]
        lines += [f" state:  {dict(self.before.state)} / {dict(self.after.state)}"]
        return "\n".join(lines)


@dataclass(frozen=True)
class Compared:
    """What came of a group: how the calls of its first module ended, and who differs from it."""

    outcomes: Mapping[str, int]
    calls: int
    differences: Sequence[Difference]


class Comparer:
    """An engine process, to be used in a ``with`` statement."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def _started(self) -> tuple[subprocess.Popen[bytes], BinaryIO]:
        if self._process is None or self._errors is None:
            self._errors = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - see close
            self._process = subprocess.Popen(
                [*arguments(), FOLDER / "compare.mjs"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
            )
        return self._process, self._errors

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, if there is one; the next question starts another."""
        process, errors = self._process, self._errors
        self._process = self._errors = None
        if process is not None:
            process.kill()
            # Waits, and closes the streams.
            process.communicate()
        if errors is not None:
            errors.close()

    def compare(
        self,
        groups: Sequence[Sequence[bytes]],
        calls: Sequence[Sequence[tuple[str, Sequence[int]]]],
        *,
        fuel: int,
    ) -> list[Compared]:
        """Run each group of modules, with the calls that belong to it.

        Raises EngineError where the engine crashes or hangs.
        """
        request = [
            {
                "modules": [base64.b64encode(data).decode() for data in group],
                "calls": each,
                "fuel": fuel,
            }
            for group, each in zip(groups, calls, strict=True)
        ]
        return [
            Compared(each["outcomes"], each["calls"], [_difference(d) for d in each["differences"]])
            for each in self._asked(request)
        ]

    def _asked(self, request: object) -> Any:  # noqa: ANN401
        process, errors = self._started()
        if process.stdin is None or process.stdout is None:
            raise EngineError("the engine has no streams")
        timer = Timer(_TIMEOUT, process.kill)
        timer.start()
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            timer.cancel()
        if not line:
            status = process.wait()
            errors.seek(0)
            words = errors.read().decode(errors="replace").strip()
            self.close()
            raise EngineError(f"compare.mjs ended with {status}:\n{words[-4000:]}")
        return json.loads(line)


def _difference(answer: Mapping[str, Any]) -> Difference:
    if "error" in answer:
        return Difference(answer["module"], answer["error"])
    return Difference(
        answer["module"], before=_call(answer["before"]), after=_call(answer["after"])
    )


def _call(answer: Mapping[str, Any]) -> Call:
    return Call(
        answer["export"],
        tuple(answer["arguments"]),
        answer["outcome"],
        answer["log"],
        answer["state"],
    )
