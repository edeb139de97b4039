"""Mistakes that the conversions might have, made on purpose: each must be found out.

A mistake is a piece of a pass's source with something else in its place. Where the piece is gone,
because the pass was written anew, the mistake has to be made anew, too, or taken from the list.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import wasmir.passes
from tests.differential.steps import Passes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

__all__ = ["MUTANTS", "GoneError", "Mutant", "mutated"]

_PACKAGE = "wasmir.passes"


class GoneError(Exception):
    """What a mistake was to be made in isn't there any more."""


@dataclass(frozen=True)
class Mutant:
    """A mistake: what stands in the passes (once), and what in its place. ``shown_by`` are
    random modules of a kind, or, where it takes too many of those, the examples of the passes.
    """

    name: str
    old: str
    new: str
    shown_by: Literal["legacy", "exnref", "examples"] = "legacy"
    #: One of the first that showed it when it was written. The search starts there, and goes on.
    seed: int = 0


MUTANTS = (
    # exnref to legacy: where exceptions go
    Mutant(
        "a branch on a reference takes everything from the top",
        'item.row.name != "br_on_null"',
        "True",
        "examples",
    ),
    Mutant(
        "locals behind a landing are those before the try_table",
        "self._join(clause.label, frame.thrown)",
        "self._join(clause.label, frame.start)",
        "examples",
    ),
    Mutant(
        "two paths meet, and the first counts",
        "a if a is b else _MIXED for a, b in",
        "a for a, _ in",
        "examples",
    ),
    Mutant(
        "all handlers let through",
        "any(at > inside for at in handlers)",
        "False",
        "exnref",
        seed=578,
    ),
    Mutant(
        "what an inner one doesn't catch, none does",
        "            if not complete:\n",
        "            if False:\n",
        "examples",
    ),
    Mutant(
        "all dropped operands go on being dropped",
        "            if self._taken(1)[0] is None:\n                frame.kept.append(item)\n",
        "            self._taken(1)\n            frame.kept.append(item)\n",
        "exnref",
    ),
    Mutant(
        "operands from before a landing are there behind it",
        "if place < frame.base + region.height:",
        "if place < 0:",
    ),
    # exnref to legacy: rewriting
    Mutant(
        "copies keep the labels of the original", "self.retarget(_items(code))", "pass", "examples"
    ),
    Mutant(
        "a region's end leads nowhere", "        if region.falls:\n", "        if False:\n", seed=84
    ),
    Mutant(
        "no shield", "        if arrival.exposed:\n", "        if False:\n", "examples", seed=578
    ),
    Mutant(
        "delegates whatever else is caught",
        "and len(try_.catches) == 1",
        "",
        "examples",
    ),
    Mutant(
        "delegates past handlers with a tag",
        "and (arrival.clause.tag is None or not arrival.exposed)",
        "",
        "examples",
    ),
    Mutant(
        "every rethrow is the nearest",
        "if rethrow.label is region.landing:",
        "if True:",
        "legacy",
        seed=1241,
    ),
    Mutant(
        "to a loop's end by its label",
        "if isinstance(owner, Loop):",
        "if False:",
        "examples",
    ),
    Mutant(
        "a branch with operands below ends a handler",
        "if catch in self.exact and",
        "if",
        "exnref",
        seed=967,
    ),
    Mutant(
        "delegates to the try that stands there now",
        "self.around.get(label) or self.replaced[label]",
        "self.replaced[label]",
        "legacy",
        seed=807,
    ),
    Mutant(
        "locals close up",
        "(count, NumType.I32 if mentions_exceptions(type_) else type_) for count, type_ in groups",
        "(count, type_) for count, type_ in groups if not mentions_exceptions(type_)",
        "examples",
    ),
    Mutant(
        "a try with operands below it is the last thing, too",
        "if not isinstance(try_, Try) or try_ not in self.flat:",
        "if not isinstance(try_, Try):",
        "exnref",
    ),
    # legacy to exnref: which handlers there are
    Mutant(
        "a delegate is as if it were not there",
        "scope.target if isinstance(scope, Plan) and delegates else scope.parent",
        "scope.parent",
        seed=124,
    ),
    Mutant(
        "what the first doesn't take, none does",
        "found = own + [handler for handler in found if handler.tag not in tags]",
        "found = own",
        seed=2045,
    ),
    # legacy to exnref: plans and rewriting
    Mutant("a delegate is but a block", "if wanted != natural:", "if False:", seed=107),
    Mutant(
        "a delegate stops at the target", "if not complete and any(", "if False and any(", seed=107
    ),
    Mutant(
        "a delegate to the caller meets handlers",
        "            if natural:\n",
        "            if False:\n",
        seed=107,
    ),
    Mutant(
        "tags with the same payload are the same",
        "if handler.tag not in seen:",
        "if str(handler.tag and handler.tag.params) not in {str(t and t.params) for t in seen}:",
    ),
    Mutant(
        "any rethrow is of the handler's own",
        "if items.pop() is not handler.rethrows[0][0]:",
        "if items.pop() is None:",
    ),
    Mutant(
        "whatever is caught is thrown on",
        "while handlers and self.only_rethrows(handlers[-1]):\n                handlers.pop()",
        "handlers[:] = [each for each in handlers if not self.only_rethrows(each)]",
        "legacy",
        seed=553,
    ),
    Mutant(
        "a direct label takes what it likes",
        "return target if self.survey.arity(target) == handler.arity else None",
        "return target",
    ),
    Mutant(
        "handlers share one local",
        "        handler.free += 1\n",
        "        self.slots = 1\n",
    ),
    Mutant("a handler falls into the next", "if handler is not last and goes_on:", "if False:"),
    Mutant(
        "a label that is there takes what it likes",
        "if self.survey.arity(enclosing) != len(plan.try_.type.results):",
        "if False:",
    ),
    Mutant("a leaf is but a run", "if chain(scope)[0] and self.throws(try_):", "if False:"),
    Mutant(
        "what goes on falls into the handlers behind",
        "        if falls_off(region):\n            if region.level:",
        "        if False:\n            if region.level:",
    ),
    Mutant(
        "nothing throws",
        "if handlers and not self.throws(plan.try_):",
        "if handlers and self.options.quiet:",
    ),
    Mutant(
        "handlers go anywhere", "if stays_within(handler, plan, home, self.budget):", "if False:"
    ),
    Mutant(
        "an exception may be thrown again where it is over",
        "label in (caught if rethrown else inner)",
        "(not rethrown and label in inner)",
        seed=205,
    ),
    Mutant(
        "a handler that goes on goes behind, too",
        "        if handler.goes_on:\n            return False\n        home",
        "        home",
    ),
    Mutant(
        "whatever catches is sure to catch",
        "return found[0] if found and found[0].tag is None else None",
        "return found[0] if found else None",
    ),
    Mutant(
        "whatever drops its payload is covered",
        "if not payload_dropped or likeness(handler, skip=len(drops)) != like:",
        "if not payload_dropped:",
        seed=455,
    ),
    Mutant(
        "locals have a value behind all code", "        return not unset", "        return True"
    ),
    Mutant(
        "handlers of any payload are alike",
        "(handler.tag and handler.tag.params, handler.ref, like)",
        "(handler.ref, like)",
        seed=111,
    ),
)


