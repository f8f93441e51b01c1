"""The sub-commands of ``%chroma``: one row here, one file each.

A file is loaded when its command is first called or completed; it defines ``COMMAND``.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from IPython.core.error import UsageError

from chroma_nb.jupyter.command_line import Command, Parser, Quoted, suggestion
from chroma_nb.jupyter.session import Session

#: Name -> the module that holds it and what it is for, in the order of the overview.
COMMANDS: dict[str, tuple[str, str]] = {
    "connect": ("chroma_nb.jupyter.commands.connect", "open a database, or choose a client of the notebook"),
    "list": ("chroma_nb.jupyter.commands.list_collections", "the collections and the number of their records"),
    "use": ("chroma_nb.jupyter.commands.use", "choose the collection for the next commands"),
    "create": ("chroma_nb.jupyter.commands.create", "create a collection"),
    "add": ("chroma_nb.jupyter.commands.add", "add a DataFrame, a list of texts, or the lines of a cell"),
    "get": ("chroma_nb.jupyter.commands.get", "records by id or filter"),
    "query": ("chroma_nb.jupyter.commands.query", "the records nearest to a text, a vector or other records"),
    "search": ("chroma_nb.jupyter.commands.search", "records by similar meaning and by words"),
    "peek": ("chroma_nb.jupyter.commands.peek", "the first records"),
    "sample": ("chroma_nb.jupyter.commands.sample", "a few records at random"),
    "map": ("chroma_nb.jupyter.commands.draw_map", "a live map: lasso, search, table"),
    "browse": ("chroma_nb.jupyter.commands.browse", "page, search and edit records in a live view"),
    "count": ("chroma_nb.jupyter.commands.count", "the number of records"),
    "facets": ("chroma_nb.jupyter.commands.facets", "the values of a metadata key and their counts"),
    "describe": ("chroma_nb.jupyter.commands.describe", "the contents of a collection, key by key"),
    "delete": ("chroma_nb.jupyter.commands.delete", "delete records or a collection"),
    "copy": ("chroma_nb.jupyter.commands.copy_collection", "copy a collection, or a part of it"),
    "model": (
        "chroma_nb.jupyter.commands.model",
        "the embedding function of a collection; download Chroma's own model",
    ),
    "dropin": ("chroma_nb.jupyter.commands.dropin", "import chroma_nb when code says import chromadb"),
    "save": ("chroma_nb.jupyter.commands.save", "save a command under a name"),
    "run": ("chroma_nb.jupyter.commands.run", "run a saved command"),
}


def command(name: str) -> Command:
    """Return the sub-command of that name; raise a UsageError with a suggestion if it does not exist."""
    if name not in COMMANDS:
        hint = suggestion(name, COMMANDS) or "; %chroma lists the commands"
        raise UsageError(f"%chroma has no command {name!r}{hint}")
    found: Command = import_module(COMMANDS[name][0]).COMMAND
    return found


def dispatch(session: Session, words: list[str], cell: str | None = None) -> object:
    """Do what the words say; what comes back is displayed, or assigned to ``--out``."""
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(overview())
        return None
    chosen = command(words[0])
    if any(word in ("-h", "--help") and not isinstance(word, Quoted) for word in (words[1:2] if chosen.raw else words)):
        sys.stdout.write(Parser(chosen, session).format_help())
        return None
    if cell is not None and not chosen.takes_cell:
        raise UsageError(f"%%chroma {chosen.name} takes no text below it. Write %chroma {chosen.name}")
    if chosen.raw:
        # its words are another command: it is handed what looks that up, and what runs it
        return chosen.run(session, argparse.Namespace(words=words[1:], command=command, dispatch=dispatch), cell)
    arguments = Parser(chosen, session).read(words[1:])
    return _delivered(session, chosen.run(session, arguments, cell), arguments)


def _delivered(session: Session, result: object, arguments: argparse.Namespace) -> object:
    """The result in the requested form, assigned to a variable if one is named."""
    if hasattr(arguments, "form"):  # a browser has to_df() too, but is not a result
        form = arguments.form or session.settings.result
        result = result.to_df() if form == "df" and hasattr(result, "to_df") else result
    name = getattr(arguments, "out", None)
    if name is None:
        return result
    session.assign(name, result)
    return None


def overview() -> str:
    """The list of commands."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, (_, summary) in COMMANDS.items()]
    return "%chroma COMMAND …; add -h to a command for its help\n" + "\n".join(lines) + "\n"
