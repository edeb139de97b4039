"""The binary format: what :class:`wasmir.ir.codec.Codec` asks for.

Each function imports what it needs when it is called: a module that is only copied never loads the
instruction table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wasmir.ir.code import Body, Instr
    from wasmir.ir.codec import Section
    from wasmir.ir.function import Function
    from wasmir.ir.imports import Import
    from wasmir.ir.module import Module
    from wasmir.ir.tag import Tag
    from wasmir.ir.type import Type

__all__ = [
    "code_moved",
    "declared_locals",
    "decode_body",
    "dissolve",
    "encode_body",
    "encode_module",
    "read_function_names",
    "read_functions",
    "read_imports",
    "read_sections",
    "read_tags",
    "read_types",
    "require_target_feature",
    "run_effect",
    "split",
]


def read_sections(data: bytes) -> list[Section]:
    from wasmir.binary import sections

    return sections.read_sections(data)


def read_types(module: Module) -> list[Type]:
    from wasmir.binary import decode

    return decode.types(module)


def read_imports(module: Module) -> list[Import]:
    from wasmir.binary import decode

    return decode.imports(module)


def read_functions(module: Module) -> list[Function]:
    from wasmir.binary import decode

    return decode.functions(module)


def read_tags(module: Module) -> list[Tag]:
    from wasmir.binary import decode

    return decode.tags(module)


def read_function_names(module: Module) -> dict[int, str]:
    from wasmir.binary import names

    return names.function_names(module)


def decode_body(function: Function) -> Body:
    from wasmir.binary import skeleton

    return skeleton.decode_body(function)


def encode_body(body: Body, *, consume: bool = False) -> bytes:
    from wasmir.binary import skeleton

    return skeleton.encode_body(body, consume=consume)


def dissolve(body: Body) -> None:
    from wasmir.binary import skeleton

    skeleton.dissolve(body)


def run_effect(module: Module, run: bytes) -> int:
    from wasmir.binary import skeleton

    return skeleton.run_effect(module, run)


def declared_locals(body: Body) -> int:
    from wasmir.isa import tokens

    return tokens.count_locals(body.locals_wire, body.function.offset)


def split(module: Module, run: bytes) -> list[Instr]:
    from wasmir.binary import skeleton

    return skeleton.split(module, run)


def require_target_feature(module: Module, name: str) -> None:
    from wasmir.binary import customs

    customs.require_target_feature(module, name)


def code_moved(module: Module, functions: list[int]) -> dict[str, str]:
    from wasmir.binary import customs

    return customs.code_moved(module, functions)


def encode_module(module: Module) -> list[bytes | memoryview]:
    from wasmir.binary import encode

    return encode.encode(module)
