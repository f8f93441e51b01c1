"""How a query is answered, from numbers alone."""

from __future__ import annotations

import pytest

from chroma_nb.engine.search import planner
from chroma_nb.engine.search.planner import GraphState, plan
from chroma_nb.engine.transactions import maintenance

READY = GraphState(live=100_000, dead=0, tail=0, ef_search=None)


def method(
    *, live: int = 100_000, allowed: int | None = None, k: int = 10, queries: int = 1, graph=READY, codes: bool = False
) -> str:
    return plan(live=live, allowed=allowed, k=k, queries=queries, graph=graph, codes=codes).method


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({}, "graph"),
        ({"graph": None}, "scan"),
        ({"live": 0}, "nothing"),
        ({"allowed": 0}, "nothing"),
        ({"k": 0}, "nothing"),
        ({"k": 10_001}, "scan"),  # more than a tenth is asked for
        ({"k": 10**9}, "scan"),
        ({"allowed": 1}, "gather"),
        ({"allowed": 4_000}, "gather"),
        ({"allowed": 50_000}, "graph, then filter"),
        ({"allowed": 50_000, "graph": None}, "scan"),
        ({"allowed": 50_000, "k": 3_000}, "scan"),  # too many candidates would be needed
        ({"graph": GraphState(live=70_000, dead=0, tail=30_000, ef_search=None)}, "scan"),
        ({"graph": GraphState(live=100_000, dead=0, tail=planner.SMALLEST_TAIL, ef_search=None)}, "graph"),
        ({"graph": GraphState(live=100_000, dead=50_000, tail=0, ef_search=None)}, "scan"),
        ({"live": 20_000, "queries": 200}, "scan"),  # one matrix product is cheaper
        ({"queries": 200}, "graph"),
        ({"codes": True}, "graph"),  # one query, many records
        ({"codes": True, "live": 90_000}, "scan"),
        ({"codes": True, "queries": 3}, "scan"),
        ({"codes": True, "k": 500}, "graph"),
        ({"codes": True, "k": 501}, "scan"),  # a graph takes longer for so many than codes
        ({"codes": True, "k": 100, "allowed": 70_000}, "graph, then filter"),
        ({"codes": True, "k": 100, "allowed": 50_000}, "scan"),
        ({"codes": True, "queries": 2}, "graph"),
        ({"codes": True, "live": 10**6, "queries": 200}, "scan"),
        ({"codes": True, "live": 90_000, "allowed": 50_000}, "scan"),
    ],
)
def test_method(question: dict, expected: str) -> None:
    assert method(**question) == expected


def test_a_plan_tells_whether_it_is_exact_and_why() -> None:
    assert not plan(live=100_000, allowed=None, k=10, queries=1, graph=READY).exact
    scan = plan(live=100, allowed=None, k=10, queries=1, graph=None)
    assert scan.exact
    assert scan.reason == "no HNSW index yet"


def test_effort_is_at_least_200_and_twice_the_results_unless_the_user_set_it() -> None:
    assert planner.effort(10, READY) == 200
    assert planner.effort(300, READY) == 600
    chosen = GraphState(live=1, dead=0, tail=0, ef_search=40)
    assert planner.effort(10, chosen) == 40
    assert planner.effort(50, chosen) == 50


def test_more_candidates_than_results_are_asked_for_when_a_filter_stands_behind() -> None:
    found = plan(live=100_000, allowed=50_000, k=10, queries=1, graph=READY)
    assert found.candidates >= 2 * 10 * planner.OVERFETCH
    assert found.ef >= found.candidates


def test_few_allowed_records_are_looked_at_whatever_their_share() -> None:
    assert method(live=10_000, allowed=planner.ALWAYS_EXACT) == "scan"
    assert method(live=10_000, allowed=1_200) == "gather"
    assert method(live=10_000, allowed=planner.ALWAYS_EXACT + 1) == "graph, then filter"


def test_a_graph_is_worth_building_when_searching_has_cost_its_share() -> None:
    assert not planner.worth_building(live=40_000, dimension=384, exact_seconds=0.0)
    assert planner.worth_building(live=40_000, dimension=384, exact_seconds=10.0)


@pytest.mark.parametrize(
    ("search", "pays"),
    [
        ({}, True),
        ({"live": 1_000}, False),  # none is ever built
        ({"codes": True, "live": 200_000}, True),
        ({"codes": True, "live": 50_000}, False),
        ({"codes": True, "live": 200_000, "queries": 3}, False),
        ({"codes": True, "live": 200_000, "k": 1_001}, False),
        ({"live": 200_000, "k": 30_000}, False),
        ({"live": 200_000, "allowed": 10_000}, False),
        ({"live": 200_000, "allowed": 100_000}, True),
    ],
)
def test_only_what_a_graph_would_have_saved_pays_for_one(search: dict, pays: bool) -> None:
    usual = {"live": 100_000, "dimension": 384, "allowed": None, "k": 10, "queries": 1, "codes": False}
    assert planner.pays_for_graph(**{**usual, **search}) is pays


@pytest.mark.parametrize("dimension", [1, 8, 384, 1536])
def test_a_file_is_worth_compacting_when_more_than_half_of_it_is_nobodys(dimension: int) -> None:
    def worth(live: int, dead: int) -> bool:
        return maintenance.worth_compacting(live=live, dead=dead, dimension=dimension)

    least = maintenance.SMALLEST_WASTE // (4 * dimension)
    assert not worth(live=10 * least, dead=10 * least)
    assert worth(live=10 * least, dead=10 * least + 1)
    assert not worth(live=0, dead=least)
    assert worth(live=0, dead=least + 1)
    assert worth(live=min(300, least), dead=least + 1)  # however few records
