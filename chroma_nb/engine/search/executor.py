"""Executor: from a plan to slots and distances. Runs inside one transaction, over a snapshot."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from chroma_nb.engine.arrays import Float64, Ints, Mask
from chroma_nb.engine.filters.selection import select
from chroma_nb.engine.memory.collection import UNKNOWN
from chroma_nb.engine.memory.snapshot import Snapshot
from chroma_nb.engine.search import planner
from chroma_nb.query.conditions import Where
from chroma_nb.types import Json, Matrix, Vector


@dataclass
class Search:
    """The nearest records of one snapshot. ``steps``: how they were found, for ``explain``."""

    snapshot: Snapshot
    steps: Json = field(default_factory=dict)

    def neighbours(
        self,
        queries: Matrix,
        k: int,
        ids: Sequence[str] | None,
        filter: Where | None,
        max_distance: float | None = None,
    ) -> list[tuple[Ints, Float64]]:
        """(rows, distances) of the nearest records to each query, nearest first, none beyond ``max_distance``."""
        started = time.perf_counter()
        allowed = self._allowed(ids, filter)
        self.steps["filter_ms"] = (time.perf_counter() - started) * 1e3
        self.snapshot.check_dimension(queries)
        found = self.among(queries, k, allowed)
        return found if max_distance is None else [_within(max_distance, *nearest) for nearest in found]

    def among(self, queries: Matrix, k: int, allowed: Ints | None) -> list[tuple[Ints, Float64]]:
        """As ``neighbours``, among the records in these slots; None means all."""
        memory, started = self.snapshot.memory, time.perf_counter()
        exact, count = memory.exact, None if allowed is None else len(allowed)
        codes = False
        if exact is not None and exact.codes is not None:
            gathered = count is not None and planner.is_gathered(allowed=count, live=memory.searchable)
            codes = exact.has_codes_for(len(queries), k, count, gathered=gathered)
        plan = planner.plan(
            live=memory.searchable,
            allowed=count,
            k=k,
            queries=len(queries),
            graph=self._graph_state(),
            codes=codes,
        )
        found = self._search(plan, queries, min(k, memory.searchable), allowed)
        by_codes = self.steps.pop("by_codes", 0)
        self.steps.update(
            method="codes" if by_codes else plan.method,
            reason=plan.reason if by_codes or plan.reason != planner.PROVED else self._why_no_codes(),
            records=memory.live,
            allowed=memory.live if allowed is None else len(allowed),
            ef=plan.ef or None,
            search_ms=(time.perf_counter() - started) * 1e3,
        )
        self.steps.setdefault("exact", plan.exact)
        if memory.searchable < memory.live:
            self.steps["without_vector"] = memory.live - memory.searchable
        return [(memory.row_of_slot[slots], distances) for slots, distances in found]

    def _why_no_codes(self) -> str:
        """Why a search was scanned although there were codes."""
        exact = self.snapshot.exact_index()
        if exact.codes is None or exact.codes.end < exact.slots:
            return "the codes of new records are not made yet"
        return "codes left too many records to measure"

    def _allowed(self, ids: Sequence[str] | None, filter: Where | None) -> Ints | None:
        """The slots that may be returned; None means all."""
        if ids is None and filter is None:
            return None
        return self.snapshot.memory.searchable_slots(select(self.snapshot, ids, filter, None))

    def _graph_state(self) -> planner.GraphState | None:
        graph, memory = self.snapshot.memory.graph, self.snapshot.memory
        if graph is None:
            return None
        return planner.GraphState(
            live=graph.count,
            dead=graph.dead,
            tail=memory.next_slot - graph.covers,
            ef_search=self.snapshot.row.parameters.ef_search if self.snapshot.row.parameters.ef_search_is_set else None,
        )

    def _search(self, plan: planner.Plan, queries: Matrix, k: int, allowed: Ints | None) -> list[tuple[Ints, Float64]]:
        if plan.method == "nothing" or self.snapshot.vectors is None:
            return [(np.empty(0, np.int64), np.empty(0)) for _ in queries]
        if plan.exact:
            return self._exactly(plan, queries, k, allowed)
        found = self._by_graph(plan, queries, k, allowed)
        missing = [number for number, nearest in enumerate(found) if nearest is None]
        if missing:
            self.steps["exact"] = len(missing) == len(queries)
            self.steps["scanned_instead"] = len(missing)
            count = None if allowed is None else len(allowed)
            instead = planner.plan(
                live=self.snapshot.memory.searchable, allowed=count, k=k, queries=len(missing), graph=None
            )
            for number, nearest in zip(missing, self._exactly(instead, queries[missing], k, allowed), strict=True):
                found[number] = nearest
            self.steps["by_codes"] = 0
        return [nearest for nearest in found if nearest is not None]

    def _exactly(self, plan: planner.Plan, queries: Matrix, k: int, allowed: Ints | None) -> list[tuple[Ints, Float64]]:
        memory, started = self.snapshot.memory, time.perf_counter()
        exact, view = self.snapshot.exact_index(), self.snapshot.matrix
        if plan.method == "gather":
            found, by_codes = exact.counted_search(view, queries, k, memory.row_of_slot, among=allowed)
            self.steps["by_codes"] = by_codes
            return found
        dead = memory.dead_mask()
        if allowed is not None:
            dead = np.ones(memory.next_slot, np.bool_)
            dead[allowed] = False
        found, by_codes = exact.counted_search(view, queries, k, memory.row_of_slot, dead=dead)
        self.steps["by_codes"] = by_codes
        count = None if allowed is None else len(allowed)
        if planner.pays_for_graph(
            live=memory.searchable,
            dimension=queries.shape[1],
            allowed=count,
            k=k,
            queries=len(queries),
            codes=bool(by_codes),
        ):
            memory.exact_seconds += time.perf_counter() - started
        return found

    def _by_graph(
        self, plan: planner.Plan, queries: Matrix, k: int, allowed: Ints | None
    ) -> list[tuple[Ints, Float64] | None]:
        """The results of the HNSW index, merged with an exact scan of the slots it does not have; None: scan instead.

        It proposes candidates and may miss some, so each query passes three tests, or is scanned:

        - Candidates that are live and pass the filter are kept. When fewer than k remain (and the index
          has that many), filter and query disagree: nearer records may be among those it did not return. When k
          remain, no nearer record that the index knows was left out, since candidates come nearest first.
        - Slots newer than the index (the tail) are measured beside the candidates, so that writes do not wait
          for it.
        - No witness is nearer than the last of the result and missing from it: see ``witnesses.py``.

        Distances are measured here, by the space's own formula: those of the index are float32, for cosine of vectors
        that were brought to length 1.
        """
        memory, graph = self.snapshot.memory, self.snapshot.memory.graph
        proposed = None if graph is None else graph.query(queries, min(plan.candidates, memory.searchable), plan.ef)
        if graph is None or proposed is None or memory.witnesses is None:
            return [None] * len(queries)
        exact, view = self.snapshot.exact_index(), self.snapshot.matrix
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
        for query, slots, seen in zip(queries, proposed, watched, strict=True):
            near = slots[slots != UNKNOWN]
            near = near[memory.row_of_slot[near] != UNKNOWN]
            candidates = np.concatenate([near, tail]) if len(tail) else near
            if permitted is not None:
                near = near[permitted[near]]
                candidates = candidates[permitted[candidates]]
            if len(near) < min(wanted, in_graph):
                found.append(None)
                continue
            nearest = exact.measure(view, query, candidates, k, memory.row_of_slot)
            found.append(None if self._missed(nearest, query, seen, permitted) else nearest)
        return found

    def _missed(self, nearest: tuple[Ints, Float64], query: Vector, seen: Vector, permitted: Mask | None) -> bool:
        """Whether a witness, whose scores are ``seen``, is nearer than the last of ``nearest`` and not among them."""
        memory, witnesses = self.snapshot.memory, self.snapshot.memory.witnesses
        slots, distances = nearest
        if witnesses is None or not len(slots):
            return False
        exact, view = self.snapshot.exact_index(), self.snapshot.matrix
        farthest = exact.scores(view[slots], slots, query[None]).max()
        near = np.setdiff1d(witnesses.slots[seen < farthest], slots)
        near = near[memory.row_of_slot[near] != UNKNOWN]
        if permitted is not None:
            near = near[permitted[near]]
        if not len(near):
            return False
        _, of_witness = exact.measure(view, query, near, 1, memory.row_of_slot)
        return bool(of_witness[0] < distances[-1])


def _within(most: float, rows: Ints, distances: Float64) -> tuple[Ints, Float64]:
    near = distances <= most
    return rows[near], distances[near]
