"""One function as LLVM's text, if it is of integers alone.

Locals, and what labels get, stand in variables in memory; LLVM makes registers of them. Each
function takes the *context*, an array of ``i64``, before its parameters; see the slots below. One
that traps says so there, with its place, and gives zero; who called it does the same, until nobody
is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir.interp.native_ops import OPERATIONS, OUT_OF_BOUNDS, OVERFLOW, ZERO
from wasmir.interp.shapes import Analysis, Shape
from wasmir.ir.code import (
    Block,
    Body,
    Br,
    BrIf,
    BrTable,
    If,
    Instr,
    Label,
    Loop,
    Structured,
    terminates,
)
from wasmir.ir.memory import Memory
from wasmir.types import NumType

if TYPE_CHECKING:
    from wasmir.ir.function import Function
    from wasmir.types import ValType

__all__ = ["FRAMES", "GLOBALS", "REASONS", "SLOTS", "NativeFunction", "NotNativeError"]

REASONS = ("", "unreachable", ZERO, OVERFLOW, OUT_OF_BOUNDS, "call stack exhausted")
"""By the number that says of a context why it trapped."""

FRAMES = 100
"""Of how many active functions the places are told."""

SLOTS = {"reason": 0, "stack": 1, "calls": 2, "memory": 3, "size": 4, "active": 5, "frames": 6}
"""Where in a context stands: the number of the reason of a trap; the lowest address that the stack
of C may come to (where it ends, as long as nothing was entered); how many calls more may be active;
where the memory is, and how many bytes it has; how many places follow, and they."""

GLOBALS = SLOTS["frames"] + FRAMES
"""The first slot of the module's globals."""

# Bytes of the stack of C that calls may take, where that isn't smaller than usual.
_STACK = 1 << 20

_TYPES = {NumType.I32: "i32", NumType.I64: "i64"}


class NotNativeError(Exception):
    """There is something else than integers in a function."""


def _types(types: tuple[ValType, ...]) -> list[str]:
    try:
        return [_TYPES[each] for each in types]  # type: ignore[index]
    except KeyError:
        raise NotNativeError from None


def _slot(name: str) -> str:
    return f"getelementptr i64, ptr %c, i64 {SLOTS[name]}"


class _Target:
    """Where branches to a label go, and the variables for what they take along."""

    __slots__ = ("block", "slots")

    def __init__(self, block: str, slots: list[tuple[str, str]]) -> None:
        self.block = block
        self.slots = slots


class _Frame:
    """A structured instruction, or the body, that is being emitted."""

    __slots__ = ("at", "base", "end", "items", "node", "ordinal", "params", "part", "shape")

    def __init__(self, node: Label, shape: Shape, base: int, end: _Target) -> None:
        self.node = node
        self.shape = shape
        self.base = base
        self.end = end
        self.params: list[tuple[str, str]] = []
        self.part = -1
        self.next_part()

    def next_part(self) -> bool:
        self.part += 1
        if self.part == len(self.shape.parts):
            return False
        self.items = self.shape.parts[self.part]
        self.ordinal = self.shape.starts[self.part]
        self.at = 0
        return True


