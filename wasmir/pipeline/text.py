"""Pipelines as text: ``pass,pass{option=value,...}``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wasmir.errors import PassError
from wasmir.pipeline.options import from_text, is_flag, known_option, made

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wasmir.pipeline.passes import Pass

__all__ = ["parse"]

_TOKEN = re.compile(
    r"""\s*(?:(?P<word>[A-Za-z0-9_.*?/:+-]+)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<sign>[{},=]))"""
)


def parse(text: str, find: Callable[[str], type[Pass]]) -> Iterator[Pass]:
    """The passes that a text names; ``find`` knows them by name. Raises PassError."""
    return _Parser(text, find).passes()


class _Parser:
    """``pass,pass{option=value,...}``; values are words, numbers, true, false or quoted text."""

    def __init__(self, text: str, find: Callable[[str], type[Pass]]) -> None:
        self.text = text
        self.find = find
        self.tokens: list[tuple[str, str, int]] = []
        pos = 0
        while text[pos:].strip():
            match = _TOKEN.match(text, pos)
            if match is None:
                raise self.error("can't read this", pos)
            kind = match.lastgroup or ""
            self.tokens.append((kind, match.group(kind), match.start(kind)))
            pos = match.end()
        self.at = 0

    def error(self, reason: str, pos: int) -> PassError:
        return PassError(f"pipeline {self.text!r}, character {pos + 1}: {reason}")

    def peek(self) -> tuple[str, str, int]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("", "", len(self.text))

    def next(self) -> tuple[str, str, int]:
        token = self.peek()
        self.at += 1
        return token

    def passes(self) -> Iterator[Pass]:
        if not self.tokens:
            return
        while True:
            yield self.one_pass()
            _, sign, pos = self.next()
            if not sign:
                return
            if sign != ",":
                raise self.error(f"a comma is expected between passes, not {sign!r}", pos)

    def one_pass(self) -> Pass:
        kind, name, pos = self.next()
        if kind != "word":
            raise self.error("the name of a pass is expected", pos)
        class_ = self.find(name)
        values: dict[str, Any] = {}
        if self.peek()[1] == "{":
            self.next()
            while self.peek()[1] != "}":
                self.option(class_, values)
                if self.peek()[1] == ",":
                    self.next()
                elif self.peek()[1] != "}":
                    raise self.error("a comma or } is expected", self.peek()[2])
            self.next()
        return made(class_, values)

    def option(self, class_: type[Pass], values: dict[str, Any]) -> None:
        kind, name, pos = self.next()
        if kind != "word":
            raise self.error("the name of an option is expected", pos)
        try:
            name = known_option(class_, name)
        except PassError as error:
            raise self.error(error.reason, pos) from None
        if name in values:
            raise self.error(f"option {name!r} is given twice", pos)
        if self.peek()[1] != "=":
            if not is_flag(class_, name):
                raise self.error(f"option {name!r} needs a value, as in {name}=...", pos)
            # A flag on its own is true.
            values[name] = True
            return
        self.next()
        kind, text, pos = self.next()
        if kind == "text":
            text = re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
        elif kind != "word":
            raise self.error(f"a value for {name!r} is expected", pos)
        try:
            values[name] = from_text(class_, name, text)
        except PassError as error:
            raise self.error(error.reason, pos) from None
