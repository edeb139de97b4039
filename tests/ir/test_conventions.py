"""Custom sections of the tool conventions as objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from corpus.manifest import find, modules
from tests.modules import PREAMBLE, assembled, custom, printed
from wasmir import (
    DyLink,
    DyLinkMemory,
    MalformedError,
    Module,
    Pipeline,
    Producers,
    TargetFeatures,
)

if TYPE_CHECKING:
    from corpus.manifest import Module as Entry

TEXT = """(module
  (@dylink.0
    (mem-info (memory 5 2) (table 3 1))
    (needed "libc.so" "libm.so")
    (export-info "f" binding-weak)
    (import-info "env" "g" binding-weak undefined)
    (runtime-path "$ORIGIN"))
  (@producers (language "C" "11") (processed-by "clang" "19") (processed-by "wld" "19")))"""
PLACE = b"\x08dylink.0"


def dylink(module: Module) -> DyLink:
    found = DyLink.of(module)
    assert found
    return found


def test_reading() -> None:
    module = Module.from_bytes(assembled(TEXT))
    found = dylink(module)
    assert found.memory == DyLinkMemory(5, 2, 3, 1)
    assert found.needed == ["libc.so", "libm.so"]
    assert found.runtime_path == ["$ORIGIN"]
    assert found.export_flags == {"f": 1}
    assert found.import_flags == {("env", "g"): 0x11}
    producers = Producers.of(module)
    assert producers
    assert producers.fields == {
        "language": {"C": "11"},
        "processed-by": {"clang": "19", "wld": "19"},
    }
    assert TargetFeatures.of(module) is None


def test_writing() -> None:
    module = Module.from_bytes(assembled(TEXT))
    found = dylink(module)
    found.memory = found.memory._replace(size=6)
    found.needed = ["liba.so", *found.needed]
    found.runtime_path = []
    found.export_flags = found.export_flags | {"h": 4}
    found.import_flags = {}
    producers = Producers.of(module)
    assert producers
    producers.note("processed-by", "wasmir", "1")
    producers.note("language", "C", "23")
    after = printed(module.to_bytes())
    wanted = TEXT.replace("memory 5", "memory 6").replace('"libc', '"liba.so" "libc')
    wanted = wanted.replace("weak)", 'weak) (export-info "h" visibility-hidden)', 1)
    wanted = wanted.replace('(import-info "env" "g" binding-weak undefined)', "")
    wanted = wanted.replace('(runtime-path "$ORIGIN")', "").replace('"C" "11"', '"C" "23"')
    wanted = wanted.replace('"wld" "19")', '"wld" "19") (processed-by "wasmir" "1")')
    assert after == printed(assembled(wanted))


def test_what_is_not_touched_stays_to_the_byte() -> None:
    # Padded counts, an unknown subsection, and one that is there twice.
    needed = bytes.fromhex("82 80 00 01 61 81 00 62")
    content = b"\x07\x02??" + bytes([2, len(needed)]) + needed + b"\x02\x03\x01\x01c"
    content += b"\x01\x84\x00\x01\x02\x03\x04"
    data = PREAMBLE + custom("dylink.0", content)
    module = Module.from_bytes(data)
    found = dylink(module)
    assert found.needed == ["a", "b", "c"]
    assert found.memory == (1, 2, 3, 4)
    found.needed = found.needed
    found.memory = found.memory
    found.runtime_path = []
    assert module.to_bytes() == data
    found.memory = DyLinkMemory(9)
    assert module.to_bytes() == PREAMBLE + custom(
        "dylink.0", content.replace(b"\x01\x84\x00\x01\x02\x03\x04", b"\x01\x04\x09\0\0\0")
    )
    found.needed = []
    assert found.needed == []
    assert Module.from_bytes(module.to_bytes()).custom("dylink.0") is not None
    assert dylink(Module.from_bytes(module.to_bytes())).memory.size == 9


@pytest.mark.parametrize("entry", modules(), ids=lambda entry: entry.name)
def test_of_the_corpus(entry: Entry) -> None:
    data = entry.path.read_bytes()
    module = Module.from_bytes(data)
    features, producers = TargetFeatures.of(module), Producers.of(module)
    if features is not None:
        features.features = features.features
        assert set(features.features.values()) <= {"+", "-", "="}
    if producers is not None:
        producers.fields = producers.fields
    assert module.to_bytes() == data


def test_features() -> None:
    module = Module.from_bytes(find("cpp-legacy-O2").path.read_bytes())
    features = TargetFeatures.of(module)
    assert features
    before = features.features
    assert before["exception-handling"] == "+"
    features.require("exception-handling")
    assert module.to_bytes() == module.source
    features.features = before | {"atomics": "-"}
    features.require("atomics")
    assert list(features.features.items()) == [*before.items(), ("atomics", "+")]
    module.require_target_feature("tail-call")
    assert features.features["tail-call"] == "+"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dylink.0", b"\x02"),
        ("dylink.0", b"\x02\x05\x01"),
        ("producers", b"\x01\x01a"),
        ("producers", b"\x00\x00"),
        ("target_features", b"\x01+\x02a"),
        ("target_features", b"\x01+\x02\xff\xff"),
    ],
)
def test_malformed(name: str, content: bytes) -> None:
    module = Module.from_bytes(PREAMBLE + custom(name, content))
    views: list[type[DyLink | Producers | TargetFeatures]] = [DyLink, Producers, TargetFeatures]
    [view] = [each for each in views if name == each.NAME]
    with pytest.raises(MalformedError) as raised:
        view.of(module)
    assert len(module.source) - len(content) <= raised.value.offset <= len(module.source)
    # Who only wants to note something there leaves it alone.
    module.require_target_feature("x")
    assert module.to_bytes() == module.source


def test_subsections_are_read_when_they_are_asked_for() -> None:
    module = Module.from_bytes(PREAMBLE + custom("dylink.0", b"\x02\x03\x01\x02a"))
    found = dylink(module)
    assert found.memory == DyLinkMemory()
    with pytest.raises(MalformedError) as raised:
        _ = found.needed
    assert raised.value.offset == len(module.source) - 2
    module = Module.from_bytes(PREAMBLE + custom("dylink.0", b"\x02\x04\x01\x01ab"))
    with pytest.raises(MalformedError, match="bytes behind the end"):
        _ = dylink(module).needed


def test_rename_takes_the_flags_along() -> None:
    text = TEXT.replace("(module", '(module (import "env" "g" (func)) (func (export "f"))')
    module = Module.from_bytes(assembled(text))
    Pipeline.parse('rename{exports="f=ff",imports="env.g=env.gg"}').run(module)
    found = dylink(module)
    assert (found.export_flags, found.import_flags) == ({"ff": 1}, {("env", "gg"): 0x11})
    assert Producers.of(module)
