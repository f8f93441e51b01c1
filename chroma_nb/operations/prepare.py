"""Turn the arguments of a call that writes into its request: check them, embed records without a vector.

``asking.py`` does the same for calls that read.

No I/O of its own: this module only runs the user's embedding function or data loader, when vectors are missing.
Messages about wrong arguments end with the name of the call, as Chroma's do. Errors of an embedding function are left
as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from chroma_nb.by_label import beside_ids
from chroma_nb.constraints import check_records, check_uris, collection_metadata
from chroma_nb.operations import embed, requests
from chroma_nb.operations.arguments import (
    CHECKS,
    EMBEDDABLE,
    UNLABELLED,
    embeddable_fields,
    embedded_field,
    given_vectors,
    ids_of,
    in_call,
    made_vectors,
    place,
    texts_of,
)
from chroma_nb.operations.embed import CallContext
from chroma_nb.operations.filters import check_sendable, checked_filter
from chroma_nb.operations.validate import (
    as_column,
    normal_and_valid_metadatas,
    normalize_metadata,
    validate_base_record_set,
    validate_documents,
    validate_ids,
    validate_lengths,
    validate_metadata,
    validate_metadatas_of,
    validate_record_set_for_embedding,
)
from chroma_nb.plain import plain
from chroma_nb.records import Records
from chroma_nb.schema import (
    Schema,
    as_configuration,
    create_collection_configuration_to_json,
    update_collection_configuration_to_json,
    warn_of_unknown_keys,
)
from chroma_nb.types import CollectionMetadata, CollectionModel, Json, Matrix, Options


# --- Records -------------------------------------------------------------------------------------------------
def add(
    context: CallContext,
    ids: object,
    embeddings: object = None,
    metadatas: object = None,
    documents: object = None,
    images: object = None,
    uris: object = None,
) -> requests.Add:
    """The request of ``collection.add``: every record gets a vector, given or embedded."""
    records = _records(context, "add", EMBEDDABLE, ids, embeddings, metadatas, documents, images, uris)
    return requests.Add(*place(context), records)


def update(
    context: CallContext,
    ids: object,
    embeddings: object = None,
    metadatas: object = None,
    documents: object = None,
    images: object = None,
    uris: object = None,
) -> requests.Update:
    """The request of ``collection.update``: new documents or images are embedded, other changes need no vector."""
    records = _records(context, "update", EMBEDDABLE[:2], ids, embeddings, metadatas, documents, images, uris)
    return requests.Update(*place(context), records)


def upsert(
    context: CallContext,
    ids: object,
    embeddings: object = None,
    metadatas: object = None,
    documents: object = None,
    images: object = None,
    uris: object = None,
) -> requests.Upsert:
    """The request of ``collection.upsert``: every record gets a vector, given or embedded."""
    records = _records(context, "upsert", EMBEDDABLE[:2], ids, embeddings, metadatas, documents, images, uris)
    return requests.Upsert(*place(context), records)


def delete(
    context: CallContext, ids: object = None, where: object = None, where_document: object = None, limit: Any = None
) -> requests.Delete:
    """The request of ``collection.delete``."""
    filtered = where is not None or where_document is not None
    try:
        if ids is None and not filtered:
            raise ValueError("At least one of ids, where, or where_document must be provided")
        limit = plain(limit)
        _check_delete_limit(limit, filtered=filtered)
        ids = ids_of(ids)
        asked = checked_filter(where, where_document) if filtered else None
    except CHECKS as error:
        raise in_call(error, "delete") from error.__cause__
    if asked is not None and asked.known is None:
        check_sendable(asked)
    return requests.Delete(*place(context), ids=ids, filter=asked, limit=limit)


def checked(call: str, records: Records) -> Records:
    """The records of a table or a file, checked as the arguments of ``call``; vectors may be missing."""
    documents = _list(records.documents)
    try:
        metadatas, valid = normal_and_valid_metadatas(_list(records.metadatas))
        validate_lengths({"ids": records.ids, "documents": documents, "metadatas": metadatas, "uris": records.uris})
        validate_ids(records.ids)
        if documents is not None:
            validate_documents(documents, nullable=True)
        if metadatas is not None and not valid:
            validate_metadatas_of(records.ids, metadatas)
    except CHECKS as error:
        raise in_call(error, call) from error.__cause__
    return check_records(replace(records, documents=documents, metadatas=metadatas), updating=call != "add")


def _list(values: Sequence[Any] | None) -> Any:
    return values if values is None or isinstance(values, list) else list(values)


def with_sparse_vectors(context: CallContext, records: Records) -> Records:
    """The records with the sparse vectors that the schema says to compute from their texts."""
    functions = context.sparse()
    if not functions.sources:
        return records
    return replace(records, metadatas=functions.filled(records.metadatas, records.documents))


def vectors(context: CallContext, values: list[object], call: str, is_query: bool = False) -> Matrix:
    """A vector for each of the values, documents or queries, by the collection's embedding function."""
    try:
        function = context.function()
    except CHECKS as error:
        raise in_call(error, call) from error.__cause__
    return embed.run(function, values, is_query=is_query)


