"""What is measured on a module: a row each."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from corpus.build import wasm_tools
from tests.bench.measure import Command
from tests.bench.rivals import python_reader, translation, walrus, wasm_opt
from wasmir.passes import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["START", "VALIDATE", "Row", "rows"]

VALIDATE = "wasm-tools validate"
"""The unit, V."""
START = "python -c 'import wasmir'"
"""What each of wasmir's commands takes at least."""


class Row(NamedTuple):
    """A command, and among which others it belongs."""

    group: str
    command: Command
    ours: bool


def rows(path: Path, folder: Path, *, passes: bool = False, rivals: bool = True) -> Iterator[Row]:
    """The rows for a module, the unit first; outputs go to the folder."""
    file = str(path)
    one = {"RAYON_NUM_THREADS": "1"}
    validate = [wasm_tools(), "validate", "-f", "all", file]
    yield Row("validate", Command(VALIDATE, validate, one), ours=False)
    yield from _ours(path, folder)
    if passes:
        yield from _passes(path, folder)
    if rivals:
        yield from _rivals(path, folder)


def _wasmir() -> list[str]:
    script = Path(sys.executable).parent / "wasmir"
    return [str(script)] if script.is_file() else [sys.executable, "-m", "wasmir"]


def _ours(path: Path, folder: Path) -> Iterator[Row]:
    wasmir = _wasmir()
    work = [sys.executable, "-m", "tests.bench.work"]
    root = str(Path(__file__).resolve().parents[2])
    search = {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
    file = str(path)

    def ours(group: str, command: Command) -> Row:
        return Row(group, command, ours=True)

    def done(name: str, *words: str, cores: int = 1) -> Command:
        return Command(name, [*work, *words], search, cores=cores)

    same, imported, converted = (folder / f"{name}.wasm" for name in ("same", "import", "exnref"))
    start = [sys.executable, "-c", "import wasmir"]
    yield ours("start", Command(START, start))
    copy = [*wasmir, "run", file, "-p", "", "-o", str(same)]
    yield ours("read and write", Command("wasmir run -p ''", copy, output=same))
    yield ours("read and write", done("wasmir: framing of all bodies", "framing", file))
    yield ours("read and write", done("wasmir: skeleton of everything", "skeleton", file))
    yield ours("read and write", done("wasmir: every instruction", "instructions", file))
    two = done("wasmir: every instruction, two cores", "instructions", file, "2", cores=2)
    yield ours("read and write", two)
    added = done("wasmir: one function import added", "import", file, str(imported))
    added.output = imported
    yield ours("change", added)
    collected, dropped = (folder / f"{name}.wasm" for name in ("gc", "dropped"))
    collect = [*wasmir, "run", file, "-p", "gc", "--jobs", "1", "-o", str(collected)]
    yield ours("change", Command("wasmir run -p gc", collect, output=collected))
    drop = done("wasmir: gc without every other export", "gc", file, str(dropped))
    drop.output = dropped
    yield ours("change", drop)
    entered, counted = (folder / f"{name}.wasm" for name in ("entry", "count"))
    entry = done(
        "wasmir: calls counted, at the entry of each function", "entry", file, str(entered)
    )
    entry.output = entered
    yield ours("instrument", entry)
    count = [*wasmir, "run", file, "-p", "count", "-o", str(counted)]
    for cores, name in ((1, ""), (2, ", two cores")):
        command = Command(f"wasmir run -p count{name}", count, output=counted, cores=cores)
        yield ours("instrument", command)
    convert = [*wasmir, "convert-eh", file, "--to", "exnref", "-o", str(converted)]
    for cores, name in ((1, ""), (2, ", two cores")):
        command = Command(f"wasmir convert-eh{name}", convert, output=converted, cores=cores)
        yield ours("convert", command)
    for cores, name in ((1, ""), (2, ", two cores")):
        command = Command(f"wasmir validate{name}", [*wasmir, "validate", file], cores=cores)
        yield ours("validate", command)
    text = folder / "text.wat"
    shown = [*wasmir, "print", file, "-o", str(text)]
    for cores, name in ((1, ""), (2, ", two cores")):
        yield ours("print", Command(f"wasmir print{name}", shown, output=text, cores=cores))


def _passes(path: Path, folder: Path) -> Iterator[Row]:
    """Each pass with what it does by default, where that is more than nothing."""
    for name in BUILT_IN:
        out = folder / f"{name}.wasm"
        run = [*_wasmir(), "run", str(path), "-p", name, "-o", str(out)]
        yield Row("passes", Command(f"wasmir run -p {name}", run, output=out), ours=True)


def _rivals(path: Path, folder: Path) -> Iterator[Row]:
    """Other tools, where they are there. Each may use threads only where it has the cores."""
    file = str(path)
    rival = folder / "rival.wasm"
    runner = walrus()
    if runner is not None:
        run = [str(runner), file, str(rival)]
        for cores, name in ((1, ""), (2, ", two cores")):
            threads = {"RAYON_NUM_THREADS": str(cores)}
            command = Command(f"Walrus{name}", run, threads, rival, cores)
            yield Row("read and write", command, ours=False)
    other = wasm_opt()
    if other is not None:
        label, program = other
        run = translation(program, path, rival)
        for cores, name in ((1, ""), (2, ", two cores")):
            threads = {"BINARYEN_CORES": str(cores)}
            command = Command(f"{label}{name}", run, threads, rival, cores)
            yield Row("convert", command, ours=False)
    text = folder / "rival.wat"
    shown = [wasm_tools(), "print", file, "-o", str(text)]
    yield Row("print", Command("wasm-tools print", shown, output=text), ours=False)
    reader = python_reader()
    if reader is not None:
        label, program = reader
        yield Row("read and write", Command(label, [*program, file]), ours=False)
