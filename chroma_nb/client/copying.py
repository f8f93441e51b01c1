"""Copy a collection between any two clients: of a directory, of memory, of a server, of chromadb itself.

Only methods that every Chroma collection has are used, so either side may be another library's. To continue a copy
that was interrupted, call it again.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import orjson

from chroma_nb.client.reembed import refuse_without_vectors
from chroma_nb.collection import Client, Collection, has_sparse_indexes, index, offers, space, stored_function
from chroma_nb.embedding_functions.progress import Progress, progress_bar
from chroma_nb.embedding_functions.registry import known_embedding_functions
from chroma_nb.errors import InternalError, _AlreadyExistsError
from chroma_nb.paging import slices
from chroma_nb.records import FIELDS, Record, Records
from chroma_nb.schema import Schema
from chroma_nb.tables._sync.sending import replace_records
from chroma_nb.tables.batches import arguments
from chroma_nb.tables.checks import say_more
from chroma_nb.types import Fields, Json

#: Chroma gives vectors of cosine collections back rescaled: the last digits differ.
_VECTOR_TOLERANCE = 2e-6


@dataclass(frozen=True)
class Copied:
    """What ``copy`` did.

    Attributes
    ----------
    collection
        The copy.
    records
        How many records the source has.
    written
        How many of them this call wrote. The others were there from an earlier call.
    checksum
        The checksum of ids, documents, metadata and URIs, which is the same on both sides.
    others
        How many records the copy has that the source does not have.
    """

    collection: Collection
    records: int
    written: int
    checksum: str
    others: int = 0


def copy(
    source_collection: Collection,
    target_client: Client,
    name: str | None = None,
    *,
    batch_size: int = 1000,
    overwrite: bool = False,
    progress: bool = True,
) -> Copied:
    """Copy a collection to another client, or under another name.

    The copy gets the records in their order, the metadata, the distance, the index parameters and the
    embedding function. Either side can be a client of chroma_nb or of the chromadb package. At the end
    both sides are read and compared. If a copy is interrupted, call the function again: records that
    have arrived are not sent again.

    Parameters
    ----------
    source_collection
        The collection to copy.
    target_client
        The client to copy to.
    name
        The name of the copy. By default it is the name of the source.
    batch_size
        The most records to send in one call. A lower limit of the target is respected.
    overwrite
        Overwrite records of the target that have the same id and other contents. By default the
        function raises an error before it changes such a record.
    progress
        Show a progress bar.

    Returns
    -------
    Copied
        The copy and the numbers of records. Records that only the target has are kept, and counted as
        ``others``.

    Raises
    ------
    UniqueConstraintError
        The target has a different record under the same id, and ``overwrite`` is False. The error is
        also a ``ValueError``.
    InternalError
        The two sides differ at the end, for example because one of them was changed meanwhile.
    InvalidArgumentError
        Records of the source have no vector. ``reembed`` adds the missing vectors.
    TypeError
        An argument is not a collection or client, or it is an asynchronous one.
    ValueError
        The target is the source itself, or ``batch_size`` is less than 1.

    Examples
    --------
    >>> import chroma_nb, tempfile
    >>> memory = chroma_nb.EphemeralClient()
    >>> birds = memory.get_or_create_collection("birds")
    >>> birds.upsert(ids=["wren", "crow"], embeddings=[[1, 0], [0, 1]])
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     with chroma_nb.PersistentClient(directory) as disk:
    ...         chroma_nb.copy(birds, disk).records
    2
    >>> memory.delete_collection("birds")
    """
    _check_sides(source_collection, target_client, batch_size)
    target = _target(source_collection, target_client, name or source_collection.name)
    if target.id == source_collection.id:
        raise ValueError("expected another database or another name for the copy, got the collection itself")
    ids: list[str] = source_collection.get(include=[])["ids"]
    size = min(batch_size, _largest_batch(target_client))
    others = len(set(target.get(include=[])["ids"]).difference(ids)) if target.count() else 0
    with progress_bar(len(ids), description="copying", unit="record", shown=progress, leave=False) as bar:
        written = _transfer(source_collection, target, list(slices(ids, size)), overwrite, bar)
    checksum = _verify(source_collection, target, ids, size, others)
    return Copied(target, len(ids), written, checksum, others)


# --- Before ------------------------------------------------------------------------------------------------
def _check_sides(source: object, target: object, batch_size: int) -> None:
    for side, method, what in ((source, "get", "collection"), (target, "get_or_create_collection", "client")):
        if not offers(side, method):
            raise TypeError(
                f"expected a {what} of chroma_nb or chromadb that is not async, got {type(side).__name__}; create "
                "one with HttpClient, PersistentClient or EphemeralClient"
            )
    if batch_size < 1:
        raise ValueError(f"expected a batch_size of at least 1, got {batch_size}")


def _target(source: Collection, client: Client, name: str) -> Collection:
    metadata = source.metadata or None
    if any(one.name == name for one in client.list_collections()):  # its settings may be others, on purpose
        kept = stored_function(client.get_collection(name, embedding_function=None)) == stored_function(source)
        return client.get_collection(name, embedding_function=_embedding_function(source, client, kept=kept))
    if not has_sparse_indexes(source):
        return client.get_or_create_collection(name, metadata=metadata, **_configured(source, client))
    try:
        return client.get_or_create_collection(name, metadata=metadata, **_schema(source, client))
    except Exception as error:
        say_more(
            error,
            (
                f"{source.name!r} has an index of sparse vectors, which Chroma has in its cloud only. Save its "
                "records with to_jsonl() or to_parquet(): these files hold sparse vectors."
            ),
        )
        raise


def _configured(source: Collection, client: Client) -> Json:
    """The distance, the parameters of the index and the embedding function.

    The stored configuration of a function that cannot be built here is copied as it is, in a schema.
    """
    kept = _keeps_stored_function(source, client)
    function = _embedding_function(source, client, kept=kept)
    if function is None and kept:
        return _schema(source, client)
    return {"configuration": _configuration(source), "embedding_function": function}


def _keeps_stored_function(source: Collection, client: Client) -> bool:
    """Whether the target stores the configuration of a function that it cannot build."""
    known = stored_function(source).get("type") == "known"
    if any(key.startswith("hnsw:") for key in source.metadata or {}):  # Chroma takes these or a schema, not both
        return False
    return known and _library(client) == "chroma_nb" and getattr(source, "schema", None) is not None


def _schema(source: Any, client: Client) -> Json:
    """The same and the indexes of sparse vectors, as only a schema can say it: as a schema of the target's library."""
    kind: Any = Schema if _library(client) == "chroma_nb" else import_module(f"{_library(client)}.api.types").Schema
    schema = kind.deserialize_from_json(source.schema.serialize_to_json())
    named = stored_function(source).get("type") == "known"  # then the schema names it
    return {"schema": schema} if named else {"schema": schema, "embedding_function": None}


