"""Take over databases and collections from elsewhere, with their ids and configurations.

Imports use this. ``Engine.adopt`` takes over the records.
"""

from __future__ import annotations

from chroma_nb import schema as schemas
from chroma_nb.engine.engine import Engine
from chroma_nb.engine.storage import catalog
from chroma_nb.engine.storage.sqlite import Connection
from chroma_nb.types import CollectionModel, Database, Json


def adopt_database(engine: Engine, database: Database) -> None:
    """Create ``database``, with its id, and its tenant if they do not exist."""

    def adopt(connection: Connection) -> None:
        """Insert the tenant and the database, unless they exist."""
        _insert_tenant(connection, database["tenant"])
        connection.execute(
            "INSERT OR IGNORE INTO databases (id, name, tenant) VALUES (?, ?, ?)",
            (str(database["id"]), database["name"], database["tenant"]),
        )

    engine.transactions.write(adopt)


def adopt_tenant(engine: Engine, name: str) -> None:
    """Create the tenant if it does not exist."""
    engine.transactions.write(lambda connection: _insert_tenant(connection, name))


def _insert_tenant(connection: Connection, name: str) -> None:
    connection.execute("INSERT OR IGNORE INTO tenants (name) VALUES (?)", (name,))


def adopt_collection(engine: Engine, model: CollectionModel, *, ef_search_is_set: bool) -> CollectionModel:
    """Create a collection as ``model`` describes it; its database must exist.

    A schema that is None or invalid is built from the configuration. Raises InternalError (also a
    ValueError) when the name is taken.
    """

    def adopt(connection: Connection) -> CollectionModel:
        """Insert the collection with its own id."""
        row = catalog.create_collection(
            connection,
            name=model.name,
            tenant=model.tenant,
            database=model.database,
            metadata=model.metadata or None,
            configuration=model.configuration_json,
            schema=_schema(model),
            settings={"ef_search_is_set": ef_search_is_set, **_noted(model)},
        )
        connection.execute(
            "UPDATE collections SET id = ?, dimension = ? WHERE number = ?",
            (str(model.id), model.dimension, row.number),
        )
        return catalog.collection_by_id(connection, str(model.id)).model

    return engine.transactions.write(adopt)


def _noted(model: CollectionModel) -> Json:
    return {} if model.embedding_model is None else {"embedding_model": model.embedding_model}


def _schema(model: CollectionModel) -> Json | None:
    if model.serialized_schema is not None:
        try:
            schemas.Schema.deserialize_from_json(model.serialized_schema)
        except (AttributeError, KeyError, TypeError, ValueError):
            pass
        else:
            return model.serialized_schema
    return schemas.resolve(None, model.configuration_json, None).serialized_schema


def tenants(engine: Engine) -> list[str]:
    """The names of all tenants."""
    statement = "SELECT name FROM tenants ORDER BY name"
    return engine.transactions.read(lambda connection: [name for (name,) in connection.execute(statement).fetchall()])
