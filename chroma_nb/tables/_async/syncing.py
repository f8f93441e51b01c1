"""Make a collection equal to a table, by the necessary changes only.

Everything is computed and embedded before anything is changed, and then changed at once. A collection that cannot
remove a part of a record (over HTTP, chromadb's own) deletes the record and adds it again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from chroma_nb import _blocking as blocking
from chroma_nb.collection import AsyncCollection, edits_at_once, sparse_sources
from chroma_nb.paging import Cursor
from chroma_nb.records import Edited, Edits, Records
from chroma_nb.tables import batches, rows
from chroma_nb.tables._async.buffer import AsyncWriteBuffer
from chroma_nb.tables._async.editable import AsyncEditable
from chroma_nb.tables._async.embedding import with_vectors
from chroma_nb.tables._async.reading import in_pages
from chroma_nb.tables._async.sending import replace_records, send
from chroma_nb.tables.bars import Bar, BarAfter, CallBar, shown_bar
from chroma_nb.tables.batches import pieces, without_empty_metadata
from chroma_nb.tables.checks import new_without_content, refuse_row_numbers
from chroma_nb.tables.plan import SyncPlan, laid_over, parts_of, plan_sync
from chroma_nb.tables.reports import Synced
from chroma_nb.tables.rows import ColumnOrValues, FrameRecords, OnError
from chroma_nb.types import Columns


async def sync(
    collection: AsyncCollection,
    frame: object,
    *,
    delete: bool = False,
    bar: Bar | None = None,
    page_size: int | None = None,
    **columns: ColumnOrValues,
) -> Synced:
    """Make the collection equal to the frame.

    Rows whose id is new are added, changed documents are embedded again, changed metadata is updated
    (a key that the row no longer has is deleted), a document or uri whose cell is empty now is taken away, and with
    ``delete`` records that are in no row are deleted; the record of a row that is skipped stays. A part the frame has
    no column for (documents, uris, metadata, embeddings) is left as it is; so is the embedding of a record that loses
    its document. Run again, it does nothing.
    """
    found = await blocking.run(rows.from_frame, frame, partial=True, **columns)
    current = await _state(collection, found.records, page_size)
    found = await blocking.run(_without_empty, found, current, columns.get("on_error", "raise"))
    unread = [bad.id for bad in found.skipped]
    made = await blocking.run(sparse_sources, collection)
    plan = await blocking.run(plan_sync, found.records, current, delete=delete, unread=unread, made=made)
    if found.ids_are_row_numbers:
        refuse_row_numbers(plan.update.ids or plan.delete)
    done, embedded = await apply(collection, plan, bar)
    return Synced(
        added=done.added,
        updated=done.updated,
        embedded=embedded,
        deleted=done.deleted,
        unchanged=plan.unchanged,
        skipped=found.skipped,
    )


def _without_empty(found: FrameRecords, current: Columns, on_error: OnError) -> FrameRecords:
    """The rows that are there, or can be added."""
    return found.without(new_without_content(found.records, frozenset(current["ids"])), on_error)


async def _state(collection: AsyncCollection, wanted: Records, page_size: int | None) -> Columns:
    """What the collection holds, of the parts the frame speaks of."""
    if page_size is None:
        return await collection.get(include=parts_of(wanted))
    return await in_pages(collection, Cursor(page_size), {"include": parts_of(wanted)})


async def apply(collection: AsyncCollection, plan: SyncPlan, bar: Bar | None = None) -> tuple[Edited, int]:
    """Do what is planned, at once where the collection can.

    Returns how many records were deleted, updated and added, and how many updated ones got a new embedding.
    """
    if not (len(plan.update) or len(plan.add) or plan.delete):
        return Edited(), 0
    at_once = edits_at_once(collection)
    if at_once:
        plan = await _checked(cast("AsyncEditable", collection), plan)
    with shown_bar(bar, len(plan.update) + len(plan.add), "sync") as shown:
        update = await with_vectors(collection, "update", plan.update, shown)
        later = BarAfter(shown, len(plan.update))
        if at_once:
            buffer = AsyncWriteBuffer(cast("AsyncEditable", collection), "add", later)
            buffer.embedded = update is not plan.update
            if plan.made:
                update = await cast("AsyncEditable", collection)._with_sparse_vectors(update)
            done = await _apply_at_once(buffer, replace(plan, update=update))
            shown.end()
        else:
            add = await with_vectors(collection, "add", plan.add, later)
            done = await _apply_in_batches(collection, replace(plan, update=update, add=add), shown)
    return done, int(update.with_vector().sum())


async def _checked(collection: AsyncEditable, plan: SyncPlan) -> SyncPlan:
    """The plan with records that are checked before the first is embedded."""
    update, add = plan.update, plan.add
    if len(update):
        update = await blocking.run(collection._checked, "update", update)
    if len(add):
        add = await blocking.run(collection._checked, "add", add)
    return replace(plan, update=update, add=add)


async def _apply_at_once(buffer: AsyncWriteBuffer, plan: SyncPlan) -> Edited:
    """Do what is planned in one transaction."""
    others = Edits(
        delete=plan.delete,
        update=plan.update,
        without_document=plan.without_document,
        without_uri=plan.without_uri,
    )
    async with buffer:
        for piece in pieces(plan.add):
            await buffer.add(piece)
        return await buffer.write(others)


async def _apply_in_batches(collection: AsyncCollection, plan: SyncPlan, shown: CallBar) -> Edited:
    """Do what is planned by the collection's own methods: what is deleted without being added again comes last."""
    kept, again = await blocking.run(_kept_and_replaced, plan)
    replaced = await _carried_over(collection, plan, again)
    quiet = CallBar(None, 0)
    _, updated = await send(collection, "update", kept, quiet, "sync")
    shown.reach(len(kept))
    _, added = await send(collection, "add", plan.add, quiet, "sync")
    shown.reach(len(kept) + len(plan.add))
    for old, new in replaced:
        await replace_records(collection, old, new)
    for start in range(0, len(plan.delete), batches.BATCH):
        await collection.delete(ids=plan.delete[start : start + batches.BATCH])
    shown.end()
    return Edited(len(plan.delete), updated + sum(len(old) for old, _ in replaced), added)


def _kept_and_replaced(plan: SyncPlan) -> tuple[Records, Records]:
    """The updates that a collection can do, and those that take a part away."""
    cleared = {*plan.without_document, *plan.without_uri}
    kept = [row for row, name in enumerate(plan.update.ids) if name not in cleared]
    again = [row for row, name in enumerate(plan.update.ids) if name in cleared]
    return plan.update.take(kept).pruned(), plan.update.take(again).pruned()


async def _carried_over(collection: AsyncCollection, plan: SyncPlan, update: Records) -> list[tuple[Records, Records]]:
    """The records that lose a part, in batches: as they are, and whole as they will be."""
    found = []
    without_document, without_uri = set(plan.without_document), set(plan.without_uri)
    for start in range(0, len(update), batches.BATCH_TO_REPLACE):
        some = update.slice(start, start + batches.BATCH_TO_REPLACE).pruned()
        stored = await collection.get(ids=some.ids, include=["documents", "metadatas", "uris", "embeddings"])
        if stored["ids"]:
            old = without_empty_metadata(Records.of_result(stored))
            new = some.in_order_of(old.ids).pruned()
            found.append((old, laid_over(old, new, without_document, without_uri, plan.made)))
    return found
