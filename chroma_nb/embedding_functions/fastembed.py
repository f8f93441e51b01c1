"""Sparse models of the package fastembed, run locally: its BM25, SPLADE and others."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar

from chroma_nb._optional import require
from chroma_nb.embedding_functions.base import Config
from chroma_nb.embedding_functions.by_task import ByTask, QueryConfig, TaskType
from chroma_nb.embedding_functions.configuration import Key
from chroma_nb.embedding_functions.sentence_transformer import check_stored_model
from chroma_nb.types import Documents, SparseVector, normalize_sparse_vector

#: What a stored configuration may pass to a model besides the parameters below; nothing that names a file.
STORED_ARGUMENTS: Mapping[str, Key] = {"local_files_only": Key(bool)}
#: Parameters that name files, which are never taken from a stored configuration.
PATHS = ("cache_dir", "specific_model_path")
#: The model of fastembed's BM25, as fastembed names it.
MODEL = "Qdrant/bm25"


class _Fastembed(ByTask):
    _model: Any

    @classmethod
    def check_stored(cls, config: Config) -> None:
        """Raise a ValueError if a stored configuration names files, or other arguments."""
        for name in PATHS:
            if config.get(name) is not None:
                raise ValueError(
                    f"The stored configuration has files under {name}: {config[name]!r}. To use them, {cls._yourself()}"
                )
        check_stored_model({"model_name": MODEL, **config}, STORED_ARGUMENTS, cls._yourself())

    def _embed(self, texts: Documents, *, question: bool) -> Iterator[SparseVector]:
        for found in self._model.query_embed(texts) if question else self._model.embed(texts):
            yield normalize_sparse_vector(indices=found.indices.tolist(), values=found.values.tolist())


class Bm25EmbeddingFunction(_Fastembed):
    """Convert texts into sparse vectors with the BM25 of the package fastembed. Deprecated, as in Chroma.

    Use ``ChromaBm25EmbeddingFunction`` instead. Creating one gives a DeprecationWarning. fastembed loads its files, and
    downloads them if needed, at the first call.

    Parameters
    ----------
    avg_len, k, b, language, token_max_length, disable_stemmer
        Parameters of fastembed's ``Bm25``; None for its default.
    task
        How to embed documents: as a ``"document"`` or as a ``"query"``.
    cache_dir, specific_model_path
        Where fastembed keeps or finds its files.
    query_config
        How to embed queries: ``{"task": "query"}``. Without it, queries are embedded as ``task`` says.
    **kwargs
        Further arguments of fastembed's ``Bm25``: texts, numbers, bools, lists and dicts.

    Raises
    ------
    ImportError
        In a call: the package fastembed is not installed.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "task": Key(str),
        "query_config": Key(dict),
        "cache_dir": Key(str),
        "k": Key(float),
        "b": Key(float),
        "avg_len": Key(float),
        "language": Key(str),
        "token_max_length": Key(int),
        "disable_stemmer": Key(bool),
        "specific_model_path": Key(str),
        "kwargs": Key(dict),
    }

    def __init__(
        self,
        avg_len: float | None = None,
        task: TaskType | None = "document",
        cache_dir: str | None = None,
        k: float | None = None,
        b: float | None = None,
        language: str | None = None,
        token_max_length: int | None = None,
        disable_stemmer: bool | None = None,
        specific_model_path: str | None = None,
        query_config: QueryConfig | None = None,
        **kwargs: object,
    ) -> None:
        warnings.warn(
            "Bm25EmbeddingFunction is deprecated. Please use ChromaBm25EmbeddingFunction instead.",
            DeprecationWarning,
            stacklevel=2,
        )
        self._set_task(task, query_config, kwargs)
        self.avg_len = avg_len
        self.cache_dir = cache_dir
        self.k = k
        self.b = b
        self.language = language
        self.token_max_length = token_max_length
        self.disable_stemmer = disable_stemmer
        self.specific_model_path = specific_model_path

    @cached_property
    def _model(self) -> Any:
        library = require("fastembed.sparse.bm25", feature="Bm25EmbeddingFunction", package="fastembed")
        given = {name: getattr(self, name) for name in self.keys if name not in ("task", "query_config", "kwargs")}
        given |= self.kwargs
        return library.Bm25(
            **{"model_name": MODEL} | {name: value for name, value in given.items() if value is not None}
        )

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "bm25"


class FastembedSparseEmbeddingFunction(_Fastembed):
    """Convert texts into sparse vectors with a model of the package fastembed.

    The model runs in this process. fastembed loads it, and downloads it if needed, at the first call.

    Parameters
    ----------
    model_name
        The model, by its name in fastembed.
    task
        How to embed documents: as a ``"document"`` or as a ``"query"``.
    cache_dir
        Where fastembed keeps its files.
    threads, cuda, device_ids, lazy_load
        Parameters of fastembed's ``SparseTextEmbedding``; None for its default.
    query_config
        How to embed queries: ``{"task": "query"}``. Without it, queries are embedded as ``task`` says.
    **kwargs
        Further arguments of ``SparseTextEmbedding``: texts, numbers, bools, lists and dicts.

    Raises
    ------
    ImportError
        In a call: the package fastembed is not installed.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "model_name": Key(str, required=True),
        "task": Key(str),
        "cache_dir": Key(str),
        "threads": Key(int),
        "cuda": Key(bool),
        "device_ids": Key(list),
        "lazy_load": Key(bool),
        "query_config": Key(dict),
        "kwargs": Key(dict),
    }

    def __init__(
        self,
        model_name: str,
        task: TaskType | None = "document",
        cache_dir: str | None = None,
        threads: int | None = None,
        cuda: bool | None = None,
        device_ids: list[int] | None = None,
        lazy_load: bool | None = None,
        query_config: QueryConfig | None = None,
        **kwargs: object,
    ) -> None:
        self._set_task(task, query_config, kwargs)
        self.model_name = model_name
        self.cache_dir = cache_dir
        self.threads = threads
        self.cuda = cuda
        self.device_ids = device_ids
        self.lazy_load = lazy_load

    @cached_property
    def _model(self) -> Any:
        library = require("fastembed", feature="FastembedSparseEmbeddingFunction")
        return library.SparseTextEmbedding(
            self.model_name, self.cache_dir, self.threads, self.cuda, self.device_ids, self.lazy_load, **self.kwargs
        )

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "fastembed_sparse"
