"""Planner: choose how a query is run. It takes numbers and returns a plan; no I/O.

The rules and the measurements behind them: docs/architecture.md, section "Searching".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Method = Literal["nothing", "scan", "gather", "graph", "graph, then filter"]

#: Below this many bytes of vectors a scan is as fast as the overhead of an HNSW index: none is built.
SMALLEST_GRAPH_BYTES: Final = 15_000_000
#: Everything is scanned when more than this share of the live records is wanted ...
LARGEST_SHARE: Final = 0.1
#: ... or when more than this share is newer than the HNSW index.
LARGEST_TAIL: Final = 0.2
#: This many records may be newer than the HNSW index in any case.
SMALLEST_TAIL: Final = 5_000
#: The share of dead entries beyond which an HNSW index is rebuilt.
LARGEST_DEAD: Final = 0.3
#: Allowed records below this share are scanned; above it the HNSW index is searched first.
FILTER_SHARE: Final = 0.1
#: This many allowed records, or fewer, are scanned: it takes no longer than an HNSW search, and cannot fail.
ALWAYS_EXACT: Final = 2_500
#: Allowed records below this share are copied together and scanned; above it everything is scanned.
GATHER_SHARE: Final = 0.15
#: Candidates of an HNSW search for each result wanted and allowed, when they are filtered afterwards.
OVERFETCH: Final = 3
#: ef of an HNSW search if the user set none: below 200, whole clusters are missed now and then.
SMALLEST_EF: Final = 200
#: A batch of queries this large is cheaper by one matrix product, as long as the records are few.
BATCH: Final = 32
BATCH_ROWS: Final = 50_000
#: With codes the HNSW index is for single queries (fewer than CODED_BATCH), over at least this many records.
CODED_BATCH: Final = 3
CODED_ROWS: Final = 100_000
#: ... and for no more than this share of the live records: its time grows with the candidates it returns.
CODED_SHARE: Final = 0.005
#: Results of a query that does not say how many.
USUAL_RESULTS: Final = 10
#: The reason for having no HNSW index if codes are as fast.
PROVED: Final = "codes prove the result as fast"
#: The share of a build's estimated cost that exact searches must have cost before it is started.
SHARE_OF_BUILD: Final = 0.1
#: Seconds a build costs per vector of 384 dimensions (one thread).
BUILD_SECONDS: Final = 0.0002


@dataclass(frozen=True)
class Plan:
    """How a query is run, and why. ``candidates``: how many the HNSW index returns; ``ef``: its effort."""

    method: Method
    reason: str
    candidates: int = 0
    ef: int = 0

    @property
    def exact(self) -> bool:
        """Whether the result is that of a complete search by construction."""
        return not self.method.startswith("graph")


@dataclass(frozen=True)
class GraphState:
    """What the planner needs to know about an HNSW index."""

    live: int
    dead: int
    tail: int
    ef_search: int | None


def plan(
    *, live: int, allowed: int | None, k: int, queries: int, graph: GraphState | None, codes: bool = False
) -> Plan:
    """Choose a plan. ``allowed``: records that pass the filter (None: no filter); ``codes``: whether there are any."""
    wanted = live if allowed is None else allowed
    if not wanted or not k:
        return Plan("nothing", "no record can match")
    k = min(k, wanted)
    refusal = _why_no_graph(live, k, queries, graph, codes)
    if allowed is None:
        if graph is None or refusal:
            return Plan("scan", refusal)
        return Plan("graph", f"{live} records, HNSW index ready", k, effort(k, graph))
    share = allowed / live
    exactly = Plan(
        "gather" if is_gathered(allowed=allowed, live=live) else "scan", f"the filter leaves {allowed} of {live}"
    )
    if graph is None or refusal or share < FILTER_SHARE or allowed <= ALWAYS_EXACT:
        return exactly
    candidates = min(live, int(OVERFETCH * k / share) + 1)
    if candidates > _largest(live, codes):
        return exactly
    return Plan("graph, then filter", exactly.reason, candidates, effort(candidates, graph))


def _why_no_graph(live: int, k: int, queries: int, graph: GraphState | None, codes: bool) -> str:
    if codes and (queries >= CODED_BATCH or live < CODED_ROWS):
        return PROVED
    if graph is None:
        return "no HNSW index yet"
    if k > _largest(live, codes):
        return f"{k} of {live} records requested"
    if not is_close(tail=graph.tail, live=live):
        return f"{graph.tail} records are newer than the HNSW index"
    if graph.dead > LARGEST_DEAD * (graph.live + graph.dead):
        return f"{graph.dead} entries of the HNSW index are deleted records"
    if queries >= BATCH and live < BATCH_ROWS:
        return f"{queries} queries at once over {live} records"
    return ""


def _largest(live: int, codes: bool) -> float:
    """The most candidates that an HNSW search may return."""
    return (CODED_SHARE if codes else LARGEST_SHARE) * live


def is_gathered(*, allowed: int, live: int) -> bool:
    """Whether so few records pass the filter that only these are read."""
    return allowed < GATHER_SHARE * live


def is_close(*, tail: int, live: int) -> bool:
    """Whether the records newer than the HNSW index are few enough to scan beside it."""
    return tail <= max(SMALLEST_TAIL, LARGEST_TAIL * live)


def effort(k: int, graph: GraphState) -> int:
    """hnswlib's ef: the user's value, else at least 200 and twice the results wanted."""
    return max(graph.ef_search, k) if graph.ef_search is not None else max(SMALLEST_EF, 2 * k)


def pays_for_graph(*, live: int, dimension: int, allowed: int | None, k: int, queries: int, codes: bool) -> bool:
    """Whether a search that was run exactly would have used an HNSW index of all records."""
    if live * dimension * 4 < SMALLEST_GRAPH_BYTES:
        return False
    ready = GraphState(live=live, dead=0, tail=0, ef_search=None)
    return not plan(live=live, allowed=allowed, k=k, queries=queries, graph=ready, codes=codes).exact


def worth_building(*, live: int, dimension: int, exact_seconds: float) -> bool:
    """Whether an HNSW index should be built now (ski rental: renting has cost a share of buying).

    ``exact_seconds``: the time of the searches that pay for one.
    """
    return exact_seconds > SHARE_OF_BUILD * live * BUILD_SECONDS * dimension / 384
