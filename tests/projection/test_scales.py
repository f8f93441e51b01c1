"""Colours say what values are: each kind of column by its own scale, told apart by all eyes."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_nb.projection import scales
from chroma_nb.projection.scales import MISSING, OTHER, PALETTE, STEPS, scale, shortened

# --- Eyes: linear RGB to OKLab, and what each kind of colour blindness sees (Machado, Oliveira and Fernandes 2009) ---
EYES = {
    "all": np.eye(3),
    "no red": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "no green": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "no blue": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour):
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def oklab(rgb):
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    axes = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return axes @ np.cbrt(cones @ rgb)


def seen(colour, eyes):
    return oklab(np.clip(EYES[eyes] @ linear(colour), 0, 1))


def contrast(colour, page):
    def luminance(one):
        return float(linear(one) @ [0.2126, 0.7152, 0.0722])

    light, dark = sorted([luminance(colour), luminance(page)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("eyes", EYES)
def test_twenty_colours_are_told_apart_by_all_eyes(eyes):
    """0.02 in OKLab is what one just notices side by side; points on a map need several times as much."""
    places = [seen(colour, eyes) for colour in PALETTE]
    gaps = [float(np.linalg.norm(a - b)) for a, b in itertools.combinations(places, 2)]
    assert len(gaps) == 190
    assert min(gaps) > 0.06
    others = [float(np.linalg.norm(place - seen(grey, eyes))) for place in places for grey in (MISSING, OTHER)]
    assert min(others) > 0.035


def lifted(colour):
    """As the page draws it on dark pages."""
    channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(v + (255 - v) * 0.25):02x}" for v in channels)


@pytest.mark.parametrize("eyes", EYES)
def test_they_are_told_apart_on_dark_pages_too(eyes):
    places = [seen(lifted(colour), eyes) for colour in PALETTE]
    assert min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(places, 2)) > 0.04


def test_colours_are_seen_on_white_and_on_dark_pages():
    every = (*PALETTE, *scales.steps(STEPS), MISSING, OTHER)
    assert min(contrast(colour, "#ffffff") for colour in every) > 1.35
    assert min(contrast(lifted(colour), "#212121") for colour in every) > 1.9


@pytest.mark.parametrize("eyes", EYES)
def test_a_ramp_is_lighter_at_every_step_for_all_eyes(eyes):
    lightness = [seen(colour, eyes)[0] for colour in scales.steps(STEPS)]
    assert all(a < b for a, b in itertools.pairwise(lightness))


# --- What a column is ---
def texts(found):
    return [entry.text for entry in found.entries]


def test_categories_come_by_frequency_the_rest_have_one_colour():
    values = [f"k{n:02}" for n in range(45) for _ in range(100 - n)] + [None] * 5
    found = scale([value + "x" if value else None for value in values])
    assert found.kind == "categories"
    assert texts(found) == [f"k{n:02}x" for n in range(20)]
    assert (found.others, found.missing, len(set(found.colours[1:21]))) == (25, 5, 20)
    assert (found.colours[0], found.colours[21]) == (MISSING, OTHER)
    assert np.bincount(found.codes).tolist() == [5, *range(100, 80, -1), sum(100 - n for n in range(20, 45))]


def test_a_rare_value_gets_a_colour_when_it_is_asked_for():
    values = [f"k{n:02}x" for n in range(45) for _ in range(100 - n)]
    found = scale(values, first=["k44x", "not there"])
    assert texts(found) == [*(f"k{n:02}x" for n in range(19)), "k44x"]
    assert found.others == 25
    assert [entry.value for entry in scales.others(values, "K4", 3)] == ["k40x", "k41x", "k42x"]


@pytest.mark.parametrize(
    ("values", "order"),
    [
        ([5, 1, 4, 1], ["1", "4", "5"]),
        (["high", "low", "medium"], ["low", "medium", "high"]),
        (["Sunday", "Monday"], ["Monday", "Sunday"]),
        (["10 stars", "1 star", "2 stars"], ["1 star", "2 stars", "10 stars"]),
        (["P2", "P10", "P1"], ["P1", "P2", "P10"]),
    ],
)
def test_values_that_have_an_order_keep_it(values, order):
    found = scale(values)
    assert (found.kind, texts(found)) == ("ordered", order)
    assert list(found.colours[1:]) == scales.steps(len(order))


def test_booleans_are_two_colours():
    found = scale([True, False, None, True])
    assert (found.kind, texts(found), found.codes.tolist()) == ("booleans", ["true", "false"], [1, 2, 0, 1])


def test_values_of_different_kinds_are_not_one():
    found = scale([1, "1", True, "true", 1.0])
    assert dict(zip(texts(found), [entry.records for entry in found.entries], strict=True)) == {
        "1 (number)": 2,
        '"1" (text)': 1,
        "true (boolean)": 1,
        '"true" (text)': 1,
    }


def test_each_item_of_a_list_counts_in_any_order():
    found = scale([["audio", "home"], ["home", "audio"], ["home"], [], None, ["audio", "audio"]])
    assert found.kind == "items"
    assert [(entry.text, entry.records) for entry in found.entries] == [("audio", 3), ("home", 3)]
    assert found.codes.tolist() == [2, 2, 2, 0, 0, 1]
    assert found.members[0].tolist() == [True, True, False, False, False, True]


# --- Numbers ---
def used(found):
    """The share of the ramp's colours that have at least a fifth of their fair part of the records."""
    counts = np.bincount(found.codes, minlength=STEPS + 1)[1:]
    return np.count_nonzero(counts > counts.sum() / STEPS / 5) / STEPS


