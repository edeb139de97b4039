"""A function body as a tree: what the skeleton consists of.

A list of items stands wherever instructions do. An item is a *run* (``bytes``: straight-line
instructions that nobody has looked into), an :class:`Instr` (one straight-line instruction,
interned), a branch, or a structured instruction, which has lists of items of its own.

Branches, ``delegate``, ``rethrow`` and catch clauses point at the block *object* that is their
target. Depths exist only on the wire: a block can be wrapped, moved or unwrapped, and no branch
needs to hear of it. The function's own label is its :class:`Body`.

What ends control flow (``unreachable``, ``return``, ``throw``, tail calls, ...) is never inside a
run: it stands in the list as an :class:`Instr`, so whether the end of a sequence is reachable can
be told from its last item.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from wasmir.errors import UnsupportedError
from wasmir.ir.codec import codec
from wasmir.isa.table import Row, Trait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wasmir.ir.build import Snippet
    from wasmir.ir.function import Function
    from wasmir.ir.outline import Region
    from wasmir.ir.seq import Seq
    from wasmir.ir.tag import Tag
    from wasmir.ir.type import Type
    from wasmir.types import ValType

__all__ = [
    "Block",
    "BlockType",
    "Body",
    "Br",
    "BrIf",
    "BrOn",
    "BrTable",
    "Branch",
    "Catch",
    "Clause",
    "If",
    "Instr",
    "Item",
    "Label",
    "Loop",
    "Node",
    "On",
    "Resume",
    "Rethrow",
    "Structured",
    "Try",
    "TryTable",
    "falls_through",
    "terminates",
]


@dataclass(frozen=True, slots=True, eq=False)
class BlockType:
    """What a structured instruction takes and leaves; one object per spelling and module.

    ``type`` is the entry of the type section that spells it, ``None`` for the short forms (no
    parameters and at most one result). Made by :meth:`Module.block_type`.
    """

    params: tuple[ValType, ...]
    results: tuple[ValType, ...]
    type: Type | None = None
    _wire: bytes | None = None

    def __str__(self) -> str:
        params = " ".join(map(str, self.params))
        results = " ".join(map(str, self.results))
        return f"[{params}] -> [{results}]"


@dataclass(frozen=True, slots=True)
class Instr:
    """One straight-line instruction; one object per distinct spelling and module.

    ``immediates`` are in the order of the table's row. Those that name something of the module
    hold the thing (``call``'s is a :class:`Function`) where its collection is part of the IR;
    locals and lanes are integers; floats are bit patterns.
    """

    __match_args__ = ("name", "immediates")

    row: Row
    immediates: tuple[Any, ...] = ()
    _wire: bytes | None = field(default=None, compare=False, repr=False)
    # The encoder's: its bytes, and the memo that they are from.
    _code: bytes = field(default=b"", init=False, compare=False, repr=False)
    _memo: object = field(default=None, init=False, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The mnemonic; ``match`` asks for it first: ``case Instr("call", (function,))``."""
        return self.row.name

    def __str__(self) -> str:
        return " ".join([self.row.name, *map(str, self.immediates)])


class Node:
    """What has identity: branches and structured instructions, one object per occurrence."""

    __slots__ = ()


class Branch(Node):
    """An instruction with labels; ``labels`` reads and replaces all of them, in wire order."""

    __slots__ = ()

    @property
    def labels(self) -> tuple[Label, ...]:
        raise NotImplementedError

    def retarget(self, old: Label, new: Label) -> None:
        """Point every label that is ``old`` at ``new``."""
        raise NotImplementedError


class _OneLabel(Branch):
    __slots__ = ("label",)
    __match_args__ = ("label",)

    def __init__(self, label: Label) -> None:
        self.label = label

    @property
    def labels(self) -> tuple[Label, ...]:
        return (self.label,)

    def retarget(self, old: Label, new: Label) -> None:
        if self.label is old:
            self.label = new


class Br(_OneLabel):
    """``br``."""

    __slots__ = ()


class BrIf(_OneLabel):
    """``br_if``."""

    __slots__ = ()


class Rethrow(_OneLabel):
    """Legacy ``rethrow``; its label is the :class:`Try` in one of whose handlers it stands."""

    __slots__ = ()


class BrOn(_OneLabel):
    """``br_on_null``, ``br_on_cast`` and their kin: ``immediates`` in row order, with ``None``
    where the label stands.
    """

    __slots__ = ("immediates", "row")
    __match_args__ = ("name", "label", "immediates")

    def __init__(self, row: Row, label: Label, immediates: tuple[Any, ...]) -> None:
        self.row = row
        self.label = label
        self.immediates = immediates

    @property
    def name(self) -> str:
        """The mnemonic."""
        return self.row.name


class BrTable(Branch):
    """``br_table``; the last of ``labels`` is the default."""

    __slots__ = ("_labels",)
    __match_args__ = ("labels",)

    def __init__(self, labels: tuple[Label, ...]) -> None:
        self._labels = labels

    @property
    def labels(self) -> tuple[Label, ...]:
        return self._labels

    @labels.setter
    def labels(self, labels: tuple[Label, ...]) -> None:
        self._labels = labels

    def retarget(self, old: Label, new: Label) -> None:
        self._labels = tuple(new if label is old else label for label in self._labels)


@dataclass(slots=True, eq=False)
class On:
    """A handler of ``resume``: ``(on tag label)``, or ``(on tag switch)`` without a label."""

    tag: Tag
    label: Label | None


class Resume(Branch):
    """``resume``, ``resume_throw``, ``resume_throw_ref``: ``immediates`` in row order, with
    ``None`` where the handlers stand.
    """

    __slots__ = ("handlers", "immediates", "row")
    __match_args__ = ("name", "handlers", "immediates")

    def __init__(self, row: Row, handlers: list[On], immediates: tuple[Any, ...]) -> None:
        self.row = row
        self.handlers = handlers
        self.immediates = immediates

    @property
    def name(self) -> str:
        """The mnemonic."""
        return self.row.name

    @property
    def labels(self) -> tuple[Label, ...]:
        return tuple(on.label for on in self.handlers if on.label is not None)

    def retarget(self, old: Label, new: Label) -> None:
        for on in self.handlers:
            if on.label is old:
                on.label = new


class Label(Node):
    """What a branch can point at.

    ``_height`` belongs to the encoder: how many labels enclose this one while it is open.
    """

    __slots__ = ("_height",)
    _height: int


class Structured(Label):
    """``block``, ``loop``, ``if``, ``try``, ``try_table``."""

    __slots__ = ("type",)
    type: BlockType

    def sequences(self) -> tuple[list[Item], ...]:
        """The lists of items inside, in wire order."""
        raise NotImplementedError


class _OneSequence(Structured):
    __slots__ = ("items",)
    __match_args__ = ("type", "items")

    def __init__(self, type_: BlockType, items: list[Item] | None = None) -> None:
        self.type = type_
        self.items: list[Item] = [] if items is None else items

    def sequences(self) -> tuple[list[Item], ...]:
        return (self.items,)


class Block(_OneSequence):
    """``block``: a branch to it goes to its end."""

    __slots__ = ()


class Loop(_OneSequence):
    """``loop``: a branch to it goes to its start, with the parameters."""

    __slots__ = ()


class If(Structured):
    """``if``: ``items`` is the first arm; ``else_items`` is ``None`` where there is no ``else``."""

    __slots__ = ("else_items", "items")
    __match_args__ = ("type", "items", "else_items")

    def __init__(
        self,
        type_: BlockType,
        items: list[Item] | None = None,
        else_items: list[Item] | None = None,
    ) -> None:
        self.type = type_
        self.items: list[Item] = [] if items is None else items
        self.else_items = else_items

    def sequences(self) -> tuple[list[Item], ...]:
        return (self.items,) if self.else_items is None else (self.items, self.else_items)


class Catch:
    """A clause of a legacy ``try``: ``catch tag``, or ``catch_all`` where ``tag`` is ``None``."""

    __slots__ = ("items", "region", "tag")
    __match_args__ = ("tag", "items")
    #: In outlines; ``None`` where there is nothing but a run, if that, and ``rethrow 0``.
    region: Region | None

    def __init__(self, tag: Tag | None, items: list[Item] | None = None) -> None:
        self.tag = tag
        self.items: list[Item] = [] if items is None else items


class Try(_OneSequence):
    """Legacy ``try``: with ``catches`` (a ``catch_all`` comes last), or with ``delegate``, the
    label it delegates to, or with neither.
    """

    __slots__ = ("catches", "delegate", "region")
    __match_args__ = ("type", "items", "catches", "delegate")
    #: In outlines: that of the body; ``None`` where there is nothing but a run.
    region: Region | None

    def __init__(self, type_: BlockType, items: list[Item] | None = None) -> None:
        self.type = type_
        self.items = [] if items is None else items
        self.catches: list[Catch] = []
        self.delegate: Label | None = None

    def sequences(self) -> tuple[list[Item], ...]:
        return (self.items, *(clause.items for clause in self.catches))


class Clause:
    """A catch clause of ``try_table``: ``catch``, ``catch_ref``, ``catch_all`` (no tag) or
    ``catch_all_ref``. Its label encloses the ``try_table``.
    """

    __slots__ = ("label", "ref", "tag")
    __match_args__ = ("tag", "label", "ref")

    def __init__(self, tag: Tag | None, label: Label, ref: bool = False) -> None:
        self.tag = tag
        self.label = label
        self.ref = ref

    def retarget(self, old: Label, new: Label) -> None:
        """Mirrors :meth:`Branch.retarget`."""
        if self.label is old:
            self.label = new


class TryTable(_OneSequence):
    """``try_table``; a branch to it goes to its end."""

    __slots__ = ("clauses", "region")
    __match_args__ = ("type", "clauses", "items")
    #: In outlines.
    region: Region

    def __init__(
        self, type_: BlockType, clauses: list[Clause], items: list[Item] | None = None
    ) -> None:
        self.type = type_
        self.items = [] if items is None else items
        self.clauses = clauses


Item: TypeAlias = bytes | Instr | Node


class Body(Label):
    """A function's code: the locals' declarations and a sequence; also the function's label."""

    __slots__ = (
        "_fresh",
        "_kept",
        "_origin",
        "_regions",
        "_wires",
        "added_locals",
        "function",
        "items",
        "locals_wire",
        "outline",
    )

    def __init__(self, function: Function, locals_wire: bytes, *, outline: bool = False) -> None:
        self.function = function
        #: Whether runs may hold whole blocks, see :meth:`Function.outline_with`.
        self.outline = outline
        #: The locals' declarations as read; :attr:`added_locals` come behind them.
        self.locals_wire = locals_wire
        self.added_locals: list[tuple[int, ValType]] = []
        self.items: list[Item] = []
        # Spellings that aren't the shortest, of branches that still stand where they stood.
        self._wires: dict[object, tuple[Any, bytes]] = {}
        # The codec's: what the tree was like when it was fresh, where offsets are tracked.
        self._origin: object = None
        # The codec's: what tells whether the tree is still what was read.
        self._fresh: object = None
        # Of an outline: all regions that were read.
        self._regions: list[Region] = []
        # Lists that were expanded, by their ids, if any: each with its items before and after.
        self._kept: dict[int, tuple[list[Item], list[Item], list[Item]]] | None = None

    def add_local(self, type_: ValType, count: int = 1) -> int:
        """Declare more locals, behind all others; the index of the first. Raises UnsupportedError
        where there would be 2^32 of them, for which the binary format has no room.
        """
        first = self.local_count
        if first + count >= 1 << 32:
            raise UnsupportedError("too many locals", str(self.function))
        self.added_locals.append((count, type_))
        return first

    def inlined(self, code: Function | Snippet) -> list[Item]:
        """A function's code, or a snippet, to be put into this one instead of a call: see
        :mod:`wasmir.ir.inline`. Its parameters and locals become new locals, with their names.

        Raises ValueError for code of another module and for what is still being built.
        """
        from wasmir.ir.inline import inlined_into

        return inlined_into(self, code)

    @property
    def local_count(self) -> int:
        """How many locals there are, parameters included."""
        declared = codec().declared_locals(self)
        added = sum(count for count, _ in self.added_locals)
        return len(self.function.func_type.params) + declared + added

    @property
    def local_groups(self) -> list[tuple[int, ValType]]:
        """The declarations of locals, parameters not among them: how many, of which type; a copy,
        to be assigned. What is assigned is spelled anew, and must fit the code.
        """
        declared = codec().local_groups(self.function.module, self.locals_wire)
        return [*declared, *self.added_locals]

    @local_groups.setter
    def local_groups(self, groups: list[tuple[int, ValType]]) -> None:
        self.locals_wire = b"\0"
        self.added_locals = list(groups)

    @property
    def seq(self) -> Seq:
        """The body's own sequence, instruction by instruction. Raises ValueError of an outline."""
        return self.seq_of(self.items)

    def seq_of(self, items: list[Item]) -> Seq:
        """A list of items of this tree, instruction by instruction. Raises like :attr:`seq`."""
        from wasmir.ir.seq import Seq

        return Seq(self, items)

    def expand(self) -> None:
        """Replace every run of the tree by its instructions, which encode as the same bytes.

        Raises ValueError of an outline, MalformedError where a run is no code.
        """
        from wasmir.ir.seq import expand

        expand(self)

    def __iter__(self) -> Iterator[Item]:
        """Every item, depth first, in wire order. Iterative, so any nesting will do."""
        stack: list[Iterator[Item]] = [iter(self.items)]
        while stack:
            for item in stack[-1]:
                yield item
                if isinstance(item, Structured):
                    stack.extend(map(iter, reversed(item.sequences())))
                    break
            else:
                stack.pop()


def terminates(item: Item) -> bool:
    """Whether control never goes on behind the item, as validation sees it: the operand stack is
    polymorphic there. Of structured instructions and runs that is never so.
    """
    # Exact classes of the frequent ones first: this is asked very often.
    kind = item.__class__
    if kind is bytes:
        return False
    if isinstance(item, Instr):
        return Trait.TERMINATES in item.row.traits
    return kind is Br or isinstance(item, (BrTable, Rethrow))


def falls_through(items: list[Item]) -> bool:
    """Whether the end of the list can be reached by falling off it, judged by its last item."""
    return not items or not terminates(items[-1])
