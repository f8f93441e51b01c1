"""Index libraries, and the products of numpy that no scan of float32 can beat: vectors in, row numbers out.

They keep no ids, documents or metadata, so they have only ``open``, ``add``, ``query`` and ``close``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


class VectorIndex:
    """An index in memory, written to one file when it is closed."""

    module: str
    modes: tuple[str, ...] = ("persistent",)
    max_batch = 10**9
    largest = 10**9
    blas = False

    def open(self, path: Path, dimension: int) -> None:
        self.file = path / "index"
        self.saved = self.file.exists()
        self.index = self.load(dimension) if self.saved else self.make(dimension)

    def add(self, ids: Sequence[str], vectors: Any, documents: Sequence[str], metadatas: Sequence[Any]) -> None:
        self.insert(vectors)

    def close(self) -> None:
        if not self.saved:
            self.save()

    def make(self, dimension: int) -> Any:
        raise NotImplementedError

    def load(self, dimension: int) -> Any:
        raise NotImplementedError

    def insert(self, vectors: Any) -> None:
        self.index.add(vectors)

    def save(self) -> None:
        raise NotImplementedError


class HNSW(VectorIndex):
    """hnswlib with the parameters of Chroma's collections."""

    module = "hnswlib"

    def make(self, dimension: int) -> Any:
        import hnswlib

        index = hnswlib.Index("l2", dimension)
        index.init_index(1000, M=16, ef_construction=100)
        index.set_ef(100)
        return index

    def load(self, dimension: int) -> Any:
        import hnswlib

        index = hnswlib.Index("l2", dimension)
        index.load_index(str(self.file))
        index.set_ef(100)
        return index

    def insert(self, vectors: Any) -> None:
        needed = self.index.get_current_count() + len(vectors)
        if needed > self.index.get_max_elements():
            self.index.resize_index(2 * needed)
        self.index.add_items(vectors)

    def query(self, queries: Any, k: int) -> Any:
        return self.index.knn_query(queries, k)[0]

    def index_bytes(self) -> int:
        return int(self.index.index_file_size())

    def save(self) -> None:
        self.index.save_index(str(self.file))


class UsearchI8(VectorIndex):
    """usearch's HNSW over 8-bit codes. By angle, which orders vectors of unit length as l2 does."""

    module = "usearch"

    def make(self, dimension: int) -> Any:
        from usearch.index import Index

        return Index(ndim=dimension, metric="cos", dtype="i8")

    def load(self, dimension: int) -> Any:
        from usearch.index import Index

        return Index.restore(str(self.file))

    def insert(self, vectors: Any) -> None:
        self.index.add(np.arange(len(self.index), len(self.index) + len(vectors)), vectors)

    def query(self, queries: Any, k: int) -> Any:
        return self.index.search(queries, k).keys.reshape(len(queries), -1)

    def index_bytes(self) -> int:
        return int(self.index.serialized_length)

    def save(self) -> None:
        self.index.save(str(self.file))


class FaissFlat(VectorIndex):
    """faiss, every vector in float32."""

    module = "faiss"
    blas = True

    def make(self, dimension: int) -> Any:
        import faiss

        return faiss.IndexFlatL2(dimension)

    def load(self, dimension: int) -> Any:
        import faiss

        return faiss.read_index(str(self.file))

    def query(self, queries: Any, k: int) -> Any:
        return self.index.search(queries, k)[1]

    def index_bytes(self) -> int:
        return int(self.index.ntotal * self.index.sa_code_size())

    def save(self) -> None:
        import faiss

        faiss.write_index(self.index, str(self.file))


class FaissSQ8(FaissFlat):
    """faiss, every vector in 8 bits a dimension, their ranges learnt from the vectors added first."""

    blas = False

    def make(self, dimension: int) -> Any:
        import faiss

        return faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2)

    def insert(self, vectors: Any) -> None:
        if not self.index.is_trained:
            self.index.train(vectors)
        self.index.add(vectors)


class NumpyProducts(VectorIndex):
    """No search: the products of one query with all vectors (np.vecdot), or of several (the float32 matrix product)."""

    module = "numpy"
    blas = True

    def make(self, dimension: int) -> Any:
        self.added: list[Any] = []
        self.results: dict[int, Any] = {}
        return np.empty((0, dimension), np.float32)

    def load(self, dimension: int) -> Any:
        self.added, self.results = [], {}
        return np.load(self.file, mmap_mode="r")

    def insert(self, vectors: Any) -> None:
        self.added.append(vectors)

    def query(self, queries: Any, k: int) -> None:
        if self.added:
            self.index, self.added = np.concatenate((self.index, *self.added)), []
        count = len(queries)
        if count not in self.results:  # memory new from the system would cost more than the product
            self.results[count] = np.empty((count, len(self.index)), np.float32)
        if count == 1:
            np.vecdot(self.index, queries[0], out=self.results[1][0])
        else:
            np.matmul(queries, self.index.T, out=self.results[count])

    def save(self) -> None:
        with self.file.open("wb") as file:
            np.save(file, self.index)
