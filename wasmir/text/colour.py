"""Colours for a terminal, put into text that is finished."""

from __future__ import annotations

import re

__all__ = ["coloured"]

_STYLES = {
    "comment": "2",
    "string": "32",
    "annotation": "35",
    "identifier": "36",
    "number": "33",
    # Mnemonics have a dot or stand where no parenthesis is; what opens a form is a keyword.
    "keyword": "1",
}
_WORDS = re.compile(
    r"(?P<comment>\(;.*?;\))"
    r"|(?P<identifier>\$(?:\"(?:[^\"\\]|\\.)*\"|[^\s()\";]+))"
    r"|(?P<string>\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<annotation>(?<=\()@[^\s()\"]+)"
    r"|(?P<keyword>(?<=\()[a-z]\w*(?:\.\w+)*)"
    r"|(?P<number>(?<=[\s=])[-+]?(?:\d[\w.+-]*|inf|nan(?::\w+)?)(?=[\s)]|$))",
    re.MULTILINE,
)


def _shown(found: re.Match[str]) -> str:
    return f"\x1b[{_STYLES[found.lastgroup or '']}m{found[0]}\x1b[0m"


def coloured(text: str) -> str:
    """The text with the escape sequences that terminals know, which change nothing else."""
    return _WORDS.sub(_shown, text)
