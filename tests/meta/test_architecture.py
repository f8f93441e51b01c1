"""docs/architecture.md names every module of the package, in its place, and draws the layers that are kept."""

import re
import tomllib
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Written by the generators: re-exports of Chroma's paths, and the synchronous client.
GENERATED = re.compile(r"chroma_nb/(api|utils|execution|auth|base_types)\b|.*/_sync/")


def named() -> dict[str, set[str]]:
    """Package -> the modules that the page names in it."""
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    listing = text[text.index("chroma_nb/\n") : text.index("\nnotebooks/")]
    found: dict[str, set[str]] = defaultdict(set)
    packages = {0: "chroma_nb"}  # by indentation
    package = "chroma_nb"
    for line in listing.splitlines()[1:]:
        indentation, (first, *_) = len(line) - len(line.lstrip()), line.split()
        if indentation < 20:  # else the line before goes on
            package = packages[indentation - 2]
            if first.endswith("/"):
                package = packages[indentation] = f"{package}/{first[:-1]}"
        found[package].update(re.findall(r"\b\w+\.py\b", re.sub(r"\S+/\S+", "", line)))
    return found


def there() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for path in (ROOT / "chroma_nb").rglob("*.py"):
        name = path.relative_to(ROOT)
        if not GENERATED.match(name.as_posix()) and (path.name != "__init__.py" or name.parent.name == "chroma_nb"):
            found[name.parent.as_posix()].add(path.name)
    return found


def test_the_page_names_the_modules_there_are() -> None:
    page = {package: names for package, names in named().items() if names and not GENERATED.match(f"{package}/")}
    assert page == there()


def drawn() -> list[set[str]]:
    """The layers as the page draws them, from the top."""
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    drawing = text[text.index("Import order, top may import anything below") :].split("```")[1]
    rows = [re.sub(r"^.*: |   .*$", "", line) for line in drawing.strip().splitlines()]
    return [set(re.split(r" [·|] ", row.strip())) for row in rows]


def test_the_page_draws_the_layers_that_are_kept() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["id"] == "layers")
    assert drawn() == [set(row.split(" | ")) for row in layers]
