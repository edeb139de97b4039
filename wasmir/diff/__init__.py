"""What is different in two modules: ``wasmir diff``.

:mod:`~wasmir.diff.matching` finds out what is the same thing in both,
:mod:`~wasmir.diff.vocabulary` calls it the same, :mod:`~wasmir.diff.comparison` tells what is
different about it, with :mod:`~wasmir.diff.sequences` for what consists of lines.
"""

from __future__ import annotations

from wasmir.diff.comparison import Change, CodeDiff, Comparison, Hunk, compare

__all__ = ["Change", "CodeDiff", "Comparison", "Hunk", "compare"]
