"""What the parts of a workbench share on Python's side: collection, question, selection. No widgets here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from chroma_nb.types import Json
from chroma_nb.workbench.selection import Selection
from chroma_nb.workbench.source import Listing, Question, Source


@dataclass
class Seen:
    """What is seen of a collection now."""

    source: Source
    selection: Selection
    question: Question = field(default_factory=Question)
    #: Called after records were written, here or elsewhere: what was read is read again.
    renewed: Callable[[], object] = lambda: None

    @property
    def listing(self) -> Listing:
        """What the question finds."""
        return self.source.listing(self.question)

    def columns(self) -> list[Json]:
        """The columns that are known, as the page is told of them."""
        with self.source.lock:
            return [column.json() for column in self.source.columns.known.values()]
