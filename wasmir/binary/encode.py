"""Writing a module: what nobody changed is copied, what was changed is encoded.

Mirrors :mod:`wasmir.binary.decode`. Source: specification, Binary Format, "Modules".
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from wasmir.binary import sections as ids
from wasmir.binary.customs import METADATA, moved_metadata
from wasmir.binary.decode import content
from wasmir.binary.duties import needs_data_count, undeclared
from wasmir.binary.encode_entities import Spelling
from wasmir.binary.names import encode_names
from wasmir.errors import InvalidError
from wasmir.ir.encoded import Encoded
from wasmir.ir.global_ import Global
from wasmir.ir.offsets import Followed
from wasmir.ir.segment import REF_FUNC, Data, Element
from wasmir.wire import encode_unsigned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wasmir.binary.shift import Shift
    from wasmir.ir.custom import Custom
    from wasmir.ir.function import Function
    from wasmir.ir.imports import Export, Import
    from wasmir.ir.module import Module
    from wasmir.ir.names import NameMap
    from wasmir.ir.offsets import Moves
    from wasmir.ir.space import Entity
    from wasmir.ir.type import Group

__all__ = ["encode_module"]

# A slice of the input, or bytes of our own.
_Piece: TypeAlias = tuple[int, int] | bytes

_SECTION_OF = {
    "table": ids.TABLE,
    "memory": ids.MEMORY,
    "tag": ids.TAG,
    "global": ids.GLOBAL,
    "elem": ids.ELEMENT,
    "data": ids.DATA,
}


def encode_module(module: Module) -> Encoded:
    """The pieces of the file, in order; what is copied comes in slices as long as can be."""
    # Whatever can fail does so here, before a byte is handed out.
    changes = _Changes(module)
    changes.find()
    pieces = list(_pieces(module, changes))
    return Encoded(
        list(_joined(module.source, pieces)),
        _stale(module, changes, pieces),
        changes.followed,
    )


def _stale(module: Module, changes: _Changes, pieces: list[_Piece]) -> dict[str, str]:
    if not any(section.custom is not None for section in module.sections):
        return {}
    from wasmir.binary.customs import Changed, stale_customs

    code = content(module, ids.CODE)
    changed = ids.CODE in changes.contents
    moved = changed
    if code is not None and not changed:
        # It was copied, so its first byte is part of some slice.
        position = 0
        for piece in pieces:
            if isinstance(piece, tuple) and piece[0] <= code.pos < piece[1]:
                moved = position + code.pos - piece[0] != code.pos
                break
            position += _size(piece)
    return stale_customs(module, Changed(changed, moved, bool(changes.contents), changes.moved))


def _pieces(module: Module, changes: _Changes) -> Iterator[_Piece]:
    yield 0, 8
    changed = changes.contents
    missing = sorted(changed, key=ids.ORDER.__getitem__)
    for section in module.sections:
        custom = section.custom
        if custom is not None:
            data = changes.custom(custom)
            if data is not None:
                name = custom.name.encode()
                yield from _section(ids.CUSTOM, [encode_unsigned(len(name)), name, data])
            else:
                yield section.start, section.end
            continue
        # A section that the input doesn't have goes in front of the first that must follow it.
        while missing and ids.ORDER[missing[0]] < ids.ORDER[section.id]:
            id_ = missing.pop(0)
            yield from _section(id_, changed[id_])
        if section.id in changed:
            missing.remove(section.id)
            yield from _section(section.id, changed[section.id])
        else:
            yield section.start, section.end
    for id_ in missing:
        yield from _section(id_, changed[id_])
    if changes.names is not None and changes.name_section is None:
        yield from _section(ids.CUSTOM, [b"\x04name", changes.names])


def _section(id_: int, content: list[_Piece] | None) -> Iterator[_Piece]:
    """A section; none at all for what is no longer there."""
    if content is None:
        return
    size = sum(map(_size, content))
    yield id_.to_bytes(1, "little") + encode_unsigned(size)
    yield from content


def _size(piece: _Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]


def _joined(data: bytes, pieces: Iterable[_Piece]) -> Iterator[bytes | memoryview]:
    """Neighbouring slices as one."""
    view = memoryview(data)
    start = end = 0
    for piece in pieces:
        if isinstance(piece, tuple) and piece[0] == end:
            end = piece[1]
            continue
        if end > start:
            yield view[start:end]
        if isinstance(piece, tuple):
            start, end = piece
        else:
            yield piece
            start = end = -1
    if end > start:
        yield view[start:end]


def _shift(module: Module) -> Shift | None:
    """The translation that code needs, if any."""
    if not any(space.moved for space in module._spaces.values()):
        return None
    # Here, so that copying a module doesn't load the instruction table.
    from wasmir.binary.shift import Shift

    return Shift(module)


class _Changes:
    """Which sections have to be written anew, and their contents."""

    def __init__(self, module: Module) -> None:
        self.module = module
        #: ``None`` for a section that is left out.
        self.contents: dict[int, list[_Piece] | None] = {}
        #: The content of the name section, where that has changed.
        self.names: bytes | None = None
        #: Functions whose code isn't the input's, and that, with code numbers.
        self.edited: list[tuple[Function, bytes]] = []
        self.name_section = module.custom("name")
        self.shift = _shift(module)
        # That of functions that are tracked, as it is written; and where it went from the input.
        self.written: dict[Function, bytes] = {}
        self.moves: dict[Function, Moves] = {}
        self.before = Spelling(module, None)
        self.after = Spelling(module, self.shift)
        self.moved: frozenset[str] = frozenset() if self.shift is None else self.shift.spaces

    def find(self) -> None:
        module = self.module
        if self.shift:
            # Whoever mentions what has moved has to be written anew, looked at before or not.
            module.read_all()
        self._code()
        # After the code: encoding it may look at types, though it adds none.
        self._declare()
        self._types()
        self._imports()
        self._function_types()
        for name, id_ in _SECTION_OF.items():
            if name in module._spaces:
                self._entities(name, id_)
        self._exports_and_start()
        self._data_count()
        labels = self._labels()
        if module._names is not None or self.shift or labels:
            self.names = encode_names(module, module.names, self.moved, self._place, labels)

    def _place(self, space: str, number: int) -> int | None:
        entity = self.module.space(space).numbered(number)
        if entity is None:
            # It named nothing before, and names nothing now.
            return None
        return None if entity.is_removed else entity.index

    def _place_of_code(self, space: str, number: int) -> int | None:
        """The same for what has code."""
        function = self.module.functions.numbered(number)
        if function is not None and function.imported is not None:
            return None
        return self._place(space, number)

    def _put(self, id_: int, count: int, pieces: list[_Piece]) -> None:
        """Note a vector of pieces as a section's content, if that isn't what the input has."""
        reader = content(self.module, id_)
        if reader is None:
            if count:
                self.contents[id_] = [encode_unsigned(count), *pieces]
            return
        start = reader.pos
        if reader.u32() == count:
            # However the count was spelled.
            head: _Piece = (start, reader.pos)
            if list(_merged([head, *pieces])) == [(head[0], reader.end)]:
                return
            self.contents[id_] = [head, *pieces]
        else:
            # An empty section that was there stays, but none is left behind.
            self.contents[id_] = [encode_unsigned(count), *pieces] if count else None

    def custom(self, custom: Custom) -> bytes | None:
        """The content of a custom section, where that has changed."""
        if custom is self.name_section and self.names is not None:
            return self.names
        if custom.changed:
            # As its author wants it.
            return custom.data
        if not custom.name.startswith(METADATA) or not ("func" in self.moved or self.written):
            return None
        data = moved_metadata(custom, self._place_of_code, self._moves_of)
        return None if data == custom.data else data

    # Where code went

    def _follow(self, function: Function, code: bytes) -> None:
        """Note where edited code went, before indices for code numbers come into it."""
        tracking = self.module._tracking
        if tracking is None or not tracking.covers(function):
            return
        moves = tracking.moves.get(function)
        body = function._body
        if body is not None:
            from wasmir.binary.offsets import trace_moves

            traced = trace_moves(body, code)
            moves = traced if moves is None else moves.then(traced)
        if moves is not None:
            self.moves[function] = moves

    def _moves_of(self, number: int) -> Moves | None:
        """Where the code of a tracked function went; ``None`` where it is as it was."""
        function = self.module.functions.numbered(number)
        written = None if function is None else self.written.get(function)
        return None if function is None or written is None else self.followed(function, written)

    @cached_property
    def followed(self) -> Followed:
        """Where the code of each function went."""
        return Followed(self.module, dict(self.edited), self.moves)

    def _labels(self) -> dict[int, NameMap]:
        """The label names of functions whose blocks edits moved, by code number."""
        tracking = self.module._tracking
        if tracking is None or not tracking.labelled or not self.written:
            return {}
        from wasmir.binary.offsets import moved_labels

        names = self.module.names
        found: dict[int, NameMap] = {}
        for function, written in self.written.items():
            number = function._number
            known = names.indirect.get("label", {}).get(number)
            if known and number in tracking.labelled and number not in names.given_labels:
                moves = self._moves_of(number)
                if moves is not None:
                    found[number] = moved_labels(function, written, known, moves)
        return found

    # Types

    def _types(self) -> None:
        if "type" not in self.module._spaces:
            return
        space = self.module.types
        read = space._numbered[: space._read_count]
        pieces: list[_Piece] = []
        count = 0
        types = iter(space)
        reader = content(self.module, ids.TYPE)
        if (
            reader is not None
            and not space.moved
            and all(each._read == each._state() for each in read)
        ):
            # Empty groups have no type that would remember them.
            count = reader.u32()
            pieces.append((reader.pos, reader.end))
            types = iter(space[len(read) :])
        for first in types:
            group = first.group
            rest = [next(types, None) for _ in group.types[1:]]
            if [first, *rest] != group.types:
                raise InvalidError(
                    f"the types of a recursive group stand together and in order: {first!r}"
                )
            pieces.append(self._group(group))
            count += 1
        self._put(ids.TYPE, count, pieces)

    def _group(self, group: Group) -> _Piece:
        spelled = self.after.group(group)
        wire = group._wire
        if (
            wire is not None
            and all(each._read == each._state() for each in group.types)
            and (not self.shift or self.before.group(group) == spelled)
        ):
            return wire
        return spelled

    # Imports and exports

    def _imports(self) -> None:
        imports = self.module._imports
        if imports is None:
            return
        pieces: list[_Piece] = []
        place = 0
        while place < len(imports):
            import_ = imports[place]
            group = import_._group
            if group is not None and self._still(group[1], imports[place : place + len(group[1])]):
                pieces.append(group[0])
                place += len(group[1])
            else:
                pieces.append(self.after.import_(import_))
                place += 1
        self._put(ids.IMPORT, len(pieces), pieces)

    def _still(self, read: list[Import], now: list[Import]) -> bool:
        """Whether imports that were read as a group are the same, and spell the same."""
        return read == now and all(
            each._read == each._state()
            and (
                each.entity not in self.module._retyped
                if each.entity.space == "func"
                else each.entity._read == each.entity._state()
            )
            # They mention types only.
            and ("type" not in self.moved or self.before.import_(each) == self.after.import_(each))
            for each in now
        )

    def _exports_and_start(self) -> None:
        module = self.module
        if module._exports is not None:
            pieces: list[_Piece] = []
            for export in module._exports:
                pieces.extend(self._export(export))
            self._put(ids.EXPORT, len(module._exports), list(_merged(pieces)))
        if module._start_is_read:
            reader = content(module, ids.START)
            known = None if reader is None else reader.u32()
            start = None if module._start is None else self.after.index("func", module._start)
            if start != known:
                self.contents[ids.START] = None if start is None else [encode_unsigned(start)]

    def _export(self, export: Export) -> Iterator[_Piece]:
        wire = export._wire
        if wire is None or export._read != export._state():
            yield self.after.export(export)
            return
        entity = export.entity
        index = entity._number if self.shift is None else self.after.exported(export)
        start, index_at, end = wire
        if index == entity._number:
            yield start, end
        else:
            yield start, index_at
            yield encode_unsigned(index)

    # Entities with an index

    def _entities(self, name: str, id_: int) -> None:
        pieces: list[_Piece] = []
        count = 0
        for entity in self.module._spaces[name]:
            if getattr(entity, "imported", None) is None:
                pieces.extend(self._entity(entity))
                count += 1
        self._put(id_, count, pieces)

    def _stays(self, entity: Entity) -> bool:
        """Whether nothing moved that the entity mentions, for those that there may be very many of;
        no word on the others.
        """
        if isinstance(entity, Data):
            mentioned, code = "memory", entity.offset
        elif isinstance(entity, Global):
            mentioned, code = "type", entity.init
        else:
            return False
        try:
            return mentioned not in self.moved and (code is None or self.after.stays(code))
        except InvalidError:
            # What is written says of which entity this is.
            return False

    def _entity(self, entity: Entity) -> Iterator[_Piece]:
        wire = entity._wire
        same = wire is not None and entity._read == entity._state()
        if wire is not None and same and not self.shift:
            yield wire
            return
        if wire is not None and same and self._stays(entity):
            yield wire
            return
        spelled = self.after.entity(entity)
        if wire is not None and same and self.before.entity(entity) == spelled:
            yield wire
            return
        yield spelled
        if isinstance(entity, Data):
            yield encode_unsigned(entity.size)
            yield entity._init if entity._init is not None else entity._slice

    # Functions

    def _function_types(self) -> None:
        """The function section: the type index of each function that is defined."""
        module = self.module
        functions = module._spaces.get("func")
        if functions is None:
            return
        added = len(functions._numbered) > functions._read_count
        if not (functions.moved or added or module._retyped or "type" in self.moved):
            return
        # By code number: where the input has the type's index.
        wires: dict[int, tuple[int, int]] = {}
        reader = content(module, ids.FUNCTION)
        if reader is not None:
            first = functions._read_count - reader.u32()
            for number in range(first, functions._read_count):
                start = reader.pos
                reader.u32()
                wires[number] = start, reader.pos
        pieces: list[_Piece] = []
        for function in functions:
            if function.imported is not None:
                continue
            index = self.after.index("type", function.type)
            same = function not in module._retyped and index == function.type._number
            wire = wires.get(function._number)
            pieces.append(wire if same and wire is not None else encode_unsigned(index))
        self._put(ids.FUNCTION, len(pieces), list(_merged(pieces)))

    def _code(self) -> None:
        """The code section; an open body that still encodes to its bytes counts as raw."""
        module = self.module
        functions = module._spaces.get("func")
        if functions is None:
            return
        section = content(module, ids.CODE)
        first = 0
        if section is not None:
            section.u32()
            first = section.pos
        pieces: list[_Piece] = []
        count = 0
        numbered = functions._numbered
        unmoved = not self.shift
        # The slice of the input that neighbours are added to, before it becomes a piece.
        start = end = 0
        for function in functions:
            if function.imported is not None:
                continue
            count += 1
            raw = unmoved and function._code is None and function._body is None
            code = None if raw else self._code_of(function)
            if code is not None:
                if end:
                    pieces.append((start, end))
                    end = 0
                pieces.append(encode_unsigned(len(code)) + code)
                continue
            # The size in front of a body begins behind the body before it.
            before = (numbered[function._number - 1]._end if function._number else 0) or first
            if end != before:
                if end:
                    pieces.append((start, end))
                start = before
            end = function._end
        if end:
            pieces.append((start, end))
        self._put(ids.CODE, count, pieces)

    def _code_of(self, function: Function) -> bytes | None:
        """A function's code as it has to be written; ``None`` where it is the input's."""
        if function._body is None and function._code is None:
            if not self.shift:
                return None
            code = known = function.code
        else:
            code = function.code
            start, end = function._start, function._end
            known = self.module.source[start:end] if end - start == len(code) else b""
            if code != known:
                self.edited.append((function, code))
                self._follow(function, code)
        if self.shift:
            try:
                code = self.shift.body(code)
            except InvalidError as error:
                raise InvalidError(error.reason, str(function), error.offset) from None
        if code == known:
            return None
        tracking = self.module._tracking
        if tracking is not None and tracking.covers(function):
            self.written[function] = code
        return code

    # What has to be there because of something else

    def _declare(self) -> None:
        """Functions that code takes references to have to be declared outside of it."""
        known = None if self.shift is None else self.shift.referenced()
        functions = undeclared(self.module, self.edited, known)
        if functions:
            element = Element(REF_FUNC, functions, declarative=True)
            self.module.add_element(element)

    def _data_count(self) -> None:
        module = self.module
        reader = content(module, ids.DATA_COUNT)
        if reader is None:
            if module._data_counted and needs_data_count(self.edited):
                self.contents[ids.DATA_COUNT] = [encode_unsigned(len(module.data))]
        elif "data" in module._spaces and reader.u32() != len(module.data):
            self.contents[ids.DATA_COUNT] = [encode_unsigned(len(module.data))]


def _merged(pieces: Iterable[_Piece]) -> Iterator[_Piece]:
    """Neighbouring slices as one."""
    held: tuple[int, int] | None = None
    for piece in pieces:
        if isinstance(piece, bytes):
            if held is not None:
                yield held
                held = None
            yield piece
        elif held is not None and held[1] == piece[0]:
            held = held[0], piece[1]
        else:
            if held is not None:
                yield held
            held = piece
    if held is not None:
        yield held
