"""Names of the regions of a map: how well they fit, and how long they take, beside those of an earlier version.

    python benchmarks/region_names.py --wordnet DIR [--records 20000]

DIR holds ``wordnet-glosses.csv.gz`` and ``wordnet-minilm-f16.npy``, a vector a row. *Fit* is the area under the curve
with which the embedded name tells the records of its region from all others. "Before" are the three words that are
frequent in a region and seldom elsewhere (c-TF-IDF, with today's stop words), which is how regions were named until
both levels came.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import chroma_nb
from chroma_nb.embedding_functions.default import DefaultEmbeddingFunction
from chroma_nb.projection.region_names import EMPTY, fit


def before(clusters: Any, documents: list[str]) -> list[str]:
    """The names of the earlier version."""
    words: list[Counter[str]] = [Counter() for _ in range(clusters.max() + 1)]
    for number, text in zip(clusters.tolist(), documents, strict=True):
        if number >= 0:
            words[number].update(set(re.findall(r"[^\W\d_]{3,}", text.lower())) - EMPTY)
    everywhere: Counter[str] = sum(words, Counter())
    whole, average = sum(everywhere.values()), sum(everywhere.values()) / len(words)
    names = []
    for own in words:
        total = sum(own.values())
        scores = {word: n / total * np.log1p(average / everywhere[word]) for word, n in own.items()}
        marks = {word: scores[word] for word in scores if own[word] * whole > 1.3 * everywhere[word] * total}
        names.append(", ".join(sorted(marks, key=lambda word: (-marks[word], word))[:3]))
    return names


def fits(names: list[str], clusters: Any, vectors: Any) -> Any:
    """How well each name fits its region."""
    asked = np.asarray(DefaultEmbeddingFunction()(names), np.float32)
    inside = [clusters == number for number in range(len(names))]
    return np.array([fit(vectors[own] @ one, vectors[~own] @ one) for one, own in zip(asked, inside, strict=True)])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wordnet", type=Path, default=os.environ.get("CHROMA_NB_BENCH_WORDNET"), required=False)
    parser.add_argument("--records", type=int, default=20_000)
    given = parser.parse_args()
    os.environ["CHROMA_NB_PROGRESS"] = "0"
    table = pd.read_csv(Path(given.wordnet) / "wordnet-glosses.csv.gz", keep_default_na=False)
    vectors = np.load(Path(given.wordnet) / "wordnet-minilm-f16.npy", mmap_mode="r")
    rows = np.sort(np.random.default_rng(0).choice(len(table), given.records, replace=False))
    documents = (table["word"] + ": " + table["definition"]).iloc[rows].tolist()
    some = np.asarray(vectors[rows], np.float32)
    with tempfile.TemporaryDirectory() as folder, chroma_nb.PersistentClient(Path(folder) / "db") as client:
        collection = client.create_collection("wordnet", configuration={"hnsw": {"space": "cosine"}})
        for start in range(0, len(rows), 5_000):
            part = slice(start, start + 5_000)
            ids = table["id"].iloc[rows[part]].tolist()
            collection.add(ids=ids, embeddings=some[part], documents=documents[part])
        found = chroma_nb.project(collection, "umap")
        wall, cpu = time.perf_counter(), time.process_time()
        named = found.labels
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        again = chroma_nb.project(collection, "umap")
        once_more = time.perf_counter()
        assert again.labels.names == named.names
        once_more = time.perf_counter() - once_more
    parts = named.parts
    assert parts is not None
    old = before(named.clusters, documents)
    was, now = fits(old, named.clusters, some), fits(named.names, named.clusters, some)
    finer = fits(parts.names, parts.clusters, some)
    print(f"{len(now)} regions and {len(parts.names)} parts named in {wall:.1f} s ({cpu:.1f} s of CPU);", end=" ")
    print(f"in the next call {once_more:.2f} s")
    for what, values in (("before", was), ("regions", now), ("parts", finer)):
        print(f"{what}: mean fit {values.mean():.3f}, least {values.min():.2f}")
    print("\n| records | before | fit | now | fit | parts |\n| ---: | --- | ---: | --- | ---: | --- |")
    for number, name in enumerate(named.names):
        own = [f"{parts.names[n]} ({finer[n]:.2f})" for n, region in enumerate(parts.within) if region == number]
        size = int((named.clusters == number).sum())
        print(f"| {size:,} | {old[number]} | {was[number]:.2f} | {name} | {now[number]:.2f} | {'; '.join(own)} |")


if __name__ == "__main__":
    main()
