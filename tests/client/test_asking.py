"""Asking without fetching: what our collections answer besides Chroma's calls, the same over every place.

Of a real Chroma's server the answers are made on the client's side, of pages.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chroma_nb import K, Knn, Search
from chroma_nb.backends.http import transport
from chroma_nb.errors import DuplicateIDError, InvalidArgumentError, NotFoundError
from chroma_nb.query.sampling import sampled

METADATAS = [
    {"g": 9, "name": "wren", "sings": True},
    {"g": 500, "name": "crow", "sings": False},
    {"g": 20.5, "name": "robin"},
    None,
    {"name": "owl"},
]
DOCUMENTS = ["small and brown", "black", "red and brown", None, "brown, at night"]
IDS = list("abcde")


@pytest.fixture
def birds(client: Any) -> Any:
    made = client.create_collection("birds", embedding_function=None, configuration={"hnsw": {"space": "l2"}})
    made.add(ids=IDS, embeddings=np.eye(5) * [1, 2, 3, 4, 5], metadatas=METADATAS, documents=DOCUMENTS)
    return made


# --- count ---------------------------------------------------------------------------------------------------
def test_count_says_how_many_records_a_filter_finds(birds: Any) -> None:
    assert birds.count() == 5
    assert birds.count(where={"g": {"$gt": 10}}) == 2
    assert birds.count(where_document={"$contains": "brown"}) == 3
    assert birds.count(where={"name": {"$ne": "owl"}}, where_document={"$contains": "brown"}) == 2
    assert birds.count(where={"name": "nobody"}) == 0


def test_count_refuses_the_filters_that_get_refuses(birds: Any) -> None:
    for wrong in ({}, {"g": {"$near": 1}}, {"g": None}, {"a": 1, "b": 2}, "g"):
        with pytest.raises(ValueError, match=r"^Expected .* in get\.") as of_get:
            birds.get(where=wrong)
        with pytest.raises(ValueError, match=r"^Expected .* in count\.") as of_count:
            birds.count(where=wrong)
        assert str(of_count.value) == str(of_get.value).replace("in get.", "in count.")


def test_a_read_level_that_is_none_is_refused(birds: Any) -> None:
    for wrong in ("nonsense", 5):
        with pytest.raises(ValueError, match="Expected read_level to be one of"):
            birds.count(where={"g": 9}, read_level=wrong)


# --- no records -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("include", [["embeddings"], ["embeddings", "documents", "metadatas"], []])
def test_calls_that_find_nothing_return_nothing(birds: Any, client: Any, include: list[str]) -> None:
    nothing, none = {"name": "nobody"}, client.create_collection("none", embedding_function=None)
    of_get = birds.get(where=nothing, include=include)
    for found in (
        birds.get(order_by="g", where=nothing, include=include),
        birds.get(order_by="g", limit=0, include=include),
        birds.sample(0, include=include),
        birds.sample(3, where=nothing, include=include),
        none.get(order_by="g", include=include),
        none.sample(include=include),
    ):
        assert found["ids"] == []
        assert {name: None if value is None else len(value) for name, value in found.items() if name != "included"} == {
            name: None if value is None else len(value) for name, value in of_get.items() if name != "included"
        }
    far = birds.query(query_embeddings=[[99.0] * 5], max_distance=0.5, include=include)
    like = birds.query(like="a", where=nothing, include=include)
    assert (far["ids"], like["ids"]) == ([[]], [[]])
    if "embeddings" in include:
        assert [len(vectors) for vectors in (*far["embeddings"], *like["embeddings"])] == [0, 0]


# --- query: no farther than ------------------------------------------------------------------------------------
def test_query_leaves_out_what_is_farther_than_max_distance(birds: Any) -> None:
    queries = [[1, 0, 0, 0, 0], [0, 2, 0, 0, 0], [9, 9, 9, 9, 9]]

    near = birds.query(query_embeddings=queries, n_results=3, max_distance=5)

    assert near["ids"] == [["a", "b"], ["b", "a"], []]
    assert near["distances"] == [[0.0, 5.0], [0.0, 5.0], []]  # what is just as far stays
    assert near["documents"] == [["small and brown", "black"], ["black", "small and brown"], []]
    assert near["included"] == ["metadatas", "documents", "distances"]
    assert birds.query(query_embeddings=queries, n_results=1, max_distance=5)["ids"] == [["a"], ["b"], []]


def test_what_is_included_is_what_was_asked_for(birds: Any) -> None:
    near = birds.query(query_embeddings=[[1, 0, 0, 0, 0], [9] * 5], include=["embeddings"], max_distance=0.5)

    assert (near["ids"], near["distances"], near["documents"]) == ([["a"], []], None, None)
    assert near["included"] == ["embeddings"]
    assert np.array_equal(near["embeddings"][0], [[1, 0, 0, 0, 0]])
    assert len(near["embeddings"][1]) == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("near", "Expected max_distance to be a number, got near"),
        (True, "Expected max_distance to be a number, got True"),
        ([0.4], "Expected max_distance to be a number"),
        (float("nan"), "Expected max_distance to be a finite number, got nan"),
        (float("inf"), "Expected max_distance to be a finite number, got inf"),
        (2**2000, "Expected max_distance to be a finite number, got inf"),
        (-0.1, "Expected max_distance to be 0 or more, got -0.1"),
    ],
)
def test_a_max_distance_that_is_none_is_refused(birds: Any, wrong: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        birds.query(query_embeddings=[[1, 0, 0, 0, 0]], max_distance=wrong)


def test_an_inner_product_may_be_beyond_any_distance_of_zero(client: Any) -> None:
    products = client.create_collection("products", embedding_function=None, configuration={"hnsw": {"space": "ip"}})
    products.add(ids=["a", "b"], embeddings=[[1, 0], [3, 0]])

    assert products.query(query_embeddings=[[1, 0]], max_distance=-1)["ids"] == [["b"]]


def test_numbers_of_numpy_are_distances(birds: Any) -> None:
    for one in (np.float32(0.5), np.float64(0.5), np.int64(0), 0):
        assert birds.query(query_embeddings=[[1, 0, 0, 0, 0]], max_distance=one)["ids"] == [["a"]]


# --- $exists -------------------------------------------------------------------------------------------------
@pytest.fixture
def ours(birds: Any, request: pytest.FixtureRequest) -> Any:
    """The birds, of a place that is ours: Chroma's server knows no $exists."""
    if "chroma]" in request.node.name:
        pytest.skip("Chroma's server refuses $exists, see the test of that")
    return birds


