"""The page's half: its arithmetic and its formats, run by node where that is there; its size; its independence."""

import json
import re
import shutil
import subprocess
from importlib import resources

import pytest

from chroma_nb.workbench import assets

NODE = shutil.which("node")
FRONT = resources.files("chroma_nb.workbench") / "front"
SCRIPTS = sorted(file.name for file in FRONT.iterdir() if file.name.endswith(".js"))


def run(expression, *names):
    """What a JavaScript expression is, in which the functions that modules export are known."""
    if NODE is None:
        pytest.skip("no node on this machine")
    script = assets.script().replace("export default", "const widget =")
    known = "".join(f"const {{{', '.join(assets.exported(name))}}} = {name}_js;" for name in names)
    code = f"{script}\n{known}\nconsole.log(JSON.stringify({expression}))"
    done = subprocess.run([NODE, "--input-type=module", "-"], input=code, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_five_workbenches_in_a_saved_notebook_carry_little():
    """Where a notebook is saved with its widgets, each has the loader; the page asks for the scripts, once."""
    assert 5 * (len(assets.loader().encode()) + len(assets.style().encode())) < 150_000
    assert len(assets.style().encode()) < 24_000
    assert len(assets.script().encode()) < 200_000


def test_another_version_of_the_scripts_is_loaded_beside_one_that_a_page_has(monkeypatch):
    before = assets.loader()
    monkeypatch.setattr(assets, "script", lambda: "export default {};")
    assets.loader.cache_clear()
    assert assets.loader() != before
    assets.loader.cache_clear()


def test_the_page_is_given_the_scripts_when_it_asks(birds, show):
    _, page = show(birds)
    page.tell("script")
    assert {"script": assets.script()} in page.heard


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_reads_html_or_looks_outside_of_its_part(name):
    source = (FRONT / name).read_text(encoding="utf-8")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.querySelector|\beval\(|new Function", source
    )


def test_no_script_or_style_loads_anything():
    assert not re.search(r"https?:|@import|url\(", assets.loader() + assets.script() + assets.style())


@pytest.mark.parametrize("total", [0, 1, 500, 100_000, 1_000_000, 3_000_000])
def test_every_row_can_be_scrolled_to(total):
    places = sorted({0, 1, total // 3, total // 2, total - 2, total - 1} & set(range(total)))
    found = run(
        f"""{json.dumps(places)}.map((place) => {{
          const at = extent({total}, 28, 430);
          const top = Math.round(reveal(at, place, 0));
          const first = firstRow(at, top);
          return [top >= 0, top <= Math.max(0, at.tall - at.view) + 1,
                  first <= place + 0.2, place + 1 <= first + at.view / 28 + 0.2,
                  Math.abs(topOf(at, place, top) - top - (place - first) * 28) < 0.01];
        }})""",
        "scroll",
    )
    assert found == [[True] * 5] * len(places)
    assert run(f"extent({total}, 28, 430).tall", "scroll") <= 12_000_000


def test_only_what_is_missing_is_asked_for():
    asked = run(
        """[missing(10, 20, 100, () => false, 5), missing(10, 20, 100, () => true, 5),
            missing(10, 20, 100, (i) => i < 15, 5), missing(95, 100, 100, () => false, 5)]""",
        "scroll",
    )
    assert asked == [[5, 25], None, [15, 25], [90, 100]]


def test_the_document_takes_the_width_that_is_left():
    columns = '[{key: "#id", name: "id", letters: 6}, {key: "#document", name: "document", letters: 300}]'
    assert sum(run(f"widths({columns}, 1000)", "scroll")) == 1000
    assert run(f"widths({columns}, 400)[1]", "scroll") >= 180
    assert run('widths([{key: "x", name: "x", letters: 1, width: 99}], 1000)', "scroll") == [99]


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (None, "text", "—"),
        ("", "text", '""'),
        ("a\n b\t\u001b[31m", "text", "a b ␛[31m"),
        ("שלום\u200f!", "text", "שלום\u200f!"),
        (2024, "integer", "2024"),
        (-12345678, "integer", "-12,345,678"),
        (0.1 + 0.2, "number", "0.3"),
        (1e-9, "number", "1e-9"),
        (1e300, "number", "1e+300"),
        ({"kind": "integer", "text": "99999999999999999999"}, "integer", "99999999999999999999"),
        (True, "boolean", "true"),
        (["a", 2, None], "list", "a, 2, —"),
        ([], "list", "[]"),
        (1758568000, "epoch_s", "2025-09-22 19:06:40"),
        (1758568000000, "epoch_ms", "2025-09-22 19:06:40"),
        (1e300, "epoch_s", "1e+303"),
        ("2024-05-01T13:05:00+02:00", "date", "2024-05-01 13:05 +02:00"),
        ("2024-05-01T13:05:09.5Z", "date", "2024-05-01 13:05:09"),
        ("no date", "date", "no date"),
    ],
)
def test_a_value_is_shown_by_the_type_of_its_column(value, column, text):
    given = json.dumps(value)
    assert run(f"show({given}, {{type: {column!r}, clock: true}}).text", "format") == text


def test_numbers_of_a_column_have_the_same_digits_unless_that_hides_them():
    shown = run("[56.8786, 4, 0.001, 0, -3.25].map((x) => number(x, 2))", "format")
    assert shown == ["56.88", "4.00", "0.001", "0.00", "-3.25"]


def test_a_filter_is_shown_as_python_writes_it():
    where = {"$and": [{"ringed": True}, {"n": {"$in": [1, 2.5]}}, {"it's": {"$ne": 'say "x"\n'}}]}
    text = run(f"pythonText({json.dumps(where)})", "format")
    assert eval(text) == where
