"""Runs the JavaScript cases: in Node, and in a headless Chromium."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpus.engine import EngineError, arguments
from tests.modules import assembled
from tests.runtime.program import DIALECTS, NOTICES, guarded, plain
from wasmir import Module, Pipeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FOLDER = Path(__file__).parent
LOADER = FOLDER.parents[1] / "wasmir" / "runtime" / "recover.mjs"
MINIFIED = LOADER.with_suffix(".min.mjs")
"""What ``--js`` writes, and pages load."""
JSPI = "--experimental-wasm-jspi"
"""Node's flag, until it needs none."""


@dataclass(frozen=True)
class Program:
    """The program of program.py, guarded by hand or by the passes."""

    maker: str
    notice: str
    dialect: str
    reset: bool

    def __str__(self) -> str:
        reset = "reset" if self.reset else "no-reset"
        return f"{self.maker}-{self.notice}-{self.dialect}-{reset}"

    @property
    def about(self) -> dict[str, object]:
        """What the cases want to know."""
        return {"notice": self.notice, "dialect": self.dialect, "reset": self.reset}

    @property
    def data(self) -> bytes:
        """The module."""
        if self.maker == "hand":
            return assembled(guarded(self.notice, self.dialect, reset=self.reset))
        return _passed(self)


@cache
def _passed(program: Program) -> bytes:
    module = Module.from_bytes(assembled(plain(program.dialect)))
    options = f"notice={program.notice},dialect={program.dialect}"
    Pipeline.parse(f"recover{{{options},reset={str(program.reset).lower()}}}").run(module)
    return module.to_bytes()


PROGRAMS = tuple(
    Program(maker, notice, dialect, reset)
    for maker in ("hand", "passes")
    for notice in NOTICES
    for dialect in DIALECTS
    for reset in (True, False)
)


def case_names() -> list[str]:
    """The cases of cases.mjs, one by one; those that are written in a loop as one."""
    text = (FOLDER / "cases.mjs").read_text(encoding="utf-8")
    return re.findall(r'^test\(\s*"([^"]+)"', text, re.MULTILINE)


def run_in_node(
    programs: Sequence[Program],
    folder: Path,
    *,
    loader: Path = LOADER,
    without: Iterable[str] = (),
    flags: Iterable[str] = (JSPI,),
    only: str = "",
) -> list[Mapping[str, Any]]:
    """For each program, for each case: None, what went wrong, or why it was skipped.

    Raises EngineError, NoEngineError.
    """
    request = {
        "loader": str(loader),
        "programs": [],
        "without": list(without),
        "only": only,
    }
    for program in programs:
        path = folder / f"{program}.wasm"
        path.write_bytes(program.data)
        request["programs"].append({"path": str(path), "about": program.about})  # type: ignore[attr-defined]  # a list
    return node_answer("node.mjs", request, flags)  # type: ignore[no-any-return]


def node_answer(script: str, request: object, flags: Iterable[str] = ()) -> Any:  # noqa: ANN401
    """What a script of this folder answers. Raises EngineError."""
    node, *_ = arguments()  # without the deep stack: overflows are what is tested
    result = subprocess.run(
        [node, *flags, FOLDER / script],
        input=json.dumps(request).encode(),
        capture_output=True,
        check=False,
        timeout=240,
    )
    if result.returncode != 0:
        words = result.stderr.decode(errors="replace").strip()
        raise EngineError(f"{script} failed with exit code {result.returncode}:\n{words[-4000:]}")
    return json.loads(result.stdout)
