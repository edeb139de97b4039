"""The interpreter: evaluates modules as they are in memory, in Python.

::

    from wasmir import Module
    from wasmir.interp import Instance

    instance = Instance(Module.from_file("in.wasm"), {"env": {"log": print}})
    instance.invoke("main", 1, 2)

Each function is compiled to a function of Python's when it is first called.
:mod:`~wasmir.interp.emit` and :mod:`~wasmir.interp.control` say how; :mod:`~wasmir.interp.native`,
what is native code for who asks for it.
"""

from __future__ import annotations

from wasmir.interp.emscripten import EmscriptenException
from wasmir.interp.entities import Func, Global, Memory, Table, Tag
from wasmir.interp.faults import LinkError, OutOfFuel, StackFrame, Trap, WasmException
from wasmir.interp.floats import f32_bits, f32_from_bits, f64_bits, f64_from_bits
from wasmir.interp.heap import I31, Array, Struct
from wasmir.interp.imports import ImportCall, callers, trace_imports
from wasmir.interp.instance import Exports, Instance
from wasmir.interp.limits import Bounds
from wasmir.interp.program import Program

__all__ = [
    "I31",
    "Array",
    "Bounds",
    "EmscriptenException",
    "Exports",
    "Func",
    "Global",
    "ImportCall",
    "Instance",
    "LinkError",
    "Memory",
    "OutOfFuel",
    "Program",
    "StackFrame",
    "Struct",
    "Table",
    "Tag",
    "Trap",
    "WasmException",
    "callers",
    "f32_bits",
    "f32_from_bits",
    "f64_bits",
    "f64_from_bits",
    "trace_imports",
]
