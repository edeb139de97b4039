"""Whether a module's text assembles to the module that it is of."""

from __future__ import annotations

import difflib
import re
import subprocess

from tests.modules import program
from wasmir import Module
from wasmir.text import Style, chunks

__all__ = ["ALL_STYLES", "assembled_again", "difference", "text_of"]

ALL_STYLES = [
    Style(),
    Style(folded=True),
    Style(names=False),
    Style(offsets=True),
    Style(offsets=True, folded=True),
]
"""Every option, with and without the others that it meets."""


def text_of(data: bytes, style: Style | None = None) -> str:
    return "".join(chunks(Module.from_bytes(data), Style() if style is None else style))


def _run(command: str, data: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [program(), command, "-"], input=data, capture_output=True, check=False, timeout=300
    )


def assembled_again(text: str) -> bytes:
    """What wasm-tools makes of a text."""
    done = _run("parse", text.encode())
    assert done.returncode == 0, done.stderr.decode(errors="replace")[:2000]
    return done.stdout


def difference(data: bytes, style: Style | None = None) -> str | None:
    """How the module differs that the text assembles to, as wasm-tools prints both: encodings don't
    show there. Empty where even the bytes are the same, ``None`` where only they aren't.
    """
    style = Style() if style is None else style
    again = assembled_again(text_of(data, style))
    if again == data:
        return ""
    before, after = (_shown(each, style) for each in (data, again))
    if before == after:
        return None
    lines = difflib.unified_diff(before, after, "before", "after", lineterm="", n=0)
    return "\n".join([*lines][:30])


def _shown(data: bytes, style: Style) -> list[str]:
    done = _run("print", data if style.names else without_names(data))
    assert done.returncode == 0, done.stderr.decode(errors="replace")[:2000]
    lines = done.stdout.decode().splitlines()
    # A recursive group without types means nothing, and wasmir keeps no trace of it. Custom
    # sections have their order among themselves.
    customs = sorted(line for line in lines if line.startswith("  (@"))
    return [line for line in lines if line != "  (rec)" and not line.startswith("  (@")] + [
        re.sub(r"\((?:before|after) [\w. ]+\) ", "", line) for line in customs
    ]


def without_names(data: bytes) -> bytes:
    module = Module.from_bytes(data)
    custom = module.custom("name")
    if custom is not None:
        module.remove_custom(custom)
    return module.to_bytes(keep_stale=True)
