"""Export what a workbench shows: to a DataFrame, a file, a new collection. No widgets here."""

from __future__ import annotations

import keyword
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from chroma_nb._optional import require
from chroma_nb.cells import is_missing
from chroma_nb.collection import Client, client_of, is_client
from chroma_nb.display.markup import counted
from chroma_nb.paging import slices
from chroma_nb.records import COLUMNS, FIELDS, Records
from chroma_nb.results import GetResult
from chroma_nb.types import Json, Options
from chroma_nb.workbench import subset, temporary
from chroma_nb.workbench.seen import Seen

if TYPE_CHECKING:
    import pandas

#: Which records: all that are shown, in their order, or the selected, in theirs.
Rows: TypeAlias = Literal["all", "selected"]


def batches(seen: Seen, rows: Rows, include: Sequence[str] = COLUMNS) -> Iterator[Records]:
    """The records, some at a time."""
    if rows not in get_args(Rows):
        raise ValueError(f"expected rows as 'all' or 'selected', got {rows!r}")
    if rows == "all":
        seen.source.succeeded(seen.question)
        yield from seen.source.batches(seen.question, include)
    else:
        yield from (seen.source.by_ids(some, include) for some in slices(list(seen.selection.ids), subset.BATCH))


def to_df(seen: Seen, rows: Rows = "all") -> pandas.DataFrame:
    """The records as ``collection.get(…).to_df()`` has them; the hits of a search with their ``distance``."""
    whole = Records.concat(list(batches(seen, rows)))
    columns: Options = {name: whole.column(name) for name in COLUMNS}
    frame = GetResult({"ids": whole.ids, **columns}).to_df()
    found = seen.source.hits(seen.question).found if rows == "all" else {}
    distances = [found[id_].distance if id_ in found else None for id_ in whole.ids]
    if "distance" not in frame and any(distance is not None for distance in distances):
        frame.insert(1, "distance", distances)
    return frame


def to_csv(seen: Seen, path: str | os.PathLike[str], rows: Rows = "all") -> int:
    """Write the records to a new CSV file; how many. FileExistsError where there is a file."""
    frame = to_df(seen, rows)
    _write_new(Path(path), lambda file: frame.to_csv(file, index=False, lineterminator="\n", encoding="utf-8"))
    return len(frame)


def to_parquet(seen: Seen, path: str | os.PathLike[str], rows: Rows = "all") -> int:
    """Write the records to a new Parquet file; how many. FileExistsError where there is a file."""
    arrow = require("pyarrow", feature="a Parquet file")
    frame = to_df(seen, rows)
    for name in frame.columns:
        try:
            arrow.array(frame[name], from_pandas=True)
        except (arrow.ArrowInvalid, arrow.ArrowTypeError):  # values of several types: as text
            frame[name] = [None if is_missing(value) else str(value) for value in frame[name]]
    _write_new(Path(path), lambda file: frame.to_parquet(file, index=False))
    return len(frame)


def _write_new(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Complete under its name or not at all, and never over another file."""
    with path.open("xb") as file:
        try:
            write(file)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def to_collection(seen: Seen, client: Client, name: str, rows: Rows = "all") -> int:
    """Make a collection of the records, with their embeddings; how many. It must be new."""
    return subset.write(seen.source.collection, client, name, batches(seen, rows, include=FIELDS))[1]


# --- From the page --------------------------------------------------------------------------------------------------
def export(seen: Seen, asked: Json) -> Json:
    """Export ``rows`` ("all" or "selected") ``to`` one of the forms, as ``target``; nothing is replaced."""
    expected, write = _FORMS[asked["to"]]
    target, rows = str(asked.get("target") or "").strip(), asked["rows"]
    if not target:
        raise ValueError(f"expected the {expected}, got nothing")
    if rows == "selected" and not len(seen.selection):
        raise ValueError("nothing is selected")
    try:
        count = write(seen, target, rows)
    except FileExistsError:
        raise ValueError(f"the file {target!r} exists already; nothing was written") from None
    except FileNotFoundError:
        raise ValueError(f"the folder {str(Path(target).parent)!r} does not exist; nothing was written") from None
    return {"done": f"{counted(count, 'record')} written to {target}."}


def _to_variable(seen: Seen, name: str, rows: Rows) -> int:
    from IPython.core.getipython import get_ipython

    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"expected the name of a variable, got {name!r}")
    shell = get_ipython()
    if shell is None:
        raise ValueError("this is not a notebook, so there are no variables to write to; use to_df()")
    if name in shell.user_ns:
        raise ValueError(f"the variable {name!r} exists already; nothing was written")
    frame = to_df(seen, rows)
    shell.user_ns[name] = frame
    return len(frame)


def _to_new_collection(seen: Seen, name: str, rows: Rows) -> int:
    from IPython.core.getipython import get_ipython

    shell, collection = get_ipython(), seen.source.collection
    variables = [] if shell is None else list(shell.user_ns.values())
    client = seen.client if seen.client is not None else client_of(collection, variables)
    if client is None and temporary.of(collection) is not None:
        known = {id(one): one for one in variables if is_client(one)}
        client = next(iter(known.values())) if len(known) == 1 else None
    if client is None:
        raise ValueError("a new collection needs a client: browse(collection, client=client)")
    return to_collection(seen, client, name, rows)


#: Name of a form -> the words for its target, and what writes the records to it.
_FORMS: Final[dict[str, tuple[str, Callable[[Seen, str, Rows], int]]]] = {
    "variable": ("name of a new variable", _to_variable),
    "csv": ("path of a new file", to_csv),
    "parquet": ("path of a new file", to_parquet),
    "collection": ("name of a new collection", _to_new_collection),
}
