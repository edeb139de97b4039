"""The corpus is what its manifest says."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from corpus import build
from corpus.build import can_rebuild
from corpus.commands import main
from corpus.fetch import fetch, pip_download
from corpus.files import sha256_of, write_whole
from corpus.manifest import (
    CORPUS,
    CorpusError,
    External,
    Member,
    Module,
    Wheel,
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
        archive_size=archive.stat().st_size,
        licence="MIT",
        producer="a test",
        eh="none",
        features=(),
        why="a test",
        exceptions={},
        files=(
            Member(
                "package/module.wasm",
                "module.wasm",
                hashlib.sha256(content).hexdigest(),
                len(content),
            ),
        ),
    )


def test_fetch_checks_what_it_got(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WASMIR_CORPUS_CACHE", str(tmp_path / "cache"))
    archive = _archive(tmp_path, b"right")
    monkeypatch.setattr("corpus.fetch.npm_pack", lambda *_: archive)

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
    monkeypatch.setattr("corpus.fetch.pip_download", lambda *_: archive)

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
    monkeypatch.setattr("corpus.fetch.npm_pack", lambda *_: archive)
    entry = _entry(archive, b"right")
    missing = replace(entry, files=(replace(entry.files[0], member="package/other.wasm"),))
    with pytest.raises(CorpusError, match=r"archive\.tgz has no file package/other\.wasm"):
        fetch(missing)


def test_fetch_takes_an_object_out_of_a_static_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the names that `ar` writes: short ones in the header, long ones in a table."""
    monkeypatch.setenv("WASMIR_CORPUS_CACHE", str(tmp_path / "cache"))
    long = "an-object-with-a-long-name.o"
    objects = [
        (b"/", b"index"),
        (b"//", f"{long}/\n".encode()),
        (b"short.o/", b"odd"),
        (b"/0", b"it"),
    ]
    library = b"!<arch>\n" + b"".join(
        title.ljust(48)
        + str(len(data)).encode().ljust(10)
        + b"`\n"
        + data
        + b"\n" * (len(data) % 2)
        for title, data in objects
    )
    archive = _archive(tmp_path, library)
    monkeypatch.setattr("corpus.fetch.npm_pack", lambda *_: archive)
    for name, content in (("short.o", b"odd"), (long, b"it")):
        entry = _entry(archive, content)
        entry = replace(entry, name=name, files=(replace(entry.files[0], within=name),))
        assert fetch(entry) is True
        assert entry.path.read_bytes() == content
    missing = replace(entry, name="missing", files=(replace(entry.files[0], within="other.o"),))
    with pytest.raises(
        CorpusError, match=r"package/module\.wasm of archive\.tgz has no object other"
    ):
        fetch(missing)


def test_entries_of_one_archive_are_one_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WASMIR_CORPUS_CACHE", str(tmp_path / "cache"))
    archive = _archive(tmp_path, b"right")
    downloads = []

    def pack(package: str, _folder: Path, _tell: object) -> Path:
        downloads.append(package)
        return archive

    monkeypatch.setattr("corpus.fetch.npm_pack", pack)
    one, other = (replace(_entry(archive, b"right"), name=name) for name in ("one", "other"))
    other = replace(other, keep=True)
    assert fetch(one, other) is True
    assert downloads == ["fake@1.0.0"]
    assert fetch(one, other) is False
    assert other.kept is not None
    assert other.kept.read_bytes() == archive.read_bytes()
    assert one.kept is None
    # The archive is one of the files: damaged or away, it comes again, and only for whom it is.
    other.kept.unlink()
    assert fetch(one, other) is True
    assert downloads == ["fake@1.0.0"] * 2
    assert other.kept.is_file()
    with pytest.raises(CorpusError, match="several archives"):
        fetch(replace(one, name="new"), replace(one, name="newer", archive_sha256="of another"))


def test_fetch_tells_how_much_has_come(tmp_path: Path) -> None:
    """Of what a client writes, wherever its temporary files are."""
    from corpus.fetch import _run

    program = (
        "import sys, tempfile, time\n"
        "with tempfile.NamedTemporaryFile() as file:\n"
        "    file.write(bytes(1000)); file.flush(); time.sleep(1.5)\n"
        "print('said'); sys.exit(3)"
    )
    told: list[int] = []
    result = _run([sys.executable, "-c", program], tmp_path, told.append)
    assert (result.returncode, result.stdout.strip()) == (3, "said")
    assert max(told) == 1000


def test_a_wheel_of_another_platform_is_asked_for_by_its_tags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = []

    def run(command: list[str], folder: Path, _tell: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        (folder / "a.whl").touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("corpus.fetch._run", run)
    pip_download("fake==1", tmp_path, Wheel(python="3.14", abi="cp314", platform="some_wasm32"))
    [command] = commands
    assert "--platform some_wasm32 --abi cp314 --python-version 3.14" in " ".join(command)
    assert command[-1] == "fake==1"


def test_fetch_without_names_leaves_what_is_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: set[str] = set()

    def pretend(*entries: External, tell: object) -> bool:
        assert tell is not None
        assert len({entry.archive for entry in entries}) == 1
        asked.update(entry.name for entry in entries)
        return False

    monkeypatch.setattr("corpus.commands.fetch", pretend)
    monkeypatch.setattr(External, "contents", {})
    on_request = {entry.name for entry in externals() if entry.on_request}
    names = {entry.name for entry in externals()}
    assert main(["fetch"]) == 0
    assert asked == names - on_request
    asked.clear()
    assert main(["fetch", "cadquery-ocp"]) == 0
    assert asked == {"cadquery-ocp"}
    assert main(["fetch", "--all"]) == 0
    assert asked == names
    assert "duckdb-eh, duckdb-coi: @duckdb/duckdb-wasm 1.32.0" in capsys.readouterr().out


def test_list_tells_of_other_peoples_modules_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WASMIR_CORPUS_CACHE", str(tmp_path))
    assert main(["list", "cadquery-ocp"]) == 0
    said = capsys.readouterr().out
    assert "152,238,953 bytes, not fetched" in said
    assert "C++ (pybind11) by PyEmscripten" in said
    assert "1,280,327 try" in said


def test_every_external_entry_is_of_one_registry() -> None:
    assert all((entry.npm is None) != (entry.pypi is None) for entry in externals())


def test_entries_of_one_archive_say_the_same_of_it() -> None:
    said: dict[str, set[object]] = {}
    for entry in externals():
        package = (entry.npm, entry.pypi, entry.version, entry.wheel)
        said.setdefault(entry.archive, set()).add(
            (entry.archive_sha256, entry.archive_size, package)
        )
    assert [name for name, things in said.items() if len(things) > 1] == []


def test_fetch_without_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpus.fetch._npms", lambda: iter(()))
    monkeypatch.setenv("WASMIR_CORPUS_CACHE", str(tmp_path))
    entry = next(entry for entry in externals() if entry.npm is not None)
    with pytest.raises(CorpusError, match="takes npm, and there is none: install Node"):
        fetch(entry)
    assert list(tmp_path.iterdir()) == []
