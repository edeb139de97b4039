"""The host of ``corpus/engine/session.mjs`` for the interpreter: all that can be seen of an
instance from outside, in the words that Node has for it there.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from corpus.engine import Argument, Call, Calls, Run
from wasmir import EXTERNREF, AbstractHeap, NumType, RefType
from wasmir.interp import (
    I31,
    Bounds,
    Func,
    Global,
    Instance,
    LinkError,
    Memory,
    Program,
    Tag,
    Trap,
    WasmException,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Session", "run", "shown_by_javascript"]

# The values for one parameter, by the number of parameters.
_GRIDS: Final = (
    (),
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 17, -1, -2147483648),
    (0, 1, 2, 3, 4, 5, 6, 7, -1),
    (0, 1, 2, 3, 4),
    (0, 1, 3),
)

# Where an array is made of a segment.
_SEGMENTS: Final = {
    "out of bounds memory access": "data segment out of bounds",
    "out of bounds table access": "element segment out of bounds",
}


class HostObject:
    """An object of JavaScript's, of which only the identity counts."""


# What `env.throw_js` throws; null is the fifth, and undefined the sixth.
_HOST_VALUES: Final = (
    HostObject(),
    HostObject(),
    HostObject(),
    12345.5,
    None,
    HostObject(),
    HostObject(),
    HostObject(),
)

_PAGE: Final = 4096

_KEPT: Final = (AbstractHeap.EXN, AbstractHeap.NOEXN)
"""References that JavaScript doesn't see."""

# The specification's word for a trap, and V8's; for some by the instruction.
_WORDS_OF_V8: Final = {
    "unreachable": "unreachable",
    "integer divide by zero": "divide by zero",
    "integer overflow": "divide result unrepresentable",
    "invalid conversion to integer": "float unrepresentable in integer range",
    "out of bounds memory access": "memory access out of bounds",
    "out of bounds table access": "table index is out of bounds",
    "undefined element": "table index is out of bounds",
    "uninitialized element": "null function or function signature mismatch",
    "indirect call type mismatch": "null function or function signature mismatch",
    "out of bounds array access": "array element access out of bounds",
    "cast failure": "illegal cast",
    "call stack exhausted": "stack overflow",
    "unaligned atomic": "operation does not support unaligned accesses",
}


