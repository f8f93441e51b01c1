"""The workbench's map in a real JupyterLab: drawn at once, moved, lassoed, and never blank."""

import html
import json
import time

import pytest
from letters import LETTERS

pytestmark = pytest.mark.browser

#: ``n`` records in 24 groups on a map of their own; groups are near one another by threes.
MAP = (
    LETTERS
    + """
from chroma_nb.projection.projection import Projection
from chroma_nb.workbench.widget import Workbench
n = %d
kinds = ["wren", "heron", "swift", "kestrel", "nightjar", "lark", "rook", "crow", "gull", "tern", "knot", "ruff"]
random = np.random.default_rng(1)
middle = random.normal(size=(8, 2)).repeat(3, axis=0) * 5 + random.normal(size=(24, 2)) * 1.4
group = np.sort(random.integers(0, 24, n))
spots = (middle[group] + random.normal(size=(n, 2)) * random.uniform(0.2, 0.7, 24)[group, None]).astype(np.float32)
ids = [f"bird-{i:06}" for i in range(n)]
documents = [f"A {kinds[g %% 12]} at the river, entry {i} of the book." for i, g in enumerate(group.tolist())]
metadatas = [{"kind": kinds[g %% 12], "year": 1990 + i %% 35, "weight": float(w), "ringed": i %% 3 == 0,
              "seen": f"20{10 + i %% 14}-{1 + i %% 12:02}-{1 + i %% 28:02}", "stars": 1 + i %% 5,
              "tags": [["a"], ["a", "b"], ["c"]][i %% 3], **({"note": f"n{i %% 45}"} if i %% 4 else {})}
             for i, (g, w) in enumerate(zip(group.tolist(), random.lognormal(3, 1.2, n).tolist()))]
for s in range(0, n, 20_000):
    e = min(n, s + 20_000)
    birds.add(ids=ids[s:e], embeddings=spots[s:e], documents=documents[s:e], metadatas=metadatas[s:e])
drawn = Projection(ids, spots, documents, metadatas, method="umap", collection=birds, name="birds")
"""
)
SHOWN = "b = Workbench(birds, view='map', projection=drawn, height=%d)\nb"


def mapped(notebook, records=1_000, height=620, cell=None, **options):
    """A notebook whose second cell shows the workbench ``b`` with its map."""
    lab = notebook(MAP % records, cell or SHOWN % height, **options)
    lab.open()
    lab.run()
    lab.command("notebook:hide-all-cell-code")
    lab.bench = lab.page.locator(".cw").last
    lab.canvas = lab.bench.locator(".cw-map-over")
    drawn(lab)
    return lab


def part(lab, code):
    """What an expression of the map's part ``map`` is."""
    return lab.bench.evaluate(f"(root) => {{ const map = root.bench.parts.map.part; return {code}; }}")


def drawn(lab):
    """Something is drawn."""
    lab.page.wait_for_function("document.querySelector('.cw')?.bench?.parts.map.part?.stats.draws > 0")


def painted(lab, **box):
    """How many pixels of the map have something on them."""
    return lab.bench.locator(".cw-map-canvas").first.evaluate(
        """(canvas) => {
          const d = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          let n = 0;
          for (let i = 3; i < d.length; i += 4) if (d[i] > 8) n++;
          return n;
        }"""
    )


def at(lab, row):
    """Where a row of the map is on the page."""
    x, y = part(lab, f"map.spot({row})")
    box = lab.canvas.bounding_box()
    return box["x"] + x, box["y"] + y


def around(lab, x, y, size, key="Shift"):
    """Drag around a place."""
    mouse = lab.page.mouse
    lab.page.keyboard.down(key)
    mouse.move(x - size, y - size)
    mouse.down()
    for dx, dy in [(1, -1), (1, 1), (-1, 1)]:
        mouse.move(x + size * dx, y + size * dy, steps=3)
    mouse.up()
    lab.page.keyboard.up(key)


