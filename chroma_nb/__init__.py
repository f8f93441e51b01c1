"""A vector database for Jupyter notebooks, compatible with Chroma's Python client API.

>>> import chroma_nb
>>> client = chroma_nb.EphemeralClient()  # PersistentClient("my_notes") keeps data on disk
>>> notes = client.create_collection("notes")
>>> notes.add(ids=["1", "2"], documents=["A cat sleeps on the sofa.", "Bread needs a day to rise."])
>>> notes.query(query_texts="how do I bake?", n_results=1)["documents"]
[['Bread needs a day to rise.']]
>>> client.close()

Programs written for Chroma run with ``import chroma_nb as chromadb``.

The main names, each with a docstring (``help(chroma_nb.PersistentClient)``)::

    open a database         PersistentClient, EphemeralClient, HttpClient, AsyncHttpClient, CloudClient
    work with records       Collection: add, upsert, get, query, hybrid, search, delete, add_df, sync, to_df
    look at a collection    browse, explore, project, duplicates, outliers, compare, drift
    measure a search        evaluate, read_qrels, read_run
    copy, import, export    copy, import_chroma, export_chroma, install_as_chromadb
    share a database        serve
    choose a model          EmbeddingFunction, cached, models, chroma_nb.utils.embedding_functions
    search expressions      Search, K, Knn, Rrf, Schema
    catch errors            chroma_nb.errors
    configure               Settings

In a notebook, ``%load_ext chroma_nb`` adds the magic ``%chroma``. On the command line, ``chroma-nb tutorials DIR``
copies the tutorials to a directory, and ``chroma-nb doctor`` checks the installation. The guides and the reference
are in the directory ``docs`` of the source, and ``make docs`` builds them as web pages.
"""

# Names are resolved on first use: importing this package loads nothing heavy, reads no file and no environment.

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chroma_nb import _names_above

__version__ = "0.1.0"

if sys.platform == "win32":
    raise ImportError("chroma_nb runs on Linux, macOS and WSL. It does not run on Windows itself: install it in WSL.")

if TYPE_CHECKING:
    from chroma_nb.backends.chroma_import import import_chroma as import_chroma
    from chroma_nb.client._async.client import AsyncClient as AsyncClient
    from chroma_nb.client._sync.collection import Collection as Collection
    from chroma_nb.client.chroma_export import export_chroma as export_chroma
    from chroma_nb.client.copying import copy as copy
    from chroma_nb.client.factory import AdminClient as AdminClient
    from chroma_nb.client.factory import AsyncHttpClient as AsyncHttpClient
    from chroma_nb.client.factory import Client as Client
    from chroma_nb.client.factory import CloudClient as CloudClient
    from chroma_nb.client.factory import EphemeralClient as EphemeralClient
    from chroma_nb.client.factory import HttpClient as HttpClient
    from chroma_nb.client.factory import PersistentClient as PersistentClient
    from chroma_nb.client.factory import RustClient as RustClient
    from chroma_nb.client.reembed import reembed as reembed
    from chroma_nb.config import DEFAULT_DATABASE as DEFAULT_DATABASE
    from chroma_nb.config import DEFAULT_TENANT as DEFAULT_TENANT
    from chroma_nb.config import Settings as Settings
    from chroma_nb.config import configure as configure
    from chroma_nb.config import get_settings as get_settings
    from chroma_nb.dates import date_range as date_range
    from chroma_nb.drop_in import install_as_chromadb as install_as_chromadb
    from chroma_nb.drop_in import uninstall_as_chromadb as uninstall_as_chromadb
    from chroma_nb.embedding_functions import models as models
    from chroma_nb.embedding_functions.cache import cached as cached
    from chroma_nb.jupyter.widgets.browse import browse as browse
    from chroma_nb.jupyter.widgets.explore import explore as explore
    from chroma_nb.projection.compare import compare as compare
    from chroma_nb.projection.drift import drift as drift
    from chroma_nb.projection.duplicates import duplicates as duplicates
    from chroma_nb.projection.duplicates import outliers as outliers
    from chroma_nb.projection.evaluate import evaluate as evaluate
    from chroma_nb.projection.projection import Projection as Projection
    from chroma_nb.projection.projection import project as project
    from chroma_nb.projection.trec import read_qrels as read_qrels
    from chroma_nb.projection.trec import read_run as read_run
    from chroma_nb.projection.trec import write_qrels as write_qrels
    from chroma_nb.projection.trec import write_run as write_run
    from chroma_nb.server.serving import serve as serve

