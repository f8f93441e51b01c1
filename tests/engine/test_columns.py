"""Metadata in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chroma_nb.engine.filters.evaluation import evaluate
from chroma_nb.engine.memory import columns as columns_module
from chroma_nb.engine.memory.columns import Columns, Vocabulary
from chroma_nb.query.parsing import parse_where


def columns_of(*metadatas: Any) -> Columns:
    columns = Columns()
    columns.extend(metadatas)
    return columns


def rows(columns: Columns, where: dict[str, Any]) -> list[int]:
    alive = np.ones(len(columns), bool)
    return np.flatnonzero(
        evaluate(parse_where(where), lambda keys: columns, lambda rows: [None] * len(rows), alive)
    ).tolist()


def test_a_key_may_hold_other_types_from_record_to_record():
    columns = columns_of({"k": 1}, {"k": 1.5}, {"k": True}, {"k": "1"}, {"k": [1, 2]}, {"k": ["a"]}, None, {"k": 2})

    assert [rows(columns, {"k": value}) for value in (1, 2, 1.5, True, "1")] == [[0], [7], [1], [2], [3]]
    assert [rows(columns, {"k": {"$contains": value}}) for value in (1, 2, "a", True)] == [[4], [4], [5], []]


def test_replacing_forgets_the_keys_that_the_new_metadata_lacks():
    columns = columns_of({"a": 1, "b": ["x"]}, {"a": 1})

    columns.replace(np.array([0]), [{"c": "new"}])

    assert rows(columns, {"a": 1}) == [1]
    assert rows(columns, {"b": {"$contains": "x"}}) == []
    assert rows(columns, {"c": "new"}) == [0]


def test_a_cleared_row_has_no_keys():
    columns = columns_of({"a": 1}, {"a": 1, "tags": ["x"]})

    columns.clear(np.array([1]))

    assert rows(columns, {"a": 1}) == [0]
    assert rows(columns, {"a": {"$ne": 1}}) == [1]
    assert rows(columns, {"tags": {"$contains": "x"}}) == []


def test_rows_appended_in_pieces_are_one_table():
    columns = Columns()
    for start in range(0, 1000, 7):
        columns.extend([{"n": n, "s": f"s{n % 3}"} for n in range(start, min(start + 7, 1000))])

    assert len(columns) == 1000
    assert rows(columns, {"n": {"$gte": 990}}) == list(range(990, 1000))
    assert rows(columns, {"s": "s1"}) == list(range(1, 1000, 3))


def test_records_of_one_length_may_have_different_keys():
    columns = columns_of({"a": 1, "b": 2}, {"b": 3, "a": 4}, {"a": 5, "c": 6})

    assert [rows(columns, {key: {"$gte": 0}}) for key in "abc"] == [[0, 1, 2], [0, 1], [2]]
    assert [rows(columns, {key: value}) for key, value in [("a", 4), ("b", 3), ("c", 6)]] == [[1], [1], [2]]


def test_a_rare_key_costs_memory_for_its_own_records_only():
    columns = columns_of(*({f"key {n}": n} for n in range(2000)))

    assert sum(column._tags.nbytes for column in columns._columns.values()) < 2000 * 2000 // 10
    assert rows(columns, {"key 1234": 1234}) == [1234]
    assert rows(columns, {"key 1234": {"$ne": 1234}})[1233:1236] == [1233, 1235, 1236]


def test_a_rare_key_that_becomes_common_keeps_its_values():
    columns = columns_of(*[None] * 100)
    columns.replace(np.array([70, 3]), [{"k": "old", "tags": ["x"]}, {"k": 7, "tags": ["y"]}])
    columns.extend([{"k": "new", "tags": ["x"]}] * 50)

    assert rows(columns, {"k": "old"}) == [70]
    assert rows(columns, {"k": 7}) == [3]
    assert rows(columns, {"tags": {"$contains": "x"}}) == [70, *range(100, 150)]
    assert rows(columns, {"k": "new"}) == list(range(100, 150))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), None])
def test_what_reads_back_as_missing_is_missing(value):
    columns = columns_of({"k": value}, {"k": 0.5})

    assert rows(columns, {"k": {"$ne": 0.5}}) == [0]
    assert rows(columns, {"k": {"$gt": -1e308}}) == [1]


def test_an_integer_beyond_64_bits_is_a_float():
    assert rows(columns_of({"k": 2**70}, {"k": 1}), {"k": {"$gt": 2**62}}) == [0]


def test_words_that_no_record_holds_any_more_are_forgotten():
    columns = columns_of({"k": "first"}, {"k": "stays"})
    for n in range(3000):
        columns.replace(np.array([0]), [{"k": f"version {n}"}])

    assert len(columns._columns["k"]._vocabulary) < 2000
    assert rows(columns, {"k": "version 2999"}) == [0]
    assert rows(columns, {"k": "stays"}) == [1]
    assert rows(columns, {"k": "version 1"}) == []


def test_a_value_of_another_kind_is_kept_and_matches_nothing():
    columns = columns_of({"k": {"#type": "sparse_vector", "indices": [1], "values": [1.0]}})

    assert rows(columns, {"k": {"$ne": 1}}) == [0]
    assert rows(columns, {"k": 1}) == []


def test_texts_are_numbered_as_they_come_and_put_in_order_once_until_another_comes(monkeypatch):
    ordered: list[int] = []
    put_in_order = columns_module._ranks
    monkeypatch.setattr(columns_module, "_ranks", lambda values: ordered.append(len(values)) or put_in_order(values))
    words = Vocabulary()
    assert words.encode(["pear", "fig", "pear"]).tolist() == [0, 1, 0]
    assert words.encode(iter(["fig", "apple", "quince"])).tolist() == [1, 2, 3]
    assert (words.find("apple"), words.find("plum"), len(words)) == (2, -1, 4)
    for _ in range(2):
        assert words.ranks(np.array([3, 0, 1, 0], np.int32)).tolist() == [3, 2, 1, 2]
    assert ordered == [4]
    words.encode(["fig", "grape"])
    assert words.ranks(np.arange(5, dtype=np.int32)).tolist() == [3, 1, 0, 4, 2]
    words.keep(np.array([0, 2, 4]))
    assert words.ranks(words.encode(["pear", "apple", "grape"])).tolist() == [2, 0, 1]
    assert ordered == [4, 5, 3]


def test_a_few_of_many_texts_are_put_in_order_by_themselves(monkeypatch):
    words = Vocabulary()
    words.encode(f"{number:03}" for number in reversed(range(100)))
    assert words.ranks(np.array([98, 3, 50], np.int32)).argsort().tolist() == [0, 2, 1]
    assert words._ranks is None


def test_an_interrupt_while_texts_are_numbered_numbers_none_wrongly():
    words = Vocabulary()

    def interrupted():
        yield "a"
        yield "b"
        raise KeyboardInterrupt

    class Odd:
        def __hash__(self):
            raise KeyboardInterrupt

    for values in (interrupted(), ["a", "b", Odd()]):
        with pytest.raises(KeyboardInterrupt):
            words.encode(values)
    assert words.find("c") == -1
    assert words.encode(["c", "b"]).tolist() == [2, 1]
    assert words.values(np.arange(3, dtype=np.int32)) == ["a", "b", "c"]
