"""``%chroma map``: a collection as a live map."""

from __future__ import annotations

import argparse

from IPython.core.error import UsageError

from chroma_nb.collection import Collection, client_of
from chroma_nb.jupyter.command_line import Command, Parser
from chroma_nb.jupyter.commands.options import (
    add_contains,
    add_output,
    add_where,
    compiled,
    filters,
    only_target,
    table_among,
)
from chroma_nb.jupyter.session import Session
from chroma_nb.jupyter.widgets.explore import explore
from chroma_nb.projection.projection import project
from chroma_nb.projection.reducers import REDUCERS
from chroma_nb.types import Options


def _arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="[COLLECTION]", help="or a variable with a table")
    parser.add_argument("--method", choices=("auto", *REDUCERS), default="auto", help="default auto: UMAP if installed")
    parser.add_argument("--dims", choices=("2", "3"), default="2", help="dimensions of the map; default 2")
    parser.add_argument("--color", metavar="KEY", help="metadata key, or label (regions, the default)")
    parser.add_argument("--size", metavar="KEY", help="metadata key of numbers")
    parser.add_argument("--sample", type=parser.whole, help="draw as many records")
    add_where(parser)
    add_contains(parser)
    add_output(parser)


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> object:
    table = table_among(session, arguments.words)
    collection = only_target(session, arguments.words, "map") if table is None else None
    found = compiled(session, arguments.where, arguments.contains, on=collection)
    options: Options = {**filters(found), "sample": arguments.sample}
    try:
        if arguments.form is not None:  # --as df: the table of coordinates, without the widget
            for name in ("color", "size"):
                if getattr(arguments, name) is not None:
                    session.say(f"--{name} is ignored: with --as the map is not drawn.")
            return _projected(collection, table, arguments, options)
        options |= {"color": arguments.color or "label", "size": arguments.size}
        if collection is not None:
            options["client"] = client_of(collection, [*session.clients.values(), *session.named().values()])
        return explore(table if collection is None else collection, arguments.method, int(arguments.dims), **options)
    except ValueError as error:
        raise UsageError(f"%chroma map: {error}") from None


def _projected(collection: Collection | None, table: object, arguments: argparse.Namespace, options: Options) -> object:
    """The map of the collection, or of the table, which is a collection meanwhile."""
    if collection is not None:
        return project(collection, arguments.method, int(arguments.dims), **options)
    from chroma_nb.workbench import temporary  # for this only

    made = temporary.collected(table)
    try:
        return project(made.collection, arguments.method, int(arguments.dims), **options)
    finally:
        made.drop()


COMMAND = Command(
    name="map",
    summary="A live map of a collection or a table: lasso, search, table.",
    examples=(
        "%chroma map papers",
        "%chroma map df    a DataFrame",
        "%chroma map papers --color topic --where 'year > 2020'",
        "%chroma map papers --contains protein",
        "%chroma map papers --as df",
    ),
    arguments=_arguments,
    run=_run,
)
