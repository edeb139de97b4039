"""How fast the interpreter is, beside other Python interpreters: ``python -m tests.bench.interp``.

The others are found where ``--rivals PYTHON`` says: a Python that has ``pywasm`` and ``pwasm``
(``python -m venv R && R/bin/pip install pywasm pwasm``, then ``--rivals R/bin/python``).
All run by turns in the same Python, each in a process of its own; the best of all rounds counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

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

WORK = (("fib", 21), ("sieve", 60_000), ("mix", 50_000))
"""Recursion, a sieve, and rotations with memory as hash functions have them."""

_TIMED = """
import json, sys, time
if sys.argv[1] == "wasmir":
    from wasmir import Module
    from wasmir.interp import Instance
    call = Instance(Module.from_file(sys.argv[2])).invoke
elif sys.argv[1] == "pywasm":
    import pywasm
    runtime = pywasm.core.Runtime()
    module = runtime.instance_from_file(sys.argv[2])
    call = lambda name, *args: runtime.invocate(module, name, list(args))[0]
else:
    import pwasm
    instance = pwasm.instantiate(pwasm.decode_module(open(sys.argv[2], "rb").read()))
    call = lambda name, *args: getattr(instance.exports, name)(*args)
found = {}
for name, argument in json.loads(sys.argv[3]):
    call(name, 5)
    start = time.perf_counter()
    result = call(name, argument)
    result = result[0] if isinstance(result, (list, tuple)) else result
    found[name] = time.perf_counter() - start, result & 0xFFFFFFFF
print(json.dumps(found))
"""


def measured(python: str, name: str, module: Path) -> dict[str, tuple[float, int]] | str:
    """Seconds and result of each, once it is compiled; or why not."""
    command = [python, "-c", _TIMED, name, str(module), json.dumps(WORK)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=600, cwd=ROOT
    )
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    found: dict[str, tuple[float, int]] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rivals", metavar="PYTHON", help="a Python that has pywasm and pwasm")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    contenders = [("wasmir", sys.executable)]
    if options.rivals:
        contenders += [("pywasm", options.rivals), ("pwasm", options.rivals)]
    best: dict[tuple[str, str], float] = {}
    results: dict[str, set[int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        module = Path(folder) / "bench.wasm"
        module.write_bytes(assembled(PROGRAM))
        for _ in range(options.rounds):
            for name, python in contenders:
                found = measured(python, name, module)
                if isinstance(found, str):
                    print(f"{name}: {found}")
                    continue
                for work, (seconds, result) in found.items():
                    best[name, work] = min(seconds, best.get((name, work), seconds))
                    results.setdefault(work, set()).add(result)
    for work, argument in WORK:
        shown = "  ".join(
            f"{name} {best[name, work]:8.4f} s ({best[name, work] / best['wasmir', work]:6.1f} x)"
            for name, _ in contenders
            if (name, work) in best
        )
        agree = "" if len(results[work]) == 1 else f"  results differ: {results[work]}"
        print(f"{work}({argument}):  {shown}{agree}")


if __name__ == "__main__":
    main()
