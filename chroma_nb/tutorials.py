"""``chroma-nb tutorials DIR``: copy the notebooks and their data to where you can work on them.

In a source tree they are in ``notebooks/``; the wheel brings them in ``chroma_nb/notebooks/``.
"""

from __future__ import annotations

import re
import shutil
from importlib import metadata
from pathlib import Path

_PACKAGE = Path(__file__).parent
_PLACES = (_PACKAGE / "notebooks", _PACKAGE.parent / "notebooks")
#: A tutorial's link to a page of the documentation, which lies beside the tutorials in a source tree only.
_GUIDE = re.compile(r"\[([^\[\]]+)\]\(\.\./docs/([\w/-]+)\.md(#[\w-]+)?\)")


def folder() -> Path:
    """Where the tutorials are in this installation; FileNotFoundError when it has none."""
    for place in _PLACES:
        if any(place.glob("[0-9]*.ipynb")):
            return place
    raise FileNotFoundError(
        "The tutorials are missing from this installation. Install chroma-nb again, from its wheel."
    )


def copy_tutorials(directory: Path) -> list[str]:
    """Copy them, data included; the names of the notebooks, in order.

    Links to guides lead to the published documentation, where this release knows its address; else they become text.
    A file that is there already is somebody's work: FileExistsError, and nothing is copied.
    """
    source = folder()
    files = [*sorted(source.glob("[0-9]*.ipynb")), *sorted((source / "data").rglob("*"))]
    wanted = {path: directory / path.relative_to(source) for path in files if path.is_file()}
    taken = [target for target in wanted.values() if target.exists()]
    if taken:
        raise FileExistsError(f"{taken[0]} exists already. Nothing was copied: choose another directory.")
    for path, target in wanted.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".ipynb":
            target.write_text(_without_neighbours(path.read_text("utf-8"), published()), "utf-8", newline="\n")
        else:
            shutil.copyfile(path, target)
    return [target.name for target in wanted.values() if target.suffix == ".ipynb"]


def published() -> str | None:
    """The address of this release's documentation, which its metadata lists; None where it lists none."""
    try:
        listed = metadata.metadata("chroma-nb").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return None
    found = dict(entry.split(", ", 1) for entry in listed)
    return found.get("Documentation")


def _without_neighbours(notebook: str, site: str | None) -> str:
    """A notebook's text, its links to guides leading to ``site``."""
    return _GUIDE.sub(rf"[\1]({site.rstrip('/')}/\2.html\3)" if site else r"\1", notebook)
