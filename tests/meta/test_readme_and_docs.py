"""README and docs: local links lead somewhere, the ten lines run, the version is said once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import chroma_nb

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("[!_t]*/*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_local_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    targets = [target for target in LINK.findall(text) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_ten_lines_of_the_readme_run(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "Sourdough needs a day to rise.\n"), done.stderr


def test_the_citation_names_this_version() -> None:
    assert f"\nversion: {chroma_nb.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_changelog_has_a_section_for_this_version() -> None:
    assert re.search(rf"^## .*\b{re.escape(chroma_nb.__version__)}\b", (ROOT / "docs/changelog.md").read_text(), re.M)


def test_the_reference_names_every_public_name() -> None:
    words = set(re.findall(r"\w+", (ROOT / "docs/reference.md").read_text()))
    assert set(chroma_nb.__all__) - {"__version__"} - words == set()
