"""The module: bytes, and whatever of them somebody has looked at."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wasmir.ir.bulk import bulk_work
from wasmir.ir.codec import Section, codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from wasmir.ir.code import BlockType, Instr, Item
    from wasmir.ir.custom import Custom
    from wasmir.ir.function import Function
    from wasmir.ir.imports import Import
    from wasmir.ir.tag import Tag
    from wasmir.ir.type import Type
    from wasmir.types import FuncType, ValType

__all__ = ["Module"]

_EMPTY = b"\0asm\1\0\0\0"


class Module:
    """A WebAssembly module.

    Reading costs the section walk. Each collection is decoded on first use, each function body
    when it is asked for, and what nobody looked at is copied on the way out::

        module = Module.from_file("in.wasm")
        module.save("out.wasm")                 # the same bytes
    """

    def __init__(self, data: bytes = _EMPTY) -> None:
        #: The input. Offsets in messages and of functions are offsets into it.
        self.data = data
        self.sections: list[Section] = codec().read_sections(data)
        self._types: list[Type] | None = None
        self._types_read = 0
        self._tags_read = 0
        self._imports: list[Import] | None = None
        self._functions: list[Function] | None = None
        self._tags: list[Tag] | None = None
        self._function_names: dict[int, str] | None = None
        self._by_func_type: dict[FuncType, Type] = {}
        self._block_types: dict[tuple[object, ...], BlockType] = {}
        self._instrs: dict[tuple[Any, ...], Instr] = {}
        # Bound on first use: it needs the instruction table, and is called very often.
        self._stack_effect: Callable[[Module, Iterable[Item]], int] | None = None
        # The codec's memo of tokens, one per module.
        self._memo: Any = None

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

    def to_bytes(self) -> bytes:
        """The binary form; the input itself where nothing was changed."""
        return b"".join(self._pieces())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the binary form to a file, which appears whole or not at all.

        A symbolic link is followed, and the permissions of a file that is replaced are kept.
        """
        target = Path(path).resolve()
        pieces = list(self._pieces())
        known = target.stat() if target.exists() else None
        if known is not None and not stat.S_ISREG(known.st_mode):
            # A device or a pipe: there is nothing to replace.
            with target.open("wb") as stream:
                stream.writelines(pieces)
            return
        temporary = target.with_name(f".{target.name}.{os.getpid()}-{id(pieces):x}.tmp")
        try:
            # The pieces are many and small where functions were changed.
            with temporary.open("xb", buffering=1 << 20) as stream:
                stream.writelines(pieces)
            if known is not None:
                temporary.chmod(stat.S_IMODE(known.st_mode))
            temporary.replace(target)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            # The temporary name would mean nothing to whoever reads the message.
            error.filename, error.filename2 = str(path), None
            raise
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _pieces(self) -> Iterable[bytes | memoryview]:
        return codec().encode_module(self)

    # What is inside

    @property
    def types(self) -> Sequence[Type]:
        """The type section's entries, rec groups flattened, by index."""
        return self._read_types()

    def _read_types(self) -> list[Type]:
        if self._types is None:
            with bulk_work():
                self._types = codec().read_types(self)
            self._types_read = len(self._types)
            for type_ in self._types:
                if type_.stands_for_its_function_type and type_.func is not None:
                    self._by_func_type.setdefault(type_.func, type_)
        return self._types

    @property
    def imports(self) -> Sequence[Import]:
        if self._imports is None:
            with bulk_work():
                self._imports = codec().read_imports(self)
        return self._imports

    @property
    def functions(self) -> Sequence[Function]:
        """All functions by index, imported ones first."""
        if self._functions is None:
            with bulk_work():
                self._functions = codec().read_functions(self)
        return self._functions

    @property
    def tags(self) -> Sequence[Tag]:
        """All tags by index, imported ones first."""
        return self._read_tags()

    def _read_tags(self) -> list[Tag]:
        if self._tags is None:
            self._tags = codec().read_tags(self)
            self._tags_read = len(self._tags)
        return self._tags

    @property
    def customs(self) -> list[Custom]:
        """The custom sections in file order."""
        return [section.custom for section in self.sections if section.custom is not None]

    def custom(self, name: str) -> Custom | None:
        """The first custom section of that name."""
        return next((custom for custom in self.customs if custom.name == name), None)

    def remove_custom(self, custom: Custom) -> None:
        """Leave a custom section out of what is written."""
        self.sections = [section for section in self.sections if section.custom is not custom]

    def require_target_feature(self, name: str) -> None:
        """Note in the ``target_features`` section, where there is one, that a feature is used."""
        codec().require_target_feature(self, name)

    def code_moved(self, functions: Iterable[Function]) -> dict[str, str]:
        """Bring custom sections up to date with functions whose code has changed.

        What speaks of single functions (label names, ``metadata.code.*``) loses what it said of
        these. What can't be brought up to date is named in the result, with the reason.
        """
        return codec().code_moved(self, [function.index for function in functions])

    def encoded_size(self) -> int:
        """How many bytes :meth:`to_bytes` would give."""
        return sum(map(len, self._pieces()))

    @property
    def function_names(self) -> dict[int, str]:
        """Function names by index, from the name section; what is broken there is left out."""
        if self._function_names is None:
            self._function_names = codec().read_function_names(self)
        return self._function_names

    # Finding and adding

    def func_type(self, params: Iterable[ValType] = (), results: Iterable[ValType] = ()) -> Type:
        """The type entry for a function type, appended where the module has none."""
        from wasmir.ir.type import Type
        from wasmir.types import FuncType, SubType

        wanted = FuncType(tuple(params), tuple(results))
        types = self._read_types()
        found = self._by_func_type.get(wanted)
        if found is None:
            found = Type(SubType(wanted), len(types), alone=True)
            types.append(found)
            self._by_func_type[wanted] = found
        return found

    def add_tag(self, params: Iterable[ValType] = ()) -> Tag:
        """A new tag at the end of the tag space."""
        from wasmir.ir.tag import Tag

        tags = self._read_tags()
        tag = Tag(self.func_type(params), len(tags))
        tags.append(tag)
        return tag

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
        from wasmir.isa.table import BY_NAME

        key = (name, *immediates)
        found = self._instrs.get(key)
        if found is None:
            found = self._instrs[key] = Instr(BY_NAME[name], immediates)
        return found

    def stack_effect(self, items: Iterable[Item]) -> int:
        """How far the items raise the operand stack (lower it, where negative).

        Raises UnsupportedError where control doesn't come out of them.
        """
        if self._stack_effect is None:
            from wasmir.ir.effects import stack_effect

            self._stack_effect = stack_effect
        return self._stack_effect(self, items)

    def checkpoint(self) -> Checkpoint:
        """The state to come back to by :meth:`rollback`. Settles every open body."""
        for function in self._functions or ():
            function.settle()
        return Checkpoint(self)

    def rollback(self, checkpoint: Checkpoint) -> None:
        """Undo everything since the checkpoint was taken."""
        checkpoint.restore(self)

    def instructions(self, run: bytes) -> list[Instr]:
        """The instructions of a run."""
        return codec().split(self, run)


class Checkpoint:
    """What :meth:`Module.checkpoint` remembers."""

    def __init__(self, module: Module) -> None:
        self._code = [function._code for function in module._functions or ()]
        self._types = len(module._types or ())
        self._tags = len(module._tags or ())
        self._sections = list(module.sections)
        self._customs = [(custom, custom._data) for custom in module.customs]

    def restore(self, module: Module) -> None:
        functions = module._functions or []
        # Functions that were read since have no code of their own to go back to.
        code = self._code or [None] * len(functions)
        for function, kept in zip(functions, code, strict=True):
            function.close()
            function._code = kept
        types = module._types or []
        for type_ in types[max(self._types, module._types_read) :]:
            if type_.func is not None:
                module._by_func_type.pop(type_.func, None)
        del types[max(self._types, module._types_read) :]
        del (module._tags or [])[max(self._tags, module._tags_read) :]
        module._block_types.clear()
        module.sections = self._sections
        for custom, data in self._customs:
            custom._data = data
        # The memo may hold block types and instructions that name what is gone.
        module._memo = None
        module._instrs.clear()
