"""Plan the changes that make a collection equal to a table, by comparing the two. Calls no collection."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from chroma_nb.records import COLUMNS, NO_RECORDS, Records
from chroma_nb.tables import batches
from chroma_nb.types import Fields, IDs, Mask, Metadata, SparseVector

#: The document, as what something is made of.
_DOCUMENT: Final = "#document"


@dataclass(frozen=True)
class SyncPlan:
    """What has to happen so that a collection equals a frame.

    ``update`` carries only what differs; ``without_document`` and ``without_uri`` are ids of it whose document or uri
    is taken away, while the rest of the record stays. ``made`` are the keys whose sparse vectors are made of what else
    changes, each with what of.
    """

    add: Records = NO_RECORDS
    update: Records = NO_RECORDS
    without_document: IDs = field(default_factory=list)
    without_uri: IDs = field(default_factory=list)
    delete: IDs = field(default_factory=list)
    unchanged: int = 0
    made: Mapping[str, str] = field(default_factory=dict)


def plan_sync(
    wanted: Records,
    current: Fields,
    *,
    delete: bool,
    unread: Iterable[str | None] = (),
    keep_keys: bool = False,
    made: Mapping[str, str] | None = None,
) -> SyncPlan:
    """Compare what a frame wants with what ``get`` returned.

    ``unread`` are the ids of rows that were left out: their records stay as they are. ``keep_keys``: a part or a
    metadata key that a row does not have is left as it is, as an update does. ``made`` are the keys whose sparse
    vectors are made of something else: they follow that, and of records that are there they are not compared.

    >>> plan = plan_sync(Records(["a", "b"], documents=["one", "two"]),
    ...                  {"ids": ["a", "c"], "documents": ["one", "old"]}, delete=True)
    >>> plan.add.ids, plan.update.ids, plan.delete, plan.unchanged
    (['b'], [], ['c'], 1)
    """
    there = {record: row for row, record in enumerate(current["ids"])}
    add: list[int] = []
    changes: list[_Change] = []
    unchanged = 0
    embedding = _embeddings_differ(wanted, current, there)
    for row, record in enumerate(wanted.ids):
        if record not in there:
            add.append(row)
            continue
        change = _change(wanted, row, current, there[record], bool(embedding[row]), keep_keys, made or ())
        if change.empty:
            unchanged += 1
        else:
            changes.append(change)
    known = {*wanted.ids, *unread}
    return SyncPlan(
        add=wanted.take(add).pruned(),
        update=_changed_records(wanted, changes),
        without_document=[wanted.ids[change.row] for change in changes if change.no_document],
        without_uri=[wanted.ids[change.row] for change in changes if change.no_uri],
        delete=[record for record in current["ids"] if record not in known] if delete else [],
        unchanged=unchanged,
        made=made or {},
    )


@dataclass(frozen=True)
class _Change:
    """What differs in one record; None is "the same"."""

    row: int
    document: str | None = None
    uri: str | None = None
    metadata: Metadata | None = None
    embedding: bool = False
    no_document: bool = False
    no_uri: bool = False

    @property
    def empty(self) -> bool:
        given = self.document is not None or self.uri is not None or self.metadata is not None
        return not (given or self.embedding or self.no_document or self.no_uri)


def _change(
    wanted: Records, row: int, current: Fields, at: int, embedding: bool, keep_keys: bool, made: Collection[str]
) -> _Change:
    texts: list[str | None] = []
    gone: list[bool] = []
    for values, name in ((wanted.documents, "documents"), (wanted.uris, "uris")):
        new = None if values is None else values[row]
        old = None if current.get(name) is None else current[name][at]
        texts.append(new if new != old else None)
        gone.append(values is not None and new is None and old is not None and not keep_keys)
    metadata = None
    if wanted.metadatas is not None:
        metadata = _metadata_change(
            wanted.metadatas[row] or {}, (current.get("metadatas") or {at: None})[at] or {}, keep_keys, made
        )
    return _Change(row, texts[0], texts[1], metadata, embedding, gone[0], gone[1])


def _metadata_change(new: Metadata, old: Metadata, keep_keys: bool, made: Collection[str]) -> Metadata | None:
    """The keys to set, and None for those to delete; None when there are none. Those that are ``made`` stay."""
    change = {key: value for key, value in new.items() if key not in old or not _same(value, old[key])}
    if not keep_keys:
        change.update({key: None for key in old if key not in new})
    for key in made:
        change.pop(key, None)
    return change or None


def _same(new: Any, old: Any) -> bool:
    """Equal and of one type: 1, 1.0 and True are three values. Of a sparse vector float32 is kept."""
    if isinstance(new, SparseVector) and isinstance(old, SparseVector):
        return _as_kept(new) == _as_kept(old)
    if type(new) is not type(old) or new != old:
        return False
    return not isinstance(new, list) or type(new[0]) is type(old[0])


def _as_kept(vector: SparseVector) -> tuple[object, ...]:
    return vector.indices, np.asarray(vector.values, np.float32).tolist(), vector.labels


def _embeddings_differ(wanted: Records, current: Fields, there: Mapping[str, int]) -> Mask:
    """Which rows have another embedding than stored, beyond what float32 and a stored direction may change."""
    differs = np.zeros(len(wanted), bool)
    vectors = current.get("embeddings")
    if wanted.embeddings is None or vectors is None or not len(vectors):
        return differs
    given = wanted.with_vector()
    rows = np.array([row for row, record in enumerate(wanted.ids) if record in there and given[row]], np.intp)
    for start in range(0, len(rows), batches.BATCH):
        some = rows[start : start + batches.BATCH]
        new = wanted.embeddings[some]
        old = np.asarray([vectors[there[wanted.ids[row]]] for row in some], np.float32)
        differs[some] = old.shape != new.shape or ~np.isclose(new, old, rtol=1e-5, atol=1e-6).all(axis=1)
    return differs


def _changed_records(wanted: Records, changes: list[_Change]) -> Records:
    rows = [change.row for change in changes]
    vectors = has = None
    # A new document goes with its embedding where the frame has one; else the collection embeds it.
    if wanted.embeddings is not None:
        given = wanted.with_vector()
        vectors = wanted.embeddings[np.asarray(rows, np.intp)]
        has = np.array([given[c.row] and (c.embedding or c.document is not None) for c in changes], bool)
        if has.all():
            has = None
    return Records(
        ids=[wanted.ids[row] for row in rows],
        embeddings=vectors,
        documents=[change.document for change in changes],
        metadatas=[change.metadata for change in changes],
        uris=[change.uri for change in changes],
        has_embedding=has,
    )


def laid_over(
    old: Records,
    new: Records,
    without_document: set[str],
    without_uri: set[str],
    made: Mapping[str, str] | None = None,
) -> Records:
    """``old`` records as an update by ``new`` would leave them, without some documents and uris.

    Without the sparse vectors, too, that are ``made`` of what is new: whoever adds the records makes them again.
    """

    def texts(before: Sequence[object] | None, after: Sequence[object] | None, gone: set[str]) -> list[Any]:
        nothing = [None] * len(old)
        triples = zip(old.ids, before or nothing, after or nothing, strict=True)
        return [None if name in gone else one if other is None else other for name, one, other in triples]

    metadatas = []
    changes = zip(new.metadatas or [None] * len(old), new.given("documents"), strict=True)
    for metadata, (change, document) in zip(old.metadatas or (), changes, strict=True):
        other = change or {}
        again = {key for key, source in (made or {}).items() if (document and source == _DOCUMENT) or source in other}
        kept = {key: value for key, value in (metadata or {}).items() if key not in again}
        merged = {key: value for key, value in {**kept, **other}.items() if value is not None}
        metadatas.append(merged or None)
    vectors = old.embeddings
    has = new.with_vector()
    if vectors is not None and new.embeddings is not None and has.any():
        vectors = vectors.copy()
        vectors[has] = new.embeddings[has]
    return Records(
        ids=old.ids,
        embeddings=vectors,
        documents=texts(old.documents, new.documents, without_document),
        metadatas=metadatas,
        uris=texts(old.uris, new.uris, without_uri),
    )


def parts_of(records: Records) -> list[str]:
    """What ``get`` has to include to compare with these records."""
    return [name for name in (*COLUMNS, "embeddings") if getattr(records, name) is not None]
