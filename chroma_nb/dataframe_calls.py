"""The calls of a collection that move a table in or out: add, upsert, update, sync, read.

Each is a generator that yields the ``Call`` it needs next and is sent the answer, so that one text
serves collections that wait (``run``) and collections that are awaited (``run_async``): ours, over
HTTP, and chromadb's own. Only the public methods get, add, upsert, update and delete are called.
"""

from __future__ import annotations

import contextlib
import difflib
import itertools
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from chroma_nb import dataframe
from chroma_nb.dataframe import BadRow
from chroma_nb.types import IDs, Metadata, Records

if TYPE_CHECKING:
    import pandas

T = TypeVar("T")
#: Makes a progress bar of so many records, for this verb: a context whose value has ``update(n)`` and ``done``.
Bar: TypeAlias = Callable[[int, str], Any]
#: The collection's method that takes the rows of a frame.
Verb: TypeAlias = Literal["add", "upsert", "update"]

#: Records in one call: below what any Chroma takes, few where each is embedded, so that the bar moves.
_BATCH = 5_000
_BATCH_TO_EMBED = 256


@dataclass(frozen=True)
class Call:
    """One call of a collection: its method and the keyword arguments."""

    method: str
    arguments: dict[str, Any]


#: Yields calls, is sent their answers, returns a T.
Calls: TypeAlias = Generator[Call, Any, T]


def run(collection: Any, calls: Calls[T]) -> T:
    """Make the calls on a collection whose methods return their answer.

    >>> class Two:
    ...     def get(self, **_): return {"ids": ["a", "b"], "metadatas": [{"x": 1}, None]}
    >>> run(Two(), read())
      id     x
    0  a     1
    1  b  <NA>
    """
    answer: Any = None
    with contextlib.closing(calls):
        while True:
            try:
                call = calls.send(answer)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            answer = getattr(collection, call.method)(**call.arguments)


async def run_async(collection: Any, calls: Calls[T]) -> T:
    """Make the calls on a collection whose methods are awaited."""
    answer: Any = None
    with contextlib.closing(calls):
        while True:
            try:
                call = calls.send(answer)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            answer = await getattr(collection, call.method)(**call.arguments)


# --- Out ------------------------------------------------------------------------------------------------
def read(
    where: dict[str, Any] | None = None,
    where_document: dict[str, Any] | None = None,
    ids: IDs | None = None,
    limit: int | None = None,
    offset: int = 0,
    columns: Sequence[str] | None = None,
    include: Sequence[str] | None = None,
    page_size: int | None = None,
) -> Calls[pandas.DataFrame]:
    """The records as one table, fetched in one call, or in pages of ``page_size``.

    One call sees one state of the collection; pages may see different ones when somebody writes.
    """
    wanted = fields_of(columns) if include is None else [*include, *(fields_of(columns) if columns is not None else ())]
    wanted = list(dict.fromkeys(wanted))
    arguments = {"where": where, "where_document": where_document, "include": wanted}
    if ids is not None:
        arguments["ids"] = ids
    if page_size is None:
        whole = yield Call("get", {**arguments, "limit": limit, "offset": offset or None})
        yield from _warn_of_unknown(columns, whole)
        return dataframe.to_frame(whole, columns=columns)
    _positive("page_size", page_size)
    pages: list[Mapping[str, Any]] = []
    fetched = 0
    while limit is None or fetched < limit:
        size = page_size if limit is None else min(page_size, limit - fetched)
        page = yield Call("get", {**arguments, "limit": size, "offset": offset + fetched})
        pages.append(page)
        fetched += len(page["ids"])
        if len(page["ids"]) < size:
            break
    yield from _warn_of_unknown(columns, _joined(pages))
    return dataframe.to_frame(_joined(pages), columns=columns)


