"""A Chroma directory whose index files are lost or damaged: every text comes, and the vectors that can be found."""

import contextlib
import json
import os
import shutil
import sqlite3

import numpy as np
import pytest
from chroma_fixtures import expected, unpack

import chroma_nb
from chroma_nb.cli import main
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.records import have_vectors
from chroma_nb.utils.embedding_functions import register_embedding_function

EVERYTHING = ["embeddings", "documents", "metadatas", "uris"]


def every(name):
    return lambda folder: [path.unlink() for path in folder.glob(f"*-*/{name}")]


def cut(folder):
    for data in folder.glob("*-*/data_level0.bin"):
        os.truncate(data, data.stat().st_size // 3)


LOSSES = {
    "index_metadata.pickle": every("index_metadata.pickle"),
    "header.bin": every("header.bin"),
    "data_level0.bin": every("data_level0.bin"),
    "every file": every("*"),
    "the folders": lambda folder: [shutil.rmtree(path) for path in folder.glob("*-*") if path.is_dir()],
    "two thirds of data_level0.bin": cut,
    "a pickle that is none": lambda folder: [
        path.write_bytes(b"\x80\x04nonsense.") for path in folder.glob("*-*/index_metadata.pickle")
    ],
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ["chroma-1.5.9", "chroma-0.x"])
def test_all_texts_come_and_every_vector_that_can_be_found(loss, name, tmp_path, capsys):
    folder = unpack(name, tmp_path)
    LOSSES[loss](folder)
    without = 0
    for there in expected(name)["collections"]:
        records = {one["id"]: one for one in there["records"]}
        with chroma_nb.PersistentClient(folder, tenant=there["tenant"], database=there["database"]) as client:
            collection = client.get_collection(there["name"], embedding_function=None)
            assert collection.count() == len(records)
            got = collection.get(include=EVERYTHING)
            assert got["ids"][:20] == there["get_order_first20"]
            assert sorted(got["ids"]) == sorted(records)
            have = []
            for one, vector, document, metadata, uri in zip(*(got[name] for name in ("ids", *EVERYTHING)), strict=True):
                wanted = records[one]
                assert (document, metadata or None, uri) == (
                    wanted["document"],
                    wanted["metadata"] or None,
                    wanted["uri"],
                )
                if not np.isnan(vector).all():
                    have.append(one)
                    if loss != "every file" or there["name"] != "cos.small-threshold":
                        np.testing.assert_allclose(vector, wanted["embedding"], rtol=1e-6, atol=1e-7)
            without += len(records) - len(have)
            if records:
                query = [there["records"][0]["embedding"]]
                answer = collection.query(query_embeddings=query, n_results=len(records))
                assert sorted(answer["ids"][0]) == sorted(have)
                assert np.isfinite(answer["distances"]).all()
                assert collection.peek(3)["ids"] == got["ids"][:3]
    report = json.loads((folder / "chroma_nb-import" / "report.json").read_text())
    assert (report["records"], report["lost"]) == (2048 - without, without)
    assert (loss == "header.bin") == (without == 0)
    said = capsys.readouterr().err
    assert "imported 6 collections with 2,048 records" in said
    if without:
        assert f"{without:,} records have no vector any more. get() and filters find them" in said
        assert "chroma_nb.reembed(collection)" in said


class Lengths(chroma_nb.api.types.EmbeddingFunction):
    """A function that is registered: texts by their length, in 24 numbers."""

    calls = 0
    fails_after = None

    def __init__(self):
        pass

    def __call__(self, input):
        Lengths.calls += 1
        if Lengths.fails_after is not None and Lengths.calls > Lengths.fails_after:
            raise RuntimeError("429: too many requests")
        return [np.full(24, len(text), np.float32) for text in input]

    @staticmethod
    def name():
        return "lengths_of_texts"

    def get_config(self):
        return {}

    @staticmethod
    def build_from_config(config):
        return Lengths()


@pytest.fixture
def lost(tmp_path, monkeypatch):
    """A directory without its index, of which one collection stores a function that is registered."""
    register_embedding_function(Lengths)
    monkeypatch.setattr(Lengths, "calls", 0)
    monkeypatch.setattr(Lengths, "fails_after", None)
    folder = unpack("chroma-1.5.9", tmp_path)
    every("*")(folder)
    connection = sqlite3.connect(folder / "chroma.sqlite3")
    for row_id, text in connection.execute("SELECT id, schema_str FROM collections WHERE name = 'docs-l2'").fetchall():
        schema = json.loads(text)
        config = schema["keys"]["#embedding"]["float_list"]["vector_index"]["config"]
        config["embedding_function"] = {"type": "known", "name": "lengths_of_texts", "config": {}}
        connection.execute("UPDATE collections SET schema_str = ? WHERE id = ?", (json.dumps(schema), row_id))
    connection.commit()
    connection.close()
    return folder


def vectors(path):
    """Which records of the collection with the function have a vector, and the ids of all that have a document."""
    with chroma_nb.PersistentClient(path) as client:
        got = client.get_collection("docs-l2").get(include=EVERYTHING)
        there = have_vectors(got["embeddings"]).tolist()
        have = {one: row for one, row, given in zip(got["ids"], got["embeddings"], there, strict=True) if given}
        return have, {one: text for one, text in zip(got["ids"], got["documents"], strict=True) if text is not None}


def test_reembed_gives_them_vectors_by_the_function_that_their_collection_stores(lost, tmp_path):
    kept, texts = vectors(shutil.copytree(lost, tmp_path / "kept"))
    report = chroma_nb.import_chroma(lost, tmp_path / "ours", reembed=True)
    have, _ = vectors(tmp_path / "ours")
    assert set(have) == set(texts) | set(kept)
    for one, vector in have.items():
        if one in kept:
            assert vector.tolist() == kept[one].tolist()
        else:
            assert vector.tolist() == [len(texts[one])] * 24
    assert report.reembedded == len(have) - len(kept) > 800
    assert f"{report.reembedded:,} records were embedded again from their documents" in str(report)
    assert "could not be embedded again: the collection stores no embedding function" in report.text
    assert report.records + report.lost == 2048


def test_the_command_line_does_so_too(lost, tmp_path, capsys):
    assert main(["import", "--reembed", str(lost), str(tmp_path / "ours")]) == 0
    assert "records were embedded again from their documents" in capsys.readouterr().out
    have, texts = vectors(tmp_path / "ours")
    assert set(texts) <= set(have)


def test_a_provider_that_fails_costs_no_record_and_reembed_goes_on_later(lost, tmp_path, monkeypatch):
    monkeypatch.setattr(Lengths, "fails_after", 2)
    report = chroma_nb.import_chroma(lost, tmp_path / "ours", reembed=True)
    assert report.reembedded == 512
    assert "its embedding function failed (RuntimeError: 429: too many requests)" in report.text
    have, texts = vectors(tmp_path / "ours")
    missing = len(set(texts) - set(have))
    assert missing > 100
    monkeypatch.setattr(Lengths, "fails_after", None)
    with chroma_nb.PersistentClient(tmp_path / "ours") as client:
        collection = client.get_collection("docs-l2")
        before = collection.get(include=["documents", "metadatas", "uris"])
        assert chroma_nb.reembed(collection) == missing
        assert chroma_nb.reembed(collection) == 0
        assert collection.get(include=["documents", "metadatas", "uris"]) == before
    have, _ = vectors(tmp_path / "ours")
    assert set(texts) <= set(have)


@pytest.mark.parametrize("way", ["directory", "server"])
def test_what_is_written_while_reembed_embeds_stays(way, lost, tmp_path, monkeypatch):
    chroma_nb.import_chroma(lost, tmp_path / "ours")
    with contextlib.ExitStack() as stack:
        client = writer = stack.enter_context(chroma_nb.PersistentClient(tmp_path / "ours"))
        if way == "server":
            server = stack.enter_context(chroma_nb.serve(client, port=0))
            client = stack.enter_context(chroma_nb.HttpClient(port=server.port))
        collection, theirs = client.get_collection("docs-l2"), writer.get_collection("docs-l2")
        got = collection.get(include=["embeddings", "documents"])
        there = have_vectors(got["embeddings"]).tolist()
        without = [
            one
            for one, text, given in zip(got["ids"], got["documents"], there, strict=True)
            if text is not None and not given
        ]
        embed = Lengths.__call__

        def meanwhile(self, input):
            monkeypatch.setattr(Lengths, "__call__", embed)
            theirs.update(ids=[without[0]], documents=["written meanwhile"])
            theirs.delete(ids=[without[1]])
            return embed(self, input)

        monkeypatch.setattr(Lengths, "__call__", meanwhile)
        assert chroma_nb.reembed(collection) == len(without) - 2
        assert theirs.get(ids=without[:2])["documents"] == ["written meanwhile"]
        vector = theirs.get(ids=without[:1], include=["embeddings"])["embeddings"][0].tolist()
        assert vector == [len("written meanwhile")] * 24
        assert chroma_nb.reembed(collection) == 0


def test_an_interrupted_reembedding_leaves_what_was_there(lost, tmp_path, monkeypatch):
    def stop(self, input):
        raise KeyboardInterrupt

    with chroma_nb.PersistentClient(tmp_path / "ours") as client:
        client.create_collection("precious", embedding_function=None)
    monkeypatch.setattr(Lengths, "__call__", stop)
    with pytest.raises(KeyboardInterrupt):
        chroma_nb.import_chroma(lost, tmp_path / "ours", replace=True, reembed=True)
    with chroma_nb.PersistentClient(tmp_path / "ours") as client:
        assert [one.name for one in client.list_collections()] == ["precious"]


def test_a_function_that_makes_other_vectors_is_not_used(lost, tmp_path, monkeypatch):
    monkeypatch.setattr(Lengths, "__call__", lambda self, input: [np.ones(3, np.float32) for _ in input])
    report = chroma_nb.import_chroma(lost, tmp_path / "ours", reembed=True)
    assert report.reembedded == 0
    assert "returns vectors of 3 dimensions, the collection has 24" in report.text
    assert report.records + report.lost == 2048


def test_where_not_even_the_dimension_is_known_the_texts_come(tmp_path):
    folder = unpack("chroma-1.5.9", tmp_path)
    shutil.rmtree(folder / "nothing", ignore_errors=True)
    for path in folder.glob("*-*"):
        shutil.rmtree(path)
    connection = sqlite3.connect(folder / "chroma.sqlite3")
    connection.execute("UPDATE collections SET dimension = NULL")
    connection.execute("DELETE FROM embeddings_queue")
    connection.commit()
    connection.close()
    with chroma_nb.PersistentClient(folder) as client:
        collection = client.get_collection("docs-l2", embedding_function=None)
        got = collection.get()
        assert len(got["ids"]) == collection.count() == 1328
        assert collection.query(query_embeddings=[[1, 2, 3]], n_results=5)["ids"] == [[]]
        assert chroma_nb.reembed(client.get_collection("docs-l2", embedding_function=Lengths())) > 1000
        first = collection.get(limit=1, include=["embeddings", "documents"])
        assert first["embeddings"].shape == (1, 24)


def test_frames_files_and_servers_know_that_there_is_no_vector(lost, tmp_path):
    pytest.importorskip("pyarrow")
    chroma_nb.import_chroma(lost, tmp_path / "ours")
    have, texts = vectors(tmp_path / "ours")
    with chroma_nb.PersistentClient(tmp_path / "ours") as client:
        collection = client.get_collection("docs-l2")
        frame = collection.to_df(columns=["id", "embedding"])
        assert {one for one, row in zip(frame["id"], frame["embedding"], strict=True) if row is not None} == set(have)
        assert collection.to_parquet(tmp_path / "all.parquet") == 1328
        assert collection.to_jsonl(tmp_path / "all.jsonl") == 1328
        assert collection.to_arrow().column("embedding").null_count == 1328 - len(have)
        lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
        assert {line["id"] for line in lines if line["embedding"] is not None} == set(have)
        for copying in (
            lambda: chroma_nb.copy(collection, chroma_nb.EphemeralClient(), "copied"),
            lambda: chroma_nb.copy(collection, client, "copied-here"),
        ):
            with pytest.raises(InvalidArgumentError, match=r"of collection 'docs-l2' have no vector.*reembed\("):
                copying()
        with (
            chroma_nb.serve(client, port=0) as server,
            chroma_nb.HttpClient(port=server.port) as remote,
        ):
            there = remote.get_collection("docs-l2")
            got = there.get(include=["embeddings"])
            np.testing.assert_array_equal(got["embeddings"], collection.get(include=["embeddings"])["embeddings"])
            assert there.query(query_embeddings=[[0] * 24], n_results=5) == collection.query(
                query_embeddings=[[0] * 24], n_results=5
            )
            assert chroma_nb.reembed(there) == len(set(texts) - set(have))
        assert have_vectors(collection.get(ids=list(texts), include=["embeddings"])["embeddings"]).all()
        client.delete_collection("copied-here")


def test_a_map_leaves_them_out_and_says_so(lost, tmp_path):
    from chroma_nb.projection.reading import read

    chroma_nb.import_chroma(lost, tmp_path / "ours")
    have, _ = vectors(tmp_path / "ours")
    with (
        chroma_nb.PersistentClient(tmp_path / "ours") as client,
        pytest.warns(UserWarning, match=r"records have no vector.*are left out.*reembed\(collection\)"),
    ):
        assert set(read(client.get_collection("docs-l2")).ids) == set(have)


# --- Files of Chroma in which there is nothing --------------------------------------------------------------


def of_other_tables(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE invoices (number)")
    connection.execute("INSERT INTO invoices VALUES (7)")
    connection.commit()
    connection.close()


NOTHING = {"no bytes": lambda path: path.touch(), "other tables": of_other_tables}


@pytest.mark.parametrize("kind", NOTHING)
def test_beside_a_file_with_nothing_of_chromas_a_new_database_begins_as_in_chroma(kind, tmp_path, capsys):
    file = tmp_path / "db" / "chroma.sqlite3"
    file.parent.mkdir()
    NOTHING[kind](file)
    before = file.read_bytes()
    for count in range(2):
        with chroma_nb.PersistentClient(tmp_path / "db") as client:
            assert client.count_collections() == count
            client.create_collection(f"number-{count}", embedding_function=None).add(ids=["a"], embeddings=[[1, 2]])
    assert file.read_bytes() == before
    assert capsys.readouterr().err == ""
    assert not list(file.parent.glob("chroma_nb-*ing-*"))


@pytest.mark.parametrize("kind", NOTHING)
def test_where_folders_of_vectors_say_that_the_file_was_lost_nothing_begins(kind, tmp_path):
    folder = unpack("chroma-1.0.20", tmp_path)
    (folder / "chroma.sqlite3").unlink()
    NOTHING[kind](folder / "chroma.sqlite3")
    before = sorted(path.name for path in folder.iterdir())
    for _ in range(2):
        with pytest.raises(ValueError, match=r"holds no data of Chroma.*folders with vectors.*was lost"):
            chroma_nb.PersistentClient(folder)
    assert sorted(path.name for path in folder.iterdir()) == before


def test_what_chroma_writes_there_later_is_noticed(tmp_path):
    (tmp_path / "chroma.sqlite3").touch()
    chroma_nb.PersistentClient(tmp_path).close()
    shutil.copy(unpack("chroma-1.0.20", tmp_path / "elsewhere") / "chroma.sqlite3", tmp_path / "chroma.sqlite3")
    with pytest.warns(UserWarning, match="Chroma has written to"):
        chroma_nb.PersistentClient(tmp_path).close()
