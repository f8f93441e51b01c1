"""``%chroma connect``: open a database, or choose a client of the notebook."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from urllib.parse import urlsplit

from IPython.core.error import UsageError

from chroma_nb.client.factory import EphemeralClient, HttpClient, PersistentClient
from chroma_nb.collection import Client, collection_names, is_client
from chroma_nb.display.markup import counted
from chroma_nb.jupyter.command_line import Command, Parser, suggestion, value_of
from chroma_nb.jupyter.session import Session
from chroma_nb.types import Options


def _arguments(parser: Parser) -> None:
    parser.add_argument(
        "target", nargs="?", help="memory, a directory, http://HOST:PORT, or a variable that is a client"
    )
    parser.add_argument("--alias", type=parser.text, help="a name for this client")
    parser.add_argument("--tenant", type=parser.text)
    parser.add_argument("--database", type=parser.text)
    parser.add_argument("--list", action="store_true", help="list the open clients")
    parser.add_argument("--close", metavar="ALIAS", help="close a client that %%chroma connect opened")


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> None:
    if arguments.close is not None:
        _close(session, arguments.close)
    elif arguments.list or arguments.target is None:
        _list(session)
    else:
        _connect(session, arguments)


def _connect(session: Session, arguments: argparse.Namespace) -> None:
    name, is_new = _named(session, arguments.target), False
    alias = arguments.alias or name
    # The variable first: a cell that is run again may have put another client into it.
    if is_client(value := value_of(arguments.target, session)):
        session.clients[alias] = value
    elif name not in session.opened and is_client(named := session.named().get(name)):
        session.clients[alias] = named
    elif name in session.clients:
        session.clients[alias] = session.clients[name]
    else:
        _refuse_other_variable(session, name)
        place: Options = {
            key: value for key in ("tenant", "database") if (value := getattr(arguments, key)) is not None
        }
        is_new = name != "memory" and not urlsplit(name).scheme and not Path(name).exists()
        session.clients[alias] = _open(session, name, place)
        session.opened.add(alias)
    session.current_client, session.current_collection = alias, None
    count = len(collection_names(session.clients[alias]))
    created = ", a new directory" if is_new else ""
    session.say(f"Connected to {alias}{created}: {counted(count, 'collection')}.")


def _named(session: Session, word: str) -> str:
    """The name of a client, or the place, that a word means; for a variable that is not a client, its text."""
    value = value_of(word, session)
    if is_client(value):
        return word.strip(":{}")
    if not isinstance(value, str | os.PathLike):
        raise UsageError(f"expected {word!r} to be a client, a directory or an address, got a {type(value).__name__}")
    return str(value)


def _refuse_other_variable(session: Session, name: str) -> None:
    """A variable's name that was meant as a client, before it becomes a directory."""
    if name != "memory" and name in session.named() and not Path(name).exists():
        kind = type(session.named()[name]).__name__
        raise UsageError(
            f"the variable {name!r} is not a client but a {kind}. For its text write :{name}, for a directory ./{name}"
        )


def _open(session: Session, target: str, place: Options) -> Client:
    if target == "memory":
        return EphemeralClient(**place)
    parts = urlsplit(target)
    if parts.scheme in ("http", "https"):
        if parts.username or parts.password:
            raise UsageError("do not write a password in a cell: create the client in Python and connect its variable")
        port = parts.port or (443 if parts.scheme == "https" else 8000)
        return HttpClient(host=parts.hostname or "", port=port, ssl=parts.scheme == "https", **place)
    if parts.scheme and "//" in target:
        raise UsageError(f"expected memory, a directory, http://… or a client's variable, got {target!r}")
    return PersistentClient(path=target, **place)


def _list(session: Session) -> None:
    names = [*session.clients, *(name for name in session.client_variables() if name not in session.clients)]
    if not names:
        session.say("No database is open. Open one with %chroma connect PATH, or %chroma connect memory.")
    for name in names:
        session.say(f"{'*' if name == session.current_client else ' '} {name}")


def _close(session: Session, alias: str) -> None:
    if alias not in session.clients:
        raise UsageError(f"no client {alias!r}{suggestion(alias, session.clients)}")
    client = session.clients.pop(alias)
    if alias in session.opened:  # what the notebook opened, the notebook closes
        session.opened.discard(alias)
        for other in [name for name, held in session.clients.items() if held is client]:
            del session.clients[other]
        client.close()
    if session.current_client is not None and session.current_client not in session.clients:
        session.current_client = session.current_collection = None
    session.say(f"Closed {alias}.")


COMMAND = Command(
    name="connect",
    summary="Open a database, or choose a client of the notebook.",
    examples=(
        "%chroma connect ./mydata",
        "%chroma connect memory",
        "%chroma connect http://localhost:8000 --alias work",
        "%chroma connect client            a variable that holds a client, ours or chromadb's",
        "%chroma connect --list",
        "%chroma connect --close work",
    ),
    arguments=_arguments,
    run=_run,
)
