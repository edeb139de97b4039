"""The subject in both dialects, guarded and not, and the engine that runs schedules on it."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from corpus.engine import EngineError, arguments
from tests.modules import assembled
from wasmir import Module, Pipeline

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["VARIANTS", "Worker", "subject"]

_HERE = Path(__file__).parent

VARIANTS = {
    f"{notice}-{dialect}": (dialect, notice)
    for notice in ("host", "wasm")
    for dialect in ("exnref", "legacy")
}


def subject(dialect: str, notice: str, options: str = "") -> bytes:
    """The module of a dialect, guarded unless ``notice`` is empty."""
    module = Module.from_bytes(assembled((_HERE / "subject.wat").read_text()))
    passes = ["legacy-to-exnref"] if dialect == "exnref" else []
    if notice:
        passes.append(f"recover{{notice={notice}{options}}}")
    Pipeline.parse(",".join(passes)).run(module)
    return module.to_bytes()


class Worker:
    """An engine process, to be used in a ``with`` statement."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [*arguments(), "--experimental-wasm-jspi", "--stack-size=200", _HERE / "worker.mjs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        modules = {name: subject(*variant) for name, variant in VARIANTS.items()}
        modules |= {f"plain-{dialect}": subject(dialect, "") for dialect in ("exnref", "legacy")}
        self.load(modules)
        return self

    def load(self, modules: dict[str, bytes]) -> None:
        """Make modules known by names; what a name begins with says who notices aborts."""
        spelled = {name: base64.b64encode(data).decode() for name, data in modules.items()}
        self._ask({"modules": spelled})

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def run(
        self, module: str, schedules: list[dict[str, Any]], *, notices: bool | None = None
    ) -> list[list[list[Any]]]:
        """The events of each schedule, on an instance of its own."""
        return self._ask(
            {
                "module": module,
                "guarded": not module.startswith("plain"),
                "notices": module.startswith("host") if notices is None else notices,
                "schedules": schedules,
            }
        )

    def go_on(self, schedule: dict[str, Any]) -> list[list[Any]]:
        """The events of more steps, on the instance of the last schedule that ran."""
        [events] = self._ask({"nodes": schedule["nodes"], "top": schedule["top"]})
        return events

    def _ask(self, job: dict[str, Any]) -> list[list[list[Any]]]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise EngineError("the engine has no pipes")
        stdin.write(json.dumps(job) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise EngineError(f"the engine died: {self._process.wait()}")
        answer: list[list[list[Any]]] = json.loads(line)
        return answer