def ready(lab, condition):
    """Wait until ``condition`` of the map's part ``map`` and of the state ``now`` is true."""
    lab.page.wait_for_function(
        "(() => { const root = document.querySelector('.cw').bench, map = root.parts.map.part, now = root.store.get();"
        f" return {condition}; }})()"
    )


def test_a_lasso_selects_and_the_wheel_is_the_page_s_until_it_is_asked_for(notebook):
    lab = mapped(notebook)
    ready(lab, "map.look().names.length > 3")
    assert painted(lab) > 2_000
    x, y = at(lab, 0)
    around(lab, x, y, 30)
    ready(lab, "now._selected > 0")
    assert lab.evaluate("'bird-000000' in b.selection") == "True"
    assert 1 < int(lab.evaluate("len(b.selection)")) < 1_000
    lab.bench.get_by_role("button", name="Only these").click()
    ready(lab, "now.counts.shown === now._selected && map.look().dimmed")
    assert lab.evaluate("set(b.ids()) == set(b.selection)") == "True"
    lab.bench.get_by_role("button", name="shown ✕").click()
    ready(lab, "now.counts.shown === 1000 && !map.look().dimmed")
    lab.page.mouse.move(5, 5)
    lab.page.mouse.move(x, y)
    zoom = "map.look().view.zoom"
    lab.page.mouse.wheel(0, -100)
    lab.bench.locator(".cw-map-hint").wait_for()
    assert part(lab, zoom) == 1
    lab.page.keyboard.down("Control")
    lab.page.mouse.wheel(0, -100)
    lab.page.keyboard.up("Control")
    ready(lab, f"{zoom} > 1")
    lab.bench.get_by_role("button", name="Fit").click()
    ready(lab, f"{zoom} === 1")
    lab.canvas.focus()
    for key in ("z", "0", "+", "ArrowLeft", "Escape"):
        lab.page.keyboard.press(key)
    ready(lab, f"now._selected === 0 && {zoom} > 1")


def test_a_point_tells_its_record_and_opens_it(notebook):
    lab = mapped(notebook)
    # A record that lies alone: no other is nearer to where it is.
    row = int(
        lab.evaluate("int(np.argmax(np.partition(((spots[:, None] - spots[None]) ** 2).sum(2), 1, axis=1)[:, 1]))")
    )
    lab.page.mouse.move(*at(lab, row))
    lab.bench.locator(".cw-map-tip").get_by_text(f"bird-{row:06}", exact=True).wait_for()
    lab.page.mouse.click(*at(lab, row))
    ready(lab, f"now.record === 'bird-{row:06}'")


def test_colours_filters_and_hits_are_seen_in_light_and_dark(notebook):
    pytest.importorskip("axe_playwright_python", reason="axe is not installed: pip install axe-playwright-python")
    from test_accessibility import nothing_is_wrong_in_either_theme

    lab = mapped(notebook)
    before = painted(lab)
    lab.bench.get_by_label("Colour").select_option("kind")
    lab.bench.locator(".cw-map-entry").get_by_text("heron").click()
    ready(lab, "root.parts.map.host.querySelectorAll('[aria-pressed=true][data-code]').length === 1")
    assert lab.evaluate("b.colour") == "'kind'"
    lab.evaluate("setattr(b, 'where', {'stars': 3})")
    ready(lab, "map.look().dimmed")
    assert painted(lab) > before / 2
    nothing_is_wrong_in_either_theme(lab, "workbench-map")
    lab.evaluate("setattr(b, 'where', None)")
    ready(lab, "!map.look().dimmed")


