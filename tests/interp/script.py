"""The specification's suite as scripts: what its commands do, and whether that is what they expect.

The format is that of ``wasm-tools json-from-wast``.
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.support import without_compact_imports
from wasmir import GlobalType, Limits, MemoryType, Module, NumType, TableType
from wasmir.interp import (
    I31,
    Array,
    Func,
    Global,
    Instance,
    LinkError,
    Memory,
    Program,
    Struct,
    Table,
    Trap,
    WasmException,
    f32_bits,
    f32_from_bits,
    f64_bits,
    f64_from_bits,
)
from wasmir.types import FUNCREF

if TYPE_CHECKING:
    from pathlib import Path


class Host:
    """A reference of the host's, with a number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        return f"host {self.number}"


def spectest() -> dict[str, Any]:
    """The host module that the suite's modules import from."""

    def ignore(*_args: object) -> None:
        pass

    def table(address: NumType) -> Table:
        return Table(TableType(FUNCREF, Limits(10, 20, address)))

    i32, i64, f32, f64 = (GlobalType(type_, False) for type_ in tuple(NumType)[:4])
    names = ("", "_i32", "_i64", "_f32", "_f64", "_i32_f32", "_f64_f64")
    return {
        **{f"print{name}": ignore for name in names},
        "global_i32": Global(i32, 666),
        "global_i64": Global(i64, 666),
        "global_f32": Global(f32, f32_from_bits(struct.unpack("<I", struct.pack("<f", 666.6))[0])),
        "global_f64": Global(f64, 666.6),
        "table": table(NumType.I32),
        "table64": table(NumType.I64),
        "memory": Memory(MemoryType(Limits(1, 2))),
        "shared_memory": Memory(MemoryType(Limits(1, 2, shared=True))),
    }


_LANES = {"i8": 1, "i16": 2, "i32": 4, "i64": 8, "f32": 4, "f64": 8}


