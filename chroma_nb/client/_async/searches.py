"""Searching a collection: by vectors, by words, by both, and by ranking expressions."""

from __future__ import annotations

from chroma_nb import _blocking as blocking
from chroma_nb.client._async.fetched_words import fetched, hybrid
from chroma_nb.client._async.server import AsyncServer
from chroma_nb.client.collection_common import CollectionCommon
from chroma_nb.operations import asking, requests
from chroma_nb.results import HybridResult, QueryResult, SearchResult
from chroma_nb.types import (
    ID,
    URI,
    Document,
    Embedding,
    Image,
    Include,
    Json,
    OneOrMany,
    PyEmbedding,
    ReadLevel,
    Side,
    Where,
    WhereDocument,
)


class AsyncSearches(CollectionCommon[AsyncServer]):
    """The methods of a collection that search it."""

    async def query(
        self,
        query_embeddings: OneOrMany[Embedding] | OneOrMany[PyEmbedding] | None = None,
        query_texts: OneOrMany[Document] | None = None,
        query_images: OneOrMany[Image] | None = None,
        query_uris: OneOrMany[URI] | None = None,
        ids: OneOrMany[ID] | None = None,
        n_results: int = 10,
        where: Where | None = None,
        where_document: WhereDocument | None = None,
        include: Include = ["metadatas", "documents", "distances"],  # noqa: B006  # Chroma's default; never changed
        *,
        max_distance: float | None = None,
        like: OneOrMany[ID] | None = None,
        unlike: OneOrMany[ID] | None = None,
    ) -> QueryResult:
        """Find the nearest records to each query.

        A query is a vector, or a text, an image or a URI that is embedded first. You can also search for
        records similar to given ones (``like``). Pass exactly one kind of query.

        Parameters
        ----------
        query_embeddings
            One or several vectors. If you pass vectors, other kinds of queries are ignored.
        query_texts
            One or several texts.
        query_images
            One or several images, as arrays.
        query_uris
            One or several URIs. Needs a data loader.
        ids
            Search only among these records.
        n_results
            The most records to return for each query.
        where
            A filter on metadata.
        where_document
            A filter on documents.
        include
            The parts to return, from ``"embeddings"``, ``"metadatas"``, ``"documents"``, ``"distances"``,
            ``"uris"`` and ``"data"``. Ids are always returned. ``"data"`` needs a data loader.
        max_distance
            Leave out records that are farther away. Not in Chroma.
        like
            Ids of records. The query is the mean of their vectors. These records are not in the result. Not
            in Chroma.
        unlike
            Ids of records to move away from. The query is ``mean(like) + (mean(like) - mean(unlike))``.
            Without ``like`` the query is the opposite of ``mean(unlike)``, for the spaces ``"cosine"`` and
            ``"ip"`` only. Not in Chroma.

        Returns
        -------
        QueryResult
            A dict with a list for each part, and in it one list for each query, nearest first.
            ``result["ids"][0]`` are the ids for the first query. The distance is the squared Euclidean
            distance (``"l2"``), 1 - cosine similarity (``"cosine"``) or 1 - inner product (``"ip"``).

        Raises
        ------
        ValueError
            An argument is not valid, or the filter is malformed.
        TypeError
            ``n_results`` is less than 1.
        InvalidArgumentError
            A vector has another dimension than the collection, no record of ``like`` or ``unlike`` has a
            vector, or the filter cannot be evaluated.
        NotFoundError
            The collection was deleted.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     grams = [{"grams": 9}, {"grams": 500}]
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=grams)
        ...     light = {"grams": {"$lt": 1000}}
        ...     found = birds.query(query_embeddings=[[1, 0], [0, 2]], n_results=1, where=light)
        ...     found["ids"], found["distances"]
        ([['wren'], ['crow']], [[0.0], [1.0]])
        """
        context = self._context
        request: requests.Query | requests.QueryLike
        if like is not None or unlike is not None:
            request = await blocking.run(
                asking.query_like,
                context,
                like,
                unlike,
                (query_embeddings, query_texts, query_images, query_uris),
                ids,
                n_results,
                where,
                where_document,
                include,
                max_distance,
            )
        else:
            request = await blocking.run(
                asking.query,
                context,
                query_embeddings,
                query_texts,
                query_images,
                query_uris,
                ids,
                n_results,
                where,
                where_document,
                include,
                max_distance,
            )
        result = await self._client._backend.handle(request)
        result.where_document = where_document
        result.query_texts = context.texts or None
        return await blocking.run(self._with_data, result, include) if "data" in include else result

    async def hybrid(
        self,
        query_texts: OneOrMany[Document],
        n_results: int = 10,
        where: Where | None = None,
        where_document: WhereDocument | None = None,
        include: Include = ["metadatas", "documents", "distances"],  # noqa: B006  # as of query; it is never changed
        *,
        query_embeddings: OneOrMany[Embedding] | OneOrMany[PyEmbedding] | None = None,
        by: Side = "both",
        fetch: bool = False,
    ) -> HybridResult:
        """Find records by the meaning and by the words of a text.

        Two lists are combined by reciprocal rank fusion: the nearest records, as of ``query``, and the
        documents that contain words of the text, ranked by BM25. The first call reads the words of all
        documents. The collection needs no schema for this. Chroma does not have this method.

        Parameters
        ----------
        query_texts
            One or several texts.
        n_results
            The most records to return for each text.
        where
            A filter on metadata.
        where_document
            A filter on documents.
        include
            The parts to return, as for ``query``.
        query_embeddings
            A vector for each text, if the collection's embedding function cannot create them.
        by
            ``"both"``, ``"meaning"`` (nearest records only) or ``"words"`` (words only, nothing is embedded).
        fetch
            Servers of Chroma cannot search by words. With True all documents are downloaded once and
            searched here. They are downloaded again when the number of records has changed.

        Returns
        -------
        HybridResult
            The result of ``query``, best first, with ``scores``, ``meaning_ranks``, ``word_ranks`` and
            ``words``.

        Raises
        ------
        ValueError
            An argument is not valid, or no embedding function is known.
        TypeError
            ``n_results`` is less than 1.
        InvalidArgumentError
            A vector has another dimension than the collection.
        NotImplementedError
            The server cannot search by words, and ``fetch`` is False.
        NotFoundError
            The collection was deleted.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     documents = ["a tiny wren", "a black crow"]
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], documents=documents)
        ...     found = birds.hybrid("crow", query_embeddings=[0.9, 0.1])
        ...     found["ids"], found["meaning_ranks"], found["word_ranks"], found["words"]
        ([['crow', 'wren']], [[2, 1]], [[1, None]], [[['crow'], []]])
        """
        context = self._context
        request = await blocking.run(
            asking.hybrid,
            context,
            query_texts,
            n_results,
            where,
            where_document,
            include,
            query_embeddings,
            by,
        )
        try:
            result = await self._client._backend.handle(request)
        except NotImplementedError:
            if not (fetch or by == "meaning"):
                raise
            if request.query_texts is not None:
                self._fetched_words = await fetched(self, self._fetched_words)
            result = await hybrid(self, request, self._fetched_words if request.query_texts else None)
        result.where_document = where_document
        result.query_texts = context.texts or None
        return await blocking.run(self._with_data, result, include) if "data" in include else result

    async def search(self, searches: object, read_level: ReadLevel = ReadLevel.INDEX_AND_WAL) -> SearchResult:
        """Run one or several search expressions.

        A ``Search`` combines a filter, a ranking, groups, a limit and a selection of parts. Chroma offers
        this in its cloud only.

        Parameters
        ----------
        searches
            A ``Search``, or a list of them. Texts in a ``Knn`` are embedded with the collection's embedding
            function, or for a key with sparse vectors with the function of that key.
        read_level
            Only distributed servers use this.

        Returns
        -------
        SearchResult
            A dict with a list for each part, and in it one list for each search. A part that a search did
            not select is None.

        Raises
        ------
        TypeError
            An argument is not a ``Search``.
        ValueError
            A text cannot be embedded.
        InvalidArgumentError
            A vector has another dimension than the collection, or a ``Knn`` uses a key that has no index of
            sparse vectors.
        NotFoundError
            The collection was deleted.

        Examples
        --------
        >>> import chroma_nb
        >>> from chroma_nb import K, Knn, Search
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     grams = [{"grams": 9}, {"grams": 500}]
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=grams)
        ...     nearest = Search().where(K("grams") > 5).rank(Knn([1, 0])).limit(1)
        ...     birds.search(nearest.select("grams", K.SCORE)).rows()
        [[{'id': 'wren', 'metadata': {'grams': 9}, 'score': 0.0}]]
        """
        context = self._context
        request = await blocking.run(asking.search, context, searches, read_level)
        result = await self._client._backend.handle(request)
        if any(context.texts):
            result.query_texts = context.texts
        return result

    async def explain(
        self,
        query_embeddings: OneOrMany[Embedding] | OneOrMany[PyEmbedding] | None = None,
        query_texts: OneOrMany[Document] | None = None,
        query_images: OneOrMany[Image] | None = None,
        query_uris: OneOrMany[URI] | None = None,
        ids: OneOrMany[ID] | None = None,
        n_results: int = 10,
        where: Where | None = None,
        where_document: WhereDocument | None = None,
    ) -> Json:
        """Run a query and describe how it was executed.

        This call is not available over HTTP. Chroma does not have this method.

        Parameters
        ----------
        query_embeddings
            As for ``query``.
        query_texts
            As for ``query``.
        query_images
            As for ``query``.
        query_uris
            As for ``query``.
        ids
            As for ``query``.
        n_results
            As for ``query``.
        where
            As for ``query``.
        where_document
            As for ``query``.

        Returns
        -------
        dict
            ``method``, ``index`` and ``reason`` say how the records were searched, and ``exact`` whether the
            result is exact. ``records`` is the number of records and ``allowed`` how many pass the filters.
            Entries that end in ``_ms`` are times in milliseconds.

        Raises
        ------
        NotImplementedError
            The client is connected to a server.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]])
        ...     birds.explain(query_embeddings=[[1, 0]])["exact"]
        True
        """
        query = await blocking.run(
            asking.query,
            self._context,
            query_embeddings,
            query_texts,
            query_images,
            query_uris,
            ids,
            n_results,
            where,
            where_document,
            ["distances"],
        )
        return await self._client._backend.handle(requests.Explain(query))
