"""From the arguments of a call to its request: checked, embedded, in one form.

No I/O of its own: the only thing run here is the user's embedding function or data loader, when
vectors are missing. What this module and ``validate.py`` say of wrong arguments ends with the name
of the call, as Chroma's does; errors of an embedding function are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from chroma_nb.advice import advised, notes_of
from chroma_nb.by_label import beside_ids
from chroma_nb.collection import space
from chroma_nb.constraints import check_records, check_unicode, check_uris, collection_metadata
from chroma_nb.embeddings import embedding_matrix, embedding_rows, validate_embeddings
from chroma_nb.errors import ChromaError, DuplicateIDError, InvalidArgumentError
from chroma_nb.operations import embed, requests
from chroma_nb.operations.embed import CallContext
from chroma_nb.operations.filters import check_sendable, checked_filter
from chroma_nb.operations.searches import as_json, embedded_rank, known_read_level, written_search
from chroma_nb.operations.validate import (
    as_column,
    normal_and_valid_metadatas,
    normalize_metadata,
    validate_base_record_set,
    validate_documents,
    validate_ids,
    validate_include,
    validate_key,
    validate_lengths,
    validate_max_distance,
    validate_metadata,
    validate_metadatas_of,
    validate_n_results,
    validate_natural,
    validate_order,
    validate_record_set_for_embedding,
    validate_seed,
)
from chroma_nb.plain import PLAIN, maybe_cast_one_to_many, plain, plain_list, plain_tree, shown
from chroma_nb.query.parsing import Filter
from chroma_nb.records import Records
from chroma_nb.schema import (
    Schema,
    as_configuration,
    create_collection_configuration_to_json,
    update_collection_configuration_to_json,
)
from chroma_nb.types import SIDES, Array, CollectionMetadata, CollectionModel, Fields, Json, Matrix, Options, ReadLevel

#: What is embedded, in the order in which Chroma names it.
_EMBEDDABLE: Final = ("images", "documents", "uris")
#: What is returned when ``include`` is not given.
_GET_FIELDS: Final = ("metadatas", "documents")
_QUERY_FIELDS: Final = ("metadatas", "documents", "distances")
_NO_LOADER: Final = "You must set a data loader on the collection if loading from URIs."


#: What checks raise. A subclass of one of the first four is raised as that one.
_RENAMED: Final = (OverflowError, ValueError, TypeError, AttributeError)
_CHECKS: Final = (*_RENAMED, ChromaError)


def _named(error: Exception, call: str) -> Exception:
    """What a check of arguments raised, as Chroma says it: ending with the name of the call, below it what to do.

    ``call`` "": a call that Chroma does not name.
    """
    notes = notes_of(error)
    if isinstance(error, InvalidArgumentError):  # the engine's words, which name no call
        return type(error)(f"{error}{notes}") if notes else error
    ending = f" in {call}.{notes}" if call else notes
    if isinstance(error, DuplicateIDError):
        return DuplicateIDError(f"{error}{ending}")
    kind = next((known for known in _RENAMED if isinstance(error, known)), None)
    return error if kind is None else kind(f"{error}{ending}")


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
    records = _records(context, "add", _EMBEDDABLE, ids, embeddings, metadatas, documents, images, uris)
    return requests.Add(*_place(context), records)


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
    records = _records(context, "update", _EMBEDDABLE[:2], ids, embeddings, metadatas, documents, images, uris)
    return requests.Update(*_place(context), records)


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
    records = _records(context, "upsert", _EMBEDDABLE[:2], ids, embeddings, metadatas, documents, images, uris)
    return requests.Upsert(*_place(context), records)


def delete(
    context: CallContext, ids: Any = None, where: object = None, where_document: Any = None, limit: Any = None
) -> requests.Delete:
    """The request of ``collection.delete``."""
    filtered = where is not None or where_document is not None
    try:
        if ids is None and not filtered:
            raise ValueError("At least one of ids, where, or where_document must be provided")
        limit = plain(limit)
        _check_delete_limit(limit, filtered=filtered)
        ids = _ids(ids)
        asked = checked_filter(where, where_document) if filtered else None
    except _CHECKS as error:
        raise _named(error, "delete") from error.__cause__
    if asked is not None and asked.known is None:
        check_sendable(asked)
    return requests.Delete(*_place(context), ids=ids, filter=asked, limit=limit)


def get(
    context: CallContext,
    ids: Any = None,
    where: Any = None,
    limit: Any = None,
    offset: Any = None,
    where_document: Any = None,
    include: Any = _GET_FIELDS,
    order_by: Any = None,
    descending: Any = False,
) -> requests.Get:
    """The request of ``collection.get``; "data" in ``include`` appends "uris" to it, as in Chroma."""
    asked = order = None
    try:
        ids = _ids(ids)
        if where is not None or where_document is not None:
            asked = checked_filter(where, where_document)
        fields = _asked_fields(context, include, getting=True)
        if order_by is not None:
            order = validate_order(order_by, descending)
        elif descending is not False:
            raise ValueError("Expected order_by with descending: say by which key records are ordered")
    except _CHECKS as error:
        raise _named(error, "get") from error.__cause__
    if asked is not None and asked.known is None:
        check_sendable(asked)
    if limit is not None or offset is not None:
        limit, offset = plain(limit), plain(offset)
    return requests.Get(
        *_place(context), ids=ids, filter=asked, limit=limit, offset=offset, include=fields, order=order
    )


def count(context: CallContext, where: object, where_document: object, read_level: ReadLevel) -> requests.CountMatching:
    """The request of ``collection.count`` with a filter."""
    try:
        asked = _filter(where, where_document)
    except _CHECKS as error:
        raise _named(error, "count") from error.__cause__
    return requests.CountMatching(*_place(context), filter=asked, read_level=read_level)


def facets(
    context: CallContext, keys: Any, where: object = None, where_document: object = None, limit: Any = 20
) -> requests.Facets:
    """The request of ``collection.facets``, of one key or several."""
    try:
        named = list(map(validate_key, keys if isinstance(keys, list) else [keys]))
        if not named:
            raise ValueError("Expected at least one metadata key, got an empty list")
        asked, most = _filter(where, where_document), validate_natural(limit, "limit")
    except _CHECKS as error:
        raise _named(error, "facets") from error.__cause__
    return requests.Facets(*_place(context), keys=named, limit=most, filter=asked)


def sample(
    context: CallContext,
    n: Any = 10,
    seed: Any = None,
    where: object = None,
    where_document: object = None,
    include: Any = _GET_FIELDS,
) -> requests.Sample:
    """The request of ``collection.sample``."""
    try:
        asked = _filter(where, where_document)
        fields = _asked_fields(context, include, getting=True)
        number, drawn = validate_natural(n, "n"), None if seed is None else validate_seed(seed)
    except _CHECKS as error:
        raise _named(error, "sample") from error.__cause__
    return requests.Sample(*_place(context), n=number, seed=drawn, filter=asked, include=fields)


def _filter(where: object, where_document: object) -> Filter | None:
    """The filter of a call of ours, if it has one."""
    if where is None and where_document is None:
        return None
    asked = checked_filter(where, where_document)
    check_sendable(asked)
    return asked


def query(
    context: CallContext,
    query_embeddings: object = None,
    query_texts: object = None,
    query_images: object = None,
    query_uris: object = None,
    ids: object = None,
    n_results: int = 10,
    where: object = None,
    where_document: object = None,
    include: Any = _QUERY_FIELDS,
    max_distance: object = None,
) -> requests.Query:
    """The request of ``collection.query``; "data" in ``include`` appends "uris" to it, as in Chroma."""
    asked = None
    try:
        fields = _base_fields(query_embeddings, query_texts, query_images, query_uris)
        validate_base_record_set(fields)
        if where is not None or where_document is not None:
            asked = checked_filter(where, where_document)
        included = _asked_fields(context, include)
        validate_n_results(n_results)
        farthest = None if max_distance is None else validate_max_distance(max_distance, space(context.model))
        rows = fields["embeddings"]
        if rows is None:
            validate_record_set_for_embedding(fields, _EMBEDDABLE)
            name, function = _embedded_field(context, fields, _EMBEDDABLE)
    except _CHECKS as error:
        raise _named(error, "query") from error.__cause__
    if asked is not None and asked.known is None:
        check_sendable(asked)
    if rows is None:
        vectors = _made_vectors(context, function, fields, name, is_query=True)
    else:
        vectors = _given_vectors(rows, "query")
    return requests.Query(
        *_place(context),
        query_embeddings=vectors,
        n_results=plain(n_results),
        ids=None if ids is None else plain_tree(_texts(ids)),
        filter=asked,
        include=included,
        max_distance=farthest,
    )


def query_like(
    context: CallContext,
    like: Any,
    unlike: Any,
    queries: Sequence[object],
    ids: object = None,
    n_results: int = 10,
    where: object = None,
    where_document: object = None,
    include: Any = _QUERY_FIELDS,
    max_distance: object = None,
) -> requests.QueryLike:
    """The request of ``collection.query`` with ``like`` or ``unlike``; ``queries`` are its other kinds of queries."""
    asked = None
    of_space = space(context.model)
    try:
        if any(query is not None for query in queries):
            raise ValueError("Expected like and unlike, or query embeddings, texts, images or uris, got both")
        wanted, unwanted = _ids(like) or [], _ids(unlike) or []
        if not wanted and of_space == "l2":
            raise ValueError(
                "Expected like beside unlike: in the space 'l2' nothing is the opposite of a vector, as it is by angle"
            )
        if where is not None or where_document is not None:
            asked = checked_filter(where, where_document)
        included = _asked_fields(context, include)
        validate_n_results(n_results)
        farthest = None if max_distance is None else validate_max_distance(max_distance, of_space)
    except _CHECKS as error:
        raise _named(error, "query") from error.__cause__
    if asked is not None and asked.known is None:
        check_sendable(asked)
    return requests.QueryLike(
        *_place(context),
        like=wanted,
        unlike=unwanted,
        n_results=plain(n_results),
        ids=None if ids is None else plain_tree(_texts(ids)),
        filter=asked,
        include=included,
        max_distance=farthest,
    )


def hybrid(
    context: CallContext,
    query_texts: object,
    n_results: int = 10,
    where: object = None,
    where_document: object = None,
    include: Any = _QUERY_FIELDS,
    query_embeddings: object = None,
    by: str = "both",
) -> requests.Hybrid:
    """The request of ``collection.hybrid``: its texts, and their vectors, as far as ``by`` asks for them."""
    asked = None
    try:
        if by not in SIDES:
            sides = ", ".join(map(repr, SIDES))
            raise ValueError(f"Expected by to be one of {sides}, got {shown(by, show=repr)}")
        texts = _checked_texts(query_texts)
        rows = _base_fields(query_embeddings, None, None, None)["embeddings"]
        if rows is not None:
            validate_embeddings(rows)
            if len(rows) != len(texts):
                raise ValueError(
                    f"Expected one of query_embeddings for each of query_texts, got {len(rows)} for {len(texts)} texts"
                )
        if where is not None or where_document is not None:
            asked = checked_filter(where, where_document)
        included = _asked_fields(context, include)
        validate_n_results(n_results)
        function = _function_for_texts(context) if rows is None and by != "words" else None
    except _CHECKS as error:
        raise _named(error, "hybrid") from error.__cause__
    if asked is not None and asked.known is None:
        check_sendable(asked)
    vectors = None
    if by != "words":
        vectors = embed.run(function, texts, is_query=True) if rows is None else _given_vectors(rows, "hybrid")
    return requests.Hybrid(
        *_place(context),
        query_texts=None if by == "meaning" else texts,
        query_embeddings=vectors,
        n_results=plain(n_results),
        filter=asked,
        include=included,
    )


def _checked_texts(given: object) -> list[Any]:
    """One text or many as a list of at least one str."""
    texts = _texts(given)
    if type(texts) is not list or not texts or not all(type(text) is str for text in texts):
        raise ValueError(f"Expected query_texts to be a text or a non-empty list of texts, got {shown(given)}")
    check_unicode(texts, "the query text")
    return texts


def _function_for_texts(context: CallContext) -> object:
    try:
        return context.function()
    except ValueError as error:
        advised(error, 'Give query_embeddings, a vector for each text, or search by="words" alone.')
        raise


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
    except _CHECKS as error:
        raise _named(error, call) from error.__cause__
    return check_records(replace(records, documents=documents, metadatas=metadatas), updating=call != "add")


def _list(values: Sequence[Any] | None) -> Any:
    return values if values is None or isinstance(values, list) else list(values)


def with_sparse_vectors(context: CallContext, records: Records) -> Records:
    """The records with the sparse vectors that the schema wants of their texts."""
    functions = context.sparse()
    if not functions.sources:
        return records
    return replace(records, metadatas=functions.filled(records.metadatas, records.documents))


def vectors(context: CallContext, values: list[object], call: str) -> Matrix:
    """A vector for each of the values, by the collection's embedding function."""
    try:
        function = context.function()
    except _CHECKS as error:
        raise _named(error, call) from error.__cause__
    return embed.run(function, values, is_query=False)


