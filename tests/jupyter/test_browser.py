"""The browser's widgets, without a browser: buttons are clicked and traits looked at."""

import threading
import uuid

import httpx
import ipywidgets
import pytest

import chroma_nb
from chroma_nb.jupyter.widgets.browser import Browser
from chroma_nb.jupyter.widgets.record import metadata_of, metadata_text
from chroma_nb.types import SparseVector

PAYLOAD = "<img src=x onerror=alert(1)>\x1b[31m"


@pytest.fixture
def browser(papers):
    return Browser(papers, readonly=False)


def write(box, text):
    """As the person does: the trait changes once, at Enter."""
    box.value = text


def test_pages_turn_by_their_buttons_and_by_number(client, words):
    collection = client.create_collection(f"many-{uuid.uuid4().hex[:6]}", embedding_function=words)
    collection.add(ids=[f"r{n:02}" for n in range(45)], documents=["text"] * 45)
    browser = Browser(collection)
    assert (browser.pages.previous.disabled, browser.pages.next.disabled) == (True, False)
    browser.pages.next.click()
    assert browser.page.ids[0] == "r20"
    browser.pages.last.click()
    assert (browser.page.ids, browser.pages.next.disabled) == ([f"r{n}" for n in range(40, 45)], True)
    assert len(browser.grid.shown_lines.children) == 5
    browser.pages.number.value = 1
    assert browser.page.ids[0] == "r00"


@pytest.fixture
def asked(monkeypatch):
    """What is asked of a server from now on: the last part of each request's address."""
    asked, request = [], httpx.Client.request

    def noted(connections, method, url, **options):
        asked.append(str(url).rsplit("/", 1)[-1].partition("?")[0])
        return request(connections, method, url, **options)

    monkeypatch.setattr(httpx.Client, "request", noted)
    return asked


@pytest.fixture(params=[45, 450])
def served(request):
    """A server's collection of 45 or 450 records: fewer than the keys are learned from, and more."""
    with (
        chroma_nb.EphemeralClient() as store,
        chroma_nb.serve(store, port=0) as server,
        chroma_nb.HttpClient(port=server.port) as client,
    ):
        collection = client.create_collection(f"served-{uuid.uuid4().hex[:6]}", embedding_function=None)
        count = request.param
        metadatas = [{"n": n} for n in range(count)]
        collection.add(
            ids=[f"r{n:03}" for n in range(count)], embeddings=[[n, 1.0] for n in range(count)], metadatas=metadatas
        )
        yield collection
        client.delete_collection(collection.name)


def test_a_page_turn_is_one_request(served, asked):
    browser = Browser(served)
    asked.clear()
    browser.pages.next.click()
    assert (asked, browser.page.ids[0]) == (["get"], "r020")
    browser.pages.last.click()
    browser.pages.previous.click()
    browser.pages.number.value = 1
    assert (asked, browser.page.ids[0]) == (["get"] * 4, "r000")


def test_opening_and_refreshing_ask_for_keys_page_and_at_most_the_count(served, asked):
    counted = ["get", "count", "get"] if served.count() > 200 else ["get", "get"]
    asked.clear()
    browser = Browser(served)
    assert asked == counted
    served.add(ids=["new"], embeddings=[[0.0, 1.0]])
    asked.clear()
    browser.refresh()
    assert asked == counted
    assert browser.page.total == served.count()


def test_pages_of_a_filter_are_one_request_each(served, asked):
    browser = Browser(served, where={"n": {"$lt": 44}})
    asked.clear()
    browser.pages.next.click()
    browser.pages.last.click()
    assert (asked, browser.page.position) == (["get"] * 2, "41–44 of 44")


def test_a_page_whose_records_others_deleted_gives_way_to_the_last_that_is_there(served, asked):
    browser = Browser(served)
    served.delete(ids=served.get(include=[], offset=10)["ids"])
    browser.pages.last.click()
    assert (browser.page.position, browser.page.number, "10 records" in browser.title.value) == ("1–10 of 10", 0, True)


def test_the_table_is_a_table_with_caption_and_heads(browser):
    html = browser.grid.table.value
    assert html.startswith("<table><caption>Records of papers-")
    assert html.count('<th scope="col"') == 4
    assert html.count('<th scope="row"><span>p') == 3


