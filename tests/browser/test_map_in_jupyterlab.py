"""The map by plotly in a real JupyterLab: a lasso is followed by Python and by the table, and the other way round."""

import ast
import json
import re

import pytest

pytestmark = pytest.mark.browser
#: Milliseconds that a slow browser may take.
PATIENCE = 120_000

SETUP = """
import numpy as np, chroma_nb
random = np.random.default_rng(0)
topics = ["whale ocean", "engine fuel", "piano music", "bread oven", "star galaxy", "court law"]
centres = random.normal(size=(6, 32)) * 4
group = np.arange(1200) % 6
collection = chroma_nb.EphemeralClient().create_collection("map-of-topics", embedding_function=None)
attack = "<img src=x onerror=\\"window.attacked=1\\"><script>window.attacked=1</script>"
collection.add(
    ids=[f"id{n}" if n else attack for n in range(1200)],
    embeddings=(centres[group] + random.normal(size=(1200, 32))).astype("f4"),
    documents=[f"about {topics[g]}, number {n}" if n > 5 else attack for n, g in enumerate(group)],
    metadatas=[{"topic": topics[g] if n > 5 else attack, "year": 1990 + int(n % 30)} for n, g in enumerate(group)],
)
heard = []
"""
EXPLORE = """
explorer = chroma_nb.explore(collection, "pca", color="topic", renderer="plotly")
explorer.selection.on_select(lambda selection: heard.append(len(selection)))
explorer
"""
DRAWN = """count => {
  const map = document.querySelector('.js-plotly-plot');
  const points = (map?._fullData ?? []).filter(trace => trace.type === 'scattergl');
  return points.reduce((sum, trace) => sum + (trace._length ?? 0), 0) >= count;
}"""

PICKED = "document.querySelector('.js-plotly-plot').data.reduce((sum, t) => sum + (t.selectedpoints ?? []).length, 0)"
OUTLINES = "(document.querySelector('.js-plotly-plot').layout.selections ?? []).length"
MIDDLE = """(() => {
  const map = document.querySelector('.js-plotly-plot'), trace = map._fullData[2], {xaxis, yaxis} = map._fullLayout;
  return {x: xaxis.l2p(trace.x[0]), y: yaxis.l2p(trace.y[0])};
})()"""


def lasso(lab, left=0.0, right=0.5):
    """Draw around a part of the map, in shares of its width."""
    area = lab.page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    x = [area["x"] + area["width"] * share for share in (left, right)]
    y = [area["y"] + 3, area["y"] + area["height"] - 3]
    lab.page.mouse.move(x[0] + 3, y[0])
    lab.page.mouse.down()
    for corner in ((x[1], y[0]), (x[1], y[1]), (x[0] + 3, y[1]), (x[0] + 3, y[0])):
        lab.page.mouse.move(*corner, steps=4)
    lab.page.mouse.up()


def selected(lab):
    """How many of the 1,200 records a lasso chose: the table and Python say the same."""
    caption = lab.page.locator("caption", has_text="records selected")
    caption.wait_for()
    chosen = int(lab.evaluate("len(explorer.selection)"))
    assert 0 < chosen < 1200
    assert caption.inner_text() == f"{chosen:,} of 1,200 records selected"
    assert lab.evaluate("heard") == f"[{chosen}]"
    return chosen


def test_a_lasso_is_followed_by_the_table_and_by_python(notebook):
    lab = notebook(SETUP, EXPLORE, height=1500)
    lab.open()
    lab.run()
    lab.page.wait_for_function(DRAWN, arg=1200)
    lab.shot("map")
    lasso(lab)
    chosen = selected(lab)
    x = "explorer.projection.to_df().set_index('id').x"
    ordered = lab.evaluate(
        f"bool({x}[list(explorer.selection.ids)].max() < {x}.drop(list(explorer.selection.ids)).min())"
    )
    assert ordered == "True"
    assert lab.evaluate("len(explorer.selection.to_df())") == str(chosen)
    lab.shot("map-lasso")

    lab.page.get_by_label("Mark").select_option(index=[1, 2])
    lab.page.get_by_text("Record id", exact=False).first.wait_for()
    lab.page.get_by_role("button", name="Select only marked").click()
    lab.page.locator("caption", has_text="2 of 1,200 records selected").wait_for()
    lab.page.wait_for_function(f"{PICKED} === 2")
    lab.page.wait_for_function(f"{OUTLINES} === 0")
    assert lab.evaluate("heard") == f"[{chosen}, 2]"

    lab.page.get_by_label("Colour").select_option("year")
    lab.page.locator(".js-plotly-plot .colorbar").wait_for()
    lab.page.wait_for_function(f"{PICKED} === 2")
    assert lab.evaluate("explorer.state.color") == "'year'"
    assert lab.page.evaluate("window.attacked") is None
    lab.dark()
    lab.shot("map-dark")


