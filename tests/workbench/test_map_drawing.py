"""The picture of a map in a saved notebook: points, colours and their meaning, names, queries; only a picture."""

import base64
import re
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import numpy as np
import pytest

from chroma_nb.projection.figures import Star
from chroma_nb.projection.labels import Labels
from chroma_nb.workbench.drawing import drawing

ATTACK = '"><img src=x onerror="alert(1)"><script>alert(1)</script>\x00\ufffe\ud800'
SVG = "{http://www.w3.org/2000/svg}"


def map_of(count, values, names=("whales", "engines"), dims=2):
    """Two clusters, the second to the upper right of the first."""
    random = np.random.default_rng(0)
    clusters = np.arange(count, dtype=np.int32) % 2
    coordinates = (random.normal(size=(count, dims)) + 20 * clusters[:, None]).astype(np.float32)
    centres = np.array([[0.0] * dims, [20.0] * dims], np.float32)
    return SimpleNamespace(
        ids=[f"id{n}" for n in range(count)],
        coordinates=coordinates,
        documents=[None] * count,
        metadatas=[
            {"key": values[n % len(values)]} if values[n % len(values)] is not None else {} for n in range(count)
        ],
        name="docs",
        labels=Labels(clusters, list(names), centres),
    )


def picture(html):
    """The SVG that the one image of ``html`` holds, parsed."""
    (data,) = re.findall(r'<img [^<>]*src="data:image/svg\+xml;base64,([\w+/=]+)">', html)
    return ET.fromstring(base64.b64decode(data))


def texts(svg):
    return [one.text for one in svg.iter(f"{SVG}text")]


def points(svg):
    """How many points the paths of the first group draw."""
    return sum(path.get("d").count("M") for path in svg[0].iter(f"{SVG}path"))


def test_every_record_is_a_point_and_every_category_stands_in_the_legend():
    svg = picture(drawing(map_of(60, ["a", "b", "c"]), "key"))
    assert points(svg) == 60
    assert len(svg[0]) == 3
    assert texts(svg) == ["whales", "engines", "key", "a", "b", "c"]


def test_a_large_map_is_thinned_out():
    assert 1_000 <= points(picture(drawing(map_of(5_000, ["a"]), "key"))) <= 2_000


def test_numbers_are_coloured_by_a_scale_whose_values_stand_beside_it():
    svg = picture(drawing(map_of(50, [0.5, 2.5, 7.25, None]), "key"))
    assert points(svg) == 50
    assert texts(svg)[2:] == ["key", "missing", "2", "4", "6"]


def test_regions_are_named_where_they_lie_and_need_no_legend():
    svg = picture(drawing(map_of(40, ["a"])))
    assert texts(svg) == ["whales", "engines"]
    whales, engines = svg.iter(f"{SVG}text")
    assert float(whales.get("x")) < float(engines.get("x"))
    assert float(whales.get("y")) > float(engines.get("y"))  # the picture's y goes down


@pytest.mark.parametrize("dims", [2, 3])
def test_a_query_is_a_star_with_a_line_to_each_hit(dims):
    one = map_of(40, ["a"], dims=dims)
    svg = picture(drawing(one, "key", [Star("deep water", one.coordinates[0], [2, 4, 6])]))
    lines = [path.get("d") for path in svg.iter(f"{SVG}path") if path.get("stroke-width") == "1.5"]
    assert [line.count("L") for line in lines] == [3]
    assert texts(svg)[-1] == "deep water"


def test_what_does_not_pass_is_faint_and_hits_have_their_ranks():
    one = map_of(60, ["a", "b"])
    passing = np.arange(60) % 2 == 0
    svg = picture(drawing(one, "key", passing=passing, hits=[8, 2]))
    faint = [group for group in svg if group.get("stroke-opacity") == ".2"]
    assert sum(path.get("d").count("M") for path in faint[0]) == 30
    assert [path.get("d").count("M") for path in svg[1]] == [30]
    discs = list(svg.iter(f"{SVG}circle"))
    assert len(discs) == 2
    spot = (float(discs[-1].get("cx")), float(discs[-1].get("cy")))
    numbers = [text for text in svg.iter(f"{SVG}text") if text.get("font-size") == "11"]
    ranks = {(float(text.get("x")), float(text.get("y")) - 4): text.text for text in numbers}
    assert ranks[spot] == "1"  # on top


def test_only_what_is_looked_at_is_drawn():
    one = map_of(60, ["a"])
    assert points(picture(drawing(one, "key", box=(15, 15, 25, 25)))) == 30


def test_the_picture_says_in_words_what_it_shows():
    assert 'alt="Map of 40 records; regions: whales; engines"' in drawing(map_of(40, ["a"]))


def test_no_records_no_picture():
    assert drawing(map_of(0, ["a"]), None) == ""


def test_one_record_is_in_the_middle():
    assert points(picture(drawing(map_of(1, ["a"]), None))) == 1


def test_many_categories_end_in_how_many_more():
    svg = picture(drawing(map_of(60, [f"value {n}" for n in range(20)]), "key"))
    assert texts(svg)[-1] == "… 6 more"
    assert len(texts(svg)) == 2 + 16


def test_text_of_a_collection_is_text_in_the_picture_and_beside_it():
    one = map_of(40, [ATTACK, "b"], names=(ATTACK, "b"))
    html = drawing(one, "key", [Star(ATTACK, one.coordinates[0], [1])])
    svg = picture(html)  # one image, well-formed
    assert {element.tag.removeprefix(SVG) for element in svg.iter()} == {"svg", "g", "path", "text"}
    assert not [name for element in svg.iter() for name in element.attrib if name.startswith("on")]
    assert re.sub(r'alt="[^"]*"', "", html).count("<") == 1
    assert any(text.startswith('"><img') for text in texts(svg))


def test_the_same_map_is_the_same_bytes():
    assert drawing(map_of(60, ["a", "b"]), "key") == drawing(map_of(60, ["a", "b"]), "key")
