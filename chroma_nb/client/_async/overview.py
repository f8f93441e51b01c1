"""What a collection holds at a glance: the values of keys, counted; a description; a sample. Ours, not Chroma's."""

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
    """The side of a collection that tells what is in it."""

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
        """Which values records have under a metadata key, and how many records each; of a list of keys, one each.

        Of the records that pass the filters. The ``limit`` most frequent values, how many different ones there are, how
        many records lack the key; for numbers the least, the greatest and the ranges they lie in; for texts that are
        all ISO dates the days, months or years. ``edges``: keys whose numbers are counted between these ends instead,
        from each to below the next, the last included. Ours, not Chroma's. Raises ValueError for what is no key, or no
        ascending numbers, and as ``get``.

        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=[{"g": 9}, {"g": 500}])
        ...     facet = birds.facets("g")
        ...     facet.distinct, facet.minimum, facet.maximum, facet.values[0].records
        (2, 9, 500, 1)
        """
        request = await blocking.run(asking.facets, self._context, key, where, where_document, limit, edges)
        found = await self._client._backend.handle(request)
        return found if isinstance(key, list) else found[0]

    async def describe(self) -> Description:
        """What is in the collection: records, dimension, space, documents, and for each metadata key what it holds.

        All metadata and documents are read for it. Ours, not Chroma's. Raises NotFoundError when the collection was
        deleted.

        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=[{"g": 9}, {"g": 500}])
        ...     found = birds.describe()
        ...     found.records, found.dimension, [facet.key for facet in found.keys]
        (2, 2, ['g'])
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
        """``n`` records at random, each once, of those that pass the filters; fewer where there are fewer.

        They come in the order they were added. With a ``seed`` they are the same for the same records, whoever stores
        them; without one others each time. Ours, not Chroma's. Raises as ``get``.

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
