"""Graphs in DOT, the language of Graphviz, and drawn by it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wasmir.errors import UnsupportedError
from wasmir.graph.calls import CallGraph
from wasmir.graph.flow import ControlFlow
from wasmir.ir.checks import check_is
from wasmir.isa import tokens
from wasmir.isa.table import BY_NAME
from wasmir.text.code import Bodies
from wasmir.text.names import Identifiers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wasmir.graph.flow import FlowBlock
    from wasmir.ir.function import Function

__all__ = ["dot_of_calls", "dot_of_flow", "drawn", "instruction_texts"]

_LONGEST = 60
"""Longer lines are cut."""

# What stands in code, and is no instruction of the tree.
_BETWEEN = {BY_NAME[name].number for name in ("end", "else", "catch", "catch_all", "delegate")}


def dot_of_flow(flow: ControlFlow, *, lines: int | None = None) -> str:
    """The control flow of a function: a box for each block, with so many instructions of it as
    ``lines``; arrows for exceptions are red, and what can't be reached is grey.
    """
    check_is(flow, ControlFlow, "a ControlFlow")
    texts = instruction_texts(flow.function)
    reachable = flow.reachable()
    at = 0
    drawing = []
    for block in flow.blocks:
        # Blocks are in the order of the code.
        inside = texts[at : at + len(block.instructions)]
        at += len(inside)
        label = "".join(f"{_escaped(line)}\\l" for line in [_head(block), *_first(inside, lines)])
        grey = "" if block in reachable else ", color=gray60, fontcolor=gray60"
        drawing.append(f'  {block.number} [label="{label}"{grey}];')
    drawing.append(f'  {flow.exit.number} [label="return", shape=oval];')
    if flow.uncaught is not None:
        drawing.append(f'  {flow.uncaught.number} [label="exception", shape=oval, color=red];')
    for edge in flow.edges:
        look = [] if edge.kind in ("next", "return") else [f'label="{_escaped(str(edge))}"']
        look += ["color=red", "fontcolor=red"] if edge.is_exception else []
        drawing.append(f"  {edge.source.number} -> {edge.target.number}{_looks(look)};")
    return _graph(f"function {flow.function}", drawing)


def _head(block: FlowBlock) -> str:
    if block.handler is None:
        return str(block.number)
    tag = block.handler.tag
    return f"{block.number}: {'catch_all' if tag is None else f'catch {tag}'}"


def _first(texts: list[str], lines: int | None) -> list[str]:
    if lines is None or len(texts) <= lines:
        return texts
    return [*texts[:lines], f"... {len(texts) - lines:,} more"]


def _looks(attributes: list[str]) -> str:
    return f" [{', '.join(attributes)}]" if attributes else ""


def instruction_texts(function: Function) -> list[str]:
    """What the instructions of a function's tree say, in the order of the code. Raises
    MalformedError.
    """
    code = function.code
    lines = Bodies(Identifiers(function.module)).lines(
        code, tokens.skip_locals(code, 0, len(code)), len(code), {}
    )
    return [
        text
        for token, text in zip(lines.tokens, lines.texts, strict=False)
        if token[0] not in _BETWEEN
    ]


def dot_of_calls(graph: CallGraph) -> str:
    """Who calls whom: imports are ovals, references are dashed, and what calls through tables or
    references has two borders.
    """
    check_is(graph, CallGraph, "a CallGraph")
    indirect = set(graph.indirect)
    drawing = []
    for function in graph.functions:
        look = [f'label="{_escaped(_cut(str(function)))}"']
        if function.imported is not None:
            look.append("shape=oval")
            look.append(f'tooltip="{_escaped(_cut(str(function.imported)))}"')
        if function in indirect:
            look.append("peripheries=2")
        drawing.append(f"  {function.index}{_looks(look)};")
    for call in graph.calls:
        look = ["style=dashed"] if call.kind == "reference" else []
        drawing.append(f"  {call.caller.index} -> {call.callee.index}{_looks(look)};")
    return _graph("calls", drawing)


def _graph(name: str, drawing: Iterable[str]) -> str:
    lines = [
        f'digraph "{_escaped(name)}" {{',
        '  node [shape=box, fontname="monospace", fontsize=10];',
        '  edge [fontname="monospace", fontsize=9];',
        *drawing,
        "}",
    ]
    return "".join(f"{line}\n" for line in lines)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _escaped(text: str) -> str:
    """For a string in quotes. What can't be seen is left out: SVG has no way to say it."""
    seen = "".join(char if char.isprintable() else "\ufffd" for char in _cut(text))
    return seen.replace("\\", "\\\\").replace('"', '\\"')


def drawn(dot: str) -> bytes:
    """A graph as SVG, drawn by the program ``dot`` of Graphviz through the package ``graphviz``.
    Raises UnsupportedError where either isn't installed, or can't draw it.
    """
    try:
        graphviz: Any = importlib.import_module("graphviz")
    except ImportError:
        raise UnsupportedError(
            "SVG is drawn through the Python package graphviz, which isn't installed: "
            "`pip install graphviz`; DOT needs nothing"
        ) from None
    try:
        found: bytes = graphviz.Source(dot).pipe(format="svg")
    except graphviz.ExecutableNotFound:
        raise UnsupportedError(
            "SVG is drawn by the program `dot` of Graphviz, which isn't on the path: "
            "https://graphviz.org/download; DOT needs nothing"
        ) from None
    except (graphviz.CalledProcessError, OSError) as error:
        raise UnsupportedError(f"Graphviz can't draw it: {error}") from None
    return found
