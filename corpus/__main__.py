"""``python3 -m corpus``: list, build, verify and fetch the corpus, or see a conversion at work.

Starts under any Python >= 3.11 and sets up the project's environment by itself.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
if not __package__:  # started by path, from any folder
    sys.path[0] = ROOT

from corpus.environment import ensure  # noqa: E402

if __name__ == "__main__":
    ensure("corpus")
    from corpus.commands import main

    sys.exit(main(sys.argv[1:]))
