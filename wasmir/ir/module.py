"""The module: bytes, and whatever of them somebody has looked at."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from wasmir.errors import StaleWarning
from wasmir.ir.additions import add_group, added, imported, tag_type, type_of
from wasmir.ir.bulk import bulk_work
from wasmir.ir.checkpoint import Checkpoint
from wasmir.ir.checks import check_is, each_is, functions_of, row_named, value_types
from wasmir.ir.codec import Section, codec, printer, validator
from wasmir.ir.imports import Exports, Imports
from wasmir.ir.space import SPACES, read_space

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from wasmir.errors import WasmError
    from wasmir.features import Feature
    from wasmir.ir.build import FunctionBuilder, Snippet
    from wasmir.ir.code import BlockType, Instr, Item
    from wasmir.ir.const import Const
    from wasmir.ir.custom import Custom
    from wasmir.ir.encoded import Encoded
    from wasmir.ir.function import Function
    from wasmir.ir.global_ import Global
    from wasmir.ir.memory import Memory
    from wasmir.ir.names import Names
    from wasmir.ir.offsets import Tracking
    from wasmir.ir.segment import Data, Element
    from wasmir.ir.space import Importable, Space
    from wasmir.ir.table import Table
    from wasmir.ir.tag import Tag
    from wasmir.ir.type import Type
    from wasmir.ir.uses import Uses
    from wasmir.types import FuncType, GlobalType, MemoryType, SubType, TableType, ValType

    R = TypeVar("R")
    I = TypeVar("I", bound=Importable)  # noqa: E741 - as short as its sibling

__all__ = ["Module"]

_EMPTY = b"\0asm\1\0\0\0"

_DATA_COUNT = 12


class Module:
    """A WebAssembly module.

    Reading costs the section walk. Each collection is decoded on first use, each function body
    when it is asked for, and what nobody looked at is copied on the way out::

        module = Module.from_file("in.wasm")
        module.save("out.wasm")                 # the same bytes
    """

    def __init__(self, data: bytes = _EMPTY) -> None:
        #: The input. Offsets in messages and of functions are offsets into it.
        self.source = data
        self.sections: list[Section] = codec().read_sections(data)
        self._spaces: dict[str, Space[Any]] = {}
        self._imports: Imports | None = None
        self._exports: Exports | None = None
        self._start: Function | None = None
        self._start_is_read = False
        self._names: Names | None = None
        # Functions whose type was replaced, with the type they had in the input.
        self._retyped: dict[Function, Type] = {}
        self._by_func_type: dict[FuncType, Type] = {}
        self._block_types: dict[tuple[object, ...], BlockType] = {}
        # The types of globals that were read, by their bytes.
        self._global_types: dict[bytes, GlobalType] = {}
        # Interned, by mnemonic and immediates.
        self._instrs: dict[str, dict[tuple[Any, ...], Instr]] = {}
        # Bound on first use: it needs the instruction table, and is called very often.
        self._stack_effect: Callable[[Module, Iterable[Item]], int] | None = None
        # The codec's memo of tokens, one per module.
        self._memo: Any = None
        # Whether there is a data count section, so that code may mention data segments.
        self._data_counted = any(section.id == _DATA_COUNT for section in self.sections)

        # Whether `ref.func` was ever encoded as an instruction, not in a run of the input's.
        self._takes_references = False
        # Which functions' instructions are followed through edits.
        self._tracking: Tracking | None = None

    # Reading and writing

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> Module:
        """A module from its binary form.

        Raises MalformedError where the bytes are no sequence of sections, UnsupportedError for
        a component. The content of a section is checked when it is looked at.
        """
        return cls(bytes(data))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Module:
        """Like :meth:`from_bytes`, from a file. Raises OSError too."""
        return cls(Path(path).read_bytes())

    def to_bytes(self, *, keep_stale: bool = False) -> bytes:
        """The binary form; the input itself where nothing was changed.

        Issues a StaleWarning for each custom section that went stale, unless ``keep_stale`` says
        that this is known. :meth:`encode` tells which they are.
        """
        return self._encoded(keep_stale).data

    def encode(self) -> Encoded:
        """The binary form, with what there is to know about it: where code went, and which custom
        sections describe what is no longer there.
        """
        with bulk_work():
            return codec().encode_module(self)

    def validate(
        self,
        *,
        features: Iterable[Feature | str] | str | None = None,
        only: Iterable[Function] | None = None,
        jobs: int = 1,
    ) -> None:
        """Check that the module is valid, as it is now. Raises the first of :meth:`find_errors`.

        Issues a DialectWarning where both dialects of exception handling are used.
        """
        for error in self.find_errors(features=features, only=only, jobs=jobs):
            raise error

    def find_errors(
        self,
        *,
        features: Iterable[Feature | str] | str | None = None,
        only: Iterable[Function] | None = None,
        jobs: int = 1,
        track: Callable[[Sequence[Function]], Iterable[Function]] | None = None,
    ) -> Iterator[WasmError]:
        """Everything that is wrong with the module (MalformedError, InvalidError): what is outside
        of functions, or if nothing is, the first of each function, in order.

        ``features`` are those allowed (by default all that wasmir knows), by the names that
        ``wasm-tools validate --features`` has for them, as in ``"wasm3,threads"``. Of functions
        ``only`` some are checked: those that were edited, say. With ``jobs`` the functions are
        divided among so many processes, where processes can fork. ``track`` wraps the functions, to
        show progress.
        """
        return validator().find_errors(self, features, only, jobs, track)

    @property
    def edited_functions(self) -> list[Function]:
        """The functions whose validity an edit may have changed: those that were looked into and
        those that were added; all, where the type of something that code mentions was changed.
        For :meth:`validate`.
        """
        from wasmir.ir.changes import edited_functions

        return edited_functions(self)

    def save(self, path: str | os.PathLike[str], *, keep_stale: bool = False) -> None:
        """Write the binary form to a file: :meth:`Encoded.save`. Warns like :meth:`to_bytes`."""
        self._encoded(keep_stale).save(path)

    def wat(self, *, names: bool = True, offsets: bool = False, folded: bool = False) -> str:
        """The module in the text format, as it is now; what was edited isn't encoded for it.

        ``names`` are identifiers from the name section, without which everything is called by its
        index. ``offsets`` are comments, where each instruction stood in the input. ``folded``
        instructions have their operands in parentheses. Custom sections are annotations, which
        assemblers may need to be told to read.

        Raises MalformedError, InvalidError, and UnsupportedError for more locals than engines take.
        The text of a large module is large; ``wasmir print`` writes it piece by piece.
        """
        return printer().module_text(self, names=names, offsets=offsets, folded=folded)

    def _encoded(self, keep_stale: bool) -> Encoded:
        encoded = self.encode()
        if not keep_stale:
            for name, reason in encoded.stale.items():
                warnings.warn(f"custom section {name!r} {reason}", StaleWarning, stacklevel=3)
        return encoded

    # What is inside

    def space(self, name: str) -> Space[Any]:
        """An index space by its name: ``type``, ``func``, ``table``, ``memory``, ``tag``,
        ``global``, ``elem`` or ``data``.
        """
        found = self._spaces.get(name)
        if found is None:
            found = self._spaces[name] = read_space(self, name)
            if name == "type":
                self._note_func_types()
            elif name == "func" and self._tracking is None:
                self._tracking = codec().tracking(self)
        return found

    def read_all(self) -> None:
        """Read every section whose content is entities. Raises MalformedError, InvalidError."""
        for name in SPACES:
            self.space(name)
        # Reading is all that is wanted of them.
        _ = self.imports, self.exports, self.start

    def _forget(self, space: Space[Any]) -> None:
        """Let go of what stands for entities of a space from which some were removed."""
        if space is self._spaces.get("type"):
            self._block_types.clear()
            self._by_func_type.clear()
            self._note_func_types()

    def _note_func_types(self) -> None:
        for type_ in self._spaces.get("type", ()):
            if type_.stands_for_its_function_type and type_.func is not None:
                self._by_func_type.setdefault(type_.func, type_)

    @property
    def types(self) -> Space[Type]:
        """The type section's entries, rec groups flattened, by index."""
        return self.space("type")

    @property
    def functions(self) -> Space[Function]:
        """All functions by index, imported ones first; so for the others."""
        return self.space("func")

    @property
    def tables(self) -> Space[Table]:
        return self.space("table")

    @property
    def memories(self) -> Space[Memory]:
        return self.space("memory")

    @property
    def tags(self) -> Space[Tag]:
        return self.space("tag")

    @property
    def globals(self) -> Space[Global]:
        return self.space("global")

    @property
    def elements(self) -> Space[Element]:
        """The element segments."""
        return self.space("elem")

    @property
    def data(self) -> Space[Data]:
        """The data segments."""
        return self.space("data")

    @property
    def imports(self) -> Imports:
        if self._imports is None:
            with bulk_work():
                self._imports = Imports(self, codec().read_imports(self))
        return self._imports

    @property
    def exports(self) -> Exports:
        if self._exports is None:
            with bulk_work():
                self._exports = Exports(self, codec().read_exports(self))
        return self._exports

    @property
    def start(self) -> Function | None:
        """The function that instantiation calls; assignable."""
        if not self._start_is_read:
            self._start = codec().read_start(self)
            self._start_is_read = True
        return self._start

    @start.setter
    def start(self, function: Function | None) -> None:
        if function is not None:
            functions_of(self, [function])
        self._start = function
        self._start_is_read = True

    @property
    def customs(self) -> list[Custom]:
        """The custom sections in file order."""
        return [section.custom for section in self.sections if section.custom is not None]

    def custom(self, name: str) -> Custom | None:
        """The first custom section of that name."""
        return next((custom for custom in self.customs if custom.name == name), None)

    def add_custom(self, name: str, data: bytes) -> Custom:
        """A new custom section, behind all other sections."""
        from wasmir.ir.custom import add_custom

        return add_custom(self, name, data)

    def remove_custom(self, custom: Custom) -> None:
        """Leave a custom section out of what is written; names go with the section of names."""
        from wasmir.ir.custom import remove_custom

        remove_custom(self, custom)

    def require_target_feature(self, name: str) -> None:
        """Note in the ``target_features`` section, where there is one, that a feature is used."""
        from wasmir.ir.conventions import require_target_feature

        require_target_feature(self, name)

    def track_offsets(self) -> None:
        """Keep track of where the code of all functions goes, for :attr:`Encoded.offsets`.

        Without it, that is known of functions whose instructions nobody changed, and of those that
        something in the module speaks of. Opening a function then costs about four times as much.

        Raises UnsupportedError where a function was changed already.
        """
        from wasmir.ir.offsets import track_offsets

        track_offsets(self)

    @property
    def names(self) -> Names:
        """The name section; entities show what it says of them as their ``name``."""
        if self._names is None:
            self._names = codec().read_names(self)
        return self._names

    def uses(self) -> Uses:
        """Who mentions what, as the module is now. Raises MalformedError, InvalidError."""
        from wasmir.ir.uses import Uses

        return Uses(self)

    # Finding and adding

    def func_type(self, params: Iterable[ValType] = (), results: Iterable[ValType] = ()) -> Type:
        """The type entry for a function type, appended where the module has none."""
        from wasmir.types import FuncType, SubType

        wanted = FuncType(tuple(params), tuple(results))
        self.space("type")
        found = self._by_func_type.get(wanted)
        if found is None:
            for types, what in ((wanted.params, "parameters"), (wanted.results, "results")):
                value_types(what, types)
            found = self.add_type(SubType(wanted))
        return found

    def add_type(self, definition: SubType) -> Type:
        """A new type, alone in its recursive group."""
        return self.add_group(1, lambda _types: [definition])[0]

    def add_group(self, size: int, define: Callable[[list[Type]], Sequence[SubType]]) -> list[Type]:
        """A new recursive group: ``define`` gets its types, so that the definitions which it gives
        can refer to them.
        """
        return add_group(self, size, define)

    def add_function(
        self,
        type_: Type | FuncType,
        instrs: Iterable[Instr] = (),
        *,
        name: str | None = None,
        exported: str | None = None,
    ) -> Function:
        """A new function without locals, of so many instructions without blocks or branches;
        :attr:`Function.body` opens it. For a pass that adds thousands of small functions this is
        some times faster than giving each a tree.
        """
        from wasmir.ir.function import Function

        function = Function(self, type_of(self, type_), 0)
        function._code = b"\0" + self.run(instrs) + b"\x0b"
        return added(self, function, name, exported)

    def build(
        self,
        name: str | None = None,
        params: Iterable[ValType] | Mapping[str, ValType] | Type = (),
        results: Iterable[ValType] = (),
        *,
        exported: str | None = None,
    ) -> FunctionBuilder:
        """A new function, whose code is built within ``with``: see :mod:`wasmir.ir.build`.

        Parameters may have names, ``{"n": I64}``; a Type stands for parameters and results. Raises
        ValueError for an export's name that is taken.
        """
        from wasmir.ir.build import build_function

        return build_function(self, name, params, results, exported)

    def snippet(
        self,
        params: Iterable[ValType] | Mapping[str, ValType] | Type = (),
        results: Iterable[ValType] = (),
    ) -> Snippet:
        """Code to be put into functions, built within ``with``: see :class:`Snippet`."""
        from wasmir.ir.build import build_snippet

        return build_snippet(self, params, results)

    def add_table(
        self,
        type_: TableType,
        init: Const | None = None,
        *,
        name: str | None = None,
        exported: str | None = None,
    ) -> Table:
        """A new table. ``init`` is needed where its elements can't be null."""
        from wasmir.ir.table import Table

        return added(self, Table(type_, init), name, exported)

    def add_memory(
        self, type_: MemoryType, *, name: str | None = None, exported: str | None = None
    ) -> Memory:
        """A new memory."""
        from wasmir.ir.memory import Memory

        return added(self, Memory(type_), name, exported)

    def add_global(
        self,
        type_: GlobalType,
        init: Const,
        *,
        name: str | None = None,
        exported: str | None = None,
    ) -> Global:
        """A new global."""
        from wasmir.ir.global_ import Global

        return added(self, Global(type_, init), name, exported)

    def add_tag(
        self,
        params: Iterable[ValType] | Type = (),
        *,
        name: str | None = None,
        exported: str | None = None,
    ) -> Tag:
        """A new tag, from what its exceptions carry or from its type."""
        from wasmir.ir.tag import Tag

        return added(self, Tag(tag_type(self, params)), name, exported)

    def add_element(self, element: Element) -> Element:
        """Add an element segment."""
        return added(self, element, None, None)

    def add_data(self, data: Data) -> Data:
        """Add a data segment."""
        return added(self, data, None, None)

    def const(self, *instrs: Instr) -> Const:
        """A constant expression; :meth:`instr` and ``wasmir.ops`` make instructions."""
        from wasmir.ir.code import Instr
        from wasmir.ir.const import Const

        return Const(self, each_is(instrs, Instr, "an instruction"))

    def import_function(
        self, module: str, name: str, type_: Type | FuncType, *, exact: bool = False
    ) -> Function:
        """A new function import. Everything that is defined moves up, and what mentions it follows
        when the module is written; so for the other sorts of imports.
        """
        from wasmir.ir.function import Function

        function = Function(self, type_of(self, type_), 0)
        return imported(self, module, name, function, exact=exact)

    def import_table(self, module: str, name: str, type_: TableType) -> Table:
        from wasmir.ir.table import Table

        return imported(self, module, name, Table(type_))

    def import_memory(self, module: str, name: str, type_: MemoryType) -> Memory:
        from wasmir.ir.memory import Memory

        return imported(self, module, name, Memory(type_))

    def import_global(self, module: str, name: str, type_: GlobalType) -> Global:
        from wasmir.ir.global_ import Global

        return imported(self, module, name, Global(type_))

    def import_tag(self, module: str, name: str, params: Iterable[ValType] | Type = ()) -> Tag:
        from wasmir.ir.tag import Tag

        return imported(self, module, name, Tag(tag_type(self, params)))

    def block_type(
        self, params: Iterable[ValType] = (), results: Iterable[ValType] = ()
    ) -> BlockType:
        """The block type in its shortest spelling; appends a type entry where it needs one."""
        from wasmir.ir.code import BlockType

        key = (params := tuple(params)), (results := tuple(results))
        found = self._block_types.get(key)
        if found is None:
            short = not params and len(results) <= 1
            type_ = None if short else self.func_type(params, results)
            found = self._block_types[key] = BlockType(params, results, type_)
        return found

    def instr(self, name: str, *immediates: Any) -> Instr:
        """The interned instruction with this mnemonic and these immediates, in row order."""
        from wasmir.ir.code import Instr

        known = self._instrs.get(name)
        if known is None:
            row_named(name)
            known = self._instrs[name] = {}
        found = known.get(immediates)
        if found is None:
            found = known[immediates] = Instr(row_named(name), immediates)
        return found

    def stack_effect(self, items: Iterable[Item]) -> int:
        """How far the items raise the operand stack (lower it, where negative).

        Raises UnsupportedError where control doesn't come out of them.
        """
        if self._stack_effect is None:
            from wasmir.ir.effects import stack_effect

            self._stack_effect = stack_effect
        return self._stack_effect(self, items)

    def substitute(
        self,
        names: Iterable[str],
        choose: Callable[[Instr], Instr | None],
        functions: Iterable[Function] | None = None,
    ) -> list[Function]:
        """Put other instructions in the place of some, one for one, wherever these stand; the
        functions that changed.

        ``choose`` is asked once about each distinct instruction of the mnemonics ``names``, and
        gives what to put there, or ``None``. It must take and leave the same on the stack. Nothing
        is decoded for it, and so all calls of a large module are redirected in about the time that
        moving an index takes. Open bodies are settled: nodes of theirs are dead from then on.

        ``functions`` are all of the module's by default. Raises ValueError for a mnemonic that
        shapes the tree (blocks and branches), MalformedError.
        """
        with bulk_work():
            wanted = functions_of(self, functions)
            return codec().substitute(self, frozenset(names), choose, wanted)

    def functions_with(
        self, mnemonic: str, functions: Iterable[Function] | None = None
    ) -> list[Function]:
        """Those of some functions, by default of all, in whose code the control instruction of
        that name may stand which outlines show: it is in nearly all of them. Takes far less time
        than to look at each. Open bodies are settled. Raises MalformedError.
        """
        from wasmir.ir.outline import OUTLINED

        if mnemonic not in OUTLINED:
            raise ValueError(f"outlines may hide {mnemonic!r}; they show {sorted(OUTLINED)}")
        return codec().having(functions_of(self, functions), mnemonic)

    def redirect(self, instead: Mapping[I, I]) -> list[Function]:
        """Let all that mentions some things (functions, globals, tables, ...; ``instead``'s keys)
        mention others in their place, code that nobody decoded and exports included; the functions
        whose code changed. Open bodies are settled: nodes of theirs are dead from then on.

        Raises ValueError where one can't stand for the other, InvalidError for what the module
        doesn't have, MalformedError.
        """
        from wasmir.ir.surgery import redirect

        return redirect(self, instead)

    def edit_functions(
        self,
        edit: Callable[[Function], R],
        functions: Iterable[Function] | None = None,
        *,
        jobs: int = 1,
        track: Callable[[Sequence[Function]], Iterable[Function]] | None = None,
    ) -> list[R]:
        """Do ``edit`` to each function, by default to each that the module defines, and settle it;
        what it gives for each.

        An edit may change its function's code, and add types by :meth:`func_type` and
        :meth:`block_type`. With ``jobs`` the functions are divided among so many processes, where
        processes can fork (not on Windows, and not beside other threads): then each edit sees what
        edits before it did to the module itself, to variables or to files only by chance, and what
        it gives is pickled. The module is the same afterwards, however many processes there were.

        ``track`` wraps the functions, to show progress. Raises what an edit raises, the first in
        order; functions that were edited stay as they are then (see :meth:`checkpoint`).
        """
        from wasmir.ir.edits import edit_functions

        wanted = functions_of(self, functions)
        if functions is None:
            wanted = [each for each in wanted if each.imported is None]
        return edit_functions(self, edit, wanted, jobs, track)

    def checkpoint(self) -> Checkpoint:
        """The state to come back to by :meth:`rollback`. Settles every open body."""
        for function in self._spaces.get("func", ()):
            function.settle()
        return Checkpoint(self)

    def rollback(self, checkpoint: Checkpoint) -> None:
        """Undo everything since the checkpoint was taken, which is one of this module."""
        check_is(checkpoint, Checkpoint, "a checkpoint")
        if checkpoint.module is not self:
            raise ValueError("the checkpoint is another module's")
        checkpoint.restore(self)

    def instructions(self, run: bytes) -> list[Instr]:
        """The instructions of a run."""
        return codec().split(self, run)

    def run(self, instrs: Iterable[Instr]) -> bytes:
        """The run that straight-line instructions make."""
        given = tuple(instrs)
        try:
            return codec().encode_instrs(self, given)
        except AttributeError:
            # Looked at only now: this is called very often.
            from wasmir.ir.code import Instr

            each_is(given, Instr, "an instruction")
            raise
