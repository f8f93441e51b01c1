"""Search as you type in the workbench, in a real JupyterLab."""

import pytest
from test_workbench_facets_in_jupyterlab import facet, shown
from test_workbench_table import cell, settled

pytestmark = pytest.mark.browser


def test_words_are_searched_as_they_are_typed_and_the_reason_is_shown(notebook):
    lab = shown(notebook)
    lab.bench.get_by_role("button", name="Words", exact=True).click()
    field = lab.bench.get_by_role("searchbox", name="Search")
    field.press_sequentially("crashes near", delay=20)
    lab.bench.get_by_text("The first 1,000 found", exact=True).wait_for()
    settled(lab)
    cell(lab, 0, 1).get_by_text("1", exact=True).wait_for()
    lab.grid.get_by_text("crashes, near · words 1", exact=True).wait_for()
    assert {text.lower() for text in lab.grid.locator("mark").all_inner_texts()} <= {"crashes", "near"}
    assert lab.grid.locator("mark").count() > 2
    assert lab.grid.get_by_role("columnheader", name="distance").count() == 0
    field.press("Enter")
    field.fill("")
    lab.bench.get_by_text("2,000 records", exact=True).wait_for()
    lab.bench.locator(".cw-search-chip", has_text="crashes near").click()
    lab.bench.get_by_text("The first 1,000 found", exact=True).wait_for()
    assert lab.evaluate("b.search") == "{'text': 'crashes near', 'by': 'words', 'case': False}"
    lab.shot("search-1400-light")


def test_a_search_that_python_ends_does_not_come_back_from_the_field(notebook):
    lab = shown(notebook)
    field = lab.bench.get_by_role("searchbox", name="Search")
    field.press_sequentially("crashes", delay=20)
    lab.bench.get_by_text("found", exact=False).first.wait_for()
    lab.evaluate("setattr(b, 'search', None)")
    lab.bench.get_by_text("2,000 records", exact=True).wait_for()
    assert field.input_value() == ""
    cell(lab, 0, 1).click()
    settled(lab)
    assert lab.evaluate("b.search") == "None"


def test_more_like_this_shows_distances_that_are_fuller_the_nearer(notebook):
    lab = shown(notebook)
    cell(lab, 0, 1).click(button="right")
    lab.page.get_by_role("menuitem", name="More like this").click()
    lab.bench.get_by_text("The 200 nearest", exact=True).wait_for()
    settled(lab)
    assert lab.bench.locator(".cw-counts").inner_text() == "200 of 2,000 records"
    shares = lab.grid.evaluate(
        "grid => [...grid.querySelectorAll('.cw-row-of:not([hidden])')].sort((a, b) => a.dataset.row - b.dataset.row)"
        ".map(row => Number(row.children[3].style.getPropertyValue('--cw-share')))"
    )
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)
    lab.shot("search-like-light")
    lab.dark()
    settled(lab)
    lab.shot("search-like-dark")
    lab.light()
    lab.bench.get_by_role("searchbox", name="Search").fill("anything")
    lab.bench.get_by_role("alert").get_by_text("dimension").wait_for()
    lab.page.set_viewport_size({"width": 800, "height": 1000})
    lab.shot("search-800-wrong")


def test_facets_count_the_hits_and_show_a_chosen_town_wherever_it_stands(notebook):
    lab = shown(notebook)
    lab.evaluate("[setattr(b, 'search', {'like': 'ticket-000001'}), setattr(b, 'where', {'town': 'Town 55'})]")
    lab.bench.get_by_text("of 2,000 records").wait_for()
    lab.evaluate("setattr(b, 'where', None)")
    chosen = "[row for row in b.to_df()['town'].tolist()].count('Town 9')"
    lab.bench.get_by_text("200 of 2,000 records").wait_for()
    hits = int(lab.evaluate(chosen))
    lab.evaluate("setattr(b, 'where', {'town': 'Town 9'})")
    row = facet(lab, "town").locator("li.cw-on")
    row.get_by_text("Town 9", exact=True).wait_for()
    row.locator(".cw-count").get_by_text(str(hits), exact=True).wait_for()
    assert facet(lab, "town").get_by_text("Show all").is_visible()
    assert not lab.bench.get_by_text("Counts are of all").is_visible()
    lab.shot("search-facets-1400-light")
