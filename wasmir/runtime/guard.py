"""The loader for wasmtime: notices aborts, tells the module, and says what happened.

A function of the module that returns or throws counts itself out; one that a trap removes can't,
so the module's depth stays raised. It is read before each call, and once more when an error leaves
one.

In wasmtime every error of a Python callback is a trap: it removes the frames that it crosses, and
no handler of the module sees it. So it is an abort, unlike in JavaScript.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from wasmir.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import wasmtime

    Extern: TypeAlias = (
        wasmtime.Func
        | wasmtime.Global
        | wasmtime.Memory
        | wasmtime.SharedMemory
        | wasmtime.Table
        | wasmtime.Tag
    )
    Imports: TypeAlias = Sequence[Extern] | Callable[[], Sequence[Extern]]
    Storelike: TypeAlias = wasmtime.Store | wasmtime.Caller | wasmtime.StoreContext

__all__ = [
    "AbortError",
    "Guard",
    "GuardedFunction",
    "PanicError",
    "RecoveryError",
    "TerminatedError",
    "guard",
    "instantiate",
]

Reset = Literal["never", "in-place", "reinstantiate"]

_TERMINATED = 2
"""The value of ``__wasmir_state`` in an instance that takes no calls."""
_OURS = "__wasmir_"
_INIT = ("_initialize", "__wasm_call_ctors"), ("__wbindgen_start",)
_FUEL_FOR_LOOKING = 100_000
_NO_MODULE = "reinstantiate: needs the module, and its imports"


class RecoveryError(Exception):
    """Base of what a guarded call raises about the module."""


class PanicError(RecoveryError):
    """An exception of the module's own left it; it lives on.

    ``payload`` has its values as far as Python can have them; ``__cause__`` is the ``Trap`` as
    which wasmtime reports the exception.
    """

    def __init__(self, message: str, payload: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.payload = payload


class AbortError(RecoveryError):
    """The module aborted, in this call or in one below it. ``__cause__`` is what wasmtime raised.

    All calls that were going on then end with the same error.
    """


class TerminatedError(RecoveryError):
    """The call did not happen, or was cut short: the instance is terminated, or was replaced."""


@dataclass
class _Options:
    on_abort: Callable[[AbortError, Guard], object] | None
    is_abort: Callable[[BaseException], bool] | None
    panic_message: Callable[[tuple[object, ...], Guard], str] | None
    reset: Reset
    init: Sequence[str] | None


@dataclass(frozen=True)
class _Generation:
    """An instance, and those of its exports that the guard uses."""

    instance: wasmtime.Instance
    exports: Mapping[str, Extern]
    activation: wasmtime.Func
    terminate: wasmtime.Func
    state: wasmtime.Global
    terminated: wasmtime.Tag | None
    panics: tuple[wasmtime.Tag, ...]


@dataclass(frozen=True)
class _Noted:
    """What a call notes before it begins."""

    generation: _Generation
    epoch: int
    depth: int
    aborted: AbortError | None


def instantiate(
    store: wasmtime.Store,
    module: wasmtime.Module,
    imports: Imports = (),
    *,
    on_abort: Callable[[AbortError, Guard], object] | None = None,
    is_abort: Callable[[BaseException], bool] | None = None,
    panic_message: Callable[[tuple[object, ...], Guard], str] | None = None,
    reset: Reset = "never",
    init: Sequence[str] | None = None,
) -> Guard:
    """Instantiate a recovered module; arguments as for :func:`guard`.

    Raises ImportError where wasmtime is missing, UnsupportedError where the module is no recovered
    one or can't be reset like that, and what wasmtime raises.
    """
    instance = _wasmtime().Instance(store, module, _made(imports))
    return guard(
        store,
        instance,
        module=module,
        imports=imports,
        on_abort=on_abort,
        is_abort=is_abort,
        panic_message=panic_message,
        reset=reset,
        init=init,
    )


def guard(
    store: wasmtime.Store,
    instance: wasmtime.Instance,
    *,
    module: wasmtime.Module | None = None,
    imports: Imports = (),
    on_abort: Callable[[AbortError, Guard], object] | None = None,
    is_abort: Callable[[BaseException], bool] | None = None,
    panic_message: Callable[[tuple[object, ...], Guard], str] | None = None,
    reset: Reset = "never",
    init: Sequence[str] | None = None,
) -> Guard:
    """Guard an instance of a recovered module: call what is in the guard's ``exports``.

    ``on_abort`` is called once for each abort, when the module is terminated and before any reset;
    what it raises comes out of the call. An abort that was noticed by somebody else (the module
    under ``notice=wasm``, a host that wrote 2 to ``__wasmir_state``) is told when the next call is
    refused.
    ``is_abort`` says of other errors that left an export whether they count as aborts (default: no;
    in wasmtime a host error crosses a module as a trap, and is one anyhow). ``panic_message`` makes
    a PanicError's message from its payload.

    ``reset`` is what puts an aborted instance right before the next call: ``"never"``: nothing;
    ``"in-place"``: the module's own ``__wasmir_reset_state``; ``"reinstantiate"``: another instance
    of ``module`` behind the same ``exports``, with ``init`` called afterwards (default:
    ``_initialize``, or else ``__wasm_call_ctors``; and ``__wbindgen_start``). Memories, tables and
    globals among the imports would be those that the old instance wrote to: then ``imports`` is a
    function that makes new ones. wasmtime keeps every instance as long as its store.

    Raises ImportError where wasmtime is missing, UnsupportedError where the module is no recovered
    one or can't be reset like that.
    """
    _wasmtime()
    options = _Options(on_abort, is_abort, panic_message, reset, init)
    return Guard(store, instance, module, imports, options)


class Guard:
    """A guarded instance.

    ``exports`` has the functions as :class:`GuardedFunction`, called like wasmtime's, with a store
    first; they outlive resets. The rest of the exports are wasmtime's, of the present instance.
    """

    def __init__(
        self,
        store: wasmtime.Store,
        instance: wasmtime.Instance,
        module: wasmtime.Module | None,
        imports: Imports,
        options: _Options,
    ) -> None:
        self._store = store
        self._module = module
        self._imports = imports
        self._options = options
        self._generation = _generation(store, instance)
        self._functions = {
            name: GuardedFunction(self, name)
            for name, value in self._generation.exports.items()
            if isinstance(value, _wasmtime().Func) and not name.startswith(_OURS)
        }
        self._aborted: AbortError | None = None
        self._replacements = 0
        # Where the last abort was: after how many replacements, and in which epoch.
        self._seen: tuple[int, int] | None = None
        self._due = False
        # An abort for whose telling the stack was too short.
        self._unsaid: tuple[BaseException, int] | None = None
        self._check(options.reset)

    @property
    def instance(self) -> wasmtime.Instance:
        """The instance, unguarded."""
        return self._generation.instance

    @property
    def exports(self) -> Mapping[str, Any]:
        """Functions guarded, without ``__wasmir_*``; everything else as wasmtime has it."""
        others = {
            name: value
            for name, value in self._generation.exports.items()
            if not isinstance(value, _wasmtime().Func)
        }
        return {**others, **self._functions}

    @property
    def terminated(self) -> bool:
        """Whether calls are refused. A reset that is due comes with the next call."""
        return self._is_terminated(self._store)

    def terminate(self) -> None:
        """Refuse calls from now on; neither ``on_abort`` nor the module's hook is called."""
        self._seen = self._place(self._look(self._store)[0])
        self._due = False
        self._generation.state.set_value(self._store, _TERMINATED)

    def reset(self, store: Storelike | None = None) -> None:
        """Reset now: by the way of the options, or else in place, or else by another instance."""
        self._renew(store or self._store, self._way())

    # Calls

    def _call(self, store: Storelike, name: str, arguments: Sequence[object]) -> Any:
        # As wasmtime's own call: what the module's type says.
        if self._due:
            # Unless the module has reset itself meanwhile.
            self._due = self._is_terminated(store)
            if self._due:
                self._renew(store, self._options.reset)
        function = cast("wasmtime.Func", self._generation.exports[name])
        return self._guarded(store, function, arguments)

    def _guarded(
        self,
        store: Storelike,
        function: wasmtime.Func,
        arguments: Sequence[object],
    ) -> Any:
        epoch, depth = self._look(store)
        noted = _Noted(self._generation, epoch, depth, self._aborted)
        try:
            return function(store, *map(_unguarded, arguments))
        except BaseException as error:
            with _fuel_for_looking(store):
                raised = self._explained(store, error, noted)
            if raised is error:
                raise
            raise raised from (raised.__cause__ or error)

    def _explained(self, store: Storelike, error: BaseException, noted: _Noted) -> BaseException:
        """What the caller gets in place of the error."""
        if self._unsaid is not None:
            self._tell(*self._unsaid)
        thrown = _take_exception(store, error)
        try:
            return self._judged(store, error, thrown, noted)
        finally:
            if thrown is not None:
                thrown.drop()

    def _judged(
        self, store: Storelike, error: BaseException, thrown: _Exception | None, noted: _Noted
    ) -> BaseException:
        refused = thrown is not None and thrown.has_tag(noted.generation.terminated)
        is_trap = isinstance(error, _wasmtime().Trap)
        if noted.generation is self._generation:
            epoch, depth = self._look(store)
            if self._is_terminated(store):
                # Who noticed is the module, or another host.
                is_other = not refused and not is_trap
                is_news = self._seen != self._place(epoch) and self._aborted is noted.aborted
                if epoch == noted.epoch or not is_other:
                    self._tell(error, epoch)
                # What ended the instance by leaving code without handlers comes out as it is.
                if is_other and is_news and epoch == noted.epoch:
                    return error
            elif not refused and depth > (noted.depth if epoch == noted.epoch else 0):
                self._abort(store, error, epoch)
        # Whoever stops a program wants it stopped, and to find out how.
        if not isinstance(error, Exception) or isinstance(error, _wasmtime().ExitTrap):
            return error
        if not refused and self._aborted is not noted.aborted and self._aborted is not None:
            return self._aborted
        if refused or (is_trap and (noted.generation is not self._generation or self.terminated)):
            return TerminatedError("the instance is terminated")
        if noted.generation is not self._generation:
            return error
        if thrown is not None and any(map(thrown.has_tag, self._generation.panics)):
            return self._panic(thrown.payload())
        if self._options.is_abort is not None and self._options.is_abort(error):
            self._abort(store, error, self._look(store)[0])
            return self._aborted or error
        return error

    def _panic(self, payload: tuple[object, ...]) -> PanicError:
        message = "the module panicked"
        if self._options.panic_message is not None:
            # The panic is what the caller has to hear of.
            with suppress(Exception):
                message = self._options.panic_message(payload, self)
        return PanicError(message, payload)

    # Aborts

    def _look(self, store: Storelike) -> tuple[int, int]:
        """The epoch, and how many calls have come into the module and not left it."""
        both = int(self._generation.activation(store))
        return both >> 32, both & 0xFFFFFFFF

    def _is_terminated(self, store: Storelike) -> bool:
        return bool(self._generation.state.value(store) == _TERMINATED)

    def _place(self, epoch: int) -> tuple[int, int]:
        return self._replacements, epoch

    def _abort(self, store: Storelike, error: BaseException, epoch: int) -> None:
        generation = self._generation
        self._unsaid = error, epoch
        # It fails where the module's hook traps, or where the stack is too short even for this.
        with suppress(Exception):
            generation.terminate(store)
        if not self._is_terminated(store) and self._look(store)[0] == epoch:
            generation.state.set_value(store, _TERMINATED)
        self._tell(error, epoch)

    def _tell(self, error: BaseException, epoch: int) -> None:
        """Tell of an abort, unless it was told of."""
        place = self._place(epoch)
        if self._seen == place:
            return
        self._seen = place
        aborted = AbortError(f"the module aborted: {str(error).strip() or type(error).__name__}")
        aborted.__cause__ = error
        self._aborted = aborted
        self._unsaid = None
        try:
            if self._options.on_abort is not None:
                self._options.on_abort(aborted, self)
        finally:
            self._due = self._options.reset != "never" and self._seen == self._place(
                self._look(self._store)[0]
            )

    # Resets

    def _way(self) -> Reset:
        if self._options.reset != "never":
            return self._options.reset
        has_reset = f"{_OURS}reset_state" in self._generation.exports
        return "in-place" if has_reset else "reinstantiate"

    def _check(self, reset: Reset) -> None:
        if reset == "in-place":
            if f"{_OURS}reset_state" not in self._generation.exports:
                raise UnsupportedError("in-place: the module has no __wasmir_reset_state")
        elif reset == "reinstantiate":
            if self._module is None:
                raise UnsupportedError(_NO_MODULE)
            given = () if callable(self._imports) else self._imports
            for value in given:
                if not isinstance(value, _wasmtime().Func | _wasmtime().Tag):
                    raise UnsupportedError(
                        f"reinstantiate: the old instance wrote to an imported "
                        f"{type(value).__name__.lower()}: pass a function that makes the imports"
                    )
        elif reset != "never":
            raise ValueError(f"there is no reset {reset!r}")

    def _renew(self, store: Storelike, reset: Reset) -> None:
        self._check(reset)
        was_due, self._due = self._due, False
        try:
            if reset == "in-place":
                function = self._generation.exports[f"{_OURS}reset_state"]
                self._guarded(store, cast("wasmtime.Func", function), ())
            else:
                self._replace(store)
        except BaseException:
            self._due = self._due or was_due
            raise

    def _replace(self, store: Storelike) -> None:
        if self._module is None:
            raise UnsupportedError(_NO_MODULE)
        old = self._generation
        # wasmtime takes a store where it has one, and a caller's context as well.
        where = cast("wasmtime.Store", store)
        instance = _wasmtime().Instance(where, self._module, _made(self._imports))
        old.state.set_value(store, _TERMINATED)
        self._generation = _generation(where, instance)
        self._replacements += 1
        names = self._options.init
        if names is None:
            names = [
                name
                for group in _INIT
                for name in [next((one for one in group if one in self._functions), None)]
                if name is not None
            ]
        try:
            for name in names:
                self._functions[name](store)
        except BaseException:
            self._generation.state.set_value(store, _TERMINATED)
            raise


