"""Catalog: tenants, databases and collections at rest. SQL and rows; no files, no locks."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable
from functools import lru_cache
from operator import attrgetter
from typing import Final, NamedTuple
from uuid import UUID

import orjson

from chroma_nb.engine.storage.sqlite import Connection
from chroma_nb.errors import InternalError, InvalidArgumentError, _AlreadyExistsError, _DamagedError, _MissingError
from chroma_nb.plain import shown
from chroma_nb.schema import IndexParameters, SparseKeys, Unindexed
from chroma_nb.schema.discovered import MOST, Discovered, with_discovered
from chroma_nb.types import CollectionMetadata, CollectionModel, Database, Json, Tenant

_COLUMNS: Final = (
    "c.number, c.id, c.name, c.metadata, c.configuration, c.schema, c.settings, c.dimension, c.record_count, "
    "c.seq, c.next_position, c.next_slot, c.generation, d.name, d.tenant, c.staged, c.root, c.forks, c.operations "
    "FROM collections c JOIN databases d ON d.number = c.database "
)
_BY_ID: Final = "SELECT " + _COLUMNS + "WHERE c.id = ?"
_BY_NAME: Final = "SELECT " + _COLUMNS + "WHERE c.name = ? AND d.name = ? AND d.tenant = ?"
_OF_DATABASE: Final = "SELECT " + _COLUMNS + "WHERE d.name = ? AND d.tenant = ? ORDER BY c.number LIMIT ? OFFSET ?"
_ALL: Final = "SELECT " + _COLUMNS + "ORDER BY c.number"
_WITH_STAGED: Final = "SELECT " + _COLUMNS + "WHERE c.staged IS NOT NULL"
#: Our setting with the metadata keys: key -> names of types, as in a schema.
_DISCOVERED: Final = "keys"


class CollectionRow(NamedTuple):
    """A collection in the catalog: Chroma's view of it as JSON, and our counters."""

    number: int
    id: str
    name: str
    metadata_json: bytes | None
    configuration_json: bytes
    schema_json: bytes | None
    settings_json: bytes
    dimension: int | None
    record_count: int
    seq: int
    next_position: int
    next_slot: int
    generation: int
    database: str
    tenant: str
    staged_json: bytes | None = None
    root: str | None = None
    forks: int = 0
    operations: int = 0

    @property
    def staged(self) -> Json:
        """Session -> the positions of the records that it stages (see ``staging.py``)."""
        return {} if self.staged_json is None else _staged(self.staged_json)

    @property
    def hidden(self) -> tuple[tuple[int, int], ...]:
        """The ranges of positions that readers do not see, ascending."""
        return () if self.staged_json is None else _hidden(self.staged_json)

    @property
    def published(self) -> tuple[int | None, int]:
        """The dimension and the number of slots, without those of staged records."""
        if self.record_count:
            return self.dimension, self.next_slot
        is_theirs = any(staged["first"] and staged["seq"] == self.seq for staged in self.staged.values())
        return None if is_theirs else self.dimension, 0

    @property
    def metadata(self) -> CollectionMetadata | None:
        return _parsed(self.metadata_json)

    @property
    def configuration(self) -> Json:
        return _parsed(self.configuration_json) or {}

    @property
    def schema(self) -> Json | None:
        return _parsed(self.schema_json)

    @property
    def unindexed(self) -> Unindexed | None:
        """What the schema does not index; None if it indexes everything."""
        return None if self.schema_json is None else _unindexed(self.schema_json)

    @property
    def sparse_keys(self) -> SparseKeys:
        """The keys that have an index of sparse vectors."""
        return _sparse_keys(self.schema_json or b"{}")

    @property
    def settings(self) -> Json:
        """Our settings, in addition to Chroma's fields."""
        return _parsed(self.settings_json) or {}

    @property
    def discovered(self) -> frozenset[Discovered]:
        """The metadata keys of the records, and the types of their values."""
        return _discovered(self.settings_json)

    @property
    def parameters(self) -> IndexParameters:
        """Space and index parameters."""
        return _parameters(self.configuration_json, self.settings_json)

    @property
    def model(self) -> CollectionModel:
        """The model that the client gets."""
        return CollectionModel(
            id=_uuid(self.id),
            name=self.name,
            configuration_json=self.configuration,
            serialized_schema=with_discovered(self.schema, self.settings.get(_DISCOVERED) or {}),
            metadata=self.metadata,
            dimension=self.dimension,
            tenant=self.tenant,
            database=self.database,
            embedding_model=self.settings.get("embedding_model"),
        )


_texts = attrgetter("id", "name", "database", "tenant")
_counters = attrgetter("record_count", "seq", "next_position", "next_slot", "generation", "forks", "operations")
#: The limit of counters, since a record's key is a number and a position in one integer of SQLite.
_MOST_NUMBER, _MOST_COUNTED, _MOST_DIMENSION = 1 << 23, 1 << 40, 1 << 31


