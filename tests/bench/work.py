"""What is measured and is no command of wasmir's: `python -m tests.bench.work WHAT IN [OUT]`.

It comes and goes as the `wasmir` command does: without the cyclic collector, and without taking
everything apart at the end. See `wasmir/__main__.py`.
"""

from __future__ import annotations

import gc
import os
import sys


def main(what: str, name: str, *out: str) -> None:
    """Do it; fail if the result isn't what it must be."""
    from wasmir import Module
    from wasmir.types import FuncType

    module = Module.from_file(name)
    if what == "framing":
        # Where each body starts and ends, and nothing inside.
        if sum(function.imported is None for function in module.functions) == 0:
            sys.exit("no functions")
    elif what == "skeleton":
        # Every body decoded to its skeleton, and let go of: settling looks whether anything in it
        # was changed.
        for function in module.functions:
            if function.imported is None:
                _ = function.body
                function.settle()
        if module.to_bytes() != module.source:
            sys.exit("the output differs from the input")
    elif what == "instructions":
        # Every body decoded down to its instructions, and let go of in the same way.
        for function in module.functions:
            if function.imported is None:
                function.expand()
                function.settle()
        if module.to_bytes() != module.source:
            sys.exit("the output differs from the input")
    elif what == "validate":
        # In two processes, on any cores: everything else is measured on one.
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, range(os.cpu_count() or 1))
        module.validate(jobs=2)
    elif what == "import":
        # One more function is imported: the indices of all others move.
        module.import_function("env", "added", FuncType())
        module.save(*out)
    else:
        sys.exit(f"no work {what!r}")


if __name__ == "__main__":
    gc.disable()
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)
