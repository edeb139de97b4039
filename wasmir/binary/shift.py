"""Translating code from code numbers to indices, token by token; nothing is decoded for it.

See :mod:`wasmir.ir.space` for why there are two numbers, and :mod:`wasmir.isa.tokens` for the
scanner: it leaves whatever mentions nothing that moved in runs, which are copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir.binary.plain import plain_naturals
from wasmir.errors import InvalidError
from wasmir.isa import tokens
from wasmir.isa.kinds import VALUE_TYPES as _VALUE_TYPES
from wasmir.isa.mentions import SPACES, renamed
from wasmir.isa.strict import decode_one, encode_one
from wasmir.isa.table import BY_NAME
from wasmir.types import RefType, decode_value_type, encode_value_type
from wasmir.wire import Reader, Writer, encode_signed, encode_unsigned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wasmir.ir.module import Module
    from wasmir.ir.space import Space
    from wasmir.isa.kinds import Kind
    from wasmir.isa.table import Row

__all__ = ["Shift", "renumbered_types", "renumbering"]


_REF_FUNC = bytes(BY_NAME["ref.func"].opcode)


class Renumbering:
    """Code in which some entities have other numbers."""

    def __init__(self, spaces: frozenset[str], index: Callable[[str, int], int]) -> None:
        #: The index spaces where a number may become another.
        self.spaces = spaces
        #: The number for a number in a space.
        self.index = index
        self._scan = tokens.mentions(spaces) if spaces else None
        self._tokens = _Translated(self)

    def instructions(self, code: bytes, start: int = 0) -> bytes:
        """Instructions with the other numbers. Raises InvalidError, MalformedError."""
        scan = self._scan
        if scan is None:
            return code[start:] if start else code
        translated = self._tokens
        pieces: list[bytes] = []
        for found in tokens.scanned(scan, code, start, len(code)):
            for run, token, _ in found:
                pieces.append(run)
                pieces.append(translated[token])
        return b"".join(pieces)

    def body(self, code: bytes) -> bytes:
        """The same for a function's code: locals, then instructions."""
        after_locals = tokens.skip_locals(code, 0, len(code))
        declarations = code[:after_locals]
        # Without a byte of these, no local is of a type that is defined.
        if "type" in self.spaces and (0x63 in declarations or 0x64 in declarations):
            declarations = self._locals(declarations)
        return declarations + self.instructions(code, after_locals)

    def _locals(self, declarations: bytes) -> bytes:
        reader = Reader(declarations)
        writer = Writer()
        count = reader.count()
        writer.put(declarations[: reader.pos])
        for _ in range(count):
            start = reader.pos
            reader.u32()
            before = reader.pos
            type_ = decode_value_type(reader)
            shifted = self.value_type(type_)
            if shifted == type_:
                writer.put(declarations[start : reader.pos])
            else:
                writer.put(declarations[start:before] + encode_value_type(shifted))
        return writer.getvalue()

    def value_type(self, type_: Any) -> Any:
        """A type as read, with the other number in it."""
        return renamed(_VALUE_TYPES, type_, self.index) if isinstance(type_, RefType) else type_


class Shift(Renumbering):
    """The way from code numbers to the indices that the module is written with."""

    def __init__(self, module: Module) -> None:
        self.module = module
        # By space and code number; ``None`` for what was removed.
        self._indices: dict[str, list[int | None]] = {}
        super().__init__(frozenset(name for name in SPACES if _is_moved(module, name)), self._index)

    def referenced(self) -> set[int] | None:
        """The code numbers of the functions that the code that was translated refers to by
        ``ref.func``; ``None`` where such instructions weren't looked for.
        """
        if "func" not in self.spaces:
            return None
        references = [token for token in self._tokens if token[:1] == _REF_FUNC]
        return {decode_one(Reader(token))[1][0] for token in references}

    def _index(self, space: str, number: int) -> int:
        """The index of what has a code number. Raises InvalidError where that was removed."""
        indices = self._indices.get(space)
        if indices is None:
            entities: Space[Any] = self.module.space(space)
            indices = self._indices[space] = [None] * len(entities._numbered)
            for index, entity in enumerate(entities):
                indices[entity._number] = index
        if number >= len(indices):
            # Means nothing, and goes on to.
            return number
        known = indices[number]
        if known is None:
            removed: Any = self.module.space(space).numbered(number)
            raise InvalidError(f"unknown {removed.what}: {removed} is still mentioned")
        return known


