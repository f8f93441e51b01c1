"""Turn the arguments of a call that reads records into its request: read filters, embed the texts to search by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chroma_nb.advice import advised
from chroma_nb.collection import space
from chroma_nb.constraints import check_unicode
from chroma_nb.embeddings import validate_embeddings
from chroma_nb.operations import embed, requests
from chroma_nb.operations.additions import (
    validate_edges,
    validate_keys,
    validate_max_distance,
    validate_natural,
    validate_order,
    validate_seed,
)
from chroma_nb.operations.arguments import (
    CHECKS,
    EMBEDDABLE,
    GET_FIELDS,
    QUERY_FIELDS,
    asked_fields,
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
from chroma_nb.operations.searches import as_json, embedded_rank, known_read_level, written_search
from chroma_nb.operations.validate import (
    validate_base_record_set,
    validate_n_results,
    validate_record_set_for_embedding,
)
from chroma_nb.plain import maybe_cast_one_to_many, plain, plain_tree, shown
from chroma_nb.query.parsing import Filter
from chroma_nb.types import SIDES, ReadLevel, Side


def get(
    context: CallContext,
    ids: object = None,
    where: object = None,
    limit: Any = None,
    offset: Any = None,
    where_document: Any = None,
    include: Any = GET_FIELDS,
    order_by: object = None,
    descending: object = False,
) -> requests.Get:
    """The request of ``collection.get``; "data" in ``include`` appends "uris" to it, as in Chroma."""
    asked = order = None
    try:
        ids = ids_of(ids)
        if where is not None or where_document is not None:
            asked = checked_filter(where, where_document)
        fields = asked_fields(context, include, getting=True)
        if order_by is not None:
            order = validate_order(order_by, descending)
        elif descending is not False:
            raise ValueError("Expected order_by with descending: pass the key to order by")
    except CHECKS as error:
        raise in_call(error, "get") from error.__cause__
    if asked is not None and asked.known is None:  # checked here too, to save the most frequent calls one
        check_sendable(asked)
    if limit is not None or offset is not None:
        limit, offset = plain(limit), plain(offset)
    return requests.Get(*place(context), ids=ids, filter=asked, limit=limit, offset=offset, include=fields, order=order)


def count(context: CallContext, where: object, where_document: object, read_level: ReadLevel) -> requests.CountMatching:
    """The request of ``collection.count`` with a filter."""
    try:
        asked, level = _filter(where, where_document), known_read_level(read_level)
    except CHECKS as error:
        raise in_call(error, "count") from error.__cause__
    return requests.CountMatching(*place(context), filter=asked, read_level=level)


def facets(
    context: CallContext,
    keys: object,
    where: object = None,
    where_document: object = None,
    limit: object = 20,
    edges: object = None,
) -> requests.Facets:
    """The request of ``collection.facets``, of one key or several."""
    try:
        keys_asked = validate_keys(keys)
        asked, most = _filter(where, where_document), validate_natural(limit, "limit")
        ends = validate_edges(edges)
    except CHECKS as error:
        raise in_call(error, "facets") from error.__cause__
    return requests.Facets(*place(context), keys=keys_asked, limit=most, filter=asked, edges=ends)


def sample(
    context: CallContext,
    n: object = 10,
    seed: object = None,
    where: object = None,
    where_document: object = None,
    include: object = GET_FIELDS,
) -> requests.Sample:
    """The request of ``collection.sample``."""
    try:
        asked = _filter(where, where_document)
        fields = asked_fields(context, include, getting=True)
        number, drawn = validate_natural(n, "n"), None if seed is None else validate_seed(seed)
    except CHECKS as error:
        raise in_call(error, "sample") from error.__cause__
    return requests.Sample(*place(context), n=number, seed=drawn, filter=asked, include=fields)


def _filter(where: object, where_document: object) -> Filter | None:
    """The filter of a call that Chroma does not have, if it is given."""
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
    include: object = QUERY_FIELDS,
    max_distance: object = None,
) -> requests.Query:
    """The request of ``collection.query``; "data" in ``include`` appends "uris" to it, as in Chroma."""
    asked = None
    try:
        fields = embeddable_fields(query_embeddings, query_texts, query_images, query_uris)
        validate_base_record_set(fields)
        if where is not None or where_document is not None:
            asked = checked_filter(where, where_document)
        included = asked_fields(context, include)
        validate_n_results(n_results)
        farthest = None if max_distance is None else validate_max_distance(max_distance, space(context.model))
        rows = fields["embeddings"]
        if rows is None:
            validate_record_set_for_embedding(fields, EMBEDDABLE)
            name, function = embedded_field(context, fields, EMBEDDABLE)
    except CHECKS as error:
        raise in_call(error, "query") from error.__cause__
    if asked is not None and asked.known is None:
        check_sendable(asked)
    if rows is None:
        vectors = made_vectors(context, function, fields, name, is_query=True)
    else:
        vectors = given_vectors(rows, "query")
    context.texts.extend(fields["documents"] or ())
    return requests.Query(
        *place(context),
        query_embeddings=vectors,
        n_results=plain(n_results),
        ids=None if ids is None else plain_tree(texts_of(ids)),
        filter=asked,
        include=included,
        max_distance=farthest,
    )


def query_like(
    context: CallContext,
    like: object,
    unlike: object,
    queries: Sequence[object],
    ids: object = None,
    n_results: int = 10,
    where: object = None,
    where_document: object = None,
    include: object = QUERY_FIELDS,
    max_distance: object = None,
) -> requests.QueryLike:
    """The request of ``collection.query`` with ``like`` or ``unlike``; ``queries`` are its other query arguments."""
    of_space = space(context.model)
    try:
        if any(query is not None for query in queries):
            raise ValueError("Expected like and unlike, or query embeddings, texts, images or uris, got both")
        wanted, unwanted = ids_of(like) or [], ids_of(unlike) or []
        if not wanted and of_space == "l2":
            raise ValueError("Expected like together with unlike: with the distance 'l2' a vector has no opposite")
        asked = _filter(where, where_document)
        included = asked_fields(context, include)
        validate_n_results(n_results)
        farthest = None if max_distance is None else validate_max_distance(max_distance, of_space)
    except CHECKS as error:
        raise in_call(error, "query") from error.__cause__
    return requests.QueryLike(
        *place(context),
        like=wanted,
        unlike=unwanted,
        n_results=plain(n_results),
        ids=None if ids is None else plain_tree(texts_of(ids)),
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
    include: object = QUERY_FIELDS,
    query_embeddings: object = None,
    by: Side = "both",
) -> requests.Hybrid:
    """The request of ``collection.hybrid``: its texts and their vectors, as ``by`` needs them."""
    try:
        if by not in SIDES:
            sides = ", ".join(map(repr, SIDES))
            raise ValueError(f"Expected by to be one of {sides}, got {shown(by, show=repr)}")
        texts = _checked_texts(query_texts)
        rows = embeddable_fields(query_embeddings, None, None, None)["embeddings"]
        if rows is not None:
            validate_embeddings(rows)
            if len(rows) != len(texts):
                raise ValueError(
                    f"Expected one of query_embeddings for each of query_texts, got {len(rows)} for {len(texts)} texts"
                )
        asked = _filter(where, where_document)
        included = asked_fields(context, include)
        validate_n_results(n_results)
        function = _function_for_texts(context) if rows is None and by != "words" else None
    except CHECKS as error:
        raise in_call(error, "hybrid") from error.__cause__
    context.texts.extend(texts)
    vectors = None
    if by != "words":
        vectors = embed.run(function, texts, is_query=True) if rows is None else given_vectors(rows, "hybrid")
    return requests.Hybrid(
        *place(context),
        query_texts=None if by == "meaning" else texts,
        query_embeddings=vectors,
        n_results=plain(n_results),
        filter=asked,
        include=included,
    )


def _checked_texts(given: object) -> list[Any]:
    """One text or many as a list of at least one str."""
    texts = texts_of(given)
    if type(texts) is not list or not texts or not all(type(text) is str for text in texts):
        raise ValueError(f"Expected query_texts to be a text or a non-empty list of texts, got {shown(given)}")
    check_unicode(texts, "the query text")
    return texts


def _function_for_texts(context: CallContext) -> object:
    try:
        return context.function()
    except ValueError as error:
        advised(error, 'Pass query_embeddings, a vector for each text, or search with by="words".')
        raise


def search(context: CallContext, searches: object, read_level: ReadLevel = ReadLevel.INDEX_AND_WAL) -> requests.Search:
    """The request of ``collection.search``: one Search or several, with the texts of their ranks embedded."""
    try:
        written = list(map(written_search, maybe_cast_one_to_many(searches) or []))
    except CHECKS as error:
        raise in_call(error, "") from error.__cause__
    embedded = []
    for search in written:
        texts: list[str] = []
        parts = {**search, "rank": embedded_rank(context, search.get("rank"), texts)}
        embedded.append(as_json(parts))
        context.texts.append(" / ".join(dict.fromkeys(texts)) or None)
    return requests.Search(*place(context), searches=tuple(embedded), read_level=known_read_level(read_level))
