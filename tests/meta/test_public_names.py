"""Every public name is there, documented and typed; everything `import chromadb` offers, `import chroma_nb` offers."""

from __future__ import annotations

import inspect
import pydoc
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

import chroma_nb

ROOT = Path(__file__).parents[2]
PUBLIC = sorted(chroma_nb.__all__)


def ours(name: str) -> Any:
    """The public object, when it is a class or function that this package defines; else None."""
    try:
        value = getattr(chroma_nb, name)
    except ImportError:  # test_a_public_name_leads_somewhere says so, for this name alone
        return None
    defined_here = str(getattr(value, "__module__", "")).startswith("chroma_nb")
    return value if defined_here and (inspect.isclass(value) or inspect.isroutine(value)) else None


def methods(kind: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that ``kind`` has of this package, its own and inherited."""
    for name in dir(kind):
        value = inspect.getattr_static(kind, name)
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if not name.startswith("_") and inspect.isfunction(function) and function.__module__.startswith("chroma_nb"):
            yield name, function


CALLABLES = [
    (f"{name}{suffix}", function)
    for name in PUBLIC
    if (value := ours(name)) is not None
    for suffix, function in (
        [(f".{method}", body) for method, body in methods(value)] if inspect.isclass(value) else [("", value)]
    )
]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_leads_somewhere(name: str) -> None:
    assert getattr(chroma_nb, name) is not None
    assert name in dir(chroma_nb)


def test_dir_shows_public_names_only() -> None:
    modules = {"api", "auth", "base_types", "config", "errors", "execution", "types", "utils"}
    code = "import chroma_nb; print(*(name for name in dir(chroma_nb) if not name.startswith('_')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {*chroma_nb.__all__, *modules} - {"__version__"}


def test_help_begins_with_what_a_user_needs() -> None:
    text = pydoc.plain(pydoc.render_doc(chroma_nb))
    description = text.partition("DESCRIPTION")[2].partition("PACKAGE CONTENTS")[0]
    assert ">>> import chroma_nb" in description.splitlines()[1]
    mentioned = {name for name in re.findall(r"\b[A-Za-z]\w+", description) if name in chroma_nb.__all__}
    assert {"PersistentClient", "Collection", "browse", "serve", "Settings"} <= mentioned
    assert "docs" in description


def test_public_names_are_given_once() -> None:
    assert len(set(PUBLIC)) == len(PUBLIC)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        chroma_nb.no_such_name


@pytest.mark.parametrize("name", [name for name in PUBLIC if ours(name) is not None])
def test_a_public_class_or_function_is_documented(name: str) -> None:
    assert (ours(name).__doc__ or "").strip()


@pytest.mark.parametrize(("name", "function"), CALLABLES, ids=[name for name, _ in CALLABLES])
def test_a_public_method_is_documented(name: str, function: Any) -> None:
    assert (inspect.getdoc(function) or "").strip() or name.split(".")[-1] in {"message", "code", "name"}


@pytest.mark.parametrize(("name", "function"), CALLABLES, ids=[name for name, _ in CALLABLES])
def test_a_public_method_is_typed(name: str, function: Any) -> None:
    signature = inspect.signature(function)
    parameters = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    assert [p.name for p in parameters if p.annotation is inspect.Parameter.empty] == []
    assert signature.return_annotation is not inspect.Signature.empty


def test_the_package_says_that_it_is_typed() -> None:
    assert resources.files("chroma_nb").joinpath("py.typed").is_file()


#: What stands in chromadb's namespace because its __init__ needed it, not for its users.
INCIDENTAL = {
    "chromadb",
    "Dict",
    "Optional",
    "Path",
    "Union",
    "logger",
    "logging",
    "os",
    "sqlite3",
    "serde",
    "telemetry",
}
INCIDENTAL |= {"IN_COLAB", "is_in_colab"}


def test_everything_that_import_chromadb_offers_is_offered() -> None:
    code = "import chromadb; print(' '.join(name for name in dir(chromadb) if not name.startswith('_')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {name for name in set(done.stdout.split()) - INCIDENTAL if not hasattr(chroma_nb, name)} == set()
