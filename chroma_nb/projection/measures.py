"""The quality of a list of ids for one query, and how certain a difference between two systems is.

A query's expected ids have grades above 0. Every id with a grade is relevant; the grade counts in nDCG alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np

from chroma_nb.types import Float64

#: The expected ids of a question, each with its grade, above 0.
Grades: TypeAlias = Mapping[str, float]

#: How often the questions are drawn again. More change the interval's second digit at most.
RESAMPLES: Final = 10_000
_SEED: Final = 42
#: So many questions are drawn in one step: more would fill the memory, fewer would be a loop.
_DRAWN: Final = 1_000_000


def recall(found: Sequence[str], grades: Grades) -> float:
    """The share of the expected ids that was found."""
    return len(grades.keys() & set(found)) / len(grades)


def rank(found: Sequence[str], grades: Grades) -> int | None:
    """Return the rank of the first expected id, from 1; None if no expected id was found."""
    return next((rank for rank, id_ in enumerate(found, 1) if id_ in grades), None)


def reciprocal_rank(found: Sequence[str], grades: Grades) -> float:
    """Return 1 / rank of the first expected id; 0 if no expected id was found."""
    first = rank(found, grades)
    return 0.0 if first is None else 1 / first


def ndcg(found: Sequence[str], grades: Grades, k: int) -> float:
    """Discounted gain of the first ``k`` over the best possible: 1 when the highest grades stand first.

    The gain is the grade itself, as in K. Järvelin and J. Kekäläinen, Cumulated gain-based evaluation of IR techniques
    (2002), and as ``ndcg_cut`` of trec_eval has it; not 2 ** grade - 1.

    >>> ndcg(["a", "x"], {"a": 1}, 2), round(ndcg(["a", "b"], {"a": 1, "b": 3}, 2), 3)
    (1.0, 0.797)
    """
    best = sorted(grades.values(), reverse=True)
    return _discounted([grades.get(id_, 0) for id_ in found[:k]]) / _discounted(best[:k])


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1) if gain)


#: What is measured for each question: column -> (found ids, grades, k) -> number.
MEASURES: Final[dict[str, Callable[[Sequence[str], Grades, int], float]]] = {
    "recall": lambda found, grades, k: recall(found[:k], grades),
    "mrr": lambda found, grades, k: reciprocal_rank(found[:k], grades),
    "ndcg": ndcg,
}


def interval(differences: Float64) -> tuple[float, float]:
    """The 95 % interval of the mean difference between two systems, from their difference at each question.

    A paired bootstrap: the questions are drawn again, with replacement, 10,000 times, and the middle 95 % of the means
    are the interval. T. Sakai, Evaluating Evaluation Metrics based on the Bootstrap (2006); M. Smucker, J. Allan and
    B. Carterette, A Comparison of Statistical Significance Tests for Information Retrieval Evaluation (2007), compares
    it with other tests. The seed is fixed: the same differences give the same interval. One question has none (NaN).

    >>> interval(np.array([0.5, 0.0, 0.25, 0.5, -0.25, 0.0, 0.5, 0.25]))
    (0.03125, 0.40625)
    """
    count = len(differences)
    if count < 2:
        return math.nan, math.nan
    random = np.random.default_rng(_SEED)
    means = np.empty(RESAMPLES)
    step = max(1, _DRAWN // count)
    for start in range(0, RESAMPLES, step):
        part = means[start : start + step]
        part[:] = differences[random.integers(count, size=(len(part), count))].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    mean = differences.mean()  # rounding may put it outside where all differences are nearly equal
    return float(min(low, mean)), float(max(high, mean))