def _place(context: CallContext) -> tuple[Any, str, str]:
    return context.model.id, context.model.tenant, context.model.database


def _base_fields(embeddings: object, documents: object, images: object, uris: object) -> Options:
    return {
        "embeddings": embedding_rows(embeddings if type(embeddings) in _UNLABELLED else as_column(embeddings)),
        "documents": None if documents is None else _texts(documents),
        "images": None if images is None else maybe_cast_one_to_many(as_column(images)),
        "uris": None if uris is None else _texts(uris),
    }


def _texts(given: object) -> Any:
    """One text or many as a list of plain str; anything else is left to the checks."""
    if type(given) is list and set(map(type, given)) <= PLAIN:
        return given
    return plain_list(maybe_cast_one_to_many(as_column(given)))


#: Types that have no labels of their own and are not columns of another library.
_UNLABELLED: Final = frozenset({list, tuple, dict, str, np.ndarray, type(None)})


def _checked_fields(ids: object, **given: object) -> Options:
    """The fields as lists, vectors as rows, in the order in which Chroma names them."""
    for name, values in given.items():
        if type(values) not in _UNLABELLED:
            given[name] = beside_ids(ids, values, name)
    metadatas = given.pop("metadatas")
    metadatas, valid = normal_and_valid_metadatas(metadatas if type(metadatas) in _UNLABELLED else as_column(metadatas))
    fields = {"ids": _texts(ids), "metadatas": metadatas, **_base_fields(**given)}
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
    """The records that a call writes: its arguments checked, and what can be embedded embedded where it has to be."""
    function = name = None
    try:
        fields = _checked_fields(
            ids, metadatas=metadatas, embeddings=embeddings, documents=documents, images=images, uris=uris
        )
        rows = fields["embeddings"]
        if rows is None and (call != "update" or fields["documents"] is not None or fields["images"] is not None):
            validate_record_set_for_embedding(fields, embeddable)
            name, function = _embedded_field(context, fields, embeddable)
    except _CHECKS as error:
        raise _named(error, call) from error.__cause__
    if fields["uris"] is not None:
        check_uris(fields["uris"])  # what is said of them names no call, as in Chroma
    vectors = None
    if rows is not None:
        vectors = _given_vectors(rows, call)
    elif name is not None:
        vectors = _made_vectors(context, function, fields, name, is_query=False)
    records = Records(fields["ids"], vectors, fields["documents"], fields["metadatas"], fields["uris"])
    return with_sparse_vectors(context, records)


