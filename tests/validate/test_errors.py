"""What errors say, which come, and in which order."""

from __future__ import annotations

import pickle

import pytest

from tests.modules import assembled
from wasmir import DialectWarning, InvalidError, MalformedError, Module, WasmError
from wasmir.ir import fork

WRONG = """(module
  (func $a (result i32) i64.const 0)
  (func $b (block (loop (br_if 5 (i32.const 0)))))
  (func $c)
  (func $d (local (ref func)) local.get 0 drop)
  (func $e (block (i32.const 1)))
)"""


def invalid(text: str) -> list[WasmError]:
    return list(Module.from_bytes(assembled(text)).find_errors())


def test_one_error_for_each_function() -> None:
    found = invalid(WRONG)
    assert [error.function for error in found if isinstance(error, InvalidError)] == [
        '0 "a"',
        '1 "b"',
        '3 "d"',
        '4 "e"',
    ]
    assert "type mismatch: instruction requires [i32] but stack has [i64]" in found[0].reason
    assert "unknown label" in found[1].reason
    assert "uninitialized local 0" in found[2].reason
    assert "type mismatch: block requires [] but stack has [i32]" in found[3].reason


def test_the_first_is_raised() -> None:
    with pytest.raises(InvalidError) as caught:
        Module.from_bytes(assembled(WRONG)).validate()
    assert str(caught.value) == str(invalid(WRONG)[0])


def test_an_error_says_what_where_and_in_what() -> None:
    data = assembled("(module (func $f (block (loop (if (i32.const 1) (then i32.eqz drop))))))")
    with pytest.raises(InvalidError) as caught:
        Module.from_bytes(data).validate()
    error = caught.value
    assert error.offset is not None
    assert data[error.offset] == 0x45
    assert error.function == '0 "f"'
    assert error.reason == (
        "type mismatch: instruction requires [i32] but stack has []; at i32.eqz in "
        f"if ({error.offset - 2:#x}), loop ({error.offset - 6:#x}), block ({error.offset - 8:#x})"
    )
    assert str(error) == f'{error.reason} (in function 0 "f", at offset {error.offset:#x})'


def test_many_open_blocks_are_counted() -> None:
    nest = "(block " * 50 + "i32.eqz" + ")" * 50
    [error] = invalid(f"(module (func {nest}))")
    assert "and 44 more" in error.reason


def test_types_are_told_by_name() -> None:
    [error] = invalid(
        "(module (type $point (struct)) (func (param (ref null $point)) (result (ref $point)) "
        "local.get 0))"
    )
    assert 'requires [(ref 0 "point")] but stack has [(ref null 0 "point")]' in error.reason


def test_sections_come_first_and_alone() -> None:
    [error] = invalid("(module (global i32 (i64.const 0)) (func (result i32)))")
    assert isinstance(error, InvalidError)
    assert error.function is None
    assert error.offset is not None
    assert "in global 0" in error.reason


def test_malformed_code_is_told_of_where_it_is() -> None:
    data = bytearray(assembled("(module (func i32.const 1 drop))"))
    data[-2] = 0xFF
    with pytest.raises(MalformedError) as caught:
        Module.from_bytes(bytes(data)).validate()
    assert caught.value.offset < len(data)


def test_errors_survive_pickling() -> None:
    for error in invalid(WRONG):
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
        assert str(again) == str(error)


MIXED = """(module (tag $t)
  (func try end)
  (func (block (try_table (catch_all 0))))
)"""


def test_mixed_dialects_are_warned_of() -> None:
    module = Module.from_bytes(assembled(MIXED))
    with pytest.warns(DialectWarning, match="valid, but engines reject it"):
        module.validate()
    with pytest.warns(DialectWarning):
        module.validate(jobs=2)
    # Each alone is fine, and so is the one function that was looked at.
    module.validate(only=[module.functions[0]])


# In several processes


@pytest.mark.parametrize("jobs", [1, 2, 3, 16])
def test_processes_find_the_same(jobs: int) -> None:
    module = Module.from_bytes(assembled(WRONG))
    assert [str(each) for each in module.find_errors(jobs=jobs)] == list(map(str, invalid(WRONG)))
    with pytest.raises(InvalidError) as caught:
        module.validate(jobs=jobs)
    assert str(caught.value) == str(invalid(WRONG)[0])


def test_a_process_that_dies_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork.Worker, "result", _died)
    module = Module.from_bytes(assembled(WRONG))
    assert [str(each) for each in module.find_errors(jobs=3)] == list(map(str, invalid(WRONG)))


def _died(worker: fork.Worker[object]) -> None:
    worker.close()


def test_no_process_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_fork() -> int:
        raise OSError("no more processes")

    monkeypatch.setattr("os.fork", no_fork)
    module = Module.from_bytes(assembled(WRONG))
    assert [str(each) for each in module.find_errors(jobs=3)] == list(map(str, invalid(WRONG)))


def test_parts_are_of_like_size() -> None:
    text = "(module " + "(func (drop (i32.const 1)))" * 100 + ")"
    functions = list(Module.from_bytes(assembled(text)).functions)
    for parts in (1, 2, 3, 7):
        found = fork.divided(functions, parts)
        assert [each for part in found for each in part] == functions
        assert max(map(len, found)) - min(map(len, found)) <= 1
    assert fork.divided(functions[:1], 3).count([]) == 2
