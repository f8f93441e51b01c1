"""Small collections for the tests of the engine, and what they should hold."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from chroma_nb.engine.engine import Engine
from chroma_nb.query.ranking import Knn
from chroma_nb.query.search import Search
from chroma_nb.records import Records
from chroma_nb.schema import Schema, SparseVectorIndexConfig
from chroma_nb.types import Matrix, SparseVector

PLACE = ("default_tenant", "default_database")
EVERYTHING = ("embeddings", "documents", "metadatas", "uris")


def quick_directory(prefix: str) -> Path:
    """A new directory where a sync costs nothing, if there is such a place with room; the caller removes it."""
    ram = Path("/dev/shm")
    roomy = ram.is_dir() and os.access(ram, os.W_OK) and shutil.disk_usage(ram).free > 1 << 30
    return Path(tempfile.mkdtemp(prefix=f"chroma_nb-{prefix}-", dir=ram if roomy else None))


def vectors(n: int, dimension: int = 8, seed: int = 0) -> Matrix:
    """Normally distributed rows, of very different lengths."""
    random = np.random.default_rng(seed)
    return (random.normal(size=(n, dimension)) * random.uniform(0.2, 5, (n, 1))).astype(np.float32)


def sparse(of: dict[int, float]) -> SparseVector:
    """The vector that holds these values, by dimension."""
    return SparseVector(sorted(of), [of[dimension] for dimension in sorted(of)])


def records(
    ids: Sequence[str],
    embeddings: Any = None,
    documents: Sequence[str | None] | None = None,
    metadatas: Sequence[dict[str, Any] | None] | None = None,
    uris: Sequence[str | None] | None = None,
) -> Records:
    """The records of one call."""
    matrix = None if embeddings is None else np.asarray(embeddings, np.float32)
    return Records(ids=list(ids), embeddings=matrix, documents=documents, metadatas=metadatas, uris=uris)


def numbered(first: int, count: int, version: int = 0, dimension: int = 8) -> Records:
    """Records r<first>, … whose every field tells their number and version."""
    numbers = range(first, first + count)
    return records(
        [f"r{number}" for number in numbers],
        [numbered_vector(number, version, dimension) for number in numbers],
        [f"text {number} version {version}" for number in numbers],
        [{"number": number, "version": version} for number in numbers],
    )


def numbered_vector(number: int, version: int = 0, dimension: int = 8) -> list[float]:
    """The vector of record ``number``; no two are equal."""
    return np.random.default_rng([number, version]).normal(size=dimension).astype(np.float32).tolist()


def create(engine: Engine, name: str = "words", space: str = "l2", **hnsw: Any) -> UUID:
    """A new collection's id."""
    return engine.create_collection(name, *PLACE, None, {"hnsw": {"space": space, **hnsw}}, None, False).id


def by_text(engine: Engine, collection: UUID, text: str) -> list[str]:
    """The ids of the documents that hold a word of the text, best first."""
    found: list[str] = engine.hybrid(collection, [text], None, 1_000, None, ())["ids"][0]
    return found


def create_sparse(engine: Engine, name: str = "words") -> UUID:
    """A new collection with a sparse index of "words", weighted by frequency."""
    schema = Schema().create_index(SparseVectorIndexConfig(bm25=True), key="words").serialize_to_json()
    return engine.create_collection(name, *PLACE, None, None, schema, False).id


def in_words(first: int, count: int, *dimensions: int) -> Records:
    """Records r<first>, … whose sparse vectors hold 1.0 in these dimensions."""
    ids, vector = (
        [f"r{number}" for number in range(first, first + count)],
        SparseVector([*dimensions], [1.0] * len(dimensions)),
    )
    return records(ids, np.zeros((count, 8)), metadatas=[{"words": vector}] * count)


def by_word(engine: Engine, collection: UUID, dimension: int) -> list[str]:
    """The ids that a sparse search finds."""
    query = Knn(query=SparseVector([dimension], [1.0]), key="words", limit=1_000)
    return list(engine.search(collection, [Search.sent(Search(rank=query).to_dict())])["ids"][0])


def contents(engine: Engine, collection: UUID) -> dict[str, tuple[Any, ...]]:
    """Every record: id -> (vector, document, metadata, uri), in get() order."""
    found = engine.get(collection, None, None, None, None, EVERYTHING)
    rows = [] if not found["ids"] else [tuple(row) for row in np.asarray(found["embeddings"]).tolist()]
    return {
        ident: (vector, document, metadata, uri)
        for ident, vector, document, metadata, uri in zip(
            found["ids"], rows, found["documents"], found["metadatas"], found["uris"], strict=True
        )
    }


def nearest(engine: Engine, collection: UUID, query: Any, n_results: int, **limits: Any) -> list[str]:
    """The ids that a query answers."""
    queries = np.atleast_2d(np.asarray(query, np.float32))
    found = engine.query(collection, queries, n_results, limits.get("ids"), limits.get("filter"), ("distances",))
    return found["ids"][0]


def index_state(engine: Engine, collection: UUID) -> str:
    """Which index answers for a collection."""
    return engine.transactions.read_collection(collection, lambda snapshot: snapshot.memory.index_state)


def asked(engine: Engine, statement: str) -> Any:
    """The first value of what SQLite answers."""
    return engine.transactions.read(lambda connection: connection.execute(statement).fetchone())[0]


def agree(engine: Engine, collection: UUID) -> set[str]:
    """The ids that count, get and query agree on (demanded here)."""
    ids = engine.get(collection, None, None, None, None, ())["ids"]
    assert len(ids) == len(set(ids)) == engine.count(collection)
    if ids:
        one = engine.get(collection, ids[:1], None, None, None, ("embeddings",))["embeddings"]
        assert sorted(nearest(engine, collection, one, len(ids))) == sorted(ids)
    return set(ids)
