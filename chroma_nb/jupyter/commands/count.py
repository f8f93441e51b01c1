"""``%chroma count``: how many records."""

from __future__ import annotations

import argparse

from chroma_nb.jupyter.command_line import Command, Parser
from chroma_nb.jupyter.commands.options import (
    add_contains,
    add_output,
    add_where,
    compiled,
    filters,
    is_ours,
    note_unknown_keys,
    only_target,
)
from chroma_nb.jupyter.session import Session


def _arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="[COLLECTION]")
    add_where(parser)
    add_contains(parser)
    add_output(parser)


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> int:
    collection = only_target(session, arguments.words, "count")
    found = compiled(session, arguments.where, arguments.contains, on=collection)
    if not (asked := filters(found)):
        return collection.count()
    # chromadb counts only all of them: there the ids of those that pass are fetched
    count: int = collection.count(**asked) if is_ours(collection) else len(collection.get(include=[], **asked)["ids"])
    if not count:
        note_unknown_keys(session, collection, found.where)
    return count


COMMAND = Command(
    name="count",
    summary="The number of records of a collection, or of those that pass a filter.",
    examples=("%chroma count papers", '%chroma count papers --where "year > 2020"'),
    arguments=_arguments,
    run=_run,
)
