"""Passes and pipelines of them.

A pass is a frozen dataclass: its fields are its options, in Python and on the command line. A
pipeline is passes in order, written as text, ``first,second{option=value,flag=false}``, or as TOML.

:mod:`~wasmir.pipeline.passes` is what a pass is and where passes are found,
:mod:`~wasmir.pipeline.pipelines` runs them, :mod:`~wasmir.pipeline.text` and
:mod:`~wasmir.pipeline.toml` read how they are written, with options from
:mod:`~wasmir.pipeline.options`; :mod:`~wasmir.pipeline.scripts` gets passes out of Python files.
"""

from __future__ import annotations

from wasmir.pipeline.passes import (
    Pass,
    PassReport,
    available_passes,
    find_pass,
    observe_progress,
    track,
    use_cores,
)
from wasmir.pipeline.pipelines import Mapped, Pipeline, Verify

__all__ = [
    "Mapped",
    "Pass",
    "PassReport",
    "Pipeline",
    "Verify",
    "available_passes",
    "find_pass",
    "observe_progress",
    "track",
    "use_cores",
]
