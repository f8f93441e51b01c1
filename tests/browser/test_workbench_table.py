"""The workbench's table in a real JupyterLab: what is scrolled to is read from the live collection."""

import pytest
from letters import LETTERS

pytestmark = pytest.mark.browser

#: Records with metadata of several types; right-to-left texts among them.
COLLECTION = (
    LETTERS
    + """
from chroma_nb.workbench.widget import Workbench
n = %d
kinds = ["wren", "heron", "swift", "kestrel", "nightjar"]
for s in range(0, n, 10_000):
    e = min(s + 10_000, n)
    birds.add(
        ids=[f"bird-{i:07}" for i in range(s, e)], embeddings=np.random.default_rng(s).random((e - s, 2), np.float32),
        documents=[f"A {kinds[i %% 5]} at the river, entry {i} of the book. " * (1 + i %% 4) for i in range(s, e)],
        metadatas=[{"kind": kinds[i %% 5], "year": 1990 + i %% 35, "weight": 5 + i %% 97 / 7, "ringed": i %% 3 == 0,
                    "seen": f"2024-{1 + i %% 12:02}-{1 + i %% 28:02}T0{i %% 10}:30:00Z", "created_at": 1.6e9 + i * 60.0,
                    "tags": ["a", "b"], "הערה": "שלום, עולם!", **({"note": "x"} if i %% 2 else {})}
                   for i in range(s, e)])
"""
)


def shown(notebook, cell="b = Workbench(birds)\nb", records=1_000, **options):
    """A notebook whose second cell shows the workbench ``b``."""
    lab = notebook(COLLECTION % records, cell, **options)
    lab.open()
    lab.run()
    lab.command("notebook:hide-all-cell-code")
    lab.bench = lab.page.locator(".cw").last
    lab.grid = lab.bench.locator(".cw-grid")
    settled(lab)
    return lab


def settled(lab):
    """Every row in view is there."""
    lab.bench.locator(".cw-grid[aria-busy=false] .cw-row-of:not(.cw-stale):visible").first.wait_for()


def cell(lab, row, column):
    """A cell by the number of its row, from 0, and that of its column, the tick being 0."""
    return lab.grid.locator(f'[role=row][aria-rowindex="{row + 2}"] [aria-colindex="{column + 1}"]')


def scroll(lab, pixels):
    lab.grid.evaluate("(grid, top) => { grid.scrollTop = top }", pixels)


def test_a_hundred_thousand_records_are_scrolled(notebook):
    lab = shown(notebook, records=100_000)
    lab.bench.get_by_text("100,000 records", exact=True).wait_for()
    cell(lab, 0, 1).get_by_text("bird-0000000").wait_for()
    scroll(lab, 50_000 * 28)
    cell(lab, 50_000, 1).get_by_text("bird-0050000").wait_for()
    assert lab.grid.locator("[role=row]").count() < 60
    lab.grid.locator(".cw-c").first.focus()
    lab.page.keyboard.press("Control+End")
    cell(lab, 99_999, 1).get_by_text("bird-0099999").wait_for()
