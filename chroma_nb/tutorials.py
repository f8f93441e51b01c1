"""``chroma-nb tutorials DIR``: copy the notebooks and their data to where you can work on them.

In a source tree they are in ``notebooks/``; the wheel brings them in ``chroma_nb/notebooks/``.
"""

from __future__ import annotations

import shutil
from pathlib import Path

_PACKAGE = Path(__file__).parent
_PLACES = (_PACKAGE / "notebooks", _PACKAGE.parent / "notebooks")


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
        shutil.copyfile(path, target)
    return [target.name for target in wanted.values() if target.suffix == ".ipynb"]
