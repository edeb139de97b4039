"""Code from nothing: builders, which every instruction is a method of, and ``with`` for blocks.

::

    module = Module()
    with module.build("factorial", {"n": I64}, [I64], exported="factorial") as f:
        (n,) = f.params
        f.local.get(n).i64.eqz()
        with f.if_(I64):
            f.i64.const(1)
        with f.else_():
            f.local.get(n).local.get(n).i64.const(1).i64.sub().call(f.function).i64.mul()

Branches take the label that ``with`` gives: ``with f.loop() as again: ... f.br_if(again)``. What
can't be is said at once: a label outside of its block, a local of another function, an entity of
another module. Types are what validation is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from wasmir.ir import immediates
from wasmir.ir.additions import added
from wasmir.ir.checks import check_name, value_types
from wasmir.ir.code import (
    Block,
    BlockType,
    Branch,
    Catch,
    Clause,
    If,
    Instr,
    Item,
    Label,
    Loop,
    Node,
    Rethrow,
    Structured,
    Try,
    TryTable,
)
from wasmir.ir.emit import Emitter
from wasmir.ir.immediates import Where
from wasmir.ir.local import Local
from wasmir.ir.place import row_of
from wasmir.ir.seq import checked_items
from wasmir.ir.space import Entity
from wasmir.ir.walk import skeleton
from wasmir.isa.table import BY_NAME, Trait

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TypeAlias

    from wasmir.ir.code import Body
    from wasmir.ir.const import Const
    from wasmir.ir.construct import Constructor
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module
    from wasmir.ir.tag import Tag
    from wasmir.ir.type import Type
    from wasmir.types import ValType

    Params: TypeAlias = Iterable[ValType] | Mapping[str, ValType] | Type

__all__ = [
    "CodeBuilder",
    "FunctionBuilder",
    "NewFunction",
    "Opening",
    "Snippet",
    "build_function",
    "build_snippet",
    "rebuild_function",
]

L = TypeVar("L", bound=Structured)
O = TypeVar("O", bound="Opening[Any]")  # noqa: E741 - as short as its siblings
N = TypeVar("N", If, Try)


class Opening(Generic[L]):
    """What ``with`` opens, and gives the label of. Left by an exception, it leaves nothing behind.

    Made by the methods of :class:`CodeBuilder`.
    """

    def __init__(self, code: CodeBuilder, label: L, inside: list[Item], *, handler: bool) -> None:
        self._code = code
        self.label = label
        #: What is written while it is open.
        self.inside = inside
        #: Whether it is a handler of the label's legacy ``try``, from where it can be rethrown.
        self.handler = handler

    def __enter__(self) -> L:
        self._code._enter(self)
        return self.label

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._code._leave(self, keep=kind is None)

    def place(self, items: list[Item]) -> None:
        """Put it into the list that encloses it."""
        items.append(self.label)

    def take_back(self, items: list[Item]) -> None:
        """Undo :meth:`place`."""
        items.pop()


class _Else(Opening[If]):
    """The second arm of an ``if`` that is there already."""

    def place(self, _items: list[Item]) -> None:
        self.label.else_items = self.inside

    def take_back(self, _items: list[Item]) -> None:
        self.label.else_items = None


class _Handler(Opening[Try]):
    """One more handler of a ``try`` that is there already."""

    def __init__(self, code: CodeBuilder, label: Try, clause: Catch) -> None:
        super().__init__(code, label, clause.items, handler=True)
        self._clause = clause

    def place(self, _items: list[Item]) -> None:
        self.label.catches.append(self._clause)

    def take_back(self, _items: list[Item]) -> None:
        self.label.catches.remove(self._clause)


class CodeBuilder(Emitter):
    """Appends instructions to the block that is open, the innermost; see :mod:`wasmir.ir.build`.

    Everything raises TypeError for the wrong sort of thing, ValueError for what can't be.
    """

    def __init__(self, module: Module, what: str, params: Iterable[Local] = ()) -> None:
        self.module = module
        #: The parameters, to be unpacked: ``x, y = f.params``.
        self.params = tuple(params)
        #: What was built so far, outside of all blocks.
        self.items: list[Item] = []
        # What messages call it.
        self._what = what
        self._locals: list[Local] = []
        self._openings: list[Opening[Any]] = []
        # The labels that enclose what comes next, and which of them are rethrown from.
        self._labels: dict[Label, bool] = {}
        # The names of labels, those of blocks that an exception took back among them.
        self._named: dict[Label, str] = {}
        # An opening that no `with` has entered.
        self._unentered: Opening[Any] | None = None
        self._finished = False

    # What Emitter asks for

    def _emit(
        self, make: Constructor, args: tuple[object, ...], given: dict[str, object]
    ) -> CodeBuilder:
        for value in (*args, *given.values()):
            if isinstance(value, Local) and value.owner is not self:
                raise self._error(make.row.name, f"{value!r} is one of other code")
            if isinstance(value, Entity) and value.module is not self.module:
                raise self._error(make.row.name, f"{value!r} is part of another module")
        self._append(make(*args, **given))
        return self

    def _declare(self, type_: ValType, name: str | None) -> Local:
        """A new local, behind all others."""
        [type_] = value_types("local", [type_])
        if name is not None:
            check_name(name)
        local = Local(len(self.params) + len(self._locals), type_, name, self)
        self._locals.append(local)
        return local

    # Whatever exists already

    def extend(self, items: Iterable[Item]) -> CodeBuilder:
        """Append instructions, nodes and runs that were made elsewhere, by ``wasmir.ops`` say."""
        for item in checked_items(items):
            self._append(item)
        return self

    def inline(self, code: Function | Snippet) -> CodeBuilder:
        """Append a function's code, or a snippet, instead of a call: see :mod:`wasmir.ir.inline`.
        Its parameters are on the stack.
        """
        from wasmir.ir.inline import check_code, inlined

        check_code(code)
        if code.module is not self.module:
            raise self._error("inline", f"{code!r} is part of another module")
        self._check_ready()
        return self.extend(inlined(code, self._declare))

    # Blocks

    def block(
        self,
        type: BlockType | ValType | None = None,  # noqa: A002 - as the constructors have it
        *,
        params: Iterable[ValType] = (),
        results: Iterable[ValType] = (),
        name: str | None = None,
    ) -> Opening[Block]:
        """``with f.block() as b``: a branch to ``b`` goes to the end.

        Of this and of all others, ``type`` is ``None``, a value type that the block leaves, or a
        :class:`BlockType`; or ``params`` and ``results`` are given. ``name`` is the label's, for
        the name section.
        """
        block = Block(self._type("block", type, params, results))
        return self._opening(block, block.items, name)

    def loop(
        self,
        type: BlockType | ValType | None = None,  # noqa: A002 - as the constructors have it
        *,
        params: Iterable[ValType] = (),
        results: Iterable[ValType] = (),
        name: str | None = None,
    ) -> Opening[Loop]:
        """``with f.loop() as again``: a branch to ``again`` goes to the start."""
        loop = Loop(self._type("loop", type, params, results))
        return self._opening(loop, loop.items, name)

    def if_(
        self,
        type: BlockType | ValType | None = None,  # noqa: A002 - as the constructors have it
        *,
        params: Iterable[ValType] = (),
        results: Iterable[ValType] = (),
        name: str | None = None,
    ) -> Opening[If]:
        """``with f.if_()``: the first arm; the condition is on the stack. :meth:`else_` is for the
        second.
        """
        either = If(self._type("if", type, params, results))
        return self._opening(either, either.items, name)

    def else_(self) -> Opening[If]:
        """``with f.else_()``, right behind ``with f.if_()``: the second arm."""
        either = self._last(If, "else_")
        if either.else_items is not None:
            raise self._error("else_", "the if has a second arm already")
        return self._noted(_Else(self, either, [], handler=False))

    def try_(
        self,
        type: BlockType | ValType | None = None,  # noqa: A002 - as the constructors have it
        *,
        params: Iterable[ValType] = (),
        results: Iterable[ValType] = (),
        name: str | None = None,
    ) -> Opening[Try]:
        """``with f.try_()``, of the legacy dialect. Behind it come ``with f.catch(tag)``, any
        number of them, and ``with f.catch_all()``; or :meth:`delegate`.
        """
        tried = Try(self._type("try", type, params, results))
        return self._opening(tried, tried.items, name)

    def catch(self, tag: Tag) -> Opening[Try]:
        """``with f.catch(tag) as t``: a handler, in which ``f.rethrow(t)`` is possible."""
        from wasmir.ir.tag import Tag

        if not isinstance(tag, Tag):
            raise TypeError(f"catch: tag must be a Tag, not {type(tag).__name__}")
        if tag.module is not self.module:
            raise self._error("catch", f"{tag!r} is part of another module")
        return self._handler("catch", tag)

    def catch_all(self) -> Opening[Try]:
        """``with f.catch_all() as t``: the last handler, of whatever no other one has caught."""
        return self._handler("catch_all", None)

    def delegate(self, label: Label) -> CodeBuilder:
        """Behind ``with f.try_()``: what is thrown there goes on as if it were thrown at the label,
        which may be ``f.body``.
        """
        tried = self._last(Try, "delegate")
        if tried.catches or tried.delegate is not None:
            raise self._error("delegate", "the try has handlers, or a delegate, already")
        self._check_label("delegate", immediates.label(Where(BY_NAME["delegate"], "label"), label))
        tried.delegate = label
        return self

    def try_table(
        self,
        type: BlockType | ValType | None = None,  # noqa: A002 - as the constructors have it
        clauses: Iterable[Clause] = (),
        *,
        params: Iterable[ValType] = (),
        results: Iterable[ValType] = (),
        name: str | None = None,
    ) -> Opening[TryTable]:
        """``with f.try_table(clauses=[Clause(tag, caught)])``: exceptions go to the labels of the
        clauses, which enclose it.
        """
        where = Where(BY_NAME["try_table"], "clauses")
        found: list[Clause] = immediates.checker(BY_NAME["try_table"].immediates[1].kind)(
            where, clauses
        )
        for clause in found:
            self._check_label("try_table", clause.label)
        table = TryTable(self._type("try_table", type, params, results), found)
        return self._opening(table, table.items, name)

    # How it works

    @property
    def _current(self) -> list[Item]:
        """The list that is being written."""
        return self._openings[-1].inside if self._openings else self.items

    def _append(self, item: Item) -> None:
        self._check_ready()
        if isinstance(item, Branch):
            for label in item.labels:
                self._check_label(_name(item), label, rethrown=isinstance(item, Rethrow))
        self._current.append(item)

    def _check_ready(self) -> None:
        if self._finished:
            raise ValueError(f"{self._what} is finished")
        if self._unentered is not None:
            raise self._error(_name(self._unentered.label), "it was opened without `with`")

    def _check_label(self, name: str, label: Label, *, rethrown: bool = False) -> None:
        if label not in self._labels:
            raise self._error(name, "its label is used outside of the block")
        if rethrown and not self._labels[label]:
            raise self._error(name, "its label must be a try in one of whose handlers it stands")

    def _error(self, name: str, reason: str) -> ValueError:
        return ValueError(f"{name}: {reason} (in {self._what})")

    def _type(
        self, name: str, type_: object, params: Iterable[ValType], results: Iterable[ValType]
    ) -> BlockType:
        takes = value_types(f"{name}: params", params)
        leaves = value_types(f"{name}: results", results)
        if type_ is None:
            return self.module.block_type(takes, leaves)
        if takes or leaves:
            raise ValueError(f"{name}: a type, or params and results, not both")
        return immediates.block_type(Where(BY_NAME[name], "type"), type_)

    def _opening(self, node: L, inside: list[Item], name: str | None) -> Opening[L]:
        if name is not None:
            check_name(name)
            self._named[node] = name
        return self._noted(Opening(self, node, inside, handler=False))

    def _noted(self, opening: O) -> O:
        self._check_ready()
        self._unentered = opening
        return opening

    def _handler(self, name: str, tag: Tag | None) -> Opening[Try]:
        tried = self._last(Try, name)
        if tried.delegate is not None:
            raise self._error(name, "the try delegates")
        if tried.catches and tried.catches[-1].tag is None:
            raise self._error(name, "nothing comes behind a catch_all")
        return self._noted(_Handler(self, tried, Catch(tag)))

    def _last(self, kind: type[N], name: str) -> N:
        """The node that stands last, which the next part is of."""
        items = self._current
        if not items or not isinstance(items[-1], kind):
            raise self._error(name, f"it comes right behind `with f.{kind.__name__.lower()}_()`")
        return items[-1]

    def _enter(self, opening: Opening[Any]) -> None:
        if opening is not self._unentered:
            raise self._error(_name(opening.label), "a block is entered once, where it is opened")
        self._unentered = None
        opening.place(self._current)
        self._openings.append(opening)
        self._labels[opening.label] = opening.handler

    def _leave(self, opening: Opening[Any], *, keep: bool) -> None:
        if keep:
            self._check_ready()
            if self._openings[-1] is not opening:
                raise self._error(_name(opening.label), "a block inside it is still open")
        # An exception leaves those inside as well, entered by `with` or not.
        for inner in self._openings[self._openings.index(opening) :]:
            del self._labels[inner.label]
        del self._openings[self._openings.index(opening) :]
        if not keep:
            self._unentered = None
            opening.take_back(self._current)

    def _local_groups(self) -> list[tuple[int, ValType]]:
        """The locals' declarations, parameters not among them."""
        types = [local.type for local in self._locals]
        return [(len(list(group)), type_) for type_, group in groupby(types)]

    def _local_names(self) -> dict[int, str]:
        every = (*self.params, *self._locals)
        return {int(local): local.name for local in every if local.name is not None}


