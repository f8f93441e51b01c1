"""What a client, a collection and a result look like in a notebook.

They read through the public methods only, a few records at a time, so they serve our objects and
chromadb's. A display never raises: what cannot be read is said in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar

import numpy as np

from chroma_nb._optional import MissingPackageError, require
from chroma_nb.cells import kind_in_words, kind_of
from chroma_nb.collection import (
    Client,
    Collection,
    collection_names,
    embedding_model,
    explanation,
    index,
    offers,
    opened,
    space,
    stored_function,
    values_by_key,
)
from chroma_nb.display.markup import (
    Html,
    Marks,
    bar,
    block,
    chips,
    counted,
    document,
    escape,
    exact,
    facts,
    number,
    plain,
    precise,
    shares,
    shortened,
    side_by_side,
    table,
    thumbnail,
    visible,
    words,
)
from chroma_nb.types import Columns, Json, Matrix, Metadata

T = TypeVar("T")

#: Rows of a result that are shown, records that the card looks at, its metadata keys, collections of a client.
ROWS, SAMPLE, KEYS, COLLECTIONS = 20, 100, 30, 30
#: Queries, or searches, of a result that are shown: a notebook stores what is shown.
QUERIES = 10
#: Characters up to which the text of a result is all of it; of each of its texts where it is longer.
_WHOLE, _TEXT = 20_000, 240
#: Numbers of an array that numpy writes out.
_WRITTEN_OUT = 1_000
#: Records up to which a card searches to say how: a search of more would read them all for it.
SEARCHED = 20_000
_RESULT_KEYS = {"ids", "documents", "metadatas", "embeddings", "included"}
_SEARCH_KEYS = {"ids", "documents", "metadatas", "scores", "select"}


# --- Results --------------------------------------------------------------------------------------------
def result_html(result: Columns) -> Html:
    """The result of ``get`` (one table), ``query`` or ``search`` (one table each, side by side)."""
    if not isinstance(result.get("ids"), list):
        return block(f"<pre>{escape(dict(result), 2_000)}</pre>")
    if "scores" in result and "word_ranks" not in result:
        return block(_tables_of_hits(result, "Search", ranked=True))
    if result.get("distances") is not None or (result["ids"] and isinstance(result["ids"][0], list)):
        return block(_tables_of_hits(result, "Query"))
    marks = document_marks(getattr(result, "where_document", None))
    count = len(result["ids"])
    return block(_records_table(counted(count, "record"), result, marks), _more(count))


def is_result(value: Columns) -> bool:
    """Whether a plain dict is a result of Chroma's ``get``, ``query`` or ``search``."""
    return value.keys() >= _RESULT_KEYS or value.keys() >= _SEARCH_KEYS


def _tables_of_hits(result: Columns, asked: str, *, ranked: bool = False) -> Html:
    """A table for each query or search, which is called what ``asked`` says; ``ranked``: with a column of ranks."""
    texts: Sequence[str | None] | None = getattr(result, "query_texts", None)
    always = document_marks(getattr(result, "where_document", None))
    parts = []
    for place, ids in enumerate(result["ids"][:QUERIES]):
        hits: Json = {name: _of_query(result.get(name), place) for name in _HIT_FIELDS}
        hits |= {"ids": ids, "ranks": range(1, len(ids) + 1) if ranked else None}
        parts.append(_hits_table(f"{asked} {place}", None if texts is None else texts[place], hits, always))
    rest = len(result["ids"]) - QUERIES
    more = f'<div class="dim">and {rest:,} more, from {asked} {QUERIES} on</div>' if rest > 0 else ""
    return side_by_side(parts) + more


#: What is shown of a hit of ``query``, ``hybrid`` or ``search``.
_HIT_FIELDS = (
    *("documents", "metadatas", "uris", "data", "distances"),
    *("scores", "meaning_ranks", "word_ranks", "words"),
)


