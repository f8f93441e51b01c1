"""``%chroma search``: the records found by the meaning of a text and by its words."""

from __future__ import annotations

import argparse

from IPython.core.error import UsageError

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
    ours,
)
from chroma_nb.jupyter.commands.question import add_question, asked, texts_of
from chroma_nb.jupyter.session import Session
from chroma_nb.types import SIDES


def _arguments(parser: Parser) -> None:
    add_question(parser, ":name may be a list of texts")
    parser.add_argument("--by", choices=SIDES, default="both", help="by meaning or by words only; default both")
    add_where(parser)
    add_contains(parser)
    add_include(parser)
    parser.add_argument(
        "--fetch", action="store_true", help="on a server without search by words: download its documents once"
    )
    add_output(parser)


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> object:
    named, values = asked(session, arguments, cell, "search")
    collection, texts = ours(named, "%chroma search"), texts_of(values)
    if texts is None:
        raise UsageError("%chroma search: expected texts, or one variable with a list of texts")
    found = compiled(session, arguments.where, arguments.contains, on=named)
    try:
        result = collection.hybrid(
            texts,
            n_results=arguments.n_results or session.settings.n_results,
            include=included(arguments.include, ["documents", "metadatas", "distances"]),
            by=arguments.by,
            fetch=arguments.fetch,
            **filters(found),
        )
    except NotImplementedError as error:  # a server that cannot: the sentence says what to add
        raise UsageError(f"%chroma search: {str(error).replace('Pass fetch=True', 'Add --fetch')}") from None
    if not any(result["ids"]):
        note_unknown_keys(session, named, found.where)
    return result


COMMAND = Command(
    name="search",
    summary="Records by similar meaning and by words, best first, with their ranks and the words found.",
    examples=(
        '%chroma search papers "parcel stuck" -n 10',
        "%chroma search papers AX-1029 --by words",
        '%chroma search papers "parcel stuck" --where "year > 2020" --contains customs --as df',
        "%chroma search papers :questions -o hits    the texts in a variable",
        "%%chroma search papers --lines",
        "  first question",
        "  second question",
    ),
    arguments=_arguments,
    run=_run,
    takes_cell=True,
)
