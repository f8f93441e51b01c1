"""`.ci/package_metadata.py`: what a package index shows of the README, and the addresses beside it."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HOOK = runpy.run_path(str(ROOT / ".ci" / "package_metadata.py"))
HOME = "https://github.com/acme/chroma_nb"


def metadata() -> dict[str, Any]:
    filled: dict[str, Any] = {}
    HOOK["PackageMetadata"](str(ROOT), {}).update(filled)
    return filled


def test_where_the_repository_is_known_every_link_and_picture_leads_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJECT_REPOSITORY", "acme/chroma_nb")
    filled = metadata()
    targets = re.findall(r"\]\(([^)\s]+)\)", filled["readme"]["text"])
    assert all(target.startswith("https://") for target in targets)
    ours = [re.fullmatch(f"{HOME}/(raw|blob)/main/(.+)", target) for target in targets]
    places = [(link[1], ROOT / link[2]) for link in ours if link]
    assert len(places) > 20
    assert all(place.exists() for _, place in places)
    assert {place.suffix for kind, place in places if kind == "raw"} == {".png"}
    assert filled["urls"]["Source"] == HOME


def test_elsewhere_the_readme_is_as_it_is_and_no_address_is_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROJECT_REPOSITORY", raising=False)
    filled = metadata()
    assert filled["readme"]["text"] == (ROOT / "README.md").read_text("utf-8")
    assert "urls" not in filled


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[a](docs/a.md)", f"[a]({HOME}/blob/main/docs/a.md)"),
        ("![a](a.png)", f"![a]({HOME}/raw/main/a.png)"),
        ("[![a](https://x.org/a.svg)](docs/a.md)", f"[![a](https://x.org/a.svg)]({HOME}/blob/main/docs/a.md)"),
        ("[![a](a.svg)](#b)", f"[![a]({HOME}/raw/main/a.svg)](#b)"),
        ("[a](https://x.org) [b](#here) [c](mailto:a@b.c)", "[a](https://x.org) [b](#here) [c](mailto:a@b.c)"),
        ("[a [b] c](LICENSE#d)", f"[a [b] c]({HOME}/blob/main/LICENSE#d)"),
    ],
)
def test_links(text: str, shown: str) -> None:
    assert HOOK["for_an_index"](text, HOME) == shown
