"""Writing records: add, update, upsert and delete, each inside one transaction of the caller.

The order of a write:

1. Vectors go to slots behind the last committed one, also new versions of existing vectors: a row of the vector
   file that a reader may be using is never overwritten.
2. Records that name these slots go to SQLite, after their vectors are in the file, so that no record can be
   committed whose vector was not written.
3. The vector file is synced (durability "power"), the change log and the collection's counters are written.
4. The commit, by ``running.py``, makes everything valid at once.

A failure before the commit leaves garbage beyond the committed slots and nothing else: SQLite undoes its part,
and the next write, which takes its slots from the same counters, overwrites the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from operator import is_, methodcaller

import numpy as np
import orjson

from chroma_nb.engine.arrays import EMPTY, Float64, Ints, Mask
from chroma_nb.engine.memory.collection import UNKNOWN, Delta, Metadatas
from chroma_nb.engine.memory.snapshot import Snapshot
from chroma_nb.engine.storage import catalog, changelog, pending, records
from chroma_nb.engine.storage.vectors import VectorStore, checksums_of, norms_of
from chroma_nb.engine.transactions import staging
from chroma_nb.engine.transactions.staging import Staging
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.records import NO_RECORDS, Edited, Edits, Records
from chroma_nb.schema.discovered import MOST, discovered
from chroma_nb.types import Fields, Json, Matrix

_NO_NORMS: Float64 = np.empty(0)
#: How many staged records are merged into existing ones at a time.
_KNOWN_AT_ONCE = 5_000
_NOTHING_CLEARED: Mapping[str, Container[str]] = {}


@dataclass
class Writing(Snapshot):
    """A collection inside one write transaction; ``open_store`` creates its first vector file."""

    open_store: Callable[[int], VectorStore]
    durable: bool

    # --- the operations --------------------------------------------------------------------------------

    def add(self, given: Records) -> Delta | None:
        """Add records; ids that exist are ignored."""
        return self._write(self._fresh(given))

    def adopt(self, given: Records) -> Delta | None:
        """Add records, also without a vector: ``get`` finds those, a search does not."""
        if given.has_embedding is not None and not given.has_embedding.any():
            given = replace(given, embeddings=None, has_embedding=None)  # their dimension has no meaning
        return self._write(given, without_vectors=True)

    def update(self, given: Records) -> Delta | None:
        """Update records; ids that do not exist are ignored."""
        self.check_dimension(given.embeddings)
        rows = self.find(given.ids)
        known = rows != UNKNOWN
        return self._write(NO_RECORDS, given.take(np.flatnonzero(known)), rows[known])

    def upsert(self, given: Records) -> Delta | None:
        """Update existing records, and add the others in the order of ``ids``."""
        rows = self.find(given.ids)
        known = rows != UNKNOWN
        return self._write(given.take(np.flatnonzero(~known)), given.take(np.flatnonzero(known)), rows[known])

    def delete(self, rows: Ints) -> Delta | None:
        """Delete the records in these rows (ascending)."""
        return self._write(removed=rows)

    def edit(self, edits: Edits) -> tuple[Delta | None, Edited]:
        """Delete, change and add records together; returns how many of each."""
        if edits.upsert.ids:
            known = self.find(edits.upsert.ids) != UNKNOWN
            return self.upsert(edits.upsert), Edited(updated=int(known.sum()), added=int((~known).sum()))
        removed = self.rows_of(edits.delete) if edits.delete else EMPTY
        gone = set(map(self.memory.ids.__getitem__, removed.tolist()))
        rows = self.find(edits.update.ids) if edits.update.ids else EMPTY
        known = rows != UNKNOWN if not gone else (rows != UNKNOWN) & ~np.isin(rows, removed)
        fresh = self._fresh(edits.add, gone)
        delta = self._write(
            fresh,
            edits.update if known.all() else edits.update.take(np.flatnonzero(known)),
            rows[known],
            removed=removed,
            cleared={"document": frozenset(edits.without_document), "uri": frozenset(edits.without_uri)},
        )
        return delta, Edited(len(removed), int(known.sum()), len(fresh.ids))

    # --- records that come by pieces: see staging.py -------------------------------------------------------

    def stage(self, given: Records, session: Staging) -> None:
        """Write records that readers do not see; they belong to ``session``."""
        session.check(self.row)
        self.check_dimension(given.embeddings)
        first = self.row.next_position
        positions = np.arange(first, first + len(given))
        slots, norms, crcs = self._store_vectors(given.embeddings, self.row.next_slot)
        next_slot = self.row.next_slot + len(slots)
        self._insert(given, positions, slots, norms, crcs, staged=True)
        self._sync_vectors(next_slot)
        catalog.advance(
            self.connection,
            self.row,
            seq=self.row.seq,
            next_position=first + len(given),
            next_slot=next_slot,
            record_count=self.row.record_count,
            dimension=self.row.dimension,
        )
        staged = staging.noted(self.row, session.name, first, first + len(given) - 1)
        catalog.set_staged(self.connection, self.row, staged, dimension=self._dimension)

    def publish(self, session: Staging, *, update: bool, gone: Container[str] = ()) -> Edited:
        """Make the records of ``session`` visible. An id that exists is ignored, or with ``update`` changed.

        ``gone``: ids that were deleted in this transaction. Processes that have the collection in memory load it again:
        positions may be before those of records that were added meanwhile.
        """
        session.check(self.row, whole=True)
        known = [
            (position, ident)
            for ident, position in session.positions.items()
            if ident in self.memory.row_of and ident not in gone
        ]
        for start in range(0, len(known), _KNOWN_AT_ONCE):
            at = np.array([position for position, _ in known[start : start + _KNOWN_AT_ONCE]], np.int64)
            if update:
                self._lay_over(at)
            records.delete(self.connection, self.row.number, at)
        self._drop_deleted_keys(sorted(session.deleting_keys.difference(position for position, _ in known)))
        added = len(session.positions) - len(known)
        changelog.forget(self.connection, self.row.number)
        catalog.advance(
            self.connection,
            self.row,
            seq=self.row.seq + 1,
            next_position=self.row.next_position,
            next_slot=self.row.next_slot,
            record_count=self.row.record_count + added,
            dimension=self.row.dimension,
            operations=added + (len(known) if update else 0),
        )
        others = {name: staged for name, staged in self.row.staged.items() if name != session.name}
        catalog.set_staged(self.connection, self.row, others, dimension=self.row.dimension)
        return Edited(updated=len(known) if update else 0, added=added)

    def _drop_deleted_keys(self, staged: list[int]) -> None:
        """Remove the keys that were to be deleted from records that turn out to be new."""
        for start in range(0, len(staged), _KNOWN_AT_ONCE):
            at = np.array(staged[start : start + _KNOWN_AT_ONCE], np.int64)
            stored = records.fetch(self.connection, self.row.number, at, ("uri", "metadata"))
            metadatas = records.decode_metadata([metadata for *_, metadata in stored], hidden=True)
            kept = [
                metadata or (None if uri is None else {})
                for metadata, (_, uri, _) in zip(metadatas, stored, strict=True)
            ]
            encoded = records.encode_metadatas(kept)
            records.update_metadatas(self.connection, self.row.number, zip(encoded, at.tolist(), strict=True))

    def _lay_over(self, staged: Ints) -> None:
        """Merge staged records into existing ones of the same ids; their vectors keep their slots."""
        found = records.staged_at(self.connection, self.row.number, staged)
        rows = np.array([self.memory.row_of[ident] for ident, *_ in found], np.int64)
        positions = self.memory.positions[rows]
        renewed = [
            (slot, norm, crc, position)
            for (_, slot, norm, crc, *_), position in zip(found, positions.tolist(), strict=True)
        ]
        records.update_vectors(self.connection, self.row.number, renewed)
        given = Records(
            ids=[ident for ident, *_ in found],
            documents=[document for *_, document, _, _ in found],
            uris=[uri for *_, uri, _ in found],
            metadatas=[None if metadata is None else orjson.loads(metadata) for *_, metadata in found],
        )
        self._rewrite(given, rows, positions, _NOTHING_CLEARED)

    # --- how ---------------------------------------------------------------------------------------------

    def _fresh(self, given: Records, gone: Container[str] = ()) -> Records:
        """The records whose ids do not exist, or are ``gone``."""
        fresh = self.find(given.ids) == UNKNOWN
        if fresh.all():
            return given
        there = zip(given.ids, fresh.tolist(), strict=True)
        return given.take([place for place, (ident, is_fresh) in enumerate(there) if is_fresh or ident in gone])

    def _write(
        self,
        fresh: Records = NO_RECORDS,
        changed: Records = NO_RECORDS,
        rows: Ints = EMPTY,
        *,
        removed: Ints = EMPTY,
        cleared: Mapping[str, Container[str]] = _NOTHING_CLEARED,
        without_vectors: bool = False,
    ) -> Delta | None:
        """Delete the ``removed`` rows, apply ``changed`` to the existing ``rows``, insert ``fresh`` records.

        ``cleared``: the ids among ``changed`` whose document or uri is removed. ``without_vectors``: a fresh record
        may have none.

        One method for all operations, so that each keeps the order of a write (see the top of this module) and is one
        entry of the change log. Everything is checked before anything is written. The returned delta, applied after
        the commit, is what another process would compute from the change log.
        """
        for given in (fresh, changed):
            if given.embeddings is not None:
                self.check_dimension(given.embeddings)
        if not fresh.ids and not len(rows) and not len(removed):
            return None
        there = fresh.with_vector()
        if not (without_vectors or there.all()):
            raise InvalidArgumentError(
                f"expected an embedding for every new record, got none for {fresh.ids[int(there.argmin())]!r}; "
                "pass embeddings or documents"
            )
        number, first_position, slot = self.row.number, self.row.next_position, self.row.next_slot
        if len(removed):  # before the inserts: an id may be deleted and added again, and ids are unique
            records.delete(self.connection, number, self.memory.positions[removed])
        positions = np.arange(first_position, first_position + len(fresh.ids))
        slots, norms, crcs = self._store_new(fresh, there, slot)
        decoded = self._insert(fresh, positions, slots, norms, crcs)
        slot += len(slots)
        touched = EMPTY
        moved: tuple[Ints, Ints, Float64] = (EMPTY, EMPTY, _NO_NORMS)
        rewritten: tuple[Ints, Sequence[Fields | None]] = (EMPTY, ())
        if len(rows):
            touched = self.memory.positions[rows]
            moved = self._move(changed, rows, touched, slot)
            slot += len(moved[1])
            rewritten = self._rewrite(changed, rows, touched, cleared)
        delta = Delta(
            seq=self.row.seq + 1,
            next_slot=slot,
            positions=positions,
            ids=fresh.ids,
            slots=slots,
            norms=norms,
            metadatas=decoded,
            moved_rows=moved[0],
            moved_slots=moved[1],
            moved_norms=moved[2],
            rewritten_rows=rewritten[0],
            rewritten_metadatas=rewritten[1],
            changed_rows=rows,
            removed_rows=removed,
        )
        if len(removed):
            touched = np.concatenate([touched, self.memory.positions[removed]])
        # Ascending, as the change log wants them: new positions come after all others.
        return self._committed(delta, np.concatenate([np.sort(touched), positions]), added=len(positions))

    def _move(self, changed: Records, rows: Ints, positions: Ints, first_slot: int) -> tuple[Ints, Ints, Float64]:
        """Write new vectors of existing records to new slots; returns their rows, the slots and the norms."""
        if changed.embeddings is None:
            return EMPTY, EMPTY, _NO_NORMS
        there = changed.with_vector()
        slots, norms, crcs = self._store_vectors(changed.embeddings[there], first_slot)
        if not len(slots):
            return EMPTY, slots, norms
        renewed = zip(slots.tolist(), norms.tolist(), crcs, positions[there].tolist(), strict=True)
        records.update_vectors(self.connection, self.row.number, renewed)
        return rows[there], slots, norms

    def _committed(self, delta: Delta, touched: Ints, *, added: int) -> Delta:
        self._sync_vectors(delta.next_slot)
        changelog.record(self.connection, self.row.number, delta.seq, touched)
        catalog.advance(
            self.connection,
            self.row,
            seq=delta.seq,
            next_position=self.row.next_position + added,
            next_slot=delta.next_slot,
            record_count=self.row.record_count + added - len(delta.removed_rows),
            dimension=self._dimension,
            operations=len(touched),
        )
        return delta

    @property
    def _dimension(self) -> int | None:
        """The collection's dimension, which the first vectors set."""
        if self.row.dimension is not None or self.vectors is None:
            return self.row.dimension
        return self.vectors.dimension

    def _sync_vectors(self, next_slot: int) -> None:
        """Sync the vectors of this call if needed; a call without vectors does not open their file."""
        if self.on_disk and next_slot > self.row.next_slot and self.vectors is not None:
            pending.sync_if_due(self.connection, self.row, self.vectors, next_slot, now=self.durable)

    def _store_new(self, given: Records, there: Mask, first_slot: int) -> tuple[Ints, Float64, Sequence[int]]:
        """Slots, norms and checksums of new records; those whose vector is not ``there`` have rows of NaN."""
        if there.all():
            return self._store_vectors(given.embeddings, first_slot)
        dimension = self.row.dimension if given.embeddings is None else given.embeddings.shape[1]
        if dimension is None:  # no vector is known, and so there is no file: only slots are assigned
            slots = np.arange(first_slot, first_slot + len(given))
            return slots, np.full(len(given), records.NO_VECTOR), [0] * len(given)
        rows = np.full((len(given), dimension), np.nan, np.float32)
        if given.embeddings is not None:
            rows[there] = given.embeddings[there]
        slots, norms, crcs = self._store_vectors(rows, first_slot)
        norms[~there] = records.NO_VECTOR
        return slots, norms, crcs

    def _store_vectors(self, rows: Matrix | None, first_slot: int) -> tuple[Ints, Float64, Sequence[int]]:
        if rows is None or not len(rows):
            return EMPTY, _NO_NORMS, ()
        if self.vectors is None:
            self.vectors = self.open_store(rows.shape[1])
        self.vectors.write(first_slot, rows)
        if self.on_disk and not self.durable:
            pending.keep(self.connection, self.row.number, first_slot, rows)
        crcs: Sequence[int] = checksums_of(rows) if self.on_disk else [0] * len(rows)
        return np.arange(first_slot, first_slot + len(rows)), norms_of(rows), crcs

    def _insert(
        self,
        given: Records,
        positions: Ints,
        slots: Ints,
        norms: Float64,
        crcs: Sequence[int],
        *,
        staged: bool = False,
    ) -> Sequence[Fields | None]:
        """Write new records; returns the metadata that readers will see."""
        if not given.ids:
            return ()
        nothing: list[None] = [None] * len(given.ids)
        metadatas: Metadatas = nothing
        if given.metadatas is not None or given.uris is not None:
            metadatas = _first_metadatas(given.column("metadatas"), given.uris, keep=staged)
        self._discover(metadatas)
        records.insert(
            self.connection,
            self.row.number,
            positions,
            given.ids,
            slots.tolist(),
            norms.tolist(),
            crcs,
            given.documents or nothing,
            given.uris or nothing,
            records.encode_metadatas(metadatas),
            staged=staged,
        )
        return metadatas

    def _rewrite(
        self, given: Records, rows: Ints, positions: Ints, cleared: Mapping[str, Container[str]]
    ) -> tuple[Ints, Sequence[Fields | None]]:
        """Update texts and metadata of existing records; returns the changed metadata."""
        if not len(rows):
            return EMPTY, ()
        nothing: list[None] = [None] * len(rows)
        clear = {name: [ident in ids for ident in given.ids] for name, ids in cleared.items()}
        for name, texts in (("document", given.documents), ("uri", given.uris)):
            triples = zip(texts or nothing, clear.get(name) or nothing, positions.tolist(), strict=True)
            changed = [
                (None if gone else text, position) for text, gone, position in triples if gone or text is not None
            ]
            if changed:
                records.update_texts(self.connection, self.row.number, name, changed)
        metadatas, uris, gone = given.metadatas or nothing, given.uris or nothing, clear.get("uri") or nothing
        # A record without metadata has {} if it has a uri, and None if it has none: a change of the uri
        # rewrites the metadata, too.
        given_some = np.array(
            [
                metadata is not None or uri is not None or removed
                for metadata, uri, removed in zip(metadatas, uris, gone, strict=True)
            ],
            np.bool_,
        )
        chosen = np.flatnonzero(given_some)
        if not len(chosen):
            return EMPTY, ()
        order = chosen[np.argsort(positions[chosen])]
        at = positions[order]
        stored = records.fetch(self.connection, self.row.number, at, ("uri", "metadata"))
        olds = records.decode_metadata([metadata for _, _, metadata in stored], hidden=True)
        merged = []
        for place, old, (_, uri, _) in zip(order.tolist(), olds, stored, strict=True):
            new = _merged(old or {}, metadatas[place] or {})
            merged.append(new or ({} if uri is not None else None))
        self._discover([metadatas[place] for place in order.tolist()])
        encoded = records.encode_metadatas(merged)
        records.update_metadatas(self.connection, self.row.number, zip(encoded, at.tolist(), strict=True))
        return rows[order], merged

    def _discover(self, metadatas: Metadatas) -> None:
        """Store the keys that are new to the collection: its schema shows them from then on."""
        new = discovered(metadatas) - self.row.discovered
        if new and len(self.row.discovered) < MOST:
            catalog.discover(self.connection, self.row, new)


def _first_metadatas(
    given: Sequence[Fields | None], uris: Sequence[str | None] | None, *, keep: bool = False
) -> Metadatas:
    """The metadata of new records: keys with None are left out; empty metadata is None, unless there is a uri.

    ``keep``: the None stays, as in a staged record, which may still change another one; it means missing.
    """
    if not keep and not _holds_values(given):
        given = [
            (_merged({}, metadata) if metadata and None in metadata.values() else metadata) or None
            for metadata in given
        ]
    if uris is None:
        return [metadata or None for metadata in given] if keep else given
    return [metadata or (None if uri is None else {}) for metadata, uri in zip(given, uris, strict=True)]


def _holds_values(given: Sequence[Fields | None]) -> bool:
    """Whether every record has metadata, and a value under each key: all values are checked together."""
    values = chain.from_iterable(map(methodcaller("values"), given))
    return all(given) and not any(map(is_, values, repeat(None)))  # ``in`` would compare sparse vectors entry by entry


def _merged(old: Fields, new: Fields) -> Json:
    """``old`` updated with ``new``; None deletes a key."""
    return {key: value for key, value in {**old, **new}.items() if value is not None}
