"""Migrations: applied once each, in one transaction, and verified."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from chroma_nb.engine.storage import migrations
from chroma_nb.errors import InternalError, VersionMismatchError

PATH = Path("words.sqlite3")


@pytest.fixture
def connection():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def test_scripts_are_numbered_without_gaps() -> None:
    numbers = [number for number, _ in migrations.scripts()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_an_empty_file_becomes_a_database_with_the_defaults(connection: sqlite3.Connection) -> None:
    assert not migrations.is_current(connection)
    migrations.apply(connection, PATH)
    assert migrations.is_current(connection)
    assert connection.execute("SELECT name, tenant FROM databases").fetchall() == [
        ("default_database", "default_tenant")
    ]


def test_applying_twice_changes_nothing(connection: sqlite3.Connection) -> None:
    migrations.apply(connection, PATH)
    before = list(connection.iterdump())
    migrations.apply(connection, PATH)
    assert list(connection.iterdump()) == before


def test_a_failure_leaves_nothing(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [*migrations.scripts(), (99, "CREATE TABLE tenants (oops);")]
    monkeypatch.setattr(migrations, "scripts", lambda: broken)
    connection.execute("BEGIN")
    with pytest.raises(sqlite3.OperationalError):
        migrations.apply(connection, PATH)
    connection.execute("ROLLBACK")
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_a_newer_database_is_refused(connection: sqlite3.Connection) -> None:
    migrations.apply(connection, PATH)
    connection.execute("PRAGMA user_version=99")
    with pytest.raises(VersionMismatchError, match="format 99"):
        migrations.apply(connection, PATH)


def test_the_version_before_sparse_vectors_refuses_a_database_of_today(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrations.apply(connection, PATH)
    before = [script for script in migrations.scripts() if script[0] < 7]
    monkeypatch.setattr(migrations, "scripts", lambda: before)
    assert not migrations.is_readable(connection)
    with pytest.raises(VersionMismatchError, match=r"format 7; this one reads up to 6\). Upgrade"):
        migrations.apply(connection, PATH)


def test_somebody_elses_database_is_refused(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE songs (title TEXT)")
    with pytest.raises(InternalError, match="is not a database of chroma_nb"):
        migrations.apply(connection, PATH)


def test_in_memory_the_index_of_ids_is_left_out(connection: sqlite3.Connection) -> None:
    migrations.apply(connection, None)
    assert connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'records_by_id'").fetchone() is None