#: Of the plot, and of the room that there is for it: all of the output beside the record.
WIDTHS = """(() => {
  const map = document.querySelector('.js-plotly-plot'), inside = getComputedStyle(map.closest('.chroma-nb-explorer'));
  const room = map.closest('.chroma-nb-explorer').clientWidth - 2 * parseFloat(inside.paddingLeft);
  return {plot: map._fullLayout.width, drawn: map.querySelector('svg').clientWidth, room};
})()"""

BESIDE = "(({plot, drawn, room}) => Math.abs(plot - drawn) < 1 && Math.abs(plot - room + 312) < 2)"


def test_the_map_is_as_wide_as_the_notebook_and_a_lasso_means_the_same_after_resizing(notebook):
    lab = notebook(SETUP, EXPLORE, height=1100, width=1400)
    lab.open()
    lab.run()
    lab.page.wait_for_function(DRAWN, arg=1200)
    for width in (1400, 900, 1200):
        lab.page.set_viewport_size({"width": width, "height": 1100})
        near = "Math.abs(plot - drawn) < 1 && Math.abs(plot - room) < 1"
        fits = f"(({{plot, drawn, room}}) => {near} && plot < {width} && plot + 250 > {width})"
        lab.page.wait_for_function(f"{fits}({WIDTHS})")
        lab.shot(f"map-{width}")
        lab.evaluate("explorer.selection.clear()")
        lab.page.wait_for_function(f"{OUTLINES} === 0")
        lasso(lab, 0, 0.5)
        lab.page.wait_for_function(f"{OUTLINES} === 1")
        lab.page.locator("caption", has_text="records selected").wait_for()
        drawn = lab.page.evaluate("document.querySelector('.js-plotly-plot').layout.selections[0].path")
        x = [float(corner.split(",")[0]) for corner in re.findall("[-0-9.e]+,[-0-9.e]+", drawn)]
        spots = "explorer.projection.to_df().set_index('id').x"
        caught = lab.evaluate(f"set({spots}[{spots} < {max(x)!r}].index) == set(explorer.selection.ids)")
        assert caught == "True"
        lab.evaluate(f"explorer.state.paint({'year' if width == 1400 else 'topic'!r})")
    lab.evaluate("explorer.state.look_at(['id7'])")  # beside the map
    lab.page.wait_for_function(f"{BESIDE}({WIDTHS})")


def test_what_python_chooses_is_in_the_lists_and_boxes(notebook):
    lab = notebook(SETUP, EXPLORE, height=1500)
    lab.open()
    lab.run()
    lab.page.wait_for_function(DRAWN, arg=1200)
    chosen = """([name, text]) => [...document.querySelectorAll('.chroma-nb-explorer select')].some(one =>
      one.closest('.jupyter-widgets').textContent.startsWith(name)
      && one.selectedOptions[0]?.text.replaceAll('\\u00a0', ' ') === text)"""
    lab.evaluate("explorer.state.paint('year', 'year')")
    for name in ("Colour", "Size"):
        lab.page.wait_for_function(chosen, arg=[name, "year"])
    lab.page.locator(".js-plotly-plot .colorbar").wait_for()
    lab.evaluate("explorer.state.paint({'id7': 'mine', 'id8': 'yours'})")
    lab.page.wait_for_function(chosen, arg=["Colour", "own values"])
    lab.page.wait_for_function(chosen, arg=["Size", "equal"])
    lab.page.get_by_label("Colour").select_option("regions")
    lab.page.wait_for_function(chosen, arg=["Colour", "regions"])
    assert lab.evaluate("explorer.state.color") == "'label'"


def test_a_lasso_that_python_answers_at_once_leaves_what_python_chose(notebook):
    lab = notebook(SETUP, EXPLORE, height=1500)
    lab.open()
    lab.run()
    lab.page.wait_for_function(DRAWN, arg=1200)
    lab.evaluate("explorer.selection.on_select(lambda s: s.select(['id7', 'id8', 'id9'])) and None")
    lasso(lab)
    lab.page.locator("caption", has_text="3 of 1,200 records selected").wait_for()
    lab.page.wait_for_function(f"{PICKED} === 3 && {OUTLINES} === 0")
    assert lab.evaluate("explorer.selection.ids") == "('id7', 'id8', 'id9')"


