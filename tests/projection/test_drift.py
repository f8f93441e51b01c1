"""drift: measures against plain loops, and what it says of batches one knows."""

import dataclasses
import itertools
import math
import warnings

import numpy as np
import pytest
from emptied_client import emptied_client
from hypothesis import given
from hypothesis import strategies as st

import chroma_nb
from chroma_nb.projection.drift import _PERMUTATIONS, bandwidth, centroid_shifts, classifier_auc, contrast, drift, mmd2

MEASURES = ["centroid_shift", "shift_in_spreads", "mmd2", "auc"]


@pytest.fixture(params=["chroma_nb", "http", "chromadb"])
def client(request):
    if request.param == "http":
        with (
            chroma_nb.EphemeralClient() as store,
            chroma_nb.serve(store, port=0) as server,
            chroma_nb.HttpClient(port=server.port) as client,
        ):
            yield client
        return
    with emptied_client(request.param) as client:
        yield client


@pytest.fixture
def memory():
    with chroma_nb.EphemeralClient() as client:
        yield client


@pytest.fixture
def two_batches(memory):
    """two_batches(before, after): a collection of these vectors, with the metadata key batch."""

    def make(before, after, space="l2", name="docs"):
        collection = memory.create_collection(name, embedding_function=None, configuration={"hnsw": {"space": space}})
        batches = ["old"] * len(before) + ["new"] * len(after)
        collection.add(
            ids=[f"{batch}{row}" for row, batch in enumerate(batches)],
            embeddings=np.concatenate([before, after]).astype(np.float32),
            documents=[f"a text of the {batch} batch" for batch in batches],
            metadatas=[{"batch": batch} for batch in batches],
        )
        return collection

    return make


def values(found):
    return found.to_df().set_index("measure")["value"]


def p_values(found):
    return found.to_df().set_index("measure")["p_value"]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# --- What is found --------------------------------------------------------------------------------------
def test_a_new_topic_is_drift_and_a_year_drawn_by_lot_is_not(client, filled):
    collection = filled(client, 280)
    changed = drift(collection, {"topic": {"$in": ["whale ocean", "engine fuel"]}})
    assert values(changed)["auc"] == 1
    assert values(changed)["shift_in_spreads"] > 0.8
    assert (p_values(changed)[["centroid_shift", "shift_in_spreads", "mmd2"]] == 1 / (1 + _PERMUTATIONS)).all()
    quiet = drift(collection, {"year": {"$lt": 2003}})
    assert 0.35 < values(quiet)["auc"] < 0.65
    assert abs(values(quiet)["mmd2"]) < 0.02
    assert (p_values(quiet)[["centroid_shift", "mmd2"]] > 0.05).all()
    assert list(quiet.to_df().columns) == ["measure", "value", "no_drift", "p_value", "before", "after"]
    assert quiet.to_df()["measure"].tolist() == MEASURES
    assert quiet.to_df()[["before", "after"]].drop_duplicates().values.tolist() == [[120, 160]]


def test_a_second_collection_is_the_other_batch_also_when_the_ids_are_the_same(client, filled):
    old, new = filled(client, 80, name="old"), filled(client, 60, name="new", seed=1)
    found = drift(old, after=new)
    assert values(found)["auc"] > 0.9
    assert p_values(found)["mmd2"] < 0.01
    assert found.records.ids[80:] == found.records.ids[:60]
    assert repr(found).startswith("<Drift of 'old → new': 80 of old, 60 of new; ")
    assert len(found.projection.to_df()) == 140
    assert {trace.name: len(trace.x) for trace in found.figure().data} == {"old": 80, "new": 60}
    part = drift(old, {"topic": "whale ocean"}, new)
    assert part.names == ("old: topic = whale ocean", "new")
    assert part.batches.count(part.names[0]) == 20


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
def test_the_records_that_make_the_difference_come_first(two_batches, space):
    before, after = normal(60, 8) + 4, normal(60, 8, seed=1) + 4
    after[:12] -= 12
    found = drift(two_batches(before, after, space), {"batch": "old"})
    records = found.to_df(per_record=True)
    assert list(records.columns) == ["id", "batch", "score", "distance", "nearest", "document"]
    assert set(records["id"].head(12)) == {f"new{row}" for row in range(60, 72)}
    assert records["document"].iloc[0] == "a text of the new batch"
    assert records["nearest"].str[:3].isin(["old"]).sum() == 60
    assert (records[records["batch"] == "batch = old"]["nearest"].str[:3] == "new").all()
    assert records["score"].between(0, 2.1).all()
    assert records["score"].is_monotonic_decreasing


