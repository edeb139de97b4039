"""What a module's bytes are spent on, and the picture of it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from corpus.manifest import find, modules
from tests.modules import custom, module
from wasmir import Module, Pipeline
from wasmir.cli import cli
from wasmir.namespaces import namespaces
from wasmir.sizes import Part, measure
from wasmir.treemap import Rect, html, squarified, svg

if TYPE_CHECKING:
    from pathlib import Path

CORPUS = [each.path for each in modules() if each.path.suffix == ".wasm"]
PROGRAM = find("cpp-legacy-O2").path
SVG = "{http://www.w3.org/2000/svg}"


def wasmir(*arguments: str | Path, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(cli, ["info", *map(str, arguments)], input=stdin)


# Sizes


def every(part: Part) -> list[Part]:
    found = [part]
    for each in found:
        found += each.parts
    return found


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_parts_are_all_of_it(path: Path) -> None:
    opened = Module.from_file(path)
    sizes = measure(opened)
    assert sizes.whole.size == path.stat().st_size
    for part in every(sizes.whole):
        assert not part.parts or sum(each.size for each in part.parts) == part.size
        assert part.size > 0
    functions = [each for each in opened.functions if each.imported is None]
    assert [index for index, _ in sizes.functions] == [each.index for each in functions]
    for (_, part), function in zip(sizes.functions, functions, strict=True):
        # With the length in front, which has a byte for each seven bits.
        size = len(function.code)
        assert size < part.size <= size + 5
    inside = [each for part in every(sizes.whole) for each in part.parts]
    assert all(part in inside for _, part in sizes.functions)
    assert [index for index, _ in sizes.data] == list(range(len(opened.data)))
    json.dumps(sizes.whole.as_dict())
    ET.fromstring(svg(sizes, path.name))  # noqa: S314 - our own


def test_edited_modules_are_measured_as_they_are_written() -> None:
    opened = Module.from_file(PROGRAM)
    Pipeline.parse("legacy-to-exnref").run(opened)
    opened.add_custom("new", b"12345")
    assert measure(opened) == measure(Module.from_bytes(opened.to_bytes(keep_stale=True)))


def test_groups() -> None:
    sizes = measure(Module.from_file(PROGRAM))
    assert sizes.groups["(anonymous namespace)"][0] == 7
    # How a name begins counts where it isn't alone with that.
    assert sizes.groups["by_"][0] == 2
    assert "cleanup_" not in sizes.groups
    [code] = [part for part in sizes.whole.parts if part.name == "code"]
    grouped = {part.name: part.size for part in code.parts if part.parts}
    assert grouped == {name: size for name, (_, size) in sizes.groups.items()}


def test_exports_are_names_too() -> None:
    opened = Module.from_bytes(module(b"\0\x0b"))
    opened.exports.add("a::b", opened.functions[0])
    assert list(measure(opened).groups) == ["a"]


def test_producers() -> None:
    assert measure(Module.from_file(PROGRAM)).producers["processed-by"][0].startswith("clang ")
    for data in (b"", b"\x01", b"\x01\x01a\x02\x01b", b"\xff" * 9):
        broken = Module.from_bytes(module(b"\0\x0b", after=custom("producers", data)))
        assert measure(broken).producers == {}
        assert measure(broken).whole.size == len(broken.source)


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01\x02\x00", b"\x00\x01a\x01\xff", b"\x63\0"])
def test_broken_names(data: bytes) -> None:
    opened = Module.from_bytes(module(b"\0\x0b", after=custom("name", data)))
    sizes = measure(opened)
    assert sum(part.size for part in sizes.whole.parts) == len(opened.source)
    for part in every(sizes.whole):
        assert not part.parts or sum(each.size for each in part.parts) == part.size


# Namespaces


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("std::vector<int>::push_back(int&&)", "std vector"),
        ("void std::sort<int*>(int*, int*)", "std"),
        ("(anonymous namespace)::Whole::Whole(int)", "(anonymous namespace)|Whole"),
        ("duckdb::A::operator()(int) const", "duckdb A"),
        ("operator new(unsigned long)", ""),
        ("std::ostream& std::operator<< <char>(std::ostream&, char)", "std"),
        ("_ZSt9terminatev", "std"),
        ("_Z3fooi", ""),
        ("_ZNK3abc3defEv", "abc"),
        ("_ZNSt6vectorIiSaIiEE9push_backEOi", "std"),
        ("_ZN12_GLOBAL__N_15WholeC2Ei", "(anonymous namespace)|Whole"),
        ("core::fmt::Formatter::pad::h0123456789abcdef", "core fmt Formatter"),
        ("<alloc::vec::Vec<T> as core::ops::Drop>::drop::h0123456789abcdef", "alloc vec Vec"),
        ("<&mut a::B as c::D>::e", "a B"),
        ("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core fmt Formatter"),
        (
            "_ZN51_$LT$alloc..vec..Vec$u20$as$u20$core..ops..Drop$GT$4drop17h0123456789abcdefE",
            "alloc vec Vec",
        ),
        ("_RNvCs1234_7mycrate3foo", "mycrate"),
        ("encoding/json.(*Decoder).Decode", "encoding/json Decoder"),
        ("(*text/tabwriter.Writer).write0", "text/tabwriter Writer"),
        ("runtime.alloc", "runtime"),
        ("slices.Sort[go/ast.Node]", "slices"),
        ("~lib/rt/itcms/__new", "~lib rt itcms"),
        ("~lib/array/Array<i32>#push", "~lib array"),
        ("sqlite3_open", "sqlite3_"),
        ("__cxa_throw", "cxa_"),
        ("main", ""),
        ("", ""),
    ],
)
def test_namespaces(name: str, found: str) -> None:
    assert namespaces(name) == tuple(found.split("|" if "|" in found else None))


names = st.text(st.sampled_from("<>:()[]{}./_#ZNSRCKaE0123 $~&*\0é"))


@given(names)
def test_any_name_is_in_some_namespace(name: str) -> None:
    for each in (name, f"_Z{name}", f"_R{name}", f"<{name}", f"{name}::x"):
        assert all(namespaces(each))


def test_long_names_take_no_time() -> None:
    for name in ("<" * 10**6, "_ZN1" * 10**6, "_ZN" + "1_" * 10**6 + "17h0123456789abcdefE"):
        namespaces(name)


# The picture


@given(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=60),
    st.floats(1, 1000),
    st.floats(1, 1000),
)
def test_rectangles_fill_the_rectangle(sizes: list[int], width: float, height: float) -> None:
    ordered = sorted(sizes, reverse=True)
    around = Rect(3, 5, width, height)
    found = squarified(ordered, around)
    near = 1e-6 * (width + height)
    for size, rect in zip(ordered, found, strict=True):
        assert rect.area == pytest.approx(around.area * size / sum(sizes), rel=1e-6, abs=near)
        assert rect.x >= 3 - near
        assert rect.y >= 5 - near
        assert rect.x + rect.width <= 3 + width + near
        assert rect.y + rect.height <= 5 + height + near
    for at, one in enumerate(found):
        for other in found[at + 1 :]:
            apart = (
                one.x + one.width <= other.x + near
                or other.x + other.width <= one.x + near
                or one.y + one.height <= other.y + near
                or other.y + other.height <= one.y + near
            )
            assert apart


def test_rectangles_are_square() -> None:
    """The example of the paper."""
    found = squarified([6, 6, 4, 3, 2, 2, 1], Rect(0, 0, 6, 4))
    assert [(round(each.width, 2), round(each.height, 2)) for each in found[:3]] == [
        (3, 2),
        (3, 2),
        (1.71, 2.33),
    ]
    assert all(max(each.width / each.height, each.height / each.width) < 2.8 for each in found)


def test_what_is_drawn() -> None:
    sizes = measure(Module.from_file(PROGRAM))
    root = ET.fromstring(svg(sizes, "<&>"))  # noqa: S314 - our own
    assert root.find(f"{SVG}title") is not None
    assert root.findtext(f"{SVG}title") == "<&>: 7,405 bytes"
    assert "code 69.0%" in (root.findtext(f"{SVG}desc") or "")
    told = [each.text or "" for each in root.iter(f"{SVG}title")]
    for name in ("code / (anonymous namespace)", "code / nested", 'custom "name" / names: func'):
        assert any(each.startswith(f"{name}") for each in told), name
    assert len(list(root.iter(f"{SVG}rect"))) == len(told) - 1


def test_names_that_xml_has_no_way_to_say() -> None:
    opened = Module.from_file(PROGRAM)
    opened.functions[-1].name = "a<b>&\0\x1b\ufffe\"'"
    sizes = measure(opened)
    ET.fromstring(svg(sizes, "x"))  # noqa: S314 - our own
    page = html(sizes, "<x>")
    assert "a<b>" not in page
    assert "a&lt;b&gt;&amp;\ufffd\ufffd" in page


def test_the_picture_of_many_things_is_small() -> None:
    """What is too small to be seen is drawn together."""
    parts = tuple(Part(f"p{at}", 1 + at % 7) for at in range(50_000))
    code = Part("code", sum(part.size for part in parts), parts)
    sizes = measure(Module())
    many = type(sizes)(Part("module", code.size, (code,)), [], {}, [], {})
    drawn = svg(many, "many")
    assert "smaller ones" in drawn
    assert drawn.count("<rect") < 1200 * 800 / 30


# The command


def test_info_tells_sizes() -> None:
    result = wasmir(PROGRAM, "--sizes", "--top", "3")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == [f"{PROGRAM}:", "7,405", "bytes"]
    assert ["code", "5,107", "69.0%"] in lines
    assert ["(anonymous", "namespace)", "(7)", "423", "5.7%"] in lines
    assert ["function", "37", "_Unwind_CallPersonality", "742", "10.0%"] in lines
    assert ["33", "more", "3,319", "44.8%"] in lines


def test_info_tells_sizes_as_json() -> None:
    found = json.loads(wasmir(PROGRAM, "--sizes", "--json").stdout)
    assert found["size"] == 7405
    assert sum(part["size"] for part in found["parts"]) == 7405
    assert {"index": 37, "name": "_Unwind_CallPersonality", "size": 742} in found["functions"]
    assert {"name": "by_", "functions": 2, "size": 360} in found["groups"]


def test_info_draws(tmp_path: Path) -> None:
    picture, page = tmp_path / "sizes.svg", tmp_path / "sizes.html"
    result = wasmir(PROGRAM, "--svg", picture, "--html", page)
    assert result.exit_code == 0, result.output
    assert "section" in result.stdout
    ET.parse(picture)  # noqa: S314 - our own
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    drawn = wasmir(PROGRAM, "--svg", "-")
    assert drawn.stdout == picture.read_text(encoding="utf-8")
    assert wasmir(PROGRAM, "--svg", "-", "--html", "-").exit_code == 2
    bad = wasmir("-", "--svg", tmp_path / "none.svg", stdin=b"\0asm")
    assert (bad.exit_code, (tmp_path / "none.svg").exists()) == (1, False)
