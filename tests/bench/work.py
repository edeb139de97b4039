"""What is measured and is no command of wasmir's: `python -m tests.bench.work WHAT IN [MORE]`.

It comes and goes as the `wasmir` command does: without the cyclic collector, and without taking
everything apart at the end. See `wasmir/__main__.py`.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wasmir import Function, Module


def main(what: str, name: str, *more: str) -> None:
    """Do it; fail if the result isn't what it must be."""
    from wasmir import Module
    from wasmir.types import FuncType

    module = Module.from_file(name)
    if what == "framing":
        # Where each body starts and ends, and nothing inside.
        if sum(function.imported is None for function in module.functions) == 0:
            sys.exit("no functions")
    elif what in ("skeleton", "instructions"):
        # Every body decoded to its skeleton, or down to its instructions, and let go of: settling
        # looks whether anything in it was changed. In so many processes.
        look = _skeleton if what == "skeleton" else _instructions
        module.edit_functions(look, jobs=int(*more or "1"))
        if module.to_bytes() != module.source:
            sys.exit("the output differs from the input")
    elif what == "entry":
        _count_calls(module)
        module.save(*more)
    elif what == "import":  # One more function is imported: the indices of all others move.
        module.import_function("env", "added", FuncType())
        module.save(*more)
    elif what == "gc":
        # Half of the exports go, and what only they need: most of what stays has other indices.
        from wasmir.passes import Gc

        module.exports.remove_all(list(module.exports)[::2])
        Gc().run(module)
        module.save(*more)
    else:
        sys.exit(f"no work {what!r}")


def _count_calls(module: Module) -> None:
    """Count, at the entry of each function, the calls of all."""
    from wasmir import GlobalType, NumType, ops

    zero = module.const(ops.i32.const(0))
    calls = module.add_global(GlobalType(NumType.I32, mutable=True), zero, exported="calls")
    one = [ops.i32.const(1), ops.i32.add()]
    run = module.run([ops.global_.get(calls), *one, ops.global_.set(calls)])
    for function in module.functions:
        if function.imported is None:
            function.insert_at_entry(run)


def _skeleton(function: Function) -> None:
    _ = function.body


def _instructions(function: Function) -> None:
    function.expand()


if __name__ == "__main__":
    gc.disable()
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)
