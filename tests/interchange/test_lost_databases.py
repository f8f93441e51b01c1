"""What we have written is never taken for absent: a database that was lost is not made, imported or opened anew."""

import hashlib
import os
import shutil
import subprocess
import sys

import pytest
from chroma_fixtures import unpack

import chroma_nb
from chroma_nb import doctor
from chroma_nb.cli import main
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.errors import InternalError

DATABASE = "chroma_nb.sqlite3"


def snapshot(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def written(folder):
    """A directory with a vector, a graph's cache, and whatever else stands beside a database."""
    with chroma_nb.PersistentClient(folder) as client:
        client.create_collection("mine", embedding_function=None).add(ids=["a"], embeddings=[[1, 2]])
    (folder / "cache").mkdir(exist_ok=True)
    (folder / "cache" / "0123.json").write_text("{}")
    return folder


def imported(folder):
    return written(unpack("chroma-1.0.20", folder))


def only_cache(folder):
    for name in ("vectors", "chroma_nb-import"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / DATABASE).unlink()


def only_the_report(folder):
    only_cache(folder)
    (folder / "chroma_nb-import").mkdir()
    (folder / "chroma_nb-import" / "report.json").write_text("{}")
    shutil.rmtree(folder / "cache")


def only_what_was_replaced(folder):
    only_cache(folder)
    shutil.rmtree(folder / "cache")
    (folder / "chroma_nb-replaced-20260101-000000-ab12").mkdir()
    (folder / "chroma_nb-replaced-20260101-000000-ab12" / DATABASE).write_bytes(b"what was there")


def only_a_log(folder):
    only_cache(folder)
    shutil.rmtree(folder / "cache")
    (folder / f"{DATABASE}-wal").write_bytes(b"what was not copied into the file yet")


def without_tables(folder):
    """As a new database is whose write-ahead log, with all that was written, was lost."""
    import sqlite3

    (folder / DATABASE).unlink()
    connection = sqlite3.connect(folder / DATABASE)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("VACUUM")
    connection.close()


LOSSES = {
    "the file is missing": lambda folder: (folder / DATABASE).unlink(),
    "the file is empty": lambda folder: os.truncate(folder / DATABASE, 0),
    "the file has no tables": without_tables,
    "only the cache is left": only_cache,
    "only the report is left": only_the_report,
    "only what was replaced is left": only_what_was_replaced,
    "only a write-ahead log is left": only_a_log,
}


def to_open(folder):
    """Every way to open a directory."""
    yield lambda: chroma_nb.PersistentClient(folder)
    yield lambda: chroma_nb.Client(chroma_nb.Settings(is_persistent=True, persist_directory=str(folder)))
    yield lambda: chroma_nb.AdminClient(chroma_nb.Settings(is_persistent=True, persist_directory=str(folder)))
    yield lambda: SharedEngine.open(folder)
    yield lambda: chroma_nb.serve(str(folder), port=0)


@pytest.mark.parametrize("make", [imported, written], ids=["imported", "our own"])
@pytest.mark.parametrize("loss", LOSSES)
def test_no_way_of_opening_takes_a_lost_database_for_none(loss, make, tmp_path, capsys):
    folder = make(tmp_path / "db")
    LOSSES[loss](folder)
    before = snapshot(folder)
    for opening in to_open(folder):
        for _ in range(2):
            with pytest.raises(InternalError, match=r"chroma_nb\.sqlite3 is missing or empty.*was lost") as caught:
                opening()
            said = str(caught.value)
            assert "restore it from a backup" in said
            assert "nothing was changed" in said
            if make is imported:
                elsewhere = f"{folder}-imported"
                assert f"chroma_nb.import_chroma({str(folder)!r}, {elsewhere!r})" in said
            assert snapshot(folder) == before
    with pytest.raises(InternalError, match=r"was lost|already holds a chroma_nb database"):
        chroma_nb.import_chroma(unpack("chroma-0.5.23", tmp_path / "other"), folder)
    assert snapshot(folder) == before
    assert main(["serve", "--path", str(folder), "--port", "0"]) == 1
    assert main(["export", str(folder), str(tmp_path / "exported")]) == 1
    assert capsys.readouterr().err.count("was lost") == 2
    finding = doctor.CHECKS["content"](folder)
    assert finding.verdict is doctor.Verdict.FAIL
    assert "was lost" in finding.says
    assert snapshot(folder) == before


def test_the_call_that_the_message_names_imports_chromas_files_elsewhere(tmp_path):
    folder = imported(tmp_path / "db")
    (folder / DATABASE).unlink()
    before = snapshot(folder)
    report = chroma_nb.import_chroma(folder, f"{folder}-imported")
    assert (report.collections, report.complete) == (4, True)
    assert snapshot(folder) == before


def test_what_was_imported_from_elsewhere_names_where_from(tmp_path):
    source = unpack("chroma-1.0.20", tmp_path)
    chroma_nb.import_chroma(source, tmp_path / "ours")
    (tmp_path / "ours" / DATABASE).unlink()
    with pytest.raises(InternalError, match="was lost") as caught:
        chroma_nb.PersistentClient(tmp_path / "ours")
    assert f"import_chroma({str(source)!r}, " in str(caught.value)


def test_replace_puts_what_is_left_of_a_lost_database_aside(tmp_path):
    folder = imported(tmp_path / "db")
    (folder / DATABASE).unlink()
    vectors = sorted(path.name for path in (folder / "vectors").iterdir())
    chroma_nb.import_chroma(folder, folder, replace=True)
    [aside] = folder.glob("chroma_nb-replaced-*")
    assert sorted(path.name for path in (aside / "vectors").iterdir()) == vectors
    with chroma_nb.PersistentClient(folder) as client:
        assert client.count_collections() == 4


def test_a_log_that_was_lost_with_all_that_was_written_is_noticed(tmp_path):
    code = (
        "import os, sys, chroma_nb\n"
        "client = chroma_nb.PersistentClient(sys.argv[1])\n"
        "client.create_collection('mine', embedding_function=None).add(ids=['a'], embeddings=[[1, 2]])\n"
        "os._exit(0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "db")], env=environment, check=True)
    (tmp_path / "db" / f"{DATABASE}-wal").unlink()
    with pytest.raises(InternalError, match="was lost"):
        chroma_nb.PersistentClient(tmp_path / "db")
    assert list((tmp_path / "db" / "vectors").iterdir())


@pytest.mark.parametrize("names", [[], ["notes.txt"], ["vectors/"], ["cache/", "chroma_nb-import/"]])
def test_a_directory_with_nothing_of_ours_in_it_is_new(names, tmp_path):
    for name in names:
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    with chroma_nb.PersistentClient(tmp_path) as client:
        assert client.count_collections() == 0
