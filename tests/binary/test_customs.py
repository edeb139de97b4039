"""Custom sections that speak of code: kept true, or reported; never silently wrong."""

from __future__ import annotations

import pytest

from corpus.manifest import find
from tests.modules import assembled, custom, module, sized, unsigned, vector
from tests.support import CONVERTED, validate
from wasmir import Module, PassReport, Pipeline, UnsupportedError, instructions

UNTOUCHED = b"\0\x10\0\x0b"
CHANGED = b"\0\x06\x40\x10\0\x19\x10\0\x0b\x0b"


def convert(data: bytes) -> tuple[Module, PassReport]:
    opened = Module.from_bytes(data)
    [report] = Pipeline.parse("legacy-to-exnref").run(opened)
    out = opened.to_bytes()
    assert validate(out, CONVERTED) is None
    return Module.from_bytes(out), report


def with_customs(*customs: tuple[str, bytes]) -> bytes:
    """Functions 0 and 2 stay as they are, 1 and 3 are converted."""
    after = b"".join(custom(name, content) for name, content in customs)
    return module(UNTOUCHED, CHANGED, UNTOUCHED, CHANGED, after=after)


def content(opened: Module, name: str) -> bytes:
    """What is written of a section."""
    found = Module.from_bytes(opened.to_bytes()).custom(name)
    assert found is not None
    return found.data


def function_names(opened: Module) -> dict[int, str]:
    return {each.index: each.name for each in opened.functions if each.name is not None}


# target_features


def features(*entries: str) -> bytes:
    return vector([entry[:1].encode() + sized(entry[1:].encode()) for entry in entries])


NEEDED = ("+exception-handling", "+multivalue", "+reference-types")


def listed(data: bytes) -> list[str]:
    entries = []
    at = 1
    for _ in range(data[0]):
        end = at + 2 + data[at + 1]
        entries.append(data[at : at + 1].decode() + data[at + 2 : end].decode())
        at = end
    assert at == len(data)
    return entries


@pytest.mark.parametrize(
    "before",
    [
        (),
        ("+exception-handling",),
        ("+bulk-memory", "+exception-handling", "+sign-ext"),
        ("+mutable-globals", "-reference-types", "+simd128"),
        NEEDED,
    ],
)
def test_target_features_say_what_is_needed(before: tuple[str, ...]) -> None:
    opened, report = convert(with_customs(("target_features", features(*before))))
    after = listed(content(opened, "target_features"))
    assert set(after) == {each for each in before if "+" + each[1:] not in NEEDED} | set(NEEDED)
    assert len(after) == len(set(after))
    # What was there comes first, in its order.
    kept = [each for each in before if each in after]
    assert after[: len(kept)] == kept
    assert report.stale == {}


def test_target_features_are_left_alone_without_need() -> None:
    for functions in ([UNTOUCHED], [b"\0\x1f\x40\0\x0b\x0b"]):
        data = module(*functions, after=custom("target_features", features("+simd128")))
        assert convert(data)[0].source == data


def test_no_target_features_where_there_were_none() -> None:
    opened, _ = convert(with_customs())
    assert opened.customs == []


@pytest.mark.parametrize("broken", [b"", b"\x05", b"\x01+\x7f", b"\xff\xff\xff\xff\x0f"])
def test_broken_target_features_are_copied(broken: bytes) -> None:
    opened, _ = convert(with_customs(("target_features", broken)))
    assert content(opened, "target_features") == broken


def test_compilers_target_features() -> None:
    opened, _ = convert(find("cpp-legacy-O2").path.read_bytes())
    section = opened.custom("target_features")
    if section is not None:
        assert set(NEEDED) <= set(listed(section.data))


# name


def name_map(names: dict[int, str]) -> bytes:
    return vector([unsigned(index) + sized(name.encode()) for index, name in names.items()])


def indirect(names: dict[int, dict[int, str]]) -> bytes:
    return vector([unsigned(index) + name_map(inner) for index, inner in names.items()])


def subsection(number: int, data: bytes) -> bytes:
    return bytes([number]) + sized(data)


FUNCTION_NAMES = subsection(1, name_map({0: "a", 1: "b", 3: "d"}))
LOCAL_NAMES = subsection(2, indirect({1: {0: "x"}}))
TYPE_NAMES = subsection(4, name_map({0: "t"}))


def test_names_of_labels_that_are_gone_go() -> None:
    labels = {0: {0: "zero"}, 1: {0: "one"}, 2: {0: "two", 1: "more"}, 3: {0: "three"}}
    before = FUNCTION_NAMES + LOCAL_NAMES + subsection(3, indirect(labels)) + TYPE_NAMES
    opened, report = convert(with_customs(("name", before)))
    kept = subsection(3, indirect({0: labels[0], 2: labels[2]}))
    assert content(opened, "name") == FUNCTION_NAMES + LOCAL_NAMES + kept + TYPE_NAMES
    assert report.stale == {}


def test_names_without_labels_of_changed_functions_stay() -> None:
    """Padded, and so told from a section that was written anew."""
    padded = b"\x03" + unsigned(6, 5) + unsigned(1, 3) + unsigned(2, 2) + b"\0"
    for before in (FUNCTION_NAMES, FUNCTION_NAMES + padded + TYPE_NAMES):
        opened, _ = convert(with_customs(("name", before)))
        assert content(opened, "name") == before


