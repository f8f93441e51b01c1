"""``%chroma get``: records by id or filter."""

from __future__ import annotations

import argparse

from IPython.core.error import UsageError

from chroma_nb.jupyter.command_line import Command, Parser, value_of
from chroma_nb.jupyter.commands.options import (
    add_contains,
    add_include,
    add_output,
    add_where,
    compiled,
    filters,
    included,
    note_unknown_keys,
    note_unknown_order,
    ours,
    rich_get,
    target,
)
from chroma_nb.jupyter.session import Session
from chroma_nb.plain import plain
from chroma_nb.types import Options


def _arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="[COLLECTION] [ID …]", help="all records without an id")
    add_where(parser)
    add_contains(parser)
    parser.add_argument("-n", "--limit", type=parser.whole, help="the largest number of records")
    parser.add_argument("--offset", type=parser.whole, help="skip the first records")
    parser.add_argument(
        "--order-by",
        metavar="KEY",
        type=parser.text,
        help="order by this metadata key, #id or #document, before -n counts",
    )
    parser.add_argument("--descending", action="store_true", help="with --order-by: the largest first")
    add_include(parser)
    parser.add_argument("--explain", action="store_true", help="show the filter instead of the records")
    add_output(parser)


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> object:
    collection, words = target(session, arguments.words)
    found = compiled(session, arguments.where, arguments.contains, on=collection)
    if arguments.explain:
        return {"where": found.where, "where_document": found.where_document}
    options: Options = {"limit": arguments.limit or session.settings.limit, **filters(found)}
    if arguments.offset is not None:
        options["offset"] = arguments.offset
    if arguments.order_by is not None:
        collection = ours(collection, "--order-by")
        options |= {"order_by": arguments.order_by, "descending": arguments.descending}
    elif arguments.descending:
        raise UsageError("%chroma get: --descending needs --order-by KEY")
    if words:
        options["ids"] = ids_of(session, words)
        options["limit"] = arguments.limit
    result = collection.get(include=included(arguments.include, ["documents", "metadatas"]), **options)
    if not result["ids"]:
        note_unknown_keys(session, collection, found.where)
    if words and (missing := sorted(set(options["ids"]).difference(result["ids"]))) and not filters(found):
        session.say(f"No record has the id {', '.join(map(repr, missing[:5]))}{', …' if missing[5:] else ''}.")
    if arguments.order_by is not None and not arguments.order_by.startswith("#"):
        note_unknown_order(session, collection, arguments.order_by)
    return rich_get(result, found)


def ids_of(session: Session, words: list[str]) -> list[str]:
    """The ids that are written, or that a variable lists."""
    ids: list[str] = []
    for word in words:
        value = value_of(word, session)
        several = [value] if isinstance(value, str) else value
        ids += [str(plain(element)) for element in several]  # type: ignore[attr-defined]  # a TypeError says what it is
    return ids


COMMAND = Command(
    name="get",
    summary="Records by id or filter, in the order they were added, or by a key.",
    examples=(
        "%chroma get papers",
        "%chroma get papers id-1 id-2",
        "%chroma get papers --where \"year > 2020 and topic in ('a', 'b')\" -n 5",
        "%chroma get papers --where \"document contains 'whale'\" --as df",
        "%chroma get papers --order-by year --descending -n 3",
        "%chroma get papers :my_ids -o records",
    ),
    arguments=_arguments,
    run=_run,
)