def test_a_filter_may_ask_whether_a_record_has_a_key(ours: Any) -> None:
    has, lacks = {"g": {"$exists": True}}, {"g": {"$exists": False}}

    assert ours.get(where=has)["ids"] == list("abc")
    assert ours.get(where=lacks)["ids"] == list("de")
    assert ours.count(where={"$and": [lacks, {"name": {"$exists": True}}]}) == 1
    assert ours.query(query_embeddings=[[0, 0, 0, 0, 1]], where=lacks)["ids"] == [["e", "d"]]
    found = ours.search(Search(where=K("g").exists(False), rank=Knn([0, 0, 0, 0, 1])))
    assert found["ids"] == [["e", "d"]]
    assert ours.get(where={"#document": {"$exists": False}})["ids"] == ["d"]
    ours.delete(where=lacks)
    assert ours.get()["ids"] == list("abc")


def test_a_key_that_was_taken_away_is_not_there(ours: Any) -> None:
    assert ours.count(where={"g": {"$exists": True}}) == 3
    ours.update(ids=["a", "d"], metadatas=[{"g": None}, {"g": ["list", "of", "texts"]}])
    assert ours.get(where={"g": {"$exists": True}})["ids"] == list("bcd")


def test_exists_takes_true_or_false(ours: Any) -> None:
    for wrong in ("yes", 1, None, [True]):
        with pytest.raises(ValueError, match=r"Expected operand value to be a bool for operator \$exists, got"):
            ours.get(where={"g": {"$exists": wrong}})
    with pytest.raises(TypeError, match=r"\$exists requires a bool, got str"):
        Search(where={"g": {"$exists": "yes"}})


