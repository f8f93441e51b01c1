"""``browse`` and ``explore`` in a real JupyterLab: a client, a saved notebook, hostile texts; and their pictures."""

import ast
from pathlib import Path

import pytest
from letters import LETTERS

pytestmark = pytest.mark.browser

TUTORIALS = Path(__file__).parents[2] / "notebooks"

BIRDS = (
    LETTERS
    + """
kinds, places = ["wren", "heron", "swift", "kestrel", "nightjar"], ["river", "meadow", "old town", "north shore"]
birds.add(ids=[f"bird-{i:03}" for i in range(200)],
          documents=[f"A {kinds[i % 5]} seen at the {places[i * 7 % 4]}." for i in range(200)],
          metadatas=[{"kind": kinds[i % 5], "year": 1990 + i % 35} for i in range(200)])
"""
)

#: The nouns of the tutorials, whose embeddings are there already; questions are embedded by the real model.
NOUNS = f"""
import numpy as np, pandas as pd
import chroma_nb

nouns = pd.read_csv({str(TUTORIALS / "data" / "wordnet-nouns.csv")!r})
client = chroma_nb.EphemeralClient()
words = client.create_collection("words")
words.add(ids=nouns["id"].tolist(), documents=(nouns["word"] + ": " + nouns["definition"]).tolist(),
          metadatas=nouns[["word", "category", "meanings"]].to_dict("records"),
          embeddings=np.load({str(TUTORIALS / "data" / "wordnet-nouns.f16.npy")!r}).astype("f4"))
"""


def shown(notebook, *cells, **options):
    """A notebook whose last cell shows a workbench ``b``, its code folded away."""
    lab = notebook(*cells, **options)
    lab.open()
    lab.run()
    lab.command("notebook:hide-all-cell-code")
    lab.bench = lab.page.locator(".cw").last
    lab.bench.wait_for()
    return lab


def seen(lab, condition):
    """Wait until ``condition`` of the state ``now`` and of the map's part ``map`` is true."""
    lab.page.wait_for_function(
        "(() => { const root = document.querySelector('.cw').bench, map = root.parts.map.part, now = root.store.get();"
        f" return {condition}; }})()",
        timeout=120_000,
    )


def test_a_client_shows_its_collections_and_opens_one(notebook):
    lab = notebook(BIRDS, "b = chroma_nb.browse(client, readonly=False)\nb")
    lab.open()
    lab.run()
    lab.page.get_by_label("Collection", exact=True).select_option("birds (200)")
    lab.page.locator("button:text-is('Open')").click()
    lab.page.locator(".cw-row-of .cw-id").first.get_by_text("bird-000").wait_for()
    lab.shot("browser-client")
    assert lab.evaluate("(len(b.browser.ids()), b.browser.readonly)") == "(200, False)"


def test_a_saved_notebook_shows_records_and_map_without_a_kernel(notebook, jupyter):
    lab = shown(notebook, BIRDS, "chroma_nb.browse(birds)", "b = chroma_nb.explore(birds, 'pca', color='kind')\nb")
    seen(lab, "now.counts !== null")
    picture = lab.page.locator("img[alt^='Map of 200 records']")
    assert picture.count() == 1
    assert not picture.is_visible()
    lab.save()
    lab.page.close()
    jupyter.end_kernels()
    again = notebook(name=lab.name, height=1_600)
    again.open()
    again.page.locator("img[alt^='Map of 200 records']").wait_for()
    assert again.page.get_by_role("table").first.locator("tbody tr").count() == 20
    assert again.page.locator(".cw").count() == 0
    again.shot("workbench-reopened")


HOSTILE = """
evil = "<img src=x onerror=window.hacked=1><script>window.hacked=2</script>"
trap = "x' onfocus='window.hacked=3' autofocus='"
quote = '"><svg onload=window.hacked=4>'
texts = [evil, trap, quote, "\\u202eevil\\x1b[31m", "שלום, עולם!", "$x$ from $5 to $6"]
traps = client.create_collection("traps", metadata={evil: evil}, embedding_function=Letters())
traps.add(ids=texts, documents=texts, uris=texts, embeddings=Letters()(texts),
          metadatas=[{"k": one, "k" + one: quote, "tags": [one, "b"]} for one in texts])
b = chroma_nb.explore(traps, "pca", color="k")
b
"""


