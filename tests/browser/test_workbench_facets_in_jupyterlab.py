"""The workbench's facets in a real JupyterLab: a click narrows table and facets together."""

import json
import time

import pytest
from letters import LETTERS
from test_workbench_table import settled

pytestmark = pytest.mark.browser

#: Tickets with everything that tables have: dates as text and as numbers, lists, missing values, skewed numbers.
TICKETS = (
    LETTERS
    + """
from chroma_nb.workbench.widget import Workbench
import datetime
n = %d
rng = np.random.default_rng(7)
teams = ["billing", "delivery", "returns", "app", "privacy"]
towns = ["Łódź", "München", "São Paulo", "東京", "תל אביב", "القاهرة"] + [f"Town {i}" for i in range(60)]
words = ["parcel", "stuck", "refund", "late", "the", "app", "crashes", "money", "address", "wrong"]
start = datetime.datetime(2023, 1, 1)
birds.add(
    ids=[f"ticket-{i:06}" for i in range(n)], embeddings=rng.random((n, 2), np.float32),
    documents=[f"{words[i %% 10]} {words[i %% 7]} near {towns[i %% 66]}: no. {i}" for i in range(n)],
    metadatas=[{"team": teams[min(4, int(rng.exponential(1.1)))], "town": towns[int(66 * rng.random() ** 3)],
        "priority": int(rng.integers(1, 6)), "cost": round(float(rng.lognormal(3, 1.3)), 2),
        "opened": (start + datetime.timedelta(hours=int(14_000 * rng.random() ** 0.6))).isoformat(),
        "updated_at": 1672531200 + int(50_000_000 * rng.random()), "open": bool(rng.random() < 0.3),
        "tags": [t for t in ("vip", "fraud", "slow", "gift") if rng.random() < 0.3] or ["none"],
        **({"agent": f"agent {int(rng.integers(9))}"} if rng.random() < 0.6 else {})} for i in range(n)])
"""
)


def shown(notebook, cell="b = Workbench(birds)\nb", records=2_000, **options):
    lab = notebook(TICKETS % records, cell, **{"width": 1400, **options})
    lab.open()
    lab.run()
    lab.command("notebook:hide-all-cell-code")
    lab.bench = lab.page.locator(".cw").last
    lab.grid = lab.bench.locator(".cw-grid")
    settled(lab)
    return lab


def facet(lab, key):
    return lab.bench.locator(f'.cw-facet[aria-label="{key}"]')


def value(lab, key, text):
    return facet(lab, key).locator("li", has_text=text).first.locator(".cw-value")


def where(lab):
    return json.loads(
        lab.page.evaluate("() => JSON.stringify([...document.querySelectorAll('.cw')].at(-1).bench.store.get().where)")
    )


def becomes(lab, expected):
    """The filter is that, now or soon: a click is asked of the kernel a moment later."""
    until = time.monotonic() + 20
    while (found := where(lab)) != expected and time.monotonic() < until:
        time.sleep(0.1)
    assert found == expected
    ready(lab)


def ready(lab):
    lab.bench.locator(".cw-part-facets[data-ready]:not([aria-busy])").wait_for()


def test_a_click_narrows_table_and_facets_together(notebook):
    lab = shown(notebook)
    ready(lab)
    value(lab, "team", "delivery").click()
    ready(lab)
    value(lab, "team", "returns").click()
    ready(lab)
    becomes(lab, {"team": {"$in": ["delivery", "returns"]}})
    count = lab.evaluate('birds.count(where={"team": {"$in": ["delivery", "returns"]}})')
    lab.bench.get_by_text(f"{int(count):,} of 2,000 records").wait_for()
    assert lab.evaluate("b.where") == "{'team': {'$in': ['delivery', 'returns']}}"
    value(lab, "team", "delivery").click()
    facet(lab, "open").get_by_role("button", name="Leave out false").click()
    ready(lab)
    becomes(lab, {"$and": [{"team": "returns"}, {"open": {"$ne": False}}]})
    lab.bench.get_by_role("button", name="Clear team", exact=True).click()
    ready(lab)
    becomes(lab, {"open": {"$ne": False}})
    lab.evaluate('setattr(b, "where", {"agent": {"$nin": ["agent 1", "agent 2"]}})')
    lab.bench.locator('.cw-facet[aria-label="agent"] .cw-off >> nth=1').wait_for()
    lab.bench.get_by_role("button", name="Clear all").click()
    lab.bench.get_by_text("2,000 records", exact=True).wait_for()


