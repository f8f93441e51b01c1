"""From rows to Chroma's results: texts, metadata and vectors fetched for what was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chroma_nb.engine.arrays import Float64, Ints
from chroma_nb.engine.memory.snapshot import Snapshot
from chroma_nb.results import GetResult, QueryResult


def get_result(snapshot: Snapshot, rows: Ints, include: Sequence[str]) -> GetResult:
    """The records in ``rows`` (ascending) as ``collection.get`` returns them."""
    texts = snapshot.texts(rows, include)
    ids = snapshot.memory.ids
    return GetResult(
        ids=list(ids) if len(rows) == len(ids) else [ids[row] for row in rows.tolist()],
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
    every = np.unique(np.concatenate([rows for rows, _ in found])) if found else np.empty(0, np.int64)
    texts = snapshot.texts(every, include, checksums=snapshot.on_disk)
    if snapshot.on_disk and len(every):
        snapshot.check_vectors(every, texts.pop("crc"))
    place = {row: index for index, row in enumerate(every.tolist())}

    def per_query(field: str) -> list[list[Any]] | None:
        if field not in texts:
            return None
        column = texts[field]
        return [[column[place[row]] for row in rows.tolist()] for rows, _ in found]

    embeddings = None
    if "embeddings" in include:
        embeddings = [
            snapshot.matrix[memory.slots[rows]].astype(np.float64) if len(rows) else np.empty(0) for rows, _ in found
        ]
    return QueryResult(
        ids=[[ids[row] for row in rows.tolist()] for rows, _ in found],
        embeddings=embeddings,
        documents=per_query("document"),
        uris=per_query("uri"),
        included=list(include),
        data=None,
        metadatas=per_query("metadata"),
        distances=[distances.tolist() for _, distances in found] if "distances" in include else None,
    )
