"""The records of one call, on their way into a collection that writes them in one transaction."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from types import TracebackType
from typing import Self

from chroma_nb import _blocking as blocking
from chroma_nb.collection import sparse_sources
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.records import COLUMNS, Edited, Edits, Records
from chroma_nb.tables import batches
from chroma_nb.tables._async.editable import AsyncEditable, Session
from chroma_nb.tables._async.embedding import with_vectors
from chroma_nb.tables.bars import BarAfter, CallBar
from chroma_nb.tables.batches import Verb, pieces
from chroma_nb.tables.checks import say_more
from chroma_nb.types import Options


class AsyncWriteBuffer:
    """Records of one call, embedded and ready to be written: in memory, or staged once they are too many for it.

    An error that leaves its ``with`` removes what is staged. (If that fails too, the next opening does it.)
    """

    def __init__(self, collection: AsyncEditable, verb: Verb, shown: CallBar) -> None:
        self.verb = verb
        self.count = 0
        self.embedded = False
        self._collection = collection
        self._shown = shown
        self._sparse = bool(sparse_sources(collection))
        self._ready: list[Records] = []
        self._size = 0
        self._session: Session | None = None
        self._asked = verb == "update"  # what an update says of a record that is there cannot wait beside it

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or self._session is None:
            return
        # async only
        if isinstance(error, GeneratorExit):  # nobody awaits the call any more: whoever sweeps may have what is staged
            self._session.close()
            return
        # end async only
        with contextlib.suppress(Exception):
            await self._collection._abandon_staging(self._session)

    async def add(self, piece: Records) -> None:
        """A piece more, which may have to be embedded."""
        made = await with_vectors(self._collection, self.verb, piece, BarAfter(self._shown, self.count))
        self.embedded |= made is not piece
        if self._sparse:
            made = await self._collection._with_sparse_vectors(made)
        self.count += len(piece)
        self._ready.append(made)
        self._size += made.nbytes
        if self._size > batches.MEMORY_BUDGET and await self.begin_staging():
            await self.stage()

    async def begin_staging(self) -> bool:
        """Whether records may wait in the database; not in one that is in memory itself."""
        if not self._asked:
            self._session = await self._collection._begin_staging()
            self._asked = True
        return self._session is not None

    async def stage(self) -> None:
        """Write what is ready where no reader counts it, in short transactions."""
        if self._session is not None:
            for records in self._ready:
                for piece in pieces(records, batches.STAGED_BYTES):
                    await self._collection._stage(self._session, piece)
            self._ready, self._size = [], 0

    async def write(self, others: Edits) -> Edited:
        """Write everything, and ``others`` with it, in one transaction."""
        if self._session is not None:
            await self.stage()
            update = self.verb == "upsert"
            return await self._collection._publish(self._session, others, update=update, embedded=self.embedded)
        records = await blocking.run(self._joined)
        if self.verb == "update":
            self.count = len(records)
        these: Options = {self.verb: records}
        return await self._collection._edit(replace(others, **these), embedded=self.embedded)

    def _joined(self) -> Records:
        try:
            records = Records.concat(self._ready)
        except InvalidArgumentError as error:
            say_more(error, "nothing was written")
            raise
        return _rows_that_say_something(records) if self.verb == "update" else records


def _rows_that_say_something(records: Records) -> Records:
    """The records without those that would change nothing."""
    parts = (records.with_vector().tolist(), *map(records.given, COLUMNS))
    return records.take([row for row, given in enumerate(zip(*parts, strict=True)) if any(given)]).pruned()