def test_a_few_records_of_a_new_topic_are_found_among_many_of_many_dimensions(two_batches):
    topics, random = normal(10, 200), np.random.default_rng(5)
    before = topics[random.integers(0, 9, 400)] + normal(400, 200, seed=1)
    after = topics[random.integers(0, 9, 300)] + normal(300, 200, seed=2)
    after[:30] += topics[9] * 2
    found = drift(two_batches(before, after, "cosine"), {"batch": "old"})
    assert set(found.to_df(per_record=True)["id"].head(30)) == {f"new{row}" for row in range(400, 430)}


def test_distances_are_those_of_the_space(two_batches):
    far = two_batches([[3, 0], [5, 0]], [[0, 4], [0, 8]], "l2")
    found = drift(far, {"batch": "old"}).to_df(per_record=True).set_index("id")
    assert found.loc["old0", ["nearest", "distance"]].tolist() == ["new2", 5.0]
    turned = two_batches([[3, 0], [5, 0]], [[0, 4], [0, 8]], "cosine", "turned")
    measured = drift(turned, {"batch": "old"})
    assert values(measured)["centroid_shift"] == 1
    assert measured.to_df(per_record=True)["distance"].tolist() == [1, 1, 1, 1]


def test_a_change_of_shape_moves_no_centroid_but_mmd_sees_it(two_batches):
    before, after = normal(150, 4), normal(150, 4, seed=1) * 3
    found = drift(two_batches(before - before.mean(axis=0), after - after.mean(axis=0)), {"batch": "old"})
    assert p_values(found)["centroid_shift"] == 1
    assert p_values(found)["mmd2"] == 1 / (1 + _PERMUTATIONS)
    assert values(found)["auc"] < 0.6


def test_either_filter_may_be_left_out_and_the_measures_are_symmetric(two_batches):
    collection = two_batches(normal(30, 3), normal(20, 3, seed=1) + 1)
    both = drift(collection, {"batch": "old"}, {"batch": "new"})
    assert both.names == ("batch = old", "batch = new")
    for one, names in (
        (drift(collection, {"batch": "old"}), ("batch = old", "the others")),
        (drift(collection, after={"batch": "new"}), ("the others", "batch = new")),
    ):
        assert one.to_df().equals(both.to_df())
        assert one.names == names
        assert set(one.to_df(per_record=True)["batch"]) == set(names)
        assert repr(one).startswith(f"<Drift of 'docs': 30 of {names[0]}, 20 of {names[1]}; ")
    turned = drift(collection, {"batch": "new"}, {"batch": "old"})
    np.testing.assert_allclose(values(turned)[MEASURES[:3]], values(both)[MEASURES[:3]])
    assert turned.batches.count("batch = new") == 20


def test_a_third_batch_is_left_out_when_both_filters_are_given(two_batches):
    collection = two_batches(normal(10, 3), normal(10, 3, seed=1))
    collection.add(ids=["else"], embeddings=[[0.0, 0.0, 0.0]], metadatas=[{"batch": "third"}])
    assert "else" not in drift(collection, {"batch": "old"}, {"batch": "new"}).records.ids
    assert "else" in drift(collection, {"batch": "old"}).records.ids


def test_a_sample_is_drawn_of_each_batch_by_seed(two_batches):
    collection = two_batches(normal(50, 3), normal(8, 3, seed=1))
    found = drift(collection, {"batch": "old"}, sample=20)
    assert found.to_df()[["before", "after"]].values.tolist() == [[20, 8]] * 4
    assert found.records.ids == drift(collection, {"batch": "old"}, sample=20).records.ids
    assert found.records.ids != drift(collection, {"batch": "old"}, sample=20, seed=1).records.ids
    assert len(drift(collection, {"batch": "old"}, sample=None).records) == 58


def test_far_from_the_origin_nothing_changes(two_batches):
    before, after = np.round(normal(40, 3), 1), np.round(normal(40, 3, seed=1), 1) + 0.5
    near = drift(two_batches(before, after), {"batch": "old"})
    far = drift(two_batches(before + 4096, after + 4096, name="far"), {"batch": "old"})
    np.testing.assert_allclose(values(far), values(near), rtol=1e-2)


