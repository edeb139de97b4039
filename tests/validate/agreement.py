"""Modules that wasmir and wasm-tools both judge: how they are made, and where the two differ."""

from __future__ import annotations

import re
import subprocess
import tempfile
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from corpus.build import wasm_tools
from tests.fuzz.cases import Frames, framed, framed_mutation, mutation, seed_frames
from tests.support import Missing, spec_tests
from wasmir import DialectWarning, Module, WasmError
from wasmir.features import FEATURES as KNOWN_FEATURES
from wasmir.isa import tokens
from wasmir.wire import encode_unsigned

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KINDS", "Verdicts", "cases", "features_of", "judge"]

FEATURES = (
    "wasm3,legacy-exceptions,threads,wide-arithmetic,stack-switching,custom-descriptors,"
    "custom-page-sizes,compact-imports"
)
"""All that both know: wasm-tools has no half precision, and wasmir none of its drafts."""

LIMITS = re.compile(
    r"exceeds? (?:limit|maximum)|implementation limit|too many locals|size is out of bounds"
    r"|count of |br_table size|function body too large|table size|is out of bounds"
    r"|effective type size|depth"
)
"""What wasm-tools says where a module is larger than engines take, which the specification allows
it to refuse (appendix "Implementation Limitations"), and wasmir doesn't."""


@dataclass(frozen=True)
class Verdicts:
    """``None`` is valid, a text says why not."""

    ours: str | None
    theirs: str | None

    @property
    def kind(self) -> str:
        """``valid``, ``invalid``, or how they differ."""
        if (self.ours is None) == (self.theirs is None):
            return "valid" if self.ours is None else "invalid"
        for name, (ours, theirs) in EXPLAINED.items():
            if _fits(ours, self.ours) and _fits(theirs, self.theirs):
                return name
        return "DIFFERENT"


def _fits(pattern: re.Pattern[str] | None, text: str | None) -> bool:
    if pattern is None or text is None:
        return pattern is None and text is None
    return pattern.search(text) is not None


EXPLAINED: dict[str, tuple[re.Pattern[str] | None, re.Pattern[str] | None]] = {
    "a limit of wasm-tools": (None, LIMITS),
    # The proposal (custom-descriptors, Overview) allows a supertype without a descriptor, and the
    # suite has valid modules with one.
    "a descriptor below none": (
        None,
        re.compile("sub type with descriptor must have super type with descriptor"),
    ),
}
"""Differences, with what each says: ``None`` for valid."""


def judge(data: bytes, features: str = FEATURES) -> Verdicts:
    ours = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DialectWarning)
            Module.from_bytes(data).validate(features=features)
    except WasmError as error:
        ours = str(error)
    result = _run("validate", "-f", features, "-", data=data)
    theirs = None
    if result.returncode:
        theirs = result.stderr.decode(errors="replace").strip() or "no reason"
    return Verdicts(ours, theirs)


def _run(*arguments: str, data: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [wasm_tools(), *arguments], input=data, capture_output=True, check=False, timeout=300
    )


# Making modules

_SWITCHES = (
    "gc",
    "exceptions",
    "threads",
    "memory64",
    "custom-page-sizes",
    "wide-arithmetic",
    "tail-call",
    "simd",
    "relaxed-simd",
    "reference-types",
    "extended-const",
    "compact-imports",
    "custom-descriptors",
)
# What `wasm-tools mutate` can read.
_MUTABLE = ("exceptions", "tail-call", "simd", "reference-types", "threads")


def _smith(random: Random, switches: tuple[str, ...]) -> bytes | None:
    on = {switch for switch in switches if random.random() < 0.7}
    # The others depend on it.
    if "gc" in on or "custom-descriptors" in on:
        on |= {"gc", "reference-types"} & set(switches)
    options = [f"--{switch}-enabled={str(switch in on).lower()}" for switch in (*_SWITCHES,)]
    options += ["--max-memories=3", "--max-tables=3", "--min-funcs=1"]
    seed = random.randbytes(random.choice([200, 1000, 4000]))
    result = _run("smith", *options, data=seed)
    return None if result.returncode else result.stdout


def smith(random: Random) -> bytes | None:
    """What wasm-tools makes of random bytes: valid."""
    return _smith(random, _SWITCHES)


def mutated_smith(random: Random) -> bytes | None:
    """The same, after one of wasm-tools' own mutations."""
    made = _smith(random, _MUTABLE)
    if made is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.wasm"
        path.write_bytes(made)
        result = _run("mutate", "--seed", str(random.getrandbits(32)), str(path), data=b"")
    return None if result.returncode else result.stdout


