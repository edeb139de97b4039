"""Imports that may throw, for code that has no exception handling of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wasmir import (
    EXNREF,
    EXTERNREF,
    Block,
    Catch,
    Clause,
    Function,
    FuncType,
    GlobalType,
    NumType,
    Pass,
    PassError,
    PassReport,
    RefType,
    Rethrow,
    Try,
    TryTable,
    UnsupportedError,
    default_of,
    ops,
)
from wasmir.passes.adapters import caught_by, redirect_references
from wasmir.passes.additions import name_for
from wasmir.passes.boundary import INTRINSICS, JS_TAG, Dialect, dialect_of, is_js_tag, matching
from wasmir.passes.patterns import near
from wasmir.passes.tree import all_or_nothing, refuse_object

if TYPE_CHECKING:
    from wasmir import Global, Instr, Item, Module, Tag, ValType

__all__ = ["CatchImports"]

_TAKE = "take_exception"
_BUILTINS = "wasm:"
_I32 = NumType.I32


@dataclass(frozen=True)
class CatchImports(Pass):
    """Catch what chosen imports throw, and return zero or null in its place.

    The program asks afterwards, as C asks for ``errno``: by an import that is resolved inside,
    ``"wasmir" "take_exception"``. It gives what was caught last since it was asked last, and the
    program declares it with the type that it can use:

    * ``[] -> [i32]``: 1 if there was an exception, else 0. For C, Zig, Rust without EH.
    * ``[] -> [exnref]``: the exception, or null; ``throw_ref`` throws it on. In the exnref dialect.
    * ``[] -> [externref]``: the value that JavaScript threw, or null. It is read by way of
      ``WebAssembly.JSTag``, an import more, which ``identity=jstag`` allows. Exceptions that
      are no JavaScript values go on.

    Before::

        (import "env" "read" (func $read (param i32) (result i32)))
        (import "wasmir" "take_exception" (func $take (result i32)))
        (func (export "size") (param i32) (result i32)
          local.get 0
          call $read
          call $take
          ...)

    After::

        (import "env" "read" (func $read (param i32) (result i32)))
        (global $caught (mut i32) (i32.const 0))
        (func (export "size") (param i32) (result i32)
          local.get 0
          call $catching
          call $taking
          ...)
        (func $catching (param i32) (result i32)
          block $out (result exnref)
            try_table (result i32) (catch_all_ref $out)
              local.get 0
              call $read
            end
            return
          end
          drop
          i32.const 1
          global.set $caught
          i32.const 0)
        (func $taking (result i32)
          global.get $caught
          i32.const 0
          global.set $caught)

    Every use of such an import goes through its adapter: calls, tail calls, references. Re-exports
    are the import itself, as before, and so is a start function. An exception with a tag that the
    module names is its own, and goes on; so do traps, which nothing catches. ``wasm:*`` builtins
    are never wrapped. Adapters are written in the dialect that the module uses, else in exnref.

    Raises PassError where no import is chosen; UnsupportedError where none matches, where a result
    has neither zero nor null, or where what the program asks for can't be had: the module is as it
    was then.
    """

    name: ClassVar[str] = "catch-imports"

    imports: str = field(
        default="", metadata={"help": "globs of MODULE.NAME, separated by blanks: env.read wasi*"}
    )
    identity: str = field(
        default="", metadata={"help": "jstag: import WebAssembly.JSTag for take_exception's value"}
    )
    dialect: str = field(default="auto", metadata={"help": "exnref, legacy, or the module's"})

    def run(self, module: Module) -> PassReport:
        """Put adapters in front of the imports, or raise and leave the module as it was."""
        report = PassReport(self.name)
        if not self.imports.split():
            raise PassError(f"{self.name}: imports= says which, as in imports=env.*")
        if self.identity not in ("", "jstag"):
            raise PassError(f"{self.name}: identity is jstag or nothing, not {self.identity!r}")
        with all_or_nothing(module):
            refuse_object(module)
            _Catching(module, self).run(report)
        return report


class _Catching:
    def __init__(self, module: Module, options: CatchImports) -> None:
        self.module = module
        self.options = options
        self.dialect = dialect_of(module, options.dialect)
        if self.dialect is Dialect.NONE:
            raise UnsupportedError("dialect=none: nothing can be caught without exception handling")
        #: Tags whose exceptions are the module's own.
        self.own = [tag for tag in module.tags if not is_js_tag(tag)]

    def run(self, report: PassReport) -> None:
        module = self.module
        code = [each for each in module.functions if each.imported is None]
        wanted = self._wanted()
        takers = [
            each
            for each in module.functions
            if each.imported is not None
            and (each.imported.module, each.imported.name) == (INTRINSICS, _TAKE)
        ]
        self.kept_as = self._kept_as(takers)
        self.js_tag = self._js_tag() if self.kept_as == EXTERNREF else None
        self.caught = self._variable()
        adapters = {each: self._adapter(each) for each in wanted}
        changed = set(redirect_references(module, adapters, (), code))
        inside = {each: self._taking(each) for each in takers}
        changed |= set(redirect_references(module, inside, (), code))
        to = adapters | inside

        def choose(instr: Instr) -> Instr | None:
            target = to.get(instr.immediates[0])
            if target is None:
                return None
            return ops.call(target) if instr.row.name == "call" else ops.return_call(target)

        changed |= set(module.substitute(("call", "return_call"), choose, code))
        for export in module.exports:
            if isinstance(export.entity, Function):
                export.entity = inside.get(export.entity, export.entity)
        for taker in takers:
            if module.start is taker:
                module.start = inside[taker]
            if taker.imported is not None:
                module.imports.remove(taker.imported)
        for feature in ("exception-handling", "multivalue", "reference-types"):
            module.require_target_feature(feature)
        report.functions = len(changed)
        report.counts["imports"] = len(adapters)
        if not takers:
            report.notes.append(
                'nothing asks what was caught: the module doesn\'t import "wasmir" "take_exception"'
            )

    # What is chosen

    def _wanted(self) -> list[Function]:
        names: dict[str, list[Function]] = {}
        for import_ in self.module.imports:
            function = import_.entity
            if isinstance(function, Function) and import_.module != INTRINSICS:
                names.setdefault(f"{import_.module}.{import_.name}", []).append(function)
        matched = matching(names, self.options.imports)
        chosen = {name for name in matched if not name.startswith(_BUILTINS)}
        if not chosen:
            why = (
                "wasm:* builtins are never wrapped"
                if matched
                else "it imports " + (", ".join(list(names)[:8]) or "no functions")
            )
            hint = "" if matched else near(self.options.imports, names)
            raise UnsupportedError(f"no import matches {self.options.imports!r} ({why}){hint}")
        found = [each for name, functions in names.items() if name in chosen for each in functions]
        for function in found:
            for type_ in function.func_type.results:
                if isinstance(type_, RefType) and not type_.nullable:
                    raise UnsupportedError(
                        f"the import {function.imported} has a result of type {type_}, which "
                        "has no null to return in place of an exception; leave it out"
                    )
        return found

    def _kept_as(self, takers: list[Function]) -> ValType:
        """The type of what is kept: what the program asks for."""
        types = {each.func_type for each in takers}
        if not types:
            return _I32
        if len(types) > 1:
            raise UnsupportedError(
                'the module imports "wasmir" "take_exception" with several types'
            )
        [type_] = types
        if type_.params or type_.results not in ((_I32,), (EXNREF,), (EXTERNREF,)):
            raise UnsupportedError(
                f'the import "wasmir" "take_exception" has type {type_}; it may be [] -> [i32], '
                "[] -> [exnref] or [] -> [externref]"
            )
        [kept_as] = type_.results
        if kept_as == EXNREF and self.dialect is Dialect.LEGACY:
            raise UnsupportedError(
                "in the legacy dialect exceptions are no values: take_exception may be "
                "[] -> [i32], or [] -> [externref] with identity=jstag"
            )
        return kept_as

    def _js_tag(self) -> Tag:
        known = next((tag for tag in self.module.tags if is_js_tag(tag)), None)
        if known is not None:
            return known
        if self.options.identity != "jstag":
            raise UnsupportedError(
                "what JavaScript threw is read by importing WebAssembly.JSTag, which "
                "identity=jstag allows"
            )
        return self.module.import_tag(*JS_TAG, (EXTERNREF,))

    # What is made

    def _variable(self) -> Global:
        type_ = self.kept_as
        return self.module.add_global(
            GlobalType(type_, mutable=True),
            self.module.const(default_of(type_)),
            name=name_for(self.module, "__wasmir_caught"),
        )

    def _taking(self, taker: Function) -> Function:
        function = self.module.add_function(
            taker.type, name=name_for(self.module, f"__wasmir_{_TAKE}")
        )
        caught = self.caught
        function.body.items = [
            *(ops.global_.get(caught), default_of(self.kept_as), ops.global_.set(caught))
        ]
        return function

    def _adapter(self, function: Function) -> Function:
        import_ = function.imported
        name = "" if import_ is None else import_.name
        adapter = self.module.add_function(
            function.type, name=name_for(self.module, f"__wasmir_catching_{name}")
        )
        type_ = function.func_type
        call: list[Item] = [*map(ops.local.get, range(len(type_.params))), ops.call(function)]
        zeros: list[Item] = [*map(default_of, type_.results)]
        if self.dialect is Dialect.LEGACY:
            adapter.body.items = self._legacy(type_, call, zeros)
        elif self.js_tag is not None:
            adapter.body.items = self._value(type_, call, zeros, self.js_tag)
        else:
            adapter.body.items = self._reference(adapter, call, zeros)
        return adapter

    def _reference(self, adapter: Function, call: list[Item], zeros: list[Item]) -> list[Item]:
        """Catch all but the module's own, as references."""
        module = self.module
        exception = module.block_type((), (EXNREF,))
        foreign = Block(exception)
        clause = Clause(None, foreign, ref=True)
        protected = TryTable(module.block_type((), adapter.func_type.results), [clause], call)
        foreign.items = [protected, ops.return_()]
        if self.own:
            known = Block(exception)
            clauses, inside = caught_by(module, self.own, known, adapter.body.add_local(EXNREF))
            protected.clauses = [*clauses, clause]
            inside[:0] = [protected, ops.return_()]
            foreign.items = [known, ops.throw_ref()]
        keep: list[Item] = [ops.global_.set(self.caught)]
        if self.kept_as == _I32:
            keep = [ops.drop(), ops.i32.const(1), *keep]
        return [foreign, *keep, *zeros]

    def _value(
        self, type_: FuncType, call: list[Item], zeros: list[Item], js_tag: Tag
    ) -> list[Item]:
        """Catch what JavaScript threw: its value."""
        module = self.module
        out = Block(module.block_type((), (EXTERNREF,)))
        clauses = [Clause(js_tag, out)]
        protected = TryTable(module.block_type((), type_.results), clauses, call)
        out.items = [protected, ops.return_()]
        return [out, ops.global_.set(self.caught), *zeros]

    def _legacy(self, type_: FuncType, call: list[Item], zeros: list[Item]) -> list[Item]:
        attempt = Try(self.module.block_type((), type_.results), call)
        keep = ops.global_.set(self.caught)
        if self.js_tag is not None:
            attempt.catches = [Catch(self.js_tag, [keep, *zeros])]
            return [attempt]
        for tag in self.own:
            drops = [ops.drop() for _ in tag.params]
            attempt.catches.append(Catch(tag, [*drops, Rethrow(attempt)]))
        attempt.catches.append(Catch(None, [ops.i32.const(1), keep, *zeros]))
        return [attempt]
