"""Control flow of functions and calls between them, as graphs.

:mod:`~wasmir.graph.flow` finds the basic blocks of a function, :mod:`~wasmir.graph.calls` who calls
whom, and :mod:`~wasmir.graph.dot` writes either in the language of Graphviz.
"""

from __future__ import annotations

from wasmir.graph.calls import Call, CallGraph
from wasmir.graph.dot import dot_of_calls, dot_of_flow, drawn
from wasmir.graph.flow import ControlFlow, Edge, FlowBlock

__all__ = [
    "Call",
    "CallGraph",
    "ControlFlow",
    "Edge",
    "FlowBlock",
    "dot_of_calls",
    "dot_of_flow",
    "drawn",
]
