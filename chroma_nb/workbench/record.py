"""One record in full: its text with what was searched for marked, its metadata, what is near, what stands beside it.

No widgets here. What changes it is ``edits.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import numpy as np

from chroma_nb.collection import data_loader
from chroma_nb.display.markup import picture, stretches
from chroma_nb.records import FIELDS, Record
from chroma_nb.types import Json, MetadataValue, SparseVector
from chroma_nb.workbench import fields, marks
from chroma_nb.workbench.changes import read_records, version
from chroma_nb.workbench.columns import cell, column_of
from chroma_nb.workbench.seen import Seen

#: Letters of a document that are sent unless all of it is asked for; numbers of an embedding; records that are near.
LETTERS: Final = 20_000
_NUMBERS: Final = 6
NEAR: Final = 6
#: Letters of the document of a record that is near.
_GIST: Final = 140
#: Ids of one call, where a record's place is looked for.
_AT_ONCE: Final = 10_000
#: Pixels of the longest side of an image.
_PICTURE: Final = 320
#: Schemes of addresses that lead to another machine.
_WEB: Final = ("http", "https", "ftp", "ftps", "s3", "gs")


def record(seen: Seen, asked: Json) -> Json:
    """The record ``id`` as it is now; with ``whole``, all of its document. ``there`` is False where it is gone."""
    found = _record(seen, asked)
    if found is None:
        return {"id": str(asked["id"]), "there": False}
    text = found.document
    shown = text if text is None or asked.get("whole") else text[:LETTERS]
    return {
        "id": found.id,
        "there": True,
        "version": version(found),
        "document": None if shown is None else stretches(shown, marks.of_record(seen, found.id)),
        "letters": len(text or ""),
        "whole": shown == text,
        "uri": found.uri,
        "metadata": [_entry(seen, key, value) for key, value in (found.metadata or {}).items()],
        "embedding": _embedding(found.embedding),
    }


def _record(seen: Seen, asked: Json) -> Record | None:
    return next(iter(read_records(seen.source.collection, [str(asked["id"])], FIELDS)), None)


def _entry(seen: Seen, key: str, value: MetadataValue) -> Json:
    column = seen.source.columns.known.get(key) or column_of(key, [value])
    return {"key": key, "value": cell(value, None), "column": column.json(), "field": fields.field(value, column)}


def _embedding(embedding: object) -> Json | None:
    if embedding is None:
        return None
    vector = np.asarray(embedding, np.float64)
    first = [cell(float(value)) for value in vector[:_NUMBERS]]
    return {"first": first, "count": len(vector), "length": cell(float(np.linalg.norm(vector)))}


# --- What is near, and what stands beside it ------------------------------------------------------------------------
def near(seen: Seen, asked: Json) -> Json:
    """The records nearest to the record ``id``, nearest first: id, distance, the beginning of the document."""
    found = _record(seen, asked)
    if found is None or found.embedding is None:
        return {"id": str(asked["id"]), "near": []}
    hits = seen.source.collection.query(
        query_embeddings=[found.embedding], n_results=NEAR + 1, include=["distances", "documents"]
    )
    rows = zip(hits["ids"][0], hits["distances"][0], hits["documents"][0], strict=True)
    others = [row for row in rows if row[0] != found.id][:NEAR]
    return {
        "id": found.id,
        "near": [{"id": id_, "distance": cell(float(far)), "document": cell(text, _GIST)} for id_, far, text in others],
    }


def beside(seen: Seen, asked: Json) -> Json:
    """Where the record ``id`` stands in what is shown, and the ids before and after it; ``at`` is where to look first.

    Without ``place``, it is not among what is shown.
    """
    id_, guess = str(asked["id"]), asked.get("at")
    place = _place(seen, id_, int(guess) if isinstance(guess, int | float) else 0)
    if place is None:
        return {"id": id_, "place": None, "before": None, "after": None}
    start = max(0, place - 1)
    around = seen.source.ids(seen.question, start, place - start + 2)
    return {
        "id": id_,
        "place": place,
        "before": around[0] if place else None,
        "after": next(iter(around[place - start + 1 :]), None),
    }


def _place(seen: Seen, id_: str, guess: int) -> int | None:
    start = max(0, guess - 2)
    if id_ in (close := seen.source.ids(seen.question, start, 5)):
        return start + close.index(id_)
    listing = seen.listing
    if listing.ids is not None:
        return listing.ids.index(id_) if id_ in listing.ids else None
    if not seen.source.collection.get(ids=[id_], include=[], **seen.question.filters)["ids"]:
        return None
    for start in range(0, listing.shown, _AT_ONCE):
        if id_ in (some := seen.source.ids(seen.question, start, _AT_ONCE)):
            return start + some.index(id_)
    return None


# --- Images and copies ----------------------------------------------------------------------------------------------
def image(seen: Seen, asked: Json) -> Json:
    """The image that the record's uri leads to, in small, as the collection's data loader reads it.

    From another machine nothing is fetched unless the person asks (``load``): ``host`` says which one it would be.
    """
    found, answer = _record(seen, asked), {"id": str(asked["id"]), "image": None, "host": None}
    load = data_loader(seen.source.collection)
    if found is None or found.uri is None or load is None:
        return answer
    address = urlsplit(found.uri)
    if address.scheme.lower() in _WEB and not asked.get("load"):
        return {**answer, "host": address.hostname or found.uri[:100]}
    pixels = seen.source.collection.get(ids=[found.id], include=["data"])["data"]
    return {**answer, "image": picture(pixels[0], _PICTURE) if pixels and pixels[0] is not None else None}


def copied(seen: Seen, asked: Json) -> Json:
    """The record ``id`` as text: ``form`` "json" is all but the embedding, "document" is its text."""
    found = _record(seen, asked)
    if found is None:
        raise ValueError(f"the record {str(asked['id'])!r} was deleted meanwhile")
    return {"text": _COPIES[asked["form"]](found)}


def _as_json(found: Record) -> str:
    whole = {"id": found.id, "document": found.document, "metadata": found.metadata or {}, "uri": found.uri}
    there = {name: value for name, value in whole.items() if value is not None}
    return json.dumps(there, ensure_ascii=False, indent=2, default=SparseVector.to_dict)


#: Form of a copy -> what makes it.
_COPIES: Final[dict[str, Callable[[Record], str]]] = {
    "json": _as_json,
    "document": lambda found: found.document or "",
}
