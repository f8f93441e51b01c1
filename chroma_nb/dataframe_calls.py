"""The calls of a collection that move a table in or out: add, upsert, update, sync, read.

Each is a generator that yields the ``Call`` it needs next and is sent the answer, so that one text
serves collections that wait (``run``) and collections that are awaited (``run_async``): ours, over
HTTP, and chromadb's own.

A write computes everything first: rows are checked, then documents embedded, then all of it is written. A
collection of ours in this process takes that in one transaction. Any other is called by its public methods, in
batches and in order, and an error says what is written.
"""

from __future__ import annotations

import contextlib
import difflib
import inspect
import itertools
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import numpy as np

from chroma_nb import cells
from chroma_nb.collection import Cursor, can_embed, can_load, edits_at_once, embeds_for_calls, values_by_key
from chroma_nb.errors import DuplicateIDError, InvalidArgumentError
from chroma_nb.records import COLUMNS, FIELDS, NO_RECORDS, Edited, Edits, Records
from chroma_nb.tables import columns as table_columns
from chroma_nb.tables import frames as table_frames
from chroma_nb.tables import rows as table_rows
from chroma_nb.tables.rows import BadRow
from chroma_nb.types import Columns, Fields, IDs, Json, Mask, Matrix, Metadata, Options, Where, WhereDocument

if TYPE_CHECKING:
    import pandas

T = TypeVar("T")
#: Makes a progress bar of so many records, for this verb: a context whose value has ``update(n)`` and ``done``.
Bar: TypeAlias = Callable[[int | None, str], Any]
#: The collection's method that takes the rows of a frame.
Verb: TypeAlias = Literal["add", "upsert", "update"]

#: Records in one call: below what any Chroma takes, few where each is embedded, so that the bar moves.
_BATCH = 5_000
_BATCH_TO_EMBED = 256
#: Bytes of vectors and texts that one call holds in memory before it writes them; beyond, they wait in the database.
MEMORY_BUDGET = 256 << 20
#: Bytes, about, that one transaction writes of what waits there.
_STAGED_BYTES = 32 << 20
#: Records that are deleted and added again by two calls, where a part cannot be taken away.
_BATCH_TO_REPLACE = 100


@dataclass(frozen=True)
class Call:
    """One call of a collection: its method and the keyword arguments."""

    method: str
    arguments: Options


@dataclass(frozen=True)
class Work:
    """Something to be computed that takes long for many records: off the event loop where there is one."""

    compute: Callable[[], object]


#: A call of a collection, something to be computed, or a function of the collection that asks nobody.
Step: TypeAlias = Call | Work | Callable[[object], object]
#: Yields steps, is sent what they return, returns a T.
Calls: TypeAlias = Generator[Step, Any, T]


