"""``%chroma add``: a DataFrame, a list of texts, or the lines of a cell."""

from __future__ import annotations

import argparse
import hashlib
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from chroma_nb.collection import Collection
from chroma_nb.embedding_functions.progress import record_bar
from chroma_nb.jupyter.command_line import Command, Parser, suggestion
from chroma_nb.jupyter.commands.options import target
from chroma_nb.jupyter.session import Session
from chroma_nb.plain import plain
from chroma_nb.tables._sync.syncing import sync
from chroma_nb.tables._sync.writing import write
from chroma_nb.tables.batches import Verb
from chroma_nb.tables.kinds import is_frame, to_pandas
from chroma_nb.types import Options

if TYPE_CHECKING:
    import pandas

_PAGE = 5_000


def _arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="[COLLECTION] VARIABLE", help="a DataFrame or a list of texts")
    for part, what in (("id", "ids"), ("text", "documents"), ("embedding", "embeddings"), ("uri", "uris")):
        parser.add_argument(f"--{part}", metavar="COLUMN", type=parser.text, help=f"the column of the {what}")
    parser.add_argument(
        "--metadata",
        metavar="COLUMNS",
        type=parser.text,
        help="the columns to store as metadata, with commas; default: all others",
    )
    verb = parser.add_mutually_exclusive_group()
    verb.add_argument("--upsert", action="store_true", help="overwrite existing records")
    verb.add_argument("--update", action="store_true", help="change existing records only")
    verb.add_argument("--sync", action="store_true", help="add new records and change those that differ")
    parser.add_argument("--delete", action="store_true", help="with --sync: delete records that have no row")
    parser.add_argument(
        "--on-error", choices=("raise", "skip"), default="raise", help="what to do with rows that cannot become records"
    )
    parser.add_argument("--dates", choices=("iso", "epoch"), default="iso", help="as ISO text, or seconds since 1970")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation of --delete")


def _run(session: Session, arguments: argparse.Namespace, cell: str | None) -> object:
    if arguments.delete and not arguments.sync:
        raise UsageError("%chroma add: --delete needs --sync")
    if cell is not None:
        collection, rest = target(session, arguments.words)
        if rest:
            raise UsageError("%%chroma add takes a collection, and the texts below it, one per line")
        return _write(session, collection, _texts([line.strip() for line in cell.splitlines()]), arguments)
    if not arguments.words:
        raise UsageError("%chroma add: expected a variable with a DataFrame or texts; %chroma add -h shows the help")
    *words, variable = arguments.words
    collection, rest = target(session, words)
    if rest:
        raise UsageError(f"%chroma add: expected one variable after the collection, got {len(rest) + 1} words")
    return _write(session, collection, _table(session, variable), arguments)


def _table(session: Session, word: str) -> object:
    value = session.variable(word.strip(":{}"))
    if is_frame(value):
        return value
    if isinstance(value, list | tuple) and all(isinstance(element, str) for element in value):
        return _texts(list(value))
    raise UsageError(
        f"%chroma add: expected {word!r} to be a DataFrame or a list of texts, got a {type(value).__name__}"
    )


def _texts(texts: list[str]) -> pandas.DataFrame:
    """Texts with ids made from what they say: the same text twice is one record, also tomorrow."""
    import pandas as pd

    known = {hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]: text for text in texts if text}
    if not known:
        raise UsageError("%chroma add: no text to add; write one text per line")
    return pd.DataFrame({"id": list(known), "document": list(known.values())})


def _write(session: Session, collection: Collection, frame: object, arguments: argparse.Namespace) -> object:
    columns = {
        "id": arguments.id,
        "document": arguments.text,
        "embedding": arguments.embedding,
        "uri": arguments.uri,
        "metadata": None if arguments.metadata is None else [name.strip() for name in arguments.metadata.split(",")],
        "on_error": arguments.on_error,
        "dates": arguments.dates,
    }
    frame = to_pandas(frame)  # once: a stream can be read only once
    columns = _known_columns(frame, columns)
    if arguments.sync:
        if arguments.delete:
            session.confirm(f"Delete the records of {collection.name!r} that have no row?", arguments.yes)
        return sync(collection, frame, delete=arguments.delete, page_size=_PAGE, bar=record_bar(None), **columns)
    verb: Verb = "upsert" if arguments.upsert else "update" if arguments.update else "add"
    return write(collection, verb, frame, bar=record_bar(None), **columns)


def _known_columns(frame: pandas.DataFrame, columns: Options) -> Options:
    """The columns by their own names, which may be numbers; UsageError with a suggestion for a missing one."""
    names = {str(plain(name)): name for name in frame.columns}

    def known(word: str) -> object:
        """Return the column that a word names; raise a UsageError with a suggestion if it does not exist."""
        if word not in names:
            hint = suggestion(word, names) or f"; the columns are: {', '.join(names)}"
            raise UsageError(f"%chroma add: no column {word!r}{hint}")
        return names[word]

    parts = ("id", "document", "embedding", "uri")
    found = {part: known(columns[part]) for part in parts if columns[part] is not None}
    if columns["metadata"] is not None:
        found["metadata"] = [known(word) for word in columns["metadata"]]
    return {**columns, **found}


COMMAND = Command(
    name="add",
    summary="Add a DataFrame, a list of texts, or (%%chroma) the lines of a cell.",
    examples=(
        "%chroma add papers df --text abstract --id doi",
        "%chroma add papers df --sync --delete     make the collection equal to the DataFrame",
        "%chroma add papers texts                  a list of texts; the same text is never added twice",
        "%%chroma add papers",
        "  one text",
        "  another text",
    ),
    arguments=_arguments,
    run=_run,
    takes_cell=True,
)
