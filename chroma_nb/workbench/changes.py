"""Changes of records, each of which can be undone. No widgets here.

Nothing is overwritten unseen: an edit says which record it started from, an undo which one it left, and both stop if
somebody else has written meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from chroma_nb import _locks
from chroma_nb.collection import Collection
from chroma_nb.display.markup import counted
from chroma_nb.paging import by_ids, slices
from chroma_nb.records import FIELDS, Record, Records
from chroma_nb.tables import batches
from chroma_nb.tables._sync.syncing import apply
from chroma_nb.tables.plan import SyncPlan
from chroma_nb.types import Metadata, MetadataValue, Options, Vector

#: Records deleted at once; all of them are kept for the undo.
DELETED_AT_ONCE = 1_000
#: Changes that can be taken back.
_REMEMBERED = 20
#: Records tagged by one call.
_BATCH: Final = 1_000


def read_records(collection: Collection, ids: Sequence[str], include: Sequence[str] = FIELDS) -> list[Record]:
    """The records with these ids that are there, in the order of ``ids``."""
    if not ids:
        return []
    found = collection.get(ids=list(ids), include=list(include))
    return list(Records.of_result(found).in_order_of(ids).rows())


def version(record: Record) -> str:
    """A short text that is another one where document, uri or metadata are others, in value or in type.

    >>> version(Record("a", metadata={"n": 1})) == version(Record("a", metadata={"n": 1.0}))
    False
    """
    metadata = sorted((key, type(value).__name__, repr(value)) for key, value in (record.metadata or {}).items())
    seen = repr((record.document, record.uri, metadata)).encode("utf-8", "surrogatepass")
    return hashlib.sha256(seen).hexdigest()[:32]


@dataclass(frozen=True)
class _Change:
    """What was done, in words, and what takes it back."""

    done: str
    undo: Callable[[], None]


class Changes:
    """Creates, edits, tags and deletes records of one collection, and takes it back, the last change first.

    Not safe for several threads; whoever has these takes ``lock`` around a call.
    """

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._done: list[_Change] = []
        self.lock = _locks.RLock()

    @property
    def last(self) -> str | None:
        """The change that ``undo`` would take back, in words."""
        return self._done[-1].done if self._done else None

    def create(
        self, id: str, document: str | None = None, metadata: Metadata | None = None, embedding: Vector | None = None
    ) -> str:
        """Add a record; without ``embedding`` the collection embeds the document. ValueError where the id exists."""
        if not id:
            raise ValueError("expected an id, got nothing")
        if self._now(id) is not None:
            raise ValueError(f"the record {id!r} exists already; nothing was changed")
        if not document and embedding is None:
            raise ValueError("expected a document to embed, got nothing")
        said = {key: value for key, value in (metadata or {}).items() if value is not None}
        self._add([Record(id, embedding, document or None, said)])
        made = self._now(id)

        def undo() -> None:
            """Delete the record again; ValueError when somebody changed it meanwhile."""
            self._must_be(id, made)
            self._collection.delete(ids=[id])

        return self._remember(f"creation of {id!r}", undo)

    def edit(self, seen: Record, document: str | None, metadata: Metadata) -> str:
        """Give a record this document, embedded again, and exactly this metadata.

        ``seen`` is the record as it was shown; ValueError when it is another by now, and for a document taken
        away, which no Chroma can do.
        """
        if seen.document and not document:
            raise ValueError("a document cannot be removed: write another, or delete the record")
        self._must_be(seen.id, seen)
        before = self._now(seen.id)
        arguments = _difference(seen, Record(seen.id, None, document or None, metadata))
        if not arguments:
            raise ValueError("nothing was changed")
        self._collection.update(ids=[seen.id], **arguments)
        after = self._now(seen.id)

        def undo() -> None:
            """Put back what was there; ValueError when somebody changed the record meanwhile."""
            self._must_be(seen.id, after)
            if before is not None and after is not None:
                self._restore(after, before)

        return self._remember(f"edit of {seen.id!r}", undo)

    def tag(self, ids: Sequence[str], key: str, value: MetadataValue) -> str:
        """Give these records, where they are still there, one more metadata value."""
        if not key.strip():
            raise ValueError("expected a metadata key, got none")
        before = self._values(ids, key)
        if not before:
            raise ValueError("none of these records exist any more; nothing was changed")
        others = {id_: had for id_, had in before.items() if not _same(had, value)}
        if not others:
            raise ValueError(f"nothing was changed: these records already have this value of {key!r}")
        self._give(key, dict.fromkeys(others, value), others)

        def undo() -> None:
            """Put back the values that were there; ValueError where somebody has given another since."""
            now = self._values(list(others), key)
            for id_, has in now.items():
                if not _same(has, value):
                    raise ValueError(
                        f"{key!r} of the record {id_!r} was changed meanwhile; nothing was changed here. Open it again"
                    )
            self._give(key, {id_: others[id_] for id_ in now}, now)

        return self._remember(f"tag {key!r} of {counted(len(others), 'record')}", undo)

    def delete(self, ids: Sequence[str]) -> str:
        """Delete these records."""
        if len(ids) > DELETED_AT_ONCE:
            raise ValueError(
                f"expected at most {DELETED_AT_ONCE:,} records to delete at once, so that you can undo it, got "
                f"{len(ids):,}; to delete more, call collection.delete(ids=...)"
            )
        gone = read_records(self._collection, ids)
        if not gone:
            raise ValueError("none of these records exist any more; nothing was changed")
        self._collection.delete(ids=[record.id for record in gone])

        def undo() -> None:
            """Add the records again; ValueError when one of their ids is taken."""
            back = [found.id for found in read_records(self._collection, [record.id for record in gone])]
            if back:
                raise ValueError(f"the record {back[0]!r} exists again; nothing was changed")
            self._add(gone)

        what = repr(gone[0].id) if len(gone) == 1 else f"{len(gone):,} records"
        return self._remember(f"deletion of {what}", undo)

    def undo(self) -> str:
        """Undo the last change; return what it was, in words. Raise a ValueError if there is nothing to undo."""
        if not self._done:
            raise ValueError("there is nothing to undo")
        change = self._done[-1]
        change.undo()
        self._done.pop()
        return change.done

    def _remember(self, done: str, undo: Callable[[], None]) -> str:
        self._done = [*self._done[1 - _REMEMBERED :], _Change(done, undo)]
        return done

    def _values(self, ids: Sequence[str], key: str) -> dict[str, MetadataValue | None]:
        """Id -> its value of ``key``, None where it has none, of the records that are there."""
        found: dict[str, MetadataValue | None] = {}
        for page in by_ids(self._collection, ids, ["metadatas"]):
            found.update({id_: (has or {}).get(key) for id_, has in zip(page["ids"], page["metadatas"], strict=True)})
        return found

    def _give(
        self, key: str, values: Mapping[str, MetadataValue | None], before: Mapping[str, MetadataValue | None]
    ) -> None:
        """Set ``key`` of these records; None takes it away. Where that fails in the middle, it is as ``before``."""
        written: list[list[str]] = []
        try:
            for some in slices(list(values), _BATCH):
                self._collection.update(ids=some, metadatas=[{key: values[id_]} for id_ in some])
                written.append(some)
        except BaseException:
            for some in written:
                self._collection.update(ids=some, metadatas=[{key: before[id_]} for id_ in some])
            raise

    def _now(self, id: str) -> Record | None:
        return next(iter(read_records(self._collection, [id])), None)

    def _must_be(self, id: str, expected: Record | None) -> None:
        now = self._now(id)
        if now is None:
            raise ValueError(f"the record {id!r} was deleted meanwhile; nothing was changed")
        if not now.same_text(expected):
            raise ValueError(f"the record {id!r} was changed meanwhile; nothing was changed here. Open it again")

    def _restore(self, after: Record, before: Record) -> None:
        """An update where it can say everything; a document cannot be taken away by one."""
        if before.document is None and after.document is not None:
            metadatas = _difference(after, before).get("metadatas")
            # Without a vector before, the one that was made of the document stays: none can be taken away.
            vectors = None if before.embedding is None else np.asarray([before.embedding], np.float32)
            update = Records([before.id], vectors, metadatas=metadatas)
            plan = SyncPlan(update=update, without_document=[before.id])
            apply(self._collection, plan)
        else:
            # A record without a vector gets one when its document is put back.
            vector: Options = {} if before.embedding is None else {"embeddings": [before.embedding]}
            self._collection.update(ids=[before.id], **vector, **_difference(after, before))

    def _add(self, records: Sequence[Record]) -> None:
        """Those with a vector, and those without, which are embedded."""
        for there in (True, False):
            if some := [record for record in records if (record.embedding is not None) is there]:
                self._add_alike(some)

    def _add_alike(self, records: Sequence[Record]) -> None:
        self._collection.add(**batches.arguments(Records.of(records).pruned()))


def _same(one: object, other: object) -> bool:
    """Whether two values are the same, in type, too, and that of each item."""
    return (type(one), repr(one)) == (type(other), repr(other))


def _difference(old: Record, new: Record) -> Options:
    """The arguments of ``update`` that lead from one to the other; a key that goes has the value None."""
    arguments: Options = {}
    if new.document is not None and new.document != old.document:
        arguments["documents"] = [new.document]
    had, has = old.metadata or {}, new.metadata or {}
    metadata: dict[str, MetadataValue] = {
        key: value for key, value in has.items() if key not in had or not _same(had[key], value)
    }
    metadata |= dict.fromkeys(had.keys() - has.keys())
    if metadata:
        arguments["metadatas"] = [metadata]
    return arguments
