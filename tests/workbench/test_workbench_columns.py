"""What a column is, and what a value is on its way to the page."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_nb import SparseVector
from chroma_nb.workbench import columns


@pytest.mark.parametrize(
    ("key", "values", "type_"),
    [
        ("x", ["a", "2024-05-01"], "text"),
        ("x", ["2024-05-01", "2024-05-01T10:00:00Z", "2024-05-01 10:00:00.123+02:00"], "date"),
        ("x", ["2024-13-01"], "text"),
        ("x", ["2024-05-01 and more"], "text"),
        ("x", [1, 2], "integer"),
        ("x", [1, 2.5], "number"),
        ("x", [True, False], "boolean"),
        ("x", [True, 1], "mixed"),
        ("x", ["a", 1], "mixed"),
        ("x", [["a"], [1.5]], "list"),
        ("x", [SparseVector([1], [0.5])], "sparse"),
        ("created_at", [1_758_568_000], "epoch_s"),
        ("createdAt", [1_758_568_000.25], "epoch_s"),
        ("Timestamp", [1_758_568_000_000], "epoch_ms"),
        ("updated", [1_758_568_000, 12], "integer"),
        ("population", [1_758_568_000], "integer"),
        ("rating", [1_758_568_000], "integer"),
        ("x", [math.nan], "number"),
    ],
)
def test_the_type_of_a_column(key, values, type_):
    assert columns.type_of(key, values) == type_


def test_a_column_keeps_its_place_when_others_are_met():
    known = columns.Columns()
    known.meet(["a"], [None], [None], [{"b": 1}])
    assert not known.meet(["a"], [None], [None], [{"b": "text"}])
    assert known.meet(["a"], ["text"], ["file:x"], [{"a": 1}, {"a": 2, "c": 1}, None])
    assert list(known.known) == ["#id", "b", "#document", "#uri", "a", "c"]


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=900), st.lists(st.integers(), max_size=900)
)


@given(VALUES)
def test_a_cell_is_json_that_javascript_reads_as_the_same(value):
    sent = columns.cell(value)
    assert json.loads(json.dumps(sent, allow_nan=False)) == sent
    whole = columns.cell(value, None)
    if isinstance(whole, dict):
        assert whole["text"] == str(value)
    elif not isinstance(value, list):
        assert whole == value
        assert abs(value) <= 2**53 if type(value) is int else True
    assert len(json.dumps(sent)) < 40_000


def test_a_sparse_vector_is_a_number_of_entries():
    assert columns.cell(SparseVector([1, 5], [0.5, 2.0])) == {"kind": "sparse", "text": "2 entries"}
    assert columns.cell({"indices": [1], "values": [0.5]})["text"] == "1 entries"


def test_a_text_that_each_record_has_to_itself_is_told_from_one_to_choose_from():
    titles = [f"title {n}" for n in range(50)]
    assert columns.column_of("title", titles).json()["own"]
    assert not columns.column_of("title", titles[:49]).own, "too few to tell"
    assert columns.column_of("word", [*titles[:48], "title 0", "title 1"]).own, "a few share one"
    assert not columns.column_of("title", [*titles[:47], "title 0", "title 1", "title 2"]).own
    assert not columns.column_of("n", list(range(50))).own
