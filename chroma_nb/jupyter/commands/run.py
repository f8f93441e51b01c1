"""``%chroma run``: run a saved command."""

from __future__ import annotations

import argparse

from IPython.core.error import UsageError

from chroma_nb.jupyter.command_line import Command, Parser, suggestion
from chroma_nb.jupyter.session import Session


def _arguments(parser: Parser) -> None:
    parser.add_argument("name", help="the name it was saved under")
    parser.add_argument("words", nargs="*", metavar="WORD …", help="words to add to the command")


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> object:
    if not arguments.words:
        raise UsageError("%chroma run: expected the name of a saved command; %chroma save lists them")
    name, *more = arguments.words
    if name not in session.saved:
        raise UsageError(f"no command is saved as {name!r}{suggestion(name, session.saved)}")
    words, text = session.saved[name]
    return arguments.dispatch(session, [*words, *more], text if cell is None else cell)


COMMAND = Command(
    name="run",
    summary="Run a saved command. You can add more words to it.",
    examples=("%chroma run recent", "%chroma run recent -n 3 -o hits"),
    arguments=_arguments,
    run=_run,
    takes_cell=True,
    raw=True,
)
