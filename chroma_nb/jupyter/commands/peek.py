"""``%chroma peek``: the first records."""

from __future__ import annotations

import argparse

from chroma_nb.jupyter.command_line import Command, Parser
from chroma_nb.jupyter.commands.options import add_output, only_target, rich_get
from chroma_nb.jupyter.session import Session
from chroma_nb.jupyter.where_sql import Compiled


def _arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="[COLLECTION]")
    parser.add_argument("-n", "--limit", type=parser.whole, default=5, help="how many; default 5")
    add_output(parser)


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> object:
    collection = only_target(session, arguments.words, "peek")
    result = collection.get(limit=arguments.limit, include=["documents", "metadatas"])
    return rich_get(result, Compiled(None, None))


COMMAND = Command(
    name="peek",
    summary="The first records of a collection.",
    examples=("%chroma peek papers", "%chroma peek papers -n 2 --as df"),
    arguments=_arguments,
    run=_run,
)
