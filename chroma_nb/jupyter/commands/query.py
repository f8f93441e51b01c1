"""``%chroma query``: the records nearest to a text or vector."""

from __future__ import annotations

import argparse

import numpy as np
from IPython.core.error import UsageError

from chroma_nb.cells import unmasked
from chroma_nb.collection import Collection, explanation
from chroma_nb.jupyter.command_line import Command, Parser, filled, value_of
from chroma_nb.jupyter.commands.options import (
    add_include,
    add_output,
    add_where,
    compiled,
    filters,
    included,
    note_unknown_keys,
    rich_query,
    target,
)
from chroma_nb.jupyter.session import Session
from chroma_nb.types import Matrix, Options


def _arguments(parser: Parser) -> None:
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[COLLECTION] TEXT …",
        help="words without quotes are one query, quoted texts one each; :name may be a vector",
    )
    parser.add_argument("-n", "--n-results", type=parser.whole, help="how many records a query")
    add_where(parser)
    add_include(parser)
    parser.add_argument("--lines", action="store_true", help="in a cell: each line is a query")
    parser.add_argument("--explain", action="store_true", help="show the filter and the plan, not the result")
    add_output(parser)


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> object:
    collection, words = _target(session, arguments.words, cell)
    queries = _queries(session, _phrases(words), cell, arguments.lines)
    found = compiled(session, arguments.where)
    options = {**queries, **filters(found), "n_results": arguments.n_results or session.settings.n_results}
    if arguments.explain:
        plan = explanation(collection, **options)
        asked = {"where": found.where, "where_document": found.where_document}
        return asked if plan is None else {**asked, "plan": plan}
    include = included(arguments.include, ["documents", "metadatas", "distances"])
    result = collection.query(include=include, **options)
    if not any(result["ids"]):
        note_unknown_keys(session, collection, found.where)
    return rich_query(result, found, queries.get("query_texts"))


def _target(session: Session, words: list[str], cell: str | None) -> tuple[Collection, list[str]]:
    """A single word is the text where a collection is in use, and the collection where the text is below."""
    if cell is None and len(words) == 1 and session.current_collection is not None:
        return session.current_collection, words
    return target(session, words)


def _phrases(words: list[str]) -> list[str]:
    """Words without quotes are one text, as they were typed; with quotes, or variables, each is one."""
    alone = all(not any(mark.isspace() for mark in word) and not word.startswith(":") for word in words)
    return [" ".join(words)] if len(words) > 1 and alone else words


def _queries(session: Session, words: list[str], cell: str | None, lines: bool) -> Options:
    """The texts or vectors to search for, as an argument of ``query``."""
    values = [value_of(word, session) for word in words]
    if cell is not None:
        text = filled(cell, session)
        values += [line.strip() for line in text.splitlines()] if lines else [text.strip()]
    values = [value for value in values if not (isinstance(value, str) and not value)]
    if not values:
        raise UsageError("%chroma query: expected a text to search for; %chroma query -h shows how")
    if all(isinstance(value, str) for value in values):
        return {"query_texts": values}
    if len(values) > 1:
        raise UsageError("%chroma query: expected texts, or one variable with vectors")
    if isinstance(values[0], list | tuple) and all(isinstance(value, str) for value in values[0]):
        return {"query_texts": list(values[0])}
    vectors: Matrix | None
    try:
        vectors = np.asarray(unmasked(values[0]), np.float32)
    except (TypeError, ValueError):
        vectors = None
    if vectors is None or vectors.ndim == 0:
        raise UsageError(f"%chroma query: a {type(values[0]).__name__} is neither text nor vector")
    return {"query_embeddings": np.atleast_2d(vectors)}


COMMAND = Command(
    name="query",
    summary="The records nearest to a text or vector.",
    examples=(
        '%chroma query papers "protein folding" -n 5',
        "%chroma query papers how do proteins fold",
        '%chroma query papers "protein folding" --where "year > 2020" --as df',
        "%chroma query papers :question -o hits      the text or vector in a variable",
        '%chroma query papers "about {topic}"        a variable inside the text',
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
