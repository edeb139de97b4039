"""The modules that random functions stand in, as bytes, written without wasmir's own encoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from tests.modules import PREAMBLE, section, signed, sized, unsigned, vector

__all__ = [
    "ANY_FUNCTION",
    "CALL_BACK",
    "CALL_BACK_CATCHING",
    "EXN",
    "EXT",
    "F64",
    "FIRST_FUNCTION",
    "I31",
    "I32",
    "I64",
    "LOG",
    "LOG_REF",
    "RAISE",
    "REF_EXN",
    "SN",
    "TAGS",
    "THROW_JS",
    "THROW_WASM",
    "TYPE_A",
    "TYPE_S",
    "TYPE_T",
    "V128",
    "A",
    "Function",
    "S",
    "Skeleton",
    "T",
    "Tag",
    "Type",
    "Types",
    "block_type",
]

Type: TypeAlias = bytes
"""A value type, as it is encoded."""

Types: TypeAlias = tuple[Type, ...]

I32, I64, F64, V128 = b"\x7f", b"\x7e", b"\x7c", b"\x7b"
TYPE_S, TYPE_T, TYPE_A = 0, 1, 2
"""A structure of an i32 and an i64; a subtype of it; an array of i32."""
S, SN, T, A = b"\x64\x00", b"\x63\x00", b"\x64\x01", b"\x64\x02"
"""References to them: ``SN`` may be null."""
I31, EXT = b"\x64\x6c", b"\x6f"
EXN, REF_EXN = b"\x69", b"\x64\x69"


@dataclass(frozen=True)
class Tag:
    index: int
    payload: Types
    name: str


TAGS = tuple(
    Tag(index, payload, name)
    for index, (name, payload) in enumerate(
        [
            # Imported; the second is the first again.
            ("tag", (I32,)),
            ("tag_again", (I32,)),
            ("other_tag", (I32,)),
            ("js_tag", (EXT,)),
            # Defined.
            ("e0", ()),
            ("e1", (I32,)),
            ("e2", (I32, I64)),
            ("e_s", (S,)),
            ("e_sn", (SN, I32)),
            ("e_i31", (I31, F64)),
            ("e_a", (A,)),
            ("v", (V128,)),
        ]
    )
)
IMPORTED_TAGS = 4

LOG, THROW_JS, THROW_WASM, CALL_BACK, CALL_BACK_CATCHING, LOG_REF, BURN, RAISE, CALLBACK = range(9)
FIRST_FUNCTION = 9
"""The first of the random functions; those before it are here in every module."""

ANY_FUNCTION: Types = (I32, I32)
"""What every random function takes."""

_IMPORTS: list[tuple[str, Types, Types]] = [
    ("log", (I32,), ()),
    ("throw_js", (I32,), ()),
    ("throw_wasm", (I32,), ()),
    ("call_back", (I32,), (I32,)),
    ("call_back_catching", (I32,), (I32,)),
    ("log_ref", (EXT,), ()),
]

FUEL = b"\x23\x00\x45\x04\x40\x00\x0b\x23\x00\x41\x01\x6b\x24\x00"
"""Takes a unit of fuel, which is global 0; traps where there is none. Each call and each turn of a
loop does, so that every call ends; a trap is seen by no handler.
"""


@dataclass(frozen=True)
class Function:
    """A random function: its results, and locals and code with the final ``end``."""

    results: Types
    code: bytes


@dataclass
class Skeleton:
    """All of a module but the random functions, of which there are ``count``."""

    #: 0: none; 1: with 32-bit addresses; 2: with 64-bit addresses.
    memory: int
    functions: list[Function] = field(default_factory=list)
    _types: dict[tuple[Types, Types], int] = field(default_factory=dict)

    def type_index(self, params: Types, results: Types) -> int:
        """The index of a function type."""
        # The first three are those of structures and arrays.
        return self._types.setdefault((params, results), len(self._types) + 3)

    def assemble(self) -> bytes:
        """The module."""
        imports = [
            _name("env") + _name(name) + b"\0" + unsigned(self.type_index(params, results))
            for name, params, results in _IMPORTS
        ]
        imports += [
            _name("env") + _name(tag.name) + b"\4\0" + unsigned(self.type_index(tag.payload, ()))
            for tag in TAGS[:IMPORTED_TAGS]
        ]
        types = [
            self.type_index((), ()),
            self.type_index((I32,), ()),
            self.type_index((I32,), (I32,)),
        ]
        types += [self.type_index(ANY_FUNCTION, each.results) for each in self.functions]
        tags = [b"\0" + unsigned(self.type_index(t.payload, ())) for t in TAGS[IMPORTED_TAGS:]]
        table = vector([b"\x70\x00" + unsigned(len(self.functions))])
        memories = vector([b"\x04\x01" if self.memory == 2 else b"\x00\x01"])
        codes = [b"\0" + FUEL + b"\x0b", _raise(), _callback(), *(f.code for f in self.functions)]
        indices = [unsigned(FIRST_FUNCTION + n) for n in range(len(self.functions))]
        return b"".join(
            [
                PREAMBLE,
                section(1, self._type_section()),
                section(2, vector(imports)),
                section(3, vector(map(unsigned, types))),
                section(4, table),
                section(5, memories) if self.memory else b"",
                section(13, vector(tags)),
                section(6, vector([I32 + b"\1\x41\0\x0b", I32 + b"\1\x41\0\x0b", _NULL_S])),
                section(7, self._exports()),
                section(9, vector([b"\0\x41\0\x0b" + vector(indices)])),
                section(10, vector(map(sized, codes))),
            ]
        )

    def _type_section(self) -> bytes:
        fields = I32 + b"\1" + I64 + b"\1"
        return vector(
            [
                b"\x50\0\x5f\2" + fields,
                b"\x4f\1\0\x5f\3" + fields + I32 + b"\1",
                b"\x5e" + I32 + b"\1",
                *(b"\x60" + vector(params) + vector(results) for params, results in self._types),
            ]
        )

    def _exports(self) -> bytes:
        exports = [_name("fuel") + b"\3\0", _name("g") + b"\3\1", _name("gs") + b"\3\2"]
        exports.append(_name("callback") + b"\0" + unsigned(CALLBACK))
        # Not the last, whose payload JavaScript can't read.
        exports += [_name(t.name) + b"\4" + unsigned(t.index) for t in TAGS[IMPORTED_TAGS:-1]]
        if self.memory:
            exports.append(_name("memory") + b"\2\0")
        exports += [
            _name(f"f{n}") + b"\0" + unsigned(FIRST_FUNCTION + n)
            for n in range(len(self.functions))
        ]
        return vector(exports)


_NULL_S = SN + b"\1\xd0\0\x0b"


def _name(text: str) -> bytes:
    return sized(text.encode())


def block_type(skeleton: Skeleton, params: Types, results: Types) -> bytes:
    """The encoded block type: a short form, if there is one."""
    if params or len(results) > 1:
        return signed(skeleton.type_index(params, results))
    return results[0] if results else b"\x40"


def _from_parameter(type_: Type) -> bytes:
    """Some value that depends on local 0."""
    get = b"\x20\0"
    return {
        I32: get,
        I64: get + b"\xac",
        F64: get + b"\xb7",
        V128: get + b"\xfd\x11",
        S: get + b"\x42\7\xfb\0\0",
        SN: get + b"\x42\x09\x41\1\xfb\0\1",
        I31: get + b"\xfb\x1c",
        A: get + get + b"\xfb\x08\2\2",
        EXT: get + b"\xfb\x1c\xfb\x1b",
    }[type_]


def _raise() -> bytes:
    """``(func $raise (param i32))``: throws by the number, or returns."""
    throws = [
        b"".join(map(_from_parameter, tag.payload)) + b"\x08" + unsigned(tag.index) for tag in TAGS
    ]
    throws += [
        b"\x20\0\x41\4\x76\x10" + unsigned(THROW_JS) + b"\x0f",
        b"\x20\0\x41\4\x76\x10" + unsigned(THROW_WASM) + b"\x0f",
    ]
    # The labels from the inside out; the outermost returns.
    count = len(throws)
    out = bytearray(b"\0" + b"\x02\x40" * (count + 1))
    out += b"\x20\0\x41\x0f\x71\x0e" + unsigned(count + 1)
    out += unsigned(count) + b"".join(map(unsigned, range(count))) + unsigned(count)
    for throw in throws:
        out += b"\x0b" + throw
    return bytes(out + b"\x0b\x0b")


def _callback() -> bytes:
    """``(func (export "callback") (param i32) (result i32))``, which the host calls."""
    return b"\0" + FUEL + b"\x20\0\x10" + unsigned(RAISE) + b"\x20\0\x0b"