def run(collection: object, calls: Calls[T]) -> T:
    """Make the calls on a collection whose methods return their answer.

    >>> class Two:
    ...     def get(self, **_): return {"ids": ["a", "b"], "metadatas": [{"x": 1}, None]}
    >>> run(Two(), read())
      id     x
    0  a     1
    1  b  <NA>
    """
    with contextlib.closing(calls):
        try:
            step = next(calls)
            while True:
                try:
                    answer = _answer(collection, step)
                except BaseException as error:  # noqa: BLE001  # whoever made the call may say what is written, or undo it
                    step = calls.throw(error)
                else:
                    step = calls.send(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


async def run_async(collection: object, calls: Calls[T]) -> T:
    """Make the calls on a collection whose methods are awaited."""
    with contextlib.closing(calls):
        try:
            step = next(calls)
            while True:
                try:
                    answer = await _awaited(collection, step)
                except BaseException as error:  # noqa: BLE001  # as above
                    step = calls.throw(error)
                else:
                    step = calls.send(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def _answer(collection: object, step: Step) -> object:
    if isinstance(step, Work):
        return step.compute()
    if isinstance(step, Call):
        answer: object = getattr(collection, step.method)(**step.arguments)
        return answer
    return step(collection)


async def _awaited(collection: object, step: Step) -> object:
    if isinstance(step, Work):
        from asyncio import to_thread

        return await to_thread(step.compute)
    answer = _answer(collection, step)
    return await answer if inspect.isawaitable(answer) else answer


# --- Out ------------------------------------------------------------------------------------------------
def read(
    where: Where | None = None,
    where_document: WhereDocument | None = None,
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
        return (yield Work(partial(table_frames.to_frame, whole, columns=columns)))  # type: ignore[no-any-return]
    positive("page_size", page_size)
    pages = yield from _pages(Cursor(page_size, limit, offset), arguments)
    joined = yield Work(partial(_joined, pages))
    yield from _warn_of_unknown(columns, joined)
    return (yield Work(partial(table_frames.to_frame, joined, columns=columns)))  # type: ignore[no-any-return]


def _pages(cursor: Cursor, arguments: Options) -> Calls[list[Columns]]:
    """The answers of ``get``, one page after another."""
    pages: list[Columns] = []
    for limit, offset in cursor:
        page = yield Call("get", {**arguments, "limit": limit, "offset": offset})
        cursor.passed(len(page["ids"]))
        pages.append(page)
    return pages


def _warn_of_unknown(columns: Sequence[str] | None, found: Columns) -> Calls[None]:
    """A warning for each column that is a key of no record, with what was perhaps meant.

    A key that only the records found lack is an empty column. Others are looked at a page at a time, as far as needed.
    """
    if columns is None:
        return
    unknown = dict.fromkeys(table_columns.keys_among(columns))
    known = set(values_by_key(found.get("metadatas") or ()))
    cursor = Cursor(_BATCH)
    for limit, offset in cursor:
        unknown = {name: None for name in unknown if name.removeprefix(table_columns.METADATA_PREFIX) not in known}
        if not unknown:
            return
        page = yield Call("get", {"include": ["metadatas"], "limit": limit, "offset": offset})
        known.update(values_by_key(page["metadatas"] or ()))
        cursor.passed(len(page["ids"]))
    unknown = {name: None for name in unknown if name.removeprefix(table_columns.METADATA_PREFIX) not in known}
    if cursor.read:
        for name in unknown:
            close = difflib.get_close_matches(name, sorted(known), 1)
            there = ", ".join(map(repr, sorted(known)[:12])) or "none"
            hint = f"; did you mean {close[0]!r}?" if close else f"; there are {there}"
            warnings.warn(f"no record has the metadata key {name!r}, its column is empty{hint}", stacklevel=5)


def page(where: Where | None, columns: Sequence[str] | None, limit: int, offset: int) -> Calls[pandas.DataFrame | None]:
    """One page of the records as a table; None when there is no such page."""
    positive("page_size", limit)
    found = yield Call("get", {"where": where, "include": fields_of(columns), "limit": limit, "offset": offset})
    if offset == 0:
        yield from _warn_of_unknown(columns, found)
    return (yield Work(partial(table_frames.to_frame, found, columns=columns))) if found["ids"] else None


def frames(
    collection: object,
    where: Where | None = None,
    columns: Sequence[str] | None = None,
    page_size: int = 1_000,
) -> Iterator[pandas.DataFrame]:
    """The records as tables of at most ``page_size`` rows, fetched one after the other."""
    cursor = Cursor(page_size)
    for limit, offset in cursor:
        if (frame := run(collection, page(where, columns, limit, offset))) is not None:
            cursor.passed(len(frame))
            yield frame


def fields_of(columns: Sequence[str] | None) -> list[str]:
    """What ``get`` has to include for these columns; all but the embeddings without a choice.

    >>> fields_of(["id", "year"])
    ['metadatas']
    """
    if columns is None:
        return ["documents", "metadatas", "uris"]
    fields = {"document": "documents", "uri": "uris", "embedding": "embeddings", "data": "data"}
    columns = table_columns.column_names(columns)
    wanted = [fields[name] for name in columns if name in fields]
    if any(name != "id" and name not in fields for name in columns):
        wanted.append("metadatas")
    return list(dict.fromkeys(wanted))


def _joined(pages: list[Columns]) -> Json:
    """Pages of get end to end."""
    if len(pages) == 1:
        return dict(pages[0])
    whole: Json = {}
    for name in ("ids", "documents", "metadatas", "uris", "data"):
        parts = [one.get(name) for one in pages]
        whole[name] = None if parts[0] is None else [value for part in parts for value in part or ()]
    vectors = [one["embeddings"] for one in pages if one.get("embeddings") is not None and len(one["embeddings"])]
    whole["embeddings"] = np.concatenate(vectors) if vectors else None
    return whole


def positive(name: str, number: Any) -> None:
    """ValueError unless a whole number of at least 1."""
    if not isinstance(number, int | np.integer) or number < 1:
        raise ValueError(f"expected {name} of at least 1, got {cells.short(number)}")


def refuse_repeated(verb: Verb, seen: set[str], ids: IDs) -> None:
    """DuplicateIDError for an id of an earlier piece; else ``ids`` are ``seen`` from now on."""
    twice = sorted(seen.intersection(ids))
    if twice:
        raise DuplicateIDError(f"Expected IDs to be unique, found duplicates of: {', '.join(twice[:5])} in {verb}.")
    seen.update(ids)


# --- In -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Written:
    """How many rows of a frame were written, and which were not.

    ``written`` were added or changed a record. ``existing`` were passed over by ``add``, because their ids were there
    already; ``missing`` by ``update``, because theirs were not. ``skipped`` cannot be records.
    """

    written: int
    skipped: list[BadRow] = field(default_factory=list)
    existing: int = 0
    missing: int = 0

    def __repr__(self) -> str:
        parts = [f"{self.written} rows written"]
        if self.existing:
            parts.append(f"{self.existing} left as they are: their ids were there already")
        if self.missing:
            parts.append(f"{self.missing} passed over: no record has their ids")
        return "; ".join([*parts, *_skipped_text(self.skipped)])


@dataclass(frozen=True)
class Synced:
    """What ``sync`` did, in records.

    ``embedded`` of the updated ones got a new embedding; the rest changed in other parts only.
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


def write(verb: Verb, frame: object, *, bar: Bar | None = None, **columns: Any) -> Calls[Written]:
    """Write the rows of a frame as ``add``, ``upsert`` or ``update`` would.

    ``columns`` are the options of ``table_rows.from_frame``. A frame whose ids are only its row numbers may fill a
    collection, but not change a record that is there: the next frame, or this one in another order, has the same
    numbers for other rows.
    """
    found = yield Work(partial(table_rows.from_frame, frame, partial=verb == "update", **columns))
    if verb == "upsert":
        found = found.without(_only_uris(found.records), columns.get("on_error", "raise"))
    records = found.records
    if found.ids_are_row_numbers:
        records = yield from _without_known_row_numbers(verb, records)
    done = yield from write_records(verb, records, bar=bar)
    return replace(done, skipped=found.skipped)


def write_records(verb: Verb, records: Records, *, bar: Bar | None = None) -> Calls[Written]:
    """Write records of which some have a vector and some are to be embedded."""
    count = len(records.ids)
    if not count:
        return Written(0)
    complete = records.with_vector().all()
    if not complete:
        yield Work(partial(_need_content, verb, records))
    if (yield edits_at_once):
        if complete and records.nbytes <= MEMORY_BUDGET:  # nothing to embed, and no memory is gained by pieces
            done: Edited = yield Call("_edit", {"edits": _edits(verb, records, Edits()), "embedded": False})
            return _written(verb, count, done.added + done.updated)
        records = yield Call("_checked", {"call": verb, "records": records})
        return (yield from write_pieces(verb, _pieces(records), count, bar=bar, checked=True))
    with _shown(bar, count, verb) as shown:
        ready = yield from _with_vectors(verb, records, shown)
        return (yield from _send(verb, ready, shown))


def write_pieces(
    verb: Verb, pieces: Iterable[Records], total: int | None, *, bar: Bar | None = None, checked: bool = False
) -> Calls[Written]:
    """Write records that come in pieces, as of a file, by one transaction of a collection that takes edits.

    All are read and checked before the first is embedded, and all embedded before the first is written; beyond
    MEMORY_BUDGET what is ready waits in the database instead of memory, where no reader counts it.
    """
    with _shown(bar, total, verb) as shown:
        gathered = _Gathered(verb, shown)
        done: Edited = yield from gathered.or_nothing(_write_pieces(gathered, pieces, checked))
        shown.end()
    return _written(verb, gathered.count, done.added + done.updated)


def _write_pieces(gathered: _Gathered, pieces: Iterable[Records], checked: bool) -> Calls[Edited]:
    waiting: list[Records] = []
    size, seen = 0, set[str]()
    for given in pieces:
        piece = given
        if not checked:
            _need_content(gathered.verb, piece)
            piece = yield Call("_checked", {"call": gathered.verb, "records": piece})
            refuse_repeated(gathered.verb, seen, piece.ids)
        waiting.append(piece)
        size += piece.nbytes
        if size > MEMORY_BUDGET and (yield from gathered.begin_staging()):
            for one in waiting:
                yield from gathered.embed(one)
            yield from gathered.stage()
            waiting, size = [], 0
    for one in waiting:
        yield from gathered.embed(one)
    return (yield from gathered.write(Edits()))


class _Gathered:
    """Records of one call, embedded and ready to be written: in memory, or staged once they are too many for it."""

    def __init__(self, verb: Verb, shown: _Shown) -> None:
        self.verb = verb
        self.count = 0
        self.embedded = False
        self._shown = shown
        self._ready: list[Records] = []
        self._size = 0
        self._session: Any = None
        self._asked = verb == "update"  # what an update says of a record that is there cannot wait beside it

    def or_nothing(self, calls: Calls[T]) -> Calls[T]:
        """``calls``; when they fail, what is staged is removed. (If that fails too, the next opening does it.)"""
        try:
            return (yield from calls)
        except GeneratorExit:  # nobody makes calls any more: whoever sweeps may have what is staged
            if self._session is not None:
                self._session.close()
            raise
        except BaseException:
            if self._session is not None:
                with contextlib.suppress(Exception):
                    yield Call("_abandon_staging", {"session": self._session})
            raise

    def embed(self, piece: Records) -> Calls[None]:
        """A piece more, which may have to be embedded."""
        made = yield from _with_vectors(self.verb, piece, _Later(self._shown, self.count))
        self.embedded |= made is not piece
        self.count += len(piece)
        self._ready.append(made)
        self._size += made.nbytes
        if self._size > MEMORY_BUDGET and (yield from self.begin_staging()):
            yield from self.stage()

    def begin_staging(self) -> Calls[bool]:
        """Whether records may wait in the database; not in one that is in memory itself."""
        if not self._asked:
            self._session = yield Call("_begin_staging", {})
            self._asked = True
        return self._session is not None

    def stage(self) -> Calls[None]:
        """Write what is ready where no reader counts it, in short transactions."""
        for records in self._ready:
            for piece in _pieces(records, _STAGED_BYTES):
                yield Call("_stage", {"session": self._session, "records": piece})
        self._ready, self._size = [], 0

    def write(self, edits: Edits) -> Calls[Edited]:
        """Write everything, and ``edits`` with it, in one transaction."""
        if self._session is not None:
            yield from self.stage()
            arguments = {"session": self._session, "edits": edits, "update": self.verb == "upsert"}
            return (yield Call("_publish", {**arguments, "embedded": self.embedded}))  # type: ignore[no-any-return]
        rows = self._joined()
        if self.verb == "update":
            rows = _rows_that_say_something(rows)
            self.count = len(rows)
        return (yield Call("_edit", {"edits": _edits(self.verb, rows, edits), "embedded": self.embedded}))  # type: ignore[no-any-return]

    def _joined(self) -> Records:
        try:
            return Records.concat(self._ready)
        except InvalidArgumentError as error:
            say_more(error, "nothing was written")
            raise


def _edits(verb: Verb, records: Records, others: Edits) -> Edits:
    """``others``, and these records added, upserted or updated with them."""
    fields: Options = {verb: records}
    return replace(others, **fields)


def _pieces(records: Records, most_bytes: int | None = None) -> Iterator[Records]:
    """The records in order, at most ``_BATCH`` at a time, and about so many bytes."""
    size = _BATCH
    if most_bytes is not None and len(records):
        size = max(1, min(_BATCH, most_bytes * len(records) // max(1, records.nbytes)))
    return map(Records.pruned, records.pieces(size))


def _need_content(verb: Verb, records: Records) -> None:
    """ValueError that names a record which has nothing to be found by; an update needs nothing."""
    has = records.with_vector() | np.array(records.given("documents"), bool)
    if verb == "add":
        has |= np.array(records.given("uris"), bool)
    if verb != "update" and not has.all():
        raise ValueError(
            "expected an embedding or a document for every record, got neither for "
            f"{records.ids[int(np.argmin(has))]!r} in {verb}; give it one, or leave it out"
        )


def _written(verb: Verb, rows: int, written: int) -> Written:
    passed = rows - written
    return Written(written, existing=passed if verb == "add" else 0, missing=passed if verb == "update" else 0)


def _only_uris(records: Records) -> dict[str, str]:
    """The ids that ``upsert`` cannot take, which loads nothing from uris, and why."""
    has, document = records.with_vector(), records.given("documents")
    reason = "upsert needs a document or an embedding, and the row has only a uri"
    return {
        name: reason for name, vector, text in zip(records.ids, has, document, strict=True) if not vector and not text
    }


def _without_known_row_numbers(verb: Verb, records: Records) -> Calls[Records]:
    """The records that are not there. ValueError when one is that ``add`` would pass over, or another would change."""
    there_already: set[str] = set()
    for start in range(0, len(records), _BATCH):
        some = records.slice(start, start + _BATCH).pruned()
        include = [] if verb == "add" else _parts_of(some)
        known = yield Call("get", {"ids": some.ids, "include": include})
        if verb == "add":
            _refuse_row_numbers(known["ids"])
        else:
            at = {name: place for place, name in enumerate(some.ids)}
            there = some.take([at[name] for name in known["ids"]]).pruned()
            _refuse_row_numbers(plan_sync(there, known, delete=False, keep_keys=True).update.ids)
            there_already.update(known["ids"])
    return records.take([row for row, name in enumerate(records.ids) if name not in there_already]).pruned()


def _refuse_row_numbers(ids: IDs) -> None:
    if ids:
        raise ValueError(
            f"the frame names no ids, so its row numbers would be the ids, and the collection has {ids[0]!r} already, "
            'which may be another row; name a column with id="…", or set the index and its name'
        )


# --- Vectors first --------------------------------------------------------------------------------------
class _Shown:
    """The bar of a call, if there is one. Before anything is written its errors end the call; after that, nothing."""

    def __init__(self, bar: Any, total: int | None) -> None:
        self._bar, self._total = bar, total

    def reach(self, done: int) -> None:
        """So many records are dealt with; an embedding function may have moved the bar on already."""
        if self._bar is not None:
            self._bar.update(max(0, done - self._bar.done))

    def end(self) -> None:
        """All is written."""
        with contextlib.suppress(Exception):
            self.reach(self._total or 0)


@contextlib.contextmanager
def _shown(bar: Bar | None, total: int | None, verb: str) -> Iterator[_Shown]:
    if bar is None:
        yield _Shown(None, total)
        return
    made = bar(total, verb)
    shown = _Shown(made.__enter__(), total)
    try:
        yield shown
    finally:
        with contextlib.suppress(Exception):  # it must not hide what was written, nor another error
            made.__exit__(None, None, None)


def _with_vectors(verb: Verb, records: Records, shown: _Shown) -> Calls[Records]:
    """The records with a vector for each that needs one: embedded from its document, or what its uri points to.

    The records themselves where nothing is embedded. A collection that cannot embed apart from writing does so then.
    """
    of_texts, of_uris = yield Work(partial(_to_embed, verb, records))
    if not (of_texts or of_uris) or not (yield can_embed):
        return records
    if of_uris and not (yield can_load):
        raise ValueError(f"You must set a data loader on the collection if loading from URIs. in {verb}.")
    ours = yield embeds_for_calls
    made: dict[int, Matrix] = {}
    done = 0
    for field_values, rows in ((records.documents, of_texts), (records.uris, of_uris)):
        for start in range(0, len(rows), _BATCH_TO_EMBED):
            some = rows[start : start + _BATCH_TO_EMBED]
            values: object = [(field_values or ())[row] for row in some]
            if rows is of_uris:
                values = yield Call("_data_loader", {"uris": values})
            answer = yield Call("_embed", {"input": values, "call": verb} if ours else {"input": values})
            made.update(zip(some, _rows_of(answer, len(some)), strict=True))
            done += len(some)
            shown.reach(done)
    return (yield Work(partial(_filled_in, records, records.with_vector(), made)))  # type: ignore[no-any-return]


def _to_embed(verb: Verb, records: Records) -> tuple[list[int], list[int]]:
    """The rows to be embedded from their documents, and those from what their uris point to."""
    has, document = records.with_vector().tolist(), records.given("documents")
    of_texts = [row for row, text in enumerate(document) if text and not has[row]]
    if verb != "add":
        return of_texts, []
    return of_texts, [
        row for row, uri in enumerate(records.given("uris")) if uri and not document[row] and not has[row]
    ]


def _rows_of(answer: object, count: int) -> Matrix:
    """What an embedding function made, as one array."""
    rows = np.asarray(answer, np.float32)
    if rows.ndim != 2 or len(rows) != count:
        raise ValueError(f"expected one embedding for each of {count} inputs, got an array of shape {rows.shape}")
    return rows


def _filled_in(records: Records, has: Mask, made: Mapping[int, Matrix]) -> Records:
    dimensions = {len(row) for row in made.values()}
    if records.embeddings is not None and has.any():
        dimensions.add(records.embeddings.shape[1])
    if len(dimensions) != 1:
        raise InvalidArgumentError(
            "expected embeddings of one dimension, got "
            + " and ".join(map(str, sorted(dimensions)))
            + " from the embedding function and the given ones; nothing was written"
        )
    vectors = np.zeros((len(records), dimensions.pop()), np.float32)
    if records.embeddings is not None and has.any():
        vectors[has] = records.embeddings[has]
    for row, vector in made.items():
        vectors[row] = vector
    has = has.copy()
    has[list(made)] = True
    return replace(records, embeddings=vectors, has_embedding=None if has.all() else has)


def _rows_that_say_something(records: Records) -> Records:
    """The records without those that would change nothing."""
    parts = (records.with_vector().tolist(), *map(records.given, COLUMNS))
    return records.take([row for row, given in enumerate(zip(*parts, strict=True)) if any(given)]).pruned()


# --- By the public methods, in batches --------------------------------------------------------------------
def _send(verb: Verb, records: Records, shown: _Shown, call: str | None = None) -> Calls[Written]:
    """Write the records by the collection's own method, in batches. ``call``: what the user called."""
    batches: list[Records] = yield Work(partial(_batches_of_alike, verb, records))
    total, sent, written = sum(map(len, batches)), 0, 0
    last = ""
    for batch in batches:
        try:
            known = 0
            if verb != "upsert":
                known = len((yield Call("get", {"ids": batch.ids, "include": []}))["ids"])
            yield Call(verb, arguments(batch))
        except Exception as error:
            if sent:
                say_more(
                    error,
                    f"the rows went in batches: {sent} of {total}, up to id {last!r}, are written, those from id "
                    f"{batch.ids[0]!r} on are not; repeating the {call or verb} continues",
                )
            raise
        sent += len(batch)
        last = batch.ids[-1]
        written += len(batch) if verb == "upsert" else known if verb == "update" else len(batch) - known
        with contextlib.suppress(Exception):  # a bar must not keep the rest from being written
            shown.reach(sent)
    return _written(verb, total, written)


def _batches_of_alike(verb: Verb, records: Records) -> list[Records]:
    return [batch for rows in _alike(verb, records) for batch in _batches(records.take(rows).pruned())]


def say_more(error: Exception, text: str) -> None:
    """Add to what an error says; its class stays."""
    error.args = (f"{error}; {text}",)


def _alike(verb: Verb, records: Records) -> list[list[int]]:
    """The rows in groups that one call can carry: those with an embedding apart from those to embed.

    An addition keeps its order, which is the order of get, so only neighbours are grouped; an update
    is split by every field, since it takes no None, and rows that say nothing are dropped.
    """
    vector = records.with_vector().tolist()
    document = records.given("documents")
    if verb == "update":
        kinds = list(zip(vector, document, records.given("uris"), records.given("metadatas"), strict=True))
        groups: dict[tuple[bool, ...], list[int]] = {}
        for row, kind in enumerate(kinds):
            groups.setdefault(kind, []).append(row)
        return [rows for kind, rows in groups.items() if any(kind)]
    embed = [text and not has for has, text in zip(vector, document, strict=True)]
    return [
        [row for row, _ in run_of]
        for _, run_of in itertools.groupby(enumerate(zip(vector, embed, strict=True)), itemgetter(1))
    ]


def _batches(records: Records) -> Iterator[Records]:
    size = _BATCH if records.embeddings is not None or records.documents is None else _BATCH_TO_EMBED
    return map(Records.pruned, records.pieces(size))


def arguments(records: Records) -> Json:
    """The keyword arguments by which a collection's methods take these records."""
    fields = {name: values for name in FIELDS if (values := getattr(records, name)) is not None}
    return {"ids": records.ids, **fields}


# --- Sync -----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class SyncPlan:
    """What has to happen so that a collection equals a frame.

    ``update`` carries only what differs; ``without_document`` and ``without_uri`` are ids of it whose document or uri
    is taken away, while the rest of the record stays.
    """

    add: Records = NO_RECORDS
    update: Records = NO_RECORDS
    without_document: IDs = field(default_factory=list)
    without_uri: IDs = field(default_factory=list)
    delete: IDs = field(default_factory=list)
    unchanged: int = 0


def plan_sync(
    wanted: Records,
    current: Fields,
    *,
    delete: bool,
    unread: Iterable[str | None] = (),
    keep_keys: bool = False,
) -> SyncPlan:
    """Compare what a frame wants with what ``get`` answered. Touches nothing.

    ``unread`` are the ids of rows that were left out: their records stay as they are. ``keep_keys``: a part or a
    metadata key that a row does not have is left as it is, as an update does.

    >>> plan = plan_sync(Records(["a", "b"], documents=["one", "two"]),
    ...                  {"ids": ["a", "c"], "documents": ["one", "old"]}, delete=True)
    >>> plan.add.ids, plan.update.ids, plan.delete, plan.unchanged
    (['b'], [], ['c'], 1)
    """
    there = {record: row for row, record in enumerate(current["ids"])}
    add: list[int] = []
    changes: list[_Change] = []
    unchanged = 0
    embedding = _embeddings_differ(wanted, current, there)
    for row, record in enumerate(wanted.ids):
        if record not in there:
            add.append(row)
            continue
        change = _change(wanted, row, current, there[record], bool(embedding[row]), keep_keys)
        if change.empty:
            unchanged += 1
        else:
            changes.append(change)
    known = {*wanted.ids, *unread}
    return SyncPlan(
        add=wanted.take(add).pruned(),
        update=_changed_records(wanted, changes),
        without_document=[wanted.ids[change.row] for change in changes if change.no_document],
        without_uri=[wanted.ids[change.row] for change in changes if change.no_uri],
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
    no_document: bool = False
    no_uri: bool = False

    @property
    def empty(self) -> bool:
        given = self.document is not None or self.uri is not None or self.metadata is not None
        return not (given or self.embedding or self.no_document or self.no_uri)


def _change(wanted: Records, row: int, current: Fields, at: int, embedding: bool, keep_keys: bool) -> _Change:
    texts: list[str | None] = []
    gone: list[bool] = []
    for values, name in ((wanted.documents, "documents"), (wanted.uris, "uris")):
        new = None if values is None else values[row]
        old = None if current.get(name) is None else current[name][at]
        texts.append(new if new != old else None)
        gone.append(values is not None and new is None and old is not None and not keep_keys)
    metadata = None
    if wanted.metadatas is not None:
        metadata = _metadata_change(
            wanted.metadatas[row] or {}, (current.get("metadatas") or {at: None})[at] or {}, keep_keys
        )
    return _Change(row, texts[0], texts[1], metadata, embedding, gone[0], gone[1])


def _metadata_change(new: Metadata, old: Metadata, keep_keys: bool) -> Metadata | None:
    """The keys to set, and None for those to delete; None when there are none."""
    change = {key: value for key, value in new.items() if key not in old or not _same(value, old[key])}
    if not keep_keys:
        change.update({key: None for key in old if key not in new})
    return change or None


def _same(one: Any, other: Any) -> bool:
    """Equal and of one type: 1, 1.0 and True are three values."""
    if type(one) is not type(other) or one != other:
        return False
    return not isinstance(one, list) or type(one[0]) is type(other[0])


def _embeddings_differ(wanted: Records, current: Fields, there: Mapping[str, int]) -> Mask:
    """Which rows have another embedding than stored, beyond what float32 and a stored direction may change."""
    differs = np.zeros(len(wanted), bool)
    vectors = current.get("embeddings")
    if wanted.embeddings is None or vectors is None or not len(vectors):
        return differs
    given = wanted.with_vector()
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
        given = wanted.with_vector()
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
    frame: object, *, delete: bool = False, bar: Bar | None = None, page_size: int | None = None, **columns: Any
) -> Calls[Synced]:
    """Make the collection equal to the frame, doing only what is needed.

    Rows whose id is new are added, changed documents are embedded anew, changed metadata is updated
    (a key that the row no longer has is deleted), a document or uri whose cell is empty now is taken away, and with
    ``delete`` records that are in no row are deleted; the record of a row that is skipped stays. A part the frame has
    no column for (documents, uris, metadata, embeddings) is left as it is; so is the embedding of a record that loses
    its document. Run again, it does nothing.

    Everything is computed and embedded before anything is changed, and then changed at once. Where the collection
    cannot take a part away (over HTTP, chromadb's own), the record is deleted and added again, whole.
    """
    found = yield Work(partial(table_rows.from_frame, frame, partial=True, **columns))
    current = yield from _state(found.records, page_size)
    known = frozenset(current["ids"])
    found = found.without(_new_without_content(found.records, known), columns.get("on_error", "raise"))
    unread = [bad.id for bad in found.skipped]
    plan = yield Work(partial(plan_sync, found.records, current, delete=delete, unread=unread))
    if found.ids_are_row_numbers:
        _refuse_row_numbers(plan.update.ids or plan.delete)
    done, embedded = yield from apply(plan, bar)
    return Synced(
        added=done.added,
        updated=done.updated,
        embedded=embedded,
        deleted=done.deleted,
        unchanged=plan.unchanged,
        skipped=found.skipped,
    )


def without_empty_metadata(records: Records) -> Records:
    """Empty metadata is none, in files and for Chroma's methods."""
    if records.metadatas is None:
        return records
    return replace(records, metadatas=[one or None for one in records.metadatas])


def _new_without_content(records: Records, known: frozenset[str]) -> dict[str, str]:
    """The ids that are new and cannot be added, and why."""
    parts = (records.with_vector().tolist(), records.given("documents"), records.given("uris"))
    return {
        name: f"the record {name!r} is new and has no document, embedding or uri to be found by; fill one of them"
        for name, *given in zip(records.ids, *parts, strict=True)
        if name not in known and not any(given)
    }


def apply(plan: SyncPlan, bar: Bar | None = None) -> Calls[tuple[Edited, int]]:
    """Do what is planned, at once where the collection can.

    The answer is how many records were deleted, updated and added, and how many updated ones got a new embedding.
    """
    update, add = plan.update, plan.add
    if not (len(update) or len(add) or plan.delete):
        return Edited(), 0
    at_once = yield edits_at_once
    if at_once:
        update = (yield Call("_checked", {"call": "update", "records": update})) if len(update) else update
        add = (yield Call("_checked", {"call": "add", "records": add})) if len(add) else add
    with _shown(bar, len(update) + len(add), "sync") as shown:
        changed = yield from _with_vectors("update", update, shown)
        later = _Later(shown, len(update))
        if at_once:
            gathered = _Gathered("add", later)
            gathered.embedded = changed is not update
            edits = Edits(
                delete=plan.delete,
                update=changed,
                without_document=plan.without_document,
                without_uri=plan.without_uri,
            )
            done: Edited = yield from gathered.or_nothing(_write_additions(gathered, add, edits))
            shown.end()
        else:
            added = yield from _with_vectors("add", add, later)
            done = yield from _apply_in_batches(replace(plan, update=changed, add=added), shown)
    return done, int(changed.with_vector().sum())


def _write_additions(gathered: _Gathered, add: Records, edits: Edits) -> Calls[Edited]:
    for piece in _pieces(add):
        yield from gathered.embed(piece)
    return (yield from gathered.write(edits))


def _apply_in_batches(plan: SyncPlan, shown: _Shown) -> Calls[Edited]:
    """Do what is planned by the collection's own methods: what is deleted without being added again comes last."""
    cleared = {*plan.without_document, *plan.without_uri}
    kept = [row for row, name in enumerate(plan.update.ids) if name not in cleared]
    again = [row for row, name in enumerate(plan.update.ids) if name in cleared]
    replaced = yield from _carried_over(plan, plan.update.take(again).pruned())
    quiet = _Shown(None, 0)
    updated = yield from _send("update", plan.update.take(kept).pruned(), quiet, "sync")
    shown.reach(len(kept))
    added = yield from _send("add", plan.add, quiet, "sync")
    shown.reach(len(kept) + len(plan.add))
    for old, new in replaced:
        yield from replace_records(old, new)
    for start in range(0, len(plan.delete), _BATCH):
        yield Call("delete", {"ids": plan.delete[start : start + _BATCH]})
    shown.end()
    return Edited(len(plan.delete), updated.written + sum(len(old) for old, _ in replaced), added.written)


def _carried_over(plan: SyncPlan, update: Records) -> Calls[list[tuple[Records, Records]]]:
    """The records that lose a part, in batches: as they are, and whole as they will be."""
    found = []
    without_document, without_uri = set(plan.without_document), set(plan.without_uri)
    for start in range(0, len(update), _BATCH_TO_REPLACE):
        some = update.slice(start, start + _BATCH_TO_REPLACE).pruned()
        stored = yield Call("get", {"ids": some.ids, "include": ["documents", "metadatas", "uris", "embeddings"]})
        at = {name: row for row, name in enumerate(some.ids)}
        rows = [at[name] for name in stored["ids"]]
        if rows:
            old = without_empty_metadata(Records.of_result(stored))
            found.append((old, _laid_over(old, some.take(rows).pruned(), without_document, without_uri)))
    return found


def _laid_over(old: Records, new: Records, without_document: set[str], without_uri: set[str]) -> Records:
    """``old`` records as an update by ``new`` would leave them, without some documents and uris."""

    def texts(before: Sequence[object] | None, after: Sequence[object] | None, gone: set[str]) -> list[Any]:
        nothing = [None] * len(old)
        triples = zip(old.ids, before or nothing, after or nothing, strict=True)
        return [None if name in gone else one if other is None else other for name, one, other in triples]

    metadatas = []
    for one, other in zip(old.metadatas or (), new.metadatas or [None] * len(old), strict=True):
        merged = {key: value for key, value in {**(one or {}), **(other or {})}.items() if value is not None}
        metadatas.append(merged or None)
    vectors = old.embeddings
    has = new.with_vector()
    if vectors is not None and new.embeddings is not None and has.any():
        vectors = vectors.copy()
        vectors[has] = new.embeddings[has]
    return Records(
        ids=old.ids,
        embeddings=vectors,
        documents=texts(old.documents, new.documents, without_document),
        metadatas=metadatas,
        uris=texts(old.uris, new.uris, without_uri),
    )


def replace_records(old: Records, new: Records) -> Calls[None]:
    """Delete ``old`` records and add ``new`` ones, which have all of their ids and perhaps further ones.

    In one transaction where the collection can; elsewhere the old ones are put back after a failure, if possible.
    """
    if (yield edits_at_once):
        checked = yield Call("_checked", {"call": "add", "records": new})
        yield Call("_edit", {"edits": Edits(delete=old.ids, add=checked), "embedded": False})
        return
    try:
        yield Call("delete", {"ids": old.ids})
        yield Call("add", arguments(new))
    except BaseException as error:
        try:
            yield Call("add", arguments(old.pruned()))
        except Exception:  # noqa: BLE001  # the first error is the one to tell
            if isinstance(error, Exception):
                some = ", ".join(map(repr, old.ids[:5])) + (", …" if len(old) > 5 else "")
                say_more(
                    error,
                    f"{len(old)} records were to be deleted and added again without a part, and could be neither added "
                    f"nor put back: {some}",
                )
        raise


class _Later(_Shown):
    """The bar of a call, for those that come after ``before`` others."""

    def __init__(self, shown: _Shown, before: int) -> None:
        self._shown, self._before = shown, before

    def reach(self, done: int) -> None:
        self._shown.reach(self._before + done)


def _state(wanted: Records, page_size: int | None) -> Calls[Json]:
    """What the collection holds, of the parts the frame speaks of."""
    include = _parts_of(wanted)
    if page_size is None:
        return dict((yield Call("get", {"include": include})))
    pages = yield from _pages(Cursor(page_size), {"include": include})
    return (yield Work(partial(_joined, pages)))  # type: ignore[no-any-return]


def _parts_of(records: Records) -> list[str]:
    """What ``get`` has to include to compare with these records."""
    return [name for name in (*COLUMNS, "embeddings") if getattr(records, name) is not None]
