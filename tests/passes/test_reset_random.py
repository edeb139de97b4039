"""reset-state on random modules and on programs: after random calls and a reset an instance is like
a new one of the module as it was, and answers like it.
"""

from __future__ import annotations

import subprocess
import warnings
from base64 import b64encode
from random import Random
from typing import Any, Final

import pytest

from corpus.manifest import External, find, modules
from corpus.manifest import Module as Entry
from tests.javascript import javascript
from tests.modules import SCALE, assembled, program
from tests.passes.stateful import stateful
from tests.support import fetched, validate
from wasmir import DialectWarning, Function, Module, NumType, RefType, UnsupportedError, ValType
from wasmir.passes import ResetState

pytestmark = pytest.mark.usefixtures("engine")

MODULES: Final = 60 * SCALE
CALLS: Final = 12
ROUNDS: Final = 3

# What modules are made of: much state, little code; all of it exported, so that it is seen.
SMITH: Final = {
    "export-everything": "true",
    "canonicalize-nans": "true",
    "generate-custom-sections": "false",
    "max-imports": "0",
    "min-funcs": "3",
    "min-exports": "1",
    "min-data-segments": "2",
    "min-element-segments": "2",
    "min-memories": "1",
    "max-memories": "3",
    "min-tables": "1",
    "max-tables": "3",
    "min-globals": "2",
    "max-memory32-bytes": "655360",
    "max-memory64-bytes": "655360",
    "memory-max-size-required": "true",
    "max-table-elements": "60",
    "table-max-size-required": "true",
    "max-type-size": "60",
    "limit-arrays-in-const-exprs": "true",
    "threads-enabled": "false",
    "wide-arithmetic-enabled": "false",
    "custom-page-sizes-enabled": "false",
    "relaxed-simd-enabled": "false",
}

# What grew stays large, so what a new instance traps at for being out of bounds may not trap: as is
# told. From there on the two have different histories, and the next round begins.
SCRIPT: Final = """
    const found = { states: 0, calls: 0, ends: 0, failures: [] };
    const value = (each) => (typeof each === "string" ? BigInt(each) : each);
    const sizes = ({ exports }, { exports: like }) => Object.keys(like).map((name) =>
      exports[name].buffer?.byteLength ?? (exports[name] instanceof WebAssembly.Table ?
        Number(exports[name].length) : 0)).join();
    for (const { name, before, after, rounds, visible } of cases) {
      const [one, other] = [before, after].map((data) =>
        new WebAssembly.Module(Buffer.from(data, "base64")));
      const differ = (what, wanted, got) => {
        // Instantiation words some traps in another way.
        const [a, b] = [wanted, got].map((each) =>
          JSON.stringify(each).replace(/^"trap: .*/, "trap"));
        if (a !== b) found.failures.push(`${name}, ${what}: ${a}, not ${b}`.slice(0, 2000));
        return a !== b;
      };
      let used;
      const made = outcome(() => (used = new WebAssembly.Instance(other)));
      if (differ("instantiation", outcome(() => new WebAssembly.Instance(one)), made)) continue;
      if (used === undefined) continue;
      for (const [number, calls] of rounds.entries()) {
        const like = new WebAssembly.Instance(one);
        if (differ(`round ${number}`, state(like), state(used, like))) break;
        found.states++;
        const exact = number === 0 || (visible && sizes(like, like) === sizes(used, like));
        let ended = false;
        for (const [callee, ...args] of calls) {
          const [wanted, got] = [like, used].map((each) =>
            outcome(() => each.exports[callee](...args.map(value))));
          if ([got, wanted].some((each) => each.includes("overflow"))) ended = true;
          else if (!exact && wanted !== got && wanted.startsWith("trap")) ended = true;
          if (ended) break;
          found.calls++;
          differ(`round ${number}, ${callee}(${args})`, wanted, got);
        }
        if (ended) found.ends++;
        else differ(`round ${number}, after the calls`, state(like), state(used, like));
        used.exports.__wasmir_reset_state();
      }
    }
    return found;
"""


