"""The workbench in marimo, which keeps the page's parts in shadow trees and sends nothing from other threads."""

import os
import subprocess
import sys
import time
import urllib.request

import pytest

from conftest import CHROMIUM, PATIENCE, ROOT, free_port

pytestmark = pytest.mark.browser
pytest.importorskip("marimo", reason="marimo is not installed: pip install marimo")

APP = """
import marimo
app = marimo.App(width="full")


@app.cell
def _():
    import chroma_nb
    client = chroma_nb.EphemeralClient()
    birds = client.get_or_create_collection("birds")
    birds.upsert(ids=[f"bird-{n:02}" for n in range(45)], documents=[f"entry {n}" for n in range(45)],
                 embeddings=[[n, 1.0] for n in range(45)], metadatas=[{"kind": "ab"[n % 2]} for n in range(45)])
    return birds, chroma_nb, client


@app.cell
def _(birds, chroma_nb):
    chroma_nb.browse(birds)


@app.cell
def _(birds, chroma_nb):
    chroma_nb.explore(birds, "pca", height=400)


if __name__ == "__main__":
    app.run()
"""


#: Waits until the map of a workbench has been drawn.
DRAWN = """(root) => new Promise((done) => {
  const look = () => (root.bench?.parts.map.part?.stats.draws ? done() : setTimeout(look, 50));
  look();
})"""


@pytest.fixture
def address(tmp_path):
    """Where marimo shows the application."""
    (tmp_path / "app.py").write_text(APP)
    port = free_port()
    command = [sys.executable, "-m", "marimo", "-q", "run", "app.py", "--headless", "--no-token"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    folders = {name: str(tmp_path / name) for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")}
    environment = {**os.environ, **folders, "PYTHONPATH": str(ROOT), "CHROMA_NB_PROGRESS": "0"}
    with (tmp_path / "marimo.log").open("w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            _wait(f"http://127.0.0.1:{port}/health", process, tmp_path / "marimo.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def _wait(url, process, log):
    until = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"marimo did not start:\n{log.read_text()[-3_000:]}")


@pytest.fixture
def page(address):
    """The application in a browser of its own."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: pip install playwright"
    )
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (looked for chromium, chromium-browser, google-chrome)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        shown = browser.new_page(viewport={"width": 1400, "height": 1100})
        shown.set_default_timeout(PATIENCE / 3)
        shown.goto(address)
        yield shown
        browser.close()


def test_the_workbench_lives_in_marimo(page):
    table, explored = page.locator(".cw").nth(0), page.locator(".cw").nth(1)
    table.locator(".cw-id", has_text="bird-00").first.wait_for()
    table.locator(".cw-grid").evaluate("(grid) => { grid.scrollTop = 1e6 }")
    table.locator(".cw-id", has_text="bird-44").first.wait_for()
    _chosen(table)
    table.locator(".cw-counts", has_text="23 of 45").wait_for()
    explored.locator(".cw-map-canvas").first.wait_for()
    explored.evaluate(DRAWN)


def _chosen(table):
    """Choose the first value of the facet, again where the page was being drawn when the click came."""
    for _ in range(6):
        table.locator('.cw-facet[aria-label="kind"] .cw-value').first.click()
        for _ in range(20):
            if table.evaluate("(root) => root.bench.store.get().where"):
                return
            table.page.wait_for_timeout(100)
