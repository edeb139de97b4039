"""One bad request and its siblings: a C++ ledger in Node, compared with what it should answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest

import wasmir
from corpus.engine import arguments, run_script
from corpus.manifest import find
from tests.modules import SCALE
from tests.recovery.ledger import ALL, FAILURES, HEALTHY, SEEN, Choices, World, make_requests
from tests.recovery.older import older_node
from wasmir import Module, Pipeline
from wasmir.passes.adapters import Adapters
from wasmir.passes.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wasmir import Item

pytestmark = pytest.mark.usefixtures("engine")

LOADER: Final = Path(str(wasmir.__file__)).parent / "runtime" / "recover.mjs"
MANY: Final = 100 * SCALE
"""Schedules, of up to two dozen requests and what is nested in them."""


@dataclass(frozen=True)
class Variant:
    """The program, and what is done to it before it is run; nothing where nobody notices."""

    dialect: str
    notice: str = ""
    level: str = "O2"
    identity: str = ""
    auto: bool = False

    def __str__(self) -> str:
        return "-".join(filter(None, [*self._parts(), "auto" if self.auto else ""]))

    def _parts(self) -> Iterable[str]:
        return (self.notice or "unmodified", self.dialect, self.level, self.identity)

    @property
    def choices(self) -> Choices:
        """What this variant can cope with."""
        if self.notice == "host":
            return ALL
        if self.dialect == "exnref":
            return SEEN
        # There the module can't ask for the type of a function before it calls it.
        seen = [each for each in SEEN.failures if FAILURES[each] != "other function"]
        return replace(SEEN, failures=tuple(seen))

    def module(self) -> bytes:
        opened = Module.from_file(find(f"cpp-requests-{self.dialect}-{self.level}").path)
        if self.notice:
            options = [f"notice={self.notice}"]
            options += [f"identity={self.identity}"] if self.identity else []
            options += ["auto-reset=true"] if self.auto else []
            Pipeline.parse(f"recover{{{','.join(options)}}}").run(opened)
        return opened.to_bytes()


_EACH: Final = [
    Variant(dialect, notice, level)
    for dialect in ("legacy", "exnref")
    for notice in ("host", "wasm")
    for level in ("O0", "O2")
]
RECOVERED: Final = [
    *_EACH,
    *(Variant(each.dialect, each.notice, auto=True) for each in _EACH[::2]),
    *(Variant("legacy", notice, identity="jstag") for notice in ("host", "wasm")),
]
UNMODIFIED: Final = [Variant("legacy"), Variant("exnref")]

Ended = list[tuple[Any, ...]]


@dataclass
class Outcome:
    """What became of some schedules."""

    #: Numbers of the schedules in which a call ended as it shouldn't.
    wrong: list[int] = field(default_factory=list)
    aborts: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    #: Calls that left the stack pointer where it wasn't.
    leaks: int = 0


def send(
    folder: Path,
    variant: Variant,
    choices: Choices | None = None,
    *,
    program: Path | None = None,
    data: bytes | None = None,
    reset: str = "",
) -> Outcome:
    """Send many requests, and compare what they answer with the reference. With ``reset``, by the
    loader, which is to put the instance right in that way.
    """
    path = folder / f"{variant}.wasm"
    path.write_bytes(data or variant.module())
    schedules = [make_requests(Random(i), choices or variant.choices) for i in range(MANY)]
    guards = variant.notice == "host" or reset != ""
    run = {"module": "it", "guard": guards, "schedules": schedules}
    run |= {"reset": reset} if reset else {}
    request = {
        "modules": {"it": str(path)},
        "loader": str(LOADER) if reset else None,
        "runs": [run],
    }
    [answers] = run_script("requests.mjs", request, start=arguments(program, stack=200))
    outcome = Outcome()
    for number, (schedule, answer) in enumerate(zip(schedules, answers, strict=True)):
        world = World(
            in_wasm=not guards,
            auto=variant.auto or reset not in ("", "never"),
            tells_cut=bool(reset),
        )
        wanted = world.run(schedule)
        if [tuple(end) for *end, _ in answer] != wanted:
            outcome.wrong.append(number)
        outcome.aborts += world.aborts
        outcome.ended.update(end[0] for end in answer)
        outcome.leaks += sum(
            not level for kind, *_, level in answer if kind not in ("aborted", "refused")
        )
    return outcome


@pytest.mark.parametrize("variant", RECOVERED, ids=str)
def test_only_the_failing_request_fails(variant: Variant, tmp_path: Path) -> None:
    outcome = send(tmp_path, variant)
    assert outcome.wrong == []
    assert outcome.leaks == 0
    # It was put to the test.
    assert outcome.aborts > MANY
    kinds = {"returned", "panicked", "foreign", "aborted", "refused"}
    assert set(outcome.ended) >= kinds - ({"refused"} if variant.auto else set())


@pytest.mark.parametrize("reset", ["never", "in-place", "reinstantiate"])
@pytest.mark.parametrize("variant", _EACH[1::2], ids=str)
def test_by_the_loader(variant: Variant, reset: str, tmp_path: Path) -> None:
    """Who notices at once, whoever else would."""
    outcome = send(tmp_path, variant, ALL, reset=reset)
    assert (outcome.wrong, outcome.leaks) == ([], 0)
    assert outcome.aborts > MANY
    # At least those below which the loader reset the instance.
    assert "refused" in outcome.ended


@pytest.mark.parametrize(
    ("dialect", "passes"),
    [
        ("legacy", "legacy-to-exnref,recover"),
        ("legacy", "recover,legacy-to-exnref"),
        ("legacy", "recover{identity=jstag},legacy-to-exnref"),
        ("exnref", "exnref-to-legacy,recover"),
        ("exnref", "recover{share=true}"),
    ],
)
def test_beside_a_conversion(dialect: str, passes: str, tmp_path: Path) -> None:
    """Before it, or behind it; and with gates that share their bodies."""
    variant = Variant(dialect, "host")
    opened = Module.from_bytes(Variant(dialect).module())
    Pipeline.parse(passes).run(opened)
    outcome = send(tmp_path, variant, data=opened.to_bytes())
    assert (outcome.wrong, outcome.leaks) == ([], 0)
    assert outcome.aborts > MANY


@pytest.mark.parametrize("variant", UNMODIFIED, ids=str)
def test_unmodified_one_bad_request_poisons_the_rest(variant: Variant, tmp_path: Path) -> None:
    """Wrong answers in nearly every schedule with an abort, and none that is refused."""
    outcome = send(tmp_path, variant, replace(ALL, steps=()))
    assert len(outcome.wrong) > MANY * 3 // 4
    assert "refused" not in outcome.ended
    assert outcome.leaks > MANY


@pytest.mark.parametrize("variant", [*UNMODIFIED, *_EACH], ids=str)
def test_without_aborts_all_answer_alike(variant: Variant, tmp_path: Path) -> None:
    outcome = send(tmp_path, variant, HEALTHY)
    assert outcome.wrong == []
    assert outcome.aborts == 0
    assert set(outcome.ended) == {"returned", "panicked", "foreign"}


@pytest.mark.parametrize("end", ["overflow", "trap again"])
def test_what_the_module_cannot_notice(end: str, tmp_path: Path) -> None:
    """Unwinding through a door that no handler sees: that is what ``notice=host`` is for."""
    unseen = replace(HEALTHY, ends=(end,))
    assert send(tmp_path, Variant("exnref", "wasm"), unseen).wrong
    assert send(tmp_path, Variant("exnref", "host"), unseen).wrong == []


def _no_items(*_: object, **__: object) -> list[Item]:
    return []


def _no_mark(*_: object) -> None:
    return None


BREAKS: Final[dict[str, tuple[Variant, type, str, object]]] = {
    "gates let everything in": (Variant("exnref", "host"), Guard, "enters", _no_items),
    "doors let stale frames go on": (Variant("legacy", "host"), Guard, "back", _no_items),
    "gates don't count out": (Variant("legacy", "host"), Guard, "leaves", _no_items),
    "the stack pointer stays": (
        Variant("exnref", "host"),
        Adapters,
        "stack_pointer",
        property(lambda _: None, _no_mark),
    ),
    "indirect calls are no doors": (
        Variant("exnref", "wasm"),
        Adapters,
        "indirect",
        property(lambda _: False, _no_mark),
    ),
}


@pytest.mark.parametrize("broken", BREAKS)
def test_broken_recovery_is_found(
    broken: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    variant, where, name, replacement = BREAKS[broken]
    monkeypatch.setattr(where, name, replacement)
    data = variant.module()
    monkeypatch.undo()
    outcome = send(tmp_path, variant, data=data)
    assert outcome.wrong or outcome.leaks


@pytest.mark.parametrize("notice", ["host", "wasm"])
def test_in_an_older_node(notice: str, tmp_path: Path) -> None:
    program = older_node()
    variant = Variant("legacy", notice)
    outcome = send(tmp_path, variant, program=program)
    assert (outcome.wrong, outcome.leaks) == ([], 0)
    assert outcome.aborts > MANY
    assert send(tmp_path, Variant("legacy"), variant.choices, program=program).wrong
