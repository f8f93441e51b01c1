"""Options that several sub-commands share: the collection, the filter, where the result goes."""

from __future__ import annotations

import json
import keyword
from dataclasses import replace
from functools import partial

from IPython.core.error import UsageError

from chroma_nb._optional import Untyped
from chroma_nb.collection import Collection, collection_names, is_collection, offers
from chroma_nb.dates import compared
from chroma_nb.jupyter.command_line import Parser, Quoted, suggestion, value_of
from chroma_nb.jupyter.session import Session, metadata_keys
from chroma_nb.jupyter.where_sql import Compiled, WhereTextError, compile_where
from chroma_nb.jupyter.widgets.browse import is_table
from chroma_nb.results import GetResult, QueryResult
from chroma_nb.types import Columns, Options, Where, WhereDocument


def add_where(parser: Parser) -> None:
    """``--where``, as SQL or as Chroma's JSON."""
    parser.add_argument(
        "--where",
        metavar="FILTER",
        help="a filter such as \"year > 2020 and topic in ('a', 'b')\", \"document contains 'whale'\", "
        "or Chroma's own as JSON or :variable",
    )


def add_contains(parser: Parser) -> None:
    """``--contains``, which goes to ``compiled`` beside ``--where``."""
    parser.add_argument(
        "--contains", metavar="TEXT", type=parser.text, help="only records whose document contains this text"
    )


def add_output(parser: Parser) -> None:
    """``--out`` and ``--as``."""
    parser.add_argument("-o", "--out", metavar="NAME", type=_variable_name, help="assign the result to this variable")
    parser.add_argument("--as", dest="form", choices=("df", "result"), help="a DataFrame, or Chroma's dict")


def add_include(parser: Parser) -> None:
    """``--include``."""
    parser.add_argument("--include", metavar="FIELDS", help="also these: embeddings, uris, data (with commas)")


def included(given: str | None, base: list[str]) -> list[str]:
    """The fields to include."""
    extra = [name.strip() for name in (given or "").split(",") if name.strip()]
    known = ("embeddings", "uris", "data", *base)
    for name in extra:
        if name not in known:
            raise UsageError(f"--include: there is no field {name!r}{suggestion(name, known)}")
    return list(dict.fromkeys([*base, *extra]))


def _variable_name(name: str) -> str:
    if not name.isidentifier() or keyword.iskeyword(name):
        raise UsageError(f"--out: expected the name of a variable, got {name!r}")
    return name


def target(session: Session, words: list[str]) -> tuple[Collection, list[str]]:
    """The collection that is meant, and the words that are not its name.

    The first word names it, or is a variable that holds it or its name; a word that names none belongs to the others
    where a collection is in use, or is the only one.
    """
    if not words:
        return session.collection(), words
    value = value_of(words[0], session)
    if is_collection(value):
        return value, words[1:]
    name = value if isinstance(value, str) else words[0]
    names = session.collection_variables()
    if name not in names:
        names += _names(session)
    if name in names:
        return session.collection(name), words[1:]
    typed = isinstance(value, str) and name == words[0] and not isinstance(words[0], Quoted)
    if typed and (hint := suggestion(name, names)):
        raise UsageError(f"no collection {name!r}{hint}")
    return session.current_collection or session.said_only_collection(instead=name), words


def only_target(session: Session, words: list[str], command: str) -> Collection:
    """The collection that is meant by a command that takes nothing else."""
    if not words:
        return session.collection()
    value = value_of(words[0], session)
    collection = value if is_collection(value) else session.collection(value if isinstance(value, str) else words[0])
    if rest := words[1:]:
        raise UsageError(f"%chroma {command} takes a collection, got {' '.join(rest)!r} as well")
    return collection


