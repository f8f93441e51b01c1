"""Round trip: Chroma's directory to ours, ours to a new one of Chroma's, read by Chroma itself."""

import sys
from types import ModuleType

import numpy as np
import pytest
from chroma_fixtures import expected, unpack

import chroma_nb
from chroma_nb.interchange.chroma_directory import read_directory

chromadb = pytest.importorskip("chromadb", reason="the round trip needs chromadb itself: pip install chromadb==1.5.9")
EVERYTHING = ["embeddings", "documents", "metadatas", "uris"]


def test_chroma_to_us_to_chroma_has_equal_contents(tmp_path):
    chroma_nb.import_chroma(unpack("chroma-1.5.9", tmp_path), tmp_path / "ours")
    with chroma_nb.PersistentClient(tmp_path / "ours") as client:
        report = chroma_nb.export_chroma(client, tmp_path / "theirs", progress=False)
    assert (report.collections, report.records) == (6, 2048)
    for there in expected("chroma-1.5.9")["collections"]:
        theirs = chromadb.PersistentClient(str(tmp_path / "theirs"), tenant=there["tenant"], database=there["database"])
        collection = theirs.get_collection(there["name"], embedding_function=None)
        assert collection.metadata == there["metadata"]
        hnsw = there["configuration_json"]["hnsw"]
        assert collection.configuration_json["hnsw"] == hnsw
        got = collection.get(include=EVERYTHING)
        records = {one["id"]: one for one in there["records"]}
        assert got["ids"][:20] == there["get_order_first20"]
        assert sorted(got["ids"]) == sorted(records)
        for place, one in enumerate(got["ids"]):
            wanted = records[one]
            assert got["documents"][place] == wanted["document"]
            assert got["uris"][place] == wanted["uri"]
            assert got["metadatas"][place] == wanted["metadata"]
            # Chroma scales vectors of cosine collections down and up again.
            np.testing.assert_allclose(got["embeddings"][place], wanted["embedding"], rtol=3e-7, atol=1e-7)
        theirs.close()


def test_what_chroma_wrote_of_it_reads_back_to_the_bit(tmp_path):
    vectors = np.random.default_rng(1).standard_normal((50, 7)).astype(np.float32)
    with chroma_nb.EphemeralClient() as client:
        collection = client.create_collection(
            "round", metadata={"n": 1}, configuration={"hnsw": {"space": "ip"}}, embedding_function=None
        )
        collection.add(
            ids=[f"ü{n}" for n in range(50)],
            embeddings=vectors,
            documents=[None if n % 5 == 0 else f"text {n}" for n in range(50)],
            metadatas=[{"tags": ["a", "b"], "n": n, "x": n / 3, "b": n % 2 == 0} for n in range(50)],
        )
        chroma_nb.export_chroma(client, tmp_path / "theirs", progress=False)
    with read_directory(tmp_path / "theirs") as directory:
        assert directory.complete, directory.report()
        [one] = directory.collections
        [batch] = one.batches()
    assert one.configuration["hnsw"]["space"] == "ip"
    assert batch.embeddings.tobytes() == vectors.tobytes()
    assert batch.documents[:2] == [None, "text 1"]
    assert batch.metadatas[3] == {"tags": ["a", "b"], "n": 3, "x": 1.0, "b": False}


def test_exporting_twice_changes_nothing(tmp_path):
    with chroma_nb.EphemeralClient() as client:
        collection = client.create_collection("twice", embedding_function=None)
        collection.add(ids=["a"], embeddings=[[1, 2]])
        for _ in range(2):
            assert chroma_nb.export_chroma(client, tmp_path, progress=False).records == 1


def test_a_directory_of_ours_is_not_written_over(tmp_path):
    with chroma_nb.PersistentClient(tmp_path) as client, pytest.raises(ValueError, match="holds a chroma_nb database"):
        chroma_nb.export_chroma(client, tmp_path)


@pytest.mark.parametrize("indexed", [True, False])
def test_sparse_vectors_are_refused_before_anything_is_written(tmp_path, indexed):
    index = chroma_nb.SparseVectorIndexConfig()
    schema = chroma_nb.Schema().create_index(index, key="words") if indexed else None
    with chroma_nb.PersistentClient(tmp_path / "ours") as client:
        client.create_collection("a-plain-one", embedding_function=None).add(ids=["a"], embeddings=[[1, 2]])
        sparse = client.create_collection("sparse", schema=schema, embedding_function=None)
        vector = chroma_nb.SparseVector([1], [1.0])
        sparse.add(ids=["b", "c"], embeddings=[[1, 2], [3, 4]], metadatas=[None, {"words": vector}])
        what = "an index of sparse vectors" if indexed else "a sparse vector in its record 'c', key 'words'"
        expected = rf"'sparse' has {what}, .* nothing was written. .*to_jsonl"
        with pytest.raises(chroma_nb.errors.InvalidArgumentError, match=expected):
            chroma_nb.export_chroma(client, tmp_path / "theirs", progress=False)
    assert not (tmp_path / "theirs").exists()


def test_without_chromadb_the_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "chromadb", None)
    with (
        chroma_nb.EphemeralClient() as client,
        pytest.raises(ImportError, match=r"chroma_nb\.copy.*pip install chromadb"),
    ):
        chroma_nb.export_chroma(client, tmp_path)


def test_while_we_are_in_chromadbs_place_the_message_says_so(tmp_path, monkeypatch):
    alias = ModuleType("chromadb")
    alias.PersistentClient = chroma_nb.PersistentClient
    monkeypatch.setitem(sys.modules, "chromadb", alias)
    with chroma_nb.EphemeralClient() as client, pytest.raises(RuntimeError, match="uninstall_as_chromadb"):
        chroma_nb.export_chroma(client, tmp_path)


def test_the_command_line_exports_and_says_what_it_did(tmp_path, capsys):
    from chroma_nb.cli import main

    with chroma_nb.PersistentClient(tmp_path / "ours") as client:
        client.create_collection("one", embedding_function=None).add(ids=["a"], embeddings=[[1, 2]])
    assert main(["export", str(tmp_path / "ours"), str(tmp_path / "theirs")]) == 0
    assert "exported 1 collections with 1 records" in capsys.readouterr().out
    assert chromadb.PersistentClient(str(tmp_path / "theirs")).get_collection("one").count() == 1
    assert main(["export", str(tmp_path / "nowhere"), str(tmp_path / "theirs")]) == 1
    assert "which does not exist" in capsys.readouterr().err