def test_exists_is_sent_and_written_as_it_was() -> None:
    assert K("g").exists().to_dict() == {"g": {"$exists": True}}
    assert Search(where={"g": {"$exists": False}}).to_dict()["filter"] == {"g": {"$exists": False}}


@pytest.mark.parametrize("client", ["chroma"], indirect=True)
def test_a_server_of_chromas_refuses_exists_in_its_own_words(birds: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="Invalid where clause"):
        birds.get(where={"g": {"$exists": True}})


def test_sentences_of_chromas_name_chromas_operators_alone(birds: Any) -> None:
    with pytest.raises(ValueError, match=r"operator to be one of .*, \$not_contains, got \$near in get\.$"):
        birds.get(where={"g": {"$near": 1}})


# --- What Chroma allows of texts in metadata ----------------------------------------------------------------------
def test_search_asks_texts_of_metadata_no_more_than_get_does(ours: Any) -> None:
    """Chroma's where_parsing.rs: $contains looks into lists, $regex and its opposite ask the document alone."""
    ours.add(ids=["f"], embeddings=[[1] * 5], metadatas=[{"name": ["wren", "finch"]}])

    for found in (
        ours.get(where={"name": {"$contains": "wren"}})["ids"],
        ours.search(Search(where=K("name").contains("wren")))["ids"][0],
    ):
        assert found == ["f"]
    with pytest.raises(InvalidArgumentError, match="Invalid where clause"):
        ours.search(Search(where=K("name").regex("^w")))
    with pytest.raises(InvalidArgumentError, match="Invalid where clause"):
        ours.search(Search(where=K("name") > "w"))
    for wrong in ({"name": {"$regex": "^w"}}, {"name": {"$gt": "w"}}):
        for call in (ours.get, ours.delete, ours.count):
            with pytest.raises(ValueError, match=r"^Expected "):
                call(where=wrong)
        with pytest.raises(ValueError, match=r"^Expected "):
            ours.query(query_embeddings=[[1] * 5], where=wrong)


# --- facets: ranges ----------------------------------------------------------------------------------------------
def test_numbers_are_counted_between_the_ends_that_are_given(birds: Any) -> None:
    birds.add(ids=list("vwxyz"), embeddings=[[1] * 5] * 5, metadatas=[{"size": size} for size in (1, 2.5, 4, 5, 99)])
    found = birds.facets("size", edges={"size": [1, 4, 5]})
    assert [tuple(one) for one in found.ranges] == [(1, 4, 2), (4, 5, 2)]
    for wrong in ([1], [2, 1], [1, float("nan")], ["a", "b"], 5):
        with pytest.raises(ValueError, match="Expected edges of 'size' as two or more ascending numbers"):
            birds.facets("size", edges={"size": wrong})
    with pytest.raises(ValueError, match="Expected edges as a dict of keys"):
        birds.facets("size", edges=[1, 2])


# --- get: ordered ----------------------------------------------------------------------------------------------
MIXED = [
    {"k": True},
    {"k": "b"},
    {"k": 2},
    None,
    {"k": "a"},
    {"k": 1.5},
    {"k": False},
    {"k": 2.0},
    {"k": ["a", "b"]},
    {"other": 1},
    {"k": -3},
]


@pytest.fixture
def mixed(client: Any) -> Any:
    made = client.create_collection("mixed", embedding_function=None)
    ids = list("qwertyuiopa")
    made.add(ids=ids, embeddings=[[n] for n in range(11)], metadatas=MIXED, documents=["é", "b", None, "B", *ids[4:]])
    return made


