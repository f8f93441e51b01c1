"""Terms as arrays are what counting them one by one gives."""

from collections import Counter
from typing import Any

import mmh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_nb.words import terms
from chroma_nb.words.terms import count_terms, query_terms
from chroma_nb.words.tokenizers import ChromaTokenizer, Tokenizer, UnicodeTokenizer

texts = st.lists(
    st.lists(st.sampled_from(["the", "cat", "cats", "Cat", "dog", "猫が好き", "ё", "🐦"]), max_size=6).map(" ".join)
    | st.text(max_size=20),
    max_size=12,
)


def one_by_one(given: list[str], tokenizer: Tokenizer) -> list[Any]:
    """Row, number, count and first term of each entry, and the lengths: slowly."""
    entries, lengths = [], []
    for row, text in enumerate(given):
        found = [term for term in map(tokenizer.term, tokenizer.words(text)) if term]
        lengths.append(len(found))
        first = {abs(mmh3.hash(term)): term for term in reversed(found)}
        counts = Counter(abs(mmh3.hash(term)) for term in found)
        entries += [(row, number, float(counts[number]), first[number]) for number in sorted(counts)]
    return [entries, lengths]


@given(texts, st.sampled_from([1, 2, 4096]), st.sampled_from([0, 1 << 20]))
def test_terms_are_counted_as_one_by_one(given: list[str], at_once: int, kept: int) -> None:
    for tokenizer in (ChromaTokenizer(), UnicodeTokenizer(), UnicodeTokenizer(english=True)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(terms, "_TEXTS", at_once)
            patch.setattr(terms, "_WORDS", kept)
            plain, labelled = count_terms(given, tokenizer), count_terms(given, tokenizer, labels=True)
        entries, lengths = one_by_one(given, tokenizer)
        assert labelled.labels is not None
        found = [labelled.rows.tolist(), labelled.terms.tolist(), labelled.counts.tolist(), labelled.labels]
        assert list(zip(*found, strict=True)) == entries
        assert labelled.lengths.tolist() == lengths
        assert plain.labels is None
        for name in ("rows", "terms", "counts", "lengths"):
            assert getattr(plain, name).tolist() == getattr(labelled, name).tolist()
            assert getattr(plain, name).dtype == getattr(labelled, name).dtype


class TwoAsOne(ChromaTokenizer):
    """Finds terms whose numbers are those of other terms."""

    def term(self, word: str) -> str:
        return word


def test_two_terms_of_one_number_are_one_with_the_label_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmh3, "hash", lambda term: -(2**31) if term in "ab" else 7)
    counted = count_terms(["b c a b", "a"], TwoAsOne(), labels=True)
    assert counted.rows.tolist() == [0, 0, 1]
    assert counted.terms.tolist() == [7, 2**31, 2**31]
    assert counted.counts.tolist() == [1.0, 3.0, 1.0]
    assert counted.labels == ["c", "b", "a"]


def test_a_question_says_which_of_its_words_stands_behind_a_number() -> None:
    asked = query_terms("the Running dogs run", ChromaTokenizer())
    found = count_terms(["he runs"], ChromaTokenizer())
    assert [asked[number] for number in found.terms.tolist()] == ["running"]
    assert sorted(asked.values()) == ["dogs", "running"]
    assert query_terms("the", ChromaTokenizer()) == {}