def test_a_click_on_a_head_sorts_turns_and_returns_to_stored_order(browser):
    year = next(button for button in browser.grid.heads.children if button.description == "year")
    year.click()
    assert (browser.page.ids, year.description) == (["p1", "p2", "p3"], "year ▲")
    assert "aria-sort=ascending" in browser.grid.table.value
    year.click()
    assert (browser.page.ids, year.description) == (["p3", "p2", "p1"], "year ▼")
    year.click()
    assert (browser.page.ids, year.description) == (["p1", "p2", "p3"], "year")


def test_search_filter_and_clear(browser):
    write(browser.question.contains, "deaf")
    assert browser.page.ids == ["p2"]
    assert "<mark>deaf</mark>" in browser.grid.table.value
    write(browser.question.contains, "")
    write(browser.question.meaning, "a bad cab")
    assert browser.page.ids[0] == "p1"
    assert browser.grid.heads.children[0].description == "distance"
    browser.question.filters.add_row()
    row = browser.question.filters._rows[0]
    row.key.value, row.operation.value = "year", "≥"
    write(row.operand, "2021")
    assert set(browser.page.ids) == {"p2", "p3"}
    assert browser.where == {"year": {"$gte": 2021}}
    assert "where={&#x27;year&#x27;: {&#x27;$gte&#x27;: 2021}}" in browser.question.where.value
    browser.question.clear.click()
    assert (browser.page.ids, browser.question.meaning.value, browser.question.filters.rows) == (
        ["p1", "p2", "p3"],
        "",
        (),
    )


def test_a_row_that_is_removed_no_longer_filters(browser):
    for value in ("2019", "2021"):
        browser.question.filters.add_row()
        row = browser.question.filters._rows[-1]
        row.joint.value, row.key.value, row.operand.value = "or", "year", value
    assert browser.page.ids == ["p1", "p2"]
    browser.question.filters._rows[0].remove.click()
    assert browser.page.ids == ["p2"]
    assert browser.question.filters.rows[0].joined == "and"


def test_a_question_that_cannot_be_answered_is_said_and_the_page_stays(browser):
    browser.question.filters.add_row()
    row = browser.question.filters._rows[0]
    row.key.value = "year"
    write(row.operand, "last year")
    assert 'role="alert"' in browser.status.widget.value
    assert "expected a number for &#x27;year&#x27;" in browser.status.widget.value
    assert browser.page.ids == ["p1", "p2", "p3"]
    browser.pages.next.click()
    assert browser.where is None


def test_a_collection_deleted_elsewhere_is_said_to_be_gone(browser, papers, client):
    client.delete_collection(papers.name)
    browser.reread.click()
    assert (
        "the collection is not there any more: it was deleted, or made anew, elsewhere" in browser.status.widget.value
    )
    assert browser.page.ids == ["p1", "p2", "p3"]


@pytest.mark.parametrize("box", ["meaning", "contains", "filters"])
def test_refresh_after_a_search_that_failed_shows_the_question_that_is_answered(browser, papers, monkeypatch, box):
    browser.question.contains.value = "a"
    answered = browser.page.ids

    def fails(*given, **named):
        raise RuntimeError("the server is away")

    with monkeypatch.context() as away:
        away.setattr(type(papers), "query", fails)
        away.setattr(type(papers), "get", fails)
        if box == "filters":
            browser.question.filters.add.click()
            browser.question.filters._rows[0].operand.value = "1"
        else:
            getattr(browser.question, box).value = "zzz"
        assert "the server is away" in browser.status.widget.value
    browser.reread.click()
    assert (browser.question.contains.value, browser.question.meaning.value) == ("a", "")
    assert browser.question.filters.rows == ()
    assert browser.page.ids == answered
    assert "away" not in browser.status.widget.value


def test_ticks_are_the_selection_both_ways(browser):
    browser.grid.lines[1].tick.value = True
    assert browser.selection.ids == ("p2",)
    assert browser.grid.table.value.count("class=selected") == 1
    browser.selection.select(["p1", "p2", "p3"])
    assert [line.tick.value for line in browser.grid.lines[:3]] == [True] * 3
    assert browser.grid.all.value
    browser.grid.all.value = False
    assert browser.selection.ids == ()
    assert [line.tick.value for line in browser.grid.lines[:3]] == [False] * 3
    assert "class=selected" not in browser.grid.table.value
    assert 'role="status"' in browser.status.widget.value
    assert 'role="alert"' not in browser.status.widget.value


