"""Pipelines: their text, what they promise around passes, and passes of other packages."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.manifest import find
from tests.modules import custom, module
from wasmir import InvalidError, Module, Pass, PassError, PassReport, Pipeline, UnsupportedError
from wasmir.passes import BUILT_IN, LegacyToExnref
from wasmir.pipeline import Verify, available_passes, observe_progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wasmir import Function

LEGACY = find("legacy-shapes-try").path
PLAIN = module(b"\0\x0b", after=custom("note", b"old"))


@dataclass(frozen=True)
class Note(Pass):
    """Writes into a custom section."""

    name: ClassVar[str] = "note"

    text: str = ""
    count: int = 1
    twice: bool = False
    long_name: bool = False

    def run(self, module: Module) -> PassReport:
        for each in self.track(module.customs, "sections"):
            if each.name == "note":
                each.data = self.text.encode() * self.count * (2 if self.twice else 1)
        return PassReport(self.name, counts={"note": 1})


@dataclass(frozen=True)
class Fail(Pass):
    """Changes something, then fails."""

    name: ClassVar[str] = "fail"

    def run(self, module: Module) -> PassReport:
        module.add_tag()
        for function in module.functions:
            if function.imported is None:
                function.body.items.append(b"\x01")
        raise UnsupportedError("not today")


NO_PASS = 7


@pytest.fixture(autouse=True)
def other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an installed package with passes would add."""
    entries = EntryPoints(
        EntryPoint(name, value, "wasmir.passes")
        for name, value in {
            "note": f"{__name__}:Note",
            "fail": f"{__name__}:Fail",
            "missing": "no.such.module:Pass",
            "no-attribute": f"{__name__}:Nothing",
            "no-pass": f"{__name__}:NO_PASS",
            # No one takes the place of a built-in pass.
            "legacy-to-exnref": f"{__name__}:Note",
        }.items()
    )

    def entry_points(*, group: str) -> EntryPoints:
        return entries if group == "wasmir.passes" else EntryPoints()

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)


# The text


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("", ()),
        ("  \n", ()),
        ("legacy-to-exnref", (LegacyToExnref(),)),
        (" legacy-to-exnref , note ", (LegacyToExnref(), Note())),
        ("legacy-to-exnref{}", (LegacyToExnref(),)),
        ("legacy-to-exnref{stack=false}", (LegacyToExnref(stack=False),)),
        ("legacy-to-exnref{stack}", (LegacyToExnref(),)),
        (
            "legacy-to-exnref{ stack = false , order=false }",
            (LegacyToExnref(stack=False, order=False),),
        ),
        ("note{text=word,count=3,twice}", (Note("word", 3, twice=True),)),
        ("note{count=0x10}", (Note(count=16),)),
        ("note{count=-1}", (Note(count=-1),)),
        ('note{text="two words"}', (Note("two words"),)),
        (r'note{text="a \"b\" {c,d=e} \\"}', (Note('a "b" {c,d=e} \\'),)),
        ('note{text=""}', (Note(""),)),
        ("note{text=env.*}", (Note("env.*"),)),
        ("note,note{text=a},note", (Note(), Note("a"), Note())),
        ("note{text=a,}", (Note("a"),)),
        ("note{long-name}", (Note(long_name=True),)),
        ("note{long_name=true}", (Note(long_name=True),)),
    ],
)
def test_parse(text: str, passes: tuple[Pass, ...]) -> None:
    assert Pipeline.parse(text).passes == passes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("legacy-to-exnreff", "unknown pass 'legacy-to-exnreff'; did you mean 'legacy-to-exnref'?"),
        ("legacy_to_exnref", "did you mean 'legacy-to-exnref'?"),
        ("zzzzzz", "unknown pass 'zzzzzz'; there are: .*legacy-to-exnref.*note"),
        ("note,", "character 6: the name of a pass is expected"),
        (",note", "character 1: the name of a pass is expected"),
        ("note note", "character 6: a comma is expected between passes, not 'note'"),
        ("{}", "character 1: the name of a pass is expected"),
        ("note}", "character 5: a comma is expected"),
        ("note{", "expected"),
        ("note{count", "option 'count' needs a value"),
        ("note{twice", "a comma or } is expected"),
        ("note{count=", "a value for 'count' is expected"),
        ("note{count=}", "a value for 'count' is expected"),
        ("note{count=many}", "option 'count' is a number, not 'many'"),
        ("note{twice=yes}", "option 'twice' is true or false, not 'yes'"),
        ("note{twice=True}", "option 'twice' is true or false, not 'True'"),
        ("note{text=a text=b}", "a comma or } is expected"),
        ("note{text=a,text=b}", "option 'text' is given twice"),
        ("note{txt=a}", "pass 'note' has no option 'txt'; did you mean 'text'?"),
        ("note{q=a}", "pass 'note' has no option 'q'; it has: count, long_name, text, twice"),
        ("fail{x=1}", "pass 'fail' has no option 'x'; it has: none"),
        ("note{=1}", "the name of an option is expected"),
        ('note{text="a}', "character 11: can't read this"),
        ("note;note", "character 5: can't read this"),
        ("note\0", "can't read this"),
        ("missing", "pass 'missing' can't be loaded from no.such.module:Pass: ModuleNotFoundError"),
        ("no-attribute", "pass 'no-attribute' can't be loaded .*AttributeError"),
        ("no-pass", "pass 'no-pass': .*NO_PASS is no subclass of wasmir.Pass"),
    ],
)
def test_errors_say_what_would_be_right(text: str, reason: str) -> None:
    with pytest.raises(PassError, match=reason):
        Pipeline.parse(text)


