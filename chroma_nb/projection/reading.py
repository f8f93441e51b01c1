"""Reading a collection, or a sample of it, through its public methods. No mathematics here."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any

import numpy as np

from chroma_nb.types import Matrix, Metadata, Where, have_vectors

#: Records asked for in one call.
PAGE = 10_000
#: Ids in one call: servers and SQLite limit the length of a request.
IDS_PER_CALL = 5_000


@dataclass(frozen=True)
class MapRecords:
    """Records with their vectors: ``embeddings`` is float32 of shape (n, dimension)."""

    ids: list[str]
    embeddings: Matrix
    documents: list[str | None]
    metadatas: list[Metadata | None]

    def __len__(self) -> int:
        return len(self.ids)


def read(
    collection: Any, *, where: Where | None = None, sample: int | None = None, seed: int = 42, text: bool = True
) -> MapRecords:
    """The records that match ``where``, all or ``sample`` of them drawn by ``seed``.

    >>> import chroma_nb
    >>> collection = chroma_nb.EphemeralClient().create_collection("docs")
    >>> collection.add(ids=["a", "b"], documents=["one", "two"], embeddings=[[0, 1], [1, 0]])
    >>> read(collection).embeddings.shape
    (2, 2)
    """
    check(collection, sample)
    include = ["embeddings", "documents", "metadatas"] if text else ["embeddings"]
    if sample is None:
        return _joined(_pages(collection, where, include))
    ids = drawn(read_id_list(collection, where), sample, np.random.default_rng(seed))
    return read_ids(collection, ids, text=text)


def check(collection: Any, sample: int | None = None) -> None:
    """TypeError unless this is a collection whose methods answer at once; ValueError for a sample of none."""
    if sample is not None and sample < 1:
        raise ValueError(f"expected sample to be a whole number of records from 1, got {sample!r}")
    get = getattr(collection, "get", None)
    if not (callable(get) and hasattr(collection, "configuration_json")) or iscoroutinefunction(get):
        raise TypeError(
            f"expected a collection, got {type(collection).__name__}; one of an asynchronous client is not taken"
        )


def drawn(ids: list[str], sample: int | None, random: np.random.Generator) -> list[str]:
    """``sample`` of the ids in their order; all when there are no more, or ``sample`` is None."""
    if sample is None or sample >= len(ids):
        return ids
    return [ids[row] for row in np.sort(random.choice(len(ids), size=sample, replace=False))]


def read_ids(collection: Any, ids: Sequence[str], text: bool = True) -> MapRecords:
    """The records of these ids, in this order; those that are gone are left out."""
    include = ["embeddings", "documents", "metadatas"] if text else ["embeddings"]
    parts = (ids[start : start + IDS_PER_CALL] for start in range(0, len(ids), IDS_PER_CALL))
    records = _joined(collection.get(ids=list(part), include=include) for part in parts)
    place = {one: row for row, one in enumerate(records.ids)}
    rows = [place[one] for one in ids if one in place]
    return picked(records, rows)


def read_id_list(collection: Any, where: Where | None = None) -> list[str]:
    """The ids that match ``where``."""
    return [one for page in _pages(collection, where, []) for one in page["ids"]]


def picked(records: MapRecords, rows: Sequence[int]) -> MapRecords:
    """Some of the records, in the order of ``rows``."""
    return MapRecords(
        [records.ids[row] for row in rows],
        records.embeddings[np.asarray(rows, np.intp)],
        [records.documents[row] for row in rows],
        [records.metadatas[row] for row in rows],
    )


def joined(parts: Sequence[MapRecords]) -> MapRecords:
    """The records of several, one after another; an id may come twice."""
    return MapRecords(
        [one for part in parts for one in part.ids],
        np.concatenate([part.embeddings for part in parts]),
        [one for part in parts for one in part.documents],
        [one for part in parts for one in part.metadatas],
    )


def space(collection: Any) -> str:
    """The collection's distance: "l2", "cosine" or "ip"."""
    # Not ``configuration``: chromadb's warns there of a collection without an embedding function.
    configuration = collection.configuration_json or {}
    for part in ("hnsw", "spann"):
        if isinstance(found := configuration.get(part), dict) and found.get("space"):
            return str(found["space"])
    return str((collection.metadata or {}).get("hnsw:space", "l2"))


def _pages(collection: Any, where: Where | None, include: list[str]) -> Iterator[dict[str, Any]]:
    offset = 0
    while True:
        page = collection.get(where=where, limit=PAGE, offset=offset, include=include)
        yield page
        if len(page["ids"]) < PAGE:
            return
        offset += PAGE


def _with_vectors(page: dict[str, Any], there: Any) -> dict[str, Any]:
    """The records of an answer that have a vector."""

    def kept(values: Any) -> Any:
        return None if values is None else [value for value, given in zip(values, there, strict=True) if given]

    return {name: kept(page.get(name)) for name in ("ids", "embeddings", "documents", "metadatas")}


def _joined(pages: Iterator[dict[str, Any]]) -> MapRecords:
    ids: list[str] = []
    blocks: list[Matrix] = []
    documents: list[str | None] = []
    metadatas: list[Metadata | None] = []
    lost = 0
    for page in pages:
        if page["ids"]:
            there = have_vectors(page["embeddings"]) if page.get("embeddings") is not None else None
            if there is not None and not there.all():
                lost += int((~there).sum())
                page = _with_vectors(page, there)
        count = len(page["ids"])
        ids += page["ids"]
        if count:
            blocks.append(np.asarray(page["embeddings"], np.float32).reshape(count, -1))
        documents += page.get("documents") or [None] * count
        metadatas += page.get("metadatas") or [None] * count
    if lost:
        warnings.warn(
            f"{lost:,} records have no vector, since it was lost before they were imported, and are left out; "
            "chroma_nb.reembed(collection) embeds them from their documents",
            UserWarning,
            stacklevel=4,
        )
    embeddings = np.concatenate(blocks) if len(blocks) > 1 else (blocks or [np.empty((0, 0), np.float32)])[0]
    records = MapRecords(ids, np.ascontiguousarray(embeddings), documents, metadatas)
    first = {one: row for row, one in reversed(list(enumerate(ids)))}
    # A record can come twice when another process writes between two pages.
    return records if len(first) == len(ids) else picked(records, sorted(first.values()))