class Session:
    """One instance, and what it did."""

    def __init__(
        self,
        program: Program,
        *,
        log_throws_at: int | None = None,
        fuel: int | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        """Raises LinkError, Trap, WasmException."""
        self._log: list[object] = []
        self._log_throws_at = log_throws_at
        # Exceptions that went through the host, of the current call.
        self._passed: list[WasmException] = []
        self._objects: dict[int, tuple[str, object]] = {}
        self._host_exceptions: dict[int, WasmException] = {}
        self._digests: dict[str, MemoryDigest] = {}
        # In JavaScript every value that is thrown has this tag.
        self._js_tag = Tag.of((EXTERNREF,))
        self._host_tag = Tag.of((NumType.I32,))
        other = Tag.of((NumType.I32,))
        self._tags = [(self._host_tag, "env.tag"), (other, "env.other_tag")]
        self._env: dict[str, Any] = {
            "log": self._noted(NumType.I32),
            "log_ref": self._noted(EXTERNREF),
            "throw_js": self._throw_js,
            "throw_wasm": self._throw_wasm,
            "call_back": self._call_back,
            "call_back_catching": self._call_back_catching,
            "tag": self._host_tag,
            "tag_again": self._host_tag,
            "other_tag": other,
            "js_tag": self._js_tag,
        }
        imports = {"env": self._env, "WebAssembly": {"JSTag": self._js_tag}}
        self.instance = Instance(program, imports, fuel=fuel, bounds=bounds)
        exports = self.instance.exports
        for name, thing in exports.items():
            known = any(thing is tag for tag, _ in self._tags)
            if isinstance(thing, Tag) and not name.startswith("__wasmir_") and not known:
                self._tags.append((thing, f"export {name}"))
        found = exports.get("__stack_pointer")
        self._stack = (found, found.value) if isinstance(found, Global) else None

    # Imports

    def _noted(self, type_: NumType | RefType) -> Any:  # noqa: ANN401 - a function
        def log(value: object) -> None:
            self._log.append(self.show(value, type_))
            if len(self._log) == self._log_throws_at:
                self._throw_js(0)

        return log

    def _throw_js(self, number: int) -> None:
        value = _HOST_VALUES[number % len(_HOST_VALUES)]
        raise WasmException(self._js_tag, (value,))

    def _throw_wasm(self, number: int) -> None:
        made = self._host_exceptions.get(number)
        if made is None:
            made = self._host_exceptions[number] = WasmException(self._host_tag, (number,))
        raise made

    def _call_back(self, number: int) -> object:
        try:
            return self.instance.invoke("callback", number)
        except WasmException as exception:
            self._passed.append(exception)
            raise

    def _call_back_catching(self, number: int) -> object:
        try:
            return self.instance.invoke("callback", number)
        except (WasmException, Trap) as error:
            self._log.append(self._thrown(error))
            return -1

    # Calls

    def grid(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Every export with small numbers."""
        for name, thing in self.instance.exports.items():
            if isinstance(thing, Func) and not name.startswith("_"):
                count = len(thing.type.params)
                for args in itertools.product(_GRIDS[count], repeat=count):
                    yield name, args

    def call(self, name: str, args: Sequence[Argument]) -> Call:
        """What the call does, and what is there after it. An argument that is text is an i64."""
        return self.called(name, self.instance.exports[name], args)

    def called(self, name: str, function: Func, args: Sequence[Argument]) -> Call:
        """The same of any function, exported or not."""
        self._log = []
        self._passed = []
        outcome: dict[str, Any]
        try:
            found = function(*(int(arg) if isinstance(arg, str) else arg for arg in args))
        except (WasmException, Trap) as error:
            outcome = self._thrown(error)
        else:
            types = function.type.results
            values = (found,) if len(types) == 1 else found or ()
            shown = [self.show(value, type_) for value, type_ in zip(values, types, strict=True)]
            outcome = {"returned": shown}
        state = self.state()
        if self._stack is not None:
            stack, before = self._stack
            stack.value = before
        return Call(name, tuple(args), outcome, self._log, state)

    def _thrown(self, error: WasmException | Trap) -> dict[str, Any]:
        if isinstance(error, Trap):
            return {"trap": in_words_of_v8(error)}
        if error.tag is self._js_tag:
            return {"thrown": _host_value(error.payload[0])}
        for number, exception in self._host_exceptions.items():
            if exception is error:
                return {"thrown": f"host exception {number}"}
        at = [each is error for each in self._passed]
        identity = {"passed": at.index(True)} if any(at) else {}
        for tag, name in self._tags:
            if error.tag is tag:
                pairs = zip(error.payload, tag.type.params, strict=True)
                return {"thrown": name, "payload": [self.show(*pair) for pair in pairs], **identity}
        return {"thrown": "a tag that is not exported", **identity}

    def state(self) -> dict[str, str]:
        """Exported globals, and a hash of each exported memory."""
        state = {}
        for name, thing in self.instance.exports.items():
            if name.startswith("__wasmir_"):
                continue
            if isinstance(thing, Global):
                kind = thing.type.type
                kept = kind is NumType.V128 or (isinstance(kind, RefType) and kind.heap in _KEPT)
                state[name] = "not for JavaScript" if kept else self.show(thing.value, kind)
            elif isinstance(thing, Memory):
                digest = self._digests.setdefault(name, MemoryDigest())
                state[name] = digest.of(thing.data)
        return state

    def show(self, value: Any, type_: object) -> Any:  # noqa: ANN401 - JSON
        """A text for a value, like ``show`` in the script."""
        if type_ is NumType.I64:
            return f"{value}n"
        if type_ is NumType.I32:
            return str(value)
        if isinstance(value, float):
            return shown_by_javascript(value)
        if any(value is each for each in _HOST_VALUES):
            return _host_value(value)
        if isinstance(value, Func):
            return f"function {value.name.split()[0]}/{len(value.type.params)}"
        if isinstance(value, WasmException):
            return self._thrown(value)
        if isinstance(value, I31):
            return str(value.signed)
        label, _ = self._objects.setdefault(id(value), (f"object {len(self._objects)}", value))
        return label


def run(
    program: Program,
    calls: Calls | None = None,
    *,
    log_throws_at: int | None = None,
    fuel: int | None = None,
    bounds: Bounds | None = None,
) -> Run:
    """What a module does in the interpreter, like :func:`corpus.engine.run_calls`."""
    try:
        session = Session(program, log_throws_at=log_throws_at, fuel=fuel, bounds=bounds)
    except (LinkError, Trap, WasmException) as error:
        return Run(error=f"instantiation: {error}")
    chosen = session.grid() if calls is None else calls
    return Run(tuple(session.call(name, args) for name, args in chosen))


def _host_value(value: object) -> str:
    [number] = [at for at, each in enumerate(_HOST_VALUES) if each is value]
    return f"host value {number}"


def in_words_of_v8(trap: Trap) -> str:
    """V8's message for a trap."""
    instruction = trap.frames[0].instruction if trap.frames else ""
    if trap.reason == "integer divide by zero" and ".rem_" in instruction:
        return "remainder by zero"
    if trap.reason == "integer overflow" and ".trunc_" in instruction:
        return "float unrepresentable in integer range"
    if instruction.startswith("array.") and instruction.endswith(("_data", "_elem")):
        segment = _SEGMENTS.get(trap.reason)
        if segment is not None:
            return segment
    if trap.reason.startswith("null "):
        return "dereferencing a null pointer"
    # What is limited here isn't there: fuel, say.
    return _WORDS_OF_V8.get(trap.reason, trap.reason)


class MemoryDigest:
    """A hash of a memory after each call; pages that a call left alone aren't hashed again."""

    def __init__(self) -> None:
        self._seen = bytearray()
        self._pages: list[str] = []

    def of(self, memory: bytearray) -> str:
        """Its size, and the hash."""
        seen, pages = self._seen, self._pages
        if memory != seen:
            del pages[len(memory) // _PAGE :]
            for number, at in enumerate(range(0, len(memory), _PAGE)):
                page = memory[at : at + _PAGE]
                if number == len(pages):
                    pages.append(_hashed(page))
                elif page != seen[at : at + _PAGE]:
                    pages[number] = _hashed(page)
            self._seen = bytearray(memory)
        return f"{len(memory)}:{_hashed(','.join(pages).encode())}"


def _hashed(data: bytes | bytearray) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def shown_by_javascript(value: float) -> str:
    """``String(value)``, but that zero keeps its sign.

    Source: ECMAScript, "Number::toString".
    """
    if math.isnan(value):
        return "NaN"
    if value in (math.inf, -math.inf):
        return "Infinity" if value > 0 else "-Infinity"
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if not value:
        return f"{sign}0"
    mantissa, _, exponent = format(Decimal(repr(abs(value))), "e").partition("e")
    digits = mantissa.replace(".", "").rstrip("0")
    # Where the point is, in digits from the first.
    point = int(exponent) + 1
    if len(digits) <= point <= 21:
        text = digits.ljust(point, "0")
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{digits}"
    else:
        rest = f".{digits[1:]}" if len(digits) > 1 else ""
        text = f"{digits[0]}{rest}e{point - 1:+d}"
    return sign + text