def test_the_second_of_two_quick_changes_is_what_is_counted_and_shown(notebook):
    """JupyterLab holds back a state while the kernel is at the one before."""
    lab = shown(notebook)
    ready(lab)
    for team in ("delivery", "returns", "delivery"):
        lab.bench.evaluate(
            """(root, team) => {
              root.bench.store.set({ where: null, order: { by: "team", descending: true } });
              root.bench.store.set({ order: null });
              root.bench.store.set({ where: { team } });
            }""",
            team,
        )
        count = int(lab.evaluate(f'birds.count(where={{"team": "{team}"}})'))
        lab.bench.get_by_text(f"{count:,} of 2,000 records").wait_for()
        settled(lab)


def test_a_brush_and_typed_ends_choose_a_range(notebook):
    lab = shown(notebook)
    ready(lab)
    plot = facet(lab, "updated_at").locator(".cw-hist")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    lab.page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 20)
    lab.page.mouse.down()
    lab.page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 20, steps=6)
    lab.page.mouse.up()
    ready(lab)
    lab.bench.locator(".cw-facet.cw-chosen").wait_for()
    terms = where(lab)["$and"]
    assert [list(term["updated_at"]) for term in terms] == [["$gte"], ["$lt"]]
    lab.bench.get_by_role("button", name="Clear all").click()
    first = facet(lab, "opened").get_by_label("opened: from")
    first.fill("2023-06-01")
    first.press("Enter")
    ready(lab)
    lab.bench.locator('.cw-facet.cw-chosen[aria-label="opened"]').wait_for()
    assert min(where(lab)["opened"]["$in"]) >= "2023-06-01"
    first.fill("2033-06-01")
    first.press("Enter")
    facet(lab, "opened").get_by_role("alert").get_by_text("no record has a date under 'opened'").wait_for()


def test_facets_are_a_tab_where_there_is_little_room_and_keep_what_is_chosen(notebook):
    lab = shown(notebook)
    ready(lab)
    value(lab, "team", "delivery").click()
    ready(lab)
    value(lab, "tags", "vip").click()
    ready(lab)
    settled(lab)
    lab.shot("facets-1400-light")
    lab.dark()
    settled(lab)
    lab.shot("facets-1400-dark")
    lab.light()
    lab.page.set_viewport_size({"width": 800, "height": 1000})
    facet(lab, "team").wait_for(state="hidden")
    lab.bench.get_by_role("searchbox", name="Search").wait_for()
    lab.bench.get_by_role("tab", name="Facets").click()
    facet(lab, "tags").locator(".cw-on").wait_for()
    lab.grid.wait_for(state="hidden")
    lab.shot("facets-800")


def test_in_a_narrow_workbench_the_button_says_whether_the_drawer_is_open(notebook):
    lab = shown(notebook, width=1000)
    button = lab.bench.locator(".cw-places").get_by_role("button", name="Facets")
    for is_open in ("false", "true", "false"):
        assert button.get_attribute("aria-pressed") == is_open
        assert facet(lab, "team").is_visible() == (is_open == "true")
        button.click()
    lab.evaluate('setattr(b, "folded", ["facets"])')  # where parts stand side by side, it is folded away
    lab.bench.locator(".cw-part-facets.cw-drawer").wait_for()
    assert facet(lab, "team").is_visible()
    lab.page.set_viewport_size({"width": 1500, "height": 800})
    lab.bench.locator(".cw-places button[aria-pressed=false]", has_text="Facets").wait_for()
    facet(lab, "team").wait_for(state="hidden")
    button.click()
    facet(lab, "team").wait_for()
    assert button.get_attribute("aria-pressed") == "true"
