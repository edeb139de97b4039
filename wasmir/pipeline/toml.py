"""Pipelines as TOML::

[[pass]]
name = "catch-imports"
imports = "env.*"

[[pass]]
name = "legacy-to-exnref"
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from wasmir.errors import PassError
from wasmir.pipeline.options import from_value, known_option, made
from wasmir.suggest import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wasmir.pipeline.passes import Pass

__all__ = ["parse"]


def parse(text: str, find: Callable[[str], type[Pass]], source: str) -> Iterator[Pass]:
    """The passes that the tables name; ``find`` knows them by name. Raises PassError, which says at
    which line and column of the ``source``.
    """
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise PassError(f"{source}: it is nested too deep") from None
    except ValueError as error:
        raise PassError(_located(source, str(error))) from None
    where = _Places(text, source)
    for key in document:
        if key != "pass":
            hint = suggestion(key, ["pass"]) or "; there is only [[pass]]"
            raise where.error(f"unknown key {key!r}{hint}", None, key)
    tables = document.get("pass", [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise where.error("passes are tables: [[pass]], in two brackets", None, "pass")
    where.count(len(tables))
    for number, table in enumerate(tables):
        yield _one(table, number, find, where)


def _one(
    table: dict[str, Any], number: int, find: Callable[[str], type[Pass]], where: _Places
) -> Pass:
    name = table.get("name")
    if not isinstance(name, str):
        wrong = next((key for key in table if suggestion(key, ["name"])), None)
        if "name" in table or wrong is None:
            raise where.error("a pass has a name", number, "name" if "name" in table else None)
        raise where.error(f"a pass has a name, not {wrong!r}", number, wrong)
    try:
        class_ = find(name)
    except PassError as error:
        raise where.error(error.reason, number, "name") from error
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key == "name":
            continue
        try:
            option = known_option(class_, key)
            meant = from_value(class_, option, value)
        except PassError as error:
            raise where.error(error.reason, number, key) from None
        if option in values:
            raise where.error(f"option {option!r} is given twice", number, key)
        values[option] = meant
    try:
        return made(class_, values)
    except PassError as error:
        raise where.error(error.reason, number, None) from error


_WHERE = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|(end of document))\)", re.DOTALL)


def _located(source: str, message: str) -> str:
    """What the parser has to say, with the place in front."""
    found = _WHERE.fullmatch(message)
    if found is None:
        return f"{source}: {message}"
    reason, line, column, _ = found.groups()
    place = "at the end" if line is None else f"line {line}, column {column}"
    return f"{source}, {place}: {reason}"


class _Places:
    """Where keys stand in the text, which the parser doesn't tell of what it takes.

    Found by looks: lines outside of texts in three quotes. Where that finds another number of
    tables than there are, as with passes in one array of inline tables, no line is named.
    """

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        bare = re.sub(r'("""|\'\'\').*?\1', _emptied, text, flags=re.DOTALL)
        self.lines = bare.split("\n")
        self.tables = [
            at
            for at, line in enumerate(self.lines)
            if re.match(r"""\s*\[\[\s*["']?pass["']?\s*\]\]""", line)
        ]
        self.known = True

    def count(self, tables: int) -> None:
        """Hear how many passes there are."""
        self.known = len(self.tables) == tables

    def error(self, reason: str, number: int | None, key: str | None) -> PassError:
        """An error about a key of a pass, or about the pass; of no pass, about a key at the top."""
        place = self.place(number, key)
        if place is None:
            which = "" if number is None else f", pass {number + 1}"
            return PassError(f"{self.source}{which}: {reason}")
        line, column = place
        return PassError(f"{self.source}, line {line + 1}, column {column + 1}: {reason}")

    def place(self, number: int | None, key: str | None) -> tuple[int, int] | None:
        if not self.known:
            return None
        start, end = 0, len(self.lines)
        if number is not None:
            start = self.tables[number]
            end = [*self.tables, end][number + 1]
            if key is None:
                return start, self.lines[start].index("[")
        spelled = re.escape(key or "")
        pattern = re.compile(rf"""\s*\[*\s*(?=["']?{spelled}["']?\s*[]=.])""")
        for at in range(start, end):
            found = pattern.match(self.lines[at])
            if found is not None:
                return at, found.end()
        return None


def _emptied(found: re.Match[str]) -> str:
    return "\n" * found[0].count("\n")
