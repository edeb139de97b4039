"""One small module for each feature that an engine has to know to take it, made with wasmir; and
what an engine says to each.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Final, TypeAlias

from tests.modules import EMPTY_TYPE, PREAMBLE, section, sized, vector
from wasmir import (
    EXNREF,
    EXTERNREF,
    FUNCREF,
    Block,
    Body,
    Catch,
    Clause,
    Concrete,
    FuncType,
    GlobalType,
    Instr,
    Limits,
    MemoryType,
    Module,
    NumType,
    RefType,
    StructType,
    SubType,
    TableType,
    Try,
    TryTable,
    ValType,
    ops,
)
from wasmir.types import ContType

__all__ = ["NO_PROBE", "asking", "mixed", "probes"]

Probe: TypeAlias = Callable[[Module], None]

NO_PROBE: Final = frozenset({"branch-hinting"})
"""An engine that doesn't know the custom section takes the module all the same."""

I32, I64 = NumType.I32, NumType.I64
PAGE = MemoryType(Limits(1))

# An engine with string builtins knows the type of cast, and so finds this import of it invalid:
# (import "wasm:js-string" "cast" (func)).
_WRONG_CAST: Final = (
    PREAMBLE
    + section(1, vector([EMPTY_TYPE]))
    + section(2, vector([sized(b"wasm:js-string") + sized(b"cast") + b"\0\0"]))
)

_SCRIPT: Final = """
function probe(modules, wrongCast) {
  const bytes = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const taken = [];
  for (const [feature, text] of Object.entries(modules)) {
    try {
      const module = new WebAssembly.Module(bytes(text));
      new WebAssembly.Instance(module, { m: { f() {}, g() {} } });
      taken.push(feature);
    } catch (error) {
      // LinkError and RuntimeError are about memories that can't be had, too.
      if (!(error instanceof Error)) throw error;
    }
  }
  if (WebAssembly.JSTag instanceof (WebAssembly.Tag ?? Object)) taken.push("jstag");
  if (WebAssembly.Suspending && WebAssembly.promising) taken.push("jspi");
  const cast = bytes(wrongCast);
  const builtins = { builtins: ["js-string"] };
  if (WebAssembly.validate(cast) && !WebAssembly.validate(cast, builtins))
    taken.push("js-string-builtins");
  return taken;
}
"""


def probes() -> dict[str, bytes]:
    """The modules, by the names of their features; what they import is m.f and m.g, if anything."""
    made = {}
    for name, build in _PROBES.items():
        module = Module()
        build(module)
        made[name] = module.to_bytes()
    return made | {"compact-imports": _compact_imports()}


def asking() -> str:
    """JavaScript that leaves the names of the features that its engine has in ``taken``."""
    modules = {name: b64encode(data).decode() for name, data in probes().items()}
    wrong = b64encode(_WRONG_CAST).decode()
    return f"{_SCRIPT}\nconst taken = probe({json.dumps(modules)}, {json.dumps(wrong)});\n"


def mixed() -> bytes:
    """Both dialects of exception handling in one module."""
    module = Module()
    _exceptions(module)
    body = module.add_function(FuncType()).body
    body.items = [Try(module.block_type())]
    return module.to_bytes()


def _does(
    *instrs: Instr, takes: tuple[ValType, ...] = (), gives: tuple[ValType, ...] = ()
) -> Probe:
    def build(module: Module) -> None:
        _function(module, FuncType(takes, gives)).seq.extend(instrs)

    return build


def _function(module: Module, type_: FuncType) -> Body:
    return module.add_function(type_, exported="f").body


def _with_memory(type_: MemoryType, *instrs: Instr, gives: tuple[ValType, ...] = ()) -> Probe:
    def build(module: Module) -> None:
        module.add_memory(type_)
        _does(*instrs, gives=gives)(module)

    return build


def _mutable_global(module: Module) -> None:
    module.add_global(GlobalType(I32, True), module.const(ops.i32.const(0)), exported="g")


def _reference_types(module: Module) -> None:
    module.add_table(TableType(EXTERNREF, Limits(1)))
    _does(ops.i32.const(0), ops.table.get(), gives=(EXTERNREF,))(module)


def _tail_call(module: Module) -> None:
    function = module.add_function(FuncType())
    function.body.seq.append(ops.return_call(function))


def _extended_const(module: Module) -> None:
    sum_ = (ops.i32.const(1), ops.i32.const(2), ops.i32.add())
    module.add_global(GlobalType(I32, False), module.const(*sum_))


