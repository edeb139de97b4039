"""Imports point one way, and the passes use the library's public names only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "wasmir"
PASSES = ROOT / "passes"

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"namespaces", "suggest"}),
    frozenset({"errors", "features"}),
    frozenset({"wire", "types", "engines"}),
    frozenset({"isa"}),
    frozenset({"ir"}),
    frozenset({"binary", "validate", "text", "interp", "ops", "runtime"}),
    frozenset({"pipeline", "sizes", "summary"}),
    frozenset({"diff", "fleet", "graph", "printing", "treemap"}),
    frozenset({"cli"}),
)
"""A room may import from the layers before its own, and from itself."""

# Rooms of one layer that may know each other; the siblings of the sixth layer may not.
NEIGHBOURS = frozenset({("types", "wire"), ("wire", "types")})
TOP = frozenset({"__init__", "__main__"})
"""These put things together: the first re-exports names, the second starts the command line."""


def _rank(room: str) -> int | None:
    return next((rank for rank, layer in enumerate(LAYERS) if room in layer), None)


def _room(path: Path) -> str:
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py").removesuffix(".pyi")


def _imports(path: Path, package: tuple[str, ...]) -> list[tuple[int, str, tuple[str, ...]]]:
    """Every import, as line, absolute module, and the names taken from it."""
    found: list[tuple[int, str, tuple[str, ...]]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                base = package[: len(package) - (node.level - 1)]
                module = ".".join([*base, *([module] if module else [])])
            found.append((node.lineno, module, tuple(alias.name for alias in node.names)))
    return found


def _targets(module: str, names: tuple[str, ...]) -> list[str]:
    """The rooms of the library that an import reaches."""
    parts = module.split(".")
    if parts[0] != "wasmir":
        return []
    if len(parts) > 1:
        return [parts[1]]
    rooms = {path.stem for path in LIBRARY.iterdir()}
    return [name for name in names if name in rooms] or ["__init__"]


def _sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py*") if path.suffix in {".py", ".pyi"})


@pytest.mark.parametrize("path", _sources(LIBRARY), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    room = _room(path)
    if room in TOP:
        return
    rank = _rank(room)
    assert rank is not None, f"wasmir/{room} has no place in the layers"
    package = ("wasmir", *path.relative_to(LIBRARY).parent.parts)
    for line, module, names in _imports(path, package):
        for target in _targets(module, names):
            if target == room or (room, target) in NEIGHBOURS:
                continue
            if target == "passes" and room in {"pipeline", "cli"}:
                continue  # the built-in passes are what they run
            place = f"{path.relative_to(ROOT)}:{line}"
            other = _rank(target)
            assert other is not None, f"{place} imports wasmir.{target}"
            assert other < rank, f"{place}: {room} imports {target}, which isn't below it"


def _public() -> frozenset[str]:
    tree = ast.parse((LIBRARY / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            assert node.value is not None
            return frozenset(ast.literal_eval(node.value))
    pytest.fail("wasmir/__init__.py has no literal __all__")


def test_public_names_are_sorted_and_there() -> None:
    import wasmir

    # Ruff's order: constants, classes, functions, each in alphabetical order.
    ordered = sorted(wasmir.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert list(wasmir.__all__) == ordered
    assert len(set(ordered)) == len(ordered)
    assert [name for name in wasmir.__all__ if not hasattr(wasmir, name)] == []


@pytest.mark.parametrize("path", _sources(PASSES), ids=lambda p: str(p.relative_to(ROOT)))
def test_passes_use_public_names_only(path: Path) -> None:
    public = _public()
    package = ("wasmir", "passes", *path.relative_to(PASSES).parent.parts)
    for line, module, names in _imports(path, package):
        place = f"{path.relative_to(ROOT)}:{line}"
        parts = module.split(".")
        if parts[0] != "wasmir" or parts[:2] == ["wasmir", "passes"]:
            continue
        private = sorted(set(names) - public)
        if len(parts) > 1:
            # A subpackage, and only one that the library itself offers by name.
            assert parts[1] in public, f"{place}: wasmir.{parts[1]} is not public"
            assert len(parts) == 2, f"{place}: {module} is below a public name"
            continue
        assert not private, f"{place}: not in wasmir.__all__: {', '.join(private)}"


def test_only_the_command_line_needs_its_libraries() -> None:
    """click and rich cost time to import, and the library works without them."""
    for path in (*_sources(LIBRARY), *_sources(PASSES)):
        if path.is_relative_to(LIBRARY) and _room(path) in {"cli", "__main__"}:
            continue
        for line, module, _ in _imports(path, ()):
            place = f"{path.relative_to(ROOT)}:{line}"
            assert module.split(".")[0] not in {"click", "rich"}, place
