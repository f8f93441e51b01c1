"""``%chroma copy``: copy a collection, or a part of it."""

from __future__ import annotations

import argparse

from IPython.core.error import UsageError

from chroma_nb.collection import collection_names
from chroma_nb.jupyter.command_line import Command, Parser
from chroma_nb.jupyter.commands.options import add_where, compiled, filters
from chroma_nb.jupyter.session import Session
from chroma_nb.paging import pages
from chroma_nb.records import FIELDS, Records
from chroma_nb.workbench import subset


def _arguments(parser: Parser) -> None:
    parser.add_argument("source", type=parser.text, metavar="COLLECTION")
    parser.add_argument("copy", type=parser.text, metavar="NEW_NAME", help="the name of the new collection")
    add_where(parser)


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> None:
    source, client = session.collection(arguments.source), session.client()
    if arguments.copy in collection_names(client):
        raise UsageError(f"the collection {arguments.copy!r} exists already; nothing was changed")
    where = filters(compiled(session, arguments.where, on=source))
    found = map(Records.of_result, pages(source, subset.BATCH, include=FIELDS, **where))
    copy, written = subset.write(source, client, arguments.copy, found)
    session.say(f"Copied {written:,} records of {source.name} to {copy.name}.")


COMMAND = Command(
    name="copy",
    summary="Copy a collection with its embeddings, or the records that pass a filter.",
    examples=("%chroma copy papers papers-2", '%chroma copy papers recent --where "year > 2020"'),
    arguments=_arguments,
    run=_run,
)
