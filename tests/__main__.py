"""``python3 -m tests``: set up the environment if need be, and run pytest with the arguments."""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
if not __package__:  # started by path, from any folder
    sys.path[0] = ROOT

from corpus.environment import ensure  # noqa: E402


def main() -> int:
    """Run the tests; everything from here on needs the environment."""
    import pytest

    os.chdir(ROOT)
    arguments = sys.argv[1:]
    if not any(argument.startswith(("-n", "--numprocesses", "--pdb")) for argument in arguments):
        # Two processes even on a large machine: most of the time goes into few long tests.
        arguments = ["-n", "2", *arguments]
    return int(pytest.main(arguments))


if __name__ == "__main__":
    ensure("tests")
    sys.exit(main())
