"""What several tests need and the repository doesn't hold: the specification's tests, and tools."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import tracemalloc
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from corpus.build import wasm_tools
from corpus.manifest import CorpusError, External, cache_folder, modules
from wasmir import DialectWarning, Function, Module, WasmError
from wasmir.ir.const import Const

ROOT = Path(__file__).resolve().parent.parent
SPEC_ARCHIVE = ROOT.parent / "shared" / "spec-tests.tgz"
CONVERTED = "all,-legacy-exceptions"
"""What `wasm-tools validate -f` must accept of a converted module."""


@dataclass(frozen=True)
class Missing:
    """Something isn't here; the reason says how to get it."""

    reason: str


@cache
def spec_tests() -> Path | Missing:
    """The folder that has ``core/``, ``legacy/`` … with a folder for each of the suite's files."""
    named = os.environ.get("WASM_SPEC_TESTS")
    if named:
        for folder in (Path(named), Path(named) / "spec"):
            if (folder / "core").is_dir():
                return folder
        return Missing(f"WASM_SPEC_TESTS names {named}, which has no folder core/ or spec/core/")
    if not SPEC_ARCHIVE.is_file():
        return Missing(
            "the specification's tests are not here: no ../shared/spec-tests.tgz beside the "
            "repository, and WASM_SPEC_TESTS names no folder (with core/ and legacy/ as JSON and "
            ".wasm, as `wasm-tools json-from-wast` makes them)"
        )
    return _unpacked(SPEC_ARCHIVE) / "spec"


def _unpacked(archive: Path) -> Path:
    """The archive's content, unpacked once for each version of it."""
    with archive.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    target = cache_folder() / f"spec-tests-{digest}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=target.name, dir=target.parent))
    try:
        with tarfile.open(archive, "r:gz") as tar:
            tar.extractall(temporary, filter="data")
        temporary.rename(target)
    except OSError:
        # Another test process was faster; if it wasn't that, there is nothing to go on with.
        if not target.is_dir():
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def without_compact_imports(data: bytes) -> bytes:
    """The module with its compact import groups written out as single imports.

    The suite's archive was made by a wabt that writes such groups where the text has none, and
    counts imports where the format counts groups, so that no decoder takes them
    (WebAssembly/wabt#2845). One module of the legacy suite is of that kind; the rest come back as
    they are. Only small sections, of functions and tags, are understood.
    """
    at = 8
    while at < len(data):
        kind, size = data[at], data[at + 1]
        if size & 0x80:
            return data  # a large section before the imports: not the module meant here
        start, end = at + 2, at + 2 + size
        if kind == 2:
            section = _expanded(data[start:end])
            return data[:at] + bytes([2, len(section)]) + section + data[end:]
        at = end
    return data


def _expanded(section: bytes) -> bytes:
    module_length = section[1]
    module = section[1 : 2 + module_length]
    at = 2 + module_length
    if section[at : at + 2] != b"\x00\x7f":
        return section  # no group
    count, at = section[at + 2], at + 3
    imports = []
    for _ in range(count):
        name_end = at + 1 + section[at]
        type_length = {0: 2, 4: 3}[section[name_end]]  # a function's or a tag's
        imports.append(module + section[at : name_end + type_length])
        at = name_end + type_length
    if at != len(section):
        raise ValueError("the import section has more than one group")
    return bytes([count]) + b"".join(imports)


def validate(data: bytes, features: str = "all") -> str | None:
    """What wasm-tools has against the module, if anything; wasmir must be of the same opinion."""
    try:
        program = wasm_tools()
    except CorpusError as error:
        import pytest

        pytest.skip(str(error))
    result = subprocess.run(
        [program, "validate", "-f", features, "-"],
        input=data,
        capture_output=True,
        check=False,
        timeout=300,
    )
    theirs = result.stderr.decode(errors="replace").strip() if result.returncode else None
    ours = validation_error(data, features)
    assert (ours is None) == (theirs is None), f"wasmir: {ours}; wasm-tools: {theirs}"
    return theirs


def validation_error(data: bytes, features: str = "all") -> WasmError | None:
    """What wasmir has against the module, if anything."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DialectWarning)
            Module.from_bytes(data).validate(features=features)
    except WasmError as error:
        return error
    return None


_PROPERTIES: dict[type, tuple[str, ...]] = {}


def properties(thing: object) -> tuple[str, ...]:
    """The names of all that can be asked of an object without arguments."""
    known = _PROPERTIES.get(type(thing))
    if known is None:
        known = _PROPERTIES[type(thing)] = tuple(
            name
            for kind in type(thing).__mro__
            for name, value in vars(kind).items()
            if isinstance(value, property) and not name.startswith("_")
        )
    return known


def force(module: Module) -> None:
    """Look at all that there is, to the last instruction: every error in the bytes comes out.

    Every property of the module and of each thing in it is asked for, so that what is decoded on
    first use is decoded, whatever it is called: a section that gets entities later is in by itself.
    """
    for name in properties(module):
        value = getattr(module, name)
        for entity in value if isinstance(value, Sequence) else (value,):
            if isinstance(entity, Function):
                force_function(entity)
            elif type(entity).__module__.startswith("wasmir."):
                force_entity(entity)


def force_entity(entity: object) -> None:
    """Its properties, and the constant expressions among what is encoded of it."""
    for name in properties(entity):
        getattr(entity, name)
    for name in getattr(entity, "_fields", ()):
        value = getattr(entity, name)
        for part in value if isinstance(value, list) else (value,):
            if isinstance(part, Const):
                assert all(instr.row for instr in part.instrs)


def force_function(function: Function) -> None:
    """The body as a tree, and every run in it as single instructions."""
    if function.imported is not None:
        return
    body = function.body
    assert body.local_count >= 0
    for item in body:
        if isinstance(item, bytes):
            function.module.instructions(item)


def fetched(entry: External) -> bytes:
    """Somebody else's module; skips the test where it isn't here."""
    if not entry.fetched:
        pytest.skip(f"{entry.name} is not here; `python -m corpus fetch {entry.name}` gets it")
    return entry.path.read_bytes()


def encoded(function: Function) -> bytes:
    """The open tree's code, made from its nodes even where that would be no news."""
    function.body.items = function.body.items.copy()
    return function.code


def peak_of(action: Callable[[], object]) -> int:
    """The most memory, in bytes, that the action had at a time."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def timeless(text: str) -> str:
    """What a command prints, but for how long it took."""
    return re.sub(r"in \d+\.\d+ s|\d+\.\d{3}(  +\d+\.\d%)?", "TIME", text)


def corpus_paths() -> list[Path]:
    """The committed modules, of C++ programs those of one level of optimisation."""
    wasm = (each.path for each in modules() if each.path.suffix == ".wasm")
    return [path for path in wasm if not re.search(r"-(O[013z]|debug)$", path.stem)]


def suite_sample(every: int) -> list[Module]:
    """The valid ones among the modules of the specification's suite, of which one in so many is
    looked at; skips the test where the suite isn't here.
    """
    found = spec_tests()
    if isinstance(found, Missing):
        pytest.skip(found.reason)
    paths = sorted(found.rglob("*.wasm"))[::every]
    data = [path.read_bytes() for path in paths]
    return [Module.from_bytes(each) for each in data if validation_error(each) is None]
