"""The browser in Notebook 7: the same widgets in another front end, as a smoke test."""

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


def test_the_browser_lives_in_notebook_7(notebook, jupyter):
    seven = notebook(CELL)
    page = seven.page
    page.goto(f"{jupyter.url}/notebooks/{seven.name}")
    _run_until_shown(page, page.locator("button:text-is('Next')").first)
    page.locator("button:text-is('Next')").click()
    page.get_by_text("21–40 of 45", exact=True).first.wait_for()
    assert page.locator(".chroma-nb-line button").first.text_content() == "bird-20"
    assert not page.get_by_text("Run this cell to page").is_visible()
    seven.shot("browser-notebook7")
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
