"""What fuzzing and hard looks have found, each once: what it was, and that it is no more.

A new finding of ``tests.fuzz`` or ``tests.fuzz.guided`` is put here, as small as it can be made.
"""

from __future__ import annotations

import pytest

from tests.fuzz.cases import MOST
from tests.fuzz.examine import examine, refused
from tests.modules import EMPTY_TYPE, PREAMBLE, module, section, sized, vector
from tests.support import force
from wasmir import InvalidError, MalformedError, Module, NumType, Pipeline, UnsupportedError

TYPES = section(1, vector([EMPTY_TYPE]))
CATCHES = b"\0\x06\x40\x07\0\x0b\x0b"
"""Code that names a tag."""


def with_tags(tags: bytes) -> bytes:
    code = section(10, vector([sized(CATCHES)]))
    return PREAMBLE + TYPES + section(3, b"\x01\0") + section(13, tags) + code


def test_a_broken_section_is_not_blamed_on_the_code_that_needs_it() -> None:
    """The tag section is read when a body names a tag; its offsets were added to the body's."""
    data = with_tags(b"\x01\x01\0")
    [function] = Module.from_bytes(data).functions
    error = refused(lambda: function.body)
    assert isinstance(error, MalformedError)
    assert error.reason == "malformed tag attribute"
    assert error.offset == data.index(b"\x0d\x03\x01\x01\0") + 3


def test_an_invalid_section_is_not_blamed_on_the_code_that_needs_it() -> None:
    """The tag is of a type that isn't there: that is not at an offset in function 0."""
    [function] = Module.from_bytes(with_tags(b"\x01\0\x07")).functions
    error = refused(lambda: function.body)
    assert isinstance(error, InvalidError)
    assert error.reason == "unknown type 7"
    assert error.function is None
    assert error.offset is None


def test_looking_at_an_undeclared_reference_adds_nothing() -> None:
    """An open body counted as a changed one, and got an element segment that declares it."""
    data = module(b"\0\xd2\0\x1a\x0b")
    assert examine(data) == "module"


def test_looking_at_a_body_does_not_need_the_other_sections() -> None:
    """Declaring what it refers to read the exports, which are broken here."""
    exports = section(7, b"\x01\xff")
    body = section(10, vector([sized(b"\0\xd2\0\x1a\x0b")]))
    data = PREAMBLE + TYPES + section(3, b"\x01\0") + exports + body
    opened = Module.from_bytes(data)
    assert opened.functions[0].body.items
    assert opened.to_bytes() == data


MISPLACED = {
    # A constant expression, and where in it the mistake is.
    "else": ("41 00 05 0b", 2),
    "else in a block": ("02 40 05 0b 0b", 2),
    "else twice": ("04 40 05 05 0b 0b", 3),
    "catch_all": ("19 0b", 0),
    "catch_all in if": ("04 40 19 0b 0b", 2),
    "catch_all twice": ("06 40 19 19 0b 0b", 3),
    "delegate as the end": ("41 00 18 00", 2),
    "delegate of a block": ("02 40 18 00 0b", 2),
    "delegate behind a handler": ("06 40 19 18 00 0b", 3),
}


@pytest.mark.parametrize("name", MISPLACED)
def test_misplaced_in_a_constant_expression(name: str) -> None:
    """Openings and ends were counted, no more: `delegate` even passed for the expression's end."""
    spelled, at = MISPLACED[name]
    data = PREAMBLE + section(6, b"\x01\x7f\0" + bytes.fromhex(spelled))
    error = refused(lambda: force(Module.from_bytes(data)))
    assert isinstance(error, MalformedError)
    assert error.offset == 13 + at


@pytest.mark.parametrize("spelled", ["04 40 05 0b 0b", "06 40 19 0b 0b", "06 40 18 00 0b"])
def test_well_placed_in_a_constant_expression(spelled: str) -> None:
    """Not constant, but that is for validation to say."""
    data = PREAMBLE + section(6, b"\x01\x7f\0" + bytes.fromhex(spelled))
    assert examine(data) == "module"


NEEDS_COUNT = ["fc 08 00 00", "fc 09 00", "fb 09 00 00", "fb 12 00 00"]
"""memory.init, data.drop, array.new_data, array.init_data"""


@pytest.mark.parametrize("spelled", NEEDS_COUNT)
@pytest.mark.parametrize("counted", [False, True])
def test_data_count(spelled: str, counted: bool) -> None:
    """Code that names a data segment takes a data count section, for all four instructions."""
    code = b"\0\x41\0\x41\0\x41\0" + bytes.fromhex(spelled) + b"\x0b"
    data = (
        PREAMBLE
        + section(1, vector([b"\x5e\x78\x01", EMPTY_TYPE]))
        + section(3, b"\x01\x01")
        + section(5, b"\x01\0\x01")
        + (section(12, b"\x01") if counted else b"")
        + section(10, vector([sized(code)]))
        + section(11, b"\x01\x01\0")
    )
    if counted:
        assert examine(data) == "module"
    else:
        error = refused(lambda: force(Module.from_bytes(data)))
        assert isinstance(error, MalformedError)
        assert error.reason.startswith("data count section required")


def test_data_count_comes_with_an_edit() -> None:
    """What was added needs no section in the input, also when it is settled and looked at again."""
    data = module(b"\0\x0b", after=section(11, b"\x01\x01\0"))
    opened = Module.from_bytes(data)
    [function] = opened.functions
    function.body.items.append(opened.instr("data.drop", opened.data[0]))
    function.settle()
    force(opened)
    force(Module.from_bytes(opened.to_bytes()))


def test_no_room_for_another_local() -> None:
    """A conversion gave one to a function that had 2^32 - 1: what was written can't be read."""
    data = module(b"\x01" + MOST + b"\x7f\x0b")
    opened = Module.from_bytes(data)
    with pytest.raises(UnsupportedError, match="too many locals"):
        opened.functions[0].body.add_local(NumType.I32)
    assert opened.to_bytes() == data


def test_as_many_exception_locals_as_there_may_be() -> None:
    """Each got a slot of its own, mentioned or not."""
    data = module(b"\x01" + MOST + b"\x69\x1f\x40\0\x0b\x0b")
    assert examine(data) == "module"
    opened = Module.from_bytes(data)
    Pipeline.parse("exnref-to-legacy").run(opened)
    assert opened.functions[0].body.local_groups == []


def test_switch_to_what_takes_no_continuation() -> None:
    """Its last parameter was looked at, and there was none."""
    types = [EMPTY_TYPE, b"\x5d\0"]
    data = module(b"\0\x1f\x40\0\xe6\x01\0\x0b\x0b", types=types, tags=1)
    assert examine(data) == "module"
    error = refused(lambda: Pipeline.parse("exnref-to-legacy").run(Module.from_bytes(data)))
    assert isinstance(error, InvalidError)
    assert "takes no continuation" in error.reason
