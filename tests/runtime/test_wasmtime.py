"""wasmir.runtime in wasmtime, with modules guarded by hand and by the passes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.runtime.engines import PROGRAMS, Program
from wasmir import UnsupportedError
from wasmir.runtime import (
    AbortError,
    Guard,
    GuardedFunction,
    PanicError,
    RecoveryError,
    TerminatedError,
    guard,
    instantiate,
)

if TYPE_CHECKING:
    from collections.abc import Callable

wasmtime = pytest.importorskip("wasmtime", reason="`pip install wasmtime` gets the engine")

# wasmtime runs the exnref dialect only.
HERE = [each for each in PROGRAMS if each.dialect != "legacy"]
EXNREF = [each for each in HERE if each.dialect == "exnref"]
HOST = [each for each in EXNREF if each.notice == "host"]
HAND = Program("hand", "host", "exnref", reset=True)


@dataclass
class World:
    """A program, and a host whose functions a test replaces."""

    program: Program
    options: dict[str, Any] = field(default_factory=dict)
    aborts: list[AbortError] = field(default_factory=list)
    config: Callable[[Any], None] | None = None

    def __post_init__(self) -> None:
        config = wasmtime.Config()
        config.wasm_exceptions = True
        config.wasm_gc = True
        config.wasm_function_references = True
        if self.config is not None:
            self.config(config)
        self.store = wasmtime.Store(wasmtime.Engine(config))
        if self.config is not None:
            self.store.set_fuel(1_000_000)
        self.module = wasmtime.Module(self.store.engine, self.program.data)
        self.host: Callable[[int], object] = lambda x: x
        self.boot: Callable[[], None] = lambda: None
        options = {"on_abort": lambda error, _: self.aborts.append(error), **self.options}
        self.guard = instantiate(self.store, self.module, self.imports(), **options)

    def imports(self) -> list[Any]:
        i32 = wasmtime.ValType.i32()
        unary = wasmtime.FuncType([i32], [i32])
        return [
            wasmtime.Func(self.store, unary, self.call_host),
            wasmtime.Func(self.store, unary, lambda x: x),
            wasmtime.Func(self.store, wasmtime.FuncType([], []), self.call_boot),
        ]

    def call_host(self, x: int) -> object:
        return self.host(x)

    def call_boot(self) -> None:
        self.boot()

    def call(self, name: str, *arguments: object) -> Any:  # noqa: ANN401 - as the export's type says
        return self.guard.exports[name](self.store, *arguments)

    def raw(self, name: str, *arguments: object) -> Any:  # noqa: ANN401 - the same
        return self.guard.exports[name].function(self.store, *arguments)

    def raised(self, name: str, *arguments: object) -> BaseException:
        with pytest.raises(BaseException) as caught:  # noqa: PT011 - what it is, is the question
            self.call(name, *arguments)
        return caught.value

    @property
    def depth(self) -> int:
        activation = self.guard.instance.exports(self.store)["__wasmir_activation"]
        assert isinstance(activation, wasmtime.Func)
        return int(activation(self.store)) & 0xFFFFFFFF

    def assert_healthy(self) -> None:
        assert self.call("add", 2, 3) == 5
        assert not self.guard.terminated
        assert self.depth == 0

    def assert_aborted(self, error: BaseException, count: int = 1) -> None:
        assert isinstance(error, AbortError)
        assert self.guard.terminated
        assert self.aborts[-1] is error
        assert len(self.aborts) == count
        self.assert_dead()

    def assert_dead(self) -> None:
        before = len(self.aborts)
        assert isinstance(self.raised("add", 2, 3), TerminatedError)
        assert len(self.aborts) == before


def fail(error: BaseException) -> Callable[..., Any]:
    def failing(*_: object) -> None:
        raise error

    return failing


@pytest.fixture(params=HERE, ids=str)
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


@pytest.fixture(params=EXNREF, ids=str)
def exnref(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def test_calls(world: World) -> None:
    assert world.call("big", 41) == 42
    assert world.call("five", 1, 2, 0.5, 0.5, 4) == [5, 2]
    assert world.call("step") is None
    assert world.call("count") == 1
    world.host = lambda x: x * 2
    assert world.call("call", 4) == 8
    world.assert_healthy()
    function = world.guard.exports["add"]
    assert isinstance(function, GuardedFunction)
    assert len(function.type(world.store).params) == 2
    assert "add" in repr(function)
    assert isinstance(world.guard.exports["memory"], wasmtime.Memory)
    assert "__wasmir_terminate" not in world.guard.exports


def test_guarded_functions_are_arguments_and_imports(world: World) -> None:
    function = world.guard.exports["call"]
    result = world.call("same_function", function)
    world.host = lambda x: x + 1
    assert result(world.store, 1) == 2
    imports = [function, *world.imports()[1:]]
    other = instantiate(world.store, world.module, imports)
    assert other.exports["call"](world.store, 5) == 6


@pytest.mark.parametrize("name", ["trap", "overflow"])
def test_traps_and_overflows(world: World, name: str) -> None:
    error = world.raised(name)
    world.assert_aborted(error)
    assert isinstance(error.__cause__, wasmtime.Trap)
    assert isinstance(error, RecoveryError)


@pytest.mark.parametrize("index", [0, 1, 3, 99])
def test_indirect_calls_that_trap(world: World, index: int) -> None:
    world.assert_aborted(world.raised("indirect", index, 1))


@pytest.mark.parametrize("name", ["call", "careful", "catching"])
def test_errors_of_callbacks_are_aborts(world: World, name: str) -> None:
    own = ValueError("of the host")
    world.host = fail(own)
    error = world.raised(name, 1)
    world.assert_aborted(error)
    assert error.__cause__ is own


def test_recursion_between_module_and_host(world: World) -> None:
    world.host = lambda x: world.call("call", x)
    world.assert_aborted(world.raised("call", 1))


def test_an_abort_that_the_host_swallowed(world: World) -> None:
    inner = []

    def swallow(_: int) -> int:
        inner.append(world.raised("trap"))
        return 1

    world.host = swallow
    error = world.raised("careful", 1)
    assert [error] == inner
    world.assert_aborted(error)


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(3)])
def test_who_stops_the_program_stops_it(world: World, stop: BaseException) -> None:
    world.host = fail(stop)
    assert world.raised("call", 1) is stop
    assert world.guard.terminated
    assert len(world.aborts) == 1
    world.assert_dead()


def test_arguments_that_do_not_convert_never_enter(world: World) -> None:
    assert isinstance(world.raised("add", "x", 1), TypeError)
    assert isinstance(world.raised("add", 1), wasmtime.WasmtimeError)
    assert isinstance(world.raised("add", 1, 2, 3), wasmtime.WasmtimeError)

    def mistaken(_: int) -> int:
        assert isinstance(world.raised("big", "x"), TypeError)
        return 5

    world.host = mistaken
    assert world.call("call", 1) == 5
    world.assert_healthy()
    assert not world.aborts


def test_panics(exnref: World) -> None:
    error = exnref.raised("panic", 7)
    assert isinstance(error, PanicError)
    assert error.payload == (7,)
    assert isinstance(error.__cause__, wasmtime.Trap)
    exnref.assert_healthy()
    assert not exnref.aborts


@pytest.mark.parametrize("program", EXNREF, ids=str)
def test_messages_of_panics(program: Program) -> None:
    def message(payload: tuple[object, ...], of: Guard) -> str:
        return f"code {payload[0]}, {of.exports['add'](this.store, 1, 1)}"

    this = World(program, {"panic_message": message})
    assert str(this.raised("panic", 7)) == "code 7, 2"
    other = World(program, {"panic_message": fail(ValueError())})
    assert str(other.raised("panic", 7)) == "the module panicked"


def test_an_exception_that_others_left_is_none_of_ours(exnref: World) -> None:
    with pytest.raises(wasmtime.Trap):
        exnref.raw("panic", 7)
    exnref.assert_healthy()
    exnref.assert_aborted(exnref.raised("trap"))


@pytest.mark.parametrize("program", HOST, ids=str)
def test_foreign_exceptions_and_is_abort(program: Program) -> None:
    """Another module's exception, which crosses this one as exceptions do."""
    asked: list[BaseException] = []
    for answer in (False, True):

        def is_abort(error: BaseException, answer: bool = answer) -> bool:
            asked.append(error)
            return answer

        world = World(program)
        # Linked to each other, with no Python in between.
        text = """(module
          (import "m" "panic" (func $panic (param i32)))
          (func (export "f") (param i32) (result i32)
            (call $panic (local.get 0)) (i32.const 0)))"""
        other = wasmtime.Instance(
            world.store,
            wasmtime.Module(world.store.engine, text),
            [world.guard.exports["panic"].function],
        )
        imports = [other.exports(world.store)["f"], *world.imports()[1:]]
        outer = instantiate(world.store, world.module, imports, is_abort=is_abort)
        with pytest.raises(AbortError if answer else wasmtime.Trap) as caught:
            outer.exports["careful"](world.store, 1)
        assert asked[-1] is (caught.value.__cause__ if answer else caught.value)
        memory = outer.exports["memory"]
        assert memory.read(world.store, 8, 9) == b"\1", "it cleaned up"
        assert outer.terminated == answer


