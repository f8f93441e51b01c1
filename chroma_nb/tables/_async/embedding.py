"""Embed a table's documents, or what its uris point to, before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from chroma_nb import _blocking as blocking
from chroma_nb.collection import AsyncCollection, can_embed, data_loader, embeds_for_calls
from chroma_nb.records import Records
from chroma_nb.tables import batches
from chroma_nb.tables._async.editable import AsyncEditable
from chroma_nb.tables.bars import CallBar
from chroma_nb.tables.batches import Verb
from chroma_nb.tables.embedding import filled_in, rows_of, to_embed
from chroma_nb.types import Matrix


class _OfChromadb(Protocol):
    #: Not awaited, whatever its other methods are.
    _embed: Callable[..., object]


async def with_vectors(collection: AsyncCollection, verb: Verb, records: Records, shown: CallBar) -> Records:
    """The records with a vector for each that needs one: embedded from its document, or what its uri points to.

    The records themselves where nothing is embedded. A collection that cannot embed apart from writing does so then.
    """
    of_texts, of_uris = await blocking.run(to_embed, verb, records)
    if not (of_texts or of_uris) or not can_embed(collection):
        return records
    load = data_loader(collection)
    if of_uris and load is None:
        raise ValueError(f"You must set a data loader on the collection if loading from URIs. in {verb}.")
    made: dict[int, Matrix] = {}
    done = 0
    for column, rows in ((records.documents, of_texts), (records.uris, of_uris)):
        for start in range(0, len(rows), batches.BATCH_TO_EMBED):
            some = rows[start : start + batches.BATCH_TO_EMBED]
            values: list[object] = [(column or ())[row] for row in some]
            if rows is of_uris and load is not None:
                values = await blocking.run(load, uris=values)
            vectors = await _embedded(collection, verb, values)
            made.update(zip(some, rows_of(vectors, len(some)), strict=True))
            done += len(some)
            shown.reach(done)
    return await blocking.run(filled_in, records, records.with_vector(), made)


async def _embedded(collection: AsyncCollection, verb: Verb, values: list[object]) -> object:
    if embeds_for_calls(collection):
        return await cast("AsyncEditable", collection)._vectors(input=values, call=verb)
    theirs = cast("_OfChromadb", collection)
    return await blocking.run(theirs._embed, input=values)
