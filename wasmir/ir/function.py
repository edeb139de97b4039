"""Functions: an import, or a body that is decoded when somebody looks inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from wasmir.errors import InvalidError, UnsupportedError, WasmError
from wasmir.ir.checks import check_is
from wasmir.ir.codec import codec, printer
from wasmir.ir.space import Importable, Sorts
from wasmir.ir.type import Type

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wasmir.ir.build import FunctionBuilder
    from wasmir.ir.code import Body, Item
    from wasmir.ir.module import Module
    from wasmir.ir.offsets import Tracking
    from wasmir.ir.outline import Survey
    from wasmir.ir.wrap import Wrapper
    from wasmir.isa.table import Row
    from wasmir.types import FuncType, ValType

__all__ = ["Function"]


class Function(Importable):
    """A function; equal by identity.

    A defined one has three states. *Raw*: its code is a slice of some bytes, which emission
    copies. *Open*: :attr:`body` was asked for, and the tree is what counts from then on; it is
    encoded when the module is (an untouched tree gives the same bytes again). *Settled*:
    :meth:`settle` encoded the tree and let go of it, which is raw again, over new bytes; a pass
    that goes through a large module settles each function as it leaves it, and only one tree is
    in memory at a time.
    """

    __slots__ = ("_body", "_code", "_end", "_start", "_type")
    space: ClassVar[str] = "func"
    what: ClassVar[str] = "function"

    _sorts: ClassVar[Sorts] = {"_type": ((Type,), "a type")}

    def __init__(
        self, module: Module, type_: Type, number: int, start: int = 0, end: int = 0
    ) -> None:
        self.module = module
        self._type = type_
        self.imported = None
        self._number = number
        # Where the code stands in the module's input; stays, for offsets in messages.
        self._start = start
        self._end = end
        self._code: bytes | None = None
        self._body: Body | None = None

    @property
    def type(self) -> Type:
        """Its entry of the type section; assignable. With another number of parameters the
        function's locals move, in its code too: parameters that stay keep their indices, new ones
        come behind them. Assigning raises InvalidError where code mentions a parameter that goes.
        """
        return self._type

    @type.setter  # noqa: A003 - the property above is meant
    def type(self, type_: Type) -> None:
        check_is(type_, Type, "a type")
        old, new = self._type.func, type_.func
        if new is None:
            raise InvalidError(f"type mismatch: type {type_} is no function type", str(self))
        if self.imported is None and old is not None and len(old.params) != len(new.params):
            codec().shift_locals(self, len(old.params), len(new.params))
        self.module._retyped.setdefault(self, self._type)
        self._type = type_

    @property
    def local_names(self) -> dict[int, str]:
        """The names of parameters and locals, by index; a copy, to be assigned."""
        return self.module.names.inside("local", self)

    @local_names.setter
    def local_names(self, names: dict[int, str]) -> None:
        self.module.names.give_inside("local", self, names)

    @property
    def label_names(self) -> dict[int, str]:
        """The names of labels, numbered in the order of their blocks; a copy, to be assigned.

        Those that were read are numbered as the blocks were in the code that was read, and go with
        their blocks wherever an edit takes these. Assigned ones are numbered as the blocks will be
        in the code that is written.
        """
        return self.module.names.inside("label", self)

    @label_names.setter
    def label_names(self, names: dict[int, str]) -> None:
        self.module.names.give_inside("label", self, names)

    @property
    def func_type(self) -> FuncType:
        func = self.type.func
        if func is None:
            raise InvalidError(f"type mismatch: type {self.type} is no function type", str(self))
        return func

    @property
    def offset(self) -> int:
        """Where the code (its locals) began in the input."""
        return self._start

    @property
    def code(self) -> bytes:
        """The encoded code: locals and instructions, without the size in front."""
        if self._body is not None:
            return codec().encode_body(self._body)
        if self._code is not None:
            return self._code
        return self.module.source[self._start : self._end]

    @property
    def is_raw(self) -> bool:
        """Whether the code is the input's, and nobody has looked inside."""
        return self._body is None and self._code is None

    @property
    def is_open(self) -> bool:
        return self._body is not None

    @property
    def body(self) -> Body:
        """The code as a tree, decoded on first use. Raises MalformedError, InvalidError."""
        if self._body is not None and self._body.outline:
            self.settle()
        body = self._body
        if body is None:
            self.check_defined()
            body = self._body = codec().decode_body(self)
            if self.module._tracking is not None:
                self._track(self.module._tracking)
        return body

    def check_defined(self) -> None:
        """Raise UnsupportedError where it is imported, and has no code."""
        if self.imported is not None:
            raise UnsupportedError("an imported function has no body", str(self))

    def expand(self) -> Body:
        """:attr:`body` with every run replaced by its instructions, as :meth:`Body.expand` does it:
        in two thirds of the time where the function isn't open, because its code is decoded to
        instructions straight away. Raises like both.
        """
        if self._body is None and self.imported is None and self.module._tracking is None:
            try:
                self._body = codec().decode_body(self, expanded=True)
            except WasmError:
                # Which of the two it is that fails, and what is left behind, must not differ.
                pass
            else:
                return self._body
        body = self.body
        body.expand()
        return body

    def rebuild(self) -> FunctionBuilder:
        """Other code in the place of the function's, built within ``with``: see
        :mod:`wasmir.ir.build`. Its type stays. Raises like :attr:`body`.
        """
        from wasmir.ir.build import rebuild_function

        return rebuild_function(self)

    def wrap(self, name: str | None = None, *, exports: bool = True) -> Wrapper:
        """A new function of the same type, built within ``with``, that all call instead of this
        one: whatever mentioned this function, its own code included, mentions that one from then
        on, but for the new one's code. Its exports do, too, unless ``exports`` says otherwise.

        This function may be an import. Open bodies are settled: nodes of theirs are dead from then
        on. Raises what :meth:`Module.redirect` does at the end.
        """
        from wasmir.ir.wrap import Wrapper

        return Wrapper(self, name, exports=exports)

    @property
    def local_groups(self) -> list[tuple[int, ValType]]:
        """The declarations of locals, see :attr:`Body.local_groups`; nothing else is decoded.
        Raises MalformedError.
        """
        if self._body is not None:
            return self._body.local_groups
        return [] if self.imported is not None else codec().local_groups(self.module, self.code)

    @property
    def local_count(self) -> int:
        """How many locals there are, parameters included. Raises MalformedError."""
        declared = sum(count for count, _ in self.local_groups)
        return len(self.func_type.params) + declared

    def distinct_instructions(self) -> list[tuple[Row, tuple[Any, ...]]]:
        """Each instruction that stands in the code once, however often it does: its row and its
        raw immediates (see :mod:`wasmir.isa.kinds`), ``else`` and ``end`` among them. It costs a
        fraction of looking at them one by one. Raises MalformedError.
        """
        if self.imported is not None:
            return []
        return codec().distinct_instructions(self.code)

    def wat(self, *, names: bool = True, offsets: bool = False, folded: bool = False) -> str:
        """The function in the text format, or the import of one; see :meth:`Module.wat`."""
        return printer().function_text(self, names=names, offsets=offsets, folded=folded)

    def outline_with(self, mnemonic: str) -> Body | None:
        """The body as an outline, if the control instruction of that name may stand in it: see
        :meth:`survey_with`, whose ``body`` it is.
        """
        found = self.survey_with(mnemonic)
        return None if found is None else found.body

    def survey_with(self, mnemonic: str) -> Survey | None:
        """:meth:`survey`, if :meth:`Module.functions_with` has the function among those with the
        control instruction of that name; else ``None``, at less than what that takes.
        """
        return self.survey() if self.module.functions_with(mnemonic, (self,)) else None

    def survey(self) -> Survey:
        """The body as an outline, a tree of nothing but ``try`` and ``try_table`` (see
        :mod:`wasmir.ir.outline`), with a survey of it. It serves those who rearrange handlers, at a
        fraction of what a full tree takes.

        An open body is settled first, so nodes of it are dead from then on. So are those of an
        outline once :attr:`body` was asked for. Raises MalformedError, InvalidError;
        UnsupportedError for an imported function.
        """
        self.check_defined()
        if self._body is not None:
            self.settle()
        found = codec().survey(self)
        self._body = found.body
        return found

    def replace_body(self, items: Iterable[Item] = ()) -> None:
        """Put other code in the place of its own, without locals, and settle it. Parameters keep
        their names. Raises UnsupportedError for an imported function, MalformedError.
        """
        from wasmir.ir.surgery import replace_body

        replace_body(self, items)

    def make_definition(self, items: Iterable[Item] = ()) -> None:
        """Let the module define it, in front of all others that it does, with this body; one that
        is defined gets another.
        """
        from wasmir.ir.surgery import make_definition

        make_definition(self, items)

    def _track(self, tracking: Tracking) -> None:
        """Note what the fresh tree is like, where that is wanted."""
        body = self._body
        if body is not None and tracking.covers(self):
            code = self._code
            if code is None:
                code = self.module.source[self._start : self._end]
            codec().note_origin(body, code)

    def settle(self) -> None:
        """Encode the tree, keep the bytes, let go of the tree. Nodes of it are dead afterwards."""
        body = self._body
        if body is None:
            return
        tracking = self.module._tracking
        if tracking is None or body._origin is None:
            self._code = codec().encode_body(body, consume=True)
        else:
            code = codec().encode_body(body)
            tracking.settled(self, codec().trace_moves(body, code))
            codec().dissolve(body)
            self._code = code
        self._body = None

    def insert(
        self,
        places: Iterable[tuple[int, bytes]],
        added_locals: Sequence[tuple[int, ValType]] = (),
    ) -> None:
        """Put more instructions between those that are there, without decoding any of them.

        ``places`` are offsets from the start of the code, in ascending order, each with what comes
        in front of the instruction that begins there (that one begins there isn't checked): such
        as :func:`basic_blocks` or :attr:`first_offset` gives, and :meth:`encode_items` makes.
        ``added_locals`` are declared behind those that there are: how many, of which type. An open
        body is settled: nodes of it are dead from then on.

        Raises MalformedError, ValueError for offsets that don't ascend or are out of the code,
        UnsupportedError for an imported function.
        """
        self._settle_code()
        codec().splice(self, places, added_locals)

    def insert_at_entry(self, run: bytes, added_locals: Sequence[tuple[int, ValType]] = ()) -> None:
        """:meth:`insert` in front of the first instruction, in half the time."""
        check_is(run, bytes, "a run (bytes), as encode_items makes it,")
        self._settle_code()
        codec().splice_entry(self, run, added_locals)

    @property
    def first_offset(self) -> int:
        """Where the first instruction stands, from the start of the code: behind the declarations
        of locals. Settles an open body. Raises MalformedError, UnsupportedError for an imported
        function.
        """
        self._settle_code()
        return codec().locals_end(self)

    def encode_items(self, items: Iterable[Item]) -> bytes:
        """Items as they are written in this function, for :meth:`insert`. They may have blocks and
        branches to these. Raises InvalidError where one goes to a label around them, or mentions
        what is part of another module.
        """
        return codec().encode_items(self, list(items))

    def _settle_code(self) -> None:
        self.check_defined()
        self.settle()

    def _respell(self, code: bytes) -> None:
        """Take code of which every instruction stands for the one that stood there."""
        tracking = self.module._tracking
        if tracking is not None and tracking.covers(self):
            tracking.settled(self, codec().respelled_moves(self.code, code))
        self._code = code

    def close(self) -> None:
        """Let go of the tree and of whatever was done to it since it was opened."""
        if self._body is not None:
            codec().dissolve(self._body)
            self._body = None
