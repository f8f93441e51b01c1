"""The small tables of a ``chroma.sqlite3``: tenants, databases, collections, segments, how far each was written.

Entries of a wrong type are left out and reported. The records of a collection are in ``chroma_records.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from chroma_nb.interchange.chroma_contents import DEFAULT_DATABASE, DEFAULT_TENANT, NIL, ChromaDatabase
from chroma_nb.interchange.chroma_sqlite import ChromaSqlite, is_uuid, scalar, shown
from chroma_nb.types import Json


class Catalog:
    """The small tables, checked: what is not of the right kind is left out and named."""

    def __init__(self, database: ChromaSqlite) -> None:
        self._database = database
        self.problems: list[str] = []
        self.tenants = [name for (name,) in database.rows("tenants", ("id",)) if isinstance(name, str)]
        self.databases = list(self._read_databases())
        self.segments = self._read_segments()
        self.applied = {
            segment: _sequence(number) for segment, number in database.rows("max_seq_id", ("segment_id", "seq_id"))
        }
        self.collections = list(self._read_collections())

    def _read_databases(self) -> Iterator[ChromaDatabase]:
        for identity, name, tenant in self._database.rows("databases", ("id", "name", "tenant_id")):
            if is_uuid(identity) and isinstance(name, str) and isinstance(tenant, str):
                yield ChromaDatabase(UUID(identity), name, tenant)
            else:
                self.problems.append(f"a database with the id {shown(identity)} is damaged and was left out")

    def _read_segments(self) -> dict[str, dict[str, str]]:
        """Per collection: scope (VECTOR, METADATA) to the segment's id."""
        found: dict[str, dict[str, str]] = {}
        for identity, scope, collection in self._database.rows("segments", ("id", "scope", "collection")):
            if not is_uuid(identity):
                self.problems.append(
                    f"the segment {shown(identity)} of collection {shown(collection)} has no valid id and was not read"
                )
            elif isinstance(collection, str) and isinstance(scope, str):
                found.setdefault(collection, {})[scope] = identity
        return found

    def _read_collections(self) -> Iterator[Json]:
        columns = ("id", "name", "topic", "dimension", "database_id", "config_json_str", "schema_str")
        seen = set()
        for values in self._database.rows("collections", columns, "ORDER BY rowid"):
            row = dict(zip(columns, values, strict=True))
            if not is_uuid(row["id"]) or not isinstance(row["name"], str):
                self.problems.append(f"a collection with the id {shown(row['id'])} is damaged and was left out")
                continue
            seen.add(row["id"])
            yield row
        if self._database.salvaged:
            yield from self._nameless(seen)

    def _nameless(self, seen: set[str]) -> Iterator[Json]:
        """Collections of a damaged file of which only segments are left."""
        for collection in self.segments:
            if collection not in seen and is_uuid(collection):
                name = f"recovered-{collection[:8]}"
                self.problems.append(f"the name of collection {collection} is lost; it was imported as {name!r}")
                yield {"id": collection, "name": name, "dimension": None}

    def place_of(self, database_id: object) -> tuple[str, str]:
        """Tenant and database that a collection belongs to."""
        for database in self.databases:
            if str(database.id) == database_id:
                return database.tenant, database.name
        if database_id not in (None, NIL):
            self.problems.append(
                f"the database {shown(database_id)} is unknown; its collections are in the default one"
            )
        return DEFAULT_TENANT, DEFAULT_DATABASE


def collection_metadata(database: ChromaSqlite, collection: str) -> Json | None:
    """The metadata of a collection; None when it has none."""
    columns = ("key", "str_value", "int_value", "float_value", "bool_value")
    found = {}
    for key, text, integer, number, flag in database.rows(
        "collection_metadata", columns, "WHERE collection_id = ? ORDER BY key", (collection,)
    ):
        value = scalar(text, integer, number, flag)
        if isinstance(key, str) and value is not None:
            found[key] = value
    return found or None


def _sequence(number: object) -> int:
    """A place in the log: an integer since 1.0, eight bytes before."""
    if isinstance(number, bytes):
        return int.from_bytes(number[-8:], "big")
    return number if isinstance(number, int) else 0
