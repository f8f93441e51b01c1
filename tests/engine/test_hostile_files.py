"""Directories that somebody made or damaged: every call answers, or says in an error of ours what to do; none hangs."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import chroma_nb
from chroma_nb.errors import ChromaError, InternalError

COUNT = 40


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a collection, to be copied."""
    path = tmp_path_factory.mktemp("whole") / "db"
    with chroma_nb.PersistentClient(path) as client:
        client.create_collection("birds", embedding_function=None, metadata={"year": 1}).add(
            ids=[str(number) for number in range(COUNT)],
            embeddings=np.random.default_rng(0).normal(size=(COUNT, 8)),
            documents=[f"bird {number}" for number in range(COUNT)],
            metadatas=[{"number": number} for number in range(COUNT)],
        )
    return path


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "db"))


def used(path: Path) -> list[str]:
    """Every kind of call: what those that failed said, each in an error of ours."""
    said: list[str] = []

    def call(work: Callable[[], object]) -> None:
        try:
            work()
        except ChromaError as error:
            said.append(str(error))

    def calls() -> None:
        with chroma_nb.PersistentClient(path) as client:
            birds = client.get_collection("birds", embedding_function=None)
            call(lambda: birds.get(include=["embeddings", "documents", "metadatas"]))
            call(lambda: birds.query(query_embeddings=np.ones((1, 8)), n_results=2))
            call(lambda: birds.get(where={"number": 3}, where_document={"$contains": "bird"}))
            call(lambda: birds.facets("number"))
            call(lambda: birds.describe())
            call(lambda: birds.upsert(ids=["new"], embeddings=np.ones((1, 8))))
            call(lambda: birds.update(ids=["2"], metadatas=[{"number": 4}]))
            call(lambda: birds.delete(ids=["3"]))
            call(lambda: birds.fork("fork"))
            call(client.list_collections)
            call(client.vacuum)
            call(client.verify)

    call(calls)
    return said


def change(path: Path, statement: str, *values: object) -> None:
    with contextlib.closing(sqlite3.connect(path / "chroma_nb.sqlite3")) as connection, connection:
        connection.execute(statement, values)


# --- What the rows of the database hold ------------------------------------------------------------------------


def columns() -> list[tuple[str, str]]:
    """Every column of every table, but those by which SQLite finds a record."""
    with chroma_nb.EphemeralClient() as client:
        engine = client._server._backend.engine
        return engine.transactions.connections.read(
            lambda connection: [
                (table, column)
                for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
                for (column,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
                if not table.startswith("sqlite_")
            ]
        )


#: They hold a row each.
WITHOUT_ROWID = {"tenants", "changes", "pending_vectors"}
VALUES = [None, -1, 10**6, 2**39, 2**62, 1.5, "a\0b", b"\xff\xfe\0", "[" * 50_000, '{"a":' * 50_000]


@pytest.mark.parametrize(("table", "column"), columns())
def test_a_value_that_we_never_write_is_told_or_does_no_harm(
    table: str, column: str, whole: Path, tmp_path: Path
) -> None:
    for number, value in enumerate([*VALUES, "not unicode"]):
        path = Path(shutil.copytree(whole, tmp_path / str(number)))
        new = "CAST(x'ff41' AS TEXT)" if value == "not unicode" else "?"
        one = "" if table in WITHOUT_ROWID else f"WHERE rowid = (SELECT max(rowid) FROM {table})"
        with contextlib.suppress(sqlite3.IntegrityError):  # the schema does not take it
            change(path, f"UPDATE {table} SET {column} = {new} {one}", *([] if new != "?" else [value]))
        for sentence in used(path):
            assert "Traceback" not in sentence
            assert len(sentence) < 1000


# --- What the schema would run ---------------------------------------------------------------------------------
ENDLESS = "WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up)"


@pytest.mark.parametrize("table", ["tenants", "databases", "collections", "records", "changes"])
def test_a_view_in_the_place_of_a_table_is_refused_before_it_is_read(table: str, path: Path) -> None:
    change(path, f"ALTER TABLE {table} RENAME TO gone")
    change(path, f"CREATE VIEW {table} AS {ENDLESS} SELECT * FROM gone, up")
    with pytest.raises(InternalError, match=f"has a view '{table}', which chroma_nb does not create"):
        chroma_nb.PersistentClient(path)


@pytest.mark.parametrize("when", ["BEFORE INSERT", "AFTER UPDATE", "AFTER DELETE"])
def test_a_trigger_is_refused_and_not_run(when: str, path: Path) -> None:
    change(path, f"CREATE TRIGGER spy {when} ON records BEGIN DELETE FROM records; END")
    assert [sentence for sentence in used(path) if "has a trigger 'spy'" in sentence]
    with contextlib.closing(sqlite3.connect(path / "chroma_nb.sqlite3")) as connection:
        assert connection.execute("SELECT count(*) FROM records").fetchone() == (COUNT,)


# --- What stands in the directory ------------------------------------------------------------------------------


def cleared(entry: Path) -> Path:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)
    entry.parent.mkdir(exist_ok=True)
    return entry


ODD: dict[str, Callable[[Path], object]] = {
    "a folder": lambda entry: (cleared(entry).mkdir(), (entry / "x").touch()),
    "an empty file": lambda entry: cleared(entry).touch(),
    "noise": lambda entry: cleared(entry).write_bytes(np.random.default_rng(1).bytes(5000)),
    "a pipe": lambda entry: os.mkfifo(cleared(entry)),
    "a link to itself": lambda entry: cleared(entry).symlink_to(entry),
    "a link to nothing": lambda entry: cleared(entry).symlink_to("/nowhere/at/all"),
    "a link to a device": lambda entry: cleared(entry).symlink_to("/dev/zero"),
    "nothing": cleared,
}
ENTRIES = ["chroma_nb.sqlite3", *(f"chroma_nb.sqlite3-{end}" for end in ("wal", "shm", "journal"))]
ENTRIES += ["chroma_nb.reserve", "vectors", "vectors/*.f32", "cache", "cache/x.rows"]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_entry_is_told_or_does_no_harm(odd: str, whole: Path, tmp_path: Path) -> None:
    paths = []
    for number, name in enumerate(ENTRIES):
        path = Path(shutil.copytree(whole, tmp_path / str(number)))
        *found, entry = [path / name] if "*" not in name else path.glob(name)
        assert not found
        ODD[odd](entry)
        paths.append(path)
    # In a process of its own, which can be ended should it wait for a pipe.
    here = Path(__file__)
    code = f"import sys; sys.path.insert(0, {str(here.parent)!r}); import {here.stem} as here\n"
    code += "from pathlib import Path\nfor path in sys.argv[1:]: here.used(Path(path)); print(path)"
    done = subprocess.run([sys.executable, "-c", code, *map(str, paths)], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == list(map(str, paths)), done.stderr


@pytest.mark.parametrize(
    "place", ["chroma_nb.sqlite3", "chroma_nb.sqlite3/below", "y" * 300, "a link to nothing", "\udcff"]
)
def test_a_path_that_can_be_no_directory_is_told(place: str, path: Path) -> None:
    (path / "a link to nothing").symlink_to("/proc/nowhere/at/all")
    assert used(path / place)