def test_a_double_click_takes_the_selection_away(notebook):
    lab = notebook(SETUP, EXPLORE, height=1500)
    lab.open()
    lab.run()
    lab.page.wait_for_function(DRAWN, arg=1200)
    lasso(lab)
    lab.page.locator("caption", has_text="records selected").wait_for()
    area = lab.page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    x, y = (lab.page.evaluate(f"{MIDDLE}.{axis}") for axis in "xy")
    lab.page.mouse.dblclick(area["x"] + x, area["y"] + y)  # on a point: a click is told, too
    lab.page.get_by_text("Draw around points on the map").wait_for()
    assert lab.evaluate("explorer.selection.ids") == "()"
    lab.page.wait_for_function(f"{PICKED} === 0 && {OUTLINES} === 0")


LATER = "explorer.state.paint('year')\nexplorer.selection.ids = ['id7', 'id8']"
#: anywidget gives a widget two seconds, and then drops what Python says to it; here it gives it none.
NO_TIME = "const timeout = AbortSignal.timeout.bind(AbortSignal); AbortSignal.timeout = () => timeout(0);"
GIVEN_UP = "Failed to initialize model"


def follows_python_and_the_person(lab):
    lab.page.wait_for_function(DRAWN, arg=1200)
    lab.page.locator(".js-plotly-plot .colorbar").wait_for()
    lab.page.wait_for_function(f"{PICKED} === 2")
    lab.evaluate("setattr(explorer.selection, 'ids', ['id7', 'id8', 'id9'])")
    lab.page.wait_for_function(f"{PICKED} === 3")
    lab.evaluate("explorer.state.paint('topic')")
    lab.page.locator(".js-plotly-plot .legend").wait_for()
    lasso(lab)
    lab.page.wait_for_function(f"{OUTLINES} === 1")
    lab.page.locator("caption", has_not_text="3 of 1,200 records selected").and_(
        lab.page.locator("caption", has_text="records selected")
    ).wait_for()
    caught = lab.page.evaluate(PICKED)
    assert 0 < caught < 1200
    assert lab.evaluate("len(explorer.selection)") == str(caught)


def test_a_map_that_anywidget_has_given_up_lives_all_the_same(notebook):
    lab = notebook(SETUP, EXPLORE, LATER, height=1500, alone=True)
    lab.page.add_init_script(NO_TIME)
    lab.open()
    lab.run()
    follows_python_and_the_person(lab)
    assert any(GIVEN_UP in error for error in lab.errors)
    lab.errors[:] = [error for error in lab.errors if GIVEN_UP not in error]


@pytest.mark.long
def test_a_slow_browser_gets_what_was_said_before_it_was_ready(notebook):
    """plotly.js needs many seconds here, and the map is painted anew meanwhile."""
    lab = notebook(SETUP, EXPLORE, LATER, height=1500, alone=True)
    lab.open()
    slow = lab.page.context.new_cdp_session(lab.page)
    slow.send("Emulation.setCPUThrottlingRate", {"rate": 12})
    lab.run()
    lab.page.wait_for_function(DRAWN, arg=1200, timeout=PATIENCE)
    slow.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    follows_python_and_the_person(lab)
    lab.errors[:] = [error for error in lab.errors if GIVEN_UP not in error]  # as slow as that, or not quite


def test_a_page_that_is_loaded_again_shows_the_map_as_it_is_now(notebook):
    lab = notebook(SETUP, EXPLORE, height=1500)
    lab.open()
    lab.run()
    lab.page.wait_for_function(DRAWN, arg=1200)
    lab.evaluate("explorer.state.paint('year')")
    lab.evaluate("setattr(explorer.selection, 'ids', ['id7', 'id8'])")
    lab.page.locator(".js-plotly-plot .colorbar").wait_for()
    lab.save()
    lab.page.wait_for_function("!window.jupyterapp.shell.currentWidget.context.model.dirty")
    lab.load()
    lab.page.locator(".js-plotly-plot .colorbar").wait_for()
    lab.page.wait_for_function(f"{PICKED} === 2")