class Script:
    """One file of the suite. ``wrong`` says of each command that failed which it is, and why."""

    def __init__(self, path: Path, **options: bool | int) -> None:
        self._path = path
        self._options: Any = options
        self._hosts: dict[int, Host] = {}
        self._instances: dict[str | None, Any] = {}
        self._definitions: dict[str | None, Program] = {}
        self._registered: dict[str, Any] = {"spectest": spectest()}
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    def run(self) -> None:
        commands = json.loads(self._path.read_text(encoding="utf-8"))["commands"]
        for command in commands:
            handler = getattr(self, f"_{command['type']}", None)
            if handler is None:
                continue
            self.counts[command["type"]] += 1
            try:
                why = handler(command)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is wrong
                why = f"{type(error).__name__}: {error}"
            if why:
                place = f"{self._path.stem}.wast:{command['line']}"
                self.wrong.append(f"{place}: {command['type']}: {why}")

    # Modules

    def _program(self, command: dict[str, Any]) -> Program:
        # Of modules in the text format the archive has the binary beside it.
        name = command.get("binary_filename", command["filename"])
        data = (self._path.parent / name).read_bytes()
        if self._path.parent.parent.name == "legacy":
            data = without_compact_imports(data)
        return Program(Module.from_bytes(data), validate=False, **self._options)

    def _module(self, command: dict[str, Any]) -> None:
        self._keep(command.get("name"), Instance(self._program(command), self._registered))

    def _keep(self, name: str | None, instance: Instance) -> None:
        self._instances[None] = instance
        if name is not None:
            self._instances[name] = instance

    def _module_definition(self, command: dict[str, Any]) -> None:
        self._definitions[command.get("name")] = self._program(command)

    def _module_instance(self, command: dict[str, Any]) -> None:
        program = self._definitions[command.get("module")]
        self._keep(command.get("instance"), Instance(program, self._registered))

    def _register(self, command: dict[str, Any]) -> None:
        self._registered[command["as"]] = self._instances[command.get("name")]

    def _assert_unlinkable(self, command: dict[str, Any]) -> str | None:
        return self._fails(command, LinkError)

    def _assert_uninstantiable(self, command: dict[str, Any]) -> str | None:
        return self._fails(command, Trap)

    def _fails(self, command: dict[str, Any], kind: type[LinkError | Trap]) -> str | None:
        try:
            Instance(self._program(command), self._registered)
        except kind as error:
            return _in_words(error, command["text"])
        return f"linked, but for {command['text']}"

    # Actions

    def _act(self, action: dict[str, Any]) -> Any:  # noqa: ANN401 - any value
        instance = self._instances[action.get("module")]
        if action["type"] == "get":
            return instance.exports[action["field"]].value
        args = [self._value(each) for each in action["args"]]
        return instance.invoke(action["field"], *args)

    def _action(self, command: dict[str, Any]) -> None:
        self._act(command["action"])

    def _assert_return(self, command: dict[str, Any]) -> str | None:
        found = self._act(command["action"])
        expected = command["expected"]
        if not expected:
            return None if found is None else f"{found!r}, not nothing"
        values = (found,) if len(expected) == 1 else found
        if len(values) != len(expected):
            return f"{len(values)} results"
        if all(map(self._is, values, expected)):
            return None
        return f"{found!r}, not {expected}"

    def _assert_trap(self, command: dict[str, Any]) -> str | None:
        try:
            found = self._act(command["action"])
        except Trap as trap:
            if not trap.frames:
                return f"{trap} without a place"
            return _in_words(trap, command["text"])
        return f"{found!r}, not a trap: {command['text']}"

    _assert_exhaustion = _assert_trap

    def _assert_exception(self, command: dict[str, Any]) -> str | None:
        try:
            found = self._act(command["action"])
        except WasmException:
            return None
        return f"{found!r}, not an exception"

    # Values

    def _value(self, given: dict[str, Any]) -> Any:  # noqa: ANN401 - any value
        kind: str = given["type"]
        value: Any = given.get("value")
        if kind in ("i32", "i64"):
            return int(value)
        if kind == "f32":
            return f32_from_bits(int(value))
        if kind == "f64":
            return f64_from_bits(int(value))
        if kind == "v128":
            size = _LANES[given["lane_type"]]
            return b"".join(
                (int(lane) % (1 << 8 * size)).to_bytes(size, "little") for lane in value
            )
        if value == "null" or kind.startswith("null"):
            return None
        return self._host(int(value))

    def _host(self, number: int) -> Host:
        return self._hosts.setdefault(number, Host(number))

    def _is(self, found: Any, expected: dict[str, Any]) -> bool:  # noqa: ANN401 - any value
        kind: str = expected["type"]
        value: Any = expected.get("value")
        if kind == "either":
            return any(self._is(found, each) for each in expected["values"])
        if kind in ("i32", "i64"):
            if value is None:
                return isinstance(found, int)
            bits = int(kind[1:])
            return int(found) == int(value) or int(found) + (1 << bits) == int(value)
        if kind in ("f32", "f64"):
            bits = f32_bits(found) if kind == "f32" else f64_bits(found)
            return _is_float(bits, kind, value)
        if kind == "v128":
            lane = expected["lane_type"]
            size = _LANES[lane]
            lanes = [int.from_bytes(found[at : at + size], "little") for at in range(0, 16, size)]
            if lane[0] == "f":
                return all(
                    _is_float(each, lane, wanted) for each, wanted in zip(lanes, value, strict=True)
                )
            return lanes == [int(each) % (1 << 8 * size) for each in value]
        if value == "null" or kind.startswith("null") or kind == "refnull":
            return found is None
        if value is not None:
            return found is self._host(int(value))
        classes: dict[str, Any] = {
            "funcref": Func,
            "structref": Struct,
            "arrayref": Array,
            "i31ref": I31,
            "eqref": (Struct, Array, I31),
            "anyref": object,
            "externref": object,
            "exnref": WasmException,
        }
        return found is not None and isinstance(found, classes[kind])


def _is_float(bits: int, kind: str, wanted: str) -> bool:
    fraction_bits, size = (23, 32) if kind == "f32" else (52, 64)
    if wanted.startswith("nan:"):
        bits &= (1 << size - 1) - 1
        canonical = ((1 << size - fraction_bits - 1) - 1) << fraction_bits | 1 << fraction_bits - 1
        return bits == canonical if wanted == "nan:canonical" else bits & canonical == canonical
    return bits == int(wanted) % (1 << size)


def _in_words(error: LinkError | Trap, text: str) -> str | None:
    """Whether one of the two says more than the other, and no more than that."""
    if error.reason.startswith(text) or text.startswith(error.reason):
        return None
    return f"{error}, not {text}"
