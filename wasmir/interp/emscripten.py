"""What Emscripten's JavaScript does for modules without handlers of their own.

A call in which something may be thrown is one of an import there: ``invoke_vi(f, x)`` calls the
table's element ``f``, and if that throws it puts the stack pointer back, and tells the program by
``setThrew(1, 0)``; the program looks, and asks which of its handlers it is for by other imports.

Source: Emscripten 4, ``src/lib/libexceptions.js`` and ``libcore.js``. Handlers fit the very type
that was thrown, or all: which types are bases of which only the program knows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wasmir.interp.entities import Func, Global, Table
from wasmir.interp.faults import Foreign, Trap
from wasmir.interp.heap import default

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir.interp.instance import Instance

__all__ = ["Emscripten", "EmscriptenException"]

_INVOKE = re.compile(r"invoke_[a-z]+")
_MATCHING = re.compile(r"__cxa_find_matching_catch_\d+")


class EmscriptenException(Exception):  # noqa: N818 - what is thrown need be no error
    """What unwinds a program whose exceptions are JavaScript's: one of C++, or a ``longjmp``."""

    def __init__(self, pointer: int | None, type_: int = 0) -> None:
        """``pointer`` is where the exception's object is, ``None`` for a ``longjmp``; ``type_`` is
        the address of its type information.
        """
        super().__init__(pointer)
        self.pointer = pointer
        self.type = type_

    def __str__(self) -> str:
        return "longjmp" if self.pointer is None else f"C++ exception at {self.pointer:#x}"


class Emscripten:
    """The state of one instance's exceptions."""

    def __init__(self) -> None:
        self._instance: Instance | None = None
        #: The one that was thrown last.
        self._last: EmscriptenException | None = None
        self._caught: list[EmscriptenException] = []
        self._second = 0

    def connect(self, instance: Instance) -> None:
        """Say whose imports these are."""
        self._instance = instance

    def function(self, name: str) -> Callable[..., Any] | None:
        """What an import does, with values as compiled code has them; ``None`` where it is none of
        these.
        """
        if _INVOKE.fullmatch(name):
            return self._invoke
        if _MATCHING.fullmatch(name):
            return self._matching
        found: dict[str, Callable[..., Any]] = {
            "__cxa_throw": self._throw,
            "__cxa_rethrow": self._rethrow,
            "__resumeException": self._resume,
            "__cxa_begin_catch": self._begin,
            "__cxa_end_catch": self._end,
            "_emscripten_throw_longjmp": self._jump,
            "emscripten_longjmp": self._jump,
            "llvm_eh_typeid_for": lambda type_: type_,
            "getTempRet0": lambda: self._second,
            "setTempRet0": self._set_second,
        }
        return found.get(name)

    # Calls

    def _invoke(self, index: int, *args: Any) -> Any:
        instance = self._connected()
        table = instance.exports.get("__indirect_function_table")
        if not isinstance(table, Table):
            table = instance.entity(instance.module.tables[0])
        if index >= len(table.elements):
            raise Trap("undefined element")
        function = table.elements[index]
        if function is None:
            raise Trap("uninitialized element")
        before = self._stack()
        try:
            return function.call(*args)
        except Foreign as foreign:
            if not isinstance(foreign.exception, EmscriptenException):
                raise
        if before is not None:
            self._set_stack(before)
        self._export("setThrew", 1, 0)
        results = function.type.results
        return default(results[0]) if results else None

    def _connected(self) -> Instance:
        if self._instance is None:
            raise Trap("Emscripten's imports are called before there is an instance")
        return self._instance

    def _export(self, name: str, *args: int) -> Any:
        """Call an export of the program's runtime, if it has it."""
        found = self._connected().exports.get(name)
        return found.call(*args) if isinstance(found, Func) else None

    def _pointer(self) -> Global | None:
        instance = self._connected()
        for global_ in instance.module.globals:
            imported = global_.imported
            if "__stack_pointer" in (global_.name, None if imported is None else imported.name):
                found: Global = instance.entity(global_)
                return found
        return None

    def _stack(self) -> int | None:
        found: int | None = self._export("emscripten_stack_get_current")
        if found is None:
            pointer = self._pointer()
            found = None if pointer is None else pointer.raw
        return found

    def _set_stack(self, to: int) -> None:
        if "_emscripten_stack_restore" in self._connected().exports:
            self._export("_emscripten_stack_restore", to)
        else:
            pointer = self._pointer()
            if pointer is not None:
                pointer.raw = to

    # Exceptions

    def _throw(self, pointer: int, type_: int = 0, *_destructor: int) -> None:
        self._last = EmscriptenException(pointer, type_)
        raise Foreign(self._last)

    def _rethrow(self) -> None:
        if not self._caught:
            raise Trap("no exception to throw again")
        self._last = self._caught[-1]
        raise Foreign(self._last)

    def _resume(self, pointer: int) -> None:
        if self._last is None or self._last.pointer != pointer:
            self._last = EmscriptenException(pointer)
        raise Foreign(self._last)

    def _jump(self, *_: int) -> None:
        raise Foreign(EmscriptenException(None))

    def _matching(self, *_types: int) -> int:
        """Where the exception is; its type, which the program compares with its handlers', is to be
        had by another call.
        """
        last = self._last
        if last is None or last.pointer is None:
            self._set_second(0)
            return 0
        self._set_second(last.type)
        return last.pointer

    def _set_second(self, value: int) -> None:
        self._second = value
        for name in ("_emscripten_tempret_set", "__set_temp_ret"):
            self._export(name, value)

    def _begin(self, pointer: int) -> int:
        if self._last is not None:
            self._caught.append(self._last)
        return pointer

    def _end(self) -> None:
        if self._caught:
            self._caught.pop()
