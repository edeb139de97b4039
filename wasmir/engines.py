"""Which releases of which engines run which features without a flag.

A module may use a feature where the engine knows it, and not before: an engine refuses whole
modules. The facts stand in one table (:data:`ENGINES` is made from it), with their sources above
it; what no source tells is *unknown* there, and counts as not supported.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from wasmir.errors import PassError
from wasmir.features import BRANCH_HINTING, EXCEPTIONS, FEATURES, LEGACY_EXCEPTIONS, Feature
from wasmir.suggest import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ENGINES",
    "JSPI",
    "JSTAG",
    "JS_FEATURES",
    "JS_STRING_BUILTINS",
    "Engine",
    "Support",
    "Verdict",
    "dialects",
    "judge",
    "release_key",
    "supports",
]

JSTAG = Feature("jstag", "WebAssembly.JSTag: JavaScript's exceptions have a tag", True)
JSPI = Feature("jspi", "WebAssembly.promising and Suspending: calls that wait for promises", False)
JS_STRING_BUILTINS = Feature(
    "js-string-builtins", "imports from wasm:js-string that the engine provides", True
)

JS_FEATURES: Final[dict[str, Feature]] = {
    feature.name: feature for feature in (JSTAG, JSPI, JS_STRING_BUILTINS)
}
"""What the JavaScript API has, and no module shows: engines without JavaScript have none of it."""

Release: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Support:
    """The releases of an engine that run a feature: those from ``since`` on, and before it those of
    the lines of ``backports``, each from that release on; all of them only before ``until``.

    ``since`` is ``None`` where no release does, or, where ``known`` is false, nobody here knows.
    """

    since: str | None = None
    backports: tuple[str, ...] = ()
    until: str | None = None
    known: bool = True

    @classmethod
    def parse(cls, text: str) -> Support:
        """A cell of the table: ``-``, ``?``, ``137``, ``25.0,24.15,22.22.3``, ``15..40``."""
        if text in ("-", "?"):
            return cls(known=text == "-")
        text, _, until = text.partition("..")
        since, *backports = text.split(",")
        return cls(since, tuple(backports), until or None)

    def __str__(self) -> str:
        if self.since is None:
            return "-" if self.known else "?"
        since = "all" if self.since == "0" else self.since
        until = f"..{self.until}" if self.until else ""
        return ",".join((since, *self.backports)) + until

    def runs(self, release: str) -> bool:
        """Whether this release is among them."""
        asked = release_key(release)
        if self.since is None or (self.until and asked >= release_key(self.until)):
            return False
        return asked >= release_key(self.since) or any(
            asked[0] == first[0] and asked >= first for first in map(release_key, self.backports)
        )


@dataclass(frozen=True, slots=True)
class Engine:
    """``newest`` is the newest release that the table speaks of; of newer ones the same is said.
    ``support`` has every feature of ``FEATURES`` and :data:`JS_FEATURES`, by name.
    """

    name: str
    title: str
    newest: str
    support: dict[str, Support] = field(hash=False)


def release_key(release: str) -> Release:
    """What releases are compared by. Numbers that are left out are zeros: ``24`` is 24.0.0, so that
    what holds for it holds for each release of that line. Raises PassError where it is no release.
    """
    numbers = release.removeprefix("v").split(".")
    if not all(number.isascii() and number.isdigit() for number in numbers) or len(numbers) > 9:
        raise PassError(f"{release!r} is no release: write numbers with dots, as in 24.15")
    parts = [int(number[:12]) for number in numbers]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts) or (0,)


def supports(engine: str, release: str | None, feature: Feature | str) -> bool:
    """Whether a release (``None``: the newest known) runs modules that use the feature, without a
    flag. What is unknown counts as no.

    Raises PassError for an engine, a feature or a release that there is none of.
    """
    known = _engine(engine)
    name = feature if isinstance(feature, str) else feature.name
    if name not in known.support:
        hint = suggestion(name, known.support) or f"; known are {', '.join(known.support)}"
        raise PassError(f"unknown feature {name!r}{hint}")
    return known.support[name].runs(known.newest if release is None else release)


def dialects(target: str) -> frozenset[str]:
    """Which of ``exnref`` and ``legacy`` exception handling a target runs: ``node``, ``node@20``,
    ``chrome@120``. Without a release it is the newest known; ``node@24`` is 24.0.0, so that the
    answer holds for all of that line.

    Raises PassError for a target that isn't known.
    """
    name, at, release = target.partition("@")
    given = release if at else None
    named = {"exnref": EXCEPTIONS, "legacy": LEGACY_EXCEPTIONS}
    return frozenset(
        dialect for dialect, feature in named.items() if supports(name, given, feature)
    )


def _engine(name: str) -> Engine:
    if name not in ENGINES:
        hint = suggestion(name, ENGINES) or (
            f"; known are {', '.join(ENGINES)}, each with a release or without, as in node@24.15"
        )
        raise PassError(f"unknown engine {name!r}{hint}")
    return ENGINES[name]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which releases of an engine run a module.

    ``runs`` says which (``since`` is ``None`` for none). ``limits`` are the features that keep
    earlier releases out; ``missing`` those that no release has, and ``unknown`` those of which
    nobody here knows. ``with_pass`` has the passes that would let more releases in, and which.
    """

    engine: str
    runs: Support
    limits: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    with_pass: dict[str, Support] = field(default_factory=dict, hash=False)


