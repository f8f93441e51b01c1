"""What is seen in a notebook: escaped, the same every time, real tables."""

import html.parser

import chromadb.api.types
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.formatters import DisplayFormatter

from chroma_nb.display import formatters, markup
from chroma_nb.facets import Facet, Range, ValueCount
from chroma_nb.results import GetResult, HybridResult, QueryResult, SearchResult
from chroma_nb.types import SparseVector

PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></table></details><script>alert(1)</script>",
    "javascript:alert(1)",
    "{{constructor.constructor('alert(1)')()}}",
    "$$\\href{javascript:alert(1)}{x}$$",
    "a\x00b\x1b[31m\x9b31m\u202egnp.exe\u2066",
    "\ud800",
]
TAGS = {
    "style", "div", "table", "caption", "thead", "tbody", "tr", "th", "td", "span", "b", "mark", "details", "summary",
    "img", "pre",
}  # fmt: skip
ATTRIBUTES = {"class", "scope", "style", "aria-hidden", "loading", "alt", "src"}


class Reader(html.parser.HTMLParser):
    """Collects tags, attributes and text, and checks that tags nest."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self._open = set(), [], [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes
        if tag != "img":
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if not self._open or self._open[-1] != "style":
            self.text.append(data)


def harmless(text):
    reader = Reader(text)
    assert reader.tags <= TAGS
    assert {name for name, _ in reader.attributes} <= ATTRIBUTES
    for name, value in reader.attributes:
        if name == "style":
            assert value.startswith("width:")
            assert value[6:-1].isdigit()
        if name == "src":
            assert value.startswith("data:image/png;base64,")
    seen = "".join(reader.text)
    assert not any(character in seen for character in "\x00\x1b\x9b\u202e\u2066\ud800")
    seen.encode("utf-8")
    return reader


def query_result(text):
    result = QueryResult(
        ids=[[text, "b"], ["b"]],
        documents=[[text * 3, None], ["plain"]],
        metadatas=[[{text: text, "list": [text]}, None], [None]],
        uris=[[text, None], [None]],
        distances=[[0.5, -0.25], [0.0]],
        data=[[np.zeros((4, 4, 3), np.uint8), None], [text]],
    )
    result.query_texts = [text, "plain words"]
    result.where_document = {"$and": [{"$contains": text}, {"$regex": text}]}
    return result


def search_result(text):
    result = SearchResult(
        ids=[[text, "b"], ["b"]],
        documents=[[text * 3, None], None],
        embeddings=[None, None],
        metadatas=[[{text: text, "sp": SparseVector([1], [0.5], [text])}, None], None],
        scores=[[-1 / 161, None], None],
        select=[[text], []],
    )
    result.query_texts = [text, None]
    return result


class FakeCollection:
    """As much of a collection as a card asks for, all of it hostile."""

    def __init__(self, text):
        self.name, self.metadata = text, {text: text}
        self.configuration_json = {
            "hnsw": {"space": text, text: text},
            "embedding_function": {"name": text, "config": {"model_name": text, "api_key": "secret-key"}},
        }
        self._text = text

    def count(self):
        return 1

    def get(self, limit, include):
        if "embeddings" in include:
            return {"embeddings": np.ones((1, 3))}
        return {"ids": [self._text], "documents": [self._text], "metadatas": [{self._text: self._text, "n": [1]}]}


class FakeClient:
    def __init__(self, text):
        self.tenant = self.database = text
        self._text = text

    def list_collections(self):
        return [FakeCollection(self._text)]

    def get_collection(self, name, embedding_function):
        return FakeCollection(name)


def facet_of(text):
    return Facet(text, 1, 0, {text: 1}, 1, (ValueCount(text, 1),), text, text, (Range(text, text, 1),), ())


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_from_a_collection_becomes_markup(payload):
    get = GetResult(ids=[payload], documents=[payload], metadatas=[{payload: payload}], uris=[payload])
    get.where_document = {"$contains": payload}
    harmless(get._repr_html_())
    harmless(query_result(payload)._repr_html_())
    harmless(search_result(payload)._repr_html_())
    harmless(formatters.collection_html(FakeCollection(payload)))
    harmless(formatters.client_html(FakeClient(payload)))
    harmless(GetResult(odd=payload)._repr_html_())
    ranked = {"ranks": [payload], "meaning_ranks": [payload], "word_ranks": [payload], "words": [[payload]]}
    harmless(GetResult(ids=["a"], **ranked)._repr_html_())  # as of a server that is none of ours
    hybrid = hybrid_result("a")
    hybrid["meaning_ranks"], hybrid["word_ranks"] = [[payload, None]], [[payload, payload]]
    harmless(hybrid._repr_html_())
    harmless(facet_of(payload)._repr_html_())


@given(st.text(st.characters(), max_size=300))
def test_nothing_of_any_text_becomes_markup(text):
    harmless(query_result(text)._repr_html_())
    harmless(search_result(text)._repr_html_())


def test_a_search_shows_rank_score_and_what_was_selected_and_marks_the_words_searched_for():
    page = search_result("whale")._repr_html_()
    text = harmless(page).text
    assert "Search 0: whale (2 hits)" in text
    assert "Search 1 (1 hit)" in text
    first, second = page.split("<caption>")[1:]
    heads = [one.split("<")[0] for one in first.split('scope="col"')[1:]]
    assert [head.rpartition(">")[2] for head in heads] == ["rank", "id", "score", "document", "metadata"]
    assert "-0.006211" in text
    assert " sparse vector of 1: whale" in text
    assert "<mark>whale</mark>" in search_result("whale ")._repr_html_()
    assert second.count('scope="col"') == 2  # nothing was selected: rank and id


def hybrid_result(text):
    return HybridResult(
        ids=[[text, "b"]],
        documents=[[f"{text} runs 東京都", "runs"]],
        metadatas=[[{text or "k": text}, None]],
        distances=[[0.5, None]],
        scores=[[0.0325, 0.01]],
        meaning_ranks=[[2, None]],
        word_ranks=[[1, 3]],
        words=[[["running", "東京", "京都", text], []]],
    )


def test_a_hybrid_search_shows_both_ranks_and_marks_in_each_document_the_words_that_brought_it():
    page = hybrid_result("<i>kite</i>")._repr_html_()
    text = harmless(page).text
    heads = [one.split("<")[0].rpartition(">")[2] for one in page.split('scope="col"')[1:]]
    assert heads == ["id", "score", "by meaning", "by words", "words", "distance", "document", "metadata"]
    assert "running, 東京, 京都, <i>kite</i>" in text
    assert "<mark>runs</mark> <mark>東京都</mark>" in page
    assert "&lt;<mark>i</mark>&gt;<mark>kite</mark>" in page
    assert page.count("<mark>") == 5  # none in the second: no word brought it
    result = hybrid_result("a")
    result["distances"] = [[None, None]]
    assert "distance" not in result._repr_html_()


@given(st.text(st.characters(), max_size=100))
def test_nothing_of_a_hybrid_search_becomes_markup(text):
    harmless(hybrid_result(text)._repr_html_())


@pytest.mark.parametrize("kind", [dict, chromadb.api.types.SearchResult])
def test_a_search_result_of_chromadb_is_displayed_like_ours(kind):
    shown = DisplayFormatter().formatters["text/html"]
    for place, display in formatters.FORMATTERS.items():
        shown.for_type_by_name(*place, display)
    assert "Search 0 (2 hits)" in shown(kind(search_result("whale")))


def test_a_failing_collection_says_so_and_escapes_it():
    class Gone(FakeCollection):
        def count(self):
            raise ValueError("<script>gone</script>")

    assert "gone" in "".join(harmless(formatters.collection_html(Gone("x"))).text)


def test_a_display_shows_no_secret():
    assert "secret-key" not in formatters.collection_html(FakeCollection("x"))


def test_the_same_values_give_the_same_bytes():
    one, other = query_result("some words"), query_result("some words")
    one["metadatas"][0][0] = {"a": 1, "b": 2}
    other["metadatas"][0][0] = {"b": 2, "a": 1}
    assert one._repr_html_() == other._repr_html_()


def test_prices_are_not_typeset_as_formulas():
    """MathJax 2 and 3 leave out what has these classes."""
    before, _, inside = markup.block("from $5 to $6").partition('<div class="')
    assert {"tex2jax_ignore", "mathjax_ignore"} <= set(inside.partition('"')[0].split())
    assert "$" not in before


def test_tables_have_captions_and_heads_with_scope():
    reader = harmless(query_result("text")._repr_html_())
    assert {"caption", "thead", "tbody"} <= reader.tags
    assert {("scope", "col"), ("scope", "row")} <= set(reader.attributes)
    assert ("alt", "image of text") in reader.attributes
    assert "Query 1: plain words (1 hit)" in reader.text


def test_words_of_the_query_and_of_the_filter_are_marked():
    result = QueryResult(ids=[["a"]], distances=[[0.1]], documents=[["The Whale & the <sea>, 1851"]])
    result.query_texts = ["a whale story"]
    result.where_document = {"$or": [{"$contains": "<sea>"}, {"$regex": r"\d{4}"}]}
    page = result._repr_html_()
    assert "<mark>Whale</mark>" in page
    assert "<mark>&lt;sea&gt;</mark>" in page
    assert "<mark>1851</mark>" in page
    assert "<mark>The</mark>" not in page


def test_words_that_most_of_the_documents_share_are_not_marked():
    documents = [
        f"the {kind} by the river" for kind in ("wren", "crow", "kite", "tern", "coot", "rook", "swan", "wren")
    ]
    marks = markup.words(["the wren"], [*documents, None])
    assert markup.document(documents[0], [marks]) == "the <mark>wren</mark> by the river"
    of_few = markup.words(["by the wren"], documents[:3])
    assert markup.document(documents[0], [of_few]) == "the <mark>wren</mark> by the river"
    nothing_else = markup.words(["by the"], documents[:3])
    assert markup.document(documents[0], [nothing_else]).count("<mark>") == 3
    assert markup.words(["the river"], documents) is None


@pytest.mark.parametrize("display", ["query", "search", "hybrid"])
def test_words_are_marked_in_every_form_whoever_found_them(display):
    document, asked = "A runner RUNS to 東京都; Größe", "running 東京 grösse"
    if display == "query":
        result = QueryResult(ids=[["a"]], distances=[[0.1]], documents=[[document]])
    elif display == "search":
        result = search_result(document)
        result["documents"], result["ids"] = [[document, None], None], [["a", "b"], ["c"]]
    else:
        result = hybrid_result(document)
        result["documents"], result["words"] = [[document, None]], [[["running", "東京", "grösse"], []]]
    result.query_texts = [asked, None]
    page = result._repr_html_()
    assert "A runner <mark>RUNS</mark> to <mark>東京</mark>都; <mark>Größe</mark>" in page


@pytest.mark.parametrize("pattern", ["(", "(a+)+$", r"\1", "(?=x)"])
def test_a_pattern_that_cannot_be_read_marks_nothing_and_takes_no_time(pattern):
    result = GetResult(ids=["a"], documents=["a" * 5_000 + "!"])
    result.where_document = {"$regex": pattern}
    harmless(result._repr_html_())


def test_bars_grow_with_the_distance_also_below_zero():
    page = query_result("x")._repr_html_()
    assert 'width:100%"></span></span></td>' in page
    assert 'width:0%"></span></span></td>' in page
    assert "-0.2500" in page


def test_long_answers_and_long_documents_are_cut():
    many = GetResult(ids=[str(row) for row in range(50)], documents=["word " * 10_000] * 50)
    page = many._repr_html_()
    assert "and 30 more" in page
    assert len(page) < 100_000
    assert "<details>" in page


def test_thumbnails_are_small_whatever_comes():
    for pixels in (np.ones((500, 300, 3)), np.ones((10, 10)), np.zeros((8, 8, 4), np.uint8), np.ones((9, 9), bool)):
        assert markup.thumbnail(pixels, "x").startswith("<img")
    for other in ("text", np.ones(5), np.ones((2, 2, 7)), np.empty((0, 4, 3)), np.array([[object()]])):
        assert markup.thumbnail(other, "x") == ""


def test_the_png_can_be_read_back():
    image = pytest.importorskip("PIL.Image")
    import base64
    import io

    pixels = np.arange(3 * 5 * 3, dtype=np.uint8).reshape(3, 5, 3)
    page = markup.thumbnail(pixels, "x")
    data = base64.b64decode(page.split("base64,")[1].split('"')[0])
    assert np.array_equal(np.asarray(image.open(io.BytesIO(data))), pixels)


def test_the_card_of_a_collection_says_what_it_is(papers):
    text = " ".join(harmless(formatters.collection_html(papers)).text)
    for fact in (
        "records 3",
        "dimension 8",
        "space l2",
        "Metadata keys",
        "year whole number 100 %",
        "First records",
        "the whale",
    ):
        assert fact in text
    assert formatters.collection_html(papers) == formatters.collection_html(papers)


def test_the_card_of_a_collection_of_many_keys_shows_the_most_frequent(papers):
    papers.update(ids=["p2"], metadatas=[{f"rare{n:03}": n for n in range(200)}])
    card = formatters.collection_html(papers)
    keys = card[card.index("Metadata keys") : card.index("First records")]
    assert keys.count('<th scope="row">') == formatters.KEYS
    assert '<th scope="row">topic</th>' in keys
    assert "and 172 more keys" in keys


def test_the_card_of_our_collection_says_how_a_search_is_answered():
    import chroma_nb

    with chroma_nb.EphemeralClient() as client:
        collection = client.create_collection("birds", embedding_function=None)
        collection.add(ids=["a"], embeddings=[[1.0, 0.0]])
        assert "search scan: " in " ".join(harmless(formatters.collection_html(collection)).text)


def test_the_card_of_a_client_lists_its_collections(client, papers):
    text = " ".join(harmless(formatters.client_html(client)).text)
    assert f"{papers.name} 3" in text
    assert "1 collection" in text


LONG = "word " * 1_000


@pytest.mark.parametrize(
    "result",
    [
        GetResult(ids=[str(n) for n in range(2_000)], documents=[LONG] * 2_000, metadatas=[{"text": LONG}] * 2_000),
        GetResult(ids=["a"] * 2_000, documents=["x"] * 2_000, metadatas=[{"tags": [LONG] * 50}] * 2_000),
        QueryResult(ids=[["a"] * 20] * 100, documents=[[LONG] * 20] * 100, distances=[[0.5] * 20] * 100),
        SearchResult(ids=[["a"] * 20] * 100, documents=[[LONG] * 20] * 100, scores=[[0.5] * 20] * 100),
        HybridResult(ids=[["a"] * 20] * 100, documents=[[LONG] * 20] * 100, scores=[[0.5] * 20] * 100),
    ],
)
def test_what_a_notebook_stores_of_a_result_is_small_however_large_the_result(result):
    shown, _ = DisplayFormatter().format(result)
    assert len(shown["text/plain"]) < 200_000
    assert len(shown["text/html"]) < 500_000
    assert " more" in shown["text/plain"]
    assert LONG in str(result)  # print() is Chroma's
    assert repr(result) == repr(dict(result))


def test_the_text_of_a_result_that_is_not_long_is_all_of_it():
    display = DisplayFormatter()
    result = GetResult(
        ids=[str(n) for n in range(100)], documents=["a text " * 10] * 100, embeddings=np.eye(100), metadatas=None
    )
    assert display.format(result)[0]["text/plain"] == display.format(dict(result))[0]["text/plain"]


def test_of_many_queries_the_first_are_shown_and_the_rest_counted():
    result = QueryResult(ids=[["a"]] * 100, documents=[["a text"]] * 100, distances=[[0.5]] * 100)
    text = formatters.result_html(result)
    assert "Query 9 (1 hit)" in text
    assert "Query 10 (" not in text
    assert "and 90 more, from Query 10 on" in text
    assert " more" not in formatters.result_html(QueryResult(ids=[["a"]] * 10, distances=[[0.5]] * 10))


def test_our_objects_display_themselves_and_print_plainly():
    import chroma_nb

    display = DisplayFormatter()
    with chroma_nb.EphemeralClient() as client:
        collection = client.create_collection("birds")
        shown, _ = display.format(collection)
        assert shown["text/plain"] == "Collection(name=birds)"
        assert "Collection birds" in shown["text/html"]
        assert "birds" in display.format(client)[0]["text/html"]
        assert "0 records" in display.format(collection.get())[0]["text/html"]
        assert repr(collection) == "Collection(name=birds)"
        assert repr(client) == "Client('ephemeral', tenant='default_tenant', database='default_database')"


def test_an_awaited_collection_has_a_card_without_its_records():
    class Awaited(FakeCollection):
        async def count(self):
            raise AssertionError("not awaited")

    assert "Collection x" in formatters.collection_html(Awaited("x"))
