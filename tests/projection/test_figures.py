"""Figures of a map: colours, hover, queries, regions' names; text of a collection does nothing in them."""

import re

import numpy as np
import pandas as pd
import pytest

from chroma_nb.projection import figures, labels, layout, scales
from chroma_nb.projection.plotly_text import escaped
from chroma_nb.projection.projection import Projection, project

ATTACK = "</script><img src=x onerror=alert(1)><a href='javascript:alert(1)'>$\\href{x}{y}$"


def made(count=40, dims=2, metadatas=None, documents=None, ids=None):
    spots = np.random.default_rng(0).normal(size=(count, dims)).astype(np.float32)
    return Projection(
        ids or [f"id{row}" for row in range(count)],
        spots,
        documents or [f"text {row}" for row in range(count)],
        metadatas or [{"kind": "ab"[row % 2], "weight": row / 2} for row in range(count)],
        name="docs",
    )


def points(figure):
    return [trace for trace in figure.data if getattr(trace, "mode", None) == "markers"]


def test_categories_are_traces_with_a_colour_each():
    figure = made().figure(color="kind")
    assert [(trace.name, len(trace.x)) for trace in points(figure)] == [("a", 20), ("b", 20)]
    assert len({trace.marker.color for trace in points(figure)}) == 2


def test_beyond_twenty_categories_are_other_and_missing_ones_are_rings():
    values = [f"c{n:02}" for n in range(30)] + [None, float("nan")]
    drawn = points(made(32).figure(color=values, labels=False))
    assert len(drawn) == 22
    assert drawn[-2].name == "other (10 values)"
    assert (drawn[-1].name, drawn[-1].marker.color, drawn[-1].marker.symbol, len(drawn[-1].x)) == (
        "missing",
        scales.MISSING,
        "circle-open",
        2,
    )
    assert len({trace.marker.color for trace in drawn}) == 22
    assert sum(len(trace.x) for trace in drawn) == 32


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0.5, 1.0, 2.0], "numbers"),
        (list(range(13)), "numbers"),
        (list(range(12)), "ordered"),
        (np.arange(12), "ordered"),
        (np.array([0.5, np.nan, np.inf]), "categories"),
        (pd.array([1, None, 40], "Int64"), "ordered"),
        ([True, False], "booleans"),
        (np.array([True, False]), "booleans"),
        (["a", 1], "categories"),
        ([None, None], "categories"),
        ([["x", "y"], ["x"]], "items"),
        ([np.array(["x", "y"]), ["x"]], "items"),
        (["2024-05-01", "2025-06-02", None], "dates"),
        (pd.to_datetime(["2024-05-01", "2025-06-02"]), "dates"),
        (pd.Series(pd.to_datetime(["2024-05-01", None])), "dates"),
        (np.array(["2024-05-01", "NaT"], "datetime64[D]"), "dates"),
    ],
)
def test_values_are_coloured_by_what_they_are_however_python_has_them(values, kind):
    assert scales.of_given(values).kind == kind


def test_numbers_that_are_moments_by_their_key_are_dates():
    values = [1.7e9 + hour * 3600 for hour in range(50)]
    assert scales.of_given(values, "created_at").kind == "dates"
    assert scales.of_given(values, "views").kind == "numbers"


def test_a_scale_has_its_values_beside_it_and_leaves_records_without_a_number_grey():
    figure = made(4, metadatas=[{"w": 1.5}, {"w": 2.5}, None, {"other": 1}]).figure(color="w")
    coloured, missing = points(figure)
    least, most = coloured.marker.color.tolist()
    assert (least < 0.02, most > 0.98, coloured.marker.cmin, coloured.marker.cmax) == (True, True, 0, 1)
    ticks = coloured.marker.colorbar
    assert dict(zip(ticks.ticktext, ticks.tickvals, strict=True))["2"] == 0.5
    assert (missing.name, missing.marker.color, len(missing.x)) == ("missing", scales.MISSING, 2)


