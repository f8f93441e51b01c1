"""Dates in editors: what is picked is stored in the form that was there."""

import json
import shutil
import subprocess

import pytest

from chroma_nb.workbench import assets

NODE = shutil.which("node")


def run(expression):
    """What a JavaScript expression is, in which the functions of dates.js are known."""
    if NODE is None:
        pytest.skip("no node on this machine")
    script = assets.script().replace("export default", "const widget =")
    code = f"{script}\nconst {{ picker, stored }} = dates_js;\nconsole.log(JSON.stringify({expression}))"
    done = subprocess.run([NODE, "--input-type=module", "-"], input=code, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


STORED = [
    ("date", "2024-05-01", "2024-05-01", "2023-12-31", "2023-12-31"),
    ("date", "2024-05-01T09:30", "2024-05-01T09:30:00", "2023-12-31T10:00:00", "2023-12-31T10:00"),
    ("date", "2024-05-01T09:30", "2024-05-01T09:30:00", "2023-12-31T10:00:05", "2023-12-31T10:00:05"),
    ("date", "2024-05-01 09:30:15 +02:00", "2024-05-01T09:30:15", "2023-12-31T10:00", "2023-12-31 10:00:00 +02:00"),
    (
        "date",
        "2024-05-01T09:30:15.12345Z",
        "2024-05-01T09:30:15",
        "2024-05-02T09:30:15",
        "2024-05-02T09:30:15.12345Z",
    ),
    ("epoch_s", "1758568000", "2025-09-22T19:06:40", "2025-09-22T19:06:41", "1758568001"),
    ("epoch_s", "1758568000.25", "2025-09-22T19:06:40", "2025-09-22T19:06:41", "1758568001.25"),
    ("epoch_ms", "1758568000125", "2025-09-22T19:06:40", "2025-09-22T19:06:41", "1758568001125"),
]


@pytest.mark.parametrize(("as_", "text", "shown", "picked", "then"), STORED)
def test_a_date_is_picked_and_stored_as_it_was_stored(as_, text, shown, picked, then):
    field = json.dumps({"as": as_, "text": text})
    value, same, other, none = run(
        f"""(() => {{
          const field = {field}, {{ value }} = picker(field);
          return [value, stored(field, value), stored(field, {picked!r}), stored(field, "")];
        }})()"""
    )
    assert (value, same, other, none) == (shown, text, then, "")


@pytest.mark.parametrize(
    ("as_", "text"),
    [("date", "soon"), ("date", "2024-05-01T"), ("epoch_s", "1e9"), ("epoch_s", "-5"), ("epoch_ms", "9e99")],
)
def test_what_is_no_such_date_is_edited_as_it_is(as_, text):
    assert run(f"picker({json.dumps({'as': as_, 'text': text})})") is None
