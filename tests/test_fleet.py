"""One pipeline on many files."""

from __future__ import annotations

import json
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from click.testing import CliRunner

from corpus.manifest import modules
from wasmir import Module, Pass, PassReport, Pipeline
from wasmir.cli import cli
from wasmir.fleet import RECORD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LEGACY = [each.path for each in modules() if each.eh == "legacy" and each.path.suffix == ".wasm"][
    :12
]
CONVERT = Pipeline.parse("legacy-to-exnref")


@pytest.fixture(scope="module")
def wanted() -> dict[str, bytes]:
    found = {}
    for path in LEGACY:
        module = Module.from_file(path)
        CONVERT.run(module)
        found[path.name] = module.to_bytes(keep_stale=True)
    return found


def made(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.wasm")}


def test_processes(tmp_path: Path, wanted: dict[str, bytes]) -> None:
    found = list(CONVERT.map(LEGACY, tmp_path / "out"))
    assert made(tmp_path / "out") == wanted
    assert [each.file for each in found] == [str(path) for path in LEGACY]
    assert [each.output for each in found] == [str(tmp_path / "out" / path.name) for path in LEGACY]
    assert all(each.error is None and not each.skipped for each in found)
    assert all(each.reports[0].functions > 0 for each in found)


def test_a_second_run_resumes(tmp_path: Path, wanted: dict[str, bytes]) -> None:
    with ThreadPoolExecutor(2) as executor:
        list(CONVERT.map(LEGACY[:5], tmp_path, executor))
        times = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.wasm")}
        # One was damaged since, one is gone, and the last line was cut off.
        damaged, gone = (tmp_path / path.name for path in LEGACY[:2])
        damaged.write_bytes(b"damaged")
        gone.unlink()
        with (tmp_path / RECORD).open("a") as record:
            record.write('{"name": "')
        found = list(CONVERT.map(LEGACY, tmp_path, executor))
        assert [each.skipped for each in found[:6]] == [False, False, True, True, True, False]
        assert made(tmp_path) == wanted
        for path in LEGACY[2:5]:
            assert (tmp_path / path.name).stat().st_mtime_ns == times[path.name]
        # Other passes make something else of it.
        other = Pipeline.parse("legacy-to-exnref{hoist=false}")
        assert not any(each.skipped for each in other.map(LEGACY[:3], tmp_path, executor))
        assert all(each.skipped for each in other.map(LEGACY[:3], tmp_path, executor))


def test_a_bad_module_fails_alone(tmp_path: Path, wanted: dict[str, bytes]) -> None:
    bad, missing = tmp_path / "bad.wasm", tmp_path / "missing.wasm"
    bad.write_bytes(LEGACY[0].read_bytes()[:200])
    files = [LEGACY[0], bad, LEGACY[1], missing, LEGACY[2]]
    with ThreadPoolExecutor(1) as executor:
        found = list(CONVERT.map(files, tmp_path / "out", executor))
    assert [each.error is None for each in found] == [True, False, True, False, True]
    assert "unexpected end" in (found[1].error or "")
    assert found[3].error == "No such file or directory"
    assert made(tmp_path / "out") == {path.name: wanted[path.name] for path in LEGACY[:3]}
    assert len((tmp_path / "out" / RECORD).read_text().splitlines()) == 3


@dataclass(frozen=True)
class Failing(Pass):
    """A pass with a mistake in it."""

    name: ClassVar[str] = "failing"

    def run(self, module: Module) -> PassReport:
        raise LookupError(len(module.functions))


def test_a_pass_may_fail_in_any_way(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        [found] = Pipeline((Failing(),)).map(LEGACY[:1], tmp_path, executor)
    assert (found.error or "").startswith("LookupError: ")
    assert made(tmp_path) == {}


class Losing(Executor):
    """One whose workers die."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401, ARG002 - as its base has them
        future: Future[Any] = Future()
        future.set_exception(RuntimeError("a worker died"))
        return future


def test_an_executor_may_lose_work(tmp_path: Path) -> None:
    found = list(CONVERT.map(LEGACY[:2], tmp_path, Losing()))
    assert [each.error for each in found] == ["a worker died"] * 2
    assert all(not each.skipped for each in CONVERT.map(LEGACY[:2], tmp_path))


def test_bad_folders(tmp_path: Path) -> None:
    twin = tmp_path / "twin" / LEGACY[0].name
    twin.parent.mkdir()
    twin.write_bytes(LEGACY[0].read_bytes())
    with pytest.raises(ValueError, match="would both become"):
        CONVERT.map([LEGACY[0], twin], tmp_path / "out")
    with pytest.raises(ValueError, match="would be replaced"):
        CONVERT.map([twin], twin.parent)
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="exists"):
        CONVERT.map([twin], tmp_path / "file")


def test_dask(tmp_path: Path, wanted: dict[str, bytes]) -> None:
    distributed = pytest.importorskip(
        "distributed", reason="Dask is not here; `pip install distributed` gets it"
    )
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": False}
    with distributed.Client(**options, dashboard_address=None) as client:
        found = list(CONVERT.map(LEGACY, tmp_path, client.get_executor()))
    assert all(each.error is None for each in found)
    assert made(tmp_path) == wanted


# The command


def wasmir(*arguments: object) -> Any:  # noqa: ANN401 - click's result
    return CliRunner().invoke(cli, [str(each) for each in arguments])


def test_command(tmp_path: Path, wanted: dict[str, bytes]) -> None:
    bad = tmp_path / "bad.wasm"
    bad.write_bytes(b"no module")
    out = tmp_path / "out"
    result = wasmir("run", *LEGACY[:3], bad, "-p", "legacy-to-exnref", "-o", out)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {bad}: ")
    assert len(result.stderr.splitlines()) == 1
    assert made(out) == {path.name: wanted[path.name] for path in LEGACY[:3]}
    again = wasmir("run", *LEGACY[:4], "-p", "legacy-to-exnref", "-o", out, "--json", "-j", "1")
    assert again.exit_code == 0
    assert [each["skipped"] for each in json.loads(again.stdout)] == [True, True, True, False]
    told = wasmir("run", LEGACY[0], "-p", "legacy-to-exnref", "-o", out)
    assert told.stdout == f"{out / LEGACY[0].name}: there already\n"
    assert wasmir("run", LEGACY[0], "-p", "", "-o", out).stdout.endswith("copied\n")
    for words in (
        ("-", LEGACY[0], "-o", out),
        (*LEGACY[:2], "-o", "-"),
        (LEGACY[0], LEGACY[0], "-o", out),
    ):
        assert wasmir("run", "-p", "", *words).exit_code == 2
