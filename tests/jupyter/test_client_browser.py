"""``browse(client)``: databases and collections, the workbench of the one that is opened; what cannot be browsed."""

import ipywidgets
import pytest

import chroma_nb
from chroma_nb.workbench.widget import Workbench


def test_a_client_shows_databases_and_collections_with_counts_and_sizes(client, papers):
    browser = chroma_nb.browse(client, readonly=False, columns=["year", "elsewhere"], page_size=5)
    assert (f"{papers.name} (3)", papers.name) in browser.tree.collection.options
    assert "96 B" in browser.tree._table.value
    assert browser.tree.database.value == client.database
    browser.tree.collection.value = papers.name
    browser.tree.open.click()
    assert isinstance(browser.browser, Workbench)
    assert (browser.browser.ids(), browser.browser.readonly) == (["p1", "p2", "p3"], False)
    assert [column["key"] for column in browser.browser.columns] == ["#id", "#document", "year"]
    assert repr(browser) == "<Browser of default_tenant, default_database>"
    assert papers.name in browser._static()
    browser.close()


def test_a_collection_that_is_opened_after_another_takes_its_place(client, papers):
    client.create_collection("birds", embedding_function=None)
    browser = chroma_nb.browse(client)
    browser.open(client.database, papers.name)
    first = browser.browser
    browser.open(client.database, "birds")
    assert browser._place.children == (browser.browser,)
    assert first.comm is None
    browser.close()
    assert browser.browser.comm is None


def test_what_is_closed_is_there_again_when_it_is_shown_again(client, papers, capsys):
    before = set(ipywidgets.widgets.widget._instances)
    browser = chroma_nb.browse(client)
    browser.open(client.database, papers.name)
    browser.close()
    browser.close()
    assert set(ipywidgets.widgets.widget._instances) == before
    browser._ipython_display_()
    browser.open(client.database, papers.name)
    assert browser.browser.ids() == ["p1", "p2", "p3"]
    browser.close()


def test_another_database_of_the_tenant_opens_too(tmp_path):
    with chroma_nb.PersistentClient(tmp_path / "db") as client:
        client._admin_client.create_database("archive")
        with chroma_nb.PersistentClient(tmp_path / "db", database="archive") as other:
            other.create_collection("old").add(ids=["a"], embeddings=[[1.0]])
        browser = chroma_nb.browse(client)
        browser.tree.database.value = "archive"
        browser.tree.collection.value = "old"
        browser.tree.open.click()
        assert (browser.browser.ids(), client.database) == (["a"], "default_database")
        browser.close()
        assert client.list_collections() == []


def test_only_collections_clients_and_tables_can_be_browsed(papers):
    with pytest.raises(TypeError, match="expected a collection, a client or a table, got int"):
        chroma_nb.browse(1)
    with pytest.raises(ValueError, match="page_size"):
        chroma_nb.browse(papers, page_size=0)


def test_the_command_browses(chroma, papers, client):
    assert chroma("browse papers --where 'year > 2020'").ids() == ["p2", "p3"]
    assert chroma("browse papers").readonly
    assert not chroma("browse papers --write").readonly
    assert papers.name in dict(chroma("browse").tree.collection.options).values()
