"""Writing records by a collection's public methods, in batches and in order: over HTTP, and chromadb's own."""

from __future__ import annotations

from typing import cast

from chroma_nb import _blocking as blocking
from chroma_nb.collection import AsyncCollection, edits_at_once
from chroma_nb.records import Edits, Records
from chroma_nb.tables._async.editable import AsyncEditable
from chroma_nb.tables.bars import CallBar
from chroma_nb.tables.batches import Verb, arguments, batches_of_alike
from chroma_nb.tables.checks import say_more


async def send(
    collection: AsyncCollection, verb: Verb, records: Records, shown: CallBar, call: str | None = None
) -> tuple[int, int]:
    """Write the records; returns how many were sent, and how many of those written.

    ``call``: what the user called.
    """
    alike = await blocking.run(batches_of_alike, verb, records)
    total, sent, written = sum(map(len, alike)), 0, 0
    last = ""
    for batch in alike:
        try:
            known = 0
            if verb != "upsert":
                known = len((await collection.get(ids=batch.ids, include=[]))["ids"])
            await getattr(collection, verb)(**arguments(batch))
        except Exception as error:
            if sent:
                say_more(
                    error,
                    (
                        f"the rows were sent in batches: {sent} of {total}, up to id {last!r}, are written, those "
                        f"from id {batch.ids[0]!r} on are not. To continue, repeat the {call or verb}"
                    ),
                )
            raise
        sent += len(batch)
        last = batch.ids[-1]
        written += len(batch) if verb == "upsert" else known if verb == "update" else len(batch) - known
        shown.reach(sent)
    return total, written


async def replace_records(collection: AsyncCollection, old: Records, new: Records) -> None:
    """Delete ``old`` records and add ``new`` ones, which have all of their ids and perhaps further ones.

    In one transaction where the collection can; elsewhere the old ones are put back after a failure, if possible.
    """
    if edits_at_once(collection):
        ours = cast("AsyncEditable", collection)
        checked = await blocking.run(ours._checked, "add", new)
        await ours._edit(Edits(delete=old.ids, add=checked), embedded=False)
        return
    try:
        await collection.delete(ids=old.ids)
        await collection.add(**arguments(new))
    except BaseException as error:
        if isinstance(error, GeneratorExit):  # a closed coroutine makes no more calls
            raise
        try:
            await collection.add(**arguments(old.pruned()))
        except Exception:  # noqa: BLE001  # the first error is the one to tell
            if isinstance(error, Exception):
                some = ", ".join(map(repr, old.ids[:5])) + (", …" if len(old) > 5 else "")
                say_more(
                    error,
                    (
                        f"{len(old)} records had to be deleted and added again to remove a part of them, and could be "
                        f"neither added nor restored: {some}"
                    ),
                )
        raise
