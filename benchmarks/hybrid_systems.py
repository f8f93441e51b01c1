"""What ``hybrid.py`` compares: one class per database, the same documents, vectors and questions for each.

A system's ``searches`` say by what it finds, and how: a function of a text, its vector and how many are wanted that
gives numbers of documents, best first. A further system is one class and one row.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

BATCH = 1000
#: How many records a system takes from each list before they are fused, where it lets one choose.
DEPTH = 100
Search = Callable[[str, Any, int], list[int]]


class System:
    """What the measuring asks of a system."""

    module: str
    #: More records than this are not given to it: adding them alone takes minutes.
    largest = 10**9

    def open(self, path: Path, dimension: int) -> None:
        raise NotImplementedError

    def add(self, documents: Sequence[str], X: Any) -> None:
        """All of it, in batches, where there is no better way."""
        raise NotImplementedError

    def build(self, texts: Sequence[str], Q: Any, seconds: float) -> None:
        """What has to be done, or waited for up to so long, until searches are as fast as they become."""

    def searches(self) -> dict[str, Search]:
        """What is found by ("both", "words", "meaning") -> how."""
        raise NotImplementedError

    def index_bytes(self) -> int | None:
        """The files of the index of words; None where they are not apart from the rest, or there are none."""
        return None

    def close(self) -> None:
        pass


def batches(documents: Sequence[str], X: Any) -> Iterator[tuple[list[str], Sequence[str], Any]]:
    """(ids, documents, vectors): the id of a document is its number."""
    for start in range(0, len(documents), BATCH):
        some = documents[start : start + BATCH]
        yield [str(number) for number in range(start, start + len(some))], some, X[start : start + BATCH]


def numbers(result: Any) -> list[int]:
    """The numbers of the documents in a result of Chroma's form."""
    return [int(name) for name in result["ids"][0]]


class Chroma(System):
    """chromadb: by meaning; on one's own machine it finds by nothing else."""

    module = "chromadb"
    largest = 120_000

    def open(self, path: Path, dimension: int) -> None:
        self.path, self.chroma = path, importlib.import_module(self.module)
        self.client = self.chroma.PersistentClient(str(path))
        self.collection = self.client.create_collection("bench", **self.settings())

    def settings(self) -> dict[str, Any]:
        return {"embedding_function": None, "configuration": {"hnsw": {"space": "cosine"}}}

    def add(self, documents: Sequence[str], X: Any) -> None:
        for ids, some, vectors in batches(documents, X):
            self.collection.add(ids=ids, documents=list(some), embeddings=vectors)

    def build(self, texts: Sequence[str], Q: Any, seconds: float) -> None:
        self.by_meaning(texts[0], Q[0], 1)

    def searches(self) -> dict[str, Search]:
        return {"meaning": self.by_meaning}

    def by_meaning(self, text: str, vector: Any, k: int) -> list[int]:
        return numbers(self.collection.query(query_embeddings=vector[None], n_results=k, include=["distances"]))

    def close(self) -> None:
        self.client.close()


class ChromaNb(Chroma):
    """Ours, without a schema: ``hybrid()``, and each of its sides."""

    module = "chroma_nb"
    largest = 10**9

    def build(self, texts: Sequence[str], Q: Any, seconds: float) -> None:
        from chroma_nb.engine.search.planner import CODED_ROWS

        self.by_both(texts[0], Q[0], 10)
        waits = self.collection.count() > CODED_ROWS  # up to so many no graph is built
        asked, until = cycle(Q), perf_counter() + seconds
        while waits and perf_counter() < until:
            for vector in islice(asked, 50):
                self.by_meaning("", vector, 10)
            if str(self.collection.explain(query_embeddings=Q[:1])["index"]).startswith("hnsw"):
                return
            sleep(0.5)
        for vector in islice(asked, 100):  # codes are made once scanning has cost as much
            self.by_meaning("", vector, 10)

    def searches(self) -> dict[str, Search]:
        return {"both": self.by_both, "words": self.by_words, "meaning": self.by_meaning}

    def by_both(self, text: str, vector: Any, k: int) -> list[int]:
        return numbers(self.collection.hybrid(text, k, query_embeddings=vector[None], include=[]))

    def by_words(self, text: str, vector: Any, k: int) -> list[int]:
        return numbers(self.collection.hybrid(text, k, by="words", include=[]))

    def index_bytes(self) -> int | None:
        """Of the file that is written in the background, some seconds after the index is made; of few records none."""
        from chroma_nb.engine.memory.word_files import FEWEST

        until = perf_counter() + 60
        while self.collection.count() >= FEWEST and perf_counter() < until:
            if files := list((self.path / "cache").glob("*.words")):
                return sum(file.stat().st_size for file in files)
            sleep(0.2)
        return None


