"""Embed records without a vector, which an import of damaged files leaves, from their documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chroma_nb.collection import Collection, edits_at_once
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.paging import slices
from chroma_nb.records import Edits, Records, have_vectors

if TYPE_CHECKING:
    from chroma_nb.client._sync.collection import Collection as SyncCollection

#: Records looked at, and embedded, in one call.
_BATCH = 256


def refuse_without_vectors(records: Records, name: str) -> None:
    """InvalidArgumentError when records that shall be written elsewhere have lost their vector: none takes them."""
    lost = np.flatnonzero(~records.with_vector()).tolist()
    if lost:
        raise InvalidArgumentError(
            f"{len(lost):,} records of collection {name!r} have no vector, the first is "
            f"{records.ids[lost[0]]!r}: they were lost before the import. Embed them from their documents with "
            "chroma_nb.reembed(collection), or delete them, then copy again."
        )


def reembed(collection: SyncCollection) -> int:
    """Embed the records of a collection that have no vector.

    Importing a damaged Chroma directory can leave such records. Their documents are embedded with the
    collection's embedding function, or with the one that you passed to ``get_collection``. Records
    without a document are skipped. You can call the function again after an interruption.

    Parameters
    ----------
    collection
        The collection. An exception of the embedding function is raised unchanged.

    Returns
    -------
    int
        How many records were embedded.

    Examples
    --------
    >>> import chroma_nb
    >>> with chroma_nb.EphemeralClient() as client:
    ...     birds = client.create_collection("birds")
    ...     birds.add(ids="wren", documents="a small brown bird")
    ...     chroma_nb.reembed(birds)
    0
    """
    ids: list[str] = collection.get(include=[])["ids"]
    done = 0
    for some in slices(ids, _BATCH):
        texts = _texts_without_vector(collection, some)
        if not texts:
            continue
        vectors = np.asarray(collection._vectors(list(texts.values())), np.float32)
        # Embedding takes time: a record written meanwhile has a vector already, or another document.
        now = _texts_without_vector(collection, list(texts))
        rows = [row for row, (id_, text) in enumerate(texts.items()) if now.get(id_) == text]
        if rows:
            update = Records([list(texts)[row] for row in rows], vectors[rows])
            if edits_at_once(collection):
                collection._edit(Edits(update=update), embedded=True)
            else:
                collection.update(ids=update.ids, embeddings=update.embeddings)
            done += len(rows)
    return done


def _texts_without_vector(collection: Collection, ids: list[str]) -> dict[str, str]:
    """The documents of those of these records that have a document and no vector."""
    got = collection.get(ids=ids, include=["embeddings", "documents"])
    lost = np.flatnonzero(~have_vectors(got["embeddings"])).tolist()
    return {got["ids"][place]: got["documents"][place] for place in lost if got["documents"][place] is not None}