@cache
def _suite() -> list[Path]:
    found = spec_tests()
    if isinstance(found, Missing):
        return []
    return sorted(path for path in found.rglob("*.wasm") if path.stat().st_size < 20_000)


def _seed(random: Random) -> Frames:
    """A module of the corpus or of the specification's suite, taken apart."""
    suite = _suite()
    if suite and random.random() < 0.8:
        data = random.choice(suite).read_bytes()
        try:
            Module.from_bytes(data).read_all()
            return framed(data)
        except (WasmError, IndexError):
            return _seed(random)
    return random.choice(seed_frames())


def code_mutation(random: Random) -> bytes | None:
    """Instructions left out, doubled, exchanged, or replaced by some from elsewhere: code that is
    well-formed, mostly, and hardly ever valid.
    """
    frames = _seed(random)
    if not frames.bodies:
        return None
    body = random.randrange(len(frames.bodies))
    other = random.choice(frames.bodies if random.random() < 0.5 else _seed(random).bodies or [b""])
    return frames.changed((body, 0), lambda code: _recoded(random, code, other)).joined()


def _split(code: bytes) -> tuple[bytes, list[bytes]]:
    try:
        start = tokens.skip_locals(code, 0, len(code))
        found = [token for part in tokens.split_whole(code, start, len(code)) for token in part]
    except WasmError:
        return code, []
    return code[:start], found


def _recoded(random: Random, code: bytes, other: bytes) -> bytes:
    declared, found = _split(code)
    pool = _split(other)[1] or found
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        if not found:
            break
        at = random.randrange(len(found))
        match random.randrange(5):
            case 0:
                del found[at]
            case 1:
                found.insert(at, random.choice(found))
            case 2:
                found[at] = random.choice(pool)
            case 3:
                found.insert(at, random.choice(pool))
            case _:
                to = random.randrange(len(found))
                found[at], found[to] = found[to], found[at]
    return declared + b"".join(found)


def section_mutation(random: Random) -> bytes | None:
    """A byte of a section is another; the sizes fit."""
    frames = _seed(random)
    places = [place for place in frames.places() if place[0] < 0]
    if not places:
        return None

    def changed(content: bytes) -> bytes:
        if not content:
            return content
        at = random.randrange(len(content))
        new = random.choice([content[at] ^ 1 << random.randrange(8), random.randrange(256)])
        small = (content[at] + random.choice([-1, 1])) % 256
        return content[:at] + bytes([random.choice([new, small])]) + content[at + 1 :]

    return frames.changed(random.choice(places), changed).joined()


def byte_mutation(random: Random) -> bytes | None:
    """Bytes of a body are others; the sizes fit."""
    frames = _seed(random)
    if not frames.bodies:
        return None
    body = random.randrange(len(frames.bodies))

    def changed(code: bytes) -> bytes:
        if not code:
            return code
        at = random.randrange(len(code))
        new = random.choice(
            [bytes([random.randrange(256)]), b"", encode_unsigned(random.getrandbits(8))]
        )
        return code[:at] + new + code[at + 1 :]

    return frames.changed((body, 0), changed).joined()


def fewer_features(random: Random) -> bytes | None:
    """A module of wasm-tools' or of the suite, judged with fewer features: see
    :func:`features_of`.
    """
    suite = _suite()
    if suite and random.random() < 0.6:
        return random.choice(suite).read_bytes()
    return smith(random)


def features_of(kind: str, number: int) -> str:
    """What is on when a module is judged."""
    if kind != "fewer-features":
        return FEATURES
    random = Random(f"features {number}")
    # Those that wasm-tools has, too.
    known = sorted(KNOWN_FEATURES.keys() - {"mvp", "branch-hinting", "fp16"})
    return ",".join(
        ["all", *(f"-{name}" for name in random.sample(known, random.choice([1, 1, 2, 3])))]
    )


KINDS: dict[str, tuple[float, Callable[[Random], bytes | None]]] = {
    "smith": (0.2, smith),
    "mutated-smith": (0.1, mutated_smith),
    "fewer-features": (0.1, fewer_features),
    "code-mutation": (0.3, code_mutation),
    "section-mutation": (0.1, section_mutation),
    "byte-mutation": (0.1, byte_mutation),
    "mutation": (0.05, mutation),
    "framed-mutation": (0.05, framed_mutation),
}
"""The share of each among many, and what makes it. ``None`` is made where that can't be."""


def cases(kind: str, numbers: range) -> list[tuple[int, bytes]]:
    """Modules with their numbers; always the same for a number."""
    make = KINDS[kind][1]
    made = ((number, make(Random(f"{kind} {number}"))) for number in numbers)
    return [(number, data) for number, data in made if data is not None]