def test_get_orders_by_a_key_numbers_before_texts_before_booleans(mixed: Any) -> None:
    assert mixed.get(order_by="k")["ids"] == ["a", "y", "e", "i", "t", "w", "u", "q", *"rop"]
    assert mixed.get(order_by="k", descending=True)["ids"] == ["q", "u", "w", "t", "e", "i", "y", "a", *"rop"]
    assert mixed.get(order_by=K("k"), limit=2, offset=1)["ids"] == ["y", "e"]
    assert mixed.get(order_by="k", where={"k": {"$gt": 1}}, descending=True, limit=2)["ids"] == ["e", "i"]
    assert mixed.get(order_by="nobody has it")["ids"] == list("qwertyuiopa")
    assert mixed.get(order_by="k", offset=50)["ids"] == []
    assert mixed.get(order_by="k", limit=0)["ids"] == []


def test_get_orders_by_id_and_by_document(mixed: Any) -> None:
    assert mixed.get(order_by="#id")["ids"] == sorted("qwertyuiopa")
    assert mixed.get(order_by="#id", descending=True, limit=1)["ids"] == ["y"]
    assert mixed.get(order_by="#document", limit=3)["documents"] == ["B", "a", "b"]
    assert mixed.get(order_by="#document", descending=True, limit=1)["documents"] == ["é"]
    assert mixed.get(order_by="#document")["ids"][-1] == "e"  # which has none


def test_the_fields_go_with_their_records(mixed: Any) -> None:
    everything = ["metadatas", "documents", "embeddings", "uris"]
    found = mixed.get(ids=["y", "q", "e", "nobody"], order_by="k", include=everything)

    assert (found["ids"], found["included"]) == (["y", "e", "q"], everything)
    assert found["metadatas"] == [{"k": 1.5}, {"k": 2}, {"k": True}]
    assert found["documents"] == ["y", None, "é"]
    assert found["embeddings"].tolist() == [[5], [2], [0]]
    only_ids = mixed.get(order_by="k", include=[])
    assert (only_ids["ids"][0], only_ids["metadatas"], only_ids["embeddings"]) == ("a", None, None)


@pytest.mark.parametrize("wrong", ["", "#embedding", "#score", 7, ["k"], b"k", "\ud800", "k\udfff"])
def test_what_cannot_order_is_refused(mixed: Any, wrong: Any) -> None:
    with pytest.raises(ValueError, match="Expected order_by to be a metadata key, '#id' or '#document', got "):
        mixed.get(order_by=wrong)
    with pytest.raises(ValueError, match="Expected descending to be True or False, got 'down'"):
        mixed.get(order_by="k", descending="down")
    with pytest.raises(ValueError, match="Expected order_by with descending"):
        mixed.get(descending=True)


# --- query: like and unlike ---------------------------------------------------------------------------------------
@pytest.fixture(params=["l2", "cosine", "ip"])
def points(client: Any, request: pytest.FixtureRequest) -> Any:
    made = client.create_collection("points", embedding_function=None, configuration={"hnsw": {"space": request.param}})
    made.add(ids=list("abcdefgh"), embeddings=POINTS, metadatas=[{"even": n % 2 == 0} for n in range(8)])
    return made


POINTS = np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32).astype(np.float64)


def test_neighbours_of_records_are_those_of_their_mean_without_themselves(points: Any) -> None:
    mean = POINTS[:2].mean(axis=0)
    theirs = points.query(query_embeddings=[mean], n_results=8)
    found = points.query(like=["a", "b"], n_results=3)

    assert found["ids"] == [[id_ for id_ in theirs["ids"][0] if id_ not in "ab"][:3]]
    assert found["distances"][0] == pytest.approx(
        [theirs["distances"][0][theirs["ids"][0].index(id_)] for id_ in found["ids"][0]], abs=1e-5
    )
    assert points.query(like="a", n_results=8)["ids"][0] == points.query(like=["a"], n_results=100)["ids"][0]
    assert len(points.query(like="a", n_results=8)["ids"][0]) == 7
    few = points.query(like=["a"], where={"even": True}, ids=["a", "c", "d"], include=["embeddings"])
    assert (few["ids"], few["distances"]) == ([["c"]], None)


