"""Passes and pipelines of them.

A pass is a frozen dataclass: its fields are its options, in Python and on the command line. A
pipeline is passes in order, written as text: ``first,second{option=value,flag=false}``.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast, get_type_hints

from wasmir.errors import PassError

if TYPE_CHECKING:
    import os
    from concurrent.futures import Executor
    from importlib.metadata import EntryPoint

    from wasmir.ir.encoded import Encoded
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module

__all__ = [
    "Mapped",
    "Pass",
    "PassReport",
    "Pipeline",
    "Verify",
    "available_passes",
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


@dataclass
class Mapped:
    """What became of one file of many."""

    file: str
    output: str
    reports: list[PassReport] = field(default_factory=list)
    #: What was wrong with it; nothing was written then.
    error: str | None = None
    #: Whether an earlier run had made the output, from the same bytes by the same passes.
    skipped: bool = False


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


class Verify(Enum):
    """After which passes a pipeline checks what they did."""

    NEVER = "after none"
    THIRD_PARTY = "after those that aren't built in"
    END = "after those, and after the last"
    EACH = "after each"

    def wants(self, pass_: Pass, *, last: bool) -> bool:
        """Whether to check after a pass."""
        if self is Verify.NEVER or self is Verify.EACH:
            return self is Verify.EACH
        return not _is_built_in(pass_) or (last and self is Verify.END)


def _is_built_in(pass_: Pass) -> bool:
    home = importlib.import_module("wasmir.passes").BUILT_IN.get(pass_.name, ("", ""))
    return bool((type(pass_).__module__, type(pass_).__name__) == home)


class _Verified:
    """What has been found valid, so that it isn't checked again until it changes."""

    def __init__(self) -> None:
        self._code: dict[Function, bytes] = {}

    def check(self, module: Module, pass_: Pass, jobs: int) -> None:
        """Check what was edited since. Raises InvalidError, which names the pass."""
        edited = {function: function.code for function in module.edited_functions}
        new = [each for each, code in edited.items() if self._code.get(each) != code]
        shown = partial(track, what="verifying")
        for error in module.find_errors(only=new, jobs=jobs, track=shown):
            error.reason = f"invalid after pass {pass_.name!r}: {error.reason}"
            raise error
        self._code = edited


@dataclass(frozen=True)
class Pipeline:
    """Passes in order."""

    passes: tuple[Pass, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Pipeline:
        """A pipeline from its text. Raises PassError, which says what would have been right."""
        return cls(tuple(_Parser(text).passes()))

    def run(
        self,
        module: Module,
        *,
        on_pass: Callable[[PassReport], None] | None = None,
        verify: Verify = Verify.THIRD_PARTY,
        jobs: int = 1,
    ) -> list[PassReport]:
        """Run the passes. At the first failure the module is as it was before the first pass.

        ``on_pass`` hears of each pass when it is done. ``verify`` says after which passes the
        functions that were edited must be valid, and all that is outside of functions; it is a
        failure where they aren't (InvalidError). ``jobs`` is how many processes may share the
        work, where processes can fork: what comes out is the same.
        """
        return self.run_and_encode(module, on_pass=on_pass, verify=verify, jobs=jobs)[0]

    def run_and_encode(
        self,
        module: Module,
        *,
        on_pass: Callable[[PassReport], None] | None = None,
        verify: Verify = Verify.THIRD_PARTY,
        jobs: int = 1,
    ) -> tuple[list[PassReport], Encoded]:
        """Like :meth:`run`, with the module as it is written then: the reports are about that, so
        it is there anyway.
        """
        encoded = module.encode()
        if not self.passes:
            return [], encoded
        checkpoint = module.checkpoint()
        reports = []
        verified = _Verified()
        try:
            for pass_ in self.passes:
                start = time.perf_counter()
                with use_cores(jobs):
                    report = pass_.run(module)
                report.seconds = time.perf_counter() - start
                report.bytes_in = encoded.size
                encoded = module.encode()
                report.bytes_out = encoded.size
                report.stale = encoded.stale
                reports.append(report)
                if verify.wants(pass_, last=pass_ is self.passes[-1]):
                    verified.check(module, pass_, jobs)
                if on_pass is not None:
                    on_pass(report)
        except BaseException:
            module.rollback(checkpoint)
            raise
        return reports, encoded

    def map(
        self,
        files: Iterable[str | os.PathLike[str]],
        folder: str | os.PathLike[str],
        executor: Executor | None = None,
        *,
        verify: Verify = Verify.THIRD_PARTY,
    ) -> Iterator[Mapped]:
        """Run the passes on many files, and write what comes out to a folder under the files'
        names; what became of each, in the files' order.

        The work is given to the executor (by default processes, one for each core): any of
        ``concurrent.futures``, or one that looks like them, as ``distributed.Client.get_executor``
        gives. Files are read and written where it works, so it needs the same file system. A module
        that can't be processed fails alone, and nothing of it is written. What is done is noted in
        ``wasmir-run.jsonl`` in the folder: another run with the same passes, by the same version of
        wasmir, leaves out what was made from the same bytes and is still there.

        Raises ValueError, before anything is done, where two files have one name, or where an
        output would replace its input; OSError where the folder can't be written to.
        """
        # It stands above: it runs pipelines.
        fleet = importlib.import_module("wasmir.fleet")
        return cast("Iterator[Mapped]", fleet.map_files(self, files, folder, executor, verify))

    def __str__(self) -> str:
        return ",".join(map(str, self.passes))


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


def find_pass(name: str) -> type[Pass]:
    """The pass of that name. Raises PassError with the names that come near."""
    built_in = importlib.import_module("wasmir.passes").BUILT_IN.get(name)
    if built_in is not None:
        return _built_in_loader(*built_in)()
    passes = available_passes()
    if name in passes:
        return passes[name]()
    from difflib import get_close_matches

    near = get_close_matches(name, passes)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(passes)}"
    raise PassError(f"unknown pass {name!r}; {hint}")


