"""A Chroma directory becomes one of ours: on first open or by hand, whole or not at all."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
from chroma_fixtures import LARGE, SMALL, expected, unpack

import chroma_nb
from chroma_nb.backends import chroma_import
from chroma_nb.errors import InternalError
from chroma_nb.interchange.chroma_sqlite import ChromaDirectoryError

EVERYTHING = ["embeddings", "documents", "metadatas", "uris"]


@pytest.fixture(autouse=True)
def nothing_said_before():
    chroma_import._SPOKEN_OF.clear()


def chromas_files(folder):
    ours = ("chroma_nb", "vectors", "cache")
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not str(path.relative_to(folder)).startswith(ours)
    }


def assert_equals_fixture(path, name):
    """What a client of ours answers is what Chroma answered, ids of collections included."""
    for there in expected(name)["collections"]:
        with chroma_nb.PersistentClient(path, tenant=there["tenant"], database=there["database"]) as client:
            collection = client.get_collection(there["name"], embedding_function=None)
            assert str(collection.id) == there["id"]
            assert collection.metadata == there["metadata"]
            assert collection.get_model().dimension == there["dimension"]
            if name == "chroma-1.5.9":
                assert collection.configuration_json == there["configuration_json"]
            got = collection.get(include=EVERYTHING)
            assert got["ids"][:20] == there["get_order_first20"]
            records = {one["id"]: one for one in there["records"]}
            assert sorted(got["ids"]) == sorted(records)
            for place, one in enumerate(got["ids"]):
                wanted = records[one]
                assert got["documents"][place] == wanted["document"]
                assert got["uris"][place] == wanted["uri"]
                assert (got["metadatas"][place] or None) == (wanted["metadata"] or None)
                found = np.asarray(got["embeddings"][place], np.float32)
                assert found.tobytes() == np.asarray(wanted["embedding"], np.float32).tobytes()
            if there.get("query") and records:
                asked = there["query"]
                answer = collection.query(query_embeddings=[asked["embedding"]], n_results=asked["n_results"])
                np.testing.assert_allclose(answer["distances"][0], asked["distances"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LARGE)
def test_opening_a_directory_of_chroma_imports_it_beside_chromas_files(name, tmp_path, capsys):
    folder = unpack(name, tmp_path)
    before = chromas_files(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_equals_fixture(folder, name)
    assert chromas_files(folder) == before
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "imported 6 collections with 2,048 records" in said[0]
    assert {entry.name for entry in folder.iterdir() if entry.name.startswith("chroma_nb")} == {
        "chroma_nb.sqlite3",
        "chroma_nb-import",
        "chroma_nb.reserve",
    }


@pytest.mark.parametrize("name", SMALL)
def test_directories_of_old_versions_open(name, tmp_path):
    folder = unpack(name, tmp_path)
    with chroma_nb.PersistentClient(folder) as client:
        for there in expected(name)["collections"]:
            collection = client.get_collection(there["name"], embedding_function=None)
            got = collection.get(include=EVERYTHING)
            assert sorted(got["ids"]) == sorted(there["ids"])
            place = {one: n for n, one in enumerate(got["ids"])}
            assert [got["documents"][place[one]] for one in there["ids"]] == there["documents"]
            if there["ids"]:
                nearest = collection.query(query_embeddings=got["embeddings"][:20], n_results=1)
                assert [one[0] for one in nearest["ids"]] == got["ids"][:20]


def test_what_is_written_after_the_import_is_kept_and_the_import_is_not_repeated(tmp_path, capsys):
    folder = unpack("chroma-1.0.20", tmp_path)
    with chroma_nb.PersistentClient(folder) as client:
        client.get_collection("configured", embedding_function=None).add(ids=["new"], embeddings=[[1, 2, 3, 4]])
    with chroma_nb.PersistentClient(folder) as client:
        assert client.get_collection("configured", embedding_function=None).count() == 2
    assert capsys.readouterr().err.count("imported") == 1


def test_a_search_width_chosen_in_chroma_counts_as_chosen_here(tmp_path):
    folder = unpack("chroma-1.0.20", tmp_path)
    with chroma_nb.PersistentClient(folder) as client:
        engine = client._system.engine
        assert engine.settings_of(client.get_collection("configured").id)["ef_search_is_set"] is True
        assert engine.settings_of(client.get_collection("synced-cosine").id)["ef_search_is_set"] is False


def test_an_import_to_another_place_leaves_the_source_alone(tmp_path):
    folder = unpack("chroma-1.5.9", tmp_path)
    before = sorted(path.name for path in folder.iterdir())
    report = chroma_nb.import_chroma(folder, tmp_path / "ours")
    assert (report.collections, report.records, report.lost, report.complete) == (6, 2048, 0, True)
    assert sorted(path.name for path in folder.iterdir()) == before
    assert_equals_fixture(tmp_path / "ours", "chroma-1.5.9")


def test_the_report_names_a_directory_below_the_working_directory_as_one_would_write_it(monkeypatch, tmp_path):
    report = chroma_import.ImportReport(tmp_path / "old", tmp_path / "new", 2, 5, 0, True, "", tmp_path)
    assert f"from {tmp_path}/old;" in str(report)
    monkeypatch.chdir(tmp_path)
    assert "from old;" in str(report)
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert f"from {tmp_path}/old;" in str(report)


def test_importing_over_a_database_of_ours_needs_replace_which_puts_it_aside(tmp_path):
    folder = unpack("chroma-1.0.20", tmp_path)
    with chroma_nb.PersistentClient(folder) as client:
        client.get_or_create_collection("mine", embedding_function=None)
    with pytest.raises(InternalError, match="replace=True"):
        chroma_nb.import_chroma(folder, folder)
    chroma_nb.import_chroma(folder, folder, replace=True)
    with chroma_nb.PersistentClient(folder) as client:
        assert "mine" not in [one.name for one in client.list_collections()]
    [aside] = folder.glob("chroma_nb-replaced-*")
    with chroma_nb.PersistentClient(aside) as client:
        assert "mine" in [one.name for one in client.list_collections()]


def test_replacing_what_a_client_has_open_is_refused(tmp_path):
    folder = unpack("chroma-1.0.20", tmp_path)
    with chroma_nb.PersistentClient(folder) as client:
        with pytest.raises(InternalError, match="in use in this process"):
            chroma_nb.import_chroma(folder, folder, replace=True)
        assert client.count_collections() == 4


def test_changed_files_of_chroma_are_noticed_once_with_the_way_to_import_again(tmp_path):
    folder = unpack("chroma-1.0.20", tmp_path)
    chroma_nb.PersistentClient(folder).close()
    file = folder / "chroma.sqlite3"
    changed = bytearray(file.read_bytes())
    changed[27] += 1
    file.write_bytes(changed)
    with pytest.warns(UserWarning, match=r"Chroma has written to .*import_chroma\(.*replace=True\)"):
        chroma_nb.PersistentClient(folder).close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chroma_nb.PersistentClient(folder).close()


def test_records_without_a_vector_are_imported_named_and_listed_as_json_lines(tmp_path, capsys):
    folder = unpack("chroma-1.5.9", tmp_path)
    for data in folder.glob("*/data_level0.bin"):
        os.truncate(data, data.stat().st_size // 2)
    with chroma_nb.PersistentClient(folder) as client:
        collection = client.get_collection("docs-l2", embedding_function=None)
        assert collection.count() == 1328
        embeddings = collection.get(include=["embeddings"])["embeddings"]
    said = capsys.readouterr().err
    assert "have no vector any more" in said
    assert "data_level0.bin ends after 500 of 1,000 vectors" in said
    lines = (folder / "chroma_nb-import" / f"{collection.id}.without-vectors.jsonl").read_text().splitlines()
    records = {json.loads(line)["id"]: json.loads(line) for line in lines}
    assert len(records) == np.isnan(embeddings).all(axis=1).sum() > 400
    wanted = next(one for one in expected("chroma-1.5.9")["collections"] if one["id"] == str(collection.id))
    for one in wanted["records"]:
        if one["id"] in records:
            assert records[one["id"]]["document"] == one["document"]
            assert records[one["id"]]["metadata"] == one["metadata"]
    report = json.loads((folder / "chroma_nb-import" / "report.json").read_text())
    assert (report["complete"], report["lost"] > 0) == (False, True)


def test_a_directory_of_which_nothing_can_be_read_is_not_opened_as_an_empty_one(tmp_path):
    (tmp_path / "chroma.sqlite3").write_bytes(b"not a database")
    with pytest.raises(ChromaDirectoryError):
        chroma_nb.PersistentClient(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["chroma.sqlite3"]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_an_import_killed_while_moving_in_leaves_nothing_that_looks_complete(steps, tmp_path):
    folder = unpack("chroma-1.0.20", tmp_path)
    code = (
        "import os, pathlib, sys\n"
        "import chroma_nb\n"
        "rename, left = pathlib.Path.rename, [int(sys.argv[2])]\n"
        "def dying(self, target):\n"
        "    left[0] -= 1\n"
        "    if left[0] == 0: os._exit(9)\n"
        "    return rename(self, target)\n"
        "pathlib.Path.rename = dying\n"
        "chroma_nb.import_chroma(sys.argv[1], sys.argv[1])\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert (
        subprocess.run([sys.executable, "-c", code, folder, str(steps)], env=environment, check=False).returncode == 9
    )
    assert not (folder / "chroma_nb.sqlite3").exists()
    with chroma_nb.PersistentClient(folder) as client:
        assert client.count_collections() == 4
        assert client.verify() == []
    assert not list(folder.glob("chroma_nb-importing-*"))


def test_an_import_that_failed_leaves_nothing(tmp_path, monkeypatch):
    folder = unpack("chroma-1.0.20", tmp_path)
    before = sorted(path.name for path in folder.iterdir())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(chroma_import, "_write_record", full)
    with pytest.raises(OSError, match="No space left"):
        chroma_nb.PersistentClient(folder)
    assert sorted(path.name for path in folder.iterdir()) == before


def test_an_unfinished_import_elsewhere_is_not_opened_as_an_empty_directory(tmp_path):
    (tmp_path / "chroma_nb-importing-1234").mkdir()
    with pytest.raises(InternalError, match=r"was interrupted\. Run it again"):
        chroma_nb.PersistentClient(tmp_path)
    folder = unpack("chroma-1.0.20", tmp_path / "source")
    chroma_nb.import_chroma(folder, tmp_path)
    with chroma_nb.PersistentClient(tmp_path) as client:
        assert client.count_collections() == 4


def test_four_processes_that_open_a_directory_at_once_import_it_once(tmp_path):
    folder = unpack("chroma-1.0.20", tmp_path)
    code = "import sys, chroma_nb; print(chroma_nb.PersistentClient(sys.argv[1]).count_collections())"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [
        subprocess.Popen([sys.executable, "-c", code, folder], env=environment, stdout=-1, stderr=-1, text=True)
        for _ in range(4)
    ]
    answers = [process.communicate(timeout=60) for process in running]
    assert [out.strip() for out, _ in answers] == ["4"] * 4
    assert sum("imported" in said for _, said in answers) == 1


def test_a_hostile_collection_name_gets_one_that_can_be_used(tmp_path):
    import sqlite3

    folder = unpack("chroma-1.0.20", tmp_path)
    connection = sqlite3.connect(folder / "chroma.sqlite3")
    connection.execute("UPDATE collections SET name = '../../<b>' WHERE name = 'configured'")
    connection.commit()
    connection.close()
    report = chroma_nb.import_chroma(folder, tmp_path / "ours")
    assert not report.complete
    assert "is not allowed; it was imported as 'collection-" in report.text
    assert not (tmp_path.parent / "<b>").exists()


def test_a_copied_directory_needs_no_second_import(tmp_path):
    folder = unpack("chroma-1.0.20", tmp_path)
    chroma_nb.PersistentClient(folder).close()
    shutil.copytree(folder, tmp_path / "copy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with chroma_nb.PersistentClient(tmp_path / "copy") as client:
            assert client.count_collections() == 4


def test_the_command_line_imports_and_says_what_it_did(tmp_path, capsys):
    from chroma_nb.cli import main

    folder = unpack("chroma-1.0.20", tmp_path)
    assert main(["import", str(folder), str(tmp_path / "ours")]) == 0
    assert "imported 4 collections with 152 records" in capsys.readouterr().out
    assert main(["import", str(folder), str(tmp_path / "ours")]) == 1
    assert "Choose another directory, or pass replace=True" in capsys.readouterr().err
    assert main(["import", str(tmp_path / "nowhere"), str(tmp_path / "other")]) == 1
    assert "Expected a directory written by Chroma" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
