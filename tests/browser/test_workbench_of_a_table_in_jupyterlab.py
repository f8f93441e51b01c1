"""A table of one's own in the workbench, in a real JupyterLab, and that its cell leaves no collection behind."""

import pytest
from test_workbench_table import settled

pytestmark = pytest.mark.browser

TABLE = """
import gc, chroma_nb, pandas as pd
from chroma_nb.workbench import temporary
places = ["the hedge", "the ditch", "the marsh", "the pier", "the roof"]
birds = ["wren", "crow", "heron", "gull", "swift", "owl"]
df = pd.DataFrame({"bird": [birds[i % 6] for i in range(120)], "seen": pd.date_range("2024-01-01", periods=120),
    "grams": [9 + 37 * (i % 29) for i in range(120)],
    "remark": [
        f"A {birds[i % 6]} was seen at {places[i % 5]} in the morning; it stayed for {i} minutes."
        for i in range(120)]})
alive = lambda: len([one for one in temporary._TEMPORARY.values() if not one.gone])
"""


def opened(lab):
    lab.open()
    lab.run()
    lab.command("notebook:hide-all-cell-code")
    lab.bench = lab.page.locator(".cw").last
    lab.grid = lab.bench.locator(".cw-grid")
    settled(lab)


def test_a_table_is_browsed_and_leaves_nothing_when_its_cell_runs_again(notebook):
    lab = notebook(TABLE, "b = chroma_nb.browse(df)\nb", width=1400)
    opened(lab)
    note = lab.bench.locator(".cw-note")
    note.get_by_text("Temporary: 120 records, text from the column 'remark'").wait_for()
    lab.bench.get_by_role("searchbox", name="Search").fill("an owl on the roof")
    lab.bench.get_by_text("120 found", exact=True).wait_for()
    settled(lab)
    lab.shot("table-1400-light")
    lab.dark()
    settled(lab)
    lab.shot("table-1400-dark")
    lab.light()
    for _ in range(3):
        lab.run()
    settled(lab)
    assert lab.evaluate("alive()") == "1"
    lab.evaluate("b.close()")
    assert lab.evaluate("alive()") == "0"


def test_a_table_is_explored(notebook):
    lab = notebook(TABLE, 'e = chroma_nb.explore(df, color="bird")\ne', width=1400)
    lab.open()
    lab.run()
    lab.command("notebook:hide-all-cell-code")
    bench = lab.page.locator(".cw").last
    bench.locator(".cw-note").get_by_text("Temporary: 120 records").wait_for()
    bench.locator(".cw-map-canvas").first.wait_for()
    assert lab.evaluate("e.projection.fit is None or e.projection.fit.ended(60)") == "True"
    bench.get_by_text("swift", exact=True).first.wait_for()
    lab.page.wait_for_timeout(1500)
    lab.shot("table-map-1400-light")
    lab.page.set_viewport_size({"width": 700, "height": 1000})
    lab.page.wait_for_timeout(500)
    lab.shot("table-map-700-light")