class GuardedFunction:
    """An exported function, called like wasmtime's, whichever instance is behind it.

    Raises AbortError, TerminatedError, PanicError, and what wasmtime raises where the module is
    all right: ``TypeError`` and ``WasmtimeError`` for arguments, ``Trap`` for the exceptions of
    others. ``KeyboardInterrupt`` and the like, and ``wasmtime.ExitTrap``, come out as they are; the
    instance is terminated all the same.
    """

    def __init__(self, of: Guard, name: str) -> None:
        self._guard = of
        self.name = name

    def __call__(self, store: Storelike, *arguments: object) -> Any:
        return self._guard._call(store, self.name, arguments)

    @property
    def function(self) -> wasmtime.Func:
        """The unguarded function: to put into a table, or to make an import of."""
        return cast("wasmtime.Func", self._guard._generation.exports[self.name])

    def type(self, store: Storelike) -> wasmtime.FuncType:
        """The function's type."""
        return self.function.type(store)

    def __repr__(self) -> str:
        return f"<guarded function {self.name!r}>"


class _Exception:
    """A WebAssembly exception that left the module, kept until it is dropped."""

    def __init__(self, store: Storelike, reference: Any) -> None:
        self._store = store
        self._reference = reference

    def drop(self) -> None:
        """Let wasmtime free it."""
        from ctypes import byref

        from wasmtime import _ffi as ffi

        ffi.wasmtime_exnref_unroot(byref(self._reference))

    def has_tag(self, tag: wasmtime.Tag | None) -> bool:
        """Whether the exception was thrown with this tag."""
        from ctypes import byref

        from wasmtime import _ffi as ffi

        found = ffi.wasmtime_tag_t()
        context = self._store._context()
        if tag is None:
            return False
        # It can only fail for a null reference.
        ffi.wasmtime_exnref_tag(context, byref(self._reference), byref(found))
        return bool(ffi.wasmtime_tag_eq(context, byref(found), byref(tag._tag)))

    def payload(self) -> tuple[object, ...]:
        """Its values, up to the first that Python has none of."""
        from ctypes import byref

        from wasmtime import Val
        from wasmtime import _ffi as ffi

        context = self._store._context()
        values: list[object] = []
        for index in range(ffi.wasmtime_exnref_field_count(context, byref(self._reference))):
            raw = ffi.wasmtime_val_t()
            ffi.wasmtime_exnref_field(context, byref(self._reference), index, byref(raw))
            try:
                values.append(Val._from_raw(self._store, raw).value)
            except Exception:  # noqa: BLE001 - the binding raises many kinds for what it can't have
                break
        return tuple(values)