def _warn_of_unknown(columns: Sequence[str] | None, found: Mapping[str, Any]) -> Calls[None]:
    """A warning for each column that is a key of no record, with what was perhaps meant.

    A key that only the records found lack is an empty column. Others are looked at a page at a time, as far as needed.
    """
    if columns is None:
        return
    unknown = dict.fromkeys(dataframe.keys_among(columns))
    known: set[str] = set()
    page: Mapping[str, Any] = found
    offset = 0
    while True:
        known.update(key for metadata in page.get("metadatas") or () for key in metadata or ())
        unknown = {name: None for name in unknown if name.removeprefix(dataframe.METADATA_PREFIX) not in known}
        if not unknown or (page is not found and len(page["ids"]) < _BATCH):
            break
        page = yield Call("get", {"include": ["metadatas"], "limit": _BATCH, "offset": offset})
        offset += _BATCH
    if offset > _BATCH or (page is not found and page["ids"]):
        for name in unknown:
            close = difflib.get_close_matches(name, sorted(known), 1)
            there = ", ".join(map(repr, sorted(known)[:12])) or "none"
            hint = f"; did you mean {close[0]!r}?" if close else f"; there are {there}"
            warnings.warn(f"no record has the metadata key {name!r}, its column is empty{hint}", stacklevel=5)


def page(
    where: dict[str, Any] | None, columns: Sequence[str] | None, limit: int, offset: int
) -> Calls[pandas.DataFrame | None]:
    """One page of the records as a table; None when there is no such page."""
    _positive("page_size", limit)
    found = yield Call("get", {"where": where, "include": fields_of(columns), "limit": limit, "offset": offset})
    if offset == 0:
        yield from _warn_of_unknown(columns, found)
    return dataframe.to_frame(found, columns=columns) if found["ids"] else None


def frames(
    collection: Any, where: dict[str, Any] | None = None, columns: Sequence[str] | None = None, page_size: int = 1_000
) -> Iterator[pandas.DataFrame]:
    """The records as tables of at most ``page_size`` rows, fetched one after the other."""
    offset = 0
    while (frame := run(collection, page(where, columns, page_size, offset))) is not None:
        yield frame
        offset += page_size


def fields_of(columns: Sequence[str] | None) -> list[str]:
    """What ``get`` has to include for these columns; all but the embeddings without a choice.

    >>> fields_of(["id", "year"])
    ['metadatas']
    """
    if columns is None:
        return ["documents", "metadatas", "uris"]
    fields = {"document": "documents", "uri": "uris", "embedding": "embeddings", "data": "data"}
    columns = dataframe.column_names(columns)
    wanted = [fields[name] for name in columns if name in fields]
    if any(name != "id" and name not in fields for name in columns):
        wanted.append("metadatas")
    return list(dict.fromkeys(wanted))