# Characters that mean something in a pipeline come up more often than among all there are.
texts = st.one_of(st.text(), st.text(st.sampled_from('a1 "\\{},=.\n')))


@given(texts)
def test_any_text_gives_a_pipeline_or_an_error(text: str) -> None:
    for wrapped in (text, f"note{{{text}}}", f"note{{text={text}}}", f'note{{text="{text}"}}'):
        try:
            parsed = Pipeline.parse(wrapped)
        except PassError:
            continue
        assert Pipeline.parse(str(parsed)) == parsed


notes = st.builds(Note, text=texts, count=st.integers(), twice=st.booleans())
options = {field.name: st.booleans() for field in dataclasses.fields(LegacyToExnref)}
conversions = st.builds(LegacyToExnref, **options)


@given(st.lists(st.one_of(notes, conversions), max_size=4))
def test_spelled_and_parsed_again(passes: list[Pass]) -> None:
    pipeline = Pipeline(tuple(passes))
    assert Pipeline.parse(str(pipeline)) == pipeline


def test_spelling() -> None:
    assert str(Pipeline()) == ""
    assert str(Pipeline((LegacyToExnref(), Note("a b", twice=True)))) == (
        'legacy-to-exnref,note{text="a b",twice=true}'
    )


# Passes of other packages


def test_available_passes() -> None:
    found = available_passes()
    assert list(found) == sorted(found)
    assert set(found) >= {*BUILT_IN, "note", "fail", "missing"}
    loaded: list[type] = [found[name]() for name in ("note", "legacy-to-exnref")]
    assert loaded == [Note, LegacyToExnref]
    with pytest.raises(PassError, match="can't be loaded"):
        found["missing"]()


def test_built_in_passes_are_what_they_say() -> None:
    for name, (home, class_name) in BUILT_IN.items():
        loaded = available_passes()[name]()
        assert loaded.name == name
        assert (loaded.__module__, loaded.__name__) == (home, class_name)
        assert loaded.__doc__
        options = dataclasses.fields(cast("Any", loaded))
        for field in options:
            assert field.metadata.get("help"), f"{name}: option {field.name} has no help"


def test_third_party_pass_runs() -> None:
    opened = Module.from_bytes(PLAIN)
    [report] = Pipeline.parse("note{text=new,count=2}").run(opened)
    assert opened.to_bytes() == module(b"\0\x0b", after=custom("note", b"newnew"))
    assert report.counts == {"note": 1}


# Running


def test_empty_pipeline() -> None:
    opened = Module.from_bytes(PLAIN)
    assert Pipeline.parse("").run(opened) == []
    assert opened.to_bytes() == PLAIN


def test_reports() -> None:
    opened = Module.from_file(LEGACY)
    size = len(opened.source)
    heard: list[PassReport] = []
    reports = Pipeline.parse("legacy-to-exnref,note,legacy-to-exnref").run(
        opened, on_pass=heard.append
    )
    assert heard == reports
    assert [report.name for report in reports] == ["legacy-to-exnref", "note", "legacy-to-exnref"]
    first, second, third = reports
    assert first.bytes_in == size
    assert first.bytes_out == second.bytes_in == second.bytes_out == third.bytes_out
    assert first.bytes_out == len(opened.to_bytes())
    assert first.functions > 0
    assert first.counts["try"] >= first.functions
    assert third.functions == third.counts["try"] == 0
    assert all(report.seconds is not None and report.seconds >= 0 for report in reports)


def test_what_is_written_comes_with_the_reports() -> None:
    opened = Module.from_file(LEGACY)
    reports, encoded = Pipeline.parse("legacy-to-exnref").run_and_encode(opened)
    assert encoded.data == opened.to_bytes()
    assert reports[-1].bytes_out == encoded.size == len(encoded.data)
    assert Pipeline.parse("").run_and_encode(opened)[1].data == encoded.data


def test_failure_undoes_what_came_before() -> None:
    for text in ("fail", "legacy-to-exnref,fail", "note{text=new},legacy-to-exnref,fail"):
        data = LEGACY.read_bytes() + custom("note", b"old")
        opened = Module.from_bytes(data)
        with pytest.raises(UnsupportedError, match="not today"):
            Pipeline.parse(text).run(opened)
        assert opened.to_bytes() == data
        # And the module still works.
        Pipeline.parse("legacy-to-exnref").run(opened)
        fresh = Module.from_bytes(data)
        Pipeline.parse("legacy-to-exnref").run(fresh)
        assert opened.to_bytes() == fresh.to_bytes()