def judge(engine: str, features: Iterable[str], dialect: str) -> Verdict:
    """Which releases of an engine run a module with these features, and this ``dialect`` of
    exception handling, as :mod:`wasmir.summary` has both.

    Raises PassError for an engine that isn't known.
    """
    support = _engine(engine).support
    needed = set(features)
    if not needed <= support.keys():
        raise PassError(f"unknown feature {min(needed - support.keys())!r}")
    # Hints that an engine doesn't know are a custom section that it passes over.
    needed.discard(BRANCH_HINTING.name)
    new, old = EXCEPTIONS.name, LEGACY_EXCEPTIONS.name
    tags = new in needed
    needed -= {new, old}
    if dialect == "mixed":
        # Chrome, Safari and Node 25 refuse it, and what takes it today (Firefox 153, Node 24.15)
        # promises nothing: counted as never. The pass converts what is legacy in it.
        verdict = Verdict(engine, Support())
        converted = _verdict(engine, needed | {new}).runs
        if converted.since is not None:
            verdict.with_pass["legacy-to-exnref"] = converted
        return verdict
    if tags and dialect in ("neutral", "none"):
        # Tags and throws are common to both dialects: what runs either runs them.
        either = [_verdict(engine, needed | {name}) for name in (old, new)]
        return min(either, key=lambda verdict: _order(verdict.runs))
    wanted = {"exnref": (new, old, "exnref-to-legacy"), "legacy": (old, new, "legacy-to-exnref")}
    if dialect not in wanted:
        return _verdict(engine, needed)
    has, other, pass_ = wanted[dialect]
    verdict = _verdict(engine, needed | {has})
    converted = _verdict(engine, needed | {other}).runs
    if _order(converted) < _order(verdict.runs):
        verdict.with_pass[pass_] = converted
    return verdict


def _order(runs: Support) -> tuple[int, Release]:
    """Earlier is better, and never comes last."""
    return (1, ()) if runs.since is None else (0, release_key(runs.since))


