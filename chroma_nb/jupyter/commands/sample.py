"""``%chroma sample``: a few records at random."""

from __future__ import annotations

import argparse

from chroma_nb.jupyter.command_line import Command, Parser
from chroma_nb.jupyter.commands.options import (
    add_contains,
    add_include,
    add_output,
    add_where,
    compiled,
    filters,
    included,
    note_unknown_keys,
    only_target,
    ours,
)
from chroma_nb.jupyter.session import Session


def _arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="[COLLECTION]")
    parser.add_argument("-n", "--limit", type=parser.whole, default=10, help="the number of records; default 10")
    parser.add_argument("--seed", type=parser.integer, help="a whole number, to get the same records each time")
    add_where(parser)
    add_contains(parser)
    add_include(parser)
    add_output(parser)


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> object:
    named = only_target(session, arguments.words, "sample")
    found = compiled(session, arguments.where, arguments.contains, on=named)
    include = included(arguments.include, ["documents", "metadatas"])
    collection = ours(named, "%chroma sample")
    result = collection.sample(arguments.limit, arguments.seed, include=include, **filters(found))
    if not result["ids"]:
        note_unknown_keys(session, named, found.where)
    return result


COMMAND = Command(
    name="sample",
    summary="Random records, in the order they were added.",
    examples=(
        "%chroma sample papers",
        "%chroma sample papers -n 3 --seed 7",
        '%chroma sample papers --where "year > 2020" --as df',
    ),
    arguments=_arguments,
    run=_run,
)