def test_failure_keeps_what_was_done_before_the_pipeline() -> None:
    opened = Module.from_bytes(PLAIN)
    Note("mine").run(opened)
    opened.functions[0].body.items.append(b"\x01")
    before = opened.to_bytes()
    assert before != PLAIN
    with pytest.raises(UnsupportedError):
        Pipeline((Note("theirs"), Fail())).run(opened)
    assert opened.to_bytes() == before


def test_any_exception_undoes() -> None:
    opened = Module.from_bytes(PLAIN)

    def stop(_: PassReport) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Pipeline((Note("new"),)).run(opened, on_pass=stop)
    assert opened.to_bytes() == PLAIN


def test_progress() -> None:
    seen: list[tuple[str, int, int]] = []

    def tracker(items: Sequence[Any], what: str) -> Iterable[Any]:
        def walk() -> Iterator[Any]:
            for count, item in enumerate(items, 1):
                seen.append((what, count, len(items)))
                yield item

        return walk()

    with observe_progress(tracker):
        Pipeline((Note(),)).run(Module.from_bytes(PLAIN))
        Pipeline.parse("legacy-to-exnref").run(Module.from_file(LEGACY))
    assert seen[0] == ("sections", 1, 1)
    assert seen[-1][0] == "functions"
    assert seen[-1][1] == seen[-1][2]
    count = len(seen)
    Pipeline((Note(),)).run(Module.from_bytes(PLAIN))
    assert len(seen) == count


def test_passes_are_values() -> None:
    assert LegacyToExnref() == LegacyToExnref()
    assert hash(LegacyToExnref(stack=False)) != hash(LegacyToExnref())
    with pytest.raises(dataclasses.FrozenInstanceError):
        LegacyToExnref().stack = False  # type: ignore[misc]


# Verification


@dataclass(frozen=True)
class Spoil(Pass):
    """Leaves an operand too many."""

    name: ClassVar[str] = "spoil"

    def run(self, module: Module) -> PassReport:
        for function in module.functions:
            if function.imported is None:
                function.body.items.insert(0, b"\x41\x00")
        return PassReport(self.name, functions=len(module.functions))


@dataclass(frozen=True)
class Mend(Pass):
    """Takes it away again."""

    name: ClassVar[str] = "mend"

    def run(self, module: Module) -> PassReport:
        for function in module.functions:
            if function.imported is None:
                function.body.items.pop(0)
        return PassReport(self.name, functions=len(module.functions))


def test_third_party_passes_are_verified() -> None:
    module = Module.from_bytes(PLAIN)
    with pytest.raises(InvalidError, match=r"^invalid after pass 'spoil': type mismatch") as caught:
        Pipeline((Spoil(),)).run(module)
    assert caught.value.function == "0"
    assert module.to_bytes() == PLAIN


def test_verification_can_be_switched_off() -> None:
    module = Module.from_bytes(PLAIN)
    Pipeline((Spoil(), Mend())).run(module, verify=Verify.NEVER)
    assert module.to_bytes() == PLAIN
    Pipeline((Spoil(),)).run(module, verify=Verify.NEVER)
    with pytest.raises(InvalidError):
        module.validate()


def as_built_in(monkeypatch: pytest.MonkeyPatch, *passes: type[Pass]) -> None:
    for each in passes:
        monkeypatch.setitem(BUILT_IN, each.name, (each.__module__, each.__name__))


def test_built_in_passes_are_verified_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    as_built_in(monkeypatch, Spoil, Mend)
    pipeline = Pipeline((Spoil(), Mend()))
    for verify in (Verify.THIRD_PARTY, Verify.END, Verify.NEVER):
        pipeline.run(Module.from_bytes(PLAIN), verify=verify)
    with pytest.raises(InvalidError, match="after pass 'spoil'"):
        pipeline.run(Module.from_bytes(PLAIN), verify=Verify.EACH)
    spoiled = Pipeline((Spoil(),))
    spoiled.run(Module.from_bytes(PLAIN))
    with pytest.raises(InvalidError, match="after pass 'spoil'"):
        spoiled.run(Module.from_bytes(PLAIN), verify=Verify.END)


def test_only_what_a_pass_changed_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was wrong before stays unnoticed, and nothing is checked twice."""
    from wasmir.validate.code import Code

    checked: list[str] = []
    check = Code.check

    def noting(self: Code, function: Function) -> None:
        checked.append(str(function))
        check(self, function)

    monkeypatch.setattr(Code, "check", noting)
    wrong = module(b"\0\x41\0\x0b", b"\0\x0b", after=custom("note", b""))
    opened = Module.from_bytes(wrong)
    opened.functions[1].body.items.insert(0, b"\x01")
    Pipeline((Note("a"), Note("b"))).run(opened)
    assert checked == ["1"]


def test_conversions_are_valid() -> None:
    for data in (LEGACY.read_bytes(), find("cpp-legacy-O2").path.read_bytes()):
        Pipeline.parse("legacy-to-exnref").run(Module.from_bytes(data), verify=Verify.EACH)
