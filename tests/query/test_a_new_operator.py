"""A new operator is its rows in the table and one function of the engine: it works wherever filters are written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chroma_nb.engine.filters import evaluation
from chroma_nb.engine.memory.columns import INT, Cells, Mask
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.jupyter.where_sql import WhereTextError, compile_where
from chroma_nb.query.conditions import Where
from chroma_nb.query.operators import OPERATORS, Operator
from chroma_nb.query.parsing import parse_where

METADATAS = [{"n": 4, "s": "x"}, {"n": 5}, {"n": 6}, {"n": "6"}, {"other": 6}]


def multiple_of(operand: int) -> evaluation.Test:
    def test(cells: Cells) -> Mask:
        if cells.ints is None:
            return np.zeros(len(cells), np.bool_)
        return np.asarray((cells.tags == INT) & (cells.ints % operand == 0))

    return test


@pytest.fixture(autouse=True)
def _an_operator_more(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = frozenset({int})
    for row in (
        Operator("$multiple", "value", False, kinds, ("%", "multiple_of"), "$not_multiple"),
        Operator("$not_multiple", "value", False, kinds, (), "$multiple", negative=True),
    ):
        monkeypatch.setitem(OPERATORS, row.name, row)
    monkeypatch.setitem(evaluation.TESTS, "$multiple", multiple_of)


@pytest.fixture
def collection(sync_client: Any) -> Any:
    made = sync_client.create_collection("numbers", embedding_function=None)
    made.add(ids=list("abcde"), embeddings=np.eye(5), metadatas=METADATAS)
    return made


def test_it_filters_whatever_is_asked(collection: Any) -> None:
    even, other = {"n": {"$multiple": 2}}, {"n": {"$not_multiple": 2}}

    assert collection.get(where=even)["ids"] == ["a", "c"]
    assert collection.get(where=other)["ids"] == ["b", "d", "e"]  # also where the key is missing, or no number
    both = {"$or": [{"$and": [even, {"s": "x"}]}, {"other": 6}]}
    assert collection.query(query_embeddings=[1, 0, 0, 0, 0], where=both)["ids"] == [["a", "e"]]
    collection.delete(where=even)
    assert collection.count() == 3


def test_its_operand_is_checked_and_it_is_named_where_operators_are(collection: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"\$multiple takes int, got 2.5"):
        collection.get(where={"n": {"$multiple": 2.5}})
    with pytest.raises(ValueError, match=r"operator to be one of \$gt, .*, \$multiple, \$not_multiple, got \$near"):
        collection.get(where={"n": {"$near": 2}})
    with pytest.raises(ValueError, match=r"Write \$multiple\."):
        collection.get(where={"n": {"%": 2}})


def test_it_stands_in_conditions_and_is_written_as_it_was() -> None:
    tree = parse_where({"$and": [{"n": {"$multiple": 2}}, {"n": 3}]})

    assert tree.to_dict() == {"$and": [{"n": {"$multiple": 2}}, {"n": {"$eq": 3}}]}
    assert Where.from_dict(tree.to_dict()) == tree
    assert parse_where({"n": {"$multiple": 2}}) != parse_where({"n": {"$not_multiple": 2}})


@pytest.mark.parametrize("text", ["n % 2", "n multiple_of 2"])
def test_where_as_text_knows_its_signs(text: str) -> None:
    assert compile_where(text).where == {"n": {"$multiple": 2}}
    assert compile_where(f"not {text}").where == {"n": {"$not_multiple": 2}}
    with pytest.raises(WhereTextError, match="% compares numbers, got 'x'"):
        compile_where("n % 'x'")
    with pytest.raises(WhereTextError, match=r"expected = .* % in, contains or between, got 'near'"):
        compile_where("n near 2")