def test_hostile_texts_do_nothing_in_any_part(notebook, jupyter):
    lab = shown(notebook, LETTERS, HOSTILE, height=1_400)
    seen(lab, "map.look().count === 6 && root.parts.map.host.querySelectorAll('.cw-map-entry').length >= 6")
    lab.bench.locator(".cw-part-facets").get_by_text("<script>").first.wait_for()
    lab.evaluate("setattr(b, 'record', evil)")
    lab.bench.locator(".cw-part-record").get_by_text("Nearest records").wait_for()
    for text in ("evil", "<img src=x onerror=window.hacked=5>"):
        lab.bench.get_by_role("searchbox", name="Search").fill(text)
        seen(lab, f"now.search?.text === '{text}' && now.counts.shown < 7")
    lab.shot("workbench-hostile")
    nothing_ran(lab.page)
    lab.save()
    lab.page.close()
    jupyter.end_kernels()
    reopened = notebook(name=lab.name)
    reopened.open()
    reopened.page.locator("img[alt^='Map of 6 records']").wait_for()
    nothing_ran(reopened.page)


def nothing_ran(page):
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x], svg[onload], [autofocus]").count() == 0


def test_the_picture_of_the_documentation(notebook):
    """Light and dark, looked at by people; the kernel and the page agree on what is shown."""
    cell = "b = chroma_nb.browse(words, readonly=False, page_size=18)\nb"
    lab = shown(notebook, NOUNS, cell, height=1_000, width=1_400)
    lab.bench.locator(".cw-value").get_by_text("animal", exact=True).click()
    seen(lab, "now.where !== null")
    field = lab.bench.get_by_role("searchbox", name="Search")
    field.fill("a bird that hunts other animals")
    seen(lab, "now.search !== null && now.counts.shown < 300")
    lab.evaluate("[setattr(b, 'record', b.ids()[0]), setattr(b.selection, 'ids', b.ids()[1:3])] and None")
    lab.bench.locator(".cw-part-record").get_by_text("Nearest records").wait_for()
    seen(lab, "now._selected === 2")
    lab.page.mouse.move(5, 5)
    ids = lab.bench.locator(".cw-row-of:not([hidden])").evaluate_all(
        "rows => rows.sort((a, b) => a.dataset.row - b.dataset.row).map(row => row.querySelector('.cw-id').textContent)"
    )
    assert ids[:5] == ast.literal_eval(lab.evaluate("b.ids()[:5]"))
    lab.bench.screenshot(path=lab.shot("browser-light").with_name("browser.png"))
    lab.dark()
    lab.shot("browser-dark")
    lab.light()
    lab.page.set_viewport_size({"width": 800, "height": 1_000})
    lab.shot("browser-800")


def test_the_picture_of_the_map(notebook):
    """UMAP takes the place of PCA while one looks; hits of a search are numbered; looked at by people."""
    cell = 'b = chroma_nb.explore(words, "umap", color="category", height=760)\nb'
    lab = shown(notebook, NOUNS, cell, height=1_000, width=1_400)
    seen(lab, "map.look().count === 2582 && map.look().names.length > 5 && now.counts !== null")
    lab.bench.locator(".cw-map-making").wait_for(state="hidden", timeout=120_000)
    lab.bench.get_by_role("searchbox", name="Search").fill("a bird that hunts other animals")
    seen(lab, "now.search !== null && now.counts.shown < 300 && map.look().hits > 0")
    lab.page.mouse.move(5, 5)
    lab.bench.screenshot(path=lab.shot("map-light").with_name("map-of-words.png"))
    lab.dark()
    lab.shot("map-of-words-dark")
    lab.light()
    lab.page.set_viewport_size({"width": 800, "height": 1_000})
    lab.shot("map-800")


PRICED = """
shop = client.create_collection("shop", embedding_function=None)
texts = ["from $5 to $6", r"a \\(b\\) \\[c\\] $$d$$", "more"]
shop.add(ids=["$x$", "y", "z"], embeddings=[[0, 1], [1, 0], [1, 1]], documents=texts,
         metadatas=[{"was": "$7, now $5"}] * 3)
shop
"""
NOT_MATHEMATICS = """
explorer = chroma_nb.explore(shop, "pca", renderer="plotly")
explorer.selection.ids = ["$x$", "y"]
display(shop.query(query_embeddings=[[0, 1]]), shop.get(), chroma_nb.browse(shop), explorer)
"""


def test_what_stands_between_dollars_is_shown_as_it_is(notebook):
    lab = notebook(LETTERS, PRICED, NOT_MATHEMATICS, "from IPython.display import Math\nMath('x^2')")
    lab.open()
    lab.run()
    formulas = lab.page.locator(".jp-OutputArea-output mjx-container")
    formulas.first.wait_for()  # of the last cell: what is typeset is typeset by then
    lab.page.locator("td", has_text="from $5 to $6").first.wait_for()
    lab.page.locator(".cw-row-of .cw-id").get_by_text("$x$", exact=True).wait_for()
    assert formulas.count() == 1