# --- Few records, equal records -------------------------------------------------------------------------
def test_batches_of_one_record_have_a_shift_and_no_more(two_batches):
    found = drift(two_batches([[0, 0]], [[3, 4]]), {"batch": "old"})
    assert values(found)["centroid_shift"] == 5
    assert values(found)["shift_in_spreads"] == math.inf
    assert values(found)[["mmd2", "auc"]].isna().all()
    assert p_values(found)["centroid_shift"] == 1
    assert found.to_df(per_record=True)["nearest"].tolist() == ["new1", "old0"]
    assert found.to_df(per_record=True)["score"].isna().all()
    assert len(found.figure().data) == 2
    assert "AUC nan" in repr(found)
    assert "–" in found._repr_html_()


def test_one_record_beside_many_has_a_shift_and_no_score(two_batches):
    found = drift(two_batches([[9, 9]], normal(5, 2)), {"batch": "old"})
    assert values(found)["shift_in_spreads"] > 1
    assert p_values(found)["centroid_shift"] == pytest.approx(1 / 6, abs=0.05)
    assert values(found)[["mmd2", "auc"]].isna().all()
    records = found.to_df(per_record=True)
    assert records["score"].isna().tolist() == [False] * 5 + [True]
    assert records["id"].iloc[-1] == "old0"


@pytest.mark.parametrize("space", ["l2", "cosine"])
@pytest.mark.parametrize("vector", [[0.1, 0.7, 0.3], [0.0, 0.0, 0.0]])
def test_equal_vectors_show_no_drift(two_batches, space, vector):
    found = drift(two_batches([vector] * 7, [vector] * 4, space), {"batch": "old"})
    assert values(found).tolist() == [0, 0, 0, 0.5]
    assert p_values(found)[MEASURES[:3]].tolist() == [1, 1, 1]
    np.testing.assert_allclose(found.scores, 1)
    assert (found.distances == 0).all()


def test_two_heaps_of_equal_vectors_are_endlessly_many_spreads_apart(two_batches):
    found = drift(two_batches([[0.1, 0.2]] * 6, [[0.3, 0.2]] * 6), {"batch": "old"})
    assert values(found)["shift_in_spreads"] == math.inf
    assert values(found)["auc"] == 1
    assert p_values(found)["mmd2"] < 0.02


def test_batches_whose_names_begin_alike_are_told_apart_and_are_only_text(two_batches):
    old, new = "<b>" + "x" * 90 + "1", "<b>" + "x" * 90 + "2"
    collection = two_batches(normal(12, 3), normal(9, 3, seed=1))
    for start, topic in ((0, old), (12, new)):
        ids = [one for one in collection.get()["ids"] if int(one[3:]) >= start]
        collection.update(ids=ids, metadatas=[{"topic": topic}] * len(ids))
    found = drift(collection, {"topic": old}, {"topic": new}, method="pca")
    assert len(set(found.names)) == 2
    drawn = found.figure().data
    assert [len(trace.x) for trace in drawn] == [12, 9]
    assert len({trace.marker.color for trace in drawn}) == len({trace.name for trace in drawn}) == 2
    assert "<b>" not in drawn[0].name


# --- The measures, again in plain words -----------------------------------------------------------------
def plain_mmd2(before, after, width):
    def kernel(x, y):
        return math.exp(-sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / (2 * width**2))

    def mean(one, other, same):
        pairs = [kernel(x, y) for i, x in enumerate(one) for j, y in enumerate(other) if not (same and i == j)]
        return sum(pairs) / len(pairs)

    return mean(before, before, True) + mean(after, after, True) - 2 * mean(before, after, False)


vectors = st.lists(st.tuples(*[st.integers(-9, 9)] * 3), min_size=2, max_size=7)


@given(vectors, vectors, st.floats(0.1, 20))
def test_mmd_is_that_of_a_double_loop(before, after, width):
    points = np.array(before + after, np.float64)
    lies = np.arange(len(points)) < len(before)
    assert mmd2(points, lies[:, None], width)[0] == pytest.approx(plain_mmd2(before, after, width), abs=1e-9)


@given(vectors, vectors)
def test_the_neighbours_of_a_record_are_those_of_a_plain_sort(before, after):
    points = np.array(before + after, np.float64)
    lies = np.arange(len(points)) < len(before)
    found = contrast(points, lies)
    k = max(1, round(math.sqrt(len(points))))
    for row, point in enumerate(points):
        gaps = ((points - point) ** 2).sum(axis=1)
        assert lies[found.nearest[row]] != lies[row]
        assert gaps[found.nearest[row]] == gaps[lies != lies[row]].min()
        others = np.delete(gaps, row)
        own = np.delete(lies, row) == lies[row]
        near = others <= np.sort(others)[k - 1]
        assert found.scores[row] == pytest.approx(own[near].mean() / own.mean())


