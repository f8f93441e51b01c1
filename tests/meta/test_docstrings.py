"""Public classes, functions, methods and properties say what they are; a long file says which one topic it covers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "chroma_nb"
SOURCES = {str(path.relative_to(PACKAGE)): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
#: The share that has one, at least.
DOCUMENTED = 0.95
#: A file of more lines than this is long.
LONG = 500


def undocumented(source: str) -> list[str]:
    """The public names of a module that have no docstring, those of overloads and setters left out."""
    return [name for name, node in _public(ast.parse(source), "") if ast.get_docstring(node) is None]


def _public(node: ast.AST, above: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.ClassDef(name=name) if not name.startswith("_"):
                yield above + name, child
                yield from _public(child, f"{above}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if not name.startswith("_") and not _says_it_elsewhere(child):
                    yield above + name, child
            case ast.If():
                yield from _public(child, above)


def _says_it_elsewhere(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = {ast.unparse(decorator) for decorator in function.decorator_list}
    return "overload" in names or any(name.endswith((".setter", ".deleter")) for name in names)


def sentences(source: str) -> int:
    """How many sentences the docstring of a module has."""
    return len(re.findall(r"[.?!:](?=\s|$)", ast.get_docstring(ast.parse(source)) or ""))


def test_nearly_everything_public_has_a_docstring() -> None:
    missing = [f"{file}: {name}" for file, source in SOURCES.items() for name in undocumented(source)]
    count = sum(len(list(_public(ast.parse(source), ""))) for source in SOURCES.values())
    assert len(missing) < (1 - DOCUMENTED) * count, "\n".join(missing)


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.count("\n") > LONG])
def test_a_long_file_says_which_topic_it_covers(name: str) -> None:
    assert sentences(SOURCES[name]) >= 2


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("def f(): pass", ["f"]),
        ("async def f(): pass", ["f"]),
        ("class C:\n    '''C.'''\n    def f(self): pass", ["C.f"]),
        ("class C:\n    @property\n    def f(self): pass", ["C", "C.f"]),
        ("def f():\n    'F.'\n    def inside(): pass", []),
        ("class _C:\n    def f(self): pass", []),
        ("@overload\ndef f(): ...", []),
    ],
)
def test_the_check_sees_what_has_none(source: str, missing: list[str]) -> None:
    assert undocumented(source) == missing


def test_sentences_are_counted() -> None:
    assert sentences('"""One."""') == 1
    assert sentences('"""One.\n\nTwo, of ``where.py``. Three."""') == 3