def _take_exception(store: Storelike, error: BaseException) -> _Exception | None:
    """The exception behind a trap that reports one.

    The binding has no public name for it yet, only the functions of wasmtime's C interface. Where
    these are not as expected, exceptions are traps that the loader knows nothing about.
    """
    wasmtime = _wasmtime()
    if not isinstance(error, wasmtime.Trap) or error.trap_code is not None:
        return None
    try:
        from ctypes import byref

        from wasmtime import _ffi as ffi

        reference = ffi.wasmtime_exnref_t()
        if not ffi.wasmtime_context_take_exception(store._context(), byref(reference)):
            return None
    except (AttributeError, ImportError):
        return None
    return _Exception(store, reference)


@contextmanager
def _fuel_for_looking(store: Storelike) -> Iterator[None]:
    """Lets the guard look at a module whose fuel is used up, which then is as it was."""
    wasmtime = _wasmtime()
    before = None
    if isinstance(store, wasmtime.Store):
        # It raises where the engine counts no fuel.
        with suppress(wasmtime.WasmtimeError):
            before = store.get_fuel()
            store.set_fuel(before + _FUEL_FOR_LOOKING)
    try:
        yield
    finally:
        if before is not None and isinstance(store, wasmtime.Store):
            store.set_fuel(before)


