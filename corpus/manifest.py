"""MANIFEST.toml as objects."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CORPUS",
    "MANIFEST",
    "CorpusError",
    "External",
    "Member",
    "Module",
    "Wheel",
    "cache_folder",
    "externals",
    "find",
    "modules",
    "tool_versions",
]

CORPUS: Final = Path(__file__).resolve().parent
MANIFEST: Final = CORPUS / "MANIFEST.toml"


class CorpusError(Exception):
    """Something is not as the manifest says, or can't be got; the message says what helps."""


@dataclass(frozen=True)
class Module:
    """A module of our own."""

    name: str
    producer: str
    source: Path
    flags: tuple[str, ...]
    link: tuple[str, ...]
    eh: str
    features: tuple[str, ...]
    runs: bool
    why: str
    sha256: str

    @property
    def path(self) -> Path:
        """The built module, which is committed."""
        suffix = ".o" if self.producer == "cpp-object" else ".wasm"
        return CORPUS / "built" / (self.name + suffix)


@dataclass(frozen=True)
class Member:
    """A file of an external entry: where it is in the archive, and what must be in it."""

    member: str
    name: str
    sha256: str
    size: int
    """In bytes."""
    within: str | None = None
    """Where the archive's member is a static library: the object in it that is meant."""


@dataclass(frozen=True)
class Wheel:
    """Which of a release's wheels, where that isn't the one for every platform: pip's tags."""

    python: str
    abi: str
    platform: str


@dataclass(frozen=True)
class External:
    """Somebody else's module: the files of a package of npm's or PyPI's, fetched on request."""

    name: str
    npm: str | None
    version: str
    archive: str
    archive_sha256: str
    archive_size: int
    """In bytes: what fetching it downloads."""
    licence: str
    producer: str
    """The language and the tools that made the module."""
    eh: str
    features: tuple[str, ...]
    why: str
    exceptions: Mapping[str, int]
    """How often each instruction of exception handling occurs."""
    files: tuple[Member, ...]
    pypi: str | None = None
    """The package, where it isn't npm's."""
    wheel: Wheel | None = None
    on_request: bool = False
    """Whether it is fetched and tried only where it is named: it is large, or one of a kind."""
    keep: bool = False
    """Whether the archive stays beside the files, for the glue that is in it."""

    @property
    def package(self) -> str:
        """What it is part of, and where that comes from."""
        return f"{self.npm} {self.version}" if self.npm else f"{self.pypi} {self.version} (PyPI)"

    @property
    def folder(self) -> Path:
        """Where its files are, once fetched."""
        return cache_folder() / f"{self.name}-{self.version}"

    @property
    def path(self) -> Path:
        """The module itself: the first of its files."""
        return self.folder / self.files[0].name

    @property
    def kept(self) -> Path | None:
        """The archive, if it stays."""
        return self.folder / self.archive if self.keep else None

    @property
    def contents(self) -> dict[Path, str]:
        """All that fetching puts there, with the sha256 of each."""
        found = {self.folder / file.name: file.sha256 for file in self.files}
        if self.kept is not None:
            found[self.kept] = self.archive_sha256
        return found

    @property
    def fetched(self) -> bool:
        """All its files are there; they were verified when they were put there."""
        return all(path.is_file() for path in self.contents)


def cache_folder() -> Path:
    """Where fetched files go: ``WASMIR_CORPUS_CACHE``, or a folder that git ignores."""
    return Path(os.environ.get("WASMIR_CORPUS_CACHE") or CORPUS / ".cache").absolute()


@cache
def _document() -> dict[str, Any]:
    return tomllib.loads(MANIFEST.read_text(encoding="utf-8"))


@cache
def modules() -> tuple[Module, ...]:
    """Our own modules, in the manifest's order."""
    return tuple(
        Module(
            name=entry["name"],
            producer=entry["producer"],
            source=CORPUS / entry["source"],
            flags=tuple(entry.get("flags", ())),
            link=tuple(entry.get("link", ())),
            eh=entry["eh"],
            features=tuple(entry["features"]),
            runs=entry.get("runs", True),
            why=entry["why"],
            sha256=entry["sha256"],
        )
        for entry in _document()["module"]
    )


@cache
def externals() -> tuple[External, ...]:
    """Other people's modules, in the manifest's order."""
    return tuple(
        External(
            name=entry["name"],
            npm=entry.get("npm"),
            pypi=entry.get("pypi"),
            version=entry["version"],
            archive=entry["archive"],
            archive_sha256=entry["archive-sha256"],
            archive_size=entry["archive-size"],
            licence=entry["licence"],
            producer=entry["producer"],
            eh=entry["eh"],
            features=tuple(entry["features"]),
            why=entry["why"],
            exceptions=entry["exceptions"],
            files=tuple(Member(**file) for file in entry["file"]),
            wheel=Wheel(**entry["wheel"]) if "wheel" in entry else None,
            on_request=entry.get("on-request", False),
            keep=entry.get("keep", False),
        )
        for entry in _document()["external"]
    )


def tool_versions() -> dict[str, str]:
    """The tools that built the committed modules, and their versions."""
    return dict(_document()["tools"])


def find(name: str) -> Module | External:
    """The entry of that name."""
    entries: tuple[Module | External, ...] = (*modules(), *externals())
    for entry in entries:
        if entry.name == name:
            return entry
    known = ", ".join(entry.name for entry in entries)
    raise CorpusError(f"no module {name!r} in the corpus; there are {known}")
