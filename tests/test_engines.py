"""Which releases of which engines run what: the table against itself, and against engines."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from importlib.metadata import version
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from corpus.engine import EngineError, node
from corpus.manifest import find
from tests.probes import NO_PROBE, asking, mixed, probes
from tests.support import validate
from wasmir import Module, PassError, Pipeline
from wasmir.engines import ENGINES, JS_FEATURES, Support, dialects, judge, release_key, supports
from wasmir.features import FEATURES, GC, LEGACY_EXCEPTIONS
from wasmir.summary import summarize

if TYPE_CHECKING:
    from pathlib import Path

TRIED = [*(FEATURES.keys() - NO_PROBE), *JS_FEATURES]
NEW_TO_WASM_TOOLS = {"fp16"}


# The table


@pytest.mark.parametrize("name", ENGINES)
def test_the_table_is_whole_and_in_order(name: str) -> None:
    engine = ENGINES[name]
    assert engine.name == name
    assert list(engine.support) == [*FEATURES, *JS_FEATURES]
    newest = release_key(engine.newest)
    for feature, support in engine.support.items():
        if support.since is None:
            assert not support.backports, feature
            assert support.until is None, feature
            continue
        assert support.known
        firsts = [release_key(first) for first in (support.since, *support.backports)]
        assert firsts[0] <= newest, feature
        # Backports go from newer lines to older ones, all older than the first release.
        assert all(one[0] > other[0] for one, other in pairwise(firsts)), feature


def test_chrome_is_v8_times_ten() -> None:
    """Chrome switched threads on before V8 did."""
    v8, chrome = ENGINES["v8"].support, ENGINES["chrome"].support
    for feature in FEATURES.keys() | JS_FEATURES.keys():
        since = v8[feature].since
        major, minor = since.split(".") if since else ("0", "0")
        expected = str(int(major) * 10 + int(minor)) if since else None
        if feature != "threads":
            assert chrome[feature].since == expected, feature


def test_later_proposals_need_earlier_ones() -> None:
    needs = {
        "relaxed-simd": "simd",
        "gc": "function-references",
        "function-references": "reference-types",
        "exceptions": "reference-types",
    }
    for engine in ENGINES.values():
        for later, earlier in needs.items():
            one, other = engine.support[later].since, engine.support[earlier].since
            if one is not None and other is not None:
                assert release_key(one) >= release_key(other), (engine.name, later)


def test_cells() -> None:
    assert Support.parse("-") == Support()
    assert Support.parse("?") == Support(known=False)
    assert Support.parse("25.0,24.15,22.22.3") == Support("25.0", ("24.15", "22.22.3"))
    for text in ("-", "?", "137", "25.0,24.15", "15..40"):
        assert str(Support.parse(text)) == text
    assert str(Support.parse("0")) == "all"


@pytest.mark.parametrize(
    ("release", "runs"),
    [
        ("14", False),
        ("15", True),
        ("39.0.1", True),
        ("40", False),
        ("40.1", False),
        ("10.3.9", False),
        ("10.4", True),
        ("10.12.0", True),
        ("11.9", False),
    ],
)
def test_lines_and_ends(release: str, *, runs: bool) -> None:
    assert Support.parse("15,10.4..40").runs(release) is runs


# Questions


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("node", "exnref legacy"),
        ("node@16.20", ""),
        ("node@20", "legacy"),
        ("node@22", "legacy"),
        ("node@22.22.2", "legacy"),
        ("node@22.22.3", "exnref legacy"),
        ("node@22.23", "exnref legacy"),
        ("node@23.11.1", "legacy"),
        ("node@24", "legacy"),
        ("node@24.9", "legacy"),
        ("node@24.15", "exnref legacy"),
        ("node@v24.15.0", "exnref legacy"),
        ("node@25", "exnref legacy"),
        ("node@99", "exnref legacy"),
        ("chrome@94", ""),
        ("chrome@120", "legacy"),
        ("chrome@138", "exnref legacy"),
        ("firefox@131", "exnref legacy"),
        ("safari@18.3", "legacy"),
        ("safari@18.4", "exnref legacy"),
        ("v8@13.8.1", "exnref legacy"),
        ("workerd@1.20250620.0", "exnref legacy"),
        ("wasmtime", "exnref"),
        ("wasmtime@46", ""),
        ("wamr", "legacy"),
        ("wasm3", ""),
    ],
)
def test_dialects(target: str, expected: str) -> None:
    assert dialects(target) == set(expected.split())


def test_supports() -> None:
    assert supports("chrome", None, GC)
    assert supports("chrome", "119", "gc")
    assert not supports("chrome", "118.9.9", GC)
    assert not supports("wasmtime", None, LEGACY_EXCEPTIONS)
    assert supports("wasmtime", "39", "threads")
    assert not supports("wasmtime", "40", "threads")
    assert supports("node", "21", "jstag")
    assert supports("node", "22.19", "js-string-builtins")
    assert not supports("wasmer", None, "gc")  # unknown


@pytest.mark.parametrize("target", ["", "nodejs", "node@", "node@x", "node@24.", "node@-1", "@20"])
def test_unknown_targets(target: str) -> None:
    with pytest.raises(PassError) as caught:
        dialects(target)
    name, _, release = target.partition("@")
    if name == "node":
        assert caught.value.reason == (
            f"{release!r} is no release: write numbers with dots, as in 24.15"
        )
    elif name == "nodejs":
        assert caught.value.reason == "unknown engine 'nodejs'; did you mean 'node'?"
    else:
        assert caught.value.reason.startswith(f"unknown engine {name!r}; known are v8, chrome, ")


def test_unknown_features() -> None:
    with pytest.raises(PassError, match="unknown feature 'ghosts'; known are mvp, mutable-global"):
        supports("node", None, "ghosts")
    with pytest.raises(PassError, match="unknown feature 'ghosts'"):
        judge("node", ["ghosts"], "none")


# Judging modules


def test_a_plain_module_runs_everywhere() -> None:
    for name, engine in ENGINES.items():
        verdict = judge(name, [], "none")
        assert verdict.runs == engine.support["mvp"]
        assert not verdict.missing


def test_exnref_and_the_way_back() -> None:
    verdict = judge("node", ["exceptions", "multi-value"], "exnref")
    assert verdict.runs == Support("25.0", ("24.15", "22.22.3"))
    assert verdict.limits == ("exceptions",)
    assert verdict.with_pass == {"exnref-to-legacy": Support("17.0")}
    # In wasmtime there is no use in going back.
    assert judge("wasmtime", ["exceptions"], "exnref").with_pass == {}


def test_legacy_and_the_way_there() -> None:
    verdict = judge("wasmtime", ["legacy-exceptions", "simd"], "legacy")
    assert verdict.runs == Support()
    assert verdict.missing == ("legacy-exceptions",)
    assert verdict.with_pass == {"legacy-to-exnref": Support("47")}
    verdict = judge("chrome", ["legacy-exceptions"], "legacy")
    assert (verdict.runs, verdict.with_pass) == (Support("95"), {})


def test_every_feature_has_to_be_in_a_backport() -> None:
    # memory64 came to Node with 24.0: the line 22 has exnref without it.
    verdict = judge("node", ["exceptions", "memory64"], "exnref")
    assert verdict.runs == Support("25.0", ("24.15",))
    verdict = judge("node", ["exceptions", "js-string-builtins"], "exnref")
    assert verdict.runs == Support("25.0", ("24.15", "22.22.3"))
    assert judge("node", ["memory64"], "none").runs == Support("24.0")


def test_what_limits_is_what_came_last() -> None:
    verdict = judge("chrome", ["tail-call", "relaxed-simd", "extended-const"], "none")
    assert verdict.runs == Support("114")
    assert verdict.limits == ("relaxed-simd", "extended-const")


def test_what_ended_before_the_rest_began() -> None:
    assert judge("wasmtime", ["threads", "memory64"], "none").runs == Support("30", until="40")
    verdict = judge("wasmtime", ["threads", "gc"], "none")
    assert verdict.runs == Support()
    assert verdict.missing == ("threads",)


def test_what_is_unknown() -> None:
    verdict = judge("wasmer", ["gc", "simd"], "none")
    assert verdict.runs == Support(known=False)
    assert verdict.unknown == ("gc",)
    # Where something is missing for certain, the rest makes no difference.
    verdict = judge("wamr", ["exceptions", "mutable-global"], "exnref")
    assert verdict.runs == Support()
    assert (verdict.missing, verdict.unknown) == (("exceptions",), ("mutable-global",))


def test_mixed_dialects_run_nowhere() -> None:
    for name in ENGINES:
        verdict = judge(name, ["exceptions", "legacy-exceptions"], "mixed")
        assert verdict.runs == Support()
        assert "exnref-to-legacy" not in verdict.with_pass
    verdict = judge("node", ["exceptions", "legacy-exceptions", "memory64"], "mixed")
    assert verdict.with_pass == {"legacy-to-exnref": Support("25.0", ("24.15",))}


@pytest.mark.parametrize("dialect", ["neutral", "none"])
def test_tags_alone_are_of_both_dialects(dialect: str) -> None:
    assert judge("node", ["exceptions"], dialect).runs == Support("17.0")
    assert judge("wasmtime", ["exceptions"], dialect).runs == Support("47")
    assert judge("wasm3", ["exceptions"], dialect).runs == Support()


def test_hints_keep_nobody_out() -> None:
    assert judge("wasmtime", ["branch-hinting"], "none").runs == Support("0")


# The probes


def test_there_is_a_probe_for_every_feature() -> None:
    assert probes().keys() == FEATURES.keys() - NO_PROBE


@pytest.mark.parametrize("feature", sorted(FEATURES.keys() - NO_PROBE))
def test_probes_need_their_feature(feature: str) -> None:
    """Says wasm-tools, and so says the summary."""
    data = probes()[feature]
    if feature not in NEW_TO_WASM_TOOLS:
        assert validate(data) is None
        if feature != "mvp":
            assert validate(data, f"all,-{feature}") is not None
    found = summarize(Module.from_bytes(data)).features
    assert feature in found or feature == "mvp"


def test_what_is_mixed() -> None:
    assert validate(mixed()) is None
    module = Module.from_bytes(mixed())
    assert summarize(module).exceptions.dialect == "mixed"
    # What the verdict on such modules recommends.
    Pipeline.parse("legacy-to-exnref").run(module)
    assert summarize(Module.from_bytes(module.to_bytes())).exceptions.dialect == "exnref"


# Engines


@cache
def asked(command: str) -> tuple[str, str, frozenset[str]]:
    """The release of a Node, that of its V8, and the features that it has; ``mixed`` among them,
    where it takes that.
    """
    code = (
        f"{asking()}\nconst mixed = new Uint8Array({json.dumps(list(mixed()))});\n"
        'if (WebAssembly.validate(mixed)) taken.push("mixed");\n'
        "const { node, v8 } = process.versions;\n"
        "console.log(JSON.stringify([node, v8, taken]));"
    )
    done = subprocess.run(
        [command, "-"], input=code, capture_output=True, text=True, check=True, timeout=60
    )
    release, v8, taken = json.loads(done.stdout)
    return release, v8.partition("-")[0], frozenset(taken)


def agrees(engine: str, release: str, taken: frozenset[str], unfinished: str = "") -> None:
    """Held against the table; of a release that is newer than it only what it says to be there."""
    newer = release_key(release) > release_key(ENGINES[engine].newest)
    said = {feature for feature in TRIED if supports(engine, release, feature)}
    assert said - taken == set(), f"{engine} {release} doesn't have it"
    assert newer or taken - said - {unfinished} == set(), f"{engine} {release} has it"


def node_agrees(command: str) -> None:
    release, v8, taken = asked(command)
    assert "mixed" not in taken or release_key(release) < release_key("25")
    # Node 22 took exnref in before it was right.
    early = release_key("22.19") <= release_key(release) < release_key("22.22.3")
    agrees("node", release, taken - {"mixed"}, "exceptions" if early else "")
    promised = {feature for feature in TRIED if supports("v8", v8, feature)}
    assert promised <= taken, f"V8 {v8}"


def test_the_node_of_the_tests() -> None:
    try:
        command = str(node())
    except EngineError as error:
        pytest.skip(str(error))
    node_agrees(command)


def test_the_node_on_the_path() -> None:
    command = shutil.which("node")
    if command is None:
        pytest.skip("no node on the PATH; any release from 18 on will do")
    node_agrees(command)


def test_chromium(tmp_path: Path) -> None:
    command = shutil.which("chromium")
    if command is None:
        pytest.skip("no chromium on the PATH; Debian has it as a package")
    page = tmp_path / "page.html"
    show = "document.body.textContent = JSON.stringify([navigator.userAgent, taken]);"
    page.write_text(f"<body><script>{asking()}{show}</script>")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    try:
        done = subprocess.run(
            [command, *options, profile, page.as_uri()],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"this chromium doesn't start here: {error}")
    shown = done.stdout[done.stdout.index("<body>") + len("<body>") : done.stdout.index("</body>")]
    agent, taken = json.loads(shown)
    release = agent.partition("Chrome/")[2].partition(" ")[0]
    agrees("chrome", release.partition(".")[0], frozenset(taken))


def test_wasmtime() -> None:
    reason = "no wasmtime; `pip install wasmtime` gets it"
    wasmtime: Any = pytest.importorskip("wasmtime", reason=reason)
    taken = set()
    for feature, data in probes().items():
        store = wasmtime.Store()
        try:
            module = wasmtime.Module(store.engine, data)
            nothing = wasmtime.Func(store, wasmtime.FuncType([], []), lambda: None)
            wasmtime.Instance(store, module, [nothing for _ in module.imports])
        except wasmtime.WasmtimeError:
            continue
        taken.add(feature)
    agrees("wasmtime", version("wasmtime"), frozenset(taken))


# The command is tested in test_cli.py; here is what it says of modules of the corpus.


@pytest.mark.parametrize(
    ("name", "dialect", "since"),
    [("cpp-legacy-O2", "legacy", "17.0"), ("exnref", "exnref", "25.0")],
)
def test_modules_of_compilers(name: str, dialect: str, since: str) -> None:
    summary = summarize(Module.from_file(find(name).path))
    assert summary.exceptions.dialect == dialect
    assert judge("node", summary.features, dialect).runs.since == since
