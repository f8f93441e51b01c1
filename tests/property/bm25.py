"""BM25 in plain Python, from the texts themselves each time: what the index of words must find, to the last bit."""

from __future__ import annotations

import math
from collections.abc import Mapping

from chroma_nb.words.tokenizers import UnicodeTokenizer, is_english


def best(documents: Mapping[int, str], question: str, k: int, allowed: object = None) -> list[tuple[int, float]]:
    """(row, score) of the ``k`` best documents, by row; only those ``allowed``, where that is given."""
    plain = UnicodeTokenizer()
    english = bool(documents) and is_english_as_a_whole(documents)
    tokenizer = UnicodeTokenizer(english=english)
    terms = {row: [term for term in map(tokenizer.term, plain.words(text)) if term] for row, text in documents.items()}
    average = sum(map(len, terms.values())) / max(len(terms), 1)
    scores: dict[int, float] = {}
    for term in dict.fromkeys(map(tokenizer.term, tokenizer.query_words(question))):
        holding = [row for row in terms if term and term in terms[row]]
        weight = math.log(1 + (len(terms) - len(holding) + 0.5) / (len(holding) + 0.5))
        for row in holding:
            times = float(terms[row].count(term))
            norm = 1.2 * (1 - 0.75 + 0.75 * len(terms[row]) / average)
            scores[row] = scores.get(row, 0.0) + weight * (times * (1.2 + 1)) / (times + norm)
    found = [(row, score) for row, score in scores.items() if allowed is None or row in allowed]  # type: ignore[operator]
    return sorted(found, key=lambda one: (-one[1], one[0]))[:k]


def is_english_as_a_whole(documents: Mapping[int, str]) -> bool:
    """Whether all of the documents together read as English."""
    return is_english([" ".join(documents.values())])
