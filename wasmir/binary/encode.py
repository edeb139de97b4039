"""Writing a module: what nobody changed is copied, what was changed is encoded.

Mirrors :mod:`wasmir.binary.decode`. Source: specification, Binary Format, "Modules".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from wasmir.binary import sections as ids
from wasmir.binary.decode import content
from wasmir.errors import UnsupportedError
from wasmir.types import encode_value_type
from wasmir.wire import Reader, encode_unsigned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wasmir.ir.function import Function
    from wasmir.ir.module import Module
    from wasmir.ir.type import Type

__all__ = ["encode_module"]

# A slice of the input, or bytes of our own.
_Piece: TypeAlias = tuple[int, int] | bytes


def encode_module(module: Module) -> list[bytes | memoryview]:
    """The pieces of the file, in order; what is copied comes in slices as long as can be."""
    # Whatever can fail does so here, before a byte is handed out.
    changed = _changed(module)
    return list(_joined(module.data, _pieces(module, changed)))


def _pieces(module: Module, changed: dict[int, list[_Piece]]) -> Iterator[_Piece]:
    yield 0, 8
    missing = sorted(changed, key=ids.ORDER.__getitem__)
    for section in module.sections:
        if section.custom is not None:
            if section.custom.changed:
                content = section.custom.data
                name = section.custom.name.encode()
                yield from _section(ids.CUSTOM, [encode_unsigned(len(name)), name, content])
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


def _section(id_: int, content: list[_Piece]) -> Iterator[_Piece]:
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


def _changed(module: Module) -> dict[int, list[_Piece]]:
    """The content of each section that has to be written anew."""
    changed: dict[int, list[_Piece]] = {}
    code_section = content(module, ids.CODE)
    if module._functions is not None and code_section is not None:
        code = list(_code(code_section, module._functions))
        if any(isinstance(piece, bytes) for piece in code):
            changed[ids.CODE] = code
    # After the code: encoding it looks at types, though it adds none.
    if module._types is not None:
        added = module._types[module._types_read :]
        if added:
            entries: list[_Piece] = [_type_entry(type_) for type_ in added]
            changed[ids.TYPE] = _counted(module, ids.TYPE, entries, len(added))
    if module._tags is not None:
        tags = module._tags[module._tags_read :]
        if tags:
            entries = [b"\0" + encode_unsigned(tag.type.index) for tag in tags]
            changed[ids.TAG] = _counted(module, ids.TAG, entries, len(tags))
    return changed


def _counted(module: Module, id_: int, added: list[_Piece], count: int) -> list[_Piece]:
    """A section's content with ``count`` entries added behind the ones it has."""
    reader = content(module, id_)
    if reader is None:
        return [encode_unsigned(count), *added]
    total = reader.u32() + count
    return [encode_unsigned(total), (reader.pos, reader.end), *added]


def _code(section: Reader, functions: list[Function]) -> Iterator[_Piece]:
    """The code section; an open body that still encodes to its bytes counts as raw."""
    copied_from = section.pos
    section.u32()
    position = section.pos
    data = section.data
    for function in functions:
        if function.imported is not None:
            continue
        start, end = function._start, function._end
        if function._body is not None or function._code is not None:
            code = function.code
            if len(code) != end - start or not data.startswith(code, start):
                if position > copied_from:
                    yield copied_from, position
                yield encode_unsigned(len(code))
                yield code
                copied_from = end
        position = end
    if position > copied_from:
        yield copied_from, position


def _type_entry(type_: Type) -> bytes:
    """An entry of the type section that wasmir added: a function type, alone in its group."""
    # Here, so that copying a module doesn't load the instruction table.
    from wasmir.binary.memo import TYPE_INDEX

    func = type_.func
    if func is None:
        raise UnsupportedError(f"adding a type that is no function type: {type_.definition}")
    out = [b"\x60"]
    for types in (func.params, func.results):
        out.append(encode_unsigned(len(types)))
        out.extend(encode_value_type(each, TYPE_INDEX) for each in types)
    return b"".join(out)
