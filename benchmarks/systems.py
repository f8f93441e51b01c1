"""What is compared: one class per database, the same operations for each. A further system is one class and one row.

A database has ``open``, ``add``, ``query`` and ``close``. What it has no method for besides, it cannot, and the table
says "—". Index libraries, and what numpy alone takes, are in ``vector_indexes.py``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from vector_indexes import HNSW, FaissFlat, FaissSQ8, NumpyProducts, UsearchI8
from workload import K, Where


class Database:
    """What the measuring asks of a system besides its operations."""

    module: str
    modes: tuple[str, ...] = ("persistent", "ephemeral")
    max_batch = 10**9
    #: More records than this are not given to it: adding them alone takes minutes, or it advises against them.
    largest = 10**9
    #: Whether OPENBLAS_NUM_THREADS may change its times.
    blas = False


class ChromaLike(Database):
    """Anything with Chroma's client API."""

    module = "chromadb"
    largest = 100_000

    def open(self, path: Path | None, dimension: int) -> None:
        chroma = importlib.import_module(self.module)
        self.path = path
        self.client = chroma.EphemeralClient() if path is None else chroma.PersistentClient(**self.settings(path))
        self.collection = self.client.get_or_create_collection(
            "bench", embedding_function=None, metadata={"hnsw:space": "l2"}
        )
        self.max_batch = self.client.get_max_batch_size()

    def settings(self, path: Path) -> dict[str, Any]:
        return {"path": str(path)}

    def add(self, ids: Sequence[str], vectors: Any, documents: Sequence[str], metadatas: Sequence[Any]) -> None:
        self.collection.add(ids=ids, embeddings=vectors, documents=documents, metadatas=metadatas)

    def query(self, queries: Any, k: int) -> list[list[str]]:
        return self.collection.query(query_embeddings=queries, n_results=k)["ids"]

    def query_where(self, queries: Any, k: int, where: Where) -> list[list[str]]:
        return self.collection.query(query_embeddings=queries, n_results=k, where=where)["ids"]

    def get_ids(self, ids: Sequence[str]) -> int:
        return len(self.collection.get(ids=ids)["ids"])

    def get_where(self, where: Where, limit: int) -> int:
        return len(self.collection.get(where=where, limit=limit)["ids"])

    def get_all(self) -> int:
        return len(self._everything()["embeddings"])

    def to_df(self) -> int:
        """By the helper that comes with Chroma."""
        return len(importlib.import_module("chromadb.utils.results").get_result_to_df(self._everything()))

    def update_metadata(self, ids: Sequence[str], metadatas: Sequence[Any]) -> None:
        self.collection.update(ids=ids, metadatas=metadatas)

    def delete_where(self, where: Where) -> None:
        self.collection.delete(where=where)

    def index_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.path.rglob("*.bin")) if self.path else 0

    def close(self) -> None:
        self.client.close()

    def _everything(self) -> Any:
        return self.collection.get(include=["embeddings", "documents", "metadatas"])


class ChromaNb(ChromaLike):
    """Ours. An HNSW index is built in the background, once exact searches have cost enough: so it is asked."""

    module = "chroma_nb"
    largest = 10**9
    blas = True
    durability = "power"

    def settings(self, path: Path) -> dict[str, Any]:
        from chroma_nb import Settings

        return {"path": str(path), "settings": Settings(chroma_nb_durability=self.durability)}

    def relaxed(self) -> ChromaNb:
        """The same with durability "process": no call waits for the disk."""
        system = ChromaNb()
        system.durability = "process"
        return system

    def to_df(self) -> int:
        return len(self.collection.to_df(include=["embeddings", "documents", "metadatas"]))

    def to_arrow(self) -> int:
        return self.collection.to_arrow().num_rows

    def to_parquet(self, path: Path) -> int:
        return self.collection.to_parquet(path)

    def index_bytes(self) -> int:
        files = (file for file in (self.path / "cache").rglob("*") if file.is_file()) if self.path else ()
        return sum(file.stat().st_size for file in files)

    def build_index(self, queries: Any, seconds: float) -> bool:
        """Ask until an HNSW index answers; False when none is built, or none within ``seconds``."""
        from chroma_nb.engine.search.planner import SMALLEST_GRAPH_BYTES

        if self.collection.count() * queries.shape[1] * 4 < SMALLEST_GRAPH_BYTES:
            return False
        deadline = perf_counter() + seconds
        while perf_counter() < deadline:
            for query in queries:
                self.query(query[None], K)
            if self.method(queries).startswith("hnsw"):
                return True
            sleep(0.2)
        return False

    def method(self, queries: Any) -> str:
        """What answers a single query now."""
        return str(self.collection.explain(query_embeddings=queries[:1])["index"])


