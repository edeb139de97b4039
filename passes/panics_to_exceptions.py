"""Panics of programs that were built without unwinding, as exceptions."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, ClassVar

from wasmir import (
    Body,
    Branch,
    Function,
    FuncType,
    Global,
    GlobalType,
    Instr,
    Module,
    NumType,
    Pass,
    PassError,
    PassReport,
    Structured,
    UnsupportedError,
    falls_through,
    ops,
)
from wasmir.passes.additions import name_for
from wasmir.passes.boundary import read_record
from wasmir.passes.patterns import near
from wasmir.passes.tree import all_or_nothing, refuse_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wasmir import Item, Tag, ValType

__all__ = ["PanicsToExceptions"]

DEGRADED = "__wasmir_degraded"
_TAG = "__wasmir_panic_"

_I32 = NumType.I32


@dataclass(frozen=True)
class _Preset:
    """Where a language's panics end: functions by name, and those of them that are something else,
    after which an instance should not go on.
    """

    sites: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    payload: bool = False


PRESETS = {
    # `panic!` ends in rust_panic and __rust_start_panic; what must not unwind ends in an abort.
    "rust": _Preset(
        ("*panicking*", "*rust_panic*", "*rust_start_panic*", "*rust_begin_unwind*"),
        ("*nounwind*", "*cannot_unwind*", "*in_cleanup*", "*abort*"),
    ),
    # Safety checks and @panic call a handler, which ends in an abort.
    "zig": _Preset(("*anic*", "posix.abort", "process.abort")),
    "tinygo": _Preset(("runtime.*anic*", "runtime.abort", "runtime.trap")),
    # abort(message, file, line, column), an import mostly.
    "assemblyscript": _Preset(("~lib/builtins/abort", "env.abort", "*/abort"), payload=True),
}
"""Presets by name."""


@dataclass(frozen=True)
class PanicsToExceptions(Pass):
    """Let panics throw an exception where they trap, so that the instance may live on.

    Most modules of Rust, Zig, TinyGo and AssemblyScript are built without unwinding: a panic prints
    its message and ends in ``unreachable``. At chosen sites this pass throws instead. It is
    ``longjmp``, not unwinding: no destructor runs, no lock is released, Rust's count of panics
    stays up (so that ``thread::panicking()`` is true from then on), the shadow stack stays where it
    was unless ``insert-landing-pads`` puts it back, and memory that was in use is lost. That is
    good enough where a request's data is its own, and where a leak per failure is better than a
    new instance; it is not where a panic may leave something half done that others use. So it is
    never on by itself, and the exported global ``__wasmir_degraded`` counts the panics.

    Before::

        (func $core::panicking::panic_fmt (param i32 i32)
          local.get 0
          local.get 1
          call $rust_begin_unwind
          unreachable)
        (func $__rust_start_panic (param i32) (result i32)
          unreachable)

    After, with ``preset=rust``::

        (tag $panic (export "__wasmir_panic_0"))
        (global $degraded (export "__wasmir_degraded") (mut i32) (i32.const 0))
        (func $panic                          ;; count, and throw
          (global.set $degraded (i32.add (global.get $degraded) (i32.const 1)))
          throw $panic)
        (func $core::panicking::panic_fmt (param i32 i32)
          local.get 0
          local.get 1
          call $rust_begin_unwind
          call $panic
          unreachable)
        (func $__rust_start_panic (param i32) (result i32)
          call $panic
          unreachable)

    ``sites`` are globs of function names, as the name section, imports (``module.name``) or exports
    give them. A site is each ``unreachable`` in such a function, and each that comes right behind a
    call of one. ``noreturn`` stands for the functions that never return, whatever they are called,
    and only those sites in them that are reached: for modules without names, in which ``panic!``
    and ``abort()`` look alike. ``all`` stands for every ``unreachable``: for programs in which each
    check is one (TinyGo's ``-panic=trap``, Zig's ``@trap``).

    With ``payload``, as for AssemblyScript, the site is the call itself: the exception is thrown in
    its place and carries what it was called with, here message, file, line and column::

        local.get 0                           ;; message, and so on
        i32.const 1968
        i32.const 461
        i32.const 29
        call $~lib/builtins/abort             ;; becomes: call $panic, which throws all four
        unreachable

    The tag is exported as ``__wasmir_panic_N`` with the next number that is free, one for each sort
    of payload. What traps without ``unreachable`` (memory out of bounds, division by zero, a stack
    that overflows) does so as before.

    Comes before ``recover`` and ``guard-aborts``. Raises PassError where nothing was chosen or the
    preset isn't known, UnsupportedError where no site was found: the module is as it was then.
    """

    name: ClassVar[str] = "panics-to-exceptions"

    preset: str = field(
        default="", metadata={"help": f"sites of a language: {', '.join(sorted(PRESETS))}"}
    )
    sites: str = field(
        default="",
        metadata={"help": "globs of function names, separated by blanks; or: noreturn, all"},
    )
    exclude: str = field(
        default="", metadata={"help": "globs of functions that are no sites after all"}
    )
    payload: bool = field(
        default=False,
        metadata={"help": "replace calls of the functions, and throw what they were called with"},
    )

    def run(self, module: Module) -> PassReport:
        """Let the sites throw, or raise and leave the module as it was."""
        report = PassReport(self.name)
        with all_or_nothing(module):
            refuse_object(module)
            if read_record(module) is not None:
                raise UnsupportedError(
                    "the module has guards already, which don't know of another tag: "
                    f"{self.name} comes before recover and guard-aborts"
                )
            _Sites(module, self._wanted()).run(report)
        return report

    def _wanted(self) -> _Preset:
        preset = PRESETS.get(self.preset)
        if preset is None and self.preset:
            raise PassError(
                f"{self.name}: there is no preset {self.preset!r}; there are: "
                + ", ".join(sorted(PRESETS))
            )
        preset = preset or _Preset(())
        wanted = _Preset(
            (*preset.sites, *self.sites.split()),
            (*preset.exclude, *self.exclude.split()),
            preset.payload or self.payload,
        )
        if not wanted.sites:
            raise PassError(f"{self.name}: it says neither preset= nor sites=")
        special = {"all", "noreturn"}.intersection(wanted.sites)
        if special and wanted.payload:
            raise PassError(
                f"{self.name}: sites={special.pop()} names no functions whose arguments could be "
                "the payload"
            )
        return wanted


class _Sites:
    """The sites of one module."""

    def __init__(self, module: Module, wanted: _Preset) -> None:
        self.module = module
        self.wanted = wanted
        self.every = "all" in wanted.sites
        self.noreturn = "noreturn" in wanted.sites
        # Functions that never return, where that was asked: behind calls nothing is reached.
        self.endless: set[Function] = set()
        self.throwers: dict[tuple[ValType, ...], Function] = {}
        self.degraded: Global | None = None
        self.tags = 0
        # Names that are no names of the name section.
        self.other_names: dict[Function, list[str]] = {}
        for import_ in module.imports:
            if isinstance(import_.entity, Function):
                self.other_names[import_.entity] = [f"{import_.module}.{import_.name}"]
        for export in module.exports:
            if isinstance(export.entity, Function):
                self.other_names.setdefault(export.entity, []).append(export.name)

    def run(self, report: PassReport) -> None:
        module = self.module
        functions = list(module.functions)
        self.chosen = {each for each in functions if self._matches(each)}
        self.excluded = {each for each in functions if self._is_excluded(each)}
        if self.noreturn:
            self.endless = {each for each in functions if _never_returns(each)}
            self.chosen |= self.endless
        self.chosen -= self.excluded
        sites = 0
        for function in functions:
            found = 0 if function.imported is not None else self._convert(function)
            report.functions += found > 0
            sites += found
        if not sites:
            raise UnsupportedError(f"no panic ends at the chosen sites: {self._why()}")
        report.counts["sites"] = sites
        for feature in ("exception-handling", "mutable-globals"):
            module.require_target_feature(feature)
        report.notes.append(
            "a panic unwinds nothing: no destructor runs, no lock is released, memory in use is "
            f"lost; {DEGRADED} counts them"
        )

    def _why(self) -> str:
        patterns = ", ".join(each for each in self.wanted.sites if each not in {"all", "noreturn"})
        if self.chosen:
            behind = "behind calls of them" if self.wanted.payload else "in them or behind calls"
            shown = ", ".join(sorted(map(str, self.chosen))[:5])
            return f"there is no unreachable {behind} (function {shown})"
        if not patterns:
            return "there is no unreachable that fits"
        hint = ""
        if self.module.custom("name") is None:
            hint = "; the module has no names, so sites=noreturn or sites=all may help"
        else:
            known = [name for each in self.module.functions for name in self._names(each)]
            hint = near(patterns, known)
        return f"no function is called {patterns}{hint}"

    # Which functions

    def _names(self, function: Function) -> list[str]:
        names = list(self.other_names.get(function, ()))
        return names if function.name is None else [function.name, *names]

    def _matches(self, function: Function) -> bool:
        return any(
            fnmatchcase(name, each) for name in self._names(function) for each in self.wanted.sites
        )

    def _is_excluded(self, function: Function) -> bool:
        return any(
            fnmatchcase(name, each)
            for name in self._names(function)
            for each in self.wanted.exclude
        )

    # Which instructions

    def _convert(self, function: Function) -> int:
        """Change the sites of a function; how many there were."""
        inside = function not in self.excluded and (self.every or function in self.chosen)
        if not (inside or self.chosen):
            return 0
        was_open = function.is_open
        sites = 0
        for items in _lists(function.body):
            for index in reversed(range(len(items))):
                if _is_unreachable(items[index]):
                    sites += self._site(items, index, inside=inside)
        if not was_open:
            if sites:
                function.settle()
            else:
                function.close()
        return sites

    def _site(self, items: list[Item], index: int, *, inside: bool) -> int:
        """Change an ``unreachable``, if it is a site; how many there were: one or none."""
        called = None
        if index:
            before = items[index - 1]
            instrs = self.module.instructions(before) if isinstance(before, bytes) else [before]
            last = instrs[-1] if instrs else None
            if isinstance(last, Instr) and last.row.name == "call":
                [called] = last.immediates
                if self.wanted.payload and called in self.chosen:
                    params = called.func_type.params
                    call = ops.call(self._thrower(params))
                    # Results, if any, are of no use: nothing comes behind.
                    items[index - 1 : index] = [*instrs[:-1], call]
                    return 1
        if self.wanted.payload or called in self.excluded or called in self.endless:
            return 0
        if not (inside or called in self.chosen):
            return 0
        items.insert(index, ops.call(self._thrower(())))
        return 1

    # What they do instead

    def _thrower(self, params: tuple[ValType, ...]) -> Function:
        """The function that counts a panic and throws it."""
        known = self.throwers.get(params)
        if known is not None:
            return known
        module = self.module
        tag, counter = self._tag(params), self._counter()
        name = name_for(module, f"__wasmir_throw_panic_{len(self.throwers)}")
        function = self.throwers[params] = module.add_function(FuncType(params), name=name)
        body = function.body
        body.items += [ops.global_.get(counter), ops.i32.const(1), ops.i32.add()]
        body.items.append(ops.global_.set(counter))
        body.items += [ops.local.get(at) for at in range(len(params))]
        body.items.append(ops.throw(tag))
        return function

    def _tag(self, params: tuple[ValType, ...]) -> Tag:
        taken = {export.name for export in self.module.exports}
        number = 0
        while f"{_TAG}{number}" in taken:
            number += 1
        return self.module.add_tag(params, exported=f"{_TAG}{number}")

    def _counter(self) -> Global:
        if self.degraded is not None:
            return self.degraded
        module = self.module
        export = module.exports.find(DEGRADED)
        if export is None:
            type_ = GlobalType(_I32, mutable=True)
            found = module.add_global(type_, module.const(ops.i32.const(0)), exported=DEGRADED)
        elif isinstance(export.entity, Global) and export.entity.type == GlobalType(_I32, True):
            # This pass was here before.
            found = export.entity
        else:
            raise UnsupportedError(f"it exports something else as {DEGRADED}")
        self.degraded = found
        return found


def _is_unreachable(item: Item) -> bool:
    return isinstance(item, Instr) and item.row.name == "unreachable"


def _lists(body: Body) -> Iterator[list[Item]]:
    """Every list of items of a body."""
    pending = [body.items]
    while pending:
        items = pending.pop()
        yield items
        for item in items:
            if isinstance(item, Structured):
                pending.extend(item.sequences())


def _never_returns(function: Function) -> bool:
    """Whether no way leads out of a function, judged by its form: nothing returns, nothing branches
    to its end, and the end can't be reached.
    """
    if function.imported is not None:
        return False
    was_open = function.is_open
    body = function.body
    found = not falls_through(body.items) and not any(_leaves(item, body) for item in body)
    if not was_open:
        function.close()
    return found


def _leaves(item: Item, body: Body) -> bool:
    if isinstance(item, Branch):
        return body in item.labels
    return isinstance(item, Instr) and item.row.name.startswith("return")