def test_a_skewed_column_is_spread_over_the_colours_and_says_by_what_scale():
    prices = np.exp(np.random.default_rng(0).normal(size=200) * 3).tolist()
    (trace,) = points(made(200).figure(color=prices, labels=False))
    assert "log scale" in trace.marker.colorbar.title.text
    assert 0.3 < np.median(trace.marker.color) < 0.7


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (1, 1.5)])
def test_a_map_fills_its_room_and_names_stand_on_no_points(shape):
    """In both directions, unless one is far longer than the other."""
    random = np.random.default_rng(0)
    centres = np.array([[0, 0], [0, 9], [9, 0], [9, 9]])
    spots = ((centres[np.arange(400) % 4] + random.normal(size=(400, 2)) * 0.5) * shape).astype(np.float32)
    texts = [["sea", "road", "tree", "bread"][n % 4] for n in range(400)]
    found = Projection([f"id{n}" for n in range(400)], spots, texts, [None] * 400)
    figure = found.figure()
    seen = layout.view(layout.home(spots), 760, 552, 24)
    pixels = seen.pixels(spots)
    filled = np.ptp(pixels, axis=0) / [760, 552]
    assert filled.max() > 0.85
    assert filled.min() > (0.75 if max(shape) / min(shape) < 2 else 0.02)
    assert figure.layout.xaxis.range[0] < spots[:, 0].min() < spots[:, 0].max() < figure.layout.xaxis.range[1]
    written = layout.write(layout.names(found.labels, seen), pixels, seen)
    assert len(written) == len(figure.layout.annotations) >= 1
    for one in written:
        (x, y), (wide, high) = one.middle, one.name.room
        covered = (np.abs(pixels[:, 0] - x) < wide / 2 - 3) & (np.abs(pixels[:, 1] - y) < high / 2 - 3)
        assert covered.sum() <= 4


def test_a_few_points_far_out_do_not_make_the_others_small():
    spots = np.random.default_rng(0).normal(size=(2_000, 2)).astype(np.float32)
    spots[:3] = [[500, 0], [0, 900], [-700, -700]]
    left, bottom, right, top = layout.home(spots)
    assert right - left < 20
    assert top - bottom < 20


def test_sizes_grow_with_the_number_and_need_one():
    figure = made().figure(color=None, size="weight", labels=False)
    (trace,) = points(figure)
    assert (np.diff(trace.marker.size) > 0).all()
    with pytest.raises(ValueError, match="expected size to be a metadata key with numbers, got 'kind'"):
        made().figure(size="kind")
    with pytest.raises(ValueError, match="got values without a number"):
        made().figure(size=[float("nan")] * 40)


@pytest.mark.parametrize(
    "values",
    [np.arange(4), np.arange(4, dtype=np.float32), pd.array([1, 2, 3, 4], "Int64"), pd.Series([1, 2, 3, 4])],
)
def test_sizes_and_colours_are_columns_of_any_kind(values):
    (trace,) = points(made(4).figure(color=[0.5, 1.5, 2.5, 3.5], size=values, labels=False))
    assert (np.diff(trace.marker.size) > 0).all()


def test_the_empty_cells_of_pandas_are_missing():
    values = pd.array([0, None, *range(20)], "Int64")
    figure = made(22).figure(color=values, size=values, labels=False)
    coloured, missing = points(figure)
    assert (len(coloured.x), len(missing.x), missing.name) == (21, 1, "missing")


def test_a_hover_shows_the_keys_asked_for_one_or_several():
    for hover in ("kind", ["kind"]):
        (trace,) = points(made(2).figure(color=None, hover=hover, labels=False))
        assert "kind: a" in trace.hovertext[0]
    with pytest.raises(ValueError, match=r"the metadata key 'knd'\. Did you mean 'kind'\?"):
        made().figure(hover=["knd"])
    region = made().labels.of_records()[0]
    (trace,) = points(made().figure(color=None, hover="label", labels=False))
    assert f"label: {region}" in trace.hovertext[0]
    assert made(0, ids=[], documents=[], metadatas=[]).figure(hover=["kind"]) is not None


def test_colour_and_size_take_values_by_id():
    found = made(4)
    scores = {found.ids[0]: 1.5, found.ids[2]: 9.0}
    coloured, missing = points(found.figure(color=scores, size=scores, labels=False))
    assert coloured.marker.color[0] < coloured.marker.color[1]
    assert coloured.marker.size.tolist() == [4, 18]
    assert len(missing.x) == 2
    with pytest.raises(ValueError, match="no key of it is the id of a record on this map"):
        found.figure(color={"elsewhere": 1})


def test_a_key_that_nobody_has_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"'colour'\. The keys are: 'label', 'kind', 'weight'"):
        made().figure(color="colour")
    with pytest.raises(ValueError, match="expected a value for each of 40 records, got 3"):
        made().figure(color=[1, 2, 3])


