"""What may be stored is checked by the engine itself, whoever calls it, before anything is written."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from engine_samples import contents, create
from hypothesis import given
from hypothesis import strategies as st

from chroma_nb import constraints
from chroma_nb.engine.engine import Engine
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.errors import DuplicateIDError, InvalidArgumentError
from chroma_nb.records import Edits, Records
from chroma_nb.types import SparseVector

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


# --- Sparse vectors -----------------------------------------------------------------------------------------------
indices = st.lists(st.sampled_from((-1, 0, 1, 2, 3, 2**32 - 1, 2**32, 2**70, True, 1.0, "1")), max_size=3)
ascending = st.sets(st.integers(0, 5), max_size=4).map(sorted)
numbers = st.sampled_from((0, 1, 0.5, -2.5, 3e38, 1e39, math.nan, -math.inf, 10**400, True, "1", None))
right_numbers = st.sampled_from((0, 1, 0.5, -2.5, 3e38))
labels = st.none() | st.lists(st.sampled_from(("a", "\u00fc", "half \ud800", 5)), max_size=3)


@st.composite
def sparse_vectors(draw: Any) -> SparseVector:
    """Vectors that are right, or nearly so."""
    of = draw(ascending | ascending | indices)
    values = draw(st.lists(right_numbers | right_numbers | numbers, min_size=len(of), max_size=len(of)))
    named = draw(st.none() | st.just(["w"] * len(of)) | labels)
    return SparseVector.as_given(of, values[: draw(st.sampled_from((len(of), len(of), 1)))], named)


def is_right(vector: SparseVector) -> bool:
    """Whether it may be stored, entry by entry. (True is 1, as everywhere in Python.)"""
    of, values, named = vector.indices, vector.values, vector.labels
    return (
        len(of) == len(values)
        and (named is None or len(named) == len(of))
        and all(isinstance(one, int) and 0 <= one < 2**32 for one in of)
        and all(before < after for before, after in itertools.pairwise(of))
        and all(isinstance(one, int | float) and abs(one) <= 3.4028234663852886e38 for one in values)
        and all(isinstance(one, str) and not re.search("[\ud800-\udfff]", one) for one in named or ())
    )


@given(vectors=st.lists(sparse_vectors(), min_size=1, max_size=4), text=st.booleans())
def test_sparse_vectors_are_stored_when_each_of_them_is_right(vectors: list[SparseVector], text: bool) -> None:
    metadatas: list[Any] = [{"v": vector, "n": 1} for vector in vectors]
    if text:
        metadatas[0]["list"] = ["one"]  # then they are looked at one by one
    records = Records([f"r{number}" for number in range(len(vectors))], metadatas=metadatas)
    if all(map(is_right, vectors)):
        (*found,) = constraints.check_records(records, updating=False).metadatas or ()
        assert [metadata["v"] for metadata in found] == vectors
    else:
        wrong = next(number for number, vector in enumerate(vectors) if not is_right(vector))
        with pytest.raises(InvalidArgumentError, match=rf"Invalid metadata at index {wrong}\nRecord {wrong} \(id"):
            constraints.check_records(records, updating=False)
