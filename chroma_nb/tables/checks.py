"""Checks of a table's rows before anything is written. An error names the record and says what to do."""

from __future__ import annotations

import numpy as np

from chroma_nb.cells import short
from chroma_nb.errors import DuplicateIDError
from chroma_nb.records import Records
from chroma_nb.tables.batches import Verb
from chroma_nb.types import IDs


def positive(name: str, number: object) -> None:
    """ValueError unless a whole number of at least 1."""
    if not isinstance(number, int | np.integer) or number < 1:
        raise ValueError(f"expected {name} of at least 1, got {short(number)}")


def refuse_repeated(verb: Verb, seen: set[str], ids: IDs) -> None:
    """DuplicateIDError for an id of an earlier piece; else ``ids`` are ``seen`` from now on."""
    twice = sorted(seen.intersection(ids))
    if twice:
        raise DuplicateIDError(f"Expected IDs to be unique, found duplicates of: {', '.join(twice[:5])} in {verb}.")
    seen.update(ids)


def need_content(verb: Verb, records: Records) -> None:
    """ValueError that names a record which has nothing to be found by; an update needs nothing."""
    has = records.with_vector() | np.array(records.given("documents"), bool)
    if verb == "add":
        has |= np.array(records.given("uris"), bool)
    if verb != "update" and not has.all():
        raise ValueError(
            "Expected an embedding or a document for every record, got neither for "
            f"{records.ids[int(np.argmin(has))]!r} in {verb}. Fill in one of them, or leave the record out."
        )


def only_uris(records: Records) -> dict[str, str]:
    """The ids that ``upsert`` cannot take, which loads nothing from uris, and why."""
    has, document = records.with_vector(), records.given("documents")
    reason = "upsert needs a document or an embedding; the row has only a uri"
    return {
        name: reason for name, vector, text in zip(records.ids, has, document, strict=True) if not vector and not text
    }


def new_without_content(records: Records, known: frozenset[str]) -> dict[str, str]:
    """The ids that are new and cannot be added, and why."""
    parts = (records.with_vector().tolist(), records.given("documents"), records.given("uris"))
    reason = "it has no document, embedding or uri; fill in one of them"
    if records.embeddings is None and records.documents is None and records.uris is None:
        reason = "the table has no column 'document', 'embedding' or 'uri'; name the one with the text: document=\"…\""
    return {
        name: f"the record {name!r} is new, and {reason}"
        for name, *given in zip(records.ids, *parts, strict=True)
        if name not in known and not any(given)
    }


def refuse_row_numbers(ids: IDs) -> None:
    """ValueError when records of these ids, which are row numbers, are there already."""
    if ids:
        raise ValueError(
            "The DataFrame has no id column, so its row numbers would be the ids, and the collection has a record "
            f'{ids[0]!r} already. Pass the name of the id column: id="…". Or use a named index (df.set_index).'
        )


def say_more(error: Exception, text: str) -> None:
    """Add to what an error says; its class stays."""
    error.args = (f"{error}; {text}",)