def test_no_text_of_a_collection_is_markup_anywhere_in_a_figure():
    found = made(
        6, ids=[f"{ATTACK}{n}" for n in range(6)], documents=[ATTACK] * 6, metadatas=[{ATTACK: ATTACK, "n": 1}] * 6
    )
    found.name = ATTACK
    found.labels.names = [ATTACK]
    found.labels.centres = np.zeros((1, 2), np.float32)
    for dims in (2, 3):
        found.coordinates = np.zeros((6, dims), np.float32)
        found.labels.centres = np.zeros((1, dims), np.float32)
        star = figures.Star(ATTACK, np.zeros(dims, np.float32), [0, 1])
        figure = figures.draw(found, color=ATTACK, hover=["n"], stars=[star]).figure
        texts = list(strings(figure.to_plotly_json()))
        assert sum("&lt;" in text for text in texts) > 6
        for text in texts:
            assert not re.search(r"<(?!/?b>|br>)", text), text
            assert "$" not in text
        page = figures.html_page(figure, "linked")
        assert "<img src=x" not in page
        assert page.count("</script>") == page.count("<script")


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from strings(one)


def test_control_and_direction_characters_are_silent():
    assert escaped("a\x1b[31m\u202eb\n\ud800") == "a [31mb �"


def test_hover_is_short_and_beyond_the_limit_without_documents(monkeypatch):
    long = made(3, documents=["word " * 100] * 3)
    assert all(len(text) < 250 for trace in points(long.figure()) for text in trace.hovertext)
    assert "word" in points(long.figure())[0].hovertext[0]
    monkeypatch.setattr(figures, "HOVER_TEXTS", 2)
    assert "word" not in points(long.figure())[0].hovertext[0]
    assert "id0" in points(long.figure())[0].hovertext[0]


def test_beyond_the_limit_a_density_and_a_sample_are_drawn():
    figure = made(500).figure(color="kind", limit=100)
    assert sum(len(trace.x) for trace in points(figure)) == 100
    assert figure.data[-1].type == "heatmap"


def test_arrays_are_sent_as_binary_float32():
    for trace in made().figure(color="weight").data:
        assert trace.x.dtype == np.float32


def test_the_same_map_gives_the_same_figure():
    assert made().figure(color="kind").to_json() == made().figure(color="kind").to_json()
    page = made().to_html(plotlyjs="linked", color="kind")
    assert page == made().to_html(plotlyjs="linked", color="kind")
    assert '"showSendToCloud": false' in page


def test_a_query_is_a_star_with_lines_to_its_hits(client, filled):
    collection = filled(client, 40)
    found = project(collection, "pca")
    placed = found.place(query_embeddings=np.zeros((2, 16)), n_results=3)
    figure = figures.draw(found, stars=found.stars(placed)).figure
    stars = [trace for trace in figure.data if (trace.name or "").startswith("★")]
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    assert [trace.name for trace in stars] == ["★ query 1", "★ query 2"]
    assert len(lines[0].x) == 9
    assert lines[0].x[0] == stars[0].x[0]
    first = found.coordinates[found.ids.index(placed.ids[0][0])]
    assert (lines[0].x[1], lines[0].y[1]) == (first[0], first[1])


def test_three_dimensions_are_drawn_in_webgl_too():
    figure = made(dims=3).figure(color="kind")
    assert {trace.type for trace in figure.data} == {"scatter3d"}
    assert {trace.type for trace in made().figure(color="kind").data} == {"scattergl"}


def test_a_page_holds_plotly_or_links_it(tmp_path):
    page = made().to_html(tmp_path / "map.html")
    assert (tmp_path / "map.html").read_text(encoding="utf-8") == page
    assert len(page) > 1_000_000
    assert 'src="http' not in page
    assert len(made().to_html(plotlyjs="linked")) < 100_000
    with pytest.raises(ValueError, match="expected plotlyjs to be 'inside' or 'linked', got 'cdn'"):
        made().to_html(plotlyjs="cdn")


# --- Regions --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dims", [2, 3])
def test_regions_are_the_blobs_and_are_named_by_their_words(dims):
    random = np.random.default_rng(0)
    centres = random.permutation(np.array(np.meshgrid(*[[0, 10, 20]] * dims)).reshape(dims, -1).T)[:4]
    group = np.arange(800) % 4
    spots = (centres[group] + random.normal(size=(800, dims))).astype(np.float32)
    words = ["whales", "engines", "pianos", "bread"]
    found = labels.find(spots, [f"this text is about {words[one]}" for one in group])
    assert sorted(found.names) == sorted(words)
    agree = [
        found.names[number] == words[one] for number, one in zip(found.clusters, group, strict=True) if number >= 0
    ]
    assert np.mean(agree) > 0.98
    assert len(agree) > 780


