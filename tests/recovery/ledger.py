"""The ledger of :file:`corpus/cpp/requests.cpp` again, small and in Python, and the host that sends
it requests: what every request should answer, whatever befell the others.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

__all__ = ["ALL", "FAILURES", "HEALTHY", "PAGES", "SEEN", "Choices", "World", "make_requests"]

PAGES: Final = (3, 16)
"""Of memory: at first, and at most."""

FAILURES: Final = (
    "none",
    "panic",
    "unreachable",
    "division",
    "bounds",
    "recursion",
    "frames",
    "memory",
    "null function",
    "other function",
)
"""The enumeration ``Failure``."""

_FIRST_ABORT = 2
_ACCOUNTS = 8

# Requests and what the host does meanwhile


@dataclass(frozen=True)
class Choices:
    """What may happen."""

    failures: tuple[int, ...] = (0, 0, 0, 1)
    ends: tuple[str, ...] = ("return", "return", "throw", "throw object")
    steps: tuple[str, ...] = ()
    #: Whether requests ask for memory, which may be none any more.
    memory: bool = False


HEALTHY: Final = Choices()
"""No aborts."""

SEEN: Final = Choices(
    failures=(*HEALTHY.failures, *range(_FIRST_ABORT, len(FAILURES))),
    steps=("reset", "reinstantiate"),
    memory=True,
)
"""Aborts that the module sees by itself."""

ALL: Final = replace(SEEN, ends=(*HEALTHY.ends, "overflow", "trap again"))


def make_requests(random: Random, choices: Choices) -> list[Any]:
    """A schedule, as :file:`corpus/engine/requests.mjs` has them."""
    queries = ("total", "locked", "objects", "running", "served", "pages")

    def part(depth: int) -> dict[str, Any]:
        steps = [step(depth + 1) for _ in range(random.randrange(3))]
        return {"steps": steps, "end": random.choice(choices.ends)}

    def step(depth: int) -> list[Any]:
        if choices.steps and random.random() < 1 / 4:
            return [random.choice(choices.steps)]
        swallow = depth == 0 or random.random() < 2 / 3
        name = random.choice(("transfer", "transfer", "attempt", "dispatch", "ask", "ask"))
        if name == "ask":
            what = random.choice((*queries, "balance"))
            numbers = [random.randint(-1, _ACCOUNTS)] if what == "balance" else []
            return ["call", what, "export", numbers, None, swallow]
        if choices.memory and random.random() < 1 / 12:
            return ["call", "reserve", "export", [random.randrange(6)], None, swallow]
        meanwhile = part(depth) if depth < 2 and random.random() < 1 / 3 else None
        accounts = [random.randint(0, _ACCOUNTS - 1) for _ in range(2)]
        if random.random() < 1 / 20:
            accounts[random.randrange(2)] = random.choice((-1, _ACCOUNTS))
        numbers = [*accounts, random.randrange(60)]
        if name != "dispatch":
            numbers.append(random.choice(choices.failures))
        via = "table" if name == "transfer" and random.random() < 1 / 3 else "export"
        return ["call", name, via, [*numbers, -1], meanwhile, swallow]

    return [step(0) for _ in range(random.randint(4, 24))]


# What they should answer


class _PanicError(Exception):
    """What the module throws itself."""

    def __init__(self, what: int) -> None:
        super().__init__(what)
        self.what = what


class _ForeignError(Exception):
    """What the host threw."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class _AbortError(Exception):
    """A trap, or an overflow."""


class _HostTrapError(_AbortError):
    """The host's own error, which no handler of the module sees; it comes out as it is."""


class _CutError(_AbortError):
    """A call finds that its instance was replaced meanwhile, with nothing wrong with it."""


class _RefusedError(Exception):
    """The instance is terminated."""


def _fail(how: int, blame: int) -> None:
    if how == 1:
        raise _PanicError(400 + blame)
    if how >= _FIRST_ABORT:
        raise _AbortError


@dataclass
class Ledger:
    """As a new instance has it."""

    balances: list[int] = field(default_factory=lambda: [100] * _ACCOUNTS)
    locks: set[int] = field(default_factory=set)
    objects: int = 0
    running: int = 0
    served: int = 0
    pages: int = PAGES[0]
    #: Nothing of it counts any more.
    dead: bool = False
    #: It was replaced, with no abort before.
    replaced: bool = False
    #: Somebody knows.
    terminated: bool = False

    def balance(self, number: int) -> int:
        if not 0 <= number < _ACCOUNTS:
            raise _PanicError(300 + (number & 15))
        return self.balances[number]

    @contextmanager
    def counted(self, what: str) -> Iterator[None]:
        setattr(self, what, getattr(self, what) + 1)
        try:
            yield
        finally:
            setattr(self, what, getattr(self, what) - 1)

    @contextmanager
    def lock(self, number: int) -> Iterator[None]:
        self.balance(number)
        if number in self.locks:
            raise _PanicError(100 + number)
        self.locks.add(number)
        try:
            with self.counted("objects"):
                yield
        finally:
            self.locks.remove(number)

    @contextmanager
    def withdrawal(self, number: int, amount: int) -> Iterator[None]:
        if self.balances[number] < amount:
            raise _PanicError(200 + self.balances[number] % 100)
        self.balances[number] -= amount
        try:
            with self.counted("objects"):
                yield
        except BaseException:
            self.balances[number] += amount
            raise

    def take_pages(self, count: int) -> int:
        self.pages = min(self.pages + count, PAGES[1] + 1)
        if self.pages > PAGES[1]:
            raise _AbortError
        return self.pages

    def answer(self, question: str) -> int:
        match question:
            case "total":
                return sum(self.balances)
            case "locked":
                return len(self.locks)
            case _:
                found: int = getattr(self, question)
                return found


