"""Find the records of a table that have to be embedded, and insert their vectors. Calls no embedding function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from chroma_nb.errors import InvalidArgumentError
from chroma_nb.records import Records
from chroma_nb.tables.batches import Verb
from chroma_nb.types import Mask, Matrix


def to_embed(verb: Verb, records: Records) -> tuple[list[int], list[int]]:
    """The rows to be embedded from their documents, and those from what their uris point to."""
    has, document = records.with_vector().tolist(), records.given("documents")
    of_texts = [row for row, text in enumerate(document) if text and not has[row]]
    if verb != "add":
        return of_texts, []
    return of_texts, [
        row for row, uri in enumerate(records.given("uris")) if uri and not document[row] and not has[row]
    ]


def rows_of(answer: object, count: int) -> Matrix:
    """What an embedding function made, as one array."""
    rows = np.asarray(answer, np.float32)
    if rows.ndim != 2 or len(rows) != count:
        raise ValueError(f"expected one embedding for each of {count} inputs, got an array of shape {rows.shape}")
    return rows


def filled_in(records: Records, has: Mask, made: Mapping[int, Matrix]) -> Records:
    """The records with the vectors that were ``made`` for some rows, beside those they ``has`` already."""
    dimensions = {len(row) for row in made.values()}
    if records.embeddings is not None and has.any():
        dimensions.add(records.embeddings.shape[1])
    if len(dimensions) != 1:
        raise InvalidArgumentError(
            "expected embeddings of one dimension, got "
            + " and ".join(map(str, sorted(dimensions)))
            + " from the embedding function and the given ones; nothing was written"
        )
    vectors = np.zeros((len(records), dimensions.pop()), np.float32)
    if records.embeddings is not None and has.any():
        vectors[has] = records.embeddings[has]
    for row, vector in made.items():
        vectors[row] = vector
    has = has.copy()
    has[list(made)] = True
    return replace(records, embeddings=vectors, has_embedding=None if has.all() else has)
