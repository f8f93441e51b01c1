"""Chroma's BM25 of English texts, equal to chromadb's to the last bit: its words, their numbers, their weights.

A word's weight in a text does not depend on other texts; how rare it is counts at search (``bm25=True`` of its index).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import ClassVar, Final, TypedDict

import numpy as np

from chroma_nb.embedding_functions.base import Config
from chroma_nb.embedding_functions.configuration import ConfiguredSparse, Key
from chroma_nb.types import Documents, Float64, SparseVector, SparseVectors
from chroma_nb.words.terms import TermCounts, count_terms
from chroma_nb.words.tokenizers import STOP_WORDS, ChromaTokenizer

NAME: Final = "chroma_bm25"
DEFAULT_K: Final = 1.2
DEFAULT_B: Final = 0.75
DEFAULT_AVG_DOC_LENGTH: Final = 256.0
DEFAULT_TOKEN_MAX_LENGTH: Final = 40
DEFAULT_CHROMA_BM25_STOPWORDS: list[str] = list(STOP_WORDS)


class ChromaBm25Config(TypedDict, total=False):
    """The parameters of ``ChromaBm25EmbeddingFunction``."""

    k: float
    b: float
    avg_doc_length: float
    token_max_length: int
    stopwords: list[str]
    include_tokens: bool


#: JSON's name of a value's type, as a refused configuration has it.
_JSON_TYPES: Final = {float: "number", list: "array", bool: "boolean"}


class ChromaBm25EmbeddingFunction(ConfiguredSparse[Documents]):
    """Convert English texts into sparse vectors of words, weighted by BM25. The vectors equal those of Chroma.

    It runs in this process and needs no model. Each word stem is one dimension. It is made for
    English: other languages are split at spaces and cut by English rules, and a Chinese sentence is one word.

    Parameters
    ----------
    k
        How soon further repetitions of a word stop counting. Larger values: later.
    b
        How much the length of a document counts, from 0 (not at all) to 1.
    avg_doc_length
        The average length of a document, in words.
    token_max_length
        Words with more characters are left out.
    stopwords
        Words to leave out. The default is Chroma's list of English stop words.
    include_tokens
        Whether the vectors carry the word stems as ``labels``.

    Raises
    ------
    ZeroDivisionError
        In a call: ``avg_doc_length`` is 0.

    Notes
    -----
    The weight of a word that occurs ``f`` times in a document of ``n`` words is ``f * (k + 1) / (f + k * (1 - b + b * n
    / avg_doc_length))``, the term frequency part of BM25 (Robertson and Zaragoza, "The Probabilistic Relevance
    Framework: BM25 and Beyond", 2009). How rare a word is in the collection counts when you search, if the index has
    ``SparseVectorIndexConfig(bm25=True)``.

    Examples
    --------
    >>> sorted(ChromaBm25EmbeddingFunction(include_tokens=True)(["The cats sat"])[0].labels)
    ['cat', 'sat']
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "k": Key(float),
        "b": Key(float),
        "avg_doc_length": Key(float),
        "token_max_length": Key(float),
        "include_tokens": Key(bool),
        "stopwords": Key(list, omitted_if_none=True),
    }

    def __init__(
        self,
        k: float = DEFAULT_K,
        b: float = DEFAULT_B,
        avg_doc_length: float = DEFAULT_AVG_DOC_LENGTH,
        token_max_length: int = DEFAULT_TOKEN_MAX_LENGTH,
        stopwords: Iterable[str] | None = None,
        include_tokens: bool = False,
    ) -> None:
        self.k = float(k)
        self.b = float(b)
        self.avg_doc_length = float(avg_doc_length)
        self.token_max_length = int(token_max_length)
        self.include_tokens = bool(include_tokens)
        self.stopwords = None if stopwords is None else [str(word) for word in stopwords]

    def __call__(self, input: Documents) -> SparseVectors:
        if not input:
            return []
        terms = self.count(input)
        values = self.weights(terms)
        ends = np.searchsorted(terms.rows, np.arange(len(terms.lengths) + 1)).tolist()
        indices, weights, labels = terms.terms.tolist(), values.tolist(), terms.labels
        return [
            SparseVector(indices[start:end], weights[start:end], labels[start:end] if labels and start < end else None)
            for start, end in pairwise(ends)
        ]

    def count(self, input: Documents) -> TermCounts:
        """The terms of many texts as arrays; with ``weights``, what the call returns without an object for each."""
        tokenizer = ChromaTokenizer(STOP_WORDS if self.stopwords is None else self.stopwords, self.token_max_length)
        return count_terms(input, tokenizer, labels=self.include_tokens)

    def weights(self, terms: TermCounts) -> Float64:
        """The weight of each entry, in the order of operations that Chroma's numbers come from."""
        if not len(terms.counts):
            return terms.counts
        self._refuse_zero(self.avg_doc_length)
        counts, lengths = terms.counts, terms.lengths.astype(np.float64)[terms.rows]
        with np.errstate(all="ignore"):  # Python's floats, which Chroma computes with, overflow silently
            divisors = counts + self.k * (1 - self.b + (self.b * lengths) / self.avg_doc_length)
            for divisor in divisors[divisors == 0][:1].tolist():
                self._refuse_zero(divisor)
            return counts * (self.k + 1) / divisors

    @staticmethod
    def _refuse_zero(divisor: float) -> None:
        """Raise the ZeroDivisionError of a division by zero, where numpy would only warn."""
        _ = 1.0 / divisor

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return NAME

    def get_config(self) -> Config:
        """Return the parameters as JSON; the stop words only if they are not Chroma's."""
        config = super().get_config()
        return config if self.stopwords is None else {**config, "stopwords": list(self.stopwords)}

    def validate_config_update(self, old_config: Config, new_config: Config) -> None:
        """Raise a ValueError for an unknown key. All known keys may change."""
        for key in new_config:
            if key not in self.keys:
                raise ValueError(f"Updating '{key}' is not supported for {NAME}")

    @classmethod
    def validate_config(cls, config: Config) -> None:
        """Raise a ValueError if ``config`` does not fit this class."""
        wrong = cls._wrong(config)
        if wrong is not None:
            raise ValueError(f"Config validation failed for schema '{NAME}': {wrong}")

    @classmethod
    def _wrong(cls, config: object) -> str | None:
        """What is wrong with a configuration, in the words of Chroma's check."""
        if not isinstance(config, dict):
            return f"{config!r:.200} is not of type 'object'"
        for name, value in config.items():
            if name not in cls.keys:
                continue
            if value is None or not cls.keys[name].accepts(value):
                return f"{value!r:.200} is not of type '{_JSON_TYPES[cls.keys[name].kind]}' at path '{name}'"
            for place, word in enumerate(value if isinstance(value, list) else ()):
                if not isinstance(word, str):
                    return f"{word!r:.200} is not of type 'string' at path '{name}/{place}'"
        unknown = [repr(name) for name in sorted(config, key=str) if name not in cls.keys]
        if unknown:
            were = "was" if len(unknown) == 1 else "were"
            return f"Additional properties are not allowed ({', '.join(unknown)} {were} unexpected)"
        return None
