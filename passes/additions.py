"""What passes need for what they add to a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmir import FuncType, GlobalType, NumType, ops

if TYPE_CHECKING:
    from wasmir import Global, Module

__all__ = ["EXPORTS", "add_state", "is_there", "name_for"]


EXPORTS = ("global", "functions", "none")
"""How the host may reach a global that a pass adds; glue of Emscripten's for dynamic linking takes
no exported global of 64 bits.
"""


def name_for(module: Module, name: str) -> str | None:
    """A name for something new, where the module has names at all."""
    return None if module.custom("name") is None else name


def add_state(module: Module, name: str, value: int, export: str) -> Global:
    """A new i64 global for the host to read and write, in one of the ways of :data:`EXPORTS`:
    exported, or by the functions ``NAME_get`` and ``NAME_set``.
    """
    type_ = NumType.I64
    made = module.add_global(
        GlobalType(type_, mutable=True),
        module.const(ops.i64.const(value)),
        name=name_for(module, name),
        exported=name if export == "global" else None,
    )
    if export == "functions":
        get, put = ops.global_.get(made), ops.global_.set(made)
        for kind, type_of, code in (
            ("get", FuncType((), (type_,)), [get]),
            ("set", FuncType((type_,)), [ops.local.get(0), put]),
        ):
            called = f"{name}_{kind}"
            module.add_function(type_of, code, name=name_for(module, called), exported=called)
    return made


def is_there(module: Module, name: str) -> bool:
    """Whether the host can reach such a global already."""
    return any(export.name in (name, f"{name}_get") for export in module.exports)
