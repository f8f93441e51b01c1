"""The index of the words of documents: which records hold which words, and how often; ranked exactly by BM25.

One index for every language: it holds the words as they are (``words/tokenizers.py``, UnicodeTokenizer). Documents
read as English if words such as "the" and "of" are frequent in them, so this follows what the collection holds
now. If they do, forms of a word with the same stem count as one word, and stop words are ignored. Both are decided for
each query, and no stem is stored.

The score of a document is the sum over the query's words of

    ln(1 + (N - n + 0.5) / (n + 0.5)) * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / average))

with k1 = 1.2 and b = 0.75 (S. Robertson and H. Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009;
the 1 in the logarithm, which keeps it positive, is Lucene's). N and the average are those of all documents of the
collection, whatever a filter leaves, so that a score does not depend on the filter. Added up in float64 in the order
of the query's words.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, cast

import numpy as np

from chroma_nb import _locks
from chroma_nb.engine.arrays import EMPTY, Float32, Float64, Ints, Rows, found_in
from chroma_nb.engine.index.postings import Allowed, Postings, SparseRows
from chroma_nb.engine.index.sparse import SparseIndex
from chroma_nb.types import Int32
from chroma_nb.words.terms import count_terms
from chroma_nb.words.tokenizers import ENGLISH_MARKS, ENGLISH_STOP_WORDS, UnicodeTokenizer, reads_as_english

K1: Final = 1.2
B: Final = 0.75
#: The length of a missing document.
_NO_DOCUMENT: Final = -1
#: What is counted in each document besides all of its words, see ``WordIndex.lengths``.
_COUNTED_TOO: Final = (ENGLISH_STOP_WORDS, tuple(ENGLISH_MARKS))
#: This many new words, or fewer, are inserted one by one.
_FEW_WORDS: Final = 1_000
#: A query with fewer than one posting for this many records sorts them; others add up over all records.
_FEW_POSTINGS: Final = 64


class Vocabulary(dict[str, int]):
    """Word -> its number, which it gets when it first occurs. Only one thread at a time may add words.

    >>> known = Vocabulary()
    >>> known["run"], known["dog"], known["running"], known.forms("runs", UnicodeTokenizer(english=True))
    (0, 1, 2, [0, 2])
    """

    def __init__(self, words: Iterable[str] = ()) -> None:
        self.words = list(words)
        super().__init__(zip(self.words, range(len(self.words)), strict=True))
        #: Words of ASCII (only these have stems), ascending; term -> the numbers of its forms, once they were needed.
        self._ascending: list[str] = []
        self._forms: dict[str, list[int]] = {}
        self._seen = 0
        self._lock = _locks.Lock()

    def __missing__(self, word: str) -> int:
        # In this order: an interrupt between the two leaves a number without a word.
        number = len(self.words)
        self.words.append(word)
        self[word] = number
        return number

    def forms(self, word: str, tokenizer: UnicodeTokenizer) -> list[int]:
        """The numbers of the words that have the same term as ``word``, ascending; empty for a stop word.

        Stemming takes time, so only words with the same beginning are stemmed.
        """
        if not (tokenizer.english and word.isascii()):
            return [self[word]] if word in self else []
        term = tokenizer.term(word)
        if not term:
            return []
        with self._lock:
            self._sort_in()
            if term not in self._forms:
                alike = {other for other in self._may_have(term) if tokenizer.term(other) == term}
                self._forms[term] = sorted(map(self.__getitem__, alike))
            return self._forms[term]

    def _sort_in(self) -> None:
        """Add the words since the last time. After an interrupt a word may be there twice, which does no harm."""
        known = len(self.words)
        if self._seen == known:
            return
        new = list(filter(str.isascii, self.words[self._seen : known]))
        if len(new) < _FEW_WORDS:
            for word in new:
                insort(self._ascending, word)
        else:
            self._ascending = sorted(self._ascending + new)
        self._forms.clear()
        self._seen = known

    def _may_have(self, term: str) -> list[str]:
        """The words that may have this stem.

        Snowball's English stemmer shortens words, and of what is left changes the last letter at most (happy and
        happi, hoping and hope, ability and abl), but for a few words.
        """
        changed = len(term) > 2 and (term[-1] in "ie" or term.endswith("bl"))
        beginning = term[:-1] if changed else term
        first = bisect_left(self._ascending, beginning)
        last = bisect_left(self._ascending, beginning + "\x7f", first)
        others = ["skies"] if term == "sky" else [f"{term[0]}ying"] if len(term) == 3 and term.endswith("ie") else []
        return self._ascending[first:last] + [other for other in others if other in self]


@dataclass(frozen=True)
class WordHits:
    """The documents found by words, best first, and which words of the query each of them holds."""

    rows: Rows
    scores: Float64
    #: The words of the query, each with the rows of all documents that hold it, ascending.
    words: tuple[tuple[str, Rows], ...] = ()

    def words_in(self, rows: Rows) -> list[list[str]]:
        """Which words of the query each of the documents holds."""
        held: list[list[str]] = [[] for _ in rows]
        for word, documents in self.words:
            for place in found_in(documents, rows)[0].tolist():
                held[place].append(word)
        return held


@dataclass(frozen=True)
class StoredWords:
    """An index of words as arrays: see ``Postings`` (``counts`` are its values) and ``WordIndex.lengths``."""

    words: list[str]
    lengths: Int32
    starts: Ints
    places: Int32
    counts: Float32


@dataclass(frozen=True, eq=False)
class WordIndex:
    """Which documents hold which words. It does not change: ``changed`` returns another, which shares what is the same.

    >>> index = WordIndex().changed(np.array([0, 1, 2]), ["a red kite", None, "ein roter Milan"])
    >>> index.best("Kite, MILAN", 10).rows.tolist(), index.english
    ([0, 2], False)
    """

    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    #: How often each document holds each word, by its number.
    counts: SparseIndex = field(default_factory=SparseIndex)
    #: By row, shape (3, rows): how many words the document has, below 0 if there is none, as beyond the end; how
    #: many of them are English stop words; how many show that a text is English.
    lengths: Int32 = field(default_factory=lambda: _NO_LENGTHS)

    @classmethod
    def of(cls, pieces: Iterable[tuple[Rows, Sequence[str | None]]]) -> WordIndex:
        """The index of the documents of all rows, which come in pieces, ascending."""
        vocabulary, lengths, counted = Vocabulary(), _NO_LENGTHS, list[SparseRows]()
        for rows, texts in pieces:
            entries, of_piece = _counted(rows, texts, vocabulary)
            counted.append(entries)
            lengths = _laid_over(lengths, rows, of_piece)
        return cls(vocabulary, SparseIndex.of(SparseRows.last_of(counted)), lengths)

    def changed(self, rows: Rows, texts: Sequence[str | None]) -> WordIndex:
        """The index after a change: ``rows`` (ascending) have these documents; None: they have none, or are deleted."""
        entries, lengths = _counted(rows, texts, self.vocabulary)
        return WordIndex(self.vocabulary, self.counts.changed(rows, entries), _laid_over(self.lengths, rows, lengths))

    # --- in a file ----------------------------------------------------------------------------------------------

    def stored(self) -> tuple[Rows, StoredWords]:
        """The rows that have a document, and the index of these, without words that no document has."""
        documents = np.flatnonzero(self.lengths[0] >= 0)
        arrays = self.counts.arrays() if self.counts.parts else Postings.of(SparseRows.of(EMPTY, [])).arrays()
        words = list(map(self.vocabulary.words.__getitem__, arrays["dimensions"].tolist()))
        places = np.searchsorted(documents, arrays["rows"]).astype(np.int32)[arrays["places"]]
        return documents, StoredWords(words, self.lengths[:, documents], arrays["starts"], places, arrays["values"])

    @classmethod
    def from_stored(cls, rows: Rows, stored: StoredWords) -> WordIndex:
        """The index of documents that are in these rows now, ascending; below 0: the document is deleted."""
        there = rows >= 0
        dimensions = np.arange(len(stored.words))
        postings = Postings(rows, dimensions, stored.starts, stored.places, stored.counts)
        if not there.all():
            postings = Postings.merged([replace(postings, alive=there)])
        lengths = _laid_over(_NO_LENGTHS, rows[there], stored.lengths[:, there])
        return cls(Vocabulary(stored.words), SparseIndex((postings,) if len(postings.rows) else ()), lengths)

    # --- contents -----------------------------------------------------------------------------------------------

    @cached_property
    def documents(self) -> int:
        """How many records have a document."""
        return int(np.count_nonzero(self.lengths[0] >= 0))

    @cached_property
    def english(self) -> bool:
        """Whether the documents read as English."""
        words, _, marks = np.maximum(self.lengths, 0).sum(axis=1, dtype=np.int64).tolist()
        return reads_as_english(marks, words)

    @cached_property
    def _norms(self) -> Float64:
        """By row: k1 * (1 - b + b * length / average)."""
        words, stop_words, _ = np.maximum(self.lengths, 0)
        lengths = (words - stop_words if self.english else words).astype(np.float64)
        average = float(lengths.sum()) / max(self.documents, 1)
        return np.asarray(K1 * (1 - B + B * lengths / (average or 1.0)))

    # --- searching ----------------------------------------------------------------------------------------------

    def best(self, text: str, k: int, allowed: Allowed | None = None) -> WordHits:
        """The ``k`` documents with the highest score, best first, ties in the order of rows; those of ``allowed``.

        Only documents that hold one of the text's words.
        """
        words, rows, parts = [], [], []
        for word, forms in self._asked(text):
            documents, counts = self._holding(forms)
            words.append((word, documents))
            rows.append(documents)
            parts.append(self._parts(documents, counts))
        if not words:
            return WordHits(EMPTY, np.empty(0))
        found, scores = _summed(np.concatenate(rows), np.concatenate(parts), self.lengths.shape[1])
        if allowed is not None:
            may = allowed.holds(found)
            found, scores = found[may], scores[may]
        return WordHits(*_highest(found, scores, k), tuple(words))

    def _asked(self, text: str) -> list[tuple[str, list[int]]]:
        """The known words of a query text, as they are written, each with the numbers of its forms."""
        tokenizer = UnicodeTokenizer(english=self.english)
        written: dict[str, str] = {}
        for start, end, word in tokenizer.spans(text):
            written.setdefault(word, text[start:end])
        asked: dict[str, tuple[str, list[int]]] = {}
        for word in tokenizer.query_words(text):
            term = tokenizer.term(word)
            if term and term not in asked and (forms := self.vocabulary.forms(word, tokenizer)):
                asked[term] = written.get(word, word), forms
        return list(asked.values())

    def _holding(self, forms: list[int]) -> tuple[Rows, Float64]:
        """The documents that hold one of these words, ascending, and how often each holds any of them."""
        lists = [held for held in self.counts.lists(np.array(forms, np.int64)) if len(held[0])]
        if len(lists) == 1:
            rows, values = lists[0]
            order = np.argsort(rows, kind="stable") if len(self.counts.parts) > 1 else slice(None)
            return rows[order], values[order].astype(np.float64)
        every = np.concatenate([EMPTY, *(rows for rows, _ in lists)])
        counts = np.concatenate([np.empty(0), *(values for _, values in lists)])
        each, numbers = np.unique(every, return_inverse=True)
        return each, _sums(numbers, counts, len(each))

    def _parts(self, rows: Rows, counts: Float64) -> Float64:
        """What a word adds to the scores of the documents that hold it."""
        weight = math.log(1 + (self.documents - len(rows) + 0.5) / (len(rows) + 0.5))
        return np.asarray(weight * (counts * (K1 + 1)) / (counts + self._norms[rows]))


_NO_LENGTHS: Final[Int32] = np.empty((1 + len(_COUNTED_TOO), 0), np.int32)


def _counted(rows: Rows, texts: Sequence[str | None], vocabulary: Vocabulary) -> tuple[SparseRows, Int32]:
    """How often the documents of rows hold each word, and the entries of ``lengths`` for each row."""
    places = [place for place, text in enumerate(texts) if text is not None]
    counted = count_terms((text for text in texts if text is not None), UnicodeTokenizer(), numbers=vocabulary)
    lengths = np.full((1 + len(_COUNTED_TOO), len(texts)), _NO_DOCUMENT, np.int32)
    lengths[0, places] = counted.lengths
    for line, words in enumerate(_COUNTED_TOO, 1):
        is_one = np.zeros(len(vocabulary.words), np.bool_)
        is_one[[vocabulary[word] for word in words if word in vocabulary]] = True
        times = counted.counts * is_one[counted.terms]
        lengths[line, places] = np.bincount(counted.rows, times, len(places))
    entries = np.bincount(counted.rows, minlength=len(places))
    return SparseRows(rows[places], entries, counted.terms, counted.counts.astype(np.float32)), lengths


def _laid_over(lengths: Int32, rows: Rows, new: Int32) -> Int32:
    count = max(lengths.shape[1], int(rows[-1]) + 1 if len(rows) else 0)
    laid = np.full((len(lengths), count), _NO_DOCUMENT, np.int32)
    laid[:, : lengths.shape[1]] = lengths
    laid[:, rows] = new
    return laid


def _summed(rows: Rows, parts: Float64, count: int) -> tuple[Rows, Float64]:
    """The rows, ascending, each once, with the sum of its parts in the order in which they come."""
    if _FEW_POSTINGS * len(rows) < count:
        found, numbers = np.unique(rows, return_inverse=True)
        return found, _sums(numbers, parts, len(found))
    touched = np.zeros(count, np.bool_)
    touched[rows] = True
    found = np.flatnonzero(touched)
    return found, _sums(rows, parts, count)[found]


def _sums(numbers: Ints, parts: Float64, count: int) -> Float64:
    """The sum of the parts of each number, in the order in which they come."""
    return cast(Float64, np.bincount(numbers, parts, count))


def _highest(rows: Rows, scores: Float64, k: int) -> tuple[Rows, Float64]:
    """The ``k`` rows (ascending) of the highest scores, highest first; ties in the order of rows."""
    if len(rows) > k:
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        near = scores >= least
        rows, scores = rows[near], scores[near]
    order = np.argsort(-scores, kind="stable")[:k]
    return rows[order], scores[order]