def test_unlike_pushes_the_query_away(points: Any) -> None:
    like, unlike = POINTS[:2].mean(axis=0), POINTS[2:4].mean(axis=0)

    found = points.query(like=["a", "b"], unlike=["c", "d"], n_results=10)

    theirs = points.query(query_embeddings=[2 * like - unlike], n_results=10)
    assert found["ids"] == [[id_ for id_ in theirs["ids"][0] if id_ not in "abcd"]]
    nearest = found["distances"][0][0]
    assert (
        points.query(like=["a", "b"], unlike=["c", "d"], max_distance=nearest + 1e-6)["ids"][0] == found["ids"][0][:1]
    )


def test_unlike_alone_is_the_opposite_by_angle_and_product(points: Any) -> None:
    if points.configuration_json["hnsw"]["space"] == "l2":
        with pytest.raises(ValueError, match="Expected like together with unlike: with the distance 'l2'"):
            points.query(unlike="c")
        return
    theirs = points.query(query_embeddings=[-POINTS[2]], n_results=10)
    assert points.query(unlike="c")["ids"] == [[id_ for id_ in theirs["ids"][0] if id_ != "c"]]


def test_records_that_are_not_there_are_named(birds: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"found none for 'nobody', 'no one'$"):
        birds.query(like=["a", "nobody"], unlike=["no one"])
    with pytest.raises(ValueError, match="or query embeddings, texts, images or uris, got both"):
        birds.query(like="a", query_texts="a")
    with pytest.raises(ValueError, match="Expected IDs to be a non-empty list"):
        birds.query(like=[])
    with pytest.raises(DuplicateIDError, match="found duplicates of: a"):
        birds.query(like=["a", "a"])
    with pytest.raises(ValueError, match="Expected ID to be a str, got 7"):
        birds.query(like=["a", 7])


# --- sample --------------------------------------------------------------------------------------------------
def test_a_sample_is_some_records_by_chance_each_once(mixed: Any) -> None:
    whole = "qwertyuiopa"
    drawn = [mixed.sample(4)["ids"] for _ in range(6)]
    assert len(set(map(tuple, drawn))) > 1
    for ids in drawn:
        assert len(set(ids)) == 4
        assert ids == sorted(ids, key=whole.index)  # in the order of get()
    assert len(mixed.sample()["ids"]) == 10
    assert mixed.sample(100)["ids"] == list(whole)
    assert mixed.sample(0)["ids"] == []


def test_a_seed_draws_the_same_records_of_the_same_contents(mixed: Any) -> None:
    expected = sampled(11, 4, seed=5)
    found = mixed.sample(4, seed=5, include=["metadatas", "documents", "embeddings"])

    assert found["ids"] == ["qwertyuiopa"[place] for place in expected]
    assert found["metadatas"] == [MIXED[place] for place in expected]
    assert found["embeddings"].tolist() == [[place] for place in expected]
    assert mixed.sample(4, 5)["ids"] == found["ids"]
    few = mixed.sample(2, seed=1, where={"k": {"$gt": 1}})["ids"]
    assert few == ["eyi"[place] for place in sampled(3, 2, seed=1)]


def test_a_sample_of_what_a_filter_finds(mixed: Any) -> None:
    assert set(mixed.sample(2, where={"k": {"$gt": 1}})["ids"]) < set("eyi")
    assert set(mixed.sample(9, where={"k": {"$gt": 1}})["ids"]) == set("eyi")
    assert mixed.sample(9, where_document={"$contains": "B"})["ids"] == ["r"]


