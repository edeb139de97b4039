"""The corpus is what its manifest says."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from corpus import build
from corpus.build import can_rebuild
from corpus.fetch import fetch
from corpus.files import sha256_of, write_whole
from corpus.manifest import (
    CORPUS,
    CorpusError,
    External,
    Member,
    Module,
    externals,
    find,
    modules,
)
from tests.support import validate

if TYPE_CHECKING:
    from pathlib import Path


def _named(entry: Module) -> str:
    return entry.name


@pytest.mark.parametrize("module", modules(), ids=_named)
def test_built_module_is_the_manifests(module: Module) -> None:
    assert sha256_of(module.path) == module.sha256
    assert validate(module.path.read_bytes()) is None


@pytest.mark.parametrize("module", modules(), ids=_named)
def test_source_builds_to_it(module: Module) -> None:
    why_not = can_rebuild(module)
    if why_not is not None:
        pytest.skip(why_not)
    assert build.build(module) == module.path.read_bytes()


@pytest.mark.parametrize("module", modules(), ids=_named)
def test_dialect_is_the_manifests(module: Module) -> None:
    data = module.path.read_bytes()
    assert (validate(data, "all,-legacy-exceptions") is None) == (module.eh in {"exnref", "none"})
    # Without `exceptions`, tags and `throw` are not allowed either; so only `none` passes.
    assert (validate(data, "all,-legacy-exceptions,-exceptions") is None) == (module.eh == "none")


def test_every_built_file_has_an_entry() -> None:
    assert set((CORPUS / "built").iterdir()) == {module.path for module in modules()}


def test_every_text_has_an_entry() -> None:
    assert set((CORPUS / "wat").iterdir()) == {
        module.source for module in modules() if module.producer == "wat"
    }


def test_names_are_unique() -> None:
    names = [module.name for module in modules()] + [entry.name for entry in externals()]
    assert len(names) == len(set(names))


def test_unknown_name() -> None:
    with pytest.raises(CorpusError, match=r"no module 'nothing' in the corpus; there are legacy-"):
        find("nothing")


def test_write_whole_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "file"
    write_whole(target, b"one")
    write_whole(target, b"two")
    assert target.read_bytes() == b"two"
    assert list(target.parent.iterdir()) == [target]
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match=r"."):
        write_whole(tmp_path / "taken", b"three")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "taken"]


def _archive(folder: Path, content: bytes) -> Path:
    import io
    import tarfile

    path = folder / "archive.tgz"
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("package/module.wasm")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return path


def _entry(archive: Path, content: bytes) -> External:
    return External(
        name="fake",
        npm="fake",
        version="1.0.0",
        archive=archive.name,
        archive_sha256=sha256_of(archive),
        licence="MIT",
        eh="none",
        features=(),
        why="a test",
        exceptions={},
        files=(Member("package/module.wasm", "module.wasm", hashlib.sha256(content).hexdigest()),),
    )


def test_fetch_checks_what_it_got(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WASMIR_CORPUS_CACHE", str(tmp_path / "cache"))
    archive = _archive(tmp_path, b"right")
    monkeypatch.setattr("corpus.fetch.npm_pack", lambda _package, _folder: archive)

    entry = _entry(archive, b"right")
    assert fetch(entry) is True
    assert entry.path.read_bytes() == b"right"
    assert fetch(entry) is False
    entry.path.write_bytes(b"damaged")
    assert fetch(entry) is True
    assert entry.path.read_bytes() == b"right"

    entry.path.unlink()
    with pytest.raises(CorpusError, match=r"package/module\.wasm has the sha256"):
        fetch(_entry(archive, b"wrong"))
    assert not entry.path.exists()


def test_fetch_checks_a_wheel_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WASMIR_CORPUS_CACHE", str(tmp_path / "cache"))
    archive = tmp_path / "archive.whl"
    with zipfile.ZipFile(archive, "w") as wheel:
        wheel.writestr("package/module.wasm", b"right")
    monkeypatch.setattr("corpus.fetch.pip_download", lambda _package, _folder: archive)

    entry = replace(_entry(archive, b"right"), npm=None, pypi="fake")
    assert entry.package == "fake 1.0.0 (PyPI)"
    assert fetch(entry) is True
    assert entry.path.read_bytes() == b"right"
    assert fetch(entry) is False
    entry.path.unlink()
    missing = replace(entry, files=(replace(entry.files[0], member="package/other.wasm"),))
    with pytest.raises(CorpusError, match=r"archive\.whl has no file package/other\.wasm"):
        fetch(missing)


def test_fetch_says_what_a_tarball_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WASMIR_CORPUS_CACHE", str(tmp_path / "cache"))
    archive = _archive(tmp_path, b"right")
    monkeypatch.setattr("corpus.fetch.npm_pack", lambda _package, _folder: archive)
    entry = _entry(archive, b"right")
    missing = replace(entry, files=(replace(entry.files[0], member="package/other.wasm"),))
    with pytest.raises(CorpusError, match=r"archive\.tgz has no file package/other\.wasm"):
        fetch(missing)


def test_every_external_entry_is_of_one_registry() -> None:
    assert all((entry.npm is None) != (entry.pypi is None) for entry in externals())


def test_fetch_without_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpus.fetch._npms", lambda: iter(()))
    monkeypatch.setenv("WASMIR_CORPUS_CACHE", str(tmp_path))
    entry = next(entry for entry in externals() if entry.npm is not None)
    with pytest.raises(CorpusError, match="takes npm, and there is none: install Node"):
        fetch(entry)
    assert list(tmp_path.iterdir()) == []
