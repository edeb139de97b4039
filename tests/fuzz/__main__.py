"""``python -m tests.fuzz --cases 1000000``: many random cases; prints the count.

With the Python of the test environment: ``.venv/bin/python -m tests.fuzz``.
"""

import sys

from tests.fuzz.many import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
