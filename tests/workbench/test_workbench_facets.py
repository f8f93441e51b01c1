"""Facets count every key under all filters but its own; what is chosen of them is a filter of Chroma's, read back."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chroma_nb
from chroma_nb.workbench import facets, narrowing
from chroma_nb.workbench.narrowing import Choice, Narrowing

# --- Filters and choices ---------------------------------------------------------------------------------------------
texts = st.sampled_from(["a", "b", "c"])
values = st.lists(texts, unique=True, max_size=3).map(tuple)
numbers = st.integers(0, 9)
lows = st.none() | st.tuples(st.sampled_from(["$gte", "$gt"]), numbers)
highs = st.none() | st.tuples(st.sampled_from(["$lte", "$lt"]), numbers)
choices = st.one_of(
    st.builds(Choice, values=values, excluded=values, missing=st.none() | st.just(True)),
    st.builds(Choice, low=lows, high=highs),
    st.just(Choice(missing=False)),
    values.map(lambda some: Choice(excluded=some, elements=bool(some))),
    values.map(lambda some: Choice(values=some, elements=bool(some))),
)
OTHER = {"$or": [{"x": 1}, {"y": 2}]}


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["k", "l", "m"]), choices.filter(lambda one: one.terms("k"))), st.booleans())
def test_what_is_chosen_is_read_back_from_the_filter(chosen, more):
    given_ = {"year": {"$gte": 2000}}
    narrowed = Narrowing((given_,), chosen, (OTHER,) if more else ())
    assert narrowing.read(narrowed.where, given_) == narrowed


@pytest.mark.parametrize(
    "where",
    [
        OTHER,
        {"$or": [{"a": 1}, {"$and": [{"a": 2}, {"b": 3}]}]},
        {"$and": [{"a": {"$in": ["x", "y"]}}, {"a": {"$in": ["y", "z"]}}]},
        {"$and": [{"a": {"$gt": 1}}, {"a": {"$gte": 2}}]},
        {"#document": {"$contains": "x"}},
    ],
)
def test_a_filter_of_another_form_is_kept_as_it_is(where):
    found = narrowing.read(where)
    assert found.where == where
    assert found.rest
    assert found.replaced("z", Choice(values=("q",))).where["$and"][-1] in narrowing._terms(where)


# --- Counting --------------------------------------------------------------------------------------------------------
def asked(page, **more):
    """The facets by key, and the whole answer."""
    keys = ["kind", "year", "weight", "ringed", "seen", "rare"]
    answer = page.ask("facets", **{"keys": keys, "given": {}, "options": {}, "changes": {}, **more})
    assert "error" not in answer, answer
    json.dumps(answer, allow_nan=False)
    return {one["key"]: one for one in answer["facets"]}, answer


def counted(facet):
    return {one["cell"]: one["now"] for one in facet["values"]}


def test_each_key_is_counted_under_all_filters_but_its_own(birds, show):
    _, page = show(birds)
    found, answer = asked(page, changes={"kind": {"values": ['"wren"']}, "ringed": {"excluded": ["true"]}})
    assert answer["where"] == {"$and": [{"kind": "wren"}, {"ringed": {"$ne": True}}]}
    passing = [i for i in range(300) if i % 2]
    assert counted(found["kind"]) == {
        kind: len([i for i in passing if i % 3 == k]) for k, kind in enumerate(("wren", "heron", "swift"))
    }
    assert counted(found["ringed"]) == {True: 50, False: 50}
    assert sum(found["weight"]["now"]) == 50
    assert sum(found["weight"]["all"]) == 300
    assert found["year"]["missing"] == 2
    assert [one["on"] for one in found["kind"]["values"] if one["cell"] == "wren"] == [True]


def test_a_part_of_the_map_is_counted_where_only_it_is_shown(birds, show):
    workbench, page = show(birds)
    workbench.within = [f"b{i:03}" for i in range(100, 130)]
    found, _ = asked(page)
    assert counted(found["kind"]) == {"wren": 10, "heron": 10, "swift": 10}
    found, answer = asked(page, changes={"ringed": {"values": ["true"]}})
    assert (counted(found["kind"]), counted(found["ringed"])) == (
        {"wren": 5, "heron": 5, "swift": 5},
        {True: 15, False: 15},
    )
    assert answer["sample"] is None
    workbench.within = []
    assert sum(counted(asked(page)[0]["kind"]).values()) == 0


def test_a_large_part_of_the_map_is_a_sample_where_the_collection_does_not_count(birds, show, monkeypatch):
    monkeypatch.setattr(facets, "SAMPLE", 20)
    workbench, page = show(birds)
    workbench.within = [f"b{i:03}" for i in range(30)]
    found, answer = asked(page)
    by_itself = answer["exists"]
    assert sum(counted(found["kind"]).values()) == (30 if by_itself else 20)
    assert answer["sample"] == (None if by_itself else 20)


def test_numbers_and_dates_are_ranges_whose_ends_stay(birds, show):
    _, page = show(birds)
    before, _ = asked(page)
    found, answer = asked(page, changes={"weight": {"range": [10, 20, False]}})
    assert answer["where"] == {"$and": [{"weight": {"$gte": 10}}, {"weight": {"$lt": 20}}]}
    assert found["weight"]["ends"] == before["weight"]["ends"]
    assert found["weight"]["now"] == before["weight"]["now"]
    assert found["weight"]["span"] == [10, 20, False]
    assert found["seen"]["periods"] == [f"2024-05-{day:02}" for day in range(1, 29)]
    assert sum(found["seen"]["now"]) == len([i for i in range(300) if 10 <= i / 7 < 20])


@pytest.mark.parametrize("never", [253402300799, 2**62, 1_700_000_000_000, -1])
def test_a_number_that_is_no_moment_among_seconds_takes_no_facet_away(client, show, never):
    events = client.create_collection("events", embedding_function=None)
    metadatas = [{"expires": 1_700_000_000 + 86_400 * i} for i in range(3_000)] + [{"expires": never}]
    events.add(ids=list(map(str, range(3_001))), embeddings=[[1.0, 0.0]] * 3_001, metadatas=metadatas)
    _, page = show(events)
    found, _ = asked(page, keys=["expires"])
    assert sum(found["expires"]["now"]) == 3_001


def test_dates_as_text_are_filtered_by_range_with_what_chroma_understands(birds, show):
    workbench, page = show(birds)
    found, answer = asked(page, changes={"seen": {"dates": ["2024-05-03", "2024-05-04"]}})
    assert answer["where"] == {"seen": {"$in": ["2024-05-03", "2024-05-04"]}}
    assert found["seen"]["span"] == ["2024-05-03", "2024-05-04"]
    page.set(where=answer["where"])
    assert set(workbench.ids()) == {f"b{i:03}" for i in range(300) if i % 28 in (2, 3)}
    refused = page.ask("facets", keys=["seen"], changes={"seen": {"dates": ["2031", None]}})
    assert "no record has a date under 'seen' from 2031" in refused["error"]
    workbench.where = chroma_nb.date_range(birds, "seen", "2031")
    assert workbench.ids() == []
    assert asked(page)[0]["seen"]["span"] is None


def test_filters_set_in_python_are_read_back_and_those_given_always_hold(birds, show):
    workbench, page = show(birds, where={"ringed": True})
    workbench.where = {"$and": [{"ringed": True}, {"kind": {"$nin": ["wren", "swift"]}}, OTHER]}
    found, answer = asked(page, given={"where": {"ringed": True}})
    assert answer["other"] == [OTHER]
    assert {one["cell"] for one in found["kind"]["values"] if one["off"]} == {"wren", "swift"}
    assert not found["ringed"]["chosen"]
    assert sum(one["all"] for one in found["kind"]["values"]) == 150
    _, answer = asked(page, given={"where": {"ringed": True}}, changes={"kind": None})
    assert answer["where"] == {"$and": [{"ringed": True}, OTHER]}


def test_a_filter_set_in_python_stays_as_it_was_written(birds, show):
    workbench, page = show(birds)
    workbench.where = {"$and": [{"kind": {"$in": ["wren"]}}, {"year": {"$eq": 2000}}]}
    _, answer = asked(page)
    assert answer["where"] == workbench.where


def test_values_are_searched_sorted_and_shown_all(show):
    with chroma_nb.EphemeralClient() as client:
        towns = client.create_collection("towns", embedding_function=None)
        towns.add(
            [f"t{i}" for i in range(90)],
            [[0.0]] * 90,
            [{"town": f"Town {i % 45:02}", "tags": ["a", "b"][: 1 + i % 2]} for i in range(90)],
        )
        _, page = show(towns)
        ask = {"keys": ["town", "tags"]}
        found, _ = asked(page, **ask)
        assert (len(found["town"]["values"]), found["town"]["more"]) == (12, 33)
        assert counted(found["tags"]) == {"a": 90, "b": 45}
        found, _ = asked(page, **ask, options={"town": {"find": "town 4"}})
        assert list(counted(found["town"])) == [f"Town {i}" for i in range(40, 45)]
        found, answer = asked(
            page, **ask, options={"town": {"all": True, "sort": "value"}}, changes={"tags": {"values": ['"b"']}}
        )
        assert list(counted(found["town"])) == [f"Town {i:02}" for i in range(45)]
        assert answer["where"] == {"tags": {"$contains": "b"}}
        towns.delete(ids=["t0"])
        page.ask("refresh")
        assert counted(asked(page, **ask)[0]["tags"]) == {"a": 89, "b": 45}
        client.delete_collection("towns")


def named(client, copies, names):
    """A collection of so many records a name, the first names being the most frequent."""
    collection = client.create_collection("names", embedding_function=None)
    metadatas = [{"name": f"n{i:03}", "side": "ab"[j % 2]} for i in range(names) for j in range(copies + (i < 250))]
    ids = [f"r{row:04}" for row in range(len(metadatas))]
    collection.add(ids=ids, embeddings=[[0.0]] * len(ids), metadatas=metadatas)
    return collection


@pytest.mark.parametrize("way", ["values", "excluded"])
@pytest.mark.parametrize("names", [20, 300])
def test_a_chosen_value_that_is_seldom_is_shown_with_its_count(client, show, names, way):
    _, page = show(named(client, 2, names))
    last = f"n{names - 1:03}"
    chosen = {"name": {way: [json.dumps(last)]}, "side": {"values": ['"a"']}}
    records = 2 if names > 250 else 3
    for options in ({}, {"sort": "value"}, {"find": last}):
        found, _ = asked(page, keys=["name", "side"], changes=chosen, options={"name": options})
        (one,) = [one for one in found["name"]["values"] if one["cell"] == last]
        on = (way == "values", way == "excluded")
        assert (one["now"], one["all"], one["on"], one["off"]) == ((records + 1) // 2, records, *on)
        assert len(found["name"]["values"]) in (1, 12, 13)
        assert found["name"]["hidden"] == {"on": [], "off": []}
        assert not found["name"]["open"]


def test_a_chosen_value_that_is_in_no_sample_is_counted(client, show, monkeypatch):
    monkeypatch.setattr(facets, "SAMPLE", 30)
    _, page = show(named(client, 2, 20))
    found, _ = asked(page, keys=["name"], changes={"name": {"values": ['"n019"']}})
    (one,) = [one for one in found["name"]["values"] if one["cell"] == "n019"]
    assert (one["now"], one["all"]) == (3, 3)


def test_a_seldom_element_of_lists_is_counted(show):
    with chroma_nb.EphemeralClient() as client:
        lists = client.create_collection("lists", embedding_function=None)
        tags = [{"tags": ["common", f"t{i % 299:03}"]} for i in range(598)] + [{"tags": ["common", "rare"]}]
        lists.add(ids=list(map(str, range(599))), embeddings=[[0.0]] * 599, metadatas=tags)
        _, page = show(lists)
        found, answer = asked(page, keys=["tags"], changes={"tags": {"values": ['"rare"']}})
        assert answer["where"] == {"tags": {"$contains": "rare"}}
        assert [(one["now"], one["all"]) for one in found["tags"]["values"] if one["on"]] == [(1, 1)]
        client.delete_collection("lists")


def test_beside_a_search_its_hits_are_counted(birds, show):
    workbench, page = show(birds)
    page.set(search={"like": "b007"})
    hits = set(workbench.ids())
    assert len(hits) == 200
    found, answer = asked(page)
    assert answer["hits"]
    of = {"wren": 0, "heron": 1, "swift": 2}
    assert counted(found["kind"]) == {
        kind: len([id_ for id_ in hits if int(id_[1:]) % 3 == rest]) for kind, rest in of.items()
    }
    assert sum(found["weight"]["now"]) == 200
    assert sum(found["weight"]["all"]) == 300
    # Of what is chosen of a key, the hits there would be without it.
    found, answer = asked(page, changes={"kind": {"values": ['"heron"']}})
    page.set(where=answer["where"])
    assert sum(counted(found["kind"]).values()) == 200
    assert sum(found["weight"]["now"]) == len(workbench.ids()) == 99
    workbench.within = workbench.ids()[:10]
    assert sum(asked(page)[0]["weight"]["now"]) == 10


def test_beside_a_search_that_fails_what_passes_the_filter_is_counted_and_that_is_said(birds, show):
    _, page = show(birds)
    page.set(search={"like": "no such"})
    found, answer = asked(page)
    assert not answer["hits"]
    assert sum(counted(found["kind"]).values()) == 300


def test_records_without_a_key_are_chosen_where_a_filter_can_ask_for_them(birds, show):
    workbench, page = show(birds)
    found, answer = asked(page)
    assert found["year"]["missing"] == found["year"]["everMissing"] == 10
    if not answer["exists"]:
        return
    found, answer = asked(page, changes={"year": {"missing": True}})
    page.set(where=answer["where"])
    assert len(workbench.ids()) == 10
    assert found["year"]["withoutKey"] is True


def test_a_collection_that_does_not_count_is_sampled_and_that_is_said(birds, show, monkeypatch):
    monkeypatch.setattr(facets, "SAMPLE", 100)
    _, page = show(birds)
    _, answer = asked(page)
    assert answer["sample"] == (None if answer["exists"] else 100)
    found, answer = asked(page, changes={"kind": {"values": ['"wren"']}, "weight": {"range": [0, 5, False]}})
    assert sum(found["year"]["now"]) + found["year"]["missing"] == 12