class ChromaNbSparse(ChromaNb):
    """Ours, with a key of sparse vectors in the schema: Chroma's expressions."""

    def settings(self) -> dict[str, Any]:
        chroma = self.chroma
        function = chroma.utils.embedding_functions.ChromaBm25EmbeddingFunction()
        words = chroma.SparseVectorIndexConfig(source_key=chroma.K.DOCUMENT, embedding_function=function, bm25=True)
        schema = chroma.Schema().create_index(words, key="bm25")
        vectors = chroma.VectorIndexConfig(space="cosine", embedding_function=None)
        return {"embedding_function": None, "schema": schema.create_index(vectors)}

    def by_both(self, text: str, vector: Any, k: int) -> list[int]:
        queries = {"#embedding": vector.tolist(), "bm25": text}
        lists = [
            self.chroma.Knn(query=query, key=key, limit=DEPTH, return_rank=True, default=10 * DEPTH)
            for key, query in queries.items()
        ]
        return self._found(self.chroma.Rrf(lists), k)

    def by_words(self, text: str, vector: Any, k: int) -> list[int]:
        return self._found(self.chroma.Knn(query=text, key="bm25", limit=k), k)

    def by_meaning(self, text: str, vector: Any, k: int) -> list[int]:
        return self._found(self.chroma.Knn(query=vector.tolist(), limit=k), k)

    def index_bytes(self) -> int | None:
        return None  # part of the records; postings are made in memory

    def _found(self, rank: Any, k: int) -> list[int]:
        return numbers(self.collection.search(self.chroma.Search().rank(rank).limit(k)))


class LanceDB(System):
    """LanceDB: full text search by its defaults (English stems, stop words), vectors without an index, and its
    reranker by reciprocal ranks, which takes lists as long as what is asked for."""

    module = "lancedb"

    def open(self, path: Path, dimension: int) -> None:
        import lancedb
        import pyarrow
        from lancedb.rerankers import RRFReranker

        self.arrow, self.dimension, self.reranker = pyarrow, dimension, RRFReranker()
        self.database, self.table = lancedb.connect(str(path)), None

    def add(self, documents: Sequence[str], X: Any) -> None:
        for ids, some, vectors in batches(documents, X):
            flat = self.arrow.array(vectors.reshape(-1))
            rows = self.arrow.table(
                {
                    "id": ids,
                    "vector": self.arrow.FixedSizeListArray.from_arrays(flat, self.dimension),
                    "document": some,
                }
            )
            if self.table is None:
                self.table = self.database.create_table("bench", rows)
            else:
                self.table.add(rows)

    def build(self, texts: Sequence[str], Q: Any, seconds: float) -> None:
        from lancedb.index import FTS

        self.table.create_index("document", config=FTS())

    def searches(self) -> dict[str, Search]:
        return {"both": self.by_both, "words": self.by_words, "meaning": self.by_meaning}

    def by_both(self, text: str, vector: Any, k: int) -> list[int]:
        both = self.table.search(query_type="hybrid").vector(vector).text(_words_of(text))
        return self._ids(both.distance_type("cosine").rerank(self.reranker), k)

    def by_words(self, text: str, vector: Any, k: int) -> list[int]:
        return self._ids(self.table.search(_words_of(text), query_type="fts"), k)

    def by_meaning(self, text: str, vector: Any, k: int) -> list[int]:
        return self._ids(self.table.search(vector).distance_type("cosine"), k)

    def index_bytes(self) -> int | None:
        return sum(index.size_bytes for index in self.table.list_indices())

    def _ids(self, search: Any, k: int) -> list[int]:
        return [int(name) for name in search.select(["id"]).limit(k).to_arrow()["id"].to_pylist()]


