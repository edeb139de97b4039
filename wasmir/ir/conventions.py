"""Custom sections of the tool conventions as objects: what dynamic linkers read, which tools made a
module, and which features it was built for.

Each is a view of a section: what is asked for is read from its bytes, and what is assigned is
written to them. The rest of the bytes stays as it is, however it is spelled.

Source: tool-conventions, "DynamicLinking", "ProducersSection" and "Linking" (target features).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

from wasmir.errors import MalformedError
from wasmir.ir.checks import check_module
from wasmir.wire import Reader, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Self

    from wasmir.ir.custom import Custom
    from wasmir.ir.module import Module

    T = TypeVar("T")

__all__ = ["DyLink", "DyLinkMemory", "Producers", "TargetFeatures", "require_target_feature"]

_MEMORY, _NEEDED, _EXPORTS, _IMPORTS, _RUNTIME_PATH = range(1, 6)


class DyLinkMemory(NamedTuple):
    """What a side module wants: memory in bytes and places in the table, and the alignment of each
    as a power of two.
    """

    size: int = 0
    align_log2: int = 0
    table_size: int = 0
    table_align_log2: int = 0


def _reader(custom: Custom) -> Reader:
    """Over the content; offsets in errors are those of the input where it stands there."""
    return Reader(custom.data, base=custom.offset)


def _whole(reader: Reader, read: Callable[[Reader], T]) -> T:
    """What is read, if that is all there is."""
    found = read(reader)
    if not reader.at_end():
        raise reader.error("section size mismatch: bytes behind the end")
    return found


def _name(writer: Writer, name: str) -> None:
    writer.name(name)


class _View:
    """A section as an object."""

    NAME: ClassVar[str]

    def __init__(self, custom: Custom) -> None:
        self._custom = custom
        self._check()

    @classmethod
    def of(cls, module: Module) -> Self | None:
        """That of a module, or ``None`` where it has no such section. Raises MalformedError.

        ``Module.add_custom`` makes one; all of these may begin as a single zero, ``dylink.0``
        empty.
        """
        check_module(module)
        custom = module.custom(cls.NAME)
        return None if custom is None else cls(custom)

    def _check(self) -> None:
        """Raise MalformedError where the section isn't in its form."""
        raise NotImplementedError


class DyLink(_View):
    """The section ``dylink.0`` of a module that is linked at run time; its subsections in file
    order, of which unknown ones stay as they are.

    Making it and reading from it raise MalformedError. What is assigned empty is left out.
    """

    NAME: ClassVar[str] = "dylink.0"

    def _check(self) -> None:
        self._subsections()

    def _subsections(self) -> list[tuple[int, Reader]]:
        reader = _reader(self._custom)
        found = []
        while not reader.at_end():
            found.append((reader.byte(), reader.sized()))
        return found

    def _read(self, id_: int, read: Callable[[Reader], T]) -> list[T]:
        """Of all subsections with that id; there should be one at most."""
        return [_whole(each, read) for known, each in self._subsections() if known == id_]

    def _write(self, id_: int, content: bytes | None) -> None:
        """In the place of the first subsection with that id, or behind those with smaller ones."""
        pieces = [(known, each.data[each.pos : each.end]) for known, each in self._subsections()]
        places = [place for place, (known, _) in enumerate(pieces) if known == id_]
        place = places[0] if places else sum(known < id_ for known, _ in pieces)
        pieces = [piece for piece in pieces if piece[0] != id_]
        if content is not None:
            pieces.insert(place, (id_, content))
        writer = Writer()
        for known, piece in pieces:
            writer.byte(known)
            writer.sized(piece)
        self._custom.data = writer.getvalue()

    @property
    def memory(self) -> DyLinkMemory:
        """The memory and the table space that it wants; assignable."""
        found = self._read(
            _MEMORY, lambda each: DyLinkMemory(each.u32(), each.u32(), each.u32(), each.u32())
        )
        return found[0] if found else DyLinkMemory()

    @memory.setter
    def memory(self, memory: DyLinkMemory) -> None:
        if memory != self.memory:
            writer = Writer()
            for value in memory:
                writer.unsigned(value)
            self._write(_MEMORY, writer.getvalue())

    @property
    def needed(self) -> list[str]:
        """The names of the libraries that it needs, in order; a copy, to be assigned."""
        return [name for names in self._read(_NEEDED, _names) for name in names]

    @needed.setter
    def needed(self, names: Iterable[str]) -> None:
        self._write_names(_NEEDED, self.needed, list(names))

    @property
    def runtime_path(self) -> list[str]:
        """Where libraries are looked for, in order; a copy, to be assigned."""
        return [name for names in self._read(_RUNTIME_PATH, _names) for name in names]

    @runtime_path.setter
    def runtime_path(self, names: Iterable[str]) -> None:
        self._write_names(_RUNTIME_PATH, self.runtime_path, list(names))

    def _write_names(self, id_: int, old: list[str], new: list[str]) -> None:
        if new != old:
            writer = Writer()
            writer.vec(new, _name)
            self._write(id_, writer.getvalue() if new else None)

    @property
    def export_flags(self) -> dict[str, int]:
        """Flags of exports by name; a copy, to be assigned."""

        def read(reader: Reader) -> list[tuple[str, int]]:
            return reader.vec(lambda each: (each.name(), each.u32()))

        return {name: flags for found in self._read(_EXPORTS, read) for name, flags in found}

    @export_flags.setter
    def export_flags(self, flags: Mapping[str, int]) -> None:
        if list(flags.items()) != list(self.export_flags.items()):
            writer = Writer()
            writer.unsigned(len(flags))
            for name, value in flags.items():
                writer.name(name)
                writer.unsigned(value)
            self._write(_EXPORTS, writer.getvalue() if flags else None)

    @property
    def import_flags(self) -> dict[tuple[str, str], int]:
        """Flags of imports by module and name; a copy, to be assigned."""

        def read(reader: Reader) -> list[tuple[tuple[str, str], int]]:
            return reader.vec(lambda each: ((each.name(), each.name()), each.u32()))

        return {names: flags for found in self._read(_IMPORTS, read) for names, flags in found}

    @import_flags.setter
    def import_flags(self, flags: Mapping[tuple[str, str], int]) -> None:
        if list(flags.items()) != list(self.import_flags.items()):
            writer = Writer()
            writer.unsigned(len(flags))
            for names, value in flags.items():
                writer.name(names[0])
                writer.name(names[1])
                writer.unsigned(value)
            self._write(_IMPORTS, writer.getvalue() if flags else None)


