"""Directories of Chroma 0.4.24 to 1.5.9 equal what Chroma itself says they hold, to the bit."""

import hashlib
import json

import numpy as np
import pytest
from chroma_fixtures import LARGE, SMALL, expected, unpack

import chroma_nb
from chroma_nb.interchange.chroma_configuration import stored_configuration
from chroma_nb.interchange.chroma_directory import fingerprint, read_directory
from chroma_nb.interchange.chroma_sqlite import ChromaDirectoryError


def assert_vectors_nearly_equal(found, wanted, ids):
    unsynced = np.isin(ids, ["r3", "r5", "r6", "r7", "r8", "fresh", *(f"r{n}" for n in range(120, 150))])
    wanted = np.asarray(wanted, np.float32)
    assert_vectors_equal(np.stack(found)[~unsynced], wanted[~unsynced])
    np.testing.assert_array_max_ulp(np.stack(found), wanted, 1)


#: These answered get() in the order of the ids; later versions answer the same files by row.
ORDERED_BY_ID = ["chroma-0.4.24", "chroma-0.5.3"]


def everything(collection, size=200):
    """The whole collection as one dict of lists."""
    found = {"ids": [], "embeddings": [], "documents": [], "metadatas": [], "uris": []}
    for batch in collection.batches(size):
        assert batch.embeddings.dtype == np.float32
        found["ids"] += batch.ids
        found["embeddings"] += list(batch.embeddings)
        found["documents"] += batch.documents
        found["metadatas"] += batch.metadatas
        found["uris"] += batch.uris
    return found


def assert_vectors_equal(found, wanted):
    assert len(found) == len(wanted)
    if len(wanted):
        np.testing.assert_array_equal(np.stack(found).view(np.int32), np.asarray(wanted, np.float32).view(np.int32))


@pytest.mark.parametrize("name", SMALL)
def test_small_directories_of_old_versions_read_as_chroma_answered_them(name, pristine):
    wanted = {one["name"]: one for one in expected(name)["collections"]}
    with read_directory(pristine(name)) as directory:
        assert directory.complete, directory.report()
        assert {one.name for one in directory.collections} == set(wanted)
        for collection in directory.collections:
            there, found = wanted[collection.name], everything(collection)
            assert str(collection.id) == there["id"]
            assert collection.metadata == there["metadata"]
            if name not in ORDERED_BY_ID:
                assert found["ids"] == there["ids"]
            order = [found["ids"].index(one) for one in there["ids"]]
            for field in ("ids", "documents", "uris"):
                assert [found[field][place] for place in order] == there[field]
            metadatas = [found["metadatas"][place] for place in order]
            assert [one or None for one in metadatas] == [one or None for one in there["metadatas"]]
            vectors = [found["embeddings"][place] for place in order]
            if collection.name == "synced-cosine":
                # Chroma answers unsynced vectors of a cosine collection from memory, scaled down and up again;
                # the log has them as they were given.
                assert_vectors_nearly_equal(vectors, there["embeddings"], there["ids"])
            else:
                assert_vectors_equal(vectors, there["embeddings"])


@pytest.mark.parametrize("name", LARGE)
def test_large_directories_read_as_chroma_answered_them(name, pristine):
    wanted = {(one["tenant"], one["database"], one["name"]): one for one in expected(name)["collections"]}
    with read_directory(pristine(name)) as directory:
        assert directory.complete, directory.report()
        assert directory.tenants == ["default_tenant", "tenant_b"]
        assert [one.name for one in directory.databases] == ["default_database", "second_db", "db_b"]
        assert len(directory) == 2048
        assert {(one.tenant, one.database, one.name) for one in directory.collections} == set(wanted)
        for collection in directory.collections:
            there = wanted[collection.tenant, collection.database, collection.name]
            records = {one["id"]: one for one in there["records"]}
            found = everything(collection)
            assert found["ids"][:20] == there["get_order_first20"]
            assert sorted(found["ids"]) == sorted(records)
            assert collection.dimension == there["dimension"]
            assert collection.metadata == there["metadata"]
            in_order = [records[one] for one in found["ids"]]
            assert found["documents"] == [one["document"] for one in in_order]
            assert found["uris"] == [one["uri"] for one in in_order]
            metadatas = [one["metadata"] for one in in_order]
            if name == "chroma-0.x":  # 0.6.3 made no difference between no metadata and none but a uri
                found["metadatas"] = [one or None for one in found["metadatas"]]
            assert found["metadatas"] == metadatas
            assert_vectors_equal(found["embeddings"], [one["embedding"] for one in in_order])


def test_configuration_is_what_a_client_of_159_shows(pristine):
    wanted = {(one["database"], one["name"]): one for one in expected("chroma-1.5.9")["collections"]}
    with read_directory(pristine("chroma-1.5.9")) as directory:
        for collection in directory.collections:
            assert collection.configuration == wanted[collection.database, collection.name]["configuration_json"]
            assert collection.schema["keys"]["#document"]["string"]["fts_index"]["enabled"] is True
            assert not collection.ef_search_set