def _words_of(text: str) -> Any:
    """The text as words that are looked for, whatever signs it has: by itself it is in a language of queries."""
    from lancedb.query import MatchQuery

    return MatchQuery(text, "document")


class Qdrant(System):
    """Qdrant's local mode: sparse vectors by our BM25, weighed by frequency there, fused by reciprocal ranks there."""

    module = "qdrant_client"
    largest = 120_000

    def open(self, path: Path, dimension: int) -> None:
        from qdrant_client import QdrantClient, models

        from chroma_nb.embedding_functions.chroma_bm25 import ChromaBm25EmbeddingFunction

        self.models, self.client, self.function = models, QdrantClient(path=str(path)), ChromaBm25EmbeddingFunction()
        self.client.create_collection(
            "bench",
            vectors_config={"meaning": models.VectorParams(size=dimension, distance=models.Distance.COSINE)},
            sparse_vectors_config={"words": models.SparseVectorParams(modifier=models.Modifier.IDF)},
        )

    def add(self, documents: Sequence[str], X: Any) -> None:
        for ids, some, vectors in batches(documents, X):
            sparse = [self._sparse(vector) for vector in self.function(list(some))]
            points = self.models.Batch(
                ids=[int(name) for name in ids],
                vectors={"meaning": vectors.tolist(), "words": sparse},
                payloads=[{"document": document} for document in some],
            )
            self.client.upsert("bench", points)

    def searches(self) -> dict[str, Search]:
        return {"both": self.by_both, "words": self.by_words, "meaning": self.by_meaning}

    def by_both(self, text: str, vector: Any, k: int) -> list[int]:
        lists = [
            self.models.Prefetch(query=query, using=using, limit=DEPTH)
            for query, using in ((vector.tolist(), "meaning"), (self._asked(text), "words"))
        ]
        fusion = self.models.FusionQuery(fusion=self.models.Fusion.RRF)
        return self._ids(prefetch=lists, query=fusion, limit=k)

    def by_words(self, text: str, vector: Any, k: int) -> list[int]:
        return self._ids(query=self._asked(text), using="words", limit=k)

    def by_meaning(self, text: str, vector: Any, k: int) -> list[int]:
        return self._ids(query=vector.tolist(), using="meaning", limit=k)

    def close(self) -> None:
        self.client.close()

    def _asked(self, text: str) -> Any:
        return self._sparse(self.function.embed_query([text])[0])

    def _sparse(self, vector: Any) -> Any:
        return self.models.SparseVector(indices=vector.indices, values=vector.values)

    def _ids(self, **asked: Any) -> list[int]:
        return [point.id for point in self.client.query_points("bench", with_payload=False, **asked).points]


class Bm25s(System):
    """bm25s: words alone, with English stop words, and stems where PyStemmer is installed."""

    module = "bm25s"

    def open(self, path: Path, dimension: int) -> None:
        import bm25s

        self.bm25s, self.path = bm25s, path
        stems = importlib.util.find_spec("Stemmer")
        self.stemmer = importlib.import_module("Stemmer").Stemmer("english") if stems else None

    def add(self, documents: Sequence[str], X: Any) -> None:
        self.index = self.bm25s.BM25()
        self.index.index(self._words(documents), show_progress=False)
        self.index.save(self.path)

    def searches(self) -> dict[str, Search]:
        return {"words": self.by_words}

    def by_words(self, text: str, vector: Any, k: int) -> list[int]:
        found, _ = self.index.retrieve(self._words([text]), k=k, show_progress=False)
        return [int(number) for number in found[0]]

    def index_bytes(self) -> int | None:
        return sum(file.stat().st_size for file in self.path.iterdir())

    def _words(self, texts: Sequence[str]) -> Any:
        return self.bm25s.tokenize(list(texts), stopwords="en", stemmer=self.stemmer, show_progress=False)


SYSTEMS: dict[str, type[System]] = {
    "chroma_nb": ChromaNb,
    "chroma_nb_sparse": ChromaNbSparse,
    "lancedb": LanceDB,
    "qdrant": Qdrant,
    "bm25s": Bm25s,
    "chromadb": Chroma,
}
