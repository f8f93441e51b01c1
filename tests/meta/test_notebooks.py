"""The tutorials in the repository are executed, small, and carry neither widget state nor traces of a machine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
MACHINE = re.compile(r"/(?:home|root|Users|work|tmp|private)/[\w.-]+")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.name)
def path(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture
def notebook(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


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


def test_a_notebook_asserts_what_it_shows(notebook: dict[str, Any]) -> None:
    assert any("assert " in "".join(cell["source"]) for cell in code_cells(notebook))


def test_outputs_name_no_path_of_a_machine(notebook: dict[str, Any]) -> None:
    outputs = json.dumps([cell["outputs"] for cell in code_cells(notebook)])
    assert MACHINE.findall(outputs) == []


def test_a_cell_whose_output_is_not_compared_says_why(notebook: dict[str, Any]) -> None:
    """The first line of the cell is the mark, the second the reason; no other mark of nbval's is used."""
    for cell in code_cells(notebook):
        lines = "".join(cell["source"]).splitlines()
        marks = [line for line in lines if "NBVAL" in line]
        assert marks in ([], ["# NBVAL_IGNORE_OUTPUT"])
        if marks:
            assert lines[0] == marks[0]
            assert lines[1].startswith("# ")
            assert len(lines[1]) > 20
        assert not any("nbval" in tag or "raises-exception" in tag for tag in cell["metadata"].get("tags", []))
