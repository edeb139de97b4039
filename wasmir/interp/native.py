"""Native code: functions of integers alone, compiled by LLVM.

For who asks for it, ``Instance(module, native=True)``, and has `llvmlite
<https://llvmlite.readthedocs.io>`_. A function is compiled to native code if all that it does is
arithmetic on i32 and i64, access to a memory with addresses of 32 bits, and calls of such
functions; if not, or if there is no loop and no call in it, so that calling it would take longer
than evaluating it, it becomes Python as always. Both do the same, but for two things. How deep
calls may become: native code has the stack of C, of which it takes a mebibyte at most, and half of
what the thread has left. And nothing interrupts it: what never returns keeps Python's lock, so that
no other thread goes on and no signal is handled.

A function is compiled with all that it may call, as they are when it is called first.

:mod:`~wasmir.interp.native_code` emits.
"""

from __future__ import annotations

import ctypes
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from wasmir.errors import UnsupportedError
from wasmir.interp.c_stack import stack_end
from wasmir.interp.faults import Trap
from wasmir.interp.native_code import (
    FRAMES,
    GLOBALS,
    REASONS,
    SLOTS,
    NativeFunction,
    NotNativeError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from wasmir.interp.instance import Instance
    from wasmir.ir.function import Function

__all__ = ["Native", "NativeCode"]

_TELL = f"""
declare ptr @llvm.frameaddress.p0(i32)
define internal void @tell(ptr %c, i64 %function, i64 %place) noinline cold {{
%activeat = getelementptr i64, ptr %c, i64 {SLOTS["active"]}
%active = load i64, ptr %activeat
%full = icmp eq i64 %active, {FRAMES}
br i1 %full, label %done, label %more
more:
%high = shl i64 %function, 32
%both = or i64 %high, %place
%slot = add i64 %active, {SLOTS["frames"]}
%at = getelementptr i64, ptr %c, i64 %slot
store i64 %both, ptr %at
%next = add i64 %active, 1
store i64 %next, ptr %activeat
br label %done
done:
ret void
}}
"""
"""Writes down that a function is left because of a trap."""


class NativeCode:
    """A function's. ``members`` are those that it may call, it included."""

    def __init__(
        self, function: Function, members: dict[Function, NativeFunction], address: int
    ) -> None:
        """``address`` is where Python enters it."""
        self.function = function
        self.members = frozenset(members)
        params = [ctypes.c_uint64] * len(members[function].params)
        # It keeps Python's lock: no other thread sees what is half done.
        kind = ctypes.PYFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, *params)
        self.enter: Callable[..., int] = kind(address)
        #: Globals that are read, and those that are assigned to.
        self.globals: dict[Any, bool] = {}
        self.memory: Any = None
        for each in members.values():
            self.memory = each.memory or self.memory
            for global_, assigned in each.globals.items():
                self.globals[global_] = assigned or self.globals.get(global_, False)

    def bound(
        self, instance: Instance, replaced: Collection[Function]
    ) -> Callable[..., Any] | None:
        """The function of an instance, on values as compiled code has them; ``None`` where that
        replaces one that is called, or where two globals are one, which native code would have
        twice.
        """
        entities = [instance.entity(each) for each in self.globals]
        if not self.members.isdisjoint(replaced) or len({*map(id, entities)}) < len(entities):
            return None
        memory = None if self.memory is None else instance.entity(self.memory)
        slots = [GLOBALS + each._number for each in self.globals]
        read = list(zip(slots, entities, strict=True))
        written = [
            each for each, assigned in zip(read, self.globals.values(), strict=True) if assigned
        ]
        make = ctypes.c_uint64 * (max(slots, default=GLOBALS) + 1)
        calls, enter = instance.bounds.call_depth, self.enter
        has_result = bool(self.function.func_type.results)

        def native(*args: Any) -> Any:
            context = make()
            context[SLOTS["calls"]] = calls
            context[SLOTS["stack"]] = stack_end()
            data = b"" if memory is None else memory.data
            # What is exported can't move; nobody can make it grow while it is.
            exported = ctypes.c_char.from_buffer(data) if data else None
            if exported is not None:
                context[SLOTS["memory"]] = ctypes.addressof(exported)
                context[SLOTS["size"]] = len(data)
            for slot, global_ in read:
                context[slot] = global_.raw
            found = enter(context, *args)
            del exported
            for slot, global_ in written:
                global_.raw = context[slot]
            if context[SLOTS["reason"]]:
                raise _trap(instance, context)
            return found if has_result else None

        return native


def _trap(instance: Instance, context: Any) -> Trap:
    first = SLOTS["frames"]
    places = context[first : first + context[SLOTS["active"]]]
    frames = [instance.place(each >> 32, each & 0xFFFFFFFF) for each in places]
    return Trap(REASONS[context[SLOTS["reason"]]], frames)


class Native:
    """The native code of a program."""

    def __init__(self, *, everything: bool = False) -> None:
        """``everything`` is for tests: what is neither loop nor call is native, too.

        Raises ImportError where there is no llvmlite; UnsupportedError on machines on which bytes
        stand the other way round.
        """
        try:
            # It has no types, and isn't always there.
            binding: Any = import_module("llvmlite.binding")
        except ImportError as error:
            words = "native code needs llvmlite: pip install 'wasmir[native]'"
            raise ImportError(words, name=error.name) from None
        if sys.byteorder != "little":
            raise UnsupportedError("there is no native code on big-endian machines")
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        self._llvm = binding
        self._everything = everything
        self._emitted: dict[Function, NativeFunction | None] = {}
        self._addresses: dict[Function, int] = {}
        self._codes: dict[Function, NativeCode | None] = {}
        # What was compiled lives as long as these.
        self._engines: list[Any] = []

    def code(self, function: Function) -> NativeCode | None:
        """``None`` for what is better evaluated in Python."""
        if function not in self._codes:
            members = self._members(function)
            self._codes[function] = None if members is None else self._compiled(function, members)
        return self._codes[function]

    def _members(self, function: Function) -> dict[Function, NativeFunction] | None:
        """A function and all that it may call, if they can be native, and are worth it."""
        found: dict[Function, NativeFunction] = {}
        waiting = [function]
        worth = self._everything
        while waiting:
            each = waiting.pop()
            if each in found:
                continue
            emitted = self._emit(each)
            if emitted is None:
                return None
            found[each] = emitted
            worth = worth or emitted.loops or bool(emitted.calls)
            waiting += emitted.calls
        return found if worth else None

    def _emit(self, function: Function) -> NativeFunction | None:
        if function not in self._emitted:
            was_open = function.is_open
            body = function.body if was_open else function.expand()
            try:
                self._emitted[function] = NativeFunction(function, body)
            except NotNativeError:
                self._emitted[function] = None
            finally:
                if not was_open:
                    function.close()
        return self._emitted[function]

    def _compiled(self, function: Function, members: dict[Function, NativeFunction]) -> NativeCode:
        texts = [_TELL, members[function].entry()]
        for each, emitted in members.items():
            known = self._addresses.get(each)
            texts.append(emitted.text() if known is None else emitted.known(known))
        llvm = self._llvm
        # One for each engine, which it will belong to.
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten()
        )
        module = llvm.parse_assembly("\n".join(texts))
        module.triple = machine.triple
        module.verify()
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
        engine = llvm.create_mcjit_compiler(module, machine)
        engine.finalize_object()
        self._engines.append(engine)
        for each in members:
            if each not in self._addresses:
                self._addresses[each] = engine.get_function_address(f"f{each._number}")
        address = engine.get_function_address(f"enter{function._number}")
        return NativeCode(function, members, address)
