"""``%chroma facets``: which values metadata keys have, and how many records each."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from chroma_nb._optional import require
from chroma_nb.collection import Collection
from chroma_nb.facets import Facet
from chroma_nb.jupyter.command_line import Command, Parser, suggestion
from chroma_nb.jupyter.commands.get import ids_of
from chroma_nb.jupyter.commands.options import (
    add_contains,
    add_output,
    add_where,
    compiled,
    filters,
    note_unknown_keys,
    ours,
    target,
)
from chroma_nb.jupyter.session import Session, metadata_keys

if TYPE_CHECKING:
    import pandas


class Facets(list[Facet]):
    """The facets of several keys, shown one below the other."""

    def to_df(self) -> pandas.DataFrame:
        """The values of all keys, one row a value."""
        pd = require("pandas", feature="%chroma facets --as df")
        tables = [facet.to_df().astype({"value": object}) for facet in self]
        for facet, table in zip(self, tables, strict=True):
            table.insert(0, "key", facet.key)
        frame: pandas.DataFrame = pd.concat(tables, ignore_index=True)
        return frame

    def __str__(self) -> str:
        return "\n\n".join(map(str, self))

    def _repr_html_(self) -> str:
        return "".join(facet._repr_html_() for facet in self)


def _arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="[COLLECTION] KEY …", help="metadata keys")
    parser.add_argument("-n", "--limit", type=parser.whole, default=20, help="the number of values per key; default 20")
    add_where(parser)
    add_contains(parser)
    add_output(parser)


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> object:
    named, words = target(session, arguments.words)
    keys = ids_of(session, words)
    if not keys:
        known = ", ".join(list(metadata_keys(named))[:10])
        raise UsageError(f"%chroma facets: expected a metadata key; the keys are: {known or 'none'}")
    found = compiled(session, arguments.where, arguments.contains, on=named)
    facets = Facets(ours(named, "%chroma facets").facets(keys, limit=arguments.limit, **filters(found)))
    if not facets[0].records:
        note_unknown_keys(session, named, found.where)
    elif lacking := [facet.key for facet in facets if facet.missing == facet.records]:
        _note_lacking(session, named, lacking, "record that passed the filter" if filters(found) else "record")
    return facets if len(facets) > 1 else facets[0]


def _note_lacking(session: Session, collection: Collection, keys: list[str], who: str) -> None:
    """Say of keys that nobody has what was perhaps meant."""
    known = metadata_keys(collection)
    for key in keys:
        if key not in known:
            session.say(f"No {who} has the key {key!r}{suggestion(key, known)}")


COMMAND = Command(
    name="facets",
    summary="The values of metadata keys and how many records have them; ranges of numbers and dates.",
    examples=(
        "%chroma facets papers topic",
        '%chroma facets papers topic year --where "year > 2020"',
        "%chroma facets papers topic --as df",
    ),
    arguments=_arguments,
    run=_run,
)
