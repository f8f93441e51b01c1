"""Verification: a sentence for each problem of the records and vectors of a collection."""

from __future__ import annotations

from collections.abc import Iterator

from chroma_nb.engine.memory.snapshot import Snapshot
from chroma_nb.engine.storage import records
from chroma_nb.engine.storage.vectors import checksums_of

_BLOCK = 4096


def without_vectors(count: int) -> str:
    """The message that this many records have no vector, and what to do."""
    records = "record has" if count == 1 else "records have"
    return (
        f"{count:,} {records} no vector, since it was lost before the import. get() and filters find them, "
        "query() does not. To embed them from their documents: chroma_nb.reembed(collection)"
    )


def findings(snapshot: Snapshot) -> Iterator[str]:
    """The problems of counts, slots and checksums; empty if there are none."""
    stored = list(records.checksums(snapshot.connection, snapshot.row.number, snapshot.row.hidden))
    if len(stored) != snapshot.row.record_count:
        yield f"{len(stored)} records, but the catalog counts {snapshot.row.record_count}"
    if len({ident for ident, _, _ in stored}) != len(stored):  # the unique index leaves out staged records
        yield "an id occurs twice"
    for ident in records.unreadable(snapshot.connection, snapshot.row.number, snapshot.row.hidden):
        yield f"the metadata of record {ident!r} is not readable"
    slots = [slot for _, slot, _ in stored]
    if len(set(slots)) != len(slots) or (slots and not 0 <= min(slots) <= max(slots) < snapshot.row.next_slot):
        yield "slots are used twice or lie beyond the vector file"
        return
    whole = [(ident, slot, crc) for ident, slot, crc in stored if crc is not None]
    if len(whole) < len(stored):
        yield without_vectors(len(stored) - len(whole))
    if not snapshot.on_disk or not whole:
        return
    view = snapshot.matrix
    for start in range(0, len(whole), _BLOCK):
        block = whole[start : start + _BLOCK]
        actual = checksums_of(view[[slot for _, slot, _ in block]])
        for (ident, slot, expected), found in zip(block, actual, strict=True):
            if expected != found:
                yield f"the vector of record {ident!r} (slot {slot}) does not match its checksum"
