"""Sparse models of the package sentence-transformers (SPLADE and the like), run locally."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from chroma_nb._optional import require
from chroma_nb.embedding_functions.base import Config
from chroma_nb.embedding_functions.by_task import ByTask, QueryConfig, TaskType
from chroma_nb.embedding_functions.configuration import Key
from chroma_nb.embedding_functions.sentence_transformer import STORED_ARGUMENTS, check_stored_model
from chroma_nb.types import Documents, SparseVector


class HuggingFaceSparseEmbeddingFunction(ByTask):
    """Embed texts as sparse vectors with a SparseEncoder of sentence-transformers, such as SPLADE.

    The model runs in this process. The package sentence-transformers loads it, and downloads it if needed, at the first
    call.

    Parameters
    ----------
    model_name
        The model, by its name on the Hugging Face hub, or a directory.
    device
        The device, such as ``"cpu"`` or ``"cuda"``.
    task
        How to embed documents: as a ``"document"`` or as a ``"query"``.
    query_config
        How to embed queries: ``{"task": "query"}``. Without it, queries are embedded as ``task`` says.
    **kwargs
        Further arguments of ``SparseEncoder``: texts, numbers, bools, lists and dicts.

    Raises
    ------
    ValueError
        An argument is of another type; in a call, the task is neither ``"document"`` nor ``"query"``.
    ImportError
        In a call: the package sentence-transformers is not installed.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "model_name": Key(str, required=True),
        "device": Key(str, required=True),
        "task": Key(str),
        "query_config": Key(dict),
        "kwargs": Key(dict),
    }

    def __init__(
        self,
        model_name: str,
        device: str,
        task: TaskType | None = "document",
        query_config: QueryConfig | None = None,
        **kwargs: object,
    ) -> None:
        self._set_task(task, query_config, kwargs)
        self.model_name = model_name
        self.device = device

    @cached_property
    def _model(self) -> Any:
        library = require(
            "sentence_transformers", feature="HuggingFaceSparseEmbeddingFunction", package="sentence-transformers"
        )
        return library.SparseEncoder(model_name_or_path=self.model_name, device=self.device, **self.kwargs)

    def _embed(self, texts: Documents, *, question: bool) -> Iterator[SparseVector]:
        for found in self._model.encode_query(texts) if question else self._model.encode_document(texts):
            dense = found.to_dense() if hasattr(found, "to_dense") else found
            row = np.asarray(dense.cpu() if hasattr(dense, "cpu") else dense)
            places = np.flatnonzero(row)
            yield SparseVector(places.tolist(), row[places].tolist())

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "huggingface_sparse"

    @classmethod
    def check_stored(cls, config: Config) -> None:
        """Raise a ValueError if a stored configuration names a path instead of a model, or other arguments."""
        check_stored_model(config, STORED_ARGUMENTS, cls._yourself())
