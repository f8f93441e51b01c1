"""``%chroma delete``: delete records or a collection, after asking."""

from __future__ import annotations

import argparse

from IPython.core.error import UsageError

from chroma_nb.collection import Collection, collection_names, opened
from chroma_nb.display.markup import counted
from chroma_nb.jupyter.command_line import Command, Parser
from chroma_nb.jupyter.commands.get import ids_of
from chroma_nb.jupyter.commands.options import add_where, compiled, filters
from chroma_nb.jupyter.session import Session
from chroma_nb.types import Options


def _arguments(parser: Parser) -> None:
    parser.add_argument("collection", type=parser.text)
    parser.add_argument(
        "ids", nargs="*", metavar="ID", help="the records; without ids and filter, the whole collection"
    )
    add_where(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> None:
    collection = session.collection(arguments.collection)
    if arguments.ids or arguments.where is not None:
        _delete_records(session, collection, arguments)
    else:
        _delete_collection(session, collection, arguments.yes)


def _delete_records(session: Session, collection: Collection, arguments: argparse.Namespace) -> None:
    options: Options = filters(compiled(session, arguments.where, on=collection))
    if arguments.ids:
        options["ids"] = ids_of(session, arguments.ids)
    found = collection.get(include=[], **options)["ids"]
    if not found:
        raise UsageError(f"{collection.name!r} has no such record; nothing was changed")
    what = f"{counted(len(found), 'record')} of {collection.name!r}"
    session.confirm(f"Delete {what}?", arguments.yes)
    collection.delete(**options)
    session.say(f"Deleted {what}.")


def _delete_collection(session: Session, collection: Collection, yes: bool) -> None:
    client = session.client()
    # A variable may hold a collection of another database, where another one has the same name here.
    here = collection.name in collection_names(client)
    if not here or opened(client, collection.name).id != collection.id:
        raise UsageError(
            f"the collection {collection.name!r} does not belong to the client in use; %chroma connect to its own"
        )
    session.confirm(f"Delete the collection {collection.name!r} with {collection.count():,} records?", yes)
    client.delete_collection(collection.name)
    if session.current_collection is not None and session.current_collection.id == collection.id:
        session.current_collection = None
    session.say(f"Deleted the collection {collection.name!r}.")


COMMAND = Command(
    name="delete",
    summary="Delete records, or a whole collection. Asks for confirmation, unless you add --yes.",
    examples=(
        "%chroma delete papers id-1 id-2",
        '%chroma delete papers --where "year < 1990" --yes',
        "%chroma delete papers                    the whole collection",
    ),
    arguments=_arguments,
    run=_run,
)
