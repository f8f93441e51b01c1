"""The workbench in a real JupyterLab: first pixels, a page turn, a facet, a search, colours, a lasso; bytes; re-runs.

    SIZES=10000,100000,1000000 python -m pytest -q -s benchmarks/workbench.py

Records with documents and metadata in clusters on a map that is there already, in a kernel that has shown nothing
yet. Times are those of the page: from the moment a person does something until the page has painted what it asked
for. "First" begins with running the cell. Bytes are those of the kernel's line, both ways; "saved" is what the
notebook's file holds of one workbench. Medians of five. Then two cells with both views run again and again (RERUNS,
100), and the kernel's memory and the page's are told. Needs Chromium, and what ``make test`` installs. Without a
graphics card the browser draws by software.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
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
left, pytest_runtest_makereport = _TESTS.left, _TESTS.pytest_runtest_makereport

SIZES = [int(size) for size in os.environ.get("SIZES", "10000,100000").split(",")]
RERUNS = int(os.environ.get("RERUNS", "100"))
TIMES = 5

SETUP = """
import numpy as np, chroma_nb
from chroma_nb.projection.projection import Projection
from chroma_nb.workbench.widget import Workbench
n = {n}
random = np.random.default_rng(0)
kinds = ["wren", "heron", "swift", "kestrel", "nightjar", "lark", "rook", "crow", "gull", "tern", "knot", "ruff"]
group = random.integers(0, 40, n)
spots = (random.normal(size=(40, 2))[group] * 5 + random.normal(size=(n, 2)) * 0.7).astype(np.float32)
ids = [f"bird-{{i:07}}" for i in range(n)]
documents = [f"A {{kinds[g % 12]}} at the river, entry {{i}} of the book." for i, g in enumerate(group.tolist())]
metadatas = [
    {{"kind": kinds[g % 12], "year": 1990 + i % 35, "grams": float(w), "ringed": i % 3 == 0, "stars": 1 + i % 5,
      "seen": f"20{{10 + i % 14}}-{{1 + i % 12:02}}-{{1 + i % 28:02}}"}}
    for i, (g, w) in enumerate(zip(group.tolist(), random.lognormal(3, 1.2, n).tolist()))
]
birds = chroma_nb.EphemeralClient().create_collection("birds", embedding_function=None)
for s in range(0, n, 20_000):
    e = min(n, s + 20_000)
    birds.add(ids=ids[s:e], embeddings=spots[s:e], documents=documents[s:e], metadatas=metadatas[s:e])
