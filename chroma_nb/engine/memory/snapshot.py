"""A collection inside one transaction: SQLite's snapshot and the memory that is at its seq."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import chain, repeat
from operator import itemgetter
from typing import Any, Final

import numpy as np

from chroma_nb import types
from chroma_nb.advice import for_dimension
from chroma_nb.engine.arrays import EMPTY, Float64, Ints
from chroma_nb.engine.index.certified import CertifiedIndex
from chroma_nb.engine.index.sparse import SparseIndex
from chroma_nb.engine.index.words import WordIndex
from chroma_nb.engine.memory import word_files
from chroma_nb.engine.memory.collection import UNKNOWN, CollectionInMemory
from chroma_nb.engine.memory.columns import Columns
from chroma_nb.engine.memory.row_files import StoredRows
from chroma_nb.engine.memory.word_files import WordsAtRest
from chroma_nb.engine.memory.word_index import made_of
from chroma_nb.engine.storage import changelog, records
from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.engine.storage.vectors import VectorStore
from chroma_nb.engine.threads import in_parts, rows_worth_a_thread
from chroma_nb.errors import InternalError, InvalidArgumentError, _DamagedError
from chroma_nb.records import StoredMetadatas
from chroma_nb.results import GetResult, QueryResult
from chroma_nb.tables.bars import Bar
from chroma_nb.types import Array, Json, Matrix, Vector


@dataclass
class Snapshot:
    """One consistent look at a collection. ``on_disk``: its vectors have checksums, its writes are durable."""

    connection: sqlite3.Connection
    row: CollectionRow
    memory: CollectionInMemory
    open_vectors: Callable[[CollectionRow], VectorStore | None]
    on_disk: bool
    #: The index of words in its file, if there is one.
    stored_words: Callable[[CollectionRow], WordsAtRest | None] = field(default=lambda _: None, kw_only=True)

    @cached_property
    def vectors(self) -> VectorStore | None:
        """The vectors, opened when they are first needed; None before the first one."""
        return self.open_vectors(self.row)

    @property
    def store(self) -> VectorStore:
        """The vectors of a collection that has some."""
        if self.vectors is None:
            raise InternalError(f"collection [{self.row.name}] has no vectors yet")
        return self.vectors

    @cached_property
    def matrix(self) -> Matrix:
        """The committed vectors by slot, unused slots included; shape (slots, dimension)."""
        return self.store.view(self.memory.next_slot)

    def check_dimension(self, vectors: Matrix | None) -> None:
        """InvalidArgumentError unless ``vectors``, shape (n, dimension), are of the collection's dimension."""
        if vectors is not None and self.row.dimension not in (None, vectors.shape[1]):
            raise InvalidArgumentError(
                f"Collection expecting embedding with dimension of {self.row.dimension}, got {vectors.shape[1]}\n"
                + for_dimension(self.row.dimension, vectors.shape[1])
            )

    # --- ids -------------------------------------------------------------------------------------------------

    def find(self, ids: Sequence[str]) -> Ints:
        """The row of each id; UNKNOWN if there is none."""
        return self.memory.find(ids, self._looked_up)

    def rows_of(self, ids: Sequence[str]) -> Ints:
        """The rows of those ids that exist, ascending, each once."""
        found = self.memory.find(ids, self._looked_up)
        return np.unique(found[found != UNKNOWN])

    def _looked_up(self, ids: Sequence[str]) -> Ints:
        """As ``find``, with the database's index of ids."""
        headers = records.headers_of(self.connection, self.row.number, ids, self.row.hidden)
        keys, stored, *_ = zip(*headers, strict=True) if headers else ((), ())
        rows = self.memory.rows_at(records.positions_of(np.array(keys, np.int64)))
        row_of = dict(zip(stored, rows.tolist(), strict=True))
        return np.fromiter(map(row_of.get, ids, repeat(UNKNOWN)), np.int64, len(ids))

    # --- texts and metadata --------------------------------------------------------------------------------

    def documents(self, rows: Ints) -> Sequence[str | None]:
        """The documents of rows, ascending."""
        return [document for _, document in self._fetch(rows, ("document",))]

    def columns(self, keys: Collection[str]) -> Columns:
        """The metadata columns of these keys, built on first use."""
        return self.memory.columns(keys, self._all_metadata)

    def all_columns(self) -> Columns:
        """The metadata columns of all keys, built for this call alone."""
        return self.memory.all_columns(self._all_metadata())

    def sparse_index(self, key: str) -> SparseIndex:
        """The index of the sparse vectors under ``key``, built on first use."""
        return self.memory.sparse_index(key, self._all_metadata)

    def word_index(self, bar: Bar | None = None) -> WordIndex:
        """The index of the words of the documents, built on first use, with a progress bar."""

        def made() -> WordIndex:
            return self._stored_word_index() or made_of(self.memory.live_rows(), self._documents_now, bar)

        return self.memory.words.index(self._documents_now, made)

    def _stored_word_index(self) -> WordIndex | None:
        """The index of the file, with the changes since; None if there is no file, or too much has changed."""
        if self.memory.live < word_files.FEWEST:
            return None
        stored = self.stored_words(self.row)
        if stored is None:
            return None
        changed = changelog.since(self.connection, self.row.number, stored.seq, self.row.seq)
        if changed is None or len(changed) > _MOST_CHANGED * self.memory.live:
            return None
        index = WordIndex.from_stored(self.memory.rows_at(stored.positions), stored.words)
        rows = self.memory.rows_at(changed)
        rows = rows[rows >= 0]
        if len(rows):
            index = index.changed(rows, self._documents_now(rows))
        self.memory.words.stored_seq, self.memory.words.changed_since_stored = stored.seq, len(changed)
        return index

    def words_at_rest(self) -> WordsAtRest:
        """The index of words as a file keeps it."""
        rows, words = self.word_index().stored()
        return WordsAtRest(self.memory.seq, self.memory.positions[rows], words)

    def _documents_now(self, rows: Ints) -> list[str | None]:
        """The documents of rows (ascending); None also for records that were deleted."""
        live = self.memory.alive[rows]
        there = iter(self.documents(rows[live]) if live.any() else ())
        return [next(there) if alive else None for alive in live.tolist()]

    def _all_metadata(self) -> Iterator[list[Json | None]]:
        """The metadata of all records, piece by piece, sparse vectors as JSON holds them."""
        return records.metadatas(self.connection, self.row.number, self.row.hidden, sparse=False)

    def texts(self, rows: Ints, include: Sequence[str], *, checksums: bool = False) -> dict[str, list[Any]]:
        """Column -> its values for ``rows``, ascending; the columns that ``include`` names, and "crc"."""
        fields = _fields(tuple(include), checksums)
        if not fields:
            return {}
        if fields == ("metadata",) and self._are_all(rows):
            stored = records.metadatas(self.connection, self.row.number, self.row.hidden)
            return {"metadata": list(chain.from_iterable(stored))}
        texts = self._stored_texts(rows, fields)
        if "metadata" in texts:
            texts["metadata"] = records.decode_metadata(texts["metadata"])
        return texts

    def _stored_texts(self, rows: Ints, fields: tuple[str, ...]) -> dict[str, list[Any]]:
        """Column -> its values for ``rows``, ascending; metadata as JSON."""
        found = self._fetch(rows, fields) if fields and len(rows) else []
        # A column at a time: zip(*found) takes five times as long for 100,000 records.
        return {field: list(map(itemgetter(place), found)) for place, field in enumerate(fields, 1)}

    def _fetch(self, rows: Ints, fields: tuple[str, ...]) -> list[tuple[Any, ...]]:
        whole = self._are_all(rows) and not self.row.hidden
        positions = self.memory.positions[rows]
        return records.fetch(self.connection, self.row.number, positions, fields, all_of_it=whole)

    def _are_all(self, rows: Ints) -> bool:
        return len(rows) == self.memory.live and self.memory.whole

    # --- results ---------------------------------------------------------------------------------------------

    def get_result(self, rows: Ints, include: Sequence[str]) -> GetResult:
        """The records in ``rows`` (ascending) as ``collection.get`` returns them."""
        texts = self.texts(rows, include)
        ids = self.memory.ids
        return GetResult(
            ids=list(ids) if len(rows) == len(ids) else list(map(ids.__getitem__, rows.tolist())),
            embeddings=self.embeddings(rows) if "embeddings" in include else None,
            documents=texts.get("document"),
            uris=texts.get("uri"),
            included=list(include),
            data=None,
            metadatas=texts.get("metadata"),
        )

    def get_result_of(self, rows: Ints, include: Sequence[str]) -> GetResult:
        """As ``get_result``, for rows in any order, which it keeps."""
        ascending = np.argsort(rows)
        places = np.empty(len(rows), np.int64)
        places[ascending] = np.arange(len(rows))
        return self.get_result(rows[ascending], include).at(places.tolist())

    def columns_as_stored(self, rows: Ints, include: Sequence[str]) -> types.Columns:
        """As ``get_result``, for tables: metadata as ``StoredMetadatas``, vectors as the float32 they are.

        If possible, the vectors are a view of the file, whose rows are never overwritten.
        """
        texts = self._stored_texts(rows, _fields(tuple(include), False))
        ids, metadata = self.memory.ids, texts.get("metadata")
        return {
            "ids": list(ids) if len(rows) == len(ids) else list(map(ids.__getitem__, rows.tolist())),
            "embeddings": self._stored_vectors(rows) if "embeddings" in include else None,
            "documents": texts.get("document"),
            "uris": texts.get("uri"),
            "metadatas": None if metadata is None else StoredMetadatas(metadata, records.decode_metadata),
        }

    def query_result(self, found: list[tuple[Ints, Float64]], include: Sequence[str]) -> QueryResult:
        """The (rows, distances) of each query as ``collection.query`` returns them; checksums are compared."""
        memory, ids = self.memory, self.memory.ids
        every = np.unique(np.concatenate(list(map(itemgetter(0), found)))) if found else EMPTY
        texts = self.texts(every, include, checksums=self.on_disk)
        if self.on_disk and len(every):
            check = self.check_vectors if memory.searchable == memory.live else self._check_those_there
            check(every, texts.pop("crc"))
        ids_of_each: list[list[str]] = []
        texts_of_each: dict[str, list[list[object]]] = {field: [] for field in texts}
        distances_of_each: list[list[float]] = []
        for rows, distances in found:
            distances_of_each.append(distances.tolist())
            ids_of_each.append(list(map(ids.__getitem__, rows.tolist())))
            places = np.searchsorted(every, rows).tolist()
            for name, column in texts.items():
                texts_of_each[name].append(list(map(column.__getitem__, places)))
        embeddings = None
        if "embeddings" in include:
            embeddings = [self.embeddings(rows) for rows, _ in found]
        return QueryResult(
            ids=ids_of_each,
            embeddings=embeddings,
            documents=texts_of_each.get("document"),
            uris=texts_of_each.get("uri"),
            included=list(include),
            data=None,
            metadatas=texts_of_each.get("metadata"),
            distances=distances_of_each if "distances" in include else None,
        )

    # --- vectors ---------------------------------------------------------------------------------------------

    def embeddings(self, rows: Ints) -> Float64:
        """The vectors of rows, shape (rows, dimension); NaN for records without a vector."""
        if not len(rows):
            return np.empty(0)
        wide = np.empty((len(rows), self.row.dimension or 0))
        if self.memory.searchable < self.memory.live:
            return self._vectors_that_are_there(rows, wide)
        view, slots = self.matrix, self.memory.slots[rows]
        stretch = _stretch(slots)

        def widen(start: int, stop: int) -> None:
            if stretch is not None:
                wide[start:stop] = view[stretch][start:stop]
                return
            for first in range(start, stop, _GATHERED_AT_ONCE):  # the narrow copy of a few at a time
                last = min(first + _GATHERED_AT_ONCE, stop)
                wide[first:last] = view[slots[first:last]]

        in_parts(len(wide), rows_worth_a_thread(8 * wide.shape[1]), widen)
        return wide

    def vectors_of(self, ids: Iterable[str]) -> dict[str, Vector]:
        """The vectors of those ids that exist."""
        each = list(dict.fromkeys(ids))
        rows = self.find(each)
        there = [ident for ident, row in zip(each, rows.tolist(), strict=True) if row != UNKNOWN]
        return dict(zip(there, self.embeddings(rows[rows != UNKNOWN]), strict=True))

    def _stored_vectors(self, rows: Ints) -> Matrix:
        """As ``embeddings``, in the stored float32: a view, or a copy if the rows are scattered."""
        if not len(rows):
            return np.empty((0, self.row.dimension or 0), np.float32)
        if self.memory.searchable < self.memory.live:
            return self._vectors_that_are_there(rows, np.empty((len(rows), self.row.dimension or 0), np.float32))
        slots = self.memory.slots[rows]
        stretch = _stretch(slots)
        vectors = self.matrix[slots if stretch is None else stretch]
        vectors.setflags(write=False)  # that of a collection in memory is its own array
        return vectors

    def _vectors_that_are_there(self, rows: Ints, vectors: Array) -> Array:
        """``vectors``, filled with those of ``rows``; NaN for records without a vector."""
        there = self.memory.has_vector(rows)
        vectors[:] = np.nan
        if there.any():
            vectors[there] = self.matrix[self.memory.slots[rows[there]]]
        return vectors

    def exact_index(self) -> CertifiedIndex:
        """The norms that a scan needs, taken from the records at the first use."""
        memory = self.memory
        if memory.exact is None:
            exact = CertifiedIndex(self.row.parameters.space, self.store.dimension)
            _, _, slots, norms = records.header_columns(self.connection, self.row.number, self.row.hidden)
            exact.extend(slots, norms, memory.next_slot)
            memory.exact = exact
        return memory.exact

    def stored_rows(self) -> StoredRows:
        """The rows as a file keeps them."""
        memory, live = self.memory, self.memory.live_rows()
        slots = memory.slots[live]
        norms = np.full(len(live), records.NO_VECTOR)
        if memory.searchable:
            there = memory.has_vector(live)
            norms[there] = self.exact_index().norms(memory.next_slot)[slots[there]]
        ids = list(memory.ids) if len(live) == memory.rows else list(map(memory.ids.__getitem__, live.tolist()))
        return StoredRows(memory.seq, memory.next_slot, memory.positions[live].copy(), slots.copy(), norms, ids)

    def _check_those_there(self, rows: Ints, expected: Sequence[int]) -> None:
        """As ``check_vectors``, without the records that have lost their vector."""
        there = self.memory.has_vector(rows)
        if there.any():
            self.check_vectors(rows[there], [crc for crc, is_there in zip(expected, there, strict=True) if is_there])

    def check_vectors(self, rows: Ints, expected: Sequence[int]) -> None:
        """Compare the vectors of ``rows`` with their checksums; InternalError names the first that differs."""
        view, slots = self.matrix, self.memory.slots[rows]
        for row, slot, crc in zip(rows.tolist(), slots.tolist(), expected, strict=True):
            if zlib.crc32(view[slot]) != crc:
                raise _DamagedError(
                    f"The vector of record {self.memory.ids[row]!r} in collection [{self.row.name}] does not match its "
                    "checksum: the vector file is damaged. client.verify() lists every such record. Add them again, "
                    "or restore a backup."
                )


def _stretch(slots: Ints) -> slice | None:
    """These slots as a slice, if they are consecutive."""
    first, last = int(slots[0]), int(slots[-1])
    if last - first + 1 != len(slots) or (len(slots) > 1 and not bool((np.diff(slots) == 1).all())):
        return None
    return slice(first, last + 1)


@lru_cache(maxsize=256)
def _fields(include: tuple[str, ...], checksums: bool) -> tuple[str, ...]:
    return tuple(field for name, field in _COLUMNS if name in include) + (("crc",) if checksums else ())


#: The share of a collection that may have changed since its file of words; above it, all documents are read.
_MOST_CHANGED: Final = 0.5
#: How many scattered vectors are copied at a time before they become float64.
_GATHERED_AT_ONCE: Final = 4_096
#: include's names -> columns, in the order records.fetch wants them.
_COLUMNS: Final = (("documents", "document"), ("uris", "uri"), ("metadatas", "metadata"))
