"""A record in full, as the page is told of it: as it is now, with what was searched for marked."""

import base64
import json

import numpy as np
import pytest

from chroma_nb.workbench import record as record_module

VALUES = {
    "n": 1,
    "w": 1.0,
    "ok": True,
    "seen": "2024-05-01",
    "tags": ["x", "y"],
    "created_at": 1758568000,
    "big": 2**60,
}


@pytest.fixture
def letters(client):
    """Records whose vectors are known, in a collection that embeds by itself."""
    collection = client.create_collection("letters", embedding_function=None)
    collection.add(
        ids=["a", "b", "c", "d"],
        embeddings=[[1, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0, 0, 1]],
        documents=["one wren, two wrens", "a Wren", "a heron", None],
        metadatas=[
            VALUES,
            {"n": 2, "seen": "2024-05-02"},
            None,
            {"n": 3},
        ],
    )
    return collection


def entries(answer):
    return {entry["key"]: entry for entry in answer["metadata"]}


def test_a_record_is_told_with_its_values_by_type(letters, show):
    _, page = show(letters)
    found = page.ask("record", id="a")
    assert found["document"] == [("one wren, two wrens", False)]
    assert found["embedding"] == {"first": [1, 0, 0], "count": 3, "length": 1}
    told = entries(found)
    assert told["big"]["value"] == {"kind": "integer", "text": str(2**60)}
    assert told["tags"]["field"] == {"type": "list", "of": "text", "items": ["x", "y"]}
    assert told["seen"]["field"] == {"type": "text", "text": "2024-05-01", "as": "date"}
    assert told["created_at"]["field"] == {"type": "integer", "text": "1758568000", "as": "epoch_s"}
    assert [told[key]["field"] for key in ("n", "w", "ok")] == [
        {"type": "integer", "text": "1"},
        {"type": "number", "text": "1.0"},
        {"type": "boolean", "text": "true"},
    ]
    json.dumps(found, allow_nan=False)


def test_a_record_without_a_part_says_so(letters, show):
    _, page = show(letters)
    assert (page.ask("record", id="d")["document"], page.ask("record", id="c")["metadata"]) == (None, [])
    assert page.ask("record", id="no such") == {**page.heard[-1], "id": "no such", "there": False}


def test_the_version_is_another_one_where_anything_is(letters, show):
    _, page = show(letters)
    seen = [page.ask("record", id="b")["version"]]
    for change in ({"n": 2.0}, {"n": True}, {"n": "2"}, {"n": [2]}, {"n": [2.0]}, {"n": None}):
        letters.update(ids=["b"], metadatas=[change])
        seen.append(page.ask("record", id="b")["version"])
    letters.update(ids=["b"], documents=["another"], embeddings=[[0, 0, 1]])
    seen.append(page.ask("record", id="b")["version"])
    assert len(set(seen)) == len(seen)
    assert page.ask("record", id="b")["version"] == seen[-1]


@pytest.mark.parametrize(
    ("where_document", "marked"),
    [
        ({"$contains": "wren"}, ["wren", "wren"]),
        ({"$regex": "tw[o0]"}, ["two"]),
        ({"$and": [{"$contains": "one"}, {"$or": [{"$contains": "wrens"}, {"$contains": "heron"}]}]}, ["one", "wrens"]),
        ({"$not_contains": "heron"}, []),
    ],
)
def test_what_a_filter_looks_for_is_marked(letters, show, where_document, marked):
    workbench, page = show(letters)
    workbench.where_document = where_document
    parts = page.ask("record", id="a")["document"]
    assert "".join(text for text, _ in parts) == "one wren, two wrens"
    assert [text for text, is_marked in parts if is_marked] == marked


@pytest.mark.parametrize(
    ("search", "marked"),
    [
        ({"text": "Wren two", "by": "words"}, ["wren", "two", "wrens"]),
        ({"text": "wren two", "by": "words", "case": True}, ["wren", "two", "wren"]),
        ({"text": "wren", "by": "meaning"}, []),
        ({"like": "b"}, []),
    ],
)
def test_the_words_that_found_a_record_are_marked(letters, show, search, marked):
    workbench, page = show(letters)
    workbench.search = search
    assert [text for text, is_marked in page.ask("record", id="a")["document"] if is_marked] == marked


