"""``python -m tests.differential --modules 20000 --inputs 40``: random modules, before and after.

With the Python of the test environment: ``.venv/bin/python -m tests.differential``.
"""

import sys

from tests.differential.many import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
