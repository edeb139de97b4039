"""``python -m tests.validate --modules 100000``: wasmir's verdicts beside those of wasm-tools."""

import sys

from tests.validate.many import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