class FunctionBuilder(CodeBuilder):
    """Builds a function's code; made by :meth:`Module.build` and :meth:`Function.rebuild`.

    The end of ``with`` finishes it. An exception that leaves it changes nothing: the module hasn't
    the new function, and the old one has the body that it had. Types that were added stay.
    """

    def __init__(self, function: Function, what: str, names: Mapping[int, str]) -> None:
        params = [
            Local(index, type_, names.get(index), self)
            for index, type_ in enumerate(function.func_type.params)
        ]
        super().__init__(function.module, what, params)
        #: To be called from within, say. A new one is part of the module once it is finished.
        self.function = function
        #: The function's own label: a branch to it returns.
        self.body: Body = function.body
        self._labels[self.body] = False

    def finish(self) -> Function:
        """The function, with the code that was built. Without ``with``, this is how it ends.

        Raises ValueError where a block is open still, where it was called before, and where the
        function that was to get the code was settled or closed meanwhile.
        """
        self._check_ready()
        if self._openings:
            raise self._error(_name(self._openings[-1].label), "it is still open")
        if self.function._body is not self.body:
            raise ValueError(f"{self._what} was settled or closed while it was being built")
        self._finished = True
        self.body.local_groups = self._local_groups()
        self.body.items = self.items
        self._install()
        return self.function

    def _install(self) -> None:
        """Make it what the module has."""
        self.function.local_names = self._local_names()
        if self._named:
            nodes = (place.item for place in skeleton(self.body))
            blocks = enumerate(node for node in nodes if isinstance(node, Structured))
            names = {at: self._named[block] for at, block in blocks if block in self._named}
            self.function.label_names = names

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self._finished = True


