"""What may be stored is checked by the engine itself, whoever calls it, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from engine_samples import contents, create

from chroma_nb import constraints
from chroma_nb.engine.engine import Engine
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.errors import DuplicateIDError, InvalidArgumentError
from chroma_nb.records import Edits, Records

VECTOR = np.ones((1, 2), np.float32)


@pytest.fixture(params=["memory", "disk"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SharedEngine]:
    engine = SharedEngine.open(tmp_path if request.param == "disk" else None)
    yield engine
    engine.close()


WRITES: dict[str, Callable[[Engine, UUID, Records], Any]] = {
    "add": lambda engine, collection, given: engine.add(collection, given),
    "upsert": lambda engine, collection, given: engine.upsert(collection, given),
    "update": lambda engine, collection, given: engine.update(collection, given),
    "edit that adds": lambda engine, collection, given: engine.edit(collection, Edits(add=given)),
    "edit that updates": lambda engine, collection, given: engine.edit(collection, Edits(update=given)),
    "edit that upserts": lambda engine, collection, given: engine.edit(collection, Edits(upsert=given)),
    "adopt": lambda engine, collection, given: engine.adopt(collection, given),
}
#: What no record may be, whatever takes it in.
REFUSED = [
    (Records(["a", "a"], np.ones((2, 2), np.float32)), DuplicateIDError),
    (Records([7], VECTOR), TypeError),  # type: ignore[list-item]  # what is refused
    (Records(["a"], np.array([[1, np.nan]], np.float32)), InvalidArgumentError),
    (Records(["a"], VECTOR, documents=[7]), TypeError),  # type: ignore[list-item]  # what is refused
    (Records(["a"], VECTOR, uris=[7]), TypeError),  # type: ignore[list-item]  # what is refused
    (Records(["a"], VECTOR, metadatas=[{"k": {"no": "nesting"}}]), TypeError),
    (Records(["a"], VECTOR, metadatas=[{"k": [1, "a"]}]), InvalidArgumentError),
]


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize(("given", "error"), REFUSED)
def test_no_write_stores_what_is_refused(
    engine: SharedEngine, write: Callable[..., Any], given: Records, error: type[Exception]
) -> None:
    collection = create(engine)
    with pytest.raises(error):
        write(engine, collection, given)
    assert contents(engine, collection) == {}


@pytest.mark.parametrize("name", [name for name in WRITES if name != "adopt"])
@pytest.mark.parametrize("given", [Records([""], VECTOR), Records(["a"], VECTOR, metadatas=[{"#k": 1}])])
def test_an_empty_id_and_a_reserved_key_are_refused(engine: SharedEngine, name: str, given: Records) -> None:
    with pytest.raises(InvalidArgumentError):
        WRITES[name](engine, create(engine), given)


def test_records_of_another_database_keep_the_ids_and_keys_that_it_allowed(engine: SharedEngine) -> None:
    collection = create(engine)
    engine.adopt(collection, Records([""], VECTOR, metadatas=[{"#k": 1}]))
    assert engine.get(collection, None, None, None, None, ["metadatas"])["metadatas"] == [{"#k": 1}]


def test_what_is_staged_and_published_is_checked(tmp_path: Path) -> None:
    with_bad = Records(["a"], VECTOR, metadatas=[{"$k": 1}])
    engine = SharedEngine.open(tmp_path)
    collection = create(engine)
    session = engine.begin_staging(collection)
    assert session is not None
    with pytest.raises(InvalidArgumentError):
        engine.stage(session, with_bad)
    with pytest.raises(InvalidArgumentError):
        engine.publish(session, Edits(add=with_bad), update=False)
    engine.abandon(session)
    assert contents(engine, collection) == {}
    engine.close()


@pytest.mark.parametrize(
    "call",
    [
        lambda engine: engine.create_tenant("t"),
        lambda engine: engine.create_database("d", "default_tenant"),
        lambda engine: engine.create_collection("c", "default_tenant", "default_database", None, None, None, False),
        lambda engine: engine.create_collection(
            "birds", "default_tenant", "default_database", {"#k": 1}, None, None, False
        ),
        lambda engine: engine.modify_collection(create(engine), "default_tenant", "default_database", "c", None, None),
    ],
)
def test_names_and_the_metadata_of_collections_are_checked(engine: SharedEngine, call: Callable[..., Any]) -> None:
    with pytest.raises(InvalidArgumentError):
        call(engine)


@pytest.mark.parametrize("name", ["add", "upsert", "update", "edit that adds", "edit that updates"])
def test_a_write_is_checked_once(engine: SharedEngine, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    collection, checked = create(engine), []
    check = constraints.check_finite

    def counted(*given: Any) -> None:
        checked.append(given)
        check(*given)

    monkeypatch.setattr(constraints, "check_finite", counted)
    WRITES[name](engine, collection, Records(["a"], VECTOR))
    assert len(checked) == 1
