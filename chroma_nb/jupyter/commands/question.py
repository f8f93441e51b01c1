"""What a command searches for: the texts of its line or of the cell below it, or the value of a variable."""

from __future__ import annotations

import argparse

from IPython.core.error import UsageError

from chroma_nb.collection import Collection
from chroma_nb.jupyter.command_line import Parser, Quoted, filled, value_of
from chroma_nb.jupyter.commands.options import target
from chroma_nb.jupyter.session import Session


def add_question(parser: Parser, what: str) -> None:
    """The words, how many records, and ``--lines``; ``what`` says what a variable may hold."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[COLLECTION] TEXT …",
        help=f"words without quotes are one query, each quoted text is one; {what}",
    )
    parser.add_argument("-n", "--n-results", type=parser.whole, help="the number of records per query")
    parser.add_argument("--lines", action="store_true", help="in a cell: each line is a query")


def asked(
    session: Session, arguments: argparse.Namespace, cell: str | None, command: str
) -> tuple[Collection, list[object]]:
    """The collection that is meant, and what is searched for in it: at least one value."""
    collection, words = _target(session, arguments.words, cell)
    values = [value_of(word, session) for word in _phrases(words)]
    if cell is not None:
        text = filled(cell, session)
        values += [line.strip() for line in text.splitlines()] if arguments.lines else [text.strip()]
    values = [value for value in values if not (isinstance(value, str) and not value)]
    if not values:
        raise UsageError(f"%chroma {command}: expected a text to search for; %chroma {command} -h shows the help")
    return collection, values


def texts_of(values: list[object]) -> list[str] | None:
    """The texts, where all are texts, or where a variable lists them; None otherwise."""
    if len(values) == 1 and isinstance(values[0], list | tuple) and values[0]:
        values = list(values[0])
    texts = [value for value in values if isinstance(value, str)]
    return texts if len(texts) == len(values) else None


def _target(session: Session, words: list[str], cell: str | None) -> tuple[Collection, list[str]]:
    """A single word is the text where a collection is in use, and the collection where the text is below."""
    if cell is None and len(words) == 1 and session.current_collection is not None:
        return session.current_collection, words
    return target(session, words)


def _phrases(words: list[str]) -> list[str]:
    """Words without quotes are one text, as they were typed; with quotes, or variables, each is one."""
    alone = not any(isinstance(word, Quoted) or word.startswith(":") for word in words)
    return [" ".join(words)] if len(words) > 1 and alone else words
