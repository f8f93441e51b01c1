"""The map by plotly in a real JupyterLab: until its first pixels, a lasso to Python and back to the table, bytes sent.

    python -m pytest -q -s benchmarks/explorer.py

Clusters of random vectors with documents, coordinates by PCA, coloured by a key. "First pixels" begins with running the
cell, in a kernel that has drawn no map yet. "Lasso" begins when the mouse is let go and ends when the table under the
map tells how many were chosen. Bytes are those of the kernel's line, both ways; plotly.js is 4.9 million of them.
Needs Chromium, and what ``make test`` installs. Without a graphics card the browser draws by software.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

# JupyterLab and the browser are those of the tests.
_SPEC: Any = importlib.util.spec_from_file_location(
    "jupyterlab_of_the_tests", Path(__file__).parents[1] / "tests" / "browser" / "conftest.py"
)
_TESTS = sys.modules[_SPEC.name] = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_TESTS)
jupyter, chromium, notebook, PATIENCE = _TESTS.jupyter, _TESTS.chromium, _TESTS.notebook, _TESTS.PATIENCE

SETUP = """
import numpy as np, chroma_nb
random = np.random.default_rng(0)
count = {count}
group = random.integers(0, 40, count)
centres = random.normal(size=(40, 32)) * 2
collection = chroma_nb.EphemeralClient().create_collection("map", embedding_function=None)
for start in range(0, count, 5_000):
    rows = range(start, min(start + 5_000, count))
    collection.add(
        ids=[f"id{{n}}" for n in rows],
        embeddings=(centres[group[rows]] + random.normal(size=(len(rows), 32))).astype("f4"),
        documents=[f"record {{n}} of cluster number {{group[n]}}, with some words of text" for n in rows],
        metadatas=[{{"cluster": f"c{{group[n]}}", "row": n}} for n in rows],
    )
projection = chroma_nb.project(collection, "pca")
"""
EXPLORE = """
explorer = chroma_nb.explore(projection, color="cluster", renderer="plotly")
explorer
"""
DRAWN = """count => {
  const map = document.querySelector('.js-plotly-plot');
  const points = (map?._fullData ?? []).filter(trace => trace.type === 'scattergl');
  return points.reduce((sum, trace) => sum + (trace._length ?? 0), 0) >= count
    && new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))));
}"""
DRAGGED = "document.querySelector('.js-plotly-plot')._fullLayout.dragmode"
TOLD = re.compile(r"records? selected")


def cell(lab: Any) -> None:
    """Run the next cell."""
    lab.command("notebook:run-cell-and-select-next")


def lasso(lab: Any, share: float) -> float:
    """Choose this share of the map's width; seconds from letting the mouse go until the table tells of it."""
    area = lab.page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    x = [area["x"] + 3, area["x"] + area["width"] * share]
    y = [area["y"] + 3, area["y"] + area["height"] - 3]
    lab.page.mouse.move(x[0], y[0])
    lab.page.mouse.down()
    around = [(x[1], y[0]), (x[1], y[1]), (x[0], y[1]), (x[0], y[0])]
    for corner in around if lab.page.evaluate(DRAGGED) == "lasso" else around[1:2]:  # large maps begin with a box
        lab.page.mouse.move(*corner, steps=16 // len(around))
    before = time.perf_counter()
    lab.page.mouse.up()
    lab.page.locator("caption", has_text=TOLD).wait_for(timeout=PATIENCE)
    return time.perf_counter() - before


@pytest.mark.parametrize("count", [10_000, 100_000])
def test_measure(notebook: Any, count: int) -> None:
    lab = notebook(SETUP.format(count=count), EXPLORE, height=1500)
    frames: list[int] = []
    lab.page.on(
        "websocket",
        lambda line: [line.on(way, lambda data: frames.append(len(data))) for way in ("framereceived", "framesent")],
    )
    lab.open()
    cell(lab)
    frames.clear()
    before = time.perf_counter()
    cell(lab)
    lab.page.wait_for_function(DRAWN, arg=count, timeout=PATIENCE)
    pixels, sent = time.perf_counter() - before, sum(frames)
    rows = [("first pixels", pixels, sent)]
    for share in (0.3, 0.98):
        frames.clear()
        taken = lasso(lab, share)
        rows.append((f"lasso of {int(lab.evaluate('len(explorer.selection)')):,}", taken, sum(frames)))
        lab.evaluate("explorer.selection.clear()")
        lab.page.locator("caption", has_text=TOLD).wait_for(state="detached", timeout=PATIENCE)
    lab.shot(f"explorer-{count}")
    print(f"\n| {count:,} records | seconds | bytes |\n| --- | ---: | ---: |")
    for name, seconds, size in rows:
        print(f"| {name} | {seconds:.2g} | {size:,} |")
