"""A DataFrame into a database and out again: ours, chromadb with its own helpers, LanceDB.

    python benchmarks/dataframes.py [--n 100000] [--chromadb 10000] [--dimension 384] [--times 3]

One row a record: id, document, embedding (a column of float32 arrays), year, topic, score. Directories on disk; the
median of ``--times`` runs, each with a directory of its own. chromadb is measured with ``--chromadb`` rows.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

METADATA = ["year", "topic", "score"]
#: Puts the frame in; takes it out.
Steps: TypeAlias = tuple[Callable[[], object], Callable[[], pd.DataFrame]]


def frame_of(n: int, dimension: int) -> pd.DataFrame:
    """``n`` records."""
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "id": [f"record-{row}" for row in range(n)],
            "document": [f"record {row} of the table, with some words of text" for row in range(n)],
            "embedding": list(random.normal(size=(n, dimension)).astype(np.float32)),
            "year": 1990 + np.arange(n) % 35,
            "topic": np.array(["sea", "air", "land"])[np.arange(n) % 3],
            "score": random.random(n),
        }
    )


@contextmanager
def ours(folder: Path, frame: pd.DataFrame) -> Iterator[Steps]:
    """``collection.add(frame)`` and ``collection.to_df()``."""
    import chroma_nb

    with chroma_nb.PersistentClient(folder / "db") as client:
        collection = client.create_collection("frame", embedding_function=None)
        yield lambda: collection.add(frame), lambda: collection.to_df(columns=list(frame.columns))


@contextmanager
def chromadb(folder: Path, frame: pd.DataFrame) -> Iterator[Steps]:
    """As its users do, with ``chromadb.utils.results`` on the way out."""
    import chromadb as chroma
    from chromadb.utils.results import get_result_to_df

    client = chroma.PersistentClient(str(folder / "db"))
    collection = client.create_collection("frame", embedding_function=None)

    def put() -> None:
        step = client.get_max_batch_size()
        for start in range(0, len(frame), step):
            part = frame.iloc[start : start + step]
            collection.add(
                ids=part["id"].tolist(),
                documents=part["document"].tolist(),
                embeddings=np.stack(part["embedding"].tolist()),
                metadatas=part[METADATA].to_dict("records"),
            )

    yield put, lambda: get_result_to_df(collection.get(include=["documents", "metadatas", "embeddings"]))
    client.close()


@contextmanager
def lancedb(folder: Path, frame: pd.DataFrame) -> Iterator[Steps]:
    """``create_table(frame)`` and ``table.to_pandas()``."""
    import lancedb as lance

    database = lance.connect(str(folder / "db"))
    renamed = frame.rename(columns={"embedding": "vector"})  # by this name it knows vectors of one length
    yield (
        lambda: database.create_table("frame", renamed),
        lambda: database.open_table("frame").to_pandas(),
    )


def seconds(step: Callable[[], Any]) -> tuple[float, Any]:
    """How long it takes, and what it gives."""
    start = time.perf_counter()
    result = step()
    return time.perf_counter() - start, result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--chromadb", type=int, default=10_000, help="rows for chromadb; 0 leaves it out")
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    os.environ["CHROMA_NB_PROGRESS"] = "0"
    frame = frame_of(given.n, given.dimension)
    runs = [
        ("chroma_nb", ours, frame),
        ("LanceDB", lancedb, frame),
        *([("chroma_nb", ours, frame[: given.chromadb])] if 0 < given.chromadb < given.n else []),
        *([("chromadb", chromadb, frame[: given.chromadb])] if given.chromadb else []),
    ]
    print("| | rows | in, s | out, s |\n| --- | ---: | ---: | ---: |")
    for name, system, rows in runs:
        taken = []
        for _ in range(given.times):
            with tempfile.TemporaryDirectory() as folder, system(Path(folder), rows) as (put, take):
                into, (out, result) = seconds(put)[0], seconds(take)
                if len(result) != len(rows):
                    raise SystemExit(f"{name}: expected {len(rows):,} rows back, got {len(result):,}")
                taken.append((into, out))
        into, out = (statistics.median(column) for column in zip(*taken, strict=True))
        print(f"| {name} | {len(rows):,} | {into:.3g} | {out:.3g} |", flush=True)


if __name__ == "__main__":
    main()
