"""Why a record was found, marked in its document: what filters look for, the words that a search found. No widgets."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from chroma_nb.display.formatters import document_marks
from chroma_nb.display.markup import Marks, exact, stretches, words
from chroma_nb.types import Json
from chroma_nb.workbench.columns import CELL_LETTERS, cell
from chroma_nb.workbench.seen import Seen

#: Letters of a document in which a cell looks for something marked, and those it shows before that at most.
_LOOKED: Final = 20_000
_BEFORE: Final = 32


def of_record(seen: Seen, id_: str) -> list[Marks]:
    """What marks in the document of this record why it is there."""
    question = seen.question
    of_filters = document_marks(question.where_document)
    found = seen.source.hits(question).found.get(id_)
    if question.search is None or found is None or not found.words:
        return of_filters
    if question.search.case:
        return [*of_filters, *map(exact, found.words)]
    return [*of_filters, *filter(None, [words(found.words)])]


def _first(marks: Marks) -> Marks:
    """As many marks as a cell has letters: a pattern may match each of them."""
    return lambda text: islice((span for span in marks(text) if span[0] < span[1]), CELL_LETTERS)


def excerpt(text: str, marks: Iterable[Marks]) -> Json | None:
    """A document for a cell, from shortly before the first mark on; None where nothing is marked.

    Its ``parts`` are texts, each with whether it is marked; ``text`` is all of them.

    >>> excerpt("A wren sings.", [exact("wren")])["parts"]
    [('A ', False), ('wren', True), (' sings.', False)]
    """
    parts = stretches(text[:_LOOKED], list(map(_first, marks)))
    first = next((number for number, (_, marked) in enumerate(parts) if marked), None)
    if first is None:
        return None
    if first and len(parts[0][0]) > _BEFORE:
        near = parts[0][0][-_BEFORE:]
        parts[0] = "…" + near[near.find(" ") + 1 :], False
    shown: list[tuple[str, bool]] = []
    left = CELL_LETTERS
    for part, marked in parts:
        shown.append((cell(part, left), marked))
        left -= len(part)
        if left <= 0:
            break
    if left >= 0 and (len(shown) < len(parts) or len(text) > _LOOKED):  # cut between two parts, or behind the last
        shown.append(("…", False))
    return {"kind": "marked", "parts": shown, "text": "".join(part for part, _ in shown)}
