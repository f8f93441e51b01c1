"""``chroma-nb tutorials DIR``: the notebooks and what they read, and nothing of anybody's is overwritten."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from chroma_nb import cli, tutorials

ROOT = Path(__file__).parents[1]


def test_the_notebooks_come_with_all_their_data(tmp_path, capsys):
    assert cli.main(["tutorials", str(tmp_path / "new" / "here")]) == 0
    target = tmp_path / "new" / "here"
    notebooks = sorted(path.name for path in target.glob("*.ipynb"))
    assert notebooks == sorted(path.name for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
    read = {name for path in target.glob("*.ipynb") for name in re.findall(r"\bdata/[\w./-]+\w", path.read_text())}
    assert read
    assert [name for name in sorted(read) if not (target / name).exists()] == []
    assert notebooks[0] in capsys.readouterr().out


def test_a_notebook_somebody_has_worked_on_stays(tmp_path, capsys):
    mine = tmp_path / "02_dataframes.ipynb"
    mine.write_text("mine")
    assert cli.main(["tutorials", str(tmp_path)]) == 1
    assert "Nothing was copied" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]
    assert mine.read_text() == "mine"


def test_the_wheel_brings_every_notebook_and_its_data():
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    sources = {f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("[0-9]*.ipynb")} | {"notebooks/data"}
    assert wheel["force-include"] == {source: f"chroma_nb/{source}" for source in sources}


def test_an_installation_without_notebooks_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(tutorials, "_PLACES", (tmp_path,))
    with pytest.raises(FileNotFoundError, match="from its wheel"):
        tutorials.folder()
