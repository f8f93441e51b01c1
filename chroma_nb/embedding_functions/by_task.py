"""What sparse models that embed queries differently from documents have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias, TypedDict

from chroma_nb.embedding_functions.configuration import ConfiguredSparse
from chroma_nb.types import Documents, Fields, SparseVectors

TaskType: TypeAlias = Literal["document", "query"]


class QueryConfig(TypedDict):
    """How a sparse model embeds queries: ``{"task": "query"}`` or ``{"task": "document"}``."""

    task: TaskType


class ByTask(ConfiguredSparse[Documents]):
    """Embeds as ``task`` says; questions as ``query_config`` says, where it is given."""

    task: TaskType | None
    query_config: QueryConfig | None
    kwargs: Fields

    def _set_task(self, task: TaskType | None, query_config: QueryConfig | None, kwargs: Fields) -> None:
        for name, value in kwargs.items():
            if not isinstance(value, (str, int, float, bool, list, dict, tuple)):
                raise ValueError(f"Keyword argument {name} is not a primitive type")
        self.task = task
        self.query_config = query_config
        self.kwargs = kwargs

    def __call__(self, input: Documents) -> SparseVectors:
        return self._by_task(self.task, input)

    def embed_query(self, input: Documents) -> SparseVectors:
        """Embed queries with the task of ``query_config``; without it, with ``task``."""
        return self._by_task(self.task if self.query_config is None else self.query_config.get("task"), input)

    def _by_task(self, task: object, input: Documents) -> SparseVectors:
        if task not in ("document", "query"):
            raise ValueError(f"Invalid task: {task}")
        return list(self._embed(list(input), question=task == "query"))

    @classmethod
    def _yourself(cls) -> str:
        """What to do where a stored configuration is refused."""
        return f"embed the query with {cls.__name__}(...) yourself and pass the vector as query_embeddings"

    def _embed(self, texts: Documents, *, question: bool) -> Iterable[Any]:
        """A sparse vector for each text."""
        raise NotImplementedError
