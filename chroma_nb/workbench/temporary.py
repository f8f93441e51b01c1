"""A table as a collection for as long as it is looked at: ``browse(df)``, ``explore(df)``. No widgets here.

The rows become records as ``collection.add(df)`` has it, in a store in memory that no client of anybody else shares.
Whatever shows the collection holds it; when the last of these is closed it is gone, although variables and the outputs
of the notebook may still name it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from chroma_nb._optional import Untyped
from chroma_nb.cells import cells, check_encodable, is_missing
from chroma_nb.client.factory import client_of_its_own
from chroma_nb.collection import Collection
from chroma_nb.display.markup import counted
from chroma_nb.embedding_functions.progress import record_bar
from chroma_nb.tables._sync import writing
from chroma_nb.tables.columns import RECORD_COLUMNS, is_of_hits
from chroma_nb.tables.kinds import to_pandas
from chroma_nb.tables.rows import SAME_ID, BadRow, from_frame
from chroma_nb.types import Options
from chroma_nb.workbench import shown

V = TypeVar("V", bound=shown.Shown)

#: What the collection is called.
NAME: Final = "table"
#: Rows in which it is looked which columns are texts.
_SAMPLE: Final = 1_000
#: Characters in the mean from which a text is to be read, not to be counted; shorter ones stay metadata, too.
_PROSE: Final = 40
#: Column names that are listed in an error.
_NAMED: Final = 12


@dataclass(eq=False)
class Temporary:
    """A collection that was made of a table; ``note`` says so in one line, ``columns`` are the table's."""

    collection: Collection
    note: str
    columns: tuple[str, ...]
    close: Callable[[], object]
    gone: bool = False
    _holders: weakref.WeakSet[Any] = field(default_factory=weakref.WeakSet)

    def hold(self, view: object) -> None:
        """Keep it at least until this view is closed, or nobody has it any more."""
        self._holders.add(view)

    def release(self, view: object) -> None:
        """This view is closed; with the last one the collection goes."""
        self._holders.discard(view)
        if not self._holders:
            self.drop()

    def drop(self) -> None:
        """The collection is no longer needed."""
        self.gone = True
        self.close()


#: Id of a collection -> how it is temporary, for as long as something has it.
_TEMPORARY: Final[weakref.WeakValueDictionary[str, Temporary]] = weakref.WeakValueDictionary()
GONE: Final = (
    "The temporary collection of this table was deleted when its workbench was closed. Run the cell "
    "again that created it."
)


def of(collection: object) -> Temporary | None:
    """How a collection is temporary; None for any other."""
    return _TEMPORARY.get(str(getattr(collection, "id", "")))


def show(table: object, make: Callable[[Collection], V]) -> V:
    """The view that ``make`` makes of the temporary collection of a table; a cell that runs again closes it."""
    cell = shown.running_cell()
    shown.begin(cell)
    made = collected(table)
    try:
        view = make(made.collection)
    except BaseException:
        made.drop()
        raise
    shown.shown(view, cell)
    return view


def collected(table: object) -> Temporary:
    """The temporary collection of a table.

    ValueError for a table without rows, with an id given twice, or with nothing to find its rows by.

    >>> import pandas
    >>> made = collected(pandas.DataFrame({"embedding": [[1.0, 0.0], [0.0, 1.0]], "grams": [9, 500]}))
    >>> made.collection.get(where={"grams": 9})["ids"]
    ['0']
    >>> made.drop()
    """
    frame = to_pandas(table)
    if not len(frame):
        raise ValueError(f"expected a table with rows, got none; its columns are: {_names(frame)}")
    chosen, text = _columns(frame)
    found = from_frame(frame, on_error="skip", **chosen)
    as_text: tuple[str, ...] = ()
    if found.skipped:
        readable, as_text = _readable(frame)
        found = from_frame(readable, on_error="skip", **chosen) if as_text else found
    if twice := [bad for bad in found.skipped if bad.reason == SAME_ID]:
        raise ValueError(
            f"{len(twice):,} of {len(frame):,} rows have the id of an earlier row; the first is row "
            f"{twice[0].row} (id {twice[0].id!r}). Make the ids unique, or drop the column: "
            'df.drop(columns="id").'
        )
    records = found.records
    if not len(records):
        raise ValueError(f"none of {counted(len(frame), 'row')} can become a record; {found.skipped[0]}")
    known = records.with_vector()
    given, left_out = bool(known.any()), [*found.skipped]
    if given and not known.all():  # by which model the others were embedded nobody says
        kept = [row for row, has in enumerate(known) if has]
        skipped = {one.row for one in left_out}
        rows = [row for row in range(len(frame)) if row not in skipped]
        left_out += [BadRow(rows[row], records.ids[row], "no embedding") for row, has in enumerate(known) if not has]
        records = records.take(kept)
    client = client_of_its_own("the temporary collection of a table")
    try:
        # Vectors that came with the table were made by a model that is not known here.
        options: Options = {"embedding_function": None} if given else {}
        collection: Collection = client.create_collection(NAME, **options)
        writing.write_records(collection, "add", records, bar=record_bar(None))
    except BaseException:
        client.close()
        raise
    names = tuple(map(str, frame.columns))
    made = Temporary(
        collection, _note(len(records), text, as_text, sorted(left_out, key=lambda one: one.row)), names, client.close
    )
    _TEMPORARY[str(collection.id)] = made
    return made


