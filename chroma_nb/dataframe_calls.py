"""The calls that move a table in or out, for any collection, also chromadb's: ``run(collection, sync(df))``.

A call is a value here, so ``run`` serves collections whose methods return their result, and ``run_async`` those whose
methods are awaited. Our collections have the calls as methods. ``tables/`` does the work.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from chroma_nb.collection import AsyncCollection, Collection
from chroma_nb.tables._async import reading as async_reading
from chroma_nb.tables._async import syncing as async_syncing
from chroma_nb.tables._async import writing as async_writing
from chroma_nb.tables._sync import reading, syncing, writing
from chroma_nb.tables._sync.reading import read_frames as frames
from chroma_nb.tables.bars import Bar
from chroma_nb.tables.batches import Verb
from chroma_nb.tables.reports import Synced, Written
from chroma_nb.tables.rows import ColumnOrValues
from chroma_nb.types import IDs, Where, WhereDocument

if TYPE_CHECKING:
    import pandas

__all__ = ["Call", "frames", "read", "run", "run_async", "sync", "write"]

T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    """A call on a collection that was not made yet. Pass it to ``run`` or ``run_async``."""

    now: Callable[[Collection], T]
    awaited: Callable[[AsyncCollection], Awaitable[T]]


def run(collection: Collection, call: Call[T]) -> T:
    """Make a call on a collection, also of the package chromadb.

    Parameters
    ----------
    collection
        A collection whose methods return their results.
    call
        What to do: ``read(…)``, ``write(…)`` or ``sync(…)``.

    Returns
    -------
    object
        The result of the call.

    Examples
    --------
    >>> class Two:
    ...     def get(self, **_): return {"ids": ["a", "b"], "metadatas": [{"x": 1}, None]}
    >>> run(Two(), read())
      id     x
    0  a     1
    1  b  <NA>
    """
    return call.now(collection)


async def run_async(collection: AsyncCollection, call: Call[T]) -> T:
    """Make a call on a collection of an asynchronous client.

    Parameters
    ----------
    collection
        A collection whose methods are awaited.
    call
        What to do: ``read(…)``, ``write(…)`` or ``sync(…)``.

    Returns
    -------
    object
        The result of the call.
    """
    return await call.awaited(collection)


def read(
    where: Where | None = None,
    where_document: WhereDocument | None = None,
    ids: IDs | None = None,
    limit: int | None = None,
    offset: int = 0,
    columns: Sequence[str] | None = None,
    include: Sequence[str] | None = None,
    page_size: int | None = None,
) -> Call[pandas.DataFrame]:
    """Read records as one table. Pass the result to ``run``.

    Parameters
    ----------
    where
        Read only records whose metadata match this filter.
    where_document
        Read only records whose document matches this filter.
    ids
        Read only these records.
    limit
        How many records to read at most.
    offset
        How many records to skip.
    columns
        The columns of the table, in this order. By default all.
    include
        The fields to read, as for ``get``.
    page_size
        Read this many records at a time. By default all are read in one call. If others write meanwhile, pages may show
        different states of the collection.

    Returns
    -------
    Call
        A call that returns a pandas DataFrame.
    """
    given = locals()
    return Call(partial(reading.read, **given), partial(async_reading.read, **given))


def write(verb: Verb, frame: object, *, bar: Bar | None = None, **columns: ColumnOrValues) -> Call[Written]:
    """Write the rows of a table. Pass the result to ``run``.

    Parameters
    ----------
    verb
        ``"add"``, ``"upsert"`` or ``"update"``.
    frame
        The table: pandas, polars, Arrow or a Hugging Face Dataset.
    bar
        Makes a progress bar from the number of records and the verb; None for no bar.
    **columns
        Which columns are what, as for ``collection.add_df``.

    Returns
    -------
    Call
        A call that returns a report of what was written.
    """
    given = {"verb": verb, "frame": frame, "bar": bar, **columns}
    return Call(partial(writing.write, **given), partial(async_writing.write, **given))


def sync(
    frame: object,
    *,
    delete: bool = False,
    bar: Bar | None = None,
    page_size: int | None = None,
    **columns: ColumnOrValues,
) -> Call[Synced]:
    """Make a collection equal to a table by writing only the differences. Pass the result to ``run``.

    Parameters
    ----------
    frame
        The table: pandas, polars, Arrow or a Hugging Face Dataset.
    delete
        Whether to delete the records that are in no row.
    bar
        Makes a progress bar from the number of records and the verb; None for no bar.
    page_size
        Read this many records at a time while comparing.
    **columns
        Which columns are what, as for ``collection.sync``.

    Returns
    -------
    Call
        A call that returns a report of what was added, updated, deleted and left unchanged.
    """
    given = {"frame": frame, "delete": delete, "bar": bar, "page_size": page_size, **columns}
    return Call(partial(syncing.sync, **given), partial(async_syncing.sync, **given))
