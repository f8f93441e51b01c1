"""The vectors by which regions of a map are named: of records, and of phrases by the model that embedded them.

Only the model that comes with the package is used: another may cost money, or take long. If a collection has another,
phrases are compared by the records that have them (``region_names.Meaning``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chroma_nb.collection import Collection, space, stored_function
from chroma_nb.embedding_functions.default import DefaultEmbeddingFunction
from chroma_nb.projection.neighbours import prepared
from chroma_nb.projection.reading import read_ids
from chroma_nb.projection.region_names import Embed, Meaning
from chroma_nb.types import Indices, Matrix

#: Documents that are embedded again to see whether the vectors are the model's, and how near they must come.
_TRIED, _AS_NEAR = 6, 0.9


def meaning_of(
    collection: Collection, ids: Sequence[str], documents: Sequence[str | None], rows: Indices
) -> Meaning | None:
    """The vectors of the records at ``rows``; None where some are gone meanwhile."""
    records = read_ids(collection, [ids[row] for row in rows.tolist()], text=False)
    if len(records) != len(rows):
        return None
    embed = _model(collection, [documents[row] for row in rows.tolist()], records.matrix)
    if embed is not None:
        return Meaning(records.matrix, embed)
    return Meaning(prepared(records.matrix, space(collection)))


def _model(collection: Collection, documents: Sequence[str | None], vectors: Matrix) -> Embed | None:
    """What embeds phrases as these documents were embedded, where that is the package's own model."""
    if stored_function(collection).get("name") != "default":
        return None
    function = DefaultEmbeddingFunction()  # any variant of the model will do
    some = [row for row, document in enumerate(documents) if document][:: max(1, len(documents) // _TRIED)][:_TRIED]

    def embed(texts: list[str]) -> Matrix:
        """The vectors of texts."""
        return np.asarray(function(texts), np.float32)

    if not some:
        return None
    try:
        again = embed([str(documents[row]) for row in some])
    except Exception:  # noqa: BLE001  # where the model cannot run, the names do without it
        return None
    if again.shape[1] != vectors.shape[1]:
        return None
    there = vectors[some]
    lengths = np.linalg.norm(again, axis=1) * np.linalg.norm(there, axis=1)
    near = (again * there).sum(axis=1) / np.maximum(lengths, 1e-12)
    return embed if float(np.median(near)) >= _AS_NEAR else None
