"""Which cell of the notebook shows which workbench, so that running a cell again frees what its last run showed.

The output of that run is gone from the page, but the front end does not tell the kernel, where every widget would stay
for good. A workbench that a variable still names comes back when it is shown again.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from chroma_nb.types import Json


class Shown(Protocol):
    """What is shown in cells."""

    def close(self) -> None:
        """Give back what it holds."""


@dataclass
class _Cell:
    """What the last run of a cell showed."""

    run: int
    views: weakref.WeakSet[Any] = field(default_factory=weakref.WeakSet)


#: Cell id -> what its last run showed, in this kernel.
_CELLS: dict[str, _Cell] = {}


def running_cell() -> tuple[str, int, list[str]] | None:
    """The id of the cell that is running, the number of its run, the ids of cells deleted; None where no id is told."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "get_parent"):
        return None
    metadata: Json = (shell.get_parent() or {}).get("metadata") or {}
    cell = metadata.get("cellId")
    if not isinstance(cell, str):
        return None
    return cell, int(shell.execution_count), [str(one) for one in metadata.get("deletedCells") or ()]


def begin(place: tuple[str, int, list[str]] | None) -> None:
    """Close what only earlier runs of this cell, or deleted cells, showed."""
    if place is not None:
        _close(_over(place))


def shown(view: Shown, place: tuple[str, int, list[str]] | None) -> None:
    """``view`` is shown in this cell; what only earlier runs of it, or deleted cells, showed is closed."""
    if place is not None:
        gone = _over(place)
        _CELLS[place[0]].views.add(view)
        _close(gone)


def _over(place: tuple[str, int, list[str]]) -> list[Shown]:
    """What earlier runs of this cell, or deleted cells, showed; this run has shown nothing yet."""
    name, run, deleted = place
    gone = [_CELLS.pop(one) for one in deleted if one in _CELLS]
    cell = _CELLS.get(name)
    if cell is None or cell.run != run:
        gone += [cell] if cell is not None else []
        _CELLS[name] = _Cell(run)
    return [one for before in gone for one in before.views]


def _close(views: Iterable[Shown]) -> None:
    for view in views:
        if not any(view in cell.views for cell in _CELLS.values()):
            view.close()
