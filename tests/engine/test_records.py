"""Records at rest: what goes in comes out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from strategies_of_text import texts

from chroma_nb.engine.storage import migrations, records
from chroma_nb.errors import InternalError, InvalidArgumentError


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrations.apply(connection, None)
    for number in (1, 2):
        connection.execute(
            "INSERT INTO collections (number, id, name, database, configuration) VALUES (?, ?, ?, 1, '{}')",
            (number, str(number), str(number)),
        )
    for number in (1, 2):
        insert(connection, number, range(40))
    yield connection
    connection.close()


def insert(connection: sqlite3.Connection, collection: int, numbers: Iterable[int]) -> None:
    """Records r<number> at these positions."""
    columns = [(f"r{n}", n, 1.5, 7, f"text {n}", None, b'{"n":%d}' % n) for n in numbers]
    records.insert(connection, collection, np.array(list(numbers), np.int64), *zip(*columns, strict=True))


def positions(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def metadatas(connection: sqlite3.Connection, collection: int) -> list[dict[str, Any] | None]:
    return [metadata for piece in records.metadatas(connection, collection) for metadata in piece]


def test_fetch_gives_the_columns_asked_for_in_the_order_of_positions(connection: sqlite3.Connection) -> None:
    several = [range(3, 6), range(1, 40, 2), range(10, 35), range(40)]
    for wanted in (positions(3, 5), *(positions(*numbers) for numbers in several)):
        found = records.fetch(connection, 1, wanted, ("document", "crc"), all_of_it=len(wanted) == 40)
        assert [(row[-2], row[-1]) for row in found] == [(f"text {number}", 7) for number in wanted.tolist()]


def test_collections_lie_apart(connection: sqlite3.Connection) -> None:
    records.delete(connection, 1, positions(*range(40)))
    assert len(records.header_columns(connection, 1)[0]) == len(metadatas(connection, 1)) == 0
    assert len(records.header_columns(connection, 2)[0]) == len(metadatas(connection, 2)) == 40


def test_the_highest_position_does_not_run_into_the_next_collection(connection: sqlite3.Connection) -> None:
    last = (1 << records.POSITION_BITS) - 1
    insert(connection, 1, [last])
    assert records.header_columns(connection, 1)[0][-1] == last
    assert len(records.header_columns(connection, 2)[0]) == 40
    assert [metadata["n"] for metadata in metadatas(connection, 1)] == [*range(40), last]


def test_the_metadata_of_a_collection_comes_in_the_order_of_positions_however_many_there_are(
    connection: sqlite3.Connection,
) -> None:
    insert(connection, 1, range(50, 20_100, 2))
    records.delete(connection, 1, positions(*range(1, 20_100, 3)))
    records.update_metadatas(connection, 1, [(None, 0), (b"{}", 3), (b'{"n":null,"m":"\xc3\xa9"}', 6)])
    kept = [*range(40), *range(50, 20_100, 2)]
    shown = {0: None, 3: {}, 6: {"m": "é"}}
    assert metadatas(connection, 1) == [shown.get(n, {"n": n}) for n in kept if n % 3 != 1]


@pytest.mark.parametrize("damage", [b'{"n"', b'{"n":1},{"n":2}', b"\xff", b"\x00", b""])
def test_damaged_metadata_is_told_and_never_shifted_to_another_record(
    connection: sqlite3.Connection, damage: bytes
) -> None:
    records.update_metadatas(connection, 1, [(damage, 4)])
    with pytest.raises(InternalError, match="The metadata of a record is damaged"):
        metadatas(connection, 1)
    with pytest.raises(InternalError, match="The metadata of a record is damaged"):
        records.decode_metadata([b"{}", damage])


def test_headers_at_passes_over_what_is_gone(connection: sqlite3.Connection) -> None:
    records.delete(connection, 1, positions(4, 5))
    found = records.headers_at(connection, 1, positions(3, 4, 5, 6))
    assert [header.id for header in found] == ["r3", "r6"]


def test_updates_touch_their_record_only(connection: sqlite3.Connection) -> None:
    records.update_texts(connection, 1, "document", [("new", 3)])
    records.update_metadatas(connection, 1, [(b'{"m":1}', 4)])
    records.update_vectors(connection, 1, [(99, 2.5, 8, 5)])
    found = records.headers_at(connection, 1, positions(3, 4, 5, 6))
    assert [header.metadata for header in found] == [b'{"n":3}', b'{"m":1}', b'{"n":5}', b'{"n":6}']
    assert [header.slot for header in found] == [3, 4, 99, 6]
    assert records.fetch(connection, 1, positions(3), ("document",))[0][1] == "new"
    assert records.fetch(connection, 2, positions(3), ("document",))[0][1] == "text 3"


@settings(max_examples=100, deadline=None)
@given(texts)
def test_metadata_comes_back_with_its_types(text: str) -> None:
    metadata = {text: text, "i": 3, "f": 3.0, "b": True, "l": [1, 2], "t": [text], "big": 2**63 - 1, "small": -(2**63)}
    (back,) = records.decode_metadata([records.encode_metadata(metadata)])
    assert back == {key: value for key, value in metadata.items() if not key.startswith("chroma:")}
    assert [type(value) for value in back.values()] == [
        type(value) for key, value in metadata.items() if not key.startswith("chroma:")
    ]


def test_numpy_numbers_are_numbers() -> None:
    encoded = records.encode_metadata({"i": np.int64(3), "f": np.float64(0.5)})
    assert records.decode_metadata([encoded]) == [{"i": 3, "f": 0.5}]


def test_none_and_empty_differ() -> None:
    assert records.encode_metadata(None) is None
    assert records.decode_metadata([None, records.encode_metadata({})]) == [None, {}]


def test_values_that_are_no_number_are_left_out() -> None:
    (back,) = records.decode_metadata([records.encode_metadata({"nan": float("nan"), "x": 1})])
    assert back == {"x": 1}


def test_hidden_keys_are_kept_and_not_shown() -> None:
    encoded = records.encode_metadata({"chroma:document": "secret", "x": 1})
    assert records.decode_metadata([encoded]) == [{"x": 1}]
    assert records.decode_metadata([encoded], hidden=True) == [{"chroma:document": "secret", "x": 1}]


def test_what_cannot_be_stored_is_refused() -> None:
    for value in ({"x": object()}, {"x": {1, 2}}, {"x": "\ud800"}):
        with pytest.raises(InvalidArgumentError, match="cannot store metadata"):
            records.encode_metadata(value)


def test_damaged_metadata_is_an_error_and_is_named(connection: sqlite3.Connection) -> None:
    with pytest.raises(InternalError, match="damaged"):
        records.decode_metadata([b'{"x": 1}', b"{"])
    connection.execute("UPDATE records SET metadata = ? WHERE id = 'r7'", (b"{oops",))
    assert records.unreadable(connection, 1) == ["r7"]


def test_headers_are_read_a_part_at_a_time_with_holes_and_hidden_ones_left_out(connection, monkeypatch):
    monkeypatch.setattr(records, "_HEADERS_AT_ONCE", 7)
    records.delete(connection, 1, positions(0, 6, 7, 8, 20, 39))
    kept = [n for n in range(40) if n not in {0, 6, 7, 8, 20, 39} and not 14 <= n < 28]
    found, ids, slots, norms = records.header_columns(connection, 1, ((14, 27),))
    assert found.tolist() == slots.tolist() == kept
    assert ids == [f"r{n}" for n in kept]
    assert norms.tolist() == [1.5] * len(kept)