def _generation(store: wasmtime.Store, instance: wasmtime.Instance) -> _Generation:
    exports = dict(instance.exports(store))
    wasmtime = _wasmtime()
    found = [exports.get(f"{_OURS}{name}") for name in ("activation", "terminate", "state")]
    activation, terminate, state = found
    if not (
        isinstance(activation, wasmtime.Func)
        and isinstance(terminate, wasmtime.Func)
        and isinstance(state, wasmtime.Global)
    ):
        raise UnsupportedError("not a recovered module: it has no __wasmir_activation")
    terminated = exports.get(f"{_OURS}terminated")
    return _Generation(
        instance,
        exports,
        activation,
        terminate,
        state,
        terminated if isinstance(terminated, wasmtime.Tag) else None,
        tuple(
            value
            for name, value in exports.items()
            if name.startswith(f"{_OURS}panic_") and isinstance(value, wasmtime.Tag)
        ),
    )


def _made(imports: Imports) -> Sequence[Extern]:
    made = imports() if callable(imports) else imports
    return [cast("Extern", _unguarded(value)) for value in made]


def _unguarded(value: object) -> object:
    return value.function if isinstance(value, GuardedFunction) else value


def _wasmtime() -> Any:
    try:
        import wasmtime
    except ImportError as error:
        raise ImportError(
            "wasmir.runtime runs modules in wasmtime, and the package wasmtime is not installed: "
            "`pip install wasmtime`"
        ) from error
    return wasmtime
