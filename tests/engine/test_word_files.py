"""The file of a collection's words: what it holds is what its documents give, or it is not believed."""

from __future__ import annotations

import shutil
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_samples import create, numbered, numbered_vector, records
from noted_files import DAMAGES, its_id, opened

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.index import words as index_of_words
from chroma_nb.engine.memory import word_files, word_index
from chroma_nb.engine.search import index_builder
from chroma_nb.engine.storage import cache_files, directory

COUNT = 40
ODD = {"odd1": "Größe 東京都 🐦 l'été", "odd2": "", "odd3": None, "odd4": "text text text", "odd5": "gone soon"}
QUESTIONS = ["text 7", "version 1", "GRÖSSE", "東京", "🐦", "text", "gone", "nowhere", "fresh 100"]


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_files, "FEWEST", 10)
    monkeypatch.setattr(index_builder, "IDLE_SECONDS", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A collection with a file of its words."""
    with opened(tmp_path / "db") as engine:
        collection = create(engine)
        engine.add(collection, numbered(0, COUNT))
        vectors = [numbered_vector(1000 + n) for n in range(len(ODD))]
        engine.add(collection, records(list(ODD), vectors, list(ODD.values())))
        engine.delete(collection, ["r3", "r11"], None)
        told(engine)
        engine.update(collection, records(["r5"], documents=["text of five"]))
        told(engine)
        assert engine.builder.wait(60)
        assert engine.maintenance.store_words(collection)
    return tmp_path / "db"


def the_file(path: Path) -> Path:
    (file,) = (path / "cache").glob("*.words")
    return file


def told(engine: Engine) -> list[Any]:
    """What is found by words alone, and why."""
    result = engine.hybrid(its_id(engine), QUESTIONS, None, 100, None, ("documents",))
    return [result[name] for name in ("ids", "scores", "words", "documents")]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How the index of words was made from here on."""
    seen: list[str] = []
    made, stored = word_index.made_of, index_of_words.WordIndex.from_stored

    def of_documents(*arguments: Any) -> Any:
        seen.append("documents")
        return made(*arguments)

    def of_file(*arguments: Any) -> Any:
        seen.append("file")
        return stored(*arguments)

    monkeypatch.setattr("chroma_nb.engine.memory.snapshot.made_of", of_documents)
    monkeypatch.setattr(index_of_words.WordIndex, "from_stored", of_file)
    return seen


def without_file(path: Path, tmp_path: Path) -> list[Any]:
    copy = tmp_path / "copy"
    shutil.copytree(path, copy, ignore=shutil.ignore_patterns("cache"))
    with opened(copy) as engine:
        found = told(engine)
    shutil.rmtree(copy)
    return found


def test_a_second_process_reads_the_file_and_finds_the_same(path: Path, tmp_path: Path, read: list[str]) -> None:
    expected = without_file(path, tmp_path)
    read.clear()
    with opened(path) as engine:
        assert told(engine) == expected
        assert told(engine) == expected
    assert read == ["file"]


@pytest.mark.parametrize("change", ["add", "update", "delete", "delete and add again", "metadata", "all of them"])
def test_what_happened_since_is_taken_from_the_change_log(
    path: Path, tmp_path: Path, read: list[str], change: str
) -> None:
    with opened(path) as engine:
        collection = its_id(engine)
        if change in ("add", "all of them"):
            engine.add(collection, records(["n"], [numbered_vector(1)], ["fresh 100 東京"]))
        if change in ("update", "all of them"):
            engine.update(collection, records(["r7", "odd1"], documents=["no number", "was 京都"]))
        if change in ("delete", "all of them"):
            engine.delete(collection, ["odd5", "r0"], None)
        if change in ("delete and add again", "all of them"):
            engine.delete(collection, ["r9"], None)
            engine.add(collection, numbered(9, 1, version=1))
        if change in ("metadata", "all of them"):
            engine.update(collection, records(["r20"], metadatas=[{"a": 1}]))
    expected = without_file(path, tmp_path)
    read.clear()
    with opened(path) as engine:
        assert told(engine) == expected
    assert read == ["file"]


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_file_that_is_not_the_one_that_was_noted_is_not_believed(
    path: Path, tmp_path: Path, read: list[str], damage: str
) -> None:
    file, before = the_file(path), tmp_path / "before"
    shutil.copy(file, before)
    with opened(path) as engine:
        engine.update(its_id(engine), records(["r7"], documents=["other words"]))
        assert engine.maintenance.store_words(its_id(engine))
    expected = without_file(path, tmp_path)
    DAMAGES[damage](file, before)
    read.clear()
    with opened(path) as engine:
        engine.builder.stop()
        assert told(engine) == expected
        assert read == ["documents"]
        if damage == "directory":
            with pytest.warns(RuntimeWarning, match="could not be saved"):
                assert not engine.maintenance.store_words(its_id(engine))
            return
        assert engine.maintenance.store_words(its_id(engine))
    with opened(path) as engine:
        assert told(engine) == expected
    assert read == ["documents", "file"]


def test_another_version_of_unicode_makes_the_file_anew(
    path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert unicodedata.unidata_version.encode() in word_files._MAGIC
    with opened(path) as engine:
        expected = told(engine)
    read.clear()
    monkeypatch.setattr(word_files, "_MAGIC", b"chroma_nb words 1, Unicode 1.1")
    with opened(path) as engine:
        assert told(engine) == expected
    assert read == ["documents"]


def test_a_backup_that_is_put_back_beside_a_newer_file_goes_its_own_way(path: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(path, backup, ignore=shutil.ignore_patterns("cache"))
    with opened(path) as engine:
        engine.update(its_id(engine), records(["r7"], documents=["gone elsewhere"]))
        engine.maintenance.store_words(its_id(engine))
    shutil.copytree(path / "cache", backup / "cache")
    with opened(backup) as engine:  # calls of another history, past the seq of the file
        engine.builder.stop()
        for number in (20, 21, 22):
            engine.delete(its_id(engine), [f"r{number}"], None)
    expected = without_file(backup, tmp_path)
    with opened(backup) as engine:
        assert told(engine) == expected


def test_more_changes_than_the_log_remembers_are_read_from_the_documents(path: Path, read: list[str]) -> None:
    with opened(path) as engine:
        engine.delete(its_id(engine), ["odd5"], None)
        engine.transactions.write(lambda connection: connection.execute("DELETE FROM changes"))
    read.clear()
    with opened(path) as engine:
        assert told(engine)[0][QUESTIONS.index("gone")] == []
    assert read == ["documents"]


def test_the_background_writes_the_file_after_the_first_search_and_anew_when_much_has_changed(tmp_path: Path) -> None:
    with opened(tmp_path / "db") as engine:
        collection = create(engine)
        engine.add(collection, numbered(0, COUNT))
        assert engine.builder.wait(60)
        assert list((tmp_path / "db").glob("cache/*.words")) == []
        told(engine)
        assert engine.builder.wait(60)
        first = the_file(tmp_path / "db").read_bytes()
        engine.add(collection, numbered(100, 1))
        told(engine)
        assert engine.builder.wait(60)
        assert the_file(tmp_path / "db").read_bytes() == first
        engine.add(collection, numbered(200, 10))
        told(engine)
        assert engine.builder.wait(60)
        assert the_file(tmp_path / "db").read_bytes() != first


def test_no_deleted_word_stays_in_a_file_after_vacuum_and_no_file_after_the_collection(path: Path) -> None:
    with opened(path) as engine:
        engine.delete(its_id(engine), ["odd5"], None)
        engine.vacuum()
        assert engine.builder.wait(60)
        told(engine)
        assert engine.builder.wait(60)
        assert engine.maintenance.store_words(its_id(engine))
        assert b"version" in the_file(path).read_bytes()
        assert all(b"soon" not in file.read_bytes() for file in path.rglob("*") if file.is_file())
        engine.delete_collection("words", "default_tenant", "default_database")
        assert list((path / "cache").iterdir()) == []


def test_a_read_only_directory_reads_the_file_and_writes_none(
    path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "is_writable", lambda _: False)
    before = the_file(path).read_bytes()
    with opened(path) as engine:
        assert engine.read_only
        told(engine)
        assert not engine.maintenance.store_words(its_id(engine))
    assert read == ["file"]
    assert the_file(path).read_bytes() == before


def test_one_process_stores_what_another_has_changed(path: Path, tmp_path: Path, read: list[str]) -> None:
    with opened(path) as one, opened(path) as other:
        told(other)
        one.add(its_id(one), records(["n"], [numbered_vector(1)], ["fresh 100"]))
        assert told(other)[0][-1] == ["n"]  # at once
        assert other.maintenance.store_words(its_id(other))
    expected = without_file(path, tmp_path)
    read.clear()
    with opened(path) as engine:
        assert told(engine) == expected
    assert read == ["file"]


def test_an_interrupt_while_documents_are_read_leaves_nothing_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_index, "PIECE", 10)
    with opened(tmp_path / "db") as engine:
        engine.add(create(engine), numbered(0, COUNT))
        seen = []
        count = index_of_words._counted

        def interrupted(*arguments: Any) -> Any:
            seen.append(len(arguments[0]))
            if len(seen) == 3:
                raise KeyboardInterrupt
            return count(*arguments)

        monkeypatch.setattr(index_of_words, "_counted", interrupted)
        with pytest.raises(KeyboardInterrupt):
            told(engine)
        assert seen == [10, 10, 10]
        assert told(engine)[0][0][:2] == ["r7", "r0"]


def test_a_bar_shows_how_many_documents_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_index, "PIECE", 10)
    steps: list[Any] = []

    class Bar:
        done = 0

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            steps.append("closed")

        def update(self, n: int) -> None:
            self.done += n
            steps.append(n)

    def bar(total: int | None, verb: str) -> Bar:
        steps.append((total, verb))
        return Bar()

    engine = Engine(None)
    collection = create(engine)
    engine.add(collection, numbered(0, 25))
    engine.hybrid(collection, ["text"], None, 1, None, (), bar)
    engine.hybrid(collection, ["text"], None, 1, None, (), bar)
    assert steps[:5] == [(25, "reading words"), 10, 10, 5, "closed"]
    assert len(steps) == 5
    engine.close()


def test_a_file_of_no_words_is_a_file(tmp_path: Path) -> None:
    with opened(tmp_path / "db") as engine:
        collection = create(engine)
        engine.add(collection, records([f"r{n}" for n in range(20)], np.ones((20, 2)), [None, ""] * 10))
        assert told(engine)[0] == [[]] * len(QUESTIONS)
        assert engine.maintenance.store_words(collection)
    with opened(tmp_path / "db") as engine:
        stored = word_files.load(tmp_path / "db" / "cache", engine.transactions.read(_row))
        assert stored is not None
        assert len(stored.positions) == 10
        assert told(engine)[0] == [[]] * len(QUESTIONS)


def _row(connection: Any) -> Any:
    from chroma_nb.engine.storage import catalog

    return catalog.all_collections(connection)[0]


def test_a_draft_that_a_dead_process_left_is_swept_and_the_file_stays(path: Path) -> None:
    file = the_file(path)
    draft = file.with_name(f"{file.name}.0123456789abcdef{cache_files.TEMPORARY}")
    draft.write_bytes(b"half")
    assert cache_files.exist(path / "cache")
    with opened(path) as engine:
        engine.maintenance.sweep()
        assert file.exists()
    assert not draft.exists()
