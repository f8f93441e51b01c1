"""``%chroma describe``: what is in a collection, key by key."""

from __future__ import annotations

import argparse

from chroma_nb.jupyter.command_line import Command, Parser
from chroma_nb.jupyter.commands.options import add_output, only_target, ours
from chroma_nb.jupyter.session import Session


def _arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="[COLLECTION]")
    add_output(parser)


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> object:
    result: object = ours(only_target(session, arguments.words, "describe"), "%chroma describe").describe()
    return result


COMMAND = Command(
    name="describe",
    summary="What is in a collection: records, documents, dimension, and what each metadata key holds.",
    examples=("%chroma describe papers", "%chroma describe papers --as df"),
    arguments=_arguments,
    run=_run,
)
