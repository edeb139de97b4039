"""Modules as they are in memory: edits are checked, and what depends on them."""

from __future__ import annotations

import pytest

from tests.modules import assembled
from tests.support import validate
from wasmir import (
    Block,
    Br,
    FuncType,
    GlobalType,
    InvalidError,
    Module,
    NumType,
    ops,
)

I32, I64 = NumType.I32, NumType.I64

TEXT = """(module
  (memory 1)
  (global $g (mut i32) (i32.const 0))
  (func $callee (param i32) (result i32) local.get 0)
  (func $caller (result i32) i32.const 1 call $callee)
  (func $other (result i32) global.get $g)
  (func $fine (export "fine"))
)"""


def opened() -> Module:
    return Module.from_bytes(assembled(TEXT))


def refused(module: Module, match: str) -> InvalidError:
    with pytest.raises(InvalidError, match=match) as caught:
        module.validate()
    return caught.value


def test_an_edit_that_is_wrong() -> None:
    module = opened()
    module.validate()
    caller = module.functions[1]
    caller.body.seq.append(ops.i64.const(1))
    error = refused(module, r"^type mismatch: .* requires \[i32\] but stack has \[i64\]; at end")
    assert error.function == '1 "caller"'
    # It stands nowhere in the file.
    assert error.offset is None
    caller.settle()
    assert refused(module, "type mismatch").function == '1 "caller"'
    caller.body.seq.pop()
    module.validate()
    assert validate(module.to_bytes()) is None


def test_open_bodies_are_as_good_as_raw_ones() -> None:
    module = opened()
    for function in module.functions:
        function.expand()
    module.validate()
    for function in module.functions:
        assert function.is_open


def test_only_some_are_checked() -> None:
    module = opened()
    first, second = module.functions[0], module.functions[1]
    first.body.seq.append(ops.drop())
    module.validate(only=[second])
    module.validate(only=[])
    with pytest.raises(InvalidError, match="type mismatch"):
        module.validate(only=[second, first])
    assert module.edited_functions == [first]
    with pytest.raises(InvalidError, match="type mismatch"):
        module.validate(only=module.edited_functions)


def test_what_is_outside_is_checked_whatever_only_says() -> None:
    module = opened()
    module.globals[0].type = GlobalType(I64, True)
    with pytest.raises(InvalidError, match="type mismatch"):
        module.validate(only=[])


def test_new_types_concern_all_functions() -> None:
    """A global of another type makes functions wrong that nobody touched."""
    module = opened()
    assert module.edited_functions == []
    module.globals[0].type = GlobalType(I64, True)
    module.globals[0].init = module.const(ops.i64.const(0))
    assert len(module.edited_functions) == len(module.functions)
    with pytest.raises(InvalidError, match="type mismatch") as caught:
        module.validate(only=module.edited_functions)
    assert caught.value.function == '2 "other"'


def test_a_function_of_another_type_concerns_its_callers() -> None:
    module = opened()
    module.functions[0].type = module.func_type([I32, I32], [I32])
    with pytest.raises(InvalidError, match=r"requires \[i32 i32\] but stack has \[i32\]") as caught:
        module.validate(only=module.edited_functions)
    assert caught.value.function == '1 "caller"'


def test_what_was_added() -> None:
    module = opened()
    added = module.add_function(FuncType((), (I32,)))
    assert added in module.edited_functions
    refused(
        module, r"block requires \[i32\] but stack has \[\]|requires \[i32\] but stack has \[\]"
    )
    added.body.seq.append(ops.i32.const(1))
    module.validate()


def test_what_was_removed_and_is_mentioned() -> None:
    module = opened()
    module.functions.remove(module.functions[0])
    error = refused(module, r"^unknown function 0 \(removed\)")
    assert error.function == '0 "caller"'


def test_what_moved_is_still_the_same() -> None:
    module = opened()
    module.import_function("env", "log", FuncType((I64,)))
    module.validate()
    assert validate(module.to_bytes()) is None


def test_references_that_writing_declares() -> None:
    module = opened()
    # In code that is edited, writing the module declares the function.
    module.functions[3].body.seq.extend([ops.ref.func(module.functions[0]), ops.drop()])
    module.validate()
    data = module.to_bytes()
    assert validate(data) is None
    Module.from_bytes(data).validate()


def test_references_that_nothing_declares() -> None:
    data = assembled('(module (func $f) (func (export "g") ref.func $f drop))')
    # The assembler declares nothing by itself.
    refused(Module.from_bytes(data), "undeclared function reference")


def test_data_that_writing_counts() -> None:
    text = '(module (memory 1) (data "x") (func (export "f")))'
    module = Module.from_bytes(assembled(text))
    assert all(section.id != 12 for section in module.sections)
    seq = module.functions[0].body.seq
    seq.extend(
        [ops.i32.const(0), ops.i32.const(0), ops.i32.const(0), ops.memory.init(module.data[0])]
    )
    module.validate()
    assert validate(module.to_bytes()) is None


def test_a_label_out_of_scope() -> None:
    module = opened()
    block = Block(module.block_type())
    module.functions[3].body.items[:0] = [block, Br(block)]
    refused(module, "label|block")


def test_unused_types_count_as_well() -> None:
    module = opened()
    module.exports[0].name = "twice"
    module.exports.add("other", module.functions[0]).name = "twice"
    refused(module, "duplicate export name")
