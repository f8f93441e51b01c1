"""The data of a benchmark run: vectors, documents, metadata, queries, filters and the truth, the same for every system.

Real when a directory with WordNet and its MiniLM vectors is named (``--wordnet`` or ``CHROMA_NB_BENCH_WORDNET``),
else a synthetic mixture: 400 clusters in 20 topics, cluster sizes by Zipf's law, unit length, documents of about 470
characters. Metadata: ``score`` (float, random), ``cat`` (int), ``tag`` (str), ``side`` (float, follows the vectors).
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

QUERIES = 200
K = 10
#: Shares of the records that the filters allow, and the column each kind of filter looks at.
SHARES = (0.001, 0.01, 0.1, 0.5, 0.9)
FILTERS = {"random": "score", "correlated": "side"}
#: Squared distances that differ by less count as equal: what float32 leaves of vectors of unit length.
EQUAL = 1e-6
#: Rows whose distances to all queries are held at once.
BLOCK = 50_000
Where = dict[str, Any]
Mask = npt.NDArray[np.bool_]


@dataclass
class Workload:
    """``n`` records and 200 queries; ``X`` and ``Q`` are float32 rows.

    ``truth``: for each filter by its name, the squared distance from each query to the last of its nearest.
    """

    X: npt.NDArray[np.float32]
    Q: npt.NDArray[np.float32]
    documents: list[str] = field(default_factory=list)
    metadatas: list[dict[str, Any]] = field(default_factory=list)
    truth: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    @property
    def n(self) -> int:
        return len(self.X)

    @cached_property
    def ids(self) -> list[str]:
        return [f"id{i}" for i in range(self.n)]

    def column(self, key: str) -> npt.NDArray[Any]:
        return np.array([metadata[key] for metadata in self.metadatas])

    def recall(self, found: Sequence[Iterable[Any]], last: npt.NDArray[np.float64], mask: Mask | None = None) -> float:
        """The share of the true neighbours among those ``found`` (ids or rows), averaged over the first queries.

        Whatever is as near as the last true neighbour is one, so that a choice among equals is no error.
        """
        wanted = min(K, self.n if mask is None else int(mask.sum()))
        if not wanted:
            return float(not any(found))
        shares = []
        for query, limit, names in zip(self.Q, last, found, strict=False):
            rows = np.array(sorted({int(str(name).removeprefix("id")) for name in names}), np.intp)
            rows = rows if mask is None else rows[mask[rows]]
            distances = ((self.X[rows].astype(np.float64) - query) ** 2).sum(axis=1)
            shares.append(min(wanted, int((distances <= limit + EQUAL).sum())) / wanted)
        return float(np.mean(shares))


@dataclass(frozen=True)
class Condition:
    """A filter: of which kind, how much it allows."""

    kind: str
    share: float

    @property
    def name(self) -> str:
        return f"filter_{self.kind}_{self.share}"

    @property
    def where(self) -> Where:
        return {FILTERS[self.kind]: {"$lt": self.share}}

    def mask(self, work: Workload) -> Mask:
        """Which records it allows."""
        return work.column(FILTERS[self.kind]) < self.share


CONDITIONS = [Condition(kind, share) for kind in FILTERS for share in SHARES]


def last_distances(
    X: npt.NDArray[np.float32], Q: npt.NDArray[np.float32], masks: Sequence[Mask | None]
) -> list[npt.NDArray[np.float64]]:
    """For each mask: the squared distance from each query to the last of its K nearest allowed rows."""
    nearest = [np.empty((len(Q), 0)) for _ in masks]
    queries = Q.astype(np.float64)
    lengths = (queries**2).sum(axis=1)[:, None]
    for start in range(0, len(X), BLOCK):
        block = X[start : start + BLOCK].astype(np.float64)
        distances = lengths + (block**2).sum(axis=1) - 2 * (queries @ block.T)
        for at, mask in enumerate(masks):
            allowed = distances if mask is None else distances[:, mask[start : start + BLOCK]]
            together = np.hstack((nearest[at], allowed))
            nearest[at] = np.partition(together, K - 1, axis=1)[:, :K] if together.shape[1] > K else together
    return [kept.max(axis=1, initial=0.0) for kept in nearest]


def save(directory: Path, n: int, wordnet: Path | None = None) -> None:
    """Make the data of a run once; ``load`` reads it in each process."""
    rng = np.random.default_rng(7)
    X, Q, documents, tags = _wordnet(wordnet, n, rng) if wordnet else _synthetic(n, rng)
    anchor = X[rng.integers(len(X))]
    side = np.argsort(np.argsort(-(X @ anchor))) / len(X)
    score, cat = rng.random(len(X)), rng.integers(0, 1000, len(X))
    metadatas = [
        {"score": float(a), "cat": int(b), "tag": tag, "side": float(c)}
        for a, b, c, tag in zip(score, cat, side, tags, strict=True)
    ]
    np.save(directory / "X.npy", X)
    np.save(directory / "Q.npy", Q)
    (directory / "records.json").write_text(json.dumps([documents, metadatas]))
    work = Workload(X, Q, documents, metadatas)
    truth = last_distances(X, Q, [None, *(condition.mask(work) for condition in CONDITIONS)])
    np.savez(directory / "truth.npz", **dict(zip(["all", *(c.name for c in CONDITIONS)], truth, strict=True)))


def load(directory: Path, *, records: bool = True) -> Workload:
    """``records``: all of it, in memory; else the vectors alone, mapped, which takes no memory of the process."""
    if not records:
        return Workload(np.load(directory / "X.npy", mmap_mode="r"), np.load(directory / "Q.npy"))
    documents, metadatas = json.loads((directory / "records.json").read_text())
    with np.load(directory / "truth.npz") as truth:
        return Workload(
            np.load(directory / "X.npy"), np.load(directory / "Q.npy"), documents, metadatas, dict(truth.items())
        )


def _synthetic(n: int, rng: np.random.Generator) -> tuple[Any, Any, list[str], list[str]]:
    X, Q = mixture(n, rng)
    return X, Q, list(_texts(n, rng)), [f"tag{t:02d}" for t in rng.integers(0, 20, n)]


def mixture(n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """``n`` vectors and those of the queries, from the same clusters."""
    dimension, clusters, topics = 384, 400, 20

    def unit(a: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        return (a / np.linalg.norm(a, axis=1, keepdims=True)).astype(np.float32)

    topic_of = rng.integers(0, topics, clusters)
    centres = 0.7 * unit(rng.normal(size=(clusters, dimension))) + unit(rng.normal(size=(topics, dimension)))[topic_of]
    spread = rng.normal(size=(clusters, 24, dimension)).astype(np.float32) / np.sqrt(dimension)
    size = 1 / np.arange(1, clusters + 1) ** 0.7

    def draw(count: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[Any]]:
        cluster = rng.choice(clusters, count, p=size / size.sum())
        points = np.empty((count, dimension), np.float32)
        for c in range(clusters):
            rows = np.flatnonzero(cluster == c)
            inside = rng.normal(size=(len(rows), 24)).astype(np.float32) @ spread[c] * 0.16
            points[rows] = centres[c] + inside + rng.normal(size=(len(rows), dimension)) * 0.012
        return unit(points), cluster

    X, _ = draw(n)
    Q, _ = draw(QUERIES)
    return X, Q


def _texts(n: int, rng: np.random.Generator) -> Iterator[str]:
    words = np.array([f"word{i}" for i in range(3000)], dtype=object)
    frequency = 1 / np.arange(1, 3001) ** 0.9
    for start in range(0, n, BLOCK):
        for row in rng.choice(3000, (min(BLOCK, n - start), 60), p=frequency / frequency.sum()):
            yield " ".join(words[row])


def _wordnet(directory: Path, n: int, rng: np.random.Generator) -> tuple[Any, Any, list[str], list[str]]:
    vectors = np.load(directory / "wordnet-minilm-f16.npy", mmap_mode="r")
    if n + QUERIES > len(vectors):
        raise SystemExit(f"WordNet has {len(vectors)} entries: --n can be at most {len(vectors) - QUERIES}")
    order = rng.permutation(len(vectors))[: n + QUERIES]
    with gzip.open(directory / "wordnet-glosses.csv.gz", "rt", encoding="utf-8") as file:
        entries = list(csv.DictReader(file))
    rows = [entries[i] for i in order[:n]]
    points = vectors[order].astype(np.float32)
    documents = [f"{row['word']}: {row['definition']}" for row in rows]
    return points[:n], points[n:], documents, [row["category"] for row in rows]
