"""``python -m tests.runtime`` gets TypeScript, for the tests in this folder."""

from __future__ import annotations

import sys

from corpus.manifest import CorpusError
from tests.runtime.typescript import compiler, fetch


def main() -> int:
    """Fetch it, and say where it is."""
    try:
        new = fetch()
    except CorpusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{compiler()}, {'new' if new else 'was there'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
