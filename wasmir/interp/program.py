"""A module as code of Python's: what instances share."""

from __future__ import annotations

from types import CodeType
from typing import TYPE_CHECKING, Any

from wasmir.errors import UnsupportedError
from wasmir.interp import core, gc, memory, numeric, vector
from wasmir.interp.control import NESTED, FunctionEmitter
from wasmir.interp.emit import RULES, Emitter
from wasmir.interp.faults import Thrown
from wasmir.interp.heap import Types
from wasmir.interp.limits import starve
from wasmir.interp.shapes import Analysis
from wasmir.ir.place import row_of
from wasmir.ir.walk import instructions
from wasmir.types import Concrete

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wasmir.interp.native import Native
    from wasmir.ir.code import Instr
    from wasmir.ir.const import Const
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module
    from wasmir.types import HeapType

__all__ = ["BUILTINS", "Code", "Program"]

BUILTINS: dict[str, Any] = {
    **numeric.HELPERS,
    **memory.HELPERS,
    **core.HELPERS,
    **gc.HELPERS,
    **vector.HELPERS,
    "Thrown": Thrown,
    "starve": starve,
}
"""All that emitted code can name, but for what is the instance's. It takes the place of
Python's own built-in functions there."""

# What has no number of its own: it separates or ends parts of what has.
_DELIMITERS = frozenset({"else", "end", "catch", "catch_all", "delegate"})


class Code:
    """A function's, or a constant expression's."""

    __slots__ = ("code", "function", "names", "source", "tails")

    def __init__(self, source: str, emitter: Emitter, function: Function | None) -> None:
        self.source = source
        self.names = sorted(emitter.names)
        #: Whether it may give a call that is to be made in its place.
        self.tails = emitter.tails
        self.function = function
        try:
            module = compile(source, f"<wasm function {emitter.number}>", "exec", dont_inherit=True)
        except (RecursionError, MemoryError, SyntaxError) as error:
            what = "a constant expression" if function is None else str(function)
            raise UnsupportedError(f"Python can't compile this code: {error}", what) from None
        [self.code] = [each for each in module.co_consts if isinstance(each, CodeType)]

    def ordinal(self, line: int) -> int | None:
        """The number of the instruction, in wire order, that a line of the source is from."""
        lines = self.source.split("\n")
        for at in range(min(line, len(lines)) - 1, 0, -1):
            if lines[at - 1][:1] == "#":
                return int(lines[at - 1][1:])
        return None


class Program:
    """A module, of which each function is compiled when it is first called, by whatever instance;
    as it is at that time.

    The module is read as it stands in memory, and nothing is encoded.
    """

    def __init__(
        self,
        module: Module,
        *,
        validate: bool = True,
        fuel: bool = False,
        trace: bool = False,
        native: bool = False,
        nested: int = NESTED,
    ) -> None:
        """``fuel`` and ``trace``: whether what is compiled can be given limited fuel, or traced,
        which makes it slower. ``native``: whether LLVM compiles what it can; that takes neither.
        ``nested`` is for tests, see :class:`~wasmir.interp.control.FunctionEmitter`.

        Unless ``validate`` is false the module is validated first, once: what isn't valid does
        anything. Raises MalformedError, InvalidError; ImportError where native code is asked for
        and there is no llvmlite.
        """
        if native and (fuel or trace):
            raise ValueError("native code takes no fuel and isn't traced")
        self.module = module
        self.fuel = fuel
        self.trace = trace
        #: What compiles native code, if it is asked for.
        self.native: Native | None = None
        if native:
            from wasmir.interp.native import Native

            self.native = Native()
        self._nested = nested
        if validate:
            import warnings

            from wasmir.errors import DialectWarning

            with warnings.catch_warnings():
                # Here both dialects of exception handling may stand side by side.
                warnings.simplefilter("ignore", DialectWarning)
                module.validate()
        self.types = Types(module)
        self._codes: dict[Function, Code] = {}
        self._consts: dict[Const, Code] = {}
        self._tests: dict[str, HeapType] = {}
        # What offsets are looked up in: of the function that was asked about last.
        self._offsets: tuple[Function, list[int]] | None = None

    def code(self, function: Function) -> Code:
        """Raises MalformedError, and UnsupportedError for instructions that can't be evaluated."""
        found = self._codes.get(function)
        if found is None:
            was_open = function.is_open
            body = function.body if was_open else function.expand()
            try:
                emitter = FunctionEmitter(
                    self, body, fuel=self.fuel, trace=self.trace, nested=self._nested
                )
                found = Code(emitter.source(), emitter, function)
            finally:
                if not was_open:
                    # As it was; its bytes are all that anybody needs.
                    function.close()
            self._codes[function] = found
        return found

    def const(self, const: Const) -> Code:
        """A constant expression as a function."""
        found = self._consts.get(const)
        if found is None:
            emitter = Emitter(self, -1, fuel=False, trace=False)
            emitter.indent = " "
            for instr in const.instrs:
                RULES[instr.row.name](emitter, instr.immediates)
            lines = ["def const():", *emitter.lines, f" return {emitter.pop().exact}", ""]
            found = self._consts[const] = Code("\n".join(lines), emitter, None)
        return found

    def test_name(self, emitter: Emitter, heap: HeapType) -> str:
        """The name of what tells whether a value is of a heap type."""
        if isinstance(heap, Concrete):
            number = heap.type._number  # type: ignore[union-attr]
            name = f"q{number}x" if heap.exact else f"q{number}"
        else:
            name = f"q_{heap}"
        self._tests[name] = heap
        return emitter.name(name)

    def tested(self, name: str) -> HeapType:
        """Mirrors :meth:`test_name`; the type at run time."""
        return self.types.heap(self._tests[name])

    # Places

    def instructions_of(self, function: Function) -> Sequence[Any]:
        """Instructions and nodes by their numbers."""
        was_open = function.is_open
        body = function.body
        try:
            return Analysis(body).items_in_order(body)
        finally:
            if not was_open:
                function.close()

    def mnemonic(self, function: Function, ordinal: int) -> str:
        items: Sequence[Instr] = self.instructions_of(function)
        return row_of(items[ordinal]).name if ordinal < len(items) else ""

    def offset(self, function: Function, ordinal: int) -> int | None:
        """Where an instruction stands in the input; ``None`` where the function was edited."""
        if not function.is_raw:
            return None
        if self._offsets is None or self._offsets[0] is not function:
            offsets = [
                each.offset for each in instructions(function) if each.row.name not in _DELIMITERS
            ]
            self._offsets = function, offsets
        offsets = self._offsets[1]
        return offsets[ordinal] if ordinal < len(offsets) else None