def _names(frame: Untyped) -> str:
    names = [repr(str(name)) for name in frame.columns]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more or "none"


def _note(records: int, text: str | None, as_text: Sequence[str], left_out: Sequence[BadRow]) -> str:
    of_text = f", text from the column {text!r}" if text else ""
    if as_text:
        of_text += f", values of {', '.join(map(repr, as_text))} as text"
    rest = f" {counted(len(left_out), 'row')} left out, the first of them {left_out[0]}." if left_out else ""
    how = f"add_df(df, document={text!r})" if text else "add(df)"
    return (
        f"Temporary: {counted(records, 'record')}{of_text}. It is deleted when you close it or the kernel "
        f"ends.{rest} To keep the records: Export…, or collection.{how}."
    )


# --- Which column is what --------------------------------------------------------------------------------------------
def _columns(frame: Untyped) -> tuple[Options, str | None]:
    """What to tell ``from_frame`` beside its own conventions; and the column that is the text, where it was guessed."""
    chosen: Options = _ids(frame)
    names = frame.columns.tolist()
    if "document" in names:
        return chosen, None
    letters = {name: mean for name in names if (mean := _letters(frame, name))}
    vectors = "embedding" in names or "uri" in names
    # Hugging Face's name for it; otherwise what takes longest to read.
    text = "text" if "text" in letters else max(letters, key=letters.__getitem__, default=None)
    if text is None or (vectors and letters[text] < _PROSE and text != "text"):
        if not vectors:
            raise ValueError(
                "expected a column of texts, or one of vectors called 'embedding', to embed the rows; the columns "
                f"are: {_names(frame)}"
            )
        return chosen, None
    # Categories can be counted, too, where nothing else is a text.
    chosen["document"] = text if text == "text" or letters[text] >= _PROSE else frame[text].tolist()
    return chosen, str(text)


def _readable(frame: Untyped) -> tuple[Untyped, tuple[str, ...]]:
    """The table with text in place of what no record can hold (a UUID, a period, a dict), and the columns of these.

    Nothing is kept, so that they can be looked at is worth more than that they come back as they were.
    """
    readable, changed = frame.copy(deep=False), []
    for name in frame.columns.tolist():
        problems: dict[int, str] = {}
        if name not in (*RECORD_COLUMNS, "metadata"):
            check_encodable(cells(frame[name], problems=problems), str(name), problems)
        if problems:
            column = frame[name].astype(object).copy()
            column.iloc[list(problems)] = [_text(cell) for cell in column.iloc[list(problems)]]
            readable[name] = column
            changed.append(str(name))
    return readable, tuple(changed)


def _text(cell: object) -> str:
    """What a cell says in print; half of a surrogate pair, which nothing can store, as its escape."""
    return str(cell).encode("utf-8", "backslashreplace").decode()


def _ids(frame: Untyped) -> Options:
    """The ids, where they are not those that ``add(df)`` takes: nothing is kept, so row numbers do."""
    labels = frame.index
    usable = labels.nlevels == 1 and labels.is_unique and all(type(one) in (str, int) and one != "" for one in labels)
    return {} if "id" in frame.columns or usable else {"id": [str(row) for row in range(len(frame))]}


def _letters(frame: Untyped, name: object) -> float:
    """How long the texts of a column are in the mean; 0 for a column of anything else."""
    if name in (*RECORD_COLUMNS, "metadata") or is_of_hits(frame, str(name)):
        return 0
    values = [cell for cell in frame[name].iloc[:_SAMPLE].tolist() if not is_missing(cell)]
    if not values or not all(isinstance(cell, str) for cell in values):
        return 0
    return sum(map(len, values)) / len(values)
