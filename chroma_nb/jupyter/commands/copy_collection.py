"""``%chroma copy``: copy a collection, or a part of it."""

from __future__ import annotations

import argparse
from typing import Any

from IPython.core.error import UsageError

from chroma_nb.jupyter.command_line import Command, Parser
from chroma_nb.jupyter.commands.options import add_where, compiled, filters
from chroma_nb.jupyter.session import Session

_PAGE = 1_000


def _arguments(parser: Parser) -> None:
    parser.add_argument("source", type=parser.text)
    parser.add_argument("copy", type=parser.text, help="the name of the new collection")
    add_where(parser)


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> None:
    source, client = session.collection(arguments.source), session.client()
    if arguments.copy in session.collection_names(client):
        raise UsageError(f"there is a collection {arguments.copy!r} already; nothing was changed")
    where = filters(compiled(session, arguments.where))
    copy = client.create_collection(arguments.copy, **_made_like(source))
    written = 0
    while (page := _page(source, where, written))["ids"]:
        copy.add(**page)
        written += len(page["ids"])
    session.say(f"Copied {written:,} records of {source.name} to {copy.name}.")


def _made_like(source: Any) -> dict[str, Any]:
    """The arguments that make a collection of the same space, model and metadata."""
    configuration = source.configuration_json or {}
    space = next((configuration[kind]["space"] for kind in ("hnsw", "spann") if configuration.get(kind)), None)
    made: dict[str, Any] = {"embedding_function": source.configuration.get("embedding_function")}
    if space is not None:
        made["configuration"] = {"hnsw": {"space": space}}
    if source.metadata:
        made["metadata"] = {key: value for key, value in source.metadata.items() if not key.startswith("hnsw:")} or None
    return made


def _page(source: Any, where: dict[str, Any], offset: int) -> dict[str, Any]:
    """The next records as arguments of ``add``."""
    fields = ("documents", "embeddings", "metadatas", "uris")
    page = source.get(include=list(fields), limit=_PAGE, offset=offset, **where)
    page["metadatas"] = [metadata or None for metadata in page["metadatas"]]
    found = {"ids": page["ids"], "embeddings": page["embeddings"]}
    # Chroma takes no list in which nothing is said.
    found.update(
        {name: page[name] for name in fields if name != "embeddings" and any(x is not None for x in page[name])}
    )
    return found


COMMAND = Command(
    name="copy",
    summary="Copy a collection, with its embeddings, or the part of it that passes a filter.",
    examples=("%chroma copy papers papers-2", '%chroma copy papers recent --where "year > 2020"'),
    arguments=_arguments,
    run=_run,
)