@given(vectors, vectors)
def test_shift_and_spread_are_those_of_the_book(before, after):
    points = np.array(before + after, np.float64)
    lies = np.arange(len(points)) < len(before)
    shift, in_spreads = centroid_shifts(points, lies[:, None], "l2")
    means = np.mean(before, axis=0), np.mean(after, axis=0)
    apart = math.dist(*means)
    own = np.where(lies[:, None], *means)
    spread = math.sqrt(((points - own) ** 2).sum(axis=1).mean())
    assert shift[0] == pytest.approx(apart, abs=1e-9)
    if spread > 1e-9:
        assert in_spreads[0] == pytest.approx(apart / spread, abs=1e-6)
    cosine, _ = centroid_shifts(points, lies[:, None], "cosine")
    lengths = [float(np.linalg.norm(mean)) for mean in means]
    if min(lengths) > 1e-9:
        assert cosine[0] == pytest.approx(1 - means[0] @ means[1] / math.prod(lengths), abs=1e-9)


@given(vectors)
def test_the_bandwidth_is_the_median_distance_of_two_records(rows):
    apart = [math.dist(x, y) for x, y in itertools.combinations(rows, 2)]
    different = [one for one in apart if one]
    expected = float(np.median(apart)) or (float(np.median(different)) if different else 1.0)
    assert bandwidth(np.array(rows, np.float64)) == pytest.approx(expected)


def test_the_bandwidth_of_many_is_that_of_some_of_them():
    points = normal(3_000, 4)
    assert bandwidth(points) == bandwidth(points)
    assert bandwidth(points, 1) != bandwidth(points)
    assert bandwidth(points) == pytest.approx(bandwidth(points[:900]), rel=0.05)


def test_the_blocks_of_many_records_are_joined():
    points = normal(1_300, 3)
    lies = np.arange(1_300) % 3 == 0
    found = mmd2(points, lies[:, None], 1.5)
    gaps = ((points[:, None] - points) ** 2).sum(axis=2)
    kernel = np.exp(-gaps / (2 * 1.5**2))
    np.fill_diagonal(kernel, 0)
    n, m = lies.sum(), (~lies).sum()
    within = kernel[lies][:, lies].sum() / (n * (n - 1)) + kernel[~lies][:, ~lies].sum() / (m * (m - 1))
    assert found[0] == pytest.approx(within - 2 * kernel[lies][:, ~lies].mean(), abs=1e-12)
    near = contrast(points, lies)
    order = np.argsort(gaps, axis=1)[:, 1:21]
    own = (lies[order] == lies[:, None]).mean(axis=1)
    np.testing.assert_allclose(near.scores, own / (np.where(lies, n - 1, m - 1) / 1_299))
    gaps[lies[:, None] == lies] = np.inf
    assert (near.nearest == gaps.argmin(axis=1)).all()


def test_the_p_value_is_the_share_of_all_ways_to_deal_the_records(two_batches):
    rows = np.array([[0.0], [1.0], [2.5], [4.0], [3.0], [5.5], [6.0], [9.0]])
    found = drift(two_batches(rows[:4], rows[4:]), {"batch": "old"})
    shifts = [
        abs(rows[list(chosen)].mean() - np.delete(rows, chosen, 0).mean())
        for chosen in itertools.combinations(range(8), 4)
    ]
    exact = np.mean(np.array(shifts) >= shifts[0] - 1e-9)
    assert p_values(found)["centroid_shift"] == pytest.approx(exact, abs=0.05)
    no_drift = found.to_df().set_index("measure")["no_drift"]
    assert no_drift["centroid_shift"] == pytest.approx(np.median(shifts), abs=0.3)
    assert no_drift["auc"] == 0.5


def test_a_classifier_knows_two_clusters_and_is_at_a_loss_with_one():
    halves = np.arange(200) % 2 == 0
    assert 0.4 < classifier_auc(normal(200, 8), halves) < 0.6
    assert classifier_auc(normal(200, 8) + np.where(halves, 0, 9)[:, None], halves) == 1
    assert math.isnan(classifier_auc(normal(3, 2), np.array([True, False, False])))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert classifier_auc(np.ones((4, 2)), np.array([True, False, True, False])) == 0.5