def test_python_is_followed_by_the_map_and_deleting_asks_first(notebook):
    lab = notebook(SETUP, EXPLORE, height=1500)
    lab.open()
    lab.run()
    lab.page.wait_for_function(DRAWN, arg=1200)
    lab.evaluate("setattr(explorer.selection, 'ids', ['id7', 'id8', 'id9'])")
    lab.page.locator("caption", has_text="3 of 1,200 records selected").wait_for()
    lab.page.wait_for_function(f"{PICKED} === 3")
    lab.page.get_by_role("button", name="Delete selection").click()
    yes = lab.page.get_by_role("button", name="Yes, delete 3")
    yes.wait_for()
    assert lab.evaluate("collection.count()") == "1200"
    yes.click()
    lab.page.get_by_text("Deleted 3 records.").wait_for()
    assert lab.evaluate("collection.count()") == "1197"
    assert ast.literal_eval(lab.evaluate("explorer.selection.ids")) == ()
    lab.page.get_by_role("button", name="Undo").click()
    lab.page.get_by_text("Undone: deletion of 3 records.").wait_for()
    assert lab.evaluate("collection.count()") == "1200"
    lab.page.wait_for_function(f"{PICKED} === 3")


def test_the_saved_notebook_shows_the_map_without_a_kernel(notebook, jupyter):
    lab = notebook(SETUP, EXPLORE, height=1500)
    lab.open()
    lab.run()
    lab.page.wait_for_function(DRAWN, arg=1200)
    assert not lab.page.locator("img[alt^='Map of 1,200 records']").is_visible()
    lab.save()
    lab.page.wait_for_function("!window.jupyterapp.shell.currentWidget.context.model.dirty")
    saved = json.loads(lab.path.read_text())
    shown = "".join(saved["cells"][1]["outputs"][1]["data"]["text/plain"])
    assert shown == "<Explorer of 'map-of-topics': 1,200 records>"
    lab.page.context.clear_cookies()
    jupyter.end_kernels()
    again = notebook(name=lab.name)
    again.page.goto(f"{jupyter.url}/doc/tree/{lab.name}?reset")
    again.page.locator("img[alt^='Map of 1,200 records']").wait_for()
    assert again.page.evaluate("window.attacked") is None
    again.shot("map-saved")
    again.errors.clear()  # JupyterLab itself says that the widget's model is gone


LARGE = """
explorer = chroma_nb.explore(collection, "pca", color="topic", renderer="scatter")
explorer.selection.on_select(lambda selection: heard.append(len(selection)))
explorer
"""


def test_a_lasso_on_a_large_map_is_followed_by_the_table_and_by_python(notebook):
    pytest.importorskip("jscatter", reason="jupyter-scatter is not installed: pip install jupyter-scatter")
    lab = notebook(SETUP, LARGE, height=1500)
    lab.open()
    lab.run()
    area = lab.page.locator(".chroma-nb-explorer canvas").first
    area.wait_for()
    legend = lab.page.locator(".chroma-nb-explorer .legend")
    legend.get_by_text("whale ocean").wait_for()
    box = area.bounding_box()
    corners = [(0.1, 0.02), (0.5, 0.02), (0.5, 0.98), (0.1, 0.98), (0.1, 0.04)]
    spots = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in corners]
    lab.page.mouse.move(*spots[0])
    lab.page.mouse.down()
    for spot in spots[1:]:
        lab.page.mouse.move(*spot, steps=10)
    lab.page.mouse.up()
    chosen = selected(lab)
    left = "explorer.projection.to_df().set_index('id').x"
    ordered = f"bool({left}[list(explorer.selection.ids)].max() < {left}.drop(list(explorer.selection.ids)).min())"
    assert lab.evaluate(ordered) == "True"

    lab.page.get_by_label("Mark").select_option(index=[1])
    lab.page.get_by_text("Record id", exact=False).first.wait_for()
    for color, size in (("year", "year"), ("one colour", "equal"), ("topic", "year")):
        lab.page.get_by_label("Colour").select_option(color)
        lab.page.get_by_label("Size").select_option(size)
    legend.get_by_text("2019").first.wait_for()
    assert lab.evaluate("len(explorer.selection)") == str(chosen)
    lab.dark()
    lab.shot("map-large-dark")
    clear = "[...document.querySelectorAll('.chroma-nb-explorer canvas')].every(one => "
    clear += "getComputedStyle(one.parentElement).backgroundColor.endsWith(', 0)'))"
    assert lab.page.evaluate(clear)
    assert lab.page.evaluate("window.attacked") is None
    lab.evaluate("explorer.selection.clear()")
    lab.page.get_by_text("Draw around points on the map").wait_for()
