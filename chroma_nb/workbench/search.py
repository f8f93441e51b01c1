"""Searching from the workbench: by meaning, by words, by both, or by a record; and why each record was found.

Our collections search words themselves (``hybrid``). Elsewhere ``$regex`` looks for words in the documents, what it
finds stays in stored order, and reciprocal ranks fuse the two lists. No widgets here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from chroma_nb.collection import Collection, counts_itself, offers
from chroma_nb.display.markup import failure
from chroma_nb.records import Records
from chroma_nb.types import Json, Options

if TYPE_CHECKING:
    from chroma_nb.workbench.seen import Seen

#: What a text is searched by, and how many records are found at most.
BY: Final = {"both": 200, "meaning": 200, "words": 1_000}
#: Keys of the columns that the table has while it is searched.
RANK: Final = "#rank"
DISTANCE: Final = "#distance"
WHY: Final = "#why"
#: Added to ranks where two lists become one, as ``hybrid`` does.
_RANKS: Final = 60


@dataclass(frozen=True)
class Search:
    """What is searched for: a ``text``, or records ``like`` the one with this id.

    ``case``: its words count only where a document has them in the same letters, large or small.
    """

    text: str | None = None
    like: str | None = None
    by: Literal["both", "meaning", "words"] = "both"
    case: bool = False


@dataclass(frozen=True)
class Found:
    """How one record was found: ranks in both lists, from 1, the words that brought it, how far it is."""

    by_meaning: int | None = None
    by_words: int | None = None
    words: tuple[str, ...] = ()
    distance: float | None = None

    @property
    def why(self) -> str:
        """In words.

        >>> Found(3, 1, ("parcel", "stuck")).why
        'parcel, stuck · words 1 · meaning 3'
        """
        ranks = [f"{name} {rank}" for name, rank in (("words", self.by_words), ("meaning", self.by_meaning)) if rank]
        return " · ".join([*([", ".join(self.words)] if self.words else []), *ranks])


@dataclass(frozen=True)
class Hits:
    """What a search found, best first; ``error`` is why it found nothing."""

    found: Mapping[str, Found] = field(default_factory=dict)
    note: str = ""
    error: str = ""

    def cell(self, id: str, key: str) -> Any:
        """What the table shows of a record under one of the columns of a search; None where there is nothing."""
        one = self.found.get(id)
        if one is None:
            return None
        if key == RANK:
            return next(rank for rank, other in enumerate(self.found, 1) if other == id)
        if key == WHY:
            return one.why
        return None if one.distance is None else self._near(one.distance)

    def _near(self, distance: float) -> Json:
        """A distance with the share of a bar that is fuller the nearer it is."""
        every = [one.distance for one in self.found.values() if one.distance is not None]
        near, far = min(every), max(every)
        share = 1.0 if far <= near else 1 - 0.9 * (distance - near) / (far - near)
        return {"kind": "number", "text": f"{distance:.4g}", "share": round(share, 3)}


def find(collection: Collection, search: Search, filters: Options) -> Hits:
    """The records that a search finds among those that pass the filters; what fails is said in ``error``."""
    try:
        if search.like is not None:
            return _like(collection, search.like, filters)
        ask = _by_itself if counts_itself(collection) else _by_hand
        found = ask(collection, search, filters)
    except Exception as error:  # noqa: BLE001  # whatever it is, the person at the field is told
        return Hits(error=failure(error))
    found = _in_case(collection, search, found) if search.case and search.by != "meaning" else found
    most = BY[search.by]
    return Hits(found, f"The first {most:,} found" if len(found) >= most else "")


def _by_itself(collection: Any, search: Search, filters: Options) -> dict[str, Found]:
    result = collection.hybrid(search.text, n_results=BY[search.by], include=["distances"], by=search.by, **filters)
    distances = (result.get("distances") or [None])[0] or [None] * len(result["ids"][0])
    columns = (result["meaning_ranks"][0], result["word_ranks"][0], map(tuple, result["words"][0]), distances)
    return {id_: Found(*facts) for id_, *facts in zip(result["ids"][0], *columns, strict=True)}


def _by_hand(collection: Collection, search: Search, filters: Options) -> dict[str, Found]:
    """As ``_by_itself``, with what Chroma offers."""
    text, most = search.text or "", BY[search.by]
    nearest: dict[str, float | None] = {}
    if search.by != "words":
        answer = collection.query(query_texts=[text], n_results=most, include=["distances"], **filters)
        nearest = dict(zip(answer["ids"][0], answer["distances"][0], strict=True))
    words = tuple(dict.fromkeys(text.split())) if search.by != "meaning" else ()
    holding: list[str] = []
    if words:
        tests = [{"$contains": word} if search.case else {"$regex": f"(?i){re.escape(word)}"} for word in words]
        given = filters.get("where_document")
        every = [*tests, *([given] if given else [])]
        test = every[0] if len(every) == 1 else {"$and": every}
        found = collection.get(limit=most, include=[], **{**filters, "where_document": test})
        holding = list(found["ids"])
    by_meaning = {id_: rank for rank, id_ in enumerate(nearest, 1)}
    by_words = {id_: rank for rank, id_ in enumerate(holding, 1)}

    def score(id_: str) -> float:
        return -sum(1 / (_RANKS + ranks[id_]) for ranks in (by_meaning, by_words) if id_ in ranks)

    return {
        id_: Found(by_meaning.get(id_), by_words.get(id_), words if id_ in by_words else (), nearest.get(id_))
        for id_ in sorted({**by_meaning, **by_words}, key=score)[:most]
    }


def _like(collection: Any, like: str, filters: Options) -> Hits:
    """The neighbours of a record."""
    most = BY["meaning"]
    if offers(type(collection), "hybrid"):
        answer = collection.query(like=[like], n_results=most, include=["distances"], **filters)
    else:
        itself = collection.get(ids=[like], include=["embeddings"])
        if not len(itself["ids"]):
            raise ValueError(f"the record {like!r} does not exist any more")
        vectors = itself["embeddings"]
        answer = collection.query(query_embeddings=vectors, n_results=most + 1, include=["distances"], **filters)
    near = zip(answer["ids"][0], answer["distances"][0], strict=True)
    pairs = [(id_, distance) for id_, distance in near if id_ != like][:most]
    found = {id_: Found(by_meaning=rank, distance=distance) for rank, (id_, distance) in enumerate(pairs, 1)}
    return Hits(found, f"The {most:,} nearest" if len(found) >= most else "")


def _in_case(collection: Collection, search: Search, found: Mapping[str, Found]) -> dict[str, Found]:
    """Those found by meaning, and those of the others whose document has a word of the text as it was typed."""
    typed = (search.text or "").split()
    documents = _documents(collection, [id_ for id_, one in found.items() if one.by_words])
    kept: dict[str, Found] = {}
    for id_, one in found.items():
        words = tuple(word for word in typed if word in documents.get(id_, ""))
        if words or one.by_meaning:
            by_words = one.by_words if words else None
            kept[id_] = Found(one.by_meaning, by_words, words, one.distance)
    return kept


def _documents(collection: Collection, ids: Sequence[str]) -> dict[str, str]:
    if not ids:
        return {}
    records = Records.of_result(collection.get(ids=list(ids), include=["documents"]))
    return {id_: text or "" for id_, text in zip(records.ids, records.column("documents"), strict=True)}


def embeds(collection: object) -> bool:
    """Whether the collection was opened with what embeds its texts."""
    return getattr(collection, "_embedding_function", None) is not None


def found(seen: Seen, asked: Json) -> Json:
    """What the search that stands found: how many, what to say beside the field, or the ``wrong``."""
    hits = seen.source.hits(seen.question)
    return {"count": len(hits.found), "note": hits.note, "wrong": hits.error, "embeds": embeds(seen.source.collection)}
