"""``%chroma query``: the records nearest to a text, a vector or other records."""

from __future__ import annotations

import argparse

import numpy as np
from IPython.core.error import UsageError

from chroma_nb.cells import unmasked
from chroma_nb.collection import Collection, explanation
from chroma_nb.jupyter.command_line import Command, Parser
from chroma_nb.jupyter.commands.get import ids_of
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
    rich_query,
)
from chroma_nb.jupyter.commands.question import add_question, asked, texts_of
from chroma_nb.jupyter.session import Session
from chroma_nb.types import Matrix, Options


def _arguments(parser: Parser) -> None:
    add_question(parser, ":name may be a vector")
    parser.add_argument("--like", metavar="ID", action="append", help="instead of a text: near this record")
    parser.add_argument("--unlike", metavar="ID", action="append", help="and away from this one")
    parser.add_argument("--max-distance", metavar="X", type=parser.number, help="only records up to this distance")
    add_where(parser)
    add_contains(parser)
    add_include(parser)
    parser.add_argument("--explain", action="store_true", help="show the filter and the plan instead of the result")
    add_output(parser)


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> object:
    collection, question = _question(session, arguments, cell)
    found = compiled(session, arguments.where, arguments.contains, on=collection)
    options = {**question, **filters(found), "n_results": arguments.n_results or session.settings.n_results}
    if arguments.explain:
        plan = explanation(collection, **options)
        shown = {"where": found.where, "where_document": found.where_document}
        return shown if plan is None else {**shown, "plan": plan}
    if arguments.max_distance is not None:
        collection = ours(collection, "--max-distance")
        options["max_distance"] = arguments.max_distance
    include = included(arguments.include, ["documents", "metadatas", "distances"])
    result = collection.query(include=include, **options)
    if not any(result["ids"]):
        note_unknown_keys(session, collection, found.where)
    return rich_query(result, found, question.get("query_texts"))


def _question(session: Session, arguments: argparse.Namespace, cell: str | None) -> tuple[Collection, Options]:
    """The collection, and what is searched for in it as an argument of ``query``."""
    if arguments.like or arguments.unlike:
        return _neighbours(session, arguments, cell)
    collection, values = asked(session, arguments, cell, "query")
    if (texts := texts_of(values)) is not None:
        return collection, {"query_texts": texts}
    if len(values) > 1:
        raise UsageError("%chroma query: expected texts, or one variable with vectors")
    vectors: Matrix | None
    try:
        vectors = np.asarray(unmasked(values[0]), np.float32)
    except (TypeError, ValueError):
        vectors = None
    if vectors is None or vectors.ndim == 0:
        raise UsageError(f"%chroma query: expected a text or a vector, got a {type(values[0]).__name__}")
    return collection, {"query_embeddings": np.atleast_2d(vectors)}


def _neighbours(session: Session, arguments: argparse.Namespace, cell: str | None) -> tuple[Collection, Options]:
    """The collection, and the records whose neighbours are searched for."""
    if cell is not None:
        raise UsageError("%chroma query: expected --like and --unlike, or the text of a cell, got both")
    if arguments.explain:
        raise UsageError("%chroma query: --explain works with a text or vector, not with --like and --unlike")
    collection = ours(only_target(session, arguments.words, "query --like"), "--like")
    named = {"like": arguments.like, "unlike": arguments.unlike}
    return collection, {option: ids_of(session, ids) for option, ids in named.items() if ids}


COMMAND = Command(
    name="query",
    summary="The records nearest to a text, a vector or other records.",
    examples=(
        '%chroma query papers "protein folding" -n 5',
        "%chroma query papers how do proteins fold",
        '%chroma query papers "protein folding" --where "year > 2020" --as df',
        "%chroma query papers :question -o hits      the text or vector in a variable",
        '%chroma query papers "about {topic}"        a variable inside the text',
        "%chroma query papers --like id-1 --unlike id-2 --max-distance 0.5",
        "%%chroma query papers -n 3",
        "  a longer question,",
        "  over several lines",
        "%%chroma query papers --lines",
        "  first question",
        "  second question",
    ),
    arguments=_arguments,
    run=_run,
    takes_cell=True,
)
