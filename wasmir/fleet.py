"""One pipeline on many files: in processes, or wherever an executor does its work."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wasmir.ir.fork import usable_cores
from wasmir.ir.module import Module
from wasmir.pipeline import Mapped, Pipeline, Verify
from wasmir.pipeline.scripts import explain_failure, script_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["RECORD", "map_files"]

RECORD = "wasmir-run.jsonl"
"""The file of a folder that says from what its modules were made: a line of JSON each."""


def map_files(
    pipeline: Pipeline,
    files: Iterable[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    executor: Executor | None,
    verify: Verify,
) -> Iterator[Mapped]:
    """See :meth:`wasmir.pipeline.Pipeline.map`."""
    target = Path(folder)
    wanted: dict[str, str] = {}
    for file in (os.fspath(each) for each in files):
        name = Path(file).name
        if name in wanted:
            raise ValueError(f"{wanted[name]} and {file} would both become {target / name}")
        if Path(file).resolve() == (target / name).resolve():
            raise ValueError(f"{file} would be replaced by what is made of it: name another folder")
        wanted[name] = file
    target.mkdir(parents=True, exist_ok=True)
    return _mapped(pipeline, wanted, target, executor, verify)


def _mapped(
    pipeline: Pipeline,
    wanted: dict[str, str],
    target: Path,
    executor: Executor | None,
    verify: Verify,
) -> Iterator[Mapped]:
    known = _recorded(target / RECORD)
    lock = threading.Lock()
    with ExitStack() as stack:
        if executor is None:
            executor = stack.enter_context(ProcessPoolExecutor(usable_cores()))
        record = stack.enter_context((target / RECORD).open("a", encoding="utf-8"))

        noted: set[str] = set()

        def note(done: Future[tuple[Mapped, dict[str, str]]]) -> None:
            """As soon as it is done, whoever waits for what: a run may end at any time. Who waits
            may be faster than who is called back, so both come here.
            """
            if done.cancelled() or done.exception() is not None:
                return
            mapped, made = done.result()
            with lock:
                if made and not mapped.skipped and made["name"] not in noted:
                    noted.add(made["name"])
                    record.write(json.dumps(made) + "\n")
                    record.flush()

        futures = []
        for name, file in wanted.items():
            output = str(target / name)
            future = executor.submit(_map_one, pipeline, file, output, verify, known.get(name))
            future.add_done_callback(note)
            futures.append((file, output, future))
        try:
            for file, output, future in futures:
                try:
                    mapped, _ = future.result()
                except Exception as error:  # noqa: BLE001 - whatever the executor raises
                    mapped = Mapped(file, output, error=_told(error))
                note(future)
                yield mapped
        finally:
            for _, _, future in futures:
                future.cancel()


def _recorded(path: Path) -> dict[str, dict[str, Any]]:
    """What is known of each output, by name; a line that a run was ended in counts for nothing."""
    known = {}
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    for line in lines:
        try:
            made = json.loads(line)
            known[str(made["name"])] = made
        except (ValueError, TypeError, KeyError):
            continue
    return known


def _map_one(
    pipeline: Pipeline, file: str, output: str, verify: Verify, known: dict[str, Any] | None
) -> tuple[Mapped, dict[str, str]]:
    """The work on one file: what became of it, and what there is to note of that."""
    mapped = Mapped(file, output)
    path = Path(output)
    try:
        data = Path(file).read_bytes()
        made = {
            "name": path.name,
            "input": _digest(data),
            "pipeline": str(pipeline),
            "verify": verify.name,
            "version": version("wasmir"),
        }
        scripts = [script_of(each) for each in pipeline.passes]
        if any(scripts):
            made["scripts"] = ",".join(each.digest for each in scripts if each is not None)
        if known is not None and made.items() <= known.items() and path.is_file():
            mapped.skipped = _digest(path.read_bytes()) == known.get("output")
        if not mapped.skipped:
            mapped.reports, encoded = pipeline.run_and_encode(
                Module.from_bytes(data), verify=verify
            )
            encoded.save(path)
            made["output"] = _digest(encoded.data)
    except OSError as error:
        mapped.error = _told(error)
        return mapped, {}
    except Exception as error:  # noqa: BLE001 - a pass of somebody else's may raise anything
        mapped.error = explain_failure(error)
        return mapped, {}
    return mapped, made


def _told(error: BaseException) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error) or type(error).__name__


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