@pytest.mark.parametrize("program", HOST, ids=str)
def test_raw_calls_beside_the_guard(program: Program) -> None:
    world = World(program)
    world.host = lambda _: world.raw("add", 1, 2)
    assert world.call("call", 1) == 3
    world.assert_healthy()
    with pytest.raises(wasmtime.Trap):
        world.raw("trap")
    assert world.call("add", 2, 3) == 5
    assert isinstance(world.raised("panic", 1), PanicError)
    assert isinstance(world.raised("add", "x", 1), TypeError)
    world.assert_aborted(world.raised("trap"))


@pytest.mark.parametrize("program", [each for each in EXNREF if each.notice == "wasm"], ids=str)
def test_what_the_module_notices_is_told(program: Program) -> None:
    world = World(program)
    with pytest.raises(wasmtime.Trap):
        world.raw("trap")
    assert isinstance(world.raised("add", 2, 3), TerminatedError)
    assert len(world.aborts) == 1
    world.assert_dead()


def test_the_host_terminates(world: World) -> None:
    world.guard.terminate()
    world.assert_dead()
    assert not world.aborts


def test_the_host_terminates_below_a_call(world: World) -> None:
    def terminate(_: int) -> int:
        world.guard.terminate()
        return 1

    world.host = terminate
    assert isinstance(world.raised("call", 1), TerminatedError)
    assert not world.aborts


