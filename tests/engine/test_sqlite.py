"""Connections and transactions."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from chroma_nb.engine.sqlite import Connections, explained
from chroma_nb.errors import ChromaError, InternalError


@pytest.fixture
def connections(tmp_path: Path) -> Iterator[Connections]:
    connections = Connections(tmp_path / "a ?#%.sqlite3", durability="power", read_only=False)
    with connections.outside_transactions() as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE words (word TEXT)")
    yield connections
    connections.close()


def words(connections: Connections) -> list[str]:
    with connections.reading() as connection:
        return [word for (word,) in connection.execute("SELECT word FROM words")]


def test_a_transaction_is_committed_with_its_block(connections: Connections) -> None:
    with connections.transaction() as connection:
        connection.execute("INSERT INTO words VALUES ('a')")
        assert words(connections) == []  # nobody sees it before
    assert words(connections) == ["a"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_any_exception_undoes_the_transaction(connections: Connections, error: type[BaseException]) -> None:
    def fail() -> None:
        with connections.transaction() as connection:
            connection.execute("INSERT INTO words VALUES ('a')")
            raise error

    with pytest.raises(error):
        fail()
    assert words(connections) == []
    with connections.transaction() as connection:
        connection.execute("INSERT INTO words VALUES ('b')")
    assert words(connections) == ["b"]


def test_a_read_transaction_sees_one_moment(connections: Connections) -> None:
    with connections.reading() as connection:
        assert connection.execute("SELECT count(*) FROM words").fetchone() == (0,)
        with connections.transaction() as writer:
            writer.execute("INSERT INTO words VALUES ('a')")
        assert connection.execute("SELECT count(*) FROM words").fetchone() == (0,)
    assert words(connections) == ["a"]


def test_what_a_connection_remembers_of_the_catalog_is_forgotten_when_another_commits(connections: Connections) -> None:
    with connections.reading() as connection:
        connection.catalog["x"] = "remembered"
    with connections.reading() as connection:
        assert connection.catalog == {"x": "remembered"}
    with connections.transaction() as writer:
        writer.execute("INSERT INTO words VALUES ('a')")
    with connections.reading() as connection:
        assert connection.catalog == {}


def test_readers_are_lent_out_again(connections: Connections) -> None:
    with connections.reading() as first, connections.reading() as second:
        assert first is not second
    with connections.reading() as third:
        assert third in (first, second)


@pytest.mark.parametrize(
    ("pragma", "value"), [("trusted_schema", 0), ("foreign_keys", 1), ("secure_delete", 0), ("synchronous", 3)]
)
def test_pragmas_hold_for_every_connection(connections: Connections, pragma: str, value: int) -> None:
    with connections.reading() as reader, connections.outside_transactions() as writer:
        for connection in (reader, writer):
            assert connection.execute(f"PRAGMA {pragma}").fetchone() == (value,)


def test_durability_process_syncs_less(tmp_path: Path) -> None:
    connections = Connections(tmp_path / "db", durability="process", read_only=False)
    with connections.outside_transactions() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (1,)
    connections.close()


@pytest.mark.parametrize("path", ["db", None])
def test_what_nobody_closed_is_closed_when_nobody_refers_to_it(tmp_path: Path, path: str | None) -> None:
    connections = Connections(None if path is None else tmp_path / path, durability="power", read_only=False)
    with connections.reading() as reader, connections.outside_transactions() as writer:
        opened = {reader, writer}
    del connections
    gc.collect()
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


def test_a_database_in_memory_is_one_connection(tmp_path: Path) -> None:
    connections = Connections(None, durability="power", read_only=False)
    with connections.reading() as one, connections.transaction() as other:
        assert one is other
    connections.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("attempt to write a readonly database", "check the permissions"),
        ("unable to open database file", "check the permissions"),
        ("database is locked", "is busy: another process"),
        ("database or disk is full", "no space left"),
        ("database disk image is malformed", "restore it from a backup"),
        ("file is not a database", "restore it from a backup"),
        ("something new", "SQLite could not do this"),
    ],
)
def test_errors_say_what_happened_to_which_file(text: str, expected: str) -> None:
    error = explained(sqlite3.DatabaseError(text), Path("/data/words"))
    assert isinstance(error, InternalError)
    assert isinstance(error, ChromaError)
    assert expected in str(error)
    assert "/data/words" in str(error)
    assert text in str(error)
