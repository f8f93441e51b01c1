"""The sub-commands of ``%chroma``: one row here, one file each.

A file is loaded when its command is first called or completed; it defines ``COMMAND``.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import Any

from IPython.core.error import UsageError

from chroma_nb.jupyter.command_line import Command, Parser, suggestion
from chroma_nb.jupyter.session import Session

#: Name -> the module that holds it and what it is for, in the order of the overview.
COMMANDS: dict[str, tuple[str, str]] = {
    "connect": ("connect", "open a database, or choose a client of the notebook"),
    "list": ("list_collections", "the collections and their counts"),
    "use": ("use", "choose the collection that the next commands mean"),
    "create": ("create", "make a collection"),
    "add": ("add", "add a DataFrame, a list of texts, or the lines of a cell"),
    "get": ("get", "records by id or filter"),
    "query": ("query", "the records nearest to a text or vector"),
    "peek": ("peek", "the first records"),
    "map": ("draw_map", "a live map: lasso, search, table"),
    "browse": ("browse", "page, search and edit records in a live view"),
    "count": ("count", "how many records"),
    "delete": ("delete", "delete records or a collection"),
    "copy": ("copy_collection", "copy a collection, or a part of it"),
    "model": ("model", "what embeds a collection's texts; Chroma's own model downloaded"),
    "dropin": ("dropin", "import chromadb gives chroma_nb from here on"),
    "save": ("save", "keep a command under a name"),
    "run": ("run", "run a saved command"),
}


def command(name: str) -> Command:
    """The sub-command of that name; UsageError with a suggestion when there is none."""
    if name not in COMMANDS:
        hint = suggestion(name, COMMANDS) or "; %chroma lists them"
        raise UsageError(f"%chroma has no command {name!r}{hint}")
    found: Command = import_module(f"chroma_nb.jupyter.commands.{COMMANDS[name][0]}").COMMAND
    return found


def dispatch(session: Session, words: list[str], cell: str | None = None) -> Any:
    """Do what the words say; what comes back is displayed, or assigned to ``--out``."""
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(overview())
        return None
    chosen = command(words[0])
    if {"-h", "--help"} & set(words[1:2] if chosen.raw else words):
        sys.stdout.write(Parser(chosen, session).format_help())
        return None
    if cell is not None and not chosen.takes_cell:
        raise UsageError(f"%%chroma {chosen.name} takes no text below it; write %chroma {chosen.name}")
    if chosen.raw:
        return chosen.run(session, argparse.Namespace(words=words[1:]), cell)
    arguments = Parser(chosen, session).read(words[1:])
    return _delivered(session, chosen.run(session, arguments, cell), arguments)


def _delivered(session: Session, answer: Any, arguments: argparse.Namespace) -> Any:
    """The answer in the form asked for, put into a variable where one is named."""
    if hasattr(arguments, "form"):  # a browser has to_df() too, but is no answer
        form = arguments.form or session.settings.result
        answer = answer.to_df() if form == "df" and hasattr(answer, "to_df") else answer
    name = getattr(arguments, "out", None)
    if name is None:
        return answer
    session.assign(name, answer)
    return None


def overview() -> str:
    """The list of commands."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, (_, summary) in COMMANDS.items()]
    return "%chroma COMMAND …; each with -h\n" + "\n".join(lines) + "\n"
