"""Where the host and compiled code meet: values, exceptions, traps.

Compiled code has no traps of its own making where Python raises something by itself: an address
out of bounds is an IndexError. What it was is told here, by the exception and by the instruction
that it comes from.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from wasmir.interp.faults import Foreign, StackFrame, Thrown, Trap, WasmException
from wasmir.interp.limits import Bounds, DeepCalls
from wasmir.interp.values import from_host, to_host
from wasmir.isa.table import BY_NAME, Trait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from wasmir.interp.entities import Func
    from wasmir.interp.heap import RunType
    from wasmir.interp.instance import Instance

__all__ = ["call", "host_function", "running"]

_CALL_DEPTH = Bounds().call_depth

# Of stacks that overflowed, the innermost frames are told.
_FRAMES = 100

_ACCIDENTS = (
    ArithmeticError,
    AttributeError,
    IndexError,
    MemoryError,
    RecursionError,
    struct.error,
)


def call(func: Func, args: tuple[Any, ...]) -> Any:
    """Call a function with values of the host's. Raises like :meth:`Func.__call__`."""
    params, results = func.type.params, func.type.results
    if len(args) != len(params):
        raise TypeError(f"{func.name} takes {len(params)} arguments, not {len(args)}")
    raw = list(map(from_host, args, params))
    found = running(func.call, raw, func.call_depth)
    if not results:
        return None
    if len(results) == 1:
        return to_host(found, results[0])
    return tuple(map(to_host, found, results))


def running(function: Callable[..., Any], raw: list[Any], call_depth: int | None = None) -> Any:
    """Call compiled code; what comes out are results, exceptions of the host's, a WasmException or
    a Trap.
    """
    outcome: BaseException
    try:
        with DeepCalls(_CALL_DEPTH if call_depth is None else call_depth):
            return function(*raw)
    except Foreign as foreign:
        outcome = foreign.exception
    except WasmException as exception:
        outcome = exception
    except Trap as trap:
        # Native code has told its own.
        trap.frames = (*trap.frames, *_frames(trap.__traceback__))[:_FRAMES]
        outcome = trap
    except _ACCIDENTS as accident:
        frames = list(_frames(accident.__traceback__))
        if not frames and not isinstance(accident, RecursionError):
            raise
        outcome = Trap(_reason(accident, frames[0].instruction if frames else ""), frames)
    # From here, so that it has no context.
    if isinstance(outcome, (Trap, WasmException)):
        # What was active is told, not kept.
        outcome.__traceback__ = None
    raise outcome


def _frames(traceback: TracebackType | None) -> Iterator[StackFrame]:
    """The functions that were active, the innermost first."""
    places: list[tuple[Instance, int, int]] = []
    while traceback is not None:
        instance = traceback.tb_frame.f_globals.get("I")
        if instance is not None:
            name = traceback.tb_frame.f_code.co_name
            if name != "const":
                places.append((instance, int(name[1:]), traceback.tb_lineno))
        traceback = traceback.tb_next
    known: dict[tuple[int, int, int], StackFrame] = {}
    for instance, number, line in places[: -_FRAMES - 1 : -1]:
        key = id(instance), number, line
        if key not in known:
            known[key] = instance.frame_at(number, line)
        yield known[key]


_NULL = {
    "call_indirect": "uninitialized element",
    "return_call_indirect": "uninitialized element",
    "call_ref": "null function reference",
    "struct.get": "null structure reference",
    "struct.get_s": "null structure reference",
    "struct.get_u": "null structure reference",
    "struct.set": "null structure reference",
}


def _reason(accident: BaseException, name: str) -> str:
    """What the specification calls it."""
    if isinstance(accident, ZeroDivisionError):
        return "integer divide by zero"
    if isinstance(accident, RecursionError):
        return "call stack exhausted"
    if isinstance(accident, MemoryError):
        return "out of memory"
    if isinstance(accident, AttributeError):
        return _NULL.get(
            name, "null array reference" if name.startswith("array.") else "null reference"
        )
    row = BY_NAME.get(name)
    if row is not None and (Trait.LOADS in row.traits or Trait.STORES in row.traits):
        return "out of bounds memory access"
    if name.endswith("call_indirect"):
        return "undefined element"
    if name.startswith("array."):
        return "out of bounds array access"
    return "out of bounds table access"


def host_function(function: Callable[..., Any], type_: RunType) -> Callable[..., Any]:
    """A function of the host's for compiled code."""
    params, results = type_.params, type_.results

    def called(*raw: Any) -> Any:
        try:
            found = function(*map(to_host, raw, params))
            if not results:
                return None
            if len(results) == 1:
                return from_host(found, results[0])
            return tuple(
                from_host(value, type_) for value, type_ in zip(found, results, strict=True)
            )
        except (Thrown, Trap):
            raise
        except RecursionError:
            inside: Exception = Trap("call stack exhausted")
        except Exception as error:  # noqa: BLE001 - whatever it is, handlers may catch it
            inside = Foreign(error)
        raise inside

    return called
