"""The corpus's modules in the interpreter: as in Node, and the same when they were rewritten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from corpus.demo import convert
from corpus.engine import Call, Run, differences, run_calls
from corpus.manifest import Module, find, modules
from tests.interp.session import Session, run, shown_by_javascript
from wasmir import Module as Opened
from wasmir import NumType, Pipeline
from wasmir.interp import Program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Of the C++ programs two levels of optimisation, without it in one dialect.
LEVELS = (("legacy", "-O0"), ("legacy", "-O2"), ("exnref", "-O2"))
ENTRIES = [
    entry
    for entry in modules()
    if entry.runs and (entry.producer != "cpp" or (entry.eh, entry.flags[0]) in LEVELS)
]
NESTED = (15, -1)


def _opened(entry: Module) -> Opened:
    return Opened.from_file(entry.path)


def _agree(pairs: Sequence[tuple[str, Run, Run]]) -> None:
    wrong = [(name, differences(one, other)) for name, one, other in pairs]
    assert not [(name, found[:2]) for name, found in wrong if found]
    # Programs that did nothing would all be alike.
    outcomes = {next(iter(call.outcome)) for _, one, _ in pairs for call in one.calls}
    assert outcomes == {"returned", "thrown", "trap"}


@pytest.mark.usefixtures("engine")
def test_the_corpus_does_what_it_does_in_node(tmp_path: Path) -> None:
    """Results, exceptions with payload and identity, traps, and what is logged; memories and
    globals after each call.
    """
    paths = [entry.path for entry in ENTRIES]
    # Node has its own idea of one instruction where the dialects are mixed.
    mixed = paths.index(find("mixed").path)
    converted = tmp_path / "converted.wasm"
    converted.write_bytes(convert(paths[mixed].read_bytes()))
    paths[mixed] = converted
    runs = run_calls(paths)
    _agree(
        [
            (entry.name, theirs, run(Program(_opened(entry))))
            for entry, theirs in zip(ENTRIES, runs, strict=True)
        ]
    )


@pytest.mark.usefixtures("engine")
def test_exceptions_of_the_host_do_what_they_do_in_node() -> None:
    """Everywhere where something is logged."""
    chosen = [entry for entry in ENTRIES if (entry.eh, entry.flags[:1]) == ("legacy", ("-O2",))]
    runs = run_calls([entry.path for entry in chosen], log_throws_at=2)
    pairs = [
        (entry.name, theirs, run(Program(_opened(entry)), log_throws_at=2))
        for entry, theirs in zip(chosen, runs, strict=True)
    ]
    _agree(pairs)


def _rewritten(entry: Module, pipeline: str) -> Opened:
    module = _opened(entry)
    Pipeline.parse(pipeline).run(module)
    return module


REWRITES = {
    "legacy": ("legacy-to-exnref", "legacy-to-exnref,exnref-to-legacy"),
    "exnref": ("exnref-to-legacy",),
}
"""By dialect, pipelines after which a program does what it did before."""

# What is written by hand in exnref uses exceptions as values, which the other dialect hasn't.
LEGACY_TEXT = ("legacy", "wat")


@pytest.mark.parametrize("eh", REWRITES)
def test_rewritten_programs_do_the_same(eh: str) -> None:
    """As they are in memory: nothing is encoded, and no engine is there."""
    chosen = [
        entry
        for entry in ENTRIES
        if entry.eh == eh and (entry.flags[:1] == ("-O2",) or (eh, entry.producer) == LEGACY_TEXT)
    ]
    pairs = []
    for entry in chosen:
        before = run(Program(_opened(entry)))
        for pipeline in REWRITES[eh]:
            after = run(Program(_rewritten(entry, pipeline)))
            pairs.append((f"{entry.name} {pipeline}", before, after))
    _agree(pairs)


FUEL = 20_000
"""What a call of a function that nobody exports may take: with these arguments it may never end."""
UNKNOWN = ("all fuel consumed", "stack overflow")
"""How calls end that say nothing: rewritten code takes less fuel, or more."""


def _each_function(program: Program) -> list[Call | None]:
    """Calls of every function with small numbers, each in an instance of its own; ``None`` where
    the fuel isn't enough.
    """
    found: list[Call | None] = []
    for function in program.module.functions:
        params = function.func_type.params
        if function.imported is None and set(params) <= {NumType.I32, NumType.I64}:
            for first in (1, 3, 64):
                session = Session(program, fuel=FUEL)
                args = [first + at for at in range(len(params))]
                call = session.called(str(function.index), session.instance.entity(function), args)
                found.append(None if call.outcome.get("trap") in UNKNOWN else call)
    return found


@pytest.mark.parametrize("name", ["cpp-legacy-O2", "cpp-handling-legacy-O0"])
def test_rewritten_functions_do_the_same(name: str) -> None:
    """All of them, function by function, exported or not."""
    entry = find(name)
    assert isinstance(entry, Module)
    before = _each_function(Program(_opened(entry), fuel=True))
    after = _each_function(Program(_rewritten(entry, "legacy-to-exnref"), fuel=True))
    pairs = [(one, other) for one, other in zip(before, after, strict=True) if one and other]
    assert len(pairs) > len(before) * 0.9
    for one, other in pairs:
        assert one == other
    assert {next(iter(one.outcome)) for one, _ in pairs} == {"returned", "thrown", "trap"}


def test_both_forms_do_the_same() -> None:
    """Flat as well as nested code."""
    pairs = []
    for entry in ENTRIES:
        if (entry.eh, entry.flags[:1]) == ("legacy", ("-O0",)):
            nested, flat = (run(Program(_opened(entry), nested=depth)) for depth in NESTED)
            pairs.append((entry.name, nested, flat))
    _agree(pairs)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (123456.75, "123456.75"),
        (1e-6, "0.000001"),
        (1.25e-7, "1.25e-7"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (float("inf"), "Infinity"),
        (float("nan"), "NaN"),
    ],
)
def test_numbers_are_shown_as_by_javascript(value: float, text: str) -> None:
    assert shown_by_javascript(value) == text
