"""Our stemmer gives Snowball's stems, and our stop words are Chroma's."""

import csv
from pathlib import Path

import pytest
from chromadb.utils.embedding_functions.chroma_bm25_embedding_function import DEFAULT_CHROMA_BM25_STOPWORDS
from hypothesis import given
from hypothesis import strategies as st
from snowballstemmer import stemmer

from chroma_nb.words import english
from chroma_nb.words.english import STOP_WORDS, stem

DATA = Path(__file__).parents[2] / "notebooks/data/wordnet-nouns.csv"
ENDINGS = [
    *sorted({*english._LONG, *english._LATIN, *english._LAST}),
    *("s", "es", "us", "ss", "sses", "ies", "ied", "eed", "eedly", "ed", "edly", "ing", "ingly", "ying"),
    *("y", "e", "l", "ll", "'", "'s", "'s'", ""),
]
BEGINNINGS = [
    *("succ", "proc", "exc", "even", "cann", "inn", "earr", "herr", "out", "past", "gener", "univers", "commun"),
    *("inter", "later", "organ", "emerg", "arsen", "'", "y", "yy", "b", "ab", "eb", "ob", "é", ""),
]
words = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(BEGINNINGS),
        st.text("aeiouybdlgstwxné'", max_size=6),
        st.sampled_from(ENDINGS),
        st.sampled_from(ENDINGS),
    ),
)


def test_every_word_of_a_dictionary_has_snowballs_stem() -> None:
    theirs = stemmer("english")
    with DATA.open(encoding="utf-8", newline="") as file:
        found = {word for row in csv.reader(file) for cell in row for word in cell.lower().split()}
    assert len(found) > 5000
    assert {word: stem(word) for word in found} == {word: theirs.stemWord(word) for word in found}


@given(words | st.text(max_size=12).map(str.lower).filter(lambda word: "Y" not in word))
def test_no_word_has_another_stem_than_snowballs(word: str) -> None:
    assert stem(word) == stemmer("english").stemWord(word)


def test_stems_that_snowball_changed_in_its_version_3_are_of_3() -> None:
    changed = {"organization": "organiz", "organs": "organ", "biologist": "biolog", "evenings": "evening"}
    assert {word: stem(word) for word in changed} == changed


@pytest.mark.parametrize("word", ["", "a", "is", "sky", "news"])
def test_a_word_too_short_or_invariant_stays(word: str) -> None:
    assert stem(word) == word


def test_the_stop_words_are_chromas() -> None:
    assert list(STOP_WORDS) == DEFAULT_CHROMA_BM25_STOPWORDS
