"""Terms of texts, numbered and counted: arrays over many texts at once.

A term's number is its hash (MurmurHash3 of its UTF-8, as an absolute value), the same in every process and in Chroma.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final

import numpy as np

from chroma_nb._optional import require
from chroma_nb.types import Float64, Indices, Ints
from chroma_nb.words.tokenizers import Tokenizer

#: The number of a word that is not indexed.
NOT_INDEXED: Final = -1
#: Texts that are split before their words become numbers: their words are in memory at one time.
_TEXTS: Final = 4096
#: Words whose numbers are kept while texts are read.
_WORDS: Final = 1 << 20


@dataclass(frozen=True, eq=False)
class TermCounts:
    """Which terms stand in which text, how often. Entries are in order of the texts, then of the numbers."""

    #: The place of each entry's text.
    rows: Ints
    #: The number of each entry's term.
    terms: Ints
    #: How often it occurs.
    counts: Float64
    #: How many words of each text are indexed, repeated ones as often as they occur.
    lengths: Ints
    #: The term of each entry as text, where that was asked for.
    labels: list[str] | None = None


class Numbers(dict[str, int]):
    """Word -> the number of its term, found when it is first asked for.

    >>> from chroma_nb.words.tokenizers import ChromaTokenizer
    >>> numbers = Numbers(ChromaTokenizer())
    >>> numbers["cats"] == numbers["cat"], numbers["the"] == NOT_INDEXED
    (True, True)
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._term = tokenizer.term
        self._hash: Callable[[str], int] = require("mmh3", feature="search by words").hash

    def __missing__(self, word: str) -> int:
        term = self._term(word)
        number = self[word] = abs(self._hash(term)) if term else NOT_INDEXED
        return number


def count_terms(
    texts: Iterable[str], tokenizer: Tokenizer, *, labels: bool = False, numbers: dict[str, int] | None = None
) -> TermCounts:
    """The terms of texts, counted; with ``labels`` also as text.

    Where two terms of one text have the same number they are one, with the label of the first. ``numbers`` gives
    words other numbers than the hashes of their terms, below 2**32.

    >>> from chroma_nb.words.tokenizers import ChromaTokenizer
    >>> counted = count_terms(["cats and a cat", "", "dog"], ChromaTokenizer(), labels=True)
    >>> counted.rows, counted.counts, counted.lengths, counted.labels
    (array([0, 2]), array([2., 1.]), array([2, 0, 1]), ['cat', 'dog'])
    """
    known = Numbers(tokenizer) if numbers is None else numbers
    parts: list[TermCounts] = []
    read = 0
    for words in _batches(map(tokenizer.words, texts)):
        parts.append(_count(words, known, tokenizer.term if labels else None, read))
        read += len(words)
        if numbers is None and len(known) > _WORDS:
            known.clear()
    return _joined(parts, labels)


def query_terms(text: str, tokenizer: Tokenizer) -> dict[int, str]:
    """The numbers that a question looks for, each with the word it came from as the question has it.

    >>> from chroma_nb.words.tokenizers import ChromaTokenizer
    >>> list(query_terms("running with dogs", ChromaTokenizer()).values())
    ['running', 'dogs']
    """
    numbers = Numbers(tokenizer)
    found: dict[int, str] = {}
    for word in tokenizer.query_words(text):
        if numbers[word] != NOT_INDEXED:
            found.setdefault(numbers[word], word)
    return found


def _batches(words: Iterator[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    while batch := list(islice(words, _TEXTS)):
        yield batch


def _count(
    words: list[Sequence[str]], numbers: dict[str, int], term: Callable[[str], str] | None, first: int
) -> TermCounts:
    n_words = np.fromiter(map(len, words), np.int64, len(words))
    flat = list(chain.from_iterable(words))
    found = np.fromiter(map(numbers.__getitem__, flat), np.int64, len(flat))
    rows = np.repeat(np.arange(len(words)), n_words)
    kept: Any = np.flatnonzero(found != NOT_INDEXED)
    if len(kept) < len(flat):
        found, rows = found[kept], rows[kept]
    keys = rows << 32 | found  # a number takes 32 bits at most: an absolute value of a 32-bit integer
    places: Indices | None = None
    if term is None:
        keys.sort()
    else:
        order = np.argsort(keys, kind="stable")
        keys, places = keys[order], kept[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    entries = keys[starts]
    return TermCounts(
        rows=(entries >> 32) + first,
        terms=entries & 0xFFFFFFFF,
        counts=np.diff(starts, append=len(keys)).astype(np.float64),
        lengths=np.bincount(rows, minlength=len(words)),
        labels=None if term is None or places is None else [term(flat[place]) for place in places[starts].tolist()],
    )


def _joined(parts: list[TermCounts], labels: bool) -> TermCounts:
    def column(name: str, dtype: type) -> Any:
        return np.concatenate([np.empty(0, dtype), *(getattr(part, name) for part in parts)])

    return TermCounts(
        rows=column("rows", np.int64),
        terms=column("terms", np.int64),
        counts=column("counts", np.float64),
        lengths=column("lengths", np.int64),
        labels=list(chain.from_iterable(part.labels or () for part in parts)) if labels else None,
    )