drawn = Projection(ids, spots, documents, metadatas, method="umap", collection=birds, name="birds")
drawn.labels
"""
TABLE = "b = Workbench(birds)\nb"
MAP = "m = Workbench(birds, view='map', projection=drawn, colour='kind')\nm"
#: The last workbench of the page, in JavaScript.
ROOT = "[...document.querySelectorAll('.cw')].at(-1)"
MAP_PART = f"{ROOT}.bench.parts.map.part"
ROWS = f"{ROOT}.querySelector('.cw-grid[aria-busy=false] .cw-row-of') && !{ROOT}.querySelector('.cw-row-of.cw-stale')"
#: How long it takes from an act until something is true and a frame has been painted.
TIMED = """([act, seen]) => new Promise((done, fail) => {
  const began = performance.now();
  new Function(act)();
  const look = () => {
    const there = new Function(`return ${seen};`)();
    if (there) requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
    else if (performance.now() - began > 120000) fail(new Error('nothing came: ' + seen));
    else requestAnimationFrame(look);
  };
  look();
})"""


class Bench:
    """A notebook whose rows of the table are timed."""

    def __init__(self, lab: Any) -> None:
        self.lab = lab
        self.rows: list[tuple[str, float, int]] = []
        self._frames: list[int] = []
        lab.page.on("websocket", self._count)

    def _count(self, line: Any) -> None:
        for way in ("framereceived", "framesent"):
            line.on(way, lambda data: self._frames.append(len(data)))

    def cell(self, name: str, shown: str) -> None:
        """Run the next cell; how long until something is shown."""
        self.quiet()
        began = time.perf_counter()
        self.lab.command("notebook:run-cell-and-select-next")
        self.lab.page.wait_for_function(f"() => {shown}", timeout=10 * PATIENCE)
        self.note(name, [(time.perf_counter() - began) * 1000])

    def timed(self, act: str, seen: str) -> float:
        """Milliseconds of something that is done in the page."""
        return float(self.lab.page.evaluate(TIMED, [act, seen]))

    def note(self, name: str, times: list[float]) -> None:
        """A row: the median of these."""
        self.rows.append((name, statistics.median(times), sum(self._frames) // len(times)))
        self.quiet()

    def set(self, **state: Any) -> str:
        """The act that sets state."""
        return f"{ROOT}.bench.store.set({json.dumps(state)})"

    def quiet(self) -> None:
        """Count bytes from now on."""
        self.lab.page.wait_for_timeout(500)
        self._frames.clear()


def now(condition: str) -> str:
    """Something is true of the state, and all rows in view are there."""
    return f"(() => {{ const now = {ROOT}.bench.store.get(); return {condition} && {ROWS}; }})()"


def measure_table(bench: Bench) -> None:
    """The rows of the table in view, and the facets."""
    bench.cell("table: first rows", f"{ROOT} && {ROWS}")
    bench.lab.page.wait_for_function("() => document.querySelectorAll('.cw-value').length > 5", timeout=PATIENCE)
    scroll = f"const grid = {ROOT}.querySelector('.cw-grid'); grid.scrollTop = grid.scrollHeight * "
    bench.note("a page turn", [bench.timed(f"{scroll}{share / 7}", ROWS) for share in (1, 5, 2, 6, 3)])
    narrowed = "now.counts.shown < now.counts.total"
    clicks = []
    for kind in ("wren", "heron", "swift", "lark", "rook"):
        seen = now(f"now.where?.kind === '{kind}' && {narrowed}")
        clicks.append(bench.timed(bench.set(where={"kind": kind}), seen))
        bench.timed(bench.set(where=None), now("now.counts.shown === now.counts.total"))
    bench.note("a click in a facet: rows and counts", clicks)
    keys = ("year", "kind", "grams", "seen", "stars")
    sorts = [
        bench.timed(bench.set(order={"by": key, "descending": True}), now(f"now.order.by === '{key}'")) for key in keys
    ]
    bench.note("sorted by another column", sorts)
    bench.timed(bench.set(order=None), now("now.order === null"))
    words = ("kestrel", "river 5", "crow 77", "gull book", "entry 9")
    found = [
        bench.timed(
            bench.set(search={"text": text, "by": "words"}), now(f"now.search?.text === '{text}' && {narrowed}")
        )
        for text in words
    ]
    bench.note("the first search by words", found[:1])
    bench.note("a search by words", found[1:])
    bench.timed(bench.set(search=None), now("now.search === null"))


def measure_map(bench: Bench) -> None:
    """The map: drawn, coloured, lassoed."""
    bench.cell("map: first pixels", f"document.querySelectorAll('.cw').length === 2 && {MAP_PART}?.stats.draws > 0")
    page = bench.lab.page
    stats = page.evaluate(f"{MAP_PART}.stats")
    bench.note("... of these from asking for points on", [stats["first"] - stats["asked"]])
    page.wait_for_timeout(1000)
    colours = []
    for key in ("year", "grams", "seen", "stars", "kind"):
        draws = page.evaluate(f"{MAP_PART}.stats.draws")
        named = f"{ROOT}.querySelector('.cw-map-legend').textContent.includes('{key}')"
        colours.append(bench.timed(bench.set(colour=key), f"{named} && {MAP_PART}.stats.draws > {draws}"))
    bench.note("another colour", colours)
    page.evaluate(f"{ROOT}.scrollIntoView()")
    bench.note("a lasso of a fifth of the map", [lasso(page) for _ in range(TIMES)])
    bench.note("one drawing of all points", [float(page.evaluate(f"{MAP_PART}.stats.ms"))])


def lasso(page: Any) -> float:
    """Milliseconds from letting the mouse go until what is selected is marked."""
    page.wait_for_timeout(400)
    box = page.locator(".cw-map-over").last.bounding_box()
    x, y = box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3
    page.keyboard.down("Shift")
    page.mouse.move(x, y)
    page.mouse.down()
    for dx, dy in [(0.4, 0), (0.4, 0.4), (0, 0.4)]:
        page.mouse.move(x + box["width"] * dx, y + box["height"] * dy, steps=4)
    page.evaluate(f"{MAP_PART}.stats.lasso = 0")
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_function(f"() => {MAP_PART}.stats.lasso > 0")
    return float(page.evaluate(f"{MAP_PART}.stats.lasso"))


@pytest.mark.parametrize("n", SIZES)
def test_measure(notebook: Any, n: int) -> None:
    lab = notebook(SETUP.format(n=n), TABLE, MAP, height=1500, alone=True)
    bench = Bench(lab)
    lab.open()
    lab.command("notebook:run-cell-and-select-next")
    lab.page.wait_for_function(_TESTS._IDLE, arg=lab.name, timeout=10 * PATIENCE)
    measure_table(bench)
    measure_map(bench)
    lab.page.wait_for_timeout(3000)
    lab.save()
    outputs = [cell["outputs"] for cell in json.loads(lab.path.read_text(encoding="utf-8"))["cells"][1:]]
    lab.shot(f"workbench-{n}")
    print(f"\n| {n:,} records | ms | bytes |\n| --- | ---: | ---: |")
    for name, milliseconds, size in bench.rows:
        print(f"| {name} | {milliseconds:,.0f} | {size:,} |")
    print(f"| saved: the table; the map | | {'; '.join(f'{len(json.dumps(one)):,}' for one in outputs)} |")


def test_runs_again(notebook: Any) -> None:
    lab = notebook(SETUP.format(n=20_000) + "\nimport gc, psutil, ipywidgets", TABLE, MAP, height=1200, alone=True)
    lab.open()
    lab.run()
    print("\n| runs | kernel, MB | widgets | page, MB |\n| ---: | ---: | ---: | ---: |")
    for run in range(1, RERUNS + 1):
        for number in (1, 2):
            lab.page.evaluate(f"window.jupyterapp.shell.currentWidget.content.activeCellIndex = {number}")
            lab.command("notebook:run-cell")
        lab.page.wait_for_function(_TESTS._IDLE, arg=lab.name, timeout=PATIENCE)
        if run in (1, 5, 10, 25, 50, 75, RERUNS):
            lab.page.wait_for_timeout(3000)
            lab.evaluate("gc.collect()")
            kernel = lab.evaluate("round(psutil.Process().memory_info().rss / 1e6)")
            widgets = lab.evaluate("len(ipywidgets.widgets.widget._instances)")
            print(f"| {run} | {kernel} | {widgets} | {_heap(lab):.0f} |", flush=True)


def _heap(lab: Any) -> float:
    """MB of JavaScript in use, after a collection."""
    session = lab.page.context.new_cdp_session(lab.page)
    session.send("HeapProfiler.collectGarbage")
    used = float(session.send("Runtime.getHeapUsage")["usedSize"])
    session.detach()
    return used / 1e6
