"""Tenants, databases and collections at rest."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from chroma_nb.engine.storage import catalog, migrations
from chroma_nb.engine.storage.sqlite import Connection, Connections
from chroma_nb.errors import InternalError, NotFoundError, UniqueConstraintError

PLACE = ("default_tenant", "default_database")


@pytest.fixture
def connection() -> Iterator[Connection]:
    connections = Connections(None, durability="power", read_only=False)
    connection = connections.outside_transactions(lambda connection: connection)
    migrations.apply(connection, None)
    yield connection
    connections.close()


def create(
    connection: Connection, name: str, tenant: str = PLACE[0], database: str = PLACE[1]
) -> catalog.CollectionRow:
    return catalog.create_collection(
        connection,
        name=name,
        tenant=tenant,
        database=database,
        metadata={"a": 1},
        configuration={"hnsw": {"space": "l2"}},
        schema=None,
        settings={},
    )


def test_a_collection_is_found_by_name_and_by_id(connection: Connection) -> None:
    row = create(connection, "words")
    assert catalog.collection_by_name(connection, "words", *PLACE) == row
    assert catalog.collection_by_id(connection, row.id) == row
    assert row.model.id == UUID(row.id)
    assert row.model.metadata == {"a": 1}
    assert (row.seq, row.next_position, row.next_slot, row.generation, row.record_count) == (0, 0, 0, 0, 0)


def test_a_name_is_unique_within_its_database(connection: Connection) -> None:
    create(connection, "words")
    with pytest.raises(InternalError, match="already exists") as caught:
        create(connection, "words")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, UniqueConstraintError)
    catalog.create_database(connection, "other", PLACE[0])
    assert create(connection, "words", database="other").database == "other"


def test_a_collections_number_is_never_given_again(connection: Connection) -> None:
    last = create(connection, "last")
    catalog.delete_collection(connection, last)
    assert create(connection, "next").number > last.number


def test_what_does_not_exist_is_a_not_found_error_and_a_value_error(connection: Connection) -> None:
    for look in (
        lambda: catalog.collection_by_name(connection, "nobody", *PLACE),
        lambda: catalog.collection_by_id(connection, str(uuid4())),
        lambda: catalog.get_tenant(connection, "nobody"),
        lambda: catalog.get_database(connection, "nobody", PLACE[0]),
    ):
        with pytest.raises(NotFoundError) as caught:
            look()
        assert isinstance(caught.value, ValueError)
    assert catalog.find_collection(connection, "nobody", *PLACE) is None


def test_deleting_a_database_deletes_its_collections_and_names_them(connection: Connection) -> None:
    catalog.create_database(connection, "other", PLACE[0])
    gone = create(connection, "words", database="other")
    kept = create(connection, "words")
    assert [row.id for row in catalog.delete_database(connection, "other", PLACE[0])] == [gone.id]
    assert [row.id for row in catalog.all_collections(connection)] == [kept.id]


def test_counters_are_written_with_a_call(connection: Connection) -> None:
    row = create(connection, "words")
    catalog.advance(connection, row, seq=1, next_position=5, next_slot=7, record_count=4, dimension=3)
    now = catalog.collection_by_id(connection, row.id)
    assert (now.seq, now.next_position, now.next_slot, now.record_count, now.dimension) == (1, 5, 7, 4, 3)
    catalog.switch_generation(connection, now, 1, 4)
    now = catalog.collection_by_id(connection, row.id)
    assert (now.generation, now.next_slot, now.next_position, now.seq) == (1, 4, 5, 2)


@pytest.mark.parametrize("name", ["'; DROP TABLE collections; --", '"', "a\0b", "é" * 100, "%", "../../x"])
def test_names_are_data(connection: Connection, name: str) -> None:
    row = create(connection, name)
    assert catalog.collection_by_name(connection, name, *PLACE).id == row.id
    assert catalog.find_collection(connection, name + "x", *PLACE) is None
    catalog.create_tenant(connection, name)
    assert catalog.get_tenant(connection, name) == {"name": name}


def test_clear_leaves_nothing(connection: Connection) -> None:
    create(connection, "words")
    catalog.clear(connection)
    for table in ("tenants", "databases", "collections", "records", "changes"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
