"""How fast the interpreter is, beside other Python interpreters: ``python -m tests.bench.interp``.

The others are found where ``--rivals PYTHON`` says: a Python that has ``pywasm`` and ``pwasm``
(``python -m venv R && R/bin/pip install pywasm pwasm``, then ``--rivals R/bin/python``). ``native``
is wasmir with native code, if llvmlite is here.
All run by turns in the same Python, each in a process of its own; the best of all rounds counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from corpus.manifest import Module, find
from tests.modules import assembled

ROOT = Path(__file__).resolve().parent.parent.parent

PROGRAM = """(module (memory (export "memory") 2)
  (func $fib (export "fib") (param i32) (result i32)
    (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                     (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func (export "sieve") (param $n i32) (result i32) (local $i i32) (local $j i32) (local $c i32)
    (memory.fill (i32.const 0) (i32.const 0) (local.get $n))
    (local.set $i (i32.const 2))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
      (if (i32.eqz (i32.load8_u (local.get $i))) (then
        (local.set $c (i32.add (local.get $c) (i32.const 1)))
        (local.set $j (i32.shl (local.get $i) (i32.const 1)))
        (block $out (loop $mark
          (br_if $out (i32.ge_u (local.get $j) (local.get $n)))
          (i32.store8 (local.get $j) (i32.const 1))
          (local.set $j (i32.add (local.get $j) (local.get $i)))
          (br $mark)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next)))
    (local.get $c))
  (func (export "mix") (param $n i32) (result i32) (local $h i32)
    (loop $again
      (local.set $h (i32.xor (i32.rotl (i32.add (local.get $h) (local.get $n)) (i32.const 7))
        (i32.load (i32.and (local.get $h) (i32.const 65532)))))
      (i32.store (i32.and (local.get $h) (i32.const 65532)) (local.get $h))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $h)))"""


@dataclass(frozen=True)
class Work:
    """A call that is timed. ``module`` is one of the corpus's, or empty for :data:`PROGRAM`."""

    module: str
    export: str
    argument: int
    #: Whether it would take those that don't compile many minutes.
    long: bool = False

    def __str__(self) -> str:
        return f"{self.export}({self.argument})"


WORK = (
    Work("", "fib", 21),
    Work("", "sieve", 60_000),
    Work("", "mix", 50_000),
    Work("c-sha256", "sha256", 1 << 14),
    Work("c-sha256", "sha256", 1 << 20, long=True),
    Work("c-vectors", "dot", 10),
    Work("c-vectors", "blend", 20),
)
"""Recursion, a sieve, rotations with memory, SHA-256 of 16 KiB and of 1 MiB, vectors."""

_TIMED = """
import json, sys, time
name, works = sys.argv[1], json.loads(sys.argv[2])
start = time.perf_counter()
if name in ("wasmir", "native"):
    from wasmir import Module
    from wasmir.interp import Instance
    def opened(path):
        return Instance(Module.from_file(path), native=name == "native").invoke
elif name == "pywasm":
    import pywasm
    def opened(path):
        runtime = pywasm.core.Runtime()
        module = runtime.instance_from_file(path)
        return lambda name, *args: runtime.invocate(module, name, list(args))[0]
else:
    import pwasm
    # What was compiled by an earlier process isn't taken.
    pwasm.codegen._load = lambda *_: None
    def opened(path):
        instance = pwasm.instantiate(pwasm.decode_module(open(path, "rb").read()))
        return lambda name, *args: getattr(instance.exports, name)(*args)
found, calls = [], {}
for path, export, argument, rounds in works:
    try:
        if path not in calls:
            calls[path] = opened(path)
        call = calls[path]
        # So often that those that start slowly have compiled it.
        for _ in range(3):
            call(export, 5)
        if not found:
            cold = time.perf_counter() - start
        seconds, results = [], []
        for _ in range(rounds):
            begin = time.perf_counter()
            results.append(call(export, argument))
            seconds.append(time.perf_counter() - begin)
        # What later ones give depends on what is in memory by then.
        result = results[0][0] if isinstance(results[0], (list, tuple)) else results[0]
        found.append([min(seconds), result & 0xFFFFFFFF if isinstance(result, int) else result])
    except Exception as error:
        found.append(f"{type(error).__name__}: {error}"[:60])
print(json.dumps([cold, found]))
"""


def measured(python: str, name: str, modules: dict[str, Path]) -> Any:  # noqa: ANN401 - JSON
    """Seconds until the first function was called, and for each work seconds and result, once it is
    compiled, or why not; or why not at all.
    """
    compiles = name != "pywasm"
    works = [
        [str(modules[work.module]), work.export, work.argument, 3 if compiles else 1]
        for work in WORK
        if compiles or not work.long
    ]
    command = [python, "-c", _TIMED, name, json.dumps(works)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=900, cwd=ROOT
    )
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    cold, found = json.loads(done.stdout)
    answers = iter(found)
    return cold, ["too long" if work.long and not compiles else next(answers) for work in WORK]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rivals", metavar="PYTHON", help="a Python that has pywasm and pwasm")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    contenders = [("wasmir", sys.executable)]
    if find_spec("llvmlite"):
        contenders.append(("native", sys.executable))
    if options.rivals:
        contenders += [("pwasm", options.rivals), ("pywasm", options.rivals)]
    # By contender: what it took at best, or why there is nothing; the first is the start.
    best: dict[str, list[Any]] = {}
    results: list[set[Any]] = [set() for _ in WORK]
    with tempfile.TemporaryDirectory() as folder:
        modules = {work.module: _path(work.module) for work in WORK if work.module}
        modules[""] = Path(folder) / "bench.wasm"
        modules[""].write_bytes(assembled(PROGRAM))
        for _ in range(options.rounds):
            for name, python in contenders:
                answer = measured(python, name, modules)
                if isinstance(answer, str):
                    print(f"{name}: {answer}")
                    continue
                cold, found = answer
                seconds = [each if isinstance(each, str) else each[0] for each in found]
                for at, each in enumerate(found):
                    if not isinstance(each, str):
                        results[at].add(each[1])
                best[name] = [
                    new if isinstance(new, str) else min(new, old)
                    for new, old in zip(
                        [cold, *seconds], best.get(name, [cold, *seconds]), strict=True
                    )
                ]
    for at, work in enumerate(["start, read, call", *map(str, WORK)]):
        shown = "  ".join(_shown(name, best[name][at], best["wasmir"][at]) for name in best)
        agree = "" if not at or len(results[at - 1]) == 1 else f"  differ: {results[at - 1]}"
        print(f"{work:20} {shown}{agree}")


def _path(name: str) -> Path:
    found = find(name)
    assert isinstance(found, Module)
    return found.path


def _shown(name: str, seconds: float | str, ours: float) -> str:
    if isinstance(seconds, str):
        return f"{name} {seconds}"
    return f"{name} {seconds:8.4f} s ({seconds / ours:7.3g} x)"


if __name__ == "__main__":
    main()
