"""Advice about a value that is refused: one sentence after Chroma's own.

The sentence travels as a note of the exception, so Chroma's text stays what it is; ``operations/arguments.py`` writes
it below the text. Nothing here checks anything.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import math
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from inspect import isawaitable, iscoroutine
from itertools import islice
from typing import Any, Final, TypeVar
from uuid import UUID

import numpy as np

from chroma_nb.plain import PLAIN, are_unicode, plain, shown

E = TypeVar("E", bound=BaseException)


def advised(error: E, advice: str | None) -> E:
    """``error`` with a note that says what to do."""
    if advice:
        error.add_note(advice)
    return error


def notes_of(error: BaseException) -> str:
    """What ``advised`` noted, each on a line of its own; empty when nothing was."""
    return "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))


# --- A value that is no str, int, float or bool ----------------------------------------------------------------
def _is_tensor(value: object) -> bool:
    """Of another library: torch, jax, tensorflow, cupy."""
    kind = type(value)
    if isinstance(value, np.ndarray | np.generic):
        return False
    return any(hasattr(kind, name) for name in ("__array__", "__dlpack__", "__array_interface__"))


#: What a value is -> what makes it one that can be stored. The first that fits.
_REMEDIES: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (type(None), "None cannot be stored, so leave the key out"),
    (type, "it is a class, so pass a value of it"),
    (np.generic, "convert it with .item()"),
    (datetime.timedelta, "convert it to a number with .total_seconds()"),
    ((datetime.date, datetime.time), ("convert it with .isoformat() to a str, or with .timestamp() to "
"a number that $gt and $lt can compare")),
    ((decimal.Decimal, fractions.Fraction), "convert it with float(…), or with str(…) to keep every digit"),
    ((UUID, os.PathLike, complex), "convert it with str(…)"),
    ((bytes, bytearray, memoryview), "convert it with .decode()"),
    (np.ndarray, "convert it with .tolist()"),
    (enum.Enum, "store its .value if that is a str, int, float or bool"),
    (dict, "metadata cannot be nested, so give each entry a key of its own, or store json.dumps(…)"),
    (Mapping, "convert it with dict(…)"),
    ((Collection, Iterator), "convert it with list(…)"),
)  # fmt: skip


#: What pandas, which is not loaded for this, writes where a value is missing.
_MISSING: Final = ("NaTType", "NAType")


def remedy(value: object) -> str:
    """What makes of ``value`` something that can be stored or asked for.

    >>> remedy((1, 2)), remedy(b"x")
    ('convert it with list(…)', 'convert it with .decode()')
    """
    if _is_tensor(value):
        return "convert it with .tolist()"
    if type(value).__name__ in _MISSING:
        return "leave the key out where a value is missing"
    if type(value).__name__ == "SparseVector":  # ours or Chroma's
        return "a sparse vector can only be the value of a metadata key, not part of a list or a filter"
    return next((words for kinds, words in _REMEDIES if isinstance(value, kinds)), "convert it with str(…)")


#: What to do about half of a surrogate pair.
HALF: Final = (
    "half of a surrogate pair is not valid Unicode; repair the text with text.encode('utf-16', "
    "'surrogatepass').decode('utf-16', 'replace')"
)


def with_article(value: object) -> str:
    """The name of its type, with a or an."""
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def for_value(value: object) -> str:
    """What is wrong with a metadata value, or with one item of a list, and what to do."""
    if type(value) is str:
        return HALF
    if type(value) is not list:
        return remedy(value) if value is None else f"got {with_article(value)}: {remedy(value)}"
    if not value:
        return "an empty list cannot be stored: leave the key out"
    half = next((place for place, item in enumerate(value) if type(item) is str and not are_unicode([item])), None)
    if half is not None:
        return f"item {half} of the list: {HALF}"
    foreign = next((place for place, item in enumerate(value) if type(item) not in PLAIN or item is None), None)
    if foreign is not None:
        item = value[foreign]
        words = "a list in metadata cannot hold lists" if isinstance(item, list) else remedy(item)
        return f"item {foreign} of the list is {with_article(item)}: {words}"
    kinds = sorted({type(item).__name__ for item in value})
    return f"the list holds {' and '.join(kinds)}: convert all items to one type"


def for_metadata(metadata: object) -> str:
    """What to write instead of something that is no dict."""
    return remedy(metadata) if isinstance(metadata, Mapping) else "write a dict such as {'key': 1}, or None"


def for_entry(key: object, value: object) -> str:
    """Which key of the metadata is wrong, and what to do."""
    if not isinstance(key, str):
        return f"key {quoted(key)}: convert it with str(…)"
    if key == _RESERVED:
        return "use another name for the key; documents go into documents="
    return f"key {quoted(key)}: {for_value(value)}"


_RESERVED: Final = "chroma:document"


def at(position: int, ids: Any) -> str:
    """Which record.

    >>> at(0, ["a"])
    "Record 0 (id 'a')"
    """
    known = isinstance(ids, list) and position < len(ids)
    return f"Record {position} (id {quoted(ids[position])})" if known else f"Record {position}"


def located(error: E, place: str) -> E:
    """``error`` whose notes begin with ``place``."""
    notes = getattr(error, "__notes__", None) or ["write None for a record without metadata"]
    error.__notes__ = [f"{place}, {note}." for note in notes]
    return error


def quoted(value: object) -> str:
    """A text in quotation marks, cut when long; anything else as it shows itself."""
    text = shown(value, longest=60)
    return repr(text) if isinstance(value, str) else text


# --- Lists and fields --------------------------------------------------------------------------------------------
def for_list(value: object, example: str) -> str:
    """How what is given instead of a list becomes one."""
    if isinstance(value, str):
        return f"Pass a list: [{quoted(value)}]."
    if value is None or isinstance(value, type):
        return f"Pass a list, such as {example}."
    if isinstance(value, np.ndarray) or _is_tensor(value):
        return "Pass a list: convert it with .tolist()."
    if isinstance(value, Iterable) and not isinstance(value, Mapping):
        return f"Pass a list: convert the {type(value).__name__} with list(…)."
    return f"Pass a list, such as {example}."


def for_id(value: object, position: int) -> str:
    """What to do about an id that is no str."""
    if isinstance(value, np.ndarray) or (isinstance(value, Iterable) and not isinstance(value, bytes | Mapping)):
        kind = f"{with_article(value)} ({value.dtype})" if isinstance(value, np.ndarray) else with_article(value)
        texts = not isinstance(value, Iterator) and isinstance(next(iter(value), None), str)
        return f"Expected ids to be a list of str, got {kind}. Write ids={'list(…)' if texts else 'list(map(str, …))'}."
    words = "every record needs an id" if value is None else "convert it with .decode()"
    if not isinstance(value, bytes | None):
        words = "convert it with str(…)"
    return f"The id at position {position} is {with_article(value)}. Ids are str: {words}."


def _is_nan(value: object) -> bool:
    """Whether it is a float that is no number."""
    return isinstance(value, float) and math.isnan(plain(value))


def for_duplicates(ids: Sequence[str], twice: Sequence[str]) -> str:
    """Where the first id that occurs twice stands."""
    first = twice[0]
    places = [str(place) for place in islice((place for place, id_ in enumerate(ids) if id_ == first), 3)]
    return f"{quoted(first)} is at positions {' and '.join(places[:2])}{' and more' if places[2:] else ''}."


def for_document(document: object, position: int) -> str:
    """What to do about a document that is no str."""
    if document is None or _is_nan(document):
        return f"The document at position {position} is missing. Leave the record out, or pass its embedding."
    return f"The document at position {position} is {with_article(document)}. Convert it with str(…)."


def for_text(value: object) -> str:
    """What makes a str, or nothing, of a document or uri that is neither."""
    if _is_nan(value) or type(value).__name__ in _MISSING:
        return "pass None where a value is missing"
    return "convert it with .decode()" if isinstance(value, bytes) else "convert it with str(…)"


def for_dimensions(rows: Sequence[Any]) -> str:
    """Which embedding differs from the first in its number of numbers."""
    first = rows[0].shape
    position = next(position for position, row in enumerate(rows) if row.shape != first)
    counts = ["×".join(map(str, shape)) for shape in (first, rows[position].shape)]
    return f"The embedding at position 0 has {counts[0]} dimensions, the one at position {position} has {counts[1]}."


#: Of the vectors that the default model makes.
_DEFAULT_DIMENSION: Final = 384


def for_dimension(expected: int | None, got: int) -> str:
    """What to do about embeddings of another dimension than those of the collection."""
    words = f"Pass embeddings with {expected} dimensions, or use the embedding function that filled this collection."
    if got == _DEFAULT_DIMENSION:
        return (
            f"Without another embedding function, texts are embedded with the default model ({got} dimensions). {words}"
        )
    return words


def for_lengths(lengths: Mapping[str, int]) -> str:
    """Which fields have another number of entries than the ids, or than the first field."""
    first, expected = next(iter(lengths.items()))
    others = [f"{name} has {length}" for name, length in lengths.items() if length != expected]
    advice = f"Each field needs one entry for each record: {first} has {expected}, {', '.join(others)}."
    if lengths.get("embeddings") == 1 and expected != 1:
        advice += " A list of numbers is a single embedding; pass a list of such lists."
    return advice


_EMBEDDINGS_ARE: Final = "Pass a list of lists of numbers, or one numpy array of shape (records, dimensions)"


def for_embeddings(target: object) -> str:
    """What makes embeddings of what was given instead."""
    if isinstance(target, str | bytes):
        return f"{_EMBEDDINGS_ARE}. For texts, use documents=, or query_texts= in a query."
    if isinstance(target, np.ndarray):
        return f"{_EMBEDDINGS_ARE}. This array has {target.ndim} axes."
    if _is_tensor(target):
        return f"{_EMBEDDINGS_ARE}: {_AS_ARRAY}."
    first: Any = target
    for _ in range(2):
        if type(first) in (list, tuple) and first:
            first = first[0]
            if isinstance(first, str | bytes):
                return f"{_EMBEDDINGS_ARE}. For texts, use documents=, or query_texts= in a query."
            if isinstance(first, np.generic):
                return f"The numbers are of numpy's type {type(first).__name__}. Convert the list with np.array(…)."
            if _is_tensor(first):
                return f"{_EMBEDDINGS_ARE}. Convert each of them: {_AS_ARRAY}."
            if first is None:
                return f"{_EMBEDDINGS_ARE}. Leave records without an embedding out."
    return f"{_EMBEDDINGS_ARE}. Try np.array(…)."


_AS_ARRAY: Final = "np.asarray(…) converts a tensor (torch: .detach().cpu().numpy())"


def for_answer(answer: object) -> str:
    """What an embedding function has to return instead; a coroutine is closed, as nobody awaits it."""
    if isawaitable(answer):
        if iscoroutine(answer):
            answer.close()
        return "Its __call__ is async. An embedding function is called without await, also by an async client."
    return "Return one list of numbers (or one array) for each text."


def for_dtype(dtype: Any) -> str | None:
    """What to do about an array whose numbers are of another type."""
    if dtype.kind in "biuf":
        return (
            f"{dtype} is not supported. Convert it with .astype(np.float32); float16, float32, float64, int32 "
            "and int64 work too."
        )
    if dtype.kind == "O":
        return "The array holds Python objects. Convert it with np.array(list(…), dtype=np.float32)."
    return None
