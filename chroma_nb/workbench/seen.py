"""What the parts of a workbench share in Python: collection, filter, search and order, selection. No widgets here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from chroma_nb.collection import Client
from chroma_nb.projection.layout import Box
from chroma_nb.types import Json
from chroma_nb.workbench.changes import Changes
from chroma_nb.workbench.points import Points
from chroma_nb.workbench.selection import Selection
from chroma_nb.workbench.source import Listing, Question, Source


@dataclass
class Seen:
    """What is seen of a collection now."""

    source: Source
    selection: Selection
    question: Question = field(default_factory=Question)
    #: What writes; None where nothing may.
    changes: Changes | None = None
    #: Where exported collections are made; None for a client among the variables of the notebook.
    client: Client | None = None
    #: Called after records were written, here or elsewhere: what was read is read again.
    renewed: Callable[[], object] = lambda: None
    #: Shows only the records with these ids, or all again.
    narrow: Callable[[Iterable[str] | None], object] = lambda ids: None
    #: What a saved notebook shows is this from now on, of the map the box that is looked at.
    keep: Callable[[Box | None], object] = lambda box: None
    #: The map; of the whole collection unless said otherwise.
    points: Points = field(init=False)

    def __post_init__(self) -> None:
        self.points = Points(self.source.collection)

    @property
    def listing(self) -> Listing:
        """What the question finds."""
        return self.source.listing(self.question)

    def columns(self) -> list[Json]:
        """The columns that are known, as the page is told of them."""
        with self.source.lock:
            return [column.json() for column in self.source.columns.known.values()]

    def writable(self) -> Changes:
        """What writes; PermissionError where the workbench only reads."""
        if self.changes is None:
            raise PermissionError("this workbench is read-only; to edit, use browse(collection, readonly=False)")
        return self.changes
