"""Instances: a module with memory of its own, whose exports can be called.

Source: specification 3.0, Execution, "Modules", "Instantiation" and "Invocation".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, cast

from wasmir.interp.boundary import call, running
from wasmir.interp.core import table_bounds
from wasmir.interp.emit import MASKS
from wasmir.interp.entities import Func, Global, Memory, Table, Tag, Tail
from wasmir.interp.faults import LinkError, StackFrame
from wasmir.interp.heap import tester
from wasmir.interp.limits import Bounds, Fuel
from wasmir.interp.link import linked
from wasmir.interp.memory import bounds as memory_bounds
from wasmir.interp.program import BUILTINS, Program
from wasmir.ir.function import Function
from wasmir.types import GlobalType, TableType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wasmir.ir.const import Const
    from wasmir.ir.module import Module
    from wasmir.ir.segment import Element

__all__ = ["Exports", "Instance"]


class Exports(Mapping[str, Any]):
    """What an instance exports, by name: :class:`Func`, :class:`Memory`, :class:`Table`,
    :class:`Global`, :class:`Tag`.
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._entities = {each.name: each.entity for each in instance.module.exports}

    def __getitem__(self, name: str) -> Any:
        return self._instance.entity(self._entities[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._entities)

    def __len__(self) -> int:
        return len(self._entities)


class Instance:
    """An instance of a module.

    ``imports`` has for each module name an instance, or what there is by name: Python callables,
    :class:`Func`, :class:`Memory`, :class:`Table`, :class:`Global` (a mere value will do), and
    :class:`Tag`. See :mod:`wasmir.interp.values` for what values look like.

    ``fuel`` is how much may be executed, about one for each instruction; without it there is no
    end. ``trace`` is called before each instruction, with its function and the instruction or node
    of the tree. Either makes code slower. ``native`` makes functions of integers alone much faster:
    they are compiled by LLVM, which needs ``wasmir[native]``; nothing interrupts them, not even
    Ctrl-C, see :mod:`wasmir.interp.native`.

    The module is read as it is in memory, functions when they are first called. Unless ``validate``
    is false it is validated first. ``replaced`` are functions of the module and what is called in
    their place, with values as compiled code has them. To make several instances, give a
    :class:`Program` instead: what was compiled for one is there for the others.

    Raises LinkError, Trap, what an import raised; MalformedError and InvalidError.
    """

    def __init__(
        self,
        module: Module | Program,
        imports: Mapping[str, Any] | None = None,
        *,
        fuel: int | None = None,
        bounds: Bounds | None = None,
        trace: Callable[[Function, Any], None] | None = None,
        validate: bool = True,
        native: bool = False,
        replaced: Mapping[Function, Callable[..., Any]] | None = None,
    ) -> None:
        if not isinstance(module, Program):
            module = Program(
                module,
                validate=validate,
                fuel=fuel is not None,
                trace=trace is not None,
                native=native,
            )
        elif native and module.native is None:
            raise ValueError("the program wasn't made for native code")
        elif (fuel is not None and not module.fuel) or (trace is not None and not module.trace):
            raise ValueError("the program wasn't made for limited fuel, or for traces")
        self.program = module
        self.module: Module = module.module
        self.bounds = Bounds() if bounds is None else bounds
        self._fuel = Fuel((1 << 62) if fuel is None else fuel)
        self._entities: dict[Any, Any] = {}
        self._elements: dict[int, Sequence[Any]] = {}
        self._data: dict[int, bytes] = {}
        self._space: dict[str, Any] = {
            "__builtins__": BUILTINS,
            "I": self,
            "F": self._fuel,
            "L": self.bounds,
            "S": self._elements,
            "D": self._data,
        }
        if module.trace:
            self._space["trace"] = self._tracer(trace)
        self.exports = Exports(self)
        # Functions by the names that they were invoked under.
        self._invoked: dict[str, Func] = {}
        given = {} if imports is None else imports
        for import_ in self.module.imports:
            self._entities[import_.entity] = linked(import_, given, module.types)
        self._replaced = frozenset(() if replaced is None else replaced)
        for function, instead in ({} if replaced is None else replaced).items():
            type_ = module.types[function.type]
            self._entities[function] = Func(type_, instead, str(function))
        self._allocate()
        self._initialize()

    @property
    def fuel(self) -> int:
        """What is left; assignable."""
        return self._fuel.left

    @fuel.setter
    def fuel(self, left: int) -> None:
        self._fuel.left = left

    def invoke(self, name: str, *args: Any) -> Any:
        """Call an exported function: no result is ``None``, several are a tuple.

        Raises Trap, WasmException, or what an import raised; LinkError where no function is
        exported under that name; TypeError, ValueError where the arguments are none that it takes.
        """
        function = self._invoked.get(name)
        if function is None:
            function = self.exports.get(name)
            if not isinstance(function, Func):
                raise LinkError(f"no function is exported as {name!r}")
            self._invoked[name] = function
        return call(function, args)

    # Entities

    def entity(self, entity: Any) -> Any:
        """What stands for an entity of the module here."""
        found = self._entities.get(entity)
        if found is None and isinstance(entity, Function):
            found = self._function(entity)
        return found

    def _allocate(self) -> None:
        module, types = self.module, self.program.types
        entities, bounds = self._entities, self.bounds
        for tag in module.tags:
            if tag.imported is None:
                entities[tag] = Tag(types[tag.type], str(tag))
        for memory in module.memories:
            if memory.imported is None:
                entities[memory] = Memory(memory.type, bounds.memory)
        for global_ in module.globals:
            if global_.imported is None:
                type_ = GlobalType(types.value(global_.type.type), global_.type.mutable)
                made = entities[global_] = Global.__new__(Global)
                made.type = type_
                made.raw = self._evaluate(cast("Const", global_.init))
        for table in module.tables:
            if table.imported is None:
                kind = TableType(types.value(table.type.element), table.type.limits)  # type: ignore[arg-type]
                init = None if table.init is None else self._evaluate(table.init)
                entities[table] = Table(kind, init, bounds.table)

    def _initialize(self) -> None:
        module, entities = self.module, self._entities
        for element in module.elements:
            self._elements[element._number] = self._items(element)
        for data in module.data:
            self._data[data._number] = data.init
        for element in module.elements:
            if element.offset is not None:
                target = entities[element.table].elements
                items = self._elements[element._number]
                start = self._evaluate(element.offset)
                table_bounds(start, len(items), len(target))
                target[start : start + len(items)] = items
            if element.offset is not None or element.declarative:
                self._elements[element._number] = ()
        for data in module.data:
            if data.offset is not None:
                memory = entities[data.memory].data
                init = self._data[data._number]
                start = self._evaluate(data.offset)
                memory_bounds(start, len(init), len(memory))
                memory[start : start + len(init)] = init
                self._data[data._number] = b""
        if module.start is not None:
            call(self.entity(module.start), ())

    def _items(self, element: Element) -> list[Any]:
        return [
            self.entity(item) if isinstance(item, Function) else self._evaluate(item)
            for item in element.items
        ]

    def _evaluate(self, const: Const) -> Any:
        """A constant expression. The simple ones are most."""
        instrs = const.instrs
        if len(instrs) == 1:
            [instr] = instrs
            name = instr.row.name
            if name in ("i32.const", "i64.const"):
                mask = int(MASKS[32 if name == "i32.const" else 64])
                return instr.immediates[0] & mask
            if name == "ref.null":
                return None
            if name == "ref.func":
                return self.entity(instr.immediates[0])
            if name == "global.get":
                return self._entities[instr.immediates[0]].raw
        code = self.program.const(const)
        return running(self._bound(code.code, code.names), [])

    # Functions

    def _function(self, function: Function) -> Func:
        made = self._entities[function] = Func(
            self.program.types[function.type], _not_yet, str(function)
        )
        made.call_depth = self.bounds.call_depth

        def compiled() -> None:
            if made.call is stub:
                self._compile(function, made)

        def stub(*args: Any) -> Any:
            compiled()
            return made.call(*args)

        def stub_of_body(*args: Any) -> Any:
            compiled()
            return made.body(*args)

        made.call = stub
        made.body = stub_of_body
        return made

    def _compile(self, function: Function, made: Func) -> None:
        native = self.program.native
        compiled = None if native is None else native.code(function)
        bound = None if compiled is None else compiled.bound(self, self._replaced)
        if bound is None:
            code = self.program.code(function)
            made.body = self._bound(code.code, code.names)
            made.call = _looping(made.body) if code.tails else made.body
        else:
            made.body = made.call = bound
        self._space[f"f{function._number}"] = made.call

    def _bound(self, code: Any, names: list[str]) -> Callable[..., Any]:
        """A function of Python's that finds what it names."""
        space = self._space
        for name in names:
            if name not in space:
                space[name] = self._named(name)
        return FunctionType(code, space)

    def _named(self, name: str) -> Any:
        sort = name[0]
        if sort == "q":
            return tester(self.program.tested(name))
        number = int(name[1:])
        module = self.module
        if sort == "y":
            return self.program.types[_of(module.types, number)]
        space, attribute = _SORTS[sort]
        found = self.entity(_of(module.space(space), number))
        return found if attribute is None else getattr(found, attribute)

    # Traces and places

    def _tracer(self, trace: Callable[[Function, Any], None] | None) -> Callable[[int, int], None]:
        known: dict[int, tuple[Function, Sequence[Any]]] = {}

        def traced(number: int, ordinal: int) -> None:
            if trace is None:
                return
            found = known.get(number)
            if found is None:
                function = _of(self.module.functions, number)
                found = known[number] = function, self.program.instructions_of(function)
            trace(found[0], found[1][ordinal])

        return traced

    def frame_at(self, number: int, line: int) -> StackFrame:
        """Where a function is, by the line of its source."""
        function: Function = _of(self.module.functions, number)
        ordinal = self.program.code(function).ordinal(line)
        if ordinal is None:
            return StackFrame(str(function), None, "")
        return self.place(number, ordinal)

    def place(self, number: int, ordinal: int) -> StackFrame:
        """Where a function is, by the number of an instruction in wire order."""
        function: Function = _of(self.module.functions, number)
        program = self.program
        return StackFrame(
            str(function), program.offset(function, ordinal), program.mnemonic(function, ordinal)
        )


_SORTS: dict[str, tuple[str, str | None]] = {
    "f": ("func", "call"),
    "r": ("func", None),
    "m": ("memory", "data"),
    "M": ("memory", None),
    "T": ("table", "elements"),
    "E": ("table", None),
    "g": ("global", "raw"),
    "G": ("global", None),
    "X": ("tag", None),
}
"""What names in emitted code stand for, by their first letter: an index space, and what of it."""


def _of(space: Any, number: int) -> Any:
    return space.numbered(number)


def _not_yet(*_args: Any) -> Any:
    raise AssertionError


def _looping(body: Callable[..., Any]) -> Callable[..., Any]:
    """A function that may ask for another call in its place."""

    def looping(*args: Any) -> Any:
        found = body(*args)
        while found.__class__ is Tail:
            found = found.func.body(*found.args)
        return found

    return looping