def test_two_browsers_may_share_a_selection(papers):
    one = Browser(papers)
    other = Browser(papers, selection=one.selection)
    one.selection.select(["p3"])
    assert (one.grid.lines[2].tick.value, other.grid.lines[2].tick.value) == (True, True)
    one.grid.lines[0].tick.value = True
    assert other.grid.lines[0].tick.value
    other.grid.lines[2].tick.value = False
    assert not one.grid.lines[2].tick.value


def test_a_record_opens_is_edited_and_undone(browser, papers):
    browser.grid.lines[0].open.click()
    panel = browser.record
    assert (panel.record.id, panel.document.value) == ("p1", "a bad cab")
    assert len(panel._near.children) == 3
    panel.document.value, panel.metadata.value = "hhh", '{"year": 2000}'
    panel.save.click()
    assert papers.get("p1")["metadatas"] == [{"year": 2000}]
    assert "Saved: edit of &#x27;p1&#x27;" in browser.status.widget.value
    assert "hhh" in browser.grid.table.value
    browser.undo.click()
    assert papers.get("p1")["documents"] == ["a bad cab"]
    assert (panel.document.value, browser.undo.disabled) == ("a bad cab", True)


def test_deletion_asks_first_and_can_be_undone(browser, papers):
    browser.grid.lines[0].open.click()
    browser.record.delete.click()
    assert (papers.count(), browser.deletion.widget.layout.display) == (3, None)
    browser.deletion.keep.click()
    assert (papers.count(), browser.deletion.widget.layout.display) == (3, "none")
    browser.record.delete.click()
    browser.deletion.confirm.click()
    assert (papers.count(), browser.record.record) == (2, None)
    browser.undo.click()
    assert papers.count() == 3


def test_a_record_is_created(browser, papers):
    browser.new.id.value, browser.new.document.value, browser.new.metadata.value = "p9", "new", '{"year": 1}'
    browser.new.create.click()
    assert papers.get("p9")["documents"] == ["new"]
    assert (browser.new.id.value, browser.page.total) == ("", 4)
    browser.new.id.value, browser.new.metadata.value = "p10", "{year: 1}"
    browser.new.create.click()
    assert "expected metadata as JSON" in browser.status.widget.value
    with pytest.raises(ValueError, match="JSON object"):
        metadata_of("[1]")


def test_metadata_is_edited_a_key_a_line_sparse_vectors_too():
    metadata = {"year": 2020, "words": SparseVector([1, 7], [0.1, 2.0], ["a", "b"]), "tags": ["a", "b"]}
    text = metadata_text(metadata)
    assert [line.split(":")[0].strip() for line in text.splitlines()[1:-1]] == ['"tags"', '"words"', '"year"']
    assert metadata_of(text) == metadata
    assert metadata_of(metadata_text({})) == {}
    with pytest.raises(ValueError, match="got one without 'indices'"):
        metadata_of('{"words": {"#type": "sparse_vector"}}')


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_metadata_that_no_chroma_keeps_is_refused(constant):
    with pytest.raises(ValueError, match=f"got {constant}, which cannot be stored"):
        metadata_of(f'{{"year": {constant}}}')


def test_a_reading_browser_has_nothing_to_write_with(papers):
    browser = Browser(papers)
    shown = list(_below(browser.widget))
    for widget in (browser.undo, browser.new.create, browser.record.save, browser.delete_selected):
        assert widget not in shown
    assert "read only" in browser.title.value


def _below(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _below(child)


def test_what_is_shown_is_exported(browser, tmp_path, client, shell, monkeypatch):
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: shell)
    write(browser.question.contains, "a")
    exports = [("CSV", tmp_path / "x.csv"), ("collection", f"part-{uuid.uuid4().hex[:6]}"), ("DataFrame", "shown")]
    browser.state.client = client
    for form, target in exports:
        browser.export.form.value, browser.export.target.value = form, str(target)
        browser.export.export.click()
        assert "3 records written" in browser.status.widget.value
        browser.export.export.click()
        assert 'role="alert"' in browser.status.widget.value
    assert client.get_collection(exports[1][1], embedding_function=None).count() == 3
    assert shell.user_ns["shown"]["id"].tolist() == browser.page.ids


