"""The rows of the filter builder: what is typed, when it counts, and what Python puts there."""

import threading

import pytest

from chroma_nb.jupyter.widgets import filter_builder
from chroma_nb.jupyter.widgets.browser import Browser
from chroma_nb.jupyter.widgets.filter_builder import FilterBuilder
from chroma_nb.jupyter.widgets.filters import FilterRow, observe
from chroma_nb.jupyter.widgets.status import StatusLine

KEYS = observe([{"kind": "wren", "year": 2020, "ringed": True}, {"kind": "swift", "year": 2021, "ringed": False}])


@pytest.fixture
def told():
    """What the builder told, in order."""
    return []


@pytest.fixture
def builder(told):
    return FilterBuilder(KEYS, told.append, StatusLine(threading.RLock()))


@pytest.fixture
def row(builder):
    builder.add_row()
    return builder._rows[0]


def page_says(widget, content=None, **state):
    """A message of the page: an event, or the values of traits."""
    said = {"method": "update", "state": state} if content is None else {"method": "custom", "content": content}
    widget._handle_msg({"content": {"data": said}, "buffers": []})


def test_each_key_that_is_typed_is_known_so_that_suggestions_may_come_meanwhile(row, told):
    assert row.operand.continuous_update
    page_says(row.operand, value="s")
    page_says(row.key, index=list(KEYS).index("kind"))
    page_says(row.operand, value="sw")
    assert row.operand.options == ("swift", "wren")
    assert row.operand.value == "sw"


def test_a_value_counts_at_enter(row, told):
    page_says(row.operand, value="swif")
    assert told == []
    page_says(row.operand, {"event": "submit"})
    assert told == [(FilterRow("kind", "is", "swif"),)]


def test_a_value_that_is_picked_counts_at_once(row, told):
    page_says(row.operand, value="swift")
    assert told == [(FilterRow("kind", "is", "swift"),)]


def test_a_value_counts_after_a_pause_without_enter(monkeypatch):
    monkeypatch.setattr(filter_builder, "PAUSE", 0.01)
    told, heard = [], threading.Event()
    builder = FilterBuilder(KEYS, lambda rows: (told.append(rows), heard.set()), StatusLine(threading.RLock()))
    builder.add_row()
    page_says(builder._rows[0].operand, value="swif")
    assert heard.wait(60)
    assert told == [(FilterRow("kind", "is", "swif"),)]


def test_rows_from_python_are_shown_and_nobody_is_told(builder, told):
    rows = (FilterRow("year", "≥", "2021"), FilterRow("colour", "is", "blue", "or"))
    builder.show(rows)
    assert builder.rows == rows
    assert told == []
    builder.add_row()
    builder.show(rows)  # as they are: what the person begins stays
    assert len(builder.rows) == 3
    builder.show(())
    assert builder.rows == ()


def test_the_boxes_of_a_browser_follow_its_state(client, papers):
    browser = Browser(papers)
    browser.state.ask(contains="deaf", rows=(FilterRow("year", "≥", "2020"),))
    browser.refresh()
    assert (browser.question.contains.value, browser.page.ids) == ("deaf", ["p2"])
    assert browser.question.filters.rows == (FilterRow("year", "≥", "2020"),)
    browser.state.ask(contains="", rows=(), meaning="the whale")
    browser.refresh()
    assert (browser.question.contains.value, browser.question.meaning.value, browser.question.filters.rows) == (
        "",
        "the whale",
        (),
    )
    assert browser.page.ids[0] == "p3"
