"""The data of a benchmark run: vectors, documents, metadata, queries and filters, the same for every system.

Real when a directory with WordNet and its MiniLM vectors is named (``--wordnet`` or ``CHROMA_NB_BENCH_WORDNET``),
else a synthetic mixture: 400 clusters in 20 topics, cluster sizes by Zipf's law, unit length, documents of about 470
characters. Metadata: ``score`` (float, random), ``cat`` (int), ``tag`` (str), ``side`` (float, follows the vectors).
"""

from __future__ import annotations

import csv
import gzip
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

QUERIES = 200
K = 10
Where = dict[str, Any]


@dataclass
class Workload:
    """``n`` records and 200 queries; ``X`` and ``Q`` are float32 rows."""

    X: npt.NDArray[np.float32]
    Q: npt.NDArray[np.float32]
    documents: list[str]
    metadatas: list[dict[str, Any]]

    @property
    def n(self) -> int:
        return len(self.X)

    @cached_property
    def ids(self) -> list[str]:
        return [f"id{i}" for i in range(self.n)]

    def column(self, key: str) -> npt.NDArray[Any]:
        return np.array([metadata[key] for metadata in self.metadatas])

    def nearest(self, mask: npt.NDArray[np.bool_] | None = None) -> list[set[str]]:
        """The true ids of the K nearest to each query, among the rows of ``mask``, by squared distance."""
        rows = np.arange(self.n) if mask is None else np.flatnonzero(mask)
        allowed = self.X[rows]
        scores = (allowed * allowed).sum(1)[None] / 2 - self.Q @ allowed.T
        return [{f"id{i}" for i in rows[order]} for order in np.argsort(scores, axis=1, kind="stable")[:, :K]]


def recall(found: list[list[str]], truth: list[set[str]]) -> float:
    """The share of the true neighbours that were found, averaged over the queries asked."""
    pairs = zip(found, truth[: len(found)], strict=True)
    return float(np.mean([len(set(ids) & true) / len(true) if true else 1.0 for ids, true in pairs]))


def save(directory: Path, n: int, wordnet: Path | None = None) -> None:
    """Make the data of a run once; ``load`` reads it in each process."""
    rng = np.random.default_rng(7)
    X, Q, documents, tags = _wordnet(wordnet, n, rng) if wordnet else _mixture(n, rng)
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


def load(directory: Path) -> Workload:
    documents, metadatas = json.loads((directory / "records.json").read_text())
    return Workload(np.load(directory / "X.npy"), np.load(directory / "Q.npy"), documents, metadatas)


def _mixture(n: int, rng: np.random.Generator) -> tuple[Any, Any, list[str], list[str]]:
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
    words = np.array([f"word{i}" for i in range(3000)], dtype=object)
    frequency = 1 / np.arange(1, 3001) ** 0.9
    chosen = rng.choice(3000, (n, 60), p=frequency / frequency.sum())
    return X, Q, [" ".join(words[row]) for row in chosen], [f"tag{t:02d}" for t in rng.integers(0, 20, n)]


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
