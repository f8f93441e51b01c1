"""Sparse vectors check themselves and survive their JSON."""

from typing import Any

import pytest

from chroma_nb.types import SparseVector


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"indices": (1,), "values": [1]}, "Expected SparseVector indices to be a list, got tuple"),
        ({"indices": [1], "values": 1}, "Expected SparseVector values to be a list, got int"),
        ({"indices": [1], "values": [1], "labels": "a"}, "Expected SparseVector labels to be a list, got str"),
        ({"indices": [1], "values": [1, 2]},
         "SparseVector indices and values must have the same length, got 1 indices and 2 values"),
        ({"indices": [1], "values": [1], "labels": ["a", "b"]},
         "SparseVector labels must have the same length as indices and values, got 2 labels, 1 indices"),
        ({"indices": ["a"], "values": [1]}, "SparseVector indices must be integers, got str at position 0"),
        ({"indices": [-1], "values": [1]}, "SparseVector indices must be non-negative, got -1 at position 0"),
        ({"indices": [1], "values": ["a"]}, "SparseVector values must be numbers, got str at position 0"),
        ({"indices": [1, 2, 2], "values": [1, 1, 1]},
         "SparseVector indices must be sorted in strictly ascending order, found indices[2]=2 <= indices[1]=2"),
    ],
)  # fmt: skip
def test_a_vector_that_is_none_is_said_why(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match="SparseVector") as caught:
        SparseVector(**fields)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "vector", [SparseVector([], []), SparseVector([1, 5], [0.5, 2.0]), SparseVector([1], [1], ["t"])]
)
def test_a_vector_survives_its_json(vector: SparseVector) -> None:
    assert SparseVector.from_dict(vector.to_dict()) == vector


def test_labels_are_called_tokens_where_they_are_sent() -> None:
    assert SparseVector([1], [0.5], ["moon"]).to_dict()["tokens"] == ["moon"]


def test_a_dict_that_is_no_sparse_vector_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected #type='sparse_vector', got None"):
        SparseVector.from_dict({"indices": [1], "values": [1]})