def _hits_table(about: str, text: str | None, hits: Columns, always: Sequence[Marks]) -> Html:
    """The hits of a query or search, with the words of its text marked."""
    found = hits.get("words")  # what brought each hit is known, and marked in it
    of_text = words([text], hits["documents"] or ()) if text is not None and found is None else None
    marks = [*always, *([of_text] if of_text else [])]
    caption = about + ("" if text is None else f": {shortened(text, 120)}")
    count = len(hits["ids"])
    return _records_table(f"{caption} ({counted(count, 'hit')})", hits, marks) + _more(count)


def _of_query(field: Sequence[Sequence[T] | None] | None, query: int) -> Sequence[T] | None:
    return None if field is None else field[query]


def _records_table(caption: str, records: Columns, marks: Sequence[Marks]) -> Html:
    """Records, one a line, with the fields there are."""
    columns: dict[str, Callable[[int], Html]] = {}
    if records.get("ranks") is not None:
        columns["rank"] = lambda row: escape(str(records["ranks"][row]), 20)
    columns["id"] = lambda row: escape(records["ids"][row], 80)
    scores = records.get("scores")
    if scores is not None:
        columns["score"] = lambda row: "" if scores[row] is None else precise(scores[row])
    if records.get("words") is not None:
        columns["by meaning"] = lambda row: escape(str(records["meaning_ranks"][row] or ""), 20)
        columns["by words"] = lambda row: escape(str(records["word_ranks"][row] or ""), 20)
        columns["words"] = lambda row: escape(", ".join(records["words"][row]), 200)
    distances = records.get("distances")
    if distances is not None and any(distance is not None for distance in distances):
        share = shares([distance or 0.0 for distance in distances])
        columns["distance"] = lambda row: "" if distances[row] is None else number(distances[row]) + bar(share[row])
    if records.get("data") is not None:
        columns["image"] = lambda row: _image(records["data"][row], records["ids"][row])
    if records.get("documents") is not None:
        columns["document"] = lambda row: document(records["documents"][row], [*marks, *_marks_of(records, row)])
    if records.get("uris") is not None and any(records["uris"]):
        columns["uri"] = lambda row: escape(records["uris"][row] or "", 120)
    if records.get("metadatas") is not None and any(records["metadatas"]):
        columns["metadata"] = lambda row: chips(records["metadatas"][row])
    rows = [[cell(row) for cell in columns.values()] for row in range(min(len(records["ids"]), ROWS))]
    return table(caption, list(columns), rows, numbers=["rank", "score", "by meaning", "by words", "distance"])


def _marks_of(hits: Columns, row: int) -> list[Marks]:
    """The marks of the words that brought a hit."""
    found = hits.get("words")
    brought = words(found[row], every=True) if found is not None else None
    return [brought] if brought else []


def _image(pixels: object, name: str) -> Html:
    return "" if pixels is None else thumbnail(pixels, f"image of {name}")


def document_marks(where_document: object) -> list[Marks]:
    """The marks of a filter on documents: what it contains, what its pattern matches."""
    if not isinstance(where_document, dict):
        return []
    marks: list[Marks] = []
    for operator, operand in where_document.items():
        if operator in ("$and", "$or") and isinstance(operand, list):
            marks += [mark for term in operand for mark in document_marks(term)]
        elif operator == "$contains" and isinstance(operand, str):
            marks.append(exact(operand))
        elif operator == "$regex" and isinstance(operand, str):
            marks += _pattern_marks(operand)
    return marks


@lru_cache(maxsize=32)
def _pattern_marks(pattern: str) -> list[Marks]:
    """Linear in time or not at all: the pattern may come from anywhere."""
    try:
        re2 = require("re2", feature="marking what a pattern matches", package="google-re2")
    except MissingPackageError:
        return []
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(_encodable(pattern), options)
    except re2.error:
        return []
    return [lambda text: (match.span() for match in compiled.finditer(_encodable(text)))]