class _Translated(dict[bytes, bytes]):
    """What each token becomes."""

    def __init__(self, numbers: Renumbering) -> None:
        super().__init__({b"": b""})
        self.numbers = numbers

    def __missing__(self, token: bytes) -> bytes:
        plain = plain_naturals(token)
        if plain is not None:
            _, start, spaces, naturals = plain
            index = self.numbers.index
            found = self[token] = token[:start] + b"".join(
                [
                    encode_unsigned(natural if space is None else index(space, natural))
                    for space, natural in zip(spaces, naturals, strict=True)
                ]
            )
            return found
        row, values = decode_one(Reader(token))
        shifted = tuple(
            renamed(immediate.kind, value, self.numbers.index)
            for immediate, value in zip(row.immediates, values, strict=True)
        )
        found = token if shifted == values else _respelled(token, row, values, shifted)
        self[token] = found
        return found


def _respelled(token: bytes, row: Row, values: tuple[Any, ...], shifted: tuple[Any, ...]) -> bytes:
    """An instruction with other immediates. What doesn't change keeps its spelling, and an index
    that was padded its length: linkers leave such indices behind, and then no code moves.
    """
    writer = Writer()
    encode_one(writer, row, values)
    canonical = writer.getvalue() == token
    writer = Writer()
    if canonical:
        encode_one(writer, row, shifted)
        return writer.getvalue()
    reader = _Lengths(token)
    reader.byte()
    if row.prefix:
        reader.u32()
    writer.put(token[: reader.pos])
    for immediate, old, new in zip(row.immediates, values, shifted, strict=True):
        start = reader.pos
        reader.lengths = []
        immediate.kind.read(reader)
        if new == old:
            writer.put(token[start : reader.pos])
        elif immediate.kind.write is Writer.unsigned:
            writer.put(encode_unsigned(new, reader.lengths[0]))
        else:
            writer.put(_padded(immediate.kind, new, reader.lengths))
    return writer.getvalue()


class _Lengths(Reader):
    """Notes how many bytes each integer took."""

    __slots__ = ("lengths",)

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.lengths: list[int] = []

    def unsigned(self, bits: int) -> int:
        start = self.pos
        value = super().unsigned(bits)
        self.lengths.append(self.pos - start)
        return value

    def signed(self, bits: int) -> int:
        start = self.pos
        value = super().signed(bits)
        self.lengths.append(self.pos - start)
        return value


class _Lengthened(Writer):
    """Gives integers the lengths that they had."""

    __slots__ = ("lengths",)

    def __init__(self, lengths: list[int]) -> None:
        super().__init__()
        self.lengths = iter(lengths)

    def unsigned(self, value: int) -> None:
        self.put(encode_unsigned(value, next(self.lengths, 1)))

    def signed(self, value: int) -> None:
        self.put(encode_signed(value, next(self.lengths, 1)))


def _padded(kind: Kind[Any], value: Any, lengths: list[int]) -> bytes:
    """An immediate with its integers as long as they were, if there are as many as before."""
    plain = Writer()
    kind.write(plain, value)
    check = _Lengths(plain.getvalue())
    kind.read(check)
    if len(check.lengths) != len(lengths):
        return plain.getvalue()
    writer = _Lengthened(lengths)
    kind.write(writer, value)
    return writer.getvalue()


def renumbered_types(codes: Sequence[bytes], numbers: Mapping[int, int]) -> list[bytes]:
    """The code of functions, locals included, with other numbers for some types."""
    renumbering = Renumbering(
        frozenset({"type"}), lambda _space, number: numbers.get(number, number)
    )
    return [renumbering.body(code) for code in codes]


def renumbering(spaces: frozenset[str], index: Callable[[str, int], int]) -> Renumbering:
    """See :class:`wasmir.ir.codec.Renumbering`."""
    return Renumbering(spaces, index)


def _is_moved(module: Module, name: str) -> bool:
    space = module._spaces.get(name)
    return space is not None and space.moved