def test_even_numbers_have_an_even_scale_with_round_ticks():
    found = scale(np.linspace(0.0, 97.3, 1_000).tolist())
    assert (found.kind, found.note) == ("numbers", "")
    assert [tick.text for tick in found.ticks] == ["0", "25", "50", "75"]
    assert used(found) == 1


def test_skewed_numbers_are_coloured_by_logarithm_and_the_scale_says_so():
    values = np.random.default_rng(0).lognormal(3, 2, 20_000)
    found = scale([*values.tolist(), None])
    assert (found.note, found.missing) == ("log scale, 1 to 99 %", 1)
    assert used(found) > 0.9
    assert "100" in [tick.text for tick in found.ticks]


def test_numbers_that_no_logarithm_spreads_are_coloured_by_quantiles():
    values = np.random.default_rng(0).standard_cauchy(20_000) ** 3
    found = scale(values.tolist())
    assert found.note == "quantiles"
    assert used(found) == 1


@pytest.mark.parametrize("values", [[0.5, 0.5], [None, float("nan")], [], [float("inf"), 1.5], [1.5]])
def test_numbers_that_do_not_differ_or_are_none_still_have_colours(values):
    found = scale(values)
    assert len(found.codes) == len(values)
    assert found.codes.max(initial=0) < len(found.colours)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1))
def test_greater_numbers_never_have_a_lesser_colour(values):
    found = scale(values)
    order = np.argsort(values, kind="stable")
    assert np.all(np.diff(found.codes[order].astype(int)) >= 0)
    assert all(0 <= tick.at <= 1 for tick in found.ticks)


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.lists(st.text(max_size=2), max_size=3)
)


@given(st.lists(anything), st.sampled_from([None, "date", "epoch_s", "epoch_ms"]))
def test_any_values_have_a_code_that_has_a_colour(values, moments):
    found = scale(values, moments)
    assert len(found.codes) == len(values)
    assert found.codes.max(initial=0) < len(found.colours)
    assert all(0 < entry.code < len(found.colours) for entry in found.entries)
    assert found.missing == np.count_nonzero(found.codes == 0)


# --- Dates ---
@pytest.mark.parametrize(
    ("values", "moments", "ticks"),
    [
        (["2019-03-01", "2024-11-05"], "date", ["2020", "2022", "2024"]),
        (["2024-01-01T00:00:00Z", "2024-12-31"], "date", ["2024-01", "2024-04", "2024-07", "2024-10"]),
        ([1704067200, 1704067200 + 4 * 86400.0], "epoch_s", None),
        ([1704067200_000, 1704067200_000 + 3_600_000 * 5], "epoch_ms", None),
    ],
)
def test_dates_lie_on_a_time_scale(values, moments, ticks):
    found = scale([*values, None], moments)
    assert (found.kind, found.codes.tolist()) == ("dates", [1, STEPS, 0])
    assert len(found.ticks) >= 3
    assert ticks is None or [tick.text for tick in found.ticks] == ticks


def test_a_text_that_is_no_date_makes_categories_of_all():
    assert scale(["2024-01-01", "soon", "2024-01-02"], "date").kind == "categories"


# --- Names ---
@given(st.lists(st.text(max_size=60), unique=True, max_size=12), st.integers(12, 40))
def test_long_values_that_differ_read_differently(values, letters):
    short = shortened(values, letters)
    assert all(len(text) <= letters for text in short)
    same_head = ["a" * 50 + name for name in ("one", "two")]
    assert len(set(shortened(same_head, letters))) == 2


def test_values_that_had_a_colour_keep_it_and_one_that_is_asked_for_gets_one():
    before = scale([f"v{n:02}" for n in range(30) for _ in range(30 - n)])
    values = ["v05", "v29", "v29", "v29", "new"]
    after = scale(values, order=before.order)
    assert [(entry.text, entry.code) for entry in after.entries] == [("v05", 6)]
    assert after.others == 2
    assert scale(values, None, ["new"], before.order).codes.tolist() == [6, 21, 21, 21, 20]
    few = scale(["a", "b", "b"], order=["a"])
    assert few.codes.tolist() == [1, 2, 2]
    assert (few.others, scale(["b"], order=["a"]).others) == (0, 0)


def test_a_record_of_several_items_has_the_colour_of_the_rarest_also_where_that_had_one_before():
    found = scale([["a", "b"], ["a"], ["b"], ["a"]], order=["b", "a"])
    assert found.codes.tolist() == [1, 2, 1, 2]
    assert [entry.text for entry in found.entries] == ["b", "a"]