def _encodable(text: str) -> str:
    """As long as ``text``, with a question mark for each half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _more(count: int) -> Html:
    return f'<div class="dim">and {count - ROWS:,} more</div>' if count > ROWS else ""


def in_short(result: Columns) -> Columns:
    """A result for IPython's text of it, stored beside the HTML: all of it, or the beginning of a long one.

    >>> in_short({"ids": ["a", "b"], "documents": ["short", None]})
    {'ids': ['a', 'b'], 'documents': ['short', None]}
    >>> found = in_short({"ids": ["a"] * 30, "documents": ["long " * 1_000] * 30})
    >>> found["ids"][-2:], len(found["documents"][0])
    (['a', … 10 more], 240)
    """
    if _weight(result, _WHOLE) <= _WHOLE:
        return dict(result)
    ids = result.get("ids") or ()
    rows = QUERIES if ids and isinstance(ids[0], list) else ROWS
    return {name: _beginning(values, rows) for name, values in result.items()}


def _weight(value: object, limit: int) -> int:
    """About how many characters a value is written in; more than ``limit`` is not counted."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, np.ndarray):
        return 10 * min(value.size, _WRITTEN_OUT)
    if not isinstance(value, (Mapping, list, tuple)):
        return 4
    weight = 0
    for part in value.values() if isinstance(value, Mapping) else value:
        weight += 4 + _weight(part, limit - weight)
        if weight > limit:
            break
    return weight