def test_what_is_no_number_of_records_is_refused(mixed: Any) -> None:
    for wrong in (-1, 1.5, "3", None, True):
        with pytest.raises(ValueError, match="Expected n to be an integer of 0 or more, got "):
            mixed.sample(wrong)
    with pytest.raises(ValueError, match=r"Expected n to be below 2\*\*32, got 1180591620717411303424"):
        mixed.sample(2**70)
    for wrong in (1.5, "3", 2**70, True):
        with pytest.raises(ValueError, match="Expected seed to be an integer of 64 bits, got "):
            mixed.sample(3, seed=wrong)
    with pytest.raises(ValueError, match=r"^Expected .* in sample\."):
        mixed.sample(3, where={"a": 1, "b": 2})


# --- facets and describe -----------------------------------------------------------------------------------------
def test_a_facet_says_which_values_there_are_and_how_often(mixed: Any) -> None:
    found = mixed.facets("k")

    assert (found.key, found.records, found.missing, found.distinct) == ("k", 11, 2, 7)
    assert found.kinds == {"bool": 2, "float": 2, "int": 2, "str": 2, "list of str": 1}
    assert list(map(tuple, found.values)) == [
        (2, 2), ("a", 2), ("b", 2), (-3, 1), (1.5, 1), (False, 1), (True, 1),
    ]  # fmt: skip
    assert (found.minimum, found.maximum) == (-3, 2)
    assert found.ranges[0] == (-3.0, -2.5, 1)
    assert sum(one.records for one in found.ranges) == 4
    assert mixed.facets("k", limit=1).values == ((2, 2),)
    assert mixed.facets("nobody has it").missing == 11


def test_facets_of_what_a_filter_finds_several_in_one_call(mixed: Any) -> None:
    numbers, other = mixed.facets(["k", "other"], where={"k": {"$gt": 1}}, limit=2)

    assert (numbers.records, numbers.missing, numbers.distinct) == (3, 0, 2)
    assert (other.key, other.records, other.missing, other.values) == ("other", 3, 3, ())
    assert mixed.facets(["k"], where_document={"$contains": "B"})[0].kinds == {}
    assert mixed.facets("k", where_document={"$contains": "b"}).values == (("b", 1),)


def test_dates_are_counted_by_the_unit_that_fits(client: Any) -> None:
    made = client.create_collection("dates", embedding_function=None)
    texts = ["2024-01-01", "2024-01-31T10:00:00Z", "2024-02-01 11:30", "2023-12-31"]
    made.add(list("abcd"), [[0]] * 4, [{"day": text, "mixed": text if n else "soon"} for n, text in enumerate(texts)])

    assert made.facets("day").dates == (("2023-12-31", 1), ("2024-01-01", 1), ("2024-01-31", 1), ("2024-02-01", 1))
    assert made.facets("mixed").dates == ()
    ids = [str(n) for n in range(80)]
    made.add(ids, [[0]] * 80, [{"day": f"2024-0{1 + n % 3}-{1 + n % 28:02}"} for n in range(80)])
    assert [tuple(one) for one in made.facets("day").dates] == [
        ("2023-12", 1), ("2024-01", 29), ("2024-02", 28), ("2024-03", 26),
    ]  # fmt: skip


def test_a_description_says_what_is_in_a_collection(birds: Any) -> None:
    found = birds.describe()

    assert (found.records, found.dimension, found.space) == (5, 5, "l2")
    assert (found.documents, found.median_length) == (4, 14.0)
    assert [(one.key, one.records - one.missing, one.distinct, one.minimum, one.maximum) for one in found.keys] == [
        ("g", 3, 3, 9, 500),
        ("name", 4, 4, None, None),
        ("sings", 2, 2, None, None),
    ]
    frame = found.to_df()
    assert frame["kinds"].tolist() == ["int, float", "str", "bool"]
    assert frame["most frequent"].tolist() == [9, "crow", False]
    assert birds.facets("name").to_df()["value"].tolist() == ["crow", "owl", "robin", "wren"]


def test_an_empty_collection_is_described_too(client: Any) -> None:
    made = client.create_collection("empty", embedding_function=None)
    found = made.describe()

    assert (found.records, found.documents, found.median_length, found.keys) == (0, 0, None, ())
    assert (made.facets("a").records, made.count(where={"a": 1}), made.sample(3)["ids"]) == (0, 0, [])
    assert made.get(order_by="a")["ids"] == []
    assert len(found.to_df()) == 0


