"""``%chroma dropin``: make ``import chromadb`` import chroma_nb, and undo that."""

from __future__ import annotations

import argparse

from IPython.core.error import UsageError

from chroma_nb.drop_in import install_as_chromadb, uninstall_as_chromadb
from chroma_nb.jupyter.command_line import Command, Parser
from chroma_nb.jupyter.session import Session


def _arguments(parser: Parser) -> None:
    parser.add_argument("--undo", action="store_true", help="let import chromadb find the real package again")
    parser.add_argument("--children", action="store_true", help="also in the processes that this kernel starts")


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> None:
    if arguments.undo:
        if arguments.children:
            raise UsageError("%chroma dropin: --undo also covers child processes; use it without other options")
        uninstall_as_chromadb()
        session.say("import chromadb finds the real package again.")
        return
    try:
        install_as_chromadb(children=arguments.children)
    except RuntimeError as error:  # another chromadb is in use: the message says which, and what to do
        raise UsageError(str(error)) from None
    also = ", also in processes that this one starts" if arguments.children else ""
    session.say(f"import chromadb now imports chroma_nb{also}. Undo: %chroma dropin --undo")


COMMAND = Command(
    name="dropin",
    summary="Let import chromadb import chroma_nb, in this notebook and the libraries it imports.",
    examples=(
        "%chroma dropin                    before anything imports chromadb",
        "%chroma dropin --children         also in processes that this kernel starts",
        "%chroma dropin --undo",
    ),
    arguments=_arguments,
    run=_run,
)