def test_without_text_a_region_is_named_by_its_metadata():
    spots = np.repeat(np.array([[0, 0], [9, 9]], np.float32), 20, axis=0)
    metadatas = [{"topic": "sea"}] * 20 + [{"n": 1}] * 20
    assert labels.find(spots, [None] * 40, metadatas).names == ["sea", "region 2"]


def test_regions_of_the_same_words_have_different_names():
    spots = np.repeat(np.array([[0, 0], [9, 9]], np.float32), 20, axis=0)
    assert labels.find(spots, ["whales"] * 40).names == ["whales", "whales (2)"]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_records_have_at_most_one_region_each(count):
    found = labels.find(np.zeros((count, 2), np.float32), ["a text"] * count)
    assert len(found.clusters) == count
    assert len(found.names) <= 1


def test_a_region_can_be_renamed_by_number_or_name():
    found = labels.find(np.zeros((9, 2), np.float32), ["whales"] * 9)
    found.rename("whales", "the sea")
    found.rename(0, "the ocean")
    assert found.of_records() == ["the ocean"] * 9
    assert found.to_df()["label"].tolist() == ["the ocean"]
    with pytest.raises(ValueError, match="there is no region 'land'; the regions are 'the ocean'"):
        found.rename("land", "x")


# --- Values by label --------------------------------------------------------------------------------------
def painted(found, values):
    """The colour of each record by its id."""
    return {
        text.split("</b>")[0][3:]: float(text.split("<br>")[-1])
        for trace in points(found.figure(color=values, labels=False))
        if not isinstance(trace.marker.color, str)
        for text in trace.hovertext
    }


def scores(found):
    return pd.Series([row + 0.5 for row in range(len(found))], index=found.ids)


@pytest.mark.parametrize(
    "make",
    [
        lambda found: scores(found),
        lambda found: scores(found).iloc[::-1],
        lambda found: scores(found).iloc[::-1].to_dict(),
        lambda found: scores(found).reset_index(drop=True),
        lambda found: scores(found).reset_index(drop=True).iloc[::-1],
        lambda found: found.to_df().assign(score=scores(found).to_numpy()).sort_values("x")["score"],
        lambda found: scores(found).to_numpy(),
        lambda found: iter(scores(found).tolist()),
    ],
)
def test_values_belong_to_the_records_of_their_labels(make):
    found = made(20)
    assert painted(found, make(found)) == scores(found).to_dict()


def test_a_series_of_some_records_colours_these_and_a_masked_value_is_missing():
    found = made(20)
    assert painted(found, scores(found).iloc[[7, 3]]) == scores(found).iloc[[3, 7]].to_dict()
    hidden = np.ma.array(scores(found).to_numpy(), mask=[True] + [False] * 19)
    assert painted(found, hidden) == scores(found).iloc[1:].to_dict()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            pd.Series(range(40), index=range(5, 45)),
            "of a record on this map: 5, 6, 7 and 37 more",
        ),
        (pd.Series([1.5, 2.5]), "no label of it is the id of a record on this map"),
        (pd.DataFrame({"score": range(40)}), "got values of shape"),
        (np.zeros((40, 2)), "got values of shape"),
    ],
)
def test_values_that_fit_no_record_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        made().figure(color=values)
    with pytest.raises(ValueError, match=message):
        made().figure(size=values)


def test_labels_that_could_be_ids_or_row_numbers_are_refused_where_these_differ():
    found = made(3, ids=["2", "0", "1"])
    with pytest.raises(ValueError, match="could be row numbers or ids"):
        found.figure(color=pd.Series([0.5, 1.5, 2.5]))
    by_id = pd.Series([0.5, 1.5, 2.5], index=["0", "1", "2"])
    assert painted(found, by_id) == {"2": 2.5, "0": 0.5, "1": 1.5}
    with pytest.raises(ValueError, match="expected one value for '2', got two"):
        found.figure(color=pd.concat([by_id, by_id.iloc[2:]]))


def test_names_that_would_be_cut_to_the_same_can_be_told_apart():
    folder = "/home/user/data/project/sub/"
    figure = made(4).figure(color=[folder + "file1.txt", folder + "file2.txt", "short", folder + "file1.txt"])
    names = [trace.name for trace in figure.data]
    assert len(set(names)) == len(names) == 3
    assert sum(name.endswith("file1.txt") for name in names) == 1
    assert max(map(len, names)) <= 28