def test_broken_label_names_name_nothing() -> None:
    """As with all broken names: left alone, for whoever reads them leaves them out."""
    before = FUNCTION_NAMES + subsection(3, b"\x02\x01\x01\x00\x7f")
    opened, _ = convert(with_customs(("name", before)))
    assert content(opened, "name").startswith(FUNCTION_NAMES)
    assert function_names(opened) == {0: "a", 1: "b", 3: "d"}


def test_label_names_from_text() -> None:
    data = assembled(
        """(module
             (func $kept block $here br $here end)
             (func $changed block $there try $out call $kept catch_all br $there end end))"""
    )
    assert all(sized(label) in data for label in (b"here", b"there", b"out"))
    opened, _ = convert(data)
    names = content(opened, "name")
    assert sized(b"here") in names
    assert sized(b"there") in names
    assert sized(b"out") not in names
    assert function_names(opened) == {0: "kept", 1: "changed"}


# metadata.code.*


def hints(entries: dict[int, list[tuple[int, bytes]]]) -> bytes:
    return vector(
        [
            unsigned(index) + vector([unsigned(offset) + sized(data) for offset, data in points])
            for index, points in entries.items()
        ]
    )


@pytest.mark.parametrize("name", ["metadata.code.branch_hint", "metadata.code.other"])
def test_hints_of_changed_functions_move(name: str) -> None:
    """The first is about a call, the second about the `catch_all`."""
    all_ = {index: [(3, b"\1"), (5, b"\0")] for index in range(4)}
    opened, report = convert(with_customs((name, hints(all_))))
    function = opened.functions[1]
    [call, _] = (each for each in instructions(function) if each.row.name == "call")
    moved = [(call.offset - function.offset, b"\1")]
    assert moved[0][0] != 3
    assert content(opened, name) == hints({0: all_[0], 1: moved, 2: all_[2], 3: moved})
    assert report.stale == {}


def test_hints_of_other_functions_stay() -> None:
    padded = unsigned(1, 3) + unsigned(2, 2) + unsigned(1, 2) + b"\x05\x01\x01"
    opened, report = convert(with_customs(("metadata.code.branch_hint", padded)))
    assert content(opened, "metadata.code.branch_hint") == padded
    assert report.stale == {}


def test_branch_hints_from_text() -> None:
    data = assembled(
        r"""(module
             (func (param i32)
               local.get 0
               (@metadata.code.branch_hint "\01") if end)
             (func (param i32)
               try local.get 0 call 0 catch_all
                 local.get 0
                 (@metadata.code.branch_hint "\00") if end
               end))"""
    )
    before = Module.from_bytes(data).custom("metadata.code.branch_hint")
    assert before is not None
    assert before.data[0] == 2
    opened, report = convert(data)
    after = content(opened, "metadata.code.branch_hint")
    assert after[:6] == before.data[:6]
    ifs = [each for each in instructions(opened.functions[1]) if each.row.name == "if"]
    [offset] = (each.offset - opened.functions[1].offset for each in ifs)
    assert after[6:] == b"\1" + vector([unsigned(offset) + sized(b"\0")])
    assert report.stale == {}


def test_hints_that_cannot_be_read_are_reported() -> None:
    opened, report = convert(with_customs(("metadata.code.branch_hint", b"\x02\x01\x01")))
    assert set(report.stale) == {"metadata.code.branch_hint"}
    assert "can't be read" in report.stale["metadata.code.branch_hint"]
    assert content(opened, "metadata.code.branch_hint") == b"\x02\x01\x01"


# What can't be brought up to date

OFFSETS = [".debug_info", ".debug_line", "sourceMappingURL", "external_debug_info"]
HARMLESS = ["producers", "build_id", "my.own", "dylink.0", "debug", "sourcemap"]


def test_offsets_are_reported_and_the_rest_is_not() -> None:
    data = with_customs(*((name, sized(b"x.map")) for name in OFFSETS + HARMLESS))
    opened, report = convert(data)
    assert set(report.stale) == set(OFFSETS)
    assert all("offsets into the code" in reason for reason in report.stale.values())
    # Reported, but there: leaving them out is for whoever converts to decide.
    assert [each.name for each in opened.customs] == OFFSETS + HARMLESS
    assert all(each.data == sized(b"x.map") for each in opened.customs)


def test_nothing_is_stale_where_nothing_changed() -> None:
    after = b"".join(custom(name, b"\0") for name in OFFSETS)
    data = module(UNTOUCHED, after=after)
    opened, report = convert(data)
    assert opened.source == data
    assert report.stale == {}


def test_the_compilers_debug_information_is_reported() -> None:
    _, report = convert(find("cpp-legacy-debug").path.read_bytes())
    debug = {
        each.name
        for each in Module.from_file(find("cpp-legacy-debug").path).customs
        if each.name.startswith(".debug_")
    }
    assert set(report.stale) == debug != set()


@pytest.mark.parametrize("name", ["linking", "reloc.CODE", "reloc..debug_info"])
def test_relocatable_objects_are_refused(name: str) -> None:
    opened = Module.from_bytes(with_customs((name, b"\x02")))
    with pytest.raises(UnsupportedError, match=f"relocatable object.*{name}.*link it first"):
        Pipeline.parse("legacy-to-exnref").run(opened)
    assert opened.to_bytes() == opened.source


def test_removed_sections_are_gone_and_the_rest_is_in_place() -> None:
    data = with_customs(("a", b"1"), ("sourceMappingURL", sized(b"x")), ("b", b"2"))
    opened = Module.from_bytes(data)
    found = opened.custom("sourceMappingURL")
    assert found is not None
    opened.remove_custom(found)
    assert opened.to_bytes() == with_customs(("a", b"1"), ("b", b"2"))
