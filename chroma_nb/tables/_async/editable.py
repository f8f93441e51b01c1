"""What an embedded collection can do in addition: many changes in one transaction, columns as stored."""

from __future__ import annotations

from typing import Protocol

from chroma_nb.collection import AsyncCollection
from chroma_nb.records import Edited, Edits, Records
from chroma_nb.types import Columns, Include, Matrix


class Session(Protocol):
    """Records of one call that wait in the database."""

    def close(self) -> object:
        """Whoever sweeps may have them."""


class AsyncEditable(AsyncCollection, Protocol):
    """A collection that ``edits_at_once`` says yes to."""

    def _checked(self, call: str, records: Records) -> Records:
        """The records, checked as the arguments of ``call``."""

    async def _vectors(self, input: list[object], call: str = "add") -> Matrix:
        """A vector for each document."""

    async def _with_sparse_vectors(self, records: Records) -> Records:
        """The records with the sparse vectors that the schema wants of their texts."""

    async def _edit(self, edits: Edits, *, embedded: bool) -> Edited:
        """Write all of it in one transaction."""

    async def _get_as_stored(self, include: Include, **arguments: object) -> Columns:
        """What ``get`` returns, with vectors in float32 and metadata that is decoded by whoever reads it."""

    async def _begin_staging(self) -> Session | None:
        """Begin to take in more records than memory should hold; None where that would be in memory anyway."""

    async def _stage(self, session: Session, records: Records) -> None:
        """Write some records that no reader counts yet."""

    async def _publish(self, session: Session, edits: Edits, *, update: bool, embedded: bool) -> Edited:
        """Let them count, and write ``edits`` with them."""

    async def _abandon_staging(self, session: Session) -> None:
        """Remove them."""
