"""Where a function comes from, as its name in the name section tells: namespaces, crates, packages.

Names are what compilers put there, mangled or not, and nobody promises anything about them; so this
is for grouping, and whatever isn't understood is grouped by how it begins.
"""

from __future__ import annotations

import re

__all__ = ["namespaces"]

_MANGLED = re.compile(r"_?_Z(?:Nr?V?K?[RO]?)?(St)?(?=\d|S|.)")
_LENGTH = re.compile(r"(\d+)")
# What rustc puts behind: a hash of 16 hexadecimal digits.
_RUST_HASH = re.compile(r"h[0-9a-f]{16}")
_RUST_CRATE = re.compile(r"C(?:s[0-9A-Za-z]*_)?(\d+)_?")
_ESCAPES = {
    "$LT$": "<",
    "$GT$": ">",
    "$u20$": " ",
    "$RF$": "&",
    "$BP$": "*",
    "$C$": ",",
    "$LP$": "(",
    "$RP$": ")",
    "..": "::",
}
_LONGEST = 1000
"""So many characters are looked at."""

_DEEPEST = 8
"""So many levels are told apart."""


def namespaces(name: str) -> tuple[str, ...]:
    """The namespaces around a function, the outermost first; empty where there are none.

    ``std::vector<int>::push_back(int&&)`` is of ``std``, ``vector``, and its mangled form of
    ``std``; ``core::fmt::pad`` of ``core``, ``fmt``; ``encoding/json.(*Decoder).Decode`` of
    ``encoding/json``, ``Decoder``; ``~lib/rt/itcms/__new`` of ``~lib``, ``rt``, ``itcms``; and
    ``sqlite3_open`` of ``sqlite3_``.
    """
    return tuple(filter(None, _found(name[:_LONGEST])))


def _found(name: str) -> tuple[str, ...]:
    if name.startswith(("_Z", "__Z")):
        return _itanium(name)
    if name.startswith(("_R", "__R")):
        crate = _RUST_CRATE.search(name)
        if crate is not None:
            return (name[crate.end() : crate.end() + int(crate[1][:4])],)
    parts = _parts(name)
    if len(parts) > 1:
        return tuple(parts[:-1])
    if "/" in name or "." in name:
        return _paths(name)
    head, underscore, tail = name.lstrip("_").partition("_")
    return (f"{head}_",) if underscore and head and tail and head.isidentifier() else ()


def _itanium(name: str) -> tuple[str, ...]:
    """Nested names that are nothing but identifiers, as far as these go."""
    found = _MANGLED.match(name)
    if found is None:
        return ()
    parts = ["std"] if found[1] else []
    at = found.end()
    nested = name[: found.end()].rstrip("St").endswith(("N", "K", "V", "R", "O"))
    while len(parts) < _DEEPEST:
        length = _LENGTH.match(name, at)
        if length is None or not int(length[1][:4]):
            # Template arguments say what, not where from.
            break
        at = length.end() + int(length[1][:4])
        parts.append(name[length.end() : at])
        if not nested and len(parts) > bool(found[1]):
            break
    if parts and _RUST_HASH.fullmatch(parts[-1]):
        return _found(_rust(parts[:-1]))
    names = ["(anonymous namespace)" if part == "_GLOBAL__N_1" else part for part in parts]
    # What comes last is the function, unless it is a constructor or an operator.
    last = name[at : at + 1]
    return tuple(names if nested and last not in ("E", "I", "") else names[:-1])


def _rust(parts: list[str]) -> str:
    text = "::".join(part.removeprefix("_") if part.startswith("_$") else part for part in parts)
    for escape, plain in _ESCAPES.items():
        text = text.replace(escape, plain)
    return text


def _parts(name: str) -> list[str]:
    """What stands between colons, outside of brackets, without arguments and result."""
    name = _outer(name)
    parts = name.split("::")
    if len(parts) > 1 and _RUST_HASH.fullmatch(parts[-1]):
        parts.pop()
    return [part for part in parts if part][:_DEEPEST]


def _outer(name: str) -> str:
    """The name without what is in brackets: of ``<A as B>::c`` it is that of ``A::c``."""
    behind = ""
    while name.startswith("<"):
        name, rest = _bracketed(name)
        name = name.partition(" as ")[0].lstrip("&*").removeprefix("mut ")
        behind = rest + behind
    kept: list[str] = []
    depth = 0
    name = name.replace("(anonymous namespace)", "\0")
    operator = name.find("operator")
    for char in name if operator < 0 else name[: operator + 8]:
        if char in "<([{":
            if not depth and char == "(":
                break
            depth += 1
        elif char in ">)]}":
            depth = max(0, depth - 1)
        elif not depth:
            kept.append(char)
            if char == " ":
                # What stood before it is what the function returns.
                kept.clear()
    return f"{''.join(kept)}{behind}".replace("\0", "(anonymous namespace)")


def _bracketed(name: str) -> tuple[str, str]:
    """What is in the bracket that the name begins with, and what is behind it."""
    depth = 0
    for at, char in enumerate(name):
        depth += (char == "<") - (char == ">" and name[at - 1] != "-")
        if not depth:
            return name[1:at], name[at + 1 :]
    return name[1:], ""


def _paths(name: str) -> tuple[str, ...]:
    """Packages of Go, and modules of AssemblyScript."""
    name = re.split(r"[<{#]|(?<=.)\[", name, maxsplit=1)[0]
    receiver = re.match(r"\(\*?([^)]*)\)\.", name)
    if receiver is not None:
        name = f"{receiver[1]}.{name[receiver.end() :]}"
    folder, slash, last = name.rpartition("/")
    package, dot, rest = last.partition(".")
    if dot:
        of_type = rest.strip("(*").partition(")")[0].partition(".")
        types = [of_type[0]] if of_type[2] or rest.startswith("(") else []
        return (f"{folder}{slash}{package}", *types)
    return tuple(part for part in folder.split("/") if part)[:_DEEPEST]
