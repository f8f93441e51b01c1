"""README, docs and tutorials: local links and anchors lead somewhere, the README runs, the version is said once."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import chroma_nb

ROOT = Path(__file__).parents[2]
MARKDOWN = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs/how-to").glob("*.md")])
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", flags=re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", flags=re.MULTILINE)


def text_of(page: Path) -> str:
    """The Markdown of a page or of a notebook."""
    if page.suffix != ".ipynb":
        return page.read_text(encoding="utf-8")
    cells = json.loads(page.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def anchors(page: Path) -> set[str]:
    """What stands behind the # in links to the headings of a page, as GitHub and MyST make it."""
    headings = HEADING.findall(re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def lead_nowhere(page: Path) -> list[str]:
    """The local links of a page whose file, or heading of it, is not there."""
    lost = []
    for target, anchor in LINK.findall(CODE.sub("", text_of(page))):
        file = page.parent / target if target else page
        if "://" in target or target.startswith("mailto:"):
            continue
        if not file.exists() or (anchor and anchor not in anchors(file)):
            lost.append(f"{target}#{anchor}" if anchor else target)
    return lost


@pytest.mark.parametrize("page", [*MARKDOWN, *NOTEBOOKS], ids=lambda page: str(page.relative_to(ROOT)))
def test_local_links_and_their_anchors_lead_somewhere(page: Path) -> None:
    assert lead_nowhere(page) == []


def test_a_lost_link_and_a_lost_anchor_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# What it's not, here\n[a](absent.md) [b](#what-its-not-here) [c](page.md#gone) `[d](code.md)`")
    assert lead_nowhere(page) == ["absent.md", "page.md#gone"]


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    code = [sys.executable, "-c", "".join(blocks)]
    done = subprocess.run(
        code, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    first, _, *table = done.stdout.splitlines()
    assert first == "Sourdough needs a day to rise."
    assert [row.split()[2] for row in table] == ["f2", "f3"]


def test_the_citation_names_this_version() -> None:
    assert f"\nversion: {chroma_nb.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_changelog_has_a_section_for_this_version() -> None:
    assert re.search(rf"^## .*\b{re.escape(chroma_nb.__version__)}\b", (ROOT / "docs/changelog.md").read_text(), re.M)


def test_the_reference_names_every_public_name() -> None:
    words = set(re.findall(r"\w+", (ROOT / "docs/reference.md").read_text()))
    assert set(chroma_nb.__all__) - {"__version__"} - words == set()
