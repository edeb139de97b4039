"""What a pass is, what it reports, and where passes are found."""

from __future__ import annotations

import dataclasses
import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from wasmir.errors import PassError
from wasmir.suggest import suggestion

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from wasmir.ir.function import Function
    from wasmir.ir.module import Module

__all__ = [
    "Pass",
    "PassReport",
    "available_passes",
    "find_pass",
    "is_built_in",
    "observe_progress",
    "track",
    "use_cores",
]

T = TypeVar("T")

#: Wraps what a pass goes through, given what it is called and how many there are.
Tracker = Callable[[Sequence[Any], str], Iterable[Any]]
_tracker: ContextVar[Tracker | None] = ContextVar("wasmir-progress", default=None)
_jobs: ContextVar[int] = ContextVar("wasmir-jobs", default=1)


@contextmanager
def observe_progress(tracker: Tracker) -> Iterator[None]:
    """Inside, what passes go through goes through ``tracker(items, name)`` as well."""
    token = _tracker.set(tracker)
    try:
        yield
    finally:
        _tracker.reset(token)


@contextmanager
def use_cores(jobs: int) -> Iterator[None]:
    """Inside, passes may divide the functions that they edit among so many processes."""
    token = _jobs.set(jobs)
    try:
        yield
    finally:
        _jobs.reset(token)


def track(items: Sequence[T], what: str) -> Iterable[T]:
    """The items, shown to whoever watches the progress."""
    tracker = _tracker.get()
    return items if tracker is None else tracker(items, what)


@dataclass
class PassReport:
    """What a pass did."""

    name: str
    #: Functions whose code was changed.
    functions: int = 0
    #: What else the pass counts, by name.
    counts: dict[str, int] = field(default_factory=dict)
    #: What else its user should know: decisions that it took and why, promises that it can't make.
    notes: list[str] = field(default_factory=list)
    #: Custom sections that describe what is no longer there, with what is wrong with each; known to
    #: pipelines only.
    stale: dict[str, str] = field(default_factory=dict)
    #: Sizes in bytes, before and after; known to pipelines only.
    bytes_in: int | None = None
    bytes_out: int | None = None
    #: Wall time; known to pipelines only.
    seconds: float | None = None


class Pass(ABC):
    """A transformation. Subclasses are frozen dataclasses with a ``name``.

    Valid module in, valid module out; deterministic; with nothing to do, the module stays
    byte-identical. A pass that can't do all of its work raises and leaves the module as it was.
    """

    name: ClassVar[str]

    @abstractmethod
    def run(self, module: Module) -> PassReport:
        """Transform the module in place."""

    def track(self, items: Sequence[T], what: str) -> Iterable[T]:
        """The items, shown to whoever watches the progress."""
        return track(items, what)

    def edit(
        self,
        module: Module,
        edit: Callable[[Function], T],
        functions: Iterable[Function] | None = None,
    ) -> list[T]:
        """:meth:`Module.edit_functions`, by default for all that the module defines, on as many
        cores as whoever runs the pass allows, shown to whoever watches the progress.
        """
        shown = partial(track, what="functions")
        return module.edit_functions(edit, functions, jobs=_jobs.get(), track=shown)

    def __str__(self) -> str:
        """The pass as pipelines spell it; options at their defaults are left out."""
        options = []
        for option in dataclasses.fields(cast("Any", self)):
            value = getattr(self, option.name)
            if value != option.default:
                options.append(f"{option.name}={_spell(value)}")
        return f"{self.name}{{{','.join(options)}}}" if options else self.name


def _spell(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


# Finding passes

_ENTRY_POINTS = "wasmir.passes"


def available_passes() -> dict[str, Callable[[], type[Pass]]]:
    """What loads each pass, by name: the built-in ones, then those of installed packages."""
    from importlib.metadata import entry_points

    found: dict[str, Callable[[], type[Pass]]] = {}
    for entry in entry_points(group=_ENTRY_POINTS):
        found[entry.name] = _loader(entry)
    built_in = importlib.import_module("wasmir.passes").BUILT_IN
    for name, (home, class_name) in built_in.items():
        found[name] = _built_in_loader(home, class_name)
    return dict(sorted(found.items()))


def _loader(entry: EntryPoint) -> Callable[[], type[Pass]]:
    def load() -> type[Pass]:
        try:
            loaded = entry.load()
        except Exception as error:
            raise PassError(
                f"pass {entry.name!r} can't be loaded from {entry.value}: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not (isinstance(loaded, type) and issubclass(loaded, Pass)):
            raise PassError(f"pass {entry.name!r}: {entry.value} is no subclass of wasmir.Pass")
        return loaded

    return load


def _built_in_loader(home: str, class_name: str) -> Callable[[], type[Pass]]:
    def load() -> type[Pass]:
        return cast("type[Pass]", getattr(importlib.import_module(home), class_name))

    return load


def find_pass(name: str, more: Mapping[str, type[Pass]] | None = None) -> type[Pass]:
    """The pass of that name: one of ``more``, a built-in one, or one of an installed package.
    Raises PassError with the names that come near.
    """
    if more is not None and name in more:
        return more[name]
    built_in = importlib.import_module("wasmir.passes").BUILT_IN.get(name)
    if built_in is not None:
        return _built_in_loader(*built_in)()
    passes = available_passes()
    if name in passes:
        return passes[name]()
    hint = suggestion(name, [*passes, *(more or ())], listed=True)
    raise PassError(f"unknown pass {name!r}{hint}")


def is_built_in(pass_: Pass) -> bool:
    """Whether the pass is one of wasmir's own."""
    home = importlib.import_module("wasmir.passes").BUILT_IN.get(pass_.name, ("", ""))
    return bool((type(pass_).__module__, type(pass_).__name__) == home)