#: Public name -> the module that defines it.
_HOME: dict[str, str] = {
    **dict.fromkeys(
        (
            "AdminClient",
            "AsyncHttpClient",
            "Client",
            "CloudClient",
            "EphemeralClient",
            "HttpClient",
            "PersistentClient",
            "RustClient",
        ),
        "chroma_nb.client.factory",
    ),
    "browse": "chroma_nb.jupyter.widgets.browse",
    "cached": "chroma_nb.embedding_functions.cache",
    "copy": "chroma_nb.client.copying",
    "date_range": "chroma_nb.dates",
    "models": "chroma_nb.embedding_functions",
    **dict.fromkeys(("Projection", "project"), "chroma_nb.projection.projection"),
    **dict.fromkeys(("duplicates", "outliers"), "chroma_nb.projection.duplicates"),
    "compare": "chroma_nb.projection.compare",
    "drift": "chroma_nb.projection.drift",
    "explore": "chroma_nb.jupyter.widgets.explore",
    "evaluate": "chroma_nb.projection.evaluate",
    **dict.fromkeys(("read_qrels", "read_run", "write_qrels", "write_run"), "chroma_nb.projection.trec"),
    "serve": "chroma_nb.server.serving",
    "import_chroma": "chroma_nb.backends.chroma_import",
    "export_chroma": "chroma_nb.client.chroma_export",
    "reembed": "chroma_nb.client.reembed",
    **dict.fromkeys(("install_as_chromadb", "uninstall_as_chromadb"), "chroma_nb.drop_in"),
    "Collection": "chroma_nb.client._sync.collection",
    **dict.fromkeys(
        ("DEFAULT_DATABASE", "DEFAULT_TENANT", "Settings", "configure", "get_settings"), "chroma_nb.config"
    ),
    **dict.fromkeys(("AdminAPI", "ClientAPI"), "chroma_nb.operations.protocols"),
    "AsyncClientAPI": "chroma_nb.operations.async_protocols",
    **dict.fromkeys(
        (
            "CollectionMetadata",
            "Documents",
            "Embeddings",
            "IDs",
            "Include",
            "Metadata",
            "Metadatas",
            "ReadLevel",
            "SparseVector",
            "SparseVectors",
            "TokenTransportHeader",
            "URI",
            "URIs",
            "UpdateCollectionMetadata",
            "UpdateMetadata",
            "Where",
            "WhereDocument",
        ),
        "chroma_nb.types",
    ),
    **dict.fromkeys(
        ("DeleteResult", "GetResult", "HybridResult", "IndexingStatus", "QueryResult", "SearchResult"),
        "chroma_nb.results",
    ),
    **dict.fromkeys(("Description", "Facet"), "chroma_nb.facets"),
    **dict.fromkeys(("EmbeddingFunction", "SparseEmbeddingFunction"), "chroma_nb.embedding_functions.base"),
    **dict.fromkeys(
        (
            "BoolInvertedIndexConfig",
            "Cmek",
            "FloatInvertedIndexConfig",
            "FtsIndexConfig",
            "HnswIndexConfig",
            "IntInvertedIndexConfig",
            "Schema",
            "SpannIndexConfig",
            "SparseVectorIndexConfig",
            "StringInvertedIndexConfig",
            "VectorIndexConfig",
        ),
        "chroma_nb.schema",
    ),
    **dict.fromkeys(("K", "Key"), "chroma_nb.query.conditions"),
    **dict.fromkeys(("Knn", "Rrf", "Val"), "chroma_nb.query.ranking"),
    **dict.fromkeys(("GroupBy", "Limit", "MaxK", "MinK", "Search", "Select"), "chroma_nb.query.search"),
}

#: Names of Chroma's package that programs use beside the documented ones -> the module that defines them, and what
#: they are called there.
_AS_IN_CHROMA: dict[str, tuple[str, str]] = {
    "AdminClientCreator": ("chroma_nb.client._sync.admin", "AdminClient"),
    "AsyncClientCreator": ("chroma_nb.client._async.client", "AsyncClient"),
    "ClientCreator": ("chroma_nb.client._sync.client", "Client"),
    "CloudClientArg": ("chroma_nb.types", "CloudClientArg"),
    "is_client": ("chroma_nb.config", "is_thin_client"),
}

#: Modules that Chroma's users reach as attributes of the package.
_MODULES = ("api", "auth", "base_types", "config", "errors", "execution", "types", "utils")

__all__ = ["__version__", *sorted(_HOME)]

#: Name of Chroma's ``types`` -> the module above ``types.py`` that defines it.
_TYPES: dict[str, str] = {
    **dict.fromkeys(("CollectionConfiguration", "Schema"), "chroma_nb.schema"),
    **dict.fromkeys(
        ("collection_configuration_to_json", "load_collection_configuration_from_json"),
        "chroma_nb.client.collection_configuration",
    ),
    **dict.fromkeys(
        (
            "BaseModelJSONSerializable",
            "CollectionAndSegments",
            "Configurable",
            "ConfigurationInternal",
            "LogRecord",
            "MetadataEmbeddingRecord",
            "OperationRecord",
            "RequestVersionContext",
            "Segment",
            "VectorEmbeddingRecord",
            "VectorQuery",
            "VectorQueryResult",
        ),
        "chroma_nb.client.not_offered",
    ),
}


def _type(name: str) -> object:
    return getattr(import_module(_TYPES[name]), name)


_names_above.hand_over(_type)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    elif name in _AS_IN_CHROMA:
        module, there = _AS_IN_CHROMA[name]
        value = getattr(import_module(module), there)
    elif name in _MODULES:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def load_ipython_extension(shell: object) -> None:
    """Add the magics ``%chroma`` and ``%%chroma``, tables for results, and ``df.chroma``: ``%load_ext chroma_nb``."""
    import_module("chroma_nb.jupyter.extension").load(shell)


def unload_ipython_extension(shell: object) -> None:
    """Remove what ``load_ipython_extension`` added: ``%unload_ext chroma_nb``."""
    import_module("chroma_nb.jupyter.extension").unload(shell)


if "pandas" in sys.modules:  # never loaded for this
    import_module("chroma_nb.pandas")


def __dir__() -> list[str]:
    """The public names, and those that every module has."""
    own = {name for name in globals() if name.startswith("__")}
    return sorted({*own, *__all__, *_MODULES})
