"""Connections and transactions."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import resource
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from chroma_nb.engine.storage.sqlite import Connection, Connections, explained
from chroma_nb.errors import InternalError


@pytest.fixture
def connections(tmp_path: Path) -> Iterator[Connections]:
    connections = Connections(tmp_path / "a ?#%.sqlite3", durability="power", read_only=False)
    connections.outside_transactions(lambda connection: connection.execute("PRAGMA journal_mode=WAL"))
    connections.write(lambda connection: connection.execute("CREATE TABLE words (word TEXT)"))
    yield connections
    connections.close()


@contextmanager
def reading(connections: Connections) -> Iterator[Connection]:
    connection = connections.begin()
    yield connection
    connections.end(connection)


def words(connections: Connections) -> list[str]:
    return connections.read(lambda connection: [word for (word,) in connection.execute("SELECT word FROM words")])


def insert(connections: Connections, word: str) -> None:
    connections.write(lambda connection: connection.execute("INSERT INTO words VALUES (?)", (word,)))


def test_a_transaction_is_committed_at_the_end_of_its_work(connections: Connections) -> None:
    def work(connection: Connection) -> str:
        connection.execute("INSERT INTO words VALUES ('a')")
        assert words(connections) == []  # nobody sees it before
        return "done"

    assert connections.write(work) == "done"
    assert words(connections) == ["a"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_any_exception_undoes_the_transaction(connections: Connections, error: type[BaseException]) -> None:
    def fail(connection: Connection) -> None:
        connection.execute("INSERT INTO words VALUES ('a')")
        raise error

    with pytest.raises(error):
        connections.write(fail)
    assert words(connections) == []
    insert(connections, "b")
    assert words(connections) == ["b"]


def test_a_transaction_that_something_left_open_is_undone_by_the_next(connections: Connections) -> None:
    connections._writer.execute("BEGIN IMMEDIATE")
    with pytest.raises(InternalError, match="within a transaction"):
        insert(connections, "a")
    insert(connections, "b")
    assert words(connections) == ["b"]


def test_a_read_transaction_sees_one_moment(connections: Connections) -> None:
    with reading(connections) as connection:
        assert connection.execute("SELECT count(*) FROM words").fetchone() == (0,)
        insert(connections, "a")
        assert connection.execute("SELECT count(*) FROM words").fetchone() == (0,)
    assert words(connections) == ["a"]


def test_what_a_connection_remembers_of_the_catalog_is_forgotten_when_another_commits(connections: Connections) -> None:
    with reading(connections) as connection:
        connection.catalog["x"] = "remembered"
    with reading(connections) as connection:
        assert connection.catalog == {"x": "remembered"}
    insert(connections, "a")
    with reading(connections) as connection:
        assert connection.catalog == {}


def test_each_thread_is_lent_a_reader_of_its_own_and_readers_are_lent_out_again(connections: Connections) -> None:
    def other() -> Connection:
        with reading(connections) as second:
            return second

    with ThreadPoolExecutor(1) as threads, reading(connections) as first:
        second = threads.submit(other).result()
        assert first is not second
        assert threads.submit(other).result() is second
    with reading(connections) as third:
        assert third in (first, second)


def test_a_reader_that_was_never_given_back_is_closed_by_its_thread_s_next_reading(connections: Connections) -> None:
    lost = connections.begin()  # and an interrupt comes before its end
    assert lost.execute("SELECT count(*) FROM words").fetchone() == (0,)
    insert(connections, "a")
    assert words(connections) == ["a"]
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        lost.execute("SELECT 1")
    assert len(connections._all) == 2


def test_a_reader_that_was_lost_on_its_way_is_closed_by_the_next_reading(connections: Connections) -> None:
    words(connections)
    lost = connections._idle.pop()  # and an interrupt comes before it is noted who has it
    assert words(connections) == []
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        lost.execute("SELECT 1")
    assert len(connections._all) == 2


@pytest.mark.parametrize(
    ("pragma", "value"), [("trusted_schema", 0), ("foreign_keys", 1), ("secure_delete", 0), ("synchronous", 3)]
)
def test_pragmas_hold_for_every_connection(connections: Connections, pragma: str, value: int) -> None:
    for ask in (connections.read, connections.outside_transactions):
        assert ask(lambda connection: connection.execute(f"PRAGMA {pragma}").fetchone()) == (value,)


def test_durability_process_syncs_less(tmp_path: Path) -> None:
    connections = Connections(tmp_path / "db", durability="process", read_only=False)
    found = connections.outside_transactions(lambda connection: connection.execute("PRAGMA synchronous").fetchone())
    assert found == (1,)
    connections.close()


@pytest.mark.parametrize("path", ["db", None])
def test_what_nobody_closed_is_closed_when_nobody_refers_to_it(tmp_path: Path, path: str | None) -> None:
    connections = Connections(None if path is None else tmp_path / path, durability="power", read_only=False)
    opened = {connections.read(lambda reader: reader), connections.outside_transactions(lambda writer: writer)}
    del connections
    gc.collect()
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


def test_a_database_in_memory_is_one_connection(tmp_path: Path) -> None:
    connections = Connections(None, durability="power", read_only=False)
    assert connections.read(lambda one: one) is connections.write(lambda other: other)
    connections.close()


def refused(code: int, text: str = "something in another language") -> sqlite3.Error:
    error = sqlite3.DatabaseError(text)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_READONLY_DBMOVED, "read-only here"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "is busy: another process"),
        (sqlite3.SQLITE_LOCKED, "is busy: another process"),
        (sqlite3.SQLITE_FULL, "no space left"),
        (sqlite3.SQLITE_IOERR_WRITE, "quota is used up, or a limit on the size of files"),
        (sqlite3.SQLITE_IOERR_SHMSIZE, "quota is used up, or a limit on the size of files"),
        (sqlite3.SQLITE_IOERR_READ, "input/output error"),
        (sqlite3.SQLITE_IOERR_CORRUPTFS, "input/output error"),
        (sqlite3.SQLITE_IOERR_NOMEM, "not enough memory"),
        (sqlite3.SQLITE_CORRUPT_INDEX, "Restore it from a backup"),
        (sqlite3.SQLITE_NOTADB, "Restore it from a backup"),
        (sqlite3.SQLITE_SCHEMA, "SQLite failed"),
    ],
)
def test_errors_say_what_happened_to_which_file_whatever_the_words(code: int, expected: str, tmp_path: Path) -> None:
    error = explained(refused(code), tmp_path / "words")
    assert isinstance(error, InternalError)
    assert expected in str(error)
    assert str(tmp_path / "words") in str(error)
    assert "in another language" in str(error)
    assert ("Restore" in str(error)) == (code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))


@pytest.mark.parametrize("text", ["database disk image is malformed", "disk I/O error", "database is full", "locked"])
def test_words_alone_decide_nothing(text: str) -> None:
    assert "SQLite failed on /data/words: " + text == str(explained(sqlite3.Error(text), Path("/data/words")))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, "no space left"),
        (errno.EDQUOT, "quota is used up"),
        (errno.EFBIG, "limit on the size of files"),
        (errno.EIO, "input/output error"),
        (errno.EROFS, "read-only here"),
        (errno.EACCES, "permission is denied"),
        (errno.EMFILE, "too many files are open"),
        (errno.ENFILE, "too many files are open"),
        (errno.ENOMEM, "not enough memory"),
        (errno.EXDEV, os.strerror(errno.EXDEV)),
    ],
)
def test_errors_of_the_system_say_what_happened_to_which_file(number: int, expected: str) -> None:
    for error in (OSError(number, os.strerror(number)), OSError(number, os.strerror(number), "/data/words")):
        told = explained(error, Path("/data/words"))
        assert isinstance(told, InternalError)
        assert expected in str(told)
        assert "/data/words" in str(told)
        assert "Nothing was written, and reading still works" in str(told)
        assert "restore" not in str(told)


def test_too_many_open_files_are_not_called_a_matter_of_permissions(connections: Connections) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    filler = [os.open("/dev/null", os.O_RDONLY)]
    with ThreadPoolExecutor(1) as threads, reading(connections):  # another thread's reader is a new connection
        threads.submit(threading.get_ident).result()
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (filler[0] + 8, hard))
            with contextlib.suppress(OSError):
                while True:
                    filler.append(os.open("/dev/null", os.O_RDONLY))
            with pytest.raises(InternalError, match="too many files are open"):
                threads.submit(words, connections).result()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for descriptor in filler:
                os.close(descriptor)
        assert threads.submit(words, connections).result() == []