def _multi_memory(module: Module) -> None:
    module.add_memory(PAGE)
    module.add_memory(PAGE)


def _memory64(module: Module) -> None:
    """Tables are part of it, which came late."""
    module.add_memory(MemoryType(Limits(1, address=I64)))
    module.add_table(TableType(FUNCREF, Limits(1, address=I64)))
    _does(ops.i64.const(0), ops.i32.load(), gives=(I32,))(module)


def _function_references(module: Module) -> None:
    type_ = module.func_type()
    given = RefType(False, Concrete(type_))
    _does(ops.local.get(0), ops.call_ref(type_), takes=(given,))(module)


def _gc(module: Module) -> None:
    type_ = module.add_type(SubType(StructType(())))
    _does(ops.struct.new(type_), ops.drop())(module)


def _exceptions(module: Module) -> None:
    body = _function(module, FuncType())
    block = Block(module.block_type((), (EXNREF,)))
    throws = [ops.throw(module.add_tag())]
    block.items = [
        TryTable(module.block_type(), [Clause(None, block, ref=True)], list(throws)),
        ops.return_(),
    ]
    body.items = [block, ops.throw_ref()]


def _legacy_exceptions(module: Module) -> None:
    body = _function(module, FuncType())
    try_ = Try(module.block_type(), [ops.throw(module.add_tag())])
    try_.catches.append(Catch(None))
    body.items = [try_]


def _stack_switching(module: Module) -> None:
    type_ = module.add_type(SubType(ContType(Concrete(module.func_type()))))
    callee = module.add_function(FuncType(), exported="callee")
    _does(ops.ref.func(callee), ops.cont.new(type_), ops.drop())(module)


def _custom_descriptors(module: Module) -> None:
    module.add_group(
        2,
        lambda types: [
            SubType(StructType(()), descriptor=types[1]),
            SubType(StructType(()), describes=types[0]),
        ],
    )


def _compact_imports() -> bytes:
    """Two functions, m.f and m.g, in one group, whose module has its name once."""
    types = section(1, vector([EMPTY_TYPE]))
    names = vector([sized(name) + b"\0\0" for name in (b"f", b"g")])
    return PREAMBLE + types + section(2, vector([sized(b"m") + sized(b"") + b"\x7f" + names]))


_PROBES: Final[dict[str, Probe]] = {
    "mvp": _with_memory(PAGE, ops.i32.const(0), ops.i32.load(), gives=(I32,)),
    "mutable-global": _mutable_global,
    "saturating-float-to-int": _does(ops.f32.const(1.0), ops.i32.trunc_sat_f32_s(), gives=(I32,)),
    "sign-extension": _does(ops.i32.const(1), ops.i32.extend8_s(), gives=(I32,)),
    "multi-value": _does(ops.i32.const(1), ops.i32.const(2), gives=(I32, I32)),
    "bulk-memory": _with_memory(
        PAGE, ops.i32.const(0), ops.i32.const(0), ops.i32.const(0), ops.memory.fill()
    ),
    "reference-types": _reference_types,
    "simd": _does(ops.i32.const(0), ops.i8x16.splat(), ops.drop()),
    "relaxed-simd": _does(
        ops.i32.const(0),
        ops.i8x16.splat(),
        ops.i32.const(0),
        ops.i8x16.splat(),
        ops.i8x16.relaxed_swizzle(),
        ops.drop(),
    ),
    "tail-call": _tail_call,
    "extended-const": _extended_const,
    "multi-memory": _multi_memory,
    "memory64": _memory64,
    "function-references": _function_references,
    "gc": _gc,
    "exceptions": _exceptions,
    "legacy-exceptions": _legacy_exceptions,
    "threads": _with_memory(
        MemoryType(Limits(1, 1, shared=True)),
        ops.i32.const(0),
        ops.i32.atomic.load(),
        gives=(I32,),
    ),
    "wide-arithmetic": _does(
        ops.i64.const(1), ops.i64.const(2), ops.i64.mul_wide_s(), gives=(I64, I64)
    ),
    "stack-switching": _stack_switching,
    "custom-descriptors": _custom_descriptors,
    "custom-page-sizes": _with_memory(MemoryType(Limits(1, page_size_log2=0))),
    "fp16": _does(ops.f32.const(1.0), ops.f16x8.splat(), ops.drop()),
}