def resettable(reset: str) -> list[Program]:
    return [each for each in HERE if each.reset or reset != "in-place"]


@pytest.mark.parametrize(
    ("reset", "program"),
    [(reset, each) for reset in ("in-place", "reinstantiate") for each in resettable(reset)],
    ids=str,
)
def test_resets(reset: str, program: Program) -> None:
    world = World(program)
    options: dict[str, Any] = {"reset": reset, "on_abort": lambda e, _: world.aborts.append(e)}
    world.guard = instantiate(world.store, world.module, world.imports, **options)
    step = world.guard.exports["step"]
    for count in (1, 2):
        step(world.store)
        error = world.raised("trap")
        assert isinstance(error, AbortError)
        assert len(world.aborts) == count
        assert world.guard.terminated
        assert world.call("count") == 100, "from _initialize"
        step(world.store)
        assert world.call("count") == 101
        world.assert_healthy()
    world.guard.reset()
    assert world.call("count") == 100


@pytest.mark.parametrize("program", HERE, ids=str)
def test_a_frame_that_a_reset_left_behind(program: Program) -> None:
    world = World(program)
    inner = []

    def swallow(_: int) -> int:
        inner.append(world.raised("trap"))
        world.guard.reset()
        assert world.call("count") == 100
        return 1

    world.host = swallow
    assert [world.raised("careful", 1)] == inner
    world.assert_healthy()
    assert len(world.aborts) == 1


