"""Cut records into batches, for servers that limit the number of records in a request."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

from chroma_nb.types import Documents, Embeddings, IDs, Metadatas

#: ids, embeddings, metadatas, documents: the first four arguments that ``add`` takes by position.
Batch: TypeAlias = tuple[IDs, Embeddings | None, Metadatas | None, Documents | None]


class _HasMaxBatchSize(Protocol):
    def get_max_batch_size(self) -> int:
        """The most records that one call should contain."""
        ...


def create_batches(
    api: _HasMaxBatchSize,
    ids: IDs,
    embeddings: Embeddings | None = None,
    metadatas: Metadatas | None = None,
    documents: Documents | None = None,
) -> list[Batch]:
    """The records as batches of at most ``api.get_max_batch_size()``, each ready for ``collection.add(*batch)``.

    >>> class Small:
    ...     def get_max_batch_size(self): return 2
    >>> create_batches(Small(), ids=["a", "b", "c"], documents=["x", "y", "z"])
    [(['a', 'b'], None, None, ['x', 'y']), (['c'], None, None, ['z'])]
    """
    size = api.get_max_batch_size()

    def cut(values: Any, start: int) -> Any:
        """The values of one batch; None stays None."""
        return None if values is None else values[start : start + size]

    return [
        (cut(ids, start), cut(embeddings, start), cut(metadatas, start), cut(documents, start))
        for start in range(0, max(len(ids), 1), size)
    ]
