"""The columns and their masks against the oracle, and the oracle against Chroma itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import matches
from strategies import documents, metadatas, plain_numbers, where_documents, wheres

from chroma_nb.engine.filters.evaluation import evaluate
from chroma_nb.engine.memory.columns import Columns
from chroma_nb.query.conditions import And, Where
from chroma_nb.query.parsing import parse_where, parse_where_document

records = st.lists(st.tuples(metadatas(), documents), max_size=12)


def tree(where: dict[str, Any] | None, where_document: dict[str, Any] | None) -> Where | None:
    terms = []
    if where is not None:
        terms.append(parse_where(where))
    if where_document is not None:
        terms.append(parse_where_document(where_document))
    return And(terms) if len(terms) == 2 else terms[0] if terms else None


@settings(max_examples=300, deadline=None)
@given(records=records, where=wheres(ours=True), where_document=st.none() | where_documents, data=st.data())
def test_the_mask_is_what_the_oracle_says_of_every_record(records, where, where_document, data):
    columns = Columns()
    cut = data.draw(st.integers(0, len(records)))
    columns.extend([metadata for metadata, _ in records[:cut]])
    columns.extend([metadata for metadata, _ in records[cut:]])
    texts = [document for _, document in records]
    alive = np.array(data.draw(st.lists(st.booleans(), min_size=len(records), max_size=len(records))), bool)
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(records))] * 2)))

    mask = evaluate(
        tree(where, where_document), lambda keys: columns, lambda rows: [texts[row] for row in rows], alive, start, stop
    )

    assert mask.tolist() == [
        bool(alive[row]) and matches(where, where_document, *records[row]) for row in range(start, stop)
    ]


@settings(max_examples=150, deadline=None)
@given(
    first=st.lists(metadatas(), min_size=1, max_size=10),
    changes=st.lists(st.tuples(st.integers(0, 9), st.none() | metadatas(), st.booleans()), max_size=12),
    where=wheres(ours=True),
)
def test_replaced_and_cleared_rows_count_as_they_are_now(first, changes, where):
    columns, now = Columns(), list(first)
    columns.extend(first)
    for row, metadata, add in changes:
        if add:
            columns.extend([metadata])
            now.append(metadata)
        elif metadata is None:
            columns.clear(np.array([row % len(now)]))
            now[row % len(now)] = None
        else:
            columns.replace(np.array([row % len(now)]), [metadata])
            now[row % len(now)] = metadata

    mask = evaluate(parse_where(where), lambda keys: columns, lambda rows: [None] * len(rows), np.ones(len(now), bool))

    assert mask.tolist() == [matches(where, None, metadata, None) for metadata in now]


# --- Chroma itself ---------------------------------------------------------------------------------------
_VALUES = (1, 1.0, 2, 0, -1, 2.0, 3, True, False, "x", "1", "", "True", ["x", "y"], ["1"], [1, 2], [1.0, 2.0], [True])
_TEXTS = ("", "x", "xy", "x y", "the moon", "Moon landing", "100% sun_shine", "x\ny", "yé xyé", "X", None)


def chroma_records() -> Iterator[tuple[dict[str, Any] | None, str | None]]:
    texts = itertools.cycle(_TEXTS)
    yield None, "x"
    for a in _VALUES:
        yield {"a": a}, next(texts)
    for a, b in itertools.product(_VALUES[::3], _VALUES[::2]):
        yield {"a": a, "b": b, "tags": ["x", "y"] if a is True else "x", "dot.ted": b}, next(texts)


@pytest.fixture(scope="module")
def chroma() -> Iterator[Any]:
    chromadb = pytest.importorskip("chromadb")
    # Closed again: what Chroma deletes in memory leaves lists behind, which later tests' records would have.
    with chromadb.EphemeralClient() as client:
        collection = client.create_collection("filters-agree", embedding_function=None)
        kept = list(chroma_records())
        collection.add(
            ids=[str(number) for number in range(len(kept))],
            embeddings=[[1.0, 0.0]] * len(kept),
            metadatas=[metadata for metadata, _ in kept],
            documents=[document for _, document in kept],
        )
        yield collection


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.none() | wheres(plain_numbers), where_document=st.none() | where_documents)
def test_the_oracle_answers_as_chroma_does(chroma, where, where_document):
    found = chroma.get(where=where, where_document=where_document, include=[])["ids"]

    assert sorted(map(int, found)) == [
        number
        for number, (metadata, document) in enumerate(chroma_records())
        if matches(where, where_document, metadata, document)
    ]