def _row(values: tuple[object, ...]) -> CollectionRow:
    """The row. SQLite does not guarantee its types: the file may be damaged, or manipulated."""
    row = CollectionRow._make(values)
    texts, counters, dimension = _texts(row), _counters(row), 0 if row.dimension is None else row.dimension
    if (
        set(map(type, texts)) != {str}
        or set(map(type, (row.number, dimension, *counters))) != {int}
        or not 0 <= row.number < _MOST_NUMBER
        or not 0 <= dimension < _MOST_DIMENSION
        or not 0 <= min(counters) <= max(counters) < _MOST_COUNTED
    ):
        given = [*texts, row.number, row.dimension, *counters]
        raise _damaged(f"expected the names and counters of a collection, got {shown(given)}")
    return row


def _parsed(json: bytes | None) -> Json | None:
    if json is None:
        return None
    try:
        parsed = orjson.loads(json)
    except (TypeError, orjson.JSONDecodeError) as error:
        raise _damaged(error) from None
    if not isinstance(parsed, dict):
        raise _damaged(f"expected a JSON object, got {type(parsed).__name__}")
    return parsed


@lru_cache(maxsize=256)
def _discovered(settings: bytes) -> frozenset[Discovered]:
    known = (_parsed(settings) or {}).get(_DISCOVERED) or {}
    try:
        return frozenset((key, name) for key, names in known.items() for name in names)
    except (AttributeError, TypeError) as error:
        raise _damaged(error) from None


@lru_cache(maxsize=16)
def _staged(json: bytes) -> Json:
    parsed = _parsed(json) or {}
    try:
        for session in parsed.values():
            if not all(0 <= first <= last for first, last in session["ranges"]):
                raise ValueError("positions that are not a range")
            session["first"], session["seq"]
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(error) from None
    return parsed


@lru_cache(maxsize=16)
def _hidden(json: bytes) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((first, last) for session in _staged(json).values() for first, last in session["ranges"]))


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except (AttributeError, TypeError, ValueError) as error:
        raise _damaged(error) from None


def _damaged(what: object) -> _DamagedError:
    return _DamagedError(
        f"The catalog entry of a collection is damaged ({shown(what, 300)}). Restore the database from a backup."
    )


@lru_cache(maxsize=256)
def _unindexed(schema: bytes) -> Unindexed | None:
    return Unindexed.of(_parsed(schema))


@lru_cache(maxsize=256)
def _sparse_keys(schema: bytes) -> SparseKeys:
    return SparseKeys(_parsed(schema) or {})


