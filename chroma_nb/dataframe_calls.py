"""The calls that move a table in or out, for any collection, also chromadb's: ``run(collection, sync(df))``.

A call is a value here, so that ``run`` serves collections whose methods return their result, and ``run_async`` those
whose methods are awaited. Our collections have the calls as methods. What they do stands in ``tables/``.
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
    """A call that is not made yet."""

    now: Callable[[Collection], T]
    awaited: Callable[[AsyncCollection], Awaitable[T]]


def run(collection: Collection, call: Call[T]) -> T:
    """Make the call on a collection whose methods return their result.

    >>> class Two:
    ...     def get(self, **_): return {"ids": ["a", "b"], "metadatas": [{"x": 1}, None]}
    >>> run(Two(), read())
      id     x
    0  a     1
    1  b  <NA>
    """
    return call.now(collection)


async def run_async(collection: AsyncCollection, call: Call[T]) -> T:
    """Make the call on a collection whose methods are awaited."""
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
    """The records as one table, fetched in one call, or in pages of ``page_size``."""
    given = locals()
    return Call(partial(reading.read, **given), partial(async_reading.read, **given))


def write(verb: Verb, frame: object, *, bar: Bar | None = None, **columns: ColumnOrValues) -> Call[Written]:
    """Write the rows of a frame as ``add``, ``upsert`` or ``update`` would; ``columns`` as those of ``add_df``."""
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
    """Make the collection equal to the frame, doing only what is needed; arguments as those of ``collection.sync``."""
    given = {"frame": frame, "delete": delete, "bar": bar, "page_size": page_size, **columns}
    return Call(partial(syncing.sync, **given), partial(async_syncing.sync, **given))
