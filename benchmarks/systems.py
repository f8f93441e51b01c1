"""What is compared: one class per database, the same operations for each. A further system is one class and one row."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from workload import Where


class ChromaLike:
    """Anything with Chroma's client API."""

    module = "chromadb"
    modes: tuple[str, ...] = ("persistent", "ephemeral")

    def open(self, path: Path | None, dimension: int) -> None:
        chroma = importlib.import_module(self.module)
        self.client = chroma.EphemeralClient() if path is None else chroma.PersistentClient(path=str(path))
        self.collection = self.client.get_or_create_collection(
            "bench", embedding_function=None, metadata={"hnsw:space": "l2"}
        )
        self.max_batch = self.client.get_max_batch_size()

    def add(self, ids: Sequence[str], vectors: Any, documents: Sequence[str], metadatas: Sequence[Any]) -> None:
        self.collection.add(ids=ids, embeddings=vectors, documents=documents, metadatas=metadatas)

    def query(self, queries: Any, k: int, where: Where | None = None) -> list[list[str]]:
        return self.collection.query(query_embeddings=queries, n_results=k, where=where)["ids"]

    def get_ids(self, ids: Sequence[str]) -> int:
        return len(self.collection.get(ids=ids)["ids"])

    def get_where(self, where: Where, limit: int) -> int:
        return len(self.collection.get(where=where, limit=limit)["ids"])

    def get_all(self) -> int:
        return len(self.collection.get(include=["embeddings", "documents", "metadatas"])["embeddings"])

    def update_metadata(self, ids: Sequence[str], metadatas: Sequence[Any]) -> None:
        self.collection.update(ids=ids, metadatas=metadatas)

    def delete_where(self, where: Where) -> None:
        self.collection.delete(where=where)

    def build_index(self, queries: Any, seconds: float) -> bool:
        """Wait until an approximate index answers; False when there is nothing to wait for."""
        return False

    def close(self) -> None:
        self.client.close()


class ChromaNb(ChromaLike):
    """Ours. The graph is built in the background, once exact searching has cost enough: so it is asked."""

    module = "chroma_nb"

    def build_index(self, queries: Any, seconds: float) -> bool:
        from chroma_nb.engine.search.planner import SMALLEST_GRAPH_BYTES

        if self.collection.count() * queries.shape[1] * 4 < SMALLEST_GRAPH_BYTES:
            return False
        deadline = perf_counter() + seconds
        while perf_counter() < deadline:
            for query in queries:
                self.query(query[None], 10)
            if self.collection.explain(query_embeddings=queries[:1])["index"].startswith("hnsw"):
                return True
            sleep(0.2)
        return False


class LanceDB:
    """LanceDB, without an index (exact), as its users start."""

    module = "lancedb"
    modes = ("persistent",)
    max_batch = 10**9

    def open(self, path: Path, dimension: int) -> None:
        import lancedb
        import pyarrow

        self.arrow, self.dimension = pyarrow, dimension
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

    def query(self, queries: Any, k: int, where: Where | None = None) -> list[list[str]]:
        answers = []
        for query in queries:
            search = self.table.search(query).select(["id", "_distance"]).limit(k)
            if where:
                search = search.where(_sql(where), prefilter=True)
            answers.append(search.to_arrow()["id"].to_pylist())
        return answers

    def get_ids(self, ids: Sequence[str]) -> int:
        names = ",".join(f"'{name}'" for name in ids)
        return self.table.search().where(f"id IN ({names})").limit(len(ids)).to_arrow().num_rows

    def get_where(self, where: Where, limit: int) -> int:
        return self.table.search().where(_sql(where)).limit(limit).to_arrow().num_rows

    def get_all(self) -> int:
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

    def build_index(self, queries: Any, seconds: float) -> bool:
        return False

    def close(self) -> None:
        pass


class Qdrant:
    """Qdrant's local mode, in its Python client."""

    module = "qdrant_client"
    modes = ("persistent", "ephemeral")
    max_batch = 10**9

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

    def query(self, queries: Any, k: int, where: Where | None = None) -> list[list[str]]:
        wanted = self._filter(where)
        answers = (self.client.query_points("bench", query=q.tolist(), limit=k, query_filter=wanted) for q in queries)
        return [[f"id{point.id}" for point in answer.points] for answer in answers]

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

    def build_index(self, queries: Any, seconds: float) -> bool:
        return False

    def close(self) -> None:
        self.client.close()

    def _filter(self, where: Where | None) -> Any:
        if where is None:
            return None
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
    "qdrant": Qdrant,
}
