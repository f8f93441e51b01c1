"""What changed since a seq: in full, or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_nb.engine.storage import changelog, migrations


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = opened()
    yield connection
    connection.close()


def opened() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrations.apply(connection, None)
    connection.execute(
        "INSERT INTO collections (number, id, name, database, configuration) VALUES (1, 'x', 'x', 1, '{}')"
    )
    return connection


def record(connection: sqlite3.Connection, seq: int, positions: list[int]) -> None:
    changelog.record(connection, 1, seq, np.array(positions, np.int64))


@settings(max_examples=60, deadline=None)
@given(calls=st.lists(st.lists(st.integers(0, 50), unique=True).map(sorted), max_size=12), data=st.data())
def test_since_is_the_union_of_the_calls_after_it(calls: list[list[int]], data: st.DataObject) -> None:
    connection = opened()
    for seq, positions in enumerate(calls, 1):
        record(connection, seq, positions)
    known = data.draw(st.integers(0, len(calls)))
    current = data.draw(st.integers(known, len(calls)))
    found = changelog.since(connection, 1, known, current)
    connection.close()
    assert found is not None
    assert found.tolist() == sorted(set().union(*calls[known:current]))


def test_whoever_is_behind_the_oldest_entry_loads_anew(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changelog, "KEPT", 3)
    for seq in range(1, 8):
        record(connection, seq, [seq])
    assert changelog.since(connection, 1, 3, 7) is None
    assert changelog.since(connection, 1, 4, 7).tolist() == [5, 6, 7]
    assert connection.execute("SELECT count(*) FROM changes").fetchone() == (3,)


def test_a_call_that_touched_very_many_scattered_records_makes_others_load_anew(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changelog, "LARGEST", 4)
    record(connection, 1, [1])
    record(connection, 2, [1, 3, 5, 7, 9])
    record(connection, 3, [2])
    assert changelog.since(connection, 1, 0, 3) is None
    assert changelog.since(connection, 1, 2, 3).tolist() == [2]


def test_forgetting_makes_everybody_load_anew(connection: sqlite3.Connection) -> None:
    record(connection, 1, [1, 2])
    changelog.forget(connection, 1)
    assert changelog.since(connection, 1, 0, 1) is None


def test_no_text_is_kept_of_what_was_deleted(connection: sqlite3.Connection) -> None:
    columns = [(name, kind) for _, name, kind, *_ in connection.execute("PRAGMA table_info(changes)")]
    assert columns == [
        ("collection", "INTEGER"),
        ("seq", "INTEGER"),
        ("first", "INTEGER"),
        ("last", "INTEGER"),
        ("positions", "BLOB"),
    ]
