"""Records as columns: whatever is taken of them or put together is what the same rows would be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_nb.errors import InvalidArgumentError
from chroma_nb.records import COLUMNS, Record, Records

texts = st.none() | st.text(max_size=3)
rows = st.builds(
    Record,
    id=st.text(max_size=3),
    embedding=st.none() | st.lists(st.integers(0, 9), min_size=2, max_size=2),
    document=texts,
    metadata=st.none() | st.dictionaries(st.text(max_size=2), st.integers(), min_size=1, max_size=2),
    uri=texts,
)
lots = st.lists(rows, max_size=6)


def plain(records: Records) -> list[tuple[Any, ...]]:
    """The rows, comparable."""
    return [
        (one.id, None if one.embedding is None else list(one.embedding), one.document, one.metadata, one.uri)
        for one in records.rows()
    ]


def as_given(some: list[Record]) -> list[tuple[Any, ...]]:
    return [(one.id, one.embedding, one.document, one.metadata, one.uri) for one in some]


@given(lots)
def test_rows_become_columns_and_rows_again(some: list[Record]) -> None:
    assert plain(Records.of(some)) == as_given(some)


@given(lots, st.data())
def test_what_is_taken_are_the_rows_at_these_places_in_this_order(some: list[Record], data: st.DataObject) -> None:
    places = data.draw(st.lists(st.sampled_from(range(len(some))), max_size=8)) if some else []
    found = Records.of(some).take(places)
    assert plain(found) == as_given([some[place] for place in places])
    assert plain(Records.of(some).take(np.array(places, np.int64))) == plain(found)


@given(lots, st.integers(0, 7), st.integers(0, 7))
def test_a_slice_is_the_slice_of_the_rows(some: list[Record], start: int, stop: int) -> None:
    assert plain(Records.of(some).slice(start, stop)) == as_given(some[start:stop])


@given(lots, st.integers(1, 7))
def test_pieces_are_the_whole_and_none_is_larger_than_asked(some: list[Record], size: int) -> None:
    pieces = list(Records.of(some).pieces(size))
    assert [row for piece in pieces for row in plain(piece)] == as_given(some)
    assert all(0 < len(piece) <= size for piece in pieces)


@given(st.lists(lots, max_size=4))
def test_lots_one_after_another_are_their_rows(several: list[list[Record]]) -> None:
    whole = Records.concat([Records.of(some).pruned() for some in several])
    assert plain(whole) == as_given([row for some in several for row in some])


@given(lots)
def test_pruning_leaves_the_rows_and_no_field_in_which_nothing_is_given(some: list[Record]) -> None:
    records = Records.of(some).pruned()
    assert plain(records) == as_given(some)
    assert all(getattr(records, name) is None or any(records.given(name)) for name in COLUMNS)
    assert records.embeddings is None or records.with_vector().any()
    assert records.has_embedding is None or not records.has_embedding.all()


def test_vectors_of_several_dimensions_do_not_go_together() -> None:
    lots = [Records(["a"], np.zeros((1, 2), np.float32)), Records(["b"], np.zeros((1, 3), np.float32))]
    with pytest.raises(InvalidArgumentError, match="expected embeddings of one dimension, got 2 and 3"):
        Records.concat(lots)


@pytest.mark.parametrize("embeddings", [np.array([[1, 2], [np.nan, np.nan]], np.float32), [[1.0, 2.0], None]])
def test_a_vector_that_was_lost_is_none_whatever_library_says_so(embeddings: Any) -> None:
    found = Records.of_result({"ids": ["a", "b"], "embeddings": embeddings, "documents": None})
    assert plain(found) == [("a", [1, 2], None, None, None), ("b", None, None, None, None)]


def test_all_of_the_records_are_the_very_same() -> None:
    records = Records(["a", "b"], np.zeros((2, 2), np.float32))
    assert records.take([0, 1]) is records
    assert records.slice(0, 2) is records


def test_a_slice_copies_no_vector() -> None:
    records = Records(["a", "b"], np.zeros((2, 2), np.float32))
    assert np.shares_memory(records.slice(1, 2).matrix, records.matrix)
