"""How time grows with the size of a module."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any

from tests.bench.rows import START

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["exponents", "fitted"]

# What smaller modules take is mostly the start.
_LEAST = 200_000


def exponents(results: Sequence[dict[str, Any]]) -> dict[str, float]:
    """For each row of ours the exponent of a power law through its modules, the time to start taken
    off; for rows of at least three modules of which the largest is ten times the smallest.
    """
    points: dict[str, list[tuple[float, float]]] = {}
    for result in results:
        rows = {row["name"]: row for row in result["rows"] if not row["failure"]}
        if result["bytes"] < _LEAST or START not in rows:
            continue
        start = rows[START]["seconds"]
        for name, row in rows.items():
            if row["ours"] and name != START and row["seconds"] > start:
                points.setdefault(name, []).append((result["bytes"], row["seconds"] - start))
    return {
        name: fitted(known)
        for name, known in points.items()
        if len(known) >= 3 and max(known)[0] >= 10 * min(known)[0]
    }


def fitted(points: Sequence[tuple[float, float]]) -> float:
    """The exponent ``b`` of ``y = a * x ** b`` by least squares of the logarithms."""
    xs = [log(x) for x, _ in points]
    ys = [log(y) for _, y in points]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    rise = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    return rise / sum((x - x_mean) ** 2 for x in xs)