@contextmanager
def mutated(mutant: Mutant) -> Iterator[Passes]:
    """The conversions with a mistake. Raises GoneError where it can't be made."""
    folder = Path(wasmir.passes.__file__).parent
    sources = {
        f"{_PACKAGE}.{path.stem}": path.read_text(encoding="utf-8")
        for path in folder.glob("*.py")
        if path.stem != "__init__"
    }
    count = sum(source.count(mutant.old) for source in sources.values())
    if count != 1:
        raise GoneError(f"{count} times what {mutant.name!r} was to change:\n{mutant.old}")
    finder = _Finder({n: text.replace(mutant.old, mutant.new) for n, text in sources.items()})
    # Those that are loaded stay what they are, and where they are.
    kept = {name: sys.modules.pop(name) for name in sources if name in sys.modules}
    sys.meta_path.insert(0, finder)
    try:
        forth = importlib.import_module(f"{_PACKAGE}.legacy_to_exnref")
        back = importlib.import_module(f"{_PACKAGE}.exnref_to_legacy")
        yield Passes(forth.LegacyToExnref, back.ExnrefToLegacy)
    finally:
        sys.meta_path.remove(finder)
        for name in sources:
            sys.modules.pop(name, None)
        for name, module in kept.items():
            sys.modules[name] = module
            setattr(wasmir.passes, name.rpartition(".")[2], module)


class _Finder(MetaPathFinder, Loader):
    """Loads modules from sources that are not those on the disk."""

    def __init__(self, sources: dict[str, str]) -> None:
        self.sources = sources

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in self.sources else None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        exec(compile(self.sources[name], f"<{name}>", "exec"), module.__dict__)  # noqa: S102 - our own
