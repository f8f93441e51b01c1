"""From rows to Chroma's results: texts, metadata and vectors fetched for what was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chroma_nb.engine.arrays import EMPTY, Float64, Ints
from chroma_nb.engine.memory.snapshot import Snapshot
from chroma_nb.results import GetResult, QueryResult


def get_result(snapshot: Snapshot, rows: Ints, include: Sequence[str]) -> GetResult:
    """The records in ``rows`` (ascending) as ``collection.get`` returns them."""
    texts = snapshot.texts(rows, include)
    ids = snapshot.memory.ids
    return GetResult(
        ids=list(ids) if len(rows) == len(ids) else list(map(ids.__getitem__, rows.tolist())),
        embeddings=snapshot.embeddings(rows) if "embeddings" in include else None,
        documents=texts.get("document"),
        uris=texts.get("uri"),
        included=list(include),
        data=None,
        metadatas=texts.get("metadata"),
    )


def query_result(snapshot: Snapshot, found: list[tuple[Ints, Float64]], include: Sequence[str]) -> QueryResult:
    """The (rows, distances) of each query as ``collection.query`` returns them; checksums are compared."""
    memory, ids = snapshot.memory, snapshot.memory.ids
    every = np.unique(np.concatenate([rows for rows, _ in found])) if found else EMPTY
    texts = snapshot.texts(every, include, checksums=snapshot.on_disk)
    if snapshot.on_disk and len(every):
        snapshot.check_vectors(every, texts.pop("crc"))
    ids_of_each: list[list[str]] = []
    texts_of_each: dict[str, list[list[Any]]] = {field: [] for field in texts}
    distances_of_each: list[list[float]] = []
    for rows, distances in found:
        distances_of_each.append(distances.tolist())
        ids_of_each.append(list(map(ids.__getitem__, rows.tolist())))
        places = np.searchsorted(every, rows).tolist()
        for field, column in texts.items():
            texts_of_each[field].append(list(map(column.__getitem__, places)))
    embeddings = None
    if "embeddings" in include:
        embeddings = [
            snapshot.matrix[memory.slots[rows]].astype(np.float64) if len(rows) else np.empty(0) for rows, _ in found
        ]
    return QueryResult(
        ids=ids_of_each,
        embeddings=embeddings,
        documents=texts_of_each.get("document"),
        uris=texts_of_each.get("uri"),
        included=list(include),
        data=None,
        metadatas=texts_of_each.get("metadata"),
        distances=distances_of_each if "distances" in include else None,
    )