class LanceDB(Database):
    """LanceDB without an index (exact), as its users start and as its documentation says for up to 100,000 rows."""

    module = "lancedb"
    modes = ("persistent",)

    def open(self, path: Path, dimension: int) -> None:
        import lancedb
        import pyarrow

        self.arrow, self.dimension, self.path = pyarrow, dimension, path
        self.database = lancedb.connect(str(path))
        known = "bench" in self.database.table_names()
        self.table = self.database.open_table("bench") if known else None

    def add(self, ids: Sequence[str], vectors: Any, documents: Sequence[str], metadatas: Sequence[Any]) -> None:
        flat = self.arrow.array(vectors.reshape(-1))
        columns = {key: [metadata[key] for metadata in metadatas] for key in metadatas[0]}
        rows = self.arrow.table(
            {
                "id": ids,
                "vector": self.arrow.FixedSizeListArray.from_arrays(flat, self.dimension),
                "document": documents,
                **columns,
            }
        )
        if self.table is None:
            self.table = self.database.create_table("bench", rows)
        else:
            self.table.add(rows)

    def query(self, queries: Any, k: int) -> list[list[str]]:
        return self._ids(self.search(queries), len(queries), k)

    def query_where(self, queries: Any, k: int, where: Where) -> list[list[str]]:
        return self._ids(self.search(queries).where(_sql(where), prefilter=True), len(queries), k)

    def search(self, queries: Any) -> Any:
        return self.table.search(queries if len(queries) > 1 else queries[0])

    def get_ids(self, ids: Sequence[str]) -> int:
        names = ",".join(f"'{name}'" for name in ids)
        return self.table.search().where(f"id IN ({names})").limit(len(ids)).to_arrow().num_rows

    def get_where(self, where: Where, limit: int) -> int:
        return self.table.search().where(_sql(where)).limit(limit).to_arrow().num_rows

    def get_all(self) -> int:
        return self.table.to_arrow().num_rows

    def to_df(self) -> int:
        return len(self.table.to_pandas())

    def to_arrow(self) -> int:
        return self.table.to_arrow().num_rows

    def update_metadata(self, ids: Sequence[str], metadatas: Sequence[Any]) -> None:
        names = ",".join(f"'{name}'" for name in ids)
        rows = self.table.search().where(f"id IN ({names})").limit(len(ids)).to_arrow()
        new = dict(zip(ids, metadatas, strict=True))
        scores = self.arrow.array([new[name]["score"] for name in rows["id"].to_pylist()])
        rows = rows.set_column(rows.schema.get_field_index("score"), "score", scores)
        self.table.merge_insert("id").when_matched_update_all().execute(rows)

    def delete_where(self, where: Where) -> None:
        self.table.delete(_sql(where))

    def close(self) -> None:
        pass

    def _ids(self, search: Any, queries: int, k: int) -> list[list[str]]:
        rows = search.select(["id", "_distance"]).limit(k).to_arrow()
        ids = rows["id"].to_pylist()
        if queries == 1:
            return [ids]
        answers: list[list[str]] = [[] for _ in range(queries)]
        for query, name in zip(rows["query_index"].to_pylist(), ids, strict=True):
            answers[query].append(name)
        return answers