def test_what_was_seen_last_is_what_the_saved_notebook_shows(notebook):
    """Also as a page made of it, by nbconvert, which runs nothing."""
    nbconvert = pytest.importorskip("nbconvert")
    lab = mapped(notebook)
    lab.bench.get_by_label("Colour").select_option("kind")
    lab.bench.locator(".cw-facet", has_text="stars").first.get_by_text("3", exact=True).first.click()
    ready(lab, "map.look().dimmed")
    lab.bench.get_by_role("button", name="Zoom in").click()
    saved = ""
    until = time.monotonic() + 30
    while "where=" not in saved and time.monotonic() < until:
        time.sleep(0.5)
        lab.save()
        cells = json.loads(lab.path.read_text(encoding="utf-8"))["cells"]
        saved = "".join("".join(output["data"].get("text/html", "")) for output in cells[1]["outputs"])
    assert "where={&#x27;stars&#x27;: " in saved
    assert saved.count("data:image/svg+xml") == 1
    assert lab.page.locator(".jp-OutputArea-output img").count() == 1
    assert not lab.page.locator(".jp-OutputArea-output img").first.is_visible()
    page, _ = nbconvert.HTMLExporter().from_filename(str(lab.path))
    assert "where={'stars': " in html.unescape(page)
    assert len(json.dumps(cells[1]["outputs"])) < 300_000


def test_names_lie_beside_what_they_name(notebook):
    lab = mapped(notebook)
    ready(lab, "map.look().names.length > 3")
    on = lab.bench.evaluate(
        """(root) => {
          const map = root.bench.parts.map.part, { names, count } = map.look();
          const spots = Array.from({ length: count }, (_, i) => map.spot(i));
          const on = ([x, y], [left, top, right, bottom]) => x > left && x < right && y > top && y < bottom;
          return names.map(({ box }) => spots.filter((spot) => on(spot, box)).length);
        }"""
    )
    assert sum(count == 0 for count in on) >= len(on) - 1


def test_regions_are_named_by_their_parts_from_near_a_click_selects_and_a_double_click_renames(notebook):
    lab = mapped(notebook, 6_000, cell="b = Workbench(birds, readonly=False, view='map', projection=drawn)\nb")
    ready(lab, "map.look().names.some((one) => one.level === 0)")
    assert part(lab, "map.look().names.every((one) => one.level === 0)")
    lab.evaluate("setattr(b.selection, 'ids', [i for i, r in zip(ids, b.projection.labels.clusters) if r == 0])")
    ready(lab, "now._selected > 500")
    lab.bench.get_by_role("button", name="To selection").click()
    ready(lab, "map.look().names.some((one) => one.level === 1)")
    lab.evaluate("b.selection.clear()")
    ready(lab, "now._selected === 0")

    def middle():
        left, top, right, bottom = part(lab, "map.look().names.find((one) => one.level === 1).box")
        box = lab.canvas.bounding_box()
        return box["x"] + (left + right) / 2, box["y"] + (top + bottom) / 2

    number = part(lab, "map.look().names.find((one) => one.level === 1).number")
    lab.page.mouse.click(*middle())
    ready(lab, "now._selected > 0")
    inside = f"int((b.projection.labels.parts.clusters == {number}).sum())"
    assert lab.evaluate(f"len(b.selection) == {inside}") == "True"
    lab.evaluate("b.selection.clear()")
    ready(lab, "now._selected === 0")
    zoom = part(lab, "map.look().view.zoom")
    lab.page.mouse.dblclick(*middle())
    field = lab.bench.locator(".cw-map-rename")
    field.fill("night birds")
    field.press("Enter")
    ready(lab, f"map.look().names.some((one) => one.number === {number} && one.text === 'night birds')")
    assert lab.evaluate(f"b.projection.labels.parts.names[{number}]") == "'night birds'"
    assert part(lab, "map.look().view.zoom") == zoom
    assert lab.evaluate("len(b.selection)") == "0"
    version = part(lab, "map.look().version")
    lab.evaluate("b.refresh()")
    ready(lab, f"map.look().version !== {version} && map.look().names.some((one) => one.text === 'night birds')")
    lab.canvas.focus()
    lab.page.keyboard.press("F2")
    field.press("Escape")
    field.wait_for(state="detached")
