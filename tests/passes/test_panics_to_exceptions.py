"""panics-to-exceptions: which sites throw, what they throw, and how an instance goes on."""

from __future__ import annotations

import re
from typing import Any

import pytest

from corpus.manifest import External, find
from tests.javascript import javascript
from tests.modules import assembled, printed
from tests.support import fetched, validate
from wasmir import Module, PassError, Pipeline, Tag, UnsupportedError
from wasmir.passes import PanicsToExceptions

# What a Rust program is like, as far as panics go.
RUST = """(module
  (import "env" "exit" (func $exit (param i32)))
  (memory 1)
  (func $core::panicking::panic_fmt (param i32)
    (call $std::panicking::rust_panic_with_hook (local.get 0)) unreachable)
  (func $std::panicking::rust_panic_with_hook (param i32)
    (if (i32.eq (local.get 0) (i32.const 13))
      (then (call $std::process::abort) unreachable))
    (call $rust_panic) unreachable)
  (func $rust_panic (drop (call $__rust_start_panic)) unreachable)
  (func $__rust_start_panic (result i32) unreachable)
  (func $std::process::abort unreachable)
  (func $core::panicking::panic_nounwind unreachable)
  (func $get (export "get") (param i32) (result i32)
    (if (i32.gt_u (local.get 0) (i32.const 7))
      (then (call $core::panicking::panic_fmt (local.get 0)) unreachable))
    (i32.mul (local.get 0) (i32.const 3)))
  (func (export "other") (param i32)
    (if (i32.eqz (local.get 0)) (then unreachable)) (call $exit (local.get 0)))
  (func (export "nounwind") (call $core::panicking::panic_nounwind) unreachable))"""

CALLS = """
    const exit = () => { throw new Error("exit"); };
    const { exports } = new WebAssembly.Instance(after, { env: { exit, abort: exit } });
    const tags = Object.entries(exports).filter(([name]) => name.startsWith("__wasmir_panic_"));
    const ended = (call) => {
      try {
        return String(call());
      } catch (error) {
        if (!(error instanceof WebAssembly.Exception)) return error.message;
        const [[name, tag]] = tags.filter(([, tag]) => error.is(tag));
        const payload = Array.from({ length: size }, (_, at) => Number(error.getArg(tag, at)));
        return [name, ...payload].join(" ");
      }
    };
    return calls.map(([name, ...args]) =>
      `${ended(() => exports[name](...args))}, ${exports.__wasmir_degraded.value}`);
"""


def throwing(data: bytes, **options: Any) -> bytes:  # noqa: ANN401 - the pass checks
    module = Module.from_bytes(data)
    PanicsToExceptions(**options).run(module)
    out = module.to_bytes(keep_stale=True)
    assert validate(out) is None
    Module.from_bytes(out).validate()
    return out


def outcomes(text: str, calls: list[Any], *, size: int = 0, **options: Any) -> list[str]:  # noqa: ANN401
    after = throwing(assembled(text), **options)
    found: list[str] = javascript(CALLS, after=after, calls=calls, size=size)
    return found


def sites(text: str, **options: Any) -> int:  # noqa: ANN401 - the pass checks
    module = Module.from_bytes(assembled(text))
    return PanicsToExceptions(**options).run(module).counts["sites"]


# Goldens


def shape(data: bytes) -> str:
    """The module's text, without what the printer adds."""
    text = re.sub(r"\(;.*?;\)|;; label.*", "", printed(data))
    return " ".join(text.split())


def test_golden() -> None:
    """What the documentation shows."""
    before = """(module
      (func $core::panicking::panic_fmt (param i32 i32)
        local.get 0
        local.get 1
        call $rust_begin_unwind
        unreachable)
      (func $rust_begin_unwind (param i32 i32)
        call $__rust_start_panic
        drop)
      (func $__rust_start_panic (result i32)
        unreachable))"""
    after = """(module
      (func $core::panicking::panic_fmt (param i32 i32)
        local.get 0
        local.get 1
        call $rust_begin_unwind
        call $__wasmir_throw_panic_0
        unreachable)
      (func $rust_begin_unwind (param i32 i32)
        call $__rust_start_panic
        drop)
      (func $__rust_start_panic (result i32)
        call $__wasmir_throw_panic_0
        unreachable)
      (func $__wasmir_throw_panic_0
        global.get $degraded
        i32.const 1
        i32.add
        global.set $degraded
        throw $panic)
      (tag $panic)
      (global $degraded (mut i32) (i32.const 0))
      (export "__wasmir_panic_0" (tag $panic))
      (export "__wasmir_degraded" (global $degraded)))"""
    wanted = shape(assembled(after)).replace("$panic", "0").replace("$degraded", "0")
    wanted = wanted.replace("(tag 0 ", "(tag ").replace("(global 0 ", "(global ")
    assert shape(throwing(assembled(before), preset="rust")) == wanted


