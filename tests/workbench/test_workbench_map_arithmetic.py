# ruff: noqa: E501  # the pieces of JavaScript
"""What the map's modules compute without a page, run by node: drawing, picking, places for names."""

import json
import shutil
import subprocess
from importlib import resources

import pytest

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


def run(tmp_path, names, code):
    """What ``code`` prints as JSON, after the exports of these modules are there."""
    front = resources.files("chroma_nb.workbench") / "front"
    for name in names:
        (tmp_path / f"{name}.mjs").write_text((front / f"{name}.js").read_text(encoding="utf-8"), encoding="utf-8")
    imports = "".join(f'import * as {name} from "./{name}.mjs";\n' for name in names)
    (tmp_path / "run.mjs").write_text(f"{imports}const say = (v) => console.log(JSON.stringify(v));\n{code}")
    done = subprocess.run([NODE, "run.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


RANDOM = """
let seed = 7; const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
const points = Uint16Array.from({ length: 20000 }, () => random() * 65536);
"""


def test_a_lasso_holds_what_lies_inside_it_and_a_pointer_finds_the_nearest(tmp_path):
    answer = run(
        tmp_path,
        ["pick"],
        RANDOM
        + """
const ring = [[10000, 10000], [50000, 12000], [30000, 30000], [52000, 60000], [9000, 50000]];
const rows = new Set(pick.inside(points, ring));
const angle = ([x, y]) => { let sum = 0; for (let i = 0; i < ring.length; i++) { const [a, b] = ring[i], [c, d] = ring[(i + 1) % ring.length];
  let t = Math.atan2(d - y, c - x) - Math.atan2(b - y, a - x); t -= 2 * Math.PI * Math.round(t / (2 * Math.PI)); sum += t; } return Math.abs(sum) > Math.PI; };
let wrong = 0;
for (let i = 0; i < 10000; i++) if (angle([points[2 * i], points[2 * i + 1]]) !== rows.has(i)) wrong++;
const index = pick.indexOf(points);
let missed = 0;
for (let k = 0; k < 300; k++) {
  const x = random() * 65536, y = random() * 65536, rx = 300 + random() * 2000, ry = 300 + random() * 500;
  let best = -1, near = 1;
  for (let i = 1; i < 10000; i += 2) { const d = ((points[2 * i] - x) / rx) ** 2 + ((points[2 * i + 1] - y) / ry) ** 2; if (d < near) { near = d; best = i; } }
  if (pick.nearest(index, x, y, rx, ry, (i) => i % 2) !== best) missed++;
}
say({ wrong, missed, some: rows.size, bits: [...pick.unpacked(Uint8Array.of(5, 1), 9)], box: pick.boxOf(Uint16Array.of(0, 0, 65535, 0, 9, 9), (i) => i < 2), none: pick.boxOf(points, () => false) });
""",
    )
    assert answer["wrong"] == answer["missed"] == 0
    assert answer["some"] > 1_000
    assert answer["bits"] == [1, 0, 1, 0, 0, 0, 0, 0, 1]
    assert (answer["box"], answer["none"]) == ([0, 0, 1, 0], None)


def test_the_map_fills_its_place_without_being_pulled_too_long(tmp_path):
    answer = run(
        tmp_path,
        ["raster"],
        """
const view = { x: 0.5, y: 0.5, zoom: 1 }, homes = [[0, 0, 1, 1], [0.2, 0.4, 0.8, 0.6], [0.5, 0.5, 0.5, 0.5], [0, 0.5, 1, 0.5]];
say(homes.map((home) => { const base = raster.fit(home, 800, 400, 20), at = raster.lens(view, base, 800, 400), there = at.from(...at.to(0.3, 0.6));
  return { ratio: base.kx / base.ky, wide: (home[2] - home[0]) * base.kx, high: (home[3] - home[1]) * base.ky, middle: at.to(0.5, 0.5), back: Math.hypot(there[0] - 0.3, there[1] - 0.6) < 1e-9 }; }));
""",
    )
    assert all(0.5 < one["ratio"] < 1.9 and one["back"] and one["middle"] == [400, 200] for one in answer)
    assert all(one["wide"] <= 760.001 and one["high"] <= 360.001 for one in answer)
    assert answer[0]["high"] == pytest.approx(360)
    assert answer[1]["wide"] == pytest.approx(760)
    assert answer[3]["wide"] == pytest.approx(760)


def test_points_have_their_colours_and_dense_places_are_more_opaque(tmp_path):
    answer = run(
        tmp_path,
        ["raster"],
        """
const width = 100, height = 50, room = raster.canvasRoom(), pixels = new Uint8ClampedArray(4 * width * height);
const spot = (x, y) => [(x / 100) * 65535, (1 - y / 50) * 65535];
const points = Uint16Array.from([...spot(20.5, 25.5), ...spot(50.5, 25.5), ...Array(30).fill(spot(80.5, 25.5)).flat()]);
const n = points.length / 2, codes = new Uint8Array(n).fill(1); codes[1] = 2;
const shown = new Uint8Array(n).fill(1); shown[1] = 0;
const lens = { kx: 100, ky: 50, ox: 0, oy: 50 }, palette = [[0, 0, 0], [200, 10, 20], [1, 2, 3]];
const at = (x, y) => [...pixels.slice(4 * (y * width + x), 4 * (y * width + x) + 4)];
const draw = (more) => { raster.draw({ points, codes, shown: null, chosen: null, only: null, palette, out: [128, 128, 128], lens, radius: 2, width, height, pixels, room, ...more }); return [at(20, 25), at(50, 25), at(80, 25), at(5, 5)]; };
say({ all: draw({}), some: draw({ shown }), chosen: draw({ chosen: Uint8Array.from({ length: n }, (_, i) => (i === 0 ? 1 : 0)) }) });
""",
    )
    (single, other, dense, empty) = answer["all"]
    assert single[:3] == [200, 10, 20]
    assert other[:3] == [1, 2, 3]
    assert empty[3] == 0
    assert 80 < single[3] < dense[3]
    assert answer["some"][1][:3] == [128, 128, 128]
    assert answer["some"][1][3] < 80
    assert answer["chosen"][0][3] > answer["chosen"][1][3] > 0


def test_names_cover_neither_points_nor_one_another(tmp_path):
    answer = run(
        tmp_path,
        ["labels"],
        """
let seed = 3; const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
const width = 800, height = 500, weight = new Float32Array(width * height), groups = [];
for (let g = 0; g < 14; g++) {
  const x = 80 + random() * 640, y = 60 + random() * 380, r = 20 + random() * 50;
  groups.push({ x, y, w: 60 + random() * 80, h: 18, text: "g" + g });
  for (let i = 0; i < 900; i++) { const a = random() * 7, d = random() * r; weight[Math.floor(y + d * Math.sin(a)) * width + Math.floor(x + d * Math.cos(a))] = 1; }
}
const crowd = labels.crowdOf(weight, width, height, 1), hit = [300, 200, 330, 230];
const found = labels.placed(groups, crowd, width, height, [hit]);
const meet = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
const on = found.map(({ box }) => { let n = 0; for (let y = Math.ceil(box[1]); y < box[3]; y++) for (let x = Math.ceil(box[0]); x < box[2]; x++) n += weight[y * width + x]; return n; });
const full = labels.crowdOf(new Float32Array(width * height).fill(1), width, height, 1);
say({ count: found.length, on, hits: found.filter((one) => meet(one.box, hit)).length, outside: found.filter(({ box }) => box[0] < 0 || box[1] < 0 || box[2] > width || box[3] > height).length,
  pairs: found.flatMap((a, i) => found.slice(i + 1).filter((b) => meet(a.box, b.box))).length, crossed: labels.covered(full, [0, 0, 50, 50]), none: labels.placed(groups, full, width, height, []).length });
""",
    )
    assert answer["count"] >= 12
    assert max(answer["on"]) < 30
    assert sum(count == 0 for count in answer["on"]) >= answer["count"] - 2
    assert (answer["pairs"], answer["hits"], answer["outside"], answer["none"], answer["crossed"]) == (0, 0, 0, 0, 1)


def test_names_whose_lines_would_cross_are_tried_in_another_order(tmp_path):
    answer = run(
        tmp_path,
        ["labels"],
        """
const width = 600, height = 400, weight = new Float32Array(width * height);
for (let y = 90; y < 310; y++) for (let x = 130; x < 470; x++) weight[y * width + x] = 1;
const crowd = labels.crowdOf(weight, width, height, 1);
const crossings = (found) => found.flatMap((a, i) => found.slice(i + 1).filter((b) => labels.crosses(a.line, b.line))).length;
let seed = 5; const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
const seen = [];
for (let turn = 0; turn < 30; turn++) {
  const groups = Array.from({ length: 10 }, (_, g) => ({ x: 150 + random() * 300, y: 110 + random() * 180, w: 60 + random() * 60, h: 16, text: "g" + g }));
  const once = labels.inOrder(groups, crowd, width, height, []), found = labels.placed(groups, crowd, width, height, []);
  seen.push([crossings(once), crossings(found), once.length, found.length]);
}
say(seen);
""",
    )
    once, placed, *_ = map(sum, zip(*answer, strict=True))
    assert placed < once / 2
    assert all(named >= named_once for _, _, named_once, named in answer)


def test_a_region_that_is_looked_at_from_near_is_named_by_its_parts(tmp_path):
    answer = run(
        tmp_path,
        ["labels"],
        """
const names = [
  { level: 0, number: 0, box: [0, 0, 0.5, 0.5] }, { level: 0, number: 1, box: [0.6, 0.6, 0.7, 0.7] }, { level: 0, number: 2, box: [0.8, 0, 1, 0.1] },
  { level: 1, number: 0, within: 0, box: [0, 0, 0.2, 0.2] }, { level: 1, number: 1, within: 0, box: [0.2, 0.2, 0.5, 0.5] }, { level: 1, number: 2, within: 1, box: [0.6, 0.6, 0.7, 0.7] },
];
const seen = (zoom) => labels.levels(names, (x, y) => [x * 500 * zoom, 500 - y * 500 * zoom], zoom, 500, 500).map((one) => `${one.level}.${one.number}`);
say([1, 1.7, 5].map(seen));
""",
    )
    assert answer == [["0.0", "0.1", "0.2"], ["0.1", "0.2", "1.0", "1.1"], ["0.2", "1.0", "1.1", "1.2"]]
