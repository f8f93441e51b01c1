"""The engine in this process as a backend."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from chroma_nb.backends.embedded import EmbeddedBackend, open_embedded
from chroma_nb.backends.endpoints import ENDPOINTS
from chroma_nb.config import Settings
from chroma_nb.errors import AuthorizationError, DuplicateIDError, InvalidArgumentError, _ClosedError
from chroma_nb.operations import requests as r
from chroma_nb.query.parsing import Filter
from chroma_nb.records import Records

PLACE = ("default_tenant", "default_database")


@pytest.fixture
def backend(no_place_is_open: None) -> Iterator[EmbeddedBackend]:
    backend = open_embedded(Settings())
    yield backend
    backend.stop()


@pytest.fixture
def birds(backend: EmbeddedBackend) -> tuple[uuid.UUID, str, str]:
    place = (backend.handle(r.CreateCollection("birds", *PLACE)).id, *PLACE)
    vectors = np.array([[1, 0], [0, 1], [1, 1]], dtype=np.float32)
    records = Records(
        ["wren", "crow", "jay"], vectors, ["small brown", "large black", None], [{"g": 9}, {"g": 500}, {"g": 160}]
    )
    backend.handle(r.Add(*place, records))
    return place


def leaves(kind: type[Any]) -> set[type[Any]]:
    children = kind.__subclasses__()
    return {leaf for child in children for leaf in leaves(child)} if children else {kind}


def test_every_request_has_a_handler() -> None:
    # Subscripted generics (CollectionRequest[None]) are no classes of their own.
    assert set(ENDPOINTS) == {leaf for leaf in leaves(r.Request) if leaf.__module__ == r.__name__}


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (r.GetAttachedFunction(uuid.uuid4(), *PLACE, name="f"), "Attached functions are only supported"),
        (r.DetachFunction(uuid.uuid4(), *PLACE, name="f"), "Attached functions are only supported"),
    ],
)
def test_what_chroma_has_in_its_cloud_only_is_refused(backend: EmbeddedBackend, request_: Any, text: str) -> None:
    with pytest.raises(NotImplementedError, match=text):
        backend.handle(request_)


def test_reset_needs_the_settings_to_allow_it(backend: EmbeddedBackend) -> None:
    with pytest.raises(AuthorizationError, match="Reset is disabled by config"):
        backend.handle(r.Reset())


def test_any_batch_is_taken_and_the_number_reported_is_large(backend: EmbeddedBackend) -> None:
    assert backend.handle(r.GetMaxBatchSize()) >= 100_000


def test_both_filters_hold_together(backend: EmbeddedBackend, birds: tuple[uuid.UUID, str, str]) -> None:
    where, where_document = {"g": {"$gt": 10}}, {"$contains": "l"}
    found = backend.handle(r.Get(*birds, filter=Filter(where, where_document)))
    assert found["ids"] == ["crow"]
    near = backend.handle(
        r.Query(
            *birds, np.zeros((1, 2), np.float32), 3, None, Filter(where, {"$not_contains": "brown"}), ("distances",)
        )
    )
    assert near["ids"] == [["crow", "jay"]]
    assert backend.handle(r.Delete(*birds, filter=Filter(where, where_document))) == 1


def test_what_the_engine_refuses_is_refused_to_a_server_too(
    backend: EmbeddedBackend, birds: tuple[uuid.UUID, str, str]
) -> None:
    vector = np.array([[1, 0]], np.float32)
    with pytest.raises(InvalidArgumentError, match="NaN or Infinity"):
        backend.handle(r.Add(*birds, Records(["owl"], np.array([[np.nan, 0]], np.float32))))
    with pytest.raises(InvalidArgumentError, match="Empty ID"):
        backend.handle(r.Upsert(*birds, Records([""], vector)))
    with pytest.raises(DuplicateIDError):
        backend.handle(r.Add(*birds, Records(["owl", "owl"], np.vstack([vector, vector]))))
    with pytest.raises(InvalidArgumentError):
        backend.handle(r.Get(*birds, filter=Filter({"g": {"$near": 1}})))
    with pytest.raises(OverflowError):
        backend.handle(r.Get(*birds, limit=-1))
    assert backend.handle(r.Count(*birds)) == 3


def test_a_stopped_backend_answers_nothing(backend: EmbeddedBackend) -> None:
    backend.stop()
    with pytest.raises(_ClosedError, match="Create a new one"):
        backend.handle(r.Heartbeat())


def test_backends_of_one_place_are_one_and_closed_once_each(no_place_is_open: None) -> None:
    one, other = open_embedded(Settings()), open_embedded(Settings())
    assert one is other
    one.close()
    one.handle(r.Heartbeat())
    other.close()
    with pytest.raises(_ClosedError):
        other.handle(r.Heartbeat())
