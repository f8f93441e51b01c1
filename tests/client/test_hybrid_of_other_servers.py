"""hybrid() on a server that has no search by words: Chroma's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from birds import made

import chroma_nb
from chroma_nb.client._sync import fetched_words

QUESTION = {"query_texts": ["large FISHES?", "wren", "zzz"], "query_embeddings": [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]}


@pytest.fixture
def there(real_chroma: int) -> Iterator[Any]:
    with chroma_nb.HttpClient(port=real_chroma) as client:
        client.reset()
        yield made(client)


@pytest.fixture
def here() -> Iterator[Any]:
    with chroma_nb.EphemeralClient() as client:
        yield made(client)
        client.delete_collection("birds")


def test_the_sentence_says_what_to_do(there: Any, real_chroma: int) -> None:
    with pytest.raises(NotImplementedError, match=r"no search by words\. Pass fetch=True"):
        there.hybrid(**QUESTION)
    with chroma_nb.HttpClient(port=real_chroma) as client:
        client.delete_collection("birds")
    with pytest.raises(chroma_nb.errors.NotFoundError):
        there.hybrid(**QUESTION, fetch=True)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"n_results": 2},
        {"by": "meaning"},
        {"by": "words"},
        {"where": {"n": {"$gte": 2}}},
        {"where_document": {"$contains": "crow"}},
        {"where": {"n": 99}},
        {"include": ["metadatas"]},
    ],
)
def test_with_fetch_it_finds_what_our_engine_finds(there: Any, here: Any, arguments: Any) -> None:
    if arguments.get("by") == "words":
        arguments = arguments | {"query_embeddings": None}
    expected = here.hybrid(**(QUESTION | arguments))
    found = there.hybrid(**(QUESTION | arguments), fetch=True)
    for name in ("ids", "scores", "words", "word_ranks", "meaning_ranks", "documents", "metadatas", "included"):
        assert found[name] == expected[name], name
    assert list(found) == list(expected)
    if expected["distances"] is not None:
        flat = [[one for some in result["distances"] for one in some] for result in (found, expected)]
        assert flat[0] == pytest.approx(flat[1]) if None not in flat[1] else flat[0] == flat[1]
    assert found._repr_html_() != ""


def test_documents_are_read_in_pages_once_and_again_when_their_number_changes(
    there: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetched_words, "PAGE", 2)
    reads: list[Any] = []
    get = type(there).get
    monkeypatch.setattr(
        type(there), "get", lambda self, *a, **o: (reads.append(o.get("offset")), get(self, *a, **o))[1]
    )
    assert there.hybrid("wren", by="words", fetch=True)["ids"] == [["wren"]]
    assert reads == [0, 2, 4, None]
    assert there.hybrid("crow", by="words", fetch=True)["ids"] == [["crow"]]
    assert reads == [0, 2, 4, None, None]
    there.add(ids="owl", embeddings=[1.0, 1.0], documents="an owl")
    assert there.hybrid("owl", by="words", fetch=True)["ids"] == [["owl"]]


def test_awaited_it_is_the_same(there: Any, real_chroma: int) -> None:
    async def ask() -> Any:
        client = await chroma_nb.AsyncHttpClient(port=real_chroma)
        collection = await client.get_collection("birds", embedding_function=None)
        found = await collection.hybrid(**QUESTION, fetch=True)
        await client.close()
        return found

    assert asyncio.run(ask()) == there.hybrid(**QUESTION, fetch=True)


def test_embeddings_are_arrays(there: Any, here: Any) -> None:
    expected = here.hybrid(**QUESTION, include=["embeddings"])["embeddings"]
    found = there.hybrid(**QUESTION, include=["embeddings"], fetch=True)["embeddings"]
    assert [one.tolist() for one in found] == [one.tolist() for one in expected]
