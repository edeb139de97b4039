"""The commands of ``python -m corpus``."""

from __future__ import annotations

import argparse
import hashlib
import sys
from typing import TYPE_CHECKING

from corpus import build as builder
from corpus.demo import demo
from corpus.engine import EngineError
from corpus.fetch import fetch
from corpus.files import sha256_of
from corpus.manifest import (
    CorpusError,
    External,
    Module,
    cache_folder,
    externals,
    find,
    modules,
)
from corpus.poison import show_poison

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options.names))
    except (CorpusError, EngineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m corpus", description="The modules that wasmir is tried on."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for function, text in (
        (_demo, "convert a module, and recover another: both before and after, run in Node"),
        (_list, "what is in the corpus, and why"),
        (_verify, "check the built modules, and build anew those that can be here"),
        (_build, "build our own modules from their sources, and note their sha256"),
        (_fetch, f"get other people's modules, by npm, into {cache_folder()}"),
    ):
        command = commands.add_parser(function.__name__[1:], help=text, description=text)
        command.add_argument("names", metavar="NAME", nargs="*", help="only these (default: all)")
        command.set_defaults(command=function)
    return parser


def _demo(names: list[str]) -> int:
    converted = demo(names or ["cpp-legacy-O2"])
    return converted if names else max(converted, show_poison())


def _list(names: list[str]) -> int:
    for entry in [find(name) for name in names] or [*modules(), *externals()]:
        there = entry.path.is_file()
        size = f"{entry.path.stat().st_size:,} bytes" if there else "not fetched"
        print(f"{entry.name:30}{entry.eh:8}{size:>18}")
        print(f"    {entry.why}")
        if isinstance(entry, External):
            counts = ", ".join(f"{count:,} {name}" for name, count in entry.exceptions.items())
            print(f"    {counts}")
    return 0


def _own(names: list[str]) -> list[Module]:
    chosen = [find(name) for name in names] if names else list(modules())
    for entry in chosen:
        if isinstance(entry, External):
            raise CorpusError(f"{entry.name} is not ours; `python -m corpus fetch` gets it")
    return [entry for entry in chosen if isinstance(entry, Module)]


def _build(names: list[str]) -> int:
    for module in _own(names):
        data = builder.build(module)
        digest = hashlib.sha256(data).hexdigest()
        change = "same" if digest == module.sha256 else "CHANGED"
        builder.record(module, data, digest)
        print(f"{module.name:30}{len(data):>10,} bytes  {change}")
    return 0


def _verify(names: list[str]) -> int:
    wrong = 0
    for module in _own(names):
        problem = _problem(module)
        print(f"{module.name:30}{problem or 'ok'}")
        wrong += problem is not None and not problem.startswith("ok")
    for entry in () if names else externals():
        if not entry.fetched:
            print(f"{entry.name:30}not fetched")
        elif all(sha256_of(entry.folder / file.name) == file.sha256 for file in entry.files):
            print(f"{entry.name:30}ok")
        else:
            print(f"{entry.name:30}not what the manifest says; `python -m corpus fetch` mends it")
            wrong += 1
    return 1 if wrong else 0


def _problem(module: Module) -> str | None:
    if not module.path.is_file():
        return "missing"
    if sha256_of(module.path) != module.sha256:
        return "not what the manifest says"
    why_not = builder.can_rebuild(module)
    if why_not is not None:
        return f"ok (not built anew: {why_not})"
    if hashlib.sha256(builder.build(module)).hexdigest() != module.sha256:
        return "the source builds to something else; `python -m corpus build` notes it"
    return None


def _fetch(names: list[str]) -> int:
    chosen = [find(name) for name in names] if names else list(externals())
    for entry in chosen:
        if isinstance(entry, Module):
            raise CorpusError(f"{entry.name} is our own, and here already: {entry.path}")
        print(f"{entry.name}: {entry.package} ({entry.licence})", flush=True)
        new = fetch(entry)
        for file in entry.files:
            path = entry.folder / file.name
            print(f"  {path}  {path.stat().st_size:,} bytes, {'new' if new else 'was there'}")
    return 0
