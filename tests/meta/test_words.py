"""The words that `docs/style.md` tells writers not to use do not stand in what users read."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: What we do not write, and what we write instead.
PLAIN = {
    r"lonel\w+": "isolated",
    r"near means alike|mean the like": "similar meanings",
    r"asked away": "deleted",
    r"meant so": "intended",
    r"given back": "returned",
    r"answers? no more": "is closed",
    r"needs choosing": "you don't need to choose",
    r"the house": "Architecture",
    r"something is odd": "Troubleshooting",
    r"with no numbers|numbers of a vector": "dimensions",
    r"embedded anew": "embedded again",
}
#: The same, where users read: docstrings of the engine may say graph.
PUBLIC = {
    r"hnsw graph|by the graph|the graph": "HNSW index",
    r"is (?-i:none)\b(?! of)": "say what is missing",
}
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
    if path.name != "style.md" and "_build" not in path.parts
)
MODULES = sorted((ROOT / "chroma_nb").rglob("*.py"))
#: Packages below the public API.
INTERNAL = ("engine", "backends", "operations", "interchange")


def prose(page: Path) -> str:
    """The text of a page, or of a notebook's Markdown cells, without code."""
    if page.suffix == ".ipynb":
        cells = json.loads(page.read_text(encoding="utf-8"))["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    else:
        text = page.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```|`[^`\n]+`", "", text, flags=re.DOTALL | re.MULTILINE)


def public_docstrings(source: str) -> str:
    """The docstrings of a module's public functions, classes and methods."""
    nodes = ast.walk(ast.parse(source))
    return "\n".join(
        ast.get_docstring(node) or ""
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_")
    )


def unwanted(text: str, rules: Mapping[str, str] = {**PLAIN, **PUBLIC}) -> list[str]:
    """What the text says that we say otherwise, each with the plain word."""
    words = " ".join(text.split())
    return [
        f"{found!r}: write {plain}"
        for rule, plain in rules.items()
        for found in re.findall(rf"(?i)\b(?:{rule})", words)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_use_plain_words(page: Path) -> None:
    assert unwanted(prose(page)) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_docstrings_use_plain_words(module: Path) -> None:
    internal = module.relative_to(ROOT / "chroma_nb").parts[0] in INTERNAL
    rules = PLAIN if internal else {**PLAIN, **PUBLIC}
    assert unwanted(public_docstrings(module.read_text(encoding="utf-8")), rules) == []


def test_an_unwanted_word_is_seen() -> None:
    assert unwanted("The\nloneliest records") == ["'loneliest': write isolated"]
    assert unwanted("Graphs are isolated.") == []
