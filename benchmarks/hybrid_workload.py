"""The data of ``hybrid.py``: documents, their vectors, and questions with theirs; the same for every system.

WordNet: entries as "word: definition", and example sentences, each of which must find the entry it belongs to. Made
data: 12 words a document, drawn by Zipf's law from 50,000, which no system leaves out as stop words, vectors as those
of ``peers.py``; a question is five words and the vector of a record that was left out, and nothing tells what it should
find.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from workload import QUERIES, mixture

from chroma_nb.embedding_functions import DefaultEmbeddingFunction
from chroma_nb.embedding_functions.cache import cached

WORDS, OF_DOCUMENT, OF_QUESTION, ZIPF = 50_000, 12, 5, 1.0
#: Documents that are written at once.
BLOCK = 50_000
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Questions:
    """``X`` and ``Q``: a row for each document, for each question. ``expected``: the document that it must find."""

    documents: list[str]
    X: Vectors
    texts: list[str]
    Q: Vectors
    expected: list[int] | None


def save(directory: Path, found: Questions) -> None:
    """Keep it for the processes of a run; ``load`` reads it."""
    np.save(directory / "X.npy", found.X)
    np.save(directory / "Q.npy", found.Q)
    (directory / "texts.json").write_text(json.dumps([found.documents, found.texts, found.expected]))


def load(directory: Path) -> Questions:
    documents, texts, expected = json.loads((directory / "texts.json").read_text())
    return Questions(documents, np.load(directory / "X.npy"), texts, np.load(directory / "Q.npy"), expected)


def wordnet(directory: Path, embeddings: Path, n: int | None, questions: int) -> Questions:
    """``questions`` entries that have examples, by chance, and ``n`` entries in all; None: as many as there are.

    The packaged model embeds what is not in ``embeddings`` yet.
    """
    with gzip.open(directory / "wordnet-glosses.csv.gz", "rt", encoding="utf-8") as file:
        entries = list(csv.DictReader(file))
    rng = np.random.default_rng(14)
    with_examples = [number for number, entry in enumerate(entries) if entry["examples"]]
    asked = rng.permutation(with_examples)[:questions].tolist()
    chosen = set(asked)
    others = [number for number in rng.permutation(len(entries)).tolist() if number not in chosen]
    kept = sorted([*asked, *others[: max(0, n - len(asked))]]) if n is not None else range(len(entries))
    place = {number: at for at, number in enumerate(kept)}
    documents = [f"{entries[number]['word']}: {entries[number]['definition']}" for number in kept]
    texts = [entries[number]["examples"].split(" | ")[0] for number in asked]
    return Questions(
        documents,
        _embedded(documents, embeddings),
        texts,
        _embedded(texts, embeddings),
        [place[number] for number in asked],
    )


def _embedded(texts: Sequence[str], directory: Path) -> Vectors:
    function = cached(DefaultEmbeddingFunction(), path=directory / "wordnet.vectors")
    return np.asarray(function(list(texts)), np.float32)


def made(n: int) -> Questions:
    """As many documents, and the questions of ``peers.py``."""
    rng = np.random.default_rng(7)
    X, Q = mixture(n, rng)
    questions = list(_texts(QUERIES, OF_QUESTION, rng))
    return Questions(list(_texts(n, OF_DOCUMENT, rng)), X, questions, Q, None)


def _texts(count: int, words: int, rng: np.random.Generator) -> Any:
    vocabulary = np.array([f"w{number}" for number in range(WORDS)], dtype=object)
    frequency = np.cumsum(1 / np.arange(1, WORDS + 1) ** ZIPF)
    for start in range(0, count, BLOCK):
        drawn = rng.random((min(BLOCK, count - start), words)) * frequency[-1]
        for row in np.searchsorted(frequency, drawn):
            yield " ".join(vocabulary[row])
