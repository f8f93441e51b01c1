"""Cut the records of a table into calls: how many in one, and which of them together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from operator import itemgetter
from typing import Literal, TypeAlias

from chroma_nb.records import FIELDS, Records
from chroma_nb.types import Options

#: The collection's method that takes the rows of a frame.
Verb: TypeAlias = Literal["add", "upsert", "update"]

#: Records in one call: below what any Chroma takes, few where each is embedded, so that the bar moves.
BATCH = 5_000
BATCH_TO_EMBED = 256
#: Bytes of vectors and texts that one call holds in memory before it writes them; beyond, they wait in the database.
MEMORY_BUDGET = 256 << 20
#: Bytes, about, that one transaction writes of what waits there.
STAGED_BYTES = 32 << 20
#: Records that are deleted and added again by two calls, where a part cannot be taken away.
BATCH_TO_REPLACE = 100


def pieces(records: Records, most_bytes: int | None = None) -> Iterator[Records]:
    """The records in order, at most ``BATCH`` at a time, and about so many bytes."""
    size = BATCH
    if most_bytes is not None and len(records):
        size = max(1, min(BATCH, most_bytes * len(records) // max(1, records.nbytes)))
    return map(Records.pruned, records.pieces(size))


def batches_of_alike(verb: Verb, records: Records) -> list[Records]:
    """The records in lots that one call of ``verb`` can carry."""
    return [batch for rows in _alike(verb, records) for batch in _batches(records.take(rows).pruned())]


def _alike(verb: Verb, records: Records) -> list[list[int]]:
    """The rows in groups that one call can carry: those with an embedding apart from those to embed.

    An addition keeps its order, which is the order of get, so only neighbours are grouped; an update
    is split by every field, since it takes no None, and rows that say nothing are dropped.
    """
    vector = records.with_vector().tolist()
    document = records.given("documents")
    if verb == "update":
        kinds = list(zip(vector, document, records.given("uris"), records.given("metadatas"), strict=True))
        groups: dict[tuple[bool, ...], list[int]] = {}
        for row, kind in enumerate(kinds):
            groups.setdefault(kind, []).append(row)
        return [rows for kind, rows in groups.items() if any(kind)]
    embed = [text and not has for has, text in zip(vector, document, strict=True)]
    return [
        [row for row, _ in run_of]
        for _, run_of in itertools.groupby(enumerate(zip(vector, embed, strict=True)), itemgetter(1))
    ]


def _batches(records: Records) -> Iterator[Records]:
    size = BATCH if records.embeddings is not None or records.documents is None else BATCH_TO_EMBED
    return map(Records.pruned, records.pieces(size))


def arguments(records: Records) -> Options:
    """The keyword arguments by which a collection's methods take these records."""
    fields = {name: values for name in FIELDS if (values := getattr(records, name)) is not None}
    return {"ids": records.ids, **fields}


def without_empty_metadata(records: Records) -> Records:
    """Replace empty metadata by None, for files and for Chroma's methods."""
    if records.metadatas is None:
        return records
    return replace(records, metadatas=[one or None for one in records.metadatas])
