"""``%chroma browse``: the live browser of a collection, or of all of them."""

from __future__ import annotations

import argparse

from IPython.core.error import UsageError

from chroma_nb.jupyter.command_line import Command, Parser
from chroma_nb.jupyter.commands.options import add_contains, add_where, compiled, filters, only_target, table_among
from chroma_nb.jupyter.session import Session
from chroma_nb.jupyter.widgets.browse import browse


def _arguments(parser: Parser) -> None:
    parser.add_argument(
        "words", nargs="*", metavar="[COLLECTION]", help="or a variable with a DataFrame or another table"
    )
    parser.add_argument("--write", action="store_true", help="may also create, edit and delete records")
    add_where(parser)
    add_contains(parser)


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> object:
    readonly = not arguments.write
    table = table_among(session, arguments.words)
    if table is not None:
        given = filters(compiled(session, arguments.where, arguments.contains))
        try:
            return browse(table, readonly=readonly, **given)
        except ValueError as error:
            raise UsageError(f"%chroma browse: {error}") from None
    if arguments.words or session.current_collection is not None:
        collection = only_target(session, arguments.words, "browse")
        found = compiled(session, arguments.where, arguments.contains, on=collection)
        return browse(collection, readonly=readonly, **filters(found))
    for option in ("where", "contains"):
        if getattr(arguments, option) is not None:
            raise UsageError(f"--{option} needs a collection: %chroma browse COLLECTION --{option} …")
    return browse(session.client(), readonly=readonly)


COMMAND = Command(
    name="browse",
    summary="Page, search and filter a collection or a table in the notebook; without a name, all collections.",
    examples=(
        "%chroma browse papers",
        "%chroma browse df    a DataFrame",
        '%chroma browse papers --where "year > 2020"',
        "%chroma browse papers --write",
    ),
    arguments=_arguments,
    run=_run,
)
