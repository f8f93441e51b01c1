"""hybrid(): records by meaning and by words, fused by reciprocal rank: in memory, on disk, over HTTP and awaited."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from birds import DOCUMENTS, VECTORS, made

import chroma_nb
from chroma_nb.errors import InvalidArgumentError, NotFoundError

pytestmark = pytest.mark.parametrize("client", ["memory", "disk", "http", "async"], indirect=True)


@pytest.fixture
def birds(client: Any) -> Any:
    return made(client)


def rrf(*ranks: int | None) -> float:
    return sum(1 / (60 + rank) for rank in ranks if rank)


def found(result: Any) -> dict[str, tuple[Any, ...]]:
    """id -> (rank by meaning, rank by words, words) of the first query, in order."""
    columns = (result[name][0] for name in ("meaning_ranks", "word_ranks", "words"))
    return {ident: tuple(facts) for ident, *facts in zip(result["ids"][0], *columns, strict=True)}


def test_each_hit_says_how_it_was_found(birds: Any) -> None:
    result = birds.hybrid("large FISHES?", query_embeddings=[1.0, 0.0])
    assert found(result) == {
        "shark": (5, 1, ["large", "FISHES"]),
        "heron": (4, 2, ["FISHES"]),
        "crow": (3, 3, ["large"]),
        "wren": (1, None, []),
        "none": (2, None, []),
    }
    assert result["scores"][0] == pytest.approx([rrf(5, 1), rrf(4, 2), rrf(3, 3), rrf(1), rrf(2)])
    assert result["documents"][0][0] == DOCUMENTS["shark"]
    assert result["metadatas"][0][1] == {"n": 2}
    query = birds.query(query_embeddings=[1.0, 0.0])
    distances = dict(zip(query["ids"][0], query["distances"][0], strict=True))
    assert dict(zip(result["ids"][0], result["distances"][0], strict=True)) == distances
    assert result["included"] == ["metadatas", "documents", "distances"]
    assert result["embeddings"] is result["uris"] is result["data"] is None


def test_one_side_alone(birds: Any) -> None:
    query = birds.query(query_embeddings=[1.0, 0.0])
    meaning = birds.hybrid("large fish", query_embeddings=[1.0, 0.0], by="meaning")
    assert (meaning["ids"], meaning["distances"]) == (query["ids"], query["distances"])
    assert meaning["word_ranks"] == [[None] * 5]
    assert meaning["meaning_ranks"] == [[1, 2, 3, 4, 5]]
    words = birds.hybrid("large fish", by="words")  # which needs no vector
    assert found(words) == {
        "shark": (None, 1, ["large", "fish"]),
        "heron": (None, 2, ["fish"]),
        "crow": (None, 3, ["large"]),
    }
    assert words["distances"] == [[None] * 3]
    assert words["scores"][0] == pytest.approx([rrf(1), rrf(2), rrf(3)])


def test_several_texts_are_several_lists_and_one_is_one(birds: Any) -> None:
    several = birds.hybrid(["wren", "crow"], n_results=2, by="words")
    assert several["ids"] == [["wren"], ["crow"]]
    assert birds.hybrid("crow", by="words")["ids"] == [["crow"]]
    both = birds.hybrid(["wren", "crow"], 1, query_embeddings=[[0.0, 1.0], [0.0, 1.0]])
    assert both["ids"] == [["wren"], ["crow"]]


def test_filters_come_first_on_both_sides_and_scores_of_words_do_not_depend_on_them(birds: Any) -> None:
    result = birds.hybrid("large fish", query_embeddings=[1.0, 0.0], where={"n": {"$gte": 2}})
    assert found(result) == {
        "shark": (3, 1, ["large", "fish"]),
        "heron": (2, 2, ["fish"]),
        "none": (1, None, []),
    }
    result = birds.hybrid("large fish", query_embeddings=[1.0, 0.0], where_document={"$contains": "crow"})
    assert found(result) == {"crow": (1, 1, ["large"])}
    assert birds.hybrid("large", query_embeddings=[1.0, 0.0], where={"n": 99})["ids"] == [[]]


@pytest.mark.parametrize("text", ["", " ?! ", "the of a", "zzz"])
def test_a_text_without_a_word_that_is_here_finds_by_meaning_alone(birds: Any, text: str) -> None:
    result = birds.hybrid(text, query_embeddings=[1.0, 0.0], n_results=2)
    assert found(result) == {"wren": (1, None, []), "none": (2, None, [])}
    assert birds.hybrid(text, by="words")["ids"] == [[]]


def test_changes_are_found_at_once(birds: Any) -> None:
    def by_words(text: str) -> Any:
        return birds.hybrid(text, by="words")["ids"][0]

    assert by_words("wren owl") == ["wren"]
    birds.add(ids="owl", embeddings=[1.0, 1.0], documents="an owl and a wren")
    assert by_words("wren owl") == ["owl", "wren"]
    birds.update(ids="wren", embeddings=[1.0, 0.0], documents="now a kite")
    assert by_words("wren owl kite") == ["owl", "wren"]
    birds.update(ids="owl", metadatas={"n": 7})
    assert by_words("wren") == ["owl"]
    birds.upsert(ids=["owl", "none"], embeddings=[[1.0, 1.0]] * 2, documents=["a kite", "an owl"])
    assert by_words("owl") == ["none"]
    assert by_words("wren") == []
    birds.delete(ids="wren")
    assert by_words("kite") == ["owl"]
    birds.add(ids="wren", embeddings=[1.0, 0.0], documents="a kite")
    assert by_words("kite") == ["owl", "wren"]  # the last place now


def test_ties_are_in_the_order_of_get(client: Any) -> None:
    collection = client.create_collection("ties", embedding_function=None)
    collection.add(ids=list("dcba"), embeddings=[[1.0]] * 4, documents=["same text"] * 4)
    result = collection.hybrid("text", query_embeddings=[1.0])
    assert result["ids"] == [list("dcba")]


LANGUAGES = {
    "german": ("Die Straße führt über große Brücken", "GROSSE strasse", ["GROSSE", "strasse"]),
    "russian": ("Зелёная птица поёт на ветке", "зеленая ПТИЦА", ["зеленая", "ПТИЦА"]),
    "arabic": ("الطَّائِرُ يُغَرِّدُ فوق الشجرة", "الطائر", ["الطائر"]),
    "chinese": ("鸟儿在树上唱歌", "唱歌", ["唱歌"]),
    "japanese": ("東京都の鳥は朝に歌う", "東京の鳥", ["東京", "の鳥"]),
    "thai": ("นกร้องเพลงบนต้นไม้", "ต้นไม้", None),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_are_found_in_any_language(client: Any, language: str) -> None:
    collection = client.create_collection("languages", embedding_function=None)
    documents = {name: document for name, (document, _, _) in LANGUAGES.items()}
    collection.add(ids=list(documents), embeddings=[[1.0]] * 6, documents=list(documents.values()))
    _, text, words = LANGUAGES[language]
    result = collection.hybrid(text, by="words")
    assert result["ids"][0][0] == language
    assert words is None or result["words"][0][0] == words


def test_forms_of_a_word_find_each_other_where_the_documents_are_english(client: Any) -> None:
    english = client.create_collection("english", embedding_function=None)
    english.add(ids=["a"], embeddings=[[1.0]], documents=["the runner is running to the end of the road"])
    assert english.hybrid("who runs", by="words")["words"] == [[["runs"]]]
    assert english.hybrid("the of to", by="words")["ids"] == [[]]  # stop words
    german = client.create_collection("german", embedding_function=None)
    german.add(ids=["a"], embeddings=[[1.0]], documents=["was running war, der runner"])
    assert german.hybrid("runs", by="words")["ids"] == [[]]
    assert german.hybrid("was", by="words")["ids"] == [["a"]]


def test_texts_are_embedded_by_the_function_of_the_collection(client: Any) -> None:
    class Lengths(chroma_nb.EmbeddingFunction[Any]):
        def __init__(self) -> None: ...

        def __call__(self, input: Any) -> Any:
            return [[float(len(text)), 1.0] for text in input]

    collection = client.create_collection("embedded", embedding_function=Lengths())
    collection.add(ids=["a", "b"], documents=["four", "a longer text"])
    assert collection.hybrid("five", n_results=1)["ids"] == [["a"]]
    assert collection.hybrid("a text", n_results=1)["ids"] == [["b"]]


def test_what_include_names_comes_back(birds: Any) -> None:
    result = birds.hybrid("crow", 1, query_embeddings=[1.0, 0.0], include=["embeddings"])
    assert result["embeddings"][0].tolist() == [pytest.approx(VECTORS["crow"])]
    assert result["documents"] is result["distances"] is result["metadatas"] is None
    assert result["words"] == [[["crow"]]]


def test_more_results_than_records_are_all_of_them(birds: Any) -> None:
    assert len(birds.hybrid("crow", 10_000_000, query_embeddings=[1.0, 0.0])["ids"][0]) == 5


def test_an_empty_collection_finds_nothing(client: Any) -> None:
    collection = client.create_collection("empty", embedding_function=None)
    result = collection.hybrid(["crow"], query_embeddings=[[1.0, 0.0]])
    assert (result["ids"], result["scores"], result["words"]) == ([[]], [[]], [[]])


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (
            {"query_texts": 5},
            ValueError,
            "Expected query_texts to be a text or a non-empty list of texts, got 5 in hybrid",
        ),
        ({"query_texts": []}, ValueError, "non-empty list of texts"),
        ({"query_texts": ["a", None]}, ValueError, "non-empty list of texts"),
        ({"query_texts": "\ud83d"}, ValueError, "surrogate"),
        ({"by": "wordz"}, ValueError, "Expected by to be one of 'both', 'meaning', 'words', got 'wordz'"),
        ({"n_results": 0}, TypeError, "cannot be negative, or zero"),
        ({"query_embeddings": [[1.0, 0.0]] * 2}, ValueError, "got 2 for 1 texts"),
        ({"query_embeddings": [1.0, 0.0, 0.0]}, InvalidArgumentError, "dimension of 2, got 3"),
        ({"where": {"n": {"$no": 1}}}, ValueError, "where"),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(birds: Any, arguments: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        birds.hybrid(**({"query_texts": "crow", "query_embeddings": [1.0, 0.0]} | arguments))


def test_a_collection_that_was_deleted_is_not_found(client: Any) -> None:
    collection = made(client)
    client.delete_collection("birds")
    with pytest.raises(NotFoundError):
        collection.hybrid("crow", by="words")


@pytest.mark.parametrize("kind", [lambda texts: pd.Series(texts, index=[5, 6]), np.array])
def test_texts_may_come_in_any_column_and_are_shown(birds: Any, kind: Any) -> None:
    found = birds.hybrid(kind(["wren", "crow"]), by="words")
    assert found.query_texts == ["wren", "crow"]
    assert set(found.to_df()["query_text"]) <= {"wren", "crow"}
    assert "wren" in found._repr_html_()
    assert birds.hybrid((text for text in ["wren"]), by="words").query_texts == ["wren"]
