"""df.chroma: to a collection, and search in a DataFrame."""

import numpy as np
import pandas as pd
import pytest

import chroma_nb.pandas


class Counting:
    """Embeds by letters and remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, input):
        self.asked += input
        return [np.array([text.count("a"), text.count("b")], np.float32) for text in input]


@pytest.fixture(autouse=True)
def registered():
    chroma_nb.pandas.register()


def test_search_keeps_the_rows_and_their_index():
    frame = pd.DataFrame({"text": ["aa", "bb", None, "ab"], "n": [1, 2, 3, 4]}, index=[10, 20, 30, 40])
    found = frame.chroma.search("bbb", 2, document="text", embedding_function=Counting())
    assert found.index.tolist() == [20, 40]
    assert found["n"].tolist() == [2, 4]
    assert found["distance"].is_monotonic_increasing


def test_a_text_is_embedded_once():
    embed = Counting()
    frame = pd.DataFrame({"document": ["aa", "bb", "aa"]})
    frame.chroma.search("b", embedding_function=embed)
    frame.chroma.search("b", embedding_function=embed)
    assert embed.asked == ["aa", "bb", "b"]


def test_search_refuses_a_vector_of_another_length():
    with pytest.raises(ValueError, match="a vector of 2 dimensions"):
        pd.DataFrame({"embedding": [[1.0, 0.0]]}).chroma.search([1.0])


def test_to_collection_writes_only_what_differs(client):
    frame = pd.DataFrame({"id": ["a", "b"], "embedding": [[1.0, 0.0], [0.0, 1.0]]})
    collection = client.create_collection("frames", embedding_function=None)
    frame.chroma.to_collection(collection)
    assert collection.count() == 2
    frame.iloc[:1].chroma.to_collection(collection, delete=True)
    assert collection.get()["ids"] == ["a"]


def test_to_collection_by_name_wants_a_client():
    with pytest.raises(ValueError, match="Expected client="):
        pd.DataFrame({"id": ["a"]}).chroma.to_collection("birds")
