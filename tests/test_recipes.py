"""The recipes in the documentation do what they say, each by itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
RECIPES: dict[str, str] = {}
for section in TEXT.split("\n## ")[1:]:
    heading, _, rest = section.partition("\n")
    RECIPES[heading] = rest.partition("```python\n")[2].partition("\n```\n")[0]


def test_the_table_lists_all_of_them() -> None:
    rows = re.findall(r"^\| \[(.*?)\]\(#(.*?)\) \|", TEXT, re.MULTILINE)
    assert [title.lower() for title in RECIPES] == [title.lower() for title, _ in rows]
    assert all(RECIPES.values())
    anchors = [re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title, _ in rows]
    assert anchors == [anchor for _, anchor in rows]


def test_readme_begins_as_they_do() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert RECIPES["Build a module from nothing"] in readme


@pytest.mark.parametrize("title", RECIPES)
def test_recipe(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    code = compile(RECIPES[title], f"recipe: {title}", "exec")
    exec(code, {"__name__": "recipe"})  # noqa: S102 - our own text