def _verdict(engine: str, needed: set[str]) -> Verdict:
    support = _engine(engine).support
    ordered = [name for name in support if name in (needed or {"mvp"})]
    unknown = tuple(name for name in ordered if not support[name].known)
    missing = tuple(name for name in ordered if support[name].known and not support[name].since)
    if unknown or missing:
        return Verdict(engine, Support(known=bool(missing)), missing=missing, unknown=unknown)
    found = [support[name] for name in ordered]
    since = max((each.since for each in found if each.since), key=release_key)
    limits = tuple(
        name
        for name, each in zip(ordered, found, strict=True)
        if each.since and release_key(each.since) == release_key(since) != (0,)
    )
    untils = [each.until for each in found if each.until]
    until = min(untils, key=release_key) if untils else None
    if until is not None and release_key(until) <= release_key(since):
        ends = tuple(name for name in ordered if support[name].until == until)
        return Verdict(engine, Support(), missing=ends)
    # In an older line it is the latest of its backports that lets the module in.
    lines: dict[int, str] = {}
    firsts = {first for each in found for first in each.backports}
    for first in sorted(firsts, key=release_key, reverse=True):
        if release_key(first) < release_key(since) and all(each.runs(first) for each in found):
            lines[release_key(first)[0]] = first
    return Verdict(engine, Support(since, tuple(lines.values()), until), limits)


