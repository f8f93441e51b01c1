"""``%chroma list``: the collections and their counts."""

from __future__ import annotations

import argparse

from chroma_nb._optional import require
from chroma_nb.collection import collection_names, opened
from chroma_nb.jupyter.command_line import Command, Parser
from chroma_nb.jupyter.commands.options import add_output
from chroma_nb.jupyter.session import Session


def _arguments(parser: Parser) -> None:
    add_output(parser)


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> object:
    pd = require("pandas", feature="%chroma list")
    client = session.client()
    collections = [opened(client, name) for name in collection_names(client)]
    return pd.DataFrame(
        {
            "collection": [collection.name for collection in collections],
            "records": [collection.count() for collection in collections],
        }
    )


COMMAND = Command(
    name="list",
    summary="The collections of the client in use and the number of their records, as a DataFrame.",
    examples=("%chroma list", "names = %chroma list"),
    arguments=_arguments,
    run=_run,
)