@pytest.mark.parametrize("reset", ["in-place", "reinstantiate"])
def test_an_init_that_fails(reset: str) -> None:
    world = World(HAND, {"reset": reset})
    own = ValueError("boot")
    assert isinstance(world.raised("trap"), AbortError)
    world.boot = fail(own)
    for count in (2, 3):
        error = world.raised("count")
        assert isinstance(error, AbortError)
        assert error.__cause__ is own
        assert len(world.aborts) == count
        assert world.guard.terminated
    world.boot = lambda: None
    assert world.call("count") == 100
    world.assert_healthy()


def test_init_is_the_callers_choice() -> None:
    world = World(HAND, {"reset": "reinstantiate", "init": ["step", "step"]})
    world.raised("trap")
    assert world.call("count") == 2


def test_on_abort_is_refused_and_may_reset() -> None:
    def on_abort(_: AbortError, of: Guard) -> None:
        assert isinstance(this.raised("count"), TerminatedError)
        of.reset()

    this = World(HAND, {"reset": "in-place", "on_abort": on_abort})
    assert isinstance(this.raised("trap"), AbortError)
    assert not this.guard.terminated
    this.assert_healthy()


@pytest.mark.parametrize("reset", ["in-place", "reinstantiate"])
def test_an_instance_that_reset_itself_is_not_reset_again(reset: str) -> None:
    world = World(HAND, {"reset": reset})
    world.raised("trap")
    instance = world.guard.instance
    schedule = instance.exports(world.store)["__wasmir_schedule_reinit"]
    assert isinstance(schedule, wasmtime.Func)
    schedule(world.store)
    world.raw("step")
    assert world.call("count") == 101
    assert world.guard.instance is instance
    world.raised("trap")
    world.guard.terminate()
    world.assert_dead()


def test_what_on_abort_raises_comes_out() -> None:
    own = ValueError("of the hook")
    world = World(HAND, {"on_abort": fail(own)})
    assert world.raised("trap") is own
    world.assert_dead()


def test_fuel() -> None:
    def with_fuel(config: Any) -> None:  # noqa: ANN401 - wasmtime may be missing
        config.consume_fuel = True

    world = World(HAND, config=with_fuel)
    world.store.set_fuel(0)
    # Before anything of the module runs.
    assert isinstance(world.raised("add", 1, 2), wasmtime.Trap)
    assert world.store.get_fuel() == 0
    world.store.set_fuel(1_000_000)
    world.assert_healthy()
    world.store.set_fuel(1000)
    error = world.raised("overflow")
    assert isinstance(error, AbortError)
    assert isinstance(error.__cause__, wasmtime.Trap)
    assert error.__cause__.trap_code is wasmtime.TrapCode.OUT_OF_FUEL
    assert world.store.get_fuel() < 1000
    world.store.set_fuel(1_000_000)
    world.assert_aborted(error)


def test_what_can_not_be_had_is_refused() -> None:
    world = World(HAND)
    store = world.store
    empty = wasmtime.Module(store.engine, "(module)")
    with pytest.raises(UnsupportedError, match="not a recovered module"):
        instantiate(store, empty)
    with pytest.raises(ValueError, match="no reset 'often'"):
        instantiate(store, world.module, world.imports(), reset="often")  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match="needs the module"):
        guard(store, world.guard.instance, reset="reinstantiate")
    memory = wasmtime.Memory(store, wasmtime.MemoryType(wasmtime.Limits(1, 1)))
    with pytest.raises(UnsupportedError, match="imported memory"):
        guard(
            store,
            world.guard.instance,
            module=world.module,
            imports=[memory],
            reset="reinstantiate",
        )
    fixed = World(Program("hand", "host", "exnref", reset=False))
    with pytest.raises(UnsupportedError, match="no __wasmir_reset_state"):
        guard(fixed.store, fixed.guard.instance, reset="in-place")
    with pytest.raises(UnsupportedError, match="needs the module"):
        guard(fixed.store, fixed.guard.instance).reset()


def test_without_wasmtime_it_says_so() -> None:
    code = (
        "import sys; sys.modules['wasmtime'] = None\n"
        "import wasmir.runtime\n"
        "wasmir.runtime.instantiate(None, None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("`pip install wasmtime`")
