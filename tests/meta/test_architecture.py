"""docs/architecture.md names every module of the package, in its place, and none that is not there."""

import re
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