# Which sites


@pytest.mark.usefixtures("engine")
def test_rust_with_names() -> None:
    calls = [["get", 5], ["get", 8], ["get", 9], ["get", 13], ["get", 1], ["other", 0]]
    calls += [["nounwind"], ["get", 8]]
    thrown = "__wasmir_panic_0"
    assert outcomes(RUST, calls, preset="rust") == [
        *("15, 0", f"{thrown}, 1", f"{thrown}, 2"),
        # A panic within a panic is an abort, and that is no panic.
        *("unreachable, 2", "3, 2", "unreachable, 2", "unreachable, 2", f"{thrown}, 3"),
    ]


@pytest.mark.usefixtures("engine")
def test_rust_without_names() -> None:
    stripped = assembled(RUST)
    module = Module.from_bytes(stripped)
    name = module.custom("name")
    assert name is not None
    module.remove_custom(name)
    stripped = module.to_bytes()
    with pytest.raises(UnsupportedError, match="no names, so sites=noreturn or sites=all"):
        throwing(stripped, preset="rust")
    calls = [["get", 5], ["get", 8], ["get", 13], ["other", 0], ["nounwind"]]
    after = throwing(stripped, sites="noreturn")
    thrown = "__wasmir_panic_0"
    assert javascript(CALLS, after=after, calls=calls, size=0) == [
        *("15, 0", f"{thrown}, 1", f"{thrown}, 2", "unreachable, 2", f"{thrown}, 3")
    ]
    assert Module.from_bytes(after).custom("name") is None


def test_functions_that_never_return_have_the_sites_that_are_reached() -> None:
    """Right behind a call of one nothing is reached: that leaves the three that call no other, and
    what has a drop in between.
    """
    assert sites(RUST, sites="noreturn") == 4
    text = """(module (func $a (param i32) {} unreachable))"""
    for inside, wanted in (
        ("", 1),
        ("(br_if 0 (local.get 0))", 0),
        ("(block (br_if 0 (local.get 0)))", 1),
        ("(if (local.get 0) (then return))", 0),
        ("(block (br_table 0 1 (local.get 0)))", 0),
        ("(if (local.get 0) (then (return_call $a (local.get 0))))", 0),
        ("(loop (br_if 0 (local.get 0)))", 1),
    ):
        if wanted:
            assert sites(text.format(inside), sites="noreturn") == wanted
        else:
            with pytest.raises(UnsupportedError, match="no unreachable that fits"):
                sites(text.format(inside), sites="noreturn")


def test_globs_and_exceptions_from_them() -> None:
    assert sites(RUST, sites="all") == 10
    assert sites(RUST, sites="all", exclude="*panicking* get") == 4
    assert sites(RUST, sites="__rust_start_panic") == 1
    assert sites(RUST, sites="rust_panic __rust*") == 3
    assert sites(RUST, sites="get other") == 2


def test_names_of_other_languages() -> None:
    zig = """(module (func $"debug.FullPanic((function 'defaultPanic')).outOfBounds" unreachable)
      (func $posix.abort unreachable) (func $other unreachable))"""
    assert sites(zig, preset="zig") == 2
    tinygo = """(module (func $runtime._panic unreachable) (func $runtime.nilPanic unreachable)
      (func $runtime.alloc unreachable) (func $main.panic unreachable))"""
    assert sites(tinygo, preset="tinygo") == 2


# With a payload