def _embedded_field(context: CallContext, fields: Fields, embeddable: Sequence[str]) -> tuple[str, Any]:
    """Which field is embedded, and by what. ValueError when there is no function, or no loader for uris."""
    name = next(name for name in embeddable if fields[name] is not None)
    if name == "uris" and context.data_loader is None:
        raise ValueError(_NO_LOADER)
    return name, context.function()


def _made_vectors(context: CallContext, function: object, fields: Fields, name: str, *, is_query: bool) -> Matrix:
    values = context.data_loader(uris=fields["uris"]) if name == "uris" else fields[name]
    return embed.run(function, values, is_query=is_query)


def _given_vectors(rows: Array | list[Any], call: str) -> Matrix:
    if type(rows) is np.ndarray and rows.dtype == np.float32 and rows.flags.c_contiguous:
        return rows
    try:
        return embedding_matrix(rows)
    except _CHECKS as error:
        raise _named(error, call) from error.__cause__


def _check_delete_limit(limit: object, *, filtered: bool) -> None:
    if limit is None:
        return
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise TypeError("limit must be a non-negative integer")
    if limit < 0:
        raise ValueError("limit must be a non-negative integer")
    if not filtered:
        raise ValueError("limit can only be specified when a where or where_document clause is provided")


def _ids(given: Any) -> list[str] | None:
    """The ids of a call: plain, at least one, none twice; None where none are given."""
    if given is None:
        return None
    if type(given) is list and set(map(type, given)) == _ONLY_TEXTS and len(set(given)) == len(given):
        return given[:]
    ids = validate_ids(_texts(given))
    return ids[:]