class LanceDBIndexed(LanceDB):
    """LanceDB with IVF_PQ, which its documentation advises for filtered search, and BTrees over what filters ask for.

    Parameters are its defaults; ten times as many candidates as wanted are measured again by their own vectors.
    """

    def finish(self) -> None:
        """Build the indexes: searches before it are flat."""
        from lancedb.index import BTree, IvfPq

        self.table.create_index("vector", config=IvfPq(distance_type="l2"))
        for column in ("id", "score", "side", "tag"):
            self.table.create_index(column, config=BTree())

    def search(self, queries: Any) -> Any:
        return super().search(queries).refine_factor(10)

    def index_bytes(self) -> int:
        return sum(index.size_bytes for index in self.table.list_indices())


class Qdrant(Database):
    """Qdrant's local mode, in its Python client."""

    module = "qdrant_client"
    largest = 20_000
    blas = True

    def open(self, path: Path | None, dimension: int) -> None:
        from qdrant_client import QdrantClient, models

        self.models = models
        self.client = QdrantClient(":memory:") if path is None else QdrantClient(path=str(path))
        if not self.client.collection_exists("bench"):
            vectors = models.VectorParams(size=dimension, distance=models.Distance.EUCLID)
            self.client.create_collection("bench", vectors_config=vectors)

    def add(self, ids: Sequence[str], vectors: Any, documents: Sequence[str], metadatas: Sequence[Any]) -> None:
        payloads = [{"document": document, **metadata} for document, metadata in zip(documents, metadatas, strict=True)]
        batch = self.models.Batch(ids=[int(name[2:]) for name in ids], vectors=vectors.tolist(), payloads=payloads)
        self.client.upsert("bench", batch)

    def query(self, queries: Any, k: int) -> list[list[str]]:
        return list(self._found(queries, k, None))

    def query_where(self, queries: Any, k: int, where: Where) -> list[list[str]]:
        return list(self._found(queries, k, self._filter(where)))

    def get_ids(self, ids: Sequence[str]) -> int:
        return len(self.client.retrieve("bench", [int(name[2:]) for name in ids]))

    def get_where(self, where: Where, limit: int) -> int:
        return len(self.client.scroll("bench", scroll_filter=self._filter(where), limit=limit)[0])

    def get_all(self) -> int:
        return len(self.client.scroll("bench", limit=10**7, with_vectors=True)[0])

    def update_metadata(self, ids: Sequence[str], metadatas: Sequence[Any]) -> None:
        for name, metadata in zip(ids, metadatas, strict=True):
            self.client.set_payload("bench", metadata, points=[int(name[2:])])

    def delete_where(self, where: Where) -> None:
        self.client.delete("bench", self.models.FilterSelector(filter=self._filter(where)))

    def close(self) -> None:
        self.client.close()

    def _found(self, queries: Any, k: int, wanted: Any) -> Iterator[list[str]]:
        for query in queries:
            points = self.client.query_points("bench", query=query.tolist(), limit=k, query_filter=wanted).points
            yield [f"id{point.id}" for point in points]

    def _filter(self, where: Where) -> Any:
        ((key, condition),) = where.items()
        if not isinstance(condition, dict):
            match = self.models.MatchValue(value=condition)
            return self.models.Filter(must=[self.models.FieldCondition(key=key, match=match)])
        ((operator, value),) = condition.items()
        bounds = self.models.Range(**{operator[1:]: value})
        return self.models.Filter(must=[self.models.FieldCondition(key=key, range=bounds)])


def _sql(where: Where) -> str:
    ((key, condition),) = where.items()
    operator, value = next(iter(condition.items())) if isinstance(condition, dict) else ("$eq", condition)
    sign = {"$lt": "<", "$gte": ">=", "$eq": "="}[operator]
    return f"{key} {sign} " + (f"'{value}'" if isinstance(value, str) else repr(value))


SYSTEMS: dict[str, Callable[[], Any]] = {
    "chroma_nb": ChromaNb,
    "chromadb": ChromaLike,
    "lancedb": LanceDB,
    "lancedb_indexed": LanceDBIndexed,
    "qdrant": Qdrant,
    "hnswlib": HNSW,
    "usearch_i8": UsearchI8,
    "faiss_flat": FaissFlat,
    "faiss_sq8": FaissSQ8,
    "numpy": NumpyProducts,
}