def table_among(session: Session, words: list[str]) -> object | None:
    """The table in the variable that the only word names, ``df`` or ``:df``; None where it names something else.

    A collection of that name is meant before the table; ``:df`` is the variable in any case.
    """
    if len(words) != 1 or not session.settings.variables or isinstance(words[0], Quoted):
        return None
    value = session.variables.get(words[0].strip(":{}"))
    if not is_table(value):
        return None
    named = words[0] in session.collection_variables() or words[0] in _names(session)
    return None if named else value


def _names(session: Session) -> list[str]:
    try:
        return collection_names(session.client())
    except UsageError:  # a collection from a variable needs no client
        return []


def compiled(
    session: Session, where: str | None, contains: str | None = None, *, on: Collection | None = None
) -> Compiled:
    """The filter of ``--where``, and of ``--contains``; ``on`` tells how dates are stored."""
    found = _compiled(session, where, on)
    if contains is None:
        return found
    holds: WhereDocument = {"$contains": contains}
    return replace(
        found, where_document=holds if found.where_document is None else {"$and": [found.where_document, holds]}
    )


def _compiled(session: Session, where: str | None, on: Collection | None) -> Compiled:
    if where is None:
        return Compiled(None, None)
    if where.startswith((":", "{")) and isinstance(given := _variable(session, where), dict):
        return Compiled(given, None)
    if where.lstrip().startswith('{"'):
        try:
            return Compiled(json.loads(where), None)
        except json.JSONDecodeError as error:
            raise UsageError(f"--where: this is not valid JSON: {error}") from None
    try:
        lookup = session.variables.__getitem__ if session.settings.variables else None
        return compile_where(where, lookup, None if on is None else partial(compared, on))
    except WhereTextError as error:
        raise UsageError(f"--where: {error}") from None


def _variable(session: Session, where: str) -> object:
    return session.variables.get(where.strip(":{} ")) if session.settings.variables else None


def filters(found: Compiled) -> Options:
    """The arguments of get, query and delete."""
    both = {"where": found.where, "where_document": found.where_document}
    return {name: value for name, value in both.items() if value is not None}


def is_ours(collection: object) -> bool:
    """Whether it has the calls that chromadb's collections do not have."""
    return offers(type(collection), "hybrid", "facets", "describe", "sample")


def ours(collection: Collection, what: str) -> Untyped:
    """The collection, for calls that chromadb's does not have; UsageError for one of chromadb's."""
    if not is_ours(collection):
        raise UsageError(
            f"{what}: {collection.name!r} is a collection of the chromadb package, which cannot do this. Open "
            "its directory or its server with chroma_nb: %chroma connect PATH"
        )
    return collection


def note_unknown_keys(session: Session, collection: Collection, where: Where | None) -> None:
    """For a filter that nothing passed: the keys in it that the first records do not have, with what was meant."""
    asked = _keys_of(where) if where else set()
    known = metadata_keys(collection) if asked else {}
    for key in sorted(asked - set(known)):
        session.say(f"No record passed the filter; the first records have no key {key!r}{suggestion(key, known)}")


def note_unknown_order(session: Session, collection: Collection, key: str) -> None:
    """For an order by a key that the first records do not have: that it orders nothing, with what was meant."""
    known = metadata_keys(collection)
    if key not in known:
        session.say(f"The first records have no key {key!r} to order by{suggestion(key, known)}")


def _keys_of(where: object) -> set[str]:
    if isinstance(where, list):
        return set().union(*map(_keys_of, where))
    if not isinstance(where, dict):
        return set()
    below = set().union(*(_keys_of(value) for key, value in where.items() if key.startswith("$")))
    return below | {key for key in where if not key.startswith(("$", "#"))}


def rich_get(columns: Columns, found: Compiled) -> GetResult:
    """The result of any collection, with display and ``to_df()``."""
    result = GetResult(columns)
    result.where_document = found.where_document
    return result


def rich_query(columns: Columns, found: Compiled, texts: list[str] | None) -> QueryResult:
    """As ``rich_get``, for a query of these texts."""
    result = QueryResult(columns)
    result.where_document = found.where_document
    result.query_texts = texts
    return result
