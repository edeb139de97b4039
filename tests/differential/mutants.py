"""Mistakes that the conversions might have, made on purpose: each must be found out.

A mistake is a piece of a pass's source with something else in its place. Where the piece is gone,
because the pass was written anew, the mistake has to be made anew, too, or taken from the list.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import wasmir.passes
from tests.differential.steps import Passes

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MUTANTS", "GoneError", "Mutant", "mutated"]

FILES = ("tree", "legacy_handlers", "legacy_to_exnref", "exnref_flow", "exnref_to_legacy")
"""The modules of ``wasmir.passes`` that the conversions are in; what imports comes last."""

_HANDLERS, _FORTH, _FLOW, _BACK = FILES[1:]


class GoneError(Exception):
    """What a mistake was to be made in isn't there any more."""


@dataclass(frozen=True)
class Mutant:
    """A mistake: in which module, what stands there (once), and what in its place. ``shown_by`` are
    random modules of a kind, or, where it takes too many of those, the examples of the passes.
    """

    name: str
    file: str
    old: str
    new: str
    shown_by: Literal["legacy", "exnref", "examples"] = "legacy"
    #: One of the first that showed it when it was written. The search starts there, and goes on.
    seed: int = 0


MUTANTS = (
    # exnref to legacy: where exceptions go
    Mutant(
        "a branch on a reference takes everything from the top",
        _FLOW,
        'item.row.name != "br_on_null"',
        "True",
        "exnref",
        seed=119,
    ),
    Mutant(
        "locals behind a landing are those before the try_table",
        _FLOW,
        "self._join(clause.label, frame.thrown)",
        "self._join(clause.label, frame.start)",
        "examples",
    ),
    Mutant(
        "two paths meet, and the first counts",
        _FLOW,
        "a if a is b else _MIXED for a, b in",
        "a for a, _ in",
        "examples",
    ),
    Mutant(
        "all handlers let through",
        _FLOW,
        "any(at > inside for at in handlers)",
        "False",
        "exnref",
        seed=54,
    ),
    Mutant(
        "what an inner one doesn't catch, none does",
        _FLOW,
        "            if not complete:\n",
        "            if False:\n",
        "examples",
    ),
    Mutant(
        "all dropped operands go on being dropped",
        _FLOW,
        "            if self._taken(1)[0] is None:\n                frame.kept.append(item)\n",
        "            self._taken(1)\n            frame.kept.append(item)\n",
        "exnref",
    ),
    Mutant(
        "operands from before a landing are there behind it",
        _FLOW,
        "if place < frame.base + region.height:",
        "if place < 0:",
    ),
    # exnref to legacy: rewriting
    Mutant(
        "copies keep the labels of the original",
        _BACK,
        "self.retarget(_items(code))",
        "pass",
        "exnref",
    ),
    Mutant(
        "a region's end leads nowhere",
        _BACK,
        "        if region.falls:\n",
        "        if False:\n",
        seed=47,
    ),
    Mutant(
        "no shield",
        _BACK,
        "        if arrival.exposed:\n",
        "        if False:\n",
        "exnref",
        seed=54,
    ),
    Mutant(
        "delegates whatever else is caught",
        _BACK,
        "and len(try_.catches) == 1",
        "",
        "examples",
    ),
    Mutant(
        "delegates past handlers with a tag",
        _BACK,
        "and (arrival.clause.tag is None or not arrival.exposed)",
        "",
        "examples",
    ),
    Mutant(
        "every rethrow is the nearest",
        _BACK,
        "if rethrow.label is region.landing:",
        "if True:",
        "legacy",
        seed=885,
    ),
    Mutant(
        "to a loop's end by its label",
        _BACK,
        "if isinstance(owner, Loop):",
        "if False:",
        "examples",
    ),
    Mutant(
        "a branch with operands below ends a handler",
        _BACK,
        "if catch in self.exact and",
        "if",
        "exnref",
        seed=233,
    ),
    Mutant(
        "delegates to the try that stands there now",
        _BACK,
        "self.around.get(label) or self.replaced[label]",
        "self.replaced[label]",
        "legacy",
        seed=416,
    ),
    Mutant(
        "locals close up",
        _BACK,
        "(count, NumType.I32 if mentions_exceptions(type_) else type_) for count, type_ in groups",
        "(count, type_) for count, type_ in groups if not mentions_exceptions(type_)",
        "examples",
    ),
    Mutant(
        "a try with operands below it is the last thing, too",
        _BACK,
        "if not isinstance(try_, Try) or try_ not in self.flat:",
        "if not isinstance(try_, Try):",
        "exnref",
    ),
    # legacy to exnref: which handlers there are
    Mutant(
        "a delegate is as if it were not there",
        _HANDLERS,
        "scope.target if isinstance(scope, Plan) and delegates else scope.parent",
        "scope.parent",
    ),
    Mutant(
        "what the first doesn't take, none does",
        _HANDLERS,
        "found = own + [handler for handler in found if handler.tag not in tags]",
        "found = own",
        seed=2045,
    ),
    # legacy to exnref: plans and rewriting
    Mutant("a delegate is but a block", _FORTH, "if wanted != natural:", "if False:"),
    Mutant(
        "a delegate stops at the target", _FORTH, "if not complete and any(", "if False and any("
    ),
    Mutant(
        "a delegate to the caller meets handlers",
        _FORTH,
        "            if natural:\n",
        "            if False:\n",
        seed=73,
    ),
    Mutant(
        "tags with the same payload are the same",
        _FORTH,
        "if handler.tag not in seen:",
        "if str(handler.tag and handler.tag.params) not in {str(t and t.params) for t in seen}:",
    ),
    Mutant(
        "any rethrow is of the handler's own",
        _FORTH,
        "if len(handler.rethrows) != 1 or handler.rethrows[0] is not items:",
        "if False:",
    ),
    Mutant(
        "whatever is caught is thrown on",
        _FORTH,
        "while handlers and self.only_rethrows(handlers[-1]):\n                handlers.pop()",
        "handlers[:] = [each for each in handlers if not self.only_rethrows(each)]",
        "legacy",
        seed=510,
    ),
    Mutant(
        "a direct label takes what it likes",
        _FORTH,
        "return target if self.arity(target) == handler.arity else None",
        "return target",
    ),
    Mutant(
        "handlers share one local",
        _FORTH,
        "        handler.free += 1\n",
        "        self.slots = 1\n",
    ),
    Mutant(
        "a handler falls into the next",
        _FORTH,
        "if handler is not last and falls_through(items):",
        "if False:",
    ),
    Mutant(
        "a loop's label is at its end",
        _FORTH,
        "if not self.options.elide or enclosing.__class__ is Loop:",
        "if not self.options.elide:",
        seed=271,
    ),
    Mutant(
        "a leaf is but a run",
        _FORTH,
        "            if chain(scope)[0]:\n",
        "            if False:\n",
    ),
    Mutant(
        "the way out of the function leads to the trampoline",
        _FORTH,
        "        if falls_through(body.items):\n            body.items",
        "        if False:\n            body.items",
    ),
)


@contextmanager
def mutated(mutant: Mutant) -> Iterator[Passes]:
    """The conversions with a mistake. Raises GoneError where it can't be made."""
    names = {file: f"wasmir.passes.{file}" for file in FILES}
    folder = Path(wasmir.passes.__file__).parent
    # Those that are loaded stay what they are.
    kept = {name: importlib.import_module(name) for name in names.values()}
    try:
        for file, name in names.items():
            path = folder / f"{file}.py"
            source = path.read_text(encoding="utf-8")
            if file == mutant.file:
                if source.count(mutant.old) != 1:
                    raise GoneError(
                        f"{path.name} has {source.count(mutant.old)} times what {mutant.name!r} "
                        f"was to change, not once:\n{mutant.old}"
                    )
                source = source.replace(mutant.old, mutant.new)
            module = ModuleType(name)
            module.__file__ = str(path)
            sys.modules[name] = module
            exec(compile(source, f"<{mutant.name}>", "exec"), module.__dict__)  # noqa: S102 - our own code
        forth, back = (sys.modules[names[file]] for file in (_FORTH, _BACK))
        yield Passes(forth.LegacyToExnref, back.ExnrefToLegacy)
    finally:
        sys.modules.update(kept)
