"""``chroma-nb tutorials DIR``: the notebooks and what they read, and nothing of anybody's is overwritten."""

from __future__ import annotations

import json
import re
import tomllib
from email.message import Message
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


@pytest.mark.parametrize("site", [None, "https://acme.org/docs/"])
def test_links_to_guides_lead_to_the_published_documentation_or_are_text(tmp_path, monkeypatch, site):
    monkeypatch.setattr(tutorials, "published", lambda: site)
    tutorials.copy_tutorials(tmp_path)
    copied = sorted(tmp_path.glob("*.ipynb"))
    text = "".join(path.read_text("utf-8") for path in copied)
    assert "](../" not in text
    assert ("[Where your data is kept](https://acme.org/docs/how-to/persist.html)" in text) == (site is not None)
    assert "Where your data is kept" in text
    pages = set(re.findall(r"https://acme\.org/docs/([\w/-]+)\.html", text))
    assert all((ROOT / "docs" / f"{page}.md").exists() for page in pages)
    original = [json.loads((ROOT / "notebooks" / path.name).read_text("utf-8")) for path in copied]
    assert [cells(json.loads(path.read_text("utf-8"))) for path in copied] == [cells(each) for each in original]


def cells(notebook):
    """The code of a notebook."""
    return [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_a_release_that_lists_its_documentation(monkeypatch):
    listed = Message()
    listed["Project-URL"] = "Source, https://acme.org/source"
    monkeypatch.setattr("importlib.metadata.metadata", lambda name: listed)
    assert tutorials.published() is None
    listed["Project-URL"] = "Documentation, https://acme.org/docs/"
    assert tutorials.published() == "https://acme.org/docs/"


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
