"""The tutorials in the repository are executed, small, teach without test code, and carry no traces of a machine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MACHINE = re.compile(r"/(?:home|root|Users|work|tmp|private)/[\w.-]+")
#: Tags of cells that the site leaves out or folds; JupyterLab folds them by ``source_hidden``.
HIDDEN = {"remove-cell", "hide-cell"}
#: The tag of a cell whose output nbval does not compare.
LOOSE = "nbval-ignore-output"
#: Longest line of code that the site shows whole.
COLUMNS = 84


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.name)
def path(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture
def notebook(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def tags(cell: dict[str, Any]) -> set[str]:
    return set(cell["metadata"].get("tags", []))


def is_hidden(cell: dict[str, Any]) -> bool:
    return bool(tags(cell) & HIDDEN)


def text_of(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def checks(cell: dict[str, Any]) -> bool:
    return is_hidden(cell) and "assert " in text_of(cell)


def test_there_are_tutorials() -> None:
    assert NOTEBOOKS


def test_every_cell_was_executed_in_order(notebook: dict[str, Any]) -> None:
    counts = [cell["execution_count"] for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_no_cell_ended_in_an_error(notebook: dict[str, Any]) -> None:
    assert not [
        output for cell in code_cells(notebook) for output in cell["outputs"] if output["output_type"] == "error"
    ]


def test_a_notebook_is_at_most_300_kilobytes(path: Path) -> None:
    assert path.stat().st_size <= 300_000


def test_no_widget_state_is_stored(notebook: dict[str, Any]) -> None:
    assert "widgets" not in notebook["metadata"]


def test_outputs_name_no_path_of_a_machine(notebook: dict[str, Any]) -> None:
    outputs = json.dumps([cell["outputs"] for cell in code_cells(notebook)])
    assert MACHINE.findall(outputs) == []


def test_a_reader_sees_no_test_code(notebook: dict[str, Any]) -> None:
    seen = [text_of(cell) for cell in code_cells(notebook) if not is_hidden(cell)]
    assert [source for source in seen if re.search(r"\bassert\b|NBVAL", source)] == []


def test_a_notebook_checks_what_it_shows(notebook: dict[str, Any]) -> None:
    assert any(checks(cell) for cell in code_cells(notebook))


def test_a_hidden_cell_is_folded_in_jupyterlab_and_shows_nothing(notebook: dict[str, Any]) -> None:
    for cell in filter(is_hidden, code_cells(notebook)):
        assert cell["metadata"]["jupyter"] == {"source_hidden": True}
        assert text_of(cell).startswith("# ")  # the line that JupyterLab shows of it
        assert cell["outputs"] == []


def test_output_that_is_not_compared_is_checked_by_the_next_hidden_cell(notebook: dict[str, Any]) -> None:
    """Between a cell whose output may differ and a check stand at most others that show the same result."""
    waiting = 0
    for cell in code_cells(notebook):
        if LOOSE in tags(cell):
            waiting += 1
        elif checks(cell):
            waiting = 0
        assert waiting <= 3, text_of(cell)


def test_the_only_mark_for_nbval_is_that_an_output_is_not_compared(notebook: dict[str, Any]) -> None:
    for cell in code_cells(notebook):
        assert tags(cell) <= HIDDEN | {LOOSE}
        assert "NBVAL" not in text_of(cell)


def test_the_page_of_the_tutorials_says_that_some_output_is_not_compared() -> None:
    page = " ".join((ROOT / "docs" / "tutorials.md").read_text(encoding="utf-8").split())
    assert "not compared digit by digit" in page


def test_a_tutorial_ends_with_the_data_of_the_reader_and_links_to_guides(notebook: dict[str, Any]) -> None:
    headings = re.findall(r"^## (.+)$", "\n\n".join(text_of(cell) for cell in notebook["cells"]), flags=re.MULTILINE)
    assert headings[-1] == "With your own data"
    assert "](../docs/how-to/" in text_of(notebook["cells"][-1])


def test_tutorials_import_the_package_by_its_name(notebook: dict[str, Any]) -> None:
    assert "chroma_nb as" not in "\n".join(text_of(cell) for cell in code_cells(notebook))


def test_the_code_of_a_tutorial_fits_the_page(notebook: dict[str, Any]) -> None:
    lines = [line for cell in code_cells(notebook) if not is_hidden(cell) for line in text_of(cell).splitlines()]
    assert [line for line in lines if len(line) > COLUMNS] == []


def test_the_pictures_of_a_tutorial_are_among_its_data(path: Path, notebook: dict[str, Any]) -> None:
    """There they are found in the repository, in a copy by ``chroma-nb tutorials``, and on the site."""
    prose = "\n".join(text_of(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", prose):
        assert picture.startswith("data/")
        assert (path.parent / picture).is_file()


def blocks_of_the_gallery() -> list[str]:
    """What its reader pastes into cells, one after the other. Blocks marked ``py`` need other data."""
    gallery = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", gallery, flags=re.DOTALL | re.MULTILINE)


def test_the_python_of_the_gallery_runs_beside_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "notebooks")
    monkeypatch.setenv("CHROMA_NB_PROGRESS", "0")
    shell = InteractiveShell(user_ns={"__name__": "__main__"})
    try:
        for block in blocks_of_the_gallery():
            shell.run_cell(f"{block}\nNone").raise_error()  # nothing is shown: a figure would open a browser
    finally:
        shell.user_ns["client"].close()
        shell.reset(new_session=False)


def test_the_gallery_is_twelve_pictures_of_at_most_150_kilobytes() -> None:
    gallery = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    pictures = [ROOT / "docs" / name for name in re.findall(r"^!\[[^\]]+\]\(([^)]+)\)", gallery, flags=re.MULTILINE)]
    assert len(set(pictures)) == len(re.findall("^## ", gallery, flags=re.MULTILINE)) == 12
    assert [picture for picture in pictures if picture.stat().st_size > 150_000] == []
