"""Public classes, functions, methods and properties say what they are; a long file says which one topic it covers."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_public_names import CALLABLES, methods, ours

import chroma_nb
from chroma_nb.client._sync.admin import AdminClient
from chroma_nb.client._sync.client import Client
from chroma_nb.server.serving import ServerHandle

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


# --- Parameters ------------------------------------------------------------------------------------------------------
#: Classes that say which methods there are; what these do is said of the clients.
ABSTRACT = ("AdminAPI.", "AsyncClientAPI.", "ClientAPI.")
#: What programs do not call: how the drawing of maps is passed on to the figure.
OWN = {"Projection.draw", "Projection.stars"}
#: Methods with one value, which their one sentence is about.
ONE_VALUE = {
    *("contains", "exists", "from_dict", "group_by", "is_in", "max", "min", "not_contains", "not_in", "not_regex"),
    *("rank", "regex", "sent", "validate_config", "where"),
}
CLIENTS = {
    f"{kind.__name__}.{name}": method for kind in (AdminClient, Client, ServerHandle) for name, method in methods(kind)
}
FUNCTIONS = {
    name: function
    for name, function in (dict(CALLABLES) | CLIENTS).items()
    if not name.startswith(ABSTRACT) and name not in OWN and name.rpartition(".")[2] not in ONE_VALUE
}
#: Objects that calls return, classes to derive from, and types: nobody gives them arguments.
NOT_CALLED = {
    *("AdminAPI", "AsyncClientAPI", "ClientAPI", "Collection", "DeleteResult", "Description", "Facet", "GetResult"),
    *("HybridResult", "IndexingStatus", "Projection", "QueryResult", "ReadLevel", "SearchResult"),
    *("EmbeddingFunction", "SparseEmbeddingFunction", "TokenTransportHeader"),
}
#: Their arguments are Chroma's, which it ignores.
WITHOUT_ARGUMENTS = {f"{kind}InvertedIndexConfig" for kind in ("Bool", "Float", "Int", "String")} | {"FtsIndexConfig"}
CLASSES = sorted({name for name in chroma_nb.__all__ if inspect.isclass(ours(name))} - NOT_CALLED - WITHOUT_ARGUMENTS)


def untold(function: Any) -> list[str]:
    """The parameters that the docstring does not describe, and those that it describes and are none."""
    parameters = [one for one in inspect.signature(function).parameters.values() if one.name not in ("self", "cls")]
    named = [one.name for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    told = [name.lstrip("*") for name in parameters_told(inspect.getdoc(function) or "")]
    if len(named) < len(parameters):  # **options may be described one by one
        return [name for name in named if name not in told] or ([] if told else ["*"])
    return [] if told == named else sorted(set(told) ^ set(named)) or ["another order"]


def parameters_told(docstring: str) -> list[str]:
    """The names in the section Parameters of a docstring in numpydoc's form."""
    section = re.search(r"^Parameters\n-{10}\n(.*?)(?=^\w[^\n]*\n-{4,}\n|\Z)", docstring, re.MULTILINE | re.DOTALL)
    names = re.findall(r"^(\*{0,2}\w[\w*, ]*)(?: *:.*)?$", section[1], re.MULTILINE) if section else []
    return [name.strip() for several in names for name in several.split(",")]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_docstring_tells_what_each_parameter_is(name: str) -> None:
    assert untold(FUNCTIONS[name]) == []


@pytest.mark.parametrize("name", CLASSES)
def test_a_docstring_of_a_class_tells_what_its_parameters_are(name: str) -> None:
    assert untold(ours(name)) == []


def test_parameters_are_found_in_a_docstring() -> None:
    docstring = (
        "A.\n\nParameters\n----------\na, b\n    Both.\n**c : int\n    More.\n\nReturns\n-------\nint\n    It.\n"
    )
    assert parameters_told(docstring) == ["a", "b", "**c"]
    assert parameters_told("A.\n\nRaises\n------\nValueError\n    No.\n") == []


def test_a_parameter_that_is_not_described_is_seen() -> None:
    def described(a: int, b: int) -> None:
        """A.

        Parameters
        ----------
        a
            One.
        c
            Not there.
        """

    assert untold(described) == ["b", "c"]