def _joined(pages: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Pages of get end to end."""
    if len(pages) == 1:
        return dict(pages[0])
    whole: dict[str, Any] = {}
    for name in ("ids", "documents", "metadatas", "uris", "data"):
        parts = [one.get(name) for one in pages]
        whole[name] = None if parts[0] is None else [value for part in parts for value in part or ()]
    vectors = [one["embeddings"] for one in pages if one.get("embeddings") is not None and len(one["embeddings"])]
    whole["embeddings"] = np.concatenate(vectors) if vectors else None
    return whole


def _positive(name: str, number: int) -> None:
    if number < 1:
        raise ValueError(f"expected {name} of at least 1, got {number}")


# --- In -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Written:
    """How many rows of a frame were sent to the collection, and which were left out."""

    written: int
    skipped: list[BadRow] = field(default_factory=list)

    def __repr__(self) -> str:
        return "; ".join([f"{self.written} rows written", *_skipped_text(self.skipped)])


@dataclass(frozen=True)
class Synced:
    """What ``sync`` did, in records.

    ``embedded`` of the updated ones got a new embedding; the rest changed metadata or uri only.
    """

    added: int = 0
    updated: int = 0
    embedded: int = 0
    deleted: int = 0
    unchanged: int = 0
    skipped: list[BadRow] = field(default_factory=list)

    def __repr__(self) -> str:
        counts = (
            f"{self.added} added, {self.updated} updated ({self.embedded} embedded anew), "
            f"{self.deleted} deleted, {self.unchanged} unchanged"
        )
        return "; ".join([counts, *_skipped_text(self.skipped)])


def _skipped_text(skipped: list[BadRow]) -> list[str]:
    if not skipped:
        return []
    more = f" and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return [f"{len(skipped)} skipped: " + ", ".join(map(str, skipped[:3])) + more]


def write(verb: Verb, frame: Any, *, bar: Bar | None = None, **columns: Any) -> Calls[Written]:
    """Send the rows of a frame to ``add``, ``upsert`` or ``update``, in batches.

    ``columns`` are the options of ``dataframe.from_frame``. A frame whose ids are only its row
    numbers may not meet records of these ids: the next frame would have the same numbers, and ``add``
    leaves existing records as they are.
    """
    found = dataframe.from_frame(frame, partial=verb == "update", **columns)
    if verb == "add" and found.ids_are_row_numbers:
        yield from _refuse_known_row_numbers(found.records.ids)
    yield from _send(verb, found.records, bar)
    return Written(len(found.records), found.skipped)


def _refuse_known_row_numbers(ids: IDs) -> Calls[None]:
    for start in range(0, len(ids), _BATCH):
        known = yield Call("get", {"ids": ids[start : start + _BATCH], "include": []})
        if known["ids"]:
            raise ValueError(
                f"the frame names no ids, so its row numbers would be the ids, and the collection has "
                f'{known["ids"][0]!r} already; name a column with id="…", or set the index'
            )


def _send(verb: Verb, records: Records, bar: Bar | None) -> Calls[None]:
    batches = [batch for rows in _alike(verb, records) for batch in _batches(_rows(records, rows))]
    sent = 0
    with contextlib.nullcontext() if bar is None else bar(len(records), verb) as shown:
        for batch in batches:
            yield Call(verb, _arguments(batch))
            sent += len(batch)
            if shown is not None:  # an embedding function may have moved it on already
                shown.update(max(0, sent - shown.done))


def _alike(verb: Verb, records: Records) -> list[list[int]]:
    """The rows in groups that one call can carry: those with an embedding apart from those to embed.

    An addition keeps its order, which is the order of get, so only neighbours are grouped; an update
    is split by every field, since it takes no None, and rows that say nothing are dropped.
    """
    count = len(records)
    vector = (
        [False] * count
        if records.embeddings is None
        else ([True] * count if records.has_embedding is None else records.has_embedding.tolist())
    )
    document = _present(records.documents, count)
    if verb == "update":
        kinds = list(
            zip(vector, document, _present(records.uris, count), _present(records.metadatas, count), strict=True)
        )
        groups: dict[tuple[bool, ...], list[int]] = {}
        for row, kind in enumerate(kinds):
            groups.setdefault(kind, []).append(row)
        return [rows for kind, rows in groups.items() if any(kind)]
    embed = [text and not has for has, text in zip(vector, document, strict=True)]
    return [
        [row for row, _ in run_of]
        for _, run_of in itertools.groupby(enumerate(zip(vector, embed, strict=True)), itemgetter(1))
    ]


def _present(values: Sequence[Any] | None, count: int) -> list[bool]:
    return [False] * count if values is None else [value is not None for value in values]


def _rows(records: Records, rows: Sequence[int]) -> Records:
    """Some rows; a field of which they have nothing is None."""
    whole = len(rows) == len(records)

    def picked(values: Sequence[T | None] | None) -> Sequence[T | None] | None:
        found = values if whole or values is None else [values[row] for row in rows]
        return found if found is not None and any(value is not None for value in found) else None

    vectors, has = records.embeddings, records.has_embedding
    if not whole:
        index = np.asarray(rows, np.intp)
        vectors = None if vectors is None else vectors[index]
        has = None if has is None else has[index]
    if has is not None and not has.any():
        vectors = None
    return Records(
        ids=records.ids if whole else [records.ids[row] for row in rows],
        embeddings=vectors,
        documents=picked(records.documents),
        metadatas=picked(records.metadatas),
        uris=picked(records.uris),
        has_embedding=None if vectors is None or has is None or has.all() else has,
    )


def _batches(records: Records) -> Iterator[Records]:
    size = _BATCH if records.embeddings is not None or records.documents is None else _BATCH_TO_EMBED
    if len(records) <= size:
        yield records
        return
    for start in range(0, len(records), size):
        cut = slice(start, start + size)
        yield replace(
            records,
            ids=records.ids[cut],
            embeddings=None if records.embeddings is None else records.embeddings[cut],
            documents=None if records.documents is None else records.documents[cut],
            metadatas=None if records.metadatas is None else records.metadatas[cut],
            uris=None if records.uris is None else records.uris[cut],
        )


def _arguments(records: Records) -> dict[str, Any]:
    fields = {
        "ids": records.ids,
        "embeddings": records.embeddings,
        "documents": records.documents,
        "metadatas": records.metadatas,
        "uris": records.uris,
    }
    return {name: values for name, values in fields.items() if values is not None}


# --- Sync -----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class SyncPlan:
    """What has to happen so that a collection equals a frame.

    ``replace`` are ids to delete before ``add`` writes them again: Chroma cannot take a document
    or a uri away from a record. ``update`` carries only what differs.
    """

    add: Records
    update: Records
    replace: IDs
    delete: IDs
    unchanged: int


def plan_sync(
    wanted: Records, current: Mapping[str, Any], *, delete: bool, unread: Iterable[str | None] = ()
) -> SyncPlan:
    """Compare what a frame wants with what ``get`` answered. Touches nothing.

    ``unread`` are the ids of rows that were left out: their records stay as they are.

    >>> plan = plan_sync(Records(["a", "b"], documents=["one", "two"]),
    ...                  {"ids": ["a", "c"], "documents": ["one", "old"]}, delete=True)
    >>> plan.add.ids, plan.update.ids, plan.delete, plan.unchanged
    (['b'], [], ['c'], 1)
    """
    there = {record: row for row, record in enumerate(current["ids"])}
    add: list[int] = []
    gone: IDs = []
    changes: list[_Change] = []
    unchanged = 0
    embedding = _embeddings_differ(wanted, current, there)
    for row, record in enumerate(wanted.ids):
        if record not in there:
            add.append(row)
            continue
        change = _change(wanted, row, current, there[record], bool(embedding[row]))
        if change is None:
            gone.append(record)
            add.append(row)
        elif change.empty:
            unchanged += 1
        else:
            changes.append(change)
    known = {*wanted.ids, *unread}
    return SyncPlan(
        add=_rows(wanted, add),
        update=_changed_records(wanted, changes),
        replace=gone,
        delete=[record for record in current["ids"] if record not in known] if delete else [],
        unchanged=unchanged,
    )


@dataclass(frozen=True)
class _Change:
    """What differs in one record; None is "the same"."""

    row: int
    document: str | None = None
    uri: str | None = None
    metadata: Metadata | None = None
    embedding: bool = False

    @property
    def empty(self) -> bool:
        return self.document is None and self.uri is None and self.metadata is None and not self.embedding


def _change(wanted: Records, row: int, current: Mapping[str, Any], at: int, embedding: bool) -> _Change | None:
    """The difference, or None when only deleting and adding the record makes it equal."""
    texts: list[str | None] = []
    for values, name in ((wanted.documents, "documents"), (wanted.uris, "uris")):
        new = None if values is None else values[row]
        old = None if current.get(name) is None else current[name][at]
        if values is not None and new is None and old is not None:
            return None
        texts.append(new if new != old else None)
    metadata = None
    if wanted.metadatas is not None:
        metadata = _metadata_change(wanted.metadatas[row] or {}, (current.get("metadatas") or {at: None})[at] or {})
    return _Change(row, texts[0], texts[1], metadata, embedding)


def _metadata_change(new: Metadata, old: Metadata) -> Metadata | None:
    """The keys to set, and None for those to delete; None when there are none."""
    change = {key: value for key, value in new.items() if key not in old or not _same(value, old[key])}
    change.update({key: None for key in old if key not in new})
    return change or None


def _same(one: Any, other: Any) -> bool:
    """Equal and of one type: 1, 1.0 and True are three values."""
    if type(one) is not type(other) or one != other:
        return False
    return not isinstance(one, list) or type(one[0]) is type(other[0])


def _embeddings_differ(wanted: Records, current: Mapping[str, Any], there: Mapping[str, int]) -> npt.NDArray[np.bool_]:
    """Which rows have another embedding than stored, beyond what float32 and a stored direction may change."""
    differs = np.zeros(len(wanted), bool)
    vectors = current.get("embeddings")
    if wanted.embeddings is None or vectors is None or not len(vectors):
        return differs
    given = np.ones(len(wanted), bool) if wanted.has_embedding is None else wanted.has_embedding
    rows = np.array([row for row, record in enumerate(wanted.ids) if record in there and given[row]], np.intp)
    for start in range(0, len(rows), _BATCH):
        some = rows[start : start + _BATCH]
        new = wanted.embeddings[some]
        old = np.asarray([vectors[there[wanted.ids[row]]] for row in some], np.float32)
        differs[some] = old.shape != new.shape or ~np.isclose(new, old, rtol=1e-5, atol=1e-6).all(axis=1)
    return differs


def _changed_records(wanted: Records, changes: list[_Change]) -> Records:
    rows = [change.row for change in changes]
    vectors = has = None
    # A new document goes with its embedding where the frame has one; else the collection embeds it.
    if wanted.embeddings is not None:
        given = np.ones(len(wanted), bool) if wanted.has_embedding is None else wanted.has_embedding
        vectors = wanted.embeddings[np.asarray(rows, np.intp)]
        has = np.array([given[c.row] and (c.embedding or c.document is not None) for c in changes], bool)
        if has.all():
            has = None
    return Records(
        ids=[wanted.ids[row] for row in rows],
        embeddings=vectors,
        documents=[change.document for change in changes],
        metadatas=[change.metadata for change in changes],
        uris=[change.uri for change in changes],
        has_embedding=has,
    )


def sync(
    frame: Any, *, delete: bool = False, bar: Bar | None = None, page_size: int | None = None, **columns: Any
) -> Calls[Synced]:
    """Make the collection equal to the frame, doing only what is needed.

    Rows whose id is new are added, changed documents are embedded anew, changed metadata is updated
    (a key that the row no longer has is deleted), and with ``delete`` records that are in
    no row are deleted; the record of a row that is skipped stays. A part the frame has no column for
    (documents, uris, metadata, embeddings) is left as it is. Run again, it does nothing.
    """
    found = dataframe.from_frame(frame, partial=True, **columns)
    wanted = found.records
    current = yield from _state(wanted, page_size)
    plan = plan_sync(wanted, current, delete=delete, unread=[bad.id for bad in found.skipped])
    _need_content_of_new(plan.add)
    for ids in (plan.replace, plan.delete):
        for start in range(0, len(ids), _BATCH):
            yield Call("delete", {"ids": ids[start : start + _BATCH]})
    yield from _send("update", plan.update, bar)
    yield from _send("add", plan.add, bar)
    return Synced(
        added=len(plan.add) - len(plan.replace),
        updated=len(plan.update) + len(plan.replace),
        embedded=_embedded(plan.update) + len(plan.replace),
        deleted=len(plan.delete),
        unchanged=plan.unchanged,
        skipped=found.skipped,
    )


def _embedded(records: Records) -> int:
    """How many records bring a new embedding or a document to embed."""
    count = len(records)
    has = np.array(_present(records.documents, count), bool)
    if records.embeddings is not None:
        has |= True if records.has_embedding is None else records.has_embedding
    return int(has.sum())


def _state(wanted: Records, page_size: int | None) -> Calls[dict[str, Any]]:
    """What the collection holds, of the parts the frame speaks of."""
    parts = {
        "documents": wanted.documents,
        "metadatas": wanted.metadatas,
        "uris": wanted.uris,
        "embeddings": wanted.embeddings,
    }
    include = [name for name, values in parts.items() if values is not None]
    if page_size is None:
        return dict((yield Call("get", {"include": include})))
    pages: list[Mapping[str, Any]] = []
    offset = 0
    while True:
        found = yield Call("get", {"include": include, "limit": page_size, "offset": offset})
        pages.append(found)
        offset += len(found["ids"])
        if len(found["ids"]) < page_size:
            return _joined(pages)


def _need_content_of_new(records: Records) -> None:
    count = len(records)
    has = np.array(_present(records.documents, count), bool) | np.array(_present(records.uris, count), bool)
    if records.embeddings is not None:
        has |= True if records.has_embedding is None else records.has_embedding
    if not has.all():
        first = records.ids[int(np.argmin(has))]
        raise ValueError(f"the record {first!r} is new and has no document, embedding or uri to be found by")
