"""Module.edit_functions: the same module, however many processes edit it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from corpus.manifest import modules
from tests.differential.choices import seeded
from tests.differential.legacy import legacy_module
from tests.modules import assembled
from tests.support import validate
from wasmir import (
    Concrete,
    Function,
    FuncType,
    InvalidError,
    Module,
    NumType,
    Pipeline,
    RefType,
    StructType,
    SubType,
    WasmError,
    ops,
)
from wasmir.ir import edits
from wasmir.ir.fork import Worker, fork
from wasmir.passes import LegacyToExnref
from wasmir.pipeline import use_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

JOBS = pytest.mark.parametrize("jobs", [2, 3, 16])
LEGACY = [
    each for each in modules() if each.eh in {"legacy", "mixed"} and each.path.suffix == ".wasm"
]


@pytest.fixture(autouse=True)
def forked(monkeypatch: pytest.MonkeyPatch) -> list[Worker[object]]:
    """The processes that were started. The test runner's threads are no reason not to: they have
    nothing to do with the module.
    """
    started: list[Worker[object]] = []

    def noted(work: Callable[[], object]) -> Worker[object] | None:
        worker = fork(work)
        if worker is not None:
            started.append(worker)
        return worker

    monkeypatch.setattr(edits, "may_fork", lambda: True)
    monkeypatch.setattr(edits, "fork", noted)
    return started


def converted(data: bytes, jobs: int, *, tracked: bool = False) -> Module:
    module = Module.from_bytes(data)
    if tracked:
        module.track_offsets()
    with use_cores(jobs):
        LegacyToExnref().run(module)
    return module


@JOBS
def test_conversion(jobs: int, forked: list[Worker[object]]) -> None:
    for entry in LEGACY:
        data = entry.path.read_bytes()
        assert converted(data, jobs).to_bytes() == converted(data, 1).to_bytes(), entry.name
    assert len(forked) >= len(LEGACY) // 2


def test_conversion_of_random_modules() -> None:
    for seed in range(int(os.environ.get("WASMIR_TEST_SCALE", "1")) * 300):
        data = legacy_module(seeded(seed))
        outcomes = [outcome(data, jobs) for jobs in (1, 2, 4)]
        assert outcomes[0] == outcomes[1] == outcomes[2], seed


def outcome(data: bytes, jobs: int) -> bytes | str:
    try:
        return converted(data, jobs).to_bytes()
    except WasmError as error:
        return f"{type(error).__name__}: {error}"


LANDINGS = """(module
  (type $s (struct))
  (import "env" "a" (func $a (param i32)))
  (import "env" "b" (func $b (param f32)))
  (import "env" "s" (func $s (param (ref null $s))))
  (tag $a (param i32)) (tag $b (param f32)) (tag $s (param (ref null $s)))
  (func $one try call $one catch $a call $a rethrow 0 end)
  (func $two try call $one catch $b call $b rethrow 0 catch $a call $a rethrow 0 end)
  (func $three try call $one catch $s call $s rethrow 0 catch $b call $b rethrow 0 end)
  (func $four try call $one catch $s call $s rethrow 0 catch $a call $a rethrow 0 end)
)"""


@JOBS
def test_types_come_in_the_order_of_a_single_process(jobs: int) -> None:
    data = assembled(LANDINGS)
    alone, shared = converted(data, 1), converted(data, jobs)
    added = [type_.func for type_ in alone.types[len(Module.from_bytes(data).types) :]]
    assert len(added) == 3
    assert [str(type_.func) for type_ in shared.types] == [str(each.func) for each in alone.types]
    assert shared.to_bytes() == alone.to_bytes()
    assert validate(shared.to_bytes()) is None


@JOBS
def test_a_type_that_another_process_needs_under_another_number(jobs: int) -> None:
    """Each of the functions needs two types that the others don't, one of which mentions the
    other, in instructions and in its locals.
    """
    kinds = [NumType.I32, NumType.I64, NumType.F32, NumType.F64]
    data = assembled("(module" + "(func (param i32))" * 12 + ")")

    def edit(function: Function) -> int:
        module = function.module
        own = module.func_type((kinds[function.index % 4],) * (1 + function.index // 3))
        other = module.func_type((RefType(True, Concrete(own)),))
        function.body.add_local(RefType(True, Concrete(other)))
        first = [ops.ref.null(Concrete(own)), ops.drop()]
        function.body.items = [*first, ops.ref.null(Concrete(other)), ops.local.set(1)]
        return function.index

    alone, shared = Module.from_bytes(data), Module.from_bytes(data)
    assert alone.edit_functions(edit) == shared.edit_functions(edit, jobs=jobs) == list(range(12))
    assert len(alone.types) > 12
    assert shared.to_bytes() == alone.to_bytes()
    assert validate(shared.to_bytes()) is None


@JOBS
def test_where_code_went(jobs: int) -> None:
    for entry in LEGACY[:8]:
        data = entry.path.read_bytes()
        alone, shared = (converted(data, each, tracked=True).encode() for each in (1, jobs))
        places = range(0, len(data), 7)
        assert [shared.offsets.new(place) for place in places] == [
            alone.offsets.new(place) for place in places
        ]


MANY = "(module " + "(func (drop (i32.const 1)))" * 30 + ")"


@JOBS
def test_the_first_error_in_order(jobs: int) -> None:
    module = Module.from_bytes(assembled(MANY))
    checkpoint = module.checkpoint()

    def edit(function: Function) -> None:
        if function.index in {11, 22, 29}:
            raise InvalidError("not this one", str(function))
        function.body.items = []

    with pytest.raises(InvalidError, match="not this one") as caught:
        module.edit_functions(edit, jobs=jobs)
    assert caught.value.function == "11"
    module.rollback(checkpoint)
    assert module.to_bytes() == module.source


@JOBS
def test_errors_of_other_kinds_come_out_too(jobs: int) -> None:
    module = Module.from_bytes(assembled(MANY))

    def edit(function: Function) -> None:
        if function.index == 25:
            raise LookupError(function.index)

    with pytest.raises(LookupError, match="25"):
        module.edit_functions(edit, jobs=jobs)


def names(function: Function) -> None:
    function.name = f"f{function.index}"
    function.local_names = {0: "zero"}


def exports(function: Function) -> None:
    function.module.exports.add(f"f{function.index}", function)


def adds_structures(function: Function) -> None:
    function.module.add_type(SubType(StructType(())))


def gives_no_data(function: Function) -> object:
    return (each for each in (function,))


@pytest.mark.parametrize("edit", [names, exports, adds_structures, gives_no_data])
def test_edits_that_are_not_sent(edit: Callable[[Function], object]) -> None:
    """What a process did beyond its functions is done again where it counts."""
    alone, shared = (Module.from_bytes(assembled(MANY)) for _ in range(2))
    first = alone.edit_functions(edit)
    assert len(shared.edit_functions(edit, jobs=3)) == len(first) == 30
    assert shared.to_bytes() == alone.to_bytes()
    assert (shared.to_bytes() != shared.source) == (edit is not gives_no_data)


def test_a_process_that_dies_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "result", Worker.close)
    data = find_legacy()
    assert converted(data, 3).to_bytes() == converted(data, 1).to_bytes()


def test_a_process_that_dies_while_it_sends() -> None:
    start, end = os.pipe()
    os.write(end, (100).to_bytes(8, "little") + b"not all")
    os.close(end)
    worker = fork(lambda: 1)
    assert worker is not None
    os.close(worker._end)
    worker._end = start
    assert worker.result() is None


def find_legacy() -> bytes:
    return next(each for each in LEGACY if each.name == "cpp-legacy-O2").path.read_bytes()


def test_no_process_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_fork() -> int:
        raise OSError("no more processes")

    monkeypatch.setattr("os.fork", no_fork)
    data = find_legacy()
    assert converted(data, 3).to_bytes() == converted(data, 1).to_bytes()


def test_progress_and_no_functions() -> None:
    module = Module.from_bytes(assembled(MANY))
    seen: list[int] = []

    def track(functions: Sequence[Function]) -> Iterable[Function]:
        seen.append(len(functions))
        return functions

    assert module.edit_functions(lambda each: each.index, track=track) == list(range(30))
    assert module.edit_functions(lambda each: each.index, jobs=2, track=track) == list(range(30))
    assert seen == [30, 15]
    assert module.edit_functions(lambda each: each.index, [], jobs=2) == []
    assert Module().edit_functions(lambda each: each.index, jobs=2) == []


def test_pipelines_divide_too(forked: list[Worker[object]]) -> None:
    data = find_legacy()
    outputs = []
    for jobs in (1, 2):
        module = Module.from_bytes(data)
        [report] = Pipeline.parse("legacy-to-exnref").run(module, jobs=jobs)
        outputs.append((module.to_bytes(), report.functions, report.counts))
        assert len(forked) == jobs - 1
    assert outputs[0] == outputs[1]


def test_every_instruction() -> None:
    data = find_legacy()
    module = Module.from_bytes(data)

    def nothing(function: Function) -> FuncType:
        function.expand()
        return function.func_type

    defined = [each for each in module.functions if each.imported is None]
    assert module.edit_functions(nothing, jobs=4) == [each.func_type for each in defined]
    assert module.to_bytes() == data


@JOBS
def test_references_to_functions_are_declared(jobs: int) -> None:
    """``ref.func`` in code takes a mention outside of it, which encoding adds."""

    def edit(function: Function) -> None:
        if function.index == 29:
            function.body.items = [ops.ref.func(function), ops.drop()]

    alone, shared = (Module.from_bytes(assembled(MANY)) for _ in range(2))
    alone.edit_functions(edit)
    shared.edit_functions(edit, jobs=jobs)
    assert validate(alone.to_bytes()) is None
    assert shared.to_bytes() == alone.to_bytes()
