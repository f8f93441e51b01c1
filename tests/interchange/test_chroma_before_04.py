"""Directories of a Chroma before 0.4, which kept Parquet files: everything in them, and nothing else touched."""

import json
import shutil
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from chroma_fixtures import expected, unpack

import chroma_nb
from chroma_nb.interchange.chroma_parquet import read_chroma
from chroma_nb.interchange.chroma_sqlite import ChromaDirectoryError

NAME = "chroma-0.3.29"
COLLECTIONS, EMBEDDINGS = "chroma-collections.parquet", "chroma-embeddings.parquet"
FIRST, SECOND = "0d0444f7-417c-4c42-ba04-37a9b5e253eb", "60b1328c-1ec7-499f-978a-965caf89ba48"


def assert_equals_fixture(client):
    there = expected(NAME)["collections"]
    assert sorted(one.name for one in client.list_collections()) == sorted(one["name"] for one in there)
    for wanted in there:
        collection = client.get_collection(wanted["name"], embedding_function=None)
        assert str(collection.id) == wanted["id"]
        assert collection.metadata == wanted["metadata"]
        got = collection.get(include=["embeddings", "documents", "metadatas", "uris"])
        assert sorted(got["ids"]) == sorted(wanted["ids"])
        place = [got["ids"].index(one) for one in wanted["ids"]]  # this Chroma answers in no order
        for key in ("documents", "metadatas", "uris"):
            assert [got[key][n] for n in place] == wanted[key], key
        found = np.asarray(got["embeddings"], np.float32)[place]
        assert found.tobytes() == np.float32(wanted["embeddings"]).tobytes()


def write(folder, collections, records, group=1 << 20):
    """A directory of these rows, as DuckDB would have written it."""
    folder.mkdir(exist_ok=True)
    texts = [(name, pa.string()) for name in ("uuid", "name", "metadata")]
    parquet.write_table(pa.Table.from_pylist(collections, pa.schema(texts)), folder / COLLECTIONS)
    columns = ("collection_uuid", "uuid", "embedding", "document", "id", "metadata")
    kinds = [(name, pa.list_(pa.float64()) if name == "embedding" else pa.string()) for name in columns]
    table = pa.Table.from_pylist(records, pa.schema(kinds))
    parquet.write_table(table, folder / EMBEDDINGS, row_group_size=group)
    return folder


def a_collection(uuid=FIRST, name="things", metadata=None):
    return {"uuid": uuid, "name": name, "metadata": json.dumps(metadata)}


def a_record(name, embedding, collection=FIRST, document=None, metadata="null"):
    return {
        "collection_uuid": collection,
        "id": name,
        "embedding": embedding,
        "document": document,
        "metadata": metadata,
    }


# --- Opening ----------------------------------------------------------------------------------------------
def test_opening_the_directory_imports_all_of_it_and_leaves_chromas_files_alone(tmp_path, capsys):
    folder = unpack(NAME, tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for _ in range(2):
        with chroma_nb.PersistentClient(folder) as client:
            assert_equals_fixture(client)
            papers = client.get_collection("papers", embedding_function=None)
            hnsw = papers.configuration_json["hnsw"]
            assert (hnsw["space"], hnsw["max_neighbors"]) == ("cosine", 9)
            asked = papers.get(ids=["p7"], include=["embeddings"])["embeddings"]
            assert papers.query(query_embeddings=asked, n_results=1)["ids"] == [["p7"]]
    assert {path: path.read_bytes() for path in before} == before
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "imported 3 collections with 41 records" in said[0]


def test_it_can_be_imported_elsewhere(tmp_path):
    folder = unpack(NAME, tmp_path)
    report = chroma_nb.import_chroma(folder, tmp_path / "ours")
    assert (report.collections, report.records, report.lost, report.complete) == (3, 41, 0, True)
    with chroma_nb.PersistentClient(tmp_path / "ours") as client:
        assert_equals_fixture(client)


def test_an_empty_database_that_a_later_chroma_left_there_does_not_hide_the_records(tmp_path):
    chromadb = pytest.importorskip("chromadb")
    folder = unpack(NAME, tmp_path)
    with chromadb.PersistentClient(folder) as client:
        assert client.list_collections() == []
    with chroma_nb.PersistentClient(folder) as client:
        assert_equals_fixture(client)


def test_beside_a_database_that_is_not_empty_the_old_files_are_named_and_not_read(tmp_path, capsys):
    folder = unpack("chroma-1.0.20", tmp_path)
    for name in (COLLECTIONS, EMBEDDINGS):
        shutil.copy(unpack(NAME, tmp_path / "old") / name, folder / name)
    with chroma_nb.PersistentClient(folder) as client:
        assert "papers" not in [one.name for one in client.list_collections()]
    said = capsys.readouterr().err
    assert "imported 4 collections" in said
    assert f"copy {COLLECTIONS} and {EMBEDDINGS} into a directory of their own" in said


def test_files_that_changed_since_the_import_are_noticed(tmp_path):
    folder = write(tmp_path / "old", [a_collection()], [a_record("a", [1.0, 2.0])])
    with chroma_nb.PersistentClient(folder):
        pass
    write(folder, [a_collection()], [a_record("a", [1.0, 3.0])])
    with pytest.warns(UserWarning, match="since its files were imported"), chroma_nb.PersistentClient(folder):
        pass


def test_without_pyarrow_it_says_what_to_install_and_makes_no_database(tmp_path, monkeypatch):
    folder = unpack(NAME, tmp_path)
    before = sorted(folder.rglob("*"))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r"before 0\.4 needs the package 'pyarrow'.*pip install pyarrow"):
        chroma_nb.PersistentClient(folder)
    assert [path for path in sorted(folder.rglob("*")) if path.suffix != ".lock"] == before


