"""A collection: its records, and the methods that write and read them.

Each method prepares a request (arguments checked, documents embedded), passes it to the backend and returns the
result.
"""

from __future__ import annotations

from typing import Any

from chroma_nb import _blocking as blocking
from chroma_nb.client._async.files import AsyncFiles
from chroma_nb.client._async.frames import AsyncFrames
from chroma_nb.client._async.overview import AsyncOverview
from chroma_nb.client._async.searches import AsyncSearches
from chroma_nb.embedding_functions.registry import register_embedding_function
from chroma_nb.operations import asking, prepare, requests
from chroma_nb.operations.embed import CallContext
from chroma_nb.query.conditions import Key
from chroma_nb.records import Edited, Edits, Records
from chroma_nb.results import DeleteResult, GetResult, IndexingStatus
from chroma_nb.tables.kinds import is_frame
from chroma_nb.types import (
    ID,
    URI,
    CollectionMetadata,
    Columns,
    Document,
    Embedding,
    Image,
    Include,
    Json,
    Matrix,
    Metadata,
    OneOrMany,
    PyEmbedding,
    ReadLevel,
    Where,
    WhereDocument,
)


class AsyncCollection(AsyncSearches, AsyncOverview, AsyncFrames, AsyncFiles):
    """A collection of records.

    A record has an id and an embedding (a vector), and may have a document (a text), metadata and a URI.
    You get a collection from a client, with ``create_collection``, ``get_collection`` or
    ``get_or_create_collection``. Several objects can refer to the same collection.

    Examples
    --------
    >>> import chroma_nb
    >>> client = chroma_nb.EphemeralClient()
    >>> birds = client.create_collection("birds")
    >>> documents = ["a wren", "a crow"]
    >>> birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], documents=documents)
    >>> birds.query(query_embeddings=[[0.9, 0.1]], n_results=1)["documents"]
    [['a wren']]
    >>> client.close()
    """

    # --- Writing ---

    async def add(
        self,
        ids: OneOrMany[ID],
        embeddings: OneOrMany[Embedding] | OneOrMany[PyEmbedding] | None = None,
        metadatas: OneOrMany[Metadata] | None = None,
        documents: OneOrMany[Document] | None = None,
        images: OneOrMany[Image] | None = None,
        uris: OneOrMany[URI] | None = None,
    ) -> None:
        """Add records.

        A record whose id exists already is not changed, and no error is raised. Use ``upsert`` to change it.
        If an error is raised, no record was added. (Over HTTP, records beyond the server's limit are sent in
        several requests, and the error says how many were written.)

        Parameters
        ----------
        ids
            The ids of the records, or one id. You can also pass a DataFrame, and no further argument. Its columns
            ``id``, ``document``, ``embedding`` and ``uri`` are used as such; every other column becomes metadata.
        embeddings
            A vector for each record. Without embeddings, the documents, the images or the data of the URIs
            are embedded. Pass exactly one of these three then.
        metadatas
            A dict for each record, or None. Values are texts, numbers, booleans, non-empty lists of one of
            these, or sparse vectors.
        documents
            A text for each record. If the schema creates sparse vectors from texts, they are added.
        images
            An image for each record, as an array. Only the embedding is stored.
        uris
            A URI for each record. To embed from URIs, the collection needs a data loader.

        Raises
        ------
        ValueError
            The arguments do not fit together, for example if there are more ids than embeddings.
        TypeError
            A metadata value is None.
        DuplicateIDError
            The same id is given twice.
        InvalidArgumentError
            The embeddings have another dimension than the collection, or a value cannot be stored.
        NotFoundError
            The collection was deleted.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     grams = [{"grams": 9}, {"grams": 500}]
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=grams)
        ...     birds.count()
        2
        """
        if type(ids) is not list and is_frame(ids):
            return await self._write_frame("add", ids, embeddings, metadatas, documents, images, uris)
        context = self._context
        request = await blocking.run(prepare.add, context, ids, embeddings, metadatas, documents, images, uris)
        if context.asked:
            await self._record_model(context)
        return await self._client._backend.handle(request)

    async def update(
        self,
        ids: OneOrMany[ID],
        embeddings: OneOrMany[Embedding] | OneOrMany[PyEmbedding] | None = None,
        metadatas: OneOrMany[Metadata] | None = None,
        documents: OneOrMany[Document] | None = None,
        images: OneOrMany[Image] | None = None,
        uris: OneOrMany[URI] | None = None,
    ) -> None:
        """Change existing records.

        Ids that do not exist are ignored, and no error is raised. Parts that you do not pass stay as they
        are. New documents or images without embeddings are embedded.

        Parameters
        ----------
        ids
            The ids of the records, or one id, or a DataFrame as for ``add``.
        embeddings
            The new vectors.
        metadatas
            New metadata. It is merged with the metadata of the record. A value of None deletes its key.
        documents
            The new documents.
        images
            Images to embed.
        uris
            The new URIs.

        Raises
        ------
        ValueError
            The arguments do not fit together.
        DuplicateIDError
            The same id is given twice.
        InvalidArgumentError
            The embeddings have another dimension than the collection, or a value cannot be stored.
        NotFoundError
            The collection was deleted.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add(ids="wren", embeddings=[1, 0], metadatas={"grams": 9, "song": True})
        ...     birds.update(ids="wren", metadatas={"grams": 10})
        ...     sorted(birds.get("wren")["metadatas"][0].items())
        [('grams', 10), ('song', True)]
        """
        if type(ids) is not list and is_frame(ids):
            return await self._write_frame("update", ids, embeddings, metadatas, documents, images, uris)
        context = self._context
        request = await blocking.run(prepare.update, context, ids, embeddings, metadatas, documents, images, uris)
        if context.asked:
            await self._record_model(context)
        return await self._client._backend.handle(request)

    async def upsert(
        self,
        ids: OneOrMany[ID],
        embeddings: OneOrMany[Embedding] | OneOrMany[PyEmbedding] | None = None,
        metadatas: OneOrMany[Metadata] | None = None,
        documents: OneOrMany[Document] | None = None,
        images: OneOrMany[Image] | None = None,
        uris: OneOrMany[URI] | None = None,
    ) -> None:
        """Add new records and update existing ones.

        Parameters
        ----------
        ids
            The ids of the records, or one id, or a DataFrame as for ``add``.
        embeddings
            A vector for each record. Without embeddings, the documents or the images are embedded. Pass
            exactly one of these two then.
        metadatas
            A dict for each record. It is merged with the metadata of an existing record. A value of None
            deletes its key.
        documents
            A text for each record.
        images
            Images to embed.
        uris
            A URI for each record.

        Raises
        ------
        ValueError
            The arguments do not fit together.
        DuplicateIDError
            The same id is given twice.
        InvalidArgumentError
            The embeddings have another dimension than the collection, or a value cannot be stored.
        NotFoundError
            The collection was deleted.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.upsert(ids="wren", embeddings=[1, 0], documents="a wren")
        ...     birds.upsert(ids=["wren", "crow"], embeddings=[[1, 1], [0, 1]])
        ...     birds.get()["documents"]
        ['a wren', None]
        """
        if type(ids) is not list and is_frame(ids):
            return await self._write_frame("upsert", ids, embeddings, metadatas, documents, images, uris)
        context = self._context
        request = await blocking.run(prepare.upsert, context, ids, embeddings, metadatas, documents, images, uris)
        if context.asked:
            await self._record_model(context)
        return await self._client._backend.handle(request)

    async def delete(
        self,
        ids: OneOrMany[ID] | None = None,
        where: Where | None = None,
        where_document: WhereDocument | None = None,
        limit: int | None = None,
    ) -> DeleteResult:
        """Delete records by id, by a filter, or both.

        Pass at least one of ``ids``, ``where`` and ``where_document``. Only records that satisfy all of them
        are deleted.

        Parameters
        ----------
        ids
            The ids of the records, or one id.
        where
            A filter on metadata.
        where_document
            A filter on documents.
        limit
            The most records to delete. Needs a filter.

        Returns
        -------
        DeleteResult
            ``{"deleted": n}``. With a filter, ``n`` is the number of deleted records. With ids alone it is
            the number of ids, even if some do not exist, as in Chroma.

        Raises
        ------
        ValueError
            None of the three is given, ``limit`` is given without a filter, or the filter is malformed.
        InvalidArgumentError
            The filter cannot be evaluated, for example because a regular expression is wrong.
        NotFoundError
            The collection was deleted.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     grams = [{"grams": 9}, {"grams": 500}]
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=grams)
        ...     birds.delete(where={"grams": {"$gt": 100}})
        {'deleted': 1}
        """
        request = await blocking.run(prepare.delete, self._context, ids, where, where_document, limit)
        return {"deleted": await self._client._backend.handle(request)}

    # --- Writing what is computed already: the tables of ``frames`` and the files of ``files`` ---

    @property
    def _edits_at_once(self) -> bool:
        """Whether many changes can be one transaction: not over HTTP."""
        return self._client._backend.edits_at_once

    def _checked(self, call: str, records: Records) -> Records:
        """The records, checked as the arguments of ``call`` before anything is embedded."""
        return prepare.checked(call, records)

    async def _vectors(self, input: list[object], call: str = "add") -> Matrix:
        """A vector for each document, from the embedding function that ``add`` would use."""
        context = self._context
        found = await blocking.run(prepare.vectors, context, input, call)
        if not self._edits_at_once:  # else the call that writes records it
            await self._record_model(context)
        return found

    async def _with_sparse_vectors(self, records: Records) -> Records:
        """The records with the sparse vectors that ``add`` would compute from their texts."""
        return await blocking.run(prepare.with_sparse_vectors, self._context, records)

    async def _edit(self, edits: Edits, *, embedded: bool) -> Edited:
        """Write everything in one transaction; ``embedded`` says whether our embedding function computed vectors."""
        if embedded:
            await self._record_embedding()
        return await self._client._backend.handle(requests.Edit(self._model.id, edits))

    async def _begin_staging(self) -> Any:
        """Begin to store more records than memory should hold; None for a database in memory."""
        return await self._client._backend.handle(requests.BeginStaging(self.id))

    async def _stage(self, session: object, records: Records) -> None:
        """Write some records that readers do not see yet."""
        return await self._client._backend.handle(requests.Stage(session, records))

    async def _publish(self, session: object, edits: Edits, *, update: bool, embedded: bool) -> Edited:
        """Make the staged records visible, and write ``edits`` with them."""
        if embedded:
            await self._record_embedding()
        return await self._client._backend.handle(requests.Publish(session, edits, update))

    async def _abandon_staging(self, session: object) -> None:
        """Remove the staged records."""
        return await self._client._backend.handle(requests.AbandonStaging(session))

    async def _record_embedding(self) -> None:
        context = self._context
        context.function()
        await self._record_model(context)

    # --- Reading ---

    async def count(
        self,
        read_level: ReadLevel = ReadLevel.INDEX_AND_WAL,
        *,
        where: Where | None = None,
        where_document: WhereDocument | None = None,
    ) -> int:
        """Count the records of this collection.

        Parameters
        ----------
        read_level
            Only distributed servers use this.
        where
            Count only records whose metadata match this filter. Not in Chroma.
        where_document
            Count only records whose document matches this filter. Not in Chroma.

        Returns
        -------
        int
            The number of records.

        Raises
        ------
        ValueError
            The filter is malformed.
        InvalidArgumentError
            The filter cannot be evaluated, for example because a regular expression is wrong.
        NotFoundError
            The collection was deleted.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     grams = [{"grams": 9}, {"grams": 500}]
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=grams)
        ...     birds.count(), birds.count(where={"grams": {"$lt": 100}})
        (2, 1)
        """
        if where is None and where_document is None:
            return await self._client._backend.handle(requests.Count(*self._place, read_level=read_level))
        request = await blocking.run(asking.count, self._context, where, where_document, read_level)
        return await self._client._backend.handle(request)

    async def get(
        self,
        ids: OneOrMany[ID] | None = None,
        where: Where | None = None,
        limit: int | None = None,
        offset: int | None = None,
        where_document: WhereDocument | None = None,
        include: Include = ["metadatas", "documents"],  # noqa: B006  # Chroma's default; it is never changed
        *,
        order_by: Key | str | None = None,
        descending: bool = False,
    ) -> GetResult:
        """Return records by id, by a filter, or all of them.

        Records are returned in the order in which they were added. Ids that do not exist are left out.

        Parameters
        ----------
        ids
            The ids of the records, or one id. None means all records.
        where
            A filter on metadata.
        limit
            The most records to return. None means all.
        offset
            How many matching records to skip.
        where_document
            A filter on documents.
        include
            The parts to return, from ``"embeddings"``, ``"metadatas"``, ``"documents"``, ``"uris"`` and
            ``"data"``. Ids are always returned. ``"data"`` needs a data loader.
        order_by
            A metadata key, ``"#id"`` or ``"#document"`` to sort by, before ``limit`` and ``offset`` are
            applied. Numbers come first, then texts, then booleans. Records without a value, or with a list,
            come last. Not in Chroma.
        descending
            Reverse the order of the values. Records without a value still come last. Needs ``order_by``.

        Returns
        -------
        GetResult
            A dict with a list for each part, one entry for each record. Parts that are not included are
            None. ``embeddings`` is an array of shape (records, dimension).

        Raises
        ------
        ValueError
            An argument is not valid, or the filter is malformed.
        InvalidArgumentError
            The filter cannot be evaluated, for example because a regular expression is wrong.
        OverflowError
            ``limit`` or ``offset`` is negative.
        NotFoundError
            The collection was deleted.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     grams = [{"grams": 9}, {"grams": 500}]
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=grams)
        ...     birds.get(where={"grams": {"$lt": 100}}, include=["embeddings"])["embeddings"]
        ...     birds.get(order_by="grams", descending=True)["ids"]
        array([[1., 0.]])
        ['crow', 'wren']
        """
        context = self._context
        request = await blocking.run(
            asking.get, context, ids, where, limit, offset, where_document, include, order_by, descending
        )
        result = await self._client._backend.handle(request)
        result.where_document = where_document
        return await blocking.run(self._with_data, result, include) if "data" in include else result

    async def _get_as_stored(self, include: Include, **arguments: object) -> Columns:
        """The result of ``get``, as columns for a table; ``include`` does not contain "data"."""
        request = await blocking.run(asking.get, self._context, include=include, **arguments)
        return await self._client._backend.handle(requests.GetAsStored(request))

    async def peek(self, limit: int = 10) -> GetResult:
        """Return the first records, with metadata, documents and embeddings.

        Parameters
        ----------
        limit
            The most records to return.

        Returns
        -------
        GetResult
            The records.

        Raises
        ------
        NotFoundError
            The collection was deleted.
        """
        return await self.get(limit=limit, include=["metadatas", "documents", "embeddings"])

    # --- The collection itself ---

    async def _record_model(self, context: CallContext) -> None:
        """Store with the collection, once, which variant of its model embeds its texts."""
        variant = context.variant()
        if variant is not None and self._model.embedding_model is None:
            try:
                self._recorded(await self._client._backend.handle(requests.RecordEmbeddingModel(self.id, variant)))
            except NotImplementedError:  # a server does not store it; this handle does
                self._recorded(variant)

    async def modify(
        self,
        name: str | None = None,
        metadata: CollectionMetadata | None = None,
        configuration: object = None,
    ) -> None:
        """Rename the collection, replace its metadata, or change its configuration.

        Parameters
        ----------
        name
            The new name.
        metadata
            The new metadata. It replaces all old metadata of the collection. Keys with the value None are
            not stored.
        configuration
            Changes of the configuration, for example ``{"hnsw": {"ef_search": 200}}``. You cannot change
            ``space`` and ``ef_construction``. A new ``max_neighbors`` is accepted but has no effect.

        Raises
        ------
        ValueError
            The metadata is not valid, or the embedding function would be replaced by another kind.
        InvalidArgumentError
            The name is not allowed (the error is also a ``ValueError``), or the configuration changes
            something that cannot be changed.
        UniqueConstraintError
            The name is taken. The error is also an ``InternalError`` and a ``ValueError``.
        NotFoundError
            The collection was deleted.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.modify(name="small-birds", metadata={"year": 2024})
        ...     birds.name, birds.metadata
        ('small-birds', {'year': 2024})
        """
        request = prepare.modify(self._context, name, metadata, configuration, register_embedding_function)
        await self._client._backend.handle(request)
        self._modified(request)

    # --- What Chroma has in its cloud only ---

    async def fork(self, new_name: str) -> AsyncCollection:
        """Copy the collection under another name, in the same database.

        The fork has the records, metadata, configuration, schema and embedding function of this moment.
        Later changes of one collection do not affect the other. Chroma offers this in its cloud only.

        Parameters
        ----------
        new_name
            The name of the fork.

        Returns
        -------
        Collection
            The fork.

        Raises
        ------
        UniqueConstraintError
            The name is taken. The error is also an ``InternalError`` and a ``ValueError``.
        InvalidArgumentError
            The name is not allowed. The error is also a ``ValueError``.
        NotFoundError
            The collection was deleted.

        Examples
        --------
        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]])
        ...     trial = birds.fork("birds-trial")
        ...     trial.delete(ids=["crow"])
        ...     birds.count(), trial.count()
        {'deleted': 1}
        (2, 1)
        """
        model = await self._client._backend.handle(requests.Fork(*self._place, new_name=new_name))
        return AsyncCollection(self._client, model, self._embedding_function, self._data_loader)

    async def fork_count(self) -> int:
        """Count how often this collection was forked.

        The number includes forks of forks, and deleted ones. It is the same for the original and all its
        forks.

        Returns
        -------
        int
            The number of forks.
        """
        return await self._client._backend.handle(requests.ForkCount(*self._place))

    async def get_indexing_status(self) -> IndexingStatus:
        """Return how many changes of records are indexed for search.

        Here every change is indexed when the call that made it returns. On a distributed server the index
        may lag behind.

        Returns
        -------
        IndexingStatus
            The numbers of changes.

        Raises
        ------
        NotFoundError
            The collection was deleted.
        """
        return await self._client._backend.handle(requests.GetIndexingStatus(*self._place))

    async def attach_function(
        self, function: str, name: str, output_collection: str, params: Json | None = None
    ) -> Any:
        """Let Chroma Cloud run a function over the records.

        Parameters
        ----------
        function
            The id of the function.
        name
            A name for this use of the function.
        output_collection
            The name of the collection that gets the results.
        params
            Arguments of the function.

        Returns
        -------
        Any
            What the server returns.

        Raises
        ------
        NotImplementedError
            The client is not connected to a server that offers this.
        """
        request = requests.AttachFunction(
            *self._place,
            function_id=str(getattr(function, "value", function)),
            name=name,
            output_collection=output_collection,
            params=params,
        )
        return await self._client._backend.handle(request)

    async def get_attached_function(self, name: str) -> Any:
        """Return the description of an attached function.

        Parameters
        ----------
        name
            The name that was given to ``attach_function``.

        Returns
        -------
        Any
            What the server returns.

        Raises
        ------
        NotImplementedError
            The client is not connected to a server that offers this.
        """
        return await self._client._backend.handle(requests.GetAttachedFunction(*self._place, name=name))

    async def detach_function(self, name: str, delete_output_collection: bool = False) -> bool:
        """Detach a function.

        Parameters
        ----------
        name
            The name that was given to ``attach_function``.
        delete_output_collection
            Delete the collection with its results, too.

        Returns
        -------
        bool
            True if the function was detached.

        Raises
        ------
        NotImplementedError
            The client is not connected to a server that offers this.
        """
        request = requests.DetachFunction(*self._place, name=name, delete_output_collection=delete_output_collection)
        return await self._client._backend.handle(request)