SCRIPT = """(module
  (import "env" "abort" (func $~lib/builtins/abort (param i32 i32 i32 i32)))
  (func $fail (param $n i32)
    (call $~lib/builtins/abort (i32.const 16) (i32.const 32) (local.get 0) (i32.const 5))
    unreachable)
  (func (export "run") (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then unreachable))
    (if (i32.gt_s (local.get 0) (i32.const 9)) (then (call $fail (local.get 0))))
    (local.get 0))
  (func (export "warn") (call $~lib/builtins/abort
    (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4))))"""


@pytest.mark.usefixtures("engine")
def test_assemblyscript() -> None:
    """The host's abort isn't called; where the program would go on behind it, it is."""
    calls = [["run", 3], ["run", 10], ["run", 0], ["warn"], ["run", 11], ["run", 9]]
    assert outcomes(SCRIPT, calls, size=4, preset="assemblyscript") == [
        "3, 0",
        "__wasmir_panic_0 16 32 10 5, 1",
        "unreachable, 1",
        "exit, 1",
        "__wasmir_panic_0 16 32 11 5, 2",
        "9, 2",
    ]


@pytest.mark.usefixtures("engine")
def test_each_payload_has_a_tag() -> None:
    text = """(module (func $p1 (param i32)) (func $p2 (param i32 i64) (result f32) f32.const 0)
      (func (export "one") i32.const 1 call $p1 unreachable)
      (func (export "two") i32.const 2 i64.const 3 call $p2 unreachable))"""
    options: dict[str, Any] = {"sites": "p?", "payload": True}
    assert sites(text, **options) == 2
    assert sites(text, **options, exclude="p2") == 1
    assert outcomes(text, [["one"]], size=1, **options) == ["__wasmir_panic_0 1, 1"]
    assert outcomes(text, [["two"]], size=2, **options) == ["__wasmir_panic_1 2 3, 1"]


def test_twice() -> None:
    """The next tag that is free, and the same counter."""
    once = throwing(assembled(RUST), sites="__rust_start_panic")
    twice = Module.from_bytes(throwing(once, sites="std::process::abort"))
    assert [export.name for export in twice.exports][-3:] == [
        "__wasmir_panic_0",
        "__wasmir_degraded",
        "__wasmir_panic_1",
    ]
    assert len(twice.globals) == 1


def test_before_the_guards() -> None:
    data = assembled(RUST)
    module = Module.from_bytes(data)
    Pipeline.parse("panics-to-exceptions{preset=rust},recover").run(module)
    assert validate(module.to_bytes()) is None
    names = [export.name for export in module.exports]
    assert len(set(names)) == len(names)
    panic = module.exports.find("__wasmir_panic_0")
    assert panic is not None
    assert isinstance(panic.entity, Tag)
    module = Module.from_bytes(data)
    with pytest.raises(UnsupportedError, match="comes before recover"):
        Pipeline.parse("recover,panics-to-exceptions{preset=rust}").run(module)
    assert module.to_bytes() == data


def test_in_both_dialects() -> None:
    for try_ in ("try call $p catch_all end", "(block (try_table (catch_all 0) (call $p)))"):
        out = throwing(assembled(f"(module (func $p unreachable) (func {try_}))"), sites="p")
        assert out != b""


# Bad use


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "neither preset= nor sites="),
        ({"preset": "go"}, "there are: assemblyscript, rust, tinygo, zig"),
        ({"sites": "all", "payload": True}, "names no functions"),
    ],
)
def test_chosen_wrongly(options: dict[str, Any], words: str) -> None:
    data = assembled(RUST)
    module = Module.from_bytes(data)
    with pytest.raises(PassError, match=words):
        PanicsToExceptions(**options).run(module)
    assert module.to_bytes() == data


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("(module (func $f unreachable))", {"sites": "g*"}, "no function is called g"),
        ("(module (func $die unreachable))", {"sites": "dei"}, "called dei; did you mean 'die'?"),
        ("(module (func $f))", {"sites": "f"}, "no unreachable in them or behind calls"),
        ("(module (func $f unreachable))", {"sites": "f", "payload": True}, "behind calls of them"),
        ("(module (func $f))", {"sites": "all"}, "no unreachable that fits"),
        (
            '(module (func $f (export "__wasmir_degraded") unreachable))',
            {"sites": "f"},
            "something else as __wasmir_degraded",
        ),
    ],
)
def test_refused(text: str, options: dict[str, Any], words: str) -> None:
    data = assembled(text)
    module = Module.from_bytes(data)
    with pytest.raises(UnsupportedError, match=words):
        PanicsToExceptions(**options).run(module)
    assert module.to_bytes() == data