# --- What the files may hold --------------------------------------------------------------------------------
@pytest.mark.parametrize("group", [1, 3, 1 << 20], ids=["a row a group", "three", "one group"])
def test_records_of_several_collections_lie_mixed_and_keep_their_order(tmp_path, group):
    rows = [a_record(f"r{n}", [float(n), 1.0], (FIRST, SECOND)[n % 3 == 0], f"d{n}") for n in range(20)]
    folder = write(tmp_path / "old", [a_collection(), a_collection(SECOND, "others")], rows, group)
    with read_chroma(folder) as directory:
        assert directory.complete
        for collection, thirds in zip(directory.collections, (False, True), strict=True):
            wanted = [n for n in range(20) if (n % 3 == 0) == thirds]
            batches = list(collection.batches(4))
            assert collection.ids == [f"r{n}" for n in wanted] == [one for batch in batches for one in batch.ids]
            assert [text for batch in batches for text in batch.documents] == [f"d{n}" for n in wanted]
            assert np.concatenate([batch.embeddings for batch in batches])[:, 0].tolist() == wanted


def test_what_has_no_usable_vector_keeps_its_text_and_is_named(tmp_path):
    rows = [
        a_record("whole", [1.0, 2.0]),
        a_record("none", None, document="kept"),
        a_record("longer", [1.0, 2.0, 3.0]),
        a_record("infinite", [1e300, 0.0]),
        a_record("hole", [None, 0.0]),
    ]
    report = chroma_nb.import_chroma(write(tmp_path / "old", [a_collection()], rows), tmp_path / "ours")
    assert (report.records, report.lost, report.complete) == (1, 4, False)
    assert "'none', 'longer', 'infinite', 'hole'" in report.text
    [lost] = report.folder.glob("*.jsonl")
    assert json.loads(lost.read_text().splitlines()[0])["document"] == "kept"


def test_repeated_ids_strangers_and_odd_metadata_are_named(tmp_path):
    rows = [
        a_record("twice", [1.0], document="old"),
        a_record("odd", [2.0], metadata='{"n": 1, "deep": {"a": 1}, "nan": NaN, "big": 99999999999999999999}'),
        a_record("twice", [3.0], document="new"),
        a_record("broken", [4.0], metadata="{"),
        a_record("nobody's", [5.0], SECOND),
    ]
    folder = write(tmp_path / "old", [a_collection(metadata={"a": [1]}), a_collection("no id")], rows)
    report = chroma_nb.import_chroma(folder, tmp_path / "ours")
    assert not report.complete
    for said in (
        "1 records had the id of a later one",
        "4 values of metadata",
        "1 records belong to no collection",
        "a collection with the id 'no id' is damaged",
        "its metadata is not what Chroma writes",
    ):
        assert said in report.text
    with chroma_nb.PersistentClient(tmp_path / "ours") as client:
        got = client.get_collection("things", embedding_function=None).get()
    assert got["ids"] == ["odd", "twice", "broken"]
    assert got["documents"] == [None, "new", None]
    assert got["metadatas"] == [{"n": 1}, None, None]


# --- Files that are none -------------------------------------------------------------------------------------
def test_damaged_files_are_an_error_that_names_them_and_nothing_is_made(tmp_path):
    for name in (COLLECTIONS, EMBEDDINGS):
        folder = unpack(NAME, tmp_path / name)
        content = (folder / name).read_bytes()
        for damaged in (b"PAR1", content[:-100], content[:4] + bytes(100) + content[104:]):
            (folder / name).write_bytes(damaged)
            with pytest.raises(ChromaDirectoryError, match=f"{name} is damaged.*Restore it from a backup"):
                chroma_nb.PersistentClient(folder)
            assert not (folder / "chroma_nb.sqlite3").exists()


def test_a_file_that_is_missing_a_link_or_something_else_is_refused(tmp_path):
    folder = unpack(NAME, tmp_path)
    (folder / EMBEDDINGS).rename(tmp_path / "elsewhere.parquet")
    for made in (lambda: None, lambda: (folder / EMBEDDINGS).symlink_to(tmp_path / "elsewhere.parquet")):
        made()
        with pytest.raises(ChromaDirectoryError, match=f"{EMBEDDINGS} cannot be opened"):
            chroma_nb.PersistentClient(folder)
    (folder / EMBEDDINGS).unlink()
    read = ("collection_uuid", "id", "embedding", "document", "metadata")
    for table, said in (
        (pa.table({"id": ["a"]}), "no column 'collection_uuid'"),
        (pa.table({name: ["a"] for name in read}), "not lists"),
    ):
        parquet.write_table(table, folder / EMBEDDINGS)
        with pytest.raises(ChromaDirectoryError, match=f"was not written by Chroma.*{said}"):
            chroma_nb.PersistentClient(folder)