class NativeFunction:
    """The text of a function. Raises NotNativeError for one that isn't of integers alone."""

    def __init__(self, function: Function, body: Body) -> None:
        type_ = function.func_type
        if len(type_.results) > 1:
            raise NotNativeError
        self.function = function
        self.params = _types(type_.params)
        #: Empty for none.
        self.result = "".join(_types(type_.results))
        #: What it calls, in order.
        self.calls: dict[Function, None] = {}
        #: Globals that it mentions, and whether it assigns to them.
        self.globals: dict[Any, bool] = {}
        self.memory: Memory | None = None
        self.loops = False
        self._lines: list[str] = []
        self._variables: list[str] = []
        self._stack: list[tuple[str, str]] = []
        self._names = 0
        self._block = "begin"
        self._reachable = True
        self._ordinal = 0
        self._targets: dict[Label, _Target] = {}
        self._reached: set[str] = set()
        # Blocks that a trap, or a callee's, is left by: the block, its reason, its place.
        self._traps: list[tuple[str, int, int]] = []
        self._unwinds: list[tuple[str, int]] = []
        self._locals = [*self.params]
        for count, local in body.local_groups:
            self._locals += _types((local,)) * count
        self._body = body
        self._emit(Analysis(body))

    @property
    def name(self) -> str:
        return f"@f{self.function._number}"

    # What rules ask for

    def pop(self) -> tuple[str, str]:
        return self._stack.pop()

    def push(self, type_: str, text: str) -> None:
        self._stack.append((type_, text))

    def line(self, text: str) -> None:
        self._lines.append(text)

    def value(self, text: str) -> str:
        name = self._name("%v")
        self.line(f"{name} = {text}")
        return name

    def trap_if(self, condition: str, reason: str) -> None:
        self._traps.append((self._block, REASONS.index(reason), self._ordinal))
        ahead = self._name("b")
        self.line(f"br i1 {condition}, label %trap, label %{ahead}")
        self._start(ahead)

    def place(self, base: str, offset: int, size: str) -> str:
        at = self.value(base)
        if offset:
            at = self.value(f"add i64 {at}, {offset}")
        end = self.value(f"add i64 {at}, {size}")
        self.trap_if(self.value(f"icmp ugt i64 {end}, %size"), OUT_OF_BOUNDS)
        return self.value(f"getelementptr i8, ptr %memory, i64 {at}")

    # Text

    def _name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def _start(self, block: str) -> None:
        self.line(f"{block}:")
        self._block = block
        self._reachable = True

    def _target(self, types: list[str]) -> _Target:
        slots = [(type_, self._name("%s")) for type_ in types]
        self._variables += [f"{name} = alloca {type_}" for type_, name in slots]
        return _Target(self._name("b"), slots)

    def _store(self, values: list[tuple[str, str]], target: _Target) -> None:
        for (type_, text), (_, slot) in zip(values, target.slots, strict=True):
            self.line(f"store {type_} {text}, ptr {slot}")
        self._reached.add(target.block)

    def _load(self, target: _Target) -> None:
        for type_, slot in target.slots:
            self.push(type_, self.value(f"load {type_}, ptr {slot}"))

    def _top(self, target: _Target) -> list[tuple[str, str]]:
        return self._stack[len(self._stack) - len(target.slots) :]

    def _go(self, target: _Target) -> None:
        """Branch with the operands on the stack."""
        self._store(self._top(target), target)
        self.line(f"br label %{target.block}")
        self._reachable = False

    # Control flow

    def _emit(self, analysis: Analysis) -> None:
        shapes, body = analysis.shapes, self._body
        end = self._targets[body] = self._target([self.result] if self.result else [])
        frames = [_Frame(body, shapes[body], 0, end)]
        while frames:
            frame = frames[-1]
            if frame.at == len(frame.items) or not self._reachable:
                if self._close(frame):
                    frames.pop()
                continue
            item = frame.items[frame.at]
            frame.at += 1
            self._ordinal = frame.ordinal
            if isinstance(item, Structured):
                frame.ordinal += shapes[item].size
                frames.append(self._open(item, shapes[item]))
                continue
            frame.ordinal += 1
            if item.__class__ is Instr:
                self._instruction(item)
            else:
                self._branch(item)
        self._leave()

    def _open(self, node: Structured, shape: Shape) -> _Frame:
        if not isinstance(node, (Block, Loop, If)):
            raise NotNativeError
        end = self._target(_types(node.type.results))
        condition = self._bit(self.pop()[1]) if isinstance(node, If) else ""
        count = len(node.type.params)
        frame = _Frame(node, shape, len(self._stack) - count, end)
        frame.params = self._stack[frame.base :]
        self._targets[node] = end
        if isinstance(node, Loop):
            self.loops = True
            head = self._targets[node] = self._target(_types(node.type.params))
            self._go(head)
            del self._stack[frame.base :]
            self._start(head.block)
            self._load(head)
        elif condition:
            then = self._name("b")
            self.line(f"br i1 {condition}, label %{then}, label %else.{end.block}")
            self._start(then)
        return frame

    def _close(self, frame: _Frame) -> bool:
        """Whether all of an instruction is done, of which a part is."""
        if self._reachable:
            self._go(frame.end)
        del self._stack[frame.base :]
        if isinstance(frame.node, If) and not frame.part:
            self._start(f"else.{frame.end.block}")
            self._stack += frame.params
            if frame.next_part():
                return False
            self._go(frame.end)
            del self._stack[frame.base :]
        if frame.end.block in self._reached:
            self._start(frame.end.block)
            self._load(frame.end)
        return True

    def _bit(self, text: str) -> str:
        return self.value(f"icmp ne i32 {text}, 0")

    def _branch(self, item: Any) -> None:
        if isinstance(item, BrIf):
            condition = self._bit(self.pop()[1])
            target = self._targets[item.label]
            self._store(self._top(target), target)
            ahead = self._name("b")
            self.line(f"br i1 {condition}, label %{target.block}, label %{ahead}")
            self._start(ahead)
        elif isinstance(item, Br):
            self._go(self._targets[item.label])
        elif isinstance(item, BrTable):
            _, index = self.pop()
            *targets, default = [self._targets[label] for label in item.labels]
            # All labels get the operands: where they aren't branched to they are lost.
            for target in {each.block: each for each in (*targets, default)}.values():
                self._store(self._top(target), target)
            cases = [f"i32 {at}, label %{each.block}" for at, each in enumerate(targets)]
            self.line(f"switch i32 {index}, label %{default.block} [{' '.join(cases)}]")
            self._reachable = False
        else:
            raise NotNativeError

    def _leave(self) -> None:
        """Behind the body, and what traps are left by."""
        value = f" {self.result} {self._stack[0][1]}" if self.result and self._reachable else ""
        if self._reachable:
            self.line("store i64 %calls, ptr %callsat")
            self.line(f"ret{value or ' void'}")
        if self._traps:
            reasons = ", ".join(f"[{reason}, %{block}]" for block, reason, _ in self._traps)
            places = ", ".join(f"[{place}, %{block}]" for block, _, place in self._traps)
            self.line("trap:")
            self.line(f"%reason = phi i64 {reasons}")
            self.line(f"%trapped = phi i64 {places}")
            self.line("store i64 %reason, ptr %c")
            self.line("br label %unwind")
        if self._traps or self._unwinds:
            ways = [f"[{place}, %{block}]" for block, place in self._unwinds]
            ways += ["[%trapped, %trap]"] * bool(self._traps)
            self.line("unwind:")
            self.line(f"%place = phi i64 {', '.join(ways)}")
            number = self.function._number
            self.line(f"call void @tell(ptr %c, i64 {number}, i64 %place)")
            self.line(f"ret {self.result} 0" if self.result else "ret void")

    # Instructions

    def _instruction(self, item: Instr) -> None:
        name, immediates = item.row.name, item.immediates
        rule = OPERATIONS.get(name)
        if rule is not None:
            self._memories(immediates)
            rule(self, immediates)
        elif name in ("i32.const", "i64.const"):
            self.push(name[:3], str(immediates[0]))
        elif name[:6] == "local.":
            self._local(name[6:], immediates[0])
        elif name[:7] == "global.":
            self._global(name[7:], immediates[0])
        elif name == "call":
            self._call(immediates[0])
        elif name == "drop":
            self.pop()
        elif name in ("select", "select t"):
            condition = self._bit(self.pop()[1])
            (type_, second), (_, first) = self.pop(), self.pop()
            chosen = f"select i1 {condition}, {type_} {first}, {type_} {second}"
            self.push(type_, self.value(chosen))
        elif name == "return":
            self._go(self._targets[self._body])
        elif name == "unreachable":
            self.trap_if("true", name)
            self.line("unreachable")
        elif name != "nop":
            raise NotNativeError
        if terminates(item):
            self._reachable = False

    def _memories(self, immediates: tuple[Any, ...]) -> None:
        """There is one, with addresses of 32 bits."""
        for each in immediates:
            memory = getattr(each, "memory", each)
            if isinstance(memory, Memory):
                if memory.type.limits.address is not NumType.I32 or memory._number:
                    raise NotNativeError
                self.memory = memory

    def _local(self, what: str, number: int) -> None:
        type_ = self._locals[number]
        if what == "get":
            self.push(type_, self.value(f"load {type_}, ptr %l{number}"))
            return
        text = self._stack[-1][1]
        self.line(f"store {type_} {text}, ptr %l{number}")
        if what == "set":
            self.pop()

    def _global(self, what: str, global_: Any) -> None:
        [type_] = _types((global_.type.type,))
        slot = GLOBALS + global_._number
        at = self.value(f"getelementptr i64, ptr %c, i64 {slot}")
        if what == "get":
            self.globals.setdefault(global_, False)
            self.push(type_, self.value(f"load {type_}, ptr {at}"))
            return
        self.globals[global_] = True
        text = self.pop()[1]
        if type_ == "i32":
            text = self.value(f"zext i32 {text} to i64")
        self.line(f"store i64 {text}, ptr {at}")

    def _call(self, function: Function) -> None:
        type_ = function.func_type
        if function.imported is not None or len(type_.results) > 1:
            raise NotNativeError
        self.calls[function] = None
        result = "".join(_types(type_.results))
        operands = [self.pop() for _ in type_.params][::-1]
        shown = "".join([f", {each} {text}" for each, text in operands])
        call = f"call {result or 'void'} @f{function._number}(ptr %c{shown})"
        if result:
            self.push(result, self.value(call))
        else:
            self.line(call)
        bad = self.value(f"icmp ne i64 {self.value('load i64, ptr %c')}, 0")
        self._unwinds.append((self._block, self._ordinal))
        ahead = self._name("b")
        self.line(f"br i1 {bad}, label %unwind, label %{ahead}")
        self._start(ahead)

    # The whole

    def text(self) -> str:
        """Its definition."""
        result = self.result or "void"
        shown = "".join([f", {type_} %p{at}" for at, type_ in enumerate(self.params)])
        lines = [f"define {result} {self.name}(ptr %c{shown}) {{", *self._variables]
        for at, type_ in enumerate(self._locals):
            value = f"%p{at}" if at < len(self.params) else "0"
            lines += [f"%l{at} = alloca {type_}", f"store {type_} {value}, ptr %l{at}"]
        lines += [
            f"%callsat = {_slot('calls')}",
            "%calls = load i64, ptr %callsat",
            f"%lowestat = {_slot('stack')}",
            "%lowest = load i64, ptr %lowestat",
            "%here = call ptr @llvm.frameaddress.p0(i32 0)",
            "%stack = ptrtoint ptr %here to i64",
            "%low = icmp ult i64 %stack, %lowest",
            "%many = icmp eq i64 %calls, 0",
            "%exhausted = or i1 %low, %many",
            "br i1 %exhausted, label %exhaust, label %begin",
            "exhaust:",
            f"store i64 {len(REASONS) - 1}, ptr %c",
            f"ret {result} 0" if self.result else "ret void",
            "begin:",
            "%left = sub i64 %calls, 1",
            "store i64 %left, ptr %callsat",
        ]
        if self.memory is not None:
            lines += [
                f"%memoryat = {_slot('memory')}",
                "%memory = load ptr, ptr %memoryat",
                f"%sizeat = {_slot('size')}",
                "%size = load i64, ptr %sizeat",
            ]
        return "\n".join([*lines, *self._lines, "}", ""])

    def known(self, address: int) -> str:
        """Its definition where it was compiled before, and stands at an address."""
        result = self.result or "void"
        shown = "".join([f", {type_} %p{at}" for at, type_ in enumerate(self.params)])
        there = f"call {result} inttoptr (i64 {address} to ptr)(ptr %c{shown})"
        last = f"%r = {there}\nret {result} %r" if self.result else f"{there}\nret void"
        return f"define internal {result} {self.name}(ptr %c{shown}) {{\n{last}\n}}\n"

    def entry(self) -> str:
        """What Python calls: all as ``i64``. How deep the stack may become is told from here."""
        number = self.function._number
        shown = "".join([f", i64 %a{at}" for at in range(len(self.params))])
        lines = [
            f"define i64 @enter{number}(ptr %c{shown}) {{",
            "%here = call ptr @llvm.frameaddress.p0(i32 0)",
            "%top = ptrtoint ptr %here to i64",
            f"%at = {_slot('stack')}",
            "%end = load i64, ptr %at",
            "%room = sub i64 %top, %end",
            # A frame goes on below the address that is asked about: half of the room is left to it.
            "%half = lshr i64 %room, 1",
            f"%depth = call i64 @llvm.umin.i64(i64 %half, i64 {_STACK})",
            "%lowest = sub i64 %top, %depth",
            "store i64 %lowest, ptr %at",
        ]
        passed = ""
        for at, type_ in enumerate(self.params):
            name = f"%a{at}"
            if type_ == "i32":
                lines.append(f"%n{at} = trunc i64 %a{at} to i32")
                name = f"%n{at}"
            passed += f", {type_} {name}"
        call = f"call {self.result or 'void'} {self.name}(ptr %c{passed})"
        if not self.result:
            lines += [call, "ret i64 0"]
        elif self.result == "i32":
            lines += [f"%r = {call}", "%w = zext i32 %r to i64", "ret i64 %w"]
        else:
            lines += [f"%r = {call}", "ret i64 %r"]
        return "\n".join([*lines, "}", ""])
