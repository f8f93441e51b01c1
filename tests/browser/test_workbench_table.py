"""The workbench's table in a real JupyterLab: what is scrolled to is read from the live collection."""

import ast
import time

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


def eventually(asked, expected):
    """The page shows a choice at once; the kernel hears of it later."""
    until = time.monotonic() + 20
    while (found := asked()) != expected and time.monotonic() < until:
        time.sleep(0.1)
    assert found == expected


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


def test_a_column_is_sorted_hidden_moved_resized_and_pinned_and_the_choices_survive(notebook):
    lab = shown(notebook)
    head = lab.grid.locator("[role=columnheader]")
    head.get_by_text("weight", exact=True).click()
    lab.grid.locator("[aria-sort=ascending]").get_by_text("weight").wait_for()
    settled(lab)
    assert lab.evaluate("b.order, b.ids()[0]") == "({'by': 'weight', 'descending': False}, 'bird-0000000')"
    head.get_by_text("weight", exact=True).click()
    cell(lab, 0, 1).get_by_text("bird-0000096").wait_for()
    lab.bench.get_by_role("button", name="Columns").click()
    lab.page.get_by_role("checkbox", name="ringed").uncheck()
    lab.page.keyboard.press("Escape")
    head.get_by_text("ringed", exact=True).wait_for(state="detached")
    names = lambda: [name.text_content() for name in head.locator(".cw-name").all()]  # noqa: E731
    assert names()[:4] == ["id", "document", "kind", "year"]

    year, document = (head.get_by_text(name, exact=True).bounding_box() for name in ("year", "document"))
    lab.page.mouse.move(year["x"] + 5, year["y"] + 5)
    lab.page.mouse.down()
    lab.page.mouse.move(document["x"] + 5, document["y"] + 5, steps=5)
    lab.page.mouse.up()
    lab.page.wait_for_function("document.querySelectorAll('.cw-grid .cw-name')[1].textContent === 'year'")
    grip = head.nth(3).locator(".cw-grip").bounding_box()
    lab.page.mouse.move(grip["x"] + 4, grip["y"] + 9)
    lab.page.mouse.down()
    lab.page.mouse.move(grip["x"] - 96, grip["y"] + 9, steps=5)
    lab.page.mouse.up()
    head.nth(4).click(button="right")
    lab.page.get_by_role("menuitemcheckbox", name="Pin to the left").click()
    lab.page.wait_for_function("document.querySelectorAll('.cw-grid .cw-name')[1].textContent === 'kind'")
    kept = ast.literal_eval(lab.evaluate("[(c['key'], c.get('pinned'), 'width' in c) for c in b.columns]"))
    assert kept[:4] == [("#id", True, False), ("kind", True, False), ("year", False, False), ("#document", False, True)]

    lab.page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1")
    lab.page.evaluate("document.querySelector('.cw').dataset.before = 'yes'")
    lab.command("notebook:run-cell")
    lab.page.locator(".cw[data-before]").wait_for(state="detached")
    settled(lab)
    assert lab.bench.count() == 1
    assert names()[:4] == ["id", "kind", "year", "document"]
    assert "ringed" not in names()


def test_everything_is_done_with_the_keyboard(notebook):
    lab = shown(notebook)
    lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press = lab.page.keyboard.press
    copied = lambda: lab.page.evaluate("navigator.clipboard.readText()")  # noqa: E731
    active = lambda: lab.page.evaluate("document.activeElement.textContent")  # noqa: E731
    lab.grid.locator("[role=gridcell][tabindex='0']").first.focus()
    for key in ("ArrowDown", "ArrowDown", "Home", "ArrowRight", "PageDown"):
        press(key)
    row = int(lab.page.evaluate("document.activeElement.parentNode.dataset.row"))
    assert row > 5
    assert active() == f"bird-{row:07}"
    press("Control+End")
    lab.page.wait_for_function("document.activeElement.parentNode.dataset.row === '999'")
    press("Control+Home")
    press("ArrowRight")
    press("ArrowRight")
    press("Control+c")
    lab.bench.get_by_text("Copied document of bird-0000000").wait_for()
    assert copied() == "A wren at the river, entry 0 of the book. "
    press("Home")
    press("Control+c")
    lab.bench.get_by_text("Copied the row bird-0000000").wait_for()
    assert copied().split("\t")[:3] == ["bird-0000000", "A wren at the river, entry 0 of the book. ", "wren"]
    press(" ")
    press("ArrowDown")
    press("ArrowDown")
    press("Shift+ ")
    lab.bench.get_by_role("button", name="3 selected").wait_for()
    assert lab.evaluate("b.selection.ids") == "('bird-0000000', 'bird-0000001', 'bird-0000002')"
    press("Control+a")
    lab.bench.get_by_role("button", name="1,000 selected").wait_for()
    press("Escape")
    lab.bench.get_by_role("button", name="selected").wait_for(state="hidden")
    press("Enter")
    lab.grid.locator(".cw-open").wait_for()
    assert lab.evaluate("b.record") == "'bird-0000002'"

    for key in ("ArrowUp", "ArrowUp", "ArrowUp", "ArrowRight", "ArrowRight", "ArrowRight"):
        press(key)
    assert active().startswith("kind")
    press("Enter")
    lab.grid.locator("[aria-sort=ascending]").wait_for()
    press("Alt+ArrowLeft")
    lab.page.wait_for_function("document.activeElement.getAttribute('aria-colindex') === '3'")
    assert active().startswith("kind")
    press("Shift+ArrowRight")
    press("Alt+ArrowDown")
    for key in ("ArrowDown", "ArrowDown", "Enter"):  # from the first that may be chosen
        press(key)
    lab.page.wait_for_function("document.querySelectorAll('.cw-grid .cw-name')[1].textContent === 'kind'")
    eventually(
        lambda: lab.evaluate("len(b.columns), b.columns[1]['key'], b.columns[1]['pinned']"), "(11, 'kind', True)"
    )
    assert lab.page.evaluate("window.jupyterapp.shell.currentWidget.content.widgets.length") == 2  # no command of Lab's