class _More:
    """Stands at the end of a list for what is not shown of it."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __repr__(self) -> str:
        return f"… {self._count:,} more"


def _beginning(value: Any, rows: int = ROWS) -> Any:
    """The first ``rows`` of a list, and of each list in it as many as are shown in HTML; texts are cut."""
    if isinstance(value, str):
        return shortened(value, _TEXT)
    if isinstance(value, Mapping):
        return {name: _beginning(part) for name, part in value.items()}
    if not isinstance(value, list):
        return value
    rest = [_More(len(value) - rows)] if len(value) > rows else []
    return [*map(_beginning, value[:rows]), *rest]


# --- A collection ----------------------------------------------------------------------------------------
def collection_html(collection: Collection) -> Html:
    """A card: what the collection is, its metadata keys, three of its records."""
    title = f"Collection {collection.name}"
    if not offers(collection, "count"):
        return block(facts(title, _configuration_facts(collection)))
    try:
        count = collection.count()
        sample = collection.get(limit=SAMPLE, include=["documents", "metadatas"])
        vectors = collection.get(limit=1, include=["embeddings"])["embeddings"]
        searched = _search_method(collection, vectors) if count <= SEARCHED else []
    except Exception as error:  # noqa: BLE001  # a display never raises
        return block(facts(title, [("cannot be read", escape(_message(error), 300))]))
    known = vectors is not None and len(vectors) > 0
    dimension = str(len(vectors[0])) if known else "not known before the first record"
    pairs = [("records", f"{count:,}"), ("dimension", dimension), *_configuration_facts(collection), *searched]
    first = {name: None if sample[name] is None else sample[name][:3] for name in ("ids", "documents", "metadatas")}
    return block(
        facts(title, pairs),
        _keys_table(sample["metadatas"] or [], count),
        _records_table("First records", first, []) if count else "",
    )


def _search_method(collection: Collection, vectors: Matrix | None) -> list[tuple[str, Html]]:
    """How a search would run now, if the collection can say: by an exact scan or a graph."""
    if vectors is None or not len(vectors):
        return []
    try:
        plan = explanation(collection, query_embeddings=[vectors[0]], n_results=1)
    except NotImplementedError:  # a server has no words for it
        return []
    return [] if plan is None else [("search", escape(f"{plan['method']}: {plan['reason']}"))]


def _configuration_facts(collection: Collection) -> list[tuple[str, Html]]:
    kind, settings = index(collection)
    tuned = {name: value for name, value in settings.items() if name != "space" and value is not None}
    pairs = [
        ("space", escape(space(collection))),
        ("embedding model", escape(_model(collection))),
        ("index", f"{escape(kind or 'exact')} {chips(tuned)}"),
    ]
    if collection.metadata:
        pairs.append(("metadata", chips(dict(collection.metadata))))
    return pairs


def _model(collection: Collection) -> str:
    """What embeds; our collections know the variant of the model too."""
    return embedding_model(collection) or model_name(stored_function(collection))


def model_name(configuration: object) -> str:
    """The name of an embedding function from its stored configuration, and its model where it says so.

    >>> model_name({"name": "openai", "config": {"model_name": "small", "api_key_env_var": "KEY"}})
    'openai (small)'
    """
    if not isinstance(configuration, Mapping) or not configuration.get("name"):
        return "none: embeddings are given"
    inner = configuration.get("config") or {}
    model = inner.get("model_name") or inner.get("model")
    return f"{configuration['name']} ({model})" if model else str(configuration["name"])


def _keys_table(metadatas: Sequence[Metadata | None], count: int) -> Html:
    """Which metadata keys there are, of which types, in how many of the records looked at: the most frequent ones."""
    keys = values_by_key(metadatas)
    if not keys:
        return ""
    looked_at = f"first {len(metadatas)}" if len(metadatas) < count else f"{count:,}"
    rows = [
        [
            escape(key, 60),
            escape(", ".join(sorted({kind_in_words(kind_of(value)) for value in values}))),
            f"{round(100 * len(values) / len(metadatas))} %",
            escape(plain(values[0]), 60),
        ]
        for key, values in sorted(sorted(keys.items(), key=lambda item: (-len(item[1]), item[0]))[:KEYS])
    ]
    shown = table(f"Metadata keys ({looked_at} records)", ["key", "type", "share", "example"], rows, numbers=["share"])
    return shown + (f'<div class="dim">and {len(keys) - KEYS:,} more keys</div>' if len(keys) > KEYS else "")


# --- Facets and descriptions ------------------------------------------------------------------------------
def facet_html(facet: Any) -> Html:
    """A facet: what was found, the most frequent values, ranges of numbers, dates."""
    known = [("records", f"{facet.records:,}"), ("without the key", f"{facet.missing:,}")]
    known += [(kind_in_words(kind), f"{count:,}") for kind, count in facet.kinds.items()]
    if facet.minimum is not None:
        known.append(("from, to", escape(f"{plain(facet.minimum)} to {plain(facet.maximum)}", 120)))
    title = f"Facet {shortened(facet.key, 60)}"
    more = facet.distinct - len(facet.values)
    return block(
        facts(title, known),
        _counts_table(counted(facet.distinct, "value"), "value", _named_values(facet)),
        f'<div class="dim">and {more:,} more</div>' if more > 0 else "",
        _counts_table("Ranges", "range", _named_ranges(facet)),
        _counts_table("Dates", "date", facet.dates),
    )


def _named_values(facet: Any) -> list[tuple[str, int]]:
    """Texts stand in quotes where they may be taken for something else: beside values of other kinds, or empty."""
    mixed = len({kind.removeprefix("list of ") for kind in facet.kinds}) > 1
    return [
        (f'"{value}"' if isinstance(value, str) and (mixed or not value) else plain(value), records)
        for value, records in facet.values
    ]


def _named_ranges(facet: Any) -> list[tuple[str, int]]:
    return [(f"{plain(span.lower)} to {plain(span.upper)}", span.records) for span in facet.ranges]


def _counts_table(caption: str, head: str, counts: Sequence[tuple[object, int]]) -> Html:
    if not counts:
        return ""
    largest = max(max(count for _, count in counts), 1)
    rows = [[escape(plain(value), 80), f"{count:,}{bar(count / largest)}"] for value, count in counts]
    return table(caption, [head, "records"], rows, numbers=["records"])


def facet_text(facet: Any) -> str:
    """As ``facet_html``, for a terminal."""
    kinds = ", ".join(f"{kind_in_words(kind)} in {count:,}" for kind, count in facet.kinds.items())
    lines = [
        f"{visible(facet.key)}: {facet.records:,} records, {facet.missing:,} without the key; {kinds or 'no values'}"
    ]
    parts = [
        (counted(facet.distinct, "value"), _named_values(facet)),
        ("ranges", _named_ranges(facet)),
        ("dates", facet.dates),
    ]
    for name, counts in parts:
        if counts:
            lines.append(f"{name}:")
            lines += [f"  {count:>9,}  {shortened(visible(plain(value)), 80)}" for value, count in counts]
    return "\n".join(lines)


def description_html(description: Any) -> Html:
    """A description: the collection, then its metadata keys."""
    return block(
        facts("Description", [(name, escape(value)) for name, value in _described(description)]), _keys(description)
    )


def _described(description: Any) -> list[tuple[str, str]]:
    length = "" if description.median_length is None else f", {description.median_length:g} characters in the median"
    return [
        ("records", f"{description.records:,}"),
        ("dimension", str(description.dimension or "not known before the first record")),
        ("space", description.space),
        ("documents", f"{description.documents:,}{length}"),
    ]


def _key_rows(description: Any) -> list[list[str]]:
    return [
        [
            facet.key,
            ", ".join(map(kind_in_words, facet.kinds)),
            f"{facet.records - facet.missing:,}",
            f"{facet.distinct:,}",
            "" if facet.minimum is None else plain(facet.minimum),
            "" if facet.maximum is None else plain(facet.maximum),
            f"{plain(facet.values[0].value)} ({facet.values[0].records:,})" if facet.values else "",
        ]
        for facet in description.keys
    ]


_KEY_HEADS: Final = ("key", "kinds", "records", "distinct", "minimum", "maximum", "most frequent")


def _keys(description: Any) -> Html:
    rows = [[escape(cell, 60) for cell in row] for row in _key_rows(description)]
    return table("Metadata keys", list(_KEY_HEADS), rows, numbers=_KEY_HEADS[2:6]) if rows else ""


def description_text(description: Any) -> str:
    """As ``description_html``, for a terminal."""
    lines = [f"{name}: {value}" for name, value in _described(description)]
    rows = [[shortened(visible(cell), 40) for cell in row] for row in _key_rows(description)]
    if rows:
        widths = [max(map(len, column)) for column in zip(_KEY_HEADS, *rows, strict=True)]
        lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (_KEY_HEADS, *rows)]
    return "\n".join(lines)


# --- A client --------------------------------------------------------------------------------------------
def client_html(client: Client) -> Html:
    """A card: where the client is, and its collections with their counts."""
    title = type(client).__name__
    where = [(name, escape(getattr(client, name))) for name in ("tenant", "database") if hasattr(client, name)]
    if not offers(client, "list_collections"):
        return block(facts(title, where))
    try:
        names = collection_names(client)
        rows = [[escape(name), f"{opened(client, name).count():,}"] for name in names[:COLLECTIONS]]
    except Exception as error:  # noqa: BLE001  # a display never raises
        return block(facts(title, [*where, ("cannot be read", escape(_message(error), 300))]))
    more = f'<div class="dim">and {len(names) - COLLECTIONS:,} more</div>' if len(names) > COLLECTIONS else ""
    listed = table(counted(len(names), "collection"), ["collection", "records"], rows, numbers=["records"])
    return block(facts(title, where), listed, more)


def _message(error: Exception) -> str:
    return visible(error) or type(error).__name__


# --- chromadb's own objects ------------------------------------------------------------------------------
def _dict_html(value: Columns) -> Html | None:
    """A result of chromadb is a plain dict; any other dict is displayed as before."""
    if hasattr(type(value), "_repr_html_"):
        html: Html | None = getattr(value, "_repr_html_")()  # noqa: B009  # it has its own
        return html
    return result_html(value) if is_result(value) else None


#: Module and class of an object that has no display of its own -> its display.
FORMATTERS: dict[tuple[str, str], Callable[..., Html | None]] = {
    ("chromadb.api.models.Collection", "Collection"): collection_html,
    ("chromadb.api.models.AsyncCollection", "AsyncCollection"): collection_html,
    ("chromadb.api.types", "SearchResult"): result_html,
    ("chromadb.api.client", "Client"): client_html,
    ("chromadb.api.async_client", "AsyncClient"): client_html,
    ("builtins", "dict"): _dict_html,
}
