"""``wasmir diff``."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from wasmir.cli.common import in_a_line, json_flag, progress, read, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wasmir.diff import Change, Comparison
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module

__all__ = ["diff"]


@click.command()
@click.argument("older", metavar="A")
@click.argument("newer", metavar="B")
@click.option(
    "--func", "function", metavar="FUNC", help="One function, by its index in A, name or export."
)
@click.option(
    "-U",
    "--unified",
    "context",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="Instructions around each difference.",
)
@click.option("--stat", is_flag=True, help="Leave out the instructions.")
@click.option("--exit-code", is_flag=True, help="Exit with status 1 where there are differences.")
@json_flag
def diff(
    older: str,
    newer: str,
    function: str | None,
    context: int,
    stat: bool,
    exit_code: bool,
    as_json: bool,
) -> None:
    """Show what is different in the modules A and B: what was added, removed, changed or moved, and
    instructions of functions line by line.

    What is the same thing in both is told by imports and names, then by content, then by exports,
    then by order. That it has another index is no difference. Instructions call things as B does;
    what only A has is a/INDEX if it has no name.
    """
    from wasmir.diff import compare
    from wasmir.pipeline import track

    if older == newer == "-":
        raise click.UsageError("only one of the modules can come from standard input")
    modules = read(older), read(newer)
    labels = shown(older), shown(newer)
    with progress(), tempfile.TemporaryFile() as spool:
        found = compare(*modules, track=track, labels=labels)
        changes = found.changes
        if function is not None:
            chosen = _function(modules, function)
            changes = [each for each in changes if each.old is chosen or each.new is chosen]
        report = _Report(found, labels, None if stat else context)
        for text in report.as_json(changes) if as_json else report.as_text(changes):
            spool.write(text.encode())
        if not as_json and (function is None or not changes):
            spool.write((report.summary() if function is None else _NOTHING).encode())
        # Nothing is printed unless all of it can be.
        spool.seek(0)
        shutil.copyfileobj(spool, sys.stdout.buffer, 1 << 20)
        sys.stdout.buffer.flush()
    if exit_code and changes:
        sys.exit(1)


def _function(modules: tuple[Module, Module], text: str) -> Function:
    """The function of that index in the older module, or of that name in either."""
    from wasmir.errors import InvalidError
    from wasmir.printing import find_function

    older, newer = modules
    try:
        return find_function(older, text)
    except InvalidError:
        if not text.isdecimal():
            with suppress(InvalidError):
                return find_function(newer, text)
        raise


class _Report:
    """How a comparison is told; ``context`` is ``None`` where nobody wants to see code."""

    def __init__(self, found: Comparison, labels: tuple[str, str], context: int | None) -> None:
        self.found = found
        self.labels = labels
        self.context = context

    def as_text(self, changes: list[Change]) -> Iterator[str]:
        for change in changes:
            yield in_a_line(f"{change}{self._size(change)}") + "\n"
            for name, (old, new) in change.facts.items():
                yield in_a_line(f"  {name}: {_none(old)} -> {_none(new)}") + "\n"
            if change.has_code:
                yield from self._code(change)

    def _size(self, change: Change) -> str:
        thing = change.new if change.old is None else change.old
        if change.status not in ("added", "removed") or getattr(thing, "imported", None):
            return ""
        size = len(thing.code) if change.what == "function" else getattr(thing, "size", None)
        return "" if size is None else f" ({size:,} bytes)"

    def _code(self, change: Change) -> Iterator[str]:
        code = self.found.code(change, self.context or 0)
        if not code.hunks:
            yield "  the same, spelled differently\n"
            return
        yield f"  lines: {code.added} added, {code.removed} removed\n"
        if self.context is None:
            return
        for sign, label, thing in zip("-+", self.labels, (change.old, change.new), strict=True):
            yield in_a_line(f"{sign * 3} {label}: {change.what} {thing}") + "\n"
        for hunk in code.hunks:
            yield f"{hunk.head}\n"
            for line in hunk.lines:
                yield f"{line}\n"

    def summary(self) -> str:
        """How much there is of what."""
        lines = []
        for what, counts in self.found.counts.items():
            told = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
            lines.append(f"{_many(what)}: {told}")
        # Nothing has another index unless something else changed.
        for what, count in self.found.shifted.items():
            lines.append(f"{_many(what)} that are the same at another index: {count:,}")
        return "".join(f"{line}\n" for line in lines) or _NOTHING

    def as_json(self, changes: list[Change]) -> Iterator[str]:
        """One object, a change at a time: there may be much code in them."""
        head = {
            "old": self.labels[0],
            "new": self.labels[1],
            "counts": self.found.counts,
            "shifted": self.found.shifted,
        }
        yield f'{json.dumps(head)[:-1]}, "changes": ['
        for at, change in enumerate(changes):
            yield ",\n" if at else "\n"
            yield json.dumps(self._described(change))
        yield "]}\n"

    def _described(self, change: Change) -> dict[str, Any]:
        described: dict[str, Any] = {
            "status": change.status,
            "what": change.what,
            "old": _identified(change.old),
            "new": _identified(change.new),
            "moved": change.moved,
            "facts": change.facts,
        }
        if change.has_code:
            code = self.found.code(change, self.context or 0)
            described["code"] = {"added": code.added, "removed": code.removed}
            if self.context is not None:
                described["code"]["hunks"] = [each._asdict() for each in code.hunks]
        return described


_NOTHING = "no differences\n"


def _many(what: str) -> str:
    return f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"


def _identified(thing: Any) -> dict[str, Any] | None:
    if thing is None:
        return None
    found = {"name": thing.name}
    index = getattr(thing, "index", None)
    return found if index is None else {"index": index, **found}


def _none(fact: str | None) -> str:
    return "none" if fact is None else fact
