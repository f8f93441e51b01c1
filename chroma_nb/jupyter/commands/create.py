"""``%chroma create``: make a collection."""

from __future__ import annotations

import argparse
import json

from IPython.core.error import UsageError

from chroma_nb.collection import collection_names
from chroma_nb.jupyter.command_line import Command, Parser
from chroma_nb.jupyter.commands.model import embedding_function
from chroma_nb.jupyter.session import Session
from chroma_nb.types import SPACES, CollectionMetadata, Options


def _arguments(parser: Parser) -> None:
    parser.add_argument("name", type=parser.text)
    parser.add_argument("--space", choices=SPACES, help="the distance; default is that of the embedding function")
    parser.add_argument(
        "--model",
        type=parser.value,
        help=(
            "the embedding function: a name (%%chroma model --list), :variable, or none; default is Chroma's default"
        ),
    )
    parser.add_argument(
        "--metadata", metavar="JSON", type=parser.value, help="metadata of the collection, as JSON or :variable"
    )
    parser.add_argument("--exist-ok", action="store_true", help="use the collection of this name if it exists")


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> None:
    client = session.client()
    if not arguments.exist_ok and arguments.name in collection_names(client):
        raise UsageError(f"the collection {arguments.name!r} exists already; to use it, add --exist-ok")
    options: Options = {}
    if arguments.space is not None:
        options["configuration"] = {"hnsw": {"space": arguments.space}}
    if arguments.metadata is not None:
        options["metadata"] = _metadata(arguments.metadata)
    if arguments.model is not None:
        options["embedding_function"] = embedding_function(arguments.model)
    session.current_collection = client.get_or_create_collection(arguments.name, **options)
    session.say(f"Using {arguments.name}: {session.current_collection.count():,} records.")


def _metadata(given: object) -> CollectionMetadata:
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except json.JSONDecodeError as error:
            raise UsageError(f"--metadata: this is not valid JSON: {error}") from None
    if not isinstance(given, dict):
        raise UsageError(f'--metadata: expected an object such as {{"topic": "birds"}}, got a {type(given).__name__}')
    return given


COMMAND = Command(
    name="create",
    summary="Create a collection, and use it.",
    examples=(
        "%chroma create papers",
        '%chroma create papers --space cosine --metadata \'{"topic": "birds"}\'',
        "%chroma create vectors --model none",
        "%chroma create papers --model :my_embedding_function",
    ),
    arguments=_arguments,
    run=_run,
)
