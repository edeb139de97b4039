"""What must hold for any bytes: a typed error that says where, or a module that comes back whole.

In time, too: :func:`watched` ends whatever goes on for longer than it may.
"""

from __future__ import annotations

import signal
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support import encoded, force, force_function, properties
from wasmir import (
    DialectWarning,
    InvalidError,
    MalformedError,
    Module,
    Pipeline,
    UnsupportedError,
    WasmError,
)
from wasmir.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wasmir import Function

KINDS: dict[type[WasmError] | None, str] = {
    None: "module",
    MalformedError: "malformed",
    InvalidError: "invalid",
    UnsupportedError: "unsupported",
}
PASSES = ("legacy-to-exnref", "exnref-to-legacy")
SECONDS = 1.0
"""What one small case may take; a hundred times what it does."""


class HangError(BaseException):
    """It took too long. Not an ``Exception``: nothing on the way may take it for its own."""


@contextmanager
def watched(seconds: float = SECONDS) -> Iterator[None]:
    """Raise HangError in what takes longer, counted in processor time, so that a busy machine
    makes no difference. Where there are no such timers (on Windows) nothing is watched.
    """
    if not hasattr(signal, "setitimer"):
        yield
        return

    def late(_number: int, _frame: object) -> None:
        raise HangError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def examine(data: bytes) -> str:
    """All that wasmir does with a module; the kind of outcome. Whatever shouldn't be comes out."""
    try:
        module = Module.from_bytes(data)
    except WasmError as error:
        return kind_of(error, data)
    first: WasmError | None = None
    valid = _check_verdict(data)
    for look in (_whole, _outlines, summarize):
        try:
            look(module)
        except WasmError as error:
            kind_of(error, data)
            first = first or error
        assert module.to_bytes() == data, f"{look.__name__} changed the module"
    assert first is None or not valid, f"valid, but it can't be read: {first}"
    for name in PASSES:
        module = Module.from_bytes(data)
        try:
            Pipeline.parse(name).run(module)
        except WasmError as error:
            # It may have been refused for what decoding doesn't notice: a pass knows the types.
            kind_of(error, data)
            assert module.to_bytes() == data, f"{name} failed, and changed the module"
        else:
            converted = module.to_bytes(keep_stale=True)
            _check_converted(name, converted, first)
            if valid:
                assert not _errors(converted), f"{name} made it invalid: {_errors(converted)}"
    return kind_of(first, data)


def _errors(data: bytes) -> list[WasmError]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DialectWarning)
        return list(Module.from_bytes(data).find_errors())


def _check_verdict(data: bytes) -> bool:
    """Whether the module is valid; what is wrong with it is told of as it should be."""
    found = _errors(data)
    for error in found:
        kind_of(error, data)
    return not found


def _check_converted(name: str, data: bytes, before: WasmError | None) -> None:
    """What was well-formed still is, and the pass finds nothing left to do. What was broken where
    the pass needn't look may be as broken as it was, or otherwise: a type that the pass adds may
    give a meaning to an index that had none, and what follows it comes to light.
    """
    after: WasmError | None = None
    try:
        again = Module.from_bytes(data)
        force(again)
        Pipeline.parse(name).run(again)
        assert again.to_bytes() == data
    except WasmError as error:
        after = error
    kind_of(after, data)
    assert after is None or before is not None, f"broken by {name}: {after}"


def kind_of(error: WasmError | None, data: bytes) -> str:
    """The name of an outcome. An error must have what an error needs."""
    if error is None:
        return KINDS[None]
    assert error.reason
    assert str(error).startswith(error.reason)
    offset = getattr(error, "offset", None)
    if isinstance(error, MalformedError):
        assert isinstance(offset, int), error
    assert offset is None or 0 <= offset <= len(data), f"{error}, in {len(data)} bytes"
    return KINDS[type(error)]


def defined(module: Module) -> list[Function]:
    return [function for function in module.functions if function.imported is None]


def _section_errors(module: Module) -> list[WasmError]:
    """What is wrong outside of bodies: what a body names something in may be read for its sake."""
    found = []
    for name in properties(module):
        try:
            getattr(module, name)
        except WasmError as error:
            found.append(error)
    return found


def _whole(module: Module) -> None:
    """Every thing and every instruction; each body, encoded from its tree, is what it was."""
    first: WasmError | None = None
    elsewhere = _section_errors(module)
    known = [str(error) for error in elsewhere]
    for function in defined(module):
        code = function.code
        try:
            force_function(function)
        except WasmError as error:
            first = first or error
            if not function.is_open and str(error) not in known:
                _check_place(error, function, len(code))
        if function.is_open:
            assert function.code == code, f"function {function}"
            assert encoded(function) == code, f"function {function}"
    try:
        force(module)
    except WasmError as error:
        elsewhere.append(error)
    for each in elsewhere:
        first = first or each
    if first is not None:
        raise first


def _check_place(error: WasmError, function: Function, size: int) -> None:
    """The tree itself couldn't be made, because of something in the function's code."""
    if isinstance(error, MalformedError):
        start = function.offset
        assert start <= error.offset <= start + size, f"{error}, in {function}"


def _outlines(module: Module) -> None:
    for name in ("try", "try_table"):
        for function in defined(module):
            function.close()
            code = function.code
            function.survey_with(name)
            assert function.code == code, f"outline of function {function}"
            function.close()


def refused(action: Callable[[], object]) -> WasmError:
    """The error that the action must raise."""
    try:
        action()
    except WasmError as error:
        return error
    raise AssertionError("accepted")