def test_payloads_are_text(client, words):
    collection = client.create_collection(f"traps-{uuid.uuid4().hex[:6]}", embedding_function=words)
    collection.add(
        ids=[PAYLOAD], embeddings=[[1.0] * 8], documents=[PAYLOAD], metadatas=[{PAYLOAD: PAYLOAD}], uris=[PAYLOAD]
    )
    browser = Browser(collection, readonly=False, where={PAYLOAD: PAYLOAD})
    browser.question.filters.add_row()
    browser.grid.lines[0].open.click()
    browser.grid.lines[0].tick.value = True
    browser.delete_selected.click()
    written = [widget.value for widget in _below(browser.widget) if isinstance(widget, ipywidgets.HTML)]
    assert any("&lt;img" in html for html in written)
    for html in [*written, browser._static()]:
        assert "<img" not in html
        assert "\x1b" not in html
    assert all("\x1b" not in line.open.description for line in browser.grid.lines)


def test_no_output_widget_is_used(browser):
    assert not any(isinstance(widget, ipywidgets.Output) for widget in _below(browser.widget))


def test_a_static_block_stands_beside_the_live_widget_which_hides_it(browser, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    browser._ipython_display_()
    browser._ipython_display_()
    static, live, again, _ = shown
    assert set(static) == {"text/html"}
    assert "text/html" not in live
    assert "application/vnd.jupyter.widget-view+json" in live
    assert live["text/plain"] == f"<Browser of {browser.collection.name}>"  # once: a terminal shows both outputs
    names = [one["text/html"].split('"')[1] for one in (static, again)]
    assert names[0].startswith("chroma-nb-static-")
    assert names[0] != names[1]
    assert "p3" in static["text/html"]


def test_a_collection_without_embedding_function_says_so(client):
    collection = client.create_collection(f"bare-{uuid.uuid4().hex[:6]}", embedding_function=None)
    collection.add(ids=["a"], embeddings=[[1.0, 2.0]])
    browser = Browser(collection)
    write(browser.question.meaning, "anything")
    assert 'role="alert"' in browser.status.widget.value
    assert browser.page.ids == ["a"]


def test_a_client_shows_databases_and_collections_with_counts_and_sizes(client, papers):
    browser = chroma_nb.browse(client)
    assert (f"{papers.name} (3)", papers.name) in browser.tree.collection.options
    assert "96 B" in browser.tree._table.value
    assert browser.tree.database.value == client.database
    browser.tree.collection.value = papers.name
    browser.tree.open.click()
    assert browser.browser.page.ids == ["p1", "p2", "p3"]
    assert repr(browser) == "<Browser of default_tenant, default_database>"
    assert papers.name in browser._static()


def test_another_database_of_the_tenant_opens_too(tmp_path):
    with chroma_nb.PersistentClient(tmp_path / "db") as client:
        client._admin_client.create_database("archive")
        with chroma_nb.PersistentClient(tmp_path / "db", database="archive") as other:
            other.create_collection("old").add(ids=["a"], embeddings=[[1.0]])
        browser = chroma_nb.browse(client)
        browser.tree.database.value = "archive"
        browser.tree.collection.value = "old"
        browser.tree.open.click()
        assert (browser.browser.page.ids, client.database) == (["a"], "default_database")
        browser.close()
        assert client.list_collections() == []


def test_only_collections_and_clients_can_be_browsed(papers):
    with pytest.raises(TypeError, match="expected a collection or a client, got int"):
        chroma_nb.browse(1)
    with pytest.raises(ValueError, match="page_size"):
        Browser(papers, page_size=0)


def test_the_command_browses(chroma, papers, client):
    assert chroma("browse papers --where 'year > 2020'").ids() == ["p2", "p3"]
    assert chroma("browse papers").readonly
    assert not chroma("browse papers --write").state.readonly
    assert papers.name in dict(chroma("browse").tree.collection.options).values()


def test_questions_asked_at_once_are_answered_one_after_the_other(papers):
    browser = Browser(papers)
    asking, let_go = threading.Event(), threading.Event()
    read = browser.state.read

    def slow_read():
        asking.set()
        assert let_go.wait(20)
        return read()

    browser.state.read = slow_read
    first = threading.Thread(target=lambda: write(browser.question.contains, "a"))
    first.start()
    assert asking.wait(20)
    browser.state.read = read
    second = threading.Thread(target=lambda: write(browser.question.meaning, "deaf ghee"))
    second.start()
    let_go.set()
    for thread in (first, second):
        thread.join(20)
    assert browser.page.distances is not None
    assert browser.page.ids == browser.state.read().ids