def _library(client: Client) -> str:
    return type(client).__module__.partition(".")[0]


def _configuration(source: Collection) -> Json:
    kind, settings = index(source)
    return {"hnsw": dict(settings) if kind == "hnsw" else {"space": space(source)}}


def _embedding_function(source: Collection, client: Client, *, kept: bool) -> object:
    """The source's embedding function as the target's library has it; None if it cannot be built here.

    ``kept``: the copy has its stored configuration all the same. Otherwise a warning says that the copy has none.
    """
    stored = stored_function(source)
    if stored.get("type") != "known":
        return None
    library = _library(client)
    try:
        known: Fields = (
            known_embedding_functions
            if library == "chroma_nb"
            else import_module(f"{library}.utils.embedding_functions").known_embedding_functions
        )
        built: object = known[str(stored["name"])].build_from_config(stored["config"])
        return built
    except Exception as error:  # noqa: BLE001  # another library's constructor may raise anything
        if not kept:
            warnings.warn(
                f"The embedding function {stored['name']!r} of {source.name!r} cannot be built here "
                f"({type(error).__name__}), so the copy has none. Pass it to "
                "get_collection(embedding_function=...).",
                stacklevel=4,
            )
        return None


def _largest_batch(client: Client) -> int:
    size = int(client.get_max_batch_size())
    return size if size > 0 else 1000


# --- Records of either library ---------------------------------------------------------------------------------
def _canonical(record: Record) -> bytes:
    """All but the vector, in one canonical form."""
    values = [record.id, record.document, record.metadata or None, record.uri]
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS)


def _same(record: Record, other: Record) -> bool:
    """Whether both hold the same, the vectors within float32."""
    if _canonical(record) != _canonical(other):
        return False
    scale = float(np.abs(record.embedding).max(initial=0.0))
    return record.embedding.shape == other.embedding.shape and bool(
        (np.abs(record.embedding - other.embedding) <= _VECTOR_TOLERANCE * scale).all()
    )


def _read(collection: Collection, ids: list[str]) -> dict[str, Record]:
    found = Records.of_result(collection.get(ids=ids, include=list(FIELDS)))
    refuse_without_vectors(found, collection.name)
    return {record.id: record for record in found.rows()}


def _add(target: Collection, records: list[Record]) -> None:
    target.add(**arguments(Records.of(records).pruned()))


# --- During and after ---------------------------------------------------------------------------------------------
def _transfer(source: Collection, target: Collection, batches: list[list[str]], overwrite: bool, bar: Progress) -> int:
    written, looked_at, maybe_there = 0, 0, target.count() > 0
    for ids in batches:
        records = _read(source, ids)
        there = _read(target, ids) if maybe_there else {}
        differing = [id_ for id_, record in there.items() if id_ in records and not _same(record, records[id_])]
        if differing and not overwrite:
            raise _AlreadyExistsError(
                f"collection {target.name!r} holds other records under the same ids "
                f"({', '.join(differing[:3])}...). Choose another name=, or pass overwrite=True."
            )
        missing = [record for id_, record in records.items() if id_ not in there or id_ in differing]
        if differing:  # an update would merge metadata
            old = Records.of([there[id_] for id_ in differing]).pruned()
            replace_records(target, old, Records.of(missing).pruned())
        elif missing:
            _add(target, missing)
        written += len(missing)
        looked_at += len(ids)
        bar.update(max(0, looked_at - bar.done))  # a server's client may have moved it
    return written


def _verify(source: Collection, target: Collection, ids: list[str], size: int, others: int) -> str:
    """The checksum of the texts on both sides; InternalError when anything differs, ``others`` of the target aside."""
    counts = source.count(), target.count()
    if counts != (len(ids), len(ids) + others):
        raise InternalError(
            f"Expected {len(ids)} records in the source of the copy and {len(ids) + others} in the copy "
            f"{target.name!r}, got {counts[0]} and {counts[1]}. If one of them was written to meanwhile, copy "
            "again with overwrite=True."
        )
    digest = hashlib.blake2b(digest_size=16)
    for batch in slices(ids, size):
        here, there = _read(source, batch), _read(target, batch)
        wrong = [id_ for id_ in batch if id_ not in here or id_ not in there or not _same(here[id_], there[id_])]
        if wrong:
            raise InternalError(
                f"{len(wrong)} records differ between {source.name!r} and its copy, first id {wrong[0]!r}. If one "
                "of them was written to meanwhile, copy again with overwrite=True."
            )
        for id_ in batch:
            digest.update(_canonical(here[id_]))
    return digest.hexdigest()