def _names(reader: Reader) -> list[str]:
    return reader.vec(Reader.name)


class Producers(_View):
    """The section ``producers``. Making it and reading from it raise MalformedError."""

    NAME: ClassVar[str] = "producers"

    def _check(self) -> None:
        _ = self.fields

    @property
    def fields(self) -> dict[str, dict[str, str]]:
        """``language``, ``processed-by`` and ``sdk``: by name, the version of each; a copy, to be
        assigned.
        """

        def value(reader: Reader) -> tuple[str, str]:
            return reader.name(), reader.name()

        def field(reader: Reader) -> tuple[str, dict[str, str]]:
            return reader.name(), dict(reader.vec(value))

        return dict(_whole(_reader(self._custom), lambda reader: reader.vec(field)))

    @fields.setter
    def fields(self, fields: Mapping[str, Mapping[str, str]]) -> None:
        if _ordered(fields) == _ordered(self.fields):
            return
        writer = Writer()
        writer.unsigned(len(fields))
        for name, values in fields.items():
            writer.name(name)
            writer.unsigned(len(values))
            for tool, version in values.items():
                writer.name(tool)
                writer.name(version)
        self._custom.data = writer.getvalue()

    def note(self, field: str, name: str, version: str) -> None:
        """Note a language or tool, or another version of one that is there."""
        fields = self.fields
        fields.setdefault(field, {})[name] = version
        self.fields = fields


def _ordered(fields: Mapping[str, Mapping[str, str]]) -> list[tuple[str, list[tuple[str, str]]]]:
    return [(name, list(values.items())) for name, values in fields.items()]


class TargetFeatures(_View):
    """The section ``target_features``. Making it and reading from it raise MalformedError."""

    NAME: ClassVar[str] = "target_features"

    def _check(self) -> None:
        _ = self.features

    @property
    def features(self) -> dict[str, str]:
        """By name: ``+`` for a feature that is used, ``-`` for one that must not be, ``=`` (in old
        files) for one that all that is linked uses. A copy, to be assigned.
        """

        def entry(reader: Reader) -> tuple[str, str]:
            prefix = chr(reader.byte())
            return reader.name(), prefix

        return dict(_whole(_reader(self._custom), lambda reader: reader.vec(entry)))

    @features.setter
    def features(self, features: Mapping[str, str]) -> None:
        if list(features.items()) == list(self.features.items()):
            return
        writer = Writer()
        writer.unsigned(len(features))
        for name, prefix in features.items():
            writer.byte(ord(prefix))
            writer.name(name)
        self._custom.data = writer.getvalue()

    def require(self, name: str) -> None:
        """Note that a feature is used: behind the others, unless it is noted already."""
        features = self.features
        if features.get(name) != "+":
            features.pop(name, None)
            self.features = features | {name: "+"}


def require_target_feature(module: Module, name: str) -> None:
    """See :meth:`wasmir.ir.module.Module.require_target_feature`."""
    # Where it isn't in its form, there is nothing that could be kept true.
    with suppress(MalformedError):
        features = TargetFeatures.of(module)
        if features is not None:
            features.require(name)