@pytest.mark.parametrize("name", ["chroma-1.0.20", "chroma-1.3.7"])
def test_configuration_of_earlier_1x_is_read_from_either_layout(name, pristine):
    with read_directory(pristine(name)) as directory:
        collections = {one.name: one for one in directory.collections}
    hnsw = collections["configured"].configuration["hnsw"]
    assert (hnsw["space"], hnsw["ef_search"], hnsw["max_neighbors"], hnsw["ef_construction"]) == ("cosine", 55, 9, 33)
    assert collections["configured"].ef_search_set
    assert not collections["synced-cosine"].ef_search_set
    assert collections["synced-cosine"].configuration["hnsw"]["sync_threshold"] == 20


@pytest.mark.parametrize("name", ["chroma-0.4.24", "chroma-0.5.3", "chroma-0.5.23", "chroma-0.x"])
def test_before_10_the_space_is_what_the_metadata_says(name, pristine):
    with read_directory(pristine(name)) as directory:
        for collection in directory.collections:
            metadata = collection.metadata or {}
            assert collection.configuration["hnsw"]["space"] == metadata.get("hnsw:space", "l2")
            assert not collection.ef_search_set


def test_a_search_width_asked_for_in_the_metadata_counts_as_set():
    assert stored_configuration({"hnsw:search_ef": 100}, None, None).ef_search_set
    assert not stored_configuration({"hnsw:space": "ip"}, {"hnsw_configuration": {"ef_search": 10}}, None).ef_search_set


@pytest.mark.parametrize("nonsense", [{"vector_index": 3}, {"vector_index": {"hnsw": {"space": "moon", "M": "x"}}}])
def test_a_configuration_that_makes_no_sense_reads_as_the_default(nonsense):
    hnsw = stored_configuration(None, nonsense, {"keys": []}).json["hnsw"]
    assert (hnsw["space"], hnsw["ef_search"], hnsw["max_neighbors"]) == ("l2", 100, 16)


def test_batch_size_does_not_change_what_is_read(pristine):
    with read_directory(pristine("chroma-1.3.7")) as directory:
        collection = next(one for one in directory.collections if one.name == "synced-cosine")
        assert json.dumps(everything(collection, 1), default=str) == json.dumps(
            everything(collection, 999), default=str
        )


def files_of(folder):
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("name", ["chroma-0.5.23", "chroma-1.5.9"])
def test_reading_leaves_every_file_as_it_was_and_adds_none(name, tmp_path):
    folder = unpack(name, tmp_path)
    before = files_of(folder)
    with read_directory(folder) as directory:
        assert sum(len(batch) for one in directory.collections for batch in one.batches()) == len(directory)
    assert files_of(folder) == before


def test_reading_works_where_nothing_may_be_written(tmp_path, request):
    folder = unpack("chroma-1.0.20", tmp_path)
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    request.addfinalizer(lambda: [path.chmod(0o755) for path in (folder, *folder.rglob("*"))])
    with read_directory(folder) as directory:
        assert directory.complete


def test_the_fingerprint_survives_a_copy_and_notices_a_write(tmp_path):
    one, other = unpack("chroma-1.0.20", tmp_path / "a"), unpack("chroma-1.0.20", tmp_path / "b")
    assert fingerprint(one) == fingerprint(other)
    file = other / "chroma.sqlite3"
    changed = bytearray(file.read_bytes())
    changed[27] += 1
    file.write_bytes(changed)
    assert fingerprint(one) != fingerprint(other)


def test_a_place_without_a_chroma_directory_says_what_was_looked_for(tmp_path):
    with (
        pytest.raises(
            ChromaDirectoryError, match=r"Expected a directory written by Chroma, with a file chroma\.sqlite3"
        ),
        read_directory(tmp_path),
    ):
        pass


def test_an_sqlite_file_of_something_else_is_not_taken_for_chromas(tmp_path):
    import sqlite3

    connection = sqlite3.connect(tmp_path / "chroma.sqlite3")
    connection.execute("CREATE TABLE shopping (item)")
    connection.close()
    with pytest.raises(ChromaDirectoryError, match="was not written by Chroma"), read_directory(tmp_path):
        pass


def test_vectors_in_the_log_of_a_cosine_collection_come_as_they_were_given(tmp_path):
    """Chroma answers them made unit length and back: up to 5e-7 apart (docs/compatibility.md)."""
    chromadb = pytest.importorskip("chromadb")
    given = np.random.default_rng(5).normal(size=(200, 24)).astype(np.float32)
    with chromadb.PersistentClient(str(tmp_path)) as client:
        made = client.create_collection("birds", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None)
        made.add(ids=[str(row) for row in range(200)], embeddings=given)
    with chroma_nb.PersistentClient(tmp_path) as client:
        found = client.get_collection("birds", embedding_function=None).get(include=["embeddings"])
    assert np.array_equal(np.asarray(found["embeddings"], np.float32), given)
