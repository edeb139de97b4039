"""``python -m tests.runtime`` gets TypeScript and a minifier, for the tests in this folder.

``--minify`` makes recover.min.mjs anew, after each change of recover.mjs.
"""

from __future__ import annotations

import argparse
import sys

from corpus.engine import EngineError
from corpus.files import write_whole
from corpus.manifest import CorpusError
from tests.runtime import minifier, typescript
from tests.runtime.engines import MINIFIED


def main() -> int:
    """Fetch them, and say where they are."""
    parser = argparse.ArgumentParser(prog="python -m tests.runtime", description=__doc__)
    parser.add_argument("--minify", action="store_true", help="make recover.min.mjs anew")
    options = parser.parse_args()
    try:
        for new, path in (
            (typescript.fetch(), typescript.compiler()),
            (minifier.fetch(), minifier.program()),
        ):
            print(f"{path}, {'new' if new else 'was there'}")
        if options.minify:
            write_whole(MINIFIED, minifier.minified())
            print(f"{MINIFIED}, {MINIFIED.stat().st_size:,} bytes")
    except (CorpusError, EngineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