@dataclass
class World:
    """The host and its instance. ``in_wasm``: the module notices aborts by itself, with the next
    call; ``auto``: an abort that was noticed schedules a reset; ``tells_cut``: a call below which
    the instance was replaced, or reset by the loader, counts as refused; ``traps_for_errors``:
    errors of the host are traps to the module.
    """

    in_wasm: bool = False
    auto: bool = False
    tells_cut: bool = False
    traps_for_errors: bool = False
    ledger: Ledger = field(default_factory=Ledger)
    ended: list[tuple[Any, ...]] = field(default_factory=list)
    foreign: int = 0
    aborts: int = 0

    def run(self, steps: list[Any]) -> list[tuple[Any, ...]]:
        """How each call should end, in the order in which they do."""
        for step in steps:
            self._step([*step[:-1], True] if step[0] == "call" else step)
        return self.ended

    def _step(self, step: list[Any]) -> None:
        if step[0] != "call":
            # Frames of what was there before belong to nobody now.
            self.ledger.replaced = not self.ledger.dead
            self.ledger.dead = self.ledger.terminated = True
            self.ledger = Ledger()
            return
        _, name, _, numbers, part, swallow = step
        aborts = self.aborts
        try:
            self.ended.append(("returned", self._call(name, numbers, part)))
        except _PanicError as error:
            self.ended.append(("panicked", error.what))
            if not swallow:
                raise
        except _ForeignError as error:
            self.ended.append(("foreign", error.number))
            if not swallow:
                raise
        except _AbortError as error:
            is_cut = isinstance(error, _CutError) and self.aborts == aborts
            self.ended.append(("refused",) if is_cut and self.tells_cut else ("aborted",))
            if not swallow:
                raise
        except _RefusedError:
            self.ended.append(("refused",))
            if not swallow:
                raise

    def _call(self, name: str, numbers: list[int], part: dict[str, Any] | None) -> int:
        if self.ledger.dead and not self.ledger.terminated:
            self.ledger.terminated = True
            raise _RefusedError
        if self.ledger.terminated:
            if not self.auto:
                raise _RefusedError
            self.ledger = Ledger()
        ledger = self.ledger
        try:
            return self._answer(ledger, name, numbers, part)
        except _AbortError as error:
            if ledger.replaced and not isinstance(error, _HostTrapError):
                raise _CutError from error
            if not ledger.dead:
                self.aborts += 1
                ledger.dead = True
                ledger.terminated = not self.in_wasm
            raise

    def _answer(
        self, ledger: Ledger, name: str, numbers: list[int], part: dict[str, Any] | None
    ) -> int:
        match name:
            case "transfer":
                return self._transfer(ledger, numbers, part)
            case "attempt":
                try:
                    return self._transfer(ledger, numbers, part)
                except _PanicError as error:
                    return -error.what
            case "dispatch":
                with ledger.counted("objects"):
                    return self._transfer(ledger, [*numbers[:3], 0, -1], part)
            case "reserve":
                return ledger.take_pages(*numbers)
            case "balance":
                return ledger.balance(*numbers)
        return ledger.answer(name)

    def _transfer(self, ledger: Ledger, numbers: list[int], part: dict[str, Any] | None) -> int:
        from_, to, amount, how, _ = numbers
        with ledger.counted("running"), ledger.lock(from_), ledger.lock(to):
            with ledger.withdrawal(from_, amount):
                if part is not None:
                    self._door(ledger, part)
                _fail(how, from_)
            ledger.balances[to] += amount
            ledger.served += 1
            return ledger.balances[from_]

    def _door(self, ledger: Ledger, part: dict[str, Any]) -> None:
        """The host's part, and what the module finds when it goes on."""
        try:
            for step in part["steps"]:
                self._step(step)
            self._end(part["end"])
        except (_PanicError, _ForeignError, _RefusedError, _AbortError) as error:
            if self.traps_for_errors:
                raise _HostTrapError from error
            if not isinstance(error, _AbortError):
                self._back(ledger)
            raise
        self._back(ledger)

    def _end(self, how: str) -> None:
        match how:
            case "throw" | "throw object":
                self.foreign += 1
                raise _ForeignError(self.foreign - 1)
            case "overflow":
                raise _HostTrapError
            case "trap again":
                raise _AbortError

    @staticmethod
    def _back(ledger: Ledger) -> None:
        if ledger.dead:
            ledger.terminated = True
            raise _AbortError