def _checked_fields(ids: object, **given: object) -> Options:
    """The fields as lists, vectors as rows, in the order in which Chroma names them."""
    for name, values in given.items():
        if type(values) not in UNLABELLED:
            given[name] = beside_ids(ids, values, name)
    metadatas = given.pop("metadatas")
    metadatas, valid = normal_and_valid_metadatas(metadatas if type(metadatas) in UNLABELLED else as_column(metadatas))
    fields = {"ids": texts_of(ids), "metadatas": metadatas, **embeddable_fields(**given)}
    validate_base_record_set(fields)
    validate_ids(fields["ids"])
    if not valid:
        validate_metadatas_of(fields["ids"], fields["metadatas"])
    return fields


def _records(
    context: CallContext,
    call: str,
    embeddable: Sequence[str],
    ids: object,
    embeddings: object,
    metadatas: object,
    documents: object,
    images: object,
    uris: object,
) -> Records:
    """The records that a call writes: arguments checked, and vectors computed if they are needed."""
    function = name = None
    try:
        fields = _checked_fields(
            ids, metadatas=metadatas, embeddings=embeddings, documents=documents, images=images, uris=uris
        )
        rows = fields["embeddings"]
        if rows is None and (call != "update" or fields["documents"] is not None or fields["images"] is not None):
            validate_record_set_for_embedding(fields, embeddable)
            name, function = embedded_field(context, fields, embeddable)
    except CHECKS as error:
        raise in_call(error, call) from error.__cause__
    if fields["uris"] is not None:
        check_uris(fields["uris"])  # errors about them name no call, as in Chroma
    vectors = None
    if rows is not None:
        vectors = given_vectors(rows, call)
    elif name is not None:
        vectors = made_vectors(context, function, fields, name, is_query=False)
    records = Records(fields["ids"], vectors, fields["documents"], fields["metadatas"], fields["uris"])
    return with_sparse_vectors(context, records)


def _check_delete_limit(limit: object, *, filtered: bool) -> None:
    if limit is None:
        return
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise TypeError("limit must be a non-negative integer")
    if limit < 0:
        raise ValueError("limit must be a non-negative integer")
    if not filtered:
        raise ValueError("limit can only be specified when a where or where_document clause is provided")


# --- Collections ---------------------------------------------------------------------------------------------
def create_collection(
    name: Any,
    tenant: str,
    database: str,
    schema: Schema | None = None,
    configuration: object = None,
    metadata: CollectionMetadata | None = None,
    embedding_function: object = None,
    get_or_create: bool = False,
    register: Callable[[type], object] | None = None,
) -> requests.CreateCollection:
    """The request of ``client.create_collection`` and ``get_or_create_collection``.

    ``register`` is called with the class of an embedding function that the collection can store.
    Raises ValueError when the arguments name two embedding functions, or both hnsw and spann.
    """
    metadata = collection_metadata(metadata)
    written = as_configuration(configuration)
    warn_of_unknown_keys(written)
    embed.validate_embedding_function_conflict_on_create(embedding_function, written.get("embedding_function"))
    if embedding_function is not None and written.get("embedding_function") is None:
        written["embedding_function"] = embedding_function
    return requests.CreateCollection(
        name=name,
        tenant=tenant,
        database=database,
        metadata=metadata,
        configuration=(
            create_collection_configuration_to_json(written, metadata, register=register) if written else None
        ),
        schema=_schema_json(schema),
        get_or_create=get_or_create,
    )


def _schema_json(schema: object) -> Json | None:
    if schema is None:
        return None
    if not isinstance(schema, Schema):
        raise ValueError(f"Expected schema to be a Schema, got {type(schema).__name__}")
    return schema.serialize_to_json()


def check_embedding_function(model: CollectionModel, embedding_function: object) -> None:
    """ValueError when the function is not the one that the collection stored."""
    embed.validate_embedding_function_conflict_on_get(
        embedding_function, model.configuration_json.get("embedding_function")
    )


def modify(
    context: CallContext,
    name: Any = None,
    metadata: Any = None,
    configuration: object = None,
    register: Callable[[type], Any] | None = None,
) -> requests.ModifyCollection:
    """The request of ``collection.modify``.

    Raises ValueError for metadata that is not valid, for a change of the space, and for a change of the
    embedding function to another kind.
    """
    if metadata is not None:
        try:
            validate_metadata(metadata)
        except CHECKS as error:
            raise in_call(error, "") from error.__cause__
        metadata = normalize_metadata(metadata)
        if "hnsw:space" in metadata:
            raise ValueError(
                "Changing the distance function of a collection once it is created is not supported currently."
            )
    stored = context.model.configuration_json
    written = as_configuration(configuration)
    warn_of_unknown_keys(written)
    if written.get("spann") is not None and written.get("hnsw") is None and stored.get("hnsw") is not None:
        raise ValueError("Trying to update SPANN config but schema has HNSW")
    embed.validate_embedding_function_update(written.get("embedding_function"), stored.get("embedding_function"))
    change = update_collection_configuration_to_json(written, register=register)
    return requests.ModifyCollection(
        *place(context), new_name=name, new_metadata=metadata, new_configuration=change or None
    )
