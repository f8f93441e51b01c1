"""The workbench in Notebook 7: the same widgets in another front end, as a smoke test."""

import pytest

TimeoutError = pytest.importorskip("playwright.sync_api").TimeoutError  # noqa: A001

pytestmark = pytest.mark.browser
pytest.importorskip("notebook", reason="Notebook 7 is not installed: pip install notebook")

#: What Notebook 7 complains of by itself when JupyterLab's server shows it.
ITS_OWN = ("(reading 'schema')", "filebrowser:open-path", "Forbidden")

CELL = """
import chroma_nb
birds = chroma_nb.EphemeralClient().get_or_create_collection("birds")
birds.upsert(ids=[f"bird-{n:02}" for n in range(45)], documents=[f"entry {n}" for n in range(45)],
             embeddings=[[n, 1.0] for n in range(45)], metadatas=[{"year": 1990 + n} for n in range(45)])
chroma_nb.browse(birds)
"""


def test_the_workbench_lives_in_notebook_7(notebook, jupyter):
    seven = notebook(CELL)
    page = seven.page
    page.goto(f"{jupyter.url}/notebooks/{seven.name}")
    _run_until_shown(page, page.locator(".cw-row-of .cw-id").first)
    page.locator(".cw-grid").evaluate("(grid) => { grid.scrollTop = 1e6 }")
    page.locator(".cw-id", has_text="bird-44").wait_for()
    assert not page.locator(".jp-OutputArea-output table").is_visible()  # the static twin
    seven.shot("workbench-notebook7")
    seven.errors[:] = [error for error in seven.errors if not any(words in error for words in ITS_OWN)]


def _run_until_shown(page, wanted):
    """Run the first cell; again, where the key came before there was a kernel (nothing in the page tells)."""
    for _ in range(6):
        page.locator(".jp-Cell").first.click()
        page.keyboard.press("Shift+Enter")
        try:
            wanted.wait_for(timeout=20_000)
            return
        except TimeoutError:
            continue