def test_a_classifier_makes_nothing_of_the_scale_of_vectors():
    halves = np.arange(120) % 2 == 0
    points = normal(120, 5) + np.where(halves, 0, 0.5)[:, None]
    expected = classifier_auc(points, halves)
    for scale in (1e-20, 1e20):
        assert classifier_auc(points * scale, halves) == pytest.approx(expected)


# --- What is shown --------------------------------------------------------------------------------------
def test_the_map_is_drawn_in_two_colours_the_same_ones_whichever_batch_is_larger(two_batches):
    few, many = normal(10, 3), normal(40, 3, seed=1)
    colours = []
    for name, (before, after) in {"one": (few, many), "two": (many, few)}.items():
        found = drift(two_batches(before, after, name=name), {"batch": "old"}, method="pca")
        assert found.projection is found.projection
        figure = found.figure(title="mine", hover=["batch"])
        assert {trace.name: len(trace.x) for trace in figure.data} == {
            "batch = old": len(before),
            "the others": len(after),
        }
        assert figure.layout.title.text == "mine"
        assert "batch: " in figure.data[0].hovertext[0]
        colours.append({trace.name: trace.marker.color for trace in figure.data})
    assert colours[0] == colours[1]
    assert colours[0]["batch = old"] != colours[0]["the others"]
    assert {trace.name for trace in found.figure(color="batch").data} == {"old", "new"}


def test_the_map_is_that_of_project(two_batches):
    collection = two_batches(normal(15, 3), normal(15, 3, seed=1))
    found = drift(collection, {"batch": "old"}, method="pca").projection
    whole = chroma_nb.project(collection, "pca")
    assert found.ids == whole.ids
    np.testing.assert_allclose(found.coordinates, whole.coordinates)
    assert found.name == "docs"


def test_its_words_and_its_page_are_the_same_each_time_and_escaped(two_batches):
    collection = two_batches(normal(12, 3), normal(9, 3, seed=1) + 5, name="docs")
    found, again = (drift(collection, {"batch": "old"}) for _ in range(2))
    assert repr(found) == repr(again)
    assert found._repr_html_() == again._repr_html_()
    assert "<td>mmd2</td>" in found._repr_html_()
    assert "R&amp;D &lt;b&gt;\\n" in dataclasses.replace(found, name="R&D <b>\n")._repr_html_()


# --- What is refused ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "expected a where filter that divides the records"),
        ({"before": {"batch": "oldd"}}, r"got none before: no record matches \{'batch': 'oldd'\}"),
        ({"before": {"batch": "old"}, "after": {"batch": "?"}}, r"got none after: no record matches \{'batch': '\?'\}"),
        ({"before": {"batch": {"$in": ["old", "new"]}}}, "got none after: there is no other record"),
        (
            {"before": {"batch": "old"}, "after": {"batch": {"$ne": "new"}}},
            "that match both before and after",
        ),
        ({"before": {"batch": "old"}, "sample": 0}, "expected sample to be a number of records of at least 1, got 0"),
        ({"before": {"batch": "old"}, "method": "umapp"}, "umapp"),
        ({"before": {"batch": {"$near": "old"}}}, "near"),
    ],
)
def test_what_parts_no_records_is_refused(two_batches, arguments, message):
    collection = two_batches(normal(3, 2), normal(3, 2, seed=1))
    with pytest.raises(ValueError, match=message):
        drift(collection, **arguments)


def test_an_empty_collection_has_no_batches(two_batches, memory):
    empty, full = memory.create_collection("empty"), two_batches(normal(3, 2), normal(3, 2))
    for collection, other, side in ((empty, full, "before"), (full, empty, "after")):
        with pytest.raises(ValueError, match=f"got none {side}: the collection is empty"):
            drift(collection, after=other)


def test_a_collection_is_not_a_filter_and_a_list_is_no_collection(two_batches):
    collection = two_batches(normal(3, 2), normal(3, 2))
    with pytest.raises(TypeError, match=r"Expected before to be a where filter, got Collection. .*after=other"):
        drift(collection, collection)
    for wrong in ([1, 2], "new", chroma_nb.AsyncHttpClient):
        with pytest.raises(TypeError, match="expected a collection, got"):
            drift(collection, {"batch": "old"}, wrong)


def test_vectors_of_two_models_are_not_one_space(two_batches):
    narrow, wide = two_batches(normal(3, 2), normal(3, 2)), two_batches(normal(3, 4), normal(3, 4), name="wide")
    with pytest.raises(ValueError, match=r"got 2 dimensions before and 4 after; .* compare\(\)"):
        drift(narrow, after=wide)