_ONLY_TEXTS: Final = {str}
#: What ``include`` may name and the backend gives.
_GET_COLUMNS: Final = frozenset({"documents", "embeddings", "metadatas", "uris"})
_QUERY_COLUMNS: Final = _GET_COLUMNS | {"distances"}


def _asked_fields(context: CallContext, include: Any, *, getting: bool = False) -> tuple[str, ...]:
    """What is asked of the backend: uris stand in for data, which the client loads, and metadatas come with it.

    ``include`` gets "uris" with "data", as in Chroma. ``getting``: there are no distances.
    """
    if include is _GET_FIELDS or include is _QUERY_FIELDS:
        return tuple(include)
    allowed = _GET_COLUMNS if getting else _QUERY_COLUMNS
    if type(include) is list and set(map(type, include)) <= _ONLY_TEXTS and allowed.issuperset(include):
        return tuple(include)
    validate_include(include, dissalowed=["distances"] if getting else None)
    if "data" not in include:
        return tuple(map(plain, include))
    if getting and context.data_loader is None:  # as in Chroma: get() is refused, query() returns no data
        raise ValueError(_NO_LOADER)
    if "uris" not in include:
        include.append("uris")
    fields = tuple(plain(name) for name in include if name != "data")
    return fields if "metadatas" in include else (*fields, "metadatas")


