"""The index of words finds what a scan in plain Python finds, with the same bits, whatever changed before."""

from __future__ import annotations

from typing import Any

import bm25
import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from chroma_nb.engine.index import words as module
from chroma_nb.engine.index.postings import Allowed
from chroma_nb.engine.index.words import Vocabulary, WordIndex
from chroma_nb.words.tokenizers import UnicodeTokenizer

WORDS = "the of is run running runs dying die Größe grösse kite kites 東京都 東 京都 สวัสดี été x1 _ 🐦 don't b bing bed"
texts = st.lists(st.sampled_from(WORDS.split()), max_size=7).map(" ".join)
#: Row -> its document from then on, or none.
changes = st.dictionaries(st.integers(0, 11), st.none() | texts, max_size=6)


def found(index: WordIndex, question: str, k: int, allowed: Any = None) -> list[tuple[int, float]]:
    hits = index.best(question, k, allowed)
    return list(zip(hits.rows.tolist(), hits.scores.tolist(), strict=True))


@given(
    first=changes,
    lots=st.lists(changes, max_size=4),
    question=texts,
    k=st.integers(1, 5),
    some=st.sets(st.integers(0, 11)),
)
@example(first={0: "the run of", 1: "running is the", 2: "a b c"}, lots=[], question="Runs", k=3, some={1})
def test_the_best_documents_are_the_oracles(first: Any, lots: Any, question: str, k: int, some: set[int]) -> None:
    rows = sorted(first)
    index = WordIndex.of([(np.array(rows, np.int64), [first[row] for row in rows])])
    held = {row: text for row, text in first.items() if text is not None}
    for lot in lots:
        rows = sorted(lot)
        index = index.changed(np.array(rows, np.int64), [lot[row] for row in rows])
        held = {row: text for row, text in {**held, **lot}.items() if text is not None}
    assert index.documents == len(held)
    assert found(index, question, k) == bm25.best(held, question, k)
    allowed = Allowed(np.array(sorted(some), np.int64))
    assert found(index, question, k, allowed) == bm25.best(held, question, k, some)


@given(lots=st.lists(changes, min_size=1, max_size=3), question=texts)
def test_few_postings_among_many_documents_add_up_to_the_same(lots: Any, question: str) -> None:
    index, before = WordIndex(), module._FEW_POSTINGS
    for lot in lots:
        rows = sorted(lot)
        index = index.changed(np.array(rows, np.int64), [lot[row] for row in rows])
    expected = found(index, question, 12)
    try:
        module._FEW_POSTINGS = 0  # type: ignore[misc]
        assert found(index, question, 12) == expected
    finally:
        module._FEW_POSTINGS = before  # type: ignore[misc]


ENDINGS = "ed edly eed ing ingly s ies ied y ly li ness ful ment ation ational ization biliti bility bly ible ence ency"
made = st.builds(str.__add__, st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.sampled_from(["", *ENDINGS.split()]))


@given(words=st.lists(made, min_size=1, max_size=30, unique=True), later=st.lists(made, max_size=3))
@example(words=["dying", "die", "skies", "sky", "aing", "a", "hoping", "hope", "happy", "happier"], later=["dies"])
@example(words=["sensible", "sensibility", "sensibly", "cry", "cries", "using", "use", "us"], later=[])
def test_the_forms_of_a_word_are_all_words_of_its_stem(words: list[str], later: list[str]) -> None:
    tokenizer, vocabulary = UnicodeTokenizer(english=True), Vocabulary(words)
    for known in (words, list(dict.fromkeys(words + later))):
        stems = [tokenizer.term(word) for word in known]
        for word, stem in zip(known, stems, strict=True):
            same = [number for number, other in enumerate(stems) if stem and other == stem]
            assert vocabulary.forms(word, tokenizer) == same
        for word in later:
            vocabulary[word]


@given(texts=st.lists(texts, max_size=5), question=texts)
def test_the_words_of_a_hit_are_those_that_stand_in_it_as_the_question_writes_them(
    texts: list[str], question: str
) -> None:
    index = WordIndex().changed(np.arange(len(texts)), texts)
    hits = index.best(question, 10)
    plain = UnicodeTokenizer(english=index.english)
    for row, words in zip(hits.rows.tolist(), hits.words_in(hits.rows), strict=True):
        assert words
        terms = set(map(plain.term, plain.words(texts[row])))
        for word in words:
            assert word in question
            assert terms.intersection(map(plain.term, plain.query_words(word)))