# Parsing

_TOKEN = re.compile(
    r"""\s*(?:(?P<word>[A-Za-z0-9_.*?/:+-]+)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<sign>[{},=]))"""
)


class _Parser:
    """``pass,pass{option=value,...}``; values are words, numbers, true, false or quoted text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str, int]] = []
        pos = 0
        while text[pos:].strip():
            match = _TOKEN.match(text, pos)
            if match is None:
                raise self.error("can't read this", pos)
            kind = match.lastgroup or ""
            self.tokens.append((kind, match.group(kind), match.start(kind)))
            pos = match.end()
        self.at = 0

    def error(self, reason: str, pos: int) -> PassError:
        return PassError(f"pipeline {self.text!r}, character {pos + 1}: {reason}")

    def peek(self) -> tuple[str, str, int]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("", "", len(self.text))

    def next(self) -> tuple[str, str, int]:
        token = self.peek()
        self.at += 1
        return token

    def passes(self) -> Iterator[Pass]:
        if not self.tokens:
            return
        while True:
            yield self.one_pass()
            _, sign, pos = self.next()
            if not sign:
                return
            if sign != ",":
                raise self.error(f"a comma is expected between passes, not {sign!r}", pos)

    def one_pass(self) -> Pass:
        kind, name, pos = self.next()
        if kind != "word":
            raise self.error("the name of a pass is expected", pos)
        class_ = find_pass(name)
        values: dict[str, Any] = {}
        if self.peek()[1] == "{":
            self.next()
            while self.peek()[1] != "}":
                self.option(class_, values)
                if self.peek()[1] == ",":
                    self.next()
                elif self.peek()[1] != "}":
                    raise self.error("a comma or } is expected", self.peek()[2])
            self.next()
        try:
            return class_(**values)
        except (TypeError, ValueError) as error:
            raise PassError(f"pass {name!r}: {error}") from error

    def option(self, class_: type[Pass], values: dict[str, Any]) -> None:
        kind, name, pos = self.next()
        if kind != "word":
            raise self.error("the name of an option is expected", pos)
        name = name.replace("-", "_")
        known = {option.name for option in dataclasses.fields(cast("Any", class_))}
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise self.error(f"pass {class_.name!r} has no option {name!r}; it has: {listed}", pos)
        if name in values:
            raise self.error(f"option {name!r} is given twice", pos)
        if self.peek()[1] != "=":
            if get_type_hints(class_)[name] is not bool:
                raise self.error(f"option {name!r} needs a value, as in {name}=...", pos)
            # A flag on its own is true.
            values[name] = True
            return
        self.next()
        values[name] = self.value(class_, name, *self.next())

    def value(self, class_: type[Pass], name: str, kind: str, text: str, pos: int) -> Any:
        wanted = get_type_hints(class_)[name]
        if kind == "text":
            text = re.sub(r"\\(.)", r"\1", text[1:-1])
        elif kind != "word":
            raise self.error(f"a value for {name!r} is expected", pos)
        if wanted is bool:
            if text not in ("true", "false"):
                raise self.error(f"option {name!r} is true or false, not {text!r}", pos)
            return text == "true"
        if wanted is int:
            try:
                return int(text, 0)
            except ValueError:
                raise self.error(f"option {name!r} is a number, not {text!r}", pos) from None
        return text