# Where two sources differ, the later release stands: a module is better refused here than there.
#
# v8        As Chrome, whose releases are V8's times ten, but where V8 left to Chrome what to switch
#           on: threads came to V8's own defaults with 9.1. Tried in Node, Deno and workerd. exnref:
#           V8's main branch has it from 13.8.1 on, but 13.7.152, in Deno 2.3.2, has it, too, as MDN
#           and webassembly.org say of Chrome 137.
# chrome, firefox, safari
#           MDN's browser-compat-data 8.1.9 (npm @mdn/browser-compat-data, "webassembly"), and
#           webassembly.org/features (github.com/WebAssembly/website, features.json). Chromium 156
#           and Firefox 153 were also tried with tests/probes.py.
# node      webassembly.org/features; every release named here from 12.0 on was tried with those
#           probes, and for exceptions the ones before. Node 22 has switched exnref on since 22.19,
#           but unfinished, with wrong results, until 22.22.3 (github.com/nodejs/node/pull/62783);
#           24.15 got it by github.com/nodejs/node/pull/62567. Node 22.19 also switches on string
#           builtins (github.com/nodejs/node/pull/59179) and what V8 12.4 had of memory64, which
#           lacks 64-bit tables and so doesn't count. JSPI and hints are on in 25.0 (--v8-options).
# deno      webassembly.org/features; from 1.46 on tried. JSTag was not tried before 1.46.
# workerd   Tried, in about one release in two months and closer for exceptions: each release named
#           here is the first of those that took the probe (workerd compiles no bytes at run time;
#           WebAssembly.validate was asked). What 1.20230628 took, older ones may have taken; what
#           V8 10 has, all releases take. Whether shared memories work there is not known.
# wasmtime  webassembly.org/features up to 30, tried from 0.33 on (PyPI wasmtime, which has the
#           defaults of the C API); 47 is also in bytecodealliance.org/articles/wasmtime-gc, 49 was
#           tried alone. From 40 on shared memories need a setting.
# wasmer    webassembly.org/features, which lists no more than this.
# wasmedge  wasmedge.org/docs/start/wasmedge/extensions/proposals: the column of what is on by
#           default; and docs/embed/c/reference/upgrade_to_0.16.0, WASM 3.0. Exceptions in the
#           interpreter only.
# wamr      github.com/bytecodealliance/wasm-micro-runtime, doc/stability_wasm_proposals.md of 2.4:
#           what is on by default, not since when, so the release stands for itself. Legacy
#           exceptions in the interpreter only. It takes mutable globals for unimplemented and typed
#           references for part of gc, which is off: unknown here. There is no extended-const,
#           whatever the list says (pull/4258).
# wasm3     0.5.0 tried (PyPI pywasm3); older ones are unknown, newer ones not released there.
_TITLES: Final = """
    v8        15.6          V8
    chrome    156           Chrome
    firefox   155           Firefox
    safari    27.3          Safari
    node      26.10         Node.js
    deno      2.9.6         Deno
    workerd   1.20261117.1  workerd
    wasmtime  50.0.1        Wasmtime
    wasmer    7.1           Wasmer
    wasmedge  0.16          WasmEdge
    wamr      2.4.4         WAMR
    wasm3     0.5           wasm3
"""
# A release, then those of older lines that got it by backport; a..b: from a on, and before b.
# 0 is every release, - none that is known, ? unknown.
_TABLE: Final = """
                         v8    chrome  firefox  safari  node                deno   workerd       wasmtime  wasmer  wasmedge  wamr   wasm3
mvp                      5.7   57      52       11      8.0                 0      0             0         0       0         0      0
mutable-global           7.4   74      62       13.1    12.0                0.1    0             0         0.7     0.8.2     ?      0.5
saturating-float-to-int  7.5   75      64       15.1    12.5                0.4    0             0         0       0.8.2     2.4.4  0.5
sign-extension           7.4   74      62       14.1    12.0                0.1    0             0         0       0.8.2     2.4.4  0.5
multi-value              8.6   86      78       13.1    15.0                1.3.2  0             0.17      1.0     0.8.2     2.4.4  0.5
bulk-memory              7.5   75      79       15.1    12.5                0.4    0             0.20      1.0     0.8.2     2.4.4  0.5
reference-types          9.6   96      79       15.1    17.2                1.16   0             0.20      2.0     0.8.2     2.4.4  -
simd                     9.1   91      89       16.4    16.4                1.9    0             0.33      2.0     0.9       2.4.4  -
relaxed-simd             11.4  114     146      27.3    21.0                1.33   1.20230628.0  15        7.1     0.16      -      -
tail-call                11.2  112     121      18.2    20.0                1.32   1.20230628.0  22        7.1     0.16      -      0.5
extended-const           11.4  114     112      17.4    21.0                1.33   1.20230628.0  25        7.1     0.16      -      -
multi-memory             12.0  120     125      27.3    22.0                1.38   1.20231206.0  15        ?       0.16      -      -
memory64                 13.3  133     134      27.3    24.0                2.2    1.20250204.0  30        ?       -         -      -
function-references      11.9  119     120      18      22.0                1.38   1.20231206.0  47        ?       0.16      ?      -
gc                       11.9  119     120      18.2    22.0                1.38   1.20231206.0  47        ?       0.16      -      -
exceptions               13.7  137     131      18.4    25.0,24.15,22.22.3  2.3.2  1.20250523.0  47        6.0     0.16      -      -
branch-hinting           13.7  137     148      16      25.0                2.3.2  ?             -         ?       ?         -      -
legacy-exceptions        9.5   95      100      15.2    17.0                1.16   0             -         ?       ?         2.4.4  -
threads                  9.1   74      79       15.2    16.4                1.9    ?             15..40    4.0     -         2.4.4  -
wide-arithmetic          -     -       155      -       -                   -      -             49        7.1     -         ?      -
stack-switching          -     -       -        ?       -                   -      -             -         ?       ?         ?      -
custom-descriptors       -     -       -        ?       -                   -      -             -         ?       ?         ?      -
custom-page-sizes        -     -       -        ?       -                   -      -             -         ?       -         ?      -
compact-imports          -     -       -        ?       -                   -      1.20261023.1  -         ?       ?         ?      -
fp16                     -     -       -        ?       -                   -      -             -         ?       ?         ?      -
jstag                    11.5  115     131      18.4    21.0                1.46   1.20230628.0  -         -       -         -      -
jspi                     13.7  137     153      27      25.0                2.3.2  1.20250523.0  -         -       -         -      -
js-string-builtins       13.0  130     134      26.2    24.0,22.19          2.1    1.20241004.0  -         -       -         -      -
"""  # noqa: E501 - a table is read along its lines


def _engines() -> dict[str, Engine]:
    head, *rows = [line.split() for line in _TABLE.strip().splitlines()]
    cells = {row[0]: dict(zip(head, map(Support.parse, row[1:]), strict=True)) for row in rows}
    made = {}
    for line in _TITLES.strip().splitlines():
        name, newest, title = line.split()
        known = {feature: cells[feature][name] for feature in (*FEATURES, *JS_FEATURES)}
        made[name] = Engine(name, title, newest, known)
    return made


ENGINES: Final[dict[str, Engine]] = _engines()
"""Every engine by its name."""
