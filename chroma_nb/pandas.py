"""``df.chroma``: from a DataFrame to a collection, and search in a DataFrame.

``import chroma_nb.pandas`` registers it; so do ``%load_ext chroma_nb`` and, where pandas is loaded
already, ``import chroma_nb``.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from chroma_nb._optional import require
from chroma_nb.cells import unmasked
from chroma_nb.collection import Client, Collection
from chroma_nb.embedding_functions.base import AnyEmbeddingFunction
from chroma_nb.embedding_functions.default import DefaultEmbeddingFunction
from chroma_nb.embedding_functions.progress import record_bar
from chroma_nb.tables._sync.syncing import sync
from chroma_nb.tables.columns import METADATA_PREFIX, is_of_hits, mark_hits
from chroma_nb.tables.rows import ColumnOrValues, from_frame
from chroma_nb.types import Matrix, Vector

if TYPE_CHECKING:
    import pandas

_NAME = "chroma"


class ChromaAccessor:
    """Methods of every DataFrame, under ``df.chroma``: write it to a collection, or search in it.

    ``%load_ext chroma_nb`` or ``import chroma_nb.pandas`` adds the accessor. ``import chroma_nb`` adds it if pandas was
    imported before.
    """

    def __init__(self, frame: pandas.DataFrame) -> None:
        self._frame = frame

    def __repr__(self) -> str:
        return "df.chroma: to_collection(collection), search(query)"

    def to_collection(
        self,
        collection: Collection | str,
        *,
        client: Client | None = None,
        delete: bool = False,
        progress: bool | None = None,
        **columns: ColumnOrValues,
    ) -> Collection:
        """Write this DataFrame to a collection, so that the two are equal.

        Only the differences are written, so you can call it again after a change.

        Parameters
        ----------
        collection
            A collection, or the name of one in ``client``. It is created if it does not exist.
        client
            The client, if ``collection`` is a name.
        delete
            Whether to delete the records that are in no row.
        progress
            Whether to show a progress bar. None shows one after a second.
        **columns
            Which columns are what, as for ``collection.sync``: ``id``, ``document``, ``embedding``, ``uri``,
            ``metadata``, ``on_error``, ``dates``.

        Returns
        -------
        Collection
            The collection.

        Raises
        ------
        ValueError
            ``collection`` is a name and there is no client, a row cannot be a record, or the ids are only row numbers
            and would change or delete records.

        Examples
        --------
        >>> import chroma_nb, pandas
        >>> client = chroma_nb.EphemeralClient()
        >>> birds = pandas.DataFrame({"id": ["wren"], "embedding": [[1.0, 0.0]], "grams": [9]})
        >>> birds.chroma.to_collection("birds", client=client).count()
        1
        >>> client.close()
        """
        if isinstance(collection, str):
            if client is None:
                raise ValueError(f"Expected client= with the name {collection!r}, or a collection, got neither.")
            collection = client.get_or_create_collection(collection)
        sync(collection, self._frame, delete=delete, bar=record_bar(progress), **columns)
        return collection

    def search(
        self,
        query: npt.ArrayLike,
        n_results: int = 10,
        *,
        embedding_function: AnyEmbeddingFunction | None = None,
        **columns: ColumnOrValues,
    ) -> pandas.DataFrame:
        """Find the rows nearest to a text or a vector, without a collection.

        The search is exact and in memory. If the DataFrame has no embeddings, its documents are embedded. Each text is
        embedded once while the DataFrame exists.

        Parameters
        ----------
        query
            A text, or a vector.
        n_results
            How many rows to return.
        embedding_function
            The function that embeds documents and query. The default is the default model.
        **columns
            Which columns are what: ``document``, ``embedding``. Rows without either are left out.

        Returns
        -------
        pandas.DataFrame
            The rows, nearest first, with a column ``distance``: 1 - cosine similarity. A column ``distance`` of your
            own is renamed to ``metadata.distance``.

        Raises
        ------
        ValueError
            ``n_results`` is less than 1, or the vector has another number of dimensions.

        Examples
        --------
        >>> import pandas
        >>> birds = pandas.DataFrame({"id": ["wren", "crow"], "embedding": [[1.0, 0.0], [0.0, 1.0]]})
        >>> birds.chroma.search([0.0, 1.0], 1)
             id   embedding  distance
        1  crow  [0.0, 1.0]       0.0
        """
        if n_results < 1:
            raise ValueError(f"expected n_results of at least 1, got {n_results}")
        numbered = [str(row) for row in range(len(self._frame))]
        records = from_frame(self._frame, id=numbered, metadata=[], on_error="skip", **columns).records
        if records.embeddings is None:
            texts = {int(row): text for row, text in zip(records.ids, records.documents or [], strict=True) if text}
            rows, vectors = np.array(list(texts), int), self._embedded(list(texts.values()), embedding_function)
        else:
            given = slice(None) if records.has_embedding is None else records.has_embedding
            rows, vectors = np.array(records.ids, int)[given], records.embeddings[given]
        if isinstance(query, str):
            query = self._embedded([query], embedding_function)[0]
        distances = _cosine_distances(vectors, np.asarray(unmasked(query), np.float32))
        nearest = np.argsort(distances, kind="stable")[:n_results]
        found = self._frame.iloc[rows[nearest]]
        if "distance" in found and not is_of_hits(found, "distance"):
            found = found.rename(columns={"distance": METADATA_PREFIX + "distance"})
        found = found.assign(distance=distances[nearest])
        mark_hits(found, ["distance"])
        return found

    def _embedded(self, texts: Sequence[str], embedding_function: AnyEmbeddingFunction | None) -> Matrix:
        """A vector for each text; those embedded before by the same function are remembered."""
        known = _remembered(self._frame, embedding_function)
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            embed = DefaultEmbeddingFunction() if embedding_function is None else embedding_function
            known.update(zip(new, embed(new), strict=True))
        return np.array([known[text] for text in texts], np.float32)


#: id of a living DataFrame -> the function that embedded its texts, and their vectors. pandas makes a new
#: accessor at each use, so it cannot remember them.
_EMBEDDED: dict[int, tuple[AnyEmbeddingFunction | None, dict[str, Vector]]] = {}


def _remembered(frame: object, embedding_function: AnyEmbeddingFunction | None) -> dict[str, Vector]:
    """Text -> vector for one DataFrame and function; forgotten with the DataFrame."""
    if id(frame) not in _EMBEDDED:
        weakref.finalize(frame, _EMBEDDED.pop, id(frame), None)
    if id(frame) not in _EMBEDDED or _EMBEDDED[id(frame)][0] is not embedding_function:
        _EMBEDDED[id(frame)] = (embedding_function, {})
    return _EMBEDDED[id(frame)][1]


def _cosine_distances(vectors: Matrix, query: Vector) -> Vector:
    if not len(vectors):
        return np.zeros(0)
    if query.ndim != 1 or len(query) != vectors.shape[1]:
        raise ValueError(f"expected a vector of {vectors.shape[1]} dimensions, got one of shape {query.shape}")
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
    cosines: Vector = np.divide(vectors @ query, lengths, out=np.zeros(len(vectors)), where=lengths > 0)
    return 1.0 - cosines


def register() -> None:
    """Add ``.chroma`` to all DataFrames. Calling it again does nothing."""
    pd = require("pandas", feature="df.chroma")
    if pd.DataFrame.__dict__.get(_NAME) is None:
        pd.api.extensions.register_dataframe_accessor(_NAME)(ChromaAccessor)


def unregister() -> None:
    """Remove ``.chroma`` from DataFrames. An accessor of that name from another package stays."""
    pd = require("pandas", feature="df.chroma")
    if getattr(pd.DataFrame, _NAME, None) is ChromaAccessor:
        delattr(pd.DataFrame, _NAME)
        pd.DataFrame._accessors.discard(_NAME)


register()
