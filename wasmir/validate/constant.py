"""Which instructions may stand in constant expressions.

Source: specification 3.0, Validation, "Constant Expressions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmir.errors import InvalidError
from wasmir.features import EXTENDED_CONST, GC
from wasmir.isa.strict import decode_one
from wasmir.isa.table import BY_NAME, Trait
from wasmir.wire import Reader

if TYPE_CHECKING:
    from wasmir.validate.code import Code

__all__ = ["check_token"]

_GLOBAL_GET = BY_NAME["global.get"]
_EXTENDED = frozenset(
    BY_NAME[f"{type_}.{operation}"]
    for type_ in ("i32", "i64")
    for operation in ("add", "sub", "mul")
)


def check_token(code: Code, token: bytes, visible: int) -> None:
    """Check that an instruction is constant. Raises InvalidError, MalformedError.

    Of globals the first ``visible`` may be got.
    """
    row, values = decode_one(Reader(token))
    if Trait.CONSTANT not in row.traits:
        raise InvalidError(f"constant expression required: {row.name} is not constant")
    if row in _EXTENDED:
        code.require(EXTENDED_CONST, f"{row.name} in a constant expression")
    if row is _GLOBAL_GET:
        found = code.at("global", values[0])
        index = code.module.globals.index(found)
        if index >= visible:
            raise InvalidError(f"unknown global {index}: it is not defined yet")
        if found.type.mutable:
            raise InvalidError(f"constant expression required: global {found} is mutable")
        if found.imported is None:
            code.require(GC, "a global that isn't imported, in a constant expression,")
