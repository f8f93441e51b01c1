"""Read a table in pages: the fields that ``get`` has to include, joined pages, columns that no record has."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import numpy as np

from chroma_nb.tables.columns import METADATA_PREFIX, column_names, keys_among
from chroma_nb.types import Columns, Json


def fields_of(columns: Sequence[str] | None) -> list[str]:
    """What ``get`` has to include for these columns; all but the embeddings without a choice.

    >>> fields_of(["id", "year"])
    ['metadatas']
    """
    if columns is None:
        return ["documents", "metadatas", "uris"]
    fields = {"document": "documents", "uri": "uris", "embedding": "embeddings", "data": "data"}
    columns = column_names(columns)
    wanted = [fields[name] for name in columns if name in fields]
    if any(name != "id" and name not in fields for name in columns):
        wanted.append("metadatas")
    return list(dict.fromkeys(wanted))


def joined(pages: list[Columns]) -> Json:
    """Pages of get end to end."""
    if len(pages) == 1:
        return dict(pages[0])
    whole: Json = {}
    for name in ("ids", "documents", "metadatas", "uris", "data"):
        parts = [one.get(name) for one in pages]
        whole[name] = None if parts[0] is None else [value for part in parts for value in part or ()]
    vectors = [one["embeddings"] for one in pages if one.get("embeddings") is not None and len(one["embeddings"])]
    whole["embeddings"] = np.concatenate(vectors) if vectors else None
    return whole


def keys_unknown(columns: Sequence[str], known: Iterable[str]) -> list[str]:
    """The columns that can only be metadata keys, and are none of the ``known`` ones."""
    return [name for name in dict.fromkeys(keys_among(columns)) if name.removeprefix(METADATA_PREFIX) not in known]


def key_of_no_record(name: str, known: Iterable[str]) -> str:
    """What to say of such a column, with the key that was perhaps meant."""
    close = difflib.get_close_matches(name, sorted(known), 1)
    there = ", ".join(map(repr, sorted(known)[:12])) or "none"
    hint = f"; did you mean {close[0]!r}?" if close else f"; there are {there}"
    return f"no record has the metadata key {name!r}, so its column is empty{hint}"
