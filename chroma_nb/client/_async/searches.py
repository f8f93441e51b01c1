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
    """The side of a collection that searches it."""

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
        """The nearest records to each query, nearest first, among those with these ids that pass the filters.

        Queries are vectors, or texts, images or uris to be embedded; one kind of them. A dict of lists with one
        list per query: ``result["ids"][0]`` are the ids nearest to the first. Fewer than ``n_results`` where there
        are fewer. Distances are squared for the space "l2", 1 - cosine, or 1 - inner product.

        Beyond Chroma's: ``max_distance`` leaves out what is farther, of every query. ``like`` and ``unlike`` name
        records in place of a query: the neighbours of the mean vector of ``like``, with ``unlike`` of that mean moved
        away from theirs by as much as lies between the two. The records named are not among them. ``unlike`` alone
        asks for the opposite of its mean, by angle or inner product only.

        Raises ValueError for arguments that do not fit, TypeError for ``n_results`` below 1, InvalidArgumentError
        for vectors of another dimension than the collection's and for a filter that means nothing, NotFoundError
        when the collection was deleted.

        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=[{"g": 9}, {"g": 500}])
        ...     found = birds.query(query_embeddings=[[1, 0], [0, 2]], n_results=1, where={"g": {"$gt": 0}})
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
        """The records found by the meaning of a text and by its words, best first, among those that pass the filters.

        Two lists, of the nearest vectors (as ``query``) and of the documents that hold the text's words (BM25), become
        one by reciprocal rank: a record that is high in either is high, one that is high in both is higher. Any
        collection can be searched so, whatever its schema: words are read from its documents by the first call.

        The result is as of ``query``, one list per text, and says how each record was found: ``scores``,
        ``meaning_ranks``, ``word_ranks`` (from 1; None where a list does not hold it) and ``words``, the text's words
        that stand in its document. ``by`` uses one list alone: "meaning" or "words". ``query_embeddings`` are the
        vectors of the texts, for collections whose vectors are not made here. Raises as ``query``.

        A server of Chroma's has no search by words (NotImplementedError). ``fetch=True`` reads the documents from it,
        once, and searches their words here; it reads them again when the number of records has changed.

        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], documents=["a tiny wren", "a black crow"])
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
        """Run one or several ``Search`` expressions: filter, ranking, groups, page, selection.

        The result is a dict with one list per search for each field, None where the search did not select it, with
        ``rows()`` and ``to_df()``. A text in a ``Knn`` is embedded by the collection's function, under a key of sparse
        vectors by that key's. ``read_level`` matters to a distributed server only.

        Raises ValueError for a text that nothing can embed and for what is no search, InvalidArgumentError for a
        sparse ``Knn`` on a key without an index of sparse vectors and for a vector of another dimension than the
        collection's, NotFoundError when the collection was deleted; on a server that has no search its own refusal.

        >>> import chroma_nb
        >>> from chroma_nb import K, Knn, Search
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=[{"g": 9}, {"g": 500}])
        ...     birds.search(Search().where(K("g") > 5).rank(Knn([1, 0])).select("g", K.SCORE).limit(1)).rows()
        [[{'id': 'wren', 'metadata': {'g': 9}, 'score': 0.0}]]
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
        """How ``query`` with these arguments is executed: the plan, how many candidates, whether exact, how long.

        For an embedded client; a server has no words for it (NotImplementedError).
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
