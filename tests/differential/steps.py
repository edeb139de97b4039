"""What is made of a random module by the two conversions, there and back, and what must hold."""

from __future__ import annotations

import dataclasses
import subprocess
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from corpus.build import wasm_tools
from tests.modules import unsigned
from tests.support import CONVERTED, validation_error
from wasmir import Module, UnsupportedError, WasmError
from wasmir.passes.exnref_to_legacy import ExnrefToLegacy
from wasmir.passes.legacy_to_exnref import LegacyToExnref

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "REAL",
    "REFUSED",
    "Passes",
    "Steps",
    "exnref_steps",
    "invalid",
    "legacy_steps",
    "variants",
]

REFUSED = ("code behind a landing uses operands from before it", "too many clauses land")
"""What ``exnref-to-legacy`` may say of what ``legacy-to-exnref`` has written."""

_TOGETHER = 500
"""Modules that are validated at a time; a component may have fewer than a thousand."""

_COMPONENT = b"\0asm\x0d\0\1\0"


@dataclass
class Steps:
    """A module and all that came of it, by what was done: they must be valid, and alike.

    The first is the module itself. ``exnref`` names those that must have no legacy instruction.
    """

    modules: dict[str, bytes]
    exnref: set[str] = field(default_factory=set)
    #: Why there is no way back, if there is none.
    refused: str | None = None

    def add(self, name: str, data: bytes, *, exnref: bool) -> bytes:
        self.modules[name] = data
        if exnref:
            self.exnref.add(name)
        return data


@dataclass(frozen=True)
class Passes:
    """The two conversions: those that there are, or others in their place."""

    to_exnref: type[LegacyToExnref] = LegacyToExnref
    to_legacy: type[ExnrefToLegacy] = ExnrefToLegacy

    def forth(self, data: bytes, variant: str = "") -> bytes:
        """In exnref, with one of the :func:`variants`."""
        module = Module.from_bytes(data)
        self.to_exnref(**variants().get(variant, {})).run(module)
        return module.to_bytes()

    def back(self, data: bytes) -> bytes:
        """In the legacy dialect."""
        module = Module.from_bytes(data)
        try:
            self.to_legacy().run(module)
        except UnsupportedError:
            if module.to_bytes() != data:
                raise AssertionError("a module was refused, and is not what it was") from None
            raise
        return module.to_bytes()


REAL = Passes()


@cache
def variants() -> dict[str, dict[str, bool]]:
    """Options for ``legacy-to-exnref``: each of them off, and all of them off."""
    off: dict[str, bool] = {}
    for each in dataclasses.fields(LegacyToExnref):
        if not isinstance(each.default, bool):
            raise TypeError(f"which values of the option {each.name} are to be tried?")
        off[each.name] = not each.default
    found = {f"without {name}": {name: value} for name, value in off.items()}
    found["without any"] = off
    return found


def legacy_steps(data: bytes, chosen: Sequence[str] | None = None, passes: Passes = REAL) -> Steps:
    """To exnref, there and back, and there again; and with the ``chosen`` of :func:`variants` (all
    of them where nothing is said).
    """
    steps = Steps({"legacy": data})
    there = steps.add("to exnref", passes.forth(data), exnref=True)
    if passes.forth(there) != there:
        raise AssertionError("what is converted already changes when it is converted again")
    for name in variants() if chosen is None else chosen:
        steps.add(f"to exnref {name}", passes.forth(data, name), exnref=True)
    try:
        back = steps.add("there and back", passes.back(there), exnref=False)
    except UnsupportedError as error:
        if not error.reason.startswith(REFUSED):
            raise
        steps.refused = error.reason
    else:
        steps.add("there and back and there", passes.forth(back), exnref=True)
    return steps


def exnref_steps(data: bytes, chosen: Sequence[str] | None = None, passes: Passes = REAL) -> Steps:
    """To the legacy dialect, if it has a form there, and back; also by the ``chosen`` variants
    (none where nothing is said, for they meet more in legacy modules).
    """
    steps = Steps({"exnref": data}, {"exnref"})
    try:
        back = steps.add("to legacy", passes.back(data), exnref=False)
    except UnsupportedError as error:
        steps.refused = error.reason
        return steps
    if passes.back(back) != back:
        raise AssertionError("what is converted already changes when it is converted again")
    steps.add("to legacy and back", passes.forth(back), exnref=True)
    for name in () if chosen is None else chosen:
        steps.add(f"to legacy and back {name}", passes.forth(back, name), exnref=True)
    return steps


def invalid(modules: Sequence[tuple[bytes, bool]]) -> list[tuple[int, str]]:
    """Which of the modules wasm-tools or wasmir refuses, and why; the flag says that legacy
    exception handling is not to be accepted.

    Modules are put into a component, because a process takes longer to start than a module to be
    validated.
    """
    found = []
    for exnref, features in ((True, CONVERTED), (False, "all")):
        chosen = [n for n, (_, flag) in enumerate(modules) if flag is exnref]
        for at in range(0, len(chosen), _TOGETHER):
            some = chosen[at : at + _TOGETHER]
            together = _COMPONENT + b"".join(
                b"\1" + unsigned(len(modules[n][0])) + modules[n][0] for n in some
            )
            if _complaint(together, features) is None:
                continue
            complaints = [(n, _complaint(modules[n][0], features)) for n in some]
            found += [(n, words) for n, words in complaints if words is not None]
    known = {n for n, _ in found}
    # An option that changes nothing gives the same module again.
    ours: dict[tuple[bytes, bool], WasmError | None] = {}
    for n, each in enumerate(modules):
        if n in known:
            continue
        if each not in ours:
            data, exnref = each
            ours[each] = validation_error(data, CONVERTED if exnref else "all")
        if ours[each] is not None:
            found.append((n, f"wasmir alone refuses it: {ours[each]}"))
    return found


def _complaint(data: bytes, features: str) -> str | None:
    result = subprocess.run(
        [wasm_tools(), "validate", "-f", features, "-"],
        input=data,
        capture_output=True,
        check=False,
        timeout=300,
    )
    return result.stderr.decode(errors="replace").strip() if result.returncode else None
