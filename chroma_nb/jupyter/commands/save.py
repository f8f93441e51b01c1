"""``%chroma save``: keep a command under a name."""

from __future__ import annotations

import argparse

from IPython.core.error import UsageError

from chroma_nb.jupyter.command_line import Command, Parser, Quoted, suggestion, written
from chroma_nb.jupyter.session import Session


def _arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?", help="the name; without one, the saved commands are listed")
    parser.add_argument("words", nargs="*", metavar="COMMAND …", help="the command; without one, the name is deleted")


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> None:
    if not arguments.words:
        for name, (words, _) in sorted(session.saved.items()):
            session.say(f"{name}: {' '.join(map(_typed, words))}")
        return
    name, *words = arguments.words
    if words:
        if arguments.command(words[0]).raw:
            raise UsageError(f"%chroma {words[0]} cannot be saved")
        session.saved[name] = (words, cell)
        session.say(f"Saved {name}. Run it with %chroma run {name}")
    elif session.saved.pop(name, None) is None:
        raise UsageError(f"no command is saved as {name!r}{suggestion(name, session.saved)}")
    else:
        session.say(f"Forgot {name}.")


def _typed(word: str) -> str:
    """A word as it is typed again."""
    if isinstance(word, Quoted):
        return written(word)
    option, sign, value = word.partition("=")
    return option + sign + (written(value) if any(map(str.isspace, value)) else value)


COMMAND = Command(
    name="save",
    summary="Save a command under a name for this session. Its :variables get their values when it runs.",
    examples=(
        '%chroma save recent query papers :question --where "year > :since"',
        "%chroma save                             list what is saved",
        "%chroma save recent                      delete it",
    ),
    arguments=_arguments,
    run=_run,
    takes_cell=True,
    raw=True,
)
