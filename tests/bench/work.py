"""What is measured and is no command of wasmir's: `python -m tests.bench.work WHAT IN`."""

from __future__ import annotations

import sys


def main(what: str, name: str) -> None:
    """Do it; fail if the result isn't the input."""
    from wasmir import Module

    module = Module.from_file(name)
    if what == "framing":
        # Where each body starts and ends, and nothing inside.
        if sum(function.imported is None for function in module.functions) == 0:
            sys.exit("no functions")
    elif what == "skeleton":
        # Every body decoded to its skeleton, encoded anew, and let go of.
        for function in module.functions:
            if function.imported is None:
                _ = function.body
                function.settle()
        if module.to_bytes() != module.source:
            sys.exit("the output differs from the input")
    else:
        sys.exit(f"no work {what!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
