"""A collection: records and the questions one may ask them.

Each method prepares a request (arguments checked, documents embedded), passes it to the backend and returns the result.
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
    """Records — an id, and any of embedding, document, metadata, uri — and the questions one may ask them.

    >>> import chroma_nb
    >>> client = chroma_nb.EphemeralClient()
    >>> birds = client.create_collection("birds")
    >>> birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], documents=["a wren", "a crow"])
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
        """Add records; ids that are there already stay as they are, silently.

        Everything given has as many entries as ``ids``. Without ``embeddings`` the documents (or images, or what
        the uris point to) are embedded. Texts get the sparse vectors that the schema names (``source_key``). All or
        nothing: after an error nothing was added.

        Raises ValueError for arguments that do not fit one another, DuplicateIDError for an id given twice,
        InvalidArgumentError for what cannot be stored and for embeddings of another dimension than the
        collection's, NotFoundError when the collection was deleted.

        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=[{"g": 9}, {"g": 500}])
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
        """Change records; ids that are not there are passed over, silently.

        What is not given stays. Metadata is merged, and a value of None deletes its key. Documents given without
        embeddings are embedded again. Raises as ``add``.

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
        """Add the records that are not there, update those that are. Raises as ``add``.

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
        """Delete the records with these ids that pass the filters; at least one of the three is needed.

        ``limit`` goes with a filter and deletes the first that many. ``{"deleted": n}`` counts the ids asked for,
        or with a filter the records deleted. Raises ValueError for arguments that do not fit,
        InvalidArgumentError for a filter that means nothing.

        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=[{"g": 9}, {"g": 500}])
        ...     birds.delete(where={"g": {"$gt": 100}})
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
        """A vector for each document, by the embedding function that ``add`` would take."""
        context = self._context
        found = await blocking.run(prepare.vectors, context, input, call)
        if not self._edits_at_once:  # else it is noted by the call that writes
            await self._record_model(context)
        return found

    async def _with_sparse_vectors(self, records: Records) -> Records:
        """The records with the sparse vectors that ``add`` would make of their texts."""
        return await blocking.run(prepare.with_sparse_vectors, self._context, records)

    async def _edit(self, edits: Edits, *, embedded: bool) -> Edited:
        """Write all of it in one transaction; ``embedded`` says whether our embedding function made vectors."""
        if embedded:
            await self._record_embedding()
        return await self._client._backend.handle(requests.Edit(self._model.id, edits))

    async def _begin_staging(self) -> Any:
        """What begins to take in more records than memory should hold; None where it would be in memory anyway."""
        return await self._client._backend.handle(requests.BeginStaging(self.id))

    async def _stage(self, session: object, records: Records) -> None:
        """Write some records that no reader counts yet."""
        return await self._client._backend.handle(requests.Stage(session, records))

    async def _publish(self, session: object, edits: Edits, *, update: bool, embedded: bool) -> Edited:
        """Let them count, and write ``edits`` with them."""
        if embedded:
            await self._record_embedding()
        return await self._client._backend.handle(requests.Publish(session, edits, update))

    async def _abandon_staging(self, session: object) -> None:
        """Remove them."""
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
        """How many records there are, or how many pass the filters, which is ours and not Chroma's.

        ``read_level`` matters to a distributed server only. Raises ValueError or InvalidArgumentError for a filter
        that means nothing, NotFoundError when the collection was deleted.

        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=[{"g": 9}, {"g": 500}])
        ...     birds.count(), birds.count(where={"g": {"$lt": 100}})
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
        """The records with these ids that pass the filters, all of them by default, in the order they were added.

        A dict of lists, one entry per record; what ``include`` does not name (of "embeddings", "metadatas",
        "documents", "uris", "data") is None. ``embeddings`` is an array of shape (records, dimension). Ids that are
        not there are left out. ``limit`` and ``offset`` count what passed the filters.

        Beyond Chroma's: ``order_by`` names a metadata key, "#id" or "#document", by which the records are ordered
        before ``limit`` and ``offset`` count: numbers, then texts, then booleans, with ``descending`` the other way
        round. Records without such a value come last both ways, equal ones in the order they were added.

        Raises ValueError for arguments that do not fit, InvalidArgumentError for a filter that means nothing,
        NotFoundError when the collection was deleted.

        >>> import chroma_nb
        >>> with chroma_nb.EphemeralClient() as client:
        ...     birds = client.create_collection("birds")
        ...     birds.add(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]], metadatas=[{"g": 9}, {"g": 500}])
        ...     birds.get(where={"g": {"$lt": 100}}, include=["embeddings"])["embeddings"]
        array([[1., 0.]])
        """
        context = self._context
        request = await blocking.run(
            asking.get, context, ids, where, limit, offset, where_document, include, order_by, descending
        )
        result = await self._client._backend.handle(request)
        result.where_document = where_document
        return await blocking.run(self._with_data, result, include) if "data" in include else result

    async def _get_as_stored(self, include: Include, **arguments: object) -> Columns:
        """What ``get`` returns for these arguments, as columns for a table; "data" is not among what it includes."""
        request = await blocking.run(asking.get, self._context, include=include, **arguments)
        return await self._client._backend.handle(requests.GetAsStored(request))

    async def peek(self, limit: int = 10) -> GetResult:
        """The first ``limit`` records, with metadatas, documents and embeddings."""
        return await self.get(limit=limit, include=["metadatas", "documents", "embeddings"])

    # --- The collection itself ---

    async def _record_model(self, context: CallContext) -> None:
        """Note with the collection, the first time, which variant of its model embeds for it."""
        variant = context.variant()
        if variant is not None and self._model.embedding_model is None:
            try:
                self._recorded(await self._client._backend.handle(requests.RecordEmbeddingModel(self.id, variant)))
            except NotImplementedError:  # a server keeps no such note; this handle does
                self._recorded(variant)

    async def modify(
        self,
        name: str | None = None,
        metadata: CollectionMetadata | None = None,
        configuration: object = None,
    ) -> None:
        """Rename the collection, replace its metadata, or change its configuration.

        ``metadata`` replaces all of it; a key whose value is None is left out. The space cannot be changed, nor
        what a graph was built with. Raises ValueError or InvalidArgumentError for what is not allowed,
        NotFoundError when the collection was deleted, InternalError (also a ValueError) when the name is taken.

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
        """A copy of the collection under another name, in the same database; each changes by itself from then on.

        Records, metadata, configuration, schema and embedding function are those of this collection at one moment. As
        any call, it is done whole or not at all.

        Raises InternalError (also a ValueError) when the name is taken, InvalidArgumentError for a name that Chroma
        does not allow, NotFoundError when this collection was deleted; on a server without forks its own refusal.

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
        """How many forks were made of the collection that this one comes from, and of those, deleted ones too.

        A fork and what it was made of have the same number.
        """
        return await self._client._backend.handle(requests.ForkCount(*self._place))

    async def get_indexing_status(self) -> IndexingStatus:
        """How many additions, changes and deletions of records there were, and how many of them a search knows.

        Here that is all of them, as soon as the call has returned; on a distributed server the index may be behind.
        """
        return await self._client._backend.handle(requests.GetIndexingStatus(*self._place))

    async def attach_function(
        self, function: str, name: str, output_collection: str, params: Json | None = None
    ) -> Any:
        """Let a server run a function over the records. Not in this process: NotImplementedError."""
        request = requests.AttachFunction(
            *self._place,
            function_id=str(getattr(function, "value", function)),
            name=name,
            output_collection=output_collection,
            params=params,
        )
        return await self._client._backend.handle(request)

    async def get_attached_function(self, name: str) -> Any:
        """What is known of a function attached. Not in this process: NotImplementedError."""
        return await self._client._backend.handle(requests.GetAttachedFunction(*self._place, name=name))

    async def detach_function(self, name: str, delete_output_collection: bool = False) -> bool:
        """Detach a function. Not in this process: NotImplementedError."""
        request = requests.DetachFunction(*self._place, name=name, delete_output_collection=delete_output_collection)
        return await self._client._backend.handle(request)