def smith(seed: int, **options: str) -> bytes | None:
    """A random module; None where that number makes none."""
    random = Random(seed)
    flags = [f"--{key}={value}" for key, value in (SMITH | options).items()]
    done = subprocess.run(
        [program(), "smith", "--ensure-termination", *flags],
        input=random.randbytes(random.choice((2000, 8000, 30000))),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        assert b"not of the correct format" in done.stderr, done.stderr
    return done.stdout or None


def an_argument(random: Random, type_: ValType) -> Any:  # noqa: ANN401 - as JSON has it
    match type_:
        case NumType.I32:
            return random.choice((0, 1, 2, 7, 65535, -1, random.getrandbits(31)))
        case NumType.I64:
            return str(random.choice((0, 1, 2, 7, 65535, -1, random.getrandbits(63))))
        case NumType.F32 | NumType.F64:
            return random.choice((0, 1.5, -2, 1e10))
    return None


def some_calls(random: Random, module: Module) -> list[Any]:
    """Of exports that JavaScript can call: no vectors, and no references that aren't null."""
    callees = [
        export
        for export in module.exports
        if isinstance(export.entity, Function)
        and all(
            each.nullable if isinstance(each, RefType) else each is not NumType.V128
            for each in export.entity.func_type.params
        )
    ]
    calls: list[Any] = []
    for _ in range(CALLS if callees else 0):
        callee = random.choice(callees)
        params = callee.entity.func_type.params if isinstance(callee.entity, Function) else ()
        calls.append([callee.name, *(an_argument(random, each) for each in params)])
    return calls


def case(
    name: str, before: bytes, rounds: list[list[Any]], *, visible: bool = True
) -> dict[str, Any] | None:
    """A module before and after, with calls; None where it is refused. ``visible``: whether all
    its memories and tables are exported.
    """
    module = Module.from_bytes(before)
    try:
        ResetState().run(module)
    except UnsupportedError:
        return None
    after = module.to_bytes(keep_stale=True)
    problem = validate(after)
    assert problem is None, f"{name}: {problem}"
    Module.from_bytes(after).validate()
    return {
        "name": name,
        "before": b64encode(before).decode(),
        "after": b64encode(after).decode(),
        "rounds": rounds,
        "visible": visible,
    }


def run(cases: list[dict[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = javascript(SCRIPT, cases=cases, timeout=600)
    print({key: value for key, value in result.items() if key != "failures"})
    assert result["failures"] == []
    return result


@pytest.mark.parametrize("traps", [True, False], ids=["traps", "no-traps"])
def test_random_modules(traps: bool) -> None:
    cases = []
    for seed in range(MODULES):
        before = smith(seed, **{"disallow-traps": str(not traps).lower()})
        if before is not None:
            random, module = Random(seed), Module.from_bytes(before)
            rounds = [some_calls(random, module) for _ in range(ROUNDS)]
            cases.append(case(f"seed {seed}", before, rounds))
    done = [each for each in cases if each is not None]
    result = run(done)
    assert len(done) > MODULES * 3 // 4
    assert result["states"] > MODULES
    assert result["calls"] > MODULES


def test_random_state() -> None:
    """Modules of our own, in which everything can be changed."""
    cases = []
    for seed in range(MODULES):
        random = Random(seed)
        made = stateful(random)
        rounds = [made.calls(random, 4 * CALLS) for _ in range(ROUNDS)]
        found = case(f"seed {seed}", assembled(str(made)), rounds, visible=made.visible)
        assert found is not None
        cases.append(found)
    result = run(cases)
    assert result["states"] > MODULES
    assert result["calls"] > 10 * MODULES


PROGRAMS: Final = """
    const found = { resets: 0, calls: 0, failures: [] };
    const differ = (what, ...both) => {
      const [one, other] = both.map((each) => JSON.stringify(each));
      if (one !== other) found.failures.push(`${what}: ${one}, not ${other}`.slice(0, 2000));
    };
    const [used, first] = [after, before].map((each) => new Session(each, name));
    differ("instantiation", outcome(() => first.start()), outcome(() => used.start()));
    const grid = used.instance === undefined ? [] : [...first.grid()];
    const step = Math.max(9, grid.length >> 5);
    for (let at = 0; at < grid.length; at += step) {
      const fresh = new Session(before, name);
      fresh.start();
      differ(`at ${at}`, state(fresh.instance), state(used.instance, fresh.instance));
      used.objects.clear();
      for (const [callee, args] of grid.slice(at, at + step)) {
        const [one, other] = [fresh, used].map((each) => {
          const { state: _, ...rest } = each.call(callee, args);
          return rest;
        });
        found.calls++;
        differ(`${callee}(${args})`, one, other);
      }
      differ(`behind ${at}`, state(fresh.instance), state(used.instance, fresh.instance));
      used.instance.exports.__wasmir_reset_state();
      found.resets++;
    }
    return found;
"""


@pytest.mark.parametrize("entry", [each for each in modules() if each.runs], ids=lambda m: m.name)
def test_programs(entry: Entry) -> None:
    before = entry.path.read_bytes()
    module = Module.from_bytes(before)
    ResetState().run(module)
    after = module.to_bytes(keep_stale=True)
    assert validate(after) is None
    with warnings.catch_warnings():
        # One of them mixes the dialects.
        warnings.simplefilter("ignore", DialectWarning)
        Module.from_bytes(after).validate()
    found = javascript(PROGRAMS, before=before, after=after, name=entry.name)
    assert found["failures"] == []
    assert found["calls"] > 10
    assert found["resets"] > 1


REAL: Final = """
    const imports = {};
    for (const { module, name } of WebAssembly.Module.imports(before)) {
      (imports[module] ??= {})[name] = () => 0;
    }
    const made = (module) => {
      const { exports } = new WebAssembly.Instance(module, imports);
      exports._initialize?.();
      return { exports };
    };
    const all = (instance) => calls.map(([name, ...args]) =>
      outcome(() => instance.exports[name](...args)).replace(/^trap.*/, "trap"));
    const fresh = made(before);
    const wanted = [JSON.stringify(state(fresh)), JSON.stringify(all(fresh))];
    const used = made(after);
    const found = new Set();
    for (let round = 0; round < 20; round++) {
      const now = JSON.stringify(state(used, made(before)));
      const answers = JSON.stringify(all(used));
      found.add(now === wanted[0] && answers === wanted[1] ? "the same" : `${now} ${answers}`);
      found.add(`${used.exports.memory.buffer.byteLength} bytes`);
      used.exports.__wasmir_reset_state();
    }
    return [[...found], wanted[1]];
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "calls", "answers"),
    [
        (
            "resvg",
            [
                *(["BrotliDecoderMallocU8", 0, 1 << 20], ["__wbindgen_malloc", 1 << 16, 8]),
                *(["BrotliDecoderDecompressPrealloc", *[0] * 11], ["__wbindgen_malloc", 64, 8]),
            ],
            ["trap"],
        ),
        ("anan-as", [["__new", 1 << 16, 0], ["__new", 8, 0], ["__collect"], ["vmInit"]], ["trap"]),
        ("gofmt", [["alloc", 1 << 20], ["alloc", 40], ["alloc", -1], ["alloc", 50]], ["trap"]),
    ],
)
def test_real_programs(name: str, calls: list[Any], answers: list[str]) -> None:
    """By Rust, AssemblyScript and TinyGo: used, trapped, put back, twenty times."""
    entry = find(name)
    assert isinstance(entry, External)
    before = fetched(entry)
    module = Module.from_bytes(before)
    ResetState().run(module)
    after = module.to_bytes(keep_stale=True)
    assert validate(after) is None
    Module.from_bytes(after).validate()
    found, seen = javascript(REAL, before=before, after=after, calls=calls)
    assert [each for each in found if not each.endswith(" bytes")] == ["the same"]
    # It grows no further.
    assert len(found) <= 3
    assert all(answer in seen for answer in answers)
