"""Reading a collection as a table, whole or in pages.

One call sees one state of the collection; pages may see different ones when somebody writes.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, cast

from chroma_nb import _blocking as blocking
from chroma_nb.collection import AsyncCollection, edits_at_once, values_by_key
from chroma_nb.paging import Cursor
from chroma_nb.tables import batches, frames
from chroma_nb.tables._async.editable import AsyncEditable
from chroma_nb.tables.checks import positive
from chroma_nb.tables.pages import fields_of, joined, key_of_no_record, keys_unknown
from chroma_nb.types import Columns, IDs, Options, Where, WhereDocument

if TYPE_CHECKING:
    import pandas


async def read(
    collection: AsyncCollection,
    where: Where | None = None,
    where_document: WhereDocument | None = None,
    ids: IDs | None = None,
    limit: int | None = None,
    offset: int = 0,
    columns: Sequence[str] | None = None,
    include: Sequence[str] | None = None,
    page_size: int | None = None,
    dates: bool | str | Sequence[str] = False,
) -> pandas.DataFrame:
    """Read the records as one table, in one call or in pages of ``page_size``."""
    wanted = fields_of(columns) if include is None else [*include, *(fields_of(columns) if columns is not None else ())]
    arguments: Options = {"where": where, "where_document": where_document, "include": list(dict.fromkeys(wanted))}
    if ids is not None:
        arguments["ids"] = ids
    if page_size is None:
        found = await _fetched(collection, {**arguments, "limit": limit, "offset": offset or None})
    else:
        positive("page_size", page_size)
        found = await in_pages(collection, Cursor(page_size, limit, offset), arguments)
    if columns is not None:
        await _warn_of_unknown(collection, columns, found, stacklevel=4)
    return await blocking.run(frames.to_frame, found, columns=columns, dates=dates)


async def read_frames(
    collection: AsyncCollection,
    where: Where | None = None,
    columns: Sequence[str] | None = None,
    page_size: int = 1_000,
) -> AsyncIterator[pandas.DataFrame]:
    """Read the records as several tables, one after the other.

    Parameters
    ----------
    collection
        The collection.
    where
        Read only records whose metadata match this filter.
    columns
        The columns of the tables, in this order. By default all.
    page_size
        How many rows a table has at most.

    Returns
    -------
    iterator of pandas.DataFrame
        The tables.

    Raises
    ------
    ValueError
        ``page_size`` is less than 1.
    """
    positive("page_size", page_size)
    cursor = Cursor(page_size)
    for limit, offset in cursor:
        page: Options = {"where": where, "include": fields_of(columns), "limit": limit, "offset": offset}
        found = await _fetched(collection, page)
        if offset == 0 and columns is not None:
            await _warn_of_unknown(collection, columns, found, stacklevel=3)
        if found["ids"]:
            cursor.passed(len(found["ids"]))
            yield await blocking.run(frames.to_frame, found, columns=columns)


async def in_pages(collection: AsyncCollection, cursor: Cursor, arguments: Options) -> Columns:
    """What ``get`` returns for these arguments, fetched page by page."""
    pages: list[Columns] = []
    for limit, offset in cursor:
        page = await collection.get(**arguments, limit=limit, offset=offset)
        cursor.passed(len(page["ids"]))
        pages.append(page)
    return await blocking.run(joined, pages)


async def _fetched(collection: AsyncCollection, arguments: Options) -> Columns:
    """What ``get`` returns for these arguments; of a collection of ours in this process, as it is stored."""
    if edits_at_once(collection) and "data" not in arguments["include"]:
        return await cast("AsyncEditable", collection)._get_as_stored(**arguments)
    return await collection.get(**arguments)


async def _warn_of_unknown(
    collection: AsyncCollection, columns: Sequence[str], found: Columns, *, stacklevel: int
) -> None:
    """A warning for each column that is a key of no record, with what was perhaps meant.

    A key that only the records found lack is an empty column. Others are looked at a page at a time, as far as needed.
    ``stacklevel`` is that of the line which asked for the columns.
    """
    known = set[str]()
    metadatas = found.get("metadatas") or ()
    for start in range(0, len(metadatas), batches.BATCH):
        if not keys_unknown(columns, known):
            return
        known.update(await blocking.run(values_by_key, metadatas[start : start + batches.BATCH]))
    cursor = Cursor(batches.BATCH)
    for limit, offset in cursor:
        if not keys_unknown(columns, known):
            return
        page = await collection.get(include=["metadatas"], limit=limit, offset=offset)
        known.update(await blocking.run(values_by_key, page["metadatas"] or ()))
        cursor.passed(len(page["ids"]))
    if cursor.read:
        for name in keys_unknown(columns, known):
            warnings.warn(key_of_no_record(name, known), stacklevel=stacklevel)
