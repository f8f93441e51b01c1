"""What a collection holds at a glance: counted values of keys, a description, a sample. Not in Chroma."""

from __future__ import annotations

from typing import overload

from chroma_nb import _blocking as blocking
from chroma_nb.client._async.server import AsyncServer
from chroma_nb.client.collection_common import CollectionCommon
from chroma_nb.facets import Description, Edges, Facet
from chroma_nb.operations import asking, requests
from chroma_nb.query.conditions import Key
from chroma_nb.results import GetResult
from chroma_nb.types import Include, Where, WhereDocument


class AsyncOverview(CollectionCommon[AsyncServer]):
    """The methods of a collection that summarise its contents."""

    @overload
    async def facets(
        self,
        key: Key | str,
        where: Where | None = None,
        where_document: WhereDocument | None = None,
        limit: int = 20,
        *,
        edges: Edges | None = None,
    ) -> Facet: ...
    @overload
    async def facets(
        self,
        key: list[Key | str] | list[str],
        where: Where | None = None,
        where_document: WhereDocument | None = None,
        limit: int = 20,
        *,
        edges: Edges | None = None,
    ) -> list[Facet]: ...
    async def facets(
        self,
        key: Key | str | list[Key | str] | list[str],
        where: Where | None = None,
        where_document: WhereDocument | None = None,
        limit: int = 20,
        *,
        edges: Edges | None = None,
    ) -> Facet | list[Facet]:
        """Count the values of a metadata key.

        Chroma does not have this method.

        Parameters
        ----------
        key
            A metadata key, or a list of keys.
        where
            Count only records whose metadata match this filter.
        where_document
            Count only records whose document matches this filter.
        limit
            The most values to list.
        edges
            For some keys, the bounds between which their numbers are counted:
            ``{"grams": [0, 10, 1000]}``. By default, bounds that are easy to read are chosen.

        Returns
        -------
        Facet or list of Facet
            The most frequent values and their counts, and the range of numbers and dates. For a list of
            keys, a list.

        Raises
        ------
        ValueError
            ``key`` is not a key, ``edges`` are not ascending numbers, or the filter is malformed.
        NotFoundError
            The collection was deleted.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     grams = [{"grams": 9}, {"grams": 500}]
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=grams)
        ...     facet = birds.facets("grams")
        ...     facet.distinct, facet.minimum, facet.maximum, facet.values[0].records
        (2, 9, 500, 1)
        """
        request = await blocking.run(asking.facets, self._context, key, where, where_document, limit, edges)
        found = await self._client._backend.handle(request)
        return found if isinstance(key, list) else found[0]

    async def describe(self) -> Description:
        """Summarize the collection: records, dimension, space, documents and metadata keys.

        The call reads all metadata and documents. Chroma does not have this method.

        Returns
        -------
        Description
            The summary. ``print`` shows it as text.

        Raises
        ------
        NotFoundError
            The collection was deleted.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     grams = [{"grams": 9}, {"grams": 500}]
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=grams)
        ...     found = birds.describe()
        ...     found.records, found.dimension, [facet.key for facet in found.keys]
        (2, 2, ['grams'])
        """
        return await self._client._backend.handle(requests.Describe(*self._place))

    async def sample(
        self,
        n: int = 10,
        seed: int | None = None,
        where: Where | None = None,
        where_document: WhereDocument | None = None,
        include: Include = ["metadatas", "documents"],  # noqa: B006  # as of get(); it is never changed
    ) -> GetResult:
        """Return random records.

        Each record is drawn at most once. Records are returned in the order in which they were added. Chroma
        does not have this method.

        Parameters
        ----------
        n
            How many records to draw. If fewer records match, you get all of them.
        seed
            An integer. The same seed draws the same records from the same data.
        where
            A filter on metadata.
        where_document
            A filter on documents.
        include
            The parts to return, as for ``get``.

        Returns
        -------
        GetResult
            The records.

        Raises
        ------
        ValueError
            An argument is not valid, or the filter is malformed.
        NotFoundError
            The collection was deleted.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add(ids=["wren", "crow", "owl"], embeddings=[[1, 0], [0, 1], [1, 1]])
        ...     birds.sample(2, seed=7)["ids"] == birds.sample(2, seed=7)["ids"]
        True
        """
        request = await blocking.run(asking.sample, self._context, n, seed, where, where_document, include)
        result = await self._client._backend.handle(request)
        result.where_document = where_document
        return await blocking.run(self._with_data, result, include) if "data" in include else result
