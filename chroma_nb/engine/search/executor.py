"""Executor: from a plan to slots and distances, and from rows to the answer.

Runs inside one read transaction, with the collection in memory at that transaction's seq.
"""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chroma_nb.engine.filters.evaluation import asks_metadata, evaluate
from chroma_nb.engine.index.exact import ExactIndex
from chroma_nb.engine.memory.collection import UNKNOWN, CollectionInMemory
from chroma_nb.engine.memory.columns import Columns
from chroma_nb.engine.search import planner
from chroma_nb.engine.storage import records
from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.engine.storage.vectors import VectorStore
from chroma_nb.engine.threads import in_parts, rows_worth_a_thread
from chroma_nb.errors import InternalError, InvalidArgumentError, _DamagedError
from chroma_nb.results import GetResult, QueryResult
from chroma_nb.types import Matrix, Vector
from chroma_nb.where import Expression

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]

#: Rows whose filter is evaluated first when only the first few matches are wanted; then four times as many.
_FIRST_BLOCK: Final = 512


@dataclass
class Reading:
    """One consistent look at a collection: SQLite's snapshot and the memory that matches it."""

    connection: sqlite3.Connection
    row: CollectionRow
    memory: CollectionInMemory
    vectors: VectorStore | None
    checked: bool  # whether vectors are compared with their checksums
    steps: dict[str, Any] = field(default_factory=dict, kw_only=True)

    @property
    def store(self) -> VectorStore:
        """The vectors of a collection that has some."""
        if self.vectors is None:
            raise InternalError(f"collection [{self.row.name}] has no vectors yet")
        return self.vectors

    @property
    def matrix(self) -> Matrix:
        """The vectors by slot, holes included; shape (slots, dimension)."""
        return self.store.view(self.memory.next_slot)

    # --- which records ---------------------------------------------------------------------------------

    def documents(self, rows: Ints) -> Sequence[str | None]:
        """The documents of rows, ascending."""
        positions = self.memory.positions[rows]
        whole = len(rows) == self.memory.live and not self.row.hidden
        found = records.fetch(self.connection, self.row.number, positions, ("document",), all_of_it=whole)
        return [document for _, document in found]

    def columns(self) -> Columns:
        """The metadata columns, built on first use."""
        return self.memory.columns(lambda: records.metadatas(self.connection, self.row.number, self.row.hidden))

    def _columns_for(self, filter: Expression) -> Columns:
        """The metadata columns; none for a filter that is about documents only."""
        return self.columns() if asks_metadata(filter) else Columns()

    def matching(self, filter: Expression, among: Ints | None = None) -> Mask:
        """A mask over rows: live, matching, and in ``among`` when it is given."""
        alive = self.memory.alive
        if among is not None:
            alive = np.zeros(self.memory.rows, np.bool_)
            alive[among] = True
        return evaluate(filter, self._columns_for(filter), self.documents, alive)

    def select(self, ids: Sequence[str] | None, filter: Expression | None, limit: int | None, offset: int = 0) -> Ints:
        """The rows asked for, in get() order."""
        end = None if limit is None else offset + limit
        rows = None if ids is None else self.memory.rows_of(ids)
        if filter is None:
            found = self.memory.live_rows() if rows is None else rows
        elif rows is not None or end is None:
            found = np.flatnonzero(self.matching(filter, rows))
        else:
            found = self._first_matches(filter, end)
        return found[offset:end]

    def _first_matches(self, filter: Expression, wanted: int) -> Ints:
        columns, memory = self._columns_for(filter), self.memory
        found: list[Ints] = []
        count, stop, block = 0, 0, _FIRST_BLOCK
        while stop < memory.rows and count < wanted:
            start, stop = stop, min(stop + block, memory.rows)
            block *= 4
            mask = evaluate(filter, columns, self.documents, memory.alive, start, stop)
            found.append(np.flatnonzero(mask) + start)
            count += len(found[-1])
        return np.concatenate(found) if found else np.empty(0, np.int64)

    # --- get ---------------------------------------------------------------------------------------------

    def get(self, rows: Ints, include: Sequence[str]) -> GetResult:
        """The records in ``rows`` (ascending) as Chroma answers them."""
        texts = self._texts(rows, include)
        ids = self.memory.ids
        return GetResult(
            ids=list(ids) if len(rows) == len(ids) else [ids[row] for row in rows.tolist()],
            embeddings=self._embeddings(rows) if "embeddings" in include else None,
            documents=texts.get("document"),
            uris=texts.get("uri"),
            included=list(include),
            data=None,
            metadatas=texts.get("metadata"),
        )

    def _texts(self, rows: Ints, include: Sequence[str], *, checksums: bool = False) -> dict[str, list[Any]]:
        fields = _fields(tuple(include), checksums)
        if not fields:
            return {}
        if not len(rows):
            return {field: [] for field in fields}
        whole = len(rows) == self.memory.live
        if whole and fields == ("metadata",):
            stored = records.metadatas(self.connection, self.row.number, self.row.hidden)
            return {"metadata": list(chain.from_iterable(stored))}
        positions = self.memory.positions[rows]
        alone = whole and not self.row.hidden
        found = records.fetch(self.connection, self.row.number, positions, fields, all_of_it=alone)
        texts = {field: [record[place] for record in found] for place, field in enumerate(fields, 1)}
        if "metadata" in texts:
            texts["metadata"] = records.decode_metadata(texts["metadata"])
        return texts

    def _embeddings(self, rows: Ints) -> Float64:
        if not len(rows):
            return np.empty(0)
        if self.memory.searchable < self.memory.live:
            return self._embeddings_that_are_there(rows)
        slots, view = self.memory.slots[rows], self.matrix
        first, last = int(slots[0]), int(slots[-1])
        if last - first + 1 == len(slots) and (len(slots) == 1 or bool((np.diff(slots) == 1).all())):
            return _widened(view[first : last + 1])
        return _widened(view[slots])

    def _embeddings_that_are_there(self, rows: Ints) -> Float64:
        """The embeddings of records of which some have none: rows of NaN."""
        there = self.memory.has_vector(rows)
        embeddings = np.full((len(rows), self.row.dimension or 0), np.nan)
        if there.any():
            embeddings[there] = self.matrix[self.memory.slots[rows[there]]]
        return embeddings

    # --- query -------------------------------------------------------------------------------------------

    def query(
        self,
        queries: Matrix,
        n_results: int,
        ids: Sequence[str] | None,
        filter: Expression | None,
        include: Sequence[str],
    ) -> QueryResult:
        """The nearest records to each query as Chroma answers them."""
        found = self.neighbours(queries, n_results, ids, filter)
        return self._hydrated(found, include)

    def neighbours(
        self, queries: Matrix, k: int, ids: Sequence[str] | None, filter: Expression | None
    ) -> list[tuple[Ints, Float64]]:
        """(rows, distances) of the nearest records to each query, nearest first."""
        memory = self.memory
        self._check_dimension(queries)
        started = time.perf_counter()
        allowed = self._allowed(ids, filter)
        filtered = time.perf_counter()
        graph = self._graph_state()
        plan = planner.plan(
            live=memory.searchable,
            allowed=None if allowed is None else len(allowed),
            k=k,
            queries=len(queries),
            graph=graph,
        )
        found = self._search(plan, queries, min(k, memory.searchable), allowed)
        self.steps.update(
            method=plan.method,
            reason=plan.reason,
            records=memory.live,
            allowed=memory.live if allowed is None else len(allowed),
            ef=plan.ef or None,
            filter_ms=(filtered - started) * 1e3,
            search_ms=(time.perf_counter() - filtered) * 1e3,
        )
        self.steps.setdefault("exact", plan.exact)
        if memory.searchable < memory.live:
            self.steps["without_vector"] = memory.live - memory.searchable
        return [(memory.row_of_slot[slots], distances) for slots, distances in found]

    def _check_dimension(self, queries: Matrix) -> None:
        dimension = self.row.dimension
        if dimension is not None and queries.shape[1] != dimension:
            raise InvalidArgumentError(
                f"Collection expecting embedding with dimension of {dimension}, got {queries.shape[1]}"
            )

    def _allowed(self, ids: Sequence[str] | None, filter: Expression | None) -> Ints | None:
        """The slots that may be answered; None: all."""
        if ids is None and filter is None:
            return None
        return self.memory.searchable_slots(self.select(ids, filter, None))

    def _graph_state(self) -> planner.GraphState | None:
        graph, memory = self.memory.graph, self.memory
        if graph is None:
            return None
        return planner.GraphState(
            live=graph.count,
            dead=graph.dead,
            tail=memory.next_slot - graph.covers,
            ef_search=self.row.parameters.ef_search if self.row.parameters.ef_search_is_set else None,
        )

    def exact_index(self) -> ExactIndex:
        """The norms a scan needs, taken from the records on first use."""
        memory = self.memory
        if memory.exact is None:
            exact = ExactIndex(self.row.parameters.space, self.store.dimension)
            _, _, slots, norms = records.header_columns(self.connection, self.row.number, self.row.hidden)
            exact.extend(slots, norms, memory.next_slot)
            memory.exact = exact
        return memory.exact

    def _search(self, plan: planner.Plan, queries: Matrix, k: int, allowed: Ints | None) -> list[tuple[Ints, Float64]]:
        if plan.method == "nothing" or self.vectors is None:
            return [(np.empty(0, np.int64), np.empty(0)) for _ in queries]
        if plan.exact:
            return self._exactly(plan, queries, k, allowed)
        found = self._by_graph(plan, queries, k, allowed)
        missing = [number for number, answer in enumerate(found) if answer is None]
        if missing:
            self.steps["exact"] = len(missing) == len(queries)
            self.steps["scanned_instead"] = len(missing)
            count = None if allowed is None else len(allowed)
            instead = planner.plan(live=self.memory.searchable, allowed=count, k=k, queries=len(missing), graph=None)
            for number, answer in zip(missing, self._exactly(instead, queries[missing], k, allowed), strict=True):
                found[number] = answer
        return [answer for answer in found if answer is not None]

    def _exactly(self, plan: planner.Plan, queries: Matrix, k: int, allowed: Ints | None) -> list[tuple[Ints, Float64]]:
        memory, started = self.memory, time.perf_counter()
        exact, view = self.exact_index(), self.matrix
        if plan.method == "gather":
            return exact.search(view, queries, k, memory.row_of_slot, among=allowed)
        dead = memory.dead_mask()
        if allowed is not None:
            dead = np.ones(memory.next_slot, np.bool_)
            dead[allowed] = False
        found = exact.search(view, queries, k, memory.row_of_slot, dead=dead)
        memory.exact_seconds += time.perf_counter() - started
        return found

    def _by_graph(
        self, plan: planner.Plan, queries: Matrix, k: int, allowed: Ints | None
    ) -> list[tuple[Ints, Float64] | None]:
        """What the graph finds, merged with an exact scan of the slots it does not know; None: scan instead.

        That is where too few are left, or a witness says that nearer ones were missed.
        """
        memory, graph = self.memory, self.memory.graph
        asked = None if graph is None else graph.query(queries, min(plan.candidates, memory.searchable), plan.ef)
        if graph is None or asked is None or memory.witnesses is None:
            return [None] * len(queries)
        exact, view = self.exact_index(), self.matrix
        exact.prepare(view)
        tail = np.arange(graph.covers, memory.next_slot)
        tail = tail[memory.row_of_slot[tail] != UNKNOWN]
        in_graph = memory.searchable - len(tail)
        permitted: Mask | None = None
        if allowed is not None:
            permitted = np.zeros(memory.next_slot, np.bool_)
            permitted[allowed] = True
        wanted = min(k, memory.searchable if allowed is None else len(allowed))
        watched = exact.scores(memory.witnesses.vectors, memory.witnesses.slots, queries)
        found: list[tuple[Ints, Float64] | None] = []
        for query, slots, seen in zip(queries, asked[0], watched, strict=True):
            near = slots[slots != UNKNOWN]
            near = near[memory.row_of_slot[near] != UNKNOWN]
            candidates = np.concatenate([near, tail]) if len(tail) else near
            if permitted is not None:
                near = near[permitted[near]]
                candidates = candidates[permitted[candidates]]
            if len(near) < min(wanted, in_graph):
                found.append(None)
                continue
            answer = exact.measure(view, query, candidates, k, memory.row_of_slot)
            found.append(None if self._missed(answer, query, seen, permitted) else answer)
        return found

    def _missed(self, answer: tuple[Ints, Float64], query: Vector, seen: Vector, permitted: Mask | None) -> bool:
        """Whether a witness, whose scores are ``seen``, is nearer than the last of the answer and not in it."""
        memory, witnesses = self.memory, self.memory.witnesses
        slots, distances = answer
        if witnesses is None or not len(slots):
            return False
        exact, view = self.exact_index(), self.matrix
        farthest = exact.scores(view[slots], slots, query[None]).max()
        near = np.setdiff1d(witnesses.slots[seen < farthest], slots)
        near = near[memory.row_of_slot[near] != UNKNOWN]
        if permitted is not None:
            near = near[permitted[near]]
        if not len(near):
            return False
        nearest = exact.measure(view, query, near, 1, memory.row_of_slot)[1]
        return bool(nearest[0] < distances[-1])

    def _hydrated(self, found: list[tuple[Ints, Float64]], include: Sequence[str]) -> QueryResult:
        memory, ids = self.memory, self.memory.ids
        every = np.unique(np.concatenate([rows for rows, _ in found])) if found else np.empty(0, np.int64)
        texts = self._texts(every, include, checksums=self.checked)
        if self.checked and len(every):
            self._check(every, texts.pop("crc"))
        place = {row: index for index, row in enumerate(every.tolist())}

        def per_query(field: str) -> list[list[Any]] | None:
            """One field of the records found, a list per query; None when it was not asked for."""
            if field not in texts:
                return None
            column = texts[field]
            return [[column[place[row]] for row in rows.tolist()] for rows, _ in found]

        embeddings = None
        if "embeddings" in include:
            embeddings = [
                self.matrix[memory.slots[rows]].astype(np.float64) if len(rows) else np.empty(0) for rows, _ in found
            ]
        return QueryResult(
            ids=[[ids[row] for row in rows.tolist()] for rows, _ in found],
            embeddings=embeddings,
            documents=per_query("document"),
            uris=per_query("uri"),
            included=list(include),
            data=None,
            metadatas=per_query("metadata"),
            distances=[distances.tolist() for _, distances in found] if "distances" in include else None,
        )

    def _check(self, rows: Ints, expected: Sequence[int]) -> None:
        """Compare the winners' vectors with their checksums."""
        view, slots = self.matrix, self.memory.slots[rows]
        for row, slot, crc in zip(rows.tolist(), slots.tolist(), expected, strict=True):
            if zlib.crc32(view[slot]) != crc:
                raise _DamagedError(
                    f"the vector of record {self.memory.ids[row]!r} in collection [{self.row.name}] does not match "
                    "its checksum: the vector file is damaged; client.verify() lists every such record, "
                    "add them again or restore a backup"
                )


def _widened(vectors: Matrix) -> Float64:
    wide = np.empty(vectors.shape)
    smallest = rows_worth_a_thread(8 * vectors.shape[1])
    in_parts(len(vectors), smallest, lambda start, stop: np.copyto(wide[start:stop], vectors[start:stop]))
    return wide


@lru_cache(maxsize=256)
def _fields(include: tuple[str, ...], checksums: bool) -> tuple[str, ...]:
    return tuple(field for name, field in _TEXTS if name in include) + (("crc",) if checksums else ())


#: include's names -> columns, in the order records.fetch wants them.
_TEXTS: Final = (("documents", "document"), ("uris", "uri"), ("metadatas", "metadata"))
