"""Embed records whose vector was lost again, from their documents, during the import of a Chroma directory.

Only the function that their collection stores is used: vectors of another model cannot be compared with those that are
left. Records that cannot be embedded are imported without a vector, and ``problems`` says why.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from chroma_nb.embedding_functions.registry import known_embedding_functions
from chroma_nb.operations import embed
from chroma_nb.records import Records
from chroma_nb.types import CollectionModel, Matrix

#: Documents that a function is given at a time.
_AT_ONCE: Final = 256


class Reembedding:
    """One collection's; ``done`` records have got a vector, by a model whose variant is ``variant``."""

    def __init__(self, model: CollectionModel, lost: int) -> None:
        self.done = 0
        self.variant: str | None = None
        self.problems: list[str] = []
        self._model = model
        self._lost = lost
        self._dimension = model.dimension
        self._function: object = None
        stored = model.configuration_json.get("embedding_function") or {}
        if stored.get("type") != "known":
            self._give_up(
                "the collection stores no embedding function; pass it: "
                "chroma_nb.reembed(client.get_collection(name, embedding_function=...))"
            )
            return
        try:
            function = embed.build(stored, known_embedding_functions)
            if hasattr(function, "for_collection"):
                function = function.for_collection(model.embedding_model)
                self.variant = function.embedding_model
        except Exception as error:  # noqa: BLE001  # another's constructor may raise anything
            self._give_up(f"its embedding function {stored.get('name')!r} cannot be used here: {error}")
        else:
            self._function = function

    def filled(self, batch: Records) -> Records:
        """The records, with vectors where one was lost and could be made."""
        if batch.has_embedding is None or batch.documents is None or self._function is None:
            return batch
        documents = batch.documents
        rows = [row for row in np.flatnonzero(~batch.has_embedding).tolist() if documents[row] is not None]
        there, vectors = batch.has_embedding.copy(), batch.embeddings
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            made = self._made([documents[row] for row in some])
            if made is None:
                break
            if vectors is None or vectors.shape[1] != made.shape[1]:  # no vector told the dimension
                vectors = np.zeros((len(batch), made.shape[1]), np.float32)
            vectors[some] = made
            there[some] = True
            self.done += len(some)
        return replace(batch, embeddings=vectors, has_embedding=None if there.all() else there)

    def _made(self, documents: list[object]) -> Matrix | None:
        """A vector for each document; None when there are none, which ``problems`` then explains."""
        try:
            made = embed.run(self._function, documents, is_query=False)
        except Exception as error:  # noqa: BLE001  # whatever a provider raises: the records are imported all the same
            self._give_up(f"its embedding function failed ({type(error).__name__}: {error})")
            return None
        if not np.isfinite(made).all():
            self._give_up("its embedding function returned a vector with NaN or infinity")
            return None
        if self._dimension not in (None, made.shape[1]):
            sizes = f"{made.shape[1]} dimensions, the collection has {self._dimension}"
            self._give_up(f"its embedding function returns vectors of {sizes}")
            return None
        self._dimension = made.shape[1]
        return made

    def _give_up(self, reason: str) -> None:
        """Embed no more."""
        self._function = None
        self.problems.append(f"{self._lost - self.done:,} records could not be embedded again: {reason}")
