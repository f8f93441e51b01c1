"""Write the rows of a table: add, upsert and update.

Rows are checked first, then documents are embedded, then everything is written. An embedded collection writes it in
one transaction. Any other is called by its public methods, in batches and in order, and an error says what was
written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import cast

from chroma_nb import _blocking as blocking
from chroma_nb.collection import AsyncCollection, edits_at_once, sparse_sources
from chroma_nb.records import Edits, Records
from chroma_nb.tables import batches, rows
from chroma_nb.tables._async.buffer import AsyncWriteBuffer
from chroma_nb.tables._async.editable import AsyncEditable
from chroma_nb.tables._async.embedding import with_vectors
from chroma_nb.tables._async.sending import send
from chroma_nb.tables.bars import Bar, shown_bar
from chroma_nb.tables.batches import Verb, pieces
from chroma_nb.tables.checks import need_content, only_uris, refuse_repeated, refuse_row_numbers
from chroma_nb.tables.plan import parts_of, plan_sync
from chroma_nb.tables.reports import Written
from chroma_nb.tables.rows import ColumnOrValues, FrameRecords, OnError
from chroma_nb.types import Columns, IDs, Options


async def write(
    collection: AsyncCollection, verb: Verb, frame: object, *, bar: Bar | None = None, **columns: ColumnOrValues
) -> Written:
    """Write the rows of a frame as ``add``, ``upsert`` or ``update`` would.

    ``columns`` are the options of ``rows.from_frame``. A frame whose ids are only its row numbers may fill a
    collection, but not change a record that is there: the next frame, or this one in another order, has the same
    numbers for other rows.
    """
    found = await blocking.run(rows.from_frame, frame, partial=verb == "update", **columns)
    if verb == "upsert":
        found = await blocking.run(_without_only_uris, found, columns.get("on_error", "raise"))
    records = found.records
    if found.ids_are_row_numbers:
        records = await _without_known_row_numbers(collection, verb, records)
    done = await write_records(collection, verb, records, bar=bar)
    return replace(done, skipped=found.skipped)


def _without_only_uris(found: FrameRecords, on_error: OnError) -> FrameRecords:
    """The rows that ``upsert`` can take."""
    return found.without(only_uris(found.records), on_error)


def _fits_memory(records: Records) -> bool:
    return records.nbytes <= batches.MEMORY_BUDGET


async def write_records(
    collection: AsyncCollection, verb: Verb, records: Records, *, bar: Bar | None = None
) -> Written:
    """Write records of which some have a vector and some are to be embedded."""
    count = len(records.ids)
    if not count:
        return Written(0)
    complete = bool(records.with_vector().all())
    if not complete:
        await blocking.run(need_content, verb, records)
    if edits_at_once(collection):
        ours = cast("AsyncEditable", collection)
        # Where nothing is to be embedded, pieces would gain no memory.
        if complete and not sparse_sources(ours) and await blocking.run(_fits_memory, records):
            these: Options = {verb: records}
            done = await ours._edit(Edits(**these), embedded=False)
            return _report(verb, count, done.added + done.updated)
        records = await blocking.run(ours._checked, verb, records)
        return await write_pieces(ours, verb, pieces(records), count, bar=bar, checked=True)
    with shown_bar(bar, count, verb) as shown:
        ready = await with_vectors(collection, verb, records, shown)
        sent, written = await send(collection, verb, ready, shown)
    return _report(verb, sent, written)


async def write_pieces(
    collection: AsyncEditable,
    verb: Verb,
    given: Iterator[Records],
    total: int | None,
    *,
    bar: Bar | None = None,
    checked: bool = False,
) -> Written:
    """Write records that come in pieces, as of a file, by one transaction of a collection that takes edits.

    All are read and checked before the first is embedded, and all embedded before the first is written; beyond
    MEMORY_BUDGET what is ready waits in the database instead of memory, where no reader counts it.
    """
    with shown_bar(bar, total, verb) as shown:
        async with AsyncWriteBuffer(collection, verb, shown) as buffer:
            waiting: list[Records] = []
            size, seen = 0, set[str]()
            while (piece := await blocking.run(next, given, None)) is not None:
                if not checked:
                    piece = await _checked(collection, verb, piece, seen)
                waiting.append(piece)
                size += piece.nbytes
                if size > batches.MEMORY_BUDGET and await buffer.begin_staging():
                    await _add_all(buffer, waiting)
                    await buffer.stage()
                    waiting, size = [], 0
            await _add_all(buffer, waiting)
            done = await buffer.write(Edits())
        shown.end()
    return _report(verb, buffer.count, done.added + done.updated)


async def _checked(collection: AsyncEditable, verb: Verb, piece: Records, seen: set[str]) -> Records:
    """The piece, checked by itself and against the ids of the pieces before it."""
    await blocking.run(need_content, verb, piece)
    found = await blocking.run(collection._checked, verb, piece)
    refuse_repeated(verb, seen, found.ids)
    return found


async def _add_all(buffer: AsyncWriteBuffer, waiting: Iterable[Records]) -> None:
    for piece in waiting:
        await buffer.add(piece)


def _report(verb: Verb, count: int, written: int) -> Written:
    """So many rows came, and so many were written."""
    passed = count - written
    return Written(written, existing=passed if verb == "add" else 0, missing=passed if verb == "update" else 0)


async def _without_known_row_numbers(collection: AsyncCollection, verb: Verb, records: Records) -> Records:
    """The records that are not there. ValueError when one is that ``add`` would pass over, or another would change."""
    there_already: set[str] = set()
    for start in range(0, len(records), batches.BATCH):
        some = records.slice(start, start + batches.BATCH).pruned()
        known = await collection.get(ids=some.ids, include=[] if verb == "add" else parts_of(some))
        if verb == "add":
            refuse_row_numbers(known["ids"])
        else:
            refuse_row_numbers(await blocking.run(_changed, some, known))
            there_already.update(known["ids"])
    return await blocking.run(_others, records, there_already)


def _changed(records: Records, known: Columns) -> IDs:
    """The ids of the records that an update would change, of those that are ``known``."""
    there = records.in_order_of(known["ids"]).pruned()
    return plan_sync(there, known, delete=False, keep_keys=True).update.ids


def _others(records: Records, ids: set[str]) -> Records:
    """The records that have none of these ids."""
    return records.take([row for row, name in enumerate(records.ids) if name not in ids]).pruned()
