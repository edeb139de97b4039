"""The commands of ``python -m corpus``."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from corpus import build as builder
from corpus.demo import demo
from corpus.engine import EngineError
from corpus.fetch import Tell, fetch, is_right
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
    from collections.abc import Iterator, Sequence

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command is _fetch:
            return int(_fetch(options.names, everything=options.all))
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
        (_fetch, f"get other people's modules, by npm and pip, into {cache_folder()}"),
    ):
        command = commands.add_parser(function.__name__[1:], help=text, description=text)
        default = "those that the tests want" if function is _fetch else "all"
        command.add_argument(
            "names", metavar="NAME", nargs="*", help=f"only these (default: {default})"
        )
        if function is _fetch:
            size = sum(_by_archive(externals()).values()) / 1e6
            command.add_argument(
                "--all", action="store_true", help=f"those on request, too: {size:.0f} MB"
            )
        command.set_defaults(command=function)
    return parser


def _demo(names: list[str]) -> int:
    converted = demo(names or ["cpp-legacy-O2"])
    return converted if names else max(converted, show_poison())


def _list(names: list[str]) -> int:
    for entry in [find(name) for name in names] or [*modules(), *externals()]:
        there = entry.path.is_file()
        size = entry.files[0].size if isinstance(entry, External) else entry.path.stat().st_size
        print(f"{entry.name:30}{entry.eh:8}{size:>18,} bytes{'' if there else ', not fetched'}")
        print(f"    {entry.why}")
        if not isinstance(entry, External):
            continue
        print(f"    {entry.producer}; {entry.package}, {entry.licence}")
        print(f"    {', '.join(entry.features) or 'no features'}")
        if entry.exceptions:
            counts = (f"{count:,} {name}" for name, count in entry.exceptions.items())
            print(f"    {', '.join(counts)}")
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
        elif is_right(entry):
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


def _fetch(names: list[str], *, everything: bool) -> int:
    chosen = []
    for entry in (
        [find(name) for name in names]
        if names
        else [entry for entry in externals() if everything or not entry.on_request]
    ):
        if isinstance(entry, Module):
            raise CorpusError(f"{entry.name} is our own, and here already: {entry.path}")
        chosen.append(entry)
    # What is of one archive is fetched with one download.
    groups: dict[str, list[External]] = {}
    for entry in chosen:
        groups.setdefault(entry.archive_sha256, []).append(entry)
    for entries in groups.values():
        first = entries[0]
        print(f"{', '.join(entry.name for entry in entries)}: {first.package}", flush=True)
        with _progress(first.archive_size) as tell:
            new = fetch(*entries, tell=tell)
        for entry in entries:
            for path in entry.contents:
                size = path.stat().st_size
                print(f"  {path}  {size:,} bytes, {'new' if new else 'was there'}")
    return 0


def _by_archive(entries: Sequence[External]) -> dict[str, int]:
    """The size of each archive, in bytes, by its sha256."""
    return {entry.archive_sha256: entry.archive_size for entry in entries}


@contextmanager
def _progress(size: int) -> Iterator[Tell]:
    """Says on standard error how much of ``size`` bytes has come: in place on a terminal, else in
    lines, of which a quick download has none.
    """
    in_place = sys.stderr.isatty()
    said = time.monotonic()

    def tell(come: int) -> None:
        nonlocal said
        if not in_place and time.monotonic() < said + 10:
            return
        said = time.monotonic()
        text = f"  {min(come, size) / 1e6:.1f} of {size / 1e6:.1f} MB"
        print(f"\r{text}" if in_place else text, end="" if in_place else "\n", file=sys.stderr)
        sys.stderr.flush()

    try:
        yield tell
    finally:
        if in_place:
            print("\r" + " " * 40 + "\r", end="", file=sys.stderr, flush=True)
