"""What axe-core finds wrong for people with disabilities in our outputs in JupyterLab, light and dark.

Our outputs only: JupyterLab's own frame is its own. Left out is the row of buttons that plotly puts over a map, whose
icons are links without an address (plotly's own, and each has a counterpart of ours but zooming and saving a picture).
"""

import pytest
from letters import LETTERS

pytestmark = pytest.mark.browser
pytest.importorskip("axe_playwright_python", reason="axe is not installed: pip install axe-playwright-python")

SETUP = (
    LETTERS
    + """
kinds, places = ["wren", "heron", "swift", "kestrel", "nightjar"], ["river", "meadow", "old town", "north shore"]
texts = [f"A {kinds[i % 5]} seen at the {places[i * 7 % 4]}. " + "It sang. " * (i % 40) for i in range(90)]
metadatas = [{"kind": kinds[i % 5], "year": 1990 + i % 35, "ringed": i % 3 == 0} for i in range(90)]
birds.add(ids=[f"bird-{i}" for i in range(90)], documents=texts, metadatas=metadatas)
"""
)
BROWSE = "shown = chroma_nb.browse(birds, readonly=False)\nshown"
CLIENT = "shown = chroma_nb.browse(client)\nshown.open(client.database, 'birds')\nshown"
EXPLORE = "shown = chroma_nb.explore(birds, 'pca', color='kind', renderer='plotly')\nshown"
STATIC = [
    "birds",
    "client",
    "birds.query(query_texts=['a wren at the river', 'a swift'], where_document={'$contains': 'river'})",
    "birds.get(limit=3)",
]
OURS = ".jp-OutputArea-output"
NOT_OURS = [".modebar-container"]


def violations(page):
    """What axe calls serious or critical, a line each: the rule, what it is about, and where."""
    from axe_playwright_python.sync_playwright import Axe

    # JupyterLab's body has no height and hides what flows over: axe takes all in it for hidden, and passes it.
    page.add_style_tag(content="body { height: 100vh }")
    found = Axe().run(page, {"include": [[OURS]], "exclude": [[one] for one in NOT_OURS]}).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {node['html'][:200]} — {node['failureSummary'].splitlines()[-1].strip()[:160]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def test_the_check_finds_what_is_wrong(notebook):
    lab = notebook("from IPython.display import HTML\nHTML('<input><p style=\"color:#ccc;background:#fff\">faint</p>')")
    lab.open()
    lab.run()
    lab.page.get_by_text("faint", exact=True).wait_for()
    assert {line.partition(":")[0] for line in violations(lab.page)} == {"label", "color-contrast"}


def shown(notebook, *cells):
    lab = notebook(SETUP, *cells, height=2_400)
    lab.open()
    lab.run()
    return lab


def nothing_is_wrong_in_either_theme(lab, name):
    lab.light()
    light = violations(lab.page)
    lab.dark()
    dark = violations(lab.page)
    lab.shot(f"axe-{name}")
    lab.light()
    wrong = [*(f"light: {one}" for one in light), *(f"dark: {one}" for one in dark)]
    assert not wrong, "\n".join(["", *wrong])


def test_the_workbench_of_a_collection(notebook):
    lab = shown(notebook, BROWSE)
    bench = lab.page.locator(".cw").last
    bench.locator(".cw-value").get_by_text("wren", exact=True).click()
    bench.get_by_role("button", name="Words", exact=True).click()
    bench.get_by_role("searchbox", name="Search").fill("river")
    bench.get_by_text("river · words 1", exact=True).wait_for()
    bench.get_by_role("searchbox", name="Search").press("Enter")
    bench.locator(".cw-row-of input").first.check()
    bench.locator(".cw-row-of .cw-id").first.click()
    bench.get_by_text("Nearest records").wait_for()
    bench.get_by_role("button", name="Tag…").click()
    nothing_is_wrong_in_either_theme(lab, "workbench")


def test_the_map_of_the_workbench(notebook):
    lab = shown(notebook, "shown = chroma_nb.explore(birds, 'pca', color='kind')\nshown")
    bench = lab.page.locator(".cw").last
    bench.locator(".cw-map-entry").get_by_text("heron").wait_for()
    lab.evaluate("setattr(shown.selection, 'ids', ['bird-2'])")
    bench.get_by_role("button", name="Only these").wait_for()
    nothing_is_wrong_in_either_theme(lab, "workbench-map-in-front")


def test_the_browser_of_a_client(notebook):
    lab = shown(notebook, CLIENT)
    lab.page.locator(".cw-row-of .cw-id").first.wait_for()
    nothing_is_wrong_in_either_theme(lab, "client")


def test_a_map_by_plotly(notebook):
    lab = shown(notebook, EXPLORE)
    lab.page.locator(".js-plotly-plot .legend").wait_for()
    nothing_is_wrong_in_either_theme(lab, "map-empty")
    assert lab.page.get_by_role("figure", name="Map of birds").is_visible()
    lab.evaluate("shown.search('a swift at the river') and shown.state.look_at(['bird-2'])")
    lab.page.get_by_text("Record bird-2").wait_for()
    lab.page.get_by_role("button", name="Delete selection").click()
    lab.page.get_by_role("button", name="Yes, delete").wait_for()
    nothing_is_wrong_in_either_theme(lab, "map")


def test_what_displays_itself(notebook):
    lab = shown(notebook, *STATIC)
    lab.page.get_by_text("2 hits").or_(lab.page.get_by_text("10 hits")).first.wait_for()
    nothing_is_wrong_in_either_theme(lab, "static")


def test_what_a_saved_notebook_shows(notebook, jupyter):
    lab = shown(notebook, BROWSE, EXPLORE)
    lab.page.locator(".js-plotly-plot .legend").wait_for(state="attached")
    lab.save()
    lab.page.close()
    jupyter.end_kernels()
    again = notebook(name=lab.name, height=2_400)
    again.open()
    again.page.locator("img[alt^='Map of 90 records']").wait_for()
    nothing_is_wrong_in_either_theme(again, "saved")