def test_displays_escape_what_was_stored(client: Any) -> None:
    made = client.create_collection("tags", embedding_function=None)
    made.add(["a"], [[0]], [{"<b>": "<script>", "n": 3}])
    facet, found = made.facets("<b>"), made.describe()

    for shown in (facet._repr_html_(), found._repr_html_()):
        assert "<script>" not in shown
        assert "<b>:" not in shown
        assert "&lt;script&gt;" in shown
    assert "1  <script>" in str(facet)
    assert "records: 1" in str(found)
    assert "ranges" in str(made.facets("n"))


def test_what_is_no_key_is_refused(birds: Any) -> None:
    for wrong in ("", "#id", "$and", 7, None, "\ud800", "k\udfff"):
        with pytest.raises(ValueError, match="Expected the name of a metadata key, got "):
            birds.facets(wrong)
    with pytest.raises(ValueError, match="Expected at least one metadata key, got an empty list"):
        birds.facets([])
    with pytest.raises(ValueError, match="Expected limit to be an integer of 0 or more, got -1"):
        birds.facets("g", limit=-1)
    with pytest.raises(ValueError, match=r"^Expected .* in facets\."):
        birds.facets("g", where={})


def test_a_collection_that_was_deleted_is_not_found(client: Any, birds: Any) -> None:
    client.delete_collection("birds")
    for call in (
        lambda: birds.count(where={"g": 9}),
        lambda: birds.get(order_by="g"),
        lambda: birds.query(like="a"),
        lambda: birds.sample(1),
        lambda: birds.facets("g"),
        lambda: birds.describe(),
    ):
        with pytest.raises(NotFoundError):
            call()


# --- How it travels -----------------------------------------------------------------------------------------------
CALLS: dict[str, Any] = {
    "count": lambda birds: birds.count(where={"g": 9}),
    "get": lambda birds: birds.get(order_by="g"),
    "query": lambda birds: birds.query(query_embeddings=[[1] * 5], max_distance=3),
    "query_like": lambda birds: birds.query(like="a"),
    "sample": lambda birds: birds.sample(1),
    "facets": lambda birds: birds.facets(["g", "name"]),
    "description": lambda birds: birds.describe(),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("client", ["http"], indirect=True)
def test_our_server_answers_each_in_one_request(birds: Any, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, send = [], transport._Line.send
    monkeypatch.setattr(transport._Line, "send", lambda line, call: (sent.append(call.target), send(line, call))[1])

    CALLS[call](birds)

    assert [target.partition("?")[0].rpartition("/")[2] for target in sent] == [call]


@pytest.mark.parametrize("client", ["chroma", "memory"], indirect=True)
def test_pages_are_joined(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a server of Chroma's in pages of three; in this process there are none, and the answers are the same."""
    monkeypatch.setattr("chroma_nb.backends.http._sync.in_pages.PAGE", 3)
    monkeypatch.setattr("chroma_nb.backends.http._sync.in_pages.IDS_PER_CALL", 2)
    made = client.create_collection("pages", embedding_function=None)
    made.add([f"{n:02}" for n in range(10)], [[n, 1] for n in range(10)], [{"n": n * 7 % 10} for n in range(10)])

    assert made.count(where={"n": {"$gte": 2}}) == 8
    assert [one["n"] for one in made.get(order_by="n", limit=5, offset=1)["metadatas"]] == [1, 2, 3, 4, 5]
    assert made.get(order_by="n", include=["embeddings"])["embeddings"].shape == (10, 2)
    assert made.sample(7, seed=3)["ids"] == [f"{place:02}" for place in sampled(10, 7, seed=3)]
    assert (made.facets("n").distinct, made.describe().records) == (10, 10)
    assert made.query(like=["00", "01", "02"], n_results=2)["ids"] == [["03", "04"]]
