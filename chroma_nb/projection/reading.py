"""Reading a collection, or a sample of it, through its public methods. No mathematics here."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from chroma_nb.collection import Collection, offers
from chroma_nb.paging import by_ids, pages
from chroma_nb.records import Records
from chroma_nb.types import Columns, Options, Where, WhereDocument

#: Records asked for in one call.
PAGE = 10_000


def read(
    collection: Collection,
    *,
    where: Where | None = None,
    where_document: WhereDocument | None = None,
    sample: int | None = None,
    seed: int = 42,
    text: bool = True,
) -> Records:
    """The records that pass the filters, all or ``sample`` of them drawn by ``seed``.

    >>> import chroma_nb
    >>> collection = chroma_nb.EphemeralClient().create_collection("docs")
    >>> collection.add(ids=["a", "b"], documents=["one", "two"], embeddings=[[0, 1], [1, 0]])
    >>> read(collection).embeddings.shape
    (2, 2)
    """
    check(collection, sample)
    include = ["embeddings", "documents", "metadatas"] if text else ["embeddings"]
    if sample is None:
        return _joined(pages(collection, PAGE, where=where, where_document=where_document, include=include))
    ids = drawn(read_id_list(collection, where, where_document), sample, np.random.default_rng(seed))
    return read_ids(collection, ids, text=text)


def check(collection: object, sample: int | None = None) -> None:
    """TypeError unless this is a collection with synchronous methods; ValueError for a sample of none."""
    if sample is not None and sample < 1:
        raise ValueError(f"expected sample to be a number of records of at least 1, got {sample!r}")
    if not (offers(collection, "get") and hasattr(collection, "configuration_json")):
        kind = type(collection).__name__
        raise TypeError(f"expected a collection, got {kind}; collections of an async client are not supported")


def drawn(ids: list[str], sample: int | None, random: np.random.Generator) -> list[str]:
    """Draw ``sample`` of the ids, in their order; return all if there are no more, or without ``sample``."""
    if sample is None or sample >= len(ids):
        return ids
    return [ids[row] for row in np.sort(random.choice(len(ids), size=sample, replace=False))]


def read_ids(collection: Collection, ids: Sequence[str], text: bool = True) -> Records:
    """The records of these ids, in this order; those that are gone are left out."""
    include = ["embeddings", "documents", "metadatas"] if text else ["embeddings"]
    return _joined(by_ids(collection, ids, include)).in_order_of(ids)


def read_id_list(
    collection: Collection, where: Where | None = None, where_document: WhereDocument | None = None
) -> list[str]:
    """The ids that match ``where`` and ``where_document``."""
    filters: Options = {"where": where, "where_document": where_document}
    return [id_ for page in pages(collection, PAGE, **filters) for id_ in page["ids"]]


def _joined(pages: Iterable[Columns]) -> Records:
    """The records of several results, without those whose vector is lost."""
    parts: list[Records] = []
    lost = 0
    for page in pages:
        found = Records.of_result(page)
        if found.has_embedding is not None:
            there = np.flatnonzero(found.has_embedding)
            lost += len(found) - len(there)
            found = replace(found.take(there), has_embedding=None)
        if len(found):
            parts.append(found)
    if lost:
        warnings.warn(
            f"{lost:,} records have no vector, since it was lost before they were imported, and are left out. "
            "To embed them from their documents, call chroma_nb.reembed(collection).",
            UserWarning,
            stacklevel=4,
        )
    records = Records.concat(parts) if parts else Records([], np.empty((0, 0), np.float32))
    first = {id_: row for row, id_ in reversed(list(enumerate(records.ids)))}
    # A record can come twice when another process writes between two pages.
    return records if len(first) == len(records) else records.take(sorted(first.values()))
