"""Sphinx: the documentation, the tutorials as pages, the reference from the docstrings."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

from sphinx import addnodes  # noqa: E402  the path above comes first
from sphinx.application import Sphinx  # noqa: E402
from sphinx.util.inspect import stringify_signature  # noqa: E402

import chroma_nb  # noqa: E402
from chroma_nb.query.operators import OPERATORS  # noqa: E402

project = "chroma_nb"
copyright = "The chroma_nb authors"
version = release = chroma_nb.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "myst_nb"]
if os.environ.get("DOCS_ONLINE"):  # links into the documentation of others need their lists of names
    extensions.append("sphinx.ext.intersphinx")
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", None),
    "numpy": ("https://numpy.org/doc/stable", None),
    "pandas": ("https://pandas.pydata.org/docs", None),
}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"chroma_nb {release}"
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_baseurl = os.environ.get("READTHEDOCS_CANONICAL_URL", "")
html_theme_options: dict[str, str] = {}
if repository := os.environ.get("READTHEDOCS_GIT_CLONE_URL") or os.environ.get("GITHUB_REPOSITORY"):
    # Where the site is published the pages link to their sources. The repository's address is known only there.
    html_theme_options = {
        "source_repository": repository.removesuffix(".git")
        if "://" in repository
        else f"https://github.com/{repository}",
        "source_branch": "main",
        "source_directory": "docs/",
    }
html_static_path = ["_static"]
html_css_files = ["tables.css"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# The tutorials carry their outputs; `make test` checks that these are still what comes out.
nb_execution_mode = "off"
suppress_warnings = ["mystnb.unknown_mime_type"]

napoleon_google_docstring = False
napoleon_use_rtype = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 84
# A reference to a type alias or to another package is text, not a link to be found.
nitpicky = False


def copy_tutorials() -> None:
    """Copy the notebooks and their pictures below docs/, which is all Sphinx reads. Links lead from the new place."""
    target = DOCS / "tutorials"
    shutil.rmtree(target, ignore_errors=True)
    (target / "data").mkdir(parents=True)
    for notebook in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        (target / notebook.name).write_text(notebook.read_text("utf-8").replace("](../docs/", "](../"), "utf-8")
    for picture in sorted((ROOT / "notebooks" / "data").glob("*.png")):
        shutil.copyfile(picture, target / "data" / picture.name)


copy_tutorials()


def hide_private_modules(app: Sphinx, doctree: Any) -> None:
    """Show ``Client``, not ``chroma_nb.client._sync.client.Client``: nobody imports it from there."""
    for prefix in list(doctree.findall(addnodes.desc_addname)):
        if "._" in prefix.astext():
            prefix.parent.remove(prefix)


#: Names of types that only the source knows, and what they stand for.
STAND_FOR = {
    "Dates": "Literal['iso', 'epoch']",
    "Edges": "Mapping[str, Sequence[float]]",
    "OnError": "Literal['raise', 'skip']",
    "Side": "Literal['both', 'meaning', 'words']",
    "Untyped": "Any",
}


def types_as_written(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str, str] | None:
    """Show the ``OneOrMany[Embedding]`` of a collection's methods, not the three lines of types that it stands for."""
    if signature is not None and returned == "_AsyncClient":
        return signature, "AsyncClient"
    if what != "method" or not name.startswith("chroma_nb.Collection."):
        return None
    written = inspect.signature(obj)
    written = written.replace(parameters=list(written.parameters.values())[1:])  # without self
    text = stringify_signature(written, unqualified_typehints=True)
    for alias, stands_for in STAND_FOR.items():
        text = re.sub(rf"\b{alias}\b", stands_for, text)
    arguments, _, result = text.rpartition(" -> ")
    return arguments, result


#: Words that the search of the site finds as they are written, and the pages that answer them. Sphinx drops "$" and
#: words such as "in" from a text, but not from its index.
INDEXED = {
    "reference/filters": [*OPERATORS, "$and", "$or"],
    "how-to/collections": ["rename collection", "delete collection", "distance function", "cosine"],
    "how-to/hybrid-search": ["bm25", "keyword search", "hybrid search", "reranking", "cross-encoder"],
    "how-to/run-a-server": ["docker", "systemd", "TLS", "HTTPS"],
    "how-to/long-texts": ["PDF", "docx", "HTML", "chunk", "chunking", "RAG"],
    "how-to/other-languages": ["multilingual"],
    "how-to/environments": ["Colab", "VS Code", "Kaggle", "marimo", "Databricks"],
    "how-to/langchain-llamaindex": ["LangChain", "LlamaIndex"],
    "how-to/install": ["package index", "conda", "uv", "Windows", "WSL", "Colab", "uninstall", "semantic versioning"],
    "how-to/add-and-update": ["expiry", "TTL"],
    "how-to/dataframes": ["polars"],
    "how-to/search-and-filter": ["pagination"],
    "how-to/memory-and-size": ["RAM", "quantization", "bulk load"],
    "how-to/several-notebooks": ["NFS", "Dropbox", "thread-safe", "async", "FastAPI"],
    "how-to/logging-and-privacy": ["telemetry", "encryption"],
    "how-to/import-and-export": ["CSV", "Parquet", "Excel"],
}


def add_index_entries(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the words of ``INDEXED`` behind the title of their page."""
    if page in INDEXED:
        title, rest = source[0].split("\n", 1)
        entries = "".join(f"   single: {word}\n" for word in INDEXED[page])
        source[0] = f"{title}\n\n```{{eval-rst}}\n.. index::\n{entries}```\n{rest}"


def setup(app: Sphinx) -> None:
    """What Sphinx calls first."""
    app.connect("doctree-read", hide_private_modules)
    app.connect("autodoc-process-signature", types_as_written)
    app.connect("source-read", add_index_entries)