@lru_cache(maxsize=256)
def _parameters(configuration: bytes, settings: bytes) -> IndexParameters:
    stored, ours = _parsed(configuration) or {}, _parsed(settings) or {}
    try:
        return IndexParameters.of(stored, bool(ours.get("ef_search_is_set", False)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(error) from None


# --- Tenants and databases ------------------------------------------------------------------------


def create_tenant(connection: sqlite3.Connection, name: str) -> None:
    """Raises InternalError (also a ValueError) when the tenant exists."""
    try:
        connection.execute("INSERT INTO tenants (name) VALUES (?)", (name,))
    except sqlite3.IntegrityError:
        raise _AlreadyExistsError(f"Tenant [{name}] already exists") from None


def get_tenant(connection: sqlite3.Connection, name: str) -> Tenant:
    """Raises NotFoundError when there is no such tenant."""
    if connection.execute("SELECT 1 FROM tenants WHERE name = ?", (name,)).fetchone() is None:
        raise _MissingError(f"Tenant [{name}] not found")
    return Tenant(name=name)


def create_database(connection: sqlite3.Connection, name: str, tenant: str) -> None:
    """A database can be created for a tenant that does not exist, as in Chroma."""
    try:
        connection.execute(
            "INSERT INTO databases (id, name, tenant) VALUES (?, ?, ?)", (str(uuid.uuid4()), name, tenant)
        )
    except sqlite3.IntegrityError:
        raise _AlreadyExistsError(f"Database [{name}] already exists") from None


def get_database(connection: sqlite3.Connection, name: str, tenant: str) -> Database:
    """Raises NotFoundError when the tenant has no such database."""
    row = connection.execute("SELECT id FROM databases WHERE name = ? AND tenant = ?", (name, tenant)).fetchone()
    if row is None:
        raise _MissingError(f"Database [{name}] not found. Are you sure it exists?")
    return Database(id=_uuid(row[0]), name=name, tenant=tenant)


def delete_database(connection: sqlite3.Connection, name: str, tenant: str) -> list[CollectionRow]:
    """Delete a database and its collections; returns these collections."""
    get_database(connection, name, tenant)
    gone = list_collections(connection, tenant, name)
    for row in gone:
        delete_collection(connection, row)
    connection.execute("DELETE FROM databases WHERE name = ? AND tenant = ?", (name, tenant))
    return gone


def list_databases(
    connection: sqlite3.Connection, tenant: str, limit: int | None = None, offset: int | None = None
) -> list[Database]:
    """The databases of a tenant by name, as Chroma orders them; none for an unknown tenant."""
    rows = connection.execute(
        "SELECT id, name FROM databases WHERE tenant = ? ORDER BY name LIMIT ? OFFSET ?",
        (tenant, -1 if limit is None else limit, offset or 0),
    ).fetchall()
    return [Database(id=_uuid(ident), name=name, tenant=tenant) for ident, name in rows]


# --- Collections -------------------------------------------------------------------------------------


def create_collection(
    connection: sqlite3.Connection,
    *,
    name: str,
    tenant: str,
    database: str,
    metadata: CollectionMetadata | None,
    configuration: Json,
    schema: Json | None,
    settings: Json,
) -> CollectionRow:
    """Raises InternalError (also UniqueConstraintError and ValueError) when the name is taken."""
    get_database(connection, database, tenant)
    ident = str(uuid.uuid4())
    try:
        connection.execute(
            "INSERT INTO collections (id, name, database, metadata, configuration, schema, settings) "
            "SELECT ?, ?, number, ?, ?, ?, ? FROM databases WHERE name = ? AND tenant = ?",
            (
                ident,
                name,
                _json(metadata),
                orjson.dumps(configuration),
                _json(schema),
                orjson.dumps(settings),
                database,
                tenant,
            ),
        )
    except sqlite3.IntegrityError:
        raise _AlreadyExistsError(f"Collection [{name}] already exists") from None
    return collection_by_id(connection, ident)


def find_collection(connection: sqlite3.Connection, name: str, tenant: str, database: str) -> CollectionRow | None:
    """The collection of that name, or None."""
    values = connection.execute(_BY_NAME, (name, database, tenant)).fetchone()
    return None if values is None else _row(values)


def collection_by_name(connection: sqlite3.Connection, name: str, tenant: str, database: str) -> CollectionRow:
    """Raises NotFoundError (also a ValueError) when there is none."""
    row = find_collection(connection, name, tenant, database)
    if row is None:
        raise _MissingError(f"Collection [{name}] does not exist")
    return row


def collection_by_id(connection: sqlite3.Connection, ident: str, context: str = "") -> CollectionRow:
    """Raises NotFoundError (also a ValueError), whose text begins with ``context``, when there is none."""
    row = find_collection_by_id(connection, ident)
    if row is None:
        raise _MissingError(f"{context}Collection [{ident}] does not exist.")
    return row


def find_collection_by_id(connection: sqlite3.Connection, ident: str) -> CollectionRow | None:
    """The collection of that id, or None."""
    values = connection.execute(_BY_ID, (ident,)).fetchone()
    return None if values is None else _row(values)


def known_collection(connection: Connection, ident: str, context: str = "") -> CollectionRow:
    """As ``collection_by_id``, but read once for each connection until the next commit. For read transactions."""
    row: CollectionRow | None = connection.catalog.get(ident)
    if row is None:
        row = connection.catalog[ident] = collection_by_id(connection, ident, context)
    return row


def list_collections(
    connection: sqlite3.Connection, tenant: str, database: str, limit: int | None = None, offset: int | None = None
) -> list[CollectionRow]:
    """The collections of a database in order of creation."""
    parameters = database, tenant, -1 if limit is None else limit, offset or 0
    return [_row(values) for values in connection.execute(_OF_DATABASE, parameters).fetchall()]


def all_collections(connection: sqlite3.Connection) -> list[CollectionRow]:
    """Every collection of every database."""
    return [_row(values) for values in connection.execute(_ALL).fetchall()]


def with_staged(connection: sqlite3.Connection) -> list[CollectionRow]:
    """The collections that hold staged records."""
    return [_row(values) for values in connection.execute(_WITH_STAGED).fetchall()]


def count_collections(connection: sqlite3.Connection, tenant: str, database: str) -> int:
    """How many collections a database has."""
    count: int = connection.execute(
        "SELECT count(*) FROM collections c JOIN databases d ON d.number = c.database "
        "WHERE d.name = ? AND d.tenant = ?",
        (database, tenant),
    ).fetchone()[0]
    return count


def modify_collection(
    connection: sqlite3.Connection,
    row: CollectionRow,
    *,
    name: str | None,
    metadata: CollectionMetadata | None,
    replace_metadata: bool,
    configuration: Json,
    schema: Json | None,
    settings: Json,
) -> None:
    """Raises InternalError (also a ValueError) when the new name is taken."""
    try:
        connection.execute(
            "UPDATE collections SET name = ?, metadata = ?, configuration = ?, schema = ?, settings = ? "
            "WHERE number = ?",
            (
                row.name if name is None else name,
                _json(metadata) if replace_metadata else row.metadata_json,
                orjson.dumps(configuration),
                _json(schema),
                orjson.dumps(settings),
                row.number,
            ),
        )
    except sqlite3.IntegrityError:
        raise _AlreadyExistsError(
            f"Collection [{name}] already exists: UNIQUE constraint failed: collections.name, collections.database_id"
        ) from None


def fork_collection(connection: sqlite3.Connection, row: CollectionRow, ident: str, name: str) -> CollectionRow:
    """A collection like ``row`` with another id and a free name; the caller copies the records."""
    dimension, next_slot = row.published
    connection.execute(_FORK, (ident, name, dimension, next_slot, row.number))
    root = row.root or row.id
    connection.execute(
        "UPDATE collections SET root = :root, forks = :forks WHERE id IN (:root, :id) OR root = :root",
        {"root": root, "forks": row.forks + 1, "id": ident},
    )
    return collection_by_id(connection, ident)


_FORK: Final = (
    "INSERT INTO collections (id, name, database, metadata, configuration, schema, settings, dimension, next_slot, "
    "record_count, seq, next_position, generation, operations) "
    "SELECT ?, ?, database, metadata, configuration, schema, settings, ?, ?, "
    "record_count, seq, next_position, generation, operations FROM collections WHERE number = ?"
)


def delete_collection(connection: sqlite3.Connection, row: CollectionRow) -> None:
    """Delete a collection, its records and its changes."""
    connection.execute("DELETE FROM records WHERE key BETWEEN ? AND ?", (row.number << 40, (row.number + 1 << 40) - 1))
    connection.execute("DELETE FROM collections WHERE number = ?", (row.number,))


def advance(
    connection: sqlite3.Connection,
    row: CollectionRow,
    *,
    seq: int,
    next_position: int,
    next_slot: int,
    record_count: int,
    dimension: int | None,
    operations: int = 0,
) -> None:
    """Write a collection's counters at the end of a call that changed its records; ``operations``: how many."""
    connection.execute(
        "UPDATE collections SET seq = ?, next_position = ?, next_slot = ?, record_count = ?, dimension = ?, "
        "operations = ? WHERE number = ?",
        (seq, next_position, next_slot, record_count, dimension, row.operations + operations, row.number),
    )


def switch_generation(connection: sqlite3.Connection, row: CollectionRow, generation: int, next_slot: int) -> None:
    """Note that the vectors are in another file from now on (the end of a compaction)."""
    connection.execute(
        "UPDATE collections SET generation = ?, next_slot = ?, seq = seq + 1 WHERE number = ?",
        (generation, next_slot, row.number),
    )


def set_staged(connection: sqlite3.Connection, row: CollectionRow, staged: Json, *, dimension: int | None) -> None:
    """Store the hidden positions, and the dimension, which the first staged vectors set."""
    connection.execute(
        "UPDATE collections SET staged = ?, dimension = ? WHERE number = ?",
        (orjson.dumps(staged) if staged else None, dimension, row.number),
    )


def discover(
    connection: sqlite3.Connection, row: CollectionRow, found: Iterable[Discovered], *, keep: bool = True
) -> None:
    """Store metadata keys and the types of their values; ``keep``: in addition to the known ones."""
    now = collection_by_id(connection, row.id)
    known: dict[str, list[str]] = {}
    for key, name in list(dict.fromkeys([*sorted(now.discovered if keep else ()), *sorted(found)]))[:MOST]:
        known.setdefault(key, []).append(name)
    set_settings(connection, now, {**now.settings, _DISCOVERED: known})


def set_settings(connection: sqlite3.Connection, row: CollectionRow, settings: Json) -> None:
    """Replace our settings of a collection."""
    connection.execute("UPDATE collections SET settings = ? WHERE number = ?", (orjson.dumps(settings), row.number))


def clear(connection: sqlite3.Connection) -> None:
    """Delete everything; the caller inserts the defaults again."""
    for statement in (
        "DELETE FROM changes",
        "DELETE FROM records",
        "DELETE FROM collections",
        "DELETE FROM databases",
        "DELETE FROM tenants",
    ):
        connection.execute(statement)


def _json(value: object) -> bytes | None:
    if value is None:
        return None
    try:
        return orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError) as error:
        kind = InvalidArgumentError if "UTF-8" in str(error) else InternalError
        raise kind(f"cannot store {shown(value, 200, repr)} as JSON: {error}") from None
