"""``%chroma use``: choose the collection that the next commands mean."""

from __future__ import annotations

import argparse

from chroma_nb.jupyter.command_line import Command, Parser
from chroma_nb.jupyter.session import Session


def _arguments(parser: Parser) -> None:
    parser.add_argument("collection", nargs="?", type=parser.text, help="its name, or a variable that holds it")


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> None:
    if arguments.collection is not None:
        session.current_collection = session.collection(arguments.collection)
    collection = session.current_collection = session.current_collection or session.only_collection()
    session.say(f"Using {collection.name}: {collection.count():,} records.")


COMMAND = Command(
    name="use",
    summary="Choose the collection for the next commands. Without a name, show which it is.",
    examples=("%chroma use papers", "%chroma use"),
    arguments=_arguments,
    run=_run,
)