class NewFunction(FunctionBuilder):
    """Of a function that the module hasn't yet."""

    def __init__(
        self,
        module: Module,
        type_: Type,
        names: Mapping[int, str],
        name: str | None,
        exported: str | None,
    ) -> None:
        from wasmir.ir.function import Function

        # No number yet, under which there might be names.
        function = Function(module, type_, -1)
        function._code = b"\0\x0b"
        for given in (name, *names.values()):
            if given is not None:
                check_name(given)
        shown = name if name is not None else exported
        super().__init__(function, "function" if shown is None else f'function "{shown}"', names)
        self._name = name
        self._exported = exported
        self._check_export()

    def _check_export(self) -> None:
        if self._exported is not None:
            self.module.exports.check_free(self._exported)

    def _install(self) -> None:
        # Another one may have come since.
        self._check_export()
        added(self.module, self.function, self._name, self._exported)
        super()._install()


class Snippet(NewFunction):
    """A piece of code, to be put into functions wherever it is wanted: see :meth:`inline` and
    :class:`Place`. It knows nothing of where that is: it takes its parameters from the operand
    stack, leaves its results there, has locals of its own, and a branch to :attr:`body` or a
    ``return`` goes to its end. Made by :meth:`Module.snippet`.
    """

    def __init__(self, module: Module, type_: Type, names: Mapping[int, str]) -> None:
        super().__init__(module, type_, names, None, None)
        self._what = "snippet"
        # Not where an exception was its end.
        self._is_whole = False

    def _install(self) -> None:
        """The module doesn't get it."""
        self._is_whole = True

    def const(self) -> Const:
        """It as a constant expression. Raises ValueError where it isn't constant."""
        from wasmir.ir.const import Const

        built = self.built
        if self.params or self._locals:
            raise ValueError("a constant expression has no locals")
        for item in built.body.seq:
            if not isinstance(item, Instr) or Trait.CONSTANT not in item.row.traits:
                raise ValueError(f"{row_of(item).name} can't be part of a constant expression")
        return Const(self.module, cast("list[Instr]", built.body.items))

    @property
    def built(self) -> Function:
        """The function that it is. Raises ValueError unless it was finished."""
        if not self._is_whole:
            raise ValueError("the snippet isn't finished")
        return self.function


