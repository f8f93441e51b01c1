"""The browser in a real JupyterLab: what the person does arrives in the kernel, and what the kernel does is seen."""

import ast
from contextlib import contextmanager
from pathlib import Path

import pytest
from letters import LETTERS

pytestmark = pytest.mark.browser

TUTORIALS = Path(__file__).parents[2] / "notebooks"

#: 100,000 records; the embedding function is quick and needs no model.
COLLECTION = (
    LETTERS
    + """
n = %d
kinds, places = ["wren", "heron", "swift", "kestrel", "nightjar"], ["river", "meadow", "old town", "north shore"]
texts = [f"A {kinds[i %% 5]} seen at the {places[i * 7 %% 4]}, the {i + 1}. entry of the field book." for i in range(n)]
metadatas = [{"kind": kinds[i %% 5], "year": 1990 + i %% 35, "ringed": i %% 3 == 0, "weight": round(5 + i %% 97 / 7, 2)}
             for i in range(n)]
vectors = np.random.default_rng(0).random((n, 8), dtype=np.float32)
for s in range(0, n, 10_000):
    e = min(s + 10_000, n)
    birds.add(ids=[f"bird-{i:06}" for i in range(s, e)], embeddings=vectors[s:e], documents=texts[s:e],
              metadatas=metadatas[s:e])
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


def browsing(notebook, cell="b = chroma_nb.browse(birds, readonly=False)\nb", records=1_000, before=None, **options):
    """A notebook whose second cell shows the browser ``b``, its code folded away."""
    lab = notebook(before or COLLECTION % records, cell, **options)
    lab.open()
    lab.run()
    lab.command("notebook:hide-all-cell-code")
    # By text: the icon of a button is a character of its accessible name.
    lab.button = lambda name: lab.page.locator(f"button:text-is('{name}')")
    lab.button("Next").wait_for()
    return lab


def fill(lab, label, text):
    box = lab.page.get_by_label(label, exact=True)
    box.fill(text)
    box.press("Enter")


def sees(lab, text):
    lab.page.locator(".chroma-nb-browser").get_by_text(text, exact=True).first.wait_for()


def test_a_hundred_thousand_records_are_paged_filtered_and_searched(notebook):
    lab = browsing(notebook, records=100_000, height=1_150)
    sees(lab, "1–20 of 100,000")
    lab.button("Next").click()
    sees(lab, "21–40 of 100,000")
    assert lab.evaluate("b.page.ids[0]") == "'bird-000020'"
    lab.page.get_by_title("Last page").click()
    sees(lab, "99,981–100,000 of 100,000")
    fill(lab, "Page", "2500")
    sees(lab, "49,981–50,000 of 100,000")
    assert lab.page.locator(".chroma-nb-grid tbody tr").count() == 20

    lab.button("Add filter").click()
    lab.page.get_by_label("Key", exact=True).select_option("kind")
    operand = lab.page.get_by_label("Value", exact=True)
    operand.fill("wren")
    operand.press("Enter")
    sees(lab, "1–20 of 20,000")
    assert lab.page.get_by_label("Filter as Python").input_value() == "where={'kind': {'$eq': 'wren'}}"
    assert lab.evaluate("b.where") == "{'kind': {'$eq': 'wren'}}"

    fill(lab, "In document", "north shore")
    sees(lab, "1–20 of 1,000 or more")
    fill(lab, "By meaning", "a wren near the north shore")
    lab.page.get_by_text("the 200 nearest").wait_for()
    assert lab.page.locator(".chroma-nb-grid mark").first.is_visible()
    assert lab.evaluate("b.page.distances == sorted(b.page.distances) and len(b.page.distances)") == "20"
    lab.shot("browser-search")

    lab.button("Clear").click()
    sees(lab, "1–20 of 100,000")
    lab.button("year").click()
    lab.button("year ▲").click()
    lab.button("year ▼").wait_for()
    assert lab.evaluate("{m['year'] for m in b.page.metadatas}") == "{2024}"
    assert lab.page.locator(".chroma-nb-grid th[aria-sort=descending]").text_content() == "year"


def test_a_record_is_edited_deleted_and_brought_back(notebook):
    lab = browsing(notebook, height=1_600)
    lab.button("bird-000003").click()
    lab.page.get_by_text("Nearest records").wait_for()
    document = lab.page.locator(".chroma-nb-panel").get_by_label("Document", exact=True)
    assert document.input_value() == "A kestrel seen at the meadow, the 4. entry of the field book."
    document.fill("It was a merlin after all.")
    lab.button("Save").click()
    lab.page.get_by_text("Saved: edit of").wait_for()
    assert lab.evaluate("birds.get('bird-000003')['documents']") == "['It was a merlin after all.']"
    assert lab.page.locator(".chroma-nb-grid td", has_text="It was a merlin after all.").count() == 1
    embedded = "np.allclose(birds.get('bird-000003', include=['embeddings'])['embeddings'], Letters()(%s))"
    assert lab.evaluate(embedded % "['It was a merlin after all.']") == "True"
    lab.shot("browser-edit")
    lab.button("Undo").click()
    lab.page.get_by_text("Taken back: edit of").wait_for()
    assert "kestrel" in lab.evaluate("birds.get('bird-000003')['documents'][0]")

    for number in ("000001", "000005"):
        lab.page.get_by_role("checkbox", name=f"Select bird-{number}", exact=True).check()
    lab.page.get_by_text("2 selected").wait_for()
    assert lab.evaluate("b.selection.ids") == "('bird-000001', 'bird-000005')"
    lab.button("Delete selected…").click()
    assert lab.evaluate("birds.count()") == "1000"
    lab.button("Yes, delete 2").click()
    sees(lab, "1–20 of 998")
    lab.button("Undo").click()
    sees(lab, "1–20 of 1,000")
    assert lab.evaluate("sorted(birds.get(['bird-000001', 'bird-000005'])['ids'])") == "['bird-000001', 'bird-000005']"


def test_what_is_typed_before_the_suggestions_have_come_stays(notebook):
    lab = browsing(notebook)
    lab.button("Add filter").click()
    key, operand = lab.page.get_by_label("Key", exact=True), lab.page.get_by_label("Value", exact=True)
    key.wait_for()
    with kernel_busy(lab):
        key.select_option("year")
        operand.press_sequentially("20")
    lab.page.locator("datalist option[value='2020']").wait_for(state="attached")
    assert operand.input_value() == "20"
    operand.press_sequentially("20")
    operand.press("Enter")
    sees(lab, "1–20 of 28")
    assert lab.evaluate("b.where") == "{'year': {'$eq': 2020}}"


@contextmanager
def kernel_busy(lab):
    """The kernel hears of nothing that happens in here before the end of it."""
    end = lab.path.with_suffix(".end")
    code = f"import os\nwhile not os.path.exists({str(end)!r}): pass"
    lab.page.evaluate(
        "code => { window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code}); }", code
    )
    yield
    end.touch()


def test_what_python_asks_is_in_the_boxes(notebook):
    lab = browsing(notebook)
    rows = "(chroma_nb.jupyter.widgets.filters.FilterRow('year', '≥', '2020'),)"
    lab.evaluate(f"[b.state.ask(contains='river', rows={rows}), b.refresh()] and None")
    lab.page.get_by_label("Value", exact=True).wait_for()
    assert lab.page.get_by_label("Value", exact=True).input_value() == "2020"
    assert lab.page.get_by_label("Comparison", exact=True).evaluate("one => one.selectedOptions[0].text") == "≥"
    assert lab.page.get_by_label("In document", exact=True).input_value() == "river"
    lab.shot("browser-filters")
    lab.button("Clear").click()
    sees(lab, "1–20 of 1,000")


def test_what_another_wrote_appears_at_refresh(notebook):
    cell = "from chroma_nb.jupyter.widgets.browser import Browser\nb = Browser(birds, where={'kind': 'merlin'})\nb"
    lab = browsing(notebook, cell)
    sees(lab, "no records")
    lab.evaluate("birds.add(ids=['late'], documents=['a late guest'], metadatas=[{'kind': 'merlin'}])")
    lab.button("Refresh").click()
    sees(lab, "1 of 1")
    assert lab.button("Save").count() == lab.button("Undo").count() == 0


def test_the_keyboard_is_enough(notebook):
    lab = browsing(notebook)
    lab.page.get_by_label("In document", exact=True).focus()
    passed = []
    for _ in range(80):
        lab.page.keyboard.press("Tab")
        passed.append(lab.page.evaluate("document.activeElement.textContent || document.activeElement.title"))
        if passed[-1] == "Next":
            break
    assert passed.index("Add filter") < passed.index("id") < passed.index("bird-000000") < passed.index("Next")
    lab.page.keyboard.press("Enter")
    sees(lab, "21–40 of 1,000")
    assert lab.page.evaluate("document.activeElement.textContent") == "Next"
    lab.page.get_by_role("checkbox", name="Select bird-000020", exact=True).focus()
    lab.page.keyboard.press("Space")
    lab.page.get_by_text("1 selected").wait_for()
    lab.page.keyboard.press("Tab")
    lab.page.keyboard.press("Enter")
    lab.page.get_by_text("Nearest records").wait_for()
    assert lab.evaluate("(b.selection.ids, b.record.record.id)") == "(('bird-000020',), 'bird-000020')"


PAYLOADS = """
evil = "<img src=x onerror=window.hacked=1><script>window.hacked=2</script>"
trap = "x' onfocus='window.hacked=3' autofocus='"
quote = '"><svg onload=window.hacked=4>'
traps = client.create_collection("traps", metadata={evil: evil}, embedding_function=Letters())
traps.add(ids=[evil, trap, quote], embeddings=vectors[:1].repeat(3, axis=0),
          documents=[evil, trap, quote], uris=[evil, trap, quote],
          metadatas=[{"k": evil, evil: quote}, {"k": trap}, {"k": quote, quote: trap}])
b = chroma_nb.browse(traps, readonly=False, where={"k": {"$ne": quote * 2}})
b
"""


def test_payloads_in_any_field_do_nothing(notebook, jupyter):
    lab = browsing(notebook, PAYLOADS, records=1)
    sees(lab, "1–3 of 3")
    for row in range(3):
        lab.page.locator(".chroma-nb-line button").nth(row).click()
        lab.page.wait_for_function(
            "row => document.querySelector('.chroma-nb-panel caption')?.textContent.slice(7) "
            "=== document.querySelectorAll('.chroma-nb-line button')[row].textContent",
            arg=row,
        )
    lab.button("Add filter").click()
    fill(lab, "In document", "<script>")
    sees(lab, "1 of 1")
    fill(lab, "By meaning", "<img src=x onerror=window.hacked=5>")
    lab.page.locator(".chroma-nb-grid mark").first.wait_for()
    nothing_ran(lab.page)
    lab.save()
    lab.page.close()
    jupyter.end_kernels()
    reopened = notebook(name=lab.name)
    reopened.open()
    reopened.page.get_by_text("Run this cell to page").wait_for()
    nothing_ran(reopened.page)


def nothing_ran(page):
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x], svg[onload], [autofocus]").count() == 0


def test_the_saved_notebook_shows_the_page_without_its_kernel(notebook, jupyter):
    lab = browsing(notebook)
    static = lab.page.get_by_text("Run this cell to page")
    assert static.count() == 1
    assert not static.is_visible()
    lab.save()
    lab.page.close()
    jupyter.end_kernels()
    reopened = notebook(name=lab.name)
    reopened.open()
    reopened.page.get_by_text("Run this cell to page").wait_for()
    assert reopened.page.get_by_role("table").first.locator("tbody tr").count() == 20
    assert reopened.page.get_by_role("button", name="Next").count() == 0
    reopened.shot("browser-reopened")


def test_a_client_shows_its_collections_and_opens_one(notebook):
    lab = notebook(COLLECTION % 1_000, "b = chroma_nb.browse(client)\nb")
    lab.open()
    lab.run()
    lab.page.get_by_label("Collection", exact=True).select_option("birds (1,000)")
    lab.page.locator("button:text-is('Open')").click()
    sees(lab, "1–20 of 1,000")
    lab.shot("browser-client")
    assert lab.evaluate("b.browser.page.total") == "1000"


def test_the_picture_of_the_documentation(notebook):
    """Light and dark, looked at by people; the kernel and the page agree on what is shown."""
    cell = "b = chroma_nb.browse(words, readonly=False, page_size=12)\nb"
    lab = browsing(notebook, cell, before=NOUNS, height=1_900, width=1_200)
    lab.button("Add filter").click()
    lab.page.get_by_label("Key", exact=True).select_option("category")
    operand = lab.page.get_by_label("Value", exact=True)
    operand.fill("animal")
    operand.press("Enter")
    sees(lab, "1–12 of 300")
    fill(lab, "By meaning", "a bird that hunts other animals")
    lab.page.get_by_text("the 200 nearest").wait_for()
    for row in (1, 3):
        lab.page.locator(".chroma-nb-line input").nth(row).check()
    lab.page.locator(".chroma-nb-line button").nth(0).click()
    lab.page.get_by_text("Nearest records").wait_for()
    lab.page.get_by_text("2 selected").wait_for()
    lab.page.mouse.move(5, 5)
    shown = lab.page.locator(".chroma-nb-line button").all_text_contents()
    assert shown == ast.literal_eval(lab.evaluate("b.page.ids"))
    lab.page.locator(".chroma-nb-browser").screenshot(path=lab.shot("browser-light").with_name("browser.png"))
    lab.dark()
    lab.shot("browser-dark")


PRICED = """
shop = client.create_collection("shop", embedding_function=None)
texts = ["from $5 to $6", r"a \\(b\\) \\[c\\] $$d$$", "more"]
shop.add(ids=["$x$", "y", "z"], embeddings=[[0, 1], [1, 0], [1, 1]], documents=texts,
         metadatas=[{"was": "$7, now $5"}] * 3)
shop
"""
NOT_MATHEMATICS = """
explorer = chroma_nb.explore(shop, "pca")
explorer.selection.ids = ["$x$", "y"]
display(shop.query(query_embeddings=[[0, 1]]), shop.get(), chroma_nb.browse(shop, readonly=False), explorer)
"""


def test_what_stands_between_dollars_is_shown_as_it_is(notebook):
    lab = notebook(LETTERS, PRICED, NOT_MATHEMATICS, "from IPython.display import Math\nMath('x^2')")
    lab.open()
    lab.run()
    formulas = lab.page.locator(".jp-OutputArea-output mjx-container")
    formulas.first.wait_for()  # of the last cell: what is typeset is typeset by then
    lab.page.locator("td", has_text="from $5 to $6").first.wait_for()
    assert formulas.count() == 1
    dollar = "\N{FULLWIDTH DOLLAR SIGN}"
    lab.page.get_by_label(f"Select {dollar}x{dollar}").wait_for()