# Real programs

REAL = """
    const names = WebAssembly.Module.imports(after);
    const imports = {};
    for (const { module, name } of names) {
      (imports[module] ??= {})[name] = () => { throw new Error(`host ${name}`); };
    }
    const made = (which) => {
      const { exports } = new WebAssembly.Instance(which, imports);
      exports._initialize?.();
      return exports;
    };
    const [one, other] = [made(before), made(after)];
    const text = (at) => {
      const { buffer } = other.memory;
      const bytes = new Uint32Array(buffer)[(at - 4) >> 2];
      return new TextDecoder("utf-16le").decode(new Uint8Array(buffer, at, bytes));
    };
    const ended = (exports, name, args) => {
      try {
        exports[name](...args);
        return "returns";
      } catch (error) {
        if (!(error instanceof WebAssembly.Exception)) return error.message;
        const tag = exports.__wasmir_panic_0;
        if (!error.is(tag)) return "another exception";
        if (!payload) return "panics";
        const [message, file, line, column] = [0, 1, 2, 3].map((at) => error.getArg(tag, at));
        return `${text(message)} in ${text(file)}:${line}:${column}`;
      }
    };
    const found = calls.map(([name, ...args]) => [
      // A trap leaves the original in no state to go on.
      ended(made(before), name, args), ended(other, name, args), other.__wasmir_degraded.value]);
    return found;
"""


def real(name: str, calls: list[Any], pipeline: str, *, payload: bool = False) -> list[Any]:
    """How some calls end before and after, the latter in one instance, with the count."""
    entry = find(name)
    assert isinstance(entry, External)
    before = fetched(entry)
    module = Module.from_bytes(before)
    Pipeline.parse(pipeline).run(module)
    after = module.to_bytes(keep_stale=True)
    assert validate(after) is None
    found: list[Any] = javascript(REAL, before=before, after=after, calls=calls, payload=payload)
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
def test_a_real_rust_program() -> None:
    """Slices out of bounds, and on a null pointer; an abort of the allocator stays one."""
    panic = ["BrotliDecoderDecompressPrealloc", *[0] * 11]
    calls = [
        panic,
        ["BrotliDecoderTakeOutput", 1 << 20, 1 << 20],
        ["BrotliDecoderMallocU8", 0, 8],
        panic,
    ]
    calls.append(["__wbindgen_malloc", 8, 3])
    assert real("resvg", calls, "panics-to-exceptions{sites=noreturn}") == [
        ["unreachable", "panics", 1],
        ["unreachable", "panics", 2],
        ["returns", "returns", 2],
        ["unreachable", "panics", 3],
        ["unreachable", "unreachable", 3],
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
def test_a_real_assemblyscript_program() -> None:
    calls = [["__new", -1, 0], ["__new", 8, 0], ["getGasCosts", 8, 8, 8]]
    for pads in ("", ",insert-landing-pads{where=exports}"):
        pipeline = "panics-to-exceptions{preset=assemblyscript}" + pads
        found = real("anan-as", [*calls, calls[0]], pipeline, payload=True)
        assert found == [
            ["host abort", "Allocation too large in ~lib/rt/itcms.ts:261:31", 1],
            ["returns", "returns", 1],
            ["host abort", "Unknown kind: 8 in assembly/api-utils.ts:90:3", 2],
            ["host abort", "Allocation too large in ~lib/rt/itcms.ts:261:31", 3],
        ]


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
def test_a_real_tinygo_program() -> None:
    """Built so that each check is an ``unreachable`` of its own."""
    calls = [["alloc", -1], ["alloc", 5], ["alloc", -1]]
    assert real("gofmt", calls, "panics-to-exceptions{sites=all}") == [
        ["unreachable", "panics", 1],
        ["returns", "returns", 1],
        ["unreachable", "panics", 2],
    ]