def build_function(
    module: Module,
    name: str | None,
    params: Params,
    results: Iterable[ValType],
    exported: str | None,
) -> FunctionBuilder:
    """See :meth:`wasmir.ir.module.Module.build`."""
    type_, names = _signature(module, "build", params, results)
    return NewFunction(module, type_, names, name, exported)


def build_snippet(module: Module, params: Params, results: Iterable[ValType]) -> Snippet:
    """See :meth:`wasmir.ir.module.Module.snippet`."""
    return Snippet(module, *_signature(module, "snippet", params, results))


def _signature(
    module: Module, what: str, params: Params, results: Iterable[ValType]
) -> tuple[Type, dict[int, str]]:
    """The type, and the parameters' names."""
    from wasmir.ir.type import Type

    leaves = value_types(f"{what}: results", results)
    if isinstance(params, Type):
        if leaves:
            raise ValueError(f"{what}: a type, or params and results, not both")
        if params.module is not module:
            raise ValueError(f"{what}: {params!r} is part of another module")
        return params, {}
    names: dict[int, str] = {}
    if isinstance(params, Mapping):
        names = dict(enumerate(params))
        params = params.values()
    return module.func_type(value_types(f"{what}: params", params), leaves), names


def rebuild_function(function: Function) -> FunctionBuilder:
    """See :meth:`wasmir.ir.function.Function.rebuild`."""
    return FunctionBuilder(function, f"function {function}", function.local_names)


def _name(item: Instr | Node) -> str:
    return row_of(item).name