def test_the_filter_is_shown_copied_set_from_python_and_cleared(notebook):
    lab = shown(notebook, cell="b = Workbench(birds, where={'kind': 'wren'})\nb")
    lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    lab.bench.get_by_text("200 of 1,000 records").wait_for()
    assert lab.bench.get_by_role("button", name="Clear where").count() == 0  # this one always holds
    lab.evaluate("setattr(b, 'where', {'$and': [{'kind': 'wren'}, {'ringed': True}]})")
    lab.bench.get_by_text("67 of 1,000 records").wait_for()
    lab.bench.get_by_role("button", name="Copy where").click()
    lab.bench.get_by_text("Copied where").wait_for()
    assert lab.page.evaluate("navigator.clipboard.readText()") == 'where={"$and": [{"kind": "wren"}, {"ringed": True}]}'
    lab.bench.get_by_role("button", name="Clear where").click()
    lab.bench.get_by_text("200 of 1,000 records").wait_for()
    assert lab.evaluate("b.where") == "{'kind': 'wren'}"


def test_what_another_kernel_wrote_appears_and_what_it_deleted_is_marked(notebook):
    lab = shown(notebook)
    lab.evaluate("setattr(b, 'order', 'kind')")
    settled(lab)
    assert lab.evaluate("birds.delete(ids=[b.ids()[500]])") == "{'deleted': 1}"
    scroll(lab, 495 * 28)
    cell(lab, 500, 1).get_by_text("deleted meanwhile").wait_for()
    lab.bench.get_by_role("button", name="Refresh").click()
    lab.bench.get_by_text("999 records").wait_for()


def test_a_kernel_that_has_gone_is_said(notebook):
    lab = shown(notebook, alone=True)
    lab.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    lab.bench.get_by_text("The kernel is gone. Run the cell again to go on.").wait_for()
    lab.run()
    lab.bench = lab.page.locator(".cw").last
    lab.grid = lab.bench.locator(".cw-grid")
    settled(lab)
    # JupyterLab's own word for a kernel that went while it asked for its debugger.
    lab.errors[:] = [error for error in lab.errors if "debugger state" not in error]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_table_is_accessible(notebook, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    lab = shown(notebook)
    getattr(lab, theme)()
    cell(lab, 1, 1).click()
    lab.bench.get_by_role("button", name="Columns").click()
    found = axe.Axe().run(lab.page, context=".cw").response["violations"]
    lab.light()
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


def test_a_filter_asks_once_for_its_rows_and_when_it_is_taken_away_too(notebook):
    """Though the page does not know how many there are: after a filter that few pass it asks for more than these."""
    lab = shown(notebook)
    lab.evaluate('setattr(b, "heard", [])')
    lab.evaluate(
        "setattr(b._requests, 'hear', (lambda old: lambda asked: (b.heard.append(asked['kind']), old(asked))[1])"
        "(b._requests.hear))"
    )
    lab.page.evaluate("() => document.querySelector('.cw').bench.store.set({ where: { weight: 5.0 } })")
    lab.bench.get_by_text("11 of 1,000 records", exact=True).wait_for()
    settled(lab)
    lab.page.evaluate("() => document.querySelector('.cw').bench.store.set({ where: null })")
    lab.bench.get_by_text("1,000 records", exact=True).wait_for()
    settled(lab)
    cell(lab, 10, 1).get_by_text("bird-0000010").wait_for()
    assert lab.evaluate('b.heard.count("rows")') == "2"
