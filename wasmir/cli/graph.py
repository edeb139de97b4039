"""``wasmir graph``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from wasmir.cli.common import input_file, json_flag, naming, read, write_text

if TYPE_CHECKING:
    from wasmir.graph import CallGraph, ControlFlow
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module

__all__ = ["graph"]


@click.command()
@input_file
@click.argument("func", required=False)
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    default="-",
    help="Where to write, if not to standard output; SVG where the name ends in .svg.",
)
@click.option("--svg", is_flag=True, help="Draw it, by Graphviz.")
@click.option(
    "--root",
    "roots",
    metavar="FUNC",
    multiple=True,
    help="Only what these functions lead to: an index, a name, an export, or a glob of names.",
)
@click.option("--depth", type=click.IntRange(0), help="Only so many calls from the roots.")
@click.option(
    "--lines", type=click.IntRange(0), help="Only so many instructions of each basic block."
)
@json_flag
def graph(
    file: str,
    func: str | None,
    output: str,
    svg: bool,
    roots: tuple[str, ...],
    depth: int | None,
    lines: int | None,
    as_json: bool,
) -> None:
    """Show the control flow of the function FUNC, exceptions included, or without FUNC who calls
    whom, as a graph in DOT.

    Calls through tables and references aren't followed; functions that make such calls have two
    borders.
    """
    svg = svg or output.endswith(".svg")
    if svg and as_json:
        raise click.UsageError("--json is no SVG")
    if func is not None and (roots or depth is not None):
        raise click.UsageError("--root and --depth are for calls, not for control flow")
    if depth is not None and not roots:
        raise click.UsageError("--depth counts from the roots: --root says which")
    if func is None and lines is not None:
        raise click.UsageError("--lines is for control flow: FUNC says of which function")
    from wasmir.graph import CallGraph, ControlFlow, dot_of_calls, dot_of_flow, drawn

    module = read(file)
    with naming(file):
        if func is not None:
            from wasmir.printing import find_function

            flow = ControlFlow(find_function(module, func))
            text = json.dumps(_flow(flow)) + "\n" if as_json else dot_of_flow(flow, lines=lines)
        else:
            chosen = _roots(module, roots) if roots else None
            calls = CallGraph.of(module, chosen, depth)
            text = json.dumps(_calls(calls)) + "\n" if as_json else dot_of_calls(calls)
    if svg:
        text = drawn(text).decode()
    write_text(text, output)


def _roots(module: Module, wanted: tuple[str, ...]) -> list[Function]:
    """The functions that are meant. Raises InvalidError where one is unknown."""
    from fnmatch import fnmatchcase

    from wasmir.errors import InvalidError
    from wasmir.printing import find_function
    from wasmir.suggest import suggestion

    exported: dict[Any, list[str]] = {}
    for export in module.exports:
        exported.setdefault(export.entity, []).append(export.name)
    found: list[Function] = []
    for each in wanted:
        if not any(sign in each for sign in "*?["):
            found.append(find_function(module, each))
            continue
        names = {
            function: [*filter(None, [function.name]), *exported.get(function, ())]
            for function in module.functions
        }
        matched = [
            function
            for function, known in names.items()
            if any(fnmatchcase(name, each) for name in known)
        ]
        if not matched:
            known = [name for listed in names.values() for name in listed]
            hint = suggestion(each.strip("*?"), known)
            raise InvalidError(f"no function matches {each!r}{hint}")
        found += matched
    return found


def _flow(flow: ControlFlow) -> dict[str, Any]:
    from wasmir.graph.dot import instruction_texts

    texts = iter(instruction_texts(flow.function))
    reachable = flow.reachable()
    return {
        "function": {"index": flow.function.index, "name": flow.function.name},
        "blocks": [
            {
                "number": block.number,
                "instructions": [next(texts) for _ in block.instructions],
                "reachable": block in reachable,
            }
            for block in flow.blocks
        ],
        "exit": flow.exit.number,
        "uncaught": None if flow.uncaught is None else flow.uncaught.number,
        "edges": [
            {
                "source": edge.source.number,
                "target": edge.target.number,
                "kind": edge.kind,
                "tag": None if edge.tag is None else edge.tag.index,
                "cases": list(edge.cases),
            }
            for edge in flow.edges
        ],
    }


def _calls(calls: CallGraph) -> dict[str, Any]:
    indirect = set(calls.indirect)
    return {
        "functions": [
            {
                "index": each.index,
                "name": each.name,
                "imported": each.imported is not None,
                "indirect": each in indirect,
            }
            for each in calls.functions
        ],
        "calls": [
            {"caller": call.caller.index, "callee": call.callee.index, "kind": call.kind}
            for call in calls.calls
        ],
    }