# --- Collections ---------------------------------------------------------------------------------------------
def create_collection(
    name: Any,
    tenant: str,
    database: str,
    schema: Schema | None = None,
    configuration: object = None,
    metadata: CollectionMetadata | None = None,
    embedding_function: Any = None,
    get_or_create: bool = False,
    register: Callable[[type], Any] | None = None,
) -> requests.CreateCollection:
    """The request of ``client.create_collection`` and ``get_or_create_collection``.

    ``register`` is called with the class of an embedding function that the collection can store.
    Raises ValueError when the arguments name two embedding functions, or both hnsw and spann.
    """
    metadata = collection_metadata(metadata)
    written = as_configuration(configuration)
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
    """ValueError when the function is another than the one the collection stored."""
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
        except _CHECKS as error:
            raise _named(error, "") from error.__cause__
        metadata = normalize_metadata(metadata)
        if "hnsw:space" in metadata:
            raise ValueError(
                "Changing the distance function of a collection once it is created is not supported currently."
            )
    stored = context.model.configuration_json
    written = as_configuration(configuration)
    if written.get("spann") is not None and written.get("hnsw") is None and stored.get("hnsw") is not None:
        raise ValueError("Trying to update SPANN config but schema has HNSW")
    embed.validate_embedding_function_update(written.get("embedding_function"), stored.get("embedding_function"))
    change = update_collection_configuration_to_json(written, register=register)
    return requests.ModifyCollection(
        *_place(context), new_name=name, new_metadata=metadata, new_configuration=change or None
    )


# --- What Chroma has in its cloud only -----------------------------------------------------------------------
def search(context: CallContext, searches: Any, read_level: ReadLevel = ReadLevel.INDEX_AND_WAL) -> requests.Search:
    """The request of ``collection.search``: one Search or several, texts to rank by already embedded."""
    try:
        written = list(map(written_search, maybe_cast_one_to_many(searches) or []))
    except _CHECKS as error:
        raise _named(error, "") from error.__cause__
    embedded = []
    for one in written:
        texts: list[str] = []
        parts = {**one, "rank": embedded_rank(context, one.get("rank"), texts)}
        where = parts.pop("filter", None)  # what it may hold is said by whoever reads it, here as in get()
        embedded.append({"filter": where, **as_json(parts)})
        context.texts.append(" / ".join(dict.fromkeys(texts)) or None)
    return requests.Search(*_place(context), searches=tuple(embedded), read_level=known_read_level(read_level))
