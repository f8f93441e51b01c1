"""``%chroma model``: which model embeds a collection's texts; and download Chroma's own model on request."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from chroma_nb.types import Embeddable

if TYPE_CHECKING:
    from chroma_nb.embedding_functions.base import EmbeddingFunction

from IPython.core.error import UsageError

from chroma_nb.collection import stored_function
from chroma_nb.display.formatters import model_name
from chroma_nb.jupyter.command_line import Command, Parser, suggestion
from chroma_nb.jupyter.session import Session

#: In the place of a collection's name: fetch Chroma's model. (A collection of that name: ``%chroma use`` it first.)
_DOWNLOAD = "download"


def _arguments(parser: Parser) -> None:
    parser.add_argument("collection", nargs="?", type=parser.text, help="or download: Chroma's own model")
    parser.add_argument("--list", action="store_true", help="the names for %%chroma create --model")


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> None:
    from chroma_nb.embedding_functions import models

    if arguments.list:
        for name in sorted({"none", *_known()}):
            session.say(name)
        return
    if arguments.collection == _DOWNLOAD:
        session.say(f"New collections are embedded with Chroma's own model: {models.download()}")
        return
    collection = session.collection(arguments.collection)
    session.say(f"{collection.name}: {model_name(stored_function(collection))}")


def _known() -> Mapping[str, type[EmbeddingFunction[Embeddable]]]:
    from chroma_nb.embedding_functions.registry import known_embedding_functions

    return known_embedding_functions


def embedding_function(given: object) -> object:
    """An embedding function from its name, or the object that a variable holds; None for "none"."""
    if not isinstance(given, str):
        if not callable(given):
            raise UsageError(f"--model: expected an embedding function, got a {type(given).__name__}")
        return given
    if given == "none":
        return None
    known = _known()
    if given not in known:
        raise UsageError(
            f"--model: no embedding function {given!r}{suggestion(given, known)}; %chroma model --list lists them"
        )
    return known[given]()


COMMAND = Command(
    name="model",
    summary="The embedding function of a collection.",
    examples=(
        "%chroma model papers",
        "%chroma model --list",
        "%chroma model download            Chroma's own model (fp32, 80 MB), into Chroma's folder",
    ),
    arguments=_arguments,
    run=_run,
)