def test_a_long_text_comes_whole_when_it_is_asked_for(letters, show, monkeypatch):
    monkeypatch.setattr(record_module, "LETTERS", 10)
    _, page = show(letters)
    cut = page.ask("record", id="a")
    assert (cut["document"], cut["whole"], cut["letters"]) == ([("one wren, ", False)], False, 19)
    assert page.ask("record", id="a", whole=True)["whole"]


def test_neighbours_are_the_nearest_without_itself(letters, show):
    _, page = show(letters)
    near = page.ask("near", id="a")["near"]
    assert near[0]["id"] == "b"
    assert {one["id"] for one in near} == {"b", "c", "d"}
    assert near[0]["document"] == "a Wren"
    assert page.ask("near", id="no such")["near"] == []


def test_previous_and_next_follow_the_table(birds, show):
    workbench, page = show(birds)

    def around(id_, **asked):
        found = page.ask("beside", id=id_, **asked)
        return found["before"], found["place"], found["after"]

    assert around("b000") == (None, 0, "b001")
    assert around("b299") == ("b298", 299, None)
    for guess in (0, 150, 149, 5_000):
        assert around("b150", at=guess) == ("b149", 150, "b151")
    workbench.where, workbench.order = {"kind": "wren"}, {"by": "weight", "descending": True}
    assert around("b297") == (None, 0, "b294")
    workbench.order = None
    assert around("b003") == ("b000", 1, "b006")
    assert around("b001") == (None, None, None)


def test_a_place_far_from_the_guess_is_found(birds, show, monkeypatch):
    monkeypatch.setattr(record_module, "_AT_ONCE", 7)
    _, page = show(birds)
    assert page.ask("beside", id="b200", at=3)["place"] == 200


def test_a_record_is_copied_as_it_is(letters, show):
    _, page = show(letters)
    copied = json.loads(page.ask("copied", id="a", form="json")["text"])
    assert copied == {"id": "a", "document": "one wren, two wrens", "metadata": letters.get(ids=["a"])["metadatas"][0]}
    assert type(copied["metadata"]["w"]) is float
    assert page.ask("copied", id="b", form="document")["text"] == "a Wren"


# --- Images ---
class Squares:
    """A data loader that notes what it is asked for."""

    def __init__(self):
        self.loaded = []

    def __call__(self, uris):
        self.loaded += uris
        return [None if uri is None else np.full((900, 600, 3), 7, np.uint8) for uri in uris]


@pytest.fixture
def pictures(client):
    loader = Squares()
    collection = client.create_collection("pictures", embedding_function=None, data_loader=loader)
    uris = ["square.png", "https://example.com/square.png", "HTTP://example.com/x.png"]
    collection.add(ids=["here", "far", "loud"], embeddings=[[1.0]] * 3, uris=uris)
    loader.loaded.clear()
    return collection, loader


def test_an_image_is_shown_in_small(pictures, show):
    collection, _ = pictures
    _, page = show(collection)
    kind, _, data = page.ask("image", id="here")["image"].partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data)[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(data) < 10_000


def test_nothing_is_loaded_from_another_host_unasked(pictures, show):
    collection, loader = pictures
    _, page = show(collection)
    for id_ in ("far", "loud"):
        page.ask("record", id=id_)
        answer = page.ask("image", id=id_)
        assert (answer["image"], answer["host"]) == (None, "example.com")
    assert loader.loaded == []
    assert page.ask("image", id="far", load=True)["image"].startswith("data:image/png")
    assert loader.loaded == ["https://example.com/square.png"]


def test_without_a_loader_there_is_no_image(letters, show):
    _, page = show(letters)
    assert page.ask("image", id="a") == {**page.heard[-1], "image": None, "host": None}
